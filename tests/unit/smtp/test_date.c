/* test_date.c - dates of header fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtp/date.h"

/* -1: no date. */
static int64_t date_of(const char *text)
{
	int64_t time_s = 0;

	return date_parse(bytes_text(text), &time_s) ? time_s : -1;
}

static void dates_are_seconds_since_1970(void **state)
{
	(void)state;
	assert_int_equal(date_of("Thu, 1 Jan 1970 00:00:10 +0000"), 10);
	assert_int_equal(date_of("Sun, 22 Nov 2026 01:39:04 GMT"), 1795311544);
	assert_int_equal(date_of("22 Nov 2026 02:39:04 +0100"), 1795311544);
	assert_int_equal(date_of("29 Feb 2000 12:00:00 -0130 (made up)"), 951831000);
	assert_int_equal(date_of("Sat,31 Dec 99 23:59:59 EST"), 946702799);
	assert_int_equal(date_of("1 Jan 07 00:00 UT"), 1167609600);
	/* This form is read without its time. */
	assert_int_equal(date_of("Mon Jan  1 10:20:30 2007"), 1167609600);
}

static void what_no_calendar_has_is_mended(void **state)
{
	(void)state;
	assert_int_equal(date_of("31 Nov 2026 00:00:00 +0000"),
	                 date_of("1 Dec 2026 00:00:00 +0000"));
	assert_int_equal(date_of("31 Dec 2026 29:61:61 +0000"),
	                 date_of("31 Dec 2026 23:59:59 GMT"));
	assert_int_equal(date_of("1 Jan 1800 00:00:00 +0000"), 0);
	assert_int_equal(date_of("1 Jan 9999 00:00:00 GMT"), date_of("1 Jan 2037 00:00:00 GMT"));
	assert_int_equal(date_of("1 Jan 1970 00:00:00 +0500"), 0);
	assert_int_equal(date_of("yesterday"), -1);
	assert_int_equal(date_of("0 Jan 2026 00:00:00 GMT"), -1);
	assert_int_equal(date_of(""), -1);
}

static void the_date_of_a_received_field_is_found(void **state)
{
	(void)state;
	struct bytes date = date_in_received(
	    BYTES("from a by b id 4 Foo; Sun, 22 Nov 2026 01:39:04 +0000 (UTC)"));

	assert_true(bytes_equal(date, BYTES(" 22 Nov 2026 01:39:04 +0000")));
	assert_int_equal(date_in_received(BYTES("from a by b; never")).len, 0);
	assert_int_equal(date_in_received(BYTES(" 22 Nov 2026 01:39:04")).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dates_are_seconds_since_1970),
	    cmocka_unit_test(what_no_calendar_has_is_mended),
	    cmocka_unit_test(the_date_of_a_received_field_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
