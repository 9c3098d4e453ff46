/* tls.c - connections: octets of the wire in and out, plaintext out and in.
 *
 * The library reads through take_input, exactly what it needs next (the header of a record, then
 * the rest), straight from the caller's octets into its record buffer; what comes behind stays
 * where it is. It writes through show_output, which hands nothing on but notes where in the
 * library's buffer the sealed record lies: tls_output shows that place to the caller, who says how
 * much of it has gone. Plaintext is shown where it was decrypted, too. */
#include "tcpstack/tls.h"

#include <string.h>

#include <ssl_misc.h>

#include "base/check.h"
#include "tcpstack/tls_internal.h"

static int take_input(void *context, unsigned char *out, size_t bytes)
{
	struct tls *tls = context;
	size_t taken = tls->input.len < bytes ? tls->input.len : bytes;

	if (taken == 0) {
		if (!tls->ended)
			return MBEDTLS_ERR_SSL_WANT_READ;
		tls->met_end = true;
		return 0;
	}
	memcpy(out, tls->input.data, taken);
	tls->input = bytes_slice(tls->input, taken, tls->input.len);
	tls->taken_bytes += taken;
	return (int)taken;
}

static int show_output(void *context, const unsigned char *octets, size_t len)
{
	struct tls *tls = context;
	size_t gone = tls->credit < len ? tls->credit : len;

	if (gone > 0) {
		tls->credit -= gone;
		return (int)gone;
	}
	tls->wire = bytes_of(octets, len);
	return MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* ---- beginning and end ---- */

/* A host name as RFC 6066 3 means it: no address literal, nothing but letters, digits, '-', '_'. */
static bool is_host_name(struct bytes name)
{
	bool letter = false;

	if (name.len == 0 || name.len > TLS_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t octet = bytes_lower(name.data[i]);
		bool digit = octet >= '0' && octet <= '9';
		letter |= octet >= 'a' && octet <= 'z';
		if (!digit && !(octet >= 'a' && octet <= 'z') && octet != '-' && octet != '.' &&
		    octet != '_')
			return false;
	}
	return letter;
}

static int set_up(struct tls *tls, struct bytes server_name)
{
	struct tls_config *config = tls->config;
	bool client = config->role == TLS_CLIENT;
	int result = mbedtls_ssl_setup(&tls->ssl, &config->ssl);

	if (result != 0) {
		tls->ssl.conf = &config
		                     ->ssl; /* forgotten by then, and asked for when it is freed */
		return result;
	}
	mbedtls_ssl_set_user_data_p(&tls->ssl, tls);
	mbedtls_ssl_set_bio(&tls->ssl, tls, show_output, take_input, NULL);
	if (config->key_log != NULL)
		mbedtls_ssl_set_export_keys_cb(&tls->ssl, tls_log_keys, tls);
	if (!client)
		return 0;
	tls->named = is_host_name(server_name);
	if (tls->named) {
		memcpy(tls->server_name, server_name.data, server_name.len);
		return mbedtls_ssl_set_hostname(&tls->ssl, tls->server_name);
	}
	/* Without a name nothing can be required: the library then refuses the certificate. */
	if (config->ssl.authmode != MBEDTLS_SSL_VERIFY_REQUIRED)
		return mbedtls_ssl_set_hostname(&tls->ssl, NULL);
	return 0;
}

struct tls *tls_open(struct tls_engine *engine, struct tls_config *config, struct bytes server_name)
{
	ASSERT(engine == tls_engine_here());
	ASSERT(config->role == TLS_CLIENT || server_name.len == 0);
	if (tls_memory_left(&engine->memory) < 2 * (size_t)TLS_CONNECTION_BYTES) {
		engine->counters->refused_memory++;
		return NULL;
	}
	struct tls *tls = pool_get(&engine->connections);
	if (COUNT_IF(tls == NULL, engine->counters->refused_full))
		return NULL;

	memset(tls, 0, sizeof(*tls));
	tls->engine = engine;
	tls->config = config;
	atomic_fetch_add_explicit(&config->users, 1, memory_order_relaxed);
	struct tls_memory *before = tls_enter(&engine->memory);
	mbedtls_ssl_init(&tls->ssl);
	int result = set_up(tls, server_name);
	tls_leave(before);
	if (COUNT_IF(result != 0, engine->counters->refused_memory)) {
		tls_free(tls);
		return NULL;
	}
	engine->counters->opened++;
	return tls;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;

	struct tls_engine *engine = tls->engine;
	struct tls_config *config = tls->config;
	struct tls_memory *before = tls_enter(&engine->memory);
	tls_helper_forget(tls);
	mbedtls_ssl_free(&tls->ssl);
	tls_leave(before);
	pool_put(&engine->connections, tls);
	/* The last user's reads of the configuration come before whoever sees no users frees it. */
	atomic_fetch_sub_explicit(&config->users, 1, memory_order_release);
}

size_t tls_session_save(struct tls *tls, uint8_t *out, size_t bytes_max)
{
	struct tls_memory *before = tls_enter(&tls->engine->memory);
	mbedtls_ssl_session session;
	size_t len = 0;

	ASSERT(tls->config->role == TLS_CLIENT);
	mbedtls_ssl_session_init(&session);
	if (!tls->told || tls->ssl.session == NULL || tls->ssl.session->ticket == NULL ||
	    mbedtls_ssl_get_session(&tls->ssl, &session) != 0 ||
	    mbedtls_ssl_session_save(&session, out, bytes_max, &len) != 0)
		len = 0;
	mbedtls_ssl_session_free(&session);
	tls_leave(before);
	return len;
}

enum err tls_session_resume(struct tls *tls, struct bytes octets)
{
	struct tls_memory *before = tls_enter(&tls->engine->memory);
	mbedtls_ssl_session session;
	enum err err = OK;

	ASSERT(tls->config->role == TLS_CLIENT);
	ASSERT(tls->ssl.state == MBEDTLS_SSL_HELLO_REQUEST);
	mbedtls_ssl_session_init(&session);
	if (mbedtls_ssl_session_load(&session, octets.data, octets.len) != 0 ||
	    mbedtls_ssl_set_session(&tls->ssl, &session) != 0)
		err = ERR_SYNTAX;
	mbedtls_ssl_session_free(&session);
	tls_leave(before);
	return err;
}

void tls_set_user(struct tls *tls, void *user)
{
	tls->user = user;
}

void *tls_user(const struct tls *tls)
{
	return tls->user;
}

void tls_feed(struct tls *tls, struct bytes octets, bool ended)
{
	tls->input = octets;
	tls->ended = ended;
}

/* ---- failures ---- */

static enum tls_reason reason_of(const struct tls *tls, int code, bool short_of_memory)
{
	if (short_of_memory)
		return TLS_REASON_MEMORY;
	switch (code) {
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return TLS_REASON_MEMORY;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return TLS_REASON_ALERT;
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
		return TLS_REASON_VERSION;
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
		return TLS_REASON_SUITE;
	case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
		return TLS_REASON_APPLICATION;
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
		return TLS_REASON_NO_CERTIFICATE;
	case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
	case MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED:
	case MBEDTLS_ERR_SSL_CERTIFICATE_VERIFICATION_WITHOUT_HOSTNAME:
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return TLS_REASON_CERTIFICATE;
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
	case MBEDTLS_ERR_SSL_INVALID_MAC:
	case MBEDTLS_ERR_SSL_BAD_INPUT_DATA: /* a record that does not fit */
		return tls->ssl.state <= MBEDTLS_SSL_CLIENT_HELLO && tls->config->role == TLS_SERVER
		           ? TLS_REASON_NOT_TLS
		           : TLS_REASON_RECORD;
	case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
	case MBEDTLS_ERR_SSL_UNEXPECTED_RECORD:
	case MBEDTLS_ERR_SSL_BAD_CONFIG:
		return TLS_REASON_UNEXPECTED;
	case MBEDTLS_ERR_SSL_INTERNAL_ERROR:
	case MBEDTLS_ERR_SSL_HW_ACCEL_FAILED:
		return TLS_REASON_INTERNAL;
	default:
		return TLS_REASON_HANDSHAKE;
	}
}

static void count_failure(struct tls_counters *counters, enum tls_reason reason)
{
	switch (reason) {
	case TLS_REASON_MEMORY:
		counters->failed_memory++;
		return;
	case TLS_REASON_NOT_TLS:
		counters->failed_not_tls++;
		return;
	case TLS_REASON_VERSION:
		counters->failed_version++;
		return;
	case TLS_REASON_SUITE:
		counters->failed_suite++;
		return;
	case TLS_REASON_APPLICATION:
		counters->failed_application++;
		return;
	case TLS_REASON_CERTIFICATE:
		counters->failed_certificate++;
		return;
	case TLS_REASON_NO_CERTIFICATE:
		counters->failed_no_certificate++;
		return;
	case TLS_REASON_ALERT:
		counters->failed_alert++;
		return;
	case TLS_REASON_RECORD:
		counters->failed_record++;
		return;
	case TLS_REASON_HANDSHAKE:
		counters->failed_handshake++;
		return;
	case TLS_REASON_UNEXPECTED:
		counters->failed_unexpected++;
		return;
	case TLS_REASON_INTERNAL:
		counters->failed_internal++;
		return;
	case TLS_REASON_NONE:
		break;
	}
	UNREACHABLE();
}

static struct tls_event finish(struct tls *tls, enum tls_event_kind kind, enum tls_reason reason)
{
	tls->final = true;
	tls->last = (struct tls_event){.kind = kind, .reason = reason};
	if (kind == TLS_CLOSED)
		tls->engine->counters->closed++;
	else if (kind == TLS_TRUNCATED)
		tls->engine->counters->truncated++;
	else
		count_failure(tls->engine->counters, reason);
	return tls->last;
}

/* RFC 8446 6.2: what to say when the library said nothing. */
static unsigned char alert_for(enum tls_reason reason)
{
	switch (reason) {
	case TLS_REASON_VERSION:
		return MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION;
	case TLS_REASON_SUITE:
		return MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
	case TLS_REASON_APPLICATION:
		return MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL;
	case TLS_REASON_NO_CERTIFICATE:
		return MBEDTLS_SSL_ALERT_MSG_NO_CERT;
	case TLS_REASON_CERTIFICATE:
		return MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
	case TLS_REASON_RECORD:
		return MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC;
	case TLS_REASON_HANDSHAKE:
		return MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR;
	case TLS_REASON_UNEXPECTED:
		return MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE;
	default:
		return MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR;
	}
}

static struct tls_event fail(struct tls *tls, int code, bool short_of_memory)
{
	struct tls_event event = finish(tls, TLS_FAILED, reason_of(tls, code, short_of_memory));

	/* The alert lies where the library reads records to (RFC 8446 6: level, description). */
	if (event.reason == TLS_REASON_ALERT)
		event.alert = tls->last.alert = tls->ssl.in_msg[1];
	else if (tls->ssl.out_left == 0 && event.reason != TLS_REASON_NOT_TLS)
		(void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
		                                     alert_for(event.reason));
	return event;
}

/* ---- steps ---- */

/* What a code means that both the handshake and reading may return. */
static struct tls_event judge(struct tls *tls, int code, uint64_t exhausted)
{
	bool short_of_memory = tls->engine->memory.exhausted != exhausted;

	if (code == MBEDTLS_ERR_SSL_WANT_WRITE && tls->ssl.send_alert != 0) {
		/* An alert is on its way out and would be made again and again: the library waits
		 * for its own f_send to be done with it. */
		tls->ssl.send_alert = 0;
		return fail(tls, tls->ssl.alert_reason, short_of_memory);
	}
	switch (code) {
	case MBEDTLS_ERR_SSL_WANT_WRITE:
		return (struct tls_event){.kind = TLS_OUTPUT};
	case MBEDTLS_ERR_SSL_WANT_READ: {
		/* A ticket that was read waits to be understood. */
		bool ticket = tls->told && tls->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER;
		bool more = tls->input.len == 0 && !(ticket && tls->config->role == TLS_CLIENT);
		return (struct tls_event){.kind = more ? TLS_MORE : TLS_STEP};
	}
	case MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS:
		return (struct tls_event){.kind = TLS_WAITING};
	case MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET:
		return (struct tls_event){.kind = TLS_STEP};
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		return finish(tls, TLS_CLOSED, TLS_REASON_NONE);
	case MBEDTLS_ERR_SSL_CONN_EOF:
		return finish(tls, TLS_TRUNCATED, TLS_REASON_NONE);
	default:
		return fail(tls, code, short_of_memory);
	}
}

static struct tls_event done(struct tls *tls)
{
	struct tls_counters *counters = tls->engine->counters;

	tls->told = true;
	if (tls->config->role == TLS_SERVER)
		counters->handshakes_server++;
	else
		counters->handshakes_client++;
	if (tls->ssl.tls_version == MBEDTLS_SSL_VERSION_TLS1_3)
		counters->handshakes_1_3++;
	else
		counters->handshakes_1_2++;
	if (tls->resumed)
		counters->resumed++;
	return (struct tls_event){.kind = TLS_HANDSHAKE};
}

/* A session goes on with the suite it began with (RFC 5246 7.4.1.3), but the library of a TLS 1.2
 * server puts what it would choose today in its place, and clients hang up on that: after a change
 * of certificates or suites each one that holds a ticket. Nothing but the ClientHello has been
 * dealt with when this is seen: the session is forgotten, and a full handshake follows. */
static void forget_other_suite(struct tls *tls)
{
	mbedtls_ssl_handshake_params *handshake = tls->ssl.handshake;
	mbedtls_ssl_session *session = tls->ssl.session_negotiate;
	int suite = session->ciphersuite;

	if (handshake->resume == 0 || tls->engine->ticket_suite == suite)
		return;
	mbedtls_ssl_session_free(session);
	mbedtls_ssl_session_init(session);
	session->ciphersuite = suite;
	session->tls_version = tls->ssl.tls_version;
	session->endpoint = MBEDTLS_SSL_IS_SERVER;
	handshake->resume = 0;
	handshake->new_session_ticket = 1;
	tls->engine->counters->tickets_other_suite++;
}

static struct tls_event step_handshake(struct tls *tls)
{
	uint64_t exhausted = tls->engine->memory.exhausted;
	int before = tls->ssl.state;
	int code = mbedtls_ssl_handshake_step(&tls->ssl);

	if (before == MBEDTLS_SSL_CLIENT_HELLO && tls->ssl.state == MBEDTLS_SSL_SERVER_HELLO &&
	    tls->config->role == TLS_SERVER && tls->ssl.tls_version == MBEDTLS_SSL_VERSION_TLS1_2)
		forget_other_suite(tls);
	tls_note_handshake(tls);
	if (tls->ssl.state != before)
		tls->engine->counters->handshake_steps++;
	if (code == 0)
		return (struct tls_event){.kind = TLS_STEP};
	return judge(tls, code, exhausted);
}

/* Plaintext that was decrypted and not consumed: in_offt is the library's mark of the next octet.
 */
static struct bytes plaintext(const struct tls *tls)
{
	if (tls->ssl.in_offt == NULL)
		return (struct bytes){0};
	return bytes_of(tls->ssl.in_offt, tls->ssl.in_msglen);
}

static struct tls_event step_read(struct tls *tls)
{
	uint64_t exhausted = tls->engine->memory.exhausted;
	int code = 0;

	/* Of no octets: the library decrypts the next record and leaves the plaintext in place. */
	if (plaintext(tls).len == 0)
		code = mbedtls_ssl_read(&tls->ssl, NULL, 0);
	if (plaintext(tls).len > 0)
		return (struct tls_event){.kind = TLS_DATA, .data = plaintext(tls)};
	if (code == 0 && tls->met_end)
		return finish(tls, TLS_TRUNCATED, TLS_REASON_NONE);
	if (code == 0)
		return (struct tls_event){.kind = TLS_STEP}; /* an empty record */
	return judge(tls, code, exhausted);
}

void tls_next(struct tls *tls, struct tls_event *out_event)
{
	if (tls->final) {
		*out_event = tls->last;
		return;
	}
	struct tls_memory *before = tls_enter(&tls->engine->memory);
	tls->taken_bytes = 0;
	if (tls->signing != NULL && tls->signing->state != TLS_SIGNING_DONE)
		*out_event = (struct tls_event){.kind = TLS_WAITING};
	else if (mbedtls_ssl_is_handshake_over(&tls->ssl) && !tls->told)
		*out_event = done(tls);
	else if (tls->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER)
		*out_event = step_handshake(tls);
	else
		*out_event = step_read(tls);
	out_event->taken_bytes = tls->taken_bytes;
	tls->engine->counters->memory_exhausted = tls->engine->memory.exhausted;
	tls_leave(before);
}

void tls_consume(struct tls *tls, size_t bytes)
{
	mbedtls_ssl_context *ssl = &tls->ssl;

	ASSERT(bytes <= plaintext(tls).len);
	if (bytes == 0)
		return;
	/* As mbedtls_ssl_read does after its copy. */
	mbedtls_platform_zeroize(ssl->in_offt, bytes);
	ssl->in_offt += bytes;
	ssl->in_msglen -= bytes;
	if (ssl->in_msglen == 0) {
		ssl->in_offt = NULL;
		ssl->keep_current_message = 0;
	}
	tls->engine->counters->octets_in += bytes;
}

/* ---- sending ---- */

/* Octets that wait for the wire; the library forgets those that have gone. */
static struct bytes waiting(struct tls *tls, size_t gone)
{
	struct tls_memory *before = tls_enter(&tls->engine->memory);

	tls->credit = gone;
	tls->wire = (struct bytes){0};
	/* It says no more than whether something waits. */
	int code = mbedtls_ssl_flush_output(&tls->ssl);
	ASSERT(tls->credit == 0);
	ASSERT((code == 0) == (tls->wire.len == 0));
	tls_leave(before);
	return tls->wire;
}

struct bytes tls_output(struct tls *tls, size_t sent)
{
	return waiting(tls, sent);
}

size_t tls_write(struct tls *tls, struct bytes octets)
{
	if (tls->final && tls->last.kind != TLS_CLOSED)
		return 0;
	if (!tls->told || tls->closing || octets.len == 0 || waiting(tls, 0).len > 0 ||
	    tls->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER)
		return 0;

	struct tls_memory *before = tls_enter(&tls->engine->memory);
	uint64_t exhausted = tls->engine->memory.exhausted;
	int max = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);
	int code = max <= 0
	               ? MBEDTLS_ERR_SSL_INTERNAL_ERROR
	               : mbedtls_ssl_write(&tls->ssl, octets.data,
	                                   octets.len < (size_t)max ? octets.len : (size_t)max);
	tls_leave(before);
	/* show_output takes nothing at once, so a record that was sealed waits for the wire. */
	if (code != MBEDTLS_ERR_SSL_WANT_WRITE) {
		if (!tls->final)
			(void)fail(tls, code, tls->engine->memory.exhausted != exhausted);
		return 0;
	}
	size_t taken = octets.len < (size_t)max ? octets.len : (size_t)max;
	tls->engine->counters->octets_out += taken;
	return taken;
}

bool tls_close(struct tls *tls)
{
	bool nobody = !tls->told || (tls->final && tls->last.kind == TLS_FAILED);

	if (nobody || tls->closing)
		return true;
	if (waiting(tls, 0).len > 0)
		return false;
	struct tls_memory *before = tls_enter(&tls->engine->memory);
	(void)mbedtls_ssl_close_notify(&tls->ssl);
	tls_leave(before);
	tls->closing = true;
	return true;
}
