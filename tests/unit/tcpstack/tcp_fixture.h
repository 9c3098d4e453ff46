/* tcp_fixture.h - hosts and a link in virtual time: two stacks face each other, or one faces a
 * script. */
#ifndef TESTS_TCP_FIXTURE_H
#define TESTS_TCP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/tcp.h"

struct host {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	struct net_counters net_counters;
	struct tcp_counters counters;
	struct addr addr;
};

/* `last` is the last octet of 192.0.2.x, or of 2001:db8::x with `ip6`. */
void host_init(struct host *host, uint8_t last, bool ip6, const struct net_config *config,
               uint32_t pkt_count, uint64_t now_us);
void host_free(struct host *host);
/* Every packet is back in the pool and no connection is left. */
void host_check_clean(struct host *host);
struct net_config test_config(uint64_t seed);

struct impairment {
	uint32_t loss_permille, duplicate_permille, reorder_permille, corrupt_permille;
	uint32_t delay_us, jitter_us;
};

struct flight {
	uint64_t at_us, order;
	size_t len;
	int to;
	uint8_t data[PKT_DATA_BYTES];
};

#define FLIGHTS_MAX 4096

struct link_sim {
	struct host host[2];
	struct random random;
	struct impairment impairment;
	uint64_t now_us, order;
	struct flight *flights[FLIGHTS_MAX];
	size_t flight_count;
	uint32_t corrupt_count;
	/* When set, decides instead of the impairment whether a packet is lost. */
	bool (*lose)(void *context, int from, const uint8_t *packet, size_t bytes);
	void *lose_context;
};

void link_init(struct link_sim *link, uint64_t seed, bool ip6, const struct net_config *a,
               const struct net_config *b, uint32_t pkt_count);
void link_free(struct link_sim *link);
/* Collects what both hosts send. */
void link_collect(struct link_sim *link);
/* Moves to the next thing that happens, at most to `until_us`; false when nothing happens before
 * it. */
bool link_step(struct link_sim *link, uint64_t until_us);

/* Of a raw IPv4 or IPv6 packet with TCP. */
const uint8_t *tcp_header_of(const uint8_t *packet);
uint8_t tcp_flags_of(const uint8_t *packet);
uint32_t tcp_payload_of(const uint8_t *packet, size_t bytes);

#endif
