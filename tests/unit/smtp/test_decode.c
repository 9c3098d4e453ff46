/* test_decode.c - base64 and quoted-printable, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/decode.h"

static void base64_is(const char *in, const char *wanted)
{
	uint8_t out[256];
	size_t len = decode_base64(bytes_text(in), out);

	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(out, wanted, len);
}

static void qp_is(const char *in, const char *wanted)
{
	uint8_t out[256];
	size_t len = decode_quoted_printable(bytes_text(in), out);

	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(out, wanted, len);
}

/* RFC 4648 10. */
static void test_base64_vectors(void **state)
{
	(void)state;
	base64_is("", "");
	base64_is("Zg==", "f");
	base64_is("Zm8=", "fo");
	base64_is("Zm9v", "foo");
	base64_is("Zm9vYg==", "foob");
	base64_is("Zm9vYmE=", "fooba");
	base64_is("Zm9vYmFy", "foobar");
}

static void test_base64_is_repaired(void **state)
{
	(void)state;
	base64_is("Zm9v\r\nYmFy\r\n", "foobar");
	base64_is(" Z m 9 v ", "foo");
	base64_is("Zm9v!*YmFy", "foobar"); /* foreign octets go */
	base64_is("Zm9vY", "foo");         /* one left over is cut */
	base64_is("Zm9vYm", "foob");       /* padding may be missing */
}

/* "Zg==Zm9v" is clean and two whole quantums: the inner padding counts as 'A'. With a foreign octet
 * it counts as '/'. */
static void test_base64_inner_padding(void **state)
{
	uint8_t out[16];

	(void)state;
	assert_int_equal(decode_base64(BYTES("Zg==Zm9v"), out), 6);
	assert_memory_equal(out, "f\0\0foo", 6);
	assert_int_equal(decode_base64(BYTES("Zg==!Zm9v"), out), 6);
	assert_memory_equal(out,
	                    "f\x0f\xff"
	                    "foo",
	                    6);
}

/* Every length of every pattern comes back. */
static void test_base64_round_trip(void **state)
{
	static const char
	    digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t data[70], text[128], out[128];

	(void)state;
	for (size_t len = 0; len < sizeof(data); len++) {
		size_t written = 0;

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(i * 37 + len * 11);
		for (size_t i = 0; i < len; i += 3) {
			uint32_t group = (uint32_t)data[i] << 16;

			group |= i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0;
			group |= i + 2 < len ? data[i + 2] : 0;
			for (int k = 0; k < 4; k++)
				text[written++] = (uint8_t)digits[group >> (18 - 6 * k) & 63];
			if (i + 1 >= len)
				text[written - 2] = '=';
			if (i + 2 >= len)
				text[written - 1] = '=';
			if (i % 57 == 54)
				text[written++] = '\n';
		}
		assert_int_equal(decode_base64(bytes_of(text, written), out), len);
		assert_memory_equal(out, data, len);
	}
}

static void test_quoted_printable(void **state)
{
	(void)state;
	qp_is("a=3Db", "a=b");
	qp_is("caf=c3=A9", "caf\xc3\xa9"); /* lower case is taken */
	qp_is("a=\r\nb=\nc", "abc");       /* soft breaks */
	qp_is("blank  \t\r\nend", "blank\nend");
	qp_is("soft= \r\nbreak", "softbreak"); /* blanks behind the soft break */
	qp_is("split=3=\nD", "split=");        /* an escape over a soft break */
	qp_is("odd=zz=4", "odd=zz=4");
	qp_is("=", "=");
	qp_is("a=0D=0Ab", "a\nb");
}

static void test_quoted_printable_in_place(void **state)
{
	uint8_t data[] = "x=41y=\r\nz  \r\n";
	size_t len = decode_quoted_printable(bytes_of(data, sizeof(data) - 1), data);

	(void)state;
	assert_int_equal(len, 5);
	assert_memory_equal(data, "xAyz\n", 5);
}

static void test_q_word(void **state)
{
	uint8_t out[32];

	(void)state;
	assert_int_equal(decode_q_word(BYTES("a_b=5Fc"), out), 5);
	assert_memory_equal(out, "a b_c", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64_vectors),
	    cmocka_unit_test(test_base64_is_repaired),
	    cmocka_unit_test(test_base64_inner_padding),
	    cmocka_unit_test(test_base64_round_trip),
	    cmocka_unit_test(test_quoted_printable),
	    cmocka_unit_test(test_quoted_printable_in_place),
	    cmocka_unit_test(test_q_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
