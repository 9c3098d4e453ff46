/* test_random.c - numbers that replay and spread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static void a_seed_replays(void **state)
{
	struct random a, b, c;
	int different = 0;

	(void)state;
	random_seed(&a, 7);
	random_seed(&b, 7);
	random_seed(&c, 8);
	for (int i = 0; i < 100; i++) {
		uint64_t value = random_u64(&a);
		assert_int_equal(value, random_u64(&b));
		different += value != random_u64(&c);
	}
	assert_int_equal(different, 100);
}

/* The generator's published state transition, by hand for the state 1, 2, 3, 4. */
static void the_first_numbers_are_those_of_xoshiro256_star_star(void **state)
{
	struct random random = {{1, 2, 3, 4}};

	(void)state;
	assert_int_equal(random_u64(&random), 11520);
	assert_int_equal(random_u64(&random), 0);
	assert_int_equal(random_u64(&random), 1509978240);
	assert_true(random_u64(&random) == 1215971899390074240);
}

static void bounded_numbers_stay_below_and_reach_everything_evenly(void **state)
{
	struct random random;
	uint32_t count[10] = {0};

	(void)state;
	random_seed(&random, 1);
	for (int i = 0; i < 100000; i++) {
		uint32_t value = random_below(&random, 10);
		assert_true(value < 10);
		count[value]++;
	}
	for (int i = 0; i < 10; i++) /* 10000 expected, standard deviation 95 */
		assert_in_range(count[i], 9500, 10500);
	for (int i = 0; i < 100; i++)
		assert_int_equal(random_below(&random, 1), 0);
	for (int i = 0; i < 100; i++)
		assert_true(random_below(&random, 0x80000001u) < 0x80000001u);
}

/* 2^32 draws over 3 * 2^30 results: without a second draw every third would come twice as often. */
static void a_bound_that_does_not_divide_the_draws_is_still_even(void **state)
{
	struct random random;
	uint32_t thirds[3] = {0};

	(void)state;
	random_seed(&random, 2);
	for (int i = 0; i < 30000; i++)
		thirds[random_below(&random, (uint32_t)3 << 30) % 3]++;
	for (int i = 0; i < 3; i++) /* 10000 expected, standard deviation 82 */
		assert_in_range(thirds[i], 9600, 10400);
}

static void the_operating_system_gives_different_octets_each_time(void **state)
{
	uint8_t a[300], b[300];

	(void)state;
	random_os(a, sizeof(a));
	random_os(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_os(a, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_seed_replays),
	    cmocka_unit_test(the_first_numbers_are_those_of_xoshiro256_star_star),
	    cmocka_unit_test(bounded_numbers_stay_below_and_reach_everything_evenly),
	    cmocka_unit_test(a_bound_that_does_not_divide_the_draws_is_still_even),
	    cmocka_unit_test(the_operating_system_gives_different_octets_each_time),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
