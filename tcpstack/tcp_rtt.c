/* tcp_rtt.c - round-trip time and retransmission timeout, RFC 6298 with Linux's floor under the
 * variance. */
#include "tcpstack/tcp_internal.h"

#define BACKOFF_MAX 16
#define RTT_US_MAX  300000000 /* times 8 it still fits */

void rtt_sample(struct tcp_conn *conn, uint32_t rtt_us)
{
	if (rtt_us == 0)
		rtt_us = 1;
	rtt_us = min_u32(rtt_us, RTT_US_MAX);
	if (conn->srtt_us8 == 0) {
		conn->srtt_us8 = rtt_us * 8;
		conn->rttvar_us4 = rtt_us * 2; /* half of the sample, times 4 */
		return;
	}
	int32_t error = (int32_t)(rtt_us - conn->srtt_us8 / 8);
	uint32_t magnitude = (uint32_t)(error < 0 ? -error : error);

	conn->rttvar_us4 = conn->rttvar_us4 - conn->rttvar_us4 / 4 + magnitude;
	conn->srtt_us8 = (uint32_t)((int32_t)conn->srtt_us8 + error);
}

uint32_t rtt_rto_us(const struct tcp_conn *conn)
{
	const struct net_config *config = &conn_tcp(conn)->net->config;

	if (conn->srtt_us8 == 0)
		return max_u32(config->rto_initial_us, conn->rttvar_us4); /* conn_syn_resent() */
	/* The floor bounds the variance's share, not the sum: a peer may delay its ACK on top of
	 * the path's time. */
	return min_u32(conn->srtt_us8 / 8 + max_u32(conn->rttvar_us4, config->rto_min_us),
	               config->rto_max_us);
}

uint32_t rtt_timeout_us(const struct tcp_conn *conn)
{
	uint64_t timeout = (uint64_t)rtt_rto_us(conn)
	                   << (conn->backoff < BACKOFF_MAX ? conn->backoff : BACKOFF_MAX);
	uint32_t max = conn_tcp(conn)->net->config.rto_max_us;

	return timeout < max ? (uint32_t)timeout : max;
}
