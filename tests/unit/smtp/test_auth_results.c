/* test_auth_results.c - the field as RFC 8601 has it, whatever values others said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/auth_results.h"

static uint8_t memory[8192];

static void assert_text(const struct buf *out, const char *expected)
{
	assert_int_equal(out->len, strlen(expected));
	assert_memory_equal(out->data, expected, out->len);
}

static void test_no_results(void **state)
{
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_true(auth_results_write(BYTES("mx.example"), NULL, 0, &out));
	assert_text(&out, "Authentication-Results: mx.example; none\r\n");
}

static void test_rows(void **state)
{
	const struct auth_results_row rows[] = {
	    {"auth", "pass", BYTES("PLAIN"), {{"smtp.auth", BYTES("user@client.example")}}},
	    {"spf",
	     "softfail",
	     {NULL, 0},
	     {{"smtp.mailfrom", BYTES("sender@a-domain-of-some-length.example")},
	      {"smtp.helo", BYTES("")},
	      {"policy.iprev", BYTES("192.0.2.1")}}},
	};
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_true(auth_results_write(BYTES("mx.example"), rows, 2, &out));
	assert_text(&out, "Authentication-Results: mx.example;\r\n"
	                  "\tauth=pass (PLAIN) smtp.auth=user@client.example;\r\n"
	                  "\tspf=softfail smtp.mailfrom=sender@a-domain-of-some-length.example\r\n"
	                  "\tpolicy.iprev=192.0.2.1\r\n");
}

/* Nothing that somebody else said ends a value, a comment, a line or the field. */
static void test_values_of_others(void **state)
{
	static const struct {
		const char *value, *written;
	} cases[] = {
	    {"a b", "\"a b\""},
	    {"a;b=c", "\"a;b=c\""},
	    {"\"q\"@e.example", "\"\\\"q\\\"@e.example\""},
	    {"a\\b", "\"a\\\\b\""},
	    {"a\r\nX: y", "\"a?\?X: y\""},
	    {"\xc3\xa4@e.example", "\"?\?@e.example\""},
	    {"@e.example", "\"@e.example\""},
	    {"a@", "\"a@\""},
	    {"a@b@c", "\"a@b@c\""},
	    {"2001:db8::1", "\"2001:db8::1\""},
	    {"a/b", "\"a/b\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_results_row row = {
		    "spf", "fail", BYTES("a)b(c\\d\r!\n!"), {{"smtp.mailfrom", {NULL, 0}}}};
		struct buf out = buf_over(memory, sizeof(memory));
		char expected[256];

		row.property[0].value = bytes_text(cases[i].value);
		assert_true(auth_results_write(BYTES("mx.example"), &row, 1, &out));
		snprintf(expected, sizeof(expected),
		         "Authentication-Results: mx.example;\r\n"
		         "\tspf=fail (a?b?c?d?!?!) smtp.mailfrom=%s\r\n",
		         cases[i].written);
		assert_text(&out, expected);
	}
}

/* Cut, it would be another's name. */
static void test_a_value_that_is_too_long_is_left_out(void **state)
{
	static char value[AUTH_RESULTS_VALUE_BYTES_MAX + 2];
	struct auth_results_row row = {"spf", "fail", {NULL, 0}, {{"smtp.mailfrom", {NULL, 0}}}};
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	memset(value, '"', sizeof(value) - 1);
	row.property[0].value = bytes_text(value);
	assert_true(auth_results_write(BYTES("mx.example"), &row, 1, &out));
	assert_text(&out, "Authentication-Results: mx.example;\r\n\tspf=fail\r\n");
	buf_clear(&out);
	row.property[0].value.len--;
	assert_true(auth_results_write(BYTES("mx.example"), &row, 1, &out));
	assert_true(out.len > 2 * AUTH_RESULTS_VALUE_BYTES_MAX);
}

static void test_whole_or_nothing(void **state)
{
	const struct auth_results_row row = {
	    "auth", "pass", BYTES("PLAIN"), {{"smtp.auth", BYTES("user")}}};
	struct buf out = buf_over(memory, sizeof(memory));
	size_t len;

	(void)state;
	assert_true(auth_results_write(BYTES("mx.example"), &row, 1, &out));
	len = out.len;
	for (size_t bytes = 0; bytes < len; bytes++) {
		out = buf_over(memory, bytes);
		assert_false(auth_results_write(BYTES("mx.example"), &row, 1, &out));
		assert_int_equal(out.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_results),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_values_of_others),
	    cmocka_unit_test(test_a_value_that_is_too_long_is_left_out),
	    cmocka_unit_test(test_whole_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
