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

static void expect_user_of(enum auth_mechanism mechanism, const char *message, size_t len,
                           const char *expected)
{
	static const char
	    digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *octet = (const uint8_t *)message;
	char text[8192];
	size_t at = 0;

	assert_true(len < 6000);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t three = (uint32_t)octet[i] << 16 | (i + 1 < len ? octet[i + 1] << 8 : 0) |
		                 (i + 2 < len ? octet[i + 2] : 0);

		text[at++] = digits[three >> 18];
		text[at++] = digits[three >> 12 & 63];
		text[at++] = i + 1 < len ? digits[three >> 6 & 63] : '=';
		text[at++] = i + 2 < len ? digits[three & 63] : '=';
	}
	text[at] = '\0';
	expect_user(mechanism, 0, text, expected);
}

#define USER_OF(mechanism, message, expected) \
	expect_user_of(mechanism, message, sizeof(message) - 1, expected)

static void test_names_of_users_of_scram(void **state)
{
	(void)state;
	USER_OF(AUTH_SCRAM_SHA_1, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "user");
	USER_OF(AUTH_SCRAM_SHA_256, "y,a=boss,n=user,r=x", "user");
	USER_OF(AUTH_SCRAM_SHA_512, "n,,n=a=2Cb=3Dc,r=x", "a,b=c");
	USER_OF(AUTH_SCRAM_SHA_1, "n,,n=a\nb,r=x", "a?b");
	USER_OF(AUTH_SCRAM_SHA_1, "p=tls-unique,,n=user,r=x", NULL);
	USER_OF(AUTH_SCRAM_SHA_1, "n,,m=x,n=user,r=x", NULL);
	USER_OF(AUTH_SCRAM_SHA_1, "n,,n=user", NULL);
	USER_OF(AUTH_SCRAM_SHA_1, "n,,n=a=2", NULL);
	USER_OF(AUTH_SCRAM_SHA_1, "n,,n=a=2cb,r=x", NULL);
	USER_OF(AUTH_SCRAM_SHA_1, "n,,n=,r=x", NULL);
	USER_OF(AUTH_SCRAM_SHA_1, "n,", NULL);
	expect_user(AUTH_SCRAM_SHA_1, 1, "bixhPXVzZXIsbj11c2VyLHI9eA==", NULL);
}

static void test_names_of_users_with_tokens(void **state)
{
	static char message[6000];

	(void)state;
	USER_OF(AUTH_XOAUTH2, "user=a@b.example\1auth=Bearer t\1\1", "a@b.example");
	USER_OF(AUTH_XOAUTH2, "user=a@b.example", NULL);
	USER_OF(AUTH_XOAUTH2, "auth=Bearer t\1user=a\1\1", NULL);
	USER_OF(AUTH_OAUTHBEARER, "n,a=a@b.example,\1host=h\1auth=Bearer t\1\1", "a@b.example");
	USER_OF(AUTH_OAUTHBEARER, "n,,\1auth=Bearer a=x,t\1\1", NULL);
	USER_OF(AUTH_OAUTHBEARER, "n,b=a,\1auth=Bearer t\1\1", NULL);
	USER_OF(AUTH_OAUTHBEARER, "\1", NULL);
	/* Tokens may be long; names stand before them. */
	memset(message, 't', sizeof(message) - 1);
	memcpy(message, "user=alice\1auth=Bearer ", 23);
	expect_user_of(AUTH_XOAUTH2, message, 5000, "alice");
	memset(message, 'u', sizeof(message) - 1);
	memcpy(message, "user=", 5);
	expect_user_of(AUTH_XOAUTH2, message, 5000, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_set_of_mechanisms_is_read_and_written),
	    cmocka_unit_test(test_base64_is_strict),
	    cmocka_unit_test(test_xtext),
	    cmocka_unit_test(test_names_of_users),
	    cmocka_unit_test(test_names_of_users_of_scram),
	    cmocka_unit_test(test_names_of_users_with_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
