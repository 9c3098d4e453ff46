/* ring.h - single-producer single-consumer queue of fixed-size records; may lie in shared memory.
 *
 * Heads and tails are free-running 64-bit counts; there are no pointers inside. The producer never
 * waits: a full ring refuses and counts the loss. The consumer trusts nothing it reads from `head`
 * beyond `record_count`.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	uint32_t record_bytes;
	uint32_t record_count;              /* a power of two */
	uint64_t lost;                      /* producer's */
	_Alignas(64) _Atomic uint64_t head; /* records ever written */
	_Alignas(64) _Atomic uint64_t tail; /* records ever read */
	_Alignas(64) uint8_t records[];
};

/* Octets a ring of that size needs. */
size_t ring_bytes(uint32_t record_bytes, uint32_t record_count);
/* Lays a ring into zeroed `memory` of ring_bytes(), aligned to 64. */
struct ring *ring_init(void *memory, uint32_t record_bytes, uint32_t record_count);
/* Copies one record in; false (and counted in `lost`) when full. */
bool ring_push(struct ring *ring, const void *record);
/* Copies one record out; false when empty. */
bool ring_pop(struct ring *ring, void *out_record);
/* The same of a ring in memory that another process may write: of its shape only what the caller
 * knows is believed, as what was checked once may have changed since. */
bool ring_push_shared(struct ring *ring, uint32_t record_bytes, uint32_t record_count,
                      const void *record);
bool ring_pop_shared(struct ring *ring, uint32_t record_bytes, uint32_t record_count,
                     void *out_record);

#endif
