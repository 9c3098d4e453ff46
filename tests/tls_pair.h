/* tls_pair.h - our TLS client against our TLS server, in memory. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include "base/arena.h"
#include "tcpstack/tls.h"
#include "tcpstack/tls_helper.h"

#define PAIR_WIRE_BYTES  (1 << 17)
#define PAIR_PLAIN_BYTES (1 << 17)
#define PAIR_NOW_MS      UINT64_C(1800000000000) /* in 2027 */

/* What one side has come to. */
struct pair_side {
	struct tls *tls;
	uint8_t wire[PAIR_WIRE_BYTES]; /* towards it, not taken */
	size_t wire_len;
	size_t wire_total; /* that ever came */
	bool ended;        /* and then a FIN */
	uint8_t plain[PAIR_PLAIN_BYTES];
	size_t plain_len;
	bool handshake;
	bool final;
	struct tls_event last; /* the last final event */
	uint32_t steps;
};

struct pair {
	struct arena arena;
	struct tls_engine *engine;
	struct tls_counters counters;
	struct tls_helpers *helpers; /* NULL: none; served by the same thread when `serves` */
	bool serves;
	struct pair_side client, server;
	size_t feed_bytes_max; /* what one tls_feed shows at most */
	size_t take_bytes_max; /* what one tls_output takes at most */
	/* May spoil what is on its way; NULL: nobody does. */
	void (*spoil)(struct pair *pair, struct pair_side *to, struct bytes octets);
};

/* An engine for both sides; `memory_bytes` 0: as much as it likes. */
void pair_open(struct pair *pair, uint32_t connections_max, size_t memory_bytes);
/* The same with helpers, of which it is one engine. */
void pair_open_helped(struct pair *pair, uint32_t connections_max, size_t memory_bytes,
                      struct tls_helpers *helpers, uint32_t engine);
/* Frees the connections and the engine; that nothing is left is checked there. */
void pair_close(struct pair *pair);
/* Connections of these configurations. */
void pair_connect(struct pair *pair, struct tls_config *client, struct tls_config *server,
                  const char *server_name);
void pair_disconnect(struct pair *pair);
/* Until both sides want octets that nobody has, wait for a helper, or are at an end. */
void pair_run(struct pair *pair);
/* One side alone, with what is on the wire towards it. */
void pair_run_side(struct pair *pair, struct pair_side *side, struct pair_side *other);
/* Writes all of it, running between; false when it cannot be. */
bool pair_write(struct pair *pair, struct pair_side *from, struct bytes octets);

/* A server of the ECDSA and the RSA certificate for mx, the client that trusts their root. */
void pair_server_options(struct tls_config_options *out_options);
void pair_client_options(struct tls_config_options *out_options);
struct tls_config *pair_config(const struct tls_config_options *options);

#endif
