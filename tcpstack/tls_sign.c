/* tls_sign.c - where the library signs with a key of ours, here or by a helper, and where it agrees
 * on a secret.
 *
 * RSA keeps numbers inside the key to blind the next signature with: they must come from the memory
 * that the key is in, not from the connection's engine. */
#include <string.h>

#include <psa_crypto_ecp.h>
#include <ssl_misc.h>

#include "base/check.h"
#include "tcpstack/tls_accel.h"
#include "tcpstack/tls_internal.h"

/* TLS 1.3: whose handshake the library is to sign for, and how many ways of signing it has tried.
 */
static __thread struct tls *verifying;
static __thread uint32_t tried;

struct tls_certificate *tls_certificate_of(mbedtls_pk_context *key)
{
	return (struct tls_certificate *)(void *)((uint8_t *)key -
	                                          offsetof(struct tls_certificate, key));
}

static bool sign_fast(mbedtls_pk_context *key, bool pss, struct bytes digest,
                      unsigned char *signature, size_t signature_bytes, size_t *out_len)
{
	void *fast = tls_certificate_of(key)->accel;
	enum tls_accel_scheme scheme = mbedtls_pk_get_type(key) != MBEDTLS_PK_RSA ? TLS_ACCEL_ECDSA
	                               : pss                                      ? TLS_ACCEL_PSS
	                                                                          : TLS_ACCEL_PKCS1;

	return fast != NULL &&
	       tls_accel_sign(fast, scheme, digest, signature, signature_bytes, out_len);
}

/* The salt is as long as the digest (RFC 8446 4.2.3). Where it does not fit the library takes a
 * shorter one, which peers refuse. */
static bool fits(mbedtls_pk_type_t type, const mbedtls_pk_context *key, size_t hash_len)
{
	return type != MBEDTLS_PK_RSASSA_PSS ||
	       (mbedtls_pk_get_bitlen(key) + 6) / 8 >= 2 * hash_len + 2;
}

/* With PSA the key is copied for each signature, and stays as it is. */
static struct tls_memory *enter_key(mbedtls_pk_context *key)
{
#ifndef MBEDTLS_USE_PSA_CRYPTO
	if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA)
		return tls_enter(tls_certificate_of(key)->memory);
#endif
	(void)key;
	return tls_enter(tls_memory_here());
}

static int sign(mbedtls_pk_type_t type, mbedtls_pk_context *key, mbedtls_md_type_t digest,
                const unsigned char *hash, size_t hash_len, unsigned char *signature,
                size_t signature_bytes, size_t *out_len,
                int (*random)(void *, unsigned char *, size_t), void *random_context)
{
	if (!fits(type, key, hash_len))
		return MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE;
	if (sign_fast(key, type == MBEDTLS_PK_RSASSA_PSS, bytes_of(hash, hash_len), signature,
	              signature_bytes, out_len))
		return 0;

	struct tls_memory *before = enter_key(key);
	int result = mbedtls_pk_sign_ext(type, key, digest, hash, hash_len, signature,
	                                 signature_bytes, out_len, random, random_context);
	tls_leave(before);
	return result;
}

/* ---- by helpers ---- */

size_t tls_sign_job(const struct tls_job *job, uint8_t *out, size_t bytes_max)
{
	size_t len = 0;

	/* Without PSA, RSA writes into the key; another helper may be at work with it. */
	ASSERT(pthread_mutex_lock(&job->config->signing) == 0);
	int result = sign((mbedtls_pk_type_t)job->type, &job->certificate->key,
	                  (mbedtls_md_type_t)job->digest, job->hash, job->hash_len, out, bytes_max,
	                  &len, tls_random, NULL);
	ASSERT(pthread_mutex_unlock(&job->config->signing) == 0);
	return result == 0 ? len : 0;
}

/* What the helper has made is handed to the library, which asks for the same again. */
static int use_signature(struct tls *tls, unsigned char *signature, size_t signature_bytes,
                         size_t *out_len)
{
	const struct tls_signing *signing = tls->signing;
	size_t len = signing->signature_len;

	ASSERT(signing->state == TLS_SIGNING_DONE);
	if (len == 0 || len > signature_bytes) {
		tls_helper_forget(tls);
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	}
	memcpy(signature, signing->signature, len);
	*out_len = len;
	tls_helper_forget(tls);
	return 0;
}

/* The library tries one way of signing after another, until one works, each time it is called:
 * those the helper could not do are passed over. */
static int sign_away(struct tls *tls, mbedtls_pk_type_t type, mbedtls_pk_context *key,
                     mbedtls_md_type_t digest, struct bytes hash, unsigned char *signature,
                     size_t signature_bytes, size_t *out_len)
{
	if (tried++ < tls->signings_failed)
		return MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE;
	if (tls->signing == NULL && !tls_helper_ask(tls, type, key, digest, hash))
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	if (tls->signing->state != TLS_SIGNING_DONE)
		return MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS;
	ASSERT(tls->signing->job.hash_len == hash.len);
	ASSERT(memcmp(tls->signing->job.hash, hash.data, hash.len) == 0);
	int result = use_signature(tls, signature, signature_bytes, out_len);
	if (result != 0)
		tls->signings_failed++; /* bounded: the library has no more than some twenty */
	return result;
}

/* TLS 1.3. The library knows no signature that takes its time: that one could not be made ends the
 * handshake. But nothing has changed before the signature is there but octets of a message not sent
 * yet, and the alert that is to be sent. That is taken back, and the whole step is made again when
 * the signature is there: the octets to be signed are the same then. */
int tls_write_certificate_verify(mbedtls_ssl_context *ssl)
{
	struct tls *tls = mbedtls_ssl_get_user_data_p(ssl);

	verifying = tls;
	tried = 0;
	int result = mbedtls_ssl_tls13_write_certificate_verify(ssl);
	verifying = NULL;
	ASSERT(result != 0 || tls->signing == NULL);
	if (tls->signing == NULL || tls->signing->state == TLS_SIGNING_DONE)
		return result;
	ssl->send_alert = 0;
	return MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS;
}

/* TLS 1.2, for which the library has a way of its own. */
static int begin_signature(mbedtls_ssl_context *ssl, mbedtls_x509_crt *chain,
                           mbedtls_md_type_t digest, const unsigned char *hash, size_t hash_len)
{
	struct tls *tls = mbedtls_ssl_get_user_data_p(ssl);
	mbedtls_pk_context *key = mbedtls_ssl_own_key(ssl);

	(void)chain;
	if (!tls_helper_wanted(tls, key))
		return MBEDTLS_ERR_SSL_HW_ACCEL_FALLTHROUGH;
	mbedtls_pk_type_t type = mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA ? MBEDTLS_PK_RSA
	                                                                    : MBEDTLS_PK_ECDSA;
	return tls_helper_ask(tls, type, key, digest, bytes_of(hash, hash_len))
	           ? MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS
	           : MBEDTLS_ERR_SSL_ALLOC_FAILED;
}

static int resume_signature(mbedtls_ssl_context *ssl, unsigned char *signature, size_t *out_len,
                            size_t signature_bytes)
{
	struct tls *tls = mbedtls_ssl_get_user_data_p(ssl);

	return use_signature(tls, signature, signature_bytes, out_len);
}

/* tls_free does what there is to do. */
static void cancel_signature(mbedtls_ssl_context *ssl)
{
	(void)ssl;
}

void tls_sign_let_helpers(mbedtls_ssl_config *config)
{
	mbedtls_ssl_conf_async_private_cb(config, begin_signature, NULL, resume_signature,
	                                  cancel_signature, NULL);
}

/* ---- what the library calls ---- */

int tls_sign_ext(mbedtls_pk_type_t type, mbedtls_pk_context *key, mbedtls_md_type_t digest,
                 const unsigned char *hash, size_t hash_len, unsigned char *signature,
                 size_t signature_bytes, size_t *out_len,
                 int (*random)(void *, unsigned char *, size_t), void *random_context)
{
	if (verifying != NULL && tls_helper_wanted(verifying, key))
		return sign_away(verifying, type, key, digest, bytes_of(hash, hash_len), signature,
		                 signature_bytes, out_len);
	return sign(type, key, digest, hash, hash_len, signature, signature_bytes, out_len, random,
	            random_context);
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

/* ---- secrets ---- */

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
