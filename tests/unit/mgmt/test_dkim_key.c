/* test_dkim_key.c - key records, and signatures this test makes itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/base64.h>
#include <nettle/eddsa.h>
#include <nettle/rsa.h>

#include "mgmt/dkim_key.h"

#define KEY_BITS 1024

static struct rsa_public_key public_key;
static struct rsa_private_key private_key;
static const uint8_t ed25519_secret[ED25519_KEY_SIZE] = {7, 2, 9};
static const uint8_t digest[DKIM_QUESTION_DIGEST_BYTES] = {1, 2, 3, 4};

static void random_octets(void *context, size_t len, uint8_t *out)
{
	uint64_t *state = context;

	for (size_t i = 0; i < len; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)(*state >> 56);
	}
}

static void make_key(uint32_t bits, struct rsa_public_key *public, struct rsa_private_key *private)
{
	uint64_t seed = bits;

	rsa_public_key_init(public);
	rsa_private_key_init(private);
	mpz_set_ui(public->e, 65537);
	assert_int_equal(
	    rsa_generate_keypair(public, private, &seed, random_octets, NULL, NULL, bits, 0), 1);
}

static struct bytes sign(const struct rsa_private_key *private, uint8_t out[DKIM_KEY_BITS_MAX / 8])
{
	mpz_t signature;
	size_t len = private->size;

	mpz_init(signature);
	assert_int_equal(rsa_sha256_sign_digest(private, digest, signature), 1);
	nettle_mpz_get_str_256(len, out, signature);
	mpz_clear(signature);
	return bytes_of(out, len);
}

/* A DER element of up to 65535 octets. */
static size_t put_der(uint8_t *out, uint8_t type, const uint8_t *content, size_t len)
{
	size_t at = 0;

	out[at++] = type;
	if (len >= 256) {
		out[at++] = 0x82;
		out[at++] = (uint8_t)(len >> 8);
	} else if (len >= 128) {
		out[at++] = 0x81;
	}
	out[at++] = (uint8_t)len;
	memcpy(out + at, content, len);
	return at + len;
}

static size_t put_integer(uint8_t *out, const mpz_t number)
{
	uint8_t octets[DKIM_KEY_BITS_MAX / 8 + 64] = {0};
	size_t len = nettle_mpz_sizeinbase_256_s(number);

	nettle_mpz_get_str_256(len, octets, number);
	return put_der(out, 2, octets, len);
}

/* RSAPublicKey, or with `wrapped` SubjectPublicKeyInfo around it. */
static size_t put_key(uint8_t *out, const struct rsa_public_key *key, bool wrapped)
{
	static const uint8_t algorithm[] = {0x30, 0x0D, 6, 9, 0x2A, 0x86, 0x48, 0x86,
	                                    0xF7, 0x0D, 1, 1, 1,    5,    0};
	uint8_t numbers[2048], sequence[2048], info[2048];
	size_t len = put_integer(numbers, key->n);

	len += put_integer(numbers + len, key->e);
	sequence[0] = 0; /* no unused bits, where it becomes a string of bits */
	len = put_der(sequence + 1, 0x30, numbers, len);
	if (!wrapped) {
		memcpy(out, sequence + 1, len);
		return len;
	}
	memcpy(info, algorithm, sizeof(algorithm));
	len = sizeof(algorithm) + put_der(info + sizeof(algorithm), 3, sequence, len + 1);
	return put_der(out, 0x30, info, len);
}

static const char *record_of(const char *tags, const uint8_t *octets, size_t len)
{
	static char record[4096];
	size_t at = (size_t)snprintf(record, sizeof(record), "%sp=", tags);

	base64_encode_raw(record + at, len, octets);
	record[at + BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
	return record;
}

static const char *rsa_record(const char *tags, const struct rsa_public_key *key, bool wrapped)
{
	uint8_t octets[2048];

	return record_of(tags, octets, put_key(octets, key, wrapped));
}

static uint32_t value_of(const char *record, enum dkim_algorithm algorithm, struct bytes signature)
{
	struct dkim_question question = {algorithm, BYTES("a._domainkey.b"),
	                                 bytes_of(digest, sizeof(digest)), signature};
	struct dkim_key key;

	dkim_key_read(bytes_of(record, strlen(record) + 1), &key);
	return dkim_key_verify(&key, &question);
}

static uint32_t rsa_verdict(const char *record)
{
	uint8_t signature[DKIM_KEY_BITS_MAX / 8];

	return value_of(record, DKIM_RSA_SHA256, sign(&private_key, signature)) &
	       DKIM_VALUE_VERDICT;
}

static void rsa_keys_are_read_in_both_forms(void **state)
{
	uint8_t signature[DKIM_KEY_BITS_MAX / 8];
	struct bytes signed_by = sign(&private_key, signature);
	uint32_t value;

	(void)state;
	for (int wrapped = 0; wrapped < 2; wrapped++) {
		value = value_of(rsa_record("v=DKIM1; ", &public_key, wrapped), DKIM_RSA_SHA256,
		                 signed_by);
		assert_int_equal(value & DKIM_VALUE_VERDICT, DKIM_VERDICT_PASS);
		assert_int_equal(dkim_value_bits(value), KEY_BITS);
	}
	signature[17] ^= 1;
	assert_int_equal(value_of(rsa_record("", &public_key, true), DKIM_RSA_SHA256, signed_by) &
	                     DKIM_VALUE_VERDICT,
	                 DKIM_VERDICT_FAIL);
	assert_int_equal(value_of(rsa_record("", &public_key, true), DKIM_RSA_SHA256,
	                          bytes_slice(signed_by, 1, SIZE_MAX)) &
	                     DKIM_VALUE_VERDICT,
	                 DKIM_VERDICT_FAIL);
	assert_int_equal(
	    value_of(rsa_record("", &public_key, true), DKIM_ED25519_SHA256, signed_by) &
	        DKIM_VALUE_VERDICT,
	    DKIM_VERDICT_PERMERROR);
}

static void tags_of_a_record_say_what_it_is_for(void **state)
{
	static const struct {
		const char *tags;
		enum dkim_verdict verdict;
	} records[] = {
	    {"", DKIM_VERDICT_PASS},
	    {"v=DKIM1;", DKIM_VERDICT_PASS},
	    {"v=DKIM1; k=rsa; n=notes; g=*; s=email; h=sha1 : sha256; x=y; ", DKIM_VERDICT_PASS},
	    {"s=other:*;", DKIM_VERDICT_PASS},
	    {"k=rsa; v=DKIM1;", DKIM_VERDICT_PERMERROR},
	    {"v=DKIM2;", DKIM_VERDICT_PERMERROR},
	    {"v=dkim1;", DKIM_VERDICT_PERMERROR},
	    {"k=dsa;", DKIM_VERDICT_PERMERROR},
	    {"k=ed25519;", DKIM_VERDICT_PERMERROR},
	    {"h=sha1;", DKIM_VERDICT_PERMERROR},
	    {"s=tlsrpt;", DKIM_VERDICT_PERMERROR},
	    {"t;", DKIM_VERDICT_PERMERROR},
	    {"p=;", DKIM_VERDICT_PERMERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		assert_int_equal(rsa_verdict(rsa_record(records[i].tags, &public_key, true)),
		                 records[i].verdict);
	assert_int_equal(rsa_verdict("v=DKIM1; p="), DKIM_VERDICT_PERMERROR);
	assert_int_equal(rsa_verdict("v=DKIM1; p=MIGf"), DKIM_VERDICT_PERMERROR);
	assert_int_equal(rsa_verdict("v=spf1 -all"), DKIM_VERDICT_PERMERROR);
}

static void flags_are_told(void **state)
{
	uint8_t signature[DKIM_KEY_BITS_MAX / 8];
	struct bytes signed_by = sign(&private_key, signature);
	uint32_t value;

	(void)state;
	value = value_of(rsa_record("t=x:s;", &public_key, true), DKIM_RSA_SHA256, signed_by);
	assert_int_equal(value & (DKIM_VALUE_STRICT | DKIM_VALUE_TESTING), DKIM_VALUE_STRICT);
	value = value_of(rsa_record("t = y ;", &public_key, true), DKIM_RSA_SHA256, signed_by);
	assert_int_equal(value & (DKIM_VALUE_STRICT | DKIM_VALUE_TESTING), DKIM_VALUE_TESTING);
}

static void first_record_that_is_a_key_counts(void **state)
{
	uint8_t signature[DKIM_KEY_BITS_MAX / 8];
	struct dkim_question question = {DKIM_RSA_SHA256, BYTES("a._domainkey.b"),
	                                 bytes_of(digest, sizeof(digest)),
	                                 sign(&private_key, signature)};
	char records[4096];
	struct dkim_key key;
	int len = snprintf(records, sizeof(records), "v=spf1%c%s", 0,
	                   rsa_record("", &public_key, true));

	(void)state;
	dkim_key_read(bytes_of(records, (size_t)len + 1), &key);
	assert_int_equal(dkim_key_verify(&key, &question) & DKIM_VALUE_VERDICT, DKIM_VERDICT_PASS);
	dkim_key_read(bytes_of(NULL, 0), &key);
	assert_int_equal(key.kind, DKIM_KEY_NONE);
}

/* RFC 8301 3.2, and an exponent that would take long. */
static void keys_that_are_too_short_or_odd_are_none(void **state)
{
	uint8_t signature[DKIM_KEY_BITS_MAX / 8];
	struct rsa_public_key public;
	struct rsa_private_key private;

	(void)state;
	make_key(1016, &public, &private);
	assert_int_equal(
	    value_of(rsa_record("", &public, true), DKIM_RSA_SHA256, sign(&private, signature)) &
	        DKIM_VALUE_VERDICT,
	    DKIM_VERDICT_PERMERROR);
	mpz_set(public.n, public_key.n);
	mpz_set(public.e, public_key.e);
	assert_int_equal(rsa_verdict(rsa_record("", &public, true)), DKIM_VERDICT_PASS);
	mpz_sub_ui(public.e, public.n, 2);
	assert_int_equal(rsa_verdict(rsa_record("", &public, true)), DKIM_VERDICT_PERMERROR);
	rsa_public_key_clear(&public);
	rsa_private_key_clear(&private);
}

static void ed25519_signs_the_digest(void **state)
{
	uint8_t octets[ED25519_KEY_SIZE], signature[ED25519_SIGNATURE_SIZE];
	struct bytes signed_by = bytes_of(signature, sizeof(signature));
	const char *record;
	uint32_t value;

	(void)state;
	ed25519_sha512_public_key(octets, ed25519_secret);
	ed25519_sha512_sign(octets, ed25519_secret, sizeof(digest), digest, signature);
	record = record_of("k=ed25519; ", octets, sizeof(octets));
	value = value_of(record, DKIM_ED25519_SHA256, signed_by);
	assert_int_equal(value, DKIM_VERDICT_PASS); /* and no bits of an RSA key */
	signature[0] ^= 1;
	assert_int_equal(value_of(record, DKIM_ED25519_SHA256, signed_by), DKIM_VERDICT_FAIL);
	record = record_of("k=ed25519; ", octets, sizeof(octets) - 1);
	assert_int_equal(value_of(record, DKIM_ED25519_SHA256, signed_by), DKIM_VERDICT_PERMERROR);
}

static int setup(void **state)
{
	(void)state;
	make_key(KEY_BITS, &public_key, &private_key);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rsa_public_key_clear(&public_key);
	rsa_private_key_clear(&private_key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rsa_keys_are_read_in_both_forms),
	    cmocka_unit_test(tags_of_a_record_say_what_it_is_for),
	    cmocka_unit_test(flags_are_told),
	    cmocka_unit_test(first_record_that_is_a_key_counts),
	    cmocka_unit_test(keys_that_are_too_short_or_odd_are_none),
	    cmocka_unit_test(ed25519_signs_the_digest),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
