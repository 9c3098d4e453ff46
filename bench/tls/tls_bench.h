/* tls_bench.h - the parts of the TLS bench: certificates, the client, and the two servers compared.
 */
#ifndef BENCH_TLS_TLS_BENCH_H
#define BENCH_TLS_TLS_BENCH_H

#include <stdint.h>

#include "base/bytes.h"

#define WIRE_BYTES_MAX ((size_t)1 << 18)

/* Octets on their way to one side. */
struct wire {
	uint8_t octets[WIRE_BYTES_MAX];
	size_t len;
};

struct identity {
	char chain[8192], key[8192];
	size_t chain_len, key_len;
};

enum identity_kind {
	IDENTITY_ECDSA, /* on P-256 */
	IDENTITY_ECDSA_384,
	IDENTITY_ECDSA_521,
	IDENTITY_RSA, /* of 2048 bits */
	IDENTITY_RSA_4096,
	IDENTITY_COUNT
};

/* A new key and a certificate for "bench" that it signs itself. */
void identity_make(enum identity_kind kind, struct identity *out_identity);

/* A server to be measured: it takes what is on the wire towards it and puts its answer on the
 * other. Everything between start and stop is its cost, copies to and from the wires included. */
struct server_ops {
	const char *name;
	void *(*make)(const struct identity *identity);
	void (*drop)(void *server);
	void (*open)(void *server);  /* a connection */
	void (*close)(void *server); /* gives it back */
	/* Until it wants more; plaintext is counted and thrown away. Returns its octets. */
	size_t (*turn)(void *server, struct wire *in, struct wire *out);
	/* Seals `octets`. */
	void (*write)(void *server, struct bytes octets, struct wire *out);
	bool (*done)(void *server);
	bool (*resumed)(void *server);
	/* The longest single call since the last time this was asked, nanoseconds. */
	uint64_t (*longest_ns)(void *server);
	/* What turns waited for other threads since then: no cost of this one. */
	uint64_t (*waited_ns)(void *server);
};

extern const struct server_ops server_ours, server_openssl;

/* So many threads sign for ours, on other cores than the calling thread, which keeps to one. Before
 * it is made; 0: none. */
void server_ours_help(uint32_t count);
/* Octets of memory that a server of ours has in use. */
size_t server_ours_used(void *server);
/* What the arithmetic of ours is done by. */
const char *server_ours_build(void);

/* The client is always OpenSSL's, whose types are not named here: they clash with ours. */
struct client {
	struct ssl_ctx_st *context;
	struct ssl_st *ssl;
	struct ssl_session_st *session; /* to resume, or NULL */
};

void client_make(struct client *client, int version, const char *group);
void client_drop(struct client *client);
void client_open(struct client *client);
void client_close(struct client *client);
void client_turn(struct client *client, struct wire *in, struct wire *out);
void client_write(struct client *client, struct bytes octets, struct wire *out);

uint64_t now_ns(void);
_Noreturn void stop_bench(const char *what);

#endif
