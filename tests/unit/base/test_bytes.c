/* test_bytes.c - slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static void comparison_ignores_the_case_of_ascii_letters_only(void **state)
{
	(void)state;
	assert_true(bytes_equal_nocase(BYTES("MaIl From"), BYTES("mAiL fROM")));
	assert_false(bytes_equal_nocase(BYTES("a"), BYTES("ab")));
	assert_false(bytes_equal_nocase(BYTES("["), BYTES("{")));
	assert_false(bytes_equal_nocase(BYTES("\xc4"), BYTES("\xe4")));
	assert_true(bytes_equal_nocase(bytes_of(NULL, 0), BYTES("")));
	assert_true(bytes_starts_nocase(BYTES("FROM:<a>"), BYTES("from:")));
	assert_false(bytes_starts_nocase(BYTES("FRO"), BYTES("from:")));
	assert_true(bytes_starts_nocase(BYTES("x"), BYTES("")));
}

/* Octet by octet, of any length. */
static bool same_slowly(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes_lower(a[i]) != bytes_lower(b[i]))
			return false;
	return true;
}

static void all_octets_compare_at_all_places(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 26; len++) {
		for (size_t at = 0; at < len; at++) {
			for (unsigned octets = 0; octets < 0x10000; octets += 3) {
				uint8_t a[26], b[26];

				memset(a, 'x', sizeof(a));
				memset(b, 'X', sizeof(b));
				a[at] = (uint8_t)octets;
				b[at] = (uint8_t)(octets >> 8);
				if (bytes_same_nocase(a, b, len) != same_slowly(a, b, len))
					fail_msg("%u at %zu of %zu", octets, at, len);
			}
		}
	}
}

static void finding_gives_the_first_offset_or_the_length(void **state)
{
	(void)state;
	assert_int_equal(bytes_find(BYTES("a:b:c"), ':'), 1);
	assert_int_equal(bytes_find(BYTES("abc"), ':'), 3);
	assert_int_equal(bytes_find(BYTES("a\0b"), '\0'), 1);
	assert_int_equal(bytes_find(bytes_of(NULL, 0), 'x'), 0);
}

static void trimming_takes_blanks_off_both_ends(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_trim(BYTES(" \t a b\t ")), BYTES("a b")));
	assert_int_equal(bytes_trim(BYTES(" \t ")).len, 0);
	assert_int_equal(bytes_trim(BYTES("")).len, 0);
	assert_true(bytes_equal(bytes_trim(BYTES("\r\n")), BYTES("\r\n")));
}

static void slices_are_clipped_to_what_is_there(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_slice(BYTES("abcdef"), 2, 3), BYTES("cde")));
	assert_true(bytes_equal(bytes_slice(BYTES("abcdef"), 4, SIZE_MAX), BYTES("ef")));
	assert_int_equal(bytes_slice(BYTES("abc"), 9, 1).len, 0);
}

static void numbers_are_digits_up_to_the_maximum_and_nothing_else(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_true(bytes_to_u64(BYTES("0"), 0, &value));
	assert_int_equal(value, 0);
	assert_true(bytes_to_u64(BYTES("18446744073709551615"), UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_true(bytes_to_u64(BYTES("00512"), 512, &value));
	assert_int_equal(value, 512);
	assert_false(bytes_to_u64(BYTES("18446744073709551616"), UINT64_MAX, &value));
	assert_false(bytes_to_u64(BYTES("513"), 512, &value));
	assert_false(bytes_to_u64(BYTES(""), 9, &value));
	assert_false(bytes_to_u64(BYTES("+1"), 9, &value));
	assert_false(bytes_to_u64(BYTES("1 "), 9, &value));
	assert_false(bytes_to_u64(BYTES("0x1"), 99, &value));
	assert_int_equal(value, 512);
}

static void what_follows_the_last_octet(void **state)
{
	(void)state;
	assert_true(
	    bytes_equal(bytes_behind_last(BYTES("a@b@c.example"), '@'), BYTES("c.example")));
	assert_int_equal(bytes_behind_last(BYTES("a@"), '@').len, 0);
	assert_int_equal(bytes_behind_last(BYTES("postmaster"), '@').len, 0);
	assert_int_equal(bytes_behind_last(bytes_of(NULL, 0), '@').len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comparison_ignores_the_case_of_ascii_letters_only),
	    cmocka_unit_test(all_octets_compare_at_all_places),
	    cmocka_unit_test(finding_gives_the_first_offset_or_the_length),
	    cmocka_unit_test(trimming_takes_blanks_off_both_ends),
	    cmocka_unit_test(slices_are_clipped_to_what_is_there),
	    cmocka_unit_test(numbers_are_digits_up_to_the_maximum_and_nothing_else),
	    cmocka_unit_test(what_follows_the_last_octet),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
