/* tls_sign.c - where the library signs with a key of ours, and where it agrees on a secret.
 *
 * RSA keeps numbers inside the key to blind the next signature with: they must come from the memory
 * that the key is in, not from the connection's engine. */
#include <psa_crypto_ecp.h>

#include "base/check.h"
#include "tcpstack/tls_accel.h"
#include "tcpstack/tls_internal.h"

/* The slab that a key's certificate was allocated with is not at hand: the key is a member of it.
 */
static struct tls_certificate *certificate_of(mbedtls_pk_context *key)
{
	return (struct tls_certificate *)(void *)((uint8_t *)key -
	                                          offsetof(struct tls_certificate, key));
}

static bool sign_fast(mbedtls_pk_context *key, bool pss, struct bytes digest,
                      unsigned char *signature, size_t signature_bytes, size_t *out_len)
{
	void *fast = certificate_of(key)->accel;
	enum tls_accel_scheme scheme = mbedtls_pk_get_type(key) != MBEDTLS_PK_RSA ? TLS_ACCEL_ECDSA
	                               : pss                                      ? TLS_ACCEL_PSS
	                                                                          : TLS_ACCEL_PKCS1;

	return fast != NULL &&
	       tls_accel_sign(fast, scheme, digest, signature, signature_bytes, out_len);
}

/* With PSA the key is copied for each signature, and stays as it is. */
static struct tls_memory *enter_key(mbedtls_pk_context *key)
{
#ifndef MBEDTLS_USE_PSA_CRYPTO
	if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA)
		return tls_enter(certificate_of(key)->memory);
#endif
	(void)key;
	return tls_enter(tls_memory_here());
}

int tls_sign_ext(mbedtls_pk_type_t type, mbedtls_pk_context *key, mbedtls_md_type_t digest,
                 const unsigned char *hash, size_t hash_len, unsigned char *signature,
                 size_t signature_bytes, size_t *out_len,
                 int (*random)(void *, unsigned char *, size_t), void *random_context)
{
	if (sign_fast(key, type == MBEDTLS_PK_RSASSA_PSS, bytes_of(hash, hash_len), signature,
	              signature_bytes, out_len))
		return 0;

	struct tls_memory *before = enter_key(key);
	int result = mbedtls_pk_sign_ext(type, key, digest, hash, hash_len, signature,
	                                 signature_bytes, out_len, random, random_context);
	tls_leave(before);
	return result;
}

int tls_sign_restartable(mbedtls_pk_context *key, mbedtls_md_type_t digest,
                         const unsigned char *hash, size_t hash_len, unsigned char *signature,
                         size_t signature_bytes, size_t *out_len,
                         int (*random)(void *, unsigned char *, size_t), void *random_context,
                         mbedtls_pk_restart_ctx *restart)
{
	/* A TLS 1.2 client gives no length: it is the digest's (pk.h). */
	size_t len = hash_len > 0 ? hash_len
	                          : mbedtls_md_get_size(mbedtls_md_info_from_type(digest));

	if (sign_fast(key, false, bytes_of(hash, len), signature, signature_bytes, out_len))
		return 0;

	struct tls_memory *before = enter_key(key);
	int result = mbedtls_pk_sign_restartable(key, digest, hash, hash_len, signature,
	                                         signature_bytes, out_len, random, random_context,
	                                         restart);
	tls_leave(before);
	return result;
}

int tls_sign(mbedtls_pk_context *key, mbedtls_md_type_t digest, const unsigned char *hash,
             size_t hash_len, unsigned char *signature, size_t signature_bytes, size_t *out_len,
             int (*random)(void *, unsigned char *, size_t), void *random_context)
{
	return tls_sign_restartable(key, digest, hash, hash_len, signature, signature_bytes,
	                            out_len, random, random_context, NULL);
}

psa_status_t tls_agree(const psa_key_attributes_t *attributes, const uint8_t *key, size_t key_len,
                       psa_algorithm_t algorithm, const uint8_t *peer, size_t peer_len,
                       uint8_t *secret, size_t secret_bytes, size_t *out_len)
{
	bool x25519 = psa_get_key_type(attributes) ==
	                  PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_MONTGOMERY) &&
	              psa_get_key_bits(attributes) == 255;

	if (x25519 && PSA_ALG_IS_ECDH(algorithm) && key_len == 32 && peer_len == 32 &&
	    secret_bytes >= 32) {
		switch (tls_accel_x25519(key, peer, secret)) {
		case TLS_ACCEL_DONE:
			*out_len = 32;
			return PSA_SUCCESS;
		case TLS_ACCEL_REFUSED:
			return PSA_ERROR_INVALID_ARGUMENT;
		case TLS_ACCEL_UNABLE:
			break;
		}
	}
	return mbedtls_psa_key_agreement_ecdh(attributes, key, key_len, algorithm, peer, peer_len,
	                                      secret, secret_bytes, out_len);
}
