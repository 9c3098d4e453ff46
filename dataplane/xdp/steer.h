/* steer.h - our XDP program on an interface shared with the kernel: which frames go to the workers.
 *
 * The packet driver attaches a program of its own when it opens its sockets; ours then replaces it
 * and takes its map of sockets over (attaching ours first makes the driver fail). Order:
 * steer_prepare before the ports open, steer_attach after all queues of the interface are open,
 * steer_detach before they are closed. One thread.
 */
#ifndef DATAPLANE_XDP_STEER_H
#define DATAPLANE_XDP_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/counter.h"
#include "base/err.h"
#include "classifier/lists.h"
#include "dataplane/xdp/steer_maps.h"

struct steer;

#define STEER_REASON_BYTES 256

/* In the order of struct steer_stats. */
extern const struct counter_group steer_counter_group;

struct steer_stats {
#define COUNTER(name, help) uint64_t name;
#include "dataplane/xdp/steer_counters.def"
};

/* Makes sure that no other postern of this network namespace has `interface` (until this process
 * ends), and detaches a program that one left behind when it was killed. A program of somebody else
 * is never touched: ERR_BUSY then. On error `reason` (STEER_REASON_BYTES) says what to do. */
MUST_CHECK enum err steer_prepare(const char *interface, char *reason);
/* Replaces the driver's program on the interface of port `port` of the configuration by ours. */
MUST_CHECK enum err steer_attach(struct arena *arena, const struct config *config, uint32_t port,
                                 struct steer **out_steer, char *reason);
void steer_detach(struct steer *steer);

/* Makes the deny map of `level` say what `lists` say (NULL: nothing), in steps of steer_deny_turn;
 * until the last of them the map stays as it was. Without lists the map is empty at once. `lists`
 * must stay open until steer_deny_turn returns false or this is called again for that level. What
 * the map denies loses its traffic to our listeners. */
void steer_deny_set(struct steer *steer, enum steer_level level, const struct lists *lists);
/* Does at most `batches_max` steps of what steer_deny_set began, of some 500 networks each; false
 * when nothing is left to do. */
bool steer_deny_turn(struct steer *steer, uint32_t batches_max);
/* What the program has counted on all CPUs, and how the deny maps stand. */
void steer_read(const struct steer *steer, struct steer_stats *out_stats);

#endif
