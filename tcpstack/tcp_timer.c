/* tcp_timer.c - deadlines: one handle of the wheel per connection, armed lazily.
 *
 * A connection's deadlines stand in its hot half; the wheel holds one no later than the earliest.
 * Moving a deadline away costs a store; when the wheel fires early the connection is armed again.
 * Each deadline is served at its own time, so that a jump of the clock gives the packets that many
 * small steps would have given.
 */
#include "tcpstack/tcp_internal.h"

uint64_t tcp_ms_to_us(const struct tcp *tcp, uint32_t at_ms)
{
	uint64_t now_ms = tcp->net->now_us / 1000;

	return (now_ms + (uint64_t)(int64_t)(int32_t)(at_ms - (uint32_t)now_ms)) * 1000;
}

void tcp_arm_handle(struct tcp *tcp, uint32_t handle, uint32_t deadline_ms)
{
	timer_set(tcp->timers, handle, tcp_ms_to_us(tcp, deadline_ms));
}

static bool ms_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static uint32_t earlier(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return a | b;
	return ms_before(a, b) ? a : b;
}

static uint32_t earliest(const struct tcp_conn *conn)
{
	const struct tcp_sent *sent = sent_of(conn);
	uint32_t at = earlier(conn->rexmit_at_ms, conn->ack_at_ms);

	return sent != NULL ? earlier(at, sent->reorder_at_ms) : at;
}

void conn_arm(struct tcp_conn *conn)
{
	uint32_t at = earliest(conn);

	if (at == 0)
		return; /* whatever is armed fires once and finds nothing */
	if (conn->armed_at_ms != 0 && !ms_before(at, conn->armed_at_ms))
		return;
	conn->armed_at_ms = at;
	tcp_arm_handle(conn_tcp(conn), conn->index, at);
}

void conn_start_rexmit(struct tcp_conn *conn)
{
	conn->flags &= (uint16_t)~CONN_PROBE;
	conn->rexmit_at_ms = tcp_deadline_ms(conn_tcp(conn), rtt_timeout_us(conn));
	conn_arm(conn);
}

static void give_up(struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);

	conn_counters(conn)->connections_timed_out++;
	conn_end(conn, cold->soft_error != OK ? (enum err)cold->soft_error : ERR_TIMED_OUT);
}

static uint32_t retries_max(const struct tcp_conn *conn)
{
	uint32_t max = conn_tcp(conn)->net->config.retries_max;

	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED)
		return min_u32(max, TCP_SYN_RETRIES_ACTIVE);
	return max;
}

static void next_try(struct tcp_conn *conn)
{
	conn_cold(conn)->retries++;
	if (conn->backoff < UINT8_MAX)
		conn->backoff++;
}

static void persist_fired(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	struct tcp_cold *cold = conn_cold(conn);

	/* The peer's ACKs keep `retries` at 0, so a window held shut for ever is bounded by time
	 * (sockstress). */
	if (cold->retries >= retries_max(conn) ||
	    tcp_since_s(tcp, cold->persist_since_s) >= TCP_PERSIST_S) {
		conn_send_reset(conn);
		give_up(conn);
		return;
	}
	conn_send_probe(conn);
	if (!(conn->flags & CONN_PERSIST))
		return; /* it sent data: an ordinary retransmission timeout runs */
	next_try(conn);
	conn_start_rexmit(conn);
}

static void rexmit_fired(struct tcp_conn *conn)
{
	conn->rexmit_at_ms = 0;
	if (conn->state == TCP_STATE_TIME_WAIT) {
		conn_end(conn, OK);
		return;
	}
	if (conn->state == TCP_STATE_FIN_WAIT_2) {
		if (conn->flags & CONN_ORPHAN)
			conn_end(conn, OK);
		return;
	}
	if (conn->flags & CONN_PERSIST) {
		persist_fired(conn);
		return;
	}
	if (conn->snd_una == conn->snd_nxt)
		return;
	if ((conn->flags & CONN_PROBE) && rack_probe_fired(conn))
		return;
	if (conn_cold(conn)->retries >= retries_max(conn)) {
		give_up(conn);
		return;
	}
	conn_counters(conn)->retransmission_timeouts++;
	if (conn->backoff % 2 == 1) /* the second in a row, the fourth */
		conn_suspect_path_mtu(conn);
	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED)
		conn->flags |= CONN_REXMIT_HEAD;
	else
		congestion_timeout(conn);
	conn->flags &= (uint16_t)~CONN_RTT_TIMING;
	next_try(conn);
	conn_start_rexmit(conn);
	conn_output(conn, 1);
}

static void conn_fired(struct tcp_conn *conn)
{
	uint32_t now_ms = tcp_now_ms(conn_tcp(conn));

	conn->armed_at_ms = 0;
	if (conn->ack_at_ms != 0 && !ms_before(now_ms, conn->ack_at_ms)) {
		conn->ack_at_ms = 0;
		if (conn->flags & CONN_ACK_LATER)
			conn->flags |= CONN_ACK_NOW;
		conn_output(conn, BURST_PKTS_MAX);
	}
	rack_reorder_due(conn);
	if (conn->rexmit_at_ms != 0 && !ms_before(now_ms, conn->rexmit_at_ms))
		rexmit_fired(conn);
	if (conn->state != TCP_STATE_CLOSED)
		conn_arm(conn);
}

void tcp_timers(struct net *net, uint32_t work_max)
{
	struct tcp *tcp = net->tcp;
	uint64_t until_us = net->now_us;
	uint64_t at_us = tcp->clock_us;
	uint32_t handle;

	for (uint32_t work = 0; work < work_max; work++) {
		uint64_t next_us = timer_next_us(tcp->timers);
		if (next_us > until_us)
			break;
		/* Time stands at the earliest deadline while it is served, but never goes back. */
		at_us = next_us > at_us ? next_us : at_us;
		net->now_us = at_us;
		if (!timer_pop(tcp->timers, at_us, &handle))
			continue; /* next_us was a lower bound; the wheel has come nearer */
		if (handle == 0)
			syn_timer(tcp);
		else if (handle == tcp->conns_max + 1)
			time_wait_timer(tcp);
		else
			conn_fired(&tcp->conns[handle]);
	}
	net->now_us = until_us;
	tcp->clock_us = until_us;
}

uint64_t tcp_next_timer_us(const struct net *net)
{
	return timer_next_us(net->tcp->timers);
}

uint64_t tcp_next_deadline_us(const struct net *net)
{
	const struct tcp *tcp = net->tcp;

	if (tcp->ready.head != TCP_NONE || tcp->dirty.head != TCP_NONE)
		return net->now_us;
	return timer_next_us(tcp->timers);
}
