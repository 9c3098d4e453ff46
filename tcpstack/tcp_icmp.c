/* tcp_icmp.c - what TCP believes of ICMP errors: RFC 5927, RFC 5461, RFC 1191, RFC 8201. */
#include "tcpstack/tcp_internal.h"

static void path_mtu(struct tcp_conn *conn, uint32_t mtu)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t floor = conn->options & OPTION_IP4 ? TCP_MTU_FLOOR_IP4 : TCP_MTU_FLOOR_IP6;

	mtu = max_u32(mtu, floor);
	if (mtu >= cold->path_mtu)
		return;
	cold->path_mtu = (uint16_t)mtu;
	conn_set_mss(conn);
	conn_counters(conn)->icmp_path_mtu++;
	/* What was too big is lost, but not by congestion: it goes out again in smaller pieces at
	 * once. */
	if (conn->snd_una == conn->snd_nxt || conn->state == TCP_STATE_SYN_SENT)
		return;
	conn->flags &= (uint16_t) ~(CONN_RECOVERY | CONN_RTT_TIMING);
	conn->flags |= CONN_LOSS;
	if (sent_of(conn) != NULL)
		sent_lose_all(conn, sent_of(conn));
	cold->recover = conn->snd_nxt;
	cold->rexmit_nxt = conn->snd_una;
	conn_mark_dirty(conn);
}

static enum err err_of(enum icmp_error error)
{
	switch (error) {
	case ICMP_ERROR_REFUSED:
		return ERR_REFUSED;
	case ICMP_ERROR_NO_NETWORK:
		return ERR_NO_NETWORK;
	case ICMP_ERROR_NO_PROTOCOL:
		return ERR_NO_PROTOCOL;
	case ICMP_ERROR_PROHIBITED:
		return ERR_PROHIBITED;
	default:
		return ERR_UNREACHABLE;
	}
}

void tcp_icmp_error(struct net *net, enum icmp_error error, const struct endpoint *local,
                    const struct endpoint *remote, uint32_t quoted_seq, uint32_t mtu)
{
	struct tcp_tuple tuple = {.local = *local, .remote = *remote};
	struct tcp_conn *conn = tcp_table_find(net->tcp, tcp_tuple_hash(net, &tuple), &tuple);

	/* RFC 5927 4.1: only what quotes an octet in flight. */
	if (COUNT_IF(conn == NULL || seq_before(quoted_seq, conn->snd_una) ||
	                 !seq_before(quoted_seq, conn->snd_nxt),
	             net->tcp_counters->icmp_ignored))
		return;
	net->tcp->clock_us = net->now_us;
	if (error == ICMP_ERROR_TOO_BIG) {
		path_mtu(conn, mtu);
		return;
	}
	enum err err = err_of(error);
	/* RFC 5461: while opening, failing fast is right; later every such error may pass (RFC 5927
	 * 5). */
	if (conn->state == TCP_STATE_SYN_SENT)
		conn_end(conn, err);
	else
		conn_cold(conn)->soft_error = (uint8_t)err;
}
