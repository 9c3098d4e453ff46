/* test_clock.c - times as text, and clocks that go forward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"

static void known_times_have_known_texts(void **state)
{
	char text[32];

	(void)state;
	clock_format_rfc3339(1795300424123456, text);
	assert_string_equal(text, "2026-11-21T22:33:44.123456Z");
	clock_format_rfc5322(1795300424123456, text);
	assert_string_equal(text, "Sat, 21 Nov 2026 22:33:44 +0000");
	clock_format_rfc3339(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	clock_format_rfc5322(951782400000000, text);
	assert_string_equal(text, "Tue, 29 Feb 2000 00:00:00 +0000");
}

static void a_time_beyond_four_digit_years_is_clamped(void **state)
{
	char text[32];

	(void)state;
	clock_format_rfc3339(UINT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
	clock_format_rfc5322(UINT64_MAX, text);
	assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 +0000");
}

static void dates_agree_with_the_c_library(void **state)
{
	char ours[32], theirs[32];
	struct random random;

	(void)state;
	random_seed(&random, 3);
	for (int i = 0; i < 20000; i++) {
		time_t seconds = (time_t)(random_u64(&random) % 253402300800u);
		struct tm tm;
		gmtime_r(&seconds, &tm);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S +0000", &tm);
		clock_format_rfc5322((uint64_t)seconds * 1000000, ours);
		assert_string_equal(ours, theirs);
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.000001Z", &tm);
		clock_format_rfc3339((uint64_t)seconds * 1000000 + 1, ours);
		assert_string_equal(ours, theirs);
	}
}

static void times_are_read_as_they_are_written(void **state)
{
	struct random random;
	uint64_t wall_us;
	char text[28];

	(void)state;
	random_seed(&random, 4);
	for (int i = 0; i < 20000; i++) {
		uint64_t second = random_u64(&random) % 253402300800u;

		clock_format_rfc3339(second * 1000000, text);
		memcpy(text + 19, "Z", 2);
		assert_true(clock_parse_rfc3339(bytes_text(text), &wall_us));
		assert_int_equal(wall_us, second * 1000000);
		text[10] = '\0';
		assert_true(clock_parse_rfc3339(bytes_text(text), &wall_us));
		assert_int_equal(wall_us, second / 86400 * 86400 * 1000000);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "2026",
	    "2026-13-01",
	    "2026-00-01",
	    "2026-02-29",
	    "2026-04-31",
	    "2026-1-1",
	    "1969-12-31",
	    "2026-11-21T24:00:00Z",
	    "2026-11-21T22:33:44",
	    "2026/11/21",
	    "2o26-11-21",
	    "2026-11-00",
	    "2026-11-21T22:33:60Z",
	    "2026-11-21 22:33:44Z",
	};
	uint64_t wall_us = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(clock_parse_rfc3339(bytes_text(bad[i]), &wall_us));
	assert_int_equal(wall_us, 7);
	assert_true(clock_parse_rfc3339(BYTES("2024-02-29"), &wall_us));
}

static void clocks_do_not_go_back(void **state)
{
	uint64_t now_us = clock_now_us(), cpu_ns = clock_thread_cpu_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t later_us = clock_now_us(), later_ns = clock_thread_cpu_ns();
		assert_true(later_us >= now_us);
		assert_true(later_ns >= cpu_ns);
		now_us = later_us;
		cpu_ns = later_ns;
	}
	assert_true(clock_wall_us() / 1000000 - (uint64_t)time(NULL) + 1 <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_times_have_known_texts),
	    cmocka_unit_test(a_time_beyond_four_digit_years_is_clamped),
	    cmocka_unit_test(dates_agree_with_the_c_library),
	    cmocka_unit_test(times_are_read_as_they_are_written),
	    cmocka_unit_test(what_is_no_time_is_refused),
	    cmocka_unit_test(clocks_do_not_go_back),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
