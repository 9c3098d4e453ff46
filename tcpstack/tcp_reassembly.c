/* tcp_reassembly.c - the receive chain, the out-of-order queue behind it, and the SACK blocks that
 * tell of it.
 *
 * The queue is sorted and disjoint: what arrives is trimmed to what is missing. A packet is charged
 * as a whole buffer, so small neighbours share one, and queues are bounded in packets and by the
 * free pool.
 */
#include "tcpstack/tcp_internal.h"

/* Copies `pkt` behind `tail` when that saves a buffer. */
static bool join(struct pkt *tail, struct pkt *pkt)
{
	if (tail == NULL || pkt->len >= TCP_SMALL_SEGMENT_BYTES || pkt_tailroom(tail) < pkt->len)
		return false;
	/* The early-talker test wants to know which octet came with which acknowledgment. */
	if (tail->acked != pkt->acked || tail->seq + tail->len != pkt->seq)
		return false;
	memcpy(tail->data + tail->len, pkt->data, pkt->len);
	tail->len = (uint16_t)(tail->len + pkt->len);
	pkt_put(pkt);
	return true;
}

void receive_append(struct tcp_conn *conn, struct pkt *pkt)
{
	uint32_t bytes = pkt->len;

	ASSERT(pkt->seq == conn->rcv_nxt);
	conn->rcv_nxt += bytes;
	conn->rcv_bytes += bytes;
	conn_cold(conn)->received_bytes = (conn_cold(conn)->received_bytes + bytes) &
	                                  TCP_BYTES_MASK;
	if (bytes == 0) {
		pkt_put(pkt);
		return;
	}
	if (join(conn->rcv_tail, pkt))
		return;
	pkt->next = NULL;
	if (conn->rcv_tail != NULL)
		conn->rcv_tail->next = pkt;
	else
		conn->rcv_head = pkt;
	conn->rcv_tail = pkt;
}

static struct tcp_recovery *recovery_of(const struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);

	return cold->recovery != 0 ? pool_at(&conn_tcp(conn)->recoveries, cold->recovery - 1)
	                           : NULL;
}

static struct tcp_recovery *recovery_get(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	struct tcp_recovery *recovery = recovery_of(conn);

	if (recovery != NULL)
		return recovery;
	recovery = pool_get(&tcp->recoveries);
	if (recovery == NULL)
		return NULL;
	*recovery = (struct tcp_recovery){0};
	conn_cold(conn)->recovery = (pool_index(&tcp->recoveries, recovery) + 1) & TCP_POOL_MASK;
	return recovery;
}

void reassembly_free(struct tcp_conn *conn)
{
	struct tcp_recovery *recovery = recovery_of(conn);

	if (recovery == NULL)
		return;
	conn_tcp(conn)->reassembly_pkts -= recovery->count;
	while (recovery->head != NULL) {
		struct pkt *next = recovery->head->next;
		pkt_put(recovery->head);
		recovery->head = next;
	}
	pool_put(&conn_tcp(conn)->recoveries, recovery);
	conn_cold(conn)->recovery = 0;
}

/* The run of neighbours around `seq`, which is kept. */
static struct tcp_sack find_block(const struct tcp_recovery *recovery, uint32_t seq)
{
	struct tcp_sack block = {0, 0};
	bool found = false;

	for (const struct pkt *pkt = recovery->head; pkt != NULL; pkt = pkt->next) {
		uint32_t end = pkt->seq + pkt->len;

		if (pkt == recovery->head || pkt->seq != block.end) {
			if (found)
				break;
			block.start = pkt->seq;
		}
		block.end = end;
		if (!seq_before(seq, pkt->seq) && seq_before(seq, end))
			found = true;
	}
	ASSERT(found);
	return block;
}

/* Takes the blocks that `block` touches out of the list and into it. */
static void absorb(struct tcp_recovery *recovery, struct tcp_sack *block)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < recovery->recent_count; i++) {
		const struct tcp_sack old = recovery->recent[i];

		if (seq_after(old.start, block->end) || seq_before(old.end, block->start)) {
			recovery->recent[kept++] = old;
			continue;
		}
		if (seq_before(old.start, block->start))
			block->start = old.start;
		block->end = seq_later(block->end, old.end);
	}
	recovery->recent_count = kept;
}

/* RFC 2018 4: the block with what came last goes first, then those reported most recently.
 * [start, end) has been linked in behind `before`. */
static void remember(struct tcp_recovery *recovery, const struct pkt *before, uint32_t start,
                     uint32_t end)
{
	const struct pkt *next = before != NULL ? before->next : recovery->head;
	struct tcp_sack block = {start, end};
	uint32_t count;

	if (next != NULL && next->seq == start)
		next = next->next; /* else it was copied into `before` */
	absorb(recovery, &block);
	/* A neighbour that is not in the list belongs to a block that was forgotten. */
	if ((before != NULL && !seq_before(before->seq + before->len, start) &&
	     seq_before(before->seq, block.start)) ||
	    (next != NULL && !seq_after(next->seq, end) &&
	     seq_after(next->seq + next->len, block.end))) {
		block = find_block(recovery, start);
		absorb(recovery, &block);
	}
	count = min_u32(recovery->recent_count, TCP_SACK_BLOCKS_MAX - 1);
	memmove(&recovery->recent[1], &recovery->recent[0], count * sizeof(recovery->recent[0]));
	recovery->recent[0] = block;
	recovery->recent_count = count + 1;
}

/* What is in order needs no block. */
static void forget_below(struct tcp_recovery *recovery, uint32_t seq)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < recovery->recent_count; i++)
		if (seq_after(recovery->recent[i].end, seq))
			recovery->recent[kept++] = recovery->recent[i];
	recovery->recent_count = kept;
}

void dsack_note(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
	struct tcp *tcp = conn_tcp(conn);

	if (!(conn->options & OPTION_SACK) || !seq_before(start, end))
		return;
	/* Pieces of one frame are answered by one ACK: what comes twice in them may be told in one
	 * block, or takes an ACK more. Else the sender waits in vain for the proof that none of
	 * what it sent again was lost. */
	if (tcp->dsack_conn == conn->index && tcp->dsack.end == start)
		start = tcp->dsack.start;
	else if (tcp->dsack_conn != TCP_NONE)
		conn_send_ack(&tcp->conns[tcp->dsack_conn]);
	tcp->dsack = (struct tcp_sack){start, end};
	tcp->dsack_conn = conn->index;
}

uint32_t reassembly_sack(const struct tcp_conn *conn, struct tcp_sack out_sack[TCP_SACK_BLOCKS_MAX])
{
	const struct tcp_recovery *recovery = recovery_of(conn);
	uint32_t max = conn->options & OPTION_TIMESTAMPS ? TCP_SACK_BLOCKS_MAX - 1
	                                                 : TCP_SACK_BLOCKS_MAX;
	struct tcp *tcp = conn_tcp(conn);
	uint32_t count = 0;

	if (!(conn->options & OPTION_SACK))
		return 0;
	if (tcp->dsack_conn == conn->index) { /* RFC 2883 4: once, and before the others */
		out_sack[count++] = tcp->dsack;
		tcp->dsack_conn = TCP_NONE;
	}
	for (uint32_t i = 0; recovery != NULL && i < recovery->recent_count && count < max; i++)
		out_sack[count++] = recovery->recent[i];
	return count;
}

/* Cuts off of `pkt` what `before` already has. */
static void trim_front(struct pkt *pkt, uint32_t to_seq)
{
	uint32_t cut = to_seq - pkt->seq;

	pkt->data += cut;
	pkt->len = (uint16_t)(pkt->len - cut);
	pkt->seq += cut;
}

/* Links `pkt` in behind `before` (NULL: in front), dropping or trimming what it overlaps. */
static void link_in(struct tcp_recovery *recovery, struct pkt *before, struct pkt *pkt)
{
	struct pkt **link = before != NULL ? &before->next : &recovery->head;
	uint32_t end = pkt->seq + pkt->len;

	while (*link != NULL && !seq_after((*link)->seq + (*link)->len, end)) {
		struct pkt *covered = *link;
		*link = covered->next;
		recovery->bytes -= covered->len;
		recovery->count--;
		pkt_put(covered);
	}
	if (*link != NULL && seq_before((*link)->seq, end))
		pkt->len = (uint16_t)((*link)->seq - pkt->seq);
	recovery->bytes += pkt->len;
	if (*link == NULL)
		recovery->tail = pkt;
	if (join(before, pkt)) {
		if (*link == NULL)
			recovery->tail = before;
		return;
	}
	pkt->next = *link;
	*link = pkt;
	recovery->count++;
}

/* A window full of whole segments must find room, or all behind one that was lost is sent again; a
 * peer that sends small ones must not cost more than twice the window. */
static uint32_t pkts_max(const struct tcp_conn *conn)
{
	return max_u32(TCP_REASSEMBLY_PKTS_MIN, conn->window_limit / TCP_REASSEMBLY_PKT_BYTES);
}

/* The last packet that does not begin behind `seq`; NULL when all do. */
static struct pkt *find_before(const struct tcp_recovery *recovery, uint32_t seq)
{
	struct pkt *before = NULL;

	/* Most often all between two losses comes in order. */
	if (recovery->tail != NULL && !seq_after(recovery->tail->seq, seq))
		return recovery->tail;
	for (struct pkt *at = recovery->head; at != NULL && !seq_after(at->seq, seq); at = at->next)
		before = at;
	return before;
}

void reassembly_add(struct tcp_conn *conn, struct tcp_segment *segment)
{
	struct tcp *tcp = conn_tcp(conn);
	struct tcp_recovery *recovery = pressure_keeps_order(tcp) ? NULL : recovery_get(conn);
	uint32_t count_before, start, end;
	struct pkt *pkt = segment->pkt;
	struct pkt *before;

	if (recovery == NULL || recovery->count >= pkts_max(conn)) {
		conn_counters(conn)->out_of_order_dropped++;
		return;
	}
	if (segment->flags & TCP_FLAG_FIN) {
		recovery->has_fin = true;
		recovery->fin_seq = segment->seq + segment->len;
	}
	if (segment->len == 0)
		return;
	before = find_before(recovery, pkt->seq);
	end = pkt->seq + pkt->len;
	if (before != NULL && seq_after(before->seq + before->len, pkt->seq)) {
		if (!seq_after(pkt->seq + pkt->len, before->seq + before->len)) {
			dsack_note(conn, pkt->seq, end);
			remember(recovery, before, pkt->seq, end);
			return; /* nothing new */
		}
		trim_front(pkt, before->seq + before->len);
	}
	segment->pkt = NULL;
	start = pkt->seq;
	count_before = recovery->count;
	link_in(recovery, before, pkt);
	remember(recovery, before, start, end);
	tcp->reassembly_pkts += recovery->count - count_before;
	conn_counters(conn)->out_of_order_kept++;
}

bool reassembly_drain(struct tcp_conn *conn)
{
	struct tcp_recovery *recovery = recovery_of(conn);

	bool fin;

	if (recovery == NULL)
		return false;
	while (recovery->head != NULL && !seq_after(recovery->head->seq, conn->rcv_nxt)) {
		struct pkt *pkt = recovery->head;

		recovery->head = pkt->next;
		recovery->count--;
		conn_tcp(conn)->reassembly_pkts--;
		recovery->bytes -= pkt->len;
		if (!seq_after(pkt->seq + pkt->len, conn->rcv_nxt)) {
			pkt_put(pkt);
			continue;
		}
		trim_front(pkt, conn->rcv_nxt);
		receive_append(conn, pkt);
	}
	if (recovery->head == NULL)
		recovery->tail = NULL;
	forget_below(recovery, conn->rcv_nxt);
	fin = recovery->has_fin && recovery->fin_seq == conn->rcv_nxt;
	if (recovery->head == NULL && (fin || !recovery->has_fin))
		reassembly_free(conn);
	return fin;
}
