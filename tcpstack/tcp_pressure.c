/* tcp_pressure.c - when packets or slots run short: who gets less, who is refused, who has to go.
 *
 * From 70 % in use windows stop growing, from 80 % handshakes leave no state and nothing is kept
 * out of order, from 90 % the least useful connections are reset: first those that never said a
 * word, then those that will not take what we say, the slow, and the silent. Who got on lately
 * stays. Candidates are a bounded sample from a clock hand: with ten million slots nobody keeps
 * them sorted.
 *
 * Connections of one /24 or /64 are counted in a sketch of two rows, which only ever errs upwards.
 */
#include "tcpstack/tcp_internal.h"

#define SAMPLE           64
#define SILENT_MS        3000  /* since the handshake, without a word */
#define STALLED_S        5     /* with a window closed */
#define IDLE_MS          10000 /* since the last acceptable segment */
#define SLOW_AGE_S       30
#define SLOW_BYTES_PER_S 50
#define EVICT_EVERY_MS   10 /* for packets; slots are made as they are needed */

enum victim { VICTIM_SILENT, VICTIM_STALLED, VICTIM_SLOW, VICTIM_IDLE, VICTIM_NONE };

static bool is_beyond(uint32_t used, uint32_t all, uint32_t tenths)
{
	return (uint64_t)used * 10 >= (uint64_t)all * tenths;
}

static bool packets_beyond(const struct tcp *tcp, uint32_t tenths)
{
	const struct pkt_pool *pool = tcp->net->pool;
	uint32_t free_count = min_u32(pool->free_count, pool->pkt_count);

	return is_beyond(pool->pkt_count - free_count, pool->pkt_count, tenths);
}

static bool slots_beyond(const struct tcp *tcp, uint32_t tenths)
{
	return is_beyond(tcp->conn_count, tcp->conns_max, tenths);
}

uint32_t pressure_window(const struct tcp_conn *conn, uint32_t limit)
{
	const struct tcp *tcp = conn_tcp(conn);

	/* One segment at a time, so that everybody still moves. */
	if (packets_beyond(tcp, 7))
		return min_u32(limit, conn->rcv_mss);
	return slots_beyond(tcp, 7) ? min_u32(limit, TCP_WINDOW_PRESSED_BYTES) : limit;
}

bool pressure_wants_cookies(const struct tcp *tcp)
{
	return packets_beyond(tcp, 8) || slots_beyond(tcp, 8);
}

bool pressure_keeps_order(const struct tcp *tcp)
{
	return packets_beyond(tcp, 8) || tcp->reassembly_pkts >= tcp->net->pool->pkt_count / 4;
}

static bool holds_packets(const struct tcp_conn *conn)
{
	return conn->rcv_head != NULL || conn->snd_head != NULL || conn_cold(conn)->recovery != 0;
}

static uint32_t age_s(const struct tcp_conn *conn)
{
	return tcp_since_s(conn_tcp(conn), conn_cold(conn)->opened_s);
}

static enum victim judge(const struct tcp_conn *conn, uint32_t *out_idle_ms)
{
	const struct tcp_cold *cold = conn_cold(conn);
	uint32_t now_ms = tcp_now_ms(conn_tcp(conn));
	uint32_t idle_ms = now_ms - cold->received_at_ms;

	*out_idle_ms = idle_ms;
	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED)
		return VICTIM_NONE;
	if (!cold->active && cold->received_bytes == 0 && idle_ms >= SILENT_MS)
		return VICTIM_SILENT;
	if ((conn->flags & CONN_PERSIST) &&
	    tcp_since_s(conn_tcp(conn), cold->persist_since_s) >= STALLED_S)
		return VICTIM_STALLED;
	if (!cold->active && age_s(conn) >= SLOW_AGE_S &&
	    cold->received_bytes + cold->acked_bytes < (uint64_t)age_s(conn) * SLOW_BYTES_PER_S)
		return VICTIM_SLOW;
	return idle_ms >= IDLE_MS ? VICTIM_IDLE : VICTIM_NONE;
}

static void evict(struct tcp_conn *conn, enum victim victim)
{
	struct tcp_counters *counters = conn_counters(conn);
	uint64_t *of[] = {[VICTIM_SILENT] = &counters->evicted_silent,
	                  [VICTIM_STALLED] = &counters->evicted_stalled,
	                  [VICTIM_SLOW] = &counters->evicted_slow,
	                  [VICTIM_IDLE] = &counters->evicted_idle};

	ASSERT(victim < VICTIM_NONE);
	++*of[victim];
	conn_send_reset(conn);
	conn_end(conn, conn->flags & CONN_ORPHAN ? OK : ERR_NO_MEMORY);
}

/* One connection goes, if any of the next ones may. */
static void evict_one(struct tcp *tcp, bool for_packets)
{
	struct tcp_conn *worst = NULL;
	enum victim worst_victim = VICTIM_NONE;
	uint32_t worst_idle_ms = 0;

	for (uint32_t i = 0; i < min_u32(SAMPLE, tcp->conns_max); i++) {
		struct tcp_conn *conn;
		enum victim victim;
		uint32_t idle_ms;

		tcp->clock_hand = tcp->clock_hand % tcp->conns_max + 1;
		conn = &tcp->conns[tcp->clock_hand];
		if (!(conn->flags & CONN_TABLED) || (for_packets && !holds_packets(conn)))
			continue;
		victim = judge(conn, &idle_ms);
		if (victim < worst_victim ||
		    (victim == worst_victim && victim != VICTIM_NONE && idle_ms > worst_idle_ms)) {
			worst = conn;
			worst_victim = victim;
			worst_idle_ms = idle_ms;
		}
	}
	if (worst != NULL)
		evict(worst, worst_victim);
}

void pressure_make_slot(struct tcp *tcp)
{
	if (slots_beyond(tcp, 9))
		evict_one(tcp, false);
}

void pressure_make_packets(struct tcp *tcp)
{
	uint32_t now_ms = tcp_now_ms(tcp);

	if (!packets_beyond(tcp, 9) || now_ms - tcp->evicted_at_ms < EVICT_EVERY_MS)
		return;
	tcp->evicted_at_ms = now_ms;
	evict_one(tcp, true);
}

static uint32_t row_count(const struct net_config *config)
{
	uint32_t count = 256;

	while (count < config->connections_max && count < 1u << 20)
		count *= 2;
	return count;
}

size_t prefix_sketch_bytes(const struct net_config *config)
{
	return config->connections_per_prefix_max != 0
	           ? (size_t)row_count(config) * 2 * sizeof(uint32_t) + 64
	           : 0;
}

bool prefix_sketch_init(struct tcp *tcp, struct arena *arena)
{
	uint32_t count = row_count(&tcp->net->config);

	if (tcp->net->config.connections_per_prefix_max == 0)
		return true;
	tcp->prefix_mask = count - 1;
	tcp->prefixes = ARENA_TAKE(arena, count * 2, uint32_t);
	return tcp->prefixes != NULL;
}

/* The counters of `remote` in both rows. */
static void find_cells(const struct tcp *tcp, const struct addr *remote, uint32_t *out_cells[2])
{
	struct addr prefix = *remote;
	uint64_t hash;

	memset(prefix.octet + (addr_is_ip4(remote) ? 15 : 8), 0, addr_is_ip4(remote) ? 1 : 8);
	hash = hash64(&tcp->net->config.secret, &prefix, sizeof(prefix));
	out_cells[0] = &tcp->prefixes[(uint32_t)hash & tcp->prefix_mask];
	out_cells[1] = &tcp->prefixes[tcp->prefix_mask + 1 +
	                              ((uint32_t)(hash >> 32) & tcp->prefix_mask)];
}

bool prefix_is_full(const struct tcp *tcp, const struct addr *remote)
{
	uint32_t *cells[2];

	if (tcp->prefixes == NULL)
		return false;
	find_cells(tcp, remote, cells);
	return min_u32(*cells[0], *cells[1]) >= tcp->net->config.connections_per_prefix_max;
}

void prefix_count(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	uint32_t *cells[2];

	if (tcp->prefixes == NULL)
		return;
	find_cells(tcp, &conn_cold(conn)->tuple.remote.addr, cells);
	++*cells[0];
	++*cells[1];
	conn_cold(conn)->counted = true;
}

void prefix_uncount(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t *cells[2];

	if (!cold->counted)
		return;
	cold->counted = false;
	find_cells(conn_tcp(conn), &cold->tuple.remote.addr, cells);
	ASSERT(*cells[0] > 0 && *cells[1] > 0);
	--*cells[0];
	--*cells[1];
}
