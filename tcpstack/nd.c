/* nd.c - neighbour discovery for IPv6: RFC 4861 7, a host's half; RFC 4862 5.4 simplified; MLDv2
 * reports.
 *
 * Router messages and redirects are ignored: the gateway is configured. Duplicate address detection
 * is optimistic: addresses are configured by an operator, so we use them at once, ask once whether
 * another has them and defend them; a conflict is counted, nothing is given up. Solicitations are
 * answered to the asker's MAC directly, without an entry for it, so that asking fills no table.
 */
#include "base/check.h"
#include "tcpstack/link.h"

static const struct addr all_nodes = {{0xff, 0x02, [15] = 1}};
static const struct addr all_mld_routers = {{0xff, 0x02, [15] = 0x16}};

/* MLDv2 report, RFC 3810 5.2, behind a hop-by-hop header with the router alert. */
#define MLD_CHANGE_TO_EXCLUDE 4
struct mld_record {
	uint8_t type, auxiliary;
	struct be16 source_count;
	uint8_t group[16];
};
static_assert(sizeof(struct mld_record) == 20, "RFC 3810 5.2");

struct nd_message {
	struct nd_header header;
	struct nd_link_option link;
};
static_assert(sizeof(struct nd_message) == 32, "one option and no padding");

struct addr nd_link_local(const uint8_t mac[MAC_BYTES])
{
	return (struct addr){{0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
	                      mac[3], mac[4], mac[5]}};
}

/* RFC 4291 2.7.1. */
static struct addr solicited_node(const struct addr *addr)
{
	struct addr group = {{0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(group.octet + 13, addr->octet + 13, 3);
	return group;
}

bool nd_is_solicited_node(const struct addr *group, const struct addr *addr)
{
	struct addr expected = solicited_node(addr);

	return addr_equal(group, &expected);
}

/* Adds checksum and headers to an ICMPv6 message and sends it to `mac`, or to the group's when
 * NULL. */
static void nd_send(struct net *net, uint8_t interface, const uint8_t *mac,
                    const struct addr *source, const struct addr *destination, struct pkt *pkt)
{
	struct icmp_header *icmp = (struct icmp_header *)pkt->data;
	uint32_t pseudo = checksum_pseudo(source, destination, IP_PROTOCOL_ICMP6, pkt->len);
	uint16_t checksum = checksum_fold(checksum_add(pseudo, icmp, pkt->len));
	uint8_t group_mac[MAC_BYTES] = {0x33, 0x33}; /* RFC 2464 7 */

	memcpy(icmp->checksum.octet, &checksum, sizeof(checksum));
	memcpy(group_mac + 2, destination->octet + 12, 4);
	if (COUNT_IF(pkt_headroom(pkt) < sizeof(struct ip6_header),
	             net->net_counters->no_headroom)) {
		pkt_put(pkt);
		return;
	}
	ip6_push_header(pkt, source, destination, IP_PROTOCOL_ICMP6, 0, ND_HOP_LIMIT);
	eth_output(net, interface, mac != NULL ? mac : group_mac, ETHERTYPE_IP6, pkt);
}

static void nd_fill(const struct net *net, uint8_t interface, struct pkt *pkt, uint8_t type,
                    uint32_t flags, const struct addr *target)
{
	struct nd_message *message = (struct nd_message *)pkt->data;
	bool solicitation = type == ICMP6_NEIGHBOUR_SOLICITATION;

	*message = (struct nd_message){
	    .header = {.type = type, .flags = be32_of(flags)},
	    .link = {.type = solicitation ? ND_OPTION_SOURCE_LINK : ND_OPTION_TARGET_LINK,
	             .length = 1},
	};
	memcpy(message->header.target, target->octet, 16);
	memcpy(message->link.mac, net->link->interfaces[interface].config.mac, MAC_BYTES);
	pkt->len = sizeof(*message);
}

void nd_solicit(struct net *net, uint8_t interface, const uint8_t *mac, const struct addr *sender,
                const struct addr *target)
{
	struct pkt *pkt = pkt_get(net->pool);
	struct addr destination = mac != NULL ? *target : solicited_node(target);

	if (COUNT_IF(pkt == NULL, net->net_counters->no_buffer))
		return;
	nd_fill(net, interface, pkt, ICMP6_NEIGHBOUR_SOLICITATION, 0, target);
	if (addr_is_unspecified(sender)) /* RFC 4861 4.3: then without the option */
		pkt->len = sizeof(struct nd_header);
	net->net_counters->nd_solicitations_out++;
	nd_send(net, interface, mac, sender, &destination, pkt);
}

void nd_announce(struct net *net, uint8_t interface, const struct addr *addr)
{
	struct pkt *pkt = pkt_get(net->pool);

	if (COUNT_IF(pkt == NULL, net->net_counters->no_buffer))
		return;
	nd_fill(net, interface, pkt, ICMP6_NEIGHBOUR_ADVERT, ND_FLAG_OVERRIDE, addr);
	nd_send(net, interface, NULL, addr, &all_nodes, pkt);
}

void nd_report_groups(struct net *net, uint8_t interface)
{
	static const uint8_t alert[8] = {
	    IP_PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 1, 0}; /* RFC 2711, PadN */
	const struct link *link = net->link;
	struct addr source = nd_link_local(link->interfaces[interface].config.mac);
	struct pkt *pkt = pkt_get(net->pool);
	uint16_t count = 0;

	static_assert(8 + sizeof(struct icmp_header) +
	                      (PORT_ADDRESSES_MAX + 1) * sizeof(struct mld_record) <=
	                  IP6_MTU_MIN - sizeof(struct ip6_header),
	              "a report of all groups of an interface fits the smallest MTU");
	if (COUNT_IF(pkt == NULL, net->net_counters->no_buffer))
		return;
	struct icmp_header *report = (struct icmp_header *)(pkt->data + sizeof(alert));
	struct mld_record *record = (struct mld_record *)(report + 1);
	for (uint16_t i = 0; i < link->address_count; i++) {
		const struct our_address *our = &link->addresses[i];
		if (our->interface != interface || addr_is_ip4(&our->addr))
			continue;
		struct addr group = solicited_node(&our->addr);
		record[count] = (struct mld_record){.type = MLD_CHANGE_TO_EXCLUDE};
		memcpy(record[count++].group, group.octet, 16);
	}
	*report = (struct icmp_header){.type = ICMP6_LISTENER_REPORT, .rest = be32_of(count)};

	uint16_t bytes = (uint16_t)(sizeof(*report) + count * sizeof(*record));
	uint32_t pseudo = checksum_pseudo(&source, &all_mld_routers, IP_PROTOCOL_ICMP6, bytes);
	uint16_t checksum = checksum_fold(checksum_add(pseudo, report, bytes));
	uint8_t group_mac[MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 0x16};
	memcpy(report->checksum.octet, &checksum, sizeof(checksum));
	memcpy(pkt->data, alert, sizeof(alert));
	pkt->len = (uint16_t)(sizeof(alert) + bytes);
	ip6_push_header(pkt, &source, &all_mld_routers, IP_PROTOCOL_HOP_BY_HOP, 0, 1);
	net->net_counters->mld_reports_out++;
	eth_output(net, interface, group_mac, ETHERTYPE_IP6, pkt);
}

/* Finds the link-layer option of `type`; false when an option is malformed (RFC 4861 7.1: discard
 * all). */
static bool nd_options(const struct pkt *pkt, uint8_t type, const uint8_t **out_mac)
{
	size_t at = sizeof(struct nd_header);

	*out_mac = NULL;
	for (int count = 0; at < pkt->len; count++) {
		const struct nd_link_option *option = (const struct nd_link_option *)(pkt->data +
		                                                                      at);
		if (count >= ND_OPTIONS_MAX || at + 2 > pkt->len || option->length == 0 ||
		    at + (size_t)option->length * 8 > pkt->len)
			return false;
		if (option->type == type) {
			if (option->length != 1 || !mac_is_unicast(option->mac))
				return false;
			*out_mac = option->mac;
		}
		at += (size_t)option->length * 8;
	}
	return true;
}

/* RFC 4861 7.1.1 and 7.2.3. */
static void solicitation_input(struct net *net, const struct frame *frame, const struct ip_info *ip,
                               struct pkt *pkt)
{
	const struct nd_header *header = (const struct nd_header *)pkt->data;
	struct addr target = addr_of_ip6(header->target);
	bool probe = addr_is_unspecified(&ip->source);
	const uint8_t *mac;

	if (COUNT_IF(
	        !nd_options(pkt, ND_OPTION_SOURCE_LINK, &mac) || target.octet[0] == 0xff ||
	            (probe && (mac != NULL || !nd_is_solicited_node(&ip->destination, &target))),
	        net->net_counters->nd_malformed) ||
	    COUNT_IF(!link_is_ours(net->link, frame->interface, &target),
	             net->net_counters->nd_not_ours)) {
		pkt_put(pkt);
		return;
	}
	if (mac != NULL)
		neighbour_learn(net, frame->interface, &ip->source, mac, false, true);

	uint8_t asker[MAC_BYTES];
	struct addr destination = probe ? all_nodes : ip->source;
	uint32_t flags = probe ? ND_FLAG_OVERRIDE : ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE;
	memcpy(asker, mac != NULL ? mac : frame->source_mac, MAC_BYTES);
	if (probe)
		net->net_counters->address_conflicts++;
	net->net_counters->nd_solicitations_answered++;
	/* In place: room for the option is behind the headers that were in front. */
	ASSERT(pkt_tailroom(pkt) + pkt->len >= sizeof(struct nd_message));
	nd_fill(net, frame->interface, pkt, ICMP6_NEIGHBOUR_ADVERT, flags, &target);
	nd_send(net, frame->interface, probe ? NULL : asker, &target, &destination, pkt);
}

/* A hop limit of 255 proves that it comes from this link. */
static bool nd_is_valid(const struct ip_info *ip, const struct pkt *pkt)
{
	const struct nd_header *header = (const struct nd_header *)pkt->data;

	return ip->ttl == ND_HOP_LIMIT && pkt->len >= sizeof(*header) && header->code == 0;
}

/* RFC 4861 7.1.2 and 7.2.5. */
static void advertisement_learn(struct net *net, const struct frame *frame,
                                const struct ip_info *ip, const struct pkt *pkt)
{
	const struct nd_header *header = (const struct nd_header *)pkt->data;
	struct addr target = addr_of_ip6(header->target);
	uint32_t flags = be32_get(header->flags);
	bool solicited = (flags & ND_FLAG_SOLICITED) != 0;
	const uint8_t *mac;

	if (!nd_options(pkt, ND_OPTION_TARGET_LINK, &mac) || target.octet[0] == 0xff ||
	    addr_is_unspecified(&ip->source) || (solicited && ip->destination.octet[0] == 0xff))
		net->net_counters->nd_malformed++;
	else if (link_is_ours(net->link, frame->interface, &target))
		net->net_counters->address_conflicts++;
	else /* who answers a unicast probe may leave the option out */
		neighbour_learn(net, frame->interface, &target,
		                mac != NULL ? mac : frame->source_mac, solicited,
		                mac != NULL && (flags & ND_FLAG_OVERRIDE) != 0);
}

void nd_observe(struct net *net, const struct frame *frame, const struct ip_info *ip,
                const struct pkt *pkt)
{
	if (nd_is_valid(ip, pkt) && pkt->data[0] == ICMP6_NEIGHBOUR_ADVERT)
		advertisement_learn(net, frame, ip, pkt);
}

void nd_input(struct net *net, const struct frame *frame, const struct ip_info *ip, struct pkt *pkt)
{
	const struct nd_header *header = (const struct nd_header *)pkt->data;

	net->net_counters->nd_in++;
	if (header->type == ICMP6_LISTENER_QUERY && !net->raw_ip) {
		nd_report_groups(net, frame->interface);
		pkt_put(pkt);
		return;
	}
	if (net->raw_ip || (header->type != ICMP6_NEIGHBOUR_SOLICITATION &&
	                    header->type != ICMP6_NEIGHBOUR_ADVERT)) {
		net->net_counters->nd_ignored++;
		pkt_put(pkt);
		return;
	}
	if (COUNT_IF(!nd_is_valid(ip, pkt), net->net_counters->nd_malformed)) {
		pkt_put(pkt);
		return;
	}
	if (header->type == ICMP6_NEIGHBOUR_SOLICITATION) {
		solicitation_input(net, frame, ip, pkt);
		return;
	}
	advertisement_learn(net, frame, ip, pkt);
	pkt_put(pkt);
}
