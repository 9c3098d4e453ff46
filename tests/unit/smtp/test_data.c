/* test_data.c - the end of data and unstuffing, whatever the cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/data.h"

#define LOG_BYTES 8192

struct outcome {
	struct data data;
	size_t consumed, len;
	uint8_t content[LOG_BYTES];
	size_t plain_len;
	uint8_t plain[LOG_BYTES];
};

/* Feeds what lies between the cuts, as exactly sized blocks; unstuffs each piece as it comes. */
static void feed(struct bytes input, const size_t *cuts, size_t cut_count, struct outcome *out)
{
	struct data_unstuffing unstuffing = {0};
	size_t from = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i <= cut_count && !out->data.ended; i++) {
		size_t to = i < cut_count ? cuts[i] : input.len;
		uint8_t *exact = malloc(to - from + 1);
		assert_non_null(exact);
		memcpy(exact, input.data + from, to - from);
		struct bytes left = bytes_of(exact, to - from);
		while (left.len > 0 && !out->data.ended) {
			struct bytes content;
			data_next(&out->data, &left, &content);
			assert_true(out->len + content.len <= LOG_BYTES);
			if (content.len > 0)
				memcpy(out->content + out->len, content.data, content.len);
			out->len += content.len;
			out->plain_len += data_unstuff(&unstuffing, content,
			                               out->plain + out->plain_len);
		}
		out->consumed = to - left.len;
		from = to;
		free(exact);
	}
	assert_int_equal(out->len, out->data.bytes);
	assert_int_equal(out->plain_len, out->data.bytes - out->data.stuffed_dots);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
	assert_int_equal(a->consumed, b->consumed);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->content, b->content, a->len);
	assert_int_equal(a->plain_len, b->plain_len);
	assert_memory_equal(a->plain, b->plain, a->plain_len);
	assert_int_equal(a->data.ended, b->data.ended);
	assert_memory_equal(&a->data.defects, &b->data.defects, sizeof(a->data.defects));
}

/* All 2^(n-1) ways to cut. */
static void assert_all_cuts_agree(struct bytes input)
{
	struct outcome whole, cut;

	feed(input, NULL, 0, &whole);
	for (uint32_t mask = 0; mask < 1u << (input.len - 1); mask++) {
		size_t cuts[32], count = 0;
		for (size_t i = 1; i < input.len; i++) {
			if (mask >> (i - 1) & 1)
				cuts[count++] = i;
		}
		feed(input, cuts, count, &cut);
		assert_same(&whole, &cut);
	}
}

static void test_every_cut_of_a_stuffed_message(void **state)
{
	(void)state;
	assert_all_cuts_agree(BYTES("\r\n..a\r\n.\r\n"));
	assert_all_cuts_agree(BYTES(".\r\nX"));
	assert_all_cuts_agree(BYTES("..\r\n.\r.\r\n.\r\n"));
	assert_all_cuts_agree(BYTES("\n.\n\r\n.\r\r\n.\r\n"));
	assert_all_cuts_agree(BYTES("a\r.\r\n.\0\r\n.\r\nQ"));
}

static void test_content_and_terminator(void **state)
{
	struct outcome o;

	(void)state;
	feed(BYTES("\r\n..a\r\n.\r\nQUIT\r\n"), NULL, 0, &o);
	assert_true(o.data.ended);
	assert_int_equal(o.consumed, 10);
	assert_int_equal(o.len, o.consumed - DATA_TERMINATOR_BYTES);
	assert_memory_equal(o.content, "\r\n..a\r\n", 7);
	assert_int_equal(o.plain_len, 6);
	assert_memory_equal(o.plain, "\r\n.a\r\n", 6);

	feed(BYTES(".\r\n"), NULL, 0, &o);
	assert_true(o.data.ended);
	assert_int_equal(o.len, 0);

	/* Any first dot goes, not only one that a dot follows (RFC 5321 4.5.2). */
	feed(BYTES(".x\r\n.\r\n"), NULL, 0, &o);
	assert_memory_equal(o.plain, "x\r\n", 3);
	assert_int_equal(o.plain_len, 3);
}

static void test_nothing_but_crlf_dot_crlf_ends(void **state)
{
	const struct bytes smuggled[] = {
	    BYTES("a\n.\n"),       BYTES("a\n.\r\n"),       BYTES("a\r\n.\n"),
	    BYTES("a\r\n.\r\r\n"), BYTES("a\r.\r"),         BYTES("a\r.\r\n"),
	    BYTES("a\r\n.\r"),     BYTES("a\r\n\r.\r\n"),   BYTES("a\r\n.\0\r\n"),
	    BYTES("a\r\n\0.\r\n"), BYTES("a\n\n.\n\n"),     BYTES("a\r\n .\r\n"),
	    BYTES("a\r\n. \r\n"),  BYTES("a\r\r\n.\r\r\n"), BYTES("\n.\r\n"),
	    BYTES("a\r\n.\n\r\n"), BYTES("a\n\r.\r\n"),     BYTES("a\r\n..\r\n"),
	    BYTES("a.\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(smuggled) / sizeof(smuggled[0]); i++) {
		struct outcome o;
		feed(smuggled[i], NULL, 0, &o);
		assert_false(o.data.ended);
		assert_int_equal(o.consumed, smuggled[i].len);
		assert_all_cuts_agree(smuggled[i]);
	}
}

static void test_defects(void **state)
{
	struct outcome o;

	(void)state;
	feed(BYTES("clean\r\n\ttext \x80\xff\x01\r\n.\r\n"), NULL, 0, &o);
	assert_false(o.data.defects.bare_cr || o.data.defects.bare_lf || o.data.defects.nul);
	feed(BYTES("a\nb\r\n.\r\n"), NULL, 0, &o);
	assert_true(o.data.defects.bare_lf);
	assert_false(o.data.defects.bare_cr);
	feed(BYTES("a\rb\r\n.\r\n"), NULL, 0, &o);
	assert_true(o.data.defects.bare_cr);
	assert_false(o.data.defects.bare_lf);
	feed(BYTES("12345678901234567\0b\r\n.\r\n"), NULL, 0, &o);
	assert_true(o.data.defects.nul);
}

static void test_line_length_counts_content_only(void **state)
{
	uint8_t text[2048];

	(void)state;
	for (size_t extra = 0; extra <= 1; extra++) {
		for (size_t dot = 0; dot <= 1; dot++) {
			struct outcome o;
			size_t len = dot + DATA_LINE_BYTES_MAX + extra;
			memset(text, 'x', sizeof(text));
			if (dot)
				text[0] = '.';
			memcpy(text + len, "\r\n.\r\n", 5);
			for (size_t cut = 0; cut < len + 5; cut += 7) {
				feed(bytes_of(text, len + 5), &cut, 1, &o);
				assert_true(o.data.ended);
				assert_int_equal(o.data.defects.line_too_long, extra);
			}
		}
	}
}

/* A plain second implementation over random strings of the octets that matter. */
static void test_random_against_a_simple_model(void **state)
{
	static const uint8_t alphabet[] = "..\r\n\r\nab";
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint8_t text[24];
		struct outcome o;
		size_t end = SIZE_MAX;
		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1103515245u + 12345u;
			text[i] = alphabet[(seed >> 16) % 8];
		}
		if (memcmp(text, ".\r\n", 3) == 0)
			end = 3;
		for (size_t i = 0; end == SIZE_MAX && i + 5 <= sizeof(text); i++) {
			if (memcmp(text + i, "\r\n.\r\n", 5) == 0)
				end = i + 5;
		}
		size_t cuts[2] = {(seed >> 8) % 12, 12 + (seed >> 4) % 12};
		feed(bytes_of(text, sizeof(text)), cuts, 2, &o);
		assert_int_equal(o.data.ended, end != SIZE_MAX);
		if (end != SIZE_MAX) {
			assert_int_equal(o.consumed, end);
			assert_int_equal(o.len, end - DATA_TERMINATOR_BYTES);
			assert_memory_equal(o.content, text, o.len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_cut_of_a_stuffed_message),
	    cmocka_unit_test(test_content_and_terminator),
	    cmocka_unit_test(test_nothing_but_crlf_dot_crlf_ends),
	    cmocka_unit_test(test_defects),
	    cmocka_unit_test(test_line_length_counts_content_only),
	    cmocka_unit_test(test_random_against_a_simple_model),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
