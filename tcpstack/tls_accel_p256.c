/* tls_accel_p256.c - P-256 by libcrypto, through the hooks that Mbed TLS has for a driver of that
 * curve (p256-m), which is not linked.
 *
 * The library calls these for keys of one call's life: those of an exchange, and peers' public
 * keys. It does not select in all places, so what is not ours is declined and done by the library
 * itself. Our own long-lived keys sign in tls_accel.c. Scalars are big-endian octets, points
 * uncompressed (RFC 5480 2.2). The curve's code in libcrypto runs in constant time for one scalar.
 */
#include <string.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <psa/crypto.h>

#include "base/check.h"
#include "tcpstack/tls_accel.h"

#define SCALAR_BYTES 32
#define POINT_BYTES  65
#define DRAWS_MAX    64 /* each fails with a probability of 2^-32 */

/* p256-m_driver_entrypoints.h, repeated: that header is in the part of the library not built. */
psa_status_t p256_transparent_import_key(const psa_key_attributes_t *attributes,
                                         const uint8_t *data, size_t data_len, uint8_t *key,
                                         size_t key_bytes, size_t *out_len, size_t *bits);
psa_status_t p256_transparent_export_public_key(const psa_key_attributes_t *attributes,
                                                const uint8_t *key, size_t key_len, uint8_t *out,
                                                size_t out_bytes, size_t *out_len);
psa_status_t p256_transparent_generate_key(const psa_key_attributes_t *attributes, uint8_t *key,
                                           size_t key_bytes, size_t *out_len);
psa_status_t p256_transparent_key_agreement(const psa_key_attributes_t *attributes,
                                            const uint8_t *key, size_t key_len,
                                            psa_algorithm_t algorithm, const uint8_t *peer,
                                            size_t peer_len, uint8_t *secret, size_t secret_bytes,
                                            size_t *out_len);
psa_status_t p256_transparent_sign_hash(const psa_key_attributes_t *attributes, const uint8_t *key,
                                        size_t key_len, psa_algorithm_t algorithm,
                                        const uint8_t *hash, size_t hash_len, uint8_t *signature,
                                        size_t signature_bytes, size_t *out_len);
psa_status_t p256_transparent_verify_hash(const psa_key_attributes_t *attributes,
                                          const uint8_t *key, size_t key_len,
                                          psa_algorithm_t algorithm, const uint8_t *hash,
                                          size_t hash_len, const uint8_t *signature,
                                          size_t signature_len);

/* Made once a thread: what the calls below compute with. The scalar and the points are wiped. */
static __thread struct {
	EC_GROUP *group;
	BN_CTX *context;
	BIGNUM *scalar;
	EC_POINT *point, *product;
} at;

bool tls_accel_open_p256(void)
{
	at.group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	at.context = BN_CTX_secure_new();
	at.scalar = BN_new();
	if (at.group != NULL) {
		at.point = EC_POINT_new(at.group);
		at.product = EC_POINT_new(at.group);
	}
	if (at.context == NULL || at.scalar == NULL || at.point == NULL || at.product == NULL) {
		tls_accel_close_p256();
		return false;
	}
	BN_set_flags(at.scalar, BN_FLG_CONSTTIME);
	return true;
}

void tls_accel_close_p256(void)
{
	EC_POINT_clear_free(at.product);
	EC_POINT_free(at.point);
	BN_clear_free(at.scalar);
	BN_CTX_free(at.context);
	EC_GROUP_free(at.group);
	memset(&at, 0, sizeof(at));
}

static bool is_curve(psa_key_type_t type)
{
	return PSA_KEY_TYPE_IS_ECC(type) &&
	       PSA_KEY_TYPE_ECC_GET_FAMILY(type) == PSA_ECC_FAMILY_SECP_R1;
}

static bool is_ours(const psa_key_attributes_t *attributes)
{
	return is_curve(psa_get_key_type(attributes)) && psa_get_key_bits(attributes) == 256 &&
	       at.group != NULL;
}

/* In [1, order - 1]? It is left in at.scalar, of fixed length in memory. */
static bool load_scalar(const uint8_t octets[SCALAR_BYTES])
{
	return BN_bin2bn(octets, SCALAR_BYTES, at.scalar) != NULL && !BN_is_zero(at.scalar) &&
	       BN_ucmp(at.scalar, EC_GROUP_get0_order(at.group)) < 0;
}

/* Uncompressed, on the curve and not its neutral element; left in at.point. */
static bool load_point(const uint8_t *octets, size_t len)
{
	return len == POINT_BYTES && octets[0] == POINT_CONVERSION_UNCOMPRESSED &&
	       EC_POINT_oct2point(at.group, at.point, octets, len, at.context) == 1;
}

/* What of our work must not stay in memory or in the queue of errors. */
static psa_status_t leave(psa_status_t status)
{
	BN_clear(at.scalar);
	BN_set_flags(at.scalar, BN_FLG_CONSTTIME);
	(void)EC_POINT_set_to_infinity(at.group, at.product);
	if (status != PSA_SUCCESS)
		ERR_clear_error();
	return status;
}

psa_status_t p256_transparent_import_key(const psa_key_attributes_t *attributes,
                                         const uint8_t *data, size_t data_len, uint8_t *key,
                                         size_t key_bytes, size_t *out_len, size_t *bits)
{
	psa_key_type_t type = psa_get_key_type(attributes);
	bool public = PSA_KEY_TYPE_IS_PUBLIC_KEY(type);

	if (!is_curve(type) || (*bits != 0 && *bits != 256) || at.group == NULL)
		return PSA_ERROR_NOT_SUPPORTED;
	if (data_len != (public ? POINT_BYTES : SCALAR_BYTES))
		return *bits == 0 ? PSA_ERROR_NOT_SUPPORTED : PSA_ERROR_INVALID_ARGUMENT;
	if (key_bytes < data_len)
		return PSA_ERROR_BUFFER_TOO_SMALL;
	if (!(public ? load_point(data, data_len) : load_scalar(data)))
		return leave(PSA_ERROR_INVALID_ARGUMENT);
	memcpy(key, data, data_len);
	*out_len = data_len;
	*bits = 256;
	return leave(PSA_SUCCESS);
}

static psa_status_t export_x25519(const uint8_t *key, uint8_t *out, size_t out_bytes,
                                  size_t *out_len)
{
	if (out_bytes < 32)
		return PSA_ERROR_BUFFER_TOO_SMALL;
	if (tls_accel_x25519_public(key, out) != TLS_ACCEL_DONE)
		return PSA_ERROR_NOT_SUPPORTED;
	*out_len = 32;
	return PSA_SUCCESS;
}

psa_status_t p256_transparent_export_public_key(const psa_key_attributes_t *attributes,
                                                const uint8_t *key, size_t key_len, uint8_t *out,
                                                size_t out_bytes, size_t *out_len)
{
	psa_key_type_t type = psa_get_key_type(attributes);

	if (type == PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_MONTGOMERY) &&
	    psa_get_key_bits(attributes) == 255 && key_len == 32)
		return export_x25519(key, out, out_bytes, out_len);
	if (!is_ours(attributes))
		return PSA_ERROR_NOT_SUPPORTED;
	if (out_bytes < POINT_BYTES)
		return PSA_ERROR_BUFFER_TOO_SMALL;
	*out_len = POINT_BYTES;
	if (key_len == POINT_BYTES) {
		memcpy(out, key, POINT_BYTES);
		return PSA_SUCCESS;
	}
	if (key_len != SCALAR_BYTES || !load_scalar(key))
		return leave(PSA_ERROR_INVALID_ARGUMENT);
	bool done = EC_POINT_mul(at.group, at.product, at.scalar, NULL, NULL, at.context) == 1 &&
	            EC_POINT_point2oct(at.group, at.product, POINT_CONVERSION_UNCOMPRESSED, out,
	                               out_bytes, at.context) == POINT_BYTES;
	return leave(done ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_MEMORY);
}

psa_status_t p256_transparent_generate_key(const psa_key_attributes_t *attributes, uint8_t *key,
                                           size_t key_bytes, size_t *out_len)
{
	if (!is_ours(attributes))
		return PSA_ERROR_NOT_SUPPORTED;
	if (key_bytes < SCALAR_BYTES)
		return PSA_ERROR_BUFFER_TOO_SMALL;
	for (int i = 0; i < DRAWS_MAX; i++) {
		psa_status_t status = psa_generate_random(key, SCALAR_BYTES);
		if (status != PSA_SUCCESS)
			return leave(status);
		if (load_scalar(key)) {
			*out_len = SCALAR_BYTES;
			return leave(PSA_SUCCESS);
		}
	}
	memset(key, 0, SCALAR_BYTES);
	return leave(PSA_ERROR_INSUFFICIENT_ENTROPY);
}

/* RFC 8446 7.4.2: the shared secret is the x coordinate. The curve has no point of small order. */
psa_status_t p256_transparent_key_agreement(const psa_key_attributes_t *attributes,
                                            const uint8_t *key, size_t key_len,
                                            psa_algorithm_t algorithm, const uint8_t *peer,
                                            size_t peer_len, uint8_t *secret, size_t secret_bytes,
                                            size_t *out_len)
{
	uint8_t shared[POINT_BYTES];

	if (!is_ours(attributes) || !PSA_ALG_IS_ECDH(algorithm))
		return PSA_ERROR_NOT_SUPPORTED;
	if (secret_bytes < SCALAR_BYTES)
		return PSA_ERROR_BUFFER_TOO_SMALL;
	if (key_len != SCALAR_BYTES || !load_scalar(key) || !load_point(peer, peer_len))
		return leave(PSA_ERROR_INVALID_ARGUMENT);
	bool done = EC_POINT_mul(at.group, at.product, NULL, at.point, at.scalar, at.context) ==
	                1 &&
	            EC_POINT_point2oct(at.group, at.product, POINT_CONVERSION_UNCOMPRESSED, shared,
	                               sizeof(shared), at.context) == POINT_BYTES;
	if (done) {
		memcpy(secret, shared + 1, SCALAR_BYTES);
		*out_len = SCALAR_BYTES;
	}
	OPENSSL_cleanse(shared, sizeof(shared));
	return leave(done ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_MEMORY);
}

psa_status_t p256_transparent_sign_hash(const psa_key_attributes_t *attributes, const uint8_t *key,
                                        size_t key_len, psa_algorithm_t algorithm,
                                        const uint8_t *hash, size_t hash_len, uint8_t *signature,
                                        size_t signature_bytes, size_t *out_len)
{
	(void)attributes, (void)key, (void)key_len, (void)algorithm, (void)hash, (void)hash_len;
	(void)signature, (void)signature_bytes, (void)out_len;
	return PSA_ERROR_NOT_SUPPORTED;
}

/* `signature` is r and s, 32 octets each. */
static int verify(const uint8_t *hash, size_t hash_len, const uint8_t *signature)
{
	EC_KEY *key = EC_KEY_new();
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, SCALAR_BYTES, NULL);
	BIGNUM *s = BN_bin2bn(signature + SCALAR_BYTES, SCALAR_BYTES, NULL);
	int result = -1;

	/* The pair keeps r and s once it has taken them. */
	if (key == NULL || pair == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else if (EC_KEY_set_group(key, at.group) == 1 &&
	           EC_KEY_set_public_key(key, at.point) == 1) {
		result = ECDSA_do_verify(hash, (int)hash_len, pair, key);
	}
	ECDSA_SIG_free(pair);
	EC_KEY_free(key);
	return result;
}

psa_status_t p256_transparent_verify_hash(const psa_key_attributes_t *attributes,
                                          const uint8_t *key, size_t key_len,
                                          psa_algorithm_t algorithm, const uint8_t *hash,
                                          size_t hash_len, const uint8_t *signature,
                                          size_t signature_len)
{
	uint8_t public[POINT_BYTES];
	size_t len;

	(void)algorithm;
	if (!is_ours(attributes))
		return PSA_ERROR_NOT_SUPPORTED;
	if (signature_len != 2 * SCALAR_BYTES || hash_len > PSA_HASH_MAX_SIZE)
		return PSA_ERROR_INVALID_SIGNATURE;
	psa_status_t status = p256_transparent_export_public_key(attributes, key, key_len, public,
	                                                         sizeof(public), &len);
	if (status != PSA_SUCCESS)
		return status;
	if (!load_point(public, len))
		return leave(PSA_ERROR_INVALID_ARGUMENT);
	switch (verify(hash, hash_len, signature)) {
	case 1:
		return leave(PSA_SUCCESS);
	case 0:
		return leave(PSA_ERROR_INVALID_SIGNATURE);
	default:
		return leave(PSA_ERROR_INSUFFICIENT_MEMORY);
	}
}
