/* conformance_api.h - the TCP core in virtual time, for suites that no one on the project wrote.
 *
 * tests/conformance builds libpostern_conformance.so exporting exactly these functions over the
 * very same objects that the worker runs. One process, one stack, one thread; a handle is a small
 * positive int. Packets are raw IP (v4 or v6), no Ethernet. Time is virtual, in microseconds, and
 * moves only by pc_advance. Return values: >= 0 as said; a negative errno otherwise (-EAGAIN would
 * block, -EPIPE, -ECONNRESET, -ETIMEDOUT, ...).
 */
#ifndef POSTERN_CONFORMANCE_API_H
#define POSTERN_CONFORMANCE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Start over: forgets every connection. `options` is "name=value,..." with names of the option
 * table (seed, mtu, initial window, minimum RTO, timestamps, sack, window scale, delayed ack, syn
 * cookies only). */
int pc_reset(const char *options);
int pc_add_address(const struct sockaddr *address, int prefix_length);

int pc_listen(const struct sockaddr *local, int backlog); /* a listener's handle */
int pc_accept(int listener,
              struct sockaddr_storage *out_peer); /* a connection's handle, or -EAGAIN */
int pc_connect(const struct sockaddr *local,
               const struct sockaddr *remote); /* handle at once; see pc_poll; local may be NULL */
int64_t pc_read(int conn, void *buf, size_t bytes); /* 0 = the peer's FIN */
int64_t pc_write(int conn, const void *buf, size_t bytes,
                 bool more);              /* more: hold back a partial segment */
int pc_shutdown(int conn, int how);       /* SHUT_RD, SHUT_WR, SHUT_RDWR */
int pc_close(int handle);                 /* FIN after queued data; RST when data lies unread */
int pc_abort(int conn);                   /* RST now */
int pc_set(int conn, const char *option); /* "nodelay=1", "mss=536", "send_bytes_max=4096",
                                             "keepalive_ms=...", "cork=1" */
int pc_local(int handle, struct sockaddr_storage *out_local);

#define PC_READABLE 1u
#define PC_WRITABLE 2u
#define PC_HANGUP   4u
#define PC_ERROR    8u
unsigned pc_poll(int handle); /* readable on a listener: pc_accept would succeed */

struct pc_info {   /* what Linux's tcp_info calls by these names */
	int state; /* TCP_ESTABLISHED = 1, SYN_SENT 2, SYN_RECV 3, FIN_WAIT1 4, FIN_WAIT2 5,
	              TIME_WAIT 6, CLOSE 7, CLOSE_WAIT 8, LAST_ACK 9, LISTEN 10, CLOSING 11 */
	uint32_t snd_cwnd, snd_ssthresh, snd_mss, rcv_mss, rcv_wnd, snd_wnd; /* cwnd in segments */
	uint32_t rtt_us, rttvar_us, rto_us, unacked, sacked, lost, retrans, reordering, backoff,
	    probes;
	int ca_state; /* open 0, disorder 1, cwr 2, recovery 3, loss 4 */
};
int pc_info(int conn, struct pc_info *out_info);

int64_t pc_now_us(void);
int pc_input(const void *packet, size_t bytes); /* arrives now */
int64_t pc_output(void *buf, size_t bytes_max,
                  int64_t *out_left_at_us); /* next packet that left, oldest first; -EAGAIN none */
int64_t pc_next_deadline_us(void);          /* INT64_MAX: no timer */
int pc_advance(int64_t to_us); /* fires every timer due on the way, each at its own time */

#endif
