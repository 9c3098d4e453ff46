/* tcp.c - opening, closing and asking after connections: the front door. Reading and writing:
 * tcp_stream.c. */
#include "tcpstack/tcp_internal.h"

static uint32_t recovery_count(const struct net_config *config)
{
	return config->connections_max / 16 + 64;
}

/* We mostly receive: a connection in 64 that sends and loses. */
static uint32_t sent_count(const struct net_config *config)
{
	return config->connections_max / 64 + 64;
}

size_t tcp_bytes(const struct net_config *config)
{
	size_t slots = (size_t)config->connections_max + 1;

	return sizeof(struct tcp) + slots * (sizeof(struct tcp_conn) + sizeof(struct tcp_cold)) +
	       tcp_table_bytes(config->connections_max) + syn_cache_bytes(config->syn_cache_count) +
	       seen_bytes(config->syn_seen_count) + time_wait_bytes(config->time_wait_count) +
	       recovery_count(config) * (sizeof(struct tcp_recovery) + sizeof(uint32_t)) +
	       prefix_sketch_bytes(config) +
	       sent_count(config) * (sizeof(struct tcp_sent) + sizeof(uint32_t)) +
	       (slots + 1) * 16 + 65536; /* timer handles, the wheel itself, alignment */
}

static bool init_slots(struct tcp *tcp, struct arena *arena)
{
	tcp->conns = arena_take(arena, tcp->conns_max + 1, sizeof(struct tcp_conn), 128);
	tcp->colds = arena_take(arena, tcp->conns_max + 1, sizeof(struct tcp_cold), 128);
	if (tcp->conns == NULL || tcp->colds == NULL)
		return false;
	((struct tcp_slab *)(void *)tcp->conns)->tcp = tcp;
	for (uint32_t i = tcp->conns_max; i > 0; i--) {
		tcp->conns[i].dirty_next = tcp->free_head;
		tcp->free_head = i;
	}
	return true;
}

struct tcp *tcp_new(struct net *net, struct arena *arena)
{
	const struct net_config *config = &net->config;
	struct tcp *tcp = ARENA_TAKE(arena, 1, struct tcp);

	if (tcp == NULL)
		return NULL;
	tcp->net = net;
	ASSERT(recovery_count(config) < TCP_POOL_MASK && sent_count(config) < TCP_POOL_MASK);
	tcp->conns_max = config->connections_max;
	/* The smallest scale that can express the largest window. */
	ASSERT(config->window_scale_min <= TCP_WINDOW_SCALE_MAX);
	tcp->rcv_scale = config->window_scale_min;
	while (config->receive_window_bytes >> tcp->rcv_scale > UINT16_MAX &&
	       tcp->rcv_scale < TCP_WINDOW_SCALE_MAX)
		tcp->rcv_scale++;
	if (!init_slots(tcp, arena) || !tcp_table_init(&tcp->table, arena, tcp->conns_max) ||
	    !syn_cache_init(tcp, arena, config->syn_cache_count) ||
	    !seen_init(tcp, arena, config->syn_seen_count) ||
	    !time_wait_init(tcp, arena, config->time_wait_count) || !prefix_sketch_init(tcp, arena))
		return NULL;
	if (pool_init(&tcp->recoveries, arena, recovery_count(config), sizeof(struct tcp_recovery),
	              _Alignof(struct tcp_recovery)) != OK ||
	    pool_init(&tcp->sents, arena, sent_count(config), sizeof(struct tcp_sent),
	              _Alignof(struct tcp_sent)) != OK)
		return NULL;
	tcp->timers = timer_wheel_new(arena, tcp->conns_max + 2, net->now_us);
	return tcp->timers != NULL ? tcp : NULL;
}

uint32_t tcp_connection_count(const struct net *net)
{
	return net->tcp->conn_count;
}

static struct tcp_listener *find_listener(struct tcp *tcp, const struct endpoint *local)
{
	for (uint32_t i = 0; i < tcp->listener_count; i++) {
		struct tcp_listener *listener = &tcp->listeners[i];

		if (listener->local.port == local->port &&
		    addr_equal(&listener->local.addr, &local->addr))
			return listener;
	}
	return NULL;
}

enum err tcp_listen(struct net *net, const struct endpoint *local, uint32_t tag)
{
	struct tcp *tcp = net->tcp;

	if (find_listener(tcp, local) != NULL)
		return ERR_DUPLICATE;
	if (tcp->listener_count == LISTENERS_MAX)
		return ERR_FULL;
	tcp->listeners[tcp->listener_count++] = (struct tcp_listener){
	    .local = *local, .tag = tag, .mss = UINT16_MAX};
	return OK;
}

void tcp_listen_mss(struct net *net, const struct endpoint *local, uint16_t mss)
{
	struct tcp_listener *listener = find_listener(net->tcp, local);

	ASSERT(listener != NULL);
	listener->mss = (uint16_t)max_u32(mss, TCP_MSS_FLOOR);
}

void tcp_unlisten(struct net *net, const struct endpoint *local)
{
	struct tcp *tcp = net->tcp;
	struct tcp_listener *listener = find_listener(tcp, local);

	ASSERT(listener != NULL);
	*listener = tcp->listeners[--tcp->listener_count];
}

/* RFC 6056 3.3.4, double hash in effect: a keyed offset per destination, then the next port that is
 * free. */
static enum err choose_port(struct tcp *tcp, struct tcp_tuple *tuple)
{
	const uint32_t range = TCP_PORT_LAST - TCP_PORT_FIRST + 1;
	const struct net_config *config = &tcp->net->config;
	uint32_t offset;

	tuple->local.port = 0;
	offset = (uint32_t)(tcp_tuple_hash(tcp->net, tuple) >> 32);
	for (uint32_t tries = 0; tries < range; tries++) {
		uint64_t hash;

		tuple->local.port = (uint16_t)(TCP_PORT_FIRST +
		                               (offset + tcp->port_counter++) % range);
		if (config->port_suits != NULL &&
		    !config->port_suits(config->port_context, &tuple->local, &tuple->remote))
			continue;
		hash = tcp_tuple_hash(tcp->net, tuple);
		if (tcp_table_find(tcp, hash, tuple) == NULL && !time_wait_blocks(tcp, tuple, hash))
			return OK;
	}
	tcp->net->tcp_counters->ports_exhausted++;
	return ERR_PORTS_EXHAUSTED;
}

static enum err choose_local(struct net *net, const struct endpoint *local, struct tcp_tuple *tuple)
{
	enum err err;

	tuple->local = local != NULL ? *local : (struct endpoint){0};
	if (addr_is_unspecified(&tuple->local.addr)) {
		err = ip_source(net, &tuple->remote.addr, &tuple->local.addr);
		if (err != OK)
			return err;
	}
	if (tuple->local.port == 0)
		return choose_port(net->tcp, tuple);
	uint64_t hash = tcp_tuple_hash(net, tuple);
	if (tcp_table_find(net->tcp, hash, tuple) != NULL ||
	    time_wait_blocks(net->tcp, tuple, hash))
		return ERR_PORTS_EXHAUSTED;
	return OK;
}

enum err tcp_connect(struct net *net, uint64_t now_us, const struct endpoint *local,
                     const struct endpoint *remote, struct tcp_conn **out_conn)
{
	struct tcp_tuple tuple = {.remote = *remote};
	struct tcp_conn *conn;
	struct tcp_cold *cold;
	enum err err;

	if (now_us > net->now_us)
		net->now_us = now_us;
	if (!ip_is_other_host(net, &remote->addr))
		return ERR_UNREACHABLE; /* RFC 9293 3.9.2.3: no group, no broadcast */
	err = choose_local(net, local, &tuple);
	if (err != OK)
		return err;
	conn = conn_new(net->tcp, &tuple, tcp_tuple_hash(net, &tuple));
	if (conn == NULL)
		return ERR_FULL;

	cold = conn_cold(conn);
	cold->iss = tcp_initial_seq(net, &tuple);
	cold->ts_offset = tcp_timestamp_offset(net, &tuple);
	cold->recover = cold->iss;
	cold->active = true;
	conn->state = TCP_STATE_SYN_SENT;
	conn->snd_una = cold->iss;
	conn->snd_nxt = conn->snd_end = cold->iss + 1;
	conn_settle(conn, 0, 0, tcp_mss_for(net, &remote->addr));
	conn->flags |= CONN_REXMIT_HEAD;
	conn_mark_dirty(conn);
	net->tcp_counters->connections_started++;
	*out_conn = conn;
	return OK;
}

struct tcp_conn *tcp_next_ready(struct net *net, uint32_t *out_news)
{
	struct tcp *tcp = net->tcp;
	struct tcp_conn *conn;

	if (!tcp->ready_open) {
		/* What is marked from now on waits for the next walk: a walk ends. */
		tcp->ready_now = tcp->ready;
		tcp->ready = (struct tcp_list){TCP_NONE, TCP_NONE};
		tcp->ready_open = true;
	}
	while ((conn = conn_pop_ready(tcp)) != NULL) {
		if (conn->flags & CONN_ORPHAN) {
			conn_release(conn);
			continue;
		}
		*out_news = conn->news;
		conn->news = 0;
		return conn;
	}
	tcp->ready_open = false;
	return NULL;
}

const void *tcp_peek_user(const struct net *net)
{
	uint32_t index = net->tcp->ready_now.head;

	return index != TCP_NONE ? net->tcp->colds[index].user : NULL;
}

void tcp_mark_ready(struct tcp_conn *conn)
{
	ASSERT(!(conn->flags & CONN_ORPHAN));
	conn_add_news(conn, 0);
}

void tcp_set_user(struct tcp_conn *conn, void *user)
{
	conn_cold(conn)->user = user;
}

void *tcp_user(const struct tcp_conn *conn)
{
	return conn_cold(conn)->user;
}

uint32_t tcp_listener_tag(const struct tcp_conn *conn)
{
	return conn_cold(conn)->listener_tag;
}

enum err tcp_error(const struct tcp_conn *conn)
{
	return (enum err)conn_cold(conn)->error;
}

void tcp_endpoints(const struct tcp_conn *conn, struct endpoint *out_local,
                   struct endpoint *out_remote)
{
	*out_local = conn_cold(conn)->tuple.local;
	*out_remote = conn_cold(conn)->tuple.remote;
}

void tcp_limit_mss(struct tcp_conn *conn, uint16_t mss)
{
	struct tcp_cold *cold = conn_cold(conn);

	cold->peer_mss = (uint16_t)min_u32(cold->peer_mss, max_u32(mss, TCP_MSS_FLOOR));
	conn_set_mss(conn);
}

void tcp_set_nagle(struct tcp_conn *conn, bool on)
{
	conn->options &= (uint8_t)~OPTION_NAGLE;
	if (on)
		conn->options |= OPTION_NAGLE;
	else
		conn_mark_dirty(conn);
}

void tcp_probe(struct tcp_conn *conn)
{
	if (conn->state == TCP_STATE_ESTABLISHED || conn->state == TCP_STATE_CLOSE_WAIT ||
	    conn->state == TCP_STATE_FIN_WAIT_2)
		conn_send_keepalive(conn);
}

void tcp_shutdown(struct tcp_conn *conn)
{
	if (conn->flags & CONN_FIN_QUEUED)
		return;
	switch (conn->state) {
	case TCP_STATE_ESTABLISHED:
		conn->state = TCP_STATE_FIN_WAIT_1;
		break;
	case TCP_STATE_CLOSE_WAIT:
		conn->state = TCP_STATE_LAST_ACK;
		break;
	case TCP_STATE_SYN_SENT:
	case TCP_STATE_SYN_RECEIVED:
		break; /* the state follows when the handshake is done */
	default:
		return;
	}
	conn->flags |= CONN_FIN_QUEUED;
	conn->flags &= (uint16_t)~CONN_CORK;
	conn_mark_dirty(conn);
}

void tcp_shutdown_read(struct tcp_conn *conn)
{
	conn_cold(conn)->reads_no_more = true;
}

/* From now on nobody reads: the receive chain goes, and the slot may when the protocol is done. */
static void let_go(struct tcp_conn *conn)
{
	ASSERT(!(conn->flags & CONN_ORPHAN));
	conn->news = 0;
	tcp_consume(conn, conn->rcv_bytes);
	reassembly_free(conn); /* nobody will read what a hole holds back */
	conn_cold(conn)->user = NULL;
	if (conn->state == TCP_STATE_CLOSED)
		conn->flags |= CONN_ORPHAN;
	else
		conn_add_orphan(conn);
}

/* One let go may be one too many: the oldest is reset. */
static void bound_orphans(struct tcp *tcp)
{
	struct tcp_conn *oldest = &tcp->conns[tcp->orphans.head];

	if (tcp->orphan_count <= tcp->net->config.orphans_max)
		return;
	tcp->net->tcp_counters->orphans_evicted++;
	conn_send_reset(oldest);
	conn_end(oldest, OK);
}

static void close_conn(struct tcp_conn *conn, bool unread)
{
	switch (conn->state) {
	case TCP_STATE_CLOSED:
		conn_release(conn);
		return;
	case TCP_STATE_TIME_WAIT: /* the table knows it since then */
		if (conn->flags & CONN_ACK_NOW)
			conn_output(conn, 1);
		conn_end(conn, OK);
		return;
	case TCP_STATE_SYN_SENT:
		conn_end(conn, OK);
		return;
	case TCP_STATE_FIN_WAIT_2:
		if (unread)
			break;
		conn->rexmit_at_ms = tcp_deadline_ms(conn_tcp(conn), TCP_FIN_WAIT_US);
		conn_arm(conn);
		return;
	default:
		break;
	}
	if (unread && conn->state != TCP_STATE_LAST_ACK && conn->state != TCP_STATE_CLOSING) {
		if (conn->snd_nxt != conn->snd_end)
			conn_output(conn, 1); /* the reset shall not swallow our last reply */
		conn_send_reset(conn);
		conn_end(conn, OK);
		return;
	}
	tcp_shutdown(conn);
}

void tcp_close(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	bool unread = conn->rcv_bytes > 0;

	let_go(conn);
	close_conn(conn, unread);
	bound_orphans(tcp);
}

void tcp_abort(struct tcp_conn *conn)
{
	let_go(conn);
	if (conn->state == TCP_STATE_CLOSED) {
		conn_release(conn);
		return;
	}
	/* RFC 9293 3.10.5: nothing to reset before the SYN is answered or when both sides have
	 * finished. */
	if (conn->state != TCP_STATE_SYN_SENT && conn->state != TCP_STATE_CLOSING &&
	    conn->state != TCP_STATE_LAST_ACK && conn->state != TCP_STATE_TIME_WAIT)
		conn_send_reset(conn);
	conn_end(conn, OK);
}

void tcp_abort_saying(struct tcp_conn *conn, struct bytes words)
{
	bool idle = conn->snd_una == conn->snd_end;

	if (idle && (conn->state == TCP_STATE_ESTABLISHED || conn->state == TCP_STATE_CLOSE_WAIT) &&
	    tcp_write(conn, words, false) > 0)
		conn_output(conn, 1);
	tcp_abort(conn);
}
