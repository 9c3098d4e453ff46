/* tcp_stream.c - reading and writing: octets stay in the packets they came in, and go out of those
 * they were written in. */
#include "tcpstack/tcp_internal.h"

size_t tcp_readable(const struct tcp_conn *conn)
{
	return conn->rcv_bytes;
}

struct bytes tcp_peek(const struct tcp_conn *conn, size_t skip)
{
	for (const struct pkt *pkt = conn->rcv_head; pkt != NULL; pkt = pkt->next) {
		if (skip < pkt->len)
			return bytes_of(pkt->data + skip, pkt->len - skip);
		skip -= pkt->len;
	}
	return bytes_of(NULL, 0);
}

uint32_t tcp_peek_acked(const struct tcp_conn *conn)
{
	return conn->rcv_head != NULL ? conn->rcv_head->acked : 0;
}

static void maybe_update_window(struct tcp_conn *conn)
{
	if (!conn_window_update_due(conn))
		return;
	conn->flags |= CONN_ACK_NOW;
	conn_mark_dirty(conn);
}

static void drop_head(struct tcp_conn *conn)
{
	struct pkt *pkt = conn->rcv_head;

	conn->rcv_head = pkt->next;
	if (conn->rcv_head == NULL)
		conn->rcv_tail = NULL;
	conn->rcv_bytes -= pkt->len;
	pkt->next = NULL;
}

static void trim_head(struct tcp_conn *conn, uint32_t bytes)
{
	struct pkt *pkt = conn->rcv_head;

	pkt->data += bytes;
	pkt->len = (uint16_t)(pkt->len - bytes);
	pkt->seq += bytes;
	conn->rcv_bytes -= bytes;
}

void tcp_consume(struct tcp_conn *conn, size_t bytes)
{
	ASSERT(bytes <= conn->rcv_bytes);
	while (bytes > 0) {
		struct pkt *pkt = conn->rcv_head;

		if (pkt->len > bytes) {
			trim_head(conn, (uint32_t)bytes);
			break;
		}
		bytes -= pkt->len;
		drop_head(conn);
		pkt_put(pkt);
	}
	maybe_update_window(conn);
}

size_t tcp_take(struct tcp_conn *conn, size_t bytes, struct pkt_chain *chain)
{
	size_t left = bytes;

	ASSERT(bytes <= conn->rcv_bytes);
	while (left > 0) {
		struct pkt *pkt = conn->rcv_head;

		if (pkt->len <= left) {
			left -= pkt->len;
			drop_head(conn);
			pkt_chain_push(chain, pkt);
			continue;
		}
		/* The cut goes through this packet: its front is copied. */
		struct pkt *front = pkt_get(conn_tcp(conn)->net->pool);
		if (COUNT_IF(front == NULL, conn_counters(conn)->input_no_packet))
			break;
		memcpy(front->data, pkt->data, left);
		front->len = (uint16_t)left;
		front->seq = pkt->seq;
		front->acked = pkt->acked;
		pkt_chain_push(chain, front);
		trim_head(conn, (uint32_t)left);
		left = 0;
	}
	maybe_update_window(conn);
	return bytes - left;
}

void tcp_window_limit(struct tcp_conn *conn, size_t bytes)
{
	uint32_t max = conn_tcp(conn)->net->config.receive_window_bytes;

	conn->window_limit = bytes < max ? (uint32_t)bytes : max;
	maybe_update_window(conn);
}

bool tcp_at_end(const struct tcp_conn *conn)
{
	return (conn->flags & CONN_PEER_FIN) && conn->rcv_bytes == 0;
}

static bool may_write(const struct tcp_conn *conn)
{
	static const uint8_t flags_of[] = {
#define STATE(name, number, flags, help) [number] = (flags),
#include "tcpstack/tcp_states.def"
#undef STATE
	};

	return (flags_of[conn->state] & STATE_WRITES) && !(conn->flags & CONN_FIN_QUEUED);
}

static size_t send_room(const struct tcp_conn *conn)
{
	const struct net *net = conn_tcp(conn)->net;
	uint32_t queued = conn->snd_head != NULL ? conn->snd_end - conn->snd_head->seq : 0;

	if (!may_write(conn) || queued >= net->config.send_buffer_bytes)
		return 0;
	return net->config.send_buffer_bytes - queued;
}

size_t tcp_writable(const struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);
	const struct pkt_pool *pool = conn_tcp(conn)->net->pool;
	size_t room = send_room(conn);
	size_t memory = (size_t)pool->free_count * (PKT_DATA_BYTES - PKT_HEADROOM_BYTES);

	if (cold->snd_tail != NULL)
		memory += pkt_tailroom(cold->snd_tail);
	return room < memory ? room : memory;
}

size_t tcp_unacked(const struct tcp_conn *conn)
{
	return conn->snd_head != NULL ? conn->snd_end - conn->snd_head->seq : 0;
}

static void append_sent(struct tcp_conn *conn, struct pkt *pkt)
{
	struct tcp_cold *cold = conn_cold(conn);

	pkt->next = NULL;
	pkt->starts = 0;
	pkt->seq = conn->snd_end;
	if (cold->snd_tail != NULL)
		cold->snd_tail->next = pkt;
	else
		conn->snd_head = pkt;
	cold->snd_tail = pkt;
	if (conn->snd_next == NULL)
		conn->snd_next = pkt;
	conn->snd_end += pkt->len;
}

static void finish_write(struct tcp_conn *conn, bool more)
{
	if (more)
		conn->flags |= CONN_CORK;
	else
		conn->flags &= (uint16_t)~CONN_CORK;
	conn_mark_dirty(conn);
}

/* Copies behind the last packet's octets, which may have been sent already: sending copies, so they
 * are ours. */
static size_t fill_tail(struct tcp_conn *conn, struct bytes bytes)
{
	struct pkt *tail = conn_cold(conn)->snd_tail;
	size_t part;

	if (tail == NULL)
		return 0;
	part = pkt_tailroom(tail) < bytes.len ? pkt_tailroom(tail) : bytes.len;
	if (part == 0)
		return 0;
	memcpy(tail->data + tail->len, bytes.data, part);
	tail->len = (uint16_t)(tail->len + part);
	conn->snd_end += (uint32_t)part;
	if (conn->snd_next == NULL)
		conn->snd_next = tail;
	return part;
}

size_t tcp_write(struct tcp_conn *conn, struct bytes bytes, bool more)
{
	size_t room = send_room(conn);
	size_t taken = 0;

	bytes = bytes_slice(bytes, 0, room);
	while (taken < bytes.len) {
		struct bytes left = bytes_slice(bytes, taken, bytes.len - taken);
		size_t part = fill_tail(conn, left);
		struct pkt *pkt;

		taken += part;
		if (part == left.len)
			break;
		pkt = pkt_get(conn_tcp(conn)->net->pool);
		if (COUNT_IF(pkt == NULL, conn_counters(conn)->output_no_packet))
			break;
		pkt->len = 0;
		append_sent(conn, pkt);
	}
	if (may_write(conn))
		finish_write(conn, more);
	return taken;
}

size_t tcp_write_chain(struct tcp_conn *conn, struct pkt_chain *chain, bool more)
{
	size_t room = send_room(conn);
	size_t taken = 0;

	if (room == 0)
		return 0;
	/* A packet larger than a nearly full buffer's rest waits; with an empty buffer the first
	 * always fits in. */
	while (chain->head != NULL &&
	       (chain->head->len <= room - taken || conn->snd_head == NULL)) {
		struct pkt *pkt = pkt_chain_pop(chain);

		taken += pkt->len;
		if (pkt->len == 0)
			pkt_put(pkt);
		else
			append_sent(conn, pkt);
		if (taken >= room)
			break;
	}
	finish_write(conn, more);
	return taken;
}
