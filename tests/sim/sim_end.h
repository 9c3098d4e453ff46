/* sim_end.h - a simulated peer's end of a connection, in the clear or inside TLS. */
#ifndef SIM_END_H
#define SIM_END_H

#include "tcpstack/tcp.h"
#include "tests/tls_peer.h"

struct sim_end {
	struct tcp_conn *conn; /* NULL: not connected */
	struct tls_peer *tls;  /* NULL: in the clear */
};

/* What follows on the connection is TLS. */
void sim_end_begin_tls(struct sim_end *end, const struct tls_peer_options *options);
/* Octets that came are decrypted, those that wait go as far as there is room. */
void sim_end_run(struct sim_end *end);
struct bytes sim_end_peek(struct sim_end *end);
void sim_end_consume(struct sim_end *end, size_t bytes);
/* How much may be written so that it goes at once. */
size_t sim_end_writable(const struct sim_end *end);
/* Inside TLS it takes all and keeps what cannot go. */
size_t sim_end_write(struct sim_end *end, struct bytes octets);
/* Hands are still being shaken: nothing can be written. */
bool sim_end_is_shaking(const struct sim_end *end);
/* It has met what cannot be in TLS. */
bool sim_end_is_broken(const struct sim_end *end);
/* Nothing more comes. */
bool sim_end_at_end(struct sim_end *end);
/* By a FIN, inside TLS behind close_notify, or by a reset; the end is as before a connection. */
void sim_end_close(struct sim_end *end);
void sim_end_abort(struct sim_end *end);

#endif
