/* tls_describe.c - what is told of a connection: what was agreed, and its secrets to a key log. */
#include <stdio.h>
#include <string.h>

#include <mbedtls/sha256.h>
#include <ssl_misc.h>

#include "base/check.h"
#include "tcpstack/tls_internal.h"

struct suite {
	uint16_t number, bits;
	const char *name;
};

static const struct suite suites[] = {
#define TLS_SUITE(number, name, bits) {number, bits, #name},
#include "tcpstack/tls_suites.def"
};

static const char *group_name(uint16_t number)
{
	switch (number) {
#define TLS_GROUP(number, name) \
	case number: \
		return #name;
#include "tcpstack/tls_groups.def"
	}
	return "";
}

/* The group and whether a second ClientHello was asked for are in the state of the handshake, which
 * is freed at its end (ssl_misc.h). */
void tls_note_handshake(struct tls *tls)
{
	const mbedtls_ssl_handshake_params *handshake = tls->ssl.handshake;

	if (handshake == NULL)
		return;
	bool modern = tls->ssl.tls_version == MBEDTLS_SSL_VERSION_TLS1_3;
	bool answered = tls->ssl.state > MBEDTLS_SSL_SERVER_HELLO;
	/* Until the server answered, a client's marks say what it wishes for. */
	if (answered && modern) {
		tls->resumed = handshake->key_exchange_mode ==
		               MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL;
		tls->group = handshake->offered_group_id;
	} else if (answered) {
		tls->resumed = handshake->resume != 0;
	}
	if (handshake->hello_retry_request_flag != 0 && !tls->retried) {
		tls->retried = true;
		if (tls->config->role == TLS_SERVER)
			tls->engine->counters->retried++;
	}
	if (modern)
		return;
#ifdef MBEDTLS_USE_PSA_CRYPTO
	for (const uint16_t *group = tls->config->groups; *group != 0; group++) {
		psa_key_type_t type;
		size_t bits;
		if (mbedtls_ssl_get_psa_curve_info_from_tls_id(*group, &type, &bits) ==
		        PSA_SUCCESS &&
		    type == handshake->xxdh_psa_type && bits == handshake->xxdh_psa_bits)
			tls->group = *group;
	}
#else
	uint16_t group = mbedtls_ssl_get_tls_id_from_ecp_group_id(
	    handshake->ecdh_ctx.MBEDTLS_PRIVATE(grp_id));
	if (group != 0)
		tls->group = group;
#endif
}

static void describe_peer(const struct tls *tls, struct tls_info *out_info)
{
	const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&tls->ssl);
	uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);

	out_info->peer_certificate = peer != NULL;
	if (peer == NULL) {
		(void)snprintf(out_info->verify_text, sizeof(out_info->verify_text),
		               "no certificate");
		return;
	}
	(void)mbedtls_sha256(peer->raw.p, peer->raw.len, out_info->peer_sha256, 0);
	bool looked = tls->ssl.conf->authmode != MBEDTLS_SSL_VERIFY_NONE;
	if (!looked) {
		(void)snprintf(out_info->verify_text, sizeof(out_info->verify_text),
		               "not looked at");
	} else if (flags != 0) {
		int len = mbedtls_x509_crt_verify_info(out_info->verify_text,
		                                       sizeof(out_info->verify_text), "", flags);
		if (len < 0)
			(void)snprintf(out_info->verify_text, sizeof(out_info->verify_text),
			               "for several reasons");
		for (char *at = out_info->verify_text; *at != '\0'; at++)
			if (*at == '\n')
				*at = at[1] == '\0' ? '\0' : ';';
	} else if (tls->config->role == TLS_CLIENT && !tls->named) {
		(void)snprintf(out_info->verify_text, sizeof(out_info->verify_text),
		               "no name to compare with");
	} else {
		out_info->peer_verified = true;
	}
}

void tls_describe(const struct tls *tls, struct tls_info *out_info)
{
	int number = mbedtls_ssl_get_ciphersuite_id_from_ssl(&tls->ssl);

	*out_info = (struct tls_info){.version = "", .suite = "", .group = group_name(tls->group)};
	if (!tls->told)
		return;
	out_info->version = tls->ssl.tls_version == MBEDTLS_SSL_VERSION_TLS1_3 ? "TLSv1.3"
	                                                                       : "TLSv1.2";
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (suites[i].number == number) {
			out_info->suite = suites[i].name;
			out_info->suite_bits = suites[i].bits;
		}
	}
	out_info->resumed = tls->resumed;
	memcpy(out_info->server_name, tls->server_name, sizeof(out_info->server_name));
	describe_peer(tls, out_info);
}

/* ---- key log ---- */

static const char *label_of(mbedtls_ssl_key_export_type type)
{
	switch (type) {
	case MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET:
		return "CLIENT_RANDOM";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_HANDSHAKE_TRAFFIC_SECRET:
		return "CLIENT_HANDSHAKE_TRAFFIC_SECRET";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_HANDSHAKE_TRAFFIC_SECRET:
		return "SERVER_HANDSHAKE_TRAFFIC_SECRET";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
		return "CLIENT_TRAFFIC_SECRET_0";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
		return "SERVER_TRAFFIC_SECRET_0";
	default:
		return NULL;
	}
}

static size_t put_hex(char *out, const uint8_t *octets, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[octets[i] >> 4];
		out[2 * i + 1] = digits[octets[i] & 15];
	}
	return 2 * len;
}

void tls_log_keys(void *context, mbedtls_ssl_key_export_type type, const unsigned char *secret,
                  size_t secret_len, const unsigned char client_random[32],
                  const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
	const struct tls *tls = context;
	const char *label = label_of(type);
	char line[40 + 2 * 32 + 2 + 2 * 64];

	(void)server_random, (void)prf;
	if (label == NULL || secret_len > 64)
		return;
	size_t len = (size_t)snprintf(line, sizeof(line), "%s ", label);
	len += put_hex(line + len, client_random, 32);
	line[len++] = ' ';
	len += put_hex(line + len, secret, secret_len);
	tls->config->key_log(tls->config->key_log_context, bytes_of(line, len));
	mbedtls_platform_zeroize(line, sizeof(line));
}
