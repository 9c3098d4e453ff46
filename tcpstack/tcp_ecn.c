/* tcp_ecn.c - RFC 3168 on connections whose peer asked for it: congestion met by what it sends is
 * echoed, and what it echoes halves nothing but the window. Never asked for on active opens.
 */
#include "tcpstack/tcp_internal.h"

#define ECN_CAPABLE    2 /* ECT(0) */
#define ECN_CONGESTION 3 /* CE */

bool ecn_is_asked(const struct net *net, const struct tcp_segment *segment)
{
	return (segment->flags & (TCP_FLAG_ECE | TCP_FLAG_CWR)) == (TCP_FLAG_ECE | TCP_FLAG_CWR) &&
	       !net->config.no_ecn;
}

/* 6.1.3: the echo lasts until the sender says that it has heard it. */
static void take_mark(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (segment->flags & TCP_FLAG_CWR)
		conn->options &= (uint8_t)~OPTION_ECN_ECHO;
	if (segment->ecn != ECN_CONGESTION || segment->len == 0)
		return;
	conn->options |= OPTION_ECN_ECHO;
	conn->flags |= CONN_ACK_NOW;
	conn_counters(conn)->ecn_marks_in++;
	conn_mark_dirty(conn);
}

void ecn_input(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_cold *cold = conn_cold(conn);
	struct tcp_sent *sent = sent_of(conn);

	if (!(conn->options & OPTION_ECN))
		return;
	take_mark(conn, segment);
	/* 6.1.2: like a loss, once per window of data; a loss being repaired has done it. */
	if (!(segment->flags & TCP_FLAG_ECE) || conn->snd_una == conn->snd_nxt ||
	    (conn->flags & (CONN_RECOVERY | CONN_LOSS)) || seq_before(conn->snd_una, cold->recover))
		return;
	conn_counters(conn)->ecn_reductions++;
	cold->recover = conn->snd_nxt;
	conn->options |= OPTION_ECN_REDUCED;
	if (sent != NULL) {
		congestion_reduce(conn, sent);
	} else {
		cold->ssthresh = max_u32(conn->cwnd / 2, 2u * conn->mss);
		conn->cwnd = cold->ssthresh;
	}
	cold->reduced = true;
}

uint8_t ecn_output(struct tcp_conn *conn, bool new_data, uint8_t *flags)
{
	if (!(conn->options & OPTION_ECN))
		return 0;
	if (conn->options & OPTION_ECN_ECHO)
		*flags |= TCP_FLAG_ECE;
	if (!new_data) /* 6.1.5: neither pure ACKs nor what is sent again */
		return 0;
	if (conn->options & OPTION_ECN_REDUCED)
		*flags |= TCP_FLAG_CWR;
	conn->options &= (uint8_t)~OPTION_ECN_REDUCED;
	return ECN_CAPABLE;
}
