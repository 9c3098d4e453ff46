/* test_auth_results_find.c - fields that claim to be ours: each form, each cut, none too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/auth_results.h"
#include "smtp/auth_results_find.h"

/* What is left of `message` when the fields found are taken out; marks which were malformed. */
static size_t clean(struct bytes message, size_t piece, char *out, uint32_t *out_malformed)
{
	static const struct bytes ids[] = {{(const uint8_t *)"mx.example", 10},
	                                   {(const uint8_t *)"[192.0.2.1]", 11}};
	struct auth_results_find find;
	struct auth_results_field field;
	size_t len = 0, from = 0;
	bool more = true;

	auth_results_find_init(&find, ids, 2);
	*out_malformed = 0;
	for (size_t at = 0; at < message.len && !find.ended; at += piece) {
		struct bytes input = bytes_slice(message, at, piece);

		while (auth_results_find_next(&find, &input, &field)) {
			assert_true(field.start >= from && field.end > field.start);
			memcpy(out + len, message.data + from, field.start - from);
			len += field.start - from;
			from = field.end;
			*out_malformed += field.malformed;
		}
		assert_true(input.len == 0 || find.ended);
	}
	more = auth_results_find_end(&find, &field);
	if (more) {
		memcpy(out + len, message.data + from, field.start - from);
		len += field.start - from;
		from = field.end;
		*out_malformed += field.malformed;
	}
	memcpy(out + len, message.data + from, message.len - from);
	return len + message.len - from;
}

static void assert_clean(const char *message, const char *expected, uint32_t malformed)
{
	struct bytes text = bytes_text(message);
	char out[1024];

	assert_true(text.len < sizeof(out));
	for (size_t piece = 1; piece <= text.len; piece++) {
		uint32_t count;
		size_t len = clean(text, piece, out, &count);

		assert_int_equal(len, strlen(expected));
		assert_memory_equal(out, expected, len);
		assert_int_equal(count, malformed);
	}
}

#define OTHERS "Subject: a\r\nTo: b\r\n c\r\n"
#define BODY   "\r\nAuthentication-Results: mx.example; spf=pass\r\n"

static void removed(const char *field)
{
	char message[512];

	snprintf(message, sizeof(message), "%s" OTHERS BODY, field);
	assert_clean(message, OTHERS BODY, 0);
	snprintf(message, sizeof(message), OTHERS "%sX: y\r\n" BODY, field);
	assert_clean(message, OTHERS "X: y\r\n" BODY, 0);
	snprintf(message, sizeof(message), OTHERS "%s%s" BODY, field, field);
	assert_clean(message, OTHERS BODY, 0);
	snprintf(message, sizeof(message), OTHERS "%s", field);
	assert_clean(message, OTHERS, 0);
}

static void kept(const char *field)
{
	char message[512];

	snprintf(message, sizeof(message), "%s" OTHERS BODY, field);
	assert_clean(message, message, 0);
	snprintf(message, sizeof(message), OTHERS "%s" BODY, field);
	assert_clean(message, message, 0);
}

static void test_in_our_name(void **state)
{
	(void)state;
	removed("Authentication-Results: mx.example; spf=pass\r\n");
	removed("AUTHENTICATION-results:MX.Example;\r\n\tspf=pass\r\n \tdkim=pass\r\n");
	removed("Authentication-Results \t: mx.example; none\r\n");
	removed("Authentication-Results: mx.example 1; none\r\n");
	removed("Authentication-Results: mx.example dkim=pass\r\n");
	removed("Authentication-Results: mx.example\r\n");
	removed("Authentication-Results: (a (b\\) c) d) mx.example (e) ; none\r\n");
	removed("Authentication-Results: mx(a).example; none\r\n");
	removed("Authentication-Results:\r\n \r\n\tmx.example\r\n ;none\r\n");
	removed("Authentication-Results: \"mx.example\"; none\r\n");
	removed("Authentication-Results: \"m\\x.exam\\ple\"; none\r\n");
	removed("Authentication-Results: \"[192.0.2.1]\"; none\r\n");
	removed("Authentication-Results: [192.0.2.1]; none\r\n");
	removed(".Authentication-Results: mx.example; none\r\n");
	removed("Authentication-Results:\r\n. mx.example; none\r\n. spf=pass\r\n");
}

static void test_in_the_name_of_others(void **state)
{
	(void)state;
	kept("Authentication-Results: mx.example.org; spf=pass\r\n");
	kept("Authentication-Results: a.mx.example; spf=pass\r\n");
	kept("Authentication-Results: other; spf=pass (mx.example) x=mx.example\r\n");
	kept("Authentication-Results: (mx.example) other; none\r\n");
	kept("Authentication-Results: \"mx.example \"; none\r\n");
	kept("Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.helo=mx.example;\r\n");
	kept("Authentication-Results: mx.exam ple; none\r\n");
	kept("Authentication-Resultss: mx.example; none\r\n");
	kept("Authentication-Result: mx.example; none\r\n");
	kept("X-Authentication-Results: mx.example; none\r\n");
	kept("ARC-Authentication-Results: i=1; mx.example; none\r\n");
	kept("Authentication-Results mx.example; none\r\n");
	kept("..Authentication-Results: mx.example; none\r\n");
	kept("X: a\r\n Authentication-Results: mx.example; none\r\n");
	kept("A\r\nAu\r\nAuthentication-Results\r\n");
}

static void test_nobody_can_tell(void **state)
{
	static const char *const fields[] = {
	    "Authentication-Results:\r\n",
	    "Authentication-Results: ; none\r\n",
	    "Authentication-Results: (mx.example; none\r\n",
	    "Authentication-Results: \"mx.example; none\r\n none\r\n",
	    "Authentication-Results: (\\\r\n",
	};
	char message[512];

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		snprintf(message, sizeof(message), OTHERS "%s" BODY, fields[i]);
		assert_clean(message, OTHERS BODY, 1);
		snprintf(message, sizeof(message), OTHERS "%s", fields[i]);
		assert_clean(message, OTHERS, 1);
	}
}

static void test_comments_nest_deeply(void **state)
{
	char message[512] = "Authentication-Results: ";

	(void)state;
	memset(message + strlen(message), '(', 65);
	strcat(message, "\r\n" OTHERS);
	assert_clean(message, OTHERS, 1);
}

/* A line that is no field does not end the header section for every reader. */
static void test_behind_lines_that_are_no_fields(void **state)
{
	(void)state;
	assert_clean("no field\r\nAuthentication-Results: mx.example; none\r\n" BODY,
	             "no field\r\n" BODY, 0);
	assert_clean(" begins with a blank\r\nAuthentication-Results: mx.example; none\r\n" BODY,
	             " begins with a blank\r\n" BODY, 0);
}

static void test_what_we_write_is_found(void **state)
{
	static const char *const ids[] = {"mx.example", "[192.0.2.1]"};
	const struct auth_results_row row = {
	    "auth", "pass", BYTES("PLAIN"), {{"smtp.auth", BYTES("a \"b\"")}}};
	uint8_t memory[512];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct buf out = buf_over(memory, sizeof(memory) - 1);

		assert_true(auth_results_write(bytes_text(ids[i]), &row, 1, &out));
		memory[out.len] = '\0';
		removed((const char *)memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_our_name),
	    cmocka_unit_test(test_in_the_name_of_others),
	    cmocka_unit_test(test_nobody_can_tell),
	    cmocka_unit_test(test_comments_nest_deeply),
	    cmocka_unit_test(test_behind_lines_that_are_no_fields),
	    cmocka_unit_test(test_what_we_write_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
