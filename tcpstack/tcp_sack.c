/* tcp_sack.c - the sender's scoreboard, RFC 6675: what of the octets in flight has arrived, what is
 * lost, what is on its way again.
 *
 * Octets in [snd_una, snd_nxt) are SACKed, sent again, lost (below lost_end and neither) or simply
 * out. Runs are kept, not segments, in bounded arrays: a block beyond the bound is forgotten until
 * the peer repeats it, which costs at worst a segment sent twice.
 */
#include "tcpstack/tcp_internal.h"

static uint32_t seq_earlier(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? a : b;
}

struct tcp_sent *sent_of(const struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);

	return cold->sent != 0 ? pool_at(&conn_tcp(conn)->sents, cold->sent - 1) : NULL;
}

struct tcp_sent *sent_get(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	struct tcp_sent *sent = sent_of(conn);

	if (sent != NULL)
		return sent;
	sent = pool_get(&tcp->sents);
	if (COUNT_IF(sent == NULL, tcp->net->tcp_counters->scoreboards_full))
		return NULL;
	memset(sent, 0, sizeof(*sent));
	sent->lost_end = conn->snd_una;
	conn_cold(conn)->sent = (pool_index(&tcp->sents, sent) + 1) & TCP_POOL_MASK;
	return sent;
}

void sent_free(struct tcp_conn *conn)
{
	struct tcp_sent *sent = sent_of(conn);

	if (sent == NULL)
		return;
	pool_put(&conn_tcp(conn)->sents, sent);
	conn_cold(conn)->sent = 0;
}

/* Octets of [start, end) that are SACKed. */
static uint32_t sacked_in(const struct tcp_sent *sent, uint32_t start, uint32_t end)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < sent->sacked_count; i++) {
		uint32_t from = seq_later(sent->sacked[i].start, start);
		uint32_t to = seq_earlier(sent->sacked[i].end, end);

		if (seq_before(from, to))
			bytes += to - from;
	}
	return bytes;
}

/* Takes [start, end) in; returns how many of its octets are new. */
static uint32_t sacked_add(struct tcp_sent *sent, uint32_t start, uint32_t end)
{
	struct tcp_sack run = {start, end};
	uint32_t first = 0, last, had = 0;

	while (first < sent->sacked_count && seq_before(sent->sacked[first].end, start))
		first++;
	for (last = first; last < sent->sacked_count && !seq_after(sent->sacked[last].start, end);
	     last++) {
		had += sent->sacked[last].end - sent->sacked[last].start;
		run.start = seq_earlier(run.start, sent->sacked[last].start);
		run.end = seq_later(run.end, sent->sacked[last].end);
	}
	if (last == first && sent->sacked_count == TCP_SACKED_MAX)
		return 0;
	memmove(&sent->sacked[first + 1], &sent->sacked[last],
	        (sent->sacked_count - last) * sizeof(sent->sacked[0]));
	sent->sacked[first] = run;
	sent->sacked_count -= last - first;
	sent->sacked_count++;
	return run.end - run.start - had;
}

static void sacked_trim(struct tcp_sent *sent, uint32_t una)
{
	uint32_t gone = 0;

	while (gone < sent->sacked_count && !seq_after(sent->sacked[gone].end, una))
		gone++;
	sent->sacked_count -= gone;
	memmove(sent->sacked, sent->sacked + gone, sent->sacked_count * sizeof(sent->sacked[0]));
	if (sent->sacked_count > 0)
		sent->sacked[0].start = seq_later(sent->sacked[0].start, una);
}

/* [start, end) has arrived or is lost again; returns how many of its octets had been sent again. */
static uint32_t again_cut(struct tcp_sent *sent, uint32_t start, uint32_t end)
{
	uint32_t kept = 0, bytes = 0, count = sent->again_count;

	for (uint32_t i = 0; i < count; i++) {
		struct tcp_again run = sent->again[i];
		uint32_t from = seq_later(run.start, start), to = seq_earlier(run.end, end);

		if (!seq_before(from, to)) {
			sent->again[kept++] = run;
			continue;
		}
		bytes += to - from;
		if (!sent->has_rack || (int32_t)(run.sent_us - sent->rack_us) > 0)
			sent->rack_us = run.sent_us;
		sent->has_rack = true;
		/* Cut out of its middle, the smaller end is forgotten rather than kept apart. */
		if (seq_before(run.start, from) &&
		    (!seq_after(run.end, to) || from - run.start >= run.end - to))
			run.end = from;
		else
			run.start = to;
		if (seq_before(run.start, run.end))
			sent->again[kept++] = run;
	}
	sent->again_count = kept;
	return bytes;
}

static uint32_t again_bytes(const struct tcp_sent *sent)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < sent->again_count; i++)
		bytes += sent->again[i].end - sent->again[i].start;
	return bytes;
}

void sent_note_again(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t start, uint32_t end)
{
	uint32_t now_us = (uint32_t)conn_tcp(conn)->net->now_us;
	uint32_t at = 0;

	sent->undo_again++;
	sent->marks_count = 0; /* Karn: from here on an ACK may be of either time it was sent */
	(void)again_cut(sent, start, end); /* a tail sent for the second time */
	while (at < sent->again_count && seq_before(sent->again[at].start, start))
		at++;
	if (at > 0 && sent->again[at - 1].end == start && sent->again[at - 1].sent_us == now_us) {
		sent->again[at - 1].end = end;
		return;
	}
	ASSERT(sent->again_count < TCP_AGAIN_MAX);
	memmove(&sent->again[at + 1], &sent->again[at],
	        (sent->again_count - at) * sizeof(sent->again[0]));
	sent->again[at] = (struct tcp_again){start, end, now_us, conn->snd_nxt};
	sent->again_count++;
}

/* RFC 2883 4: the first block is of what had arrived before. */
static bool is_dsack(const struct tcp_segment *segment)
{
	const struct tcp_sack *block = segment->options.sack;

	if (segment->options.sack_count == 0 || !seq_before(block[0].start, block[0].end))
		return false;
	if (seq_before(block[0].start, segment->ack))
		return true;
	return segment->options.sack_count > 1 && !seq_before(block[0].start, block[1].start) &&
	       !seq_after(block[0].end, block[1].end);
}

static bool is_in_flight(const struct tcp_conn *conn, const struct tcp_segment *segment,
                         const struct tcp_sack *block)
{
	return seq_before(block->start, block->end) && !seq_before(block->start, segment->ack) &&
	       !seq_before(block->start, conn->snd_una) && !seq_after(block->end, conn->snd_nxt);
}

bool sent_is_told(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	for (uint32_t i = 0; i < segment->options.sack_count; i++)
		if (is_in_flight(conn, segment, &segment->options.sack[i]))
			return true;
	return false;
}

/* RFC 8985 6.2 step 3: of what lies below `high`, the highest that had arrived, `before` octets had
 * been known and now more are, not all of which had been sent again. */
static bool is_reordered(const struct tcp_conn *conn, const struct tcp_sent *sent, uint32_t high,
                         uint32_t before, uint32_t again)
{
	return !(conn->flags & CONN_LOSS) && sacked_in(sent, conn->snd_una, high) > before + again;
}

static void take_blocks(struct tcp_conn *conn, const struct tcp_segment *segment,
                        struct tcp_delivery *delivery)
{
	for (uint32_t i = delivery->duplicate; i < segment->options.sack_count; i++) {
		const struct tcp_sack *block = &segment->options.sack[i];
		struct tcp_sent *sent = sent_of(conn);
		uint32_t fresh, again, high, before;

		if (!is_in_flight(conn, segment, block))
			continue;
		/* A recovery that began without a scoreboard ends without one. */
		if (sent == NULL && !(conn->flags & (CONN_RECOVERY | CONN_LOSS)))
			sent = sent_get(conn);
		if (sent == NULL)
			return;
		high = sent_high(conn, sent);
		before = sacked_in(sent, conn->snd_una, high);
		fresh = sacked_add(sent, block->start, block->end);
		again = fresh > 0 ? again_cut(sent, block->start, block->end) : 0;
		delivery->reordered |= fresh > 0 && is_reordered(conn, sent, high, before, again);
		/* The tail probe has arrived: what was sent long before it has not. */
		if (again > 0 && sent->has_probe)
			sent->lost_end = seq_later(sent->lost_end, block->start);
		delivery->sacked += fresh;
		delivery->delivered += fresh;
		delivery->original += fresh - min_u32(again, fresh);
	}
}

void sent_take(struct tcp_conn *conn, const struct tcp_segment *segment,
               struct tcp_delivery *out_delivery)
{
	struct tcp_sent *sent = sent_of(conn);
	bool advanced = seq_after(segment->ack, conn->snd_una);
	uint32_t acked = advanced ? segment->ack - conn->snd_una : 0;

	*out_delivery = (struct tcp_delivery){.flight = conn_flight(conn),
	                                      .acked = acked,
	                                      .delivered = acked,
	                                      .original = acked,
	                                      .duplicate = is_dsack(segment)};
	if (!(conn->options & OPTION_SACK))
		return;
	if (sent != NULL && advanced) {
		uint32_t known = sacked_in(sent, conn->snd_una, segment->ack);
		uint32_t high = seq_earlier(sent_high(conn, sent), segment->ack);
		uint32_t below = high - conn->snd_una - sacked_in(sent, conn->snd_una, high);
		uint32_t again;

		out_delivery->delivered -= known;
		out_delivery->original -= known;
		sacked_trim(sent, segment->ack);
		again = again_cut(sent, conn->snd_una, segment->ack);
		out_delivery->original -= min_u32(again, out_delivery->original);
		out_delivery->reordered = below > again && !(conn->flags & CONN_LOSS);
		sent->lost_end = seq_later(sent->lost_end, segment->ack);
	}
	take_blocks(conn, segment, out_delivery);
}

uint32_t sent_pipe(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
	uint32_t out = conn->snd_nxt - sent->lost_end;

	return out - sacked_in(sent, sent->lost_end, conn->snd_nxt) + again_bytes(sent);
}

bool sent_next_hole(const struct tcp_conn *conn, const struct tcp_sent *sent,
                    struct tcp_sack *out_hole)
{
	uint32_t seq = conn->snd_una, end = sent->lost_end;
	uint32_t i = 0, j = 0;

	while (seq_before(seq, end)) {
		while (i < sent->sacked_count && !seq_after(sent->sacked[i].end, seq))
			i++;
		while (j < sent->again_count && !seq_after(sent->again[j].end, seq))
			j++;
		if (i < sent->sacked_count && !seq_after(sent->sacked[i].start, seq))
			seq = sent->sacked[i].end;
		else if (j < sent->again_count && !seq_after(sent->again[j].start, seq))
			seq = sent->again[j].end;
		else
			break;
	}
	if (!seq_before(seq, end) || sent->again_count == TCP_AGAIN_MAX)
		return false;
	if (i < sent->sacked_count)
		end = seq_earlier(end, sent->sacked[i].start);
	if (j < sent->again_count)
		end = seq_earlier(end, sent->again[j].start);
	*out_hole = (struct tcp_sack){seq, end};
	return true;
}

void sent_lose_all(struct tcp_conn *conn, struct tcp_sent *sent)
{
	/* RFC 2018 8: a peer that throws away what it has SACKed is known by its first hole. */
	if (sent->sacked_count > 0 && !seq_after(sent->sacked[0].start, conn->snd_una))
		sent->sacked_count = 0;
	sent->again_count = 0;
	sent->reorder_at_ms = 0;
	sent->has_probe = false;
	sent->lost_end = conn->snd_nxt;
}

uint32_t sent_high(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
	return sent->sacked_count > 0 ? sent->sacked[sent->sacked_count - 1].end : conn->snd_una;
}

void sent_lose_late(const struct tcp_conn *conn, struct tcp_sent *sent, uint32_t wait_us,
                    uint32_t *out_left_us)
{
	uint32_t now_us = (uint32_t)conn_tcp(conn)->net->now_us;
	uint32_t high = sent_high(conn, sent);
	uint32_t kept = 0;

	*out_left_us = UINT32_MAX;
	for (uint32_t i = 0; i < sent->again_count; i++) {
		const struct tcp_again run = sent->again[i];
		uint32_t age_us = now_us - run.sent_us;
		bool overtaken = seq_after(high, run.nxt) ||
		                 (sent->has_rack && (int32_t)(sent->rack_us - run.sent_us) > 0);

		if (overtaken && age_us >= wait_us)
			continue;
		if (overtaken)
			*out_left_us = min_u32(*out_left_us, wait_us - age_us);
		sent->again[kept++] = run;
	}
	sent->again_count = kept;
}

uint32_t sent_gap(const struct tcp_conn *conn, const struct tcp_sent *sent)
{
	uint32_t high = sent_high(conn, sent);

	if (!seq_before(sent->lost_end, high))
		return 0;
	return high - sent->lost_end - sacked_in(sent, sent->lost_end, high);
}

void sent_mark(const struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t now_us = (uint32_t)conn_tcp(conn)->net->now_us;

	if (sent->round_marks == TCP_ROUND_MARKS || sent->marks_count == TCP_MARKS_MAX ||
	    sent->again_count > 0 || (conn->flags & (CONN_RECOVERY | CONN_LOSS)))
		return;
	/* What leaves together may be acknowledged together: one sample. */
	if (sent->marks_count > 0 && sent->marks[sent->marks_count - 1].at_us == now_us)
		return;
	sent->marks[sent->marks_count++] = (struct tcp_mark){conn->snd_nxt, now_us};
	sent->round_marks++;
}

uint32_t sent_take_marks(const struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t now_us = (uint32_t)conn_tcp(conn)->net->now_us;
	uint32_t taken = 0, at_us;

	while (taken < sent->marks_count && !seq_after(sent->marks[taken].end, conn->snd_una))
		taken++;
	if (taken == 0)
		return 0;
	at_us = sent->marks[taken - 1].at_us;
	sent->marks_count -= taken;
	memmove(sent->marks, sent->marks + taken, sent->marks_count * sizeof(sent->marks[0]));
	return max_u32(now_us - at_us, 1);
}
