/* tls_accel_gcm.c - AES-GCM by libipsec-mb, in place of the library's gcm.c.
 *
 * Whole messages with nonces of 12 octets only: all that TLS and tickets use. The library's manager
 * is filled once and then only read: it holds the functions that suit the processor. */
#include <string.h>

#include <intel-ipsec-mb.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>

#include "base/check.h"
#include "tcpstack/tls_accel.h"

#define ALIGN_BYTES 64
#define NONCE_BYTES 12
#define TAG_BYTES   16

static IMB_MGR *manager;
static __thread struct gcm_context_data scratch __attribute__((aligned(ALIGN_BYTES)));

bool tls_accel_open_gcm(void)
{
	IMB_ARCH arch;

	manager = alloc_mb_mgr(0);
	if (manager == NULL)
		return false;
	init_mb_mgr_auto(manager, &arch);
	return imb_get_errno(manager) == 0;
}

void mbedtls_gcm_init(mbedtls_gcm_context *gcm)
{
	memset(gcm, 0, sizeof(*gcm));
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *gcm, mbedtls_cipher_id_t cipher,
                       const unsigned char *key, unsigned int bits)
{
	if (cipher != MBEDTLS_CIPHER_ID_AES || (bits != 128 && bits != 256) || manager == NULL)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	if (gcm->memory == NULL) {
		gcm->memory = mbedtls_calloc(1, sizeof(struct gcm_key_data) + ALIGN_BYTES);
		if (gcm->memory == NULL)
			return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
		gcm->key = (void *)(((uintptr_t)gcm->memory + ALIGN_BYTES - 1) &
		                    ~(uintptr_t)(ALIGN_BYTES - 1));
	}
	gcm->bits = bits;
	if (bits == 128)
		IMB_AES128_GCM_PRE(manager, key, gcm->key);
	else
		IMB_AES256_GCM_PRE(manager, key, gcm->key);
	return 0;
}

static bool can_do(const mbedtls_gcm_context *gcm, size_t nonce_len, size_t tag_len)
{
	return gcm->key != NULL && nonce_len == NONCE_BYTES && tag_len >= 4 && tag_len <= TAG_BYTES;
}

/* With the library's function for keys of 128 bits, or the one for 256. */
static void run(const mbedtls_gcm_context *gcm, aes_gcm_enc_dec_t of_128, aes_gcm_enc_dec_t of_256,
                size_t len, const uint8_t *nonce, struct bytes added, const uint8_t *in,
                uint8_t *out, uint8_t tag[TAG_BYTES])
{
	(gcm->bits == 128 ? of_128 : of_256)(gcm->key, &scratch, out, in, len, nonce, added.data,
	                                     added.len, tag, TAG_BYTES);
}

static void seal(const mbedtls_gcm_context *gcm, size_t len, const uint8_t *nonce,
                 struct bytes added, const uint8_t *in, uint8_t *out, uint8_t tag[TAG_BYTES])
{
	run(gcm, manager->gcm128_enc, manager->gcm256_enc, len, nonce, added, in, out, tag);
}

static void open_sealed(const mbedtls_gcm_context *gcm, size_t len, const uint8_t *nonce,
                        struct bytes added, const uint8_t *in, uint8_t *out, uint8_t tag[TAG_BYTES])
{
	run(gcm, manager->gcm128_dec, manager->gcm256_dec, len, nonce, added, in, out, tag);
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *gcm, int mode, size_t len,
                              const unsigned char *nonce, size_t nonce_len,
                              const unsigned char *added, size_t added_len, const unsigned char *in,
                              unsigned char *out, size_t tag_len, unsigned char *tag)
{
	uint8_t whole[TAG_BYTES];

	if (!can_do(gcm, nonce_len, tag_len))
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	if (mode == MBEDTLS_GCM_ENCRYPT)
		seal(gcm, len, nonce, bytes_of(added, added_len), in, out, whole);
	else
		open_sealed(gcm, len, nonce, bytes_of(added, added_len), in, out, whole);
	memcpy(tag, whole, tag_len);
	return 0;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *gcm, size_t len, const unsigned char *nonce,
                             size_t nonce_len, const unsigned char *added, size_t added_len,
                             const unsigned char *tag, size_t tag_len, const unsigned char *in,
                             unsigned char *out)
{
	uint8_t whole[TAG_BYTES], differ = 0;

	if (!can_do(gcm, nonce_len, tag_len))
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	open_sealed(gcm, len, nonce, bytes_of(added, added_len), in, out, whole);
	for (size_t i = 0; i < tag_len; i++)
		differ |= (uint8_t)(whole[i] ^ tag[i]);
	mbedtls_platform_zeroize(whole, sizeof(whole));
	if (differ != 0) {
		mbedtls_platform_zeroize(out, len);
		return MBEDTLS_ERR_GCM_AUTH_FAILED;
	}
	return 0;
}

void mbedtls_gcm_free(mbedtls_gcm_context *gcm)
{
	if (gcm == NULL || gcm->memory == NULL)
		return;
	mbedtls_platform_zeroize(gcm->memory, sizeof(struct gcm_key_data) + ALIGN_BYTES);
	mbedtls_free(gcm->memory);
	memset(gcm, 0, sizeof(*gcm));
	/* What the last message left there was made with a key. */
	mbedtls_platform_zeroize(&scratch, sizeof(scratch));
}

/* ---- messages in parts: not in TLS ---- */

int mbedtls_gcm_starts(mbedtls_gcm_context *gcm, int mode, const unsigned char *nonce,
                       size_t nonce_len)
{
	(void)gcm, (void)mode, (void)nonce, (void)nonce_len;
	return MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *gcm, const unsigned char *added, size_t added_len)
{
	(void)gcm, (void)added, (void)added_len;
	return MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_update(mbedtls_gcm_context *gcm, const unsigned char *in, size_t in_len,
                       unsigned char *out, size_t out_bytes, size_t *out_len)
{
	(void)gcm, (void)in, (void)in_len, (void)out, (void)out_bytes, (void)out_len;
	return MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *gcm, unsigned char *out, size_t out_bytes,
                       size_t *out_len, unsigned char *tag, size_t tag_len)
{
	(void)gcm, (void)out, (void)out_bytes, (void)out_len, (void)tag, (void)tag_len;
	return MBEDTLS_ERR_GCM_BAD_INPUT;
}
