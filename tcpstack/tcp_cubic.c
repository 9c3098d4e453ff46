/* tcp_cubic.c - growth of the window after a loss, RFC 9438, in integers: octets and milliseconds.
 *
 * W(t) = C (t - K)^3 + W_max with C = 0.4 segments per cubic second, beta = 0.7. The epoch's values
 * live in the scoreboard, so a sender that has fallen silent starts over from what Reno makes of
 * it.
 */
#include "tcpstack/tcp_internal.h"

#define BETA_TENTHS 7
#define TIME_MAX_MS 100000 /* keeps the cube within 64 bits */

static uint32_t cube_root(uint64_t value)
{
	uint64_t low = 0, high = 2097151; /* its cube fits in 63 bits */

	while (low < high) {
		uint64_t middle = (low + high + 1) / 2;

		if (middle * middle * middle <= value)
			low = middle;
		else
			high = middle - 1;
	}
	return (uint32_t)low;
}

void cubic_reduce(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t window)
{
	sent->cubic_running = false;
	/* 4.7, fast convergence: a flow that lost below its last maximum makes room. */
	sent->cubic_max = window < sent->cubic_max ? window / 20 * 17 : window;
	conn_cold(conn)->ssthresh = max_u32(window / 10 * BETA_TENTHS, 2u * conn->mss);
}

static void start_epoch(struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t now_ms = tcp_now_ms(conn_tcp(conn));
	uint64_t segments;

	sent->cubic_running = true;
	sent->cubic_epoch_ms = now_ms;
	sent->cubic_reno = conn->cwnd;
	sent->cubic_origin = max_u32(sent->cubic_max, conn->cwnd);
	/* K = cbrt((W_max - cwnd) / C) seconds; in ms the radicand grows by 10^9. */
	segments = ((uint64_t)(sent->cubic_origin - conn->cwnd) * 1000 + conn->mss - 1) / conn->mss;
	sent->cubic_k_ms = cube_root(segments * 1000000 / 4 * 10);
}

static uint32_t cubic_window(const struct tcp_conn *conn, const struct tcp_sent *sent,
                             uint32_t elapsed_ms)
{
	int64_t t = (int64_t)min_u32(elapsed_ms, TIME_MAX_MS) - (int64_t)sent->cubic_k_ms;
	/* 0.4 mss t^3 with t in seconds, without losing what is below a second. */
	int64_t change = t * t * t / 1000000 * conn->mss / 2500;
	int64_t window = (int64_t)sent->cubic_origin + change;

	return window < conn->mss ? conn->mss : (uint32_t)(window < INT32_MAX ? window : INT32_MAX);
}

uint32_t cubic_increase(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t acked)
{
	uint32_t elapsed_ms, target;

	if (!sent->cubic_running)
		start_epoch(conn, sent);
	elapsed_ms = tcp_now_ms(conn_tcp(conn)) - sent->cubic_epoch_ms;
	/* 4.3: never slower than Reno would be; alpha = 3 (1 - beta) / (1 + beta) = 9 / 17. */
	sent->cubic_reno += (uint32_t)((uint64_t)acked * conn->mss *
	                               (sent->cubic_reno < sent->cubic_origin ? 9 : 17) / 17 /
	                               max_u32(sent->cubic_reno, 1));
	target = cubic_window(conn, sent, elapsed_ms + conn->srtt_us8 / 8000);
	target = max_u32(target, sent->cubic_reno);
	/* 4.2: half as much again per round trip at most. */
	target = min_u32(target, conn->cwnd + conn->cwnd / 2);
	if (target <= conn->cwnd)
		return 0;
	return max_u32((uint32_t)((uint64_t)(target - conn->cwnd) * acked / conn->cwnd), 1);
}
