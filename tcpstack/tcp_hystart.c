/* tcp_hystart.c - the end of the first slow start before the queue overflows: HyStart++ (RFC 9406),
 * and the train of ACKs of the HyStart it comes from (Ha and Rhee, 2011).
 *
 * A round trip that grows tells of a queue that fills; then the window grows by a quarter as much
 * for a few rounds, and if the round trip does not fall again, slow start is over. With a queue of
 * one round trip that is a round too late, because what comes back first has met no queue yet: but
 * when ACKs follow each other closely for half a round trip, what is in flight fills the path.
 *
 * Only a sender that fills its window and has more to say comes here: what it needs for this lives
 * in the scoreboard, of which an idle connection has none.
 */
#include "tcpstack/tcp_internal.h"

/* RFC 9406 4.3 */
#define GROWTH_SEGMENTS_MAX 8 /* L, without pacing */
#define SAMPLES_MIN         TCP_ROUND_MARKS
#define RTT_DIVISOR         8
#define THRESHOLD_MIN_US    4000
#define THRESHOLD_MAX_US    16000
#define CSS_GROWTH_DIVISOR  4
#define CSS_ROUNDS          5

#define TRAIN_GAP_US       2000 /* ACKs further apart are no train */
#define TRAIN_SEGMENTS_MIN 16   /* a smaller window proves nothing */

static_assert(SAMPLES_MIN == 8, "N_RTT_SAMPLE");

static bool is_first_slow_start(const struct tcp_conn *conn)
{
	return conn_cold(conn)->ssthresh == UINT32_MAX &&
	       !(conn->flags & (CONN_RECOVERY | CONN_LOSS));
}

static void begin_round(struct tcp_conn *conn, struct tcp_sent *sent)
{
	sent->last_rtt_us = sent->round_rtt_us;
	sent->round_rtt_us = 0;
	sent->round_samples = sent->round_marks = 0;
	sent->round_end = conn->snd_nxt;
	sent->round_at_us = sent->train_at_us = (uint32_t)conn_tcp(conn)->net->now_us;
}

void hystart_begin(struct tcp_conn *conn)
{
	const struct pool *sents = &conn_tcp(conn)->sents;
	struct tcp_sent *sent;

	/* Those that repair losses need theirs more. */
	if (!(conn->options & OPTION_SACK) || !is_first_slow_start(conn) || !conn_has_new(conn) ||
	    sents->used >= sents->count / 2)
		return;
	sent = sent_get(conn);
	if (sent != NULL)
		begin_round(conn, sent);
}

static void end_slow_start(struct tcp_conn *conn, struct tcp_sent *sent)
{
	conn_cold(conn)->ssthresh = conn->cwnd;
	sent->css_rounds = 0;
	conn_counters(conn)->slow_starts_ended_early++;
}

/* RFC 9406 4.2; the least of a round's samples is what it is about, so the first of each do. */
static void take_sample(struct tcp_sent *sent, uint32_t rtt_us)
{
	uint32_t threshold_us;

	if (sent->round_rtt_us == 0 || rtt_us < sent->round_rtt_us)
		sent->round_rtt_us = rtt_us;
	if (sent->round_samples < SAMPLES_MIN)
		sent->round_samples++;
	if (sent->round_samples < SAMPLES_MIN)
		return;
	if (sent->css_rounds > 0) {
		if (sent->round_rtt_us < sent->css_rtt_us)
			sent->css_rounds = 0; /* the round trip grew by chance */
		return;
	}
	if (sent->last_rtt_us == 0)
		return;
	threshold_us = min_u32(max_u32(sent->last_rtt_us / RTT_DIVISOR, THRESHOLD_MIN_US),
	                       THRESHOLD_MAX_US);
	if (sent->round_rtt_us >= sent->last_rtt_us + threshold_us) {
		sent->css_rtt_us = sent->round_rtt_us;
		sent->css_rounds = CSS_ROUNDS;
	}
}

/* Have the ACKs of this round come without a gap for half a round trip? */
static bool is_train(const struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t now_us = (uint32_t)conn_tcp(conn)->net->now_us;

	if (sent->rtt_min_us == 0 || conn->cwnd < TRAIN_SEGMENTS_MIN * (uint32_t)conn->mss ||
	    now_us - sent->train_at_us > TRAIN_GAP_US)
		return false;
	sent->train_at_us = now_us;
	return now_us - sent->round_at_us > sent->rtt_min_us / 2;
}

void hystart_ack(struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t rtt_us = sent_take_marks(conn, sent);
	bool first = is_first_slow_start(conn);

	if (rtt_us > 0 && (sent->rtt_min_us == 0 || rtt_us < sent->rtt_min_us))
		sent->rtt_min_us = rtt_us;
	if (first && rtt_us > 0)
		take_sample(sent, rtt_us);
	/* With the first ACK of what the round before did not have: between the rounds of a small
	 * window is a gap. */
	if (seq_after(conn->snd_una, sent->round_end)) {
		/* The round in which it began counts. */
		if (sent->css_rounds > 0 && --sent->css_rounds == 0 && first)
			end_slow_start(conn, sent);
		begin_round(conn, sent);
	} else if (first && is_train(conn, sent)) {
		end_slow_start(conn, sent);
	}
}

uint32_t hystart_increase(const struct tcp_conn *conn, const struct tcp_sent *sent, uint32_t acked)
{
	uint32_t increase = min_u32(acked, GROWTH_SEGMENTS_MAX * (uint32_t)conn->mss);

	if (!is_first_slow_start(conn))
		return min_u32(acked, 2u * conn->mss); /* RFC 3465 */
	return sent->css_rounds > 0 ? max_u32(increase / CSS_GROWTH_DIVISOR, 1) : increase;
}
