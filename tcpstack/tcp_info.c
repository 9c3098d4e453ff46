/* tcp_info.c - what a connection says of itself: the fields of Linux's tcp_info, by its names.
 *
 * Linux counts segments; here octets are kept, and where segments began, to PKT_START_BYTES:
 * smaller ones may count together.
 */
#include "tcpstack/tcp_internal.h"

static_assert(PKT_DATA_BYTES <= 64 * PKT_START_BYTES, "a bit for each part of a buffer");

/* Of the granules from `first` on, up to the one before `end`. */
static uint32_t count_starts(uint64_t starts, uint64_t first, uint64_t end)
{
	uint64_t mask = end >= 64 ? UINT64_MAX : (1ull << end) - 1;

	return first < 64 ? (uint32_t)__builtin_popcountll(starts & mask & UINT64_MAX << first) : 0;
}

static uint64_t granule_of(const struct pkt *pkt, uint32_t seq)
{
	return ((uint64_t)(pkt->data - pkt->buffer) + (seq - pkt->seq)) / PKT_START_BYTES;
}

/* Segments that [from, to) left in: the one `from` lies in, and those that began behind it. A start
 * in the granule of `to` is taken for the next segment's. */
static uint32_t segments_in(const struct tcp_conn *conn, uint32_t from, uint32_t to)
{
	uint32_t count = from != to;

	for (const struct pkt *pkt = conn->snd_head; pkt != NULL; pkt = pkt->next) {
		uint32_t pkt_end = pkt->seq + pkt->len;
		uint64_t first, end;

		if (!seq_before(pkt->seq, to))
			break;
		if (!seq_after(pkt_end, from))
			continue;
		first = seq_before(from, pkt->seq) ? granule_of(pkt, pkt->seq)
		                                   : granule_of(pkt, from) + 1;
		end = seq_before(to, pkt_end) ? granule_of(pkt, to) : 64;
		count += count_starts(pkt->starts, first, end);
	}
	return count;
}

/* What the scoreboard knows. */
static void count_sent(const struct tcp_conn *conn, const struct tcp_sent *sent,
                       struct tcp_info *info)
{
	uint32_t at = conn->snd_una;

	for (uint32_t i = 0; i < sent->sacked_count; i++) {
		const struct tcp_sack *run = &sent->sacked[i];

		info->sacked += segments_in(conn, run->start, run->end);
		if (seq_before(run->start, sent->lost_end))
			info->lost += segments_in(conn, at, run->start);
		else if (seq_before(at, sent->lost_end))
			info->lost += segments_in(conn, at, sent->lost_end);
		at = run->end;
	}
	if (seq_before(at, sent->lost_end))
		info->lost += segments_in(conn, at, sent->lost_end);
	for (uint32_t i = 0; i < sent->again_count; i++)
		info->retrans += segments_in(conn, sent->again[i].start, sent->again[i].end);
}

/* Without SACK: each duplicate tells of a segment that has arrived (RFC 5681 3.2). */
static void count_unsacked(const struct tcp_conn *conn, struct tcp_info *info)
{
	const struct tcp_cold *cold = conn_cold(conn);

	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED) {
		info->lost = info->retrans = cold->retries > 0;
	} else if (conn->flags & CONN_LOSS) {
		info->lost = segments_in(conn, conn->snd_una, cold->recover);
		info->retrans = segments_in(conn, conn->snd_una, cold->rexmit_nxt);
	} else {
		info->lost = info->retrans = (conn->flags & CONN_RECOVERY) != 0;
		info->sacked = min_u32(conn->dupacks, info->unacked > 0 ? info->unacked - 1 : 0);
	}
}

/* Numbers of Linux's tcp_ca_state. */
static int ca_state(const struct tcp_conn *conn, const struct tcp_info *info)
{
	const struct tcp_cold *cold = conn_cold(conn);

	if ((conn->flags & CONN_LOSS) || (conn->state == TCP_STATE_SYN_SENT && cold->retries > 0))
		return 4;
	if (conn->flags & CONN_RECOVERY)
		return 3;
	if (cold->reduced && seq_before(conn->snd_una, cold->recover))
		return 2;
	return info->sacked > 0 || conn->dupacks > 0 ? 1 : 0;
}

void tcp_info(const struct tcp_conn *conn, struct tcp_info *out_info)
{
	const struct tcp_cold *cold = conn_cold(conn);
	const struct tcp_sent *sent = sent_of(conn);
	uint32_t mss = conn->mss != 0 ? conn->mss : TCP_MSS_DEFAULT_IP4;

	*out_info = (struct tcp_info){
	    .state = conn->state,
	    .snd_cwnd = conn->cwnd / mss,
	    .snd_ssthresh = cold->ssthresh == UINT32_MAX ? INT32_MAX : cold->ssthresh / mss,
	    .snd_mss = mss,
	    .rcv_mss = conn->rcv_mss,
	    .rcv_wnd = conn->rcv_adv - conn->rcv_nxt,
	    .snd_wnd = conn->snd_wnd,
	    .rtt_us = conn->srtt_us8 / 8,
	    .rttvar_us = conn->rttvar_us4 / 4,
	    .rto_us = rtt_timeout_us(conn),
	    .unacked = segments_in(conn, conn->snd_una, conn->snd_nxt),
	    .reordering = TCP_DUPACKS,
	    .backoff = conn->backoff,
	    .probes = conn->flags & CONN_PERSIST ? cold->retries : 0,
	    .idle_ms = tcp_now_ms(conn_tcp(conn)) - cold->received_at_ms,
	    .bytes_received = cold->received_bytes,
	    .bytes_acked = cold->acked_bytes,
	    .retransmitted_segments = cold->retransmitted,
	};
	if (conn->snd_una != conn->snd_nxt && sent != NULL)
		count_sent(conn, sent, out_info);
	else if (conn->snd_una != conn->snd_nxt)
		count_unsacked(conn, out_info);
	out_info->ca_state = ca_state(conn, out_info);
}
