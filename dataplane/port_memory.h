/* port_memory.h - a port with two ends in one process, joined by a link that misbehaves by seed.
 *
 * Time is what the callers say it is (`now_us` of each burst): nothing sleeps, nothing reads a
 * clock. The same seed and the same calls give the same frames at the same times. Frames are copied
 * from one end's pool to the other's, so each end may belong to a stack of its own.
 */
#ifndef DATAPLANE_PORT_MEMORY_H
#define DATAPLANE_PORT_MEMORY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "dataplane/port.h"

/* One direction of the link. Chances are parts per million. All zero: nothing happens to a frame
 * and it arrives at once. */
struct port_memory_config {
	uint64_t seed;
	uint32_t loss_ppm;
	uint32_t duplicate_ppm;
	uint32_t corrupt_ppm; /* one bit of the frame flips */
	uint32_t
	    reorder_ppm; /* the frame is held back by another reorder_us, later ones overtake it */
	uint32_t reorder_us;
	uint32_t delay_us;
	uint32_t jitter_us;       /* up to so much more, evenly spread; overtaking is possible */
	uint64_t rate_bits_per_s; /* 0: endless */
	uint32_t queue_pkts_max;  /* on the way at once; beyond them frames are lost. At least 1 */
};

/* What became of the frames of one direction. */
struct port_memory_stats {
	uint64_t sent, lost, duplicated, corrupted, reordered, overflowed;
};

/* Lays both ends into `arena`. Frames received at end `a` come from `pool_a`; all pools outlive the
 * ports. ERR_RANGE: a chance above a million or no queue; ERR_NO_MEMORY. */
MUST_CHECK enum err port_memory_new(struct arena *arena, const struct port_memory_config *a_to_b,
                                    const struct port_memory_config *b_to_a,
                                    struct pkt_pool *pool_a, struct pkt_pool *pool_b,
                                    struct port **out_a, struct port **out_b);
/* Octets port_memory_new takes from the arena, at most. */
size_t port_memory_bytes(const struct port_memory_config *a_to_b,
                         const struct port_memory_config *b_to_a);
/* When the next frame arrives at this end; UINT64_MAX when none is on the way. */
uint64_t port_memory_next_us(const struct port *port);
/* From now on frames sent from this end fare by `config`; its seed and queue_pkts_max are not
 * taken. */
MUST_CHECK enum err port_memory_change(struct port *port, const struct port_memory_config *config);
/* Of the frames sent from this end. */
void port_memory_link_stats(const struct port *port, struct port_memory_stats *out_stats);

#endif
