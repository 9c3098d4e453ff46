/* tls_ticket.c - sessions sealed into tickets that the client keeps (RFC 5077, RFC 8446 4.6.1).
 *
 * A ticket is the key's name, a nonce, and, sealed by AES-256-GCM under that key with the name as
 * additional data: the time it was made, and the session. No state of it stays here, so any worker
 * with the same keys opens it. */
#include <string.h>

#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>

#include "base/check.h"
#include "tcpstack/tls_internal.h"

#define NAME_BYTES  sizeof(((struct tls_ticket_key *)NULL)->name)
#define NONCE_BYTES 12
#define TIME_BYTES  8
#define TAG_BYTES   16
#define FRAME_BYTES (NAME_BYTES + NONCE_BYTES + TIME_BYTES + TAG_BYTES)

static int prepare(mbedtls_gcm_context *gcm, const struct tls_ticket_key *key)
{
	mbedtls_gcm_init(gcm);
	return mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, key->secret, 256);
}

int tls_ticket_write(void *context, const mbedtls_ssl_session *session, unsigned char *start,
                     const unsigned char *end, size_t *out_len, uint32_t *out_lifetime)
{
	struct tls_config *config = context;
	struct tls_engine *engine = tls_engine_here();
	const struct tls_ticket_key *key = &config->ticket_keys[0];
	mbedtls_gcm_context gcm;
	size_t len = 0;

	*out_len = 0;
	if ((size_t)(end - start) < FRAME_BYTES)
		return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
	uint8_t *nonce = start + NAME_BYTES, *time = nonce + NONCE_BYTES;
	int result = mbedtls_ssl_session_save(session, time + TIME_BYTES,
	                                      (size_t)(end - start) - FRAME_BYTES, &len);
	if (result != 0)
		return result;
	memcpy(start, key->name, NAME_BYTES);
	memcpy(time, &engine->unix_ms, TIME_BYTES);
	result = tls_random(NULL, nonce, NONCE_BYTES);
	if (result != 0)
		return result;

	result = prepare(&gcm, key);
	if (result == 0)
		result = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, TIME_BYTES + len,
		                                   nonce, NONCE_BYTES, start, NAME_BYTES, time,
		                                   time, TAG_BYTES, time + TIME_BYTES + len);
	mbedtls_gcm_free(&gcm);
	if (result != 0)
		return result;
	*out_len = FRAME_BYTES + len;
	*out_lifetime = config->ticket_lifetime_s;
	engine->counters->tickets_sealed++;
	return 0;
}

static const struct tls_ticket_key *find_key(const struct tls_config *config, const uint8_t *name)
{
	for (uint32_t i = 0; i < config->ticket_key_count; i++)
		if (memcmp(config->ticket_keys[i].name, name, NAME_BYTES) == 0)
			return &config->ticket_keys[i];
	return NULL;
}

/* Opens in place. */
static int open_ticket(const struct tls_config *config, mbedtls_ssl_session *session,
                       uint8_t *ticket, size_t len)
{
	const struct tls_ticket_key *key = len > FRAME_BYTES ? find_key(config, ticket) : NULL;
	uint64_t now_ms = tls_engine_here()->unix_ms, made_ms;
	mbedtls_gcm_context gcm;

	if (key == NULL)
		return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
	uint8_t *nonce = ticket + NAME_BYTES, *time = nonce + NONCE_BYTES;
	size_t sealed = len - NAME_BYTES - NONCE_BYTES - TAG_BYTES;
	int result = prepare(&gcm, key);
	if (result == 0)
		result = mbedtls_gcm_auth_decrypt(&gcm, sealed, nonce, NONCE_BYTES, ticket,
		                                  NAME_BYTES, time + sealed, TAG_BYTES, time, time);
	mbedtls_gcm_free(&gcm);
	if (result != 0)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	memcpy(&made_ms, time, TIME_BYTES);
	if (made_ms > now_ms || now_ms - made_ms > config->ticket_lifetime_s * UINT64_C(1000))
		return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
	return mbedtls_ssl_session_load(session, time + TIME_BYTES, sealed - TIME_BYTES);
}

int tls_ticket_parse(void *context, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
	struct tls_engine *engine = tls_engine_here();
	int result = open_ticket(context, session, ticket, len);

	if (result == 0) {
		engine->counters->tickets_opened++;
		engine->ticket_suite = session->ciphersuite;
	} else {
		engine->counters->tickets_refused++;
		mbedtls_ssl_session_free(session);
		mbedtls_ssl_session_init(session);
	}
	return result;
}
