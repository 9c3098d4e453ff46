/* tcp_conn.c - a connection's slot from first to last: lists it is on, what the SYNs settled, its
 * end.
 *
 * A slot goes back to the free list when the user has let go, the peer is done with, and neither
 * the dirty nor the ready list holds its index any more; popping from those lists therefore never
 * meets a stranger.
 */
#include "tcpstack/tcp_internal.h"

struct tcp_conn *conn_new(struct tcp *tcp, const struct tcp_tuple *tuple, uint64_t hash)
{
	uint32_t index = tcp->free_head;
	struct tcp_conn *conn;
	struct tcp_cold *cold;

	if (COUNT_IF(index == TCP_NONE, tcp->net->tcp_counters->connections_full))
		return NULL;
	if (COUNT_IF(!tcp_table_add(&tcp->table, hash, index),
	             tcp->net->tcp_counters->connections_full))
		return NULL;
	conn = &tcp->conns[index];
	cold = &tcp->colds[index];
	tcp->free_head = conn->dirty_next;
	tcp->conn_count++;

	memset(conn, 0, sizeof(*conn));
	memset(cold, 0, sizeof(*cold));
	conn->index = index;
	conn->state = TCP_STATE_CLOSED;
	conn->flags = CONN_TABLED;
	conn->window_limit = min_u32(tcp->net->config.receive_window_initial_bytes,
	                             tcp->net->config.receive_window_bytes);
	conn->rcv_mss = TCP_MSS_DEFAULT_IP4;
	if (addr_is_ip4(&tuple->remote.addr))
		conn->options |= OPTION_IP4;
	cold->tuple = *tuple;
	cold->quick_acks = TCP_QUICK_ACKS;
	cold->opened_s = tcp_now_s(tcp);
	cold->path_mtu = ip_mtu(tcp->net, &tuple->remote.addr);
	return conn;
}

void conn_mark_dirty(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);

	if (conn->flags & CONN_DIRTY)
		return;
	conn->flags |= CONN_DIRTY;
	conn->dirty_next = TCP_NONE;
	if (tcp->dirty.tail != TCP_NONE)
		tcp->conns[tcp->dirty.tail].dirty_next = conn->index;
	else
		tcp->dirty.head = conn->index;
	tcp->dirty.tail = conn->index;
}

struct tcp_conn *conn_pop_dirty(struct tcp *tcp)
{
	struct tcp_conn *conn = &tcp->conns[tcp->dirty.head];

	if (tcp->dirty.head == TCP_NONE)
		return NULL;
	tcp->dirty.head = conn->dirty_next;
	if (tcp->dirty.head == TCP_NONE)
		tcp->dirty.tail = TCP_NONE;
	conn->flags &= (uint16_t)~CONN_DIRTY;
	return conn;
}

/* The user is asked after the rest of the burst; then what it keeps should be here. */
static void prefetch_user(const struct tcp_conn *conn)
{
	const uint8_t *user = conn_cold(conn)->user;

	for (size_t at = 0; user != NULL && at < TCP_USER_BYTES; at += 64)
		__builtin_prefetch(user + at);
}

void conn_add_news(struct tcp_conn *conn, uint8_t news)
{
	struct tcp *tcp = conn_tcp(conn);

	if (conn->flags & CONN_ORPHAN)
		return;
	conn->news |= news;
	if (conn->flags & CONN_READY)
		return;
	conn->flags |= CONN_READY;
	prefetch_user(conn);
	conn_cold(conn)->ready_next = TCP_NONE;
	if (tcp->ready.tail != TCP_NONE)
		tcp->colds[tcp->ready.tail].ready_next = conn->index;
	else
		tcp->ready.head = conn->index;
	tcp->ready.tail = conn->index;
}

struct tcp_conn *conn_pop_ready(struct tcp *tcp)
{
	uint32_t index = tcp->ready_now.head;

	if (index == TCP_NONE)
		return NULL;
	tcp->ready_now.head = tcp->colds[index].ready_next;
	tcp->conns[index].flags &= (uint16_t)~CONN_READY;
	return &tcp->conns[index];
}

/* No user will ever end it, so a bound does: the oldest goes. Who closed in good order needs a
 * round trip or two; who stays longest is the one that never answers. */
void conn_add_orphan(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	struct tcp_cold *cold = conn_cold(conn);

	conn->flags |= CONN_ORPHAN;
	cold->orphan.next = TCP_NONE;
	cold->orphan.prev = tcp->orphans.tail;
	if (tcp->orphans.tail != TCP_NONE)
		tcp->colds[tcp->orphans.tail].orphan.next = conn->index;
	else
		tcp->orphans.head = conn->index;
	tcp->orphans.tail = conn->index;
	tcp->orphan_count++;
}

static void remove_orphan(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	const struct tcp_cold *cold = conn_cold(conn);

	if (cold->orphan.prev != TCP_NONE)
		tcp->colds[cold->orphan.prev].orphan.next = cold->orphan.next;
	else
		tcp->orphans.head = cold->orphan.next;
	if (cold->orphan.next != TCP_NONE)
		tcp->colds[cold->orphan.next].orphan.prev = cold->orphan.prev;
	else
		tcp->orphans.tail = cold->orphan.prev;
	ASSERT(tcp->orphan_count > 0);
	tcp->orphan_count--;
}

void conn_release(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);

	if (conn->state != TCP_STATE_CLOSED || !(conn->flags & CONN_ORPHAN))
		return;
	if (conn->flags & (CONN_DIRTY | CONN_READY))
		return; /* whoever takes it off that list comes back here */
	ASSERT(conn->rcv_head == NULL && conn->snd_head == NULL);
	ASSERT(tcp->conn_count > 0);
	conn->flags = CONN_ORPHAN; /* closing it once more is caught */
	conn->dirty_next = tcp->free_head;
	tcp->free_head = conn->index;
	tcp->conn_count--;
}

static void free_chain(struct pkt *pkt)
{
	while (pkt != NULL) {
		struct pkt *next = pkt->next;
		pkt_put(pkt);
		pkt = next;
	}
}

static void free_received(struct tcp_conn *conn)
{
	free_chain(conn->rcv_head);
	conn->rcv_head = conn->rcv_tail = NULL;
	conn->rcv_bytes = 0;
}

static void end(struct tcp_conn *conn, enum err err, uint64_t hash)
{
	struct tcp *tcp = conn_tcp(conn);
	struct tcp_cold *cold = conn_cold(conn);

	if (conn->flags & CONN_TABLED)
		tcp_table_remove(&tcp->table, hash, conn->index);
	conn->flags &= (uint16_t) ~(CONN_TABLED | CONN_ACK_NOW | CONN_ACK_LATER | CONN_REXMIT_HEAD);
	conn->state = TCP_STATE_CLOSED;
	conn->rexmit_at_ms = conn->ack_at_ms = conn->armed_at_ms = 0;
	timer_cancel(tcp->timers, conn->index);
	if (conn->flags & CONN_ORPHAN)
		remove_orphan(conn);
	prefix_uncount(conn);
	free_chain(conn->snd_head);
	conn->snd_head = conn->snd_next = cold->snd_tail = NULL;
	reassembly_free(conn);
	sent_free(conn);
	if (tcp->dsack_conn == conn->index)
		tcp->dsack_conn = TCP_NONE;
	/* The user may still read what came in order, as everywhere: RFC 9293 3.10.7.4 flushes the
	 * queues of segments, not what they have delivered. Unless it is the memory that is wanted.
	 */
	if (err == ERR_NO_MEMORY || (conn->flags & CONN_ORPHAN))
		free_received(conn);
	if (err != OK) {
		cold->error = (uint8_t)err;
		tcp->net->tcp_counters->connections_failed++;
		conn_add_news(conn, TCP_FAILED);
	} else {
		tcp->net->tcp_counters->connections_closed++;
	}
	conn_release(conn);
}

void conn_end(struct tcp_conn *conn, enum err err)
{
	end(conn, err, tcp_tuple_hash(conn_tcp(conn)->net, &conn_cold(conn)->tuple));
}

void conn_enter_time_wait(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	uint64_t hash;

	conn->state = TCP_STATE_TIME_WAIT;
	conn->rexmit_at_ms = 0;
	if ((conn->flags & CONN_ORPHAN) && (conn->flags & CONN_ACK_NOW))
		conn_output(conn, 1);
	hash = tcp_tuple_hash(tcp->net, &conn_cold(conn)->tuple);
	time_wait_add(tcp, conn, hash);
	if (conn->flags & CONN_ORPHAN) {
		end(conn, OK, hash);
		return;
	}
	/* From here on the table answers, and the tuple may be used again. The slot stays for what
	 * the user still has to read. */
	tcp_table_remove(&tcp->table, hash, conn->index);
	conn->flags &= (uint16_t)~CONN_TABLED;
	conn->rexmit_at_ms = tcp_deadline_ms(tcp, tcp->net->config.time_wait_us);
	conn_arm(conn);
}

uint16_t tcp_mss_for(const struct net *net, const struct addr *remote)
{
	uint32_t headers = (addr_is_ip4(remote) ? 20 : 40) + TCP_HEADER_BYTES;

	return (uint16_t)(ip_mtu(net, remote) - headers);
}

void conn_set_mss(struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);
	uint32_t headers = (conn->options & OPTION_IP4 ? 20 : 40) + TCP_HEADER_BYTES;
	uint32_t mss = min_u32(cold->peer_mss, cold->path_mtu - headers);

	/* The MSS option does not count options, RFC 6691. */
	if (conn->options & OPTION_TIMESTAMPS)
		mss -= TCP_TIMESTAMP_BYTES;
	conn->mss = (uint16_t)min_u32(mss, PKT_DATA_BYTES - PKT_HEADROOM_BYTES);
}

void conn_suspect_path_mtu(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t headers = (conn->options & OPTION_IP4 ? 20 : 40) + TCP_HEADER_BYTES;
	uint32_t mss = TCP_MSS_DEFAULT_IP6;

	if (conn->snd_nxt - conn->snd_una < conn->mss)
		return;
	if ((conn->options & OPTION_IP4) && cold->path_mtu <= mss + headers)
		mss = TCP_MSS_DEFAULT_IP4;
	if (cold->path_mtu <= mss + headers || cold->peer_mss <= mss)
		return;
	conn_counters(conn)->path_mtu_guessed++;
	cold->path_mtu = (uint16_t)(mss + headers);
	conn_set_mss(conn);
}

uint8_t tcp_agreed_options(const struct net *net, const struct tcp_options *peer)
{
	uint8_t options = 0;

	if (peer->has_timestamps && !net->config.no_timestamps)
		options |= OPTION_TIMESTAMPS;
	if (peer->sack_permitted && !net->config.no_sack)
		options |= OPTION_SACK;
	if (peer->window_scale != TCP_WINDOW_SCALE_NONE && !net->config.no_window_scale)
		options |= OPTION_WINDOW_SCALE;
	return options;
}

uint16_t tcp_peer_mss(const struct addr *remote, const struct tcp_options *peer)
{
	if (peer->mss == 0)
		return addr_is_ip4(remote) ? TCP_MSS_DEFAULT_IP4 : TCP_MSS_DEFAULT_IP6;
	return peer->mss > TCP_MSS_FLOOR ? peer->mss : TCP_MSS_FLOOR;
}

void conn_settle(struct tcp_conn *conn, uint8_t options, uint8_t peer_scale, uint16_t peer_mss)
{
	conn->options = (uint8_t)((conn->options & (OPTION_IP4 | OPTION_NAGLE)) | options);
	if (options & OPTION_WINDOW_SCALE) {
		ASSERT(peer_scale <= TCP_WINDOW_SCALE_MAX);
		conn->snd_scale = peer_scale & 15u;
		conn->rcv_scale = conn_tcp(conn)->rcv_scale & 15u;
	} else {
		conn->snd_scale = conn->rcv_scale = 0;
	}
	conn_cold(conn)->peer_mss = peer_mss;
	conn_set_mss(conn);
	/* Until it has sent something: likely what it wants itself. Every second segment of its is
	 * to be acknowledged, RFC 5681 4.2. */
	conn->rcv_mss = (uint16_t)min_u32(conn->rcv_mss, conn->mss);
	congestion_init(conn);
}

void conn_syn_resent(struct tcp_conn *conn, uint32_t resent_count)
{
	/* RFC 6298 5.7: the short first timeout has shown to be too short, or the path to be bad.
	 */
	if (resent_count > 0 && (conn->srtt_us8 == 0))
		conn->rttvar_us4 = TCP_RTO_FALLBACK_US;
	/* RFC 5681 3.1, relaxed by RFC 6928 2: one loss may well be no congestion. */
	if (resent_count > 1)
		conn->cwnd = conn->mss;
}

uint64_t tcp_tuple_hash(const struct net *net, const struct tcp_tuple *tuple)
{
	return hash64(&net->config.secret, tuple, sizeof(*tuple));
}

/* A hash for another purpose than finding connections: what it gives away must not tell of buckets.
 */
static uint64_t hash_apart(const struct net *net, const struct tcp_tuple *tuple, bool with_ports,
                           uint8_t purpose)
{
	struct {
		struct tcp_tuple tuple;
		uint8_t purpose;
	} __attribute__((packed)) input = {*tuple, purpose};

	if (!with_ports)
		input.tuple.local.port = input.tuple.remote.port = 0;
	return hash64(&net->config.secret, &input, sizeof(input));
}

uint32_t tcp_initial_seq(const struct net *net, const struct tcp_tuple *tuple)
{
	/* RFC 6528 3: a clock of 4 us plus a keyed hash. */
	return (uint32_t)(net->now_us / 4) + (uint32_t)hash_apart(net, tuple, true, 'i');
}

uint32_t tcp_timestamp_offset(const struct net *net, const struct tcp_tuple *tuple)
{
	return (uint32_t)hash_apart(net, tuple, false, 't');
}

uint32_t conn_timestamp(const struct tcp_conn *conn)
{
	return tcp_now_ms(conn_tcp(conn)) + conn_cold(conn)->ts_offset;
}
