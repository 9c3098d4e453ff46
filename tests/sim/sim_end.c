/* sim_end.c - a simulated peer's end of a connection, in the clear or inside TLS. */
#include "sim_end.h"

#include <string.h>

#include "base/check.h"

#define RECORD_OVERHEAD 64 /* of a record, at most */

void sim_end_begin_tls(struct sim_end *end, const struct tls_peer_options *options)
{
	ASSERT(end->tls == NULL);
	end->tls = tls_peer_new(options);
	sim_end_run(end);
}

static void send_waiting(struct sim_end *end)
{
	size_t sent = 0;

	for (struct bytes out; (out = tls_peer_output(end->tls, sent)).len > 0;) {
		sent = tcp_write(end->conn, out, false);
		if (sent == 0)
			return;
	}
}

void sim_end_run(struct sim_end *end)
{
	struct bytes input;

	if (end->tls == NULL)
		return;
	while ((input = tcp_peek(end->conn, 0)).len > 0) {
		tls_peer_feed(end->tls, input);
		tcp_consume(end->conn, input.len);
	}
	send_waiting(end);
}

struct bytes sim_end_peek(struct sim_end *end)
{
	if (end->tls == NULL)
		return tcp_peek(end->conn, 0);
	if (tls_peer_peek(end->tls).len == 0)
		sim_end_run(end);
	return tls_peer_peek(end->tls);
}

void sim_end_consume(struct sim_end *end, size_t bytes)
{
	if (end->tls == NULL)
		tcp_consume(end->conn, bytes);
	else
		tls_peer_consume(end->tls, bytes);
}

size_t sim_end_writable(const struct sim_end *end)
{
	size_t room = tcp_writable(end->conn);

	if (end->tls == NULL)
		return room;
	if (tls_peer_output(end->tls, 0).len > 0 || room <= RECORD_OVERHEAD)
		return 0;
	return room - RECORD_OVERHEAD < 8192 ? room - RECORD_OVERHEAD : 8192;
}

size_t sim_end_write(struct sim_end *end, struct bytes octets)
{
	if (end->tls == NULL)
		return tcp_write(end->conn, octets, false);
	if (tls_peer_state(end->tls) != TLS_PEER_UP)
		return octets.len; /* who has gone hears nothing */
	tls_peer_write(end->tls, octets);
	send_waiting(end);
	return octets.len;
}

bool sim_end_is_shaking(const struct sim_end *end)
{
	return end->tls != NULL && tls_peer_state(end->tls) == TLS_PEER_SHAKING;
}

bool sim_end_is_broken(const struct sim_end *end)
{
	return end->tls != NULL && tls_peer_state(end->tls) == TLS_PEER_BROKEN;
}

bool sim_end_at_end(struct sim_end *end)
{
	if (end->tls == NULL)
		return tcp_at_end(end->conn);
	if (tls_peer_peek(end->tls).len > 0)
		return false;
	return tls_peer_state(end->tls) >= TLS_PEER_ENDED || tcp_at_end(end->conn);
}

void sim_end_close(struct sim_end *end)
{
	if (end->tls != NULL) {
		tls_peer_shutdown(end->tls);
		send_waiting(end);
	}
	tcp_close(end->conn);
	tls_peer_free(end->tls);
	memset(end, 0, sizeof(*end));
}

void sim_end_abort(struct sim_end *end)
{
	tcp_abort(end->conn);
	tls_peer_free(end->tls);
	memset(end, 0, sizeof(*end));
}
