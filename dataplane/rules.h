/* rules.h - the rules and lists in force, and how workers move from one set to the next.
 *
 * The control thread opens generations, puts them together to a set {rules, lists, delta, shadow}
 * and publishes one pointer. A worker picks it up between two bursts (rules_refresh) and sees it
 * through its own view: the set's parts, its own scan context, its own count of pins. A message
 * pins the view it begins under and is judged under it to its end. A set is retired when no worker
 * runs it and nobody has it pinned; a part (one generation) is closed when no set holds it any
 * more. Everything is bounded: when RULES_SETS_MAX sets are alive because old messages hold them,
 * the next publication is refused with ERR_BUSY and nothing changes.
 *
 * Threads: functions marked [control] belong to the control thread, those marked [worker] to worker
 * `worker`.
 */
#ifndef DATAPLANE_RULES_H
#define DATAPLANE_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/generation.h"
#include "base/limits.h"
#include "classifier/classifier.h"
#include "classifier/lists.h"

#define RULES_SETS_MAX     8
#define RULES_REASON_BYTES 200

/* One worker's eye on one set. Constant but for the pins. Never NULL: before anything is published
 * all parts are. */
struct rules_view {
	const struct ruleset *ruleset;       /* NULL: no rules yet */
	struct scan_context *context;        /* this worker's scratch for `ruleset`; NULL with it */
	const struct ruleset *shadow;        /* tried beside `ruleset`; NULL: none */
	struct scan_context *shadow_context; /* this worker's; NULL with it */
	const struct lists *lists;           /* NULL: none */
	const struct lists *delta;           /* NULL: none */
	uint64_t rules_number, lists_number, delta_number,
	    shadow_number;          /* generation numbers; 0: none */
	_Atomic uint32_t pin_count; /* written by the worker only */
};

struct rules_slot;

/* The slot of a process with `worker_count` workers; `counters[i]` are worker i's and live as long
 * as the slot (they may be NULL in tests that never scan). Kept outside the workers' arenas; NULL
 * when memory is out. [control] */
struct rules_slot *rules_slot_new(uint32_t worker_count,
                                  struct classifier_counters *const *counters);
/* Each worker keeps what rules found in texts in at most so many octets; to be called before rules
 * are published. */
MUST_CHECK enum err rules_slot_keep_results(struct rules_slot *slot, size_t bytes);
/* Workers must have ended. */
void rules_slot_free(struct rules_slot *slot);

/* Opens and verifies the sealed generation `fd`, makes one scan context a worker and publishes a
 * set that holds it instead of the one of its kind. Keeps `fd` when OK, leaves it to the caller
 * otherwise; then `reason` (RULES_REASON_BYTES) says why and nothing has changed. ERR_BUSY: too
 * many sets are held by old messages. `out_kind`, `out_number` are filled as soon as they are
 * known. [control] */
MUST_CHECK enum err rules_publish(struct rules_slot *slot, int fd, enum generation_kind *out_kind,
                                  uint64_t *out_number, char *reason);
/* Closes what nobody needs any more; returns how many sets were retired. Call it now and then.
 * [control] */
uint32_t rules_retire(struct rules_slot *slot);
/* The lowest number of that kind any worker runs; 0: one has none. [control] */
uint64_t rules_number_running(const struct rules_slot *slot, enum generation_kind kind);
/* All workers run what was published last. [control] */
bool rules_settled(const struct rules_slot *slot);
/* The generation published last of that kind, NULL when there is none: its fd is what CURRENT
 * carries. [control] */
const struct generation *rules_generation(const struct rules_slot *slot, enum generation_kind kind);
/* Its opened lists (kinds LISTS and DELTA), NULL when there are none; valid until the next
 * publication. [control] */
const struct lists *rules_lists(const struct rules_slot *slot, enum generation_kind kind);
/* Alive, the current one included. [control] */
uint32_t rules_set_count(const struct rules_slot *slot);

/* Moves on to what was published last; true when that is another set than before. Only between
 * bursts, never while a view that is not pinned is in use. [worker] */
bool rules_refresh(struct rules_slot *slot, uint32_t worker);
/* The worker ends or waits for long: it runs no set until its next refresh. Its pins stay. [worker]
 */
void rules_leave(struct rules_slot *slot, uint32_t worker);
/* What the worker runs now. Valid until its next refresh, longer when pinned. [worker] */
struct rules_view *rules_current(const struct rules_slot *slot, uint32_t worker);

/* Plain load and store: a view belongs to one worker; the control thread only reads. [worker] */
static inline void rules_pin(struct rules_view *view)
{
	uint32_t pins = atomic_load_explicit(&view->pin_count, memory_order_relaxed);

	atomic_store_explicit(&view->pin_count, pins + 1, memory_order_relaxed);
}

/* What was done under the view is over before the control thread can see the pin gone. [worker] */
static inline void rules_unpin(struct rules_view *view)
{
	uint32_t pins = atomic_load_explicit(&view->pin_count, memory_order_relaxed);

	atomic_store_explicit(&view->pin_count, pins - 1, memory_order_release);
}

#endif
