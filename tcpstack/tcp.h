/* tcp.h - front door of TCP for whoever uses connections.
 *
 * Pulled, never called back: a connection with news joins a ready list once per burst; the user
 * takes it off with tcp_next_ready() and asks what it wants to know. A connection got from ACCEPTED
 * or tcp_connect() is the user's until exactly one tcp_close() or tcp_abort(); after that its
 * pointer is dead to the user.
 */
#ifndef TCPSTACK_TCP_H
#define TCPSTACK_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "tcpstack/net.h"
#include "tcpstack/pkt.h"

struct tcp_conn;

enum tcp_news {                         /* bits */
	        TCP_ACCEPTED = 1 << 0,  /* a new connection of a listener; tcp_listener_tag() says
	                                   which */
	        TCP_CONNECTED = 1 << 1, /* tcp_connect() succeeded */
	        TCP_FAILED = 1 << 2, /* gone: refused, reset, timed out; tcp_error() says why. Still
	                                to be closed. */
	        TCP_READABLE = 1 << 3, /* more octets, or the peer's FIN came in order */
	        TCP_ACKED = 1
	                    << 4, /* the peer acknowledged octets of ours: there is room to write */
	        TCP_FIN = 1 << 5, /* the peer will send nothing after what is readable */
};

/* Listens on `local` (unspecified address: all). `tag` is the user's. ERR_DUPLICATE, ERR_FULL. */
MUST_CHECK enum err tcp_listen(struct net *net, const struct endpoint *local, uint32_t tag);
/* Connections of that listener offer and use an MSS of at most `mss`, at least TCP's floor. */
void tcp_listen_mss(struct net *net, const struct endpoint *local, uint16_t mss);
/* Ends what tcp_listen() began. Handshakes in progress still become connections with that tag,
 * which are the user's to abort. */
void tcp_unlisten(struct net *net, const struct endpoint *local);
/* Starts an active open; its outcome comes as news. `local` may be NULL or hold port 0: then a
 * random free port is taken (RFC 6056). ERR_FULL, ERR_PORTS_EXHAUSTED (also when the given port is
 * in use towards `remote`), ERR_UNREACHABLE (no address or route of that family, or `remote` is no
 * host's address). */
MUST_CHECK enum err tcp_connect(struct net *net, uint64_t now_us, const struct endpoint *local,
                                const struct endpoint *remote, struct tcp_conn **out_conn);
/* The next connection with news and what happened since it was last handed out; NULL when none is
 * left. */
struct tcp_conn *tcp_next_ready(struct net *net, uint32_t *out_news);
/* The user of the connection that comes next, for fetching ahead; NULL when not known. */
const void *tcp_peek_user(const struct net *net);
/* Puts the connection (back) on the ready list with no news, to be visited in the next turn. */
void tcp_mark_ready(struct tcp_conn *conn);

/* Fetches ahead what will be needed of the connection; it need not be a living one. */
void tcp_prefetch(const struct net *net, const struct tcp_conn *conn);

void tcp_set_user(struct tcp_conn *conn, void *user);
void *tcp_user(const struct tcp_conn *conn);
uint32_t tcp_listener_tag(const struct tcp_conn *conn);
enum err tcp_error(const struct tcp_conn *conn);
void tcp_endpoints(const struct tcp_conn *conn, struct endpoint *out_local,
                   struct endpoint *out_remote);

/* Reading. Octets stay in the packets they came in until consumed or taken. */
size_t tcp_readable(const struct tcp_conn *conn);
/* The contiguous run that starts `skip` octets into what is readable; empty at the end. */
struct bytes tcp_peek(const struct tcp_conn *conn, size_t skip);
/* How many octets of ours the peer had acknowledged when it sent the first readable octet: the
 * exact test for early talkers. */
uint32_t tcp_peek_acked(const struct tcp_conn *conn);
/* Frees the first `bytes` readable octets. */
void tcp_consume(struct tcp_conn *conn, size_t bytes);
/* Moves the first `bytes` readable octets to `chain`, whole packets without a copy. Returns how
 * many; fewer only when the pool is empty. They no longer count as unread: what the user may hold
 * is the user's to bound by tcp_window_limit. */
size_t tcp_take(struct tcp_conn *conn, size_t bytes, struct pkt_chain *chain);
/* The receive window is at most this much beyond what has been consumed or taken; 0 closes it. The
 * right edge never moves back. */
void tcp_window_limit(struct tcp_conn *conn, size_t bytes);
/* The peer's FIN has come and everything before it has been read. */
bool tcp_at_end(const struct tcp_conn *conn);

/* Segments of at most `mss` octets, also in the SYN while none has left. Only ever lowers it. */
void tcp_limit_mss(struct tcp_conn *conn, uint16_t mss);
/* Nagle's algorithm (RFC 9293 3.7.4), off at first: replies are written whole. */
void tcp_set_nagle(struct tcp_conn *conn, bool on);

/* Writing. `more`: a partial segment may wait for what follows; otherwise it is pushed at the end
 * of the turn. */
/* Octets that tcp_write or tcp_write_chain would take now. */
size_t tcp_writable(const struct tcp_conn *conn);
/* Copies; returns how many octets were taken, 0..bytes.len. No octets, and not `more`: lets go what
 * was held back. */
size_t tcp_write(struct tcp_conn *conn, struct bytes bytes, bool more);
/* Takes whole packets off the front of `chain` while there is room; without a copy. Returns octets
 * taken. */
size_t tcp_write_chain(struct tcp_conn *conn, struct pkt_chain *chain, bool more);
/* Octets written and not yet acknowledged. */
size_t tcp_unacked(const struct tcp_conn *conn);

/* Sends a segment that an idle peer must answer, RFC 9293 3.8.4: an old sequence number and no
 * octets. Whether it lives, tcp_info()'s idle_ms says later. */
void tcp_probe(struct tcp_conn *conn);

/* FIN behind what is queued; reading goes on. */
void tcp_shutdown(struct tcp_conn *conn);
/* The user will read no more. What comes after our FIN as well is answered by a reset, RFC
 * 9293 3.6.1. */
void tcp_shutdown_read(struct tcp_conn *conn);
/* FIN behind what is queued and goodbye; a reset when octets lie unread (RFC 2525 2.17). */
void tcp_close(struct tcp_conn *conn);
void tcp_abort(struct tcp_conn *conn);
/* The same after one segment of `words`, if nothing else is on its way and the peer's window takes
 * it. Nothing is kept for a second try. */
void tcp_abort_saying(struct tcp_conn *conn, struct bytes words);

struct tcp_info {
	int state; /* numbers as in Linux's tcp_states.h */
	uint32_t snd_cwnd, snd_ssthresh, snd_mss, rcv_mss, rcv_wnd,
	    snd_wnd; /* cwnd, ssthresh in segments */
	uint32_t rtt_us, rttvar_us, rto_us, unacked, sacked, lost, retrans, reordering, backoff,
	    probes;
	int ca_state;
	uint32_t idle_ms; /* since the last acceptable segment came */
	uint64_t bytes_received, bytes_acked;
	uint64_t retransmitted_segments;
};

void tcp_info(const struct tcp_conn *conn, struct tcp_info *out_info);

#endif
