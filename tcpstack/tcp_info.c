/* tcp_info.c - what a connection says of itself: the fields of Linux's tcp_info, by its names.
 *
 * Linux counts segments as they left; here octets are kept, so a run of them counts as the segments
 * of full size that it takes. Small writes that left by themselves count together.
 */
#include "tcpstack/tcp_internal.h"

static uint32_t segments_of(uint32_t bytes, uint32_t mss)
{
	return (bytes + mss - 1) / mss;
}

/* What the scoreboard knows. */
static void count_sent(const struct tcp_conn *conn, const struct tcp_sent *sent, uint32_t mss,
                       struct tcp_info *info)
{
	uint32_t at = conn->snd_una;

	for (uint32_t i = 0; i < sent->sacked_count; i++) {
		const struct tcp_sack *run = &sent->sacked[i];

		info->sacked += segments_of(run->end - run->start, mss);
		if (seq_before(run->start, sent->lost_end))
			info->lost += segments_of(run->start - at, mss);
		else if (seq_before(at, sent->lost_end))
			info->lost += segments_of(sent->lost_end - at, mss);
		at = run->end;
	}
	if (seq_before(at, sent->lost_end))
		info->lost += segments_of(sent->lost_end - at, mss);
	for (uint32_t i = 0; i < sent->again_count; i++)
		info->retrans += segments_of(sent->again[i].end - sent->again[i].start, mss);
}

/* Without SACK: each duplicate tells of a segment that has arrived (RFC 5681 3.2). */
static void count_unsacked(const struct tcp_conn *conn, uint32_t mss, struct tcp_info *info)
{
	const struct tcp_cold *cold = conn_cold(conn);

	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED) {
		info->lost = info->retrans = cold->retries > 0;
	} else if (conn->flags & CONN_LOSS) {
		info->lost = segments_of(cold->recover - conn->snd_una, mss);
		info->retrans = segments_of(cold->rexmit_nxt - conn->snd_una, mss);
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
	    .unacked = segments_of(conn->snd_nxt - conn->snd_una, mss),
	    .reordering = TCP_DUPACKS,
	    .backoff = conn->backoff,
	    .probes = conn->flags & CONN_PERSIST ? cold->retries : 0,
	    .idle_ms = tcp_now_ms(conn_tcp(conn)) - cold->received_at_ms,
	    .bytes_received = cold->received_bytes,
	    .bytes_acked = cold->acked_bytes,
	    .retransmitted_segments = cold->retransmitted,
	};
	if (conn->snd_una != conn->snd_nxt && sent != NULL)
		count_sent(conn, sent, mss, out_info);
	else if (conn->snd_una != conn->snd_nxt)
		count_unsacked(conn, mss, out_info);
	out_info->ca_state = ca_state(conn, out_info);
}
