/* test_handover.c - which worker gets which frame, and that none is lost or leaked on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/handover.h"
#include "dataplane/owner.h"

#define WORKERS    3
#define POOL_PKTS  2048
#define BACKEND_IP 0x0a1a0003u
#define OUR_IP     0x0a1a0001u

static struct arena arena;
static struct config config;
static struct worker_link orders[WORKERS], *links[WORKERS];
static struct pkt_pool *pool[WORKERS];
static struct handover *handover;
static struct owners owners;

static int setup(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	config.workers = WORKERS;
	config.backend_count = 2;
	config.backend[0].remote = (struct endpoint){addr_from_ip4(BACKEND_IP), 2525};
	memset(config.backend[1].remote.addr.octet, 0xfd, 16);
	config.backend[1].remote.port = 25;
	if (arena_init(&arena, (size_t)64 << 20, false) != OK)
		return 1;
	for (uint32_t w = 0; w < WORKERS; w++) {
		memset(&orders[w], 0, sizeof(orders[w]));
		orders[w].wake_fd = -1;
		links[w] = &orders[w];
		pool[w] = pkt_pool_memory(&arena, POOL_PKTS);
	}
	memset(&owners, 0, sizeof(owners));
	owners_init(&owners, &config);
	handover = handover_new(&arena, &config, &owners, links);
	return handover == NULL;
}

static int teardown(void **state)
{
	(void)state;
	for (uint32_t w = 0; w < WORKERS; w++)
		if (pool[w]->free_count != POOL_PKTS)
			return 1;
	arena_free(&arena);
	return 0;
}

static void put16(uint8_t *data, uint32_t value)
{
	data[0] = (uint8_t)(value >> 8);
	data[1] = (uint8_t)value;
}

static struct pkt *frame(uint32_t ethertype, bool tagged, size_t bytes)
{
	struct pkt *pkt = pkt_get(pool[0]);

	assert_non_null(pkt);
	memset(pkt->data, 0, bytes);
	put16(pkt->data + 12, tagged ? 0x8100 : ethertype);
	if (tagged)
		put16(pkt->data + 16, ethertype);
	pkt->len = (uint16_t)bytes;
	pkt->port = 1;
	return pkt;
}

static struct pkt *tcp4(uint32_t source, uint32_t source_port, uint32_t port, bool tagged)
{
	struct pkt *pkt = frame(0x0800, tagged, 64);
	uint8_t *ip = pkt->data + (tagged ? 18 : 14);

	ip[0] = 0x45;
	ip[9] = 6;
	put16(ip + 12, source >> 16);
	put16(ip + 14, source);
	put16(ip + 20, source_port);
	put16(ip + 22, port);
	return pkt;
}

static struct pkt *tcp6(uint32_t source_port, uint32_t port)
{
	struct pkt *pkt = frame(0x86dd, false, 80);

	pkt->data[14 + 6] = 6;
	memset(pkt->data + 14 + 8, 0xfd, 16);
	put16(pkt->data + 54, source_port);
	put16(pkt->data + 56, port);
	return pkt;
}

static struct pkt *arp(uint32_t operation)
{
	struct pkt *pkt = frame(0x0806, false, 60);

	put16(pkt->data + 20, operation);
	return pkt;
}

/* How many of the others got it; worker 0 has received `pkt`. */
static uint32_t taken(uint32_t worker)
{
	struct pkt *pkts[8];
	size_t count = handover_take(handover, worker, pool[worker], pkts, 8);

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pkts[i]->port, 1);
		pkt_put(pkts[i]);
	}
	return (uint32_t)count;
}

/* Sorts one frame at worker 0 and checks who has it then. */
static void assert_goes(struct pkt *pkt, bool to0, bool to1, bool to2)
{
	struct handover_counts lost = {0};
	size_t kept = handover_sort(handover, 0, &pkt, 1, &lost);

	assert_int_equal(kept, to0);
	if (kept == 1)
		pkt_put(pkt);
	assert_int_equal(lost.lost, 0);
	assert_int_equal(handover_waits(handover, 1), to1);
	assert_int_equal(taken(1), to1);
	assert_int_equal(taken(2), to2);
	assert_false(handover_waits(handover, 2));
}

static void answers_about_neighbours_reach_all(void **state)
{
	struct pkt *advertisement = frame(0x86dd, false, 86);

	(void)state;
	advertisement->data[14 + 6] = 58;
	advertisement->data[54] = 136;
	assert_goes(arp(2), true, true, true);
	assert_goes(arp(1), true, false, false);
	assert_goes(advertisement, true, true, true);
}

static void segments_of_backends_reach_the_port_s_worker(void **state)
{
	(void)state;
	assert_goes(tcp4(BACKEND_IP, 2525, 30000, false), true, false, false);
	assert_goes(tcp4(BACKEND_IP, 2525, 30001, false), false, true, false);
	assert_goes(tcp4(BACKEND_IP, 2525, 30002, true), false, false, true);
	assert_goes(tcp6(25, 30001), false, true, false);
}

/* Where the card's hash is known it says whose a segment is, not the port's remainder. */
static void the_card_s_hash_says_whose_a_segment_is(void **state)
{
	static struct rss rss;
	const struct endpoint remote = {addr_from_ip4(BACKEND_IP), 2525};
	struct endpoint local = {addr_from_ip4(OUR_IP), 0};
	struct handover_counts counts = {0};
	uint8_t key[40];
	uint32_t seen[WORKERS] = {0}, not_by_remainder = 0;

	(void)state;
	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 71 + 5);
	config.port_count = 1;
	config.port[0].address_count = 1;
	config.port[0].address[0].addr = local.addr;
	rss_init(&rss, key, sizeof(key), true, true);
	rss.table_count = 64;
	for (uint32_t i = 0; i < rss.table_count; i++)
		rss.table[i] = (uint16_t)(i % WORKERS);
	assert_true(owners_learn(&owners, 0, &rss));
	for (local.port = 30000; local.port < 30030; local.port++) {
		struct pkt *pkt = tcp4(BACKEND_IP, 2525, local.port, false);
		uint32_t owner = rss_queue(&rss, &remote, &local);

		put16(pkt->data + 14 + 16, OUR_IP >> 16);
		put16(pkt->data + 14 + 18, OUR_IP);
		if (handover_sort(handover, 0, &pkt, 1, &counts) == 1)
			pkt_put(pkt);
		seen[owner]++;
		not_by_remainder += owner != local.port % WORKERS;
		assert_int_equal(counts.backend_here, seen[0]);
		assert_int_equal(counts.backend_elsewhere, seen[1] + seen[2]);
		assert_int_equal(taken(1), owner == 1);
		assert_int_equal(taken(2), owner == 2);
	}
	assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0 && not_by_remainder > 0);
}

static void everything_else_stays(void **state)
{
	struct pkt *fragment = tcp4(BACKEND_IP, 2525, 30001, false);
	struct pkt *cut = tcp4(BACKEND_IP, 2525, 30001, false);
	struct pkt *options = tcp4(BACKEND_IP, 2525, 30001, false);

	(void)state;
	put16(fragment->data + 20, 8);
	cut->len = 34;
	options->data[14] = 0x4f; /* a header longer than the frame */
	assert_goes(tcp4(BACKEND_IP, 25, 30001, false), true, false, false);
	assert_goes(tcp4(BACKEND_IP + 1, 2525, 30001, false), true, false, false);
	assert_goes(tcp6(26, 30001), true, false, false);
	assert_goes(fragment, true, false, false);
	assert_goes(cut, true, false, false);
	assert_goes(options, true, false, false);
	for (uint16_t len = 0; len < 64; len++) {
		struct pkt *pkt = tcp4(BACKEND_IP + 1, 2525, 30001, false);
		struct handover_counts lost = {0};

		pkt->len = len;
		assert_int_equal(handover_sort(handover, 0, &pkt, 1, &lost), 1);
		pkt_put(pkt);
	}
}

static struct net_stranger stranger_from(struct pkt *pkt, uint32_t remote_ip, uint16_t local_port)
{
	return (struct net_stranger){.ip = pkt,
	                             .remote = {addr_from_ip4(remote_ip), 40000},
	                             .local = {addr_from_ip4(OUR_IP), local_port}};
}

/* What a client sends in fragments belongs to whom the card gives the whole segments: nobody knows
 * who that is, or the card's hash says. */
static void a_stranger_is_offered_to_all(void **state)
{
	struct pkt *pkt = tcp4(BACKEND_IP + 1, 40000, 25, false);
	struct net_stranger stranger = stranger_from(pkt, BACKEND_IP + 1, 25);
	struct handover_counts counts = {0};
	struct pkt *taken_pkt;

	(void)state;
	assert_int_equal(handover_take(handover, 0, pool[0], &taken_pkt, 1), 0); /* a turn begins */
	assert_true(handover_stranger(handover, 0, &stranger, &counts));
	assert_int_equal(handover_take(handover, 2, pool[2], &taken_pkt, 1), 1);
	assert_int_equal(taken_pkt->flags, PKT_HANDED);
	assert_int_equal(taken_pkt->len, 64);
	assert_memory_equal(taken_pkt->data, pkt->data, 64);
	pkt_put(taken_pkt);
	assert_int_equal(taken(1), 1);
	/* A SYN would become a connection at each of them. */
	stranger.opens = true;
	assert_false(handover_stranger(handover, 0, &stranger, &counts));
	assert_int_equal(taken(1) + taken(2), 0);
	assert_int_equal(counts.lost, 0);
	pkt_put(pkt);
}

static void strangers_are_bounded_a_turn(void **state)
{
	struct pkt *pkt = tcp4(BACKEND_IP + 1, 40000, 25, false);
	struct net_stranger stranger = stranger_from(pkt, BACKEND_IP + 1, 25);
	struct handover_counts counts = {0};
	struct pkt *pkts[8];

	(void)state;
	for (uint32_t turn = 1; turn <= 2; turn++) {
		assert_int_equal(handover_take(handover, 0, pool[0], pkts, 8), 0);
		for (uint32_t i = 0; i < 8; i++)
			assert_true(handover_stranger(handover, 0, &stranger, &counts));
		assert_int_equal(counts.lost, turn * 4);
		assert_int_equal(taken(1), 4);
		assert_int_equal(taken(2), 4);
	}
	pkt_put(pkt);
}

static void the_card_s_hash_says_whose_a_stranger_is(void **state)
{
	static struct rss rss;
	uint32_t seen[WORKERS] = {0};
	uint8_t key[40];
	struct handover_counts counts = {0};

	(void)state;
	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 71 + 5);
	config.port_count = 1;
	config.port[0].address_count = 1;
	config.port[0].address[0].addr = addr_from_ip4(OUR_IP);
	rss_init(&rss, key, sizeof(key), true, true);
	rss.table_count = 64;
	for (uint32_t i = 0; i < rss.table_count; i++)
		rss.table[i] = (uint16_t)(i % WORKERS);
	assert_true(owners_learn(&owners, 0, &rss));
	for (uint32_t i = 0; i < 30; i++) {
		struct pkt *pkt = tcp4(0x0a400001 + i, 40000, 25, false);
		struct net_stranger stranger = stranger_from(pkt, 0x0a400001 + i, 25);
		uint32_t owner = rss_queue(&rss, &stranger.remote, &stranger.local);

		stranger.opens = i % 2 == 0; /* here a SYN, too, has one owner */
		assert_int_equal(handover_stranger(handover, 0, &stranger, &counts), owner != 0);
		assert_int_equal(taken(1), owner == 1);
		assert_int_equal(taken(2), owner == 2);
		seen[owner]++;
		pkt_put(pkt);
	}
	assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0 && counts.lost == 0);
}

static void order_and_content_are_kept(void **state)
{
	struct pkt *pkts[8];
	struct handover_counts lost = {0};

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		pkts[i] = tcp4(BACKEND_IP, 2525, 30001, false);
		pkts[i]->data[63] = i;
	}
	assert_int_equal(handover_sort(handover, 0, pkts, 8, &lost), 0);
	assert_int_equal(handover_take(handover, 1, pool[1], pkts, 8), 8);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(pkts[i]->data[63], i);
		assert_int_equal(pkts[i]->len, 64);
		assert_ptr_equal(pkts[i]->pool, pool[1]);
		pkt_put(pkts[i]);
	}
}

static void a_full_ring_loses_and_counts(void **state)
{
	struct handover_counts lost = {0};
	uint64_t got = 0;
	uint32_t sent = 1000, count;

	(void)state;
	for (uint32_t i = 0; i < sent; i++) {
		struct pkt *pkt = tcp4(BACKEND_IP, 2525, 30001, false);

		assert_int_equal(handover_sort(handover, 0, &pkt, 1, &lost), 0);
	}
	while ((count = taken(1)) > 0)
		got += count;
	assert_true(lost.lost > 0 && got > 0);
	assert_int_equal(lost.lost + got, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(answers_about_neighbours_reach_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(segments_of_backends_reach_the_port_s_worker, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(the_card_s_hash_says_whose_a_segment_is, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(everything_else_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_stranger_is_offered_to_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(strangers_are_bounded_a_turn, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_card_s_hash_says_whose_a_stranger_is, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(order_and_content_are_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_full_ring_loses_and_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
