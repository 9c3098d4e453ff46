/* tls_peer.c - OpenSSL as the peer of our TLS, over BIOs in memory. */
#include "tests/tls_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/check.h"
#include "base/random.h"
#include "tests/tls_certificates.h"

#define PLAIN_ROOM 16384

struct tls_peer {
	SSL *ssl;
	bool broken;
	uint8_t *plain;
	size_t plain_at, plain_len, plain_room;
};

enum { CONTEXT_CLIENT, CONTEXT_ECDSA, CONTEXT_RSA, CONTEXT_COUNT };

static struct {
	SSL_CTX *context[CONTEXT_COUNT];
	SSL_SESSION *session; /* the last a client was given */
	uint64_t session_us;
	uint64_t now_us;
	struct random random;
} at;

/* ---- random numbers ---- */

static int draw(unsigned char *out, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (unsigned char)random_u64(&at.random);
	return 1;
}

static int ready(void)
{
	return 1;
}

static const RAND_METHOD from_seed = {.bytes = draw, .pseudorand = draw, .status = ready};

/* ---- contexts ---- */

static X509 *certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *its = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	ASSERT(its != NULL);
	BIO_free(bio);
	return its;
}

static void use_identity(SSL_CTX *context, const char *chain, const char *key)
{
	BIO *bio = BIO_new_mem_buf(key, -1);
	EVP_PKEY *secret = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509 *leaf = certificate(chain);

	ASSERT(SSL_CTX_use_certificate(context, leaf) == 1);
	ASSERT(SSL_CTX_use_PrivateKey(context, secret) == 1);
	X509_free(leaf);
	EVP_PKEY_free(secret);
	BIO_free(bio);
}

/* Sessions are kept by us: the newest ticket is the one that the next client shows. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(at.session);
	at.session = session;
	at.session_us = at.now_us;
	return 1;
}

static SSL_CTX *client_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	X509 *root = certificate(TEST_ROOT_PEM);

	ASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root) == 1);
	X509_free(root);
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(context),
	                           (time_t)(TLS_PEER_EPOCH_US / 1000000));
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_session_cache_mode(context,
	                                     SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep_session);
	return context;
}

static SSL_CTX *server_context(const char *chain, const char *key)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	use_identity(context, chain, key);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return context;
}

bool tls_peer_open(uint64_t seed)
{
	random_seed(&at.random, seed);
	ASSERT(RAND_set_rand_method(&from_seed) == 1);
	at.context[CONTEXT_CLIENT] = client_context();
	at.context[CONTEXT_ECDSA] = server_context(MX_ECDSA_PEM, MX_ECDSA_KEY_PEM);
	at.context[CONTEXT_RSA] = server_context(MX_RSA_PEM, MX_RSA_KEY_PEM);
	return true;
}

void tls_peer_close(void)
{
	SSL_SESSION_free(at.session);
	for (int i = 0; i < CONTEXT_COUNT; i++)
		SSL_CTX_free(at.context[i]);
	memset(&at, 0, sizeof(at));
	ASSERT(RAND_set_rand_method(NULL) == 1);
}

void tls_peer_set_time(uint64_t now_us)
{
	at.now_us = now_us;
}

/* ---- files ---- */

static const struct {
	const char *name, *text;
} files[] = {
    {"ec.pem", MX_ECDSA_PEM},    {"ec.key", MX_ECDSA_KEY_PEM}, {"rsa.pem", MX_RSA_PEM},
    {"rsa.key", MX_RSA_KEY_PEM}, {"root.pem", TEST_ROOT_PEM},
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

void tls_peer_files(char out_folder[TLS_PEER_FOLDER_BYTES])
{
	char path[TLS_PEER_FOLDER_BYTES + 16];

	snprintf(out_folder, TLS_PEER_FOLDER_BYTES, "/tmp/postern-tls-XXXXXX");
	ASSERT(mkdtemp(out_folder) != NULL);
	for (size_t i = 0; i < FILE_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", out_folder, files[i].name);
		FILE *out = fopen(path, "w");
		ASSERT(out != NULL && fputs(files[i].text, out) >= 0 && fclose(out) == 0);
	}
}

void tls_peer_files_remove(const char *folder)
{
	char path[TLS_PEER_FOLDER_BYTES + 16];

	for (size_t i = 0; i < FILE_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
		unlink(path);
	}
	rmdir(folder);
}

/* ---- connections ---- */

/* OpenSSL reckons the age of a ticket by the machine's clock. */
static void resume(SSL *ssl)
{
	uint64_t age_s = (at.now_us - at.session_us) / 1000000;

	(void)SSL_SESSION_set_time(at.session, (long)((uint64_t)time(NULL) - age_s));
	ASSERT(SSL_set_session(ssl, at.session) == 1);
}

struct tls_peer *tls_peer_new(const struct tls_peer_options *options)
{
	struct tls_peer *peer = calloc(1, sizeof(*peer));
	int context = !options->server ? CONTEXT_CLIENT
	              : options->rsa   ? CONTEXT_RSA
	                               : CONTEXT_ECDSA;

	ASSERT(peer != NULL);
	peer->ssl = SSL_new(at.context[context]);
	ASSERT(peer->ssl != NULL);
	SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (options->only_1_2)
		(void)SSL_set_max_proto_version(peer->ssl, TLS1_2_VERSION);
	if (options->server) {
		SSL_set_accept_state(peer->ssl);
		return peer;
	}
	SSL_set_connect_state(peer->ssl);
	(void)SSL_set_tlsext_host_name(peer->ssl, TLS_PEER_NAME);
	ASSERT(SSL_set1_host(peer->ssl, TLS_PEER_NAME) == 1);
	if (options->rsa)
		ASSERT(SSL_set1_sigalgs_list(peer->ssl, "RSA-PSS+SHA256:RSA+SHA256"));
	if (options->resume && at.session != NULL && !options->rsa)
		resume(peer->ssl);
	tls_peer_feed(peer, bytes_of(NULL, 0));
	return peer;
}

void tls_peer_free(struct tls_peer *peer)
{
	if (peer == NULL)
		return;
	SSL_free(peer->ssl);
	free(peer->plain);
	free(peer);
}

static void append(struct tls_peer *peer, const uint8_t *octets, size_t bytes)
{
	if (peer->plain_at == peer->plain_len)
		peer->plain_at = peer->plain_len = 0;
	if (peer->plain_len + bytes > peer->plain_room) {
		peer->plain_room = peer->plain_len + bytes + PLAIN_ROOM;
		peer->plain = realloc(peer->plain, peer->plain_room);
		ASSERT(peer->plain != NULL);
	}
	memcpy(peer->plain + peer->plain_len, octets, bytes);
	peer->plain_len += bytes;
}

void tls_peer_feed(struct tls_peer *peer, struct bytes octets)
{
	static uint8_t record[PLAIN_ROOM];
	int got;

	if (peer->broken)
		return;
	if (octets.len > 0)
		ASSERT(BIO_write(SSL_get_rbio(peer->ssl), octets.data, (int)octets.len) ==
		       (int)octets.len);
	while ((got = SSL_read(peer->ssl, record, sizeof(record))) > 0)
		append(peer, record, (size_t)got);
	int why = SSL_get_error(peer->ssl, got);
	peer->broken = why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN;
	ERR_clear_error();
}

struct bytes tls_peer_output(struct tls_peer *peer, size_t sent)
{
	BIO *out = SSL_get_wbio(peer->ssl);
	static uint8_t gone[4096];
	char *octets;

	while (sent > 0) {
		int part = BIO_read(out, gone, (int)(sent < sizeof(gone) ? sent : sizeof(gone)));
		ASSERT(part > 0);
		sent -= (size_t)part;
	}
	long left = BIO_get_mem_data(out, &octets);
	return bytes_of(octets, left > 0 ? (size_t)left : 0);
}

enum tls_peer_state tls_peer_state(const struct tls_peer *peer)
{
	if (peer->broken)
		return TLS_PEER_BROKEN;
	if (SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN)
		return TLS_PEER_ENDED;
	return SSL_is_init_finished(peer->ssl) ? TLS_PEER_UP : TLS_PEER_SHAKING;
}

bool tls_peer_resumed(const struct tls_peer *peer)
{
	return SSL_session_reused(peer->ssl);
}

struct bytes tls_peer_peek(const struct tls_peer *peer)
{
	return bytes_slice(bytes_of(peer->plain, peer->plain_len), peer->plain_at, SIZE_MAX);
}

void tls_peer_consume(struct tls_peer *peer, size_t bytes)
{
	ASSERT(bytes <= peer->plain_len - peer->plain_at);
	peer->plain_at += bytes;
}

void tls_peer_write(struct tls_peer *peer, struct bytes octets)
{
	if (octets.len > 0)
		ASSERT(SSL_write(peer->ssl, octets.data, (int)octets.len) == (int)octets.len);
}

void tls_peer_shutdown(struct tls_peer *peer)
{
	if (tls_peer_state(peer) == TLS_PEER_UP || tls_peer_state(peer) == TLS_PEER_ENDED)
		(void)SSL_shutdown(peer->ssl);
	ERR_clear_error();
}
