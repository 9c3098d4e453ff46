/* arp.c - address resolution for IPv4: RFC 826, with the announcements and the defence of RFC 5227.
 *
 * We answer only for addresses of ours on the very interface, and learn only about neighbours that
 * we asked for (neighbour.c): nobody fills a table by talking.
 */
#include "base/check.h"
#include "tcpstack/link.h"

#define DEFEND_INTERVAL_US 10000000 /* RFC 5227 1.1 */

static void arp_send(struct net *net, uint8_t interface, const uint8_t *mac, struct pkt *pkt,
                     const struct arp_header *arp)
{
	memcpy(pkt->data, arp, sizeof(*arp));
	pkt->len = sizeof(*arp);
	eth_output(net, interface, mac, ETHERTYPE_ARP, pkt);
}

static struct arp_header arp_of(const struct net *net, uint8_t interface, uint16_t operation,
                                struct be32 sender_ip, struct be32 target_ip)
{
	struct arp_header arp = {
	    .hardware = be16_of(ARP_HARDWARE_ETHERNET),
	    .protocol = be16_of(ETHERTYPE_IP4),
	    .hardware_bytes = MAC_BYTES,
	    .protocol_bytes = 4,
	    .operation = be16_of(operation),
	    .sender_ip = sender_ip,
	    .target_ip = target_ip,
	};

	memcpy(arp.sender_mac, net->link->interfaces[interface].config.mac, MAC_BYTES);
	return arp;
}

void arp_request(struct net *net, uint8_t interface, const uint8_t *mac, const struct addr *sender,
                 const struct addr *target)
{
	struct pkt *pkt = pkt_get(net->pool);
	struct arp_header arp = arp_of(net, interface, ARP_REQUEST, addr_to_ip4(sender),
	                               addr_to_ip4(target));

	if (COUNT_IF(pkt == NULL, net->net_counters->no_buffer))
		return;
	net->net_counters->arp_requests_out++;
	arp_send(net, interface, mac != NULL ? mac : mac_broadcast, pkt, &arp);
}

void arp_announce(struct net *net, uint8_t interface, const struct addr *addr)
{
	arp_request(net, interface, NULL, addr, addr);
}

static bool arp_is_valid(const struct arp_header *arp, uint16_t len)
{
	if (len < sizeof(*arp))
		return false;
	uint16_t operation = be16_get(arp->operation);
	return be16_get(arp->hardware) == ARP_HARDWARE_ETHERNET &&
	       be16_get(arp->protocol) == ETHERTYPE_IP4 && arp->hardware_bytes == MAC_BYTES &&
	       arp->protocol_bytes == 4 && (operation == ARP_REQUEST || operation == ARP_REPLY) &&
	       mac_is_unicast(arp->sender_mac);
}

/* Someone else claims an address of ours: RFC 5227 2.4 (b), defend once in a while and keep it. */
static void arp_defend(struct net *net, uint8_t index, const struct addr *addr)
{
	struct interface *interface = &net->link->interfaces[index];

	net->net_counters->address_conflicts++;
	if (interface->defended_us != 0 &&
	    net->now_us - interface->defended_us < DEFEND_INTERVAL_US)
		return;
	interface->defended_us = net->now_us;
	arp_announce(net, index, addr);
}

void arp_observe(struct net *net, const struct frame *frame, const struct pkt *pkt)
{
	const struct arp_header *arp = (const struct arp_header *)pkt->data;

	if (!arp_is_valid(arp, pkt->len))
		return;
	struct addr sender = addr_of_ip4(arp->sender_ip), target = addr_of_ip4(arp->target_ip);
	bool reply_to_us = be16_get(arp->operation) == ARP_REPLY &&
	                   link_is_ours(net->link, frame->interface, &target);
	if (!addr_is_unspecified(&sender) && !link_is_ours(net->link, frame->interface, &sender))
		neighbour_learn(net, frame->interface, &sender, arp->sender_mac, reply_to_us, true);
}

void arp_input(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	const struct arp_header *arp = (const struct arp_header *)pkt->data;

	net->net_counters->arp_in++;
	if (COUNT_IF(!arp_is_valid(arp, pkt->len), net->net_counters->arp_malformed))
		goto drop;

	struct addr sender = addr_of_ip4(arp->sender_ip), target = addr_of_ip4(arp->target_ip);
	bool to_us = link_is_ours(net->link, frame->interface, &target);
	bool request = be16_get(arp->operation) == ARP_REQUEST;
	if (link_is_ours(net->link, frame->interface, &sender)) {
		arp_defend(net, frame->interface, &sender);
		goto drop;
	}
	/* A sender of 0.0.0.0 is a probe (RFC 5227 2.1): answered, never learnt. */
	if (!addr_is_unspecified(&sender))
		neighbour_learn(net, frame->interface, &sender, arp->sender_mac, !request && to_us,
		                true);
	if (!request)
		goto drop;
	if (COUNT_IF(!to_us, net->net_counters->arp_not_ours))
		goto drop;

	struct arp_header reply = arp_of(net, frame->interface, ARP_REPLY, arp->target_ip,
	                                 arp->sender_ip);
	memcpy(reply.target_mac, arp->sender_mac, MAC_BYTES);
	net->net_counters->arp_requests_answered++;
	arp_send(net, frame->interface, reply.target_mac, pkt, &reply);
	return;
drop:
	pkt_put(pkt);
}
