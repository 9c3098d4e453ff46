/* test_timer.c - the wheel against a model that sorts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/timer.h"

#define HANDLES 300
#define HOUR_US ((uint64_t)3600 * 1000 * 1000)

static struct arena arena;

static struct timer_wheel *wheel_new(uint64_t now_us)
{
	struct timer_wheel *wheel;

	assert_int_equal(arena_init(&arena, 1 << 20, false), OK);
	wheel = timer_wheel_new(&arena, HANDLES, now_us);
	assert_non_null(wheel);
	return wheel;
}

static uint64_t tick(uint64_t deadline_us)
{
	return deadline_us / 1000 + (deadline_us % 1000 != 0);
}

static void a_timer_fires_at_its_tick_and_not_before(void **state)
{
	struct timer_wheel *wheel = wheel_new(0);
	uint32_t handle = 0;

	(void)state;
	timer_set(wheel, 7, 4500);
	assert_true(timer_is_set(wheel, 7));
	assert_int_equal(timer_deadline_us(wheel, 7), 4500);
	assert_false(timer_pop(wheel, 4999, &handle));
	assert_true(timer_pop(wheel, 5000, &handle));
	assert_int_equal(handle, 7);
	assert_false(timer_is_set(wheel, 7));
	assert_false(timer_pop(wheel, 5000, &handle));
	assert_true(timer_next_us(wheel) == UINT64_MAX);
	arena_free(&arena);
}

static void a_deadline_in_the_past_is_due_at_once(void **state)
{
	struct timer_wheel *wheel = wheel_new(HOUR_US);
	uint32_t handle = 0;

	(void)state;
	timer_set(wheel, 1, 5);
	timer_set(wheel, 2, HOUR_US);
	assert_true(timer_next_us(wheel) <= HOUR_US);
	assert_true(timer_pop(wheel, HOUR_US, &handle));
	assert_int_equal(handle, 1);
	assert_true(timer_pop(wheel, HOUR_US, &handle));
	assert_int_equal(handle, 2);
	arena_free(&arena);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
	struct timer_wheel *wheel = wheel_new(0);
	uint32_t handle;

	(void)state;
	timer_set(wheel, 1, 1000);
	timer_set(wheel, 2, 1000);
	timer_cancel(wheel, 1);
	timer_cancel(wheel, 1);
	assert_true(timer_pop(wheel, HOUR_US, &handle));
	assert_int_equal(handle, 2);
	assert_false(timer_pop(wheel, HOUR_US, &handle));
	arena_free(&arena);
}

static void setting_again_moves(void **state)
{
	struct timer_wheel *wheel = wheel_new(0);
	uint32_t handle;

	(void)state;
	timer_set(wheel, 1, 1000);
	timer_set(wheel, 1, 9 * HOUR_US);
	assert_false(timer_pop(wheel, 9 * HOUR_US - 1, &handle));
	timer_set(wheel, 1, 1000);
	assert_true(timer_pop(wheel, 9 * HOUR_US - 1, &handle));
	arena_free(&arena);
}

static void scouting_tells_what_pops_next_and_takes_nothing(void **state)
{
	struct timer_wheel *wheel = wheel_new(0);
	uint32_t seen[HANDLES], handle = 0, count = 0;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		timer_set(wheel, i * 7, 5000);
	timer_set(wheel, 1, 9000);
	assert_false(timer_scout(wheel, HANDLES, &handle)); /* not found due yet */
	assert_true(timer_pop(wheel, 5000, &handle));
	assert_int_equal(handle, 0);
	while (timer_scout(wheel, 5, &seen[count]))
		count++;
	assert_int_equal(count, 5);
	while (timer_scout(wheel, HANDLES, &seen[count]))
		count++;
	assert_int_equal(count, 19);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(timer_is_set(wheel, seen[i]));
		assert_true(timer_pop(wheel, 5000, &handle));
		assert_int_equal(handle, seen[i]);
	}
	assert_false(timer_pop(wheel, 5000, &handle));
	assert_false(timer_scout(wheel, HANDLES, &handle));
	arena_free(&arena);
}

/* The scout stands on a handle: whatever becomes of it, what is told is due, and soon all of it. */
static void scouting_survives_what_is_cancelled(void **state)
{
	struct timer_wheel *wheel = wheel_new(0);
	uint32_t handle, told;

	(void)state;
	for (uint32_t i = 0; i < 30; i++)
		timer_set(wheel, i, 5000);
	assert_true(timer_pop(wheel, 5000, &handle));
	for (uint32_t i = 1; i <= 4; i++)
		assert_true(timer_scout(wheel, 4, &told));
	assert_int_equal(told, 4);
	assert_false(timer_scout(wheel, 4, &told));
	timer_cancel(wheel, 4); /* the one it stands on */
	timer_cancel(wheel, 2);
	timer_set(wheel, 3, 900000); /* the next it would stand on, to another slot */
	timer_cancel(wheel, 5);      /* the next to be told */
	assert_true(timer_pop(wheel, 5000, &handle));
	assert_int_equal(handle, 1);
	assert_true(timer_scout(wheel, 4, &told));
	assert_int_equal(told, 6);
	for (uint32_t i = 6; i < 30; i++) {
		assert_true(timer_pop(wheel, 5000, &handle));
		assert_int_equal(handle, i);
		while (timer_scout(wheel, 4, &told))
			assert_in_range(told, i + 1, i + 4);
	}
	assert_false(timer_pop(wheel, 5000, &handle));
	timer_set(wheel, 9, 5000);
	assert_true(timer_scout(wheel, 4, &told));
	assert_int_equal(told, 9);
	arena_free(&arena);
}

static void the_farthest_deadlines_are_kept(void **state)
{
	struct timer_wheel *wheel = wheel_new(123);
	uint32_t handle;

	(void)state;
	timer_set(wheel, 1, UINT64_MAX);
	timer_set(wheel, 2, UINT64_MAX - 3000000);
	assert_false(timer_pop(wheel, UINT64_MAX / 2, &handle));
	assert_true(timer_pop(wheel, UINT64_MAX - 1000000, &handle));
	assert_int_equal(handle, 2);
	assert_false(timer_pop(wheel, UINT64_MAX - 1000000, &handle));
	assert_int_equal(timer_deadline_us(wheel, 1), UINT64_MAX);
	arena_free(&arena);
}

/* Sleeping until timer_next_us() must always get somewhere, however far the deadline is. */
static void following_the_next_time_reaches_every_deadline_in_few_steps(void **state)
{
	struct timer_wheel *wheel = wheel_new(777);
	struct random random;
	uint32_t handle;

	(void)state;
	random_seed(&random, 5);
	for (uint64_t now_us = 777, round = 0; round < 2000; round++) {
		uint64_t deadline_us = now_us +
		                       (random_u64(&random) >> (24 + random_below(&random, 40)));
		int steps = 0;
		timer_set(wheel, 3, deadline_us);
		for (;;) {
			uint64_t next_us = timer_next_us(wheel);
			assert_true(next_us <= tick(deadline_us) * 1000);
			if (next_us > now_us)
				now_us = next_us;
			if (timer_pop(wheel, now_us, &handle))
				break;
			assert_true(++steps <= 10);
		}
		assert_true(now_us / 1000 >= tick(deadline_us));
		assert_true(now_us / 1000 <= tick(deadline_us) + 1);
	}
	arena_free(&arena);
}

struct model {
	bool set[HANDLES];
	uint64_t tick[HANDLES]; /* never before the time at which it was set */
	uint64_t order[HANDLES];
};

/* The handle that must fire next, HANDLES when none is due. */
static uint32_t model_first(const struct model *model, uint64_t now_us)
{
	uint32_t first = HANDLES;

	for (uint32_t i = 0; i < HANDLES; i++) {
		if (!model->set[i] || model->tick[i] > now_us / 1000)
			continue;
		if (first == HANDLES || model->tick[i] < model->tick[first] ||
		    (model->tick[i] == model->tick[first] && model->order[i] < model->order[first]))
			first = i;
	}
	return first;
}

static uint64_t random_step(struct random *random)
{
	switch (random_below(random, 5)) {
	case 0:
		return random_below(random, 1000);
	case 1:
		return random_below(random, 100000);
	case 2:
		return random_below(random, 60000000);
	case 3:
		return random_u64(random) % (20 * HOUR_US);
	default:
		return random_u64(random) >> 12; /* centuries */
	}
}

static void change_one(struct timer_wheel *wheel, struct model *model, struct random *random,
                       uint64_t now_us, uint64_t order)
{
	uint32_t handle = random_below(random, HANDLES);

	if (random_below(random, 4) == 0) {
		timer_cancel(wheel, handle);
		model->set[handle] = false;
		return;
	}
	uint64_t deadline_us = now_us + random_step(random);
	if (random_below(random, 8) == 0)
		deadline_us = now_us - random_below(random, 2000);
	timer_set(wheel, handle, deadline_us);
	model->set[handle] = true;
	model->tick[handle] = tick(deadline_us) > now_us / 1000 ? tick(deadline_us) : now_us / 1000;
	model->order[handle] = order;
}

static void the_wheel_agrees_with_a_sorted_model_over_random_work(void **state)
{
	static struct model model;
	struct timer_wheel *wheel = wheel_new(1000000);
	uint64_t now_us = 1000000, order = 0;
	struct random random;
	uint32_t handle, fired = 0;

	(void)state;
	random_seed(&random, 42);
	for (int round = 0; round < 3000; round++) {
		for (uint32_t i = random_below(&random, 20); i > 0; i--)
			change_one(wheel, &model, &random, now_us, order++);
		now_us += random_step(&random) >> random_below(&random, 20);
		for (;;) {
			uint32_t expected = model_first(&model, now_us);
			bool popped = timer_pop(wheel, now_us, &handle);
			assert_int_equal(popped, expected != HANDLES);
			if (!popped)
				break;
			assert_int_equal(handle, expected);
			model.set[handle] = false;
			fired++;
		}
		for (uint32_t i = 0; i < HANDLES; i++)
			assert_int_equal(timer_is_set(wheel, i), model.set[i]);
	}
	assert_true(fired > 5000);
	arena_free(&arena);
}

#define CROWD 20000

/* Among those set for one span of the wheel: in their ticks' order, and within a tick as they were
 * set, also what is set while they come down. */
static void a_crowd_comes_down_bit_by_bit_and_in_order(void **state)
{
	static uint64_t ticks[CROWD];
	const uint64_t start_us = 40 * 64 * 64 *
	                          1000ull; /* where a span of the third level starts */
	struct timer_wheel *wheel;
	struct random random;
	uint32_t count = 0, moved = 0, handle, last = 0;
	uint64_t last_tick = 0;

	(void)state;
	random_seed(&random, 7);
	assert_int_equal(arena_init(&arena, 1 << 20, false), OK);
	wheel = timer_wheel_new(&arena, CROWD, 1000);
	assert_non_null(wheel);
	for (; count < CROWD / 2; count++) {
		ticks[count] = start_us / 1000 + 1 + random_below(&random, 4095);
		timer_set(wheel, count, ticks[count] * 1000);
	}
	/* The first call moves some and finds none: the time stands, so the next call is due. */
	assert_false(timer_pop(wheel, start_us + 1000, &handle));
	assert_int_equal(timer_next_us(wheel), start_us);
	for (uint64_t now_us = start_us; count > 0; now_us += 50000) {
		for (uint32_t tries = 0; timer_next_us(wheel) <= now_us; tries++) {
			assert_true(tries < CROWD);
			if (!timer_pop(wheel, now_us, &handle)) {
				if (moved++ >= 8)
					continue;
				/* While the rest waits: others of the same ticks. */
				for (uint32_t i = 0; i < 500; i++) {
					uint32_t new = CROWD / 2 + (moved - 1) * 500 + i;
					ticks[new] = ticks[2 * i];
					timer_set(wheel, new, ticks[new] * 1000);
					count++;
				}
				timer_cancel(wheel, 2 * moved + 1);
				count--;
				continue;
			}
			assert_true(ticks[handle] > last_tick ||
			            (ticks[handle] == last_tick && handle > last));
			last_tick = ticks[handle];
			last = handle;
			count--;
		}
	}
	assert_true(moved >= 8);
	assert_int_equal(timer_next_us(wheel), UINT64_MAX);
	arena_free(&arena);
}

static void a_wheel_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(arena_init(&arena, 1 << 20, false), OK);
	assert_null(timer_wheel_new(&arena, 1 << 24, 0));
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_timer_fires_at_its_tick_and_not_before),
	    cmocka_unit_test(a_deadline_in_the_past_is_due_at_once),
	    cmocka_unit_test(a_cancelled_timer_does_not_fire),
	    cmocka_unit_test(setting_again_moves),
	    cmocka_unit_test(scouting_tells_what_pops_next_and_takes_nothing),
	    cmocka_unit_test(scouting_survives_what_is_cancelled),
	    cmocka_unit_test(the_farthest_deadlines_are_kept),
	    cmocka_unit_test(following_the_next_time_reaches_every_deadline_in_few_steps),
	    cmocka_unit_test(the_wheel_agrees_with_a_sorted_model_over_random_work),
	    cmocka_unit_test(a_crowd_comes_down_bit_by_bit_and_in_order),
	    cmocka_unit_test(a_wheel_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
