/* icmp.c - ICMP for both families: echo, errors about our segments to TCP, errors about what we do
 * not serve.
 *
 * RFC 792, RFC 4443, RFC 1122 3.2.2, RFC 5927. Nobody is answered without bound.
 */
#include "base/check.h"
#include "tcpstack/link.h"

#define ICMP4_ERROR_BYTES_MAX 576 /* RFC 1812 4.3.2.3: as much as fits, at most this */
#define TCP_QUOTE_BYTES_MIN   8   /* ports and sequence number */

/* What a quoted packet must be to concern TCP: a segment of ours, from its start. */
struct quote {
	struct endpoint local, remote;
	uint32_t seq;
	uint32_t bytes; /* of the IP packet */
};

bool rate_allows(struct rate_limit *limit, uint64_t now_us, uint32_t per_second, uint32_t burst)
{
	uint64_t per_token_us = 1000000 / per_second;
	uint64_t earned = (now_us - limit->filled_us) / per_token_us;

	if (earned >= burst - limit->tokens) {
		limit->tokens = burst;
		limit->filled_us = now_us;
	} else {
		limit->tokens += (uint32_t)earned;
		limit->filled_us += earned * per_token_us;
	}
	if (limit->tokens == 0)
		return false;
	limit->tokens--;
	return true;
}

static void put_checksum(struct icmp_header *icmp, uint32_t pseudo, size_t bytes)
{
	uint16_t checksum;

	icmp->checksum = be16_of(0);
	checksum = checksum_fold(checksum_add(pseudo, icmp, bytes));
	memcpy(icmp->checksum.octet, &checksum, sizeof(checksum));
}

static void echo_reply(struct net *net, const struct ip_info *ip, struct pkt *pkt, uint8_t type)
{
	struct icmp_header *icmp = (struct icmp_header *)pkt->data;
	bool ip4 = type == ICMP4_ECHO_REPLY;

	if (!rate_allows(&net->link->echo, net->now_us, ICMP_ECHO_PER_S_MAX, ICMP_ECHO_BURST_MAX)) {
		net->net_counters->icmp_echo_limited++;
		pkt_put(pkt);
		return;
	}
	/* A request that came in fragments may be larger than what we send in one. */
	size_t header_bytes = ip4 ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	if (COUNT_IF(header_bytes + pkt->len > net->config.mtu, net->net_counters->icmp_ignored)) {
		pkt_put(pkt);
		return;
	}
	icmp->type = type;
	put_checksum(
	    icmp,
	    ip4 ? 0 : checksum_pseudo(&ip->destination, &ip->source, IP_PROTOCOL_ICMP6, pkt->len),
	    pkt->len);
	net->net_counters->icmp_echo_answered++;
	ip_output(net, pkt, &ip->destination, &ip->source,
	          ip4 ? IP_PROTOCOL_ICMP4 : IP_PROTOCOL_ICMP6, 0);
}

static void quote_tcp(const uint8_t *segment, struct quote *quote)
{
	const struct tcp_header *tcp = (const struct tcp_header *)segment;

	quote->local.port = be16_get(tcp->source);
	quote->remote.port = be16_get(tcp->destination);
	quote->seq = be32_get(tcp->seq);
}

static bool quote_parse4(const uint8_t *data, size_t bytes, struct quote *out_quote)
{
	const struct ip4_header *ip = (const struct ip4_header *)data;

	if (bytes < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return false;
	size_t header_bytes = (size_t)(ip->version_ihl & 15) * 4;
	if (header_bytes < sizeof(*ip) || bytes < header_bytes + TCP_QUOTE_BYTES_MIN ||
	    ip->protocol != IP_PROTOCOL_TCP || (be16_get(ip->fragment) & IP4_OFFSET_MASK) != 0)
		return false;
	*out_quote = (struct quote){
	    .local.addr = addr_of_ip4(ip->source),
	    .remote.addr = addr_of_ip4(ip->destination),
	    .bytes = be16_get(ip->total_bytes),
	};
	quote_tcp(data + header_bytes, out_quote);
	return true;
}

/* We send no extension headers, so the segment follows at once. */
static bool quote_parse6(const uint8_t *data, size_t bytes, struct quote *out_quote)
{
	const struct ip6_header *ip = (const struct ip6_header *)data;

	if (bytes < sizeof(*ip) + TCP_QUOTE_BYTES_MIN ||
	    be32_get(ip->version_class_flow) >> 28 != 6 || ip->next_header != IP_PROTOCOL_TCP)
		return false;
	*out_quote = (struct quote){
	    .local.addr = addr_of_ip6(ip->source),
	    .remote.addr = addr_of_ip6(ip->destination),
	    .bytes = (uint32_t)sizeof(*ip) + be16_get(ip->payload_bytes),
	};
	quote_tcp(data + sizeof(*ip), out_quote);
	return true;
}

/* RFC 1191 7: a router that names no MTU means the next plateau below the packet's size. */
static uint32_t plateau_below(uint32_t bytes)
{
	static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002,
	                                   1492,  1006,  508,  296,  68};

	for (size_t i = 0; i < sizeof(plateau) / sizeof(plateau[0]); i++)
		if (plateau[i] < bytes)
			return plateau[i];
	return plateau[sizeof(plateau) / sizeof(plateau[0]) - 1];
}

/* False: a type or code that says nothing to TCP. */
static bool error_of4(const struct icmp_header *icmp, enum icmp_error *out_error)
{
	if (icmp->type == ICMP4_TIME_EXCEEDED || icmp->type == ICMP4_PARAMETER_PROBLEM) {
		*out_error = ICMP_ERROR_UNREACHABLE; /* RFC 1122 4.2.3.9: soft */
		return true;
	}
	if (icmp->type != ICMP4_UNREACHABLE || icmp->code > 15)
		return false;
	/* Each by what a socket would say; 9, 10, 13: prohibited (RFC 1812 5.2.7.1). */
	switch (icmp->code) {
	case ICMP4_CODE_TOO_BIG:
		*out_error = ICMP_ERROR_TOO_BIG;
		return true;
	case ICMP4_CODE_PORT:
		*out_error = ICMP_ERROR_REFUSED;
		return true;
	case ICMP4_CODE_PROTOCOL:
		*out_error = ICMP_ERROR_NO_PROTOCOL;
		return true;
	case 0:
	case 6:
	case 9:
	case 11:
		*out_error = ICMP_ERROR_NO_NETWORK;
		return true;
	default:
		*out_error = ICMP_ERROR_UNREACHABLE;
		return true;
	}
}

/* RFC 4443 3.1. */
static enum icmp_error unreachable_of6(uint8_t code)
{
	switch (code) {
	case 0:
		return ICMP_ERROR_NO_NETWORK;
	case 1: /* administratively; 5, 6: by policy */
	case 5:
	case 6:
		return ICMP_ERROR_PROHIBITED;
	case 4:
		return ICMP_ERROR_REFUSED;
	default:
		return ICMP_ERROR_UNREACHABLE;
	}
}

static bool error_of6(const struct icmp_header *icmp, enum icmp_error *out_error)
{
	switch (icmp->type) {
	case ICMP6_UNREACHABLE:
		*out_error = unreachable_of6(icmp->code);
		return true;
	case ICMP6_TOO_BIG:
		*out_error = ICMP_ERROR_TOO_BIG;
		return true;
	case ICMP6_TIME_EXCEEDED:
		*out_error = ICMP_ERROR_UNREACHABLE;
		return true;
	case ICMP6_PARAMETER_PROBLEM:
		*out_error = icmp->code == ICMP6_CODE_NEXT_HEADER ? ICMP_ERROR_NO_PROTOCOL
		                                                  : ICMP_ERROR_UNREACHABLE;
		return true;
	default:
		return false;
	}
}

/* Gives an error to TCP when it quotes a segment that we could have sent: from an address of ours,
 * which is also the one the error came to (RFC 5927 4.1 leaves the rest to TCP, which knows the
 * sequence numbers). */
static void error_input(struct net *net, const struct ip_info *ip, const struct pkt *pkt,
                        enum icmp_error error)
{
	const struct icmp_header *icmp = (const struct icmp_header *)pkt->data;
	const uint8_t *data = pkt->data + sizeof(*icmp);
	size_t bytes = pkt->len - sizeof(*icmp);
	bool ip4 = addr_is_ip4(&ip->destination);
	struct quote quote;
	uint32_t mtu = 0;

	if (!(ip4 ? quote_parse4(data, bytes, &quote) : quote_parse6(data, bytes, &quote)) ||
	    !addr_equal(&quote.local.addr, &ip->destination) ||
	    ip_is_ours(net, &quote.remote.addr)) {
		net->net_counters->icmp_quote_bad++;
		return;
	}
	if (error == ICMP_ERROR_TOO_BIG) {
		mtu = be32_get(icmp->rest);
		if (ip4 && (mtu &= UINT16_MAX) == 0) /* RFC 1191 4: the upper half is unused */
			mtu = plateau_below(quote.bytes);
	}
	net->net_counters->icmp_errors_in++;
	tcp_icmp_error(net, error, &quote.local, &quote.remote, quote.seq, mtu);
}

void icmp4_input(struct net *net, const struct ip_info *ip, struct pkt *pkt)
{
	struct net_counters *counters = net->net_counters;
	const struct icmp_header *icmp = (const struct icmp_header *)pkt->data;
	enum icmp_error error;

	counters->icmp_in++;
	if (COUNT_IF(pkt->len < sizeof(*icmp), counters->icmp_malformed) ||
	    COUNT_IF(checksum_fold(checksum_add(0, icmp, pkt->len)) != 0,
	             counters->icmp_checksum_bad)) {
		pkt_put(pkt);
		return;
	}
	if (icmp->type == ICMP4_ECHO && icmp->code == 0) {
		echo_reply(net, ip, pkt, ICMP4_ECHO_REPLY);
		return;
	}
	if (error_of4(icmp, &error))
		error_input(net, ip, pkt, error);
	else
		counters->icmp_ignored++;
	pkt_put(pkt);
}

void icmp6_input(struct net *net, const struct frame *frame, const struct ip_info *ip,
                 struct pkt *pkt)
{
	struct net_counters *counters = net->net_counters;
	const struct icmp_header *icmp = (const struct icmp_header *)pkt->data;
	enum icmp_error error;

	counters->icmp_in++;
	if (COUNT_IF(pkt->len < sizeof(*icmp), counters->icmp_malformed))
		goto drop;
	uint32_t pseudo = checksum_pseudo(&ip->source, &ip->destination, IP_PROTOCOL_ICMP6,
	                                  pkt->len);
	if (COUNT_IF(checksum_fold(checksum_add(pseudo, icmp, pkt->len)) != 0,
	             counters->icmp_checksum_bad))
		goto drop;
	if (icmp->type >= ICMP6_LISTENER_QUERY && icmp->type <= ICMP6_REDIRECT) {
		nd_input(net, frame, ip, pkt);
		return;
	}
	/* Nothing but discovery is taken from a group or from nobody. */
	if (COUNT_IF(ip->destination.octet[0] == 0xff || addr_is_unspecified(&ip->source),
	             counters->icmp_ignored))
		goto drop;
	if (icmp->type == ICMP6_ECHO && icmp->code == 0) {
		echo_reply(net, ip, pkt, ICMP6_ECHO_REPLY);
		return;
	}
	if (error_of6(icmp, &error))
		error_input(net, ip, pkt, error);
	else
		counters->icmp_ignored++;
drop:
	pkt_put(pkt);
}

/* Puts an ICMP header in front of as much of the packet as may be quoted. NULL, and `pkt` put back,
 * when nothing may be sent. */
static struct icmp_header *error_begin(struct net *net, struct pkt *pkt, size_t quote_bytes_max)
{
	if (!rate_allows(&net->link->error, net->now_us, ICMP_ERRORS_PER_S_MAX,
	                 ICMP_ERRORS_BURST_MAX)) {
		net->net_counters->icmp_errors_limited++;
		pkt_put(pkt);
		return NULL;
	}
	if (COUNT_IF(pkt_headroom(pkt) < sizeof(struct icmp_header),
	             net->net_counters->no_headroom)) {
		pkt_put(pkt);
		return NULL;
	}
	if (pkt->len > quote_bytes_max)
		pkt->len = (uint16_t)quote_bytes_max;
	net->net_counters->icmp_errors_out++;
	return pkt_push(pkt, sizeof(struct icmp_header));
}

void icmp4_error(struct net *net, struct pkt *pkt, uint8_t type, uint8_t code)
{
	const struct ip4_header *ip = (const struct ip4_header *)pkt->data;
	struct addr source = addr_of_ip4(ip->destination), destination = addr_of_ip4(ip->source);
	struct icmp_header *icmp = error_begin(net, pkt,
	                                       ICMP4_ERROR_BYTES_MAX - sizeof(*ip) - sizeof(*icmp));

	if (icmp == NULL)
		return;
	*icmp = (struct icmp_header){.type = type, .code = code};
	put_checksum(icmp, 0, pkt->len);
	ip_output(net, pkt, &source, &destination, IP_PROTOCOL_ICMP4, 0);
}

void icmp6_error(struct net *net, struct pkt *pkt, uint8_t type, uint8_t code, uint32_t rest)
{
	const struct ip6_header *ip = (const struct ip6_header *)pkt->data;
	struct addr source = addr_of_ip6(ip->destination), destination = addr_of_ip6(ip->source);
	struct icmp_header *icmp;

	/* RFC 4443 2.4 (e): nothing to groups or nobody. Its exception for options is not worth an
	 * amplifier. */
	if (source.octet[0] == 0xff || addr_is_unspecified(&destination)) {
		pkt_put(pkt);
		return;
	}
	icmp = error_begin(net, pkt, IP6_MTU_MIN - sizeof(*ip) - sizeof(*icmp));
	if (icmp == NULL)
		return;
	*icmp = (struct icmp_header){.type = type, .code = code, .rest = be32_of(rest)};
	put_checksum(icmp, checksum_pseudo(&source, &destination, IP_PROTOCOL_ICMP6, pkt->len),
	             pkt->len);
	ip_output(net, pkt, &source, &destination, IP_PROTOCOL_ICMP6, 0);
}
