/* steer.h - our XDP program on an interface shared with the kernel: which frames go to the workers.
 *
 * The packet driver attaches a program of its own when it opens its sockets; ours then replaces it
 * and takes its map of sockets over (attaching ours first makes the driver fail). Order:
 * steer_prepare before the ports open, steer_attach after all queues of the interface are open,
 * steer_detach before they are closed. One thread.
 */
#ifndef DATAPLANE_XDP_STEER_H
#define DATAPLANE_XDP_STEER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/counter.h"
#include "base/err.h"

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

/* Drops traffic from `prefix` to our listeners before it costs a worker anything; effective at
 * once. ERR_FULL. */
MUST_CHECK enum err steer_deny_add(struct steer *steer, const struct prefix *prefix);
/* ERR_NOT_FOUND when it was not there. */
MUST_CHECK enum err steer_deny_del(struct steer *steer, const struct prefix *prefix);
void steer_deny_clear(struct steer *steer);
/* Sums over all CPUs. */
void steer_read(const struct steer *steer, struct steer_stats *out_stats);

#endif
