/* handover.h - frames that reached one worker and belong to another, or to all.
 *
 * Which queue a frame takes is the device's choice. A client's connection lives where its frames
 * arrive, so that mostly suits. Three kinds need help when there are several workers: answers about
 * neighbours (ARP replies, neighbour advertisements), which all workers must see; what backends
 * send, which belongs to the worker that opened the connection (dataplane/owner.h); and segments in
 * fragments, whose ports the device does not see. Such frames are copied through one ring for each
 * pair of workers; a full ring loses the frame, which TCP repeats.
 */
#ifndef DATAPLANE_HANDOVER_H
#define DATAPLANE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "dataplane/worker_link.h"
#include "tcpstack/net.h"
#include "tcpstack/pkt.h"

struct handover;
struct owners;

/* handover_sort adds to them. */
struct handover_counts {
	uint64_t lost;                            /* found a full ring */
	uint64_t backend_here, backend_elsewhere; /* from backends: the receiver's own, others' */
};

/* Octets handover_new takes at most. */
size_t handover_bytes(uint32_t worker_count);
/* For config->workers workers; keeps what it is given. NULL when the arena is too small. */
struct handover *handover_new(struct arena *arena, const struct config *config,
                              const struct owners *owners, struct worker_link *const *links);
/* Looks at frames that `worker` received: hands over what is not its own and gives those packets
 * back to their pool, copies what concerns all. Returns how many are left for it, first in `pkts`.
 */
size_t handover_sort(struct handover *handover, uint32_t worker, struct pkt **pkts, size_t count,
                     struct handover_counts *counts);
/* A segment that `worker` has put together from fragments and does not know: copied to the worker
 * whose it is, or, where the card's hash is not known, to all, a few between two handover_take().
 * False: it is the receiver's. */
bool handover_stranger(struct handover *handover, uint32_t worker,
                       const struct net_stranger *stranger, struct handover_counts *counts);
/* Up to `max` frames that others handed to `worker`, in packets of `pool`; once a turn. */
size_t handover_take(struct handover *handover, uint32_t worker, struct pkt_pool *pool,
                     struct pkt **out_pkts, size_t max);
/* handover_take would find something. */
bool handover_waits(const struct handover *handover, uint32_t worker);

#endif
