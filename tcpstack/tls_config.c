/* tls_config.c - certificates, keys and policy, checked once and then only read. */
#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include "base/check.h"
#include "tcpstack/tls_accel.h"
#include "tcpstack/tls_internal.h"

/* Address space, of which only what is used gets touched: room for all public roots. */
#define CONFIG_MEMORY_BYTES ((size_t)16 << 20)
#define PEM_BYTES_MAX       ((size_t)4 << 20)
#define KEY_DER_BYTES_MAX   4096 /* RSA-4096 takes 2400 */
/* An exchange on a larger curve takes milliseconds in one step, and it is the client who says which
 * curves he knows: they are for those who ask for them. */
#define SERVER_GROUPS "x25519:secp256r1"
/* What the handshake message puts around the certificates, and each of them (RFC 8446 4.4.2). */
#define CHAIN_FRAME_BYTES       64
#define CERTIFICATE_FRAME_BYTES 5

/* What tls_config_new is at work with. */
struct making {
	const struct tls_config_options *options;
	struct tls_config *config;
	char *reason;
	size_t reason_bytes;
};

__attribute__((format(printf, 3, 4))) static enum err refuse(struct making *making, enum err err,
                                                             const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(making->reason, making->reason_bytes, format, arguments);
	va_end(arguments);
	return err;
}

static enum err refuse_library(struct making *making, const char *what, int code)
{
	char text[128];

	mbedtls_strerror(code, text, sizeof(text));
	return refuse(making, ERR_SYNTAX, "%s: %s", what, text);
}

/* ---- lists of names ---- */

struct named_number {
	uint16_t number;
	const char *text;
};

static const struct named_number suite_names[] = {
#define TLS_SUITE(number, name, bits) {number, #name},
#include "tcpstack/tls_suites.def"
};
static const struct named_number group_names[] = {
#define TLS_GROUP(number, name) {number, #name},
#include "tcpstack/tls_groups.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static_assert(sizeof(((struct tls_ticket_key *)NULL)->secret) == 32, "a digest is a secret");
static_assert(COUNT_OF(suite_names) <= TLS_SUITES_MAX, "all suites can be named");
static_assert(COUNT_OF(group_names) <= TLS_GROUPS_MAX, "all groups can be named");

/* Numbers of the names in `list`, or of all names; count of them, 0 when one is unknown. */
static uint32_t numbers_of(const struct named_number *names, size_t name_count, const char *list,
                           uint16_t *out_numbers)
{
	uint32_t count = 0;

	if (list == NULL) {
		for (; count < name_count; count++)
			out_numbers[count] = names[count].number;
		return count;
	}
	for (const char *at = list; *at != '\0' && count < name_count;) {
		struct bytes name = bytes_text(at);
		size_t i = 0;
		name.len = bytes_find(name, ':');
		while (i < name_count && !bytes_equal_nocase(name, bytes_text(names[i].text)))
			i++;
		if (i == name_count)
			return 0;
		out_numbers[count++] = names[i].number;
		at += name.len;
		at += *at == ':';
	}
	return count;
}

static enum err set_policy(struct making *making)
{
	const struct tls_config_options *options = making->options;
	struct tls_config *config = making->config;
	uint16_t numbers[COUNT_OF(suite_names)];
	uint32_t count = numbers_of(suite_names, COUNT_OF(suite_names), options->suites, numbers);

	if (count == 0)
		return refuse(making, ERR_UNKNOWN, "cipher suites: unknown name in \"%s\"",
		              options->suites);
	for (uint32_t i = 0; i < count; i++)
		config->suites[i] = numbers[i];
	const char *groups = options->groups == NULL && config->role == TLS_SERVER
	                         ? SERVER_GROUPS
	                         : options->groups;
	count = numbers_of(group_names, COUNT_OF(group_names), groups, config->groups);
	if (count == 0)
		return refuse(making, ERR_UNKNOWN, "groups: unknown name in \"%s\"", groups);
	if (options->version_min > options->version_max)
		return refuse(making, ERR_RANGE, "the lowest version is above the highest");

	static const mbedtls_ssl_protocol_version versions[] = {
	    [TLS_1_2] = MBEDTLS_SSL_VERSION_TLS1_2,
	    [TLS_1_3] = MBEDTLS_SSL_VERSION_TLS1_3,
	};
	mbedtls_ssl_conf_ciphersuites(&config->ssl, config->suites);
	mbedtls_ssl_conf_groups(&config->ssl, config->groups);
	mbedtls_ssl_conf_min_tls_version(&config->ssl, versions[options->version_min]);
	mbedtls_ssl_conf_max_tls_version(&config->ssl, versions[options->version_max]);
	mbedtls_ssl_conf_preference_order(&config->ssl, MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_SERVER);
	/* Resumption with a fresh exchange only: yesterday's key opens no session of today. */
	mbedtls_ssl_conf_tls13_key_exchange_modes(
	    &config->ssl, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
	                      MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
	return OK;
}

/* ---- certificates and keys ---- */

/* The library wants PEM to end in NUL. */
static const unsigned char *terminated(struct making *making, struct bytes pem)
{
	uint8_t *copy = pem.len > PEM_BYTES_MAX
	                    ? NULL
	                    : arena_take(&making->config->arena, pem.len + 1, 1, 1);

	if (copy != NULL && pem.len > 0)
		memcpy(copy, pem.data, pem.len);
	return copy;
}

static enum err parse_chain(struct making *making, const char *what, struct bytes pem,
                            mbedtls_x509_crt *out_chain)
{
	const unsigned char *text = terminated(making, pem);
	if (text == NULL)
		return refuse(making, ERR_NO_MEMORY, "%s: too large", what);

	int result = mbedtls_x509_crt_parse(out_chain, text, pem.len + 1);
	if (result < 0)
		return refuse_library(making, what, result);
	if (result > 0)
		return refuse(making, ERR_SYNTAX, "%s: %d of the certificates cannot be read", what,
		              result);
	return OK;
}

/* The check asks PSA in accelerated builds, whose key store belongs to the thread: it must not grow
 * into the configuration's memory. */
static int check_pair(struct tls_certificate *certificate)
{
	struct tls_engine *engine = tls_engine_here();
	int result;

	if (engine == NULL && psa_crypto_init() != PSA_SUCCESS)
		return MBEDTLS_ERR_PK_ALLOC_FAILED;
	struct tls_memory *before = tls_enter(engine != NULL ? &engine->memory
	                                                     : certificate->memory);
	result = mbedtls_pk_check_pair(&certificate->chain.pk, &certificate->key, tls_random, NULL);
	tls_leave(before);
	if (engine == NULL)
		mbedtls_psa_crypto_free();
	return result;
}

static void quicken_key(struct tls_certificate *certificate)
{
	uint8_t der[KEY_DER_BYTES_MAX];
	int len = mbedtls_pk_write_key_der(&certificate->key, der, sizeof(der));

	if (len > 0)
		certificate->accel = tls_accel_key_new(
		    mbedtls_pk_get_type(&certificate->key) == MBEDTLS_PK_RSA,
		    bytes_of(der + sizeof(der) - (size_t)len, (size_t)len));
	mbedtls_platform_zeroize(der, sizeof(der));
	/* Judged by kind: a measurement would make what a key is depend on what else the machine
	 * did when it was loaded. ECDSA on P-256 by libcrypto takes some 20 us, all others take
	 * more than a worker should stand still for. */
	certificate->slow = certificate->accel == NULL ||
	                    mbedtls_pk_get_type(&certificate->key) == MBEDTLS_PK_RSA;
}

static enum err parse_key(struct making *making, const char *what, struct bytes pem,
                          struct tls_certificate *certificate)
{
	const unsigned char *text = terminated(making, pem);
	if (text == NULL)
		return refuse(making, ERR_NO_MEMORY, "%s: too large", what);

	int result = mbedtls_pk_parse_key(&certificate->key, text, pem.len + 1, NULL, 0, tls_random,
	                                  NULL);
	mbedtls_platform_zeroize((void *)(uintptr_t)text, pem.len);
	if (result != 0)
		return refuse_library(making, what, result);
	if (check_pair(certificate) != 0)
		return refuse(making, ERR_SYNTAX, "%s: the key is not the certificate's", what);
	quicken_key(certificate);
	return OK;
}

static size_t chain_bytes(const mbedtls_x509_crt *chain)
{
	size_t bytes = CHAIN_FRAME_BYTES;

	for (; chain != NULL; chain = chain->next)
		bytes += chain->raw.len + CERTIFICATE_FRAME_BYTES;
	return bytes;
}

static enum err add_identity(struct making *making, uint32_t index)
{
	struct tls_config *config = making->config;
	struct tls_certificate *certificate = &config->certificates[index];
	const struct tls_identity *identity = &making->options->identities[index];
	char what[32];

	certificate->memory = &config->memory;
	config->certificate_count = index + 1;
	(void)snprintf(what, sizeof(what), "certificate %u", index + 1);
	enum err err = parse_chain(making, what, identity->chain_pem, &certificate->chain);
	if (err != OK)
		return err;
	(void)snprintf(what, sizeof(what), "key %u", index + 1);
	err = parse_key(making, what, identity->key_pem, certificate);
	if (err != OK)
		return err;
	if (chain_bytes(&certificate->chain) > MBEDTLS_SSL_OUT_CONTENT_LEN)
		return refuse(making, ERR_RANGE,
		              "certificate %u: the chain has %zu octets, at most %d fit into a "
		              "handshake message",
		              index + 1, chain_bytes(&certificate->chain),
		              MBEDTLS_SSL_OUT_CONTENT_LEN);
	if (config->role == TLS_CLIENT &&
	    mbedtls_ssl_conf_own_cert(&config->ssl, &certificate->chain, &certificate->key) != 0)
		return refuse(making, ERR_NO_MEMORY, "certificate %u: no memory", index + 1);
	return OK;
}

/* ---- which certificate a client gets ---- */

/* RFC 6125 6.4.3: a star stands for the whole leftmost label. */
static bool name_fits(struct bytes pattern, struct bytes name)
{
	if (bytes_starts_nocase(pattern, BYTES("*."))) {
		size_t dot = bytes_find(name, '.');
		return dot > 0 && dot < name.len &&
		       bytes_equal_nocase(bytes_slice(pattern, 1, pattern.len),
		                          bytes_slice(name, dot, name.len));
	}
	return bytes_equal_nocase(pattern, name);
}

static bool bears_name(const mbedtls_x509_crt *leaf, struct bytes name)
{
	const mbedtls_x509_sequence *next = &leaf->subject_alt_names;

	for (; next != NULL; next = next->next) {
		bool dns = (next->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) ==
		           MBEDTLS_X509_SAN_DNS_NAME;
		if (dns && name_fits(bytes_of(next->buf.p, next->buf.len), name))
			return true;
	}
	if (leaf->subject_alt_names.buf.p != NULL)
		return false;
	for (const mbedtls_x509_name *part = &leaf->subject; part != NULL; part = part->next) {
		bool common = MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0;
		if (common && name_fits(bytes_of(part->val.p, part->val.len), name))
			return true;
	}
	return false;
}

/* Some name of the certificate, to find its twin with another kind of key. */
static struct bytes first_name(const mbedtls_x509_crt *leaf)
{
	const mbedtls_x509_sequence *next = &leaf->subject_alt_names;

	for (; next != NULL && next->buf.p != NULL; next = next->next)
		if ((next->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_DNS_NAME)
			return bytes_of(next->buf.p, next->buf.len);
	for (const mbedtls_x509_name *part = &leaf->subject; part != NULL; part = part->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0)
			return bytes_of(part->val.p, part->val.len);
	return (struct bytes){0};
}

/* Offers the first certificate with each kind of key that bears the name, ECDSA before RSA: the
 * library takes the first that the client can check. */
static int offer(mbedtls_ssl_context *ssl, struct tls_config *config, struct bytes name,
                 uint32_t *out_count)
{
	static const mbedtls_pk_type_t kinds[] = {MBEDTLS_PK_ECKEY, MBEDTLS_PK_RSA};

	*out_count = 0;
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		for (uint32_t i = 0; i < config->certificate_count; i++) {
			struct tls_certificate *certificate = &config->certificates[i];
			if (mbedtls_pk_get_type(&certificate->key) != kinds[k] ||
			    !bears_name(&certificate->chain, name))
				continue;
			int result = mbedtls_ssl_set_hs_own_cert(ssl, &certificate->chain,
			                                         &certificate->key);
			if (result != 0)
				return result;
			(*out_count)++;
			break;
		}
	}
	return 0;
}

int tls_choose_certificate(mbedtls_ssl_context *ssl)
{
	struct tls *tls = mbedtls_ssl_get_user_data_p(ssl);
	struct tls_config *config = tls->config;
	size_t len = 0;
	const unsigned char *sni = mbedtls_ssl_get_hs_sni(ssl, &len);
	uint32_t count = 0;

	if (sni != NULL && len > 0 && len <= TLS_NAME_BYTES_MAX) {
		for (size_t i = 0; i < len; i++)
			tls->server_name[i] = isgraph(sni[i]) ? (char)sni[i] : '?';
		tls->server_name[len] = '\0';
		int result = offer(ssl, config, bytes_of(sni, len), &count);
		if (result != 0 || count > 0)
			return result;
		tls->engine->counters->names_unknown++;
	}

	struct tls_certificate *first = &config->certificates[0];
	int result = offer(ssl, config, first_name(&first->chain), &count);
	if (result != 0 || count > 0)
		return result;
	return mbedtls_ssl_set_hs_own_cert(ssl, &first->chain, &first->key);
}

/* ---- the whole ---- */

static enum err set_peer_check(struct making *making)
{
	static const int modes[] = {
	    [TLS_VERIFY_NONE] = MBEDTLS_SSL_VERIFY_NONE,
	    [TLS_VERIFY_OPTIONAL] = MBEDTLS_SSL_VERIFY_OPTIONAL,
	    [TLS_VERIFY_REQUIRED] = MBEDTLS_SSL_VERIFY_REQUIRED,
	};
	struct tls_config *config = making->config;
	struct bytes roots = making->options->ca_pem;

	mbedtls_ssl_conf_authmode(&config->ssl, modes[making->options->verify]);
	if (roots.len > 0) {
		enum err err = parse_chain(making, "trusted roots", roots, &config->roots);
		if (err != OK)
			return err;
	} else if (making->options->verify == TLS_VERIFY_REQUIRED) {
		return refuse(making, ERR_RANGE,
		              "certificates are required, but no root is trusted");
	}
	mbedtls_ssl_conf_ca_chain(&config->ssl, roots.len > 0 ? &config->roots : NULL, NULL);
	/* Names of the roots in the request would have to fit into one record; few clients look. */
	mbedtls_ssl_conf_cert_req_ca_list(&config->ssl, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
	return OK;
}

/* A resumed session shows no certificate. So each way of asking for one, and each set of
 * authorities, has keys of its own: whoever got a ticket where none was asked for gets no further
 * with it where one is required, and workers and listeners with the same policy share tickets. */
static bool bind_keys(const struct tls_config_options *options, struct tls_ticket_key *keys)
{
	uint8_t text[sizeof(keys->secret) + 1 + 32], digest[32];
	bool bound = mbedtls_sha256(options->ca_pem.data, options->ca_pem.len,
	                            text + sizeof(keys->secret) + 1, 0) == 0;

	for (uint32_t i = 0; i < options->ticket_key_count && bound; i++) {
		memcpy(text, options->ticket_keys[i].secret, sizeof(keys->secret));
		text[sizeof(keys->secret)] = (uint8_t)options->verify;
		bound = mbedtls_sha256(text, sizeof(text), digest, 0) == 0;
		memcpy(keys[i].name, options->ticket_keys[i].name, sizeof(keys->name));
		memcpy(keys[i].secret, digest, sizeof(digest));
	}
	mbedtls_platform_zeroize(text, sizeof(text));
	mbedtls_platform_zeroize(digest, sizeof(digest));
	return bound;
}

static enum err set_tickets(struct making *making)
{
	const struct tls_config_options *options = making->options;
	struct tls_config *config = making->config;
	bool tickets = options->ticket_key_count > 0;

	if (options->ticket_key_count > TLS_TICKET_KEYS_MAX)
		return refuse(making, ERR_RANGE, "more than %d ticket keys", TLS_TICKET_KEYS_MAX);
	config->ticket_key_count = options->ticket_key_count;
	config->ticket_lifetime_s = options->ticket_lifetime_s;
	if (tickets && !bind_keys(options, config->ticket_keys))
		return refuse(making, ERR_NO_MEMORY, "no memory");
	if (config->role == TLS_CLIENT) {
		mbedtls_ssl_conf_session_tickets(&config->ssl, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
		mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
		    &config->ssl, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
	} else if (tickets) {
		mbedtls_ssl_conf_session_tickets_cb(&config->ssl, tls_ticket_write,
		                                    tls_ticket_parse, config);
		mbedtls_ssl_conf_new_session_tickets(&config->ssl, 1);
	}
	return OK;
}

static enum err make(struct making *making)
{
	const struct tls_config_options *options = making->options;
	struct tls_config *config = making->config;
	bool server = options->role == TLS_SERVER;

	if (mbedtls_ssl_config_defaults(
	        &config->ssl, server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
	        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		return refuse(making, ERR_NO_MEMORY, "no memory");
	mbedtls_ssl_conf_rng(&config->ssl, tls_random, NULL);
	if (options->identity_count > TLS_IDENTITIES_MAX)
		return refuse(making, ERR_RANGE, "more than %d certificates", TLS_IDENTITIES_MAX);
	if (server && options->identity_count == 0)
		return refuse(making, ERR_RANGE, "a server needs a certificate");

	enum err err = set_policy(making);
	for (uint32_t i = 0; err == OK && i < options->identity_count; i++)
		err = add_identity(making, i);
	if (err == OK)
		err = set_peer_check(making);
	if (err == OK)
		err = set_tickets(making);
	if (err == OK && server) {
		mbedtls_ssl_conf_cert_cb(&config->ssl, tls_choose_certificate);
		config->alpn[0] = options->alpn;
		if (options->alpn != NULL &&
		    mbedtls_ssl_conf_alpn_protocols(&config->ssl, config->alpn) != 0)
			return refuse(making, ERR_RANGE, "ALPN: no such name");
		tls_sign_let_helpers(&config->ssl);
	}
	config->key_log = options->key_log;
	config->key_log_context = options->key_log_context;
	return err;
}

/* An expired certificate is no error: mail goes on, and few senders look (RFC 7672 1.3.4). */
static void warn_of_validity(struct making *making, uint64_t unix_ms)
{
	struct tls_config *config = making->config;
	time_t now = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (mbedtls_platform_gmtime_r(&now, &tm) == NULL)
		return;
	mbedtls_x509_time today = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	                           tm.tm_hour,        tm.tm_min,     tm.tm_sec};
	for (uint32_t i = 0; i < config->certificate_count; i++) {
		const mbedtls_x509_crt *leaf = &config->certificates[i].chain;
		if (mbedtls_x509_time_cmp(&leaf->valid_to, &today) < 0)
			(void)refuse(making, OK, "certificate %u has expired", i + 1);
		else if (mbedtls_x509_time_cmp(&leaf->valid_from, &today) > 0)
			(void)refuse(making, OK, "certificate %u is not valid yet", i + 1);
	}
}

enum err tls_config_new(const struct tls_config_options *options, uint64_t unix_ms, char *reason,
                        size_t reason_bytes, struct tls_config **out_config)
{
	struct arena arena;
	struct making making = {.options = options, .reason = reason, .reason_bytes = reason_bytes};

	if (reason_bytes > 0)
		reason[0] = '\0';
	tls_library_open();
	if (arena_init(&arena, CONFIG_MEMORY_BYTES, false) != OK)
		return refuse(&making, ERR_NO_MEMORY, "no memory");
	struct tls_config *config = ARENA_TAKE(&arena, 1, struct tls_config);
	ASSERT(config != NULL);
	making.config = config;
	config->arena = arena;
	config->role = options->role;
	enum err err = tls_memory_init(&config->memory, &config->arena, CONFIG_MEMORY_BYTES / 2);
	if (err != OK) {
		arena_free(&arena);
		return err;
	}
	ASSERT(pthread_mutex_init(&config->signing, NULL) == 0);
	mbedtls_ssl_config_init(&config->ssl);
	mbedtls_x509_crt_init(&config->roots);
	for (uint32_t i = 0; i < TLS_IDENTITIES_MAX; i++) {
		mbedtls_x509_crt_init(&config->certificates[i].chain);
		mbedtls_pk_init(&config->certificates[i].key);
	}

	struct tls_memory *before = tls_enter(&config->memory);
	err = make(&making);
	tls_leave(before);
	if (err != OK) {
		tls_config_free(config);
		return err;
	}
	warn_of_validity(&making, unix_ms);
	*out_config = config;
	return OK;
}

uint32_t tls_config_users(const struct tls_config *config)
{
	return atomic_load_explicit(&config->users, memory_order_acquire);
}

void tls_config_free(struct tls_config *config)
{
	if (config == NULL)
		return;
	ASSERT(tls_config_users(config) == 0);

	struct tls_memory *before = tls_enter(&config->memory);
	for (uint32_t i = 0; i < TLS_IDENTITIES_MAX; i++) {
		tls_accel_key_free(config->certificates[i].accel);
		mbedtls_pk_free(&config->certificates[i].key);
		mbedtls_x509_crt_free(&config->certificates[i].chain);
	}
	mbedtls_x509_crt_free(&config->roots);
	mbedtls_ssl_config_free(&config->ssl);
	tls_leave(before);
	ASSERT(config->memory.used == 0);
	(void)pthread_mutex_destroy(&config->signing);
	mbedtls_platform_zeroize(config->ticket_keys, sizeof(config->ticket_keys));
	struct arena arena = config->arena;
	arena_free(&arena);
}
