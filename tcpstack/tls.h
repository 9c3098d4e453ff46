/* tls.h - TLS 1.2 and 1.3 as a byte filter: octets of the wire on one side, plaintext on the other.
 *
 * It knows neither sockets nor SMTP. Both roles have the same loop:
 *
 *     tls_feed(tls, tcp_peek(conn, 0));
 *     do {
 *             tls_next(tls, &event);          one step: at most one handshake message
 *             tcp_consume(conn, event.taken_bytes); ... and feed again what is still readable
 *             ... TLS_DATA: use event.data, then tls_consume(tls, how much of it)
 *             for (sent = 0; (out = tls_output(tls, sent)).len > 0;)
 *                     if ((sent = tcp_write(conn, out, true)) == 0) break;
 *     } while (event.kind == TLS_STEP || event.kind == TLS_DATA);
 *
 * Every call may be the last of a worker's turn: the state is kept, and the loop goes on in a later
 * turn. No call waits, reads a clock, calls its user back or takes memory from anywhere but the
 * engine's. Engines, configurations and connections belong to one thread.
 *
 * What protects what is sent: RFC 8446 (TLS 1.3), RFC 5246 with RFC 9325's restrictions (TLS 1.2:
 * ephemeral keys and AEAD suites only, no renegotiation, no compression). TLS 1.0 and 1.1 do not
 * exist here (RFC 8996). There is no early data. */
#ifndef TCPSTACK_TLS_H
#define TCPSTACK_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "tcpstack/tls_counters.h"

struct tls_engine;
struct tls_helpers;
struct tls_config;
struct tls;

/* ---- one engine per worker: memory, random numbers, time, counters ---- */

struct tls_engine_options {
	uint32_t connections_max; /* at once */
	size_t memory_bytes; /* for all of them; 0: TLS_CONNECTION_BYTES for each, and the rest */
	/* Tests only: makes all random numbers of the protocol; NULL: a generator of its own,
	 * seeded by the operating system. */
	void (*random)(void *context, uint8_t *out, size_t bytes);
	void *random_context;
	/* Threads that make slow signatures (tls_helper.h), and which of their engines this one is;
	 * NULL: they are made where they are needed. Kept. */
	struct tls_helpers *helpers;
	uint32_t helpers_engine;
};

/* What a connection is reckoned at when memory_bytes is 0: one that is idle takes less, one in its
 * handshake for a short time a little more. */
#define TLS_CONNECTION_BYTES 32768

/* Octets tls_engine_new takes from the arena, at most. */
size_t tls_engine_bytes(const struct tls_engine_options *options);
/* Called by the thread that will use it, one engine a thread. The counters stay the caller's. NULL:
 * arena too small, or the library refused. */
struct tls_engine *tls_engine_new(struct arena *arena, const struct tls_engine_options *options,
                                  struct tls_counters *counters);
/* By the same thread; every connection must have been freed. Waits for helpers that are at work for
 * it still. */
void tls_engine_free(struct tls_engine *engine);
/* Once a turn, before other calls: the time of day, for certificates and tickets. */
void tls_engine_set_time(struct tls_engine *engine, uint64_t unix_ms);
uint32_t tls_engine_connections(const struct tls_engine *engine);
/* Octets of the engine's memory that are in use, and the most there ever were. */
size_t tls_engine_used(const struct tls_engine *engine, size_t *out_high);
/* Tests: that many more requests for memory are met, then none; UINT64_MAX: as many as can be. */
void tls_engine_fail_after(struct tls_engine *engine, uint64_t requests);
/* Is this build accelerated (libcrypto, libipsec-mb)? A text for logs and benches. */
const char *tls_build(void);

/* ---- configurations: immutable, made off the hot path ---- */

enum tls_role { TLS_CLIENT, TLS_SERVER };
enum tls_version { TLS_1_2, TLS_1_3 };
/* The peer's certificate: a server asks its client for one (or not), a client looks at its
 * server's (or takes any, which is what opportunistic SMTP means, RFC 7435). */
enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

/* A certificate with the chain to its root (leaf first) and its private key; both PEM. */
struct tls_identity {
	struct bytes chain_pem;
	struct bytes key_pem;
};

#define TLS_IDENTITIES_MAX  32
#define TLS_TICKET_KEYS_MAX 3
#define TLS_NAME_BYTES_MAX  255 /* of a server name, RFC 6066 3 */

/* Workers that share these keys resume each other's sessions, where they ask clients for
 * certificates in the same way and of the same authorities. The first one seals new tickets; all
 * open them. Rotated by a new configuration with a new key in front. */
struct tls_ticket_key {
	uint8_t name[8];
	uint8_t secret[32];
};

/* One line of a key log (the format that capture tools read), without the line's end. Called from
 * within tls_next. */
typedef void tls_key_log_fn(void *context, struct bytes line);

struct tls_config_options {
	enum tls_role role;
	enum tls_version version_min; /* TLS_1_2 or TLS_1_3; the most is 1.3 */
	enum tls_version version_max;
	/* A server has at least one; the first is for clients that name nobody. For one name there
	 * may be one with an ECDSA key and one with an RSA key: the client's abilities decide. */
	const struct tls_identity *identities;
	uint32_t identity_count;
	enum tls_verify verify;
	struct bytes ca_pem; /* trusted roots; may be empty when nothing is verified */
	/* Names as the IANA registries have them, separated by ':', the best first; NULL: RFC
	 * 9325's, those with AES-GCM first. A TLS 1.3 server takes the client's first one among
	 * them. */
	const char *suites;
	/* As "x25519:secp256r1:secp384r1"; NULL: a client's all, a server's the two that take no
	 * long steps. */
	const char *groups;
	const struct tls_ticket_key *ticket_keys;
	uint32_t ticket_key_count; /* 0: no resumption */
	uint32_t ticket_lifetime_s;
	/* A server's: its protocol. A client that offers others by ALPN, and not this one, is
	 * refused (RFC 7301 3.2): what it has to say was meant for another server. NULL: it is not
	 * looked at. Static memory. */
	const char *alpn;
	tls_key_log_fn *key_log; /* NULL: none. Whoever reads it reads the mail */
	void *key_log_context;
};

/* TLS 1.2 to 1.3, no certificates asked for or looked at, no resumption. */
void tls_config_defaults(struct tls_config_options *options, enum tls_role role);

/* Parses and checks: keys fit their certificates, chains fit into a handshake message, names are
 * known. Copies what it keeps. `unix_ms` is the time of day. May be called by any thread that has
 * no connection under way; takes its memory from the operating system. On error the reason, for a
 * human, is in `reason` (at most `reason_bytes`, NUL included) and *out_config is untouched.
 *
 * Each worker needs a configuration of its own: call it once for each with the same options. */
MUST_CHECK enum err tls_config_new(const struct tls_config_options *options, uint64_t unix_ms,
                                   char *reason, size_t reason_bytes,
                                   struct tls_config **out_config);
/* Connections that use it. May be asked by any thread: a configuration that its worker gives to
 * tls_open no more, and whose count is 0, can be freed. */
uint32_t tls_config_users(const struct tls_config *config);
/* By any one thread, when it has no users. NULL is none. */
void tls_config_free(struct tls_config *config);

/* ---- connections ---- */

/* Takes a connection of the pool, in the configuration's role. `server_name`: a client's, who it
 * wants to reach: sent as SNI when it is a host name, and compared with the certificate when that
 * is verified; empty: neither. A server gives an empty one. `config` is used until tls_free. NULL:
 * no connection or memory left, counted (RFC 3207 4: 454 is the answer). */
struct tls *tls_open(struct tls_engine *engine, struct tls_config *config,
                     struct bytes server_name);

/* A pointer of the caller's, kept with the connection; NULL before it is set. */
void tls_set_user(struct tls *tls, void *user);
void *tls_user(const struct tls *tls);

/* Lends octets of the wire: all that is readable, from the first one on that was not taken yet.
 * They must stay where they are until tls_next has returned; replaces those of the call before.
 * `ended`: the peer's FIN comes behind them. */
void tls_feed(struct tls *tls, struct bytes octets, bool ended);

enum tls_event_kind {
	TLS_MORE,      /* nothing more to do before more octets are fed */
	TLS_STEP,      /* some work was done: call again, in this turn or a later one */
	TLS_OUTPUT,    /* goes on when tls_output's octets have gone */
	TLS_WAITING,   /* a helper makes its signature: goes on when tls_engine_answered names it */
	TLS_HANDSHAKE, /* the handshake is done, once a connection: tls_describe tells. A server of
	                  TLS 1.3 has its tickets to make yet: call tls_next again before tls_write
	                */
	TLS_DATA,      /* plaintext; the same again until tls_consume took it */
	TLS_CLOSED,    /* the peer said close_notify (RFC 8446 6.1): nothing more comes, all came */
	TLS_TRUNCATED, /* a FIN without close_notify: what came may not be all */
	TLS_FAILED     /* over: `reason` says why; an alert may be waiting in tls_output */
};

enum tls_reason {
#define TLS_REASON(name, text) TLS_REASON_##name,
#include "tcpstack/tls_reasons.def"
};

struct tls_event {
	enum tls_event_kind kind;
	enum tls_reason reason; /* of TLS_FAILED, counted too */
	uint8_t alert;          /* RFC 8446 6.2: received with TLS_REASON_ALERT */
	size_t taken_bytes;     /* of the octets fed, by this call; they are not needed again */
	struct bytes data;      /* of TLS_DATA; until the next call for this connection */
};

/* One step. The last three kinds are final: they are returned again if it is called again. */
void tls_next(struct tls *tls, struct tls_event *out_event);
/* The first `bytes` octets of the plaintext have been used; at most as many as there were. */
void tls_consume(struct tls *tls, size_t bytes);

/* Plaintext to be sent; copies and seals at most one record of it. Returns the octets taken: 0
 * while octets wait in tls_output, before the handshake is done and its tickets are made, after
 * TLS_TRUNCATED or tls_close. */
size_t tls_write(struct tls *tls, struct bytes plaintext);
/* The first `sent` octets of what it returned last have gone; returns those that are to go next,
 * empty when there are none. They stay where they are until the next call for this connection. */
struct bytes tls_output(struct tls *tls, size_t sent);
/* Says close_notify. False: octets wait in tls_output; call again when they have gone. True, too,
 * when there is nobody to say it to: before the handshake is done, after a failure. What the peer
 * says may still be read. */
bool tls_close(struct tls *tls);

struct tls_info {
	const char *version; /* "TLSv1.3"; static, as are the other texts */
	const char *suite;   /* IANA's name: "TLS_AES_128_GCM_SHA256" */
	const char *group;   /* of the key exchange: "x25519"; "" when not known */
	uint16_t suite_bits; /* the cipher's key */
	bool resumed;        /* by a ticket */
	/* It showed one. In a resumed TLS 1.3 session it does not: the session is as good as the
	 * one that was saved. */
	bool peer_certificate;
	bool peer_verified; /* and it leads to a trusted root and, for a client, bears the name */
	uint8_t peer_sha256[32];                  /* of that certificate, DER */
	char server_name[TLS_NAME_BYTES_MAX + 1]; /* SNI that the client sent; "" for none */
	char verify_text[128];                    /* why it was not verified; "" else */
};

/* What was agreed; after TLS_HANDSHAKE. */
void tls_describe(const struct tls *tls, struct tls_info *out_info);
/* The texts of tls_reasons.def. */
const char *tls_reason_text(enum tls_reason reason);

/* A client's session, to be resumed by another connection to the same server: octets written, 0
 * when the server gave no ticket (yet: in TLS 1.3 one comes with the first octets after the
 * handshake), or when `bytes_max` is too few; TLS_SESSION_BYTES are enough for a chain of usual
 * length. They hold secrets. A ticket should be used once (RFC 8446 C.4). */
size_t tls_session_save(struct tls *tls, uint8_t *out, size_t bytes_max);
#define TLS_SESSION_BYTES 4096
/* Before a client's first tls_next. An error changes nothing: a full handshake is made. */
MUST_CHECK enum err tls_session_resume(struct tls *tls, struct bytes session);

/* Gives back all it holds, at any time; keys are wiped. NULL is none. */
void tls_free(struct tls *tls);

#endif
