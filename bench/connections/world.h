/* world.h - a whole worker in virtual time over a memory port, the clients at the other end, and
 * what the worker's turns cost. */
#ifndef BENCH_CONNECTIONS_WORLD_H
#define BENCH_CONNECTIONS_WORLD_H

#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/telemetry.h"
#include "bench/connections/clients.h"
#include "dataplane/gateway_counters.h"
#include "dataplane/worker.h"

/* What was spent inside worker_turn(), by the thread's CPU clock. */
struct cost {
	uint64_t cpu_ns, turns;
};

struct world {
	struct config config;
	struct arena arena;      /* the gateway's: packets, stack, sessions, all */
	struct arena link_arena; /* the link's and the clients' */
	struct pkt_pool *pool;
	struct port *port;
	struct telemetry telemetry;
	struct rules_slot *rules;
	struct tls_slot *tls; /* NULL: no TLS */
	struct worker_link link;
	struct worker *worker;
	struct clients clients;
	uint64_t now_us;
	uint64_t rss_bytes;    /* of the process, before the gateway took anything */
	uint64_t worker_bytes; /* that worker_new took from the arena */
	struct cost cost;
};

/* A worker that may hold `sessions` idle sessions and the short ones of a run. Ends the process
 * when it cannot be had. */
void world_open(struct world *w, uint32_t sessions);
/* With a listener for implicit TLS, whose certificate and key these files hold. */
void world_open_tls(struct world *w, uint32_t sessions, const char *chain, const char *key);
void world_close(struct world *w);
/* One turn of the worker, on the bill; true when there was work. */
bool world_turn(struct world *w);
/* Turns the worker until it has nothing to do and no frame waits for it. */
void world_turns(struct world *w);
/* Turns the worker until no timer is due. */
void world_timers(struct world *w);
/* Lets clients answer and the worker turn until both are silent. */
void world_settle(struct world *w);
void world_advance(struct world *w, uint64_t us);
/* Resident octets of this process. */
uint64_t world_rss_bytes(void);
struct gateway_counters *world_gateway_counters(struct world *w);
/* Of the worker, by its name. */
uint64_t world_counter(const struct world *w, const char *name);
/* The worker's turn is under way: what is allocated, it allocates. */
extern bool world_in_turn;

#endif
