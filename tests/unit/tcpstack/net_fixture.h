/* net_fixture.h - one struct net with a fake TCP above it, and frames made by hand.
 *
 * We are 192.0.2.1/24 and 2001:db8::1/64 with MAC 02:00:00:00:00:01 on port 0; the neighbour is .2
 * (::2) with MAC 02:00:00:00:00:02; the gateway is .254 (::fe).
 */
#ifndef TESTS_NET_FIXTURE_H
#define TESTS_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "fake_tcp.h"
#include "tcpstack/link.h"
#include "tcpstack/net.h"

#define FIXTURE_PKTS 1024

struct fixture {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	struct net_counters counters;
	struct tcp_counters tcp_counters;
	uint64_t now_us;
	uint16_t vlan; /* of frames built */
};

/* A frame (or packet) under construction. */
struct build {
	uint8_t octet[PKT_DATA_BYTES];
	size_t len;
};

extern const uint8_t our_mac[6], peer_mac[6], other_mac[6];

struct addr text_addr(const char *text);
struct prefix text_prefix(const char *text);

/* Without announcements pending; `vlan` 0 for untagged. */
struct fixture *fixture_new(uint16_t vlan);
/* Interface but no address yet. */
struct fixture *fixture_bare(uint16_t vlan);
/* Fails the test unless every packet is back in the pool or held by the net's output. */
void fixture_free(struct fixture *fixture);

void build_octets(struct build *build, const void *data, size_t bytes);
void build_eth(struct build *build, const uint8_t *destination, const uint8_t *source,
               uint16_t type);
void build_arp(struct build *build, uint16_t operation, const uint8_t *sender_mac,
               const char *sender, const uint8_t *target_mac, const char *target);
/* The header of a packet with `payload_bytes` behind it; checksum complete. */
void build_ip4(struct build *build, const char *source, const char *destination, uint8_t protocol,
               size_t payload_bytes);
void build_ip6(struct build *build, const char *source, const char *destination,
               uint8_t next_header, uint8_t hop_limit, size_t payload_bytes);
/* An ICMP message; ICMPv6 when `source` is given, for its checksum. */
void build_icmp(struct build *build, uint8_t type, uint8_t code, uint32_t rest, const void *data,
                size_t bytes, const char *source, const char *destination);

/* Gives the frame to net_input (net_input_ip). */
void fixture_input(struct fixture *fixture, const struct build *build);
void fixture_input_ip(struct fixture *fixture, const struct build *build);
/* The next frame that leaves, copied to `out`; false when there is none. */
bool fixture_output(struct fixture *fixture, struct build *out);
uint32_t fixture_output_count(struct fixture *fixture); /* and drops them */
/* Lets time pass, firing timers. */
void fixture_advance(struct fixture *fixture, uint64_t by_us);
/* Sends `bytes` octets of a transport of ours to `destination`. */
void fixture_send(struct fixture *fixture, const char *source, const char *destination,
                  size_t bytes);
/* Resolves the neighbour (.2 or ::2) by a solicited reply, and drops what left meanwhile. */
void fixture_resolve(struct fixture *fixture, bool ip4);

#endif
