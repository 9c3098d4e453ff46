/* test_net_pair.c - two complete stacks over Ethernet: ARP or ND, IP, TCP, on a link that
 * misbehaves by seed.
 *
 * Virtual time: it jumps to the next thing that happens. One side opens a connection and sends
 * octets drawn from a seed, the other echoes them; what comes back must be what was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "dataplane/port_memory.h"
#include "tcpstack/tcp.h"

#define PKTS        4096
#define QUEUE_PKTS  1024
#define TURNS_MAX   2000000
#define HOUR_US     3600000000u
#define CHUNK_BYTES 4000

struct side {
	struct net *net;
	struct pkt_pool *pool;
	struct port *port;
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
	struct tcp_conn *conn;
	bool closed;
};

struct pair {
	struct arena arena;
	struct side side[2]; /* 0 opens and sends, 1 listens and echoes */
	struct addr addr[2];
	uint64_t now_us;
	size_t bytes, sent, received;
	struct random out, in; /* the same stream, as sent and as expected back */
};

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(bytes_text(text), &addr), OK);
	return addr;
}

static void side_open(struct pair *pair, int index, uint16_t vlan, bool ip4)
{
	struct side *side = &pair->side[index];
	struct net_interface interface = {.vlan = vlan};
	struct prefix prefix = {pair->addr[index], ip4 ? 120 : 64};
	struct net_config config;

	net_config_defaults(&config);
	config.seed = 11 + (uint64_t)index;
	config.secret = (struct hash_key){{21, 22 + (uint64_t)index}};
	config.connections_max = 64;
	config.time_wait_us = 1000000;
	size_t before = pair->arena.used;
	side->net = net_new(&pair->arena, &config, side->pool, &side->net_counters,
	                    &side->tcp_counters, pair->now_us);
	assert_non_null(side->net);
	assert_true(pair->arena.used - before <= net_bytes(&config));
	memcpy(interface.mac, side->port->mac, 6);
	assert_int_equal(net_add_interface(side->net, &interface), OK);
	assert_int_equal(net_add_address(side->net, 0, &prefix), OK);
}

static void pair_open(struct pair *pair, const struct port_memory_config *link, uint16_t vlan,
                      bool ip4)
{
	struct port_memory_config there = *link, back = *link;

	memset(pair, 0, sizeof(*pair));
	pair->now_us = 1000;
	there.queue_pkts_max = back.queue_pkts_max = QUEUE_PKTS;
	back.seed++;
	pair->addr[0] = address(ip4 ? "192.0.2.1" : "2001:db8::1");
	pair->addr[1] = address(ip4 ? "192.0.2.2" : "2001:db8::2");
	assert_int_equal(arena_init(&pair->arena, (size_t)64 << 20, false), OK);
	for (int i = 0; i < 2; i++) {
		pair->side[i].pool = pkt_pool_memory(&pair->arena, PKTS);
		assert_non_null(pair->side[i].pool);
	}
	assert_int_equal(port_memory_new(&pair->arena, &there, &back, pair->side[0].pool,
	                                 pair->side[1].pool, &pair->side[0].port,
	                                 &pair->side[1].port),
	                 OK);
	for (int i = 0; i < 2; i++)
		side_open(pair, i, vlan, ip4);
}

static void pair_close(struct pair *pair)
{
	arena_free(&pair->arena);
}

/* The opener: writes what there is room for, checks what comes back. */
static void serve_opener(struct pair *pair)
{
	struct side *side = &pair->side[0];
	uint8_t chunk[CHUNK_BYTES];

	while (pair->sent < pair->bytes && tcp_writable(side->conn) >= sizeof(chunk)) {
		size_t bytes = pair->bytes - pair->sent;
		if (bytes > sizeof(chunk))
			bytes = sizeof(chunk);
		for (size_t i = 0; i < bytes; i++)
			chunk[i] = (uint8_t)random_u64(&pair->out);
		assert_int_equal(tcp_write(side->conn, bytes_of(chunk, bytes), false), bytes);
		pair->sent += bytes;
		if (pair->sent == pair->bytes)
			tcp_shutdown(side->conn);
	}
	for (struct bytes run; (run = tcp_peek(side->conn, 0)).len > 0;) {
		for (size_t i = 0; i < run.len; i++)
			if (run.data[i] != (uint8_t)random_u64(&pair->in))
				fail_msg("octet %zu came back wrong", pair->received + i);
		pair->received += run.len;
		tcp_consume(side->conn, run.len);
	}
}

static void serve_echo(struct side *side)
{
	for (struct bytes run; (run = tcp_peek(side->conn, 0)).len > 0;) {
		size_t taken = tcp_write(side->conn, run, false);
		if (taken == 0)
			return;
		tcp_consume(side->conn, taken);
	}
}

static void side_turn(struct pair *pair, int index)
{
	struct side *side = &pair->side[index];
	struct pkt *pkts[BURST_PKTS_MAX];
	struct tcp_conn *conn;
	uint32_t news;
	size_t count;

	while ((count = side->port->ops->rx_burst(side->port, pair->now_us, pkts, BURST_PKTS_MAX)) >
	       0)
		net_input(side->net, pair->now_us, pkts, count);
	net_timers(side->net, pair->now_us, 1000);
	while ((conn = tcp_next_ready(side->net, &news)) != NULL) {
		if ((news & TCP_FAILED) != 0)
			fail_msg("connection of side %d failed: %s", index,
			         err_text(tcp_error(conn)));
		side->conn = conn;
		if (index == 0)
			serve_opener(pair);
		else
			serve_echo(side);
		if (tcp_at_end(conn)) {
			side->closed = true;
			tcp_close(conn);
		}
	}
	do {
		count = net_output(side->net, pair->now_us, pkts, BURST_PKTS_MAX);
		side->port->ops->tx_burst(side->port, pair->now_us, pkts, count);
	} while (count == BURST_PKTS_MAX);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Jumps to what happens next; false when nothing ever will. */
static bool pair_jump(struct pair *pair)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		next = least(next, net_next_deadline_us(pair->side[i].net));
		next = least(next, port_memory_next_us(pair->side[i].port));
	}
	if (next == UINT64_MAX)
		return false;
	if (next > pair->now_us)
		pair->now_us = next;
	return true;
}

/* Runs until both ends are closed. */
static void pair_echo(struct pair *pair, size_t bytes)
{
	struct endpoint listener = {.port = 25}, remote = {pair->addr[1], 25};
	uint64_t start_us = pair->now_us;

	pair->bytes = bytes;
	random_seed(&pair->out, bytes);
	random_seed(&pair->in, bytes);
	assert_int_equal(tcp_listen(pair->side[1].net, &listener, 1), OK);
	assert_int_equal(
	    tcp_connect(pair->side[0].net, pair->now_us, NULL, &remote, &pair->side[0].conn), OK);
	for (int turn = 0; turn < TURNS_MAX && !(pair->side[0].closed && pair->side[1].closed);
	     turn++) {
		side_turn(pair, 0);
		side_turn(pair, 1);
		assert_true(pair_jump(pair));
		assert_true(pair->now_us - start_us < HOUR_US);
	}
	assert_true(pair->side[0].closed && pair->side[1].closed);
	assert_int_equal(pair->received, bytes);
}

/* After everything has settled no packet may be missing, in flight or kept. */
static void pair_settle(struct pair *pair)
{
	uint64_t until_us = pair->now_us + 2 * (uint64_t)HOUR_US;

	for (int turn = 0; turn < TURNS_MAX && pair->now_us < until_us; turn++) {
		side_turn(pair, 0);
		side_turn(pair, 1);
		if (!pair_jump(pair))
			break;
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(net_connection_count(pair->side[i].net), 0);
		assert_int_equal(pair->side[i].pool->free_count, PKTS);
	}
}

static void run_one(const struct port_memory_config *link, uint16_t vlan, bool ip4, size_t bytes)
{
	static struct pair pair;

	pair_open(&pair, link, vlan, ip4);
	pair_echo(&pair, bytes);
	pair_settle(&pair);
	pair_close(&pair);
}

static const struct port_memory_config clean = {.delay_us = 50, .rate_bits_per_s = 1000000000};

static void clean_link_ip4(void **state)
{
	static struct pair pair;

	(void)state;
	pair_open(&pair, &clean, 0, true);
	pair_echo(&pair, 1000000);
	assert_int_equal(pair.side[0].tcp_counters.segments_in + pair.side[0].net_counters.arp_in,
	                 pair.side[0].net_counters.frames_in);
	assert_true(pair.side[0].net_counters.neighbours_resolved >= 1);
	assert_true(pair.side[1].net_counters.arp_requests_answered >= 1);
	assert_int_equal(pair.side[0].net_counters.nd_in, 0);
	pair_settle(&pair);
	pair_close(&pair);
}

static void clean_link_ip6(void **state)
{
	static struct pair pair;

	(void)state;
	pair_open(&pair, &clean, 0, false);
	pair_echo(&pair, 1000000);
	assert_true(pair.side[1].net_counters.nd_solicitations_answered >= 1);
	assert_int_equal(pair.side[0].net_counters.arp_in, 0);
	pair_settle(&pair);
	pair_close(&pair);
}

static void tagged_link(void **state)
{
	(void)state;
	run_one(&clean, 42, true, 100000);
	run_one(&clean, 42, false, 100000);
}

static void one_octet(void **state)
{
	static struct pair pair;

	(void)state;
	pair_open(&pair, &clean, 0, true);
	pair_echo(&pair, 1);
	pair_settle(&pair);
	pair_close(&pair);
}

static void lossy_links(void **state)
{
	struct port_memory_config link = {.delay_us = 5000, .rate_bits_per_s = 100000000};

	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++) {
		link.seed = seed * 1000;
		link.loss_ppm = seed * 10000; /* 1 % to 12 % */
		run_one(&link, 0, seed % 2 == 0, 200000);
	}
}

static void all_troubles_at_once(void **state)
{
	struct port_memory_config link = {.loss_ppm = 20000,
	                                  .duplicate_ppm = 20000,
	                                  .corrupt_ppm = 20000,
	                                  .reorder_ppm = 50000,
	                                  .reorder_us = 3000,
	                                  .delay_us = 20000,
	                                  .jitter_us = 2000,
	                                  .rate_bits_per_s = 50000000};

	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++) {
		link.seed = seed * 77;
		run_one(&link, seed % 3 == 0 ? 7 : 0, seed % 2 == 0, 150000);
	}
}

/* The same seeds give the same run. */
static void runs_replay(void **state)
{
	struct port_memory_config link = {
	    .seed = 9, .loss_ppm = 50000, .delay_us = 3000, .jitter_us = 900};
	static struct pair pair;
	uint64_t end_us[2], frames[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		pair_open(&pair, &link, 0, true);
		pair_echo(&pair, 100000);
		end_us[i] = pair.now_us;
		frames[i] = pair.side[0].net_counters.frames_out +
		            pair.side[1].net_counters.bytes_out;
		pair_close(&pair);
	}
	assert_int_equal(end_us[0], end_us[1]);
	assert_int_equal(frames[0], frames[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clean_link_ip4), cmocka_unit_test(clean_link_ip6),
	    cmocka_unit_test(tagged_link),    cmocka_unit_test(one_octet),
	    cmocka_unit_test(lossy_links),    cmocka_unit_test(all_troubles_at_once),
	    cmocka_unit_test(runs_replay),
	};

	return cmocka_run_group_tests_name("net_pair", tests, NULL, NULL);
}
