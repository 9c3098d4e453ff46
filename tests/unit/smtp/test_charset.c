/* test_charset.c - octets of character sets to UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/check.h"
#include "smtp/charset.h"

static struct arena arena;
static struct charset_set *set;

static bool decoded; /* what the last conversion returned */

static void gives_len(const char *charset, bool insist, const char *in, size_t len,
                      const char *wanted)
{
	uint8_t memory[2048];
	struct sink out = sink_over(memory, sizeof(memory) - 1);

	decoded = charset_to_utf8(set, bytes_of((const uint8_t *)in, len), bytes_text(charset),
	                          insist, &out);
	memory[out.len] = '\0';
	assert_string_equal((const char *)memory, wanted);
}

static void gives(const char *charset, const char *in, const char *wanted)
{
	gives_len(charset, false, in, strlen(in), wanted);
}

static void sets_of_single_octets(void **state)
{
	(void)state;
	gives("koi8-r", "\xd4\xc5\xd3\xd4", "\xd1\x82\xd0\xb5\xd1\x81\xd1\x82");
	/* The C library holds a letter back here that a mark may follow. */
	gives("windows-1258", "\xf0\xfd", "\xc4\x91\xc6\xb0");
	gives("tis-620", "\xa1\x80", "\xe0\xb8\x81\xc2\x80");
	gives("x-mac-cyrillic", "\x8f", "\xd0\x9f");
	gives("Greek", "\xe1", "\xce\xb1");
	/* White space in a name does not count; an unknown name is Windows-1252. */
	gives(" koi8-r ", "\xd4", "\xd1\x82");
	gives("no-such-set", "\x80", "\xe2\x82\xac");
}

static void sets_of_more_octets(void **state)
{
	(void)state;
	gives("shift_jis", "~\\\x82\xa0", "~\\\xe3\x81\x82");
	gives("euc-jp", "\xad\xa1", "\xe2\x91\xa0");
	gives("euc-jp", "\x8f\xb0\xdf", "\xe4\xbd\xa0");
	gives("hz-gb-2312", "\xc4\xe3", "\xe4\xbd\xa0");
	/* A character cut off by the end goes; what the set does not have makes it Windows-1252. */
	gives("gb2312", "\xc4\xe3\xc4", "\xe4\xbd\xa0");
	gives("euc-kr", "\xb0\xa1", "\xea\xb0\x80");
	gives("euc-kr", "\xb0\xa1\x80", "\xc2\xb0\xc2\xa1\xe2\x82\xac");
	gives("euc-jp", "\xa4\xa2\x85", "\xc2\xa4\xc2\xa2\xe2\x80\xa6");
	gives("big5", "\x80", "\xe2\x82\xac");
	/* UTF-16 of an odd length is none. */
	gives_len("utf-16le", false, "a\0\xe9\0\xe9", 5, "a");
	assert_true(decoded);
	gives_len("utf-16", false, "a\0 \0\xe9\0", 6, "a \xc3\xa9");
	gives("utf-16", "AB", "\xe4\x85\x82");
	gives_len("utf-16", true, "AB", 2, "AB");
	gives_len("utf-16", true, "AB\xd8\x41", 4,
	          "AB\xc3\x98"
	          "A");
	gives_len("utf-32", false, "\xff\xfe\0\0\x60\x4f\0\0", 8, "\xe4\xbd\xa0");
	gives_len("utf-32", false, "\0\0\xfe\xff\0\0\x4f\x60", 8, "\xe4\xbd\xa0");
}

static void sets_of_seven_bits(void **state)
{
	(void)state;
	gives("iso-2022-jp", "a\x1b$B$\"\x1b(Bb",
	      "a\xe3\x81\x82"
	      "b");
	gives("iso-2022-jp", "\x1b$B-!\x1b(J~", "\xe2\x91\xa0~");
	gives("iso-2022-jp", "\x1b(I1\x1b(B", "\xef\xbd\xb1");
	gives("iso-2022-jp", "\x1b$(D0_\x1b(B", "\xe4\xbd\xa0");
	/* What the set does not have, an octet of eight bits, an escape nobody knows. */
	gives("iso-2022-jp", "a\x1b$B$~\x1b(Bb",
	      "a\\xA4\\xFE"
	      "b");
	gives("iso-2022-jp",
	      "a\xe9"
	      "b",
	      "a");
	gives("iso-2022-jp", "a\x1b[1mb", "a");
	gives("iso-2022-kr", "\x1b$)Ca\x0e\x30\x21\x0f\x1b$)C\x0e\x30\x21\x0f.",
	      "a\xea\xb0\x80\xea\xb0\x80.");
	gives("iso-2022-kr", "\x0e\x30\x21", "\x0e\x30\x21");
	gives("utf-7", "a +IKw-b+- c+",
	      "a \xe2\x82\xac"
	      "b+ c+");
	assert_true(decoded);
	gives("UTF-7", "+2D3csA-~", "\xf0\x9f\x92\xb0~");
	gives("utf-7", "+2D0-x", "\xef\xbf\xbdx");
	gives("utf-7", "plain\xe9+-", "plain\xe9+");
	assert_false(decoded);
}

/* A long text goes through in pieces. */
static void a_long_text_is_whole(void **state)
{
	char in[1200] = "\x1b$B", wanted[2048] = "";

	(void)state;
	for (unsigned i = 0; i < 513; i++) {
		strcat(in, "$\"");
		strcat(wanted, "\xe3\x81\x82");
	}
	gives("iso-2022-jp", in, wanted);
}

/* Whether ASCII became characters depends on the name alone. */
static void names_that_leave_ascii_alone(void **state)
{
	static const char *const left[] = {"",       "us-ascii",     "UTF-8",  "iso-8859-15",
	                                   "EUC-KR", "windows-1251", "koi8-u", "GB18030"};
	static const char *const taken[] = {"gb2312", "cp1252", "shift_jis", "latin1", "utf-8 "};

	(void)state;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		gives(left[i], "abc", "abc");
		assert_false(decoded);
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		gives(taken[i], "abc", "abc");
		assert_true(decoded || strcmp(taken[i], "utf-8 ") == 0);
	}
	gives("no-such-set", "abc", "abc");
	assert_false(decoded);
}

/* Where nothing shifts in, that is found out once. */
static void many_shifts_out_end(void **state)
{
	static uint8_t in[1024 * 1024], memory[2 * sizeof(in)];
	struct sink out = sink_over(memory, sizeof(memory));

	(void)state;
	gives("iso-2022-kr", "\x0e!!\x0f\x0e!!", "\xe3\x80\x80\x0e!!");
	memset(in, 0x0e, sizeof(in));
	clock_t start = clock();
	charset_to_utf8(set, bytes_of(in, sizeof(in)), BYTES("iso-2022-kr"), false, &out);
	assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
	assert_int_equal(out.len, sizeof(in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sets_of_single_octets),        cmocka_unit_test(sets_of_more_octets),
	    cmocka_unit_test(sets_of_seven_bits),           cmocka_unit_test(a_long_text_is_whole),
	    cmocka_unit_test(names_that_leave_ascii_alone), cmocka_unit_test(many_shifts_out_end),
	};

	ASSERT(arena_init(&arena, charset_set_bytes() + 4096, false) == OK);
	set = charset_set_new(&arena);
	ASSERT(set != NULL);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	charset_set_close(set);
	arena_free(&arena);
	return failed;
}
