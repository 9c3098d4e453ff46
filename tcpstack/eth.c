/* eth.c - Ethernet II and one IEEE 802.1Q tag: who a frame is for, what it holds, and the way back
 * out. */
#include "base/check.h"
#include "tcpstack/link.h"

const uint8_t mac_broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

bool eth_accept(struct net *net, struct pkt *pkt, struct frame *out_frame, uint16_t *out_type)
{
	struct net_counters *counters = net->net_counters;
	uint8_t index = net->link->interface_of_port[pkt->port];
	const struct eth_header *eth = (const struct eth_header *)pkt->data;

	if (COUNT_IF(index == PORTS_MAX, counters->port_unknown))
		return false;
	if (COUNT_IF(pkt->len < sizeof(*eth), counters->eth_short))
		return false;

	const struct interface *interface = &net->link->interfaces[index];
	bool multicast = (eth->destination[0] & 1) != 0;
	if (COUNT_IF(mac_equal(eth->source, interface->config.mac), counters->eth_own))
		return false;
	if (COUNT_IF(!mac_is_unicast(eth->source), counters->eth_source_bad))
		return false;
	if (COUNT_IF(!multicast && !mac_equal(eth->destination, interface->config.mac),
	             counters->eth_not_ours))
		return false;

	out_frame->interface = index;
	out_frame->multicast = multicast;
	memcpy(out_frame->source_mac, eth->source, MAC_BYTES);
	*out_type = be16_get(eth->type);
	pkt_pull(pkt, sizeof(*eth));

	/* A tag of VLAN 0 carries priority only: the frame counts as untagged (802.1Q 6.9). */
	uint16_t vlan = 0;
	if (*out_type == ETHERTYPE_VLAN) {
		const struct vlan_header *tag = (const struct vlan_header *)pkt->data;
		if (COUNT_IF(pkt->len < sizeof(*tag), counters->eth_short))
			return false;
		vlan = be16_get(tag->tag) & VLAN_ID_MASK;
		*out_type = be16_get(tag->type);
		pkt_pull(pkt, sizeof(*tag));
	}
	return !COUNT_IF(vlan != interface->config.vlan, counters->vlan_other);
}

void eth_input(struct net *net, struct pkt *pkt)
{
	struct frame frame;
	uint16_t type;

	if (!eth_accept(net, pkt, &frame, &type)) {
		pkt_put(pkt);
		return;
	}
	switch (type) {
	case ETHERTYPE_IP4:
		ip4_input(net, &frame, pkt);
		return;
	case ETHERTYPE_IP6:
		ip6_input(net, &frame, pkt);
		return;
	case ETHERTYPE_ARP:
		arp_input(net, &frame, pkt);
		return;
	default:
		net->net_counters->eth_type_unknown++;
		pkt_put(pkt);
	}
}

void eth_output(struct net *net, uint8_t interface, const uint8_t mac[MAC_BYTES], uint16_t type,
                struct pkt *pkt)
{
	const struct net_interface *config = &net->link->interfaces[interface].config;
	size_t bytes = sizeof(struct eth_header) +
	               (config->vlan != 0 ? sizeof(struct vlan_header) : 0);

	if (COUNT_IF(pkt_headroom(pkt) < bytes, net->net_counters->no_headroom)) {
		pkt_put(pkt);
		return;
	}
	if (config->vlan != 0) {
		struct vlan_header *tag = pkt_push(pkt, sizeof(*tag));
		tag->tag = be16_of(config->vlan);
		tag->type = be16_of(type);
		type = ETHERTYPE_VLAN;
	}
	struct eth_header *eth = pkt_push(pkt, sizeof(*eth));
	memcpy(eth->destination, mac, MAC_BYTES);
	memcpy(eth->source, config->mac, MAC_BYTES);
	eth->type = be16_of(type);
	link_output(net, interface, pkt);
}

void link_output(struct net *net, uint8_t interface, struct pkt *pkt)
{
	pkt->port = net->link->interfaces[interface].config.port;
	pkt->at_us = net->now_us;
	pkt_chain_push(&net->output, pkt);
}
