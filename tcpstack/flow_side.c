/* flow_side.c - the octets of one side of a flow: held, compared, handed on.
 *
 * Pieces are sorted and never overlap. Those before `next` were handed on. Sequence numbers are
 * compared by signed difference (RFC 9293 3.4), which is right as long as all of a side's lie
 * within 2 GiB; the window check of flow.c keeps them within 1 GiB.
 */
#include "base/check.h"
#include "tcpstack/flow_internal.h"

static uint32_t piece_end(const struct piece *piece)
{
	return piece->seq + piece->len;
}

static void drop_first(struct flows *flows, struct side *side)
{
	struct piece *piece = side->first;

	side->first = piece->next;
	if (side->first == NULL)
		side->last = NULL;
	side->piece_count--;
	pool_put(&flows->piece_pool, piece);
}

void side_trim(struct flows *flows, struct side *side)
{
	uint32_t done = 0;

	for (struct piece *piece = side->first;
	     piece != NULL && seq_after(piece_end(piece), side->next) <= 0; piece = piece->next)
		done++;
	for (; done > flows->config.pieces_remembered; done--)
		drop_first(flows, side);
}

void side_drop_all(struct flows *flows, struct side *side)
{
	while (side->first != NULL)
		drop_first(flows, side);
}

void side_drop_waiting(struct flows *flows, struct side *side)
{
	struct piece *kept = NULL, *piece = side->first;

	while (piece != NULL && seq_after(piece->seq, side->next) < 0) {
		kept = piece;
		piece = piece->next;
	}
	side->last = kept;
	if (kept != NULL)
		kept->next = NULL;
	else
		side->first = NULL;
	while (piece != NULL) {
		struct piece *next = piece->next;
		pool_put(&flows->piece_pool, piece);
		side->piece_count--;
		piece = next;
	}
	if (kept != NULL && seq_after(piece_end(kept), side->next) > 0)
		kept->len = side->next - kept->seq;
}

/* An empty piece behind `before` (NULL: first), or NULL at a bound. What is remembered is given up
 * for what waits. */
static struct piece *piece_add(struct flows *flows, struct side *side, struct piece **before,
                               uint32_t seq)
{
	if (side->piece_count >= flows->config.pieces_per_side_max ||
	    flows->piece_pool.used == flows->piece_pool.count) {
		struct piece *first = side->first;
		if (first == NULL || seq_after(piece_end(first), side->next) > 0)
			return NULL;
		if (*before == first)
			*before = NULL;
		drop_first(flows, side);
	}
	struct piece *piece = pool_get(&flows->piece_pool);
	if (piece == NULL)
		return NULL;
	piece->seq = seq;
	piece->len = 0;
	piece->next = *before != NULL ? (*before)->next : side->first;
	if (*before != NULL)
		(*before)->next = piece;
	else
		side->first = piece;
	if (piece->next == NULL)
		side->last = piece;
	side->piece_count++;
	return piece;
}

/* No piece is free: octets in order go straight on, others are lost, and what waits need wait no
 * longer. */
static void without_piece(struct flows *flows, struct side *side, uint32_t seq, struct bytes data,
                          bool in_order)
{
	if (in_order && flows->direct.side == NULL && !side->syn_data_waits) {
		flows->direct = (struct direct){side, seq, data};
		return;
	}
	flows->counters->pieces_full++;
	side->gap_until = side->high;
}

/* Copies into a hole `bytes` wide (at least 1) behind `before`; returns how many were dealt with,
 * and moves *before on. */
static size_t fill(struct flows *flows, struct side *side, struct piece **before, uint32_t seq,
                   struct bytes data, bool in_order)
{
	struct piece *piece = *before;

	if (piece == NULL || piece_end(piece) != seq || piece->len == FLOW_PIECE_BYTES) {
		piece = piece_add(flows, side, before, seq);
		if (piece == NULL) {
			without_piece(flows, side, seq, data, in_order);
			return data.len;
		}
	}
	size_t room = FLOW_PIECE_BYTES - piece->len;
	size_t count = data.len < room ? data.len : room;
	memcpy(piece->octet + piece->len, data.data, count);
	piece->len += (uint32_t)count;
	*before = piece;
	return count;
}

/* What a segment had in common with what was there. */
struct overlap {
	bool any, differs, unchecked;
};

static void overlap_count(struct flows *flows, struct side *side, const struct overlap *overlap)
{
	if (!overlap->any)
		return;
	flows->counters->retransmitted++;
	side->findings.retransmitted++;
	if (COUNT_IF(overlap->differs, flows->counters->conflicting))
		side->findings.conflicting++;
	if (overlap->unchecked)
		flows->counters->unchecked++;
}

void side_insert(struct flows *flows, struct side *side, uint32_t seq, struct bytes data)
{
	struct overlap overlap = {false, false, false};
	struct piece *before = NULL;
	bool in_order = seq_after(seq, side->next) <= 0;

	if (COUNT_IF(!in_order, flows->counters->out_of_order))
		side->findings.out_of_order++;
	/* Usually it goes on where the last piece ends. */
	if (side->last != NULL && seq_after(seq, side->last->seq) >= 0)
		before = side->last;
	while (data.len > 0) {
		struct piece *after = before != NULL ? before->next : side->first;
		size_t count = data.len;
		if (before != NULL && seq_after(piece_end(before), seq) > 0) {
			size_t common = piece_end(before) - seq;
			count = count < common ? count : common;
			const uint8_t *held = before->octet + (seq - before->seq);
			overlap.any = true;
			overlap.differs |= memcmp(held, data.data, count) != 0;
		} else if (after != NULL && seq_after(after->seq, seq) <= 0) {
			before = after;
			continue;
		} else {
			if (after != NULL && after->seq - seq < count)
				count = after->seq - seq;
			if (seq_after(side->next, seq) > 0) { /* handed on and forgotten */
				size_t old = side->next - seq;
				count = count < old ? count : old;
				overlap.any = overlap.unchecked = true;
			} else {
				count = fill(flows, side, &before, seq, bytes_slice(data, 0, count),
				             in_order);
			}
		}
		seq += (uint32_t)count;
		data = bytes_slice(data, count, data.len);
	}
	overlap_count(flows, side, &overlap);
}

/* The piece that holds side->next or, else, the first behind it. */
static struct piece *first_waiting(const struct side *side)
{
	struct piece *piece = side->first;

	while (piece != NULL && seq_after(piece_end(piece), side->next) <= 0)
		piece = piece->next;
	return piece;
}

static bool tell_data(struct flows *flows, struct side *side, struct bytes data,
                      struct flow_event *out_event)
{
	side->next += (uint32_t)data.len;
	side->findings.octets += data.len;
	flows->counters->octets += data.len;
	out_event->kind = FLOW_DATA;
	out_event->data = data;
	return true;
}

static bool tell_gap(struct flows *flows, struct side *side, uint32_t until,
                     struct flow_event *out_event)
{
	out_event->kind = FLOW_GAP;
	out_event->gap_bytes = until - side->next;
	side->next = until;
	side->findings.gaps++;
	side->findings.gap_octets += out_event->gap_bytes;
	flows->counters->gaps++;
	flows->counters->gap_octets += out_event->gap_bytes;
	return true;
}

bool side_next(struct flows *flows, struct side *side, struct flow_event *out_event)
{
	if (!side->known || side->syn_data_waits)
		return false;
	if (flows->direct.side == side && flows->direct.seq == side->next) {
		flows->direct.side = NULL;
		return tell_data(flows, side, flows->direct.data, out_event);
	}
	struct piece *piece = first_waiting(side);
	if (piece != NULL && seq_after(piece->seq, side->next) <= 0) {
		uint32_t from = side->next - piece->seq;
		return tell_data(flows, side, bytes_of(piece->octet + from, piece->len - from),
		                 out_event);
	}
	uint32_t until = side->gap_until;
	if (side->fin_seen && seq_after(until, side->fin_seq) > 0)
		until = side->fin_seq;
	if (piece != NULL && seq_after(until, piece->seq) > 0)
		until = piece->seq;
	if (seq_after(until, side->next) > 0)
		return tell_gap(flows, side, until, out_event);
	if (side->fin_seen && !side->fin_told && side->next == side->fin_seq) {
		side->fin_told = true;
		out_event->kind = FLOW_FIN;
		return true;
	}
	return false;
}
