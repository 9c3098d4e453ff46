/* ip4.c - IPv4 in and out: RFC 791, RFC 1122 3.2. */
#include "base/check.h"
#include "tcpstack/link.h"

#define IP4_TTL 64 /* RFC 1700 */

/* RFC 1122 3.2.1.3: nobody has an address of "this network", loopback, a group, class E or a
 * broadcast address; and our own no other has. */
bool ip4_is_other_host(const struct net *net, const struct addr *addr)
{
	const struct link *link = net->link;
	uint8_t first = addr->octet[12];

	if (first == 0 || first == 127 || first >= 224)
		return false;
	for (uint16_t i = 0; i < link->address_count; i++) {
		const struct our_address *our = &link->addresses[i];
		if (addr_equal(addr, &our->addr))
			return false;
		if (!addr_is_ip4(&our->addr) || our->network.bits >= 127)
			continue; /* RFC 3021: a /31 has no broadcast address */
		uint32_t host_mask = UINT32_MAX >> (our->network.bits - 96);
		if (addr_ip4(addr) == (addr_ip4(&our->network.addr) | host_mask))
			return false;
	}
	return true;
}

/* Checks the header and cuts link padding off; 0 and counted when the packet is not for us. */
static size_t ip4_accept(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	struct net_counters *counters = net->net_counters;
	const struct ip4_header *ip = (const struct ip4_header *)pkt->data;

	counters->ip4_in++;
	if (COUNT_IF(pkt->len < sizeof(*ip), counters->ip4_malformed))
		return 0;
	size_t header_bytes = (size_t)(ip->version_ihl & 15) * 4;
	size_t total_bytes = be16_get(ip->total_bytes);
	if (COUNT_IF(ip->version_ihl >> 4 != 4 || header_bytes < sizeof(*ip) ||
	                 total_bytes < header_bytes || total_bytes > pkt->len,
	             counters->ip4_malformed))
		return 0;
	if (COUNT_IF(checksum_fold(checksum_add(0, ip, header_bytes)) != 0,
	             counters->ip4_checksum_bad))
		return 0;
	pkt->len = (uint16_t)total_bytes;

	struct addr source = addr_of_ip4(ip->source), destination = addr_of_ip4(ip->destination);
	if (COUNT_IF(!ip4_is_other_host(net, &source), counters->ip4_source_bad))
		return 0;
	if (COUNT_IF(frame->multicast || ip->destination.octet[0] >= 224, counters->ip_broadcast))
		return 0;
	if (COUNT_IF(!ip_is_ours(net, &destination), counters->ip_not_ours))
		return 0;
	if (header_bytes > sizeof(*ip))
		counters->ip4_options++;
	return header_bytes;
}

/* A whole packet instead of a fragment, or NULL while there is none; takes `pkt`. */
static struct pkt *ip4_reassemble(struct net *net, const struct frame *frame, struct pkt *pkt,
                                  size_t header_bytes)
{
	const struct ip4_header *ip = (const struct ip4_header *)pkt->data;
	struct fragment fragment = {.packet = bytes_of(pkt->data, pkt->len), .at = header_bytes};
	struct pkt *whole = NULL;

	if (!COUNT_IF((be16_get(ip->fragment) & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0,
	              net->net_counters->ip4_fragments))
		return pkt;
	if (link_reassemble(net, frame, pkt, &fragment, &whole) != FRAGMENT_WHOLE)
		whole = NULL;
	pkt_put(pkt);
	return whole;
}

void ip4_input(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	size_t header_bytes = ip4_accept(net, frame, pkt);

	if (header_bytes == 0) {
		pkt_put(pkt);
		return;
	}
	pkt = ip4_reassemble(net, frame, pkt, header_bytes);
	if (pkt == NULL)
		return;
	const struct ip4_header *header = (const struct ip4_header *)pkt->data;
	header_bytes = (size_t)(header->version_ihl & 15) * 4; /* of the first fragment */
	struct ip_info ip = {
	    .source = addr_of_ip4(header->source),
	    .destination = addr_of_ip4(header->destination),
	    .port = pkt->port,
	    .ttl = header->ttl,
	    .tos = header->tos,
	};
	switch (header->protocol) {
	case IP_PROTOCOL_TCP:
		pkt_pull(pkt, header_bytes);
		tcp_input(net, &ip, pkt);
		return;
	case IP_PROTOCOL_ICMP4:
		pkt_pull(pkt, header_bytes);
		icmp4_input(net, &ip, pkt);
		return;
	case IP_PROTOCOL_UDP:
		net->net_counters->udp_in++;
		icmp4_error(net, pkt, ICMP4_UNREACHABLE, ICMP4_CODE_PORT);
		return;
	default:
		net->net_counters->ip4_protocol_unknown++;
		icmp4_error(net, pkt, ICMP4_UNREACHABLE, ICMP4_CODE_PROTOCOL);
	}
}

void ip4_push_header(struct net *net, struct pkt *pkt, const struct addr *source,
                     const struct addr *destination, uint8_t protocol, uint8_t ecn)
{
	struct ip4_header *ip = pkt_push(pkt, sizeof(*ip));

	ASSERT(ecn <= 3);
	/* With DF set the id means nothing (RFC 6864 4.1), but boxes that clear DF exist. */
	*ip = (struct ip4_header){
	    .version_ihl = 0x45,
	    .tos = ecn,
	    .total_bytes = be16_of(pkt->len),
	    .id = be16_of((uint16_t)random_u64(&net->random)),
	    .fragment = be16_of(IP4_DONT_FRAGMENT),
	    .ttl = IP4_TTL,
	    .protocol = protocol,
	    .source = addr_to_ip4(source),
	    .destination = addr_to_ip4(destination),
	};
	uint16_t checksum = checksum_fold(checksum_add(0, ip, sizeof(*ip)));
	memcpy(ip->checksum.octet, &checksum, sizeof(checksum));
}
