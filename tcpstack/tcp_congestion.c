/* tcp_congestion.c - NewReno: RFC 5681, RFC 6582, RFC 3465 (L = 2), RFC 3042; initial window RFC
 * 6928. */
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

static void grow(struct tcp_conn *conn, uint32_t acked, uint32_t flight_before)
{
	uint32_t ssthresh = conn_cold(conn)->ssthresh;
	uint32_t max = conn_tcp(conn)->net->config.send_buffer_bytes + conn->mss;

	/* A window that is not used proves nothing about the path (RFC 7661's reason). */
	if (conn->cwnd < ssthresh) {
		if (flight_before * 2 >= conn->cwnd)
			conn->cwnd += min_u32(acked, 2u * conn->mss);
	} else if (flight_before + conn->mss >= conn->cwnd) {
		conn->cwnd += max_u32(
		    (uint32_t)((uint64_t)conn->mss * min_u32(acked, conn->mss) / conn->cwnd), 1);
	}
	conn->cwnd = min_u32(
	    conn->cwnd,
	    max_u32(max, conn_tcp(conn)->net->config.initial_window_segments * conn->mss));
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
	grow(conn, acked, flight_before);
}

void congestion_dupack(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);

	if (conn->flags & CONN_RECOVERY) {
		conn->cwnd += conn->mss; /* a segment has left the network */
		return;
	}
	if (conn->dupacks < UINT8_MAX)
		conn->dupacks++;
	/* RFC 6582 3.2 step 2: not for duplicates that what was sent again has caused. */
	if (conn->dupacks != TCP_DUPACKS || !seq_after(conn->snd_una, cold->recover))
		return;
	cold->ssthresh = half_of_flight(conn);
	cold->recover = conn->snd_nxt;
	conn->cwnd = cold->ssthresh + TCP_DUPACKS * conn->mss;
	conn->flags |= CONN_RECOVERY | CONN_REXMIT_HEAD;
	conn_counters(conn)->fast_retransmits++;
}

void congestion_timeout(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);

	/* RFC 5681 4.3: halved once per loss, not once per back-off. */
	if (conn->backoff == 0)
		cold->ssthresh = half_of_flight(conn);
	conn->cwnd = conn->mss;
	conn->dupacks = 0;
	conn->flags &= (uint16_t)~CONN_RECOVERY;
	conn->flags |= CONN_LOSS;
	cold->recover = conn->snd_nxt;
	cold->rexmit_nxt = conn->snd_una;
}

uint32_t congestion_window(const struct tcp_conn *conn)
{
	/* RFC 3042: the first two duplicates may each let one new segment go. */
	if (!(conn->flags & (CONN_RECOVERY | CONN_LOSS)) && conn->dupacks > 0 &&
	    conn->dupacks < TCP_DUPACKS)
		return conn->cwnd + conn->dupacks * (uint32_t)conn->mss;
	return conn->cwnd;
}
