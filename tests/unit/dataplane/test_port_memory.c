/* test_port_memory.c - each trouble of the simulated link, by itself and replayed. */
#include "dataplane/port_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PKTS 512

struct ends {
	struct arena arena;
	struct pkt_pool *pool_a, *pool_b;
	struct port *a, *b;
};

static void ends_open(struct ends *ends, const struct port_memory_config *a_to_b)
{
	struct port_memory_config back = {.queue_pkts_max = 4};

	assert_int_equal(arena_init(&ends->arena, 8 << 20, false), OK);
	ends->pool_a = pkt_pool_memory(&ends->arena, PKTS);
	ends->pool_b = pkt_pool_memory(&ends->arena, PKTS);
	assert_non_null(ends->pool_b);
	size_t before = ends->arena.used;
	assert_int_equal(port_memory_new(&ends->arena, a_to_b, &back, ends->pool_a, ends->pool_b,
	                                 &ends->a, &ends->b),
	                 OK);
	assert_true(ends->arena.used - before <= port_memory_bytes(a_to_b, &back));
}

static void ends_close(struct ends *ends)
{
	ends->a->ops->close(ends->a);
	ends->b->ops->close(ends->b);
	assert_int_equal(ends->pool_a->free_count, PKTS);
	assert_int_equal(ends->pool_b->free_count, PKTS);
	arena_free(&ends->arena);
}

/* Sends a frame of `bytes` octets that starts with `number`. */
static void send_frame(struct ends *ends, uint64_t now_us, uint16_t number, uint16_t bytes)
{
	struct pkt *pkt = pkt_get(ends->pool_a);

	assert_non_null(pkt);
	memset(pkt->data, 0, bytes);
	memcpy(pkt->data, &number, 2);
	pkt->len = bytes;
	assert_int_equal(ends->a->ops->tx_burst(ends->a, now_us, &pkt, 1), 1);
}

/* Takes one frame at end b and returns its number, or -1. */
static int receive(struct ends *ends, uint64_t now_us)
{
	struct pkt *pkt;
	uint16_t number;

	if (ends->b->ops->rx_burst(ends->b, now_us, &pkt, 1) == 0)
		return -1;
	assert_ptr_equal(pkt->pool, ends->pool_b);
	memcpy(&number, pkt->data, 2);
	pkt_put(pkt);
	return number;
}

static void clean_link_keeps_order_and_octets(void **state)
{
	struct port_memory_config config = {.queue_pkts_max = 64};
	struct port_stats stats;
	struct ends ends;

	(void)state;
	ends_open(&ends, &config);
	assert_int_equal(port_memory_next_us(ends.b), UINT64_MAX);
	for (uint16_t i = 0; i < 64; i++)
		send_frame(&ends, 5, i, 100);
	assert_int_equal(port_memory_next_us(ends.b), 5);
	for (int i = 0; i < 64; i++)
		assert_int_equal(receive(&ends, 5), i);
	assert_int_equal(receive(&ends, 5), -1);
	ends.a->ops->stats(ends.a, &stats);
	assert_int_equal(stats.tx_pkts, 64);
	ends.b->ops->stats(ends.b, &stats);
	assert_int_equal(stats.rx_bytes, 6400);
	assert_int_equal(ends.b->ops->sleep_fd(ends.b), -1);
	ends_close(&ends);
}

static void delay_and_rate_add_up(void **state)
{
	/* 1 Mbit/s: 125 octets take 1 ms. */
	struct port_memory_config config = {
	    .queue_pkts_max = 8, .delay_us = 10000, .rate_bits_per_s = 1000000};
	struct ends ends;

	(void)state;
	ends_open(&ends, &config);
	send_frame(&ends, 0, 1, 125);
	send_frame(&ends, 0, 2, 125);
	assert_int_equal(port_memory_next_us(ends.b), 11000);
	assert_int_equal(receive(&ends, 10999), -1);
	assert_int_equal(receive(&ends, 11000), 1);
	assert_int_equal(port_memory_next_us(ends.b), 12000);
	assert_int_equal(receive(&ends, 12000), 2);
	ends_close(&ends);
}

static void full_queue_loses(void **state)
{
	struct port_memory_config config = {.queue_pkts_max = 8, .delay_us = 1};
	struct port_memory_stats stats;
	struct ends ends;

	(void)state;
	ends_open(&ends, &config);
	for (uint16_t i = 0; i < 20; i++)
		send_frame(&ends, 0, i, 60);
	port_memory_link_stats(ends.a, &stats);
	assert_int_equal(stats.sent, 20);
	assert_int_equal(stats.overflowed, 12);
	for (int i = 0; i < 8; i++)
		assert_int_equal(receive(&ends, 1), i);
	assert_int_equal(receive(&ends, 1), -1);
	ends_close(&ends);
}

static void empty_pool_loses(void **state)
{
	struct port_memory_config config = {.queue_pkts_max = 8};
	struct pkt_chain held = {0};
	struct port_stats stats;
	struct ends ends;
	struct pkt *pkt;

	(void)state;
	ends_open(&ends, &config);
	while ((pkt = pkt_get(ends.pool_b)) != NULL)
		pkt_chain_push(&held, pkt);
	send_frame(&ends, 0, 1, 60);
	assert_int_equal(receive(&ends, 0), -1);
	ends.b->ops->stats(ends.b, &stats);
	assert_int_equal(stats.rx_no_buffer, 1);
	assert_int_equal(port_memory_next_us(ends.b), UINT64_MAX);
	pkt_chain_put_all(&held);
	ends_close(&ends);
}

/* Sends 10000 frames, 10 us apart; counts arrivals, arrivals behind a later frame, and a hash of it
 * all. */
struct outcome {
	uint32_t arrived, overtaken, damaged;
	uint64_t trace;
};

static struct outcome outcome_of(const struct port_memory_config *config,
                                 struct port_memory_stats *out_stats)
{
	struct outcome outcome = {0};
	struct ends ends;
	struct pkt *pkt;
	uint16_t highest = 0;

	ends_open(&ends, config);
	for (uint32_t i = 0; i < 10000 + 1000; i++) {
		uint64_t now_us = i * 10u;
		if (i < 10000)
			send_frame(&ends, now_us, (uint16_t)i, 64);
		while (ends.b->ops->rx_burst(ends.b, now_us, &pkt, 1) == 1) {
			uint16_t number;
			memcpy(&number, pkt->data, 2);
			outcome.arrived++;
			outcome.overtaken += number < highest;
			highest = number > highest ? number : highest;
			for (size_t at = 2; at < 64; at++)
				outcome.damaged += pkt->data[at] != 0;
			outcome.trace = outcome.trace * 31 + number + now_us;
			pkt_put(pkt);
		}
	}
	port_memory_link_stats(ends.a, out_stats);
	ends_close(&ends);
	return outcome;
}

static void loss_is_as_likely_as_said(void **state)
{
	struct port_memory_config config = {.seed = 1, .queue_pkts_max = 64, .loss_ppm = 100000};
	struct port_memory_stats stats;
	struct outcome outcome = outcome_of(&config, &stats);

	(void)state;
	assert_in_range(stats.lost, 850, 1150);
	assert_int_equal(outcome.arrived, 10000 - stats.lost);
	assert_int_equal(outcome.overtaken, 0);
}

static void duplicates_arrive_twice(void **state)
{
	struct port_memory_config config = {
	    .seed = 2, .queue_pkts_max = 64, .duplicate_ppm = 50000};
	struct port_memory_stats stats;
	struct outcome outcome = outcome_of(&config, &stats);

	(void)state;
	assert_in_range(stats.duplicated, 400, 600);
	assert_int_equal(outcome.arrived, 10000 + stats.duplicated);
}

static void reordered_frames_are_overtaken(void **state)
{
	struct port_memory_config config = {
	    .seed = 3, .queue_pkts_max = 64, .reorder_ppm = 50000, .reorder_us = 35};
	struct port_memory_stats stats;
	struct outcome outcome = outcome_of(&config, &stats);

	(void)state;
	assert_int_equal(outcome.arrived, 10000);
	assert_in_range(stats.reordered, 400, 600);
	assert_in_range(outcome.overtaken, stats.reordered * 9 / 10, stats.reordered);
}

static void corruption_flips_one_bit(void **state)
{
	struct port_memory_config config = {.seed = 4, .queue_pkts_max = 64, .corrupt_ppm = 20000};
	struct port_memory_stats stats;
	struct outcome outcome = outcome_of(&config, &stats);

	(void)state;
	assert_int_equal(outcome.arrived, 10000);
	assert_in_range(stats.corrupted, 140, 260);
	assert_in_range(outcome.damaged, stats.corrupted * 8 / 10, stats.corrupted);
}

static void same_seed_same_fate(void **state)
{
	struct port_memory_config config = {.seed = 5,
	                                    .queue_pkts_max = 64,
	                                    .loss_ppm = 50000,
	                                    .duplicate_ppm = 50000,
	                                    .corrupt_ppm = 50000,
	                                    .reorder_ppm = 50000,
	                                    .reorder_us = 30,
	                                    .delay_us = 100,
	                                    .jitter_us = 50,
	                                    .rate_bits_per_s = 100000000};
	struct port_memory_stats stats;
	uint64_t first = outcome_of(&config, &stats).trace,
	         second = outcome_of(&config, &stats).trace;

	(void)state;
	assert_int_equal(first, second);
	config.seed = 6;
	assert_int_not_equal(outcome_of(&config, &stats).trace, first);
}

static void nonsense_is_refused_and_fate_may_change(void **state)
{
	struct port_memory_config config = {.queue_pkts_max = 8};
	struct ends ends;

	(void)state;
	ends_open(&ends, &config);
	config.loss_ppm = 1000001;
	assert_int_equal(port_memory_change(ends.a, &config), ERR_RANGE);
	config.loss_ppm = 1000000;
	config.queue_pkts_max = 0; /* not taken */
	assert_int_equal(port_memory_change(ends.a, &config), OK);
	send_frame(&ends, 0, 1, 60);
	assert_int_equal(receive(&ends, 100), -1);
	assert_int_equal(port_memory_new(&ends.arena, &config, &config, ends.pool_a, ends.pool_b,
	                                 &ends.a, &ends.b),
	                 ERR_RANGE);
	ends_close(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clean_link_keeps_order_and_octets),
	    cmocka_unit_test(delay_and_rate_add_up),
	    cmocka_unit_test(full_queue_loses),
	    cmocka_unit_test(empty_pool_loses),
	    cmocka_unit_test(loss_is_as_likely_as_said),
	    cmocka_unit_test(duplicates_arrive_twice),
	    cmocka_unit_test(reordered_frames_are_overtaken),
	    cmocka_unit_test(corruption_flips_one_bit),
	    cmocka_unit_test(same_seed_same_fate),
	    cmocka_unit_test(nonsense_is_refused_and_fate_may_change),
	};

	return cmocka_run_group_tests_name("port_memory", tests, NULL, NULL);
}
