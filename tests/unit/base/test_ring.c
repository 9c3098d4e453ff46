/* test_ring.c - a queue between two threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ring.h"

struct record {
	uint64_t number, check;
	uint8_t filler[40];
};

static struct ring *ring_new(uint32_t record_bytes, uint32_t record_count)
{
	size_t bytes = (ring_bytes(record_bytes, record_count) + 63) / 64 * 64;
	void *memory = aligned_alloc(64, bytes);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	return ring_init(memory, record_bytes, record_count);
}

static void records_come_out_in_the_order_they_went_in(void **state)
{
	struct ring *ring = ring_new(sizeof(uint64_t), 8);
	uint64_t in = 0, out = 0, value;

	(void)state;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 1 + round % 8; i++, in++)
			assert_true(ring_push(ring, &in));
		for (; out < in; out++) {
			assert_true(ring_pop(ring, &value));
			assert_int_equal(value, out);
		}
		assert_false(ring_pop(ring, &value));
	}
	free(ring);
}

/* The producer is another process: it may say anything after the ring was looked at. */
static void a_shape_changed_later_is_not_believed(void **state)
{
	struct ring *ring = ring_new(sizeof(uint64_t), 4);
	struct {
		uint64_t value, guard;
	} out = {0, 7};
	uint64_t in = 5;

	(void)state;
	assert_true(ring_push(ring, &in));
	ring->record_bytes = 4096;
	ring->record_count = 1u << 31;
	atomic_store(&ring->head, 4);
	for (int i = 0; i < 4; i++)
		assert_true(ring_pop_shared(ring, sizeof(uint64_t), 4, &out.value));
	assert_false(ring_pop_shared(ring, sizeof(uint64_t), 4, &out.value));
	assert_int_equal(out.guard, 7);
	atomic_store(&ring->head, 10);
	assert_false(ring_pop_shared(ring, sizeof(uint64_t), 4, &out.value));
	free(ring);
}

static void a_full_ring_refuses_and_counts_the_loss(void **state)
{
	struct ring *ring = ring_new(sizeof(uint64_t), 4);
	uint64_t value = 0;

	(void)state;
	for (; value < 4; value++)
		assert_true(ring_push(ring, &value));
	assert_false(ring_push(ring, &value));
	assert_false(ring_push(ring, &value));
	assert_int_equal(ring->lost, 2);
	assert_true(ring_pop(ring, &value));
	assert_int_equal(value, 0);
	free(ring);
}

static void the_producer_takes_a_tail_ahead_of_it_for_a_full_ring(void **state)
{
	struct ring *ring = ring_new(sizeof(uint64_t), 4);
	uint64_t value = 1;

	(void)state;
	ring->tail = 1000;
	assert_false(ring_push(ring, &value));
	assert_int_equal(ring->lost, 1);
	free(ring);
}

static void the_consumer_gets_over_a_head_that_cannot_be(void **state)
{
	struct ring *ring = ring_new(sizeof(uint64_t), 4);
	uint64_t value = 5;

	(void)state;
	ring->head = 1000;
	assert_false(ring_pop(ring, &value));
	assert_int_equal(value, 5);
	assert_true(ring_push(ring, &value));
	value = 0;
	assert_true(ring_pop(ring, &value));
	assert_int_equal(value, 5);
	free(ring);
}

#define TRANSFERS 200000

static void *produce(void *argument)
{
	struct ring *ring = argument;

	for (uint64_t number = 0; number < TRANSFERS; number++) {
		struct record record = {.number = number, .check = ~number};
		memset(record.filler, (int)number, sizeof(record.filler));
		while (!ring_push(ring, &record))
			sched_yield();
	}
	return NULL;
}

static void two_threads_lose_and_tear_nothing(void **state)
{
	struct ring *ring = ring_new(sizeof(struct record), 64);
	struct record record;
	pthread_t producer;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	for (uint64_t number = 0; number < TRANSFERS; number++) {
		while (!ring_pop(ring, &record))
			sched_yield();
		assert_int_equal(record.number, number);
		assert_int_equal(record.check, ~number);
		assert_int_equal(record.filler[0], (uint8_t)number);
		assert_int_equal(record.filler[39], (uint8_t)number);
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_come_out_in_the_order_they_went_in),
	    cmocka_unit_test(a_shape_changed_later_is_not_believed),
	    cmocka_unit_test(a_full_ring_refuses_and_counts_the_loss),
	    cmocka_unit_test(the_producer_takes_a_tail_ahead_of_it_for_a_full_ring),
	    cmocka_unit_test(the_consumer_gets_over_a_head_that_cannot_be),
	    cmocka_unit_test(two_threads_lose_and_tear_nothing),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
