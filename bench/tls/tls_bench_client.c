/* tls_bench_client.c - certificates and the client, by OpenSSL. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/tls/tls_bench.h"

uint64_t now_ns(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

_Noreturn void stop_bench(const char *what)
{
	(void)fprintf(stderr, "postern-bench-tls: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static size_t drain(BIO *bio, char *out, size_t bytes_max)
{
	int len = BIO_read(bio, out, (int)bytes_max - 1);

	if (len <= 0)
		stop_bench("a certificate could not be written");
	BIO_free(bio);
	return (size_t)len;
}

static EVP_PKEY *key_make(enum identity_kind kind)
{
	switch (kind) {
	case IDENTITY_ECDSA:
		return EVP_EC_gen("P-256");
	case IDENTITY_ECDSA_384:
		return EVP_EC_gen("P-384");
	case IDENTITY_ECDSA_521:
		return EVP_EC_gen("P-521");
	default:
		return EVP_RSA_gen(kind == IDENTITY_RSA ? 2048u : 4096u);
	}
}

void identity_make(enum identity_kind kind, struct identity *out_identity)
{
	EVP_PKEY *key = key_make(kind);
	X509 *leaf = X509_new();
	BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());

	if (key == NULL || leaf == NULL)
		stop_bench("no key");
	(void)X509_set_version(leaf, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(leaf), -86400);
	(void)X509_gmtime_adj(X509_getm_notAfter(leaf), 86400 * 30);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_ASC,
	                                 (const unsigned char *)"bench", -1, -1, 0);
	(void)X509_set_issuer_name(leaf, X509_get_subject_name(leaf));
	(void)X509_set_pubkey(leaf, key);
	if (X509_sign(leaf, key, EVP_sha256()) == 0 || PEM_write_bio_X509(chain, leaf) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) != 1)
		stop_bench("no certificate");
	out_identity->chain_len = drain(chain, out_identity->chain, sizeof(out_identity->chain));
	out_identity->key_len = drain(secret, out_identity->key, sizeof(out_identity->key));
	X509_free(leaf);
	EVP_PKEY_free(key);
}

void client_make(struct client *client, int version, const char *group)
{
	*client = (struct client){.context = SSL_CTX_new(TLS_client_method())};
	if (client->context == NULL)
		stop_bench("no client");
	(void)SSL_CTX_set_min_proto_version(client->context, version);
	(void)SSL_CTX_set_max_proto_version(client->context, version);
	(void)SSL_CTX_set1_groups_list(client->context, group);
	(void)SSL_CTX_set_cipher_list(client->context,
	                              "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
	(void)SSL_CTX_set_ciphersuites(client->context, "TLS_AES_128_GCM_SHA256");
	/* With a cache of its own it would use a session once. */
	(void)SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
}

void client_drop(struct client *client)
{
	SSL_SESSION_free(client->session);
	SSL_CTX_free(client->context);
}

void client_open(struct client *client)
{
	client->ssl = SSL_new(client->context);
	if (client->ssl == NULL)
		stop_bench("no connection");
	SSL_set_bio(client->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(client->ssl);
	if (client->session != NULL)
		(void)SSL_set_session(client->ssl, client->session);
}

void client_close(struct client *client)
{
	/* Without this the session would not count as one to resume. */
	(void)SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client->ssl);
}

static void collect(struct client *client, struct wire *out)
{
	int len = BIO_read(SSL_get_wbio(client->ssl), out->octets + out->len,
	                   (int)(WIRE_BYTES_MAX - out->len));

	if (len > 0)
		out->len += (size_t)len;
}

void client_turn(struct client *client, struct wire *in, struct wire *out)
{
	char octets[16384];

	if (in->len > 0)
		(void)BIO_write(SSL_get_rbio(client->ssl), in->octets, (int)in->len);
	in->len = 0;
	if (!SSL_is_init_finished(client->ssl) && SSL_do_handshake(client->ssl) < 0 &&
	    ERR_peek_error() != 0)
		stop_bench("the client's handshake failed");
	if (SSL_is_init_finished(client->ssl))
		while (SSL_read(client->ssl, octets, sizeof(octets)) > 0)
			;
	collect(client, out);
	ERR_clear_error();
}

void client_write(struct client *client, struct bytes octets, struct wire *out)
{
	if (SSL_write(client->ssl, octets.data, (int)octets.len) != (int)octets.len)
		stop_bench("the client could not write");
	collect(client, out);
}
