/* net_internal.h - the seam inside tcpstack: what the layers below TCP offer it, and what they call
 * of it.
 *
 * Below: eth, arp, nd, ip4, ip6, icmp, net.c. Above: tcp_*.c. A received segment goes up as a
 * packet whose data begins at the TCP header; a segment to send goes down likewise and gets IP and
 * Ethernet headers in its headroom.
 */
#ifndef TCPSTACK_NET_INTERNAL_H
#define TCPSTACK_NET_INTERNAL_H

#include "base/addr.h"
#include "base/random.h"
#include "tcpstack/net.h"
#include "tcpstack/pkt.h"

struct tcp;       /* everything TCP keeps of one net; tcp_internal.h */
struct link;      /* interfaces, addresses, neighbours, routes; net.c */
struct fragments; /* fragment.c */

struct net {
	struct net_config config;
	struct pkt_pool *pool;
	struct net_counters *net_counters;
	struct tcp_counters *tcp_counters;
	struct random random;
	uint64_t now_us; /* set at every front door; nobody below reads a clock */
	bool raw_ip;     /* no Ethernet: harnesses */
	struct link *link;
	struct fragments *fragments;
	struct tcp *tcp;
	struct pkt_chain output; /* frames ready to leave, in order */
};

/* Where a received segment came from. */
struct ip_info {
	struct addr source, destination;
	uint8_t port;     /* interface */
	uint8_t ttl, tos; /* hop limit, traffic class (ECN in the low two bits) */
};

/* Called by ip4.c and ip6.c. TCP owns `pkt`: data at the TCP header, len = TCP header and payload
 * (link padding is off), checksum not yet verified. */
void tcp_input(struct net *net, const struct ip_info *ip, struct pkt *pkt);
/* tcp_input() takes segments apart and lets some wait while their connections come into the cache:
 * whoever calls it calls this at the end of the burst. Their order is kept. */
void tcp_input_end(struct net *net);
/* An ICMP error that quotes a segment of ours (at least 8 octets of TCP header). `mtu` is the next
 * hop's for PACKET_TOO_BIG, else 0. RFC 5927: TCP decides whether to believe it. */
enum icmp_error {
	ICMP_ERROR_UNREACHABLE, /* host, on its way, and whatever else has no name */
	ICMP_ERROR_REFUSED,     /* port */
	ICMP_ERROR_NO_NETWORK,
	ICMP_ERROR_NO_PROTOCOL,
	ICMP_ERROR_PROHIBITED, /* IPv6, by policy */
	ICMP_ERROR_TOO_BIG
};
void tcp_icmp_error(struct net *net, enum icmp_error error, const struct endpoint *local,
                    const struct endpoint *remote, uint32_t quoted_seq, uint32_t mtu);

struct tcp *tcp_new(struct net *net, struct arena *arena);
size_t tcp_bytes(const struct net_config *config);
void tcp_timers(struct net *net, uint32_t work_max);
/* Turns what connections have to send into packets through ip_output, until the net's output holds
 * `max`. */
void tcp_output_all(struct net *net, size_t max);
/* Of timers alone; */
uint64_t tcp_next_timer_us(const struct net *net);
/* or now, while a connection has news to be fetched or something to send. */
uint64_t tcp_next_deadline_us(const struct net *net);
uint32_t tcp_connection_count(const struct net *net);

/* Sends: `pkt` data at the transport header with its checksum field complete; takes it. Adds IP (DF
 * set) and Ethernet headers and puts the frame on net->output, or lets it wait for its neighbour
 * (bounded). `ecn` is the two-bit field. */
void ip_output(struct net *net, struct pkt *pkt, const struct addr *source,
               const struct addr *destination, uint8_t protocol, uint8_t ecn);
/* The address of ours to speak to `destination` from, by route; ERR_UNREACHABLE when there is none.
 */
MUST_CHECK enum err ip_source(const struct net *net, const struct addr *destination,
                              struct addr *out_source);
bool ip_is_ours(const struct net *net, const struct addr *addr);
/* One host has it, and not we: no group, no broadcast, no loopback. */
bool ip_is_other_host(const struct net *net, const struct addr *addr);
/* Of IP, on the way to `destination`. */
uint16_t ip_mtu(const struct net *net, const struct addr *destination);

/* Ones' complement sum over `data` added to `sum`, for incremental use; see checksum.c (RFC 1071).
 */
uint32_t checksum_add(uint32_t sum, const void *data, size_t bytes);
uint16_t checksum_fold(uint32_t sum); /* final, in network order as it goes into the header */
/* The pseudo-header's sum: TCP (6), ICMPv6 (58), lengths in octets. */
uint32_t checksum_pseudo(const struct addr *source, const struct addr *destination,
                         uint8_t protocol, uint32_t bytes);
/* Copies and sums at once. */
uint32_t checksum_copy(uint32_t sum, void *to, const void *from, size_t bytes);

#endif
