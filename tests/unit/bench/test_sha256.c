/* test_sha256.c - sums as text, by examples of FIPS 180-4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/common/sha256.h"

static void assert_hex(struct bytes text, const char *expected)
{
	char hex[SHA256_HEX_BYTES];

	sha256_hex(text, hex);
	assert_string_equal(hex, expected);
}

static void test_examples(void **state)
{
	(void)state;
	assert_hex(BYTES(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hex(BYTES("abc"),
	           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
