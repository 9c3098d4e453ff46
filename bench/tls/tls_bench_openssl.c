/* tls_bench_openssl.c - OpenSSL's TLS as a server to be measured. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "bench/tls/tls_bench.h"

struct theirs {
	SSL_CTX *context;
	SSL *ssl;
	uint64_t longest_ns;
};

static void *theirs_make(const struct identity *identity)
{
	struct theirs *theirs = calloc(1, sizeof(*theirs));
	BIO *chain = BIO_new_mem_buf(identity->chain, (int)identity->chain_len);
	BIO *key = BIO_new_mem_buf(identity->key, (int)identity->key_len);

	if (theirs == NULL)
		stop_bench("no memory");
	theirs->context = SSL_CTX_new(TLS_server_method());
	X509 *leaf = PEM_read_bio_X509(chain, NULL, NULL, NULL);
	EVP_PKEY *secret = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	if (SSL_CTX_use_certificate(theirs->context, leaf) != 1 ||
	    SSL_CTX_use_PrivateKey(theirs->context, secret) != 1)
		stop_bench("no certificate");
	(void)SSL_CTX_set_num_tickets(theirs->context, 1); /* as many as ours sends */
	(void)SSL_CTX_set_options(theirs->context, SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(theirs->context, SSL_SESS_CACHE_OFF);
	X509_free(leaf);
	EVP_PKEY_free(secret);
	BIO_free(chain);
	BIO_free(key);
	return theirs;
}

static void theirs_drop(void *server)
{
	struct theirs *theirs = server;

	SSL_CTX_free(theirs->context);
	free(theirs);
}

static void theirs_open(void *server)
{
	struct theirs *theirs = server;

	theirs->ssl = SSL_new(theirs->context);
	SSL_set_bio(theirs->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(theirs->ssl);
}

static void theirs_close(void *server)
{
	SSL_free(((struct theirs *)server)->ssl);
}

static void theirs_put(struct theirs *theirs, struct wire *out)
{
	int len = BIO_read(SSL_get_wbio(theirs->ssl), out->octets + out->len,
	                   (int)(WIRE_BYTES_MAX - out->len));

	if (len > 0)
		out->len += (size_t)len;
}

static size_t theirs_turn(void *server, struct wire *in, struct wire *out)
{
	struct theirs *theirs = server;
	static char octets[16384];
	size_t plain = 0;
	int len;

	if (in->len > 0)
		(void)BIO_write(SSL_get_rbio(theirs->ssl), in->octets, (int)in->len);
	in->len = 0;
	uint64_t start = now_ns();
	if (!SSL_is_init_finished(theirs->ssl))
		(void)SSL_do_handshake(theirs->ssl);
	uint64_t took = now_ns() - start;
	if (took > theirs->longest_ns)
		theirs->longest_ns = took;
	if (SSL_is_init_finished(theirs->ssl))
		while ((len = SSL_read(theirs->ssl, octets, sizeof(octets))) > 0)
			plain += (size_t)len;
	theirs_put(theirs, out);
	ERR_clear_error();
	return plain;
}

static void theirs_write(void *server, struct bytes octets, struct wire *out)
{
	struct theirs *theirs = server;

	if (SSL_write(theirs->ssl, octets.data, (int)octets.len) != (int)octets.len)
		stop_bench("nothing was written");
	theirs_put(theirs, out);
}

static bool theirs_done(void *server)
{
	return SSL_is_init_finished(((struct theirs *)server)->ssl);
}

static bool theirs_resumed(void *server)
{
	return SSL_session_reused(((struct theirs *)server)->ssl);
}

static uint64_t theirs_longest(void *server)
{
	struct theirs *theirs = server;
	uint64_t longest = theirs->longest_ns;

	theirs->longest_ns = 0;
	return longest;
}

static uint64_t theirs_waited(void *server)
{
	(void)server;
	return 0;
}

const struct server_ops server_openssl = {
    "openssl",    theirs_make, theirs_drop,    theirs_open,    theirs_close,  theirs_turn,
    theirs_write, theirs_done, theirs_resumed, theirs_longest, theirs_waited,
};
