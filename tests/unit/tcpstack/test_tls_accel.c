/* test_tls_accel.c - the arithmetic under TLS, whoever does it in this build: published vectors,
 * and keys and points of peers that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/gcm.h>
#include <psa/crypto.h>

#include "tcpstack/tls_internal.h"
#include "tests/tls_pair.h"

static struct pair pair;
static struct tls_memory *before;

static int set_up(void **state)
{
	(void)state;
	pair_open(&pair, 1, 0);
	before = tls_enter(&pair.engine->memory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_leave(before);
	pair_close(&pair);
	return 0;
}

static size_t unhex(const char *text, uint8_t *out)
{
	size_t len = strlen(text) / 2;

	for (size_t i = 0; i < len; i++) {
		char pair_of[3] = {text[2 * i], text[2 * i + 1], '\0'};
		out[i] = (uint8_t)strtoul(pair_of, NULL, 16);
	}
	return len;
}

#define P256     PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1)
#define P256_PUB PSA_KEY_TYPE_ECC_PUBLIC_KEY(PSA_ECC_FAMILY_SECP_R1)
#define X25519   PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_MONTGOMERY)

static psa_status_t import(psa_key_type_t type, size_t bits, const char *hex, psa_key_id_t *out_id)
{
	psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
	uint8_t octets[133];
	size_t len = unhex(hex, octets);

	psa_set_key_type(&attributes, type);
	psa_set_key_bits(&attributes, bits);
	psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
	psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE | PSA_KEY_USAGE_EXPORT);
	return psa_import_key(&attributes, octets, len, out_id);
}

static psa_status_t agree(psa_key_id_t id, const char *peer_hex, uint8_t *out, size_t *out_len)
{
	uint8_t peer[133];
	size_t len = unhex(peer_hex, peer);

	return psa_raw_key_agreement(PSA_ALG_ECDH, id, peer, len, out, 66, out_len);
}

/* RFC 5903 8.1 */
#define SECRET "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"
#define PUBLIC \
	"04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180" \
	"5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3"
#define PEER_X "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
#define PEER_Y "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab"
#define SHARED "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"
#define ORDER  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define ZERO   "0000000000000000000000000000000000000000000000000000000000000000"
#define FIELD  "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"

static void test_p256_vector(void **state)
{
	uint8_t out[66], expected[66];
	psa_key_id_t id;
	size_t len;
	(void)state;

	assert_int_equal(import(P256, 256, SECRET, &id), PSA_SUCCESS);
	assert_int_equal(psa_export_public_key(id, out, sizeof(out), &len), PSA_SUCCESS);
	assert_int_equal(len, unhex(PUBLIC, expected));
	assert_memory_equal(out, expected, len);
	assert_int_equal(agree(id, "04" PEER_X PEER_Y, out, &len), PSA_SUCCESS);
	assert_int_equal(len, unhex(SHARED, expected));
	assert_memory_equal(out, expected, len);
	assert_int_equal(psa_destroy_key(id), PSA_SUCCESS);
}

static void test_p256_refuses(void **state)
{
	static const char *const scalars[] = {ZERO, ORDER, FIELD};
	static const char *const points[] = {
	    "04" PEER_X "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ac",
	    "04" ZERO ZERO,
	    "04" FIELD PEER_Y,
	    "03" PEER_X,
	    "03" PEER_X PEER_Y,
	    "00",
	    "04" PEER_X,
	};
	uint8_t out[66];
	psa_key_id_t id, other;
	size_t len;
	(void)state;

	for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++)
		assert_int_not_equal(import(P256, 256, scalars[i], &other), PSA_SUCCESS);
	assert_int_equal(import(P256, 256, SECRET, &id), PSA_SUCCESS);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		assert_int_not_equal(agree(id, points[i], out, &len), PSA_SUCCESS);
		assert_int_not_equal(import(P256_PUB, 256, points[i], &other), PSA_SUCCESS);
	}
	assert_int_equal(psa_destroy_key(id), PSA_SUCCESS);
}

/* Keys of exchanges: both sides come to the same. */
static void test_generated(void **state)
{
	static const struct {
		psa_key_type_t type;
		size_t bits;
	} rows[] = {{P256, 256}, {P256, 384}, {P256, 521}, {X25519, 255}};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t public[2][133], shared[2][66];
		size_t public_len[2], len[2];
		psa_key_id_t id[2];
		for (int side = 0; side < 2; side++) {
			psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
			psa_set_key_type(&attributes, rows[i].type);
			psa_set_key_bits(&attributes, rows[i].bits);
			psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
			psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE);
			assert_int_equal(psa_generate_key(&attributes, &id[side]), PSA_SUCCESS);
			assert_int_equal(
			    psa_export_public_key(id[side], public[side], 133, &public_len[side]),
			    PSA_SUCCESS);
		}
		for (int side = 0; side < 2; side++)
			assert_int_equal(psa_raw_key_agreement(PSA_ALG_ECDH, id[side],
			                                       public[!side], public_len[!side],
			                                       shared[side], 66, &len[side]),
			                 PSA_SUCCESS);
		assert_int_equal(len[0], len[1]);
		assert_memory_equal(shared[0], shared[1], len[0]);
		assert_memory_not_equal(public[0], public[1], public_len[0]);
		(void)psa_destroy_key(id[0]);
		(void)psa_destroy_key(id[1]);
	}
}

/* RFC 7748 5.2, and points of small order (6.1). */
static void test_x25519(void **state)
{
	uint8_t out[66], expected[32];
	psa_key_id_t id;
	size_t len;
	(void)state;

	assert_int_equal(import(X25519, 255,
	                        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
	                        &id),
	                 PSA_SUCCESS);
	assert_int_equal(agree(id,
	                       "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	                       out, &len),
	                 PSA_SUCCESS);
	assert_int_equal(
	    len,
	    unhex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", expected));
	assert_memory_equal(out, expected, 32);
	assert_int_not_equal(agree(id, ZERO, out, &len), PSA_SUCCESS);
	assert_int_not_equal(
	    agree(id, "0100000000000000000000000000000000000000000000000000000000000000", out,
	          &len),
	    PSA_SUCCESS);
	assert_int_not_equal(agree(id, "01", out, &len), PSA_SUCCESS);
	assert_int_equal(psa_destroy_key(id), PSA_SUCCESS);
}

/* Test case 4 of the GCM specification (McGrew, Viega). */
static void test_gcm(void **state)
{
	uint8_t key[16], nonce[12], added[20], plain[60], sealed[60], expected[60], tag[16],
	    out[60];
	mbedtls_gcm_context gcm;
	(void)state;

	(void)unhex("feffe9928665731c6d6a8f9467308308", key);
	(void)unhex("cafebabefacedbaddecaf888", nonce);
	(void)unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", added);
	(void)unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809"
	            "532fcf0e24"
	            "49a6b525b16aedf5aa0de657ba637b39",
	            plain);
	(void)unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b2546693"
	            "1c7d8f6a5a"
	            "ac84aa051ba30b396a0aac973d58e091",
	            expected);
	mbedtls_gcm_init(&gcm);
	assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
	assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, 60, nonce, 12, added,
	                                           20, plain, sealed, 16, tag),
	                 0);
	assert_memory_equal(sealed, expected, 60);
	(void)unhex("5bc94fbc3221a5db94fae95ae7121a47", expected);
	assert_memory_equal(tag, expected, 16);
	assert_int_equal(
	    mbedtls_gcm_auth_decrypt(&gcm, 60, nonce, 12, added, 20, tag, 16, sealed, out), 0);
	assert_memory_equal(out, plain, 60);
	for (int i = 0; i < 16; i++) {
		tag[i] ^= 0x10;
		assert_int_not_equal(
		    mbedtls_gcm_auth_decrypt(&gcm, 60, nonce, 12, added, 20, tag, 16, sealed, out),
		    0);
		tag[i] ^= 0x10;
	}
	mbedtls_gcm_free(&gcm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_p256_vector, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_p256_refuses, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_generated, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_x25519, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_gcm, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
