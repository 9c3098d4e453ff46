/* test_json_text.c - any octets become a JSON string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/json_text.h"

static void check(const char *in, size_t size, const char *wanted)
{
	json_t *string = json_text(in, size);

	assert_non_null(string);
	assert_string_equal(json_string_value(string), wanted);
	json_decref(string);
}

static void keeps_utf8(void **state)
{
	(void)state;
	check("plain", 10, "plain");
	check("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	check("", 0, "");
}

static void replaces_what_is_not(void **state)
{
	(void)state;
	check("a\xff", 2, "a\xef\xbf\xbd");
	check("\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
	check("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
	check("\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* cut */
	check("\xf4\x90\x80\x80", 1, "\xef\xbf\xbd");                     /* above U+10FFFF */
}

static void stops_at_size(void **state)
{
	(void)state;
	check("abcdef", 3, "abc");
	/* A character cut by the size of its field. */
	check("ab\xc3\xa9", 3, "ab\xef\xbf\xbd");
}

static void points_have_three_decimals(void **state)
{
	json_t *array = json_array();
	char *text;

	(void)state;
	json_array_append_new(array, json_points(5400));
	json_array_append_new(array, json_points(-1));
	json_array_append_new(array, json_points(2000000123));
	text = json_line(array);
	assert_string_equal(text, "[5.4,-0.001,2000000.123]");
	free(text);
	json_decref(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_utf8),
	    cmocka_unit_test(replaces_what_is_not),
	    cmocka_unit_test(stops_at_size),
	    cmocka_unit_test(points_have_three_decimals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
