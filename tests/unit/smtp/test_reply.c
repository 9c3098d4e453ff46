/* test_reply.c - the reply table and its lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "smtp/reply.h"

static void test_enhanced_class_is_that_of_the_code(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < REPLY_COUNT; i++) {
		const struct reply_info *r = &reply_table[i];
		assert_true(r->code >= 200 && r->code <= 599);
		/* Only the greeting and 354 have none (RFC 2034 3). */
		if (r->enhanced[0] == '\0')
			assert_true(r->code == 220 || r->code == 354);
		else
			assert_true(reply_text_is_enhanced(r->code, bytes_text(r->enhanced)));
		assert_true(r->text[0] != '\0' && r->when[0] != '\0');
	}
}

static void test_detail_is_cleaned_and_cut(void **state)
{
	uint8_t memory[1024];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_true(reply_write_detail(REPLY_OK, BYTES("a\r\n250 b\x80\t~"), &out));
	assert_int_equal(out.len, 26);
	assert_memory_equal(out.data, "250 2.0.0 Ok a??250 b??~\r\n", 26);
}

static void test_lines_stay_in_512(void **state)
{
	uint8_t memory[2048], detail[1000];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	memset(detail, 'd', sizeof(detail));
	assert_true(
	    reply_write_detail(REPLY_CONTENT_REJECTED, bytes_of(detail, sizeof(detail)), &out));
	assert_int_equal(out.len, SMTP_REPLY_LINE_BYTES_MAX);
	assert_memory_equal(out.data + out.len - 2, "\r\n", 2);
	buf_clear(&out);
	assert_true(reply_write_relayed(550, bytes_of(detail, sizeof(detail)), &out));
	assert_int_equal(out.len, SMTP_REPLY_LINE_BYTES_MAX);
	buf_clear(&out);
	assert_true(reply_write_banner(bytes_of(detail, sizeof(detail)), &out));
	assert_true(out.len <= SMTP_REPLY_LINE_BYTES_MAX);
}

static void test_what_does_not_fit_leaves_nothing(void **state)
{
	uint8_t memory[16];
	struct buf out = buf_over(memory, 10);

	(void)state;
	assert_false(reply_write(REPLY_OK, &out));
	assert_int_equal(out.len, 0);
}

static void assert_relayed(uint16_t code, struct bytes text, const char *expected)
{
	uint8_t memory[600];
	struct buf out = buf_over(memory, sizeof(memory));

	assert_true(reply_write_relayed(code, text, &out));
	assert_int_equal(out.len, strlen(expected));
	assert_memory_equal(out.data, expected, out.len);
}

static void test_relayed_replies_get_an_enhanced_code(void **state)
{
	(void)state;
	assert_relayed(250, BYTES("2.0.0 Ok: queued as 1"), "250 2.0.0 Ok: queued as 1\r\n");
	assert_relayed(250, BYTES("Ok: queued"), "250 2.0.0 Ok: queued\r\n");
	assert_relayed(550, BYTES("2.0.0 wrong class"), "550 5.0.0 2.0.0 wrong class\r\n");
	assert_relayed(451, BYTES("4.7.1"), "451 4.7.1\r\n");
	assert_relayed(451, BYTES("4.7"), "451 4.0.0 4.7\r\n");
	assert_relayed(451, BYTES("4.7.1234 x"), "451 4.0.0 4.7.1234 x\r\n");
	assert_relayed(354, BYTES("go"), "354 go\r\n");
	assert_relayed(550, BYTES("5.1.1 a\r\n250 ok"), "550 5.1.1 a??250 ok\r\n");
}

static void test_banner(void **state)
{
	uint8_t memory[600];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_true(reply_write_banner(BYTES("mx.example"), &out));
	assert_memory_equal(out.data, "220 mx.example ESMTP Postern\r\n", out.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_enhanced_class_is_that_of_the_code),
	    cmocka_unit_test(test_detail_is_cleaned_and_cut),
	    cmocka_unit_test(test_lines_stay_in_512),
	    cmocka_unit_test(test_what_does_not_fit_leaves_nothing),
	    cmocka_unit_test(test_relayed_replies_get_an_enhanced_code),
	    cmocka_unit_test(test_banner),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
