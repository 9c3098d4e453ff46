/* leg.h - one side of a mail's way, a connection that may or may not be inside TLS.
 *
 * What the rest of the gateway reads and writes is plaintext. In the clear every call is the TCP
 * call it stands for, after one test of a word beside the connection's pointer; inside TLS octets
 * pass the filter of tcpstack/tls.h (leg_tls.c). Octets are pulled: a record is opened when
 * somebody asks for plaintext and none is left, so TLS holds back what nobody wants to read and the
 * peer's window closes as it does in the clear.
 */
#ifndef DATAPLANE_LEG_H
#define DATAPLANE_LEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "tcpstack/tcp.h"
#include "tcpstack/tls.h"

struct gateway;

/* The user pointer of a connection begins with a leg of this kind. */
enum leg_kind { LEG_CLIENT, LEG_BACKEND };

struct leg {
	enum leg_kind kind;
	uint32_t tls; /* 0: in the clear; else one more than the index of its struct leg_tls */
	struct tcp_conn *conn;
};

enum leg_tls_state {
	LEG_TLS_HANDSHAKE,
	LEG_TLS_UP,
	LEG_TLS_ENDED, /* nothing more comes: close_notify, or a FIN without it */
	LEG_TLS_FAILED /* nothing more comes or goes */
};

enum leg_tls_news {
	LEG_TLS_BEGUN,   /* the handshake is done */
	LEG_TLS_BROKEN,  /* it has failed; an alert may be on its way */
	LEG_TLS_INJECTED /* octets came that were sent before TLS had begun; not read */
};

/* Inside TLS, of a leg: one of a pool. */
struct leg_tls {
	struct tls *tls;
	struct leg *leg;
	struct leg_tls *run_next, *run_before; /* in the queue of handshakes */
	uint32_t since_ms;                     /* when the handshake began */
	uint32_t clear_octets; /* of ours: who speaks TLS has acknowledged as many, see
	                          leg_tls_begin */
	uint8_t state;         /* enum leg_tls_state */
	uint8_t reason;        /* of FAILED: enum tls_reason */
	bool queued : 1, heard : 1, agreed : 1, shutting : 1, truncated : 1;
};

/* ---- inside TLS; the calls below choose ---- */
struct bytes leg_tls_peek(struct gateway *g, struct leg *leg);
void leg_tls_consume(struct gateway *g, struct leg *leg, size_t bytes);
size_t leg_tls_take(struct gateway *g, struct leg *leg, size_t bytes, struct pkt_chain *chain);
bool leg_tls_at_end(struct gateway *g, struct leg *leg);
size_t leg_tls_writable(struct gateway *g, struct leg *leg);
size_t leg_tls_write(struct gateway *g, struct leg *leg, struct bytes bytes, bool more);
size_t leg_tls_write_chain(struct gateway *g, struct leg *leg, struct pkt_chain *chain, bool more);
void leg_tls_shutdown(struct gateway *g, struct leg *leg);

/* ---- TLS begins and ends ---- */

/* May one more handshake begin now, by the configured rate? Says so once. */
bool leg_tls_admitted(struct gateway *g);
/* Memory for TLS, to be begun or dropped; `name`: see tls_open. NULL: none, or no engine. */
struct leg_tls *leg_tls_open(struct gateway *g, struct tls_config *config, struct bytes name);
void leg_tls_drop(struct gateway *g, struct leg_tls *tl);
/* A client's, to be resumed: octets written, 0: there is none. */
size_t leg_tls_save(struct gateway *g, struct leg *leg, uint8_t *out, size_t bytes_max);
/* TLS begins behind what has been consumed and written so far: the next octet each side sends is
 * TLS. The handshake runs in leg_tls_run; its end is told by session_tls_news() or
 * backend_tls_news(). */
void leg_tls_begin(struct gateway *g, struct leg *leg, struct leg_tls *tl);
/* Gives back what TLS holds, without a word; the connection is the caller's to end. Legs in the
 * clear are left alone. */
void leg_tls_end(struct gateway *g, struct leg *leg);
/* The leg's connection has news: a handshake takes its turn, output goes on. */
void leg_tls_news(struct gateway *g, struct leg *leg);
/* Once a turn: handshakes, a bounded number of steps. True when some are left. */
bool leg_tls_run(struct gateway *g);

/* Whom it is; NULL: in the clear. */
struct leg_tls *leg_tls_of(const struct gateway *g, const struct leg *leg);
bool leg_is_shaking(const struct gateway *g, const struct leg *leg); /* hands */
bool leg_has_failed(const struct gateway *g, const struct leg *leg);
/* It ended without close_notify (RFC 8446 6.1). */
bool leg_is_truncated(const struct gateway *g, const struct leg *leg);
/* What was agreed; version "" in the clear or before the end of the handshake. */
void leg_describe(const struct gateway *g, const struct leg *leg, struct tls_info *out_info);

/* ---- as tcp.h has them, in plaintext ---- */

static inline struct bytes leg_peek(struct gateway *g, struct leg *leg)
{
	return leg->tls == 0 ? tcp_peek(leg->conn, 0) : leg_tls_peek(g, leg);
}

static inline void leg_consume(struct gateway *g, struct leg *leg, size_t bytes)
{
	if (leg->tls == 0)
		tcp_consume(leg->conn, bytes);
	else
		leg_tls_consume(g, leg, bytes);
}

static inline size_t leg_take(struct gateway *g, struct leg *leg, size_t bytes,
                              struct pkt_chain *chain)
{
	return leg->tls == 0 ? tcp_take(leg->conn, bytes, chain)
	                     : leg_tls_take(g, leg, bytes, chain);
}

static inline bool leg_at_end(struct gateway *g, struct leg *leg)
{
	return leg->tls == 0 ? tcp_at_end(leg->conn) : leg_tls_at_end(g, leg);
}

static inline size_t leg_writable(struct gateway *g, struct leg *leg)
{
	return leg->tls == 0 ? tcp_writable(leg->conn) : leg_tls_writable(g, leg);
}

static inline size_t leg_write(struct gateway *g, struct leg *leg, struct bytes bytes, bool more)
{
	return leg->tls == 0 ? tcp_write(leg->conn, bytes, more)
	                     : leg_tls_write(g, leg, bytes, more);
}

static inline size_t leg_write_chain(struct gateway *g, struct leg *leg, struct pkt_chain *chain,
                                     bool more)
{
	return leg->tls == 0 ? tcp_write_chain(leg->conn, chain, more)
	                     : leg_tls_write_chain(g, leg, chain, more);
}

/* Inside TLS close_notify goes before the FIN. */
static inline void leg_shutdown(struct gateway *g, struct leg *leg)
{
	if (leg->tls == 0)
		tcp_shutdown(leg->conn);
	else
		leg_tls_shutdown(g, leg);
}

#endif
