/* test_tcp_pressure.c - short of slots or packets: smaller windows, cookies, evictions in order;
 * and the limit of connections per prefix. */
#include "tcp_script.h"

#include "tcpstack/tcp_internal.h"

#define CONNS_MAX 20

static struct script script;
static struct tcp_conn *conns[CONNS_MAX];

static void start(uint64_t seed, uint32_t per_prefix)
{
	struct net_config config = test_config(seed);

	config.connections_max = CONNS_MAX;
	config.connections_per_prefix_max = per_prefix;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 3), OK);
	memset(conns, 0, sizeof(conns));
}

/* A connection from another port; NULL when it was reset at the SYN. */
static struct tcp_conn *open_one(uint32_t number)
{
	struct tcp_conn *conn;
	uint32_t news;

	script.peer.port = (uint16_t)(40000 + number);
	script.have_isn = false;
	script_options(&script, (const uint8_t[]){2, 4, 5, 0xb4}, 4);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	script_options(&script, NULL, 0);
	script_collect(&script);
	if (script.out[script.out_head].flags & TCP_FLAG_RST) {
		script.out_head = script.out_count;
		return NULL;
	}
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	while ((conn = tcp_next_ready(script.host.net, &news)) != NULL) {
		if (news & TCP_ACCEPTED)
			conns[number] = conn;
	}
	script.out_head = script.out_count;
	return conns[number];
}

/* The peer of that connection says something. */
static void say(uint32_t number, size_t bytes)
{
	const struct tcp_conn *conn = conns[number];

	script.peer.port = (uint16_t)(40000 + number);
	script.our_isn = conn_cold(conn)->iss;
	script_inject_len(&script, "P.", conn->rcv_nxt - script.peer_isn,
	                  conn->snd_nxt - script.our_isn, 65535, bytes);
	script.out_head = script.out_count;
}

static void finish(void)
{
	for (uint32_t i = 0; i < CONNS_MAX; i++)
		if (conns[i] != NULL)
			tcp_abort(conns[i]);
	script_collect(&script);
	script.out_head = script.out_count;
	script_end(&script);
}

static void test_slots_run_short(void **state)
{
	(void)state;
	start(1, 0);
	for (uint32_t i = 0; i < 14; i++)
		assert_non_null(open_one(i));
	assert_int_equal(pressure_window(conns[0], 100000), TCP_WINDOW_PRESSED_BYTES);
	assert_int_equal(script.host.counters.syns_under_pressure, 0);
	for (uint32_t i = 14; i < 18; i++)
		assert_non_null(open_one(i));
	assert_int_equal(script.host.counters.syns_under_pressure, 2); /* from 16 on: no state */
	assert_int_equal(script.host.counters.cookies_accepted, 2);
	/* All are new: nobody has to go yet, and the last slots are taken. */
	assert_non_null(open_one(18));
	assert_int_equal(script.host.counters.evicted_silent, 0);
	finish();
}

static void test_victims_in_order(void **state)
{
	struct tcp_counters *counters = &script.host.counters;
	uint32_t news;

	(void)state;
	start(2, 0);
	for (uint32_t i = 0; i < 18; i++) {
		assert_non_null(open_one(i));
		script_advance(&script, 100000);
	}
	/* 0 to 15 have spoken well; 16 wants nothing of what we say; 17 is silent. */
	for (uint32_t i = 0; i < 17; i++) {
		say(i, 1400);
		say(i, 1400);
		tcp_consume(conns[i], 2800);
	}
	assert_int_equal(tcp_write(conns[16], BYTES("250 Ok\r\n"), false), 8);
	conns[16]->snd_wnd = 0;
	script_advance(&script, 9000000);
	for (uint32_t i = 0; i < 16; i++)
		say(i, 100);
	script_advance(&script, 1000);
	while (tcp_next_ready(script.host.net, &news) != NULL)
		;
	assert_non_null(open_one(18));
	assert_int_equal(counters->evicted_silent, 1);
	assert_int_equal(tcp_error(conns[17]), ERR_NO_MEMORY);
	tcp_abort(conns[17]);
	conns[17] = NULL;
	assert_non_null(open_one(17));
	assert_int_equal(counters->evicted_stalled, 1);
	assert_int_equal(tcp_error(conns[16]), ERR_NO_MEMORY);
	tcp_abort(conns[16]);
	conns[16] = NULL;
	say(17, 10);
	say(18, 10);
	/* Who got on lately stays, whatever comes. */
	assert_non_null(open_one(16));
	assert_int_equal(counters->evicted_slow + counters->evicted_idle, 0);
	/* Half a minute later the drip feeders go before those who are only silent. */
	for (uint32_t i = 0; i < 19; i++)
		if (i != 5)
			say(i, 1400);
	script_advance(&script, 12000000);
	for (int i = 0; i < 19; i++) {
		say(5, 10);
		script_advance(&script, 1000000);
	}
	script.out_head = script.out_count;
	assert_non_null(open_one(19));
	assert_int_equal(counters->evicted_slow, 1);
	assert_int_equal(counters->evicted_idle, 0);
	finish();
}

static void test_packets_run_short(void **state)
{
	struct pkt_chain held = {0};
	struct pkt *pkt;

	(void)state;
	start(3, 0);
	assert_non_null(open_one(0));
	assert_non_null(open_one(1));
	say(0, 100);
	say(1, 1000);
	script_advance(&script, 12000000);
	while (script.host.pool->free_count > script.host.pool->pkt_count * 25 / 100) {
		pkt = pkt_get(script.host.pool);
		pkt_chain_push(&held, pkt);
	}
	assert_int_equal(pressure_window(conns[0], 100000), conns[0]->rcv_mss);
	assert_false(pressure_wants_cookies(script.host.net->tcp));
	while (script.host.pool->free_count > script.host.pool->pkt_count * 15 / 100) {
		pkt = pkt_get(script.host.pool);
		pkt_chain_push(&held, pkt);
	}
	assert_true(pressure_wants_cookies(script.host.net->tcp));
	conns[0]->rcv_nxt += 10; /* a hole */
	conns[0]->rcv_adv += 10;
	say(0, 50);
	conns[0]->rcv_nxt -= 10;
	say(0, 10);
	assert_int_equal(script.host.counters.out_of_order_kept, 0);
	while (script.host.pool->free_count > script.host.pool->pkt_count * 8 / 100) {
		pkt = pkt_get(script.host.pool);
		pkt_chain_push(&held, pkt);
	}
	script_advance(&script, 1000000);
	/* 1 holds packets and is silent; 0 has just spoken. */
	assert_int_equal(script.host.counters.evicted_slow + script.host.counters.evicted_idle, 1);
	assert_int_equal(conns[1]->state, TCP_STATE_CLOSED);
	assert_int_not_equal(conns[0]->state, TCP_STATE_CLOSED);
	pkt_chain_put_all(&held);
	finish();
}

static void test_prefix_limit(void **state)
{
	struct addr first;

	(void)state;
	start(4, 3);
	first = script.peer.addr;
	for (uint32_t i = 0; i < 3; i++) {
		script.peer.addr.octet[15] = (uint8_t)(10 + i); /* the same /24 */
		assert_non_null(open_one(i));
	}
	assert_null(open_one(3));
	assert_int_equal(script.host.counters.prefix_full, 1);
	script.peer.addr.octet[14]++; /* its neighbour */
	assert_non_null(open_one(4));
	script.peer.addr = first;
	tcp_abort(conns[1]);
	conns[1] = NULL;
	script_collect(&script);
	script.out_head = script.out_count;
	assert_non_null(open_one(5));
	assert_null(open_one(6));
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slots_run_short),
	    cmocka_unit_test(test_victims_in_order),
	    cmocka_unit_test(test_packets_run_short),
	    cmocka_unit_test(test_prefix_limit),
	};

	return cmocka_run_group_tests_name("tcp_pressure", tests, NULL, NULL);
}
