/* test_line.c - lines end with CRLF and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/line.h"

static void test_complete_lines_are_given_in_place(void **state)
{
	const struct bytes all = BYTES("one\r\n\r\ntwo\r\nrest");
	struct bytes input = all, text;
	struct line line = {0};
	uint8_t store[16];

	(void)state;
	assert_int_equal(line_next(&line, NULL, 16, &input, &text), LINE_READY);
	assert_ptr_equal(text.data, all.data);
	assert_int_equal(text.len, 3);
	assert_int_equal(line_next(&line, NULL, 16, &input, &text), LINE_READY);
	assert_int_equal(text.len, 0);
	assert_int_equal(line_next(&line, NULL, 16, &input, &text), LINE_READY);
	assert_true(bytes_equal(text, BYTES("two")));
	assert_int_equal(line_next(&line, NULL, 16, &input, &text), LINE_NO_STORE);
	assert_int_equal(input.len, 4);
	assert_int_equal(line_next(&line, store, 16, &input, &text), LINE_MORE);
	assert_int_equal(input.len, 0);
	assert_int_equal(line.len, 4);
}

static void test_the_bound_counts_crlf(void **state)
{
	struct line line = {0};
	struct bytes fits = BYTES("123456\r\n"), over = BYTES("1234567\r\nNOOP\r\n"), text;

	(void)state;
	assert_int_equal(line_next(&line, NULL, 8, &fits, &text), LINE_READY);
	assert_int_equal(line_next(&line, NULL, 8, &over, &text), LINE_TOO_LONG);
	assert_int_equal(line_next(&line, NULL, 8, &over, &text), LINE_READY);
	assert_true(bytes_equal(text, BYTES("NOOP")));
}

/* What follows a bare LF or CR in the tail of an over-long line must never become a line. */
static void test_the_tail_of_a_long_line_is_gone_up_to_crlf(void **state)
{
	const struct bytes all = BYTES("123456789\nRSET\rQUIT\n\rx\r\nNOOP\r\n");

	(void)state;
	for (size_t cut = 0; cut <= all.len; cut++) {
		struct line line = {0};
		uint8_t store[8];
		struct bytes part[2] = {bytes_slice(all, 0, cut), bytes_slice(all, cut, all.len)},
		             text;
		int too_long = 0, ready = 0;
		for (int i = 0; i < 2; i++) {
			enum line_result result;
			while ((result = line_next(&line, store, 8, &part[i], &text)) !=
			       LINE_MORE) {
				too_long += result == LINE_TOO_LONG;
				ready += result == LINE_READY;
				if (result == LINE_READY)
					assert_true(bytes_equal(text, BYTES("NOOP")));
			}
		}
		assert_int_equal(too_long, 1);
		assert_int_equal(ready, 1);
	}
}

static void test_inspect(void **state)
{
	(void)state;
	assert_false(line_inspect(BYTES("NOOP \t~")).bare_newline ||
	             line_inspect(BYTES("NOOP")).nul);
	assert_true(line_inspect(BYTES("a\rb")).bare_newline &&
	            line_inspect(BYTES("a\nb")).bare_newline);
	assert_true(line_inspect(BYTES("a\0b")).nul && line_inspect(BYTES("\x80")).not_ascii);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_complete_lines_are_given_in_place),
	    cmocka_unit_test(test_the_bound_counts_crlf),
	    cmocka_unit_test(test_the_tail_of_a_long_line_is_gone_up_to_crlf),
	    cmocka_unit_test(test_inspect),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
