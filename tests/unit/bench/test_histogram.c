/* test_histogram.c - quantiles stay within a bucket's width of the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/common/histogram.h"

static struct histogram histogram;

static void assert_near(uint64_t value, uint64_t truth)
{
	assert_true(value >= truth);
	assert_true(value - truth <= truth / HISTOGRAM_STEPS + 1);
}

static void test_empty_and_single(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	assert_int_equal(histogram_quantile(&histogram, 500), 0);
	histogram_add(&histogram, 12345);
	assert_int_equal(histogram_quantile(&histogram, 1), 12345);
	assert_int_equal(histogram_quantile(&histogram, 999), 12345);
}

static void test_even_values(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(&histogram, i);
	assert_near(histogram_quantile(&histogram, 500), 50000);
	assert_near(histogram_quantile(&histogram, 900), 90000);
	assert_near(histogram_quantile(&histogram, 990), 99000);
	assert_int_equal(histogram_quantile(&histogram, 1000), 100000);
	assert_int_equal(histogram.max, 100000);
	assert_int_equal(histogram.count, 100000);
}

static void test_extremes(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	histogram_add(&histogram, 0);
	histogram_add(&histogram, UINT64_MAX);
	assert_int_equal(histogram_quantile(&histogram, 500), 0);
	assert_int_equal(histogram_quantile(&histogram, 1000), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty_and_single),
	    cmocka_unit_test(test_even_values),
	    cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
