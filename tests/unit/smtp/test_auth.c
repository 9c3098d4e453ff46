/* test_auth.c - mechanisms, base64, xtext, and who somebody claims to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/auth.h"

static void test_a_set_of_mechanisms_is_read_and_written(void **state)
{
	char memory[128];
	struct buf out = buf_over(memory, sizeof(memory));
	enum auth_mechanism mechanism;

	(void)state;
	assert_true(auth_mechanism_find(BYTES("scram-sha-256"), &mechanism));
	assert_int_equal(mechanism, AUTH_SCRAM_SHA_256);
	/* Who relays must not say who it is itself, and cannot relay a layer below. */
	assert_false(auth_mechanism_find(BYTES("EXTERNAL"), &mechanism));
	assert_false(auth_mechanism_find(BYTES("GSSAPI"), &mechanism));
	assert_false(auth_mechanism_find(BYTES("DIGEST-MD5"), &mechanism));
	assert_false(auth_mechanism_find(BYTES("SCRAM-SHA-256-PLUS"), &mechanism));
	assert_false(auth_mechanism_find(BYTES(""), &mechanism));
	assert_int_equal(auth_mechanisms_of(BYTES("GSSAPI  login PLAIN X")),
	                 AUTH_BIT(AUTH_PLAIN) | AUTH_BIT(AUTH_LOGIN));
	assert_int_equal(auth_mechanisms_of(BYTES("")), 0);
	auth_mechanisms_write(AUTH_BIT(AUTH_CRAM_MD5) | AUTH_BIT(AUTH_PLAIN), &out);
	assert_int_equal(out.len, strlen(" PLAIN CRAM-MD5"));
	assert_memory_equal(out.data, " PLAIN CRAM-MD5", out.len);
}

static void test_base64_is_strict(void **state)
{
	static const char *const good[] = {"", "QUJD", "QUI=", "QQ==", "+/+/", "AAAAAAAA"};
	static const char *const bad[] = {
	    "A",    "AA",    "AAA",    "=",    "====",  "A===",  "=AAA",
	    "AA=A", "AAAA=", "AA==AA", "QU D", "QUJ\n", "QUJD ", "QUJ\x80"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(auth_is_base64(bytes_text(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(auth_is_base64(bytes_text(bad[i])));
	assert_false(auth_is_base64(bytes_of("QU\0D", 4)));
}

static void test_xtext(void **state)
{
	(void)state;
	assert_true(auth_is_xtext(BYTES("<>")));
	assert_true(auth_is_xtext(BYTES("e+3Dmc2@example.com")));
	assert_false(auth_is_xtext(BYTES("")));
	assert_false(auth_is_xtext(BYTES("a=b")));
	assert_false(auth_is_xtext(BYTES("a b")));
	assert_false(auth_is_xtext(BYTES("a+")));
	assert_false(auth_is_xtext(BYTES("a+4")));
	assert_false(auth_is_xtext(BYTES("a+3d")));
}

static void expect_user(enum auth_mechanism mechanism, uint32_t index, const char *response,
                        const char *expected)
{
	char memory[16];
	struct buf out = buf_over(memory, sizeof(memory));
	bool found = auth_user(mechanism, index, bytes_text(response), &out);

	assert_int_equal(found, expected != NULL);
	assert_int_equal(out.len, expected != NULL ? strlen(expected) : 0);
	if (expected != NULL)
		assert_memory_equal(out.data, expected, out.len);
}

static void test_names_of_users(void **state)
{
	(void)state;
	expect_user(AUTH_PLAIN, 0, "AGFsaWNlAHNlY3JldA==", "alice");     /* \0alice\0secret */
	expect_user(AUTH_PLAIN, 0, "Ym9iAGFsaWNlAHNlY3JldA==", "alice"); /* bob\0alice\0secret */
	expect_user(AUTH_PLAIN, 0, "AGFsaWNl", NULL);                    /* \0alice */
	expect_user(AUTH_PLAIN, 0, "YWxpY2U=", NULL);                    /* alice */
	expect_user(AUTH_PLAIN, 0, "AGEKYgBzZWNyZXQ=", "a?b");           /* \0a\nb\0secret */
	expect_user(AUTH_PLAIN, 0, "AGFhYWFhYWFhYWFhYWFhYWFhYWEAcw==", NULL); /* no room */
	expect_user(AUTH_PLAIN, 0, "=", NULL);
	expect_user(AUTH_LOGIN, 0, "YWxpY2U=", "alice");
	expect_user(AUTH_LOGIN, 1, "c2VjcmV0", NULL); /* the password */
	expect_user(AUTH_CRAM_MD5, 0, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", "tim");
	expect_user(AUTH_SCRAM_SHA_256, 0, "YWxpY2U=", NULL);
	expect_user(AUTH_XOAUTH2, 0, "YWxpY2U=", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_set_of_mechanisms_is_read_and_written),
	    cmocka_unit_test(test_base64_is_strict),
	    cmocka_unit_test(test_xtext),
	    cmocka_unit_test(test_names_of_users),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
