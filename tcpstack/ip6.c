/* ip6.c - IPv6 in and out: RFC 8200. Extension headers are walked, boundedly; atomic fragments (RFC
 * 6946) are whole packets.
 */
#include "base/check.h"
#include "tcpstack/link.h"

#define IP6_HOP_LIMIT 64

#define OPTION_PAD1         0
#define OPTION_PADN         1
#define OPTION_ROUTER_ALERT 5
#define OPTION_ACTION(type) ((type) >> 6) /* 0 skip, 1 discard, 2 and 3 discard and say so */

static const struct addr all_nodes = {{0xff, 0x02, [15] = 1}};

/* Where the walk over extension headers has got to, in octets from the IPv6 header. */
struct walk {
	uint8_t next; /* protocol of what lies at `at` */
	size_t at;
	size_t next_field;  /* where `next` was read */
	uint8_t error_code; /* of ICMPv6 PARAMETER_PROBLEM, with `error_at`, when error_at != 0 */
	size_t error_at;
	bool fragmented; /* there was a Fragment header, or many */
};

/* A group we are in: all nodes, and the solicited-node groups of our addresses (RFC 4291 2.8). */
static bool group_is_ours(const struct link *link, const struct addr *group)
{
	if (addr_equal(group, &all_nodes))
		return true;
	for (uint16_t i = 0; i < link->address_count; i++)
		if (!addr_is_ip4(&link->addresses[i].addr) &&
		    nd_is_solicited_node(group, &link->addresses[i].addr))
			return true;
	return false;
}

/* A mapped address (::ffff:0:0/96) on the wire would pass for IPv4 further up: never (RFC
 * 4038 4.2). */
bool ip6_is_other_host(const struct net *net, const struct addr *addr)
{
	static const struct addr loopback = {{[15] = 1}};

	return addr->octet[0] != 0xff && !addr_is_ip4(addr) && !addr_equal(addr, &loopback) &&
	       !addr_is_unspecified(addr) && !ip_is_ours(net, addr);
}

static bool source_is_bad(const struct net *net, const struct addr *source, uint8_t next_header)
{
	if (addr_is_unspecified(
	        source)) /* duplicate address detection, behind which there is nothing else */
		return next_header != IP_PROTOCOL_ICMP6;
	return !ip6_is_other_host(net, source);
}

static bool ip6_accept(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	struct net_counters *counters = net->net_counters;
	const struct ip6_header *ip = (const struct ip6_header *)pkt->data;

	counters->ip6_in++;
	if (COUNT_IF(pkt->len < sizeof(*ip), counters->ip6_malformed))
		return false;
	size_t total_bytes = sizeof(*ip) + be16_get(ip->payload_bytes);
	if (COUNT_IF(be32_get(ip->version_class_flow) >> 28 != 6 || total_bytes > pkt->len,
	             counters->ip6_malformed))
		return false;
	pkt->len = (uint16_t)total_bytes;

	struct addr source = addr_of_ip6(ip->source), destination = addr_of_ip6(ip->destination);
	if (COUNT_IF(source_is_bad(net, &source, ip->next_header) || addr_is_ip4(&destination),
	             counters->ip6_source_bad))
		return false;
	if (destination.octet[0] == 0xff)
		return !COUNT_IF(!group_is_ours(net->link, &destination), counters->ip_broadcast);
	if (COUNT_IF(frame->multicast, counters->ip_broadcast))
		return false;
	return !COUNT_IF(!ip_is_ours(net, &destination), counters->ip_not_ours);
}

/* The options of one hop-by-hop or destination header (RFC 8200 4.2), `bytes` octets at `at`. */
static bool options_allow(const uint8_t *packet, size_t at, size_t bytes, struct walk *walk)
{
	size_t end = at + bytes;

	for (int count = 0; at < end; count++) {
		uint8_t type = packet[at];
		if (type == OPTION_PAD1) {
			at++;
			continue;
		}
		if (count >= IP6_OPTIONS_MAX || at + 2 > end || at + 2 + packet[at + 1] > end)
			return false;
		if (type != OPTION_PADN && type != OPTION_ROUTER_ALERT &&
		    OPTION_ACTION(type) != 0) {
			walk->error_code = ICMP6_CODE_OPTION;
			walk->error_at = OPTION_ACTION(type) >= 2 ? at : 0;
			return false;
		}
		at += 2u + packet[at + 1];
	}
	return true;
}

enum step { STEP_NEXT, STEP_DONE, STEP_BAD, STEP_FRAGMENT };

/* Takes one extension header, if there is one at walk->at. */
static enum step walk_step(const struct pkt *pkt, struct walk *walk)
{
	const uint8_t *packet = pkt->data;
	const struct ip6_extension *extension = (const struct ip6_extension *)(packet + walk->at);
	const struct ip6_fragment *fragment = (const struct ip6_fragment *)extension;
	size_t bytes = sizeof(*extension);

	if (walk->next != IP_PROTOCOL_HOP_BY_HOP && walk->next != IP_PROTOCOL_DESTINATION &&
	    walk->next != IP_PROTOCOL_ROUTING && walk->next != IP_PROTOCOL_FRAGMENT)
		return STEP_DONE;
	if (walk->at + bytes > pkt->len)
		return STEP_BAD;
	if (walk->next != IP_PROTOCOL_FRAGMENT)
		bytes += (size_t)extension->length * 8;
	if (walk->at + bytes > pkt->len)
		return STEP_BAD;

	switch (walk->next) {
	case IP_PROTOCOL_HOP_BY_HOP: /* first or not at all: RFC 8200 4.1 */
		if (walk->at != sizeof(struct ip6_header)) {
			walk->error_code = ICMP6_CODE_NEXT_HEADER;
			walk->error_at = walk->next_field;
			return STEP_BAD;
		}
		/* fall through */
	case IP_PROTOCOL_DESTINATION:
		if (!options_allow(packet, walk->at + 2, bytes - 2, walk))
			return STEP_BAD;
		break;
	case IP_PROTOCOL_ROUTING: /* nothing left to visit, or it is not for a host */
		if (extension->rest[1] != 0)
			return STEP_BAD;
		break;
	default:
		if ((be16_get(fragment->offset_more) & 0xfff9) != 0)
			return STEP_FRAGMENT;
		walk->fragmented = true;
	}
	walk->next = extension->next_header;
	walk->next_field = walk->at;
	walk->at += bytes;
	return STEP_NEXT;
}

static struct walk walk_start(const struct pkt *pkt)
{
	return (struct walk){
	    .next = ((const struct ip6_header *)pkt->data)->next_header,
	    .at = sizeof(struct ip6_header),
	    .next_field = offsetof(struct ip6_header, next_header),
	};
}

static enum step walk_all(const struct pkt *pkt, struct walk *walk)
{
	enum step step = STEP_NEXT;

	for (int count = 0; count <= IP6_EXTENSIONS_MAX && step == STEP_NEXT; count++)
		step = walk_step(pkt, walk);
	return step;
}

/* A whole packet instead of a fragment, or NULL while there is none; takes `pkt`. What is wrong is
 * answered as RFC 8200 4.5 and RFC 7112 5 say. */
static struct pkt *ip6_reassemble(struct net *net, const struct frame *frame, struct pkt *pkt,
                                  const struct walk *walk)
{
	const struct ip6_header *ip = (const struct ip6_header *)pkt->data;
	struct fragment fragment = {.packet = bytes_of(pkt->data, pkt->len),
	                            .at = walk->at,
	                            .next_field = walk->next_field};
	struct pkt *whole = NULL;
	uint32_t offset_at = (uint32_t)(walk->at + offsetof(struct ip6_fragment, offset_more));

	net->net_counters->ip6_fragments++;
	if (COUNT_IF(ip->destination[0] == 0xff, net->net_counters->ip_broadcast)) {
		pkt_put(pkt);
		return NULL;
	}
	switch (link_reassemble(net, frame, pkt, &fragment, &whole)) {
	case FRAGMENT_BAD_LENGTH:
		icmp6_error(net, pkt, ICMP6_PARAMETER_PROBLEM, ICMP6_CODE_FIELD,
		            offsetof(struct ip6_header, payload_bytes));
		return NULL;
	case FRAGMENT_BAD_OFFSET:
		icmp6_error(net, pkt, ICMP6_PARAMETER_PROBLEM, ICMP6_CODE_FIELD, offset_at);
		return NULL;
	case FRAGMENT_BAD_CHAIN:
		icmp6_error(net, pkt, ICMP6_PARAMETER_PROBLEM, ICMP6_CODE_CHAIN, 0);
		return NULL;
	case FRAGMENT_WHOLE:
		pkt_put(pkt);
		return whole;
	default:
		pkt_put(pkt);
		return NULL;
	}
}

/* Finds the upper layer, in `pkt` or in what it completes. NULL: the packet is answered, dropped or
 * waits, and is counted. Takes `pkt`. */
static struct pkt *ip6_walk(struct net *net, const struct frame *frame, struct pkt *pkt,
                            struct walk *walk)
{
	enum step step = walk_all(pkt, walk);

	if (step == STEP_FRAGMENT) {
		pkt = ip6_reassemble(net, frame, pkt, walk);
		if (pkt == NULL)
			return NULL;
		*walk = walk_start(pkt);
		walk->fragmented = true;
		step = walk_all(pkt, walk); /* a fragment in a fragment is refused below */
	}
	if (step == STEP_DONE)
		return pkt;
	net->net_counters->ip6_extensions_bad++;
	if (step == STEP_BAD && walk->error_at != 0)
		icmp6_error(net, pkt, ICMP6_PARAMETER_PROBLEM, walk->error_code,
		            (uint32_t)walk->error_at);
	else
		pkt_put(pkt);
	return NULL;
}

/* RFC 6980 5: discovery never comes in fragments, not even in one. */
static bool is_discovery_fragmented(const struct walk *walk, const struct pkt *pkt)
{
	return walk->fragmented && walk->next == IP_PROTOCOL_ICMP6 && walk->at < pkt->len &&
	       pkt->data[walk->at] >= ICMP6_ROUTER_SOLICITATION &&
	       pkt->data[walk->at] <= ICMP6_REDIRECT;
}

static void ip6_dispatch(struct net *net, const struct frame *frame, const struct walk *walk,
                         struct ip_info *ip, struct pkt *pkt)
{
	bool group = ip->destination.octet[0] == 0xff;

	if (COUNT_IF(is_discovery_fragmented(walk, pkt), net->net_counters->nd_malformed)) {
		pkt_put(pkt);
	} else if (walk->next == IP_PROTOCOL_ICMP6) {
		pkt_pull(pkt, walk->at);
		icmp6_input(net, frame, ip, pkt);
	} else if (COUNT_IF(group, net->net_counters->ip_broadcast) ||
	           COUNT_IF(addr_is_unspecified(&ip->source), net->net_counters->ip6_source_bad)) {
		pkt_put(pkt);
	} else if (walk->next == IP_PROTOCOL_TCP) {
		pkt_pull(pkt, walk->at);
		tcp_input(net, ip, pkt);
	} else if (walk->next == IP_PROTOCOL_UDP) {
		net->net_counters->udp_in++;
		icmp6_error(net, pkt, ICMP6_UNREACHABLE, ICMP6_CODE_PORT, 0);
	} else if (walk->next == IP_PROTOCOL_NONE) {
		net->net_counters->ip6_protocol_unknown++;
		pkt_put(pkt);
	} else {
		net->net_counters->ip6_protocol_unknown++;
		icmp6_error(net, pkt, ICMP6_PARAMETER_PROBLEM, ICMP6_CODE_NEXT_HEADER,
		            (uint32_t)walk->next_field);
	}
}

static struct ip_info info_of(const struct ip6_header *header, const struct pkt *pkt)
{
	return (struct ip_info){
	    .source = addr_of_ip6(header->source),
	    .destination = addr_of_ip6(header->destination),
	    .port = pkt->port,
	    .ttl = header->hop_limit,
	    .tos = (uint8_t)(be32_get(header->version_class_flow) >> 20),
	};
}

/* Neighbours put no extension headers in front of discovery worth learning from. */
void ip6_observe(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	const struct ip6_header *header = (const struct ip6_header *)pkt->data;

	if (!ip6_accept(net, frame, pkt) || header->next_header != IP_PROTOCOL_ICMP6)
		return;
	struct ip_info ip = info_of(header, pkt);
	pkt_pull(pkt, sizeof(*header));
	uint32_t sum = checksum_pseudo(&ip.source, &ip.destination, IP_PROTOCOL_ICMP6, pkt->len);
	if (checksum_fold(checksum_add(sum, pkt->data, pkt->len)) == 0)
		nd_observe(net, frame, &ip, pkt);
}

void ip6_input(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	if (!ip6_accept(net, frame, pkt)) {
		pkt_put(pkt);
		return;
	}
	struct walk walk = walk_start(pkt);
	pkt = ip6_walk(net, frame, pkt, &walk);
	if (pkt == NULL)
		return;
	struct ip_info ip = info_of((const struct ip6_header *)pkt->data, pkt);
	ip6_dispatch(net, frame, &walk, &ip, pkt);
}

void ip6_push_header(struct pkt *pkt, const struct addr *source, const struct addr *destination,
                     uint8_t protocol, uint8_t ecn, uint8_t hop_limit)
{
	uint16_t payload_bytes = pkt->len;
	struct ip6_header *ip = pkt_push(pkt, sizeof(*ip));

	ASSERT(ecn <= 3);
	ip->version_class_flow = be32_of(0x60000000u | (uint32_t)ecn << 20);
	ip->payload_bytes = be16_of(payload_bytes);
	ip->next_header = protocol;
	ip->hop_limit = hop_limit != 0 ? hop_limit : IP6_HOP_LIMIT;
	memcpy(ip->source, source->octet, 16);
	memcpy(ip->destination, destination->octet, 16);
}
