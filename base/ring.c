/* ring.c - one producer, one consumer, no waiting. */
#include "base/ring.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"

size_t ring_bytes(uint32_t record_bytes, uint32_t record_count)
{
	return sizeof(struct ring) + (size_t)record_bytes * record_count;
}

struct ring *ring_init(void *memory, uint32_t record_bytes, uint32_t record_count)
{
	struct ring *ring = memory;

	ASSERT((uintptr_t)memory % _Alignof(struct ring) == 0);
	ASSERT(record_bytes > 0);
	ASSERT(record_count > 0 && (record_count & (record_count - 1)) == 0);
	ring->record_bytes = record_bytes;
	ring->record_count = record_count;
	return ring;
}

static uint8_t *record_at(struct ring *ring, uint64_t number, uint32_t bytes, uint32_t count)
{
	return ring->records + (size_t)(number & (count - 1)) * bytes;
}

bool ring_push(struct ring *ring, const void *record)
{
	return ring_push_shared(ring, ring->record_bytes, ring->record_count, record);
}

bool ring_push_shared(struct ring *ring, uint32_t record_bytes, uint32_t record_count,
                      const void *record)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	/* Acquire: the consumer has done reading a record before it is overwritten. */
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	/* A tail ahead of head is a consumer gone mad; the difference is then large, which reads as
	 * full. */
	if (head - tail >= record_count) {
		ring->lost++;
		return false;
	}
	memcpy(record_at(ring, head, record_bytes, record_count), record, record_bytes);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

bool ring_pop(struct ring *ring, void *out_record)
{
	return ring_pop_shared(ring, ring->record_bytes, ring->record_count, out_record);
}

bool ring_pop_shared(struct ring *ring, uint32_t record_bytes, uint32_t record_count,
                     void *out_record)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (head == tail)
		return false;
	if (head - tail > record_count) {
		/* No honest producer does this. Start again from where it says it is. */
		atomic_store_explicit(&ring->tail, head, memory_order_release);
		return false;
	}
	memcpy(out_record, record_at(ring, tail, record_bytes, record_count), record_bytes);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}
