/* clients.h - very many SMTP clients without a stack: each answers a frame by what the frame says.
 *
 * Two kinds, told apart by their address. A short one greets, says QUIT and closes; nothing is kept
 * of it. An idle one says EHLO and stays; eight octets are kept of it, so that it can say NOOP
 * later.
 */
#ifndef BENCH_CONNECTIONS_CLIENTS_H
#define BENCH_CONNECTIONS_CLIENTS_H

#include <stdint.h>

#include "bench/connections/frame.h"
#include "dataplane/port.h"

#define CLIENTS_TLS_NET 0x0e000000u /* 14.0.0.0/8: those of tls_clients.h */

struct idle_client {
	uint32_t seq, ack; /* of the next segment it sends */
};

struct clients {
	struct port *port;
	struct pkt_pool *pool;
	struct frame_link link;
	struct idle_client *idle;
	uint32_t idle_max;
	/* What has happened so far. */
	uint64_t short_opened, short_closed; /* SYNs sent; FINs exchanged */
	uint64_t idle_opened, idle_greeted;  /* SYNs sent; EHLO answered */
	uint64_t noops_sent, noops_answered;
	uint64_t timeouts; /* idle ones told 421 and closed */
	uint64_t refused;  /* knocks */
	/* Who answers for clients inside TLS; NULL: there are none. */
	void (*tls_answer)(void *context, uint64_t now_us, const struct frame_segment *in);
	void *tls_context;
	uint64_t resets, strange, no_packet;
};

/* Each sends one frame. The knock is at a closed port: its reset makes the server find the router's
 * MAC, before many answers at once would wait for it. */
void clients_knock(struct clients *clients, uint64_t now_us);
void clients_open_short(struct clients *clients, uint64_t now_us);
void clients_open_idle(struct clients *clients, uint64_t now_us);
void clients_noop(struct clients *clients, uint64_t now_us, uint32_t index);
/* A segment of a client's; its time stamp is filled in. */
void clients_send(struct clients *clients, uint64_t now_us, struct frame_segment *segment);
/* Answers everything that has arrived; returns how many frames that was. */
uint64_t clients_answer(struct clients *clients, uint64_t now_us);

#endif
