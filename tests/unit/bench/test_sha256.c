/* test_sha256.c - the examples of FIPS 180-4, in one piece and in many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/common/sha256.h"

static void assert_hash(struct bytes text, const char *expected)
{
	for (size_t piece = 1; piece <= 130; piece++) {
		struct sha256 sha;
		char hex[65];
		sha256_init(&sha);
		for (size_t at = 0; at < text.len; at += piece)
			sha256_add(&sha, bytes_slice(text, at, piece));
		sha256_end(&sha, hex);
		assert_string_equal(hex, expected);
	}
}

static void test_examples(void **state)
{
	(void)state;
	assert_hash(BYTES(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hash(BYTES("abc"),
	            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_hash(BYTES("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
	            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_hash(BYTES("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	                  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
	            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void test_a_million(void **state)
{
	static uint8_t text[1000];
	struct sha256 sha;
	char hex[65];

	(void)state;
	memset(text, 'a', sizeof(text));
	sha256_init(&sha);
	for (int i = 0; i < 1000; i++)
		sha256_add(&sha, bytes_of(text, sizeof(text)));
	sha256_end(&sha, hex);
	assert_string_equal(hex,
	                    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_examples),
	    cmocka_unit_test(test_a_million),
	};

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
