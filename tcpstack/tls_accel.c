/* tls_accel.c - signatures with long-lived keys, and X25519, by libcrypto.
 *
 * libcrypto's scratch memory is the operating system's: a few dozen small objects a handshake, none
 * of which outlives a call. Its own random numbers make nonces and blind. */
#include "tcpstack/tls_accel.h"

/* The low-level calls for ECDSA: half the cost of the others, and to stay in releases 3. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>

#include "base/check.h"

const char tls_accel_name[] = "libcrypto, libipsec-mb";

struct accel_key {
	EVP_PKEY *rsa;
	EC_KEY *ecdsa;
};

void tls_accel_open_process(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	(void)tls_accel_open_gcm();
}

void tls_accel_close_thread(void)
{
	tls_accel_close_p256();
}

/* ---- signatures ---- */

void *tls_accel_key_new(bool rsa, struct bytes der)
{
	struct accel_key *key = OPENSSL_zalloc(sizeof(*key));
	const unsigned char *at = der.data;

	if (key == NULL)
		return NULL;
	if (rsa) {
		key->rsa = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, (long)der.len);
	} else {
		key->ecdsa = d2i_ECPrivateKey(NULL, &at, (long)der.len);
		if (key->ecdsa != NULL && EC_GROUP_get_curve_name(EC_KEY_get0_group(key->ecdsa)) !=
		                              NID_X9_62_prime256v1) {
			EC_KEY_free(key->ecdsa);
			key->ecdsa = NULL;
		}
	}
	ERR_clear_error();
	if (key->rsa == NULL && key->ecdsa == NULL) {
		tls_accel_key_free(key);
		return NULL;
	}
	return key;
}

void tls_accel_key_free(void *opaque)
{
	struct accel_key *key = opaque;

	if (key == NULL)
		return;
	EVP_PKEY_free(key->rsa);
	EC_KEY_free(key->ecdsa);
	OPENSSL_free(key);
}

static const EVP_MD *digest_of(size_t len)
{
	switch (len) {
	case 32:
		return EVP_sha256();
	case 48:
		return EVP_sha384();
	case 64:
		return EVP_sha512();
	default:
		return NULL;
	}
}

static bool sign_rsa(EVP_PKEY *key, enum tls_accel_scheme scheme, struct bytes digest,
                     uint8_t *signature, size_t signature_bytes, size_t *out_len)
{
	const EVP_MD *md = digest_of(digest.len);
	EVP_PKEY_CTX *context = md == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
	int padding = scheme == TLS_ACCEL_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
	size_t len = signature_bytes;

	if (context == NULL)
		return false;
	bool done = EVP_PKEY_sign_init(context) == 1 &&
	            EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1 &&
	            EVP_PKEY_CTX_set_signature_md(context, md) == 1 &&
	            (scheme != TLS_ACCEL_PSS ||
	             EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1) &&
	            EVP_PKEY_sign(context, signature, &len, digest.data, digest.len) == 1;
	EVP_PKEY_CTX_free(context);
	*out_len = done ? len : 0;
	return done;
}

static bool sign_ecdsa(EC_KEY *key, struct bytes digest, uint8_t *signature, size_t signature_bytes,
                       size_t *out_len)
{
	unsigned int len = 0;

	if (digest_of(digest.len) == NULL || signature_bytes < (size_t)ECDSA_size(key) ||
	    ECDSA_sign(0, digest.data, (int)digest.len, signature, &len, key) != 1)
		return false;
	*out_len = len;
	return true;
}

/* What libcrypto does when it signs for the first time in a process and in a thread (it looks for
 * its algorithms, makes generators of random numbers) takes a millisecond: not in a client's turn.
 */
static void sign_once(void)
{
	const uint8_t digest[32] = {0};
	EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	uint8_t signature[128];
	size_t len;

	if (key == NULL || EC_KEY_generate_key(key) != 1 ||
	    !sign_ecdsa(key, bytes_of(digest, sizeof(digest)), signature, sizeof(signature), &len))
		ERR_clear_error();
	EC_KEY_free(key);
}

bool tls_accel_open_thread(void)
{
	if (!tls_accel_open_p256())
		return false;
	sign_once();
	return true;
}

bool tls_accel_sign(void *opaque, enum tls_accel_scheme scheme, struct bytes digest,
                    uint8_t *signature, size_t signature_bytes, size_t *out_len)
{
	struct accel_key *key = opaque;
	bool done = false;

	if (scheme == TLS_ACCEL_ECDSA && key->ecdsa != NULL)
		done = sign_ecdsa(key->ecdsa, digest, signature, signature_bytes, out_len);
	else if (scheme != TLS_ACCEL_ECDSA && key->rsa != NULL)
		done = sign_rsa(key->rsa, scheme, digest, signature, signature_bytes, out_len);
	if (!done)
		ERR_clear_error();
	return done;
}

/* ---- X25519 ---- */

enum tls_accel_result tls_accel_x25519_public(const uint8_t secret[32], uint8_t out_public[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
	size_t len = 32;
	bool done = key != NULL && EVP_PKEY_get_raw_public_key(key, out_public, &len) == 1;

	EVP_PKEY_free(key);
	if (done)
		return TLS_ACCEL_DONE;
	ERR_clear_error();
	return TLS_ACCEL_UNABLE;
}

enum tls_accel_result tls_accel_x25519(const uint8_t secret[32], const uint8_t peer[32],
                                       uint8_t out_shared[32])
{
	EVP_PKEY *ours = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
	EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
	EVP_PKEY_CTX *context = ours == NULL || theirs == NULL ? NULL
	                                                       : EVP_PKEY_CTX_new(ours, NULL);
	enum tls_accel_result result = TLS_ACCEL_UNABLE;
	size_t len = 32;

	if (context != NULL && EVP_PKEY_derive_init(context) == 1 &&
	    EVP_PKEY_derive_set_peer_ex(context, theirs, 0) == 1) {
		/* It fails when the result is zero, and for nothing else here. */
		bool done = EVP_PKEY_derive(context, out_shared, &len) == 1 && len == 32;
		result = done ? TLS_ACCEL_DONE : TLS_ACCEL_REFUSED;
	}
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(ours);
	if (result != TLS_ACCEL_DONE) {
		OPENSSL_cleanse(out_shared, 32);
		ERR_clear_error();
	}
	return result;
}
