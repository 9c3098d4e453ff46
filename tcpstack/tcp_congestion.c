/* tcp_congestion.c - how much may be in flight: RFC 5681, RFC 3465 (L = 2), RFC 3042, initial
 * window RFC 6928; with a scoreboard RFC 6675 and RFC 6937 (PRR), without RFC 6582 (NewReno). */
#include "tcpstack/tcp_internal.h"

void congestion_init(struct tcp_conn *conn)
{
	conn->cwnd = conn_tcp(conn)->net->config.initial_window_segments * conn->mss;
	conn_cold(conn)->ssthresh = UINT32_MAX;
}

static uint32_t half_of_flight(const struct tcp_conn *conn)
{
	return max_u32(conn_flight(conn) / 2, 2u * conn->mss);
}

static void grow(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t acked,
                 uint32_t flight_before)
{
	uint32_t ssthresh = conn_cold(conn)->ssthresh;
	uint32_t max = conn_tcp(conn)->net->config.send_buffer_bytes + conn->mss;

	/* A window that is not used proves nothing about the path (RFC 7661's reason). */
	if (conn->cwnd < ssthresh) {
		if (flight_before * 2 >= conn->cwnd)
			conn->cwnd += sent != NULL ? hystart_increase(conn, sent, acked)
			                           : min_u32(acked, 2u * conn->mss);
	} else if (flight_before + conn->mss >= conn->cwnd && sent != NULL) {
		conn->cwnd += cubic_increase(conn, sent, acked);
	} else if (flight_before + conn->mss >= conn->cwnd) {
		conn->cwnd += max_u32(
		    (uint32_t)((uint64_t)conn->mss * min_u32(acked, conn->mss) / conn->cwnd), 1);
	}
	max = max_u32(max, conn_tcp(conn)->net->config.initial_window_segments * conn->mss);
	max = min_u32(max, TCP_FLIGHT_SEGMENTS_MAX * conn->mss);
	conn->cwnd = min_u32(conn->cwnd, max);
}

/* RFC 6582 3.2 step 3, the partial acknowledgment: the next hole goes out at once. */
static void partial_ack(struct tcp_conn *conn, uint32_t acked)
{
	conn->flags |= CONN_REXMIT_HEAD;
	conn->cwnd = conn->cwnd > acked ? conn->cwnd - acked : 0;
	if (acked >= conn->mss)
		conn->cwnd += conn->mss;
	conn->cwnd = max_u32(conn->cwnd, conn->mss);
}

void congestion_ack(struct tcp_conn *conn, uint32_t acked, uint32_t flight_before)
{
	struct tcp_cold *cold = conn_cold(conn);

	conn->dupacks = 0;
	if (conn->flags & CONN_RECOVERY) {
		if (seq_before(conn->snd_una, cold->recover)) {
			partial_ack(conn, acked);
			return;
		}
		conn->flags &= (uint16_t)~CONN_RECOVERY;
		conn->cwnd = min_u32(cold->ssthresh,
		                     max_u32(conn_flight(conn), conn->mss) + conn->mss);
		return;
	}
	if (conn->flags & CONN_LOSS) {
		cold->rexmit_nxt = seq_later(cold->rexmit_nxt, conn->snd_una);
		if (!seq_before(conn->snd_una, cold->recover))
			conn->flags &= (uint16_t)~CONN_LOSS;
	}
	grow(conn, NULL, acked, flight_before);
	if (conn->cwnd < cold->ssthresh && flight_before * 2 >= conn->cwnd)
		hystart_begin(conn);
}

/* RFC 3168 6.1.2: whatever the reason, the next new data tells of it. */
static void tell_reduced(struct tcp_conn *conn)
{
	conn->options |= OPTION_ECN_REDUCED;
	conn_cold(conn)->reduced = false; /* what follows has a name of its own */
}

void congestion_dupack(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);

	if (conn->dupacks < UINT8_MAX)
		conn->dupacks++;
	if (conn->flags & CONN_RECOVERY) {
		conn->cwnd += conn->mss; /* a segment has left the network */
		return;
	}
	/* RFC 6582 3.2 step 2: not for duplicates that what was sent again has caused. */
	if (conn->dupacks != TCP_DUPACKS || !seq_after(conn->snd_una, cold->recover))
		return;
	cold->ssthresh = half_of_flight(conn);
	cold->recover = conn->snd_nxt;
	conn->cwnd = cold->ssthresh + TCP_DUPACKS * conn->mss;
	conn->flags |= CONN_RECOVERY | CONN_REXMIT_HEAD;
	tell_reduced(conn);
	conn_counters(conn)->fast_retransmits++;
}

static void remember_for_undo(struct tcp_conn *conn, struct tcp_sent *sent)
{
	sent->undo_cwnd = conn->cwnd;
	sent->undo_ssthresh = conn_cold(conn)->ssthresh;
	sent->undo_ts = conn_timestamp(conn);
	sent->undo_again = sent->undo_duplicates = 0;
}

/* Congestion window validation: what was not used is not what the path took (RFC 9438 4.6). */
static uint32_t window_used(const struct tcp_conn *conn)
{
	return min_u32(conn->cwnd, max_u32(conn->snd_nxt - conn->snd_una, conn->mss));
}

void congestion_enter_recovery(struct tcp_conn *conn, struct tcp_sent *sent)
{
	remember_for_undo(conn, sent);
	cubic_reduce(conn, sent, window_used(conn));
	conn_cold(conn)->recover = conn->snd_nxt;
	sent->prr_flight = max_u32(conn->snd_nxt - conn->snd_una, 1);
	sent->prr_delivered = sent->prr_out = 0;
	sent->has_probe = false;
	conn->flags |= CONN_RECOVERY;
	tell_reduced(conn);
	conn->cwnd = sent_pipe(conn, sent) + conn->mss; /* the first hole goes at once */
	conn_counters(conn)->fast_retransmits++;
	conn_start_rexmit(conn);
	conn_mark_dirty(conn);
}

void congestion_reduce(struct tcp_conn *conn, struct tcp_sent *sent)
{
	/* The ACK that tells of it has emptied the path: what is in flight now says nothing. */
	cubic_reduce(conn, sent, conn->cwnd);
	tell_reduced(conn);
	conn->cwnd = conn_cold(conn)->ssthresh;
}

/* RFC 6937 3.1, with the slow start reduction bound. */
static void reduce_proportionally(struct tcp_conn *conn, struct tcp_sent *sent,
                                  const struct tcp_delivery *delivery)
{
	uint32_t ssthresh = conn_cold(conn)->ssthresh;
	uint32_t pipe = sent_pipe(conn, sent);
	uint32_t allowed;

	sent->prr_delivered += delivery->delivered;
	if (pipe > ssthresh) {
		uint64_t share = ((uint64_t)sent->prr_delivered * ssthresh + sent->prr_flight - 1) /
		                 sent->prr_flight;

		allowed = share > sent->prr_out ? (uint32_t)share - sent->prr_out : 0;
	} else {
		allowed = sent->prr_delivered > sent->prr_out ? sent->prr_delivered - sent->prr_out
		                                              : 0;
		allowed = max_u32(allowed, delivery->delivered);
		if (delivery->acked > 0)
			allowed += conn->mss;
		allowed = min_u32(allowed, ssthresh - pipe);
	}
	if (sent->prr_out == 0)
		allowed = max_u32(allowed, conn->mss);
	conn->cwnd = max_u32(pipe + allowed, conn->mss);
}

static void leave_recovery(struct tcp_conn *conn)
{
	if (conn->flags & CONN_RECOVERY)
		conn->cwnd = max_u32(conn_cold(conn)->ssthresh, conn->mss);
	conn->flags &= (uint16_t) ~(CONN_RECOVERY | CONN_LOSS);
}

void congestion_sack(struct tcp_conn *conn, struct tcp_sent *sent,
                     const struct tcp_segment *segment, const struct tcp_delivery *delivery,
                     uint32_t flight_before)
{
	bool lost;

	/* RFC 6675 5: an ACK that SACKs something new is a duplicate, small segments count as well.
	 */
	if (delivery->acked > 0) {
		conn->dupacks = 0;
		hystart_ack(conn, sent);
	}
	if (delivery->sacked > 0 && conn->dupacks < UINT8_MAX)
		conn->dupacks++;
	rack_judge(conn, sent, segment, delivery);
	if ((conn->flags & (CONN_RECOVERY | CONN_LOSS)) &&
	    !seq_before(conn->snd_una, conn_cold(conn)->recover)) {
		leave_recovery(conn);
		rack_recovered(sent);
	}
	lost = rack_detect(conn, sent);
	if (!(conn->flags & (CONN_RECOVERY | CONN_LOSS)) && lost)
		congestion_enter_recovery(conn, sent);
	if (conn->flags & CONN_RECOVERY) /* on every ACK, also the one that began it */
		reduce_proportionally(conn, sent, delivery);
	else if (delivery->acked > 0)
		grow(conn, sent, delivery->acked, flight_before);
	conn_mark_dirty(conn);
}

/* The scoreboard's part of a timeout. */
static void lose_all(struct tcp_conn *conn, struct tcp_sent *sent)
{
	if (!(conn->flags & (CONN_RECOVERY | CONN_LOSS))) {
		remember_for_undo(conn, sent);
		cubic_reduce(conn, sent, window_used(conn));
	} else if (conn->backoff == 0 && (conn->flags & CONN_LOSS)) {
		sent->undo_cwnd = 0;
		cubic_reduce(conn, sent, window_used(conn));
	}
	sent->frto = 1;
	sent_lose_all(conn, sent);
}

void congestion_timeout(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);
	struct tcp_sent *sent = conn->options & OPTION_SACK ? sent_get(conn) : NULL;

	if (sent != NULL)
		lose_all(conn, sent);
	/* RFC 5681 4.3: halved once per loss, not once per back-off. */
	else if (conn->backoff == 0)
		cold->ssthresh = half_of_flight(conn);
	conn->cwnd = conn->mss;
	conn->dupacks = 0;
	tell_reduced(conn);
	conn->flags &= (uint16_t)~CONN_RECOVERY;
	conn->flags |= CONN_LOSS;
	cold->recover = conn->snd_nxt;
	cold->rexmit_nxt = conn->snd_una;
}

void congestion_idle(struct tcp_conn *conn)
{
	const struct net_config *config = &conn_tcp(conn)->net->config;
	uint32_t least = config->initial_window_segments * conn->mss;
	uint32_t idle_us = (uint32_t)conn_tcp(conn)->net->now_us - conn->rtt_at_us;
	uint32_t rto_us = rtt_rto_us(conn);
	struct tcp_cold *cold = conn_cold(conn);

	if (idle_us < rto_us || conn->cwnd <= least || config->no_idle_restart)
		return;
	cold->ssthresh = max_u32(cold->ssthresh, conn->cwnd / 4 * 3);
	for (; idle_us >= rto_us && conn->cwnd > least; idle_us -= rto_us)
		conn->cwnd /= 2;
	conn->cwnd = max_u32(conn->cwnd, least);
	conn->rtt_at_us = (uint32_t)conn_tcp(conn)->net->now_us;
}

uint32_t congestion_window(const struct tcp_conn *conn)
{
	/* With a scoreboard what has arrived is out of the pipe. RFC 3042: the first two duplicates
	 * may each let one new segment go. */
	if (!(conn->flags & (CONN_RECOVERY | CONN_LOSS)) && conn->dupacks > 0 &&
	    conn->dupacks < TCP_DUPACKS && conn_cold(conn)->sent == 0)
		return conn->cwnd + conn->dupacks * (uint32_t)conn->mss;
	return conn->cwnd;
}
