/* tcp_ack.c - RFC 9293 3.10.7.4, fifth step: what a segment acknowledges, and the window it shows.
 */
#include "tcpstack/tcp_internal.h"

void conn_challenge(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t now_ms = tcp_now_ms(conn_tcp(conn));

	/* Per connection: a limit shared by all would be a side channel (CVE-2016-5696). */
	if (cold->challenge_at_ms != 0 && now_ms - cold->challenge_at_ms < TCP_CHALLENGE_US / 1000)
		return;
	cold->challenge_at_ms = now_ms != 0 ? now_ms : 1;
	conn_counters(conn)->challenge_acks++;
	conn->flags |= CONN_ACK_NOW;
	conn_mark_dirty(conn);
}

/* Frees what is acknowledged; data only, the FIN has no packet. */
static void free_acked(struct tcp_conn *conn, uint32_t ack)
{
	struct tcp_cold *cold = conn_cold(conn);

	while (conn->snd_head != NULL &&
	       !seq_after(conn->snd_head->seq + conn->snd_head->len, ack)) {
		struct pkt *pkt = conn->snd_head;

		conn->snd_head = pkt->next;
		if (conn->snd_next == pkt)
			conn->snd_next = pkt->next;
		pkt_put(pkt);
	}
	if (conn->snd_head == NULL) {
		cold->snd_tail = NULL;
	} else if (seq_before(conn->snd_head->seq, ack)) {
		uint32_t cut = ack - conn->snd_head->seq;

		conn->snd_head->data += cut;
		conn->snd_head->len = (uint16_t)(conn->snd_head->len - cut);
		conn->snd_head->seq = ack;
	}
}

static void take_rtt(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp *tcp = conn_tcp(conn);

	if ((conn->flags & CONN_RTT_TIMING) && !seq_before(segment->ack, conn->rtt_seq)) {
		conn->flags &= (uint16_t)~CONN_RTT_TIMING;
		rtt_sample(conn, (uint32_t)tcp->net->now_us - conn->rtt_at_us);
		return;
	}
	/* RFC 7323 4: with timestamps even what was sent again gives a sample, though only to the
	 * millisecond. When it was the ACK that was lost the echo may be as old as all our
	 * patience: a sample moves the timeout by a factor, not by an age. */
	if (conn->backoff > 0 && segment->options.has_timestamps &&
	    (conn->options & OPTION_TIMESTAMPS)) {
		uint32_t ms = conn_timestamp(conn) - segment->options.ts_ecr;
		if (ms < TCP_RTT_ECHO_MS_MAX)
			rtt_sample(conn, min_u32(ms * 1000, 4 * rtt_rto_us(conn)));
	}
}

/* Nothing is in flight and nothing waits: what was known of losses is history. */
static void forget_losses(struct tcp_conn *conn)
{
	if (conn->snd_una == conn->snd_nxt && !seq_after(conn->snd_end, conn->snd_nxt))
		sent_free(conn);
}

static void new_ack(struct tcp_conn *conn, const struct tcp_segment *segment,
                    const struct tcp_delivery *delivery)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t flight_before = delivery->flight;
	uint32_t acked = segment->ack - conn->snd_una;
	uint32_t queued_before = (uint32_t)tcp_unacked(conn);
	struct tcp_sent *sent = sent_of(conn);
	bool recovering = (conn->flags & CONN_RECOVERY) != 0;

	free_acked(conn, segment->ack);
	conn->snd_una = segment->ack;
	/* Long past, it must not come round again. */
	if ((int32_t)(conn->snd_una - cold->recover) > INT32_MAX / 2 &&
	    !(conn->flags & (CONN_RECOVERY | CONN_LOSS)))
		cold->recover = conn->snd_una - 1;
	cold->acked_bytes = (cold->acked_bytes + queued_before - tcp_unacked(conn)) &
	                    TCP_BYTES_MASK;
	take_rtt(conn, segment);
	conn->backoff = 0;
	cold->retries = 0;
	cold->persist_since_s = 0;
	cold->soft_error = OK;
	if (sent != NULL)
		congestion_sack(conn, sent, segment, delivery, flight_before);
	else
		congestion_ack(conn, acked, flight_before);
	/* RFC 6298 5.2, 5.3. RFC 6582 4, impatient: a partial ACK does not put the timeout off
	 * again and again. */
	if (conn->snd_una == conn->snd_nxt)
		conn->rexmit_at_ms = 0;
	else if (sent != NULL || !recovering || !(conn->flags & CONN_RECOVERY))
		conn_start_rexmit(conn);
	rack_arm(conn);
	forget_losses(conn);
	if (queued_before != tcp_unacked(conn))
		conn_add_news(conn, TCP_ACKED);
	conn_mark_dirty(conn);
}

static bool is_duplicate(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (segment->ack != conn->snd_una || conn->snd_una == conn->snd_nxt ||
	    segment_span(segment) != 0)
		return false;
	/* RFC 6675 2: a block tells what has arrived, also when the window grows with every ACK.
	 * RFC 5681 2: without one, as when a box has taken it out, an unchanged window tells. */
	if (segment->options.sack_count > 0 && (conn->options & OPTION_SACK))
		return sent_is_told(conn, segment);
	return (uint32_t)segment->window << conn->snd_scale == conn->snd_wnd;
}

static void update_window(struct tcp_conn *conn, const struct tcp_segment *segment, bool advanced)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t window = (uint32_t)segment->window << conn->snd_scale;

	if (seq_before(segment->ack, conn->snd_una))
		return;
	/* What acknowledges something new is newer than any window before it. */
	if (!advanced && seq_before(segment->seq, conn->snd_wl1))
		return;
	conn->snd_wl1 = segment->seq;
	if (conn->flags & CONN_PERSIST)
		cold->retries = 0; /* the peer lives; the timer runs on until something is sent */
	if (window != conn->snd_wnd)
		conn_mark_dirty(conn);
	conn->snd_wnd = window;
	cold->snd_wnd_max = max_u32(cold->snd_wnd_max, window);
}

/* A peer that agreed to SACK and sends a duplicate without blocks: while the scoreboard knows of
 * nothing, duplicates count as they would without it. */
static void count_plain_duplicate(struct tcp_conn *conn, const struct tcp_sent *sent)
{
	if (sent->sacked_count > 0 || sent->again_count > 0 || sent->has_probe ||
	    (conn->flags & (CONN_RECOVERY | CONN_LOSS)))
		return;
	if (conn->dupacks + 1 == TCP_DUPACKS)
		sent_free(conn);
	congestion_dupack(conn);
	conn_mark_dirty(conn);
}

/* An ACK that moves nothing but the scoreboard. */
static void input_sack(struct tcp_conn *conn, const struct tcp_segment *segment,
                       const struct tcp_delivery *delivery)
{
	bool duplicate = is_duplicate(conn, segment);

	conn_counters(conn)->duplicate_acks_in += duplicate;
	if (delivery->sacked == 0 && !delivery->duplicate) {
		if (duplicate && segment->options.sack_count == 0)
			count_plain_duplicate(conn, sent_of(conn));
		return;
	}
	congestion_sack(conn, sent_of(conn), segment, delivery, delivery->flight);
	rack_arm(conn);
}

bool conn_ack_is_acceptable(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	return !seq_after(segment->ack, conn->snd_nxt) &&
	       !seq_before(segment->ack, conn->snd_una - conn_cold(conn)->snd_wnd_max);
}

bool conn_input_ack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_counters *counters = conn_counters(conn);
	bool advanced = seq_after(segment->ack, conn->snd_una);
	struct tcp_delivery delivery;

	/* RFC 5961 5.2. */
	if (!conn_ack_is_acceptable(conn, segment)) {
		counters->acks_unacceptable++;
		conn_challenge(conn);
		return false;
	}
	sent_take(conn, segment, &delivery);
	if (advanced) {
		new_ack(conn, segment, &delivery);
	} else if (sent_of(conn) != NULL) {
		input_sack(conn, segment, &delivery);
	} else if (is_duplicate(conn, segment)) {
		counters->duplicate_acks_in++;
		congestion_dupack(conn);
		conn_mark_dirty(conn);
	}
	update_window(conn, segment, advanced);
	return true;
}
