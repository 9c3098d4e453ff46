/* worker.h - one thread's share of everything: its queues, its stack, its sessions, its turn.
 *
 * worker_turn() takes the time as an argument, so that a whole worker runs in virtual time over
 * memory ports; worker_run() is the same turn under a real clock, with sleep. A worker is set up by
 * the main thread and then belongs to its own; others speak to it through its struct worker_link
 * only.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/counter.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/question.h"
#include "base/telemetry.h"
#include "dataplane/port.h"
#include "dataplane/rules.h"
#include "dataplane/worker_link.h"

struct handover;
struct owners;
struct tls_helpers;
struct tls_slot;
struct worker;

struct worker_config {
	const struct config *config; /* kept */
	uint32_t index;
	struct port *const *ports;         /* this worker's, config->port_count of them; kept */
	struct pkt_pool *pool;             /* kept */
	struct rules_slot *rules;          /* kept */
	struct tls_slot *tls;              /* NULL: no TLS; kept */
	struct tls_helpers *tls_helpers;   /* NULL: slow signatures are made in the turn; kept */
	struct handover *handover;         /* NULL when there is one worker only; kept */
	const struct owners *owners;       /* likewise */
	const struct telemetry *telemetry; /* with the groups of worker_counter_groups(); kept */
	const struct question_rings *questions; /* NULL: nothing is asked of the network; kept */
	int questions_wake_fd;                  /* management's; -1: none */
	struct worker_link *link;               /* kept */
	const char *hostname;                   /* kept */
	uint64_t (*cpu_now_ns)(
	    void);              /* clock of the rules' budget: clock_thread_cpu_ns, or virtual */
	struct hash_key secret; /* the same for all workers */
	uint64_t seed;
};

/* The groups every worker counts in, in the order of its telemetry page. */
const struct counter_group *const *worker_counter_groups(uint32_t *out_count);
/* Where worker `index`'s counters of classification lie in `telemetry`: rules_slot_new needs them.
 */
struct classifier_counters *worker_classifier_counters(const struct telemetry *telemetry,
                                                       uint32_t index);

/* Adds how many frames of backends reached worker `index` and were its own, or another's. Any
 * thread. */
void worker_add_reply_counts(const struct telemetry *telemetry, uint32_t index,
                             uint64_t *in_out_here, uint64_t *in_out_elsewhere);

/* Octets worker_new takes from its arena, at most. */
size_t worker_bytes(const struct config *config);
/* Carves everything from `arena`. On error `reason` (PORT_REASON_BYTES) says why. */
MUST_CHECK enum err worker_new(struct arena *arena, const struct worker_config *config,
                               uint64_t now_us, struct worker **out_worker, char *reason);
/* Gives back what is not of the arena, after its last turn. */
void worker_close(struct worker *worker);
/* One turn: bounded work; true when there was any. `wall_us` is for what people read. */
bool worker_turn(struct worker *worker, uint64_t now_us, uint64_t wall_us);
/* A time not later than when the worker must turn again without a frame having come. */
uint64_t worker_next_deadline_us(const struct worker *worker);
/* Turns until link->stop, sleeping when there is nothing to do (never with poll_only). */
void worker_run(struct worker *worker);

#endif
