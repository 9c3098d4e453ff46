/* conformance_internal.h - what the files of the harness share: the one stack, and its sockets. */
#ifndef TESTS_CONFORMANCE_INTERNAL_H
#define TESTS_CONFORMANCE_INTERNAL_H

#include "base/arena.h"
#include "tcpstack/net.h"
#include "tcpstack/tcp.h"

#include "tests/conformance/conformance_api.h"

/* The version script exports these alone; so the compiler need not be told. */
struct world {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
	struct net_config config;
	uint64_t now_us;
	struct pkt_chain out; /* left, and not collected */
	bool in_burst;        /* more comes in before anything is done about it */
};

extern struct world world;

/* pc_reset("") when nobody has called it. */
void world_need(void);
/* Lets the stack do what can be done now: news to the sockets, packets out. */
void world_turn(void);

/* A packet that no buffer holds, in pieces; -EMSGSIZE when it cannot be cut. */
int world_input_large(const void *packet, size_t bytes);

/* Forgets all sockets; their connections go with the arena. */
void sockets_reset(void);
void sockets_news(struct tcp_conn *conn, uint32_t news);
/* Of what is the sockets' own to time: keep-alives. INT64_MAX: none. */
int64_t sockets_deadline_us(void);
void sockets_timers(void);

/* Of a sockaddr_in or sockaddr_in6; -EAFNOSUPPORT for others. */
int endpoint_from(const struct sockaddr *address, struct endpoint *out_endpoint);
void endpoint_to(const struct endpoint *endpoint, struct sockaddr_storage *out_address);

#endif
