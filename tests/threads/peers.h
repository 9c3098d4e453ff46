/* peers.h - what a worker talks to, in a thread of its own: clients that send mail inside TLS, and
 * the backend that takes it. */
#ifndef THREADS_PEERS_H
#define THREADS_PEERS_H

#include "ring_port.h"
#include "tcpstack/net_counters.h"
#include "tcpstack/tcp_counters.h"
#include "tcpstack/tls.h"

struct peers_result {
	uint32_t sent;     /* mails with a 250 */
	uint32_t left;     /* connections that were given up on purpose */
	uint32_t broken;   /* that ended otherwise */
	uint32_t received; /* by the backend */
};

struct peers {
	struct ring_port client, backend; /* the far ends of the worker's */
	struct arena *arena;              /* of both stacks, by its own thread */
	struct pkt_pool *client_pool, *backend_pool;
	uint32_t wanted; /* mails */
	uint64_t seed;
	struct peers_result result;
};

/* Until all wanted mails are sent; the argument is a struct peers. */
void *peers_run(void *argument);

#endif
