/* test_buf.c - a buffer of fixed capacity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void appends_follow_each_other(void **state)
{
	uint8_t memory[64];
	struct buf buf = buf_over(memory, sizeof(memory));

	(void)state;
	assert_true(buf_put(&buf, BYTES("ab")));
	assert_true(buf_put_octet(&buf, ' '));
	assert_true(buf_put_u64(&buf, 0));
	assert_true(buf_put_u64(&buf, UINT64_MAX));
	assert_true(buf_put_text(&buf, " x"));
	assert_true(buf_printf(&buf, "%03d", 7));
	assert_true(bytes_equal(buf_bytes(&buf), BYTES("ab 018446744073709551615 x007")));
}

static void what_does_not_fit_is_not_appended_at_all(void **state)
{
	uint8_t memory[5] = "....!";
	struct buf buf = buf_over(memory, 4);

	(void)state;
	assert_true(buf_put_text(&buf, "abc"));
	assert_false(buf_put_text(&buf, "de"));
	assert_true(buf.overflow);
	assert_true(bytes_equal(buf_bytes(&buf), BYTES("abc")));
	assert_int_equal(memory[4], '!');
}

static void after_an_overflow_every_append_fails_until_cleared(void **state)
{
	uint8_t memory[4];
	struct buf buf = buf_over(memory, sizeof(memory));

	(void)state;
	assert_false(buf_put_text(&buf, "abcde"));
	assert_false(buf_put_octet(&buf, 'a'));
	assert_false(buf_printf(&buf, "a"));
	buf_clear(&buf);
	assert_true(buf_put_text(&buf, "abcd"));
	assert_int_equal(buf.len, 4);
}

static void printing_needs_room_for_one_octet_more(void **state)
{
	uint8_t memory[5] = "....!";
	struct buf buf = buf_over(memory, 4);

	(void)state;
	assert_false(buf_printf(&buf, "%s", "abcd"));
	assert_int_equal(buf.len, 0);
	buf_clear(&buf);
	assert_true(buf_printf(&buf, "%s", "abc"));
	assert_false(buf_printf(&buf, "%s", "x"));
	assert_int_equal(memory[4], '!');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(appends_follow_each_other),
	    cmocka_unit_test(what_does_not_fit_is_not_appended_at_all),
	    cmocka_unit_test(after_an_overflow_every_append_fails_until_cleared),
	    cmocka_unit_test(printing_needs_room_for_one_octet_more),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
