/* tcp_rack.c - RACK-TLP (RFC 8985): time tells what is lost, a probe tells of a lost tail; and what
 * was not lost after all: Eifel (RFC 4015), F-RTO (RFC 5682), D-SACK (RFC 3708).
 *
 * Segments sent once leave in sequence, so the time each left need not be kept: a hole was sent
 * before what was SACKed above it, and is lost when that is a reordering window ago. What was sent
 * again bears its time.
 */
#include "tcpstack/tcp_internal.h"

#define PROBE_DELAYED_ACK_US 200000 /* RFC 8985 7.2: a lone segment's ACK may be delayed */
#define REORDER_WINDOW_US    1000   /* at least; the wheel's tick */
#define REORDER_PERSIST      16     /* recoveries */

/* RFC 8985 6.2 step 4: a quarter of the least round trip, and one more for each round with
 * D-SACKs. */
static uint32_t reorder_window_us(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
	uint32_t srtt_us = conn->srtt_us8 / 8;
	uint32_t rtt_us = sent->rtt_min_us != 0 ? min_u32(sent->rtt_min_us, srtt_us) : srtt_us;
	uint64_t window_us = (uint64_t)rtt_us * (1u + sent->reorder_quarters) / 4;

	return max_u32(window_us < srtt_us ? (uint32_t)window_us : srtt_us, REORDER_WINDOW_US);
}

/* The D-SACK of something that was not sent again tells of a network that doubles. */
static void widen_window(const struct tcp_conn *conn, struct tcp_sent *sent)
{
	if (sent->has_dsack_round && seq_before(conn->snd_una, sent->dsack_round))
		return;
	sent->has_dsack_round = true;
	sent->dsack_round = conn->snd_nxt;
	sent->reorder_persist = REORDER_PERSIST;
	if (sent->reorder_quarters < UINT8_MAX)
		sent->reorder_quarters++;
}

void rack_recovered(struct tcp_sent *sent)
{
	if (sent->reorder_persist > 0 && --sent->reorder_persist == 0)
		sent->reorder_quarters = 0;
}

/* RFC 6675 4, IsLost(): below what is returned three runs or more than two segments arrived. */
static uint32_t lost_by_count(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
	uint32_t bytes = 0;

	for (uint32_t i = sent->sacked_count; i-- > 0;) {
		bytes += sent->sacked[i].end - sent->sacked[i].start;
		if (sent->sacked_count - i >= TCP_DUPACKS ||
		    bytes > (TCP_DUPACKS - 1) * (uint32_t)conn->mss)
			return sent->sacked[i].start;
	}
	return conn->snd_una;
}

bool rack_detect(struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t window_us = reorder_window_us(conn, sent);
	struct tcp_sack hole;
	uint32_t left_us;

	/* RFC 8985 6.2 step 4: without a sign of reordering there is no need to wait. */
	if (!sent->reordering && sent->sacked_count > 0) {
		bool sure = (conn->flags & CONN_RECOVERY) || conn->dupacks >= TCP_DUPACKS;
		uint32_t lost = sure ? sent->sacked[sent->sacked_count - 1].start
		                     : lost_by_count(conn, sent);
		sent->lost_end = seq_later(sent->lost_end, lost);
	}
	sent_lose_late(conn, sent, conn->srtt_us8 / 8 + window_us, &left_us);
	if (sent_gap(conn, sent) > 0)
		left_us = min_u32(left_us, window_us);
	if (left_us == UINT32_MAX) {
		sent->reorder_at_ms = 0;
	} else if (sent->reorder_at_ms == 0) {
		sent->reorder_at_ms = tcp_deadline_ms(conn_tcp(conn), left_us);
		sent->reorder_seq = sent->lost_end;
		if (sent->sacked_count > 0)
			sent->reorder_seq = seq_later(sent->lost_end,
			                              sent->sacked[sent->sacked_count - 1].start);
	}
	return sent_next_hole(conn, sent, &hole);
}

void rack_reorder_due(struct tcp_conn *conn)
{
	struct tcp_sent *sent = sent_of(conn);
	uint32_t now_ms = tcp_now_ms(conn_tcp(conn));

	if (sent == NULL || sent->reorder_at_ms == 0 || (int32_t)(now_ms - sent->reorder_at_ms) < 0)
		return;
	sent->reorder_at_ms = 0;
	sent->lost_end = seq_later(sent->lost_end, sent->reorder_seq);
	if (rack_detect(conn, sent) && !(conn->flags & (CONN_RECOVERY | CONN_LOSS)))
		congestion_enter_recovery(conn, sent);
	conn_output(conn, BURST_PKTS_MAX);
}

void rack_arm(struct tcp_conn *conn)
{
	const struct tcp_sent *sent = sent_of(conn);
	uint64_t timeout_us;
	uint32_t at_ms;

	if (sent != NULL && sent->reorder_at_ms != 0)
		conn_arm(conn);
	/* RFC 8985 7.2 */
	if (!(conn->options & OPTION_SACK) || conn->snd_una == conn->snd_nxt ||
	    (conn->flags & (CONN_RECOVERY | CONN_LOSS | CONN_PERSIST)) || conn->backoff > 0 ||
	    conn->srtt_us8 == 0 || conn->rexmit_at_ms == 0 ||
	    (sent != NULL && (sent->has_probe || sent->sacked_count > 0)))
		return;
	timeout_us = conn->srtt_us8 / 4;
	timeout_us += conn->snd_nxt - conn->snd_una <= conn->mss ? PROBE_DELAYED_ACK_US
	                                                         : REORDER_WINDOW_US * 2;
	at_ms = tcp_deadline_ms(conn_tcp(conn), timeout_us);
	if ((int32_t)(at_ms - conn->rexmit_at_ms) < 0)
		conn->rexmit_at_ms = at_ms;
	conn->flags |= CONN_PROBE;
	conn_arm(conn);
}

bool rack_probe_fired(struct tcp_conn *conn)
{
	struct tcp_sent *sent;

	/* A recovery that began without a scoreboard, after the probe was armed, goes on without.
	 */
	if (conn->flags & (CONN_RECOVERY | CONN_LOSS)) {
		conn_start_rexmit(conn);
		return true;
	}
	sent = sent_get(conn);
	if (sent == NULL || sent->again_count == TCP_AGAIN_MAX)
		return false;
	if (sent->sacked_count > 0) { /* it is known already what is missing */
		conn_start_rexmit(conn);
		return true;
	}
	conn_counters(conn)->tail_probes++;
	sent->has_probe = true;
	sent->probe_ts = conn_timestamp(conn);
	sent->probe_again = conn_send_tail(conn, sent);
	sent->probe_end = conn->snd_nxt;
	conn_start_rexmit(conn);
	return true;
}

/* Everything up to the probe has arrived; if that took the probe, something was lost and the
 * window must hear of it (RFC 8985 7.4). */
static void probe_acked(struct tcp_conn *conn, struct tcp_sent *sent,
                        const struct tcp_segment *segment, const struct tcp_delivery *delivery)
{
	if (!sent->has_probe || seq_before(conn->snd_una, sent->probe_end))
		return;
	sent->has_probe = false;
	if (!sent->probe_again || delivery->duplicate || !(conn->options & OPTION_TIMESTAMPS) ||
	    !segment->options.has_timestamps)
		return;
	if ((int32_t)(segment->options.ts_ecr - sent->probe_ts) < 0)
		return; /* the original caused this ACK */
	conn_counters(conn)->tail_losses++;
	congestion_reduce(conn, sent);
}

static void take_back(struct tcp_conn *conn, struct tcp_sent *sent)
{
	struct tcp_cold *cold = conn_cold(conn);

	conn_counters(conn)->reductions_undone++;
	conn->cwnd = max_u32(conn->cwnd, sent->undo_cwnd);
	cold->ssthresh = max_u32(cold->ssthresh, sent->undo_ssthresh);
	conn->flags &= (uint16_t) ~(CONN_RECOVERY | CONN_LOSS);
	conn->backoff = 0;
	sent->undo_cwnd = 0;
	sent->frto = 0;
	sent->lost_end = conn->snd_una;
	sent->reorder_at_ms = 0;
	sent->reordering = true;
	sent->cubic_running = false;
}

/* RFC 5682 3.1 with SACK: after a timeout, does what was sent only once arrive? */
static bool frto_says_spurious(struct tcp_conn *conn, struct tcp_sent *sent,
                               const struct tcp_delivery *delivery)
{
	if (sent->frto == 0)
		return false;
	if (delivery->original > 0 &&
	    (sent->frto == 1 || seq_before(conn->snd_una, conn_cold(conn)->recover) ||
	     delivery->acked > 0))
		return true;
	sent->frto = sent->frto == 1 && delivery->acked > 0 && conn_has_new(conn) ? 2 : 0;
	return false;
}

void rack_judge(struct tcp_conn *conn, struct tcp_sent *sent, const struct tcp_segment *segment,
                const struct tcp_delivery *delivery)
{
	bool again = delivery->acked > 0;

	probe_acked(conn, sent, segment, delivery);
	if (delivery->reordered)
		sent->reordering = true;
	if (delivery->duplicate && sent->undo_duplicates++ < sent->undo_again)
		widen_window(conn, sent);
	if (sent->undo_cwnd == 0)
		return;
	/* RFC 4015 3: the ACK echoes a time before anything was sent again. */
	if (again && (conn->flags & (CONN_RECOVERY | CONN_LOSS)) &&
	    (conn->options & OPTION_TIMESTAMPS) && segment->options.has_timestamps &&
	    segment->options.ts_ecr != 0 && (int32_t)(segment->options.ts_ecr - sent->undo_ts) < 0)
		take_back(conn, sent);
	else if ((conn->flags & CONN_LOSS) && frto_says_spurious(conn, sent, delivery))
		take_back(conn, sent);
	else if (sent->undo_again > 0 && sent->undo_duplicates >= sent->undo_again)
		take_back(conn, sent); /* each segment sent again has arrived twice */
}
