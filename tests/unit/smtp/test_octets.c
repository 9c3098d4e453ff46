/* test_octets.c - searches sixteen octets at a time find what searches octet by octet find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/octets.h"

#define TEXT_BYTES_MAX 100
#define ROUND_COUNT    20000

static uint32_t seed = 1;

static uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

/* A text of few different octets, in a block of its exact size. */
static struct bytes text_new(void)
{
	static const uint8_t of[] = {' ',  ' ', 'a',  'B', 'b', 'A',  '@',  '[',  '{',  '`',
	                             '\n', 0,   0x7F, ':', '~', 0x80, 0xBF, 0xC0, 0xFF, '\t'};
	size_t len = next_random() % TEXT_BYTES_MAX;
	/* Half of the texts are mostly words, so that runs get longer than a block. */
	uint32_t kinds = next_random() % 2 == 0 ? sizeof(of) : 6;
	uint8_t *text = malloc(len > 0 ? len : 1);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = of[next_random() % kinds];
	return bytes_of(text, len);
}

static bool is_of_word(uint8_t octet, bool high)
{
	return octet > ' ' && (high || octet < 0x80);
}

static void check_words(struct bytes in, size_t from, bool high)
{
	size_t at = from;

	for (; at < in.len; at++) {
		bool parts = in.data[at] == ' ' && at + 1 < in.len &&
		             is_of_word(in.data[at + 1], high);

		if (!is_of_word(in.data[at], high) && !parts)
			break;
	}
	assert_int_equal(octets_words_end(in, from, high), at);
}

static void check_text(struct bytes in, size_t from, struct bytes text, bool nocase)
{
	size_t at = from;

	for (; at < in.len; at++) {
		struct bytes here = bytes_slice(in, at, text.len);

		if (nocase ? bytes_equal_nocase(here, text) : bytes_equal(here, text))
			break;
	}
	assert_int_equal(octets_find_text(in, from, text, nocase), at);
}

static void check_spaces(struct bytes in, size_t from, size_t end)
{
	uint32_t count = 7, expected = 7;

	for (size_t i = from; i < end; i++)
		expected += in.data[i] == ' ' || (in.data[i] >= '\t' && in.data[i] <= '\r');
	assert_int_equal(octets_ascii_spaces(in, from, &count), end);
	assert_int_equal(count, expected);
}

static void check_plain(struct bytes in, size_t from)
{
	static const uint8_t set[2] = {'{', '\n'};
	size_t at = from;

	while (at < in.len && in.data[at] < 0x80 && in.data[at] != '{' && in.data[at] != '\n')
		at++;
	assert_int_equal(octets_plain_end(in, from, set), at);
	for (at = from;
	     at < in.len && in.data[at] > ' ' && in.data[at] < 0x7F && in.data[at] != ':';)
		at++;
	assert_int_equal(octets_name_end(in, from), at);
}

static void check_pair(struct bytes in, size_t from)
{
	static const uint8_t pair[2] = {'b', 'a'}, set[2] = {'{', 0xC0};
	size_t at = from;

	while (at < in.len && in.data[at] != '{' && in.data[at] != 0xC0 &&
	       (in.data[at] != 'b' || at + 1 == in.len || in.data[at + 1] != 'a'))
		at++;
	assert_int_equal(octets_find_pair(in, from, pair, set), at);
}

static void check_pairs(struct bytes in)
{
	static const char pairs[4][2] = {{'a', 'b'}, {'b', 'B'}, {'B', ' '}, {'\n', 'a'}};
	unsigned found = 0;

	for (size_t at = 0; at + 1 < in.len; at++)
		for (unsigned i = 0; i < 4; i++)
			if (in.data[at] == (uint8_t)pairs[i][0] &&
			    in.data[at + 1] == (uint8_t)pairs[i][1])
				found |= 1u << i;
	assert_int_equal(octets_pairs(in, pairs), found);
}

static void check_mask(struct bytes in, size_t from, const uint8_t set[4])
{
	uint64_t mask = 0;

	for (size_t i = 0; i < 64 && from + i < in.len; i++)
		mask |= (uint64_t)(memchr(set, in.data[from + i], 4) != NULL) << i;
	assert_true(octets_mask(in, from, set) == mask);
	mask = 0;
	for (size_t i = 0; i < 64 && from + i < in.len; i++)
		mask |= (uint64_t)(in.data[from + i] == ' ' ||
		                   (in.data[from + i] >= '\t' && in.data[from + i] <= '\r'))
		        << i;
	assert_true(octets_space_mask(in, from) == mask);
}

/* Into other memory, and down in the same: what is not copied yet stays. */
static void check_copy(struct bytes in, size_t from)
{
	static const size_t distances[] = {0, 1, 2, 7, 14, 15, 16, 17, 40};
	size_t end = from;

	while (end < in.len && in.data[end++] != '\n')
		;
	for (unsigned i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
		size_t ahead = distances[i];
		uint8_t *memory = malloc(ahead + in.len + 1);

		assert_non_null(memory);
		if (in.len > 0)
			memcpy(memory + ahead, in.data, in.len);
		struct bytes copy = bytes_of(memory + ahead, in.len);
		assert_int_equal(octets_copy_line(copy, from, memory + from), end);
		if (end > from)
			assert_memory_equal(memory + from, in.data + from, end - from);
		if (end < in.len)
			assert_memory_equal(copy.data + end, in.data + end, in.len - end);
		free(memory);
	}
	uint8_t *other = malloc(in.len - from + 1);
	assert_non_null(other);
	assert_int_equal(octets_copy_line(in, from, other), end);
	if (end > from)
		assert_memory_equal(other, in.data + from, end - from);
	free(other);
}

static void test_searches(void **state)
{
	static const uint8_t set[4] = {'@', '\n', 0x80, 0};

	(void)state;
	for (unsigned round = 0; round < ROUND_COUNT; round++) {
		struct bytes in = text_new();
		size_t from = next_random() % (in.len + 1), at = from;
		uint32_t characters = 0;

		while (at < in.len && memchr(set, in.data[at], sizeof(set)) == NULL)
			at++;
		assert_int_equal(octets_find_any(in, from, set), at);
		for (at = from; at < in.len && in.data[at] < 0x80;)
			at++;
		assert_int_equal(octets_ascii_end(in, from), at);
		check_spaces(in, from, at);
		check_pair(in, from);
		check_pairs(in);
		check_plain(in, from);
		check_copy(in, from);
		check_mask(in, from, set);
		for (size_t i = 0; i < in.len; i++)
			characters += (in.data[i] & 0xC0) != 0x80;
		assert_int_equal(octets_characters(in), characters);
		check_words(in, from, false);
		check_words(in, from, true);
		check_text(in, from, BYTES("ab"), false);
		check_text(in, from, BYTES("ab"), true);
		check_text(in, from, BYTES(" abb"), true);
		check_text(in, from, BYTES("@a"), true);
		check_text(in, from, BYTES("[b"), true);
		free((void *)(uintptr_t)in.data);
	}
}

/* Octets that differ from a letter or a mark by the bit of case only. */
static void test_case(void **state)
{
	(void)state;
	assert_int_equal(octets_find_text(BYTES("`a"), 0, BYTES("@a"), true), 2);
	assert_int_equal(octets_find_text(BYTES("x@A"), 0, BYTES("@a"), true), 1);
	assert_int_equal(octets_find_text(BYTES("x@A"), 0, BYTES("@a"), false), 3);
	assert_true(octets_has_nocase(BYTES("Content: BASE64"), BYTES("base64")));
	assert_false(octets_has_nocase(BYTES("b"), BYTES("base64")));
	assert_false(octets_has_nocase(bytes_of(NULL, 0), BYTES("base64")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_searches),
	    cmocka_unit_test(test_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
