/* test_tcp_open.c - opening: options octet for octet, resets, the SYN cache, cookies, crossing
 * SYNs. */
#include "tcp_script.h"

#include "tcpstack/tcp_internal.h"

#define MSS_1460 2, 4, 5, 0xb4

static struct script script;

static void assert_options(const uint8_t *want, size_t bytes)
{
	uint8_t seen[40];

	assert_int_equal(script.last.options_bytes, bytes);
	memcpy(seen, script.last.options, bytes);
	for (size_t i = 0; i + 10 <= bytes; i++) { /* our clock is not the test's business */
		if (seen[i] == 8 && seen[i + 1] == 10)
			memset(seen + i + 2, 0xee, 4);
	}
	assert_memory_equal(seen, want, bytes);
}

static void listen_and_answer(const uint8_t *syn, size_t syn_bytes, const uint8_t *want,
                              size_t want_bytes)
{
	struct net_config config = test_config(1);

	config.receive_window_bytes = 15000000; /* scale 8 */
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script_options(&script, syn, syn_bytes);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	assert_options(want, want_bytes);
	script_options(&script, NULL, 0);
	script_inject(&script, "R", 1, 0, 0, NULL, 0);
	assert_int_equal(script.host.net->tcp->syn_cache.used, 0);
	script_end(&script);
}

static void test_syn_ack_options(void **state)
{
	static const struct {
		uint8_t syn[20], want[20];
		size_t syn_bytes, want_bytes;
	} rows[] = {
	    {{MSS_1460, 1, 1, 4, 2, 1, 3, 3, 7}, {MSS_1460, 1, 1, 4, 2, 1, 3, 3, 8}, 12, 12},
	    {{MSS_1460, 1, 1, 4, 2}, {MSS_1460, 1, 1, 4, 2}, 8, 8},
	    {{MSS_1460, 1, 3, 3, 7}, {MSS_1460, 1, 3, 3, 8}, 8, 8},
	    {{MSS_1460}, {MSS_1460}, 4, 4},
	    {{MSS_1460, 4, 2, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0, 1, 3, 3, 7},
	     {MSS_1460, 4, 2, 8, 10, 0xee, 0xee, 0xee, 0xee, 0, 0, 1, 2, 1, 3, 3, 8},
	     20,
	     20},
	    {{MSS_1460, 4, 2, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0},
	     {MSS_1460, 4, 2, 8, 10, 0xee, 0xee, 0xee, 0xee, 0, 0, 1, 2},
	     16,
	     16},
	    {{MSS_1460, 1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0, 1, 3, 3, 7},
	     {MSS_1460, 1, 1, 8, 10, 0xee, 0xee, 0xee, 0xee, 0, 0, 1, 2, 1, 3, 3, 8},
	     20,
	     20},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		listen_and_answer(rows[i].syn, rows[i].syn_bytes, rows[i].want, rows[i].want_bytes);
}

/* RFC 9293 3.10.7.1: octet for octet what the RFC says. */
static void test_resets_to_strangers(void **state)
{
	struct net_config config = test_config(2);

	(void)state;
	script_start(&script, &config);
	script.have_isn = true;
	script.our_isn = 0;
	script_inject_len(&script, "P.", 5, 777, 100, 10);
	expect(&script, "R", 777, 0, 0);
	script_inject(&script, "S", 5, 0, 100, NULL, 0);
	expect(&script, "R.", 0, 6, 0);
	script_inject_len(&script, "FP", 5, 0, 100, 10);
	expect(&script, "R.", 0, 16, 0);
	script_inject(&script, "R.", 5, 777, 100, NULL, 0);
	expect_nothing(&script);
	/* A listener answers a stray ACK alike, and drops what has neither SYN, ACK nor RST. */
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script_inject(&script, ".", 5, 0, 100, NULL, 0);
	expect(&script, "R", 0, 0, 0);
	script_inject(&script, "", 5, 0, 100, NULL, 0);
	script_inject(&script, "SF", 5, 0, 100, NULL, 0);
	expect_nothing(&script);
	script_end(&script);
}

/* The first is reset, those after it are ignored. */
static enum net_welcome refuse_all(void *context, const struct addr *source)
{
	assert_false(addr_is_unspecified(source));
	return (*(int *)context)++ == 0 ? NET_RESET : NET_IGNORE;
}

static void test_refused_source(void **state)
{
	struct net_config config = test_config(3);
	int asked = 0;

	(void)state;
	config.refuse = refuse_all;
	config.refuse_context = &asked;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script.have_isn = true;
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "R.", 0, 1, 0);
	assert_int_equal(asked, 1);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect_nothing(&script);
	assert_int_equal(asked, 2);
	assert_int_equal(script.host.net->tcp->syn_cache.used, 0);
	assert_int_equal(script.host.counters.syns_refused, 2);
	script_end(&script);
}

/* The server speaks first, so a lost third ACK is ours to repair. */
static void test_syn_ack_retransmission(void **state)
{
	struct net_config config = test_config(4);
	uint64_t start, at[5] = {1, 3, 7, 15, 31};

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	start = script.now_us;
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0); /* the peer's own retransmission */
	expect(&script, "S.", 0, 1, 0);
	script_advance(&script, 100000000);
	for (int i = 0; i < 5; i++) {
		expect(&script, "S.", 0, 1, 0);
		assert_in_range(script.last.at_us, start + at[i] * 1000000,
		                start + at[i] * 1000000 + 6000);
	}
	expect_nothing(&script);
	assert_int_equal(script.host.net->tcp->syn_cache.used, 0);
	assert_int_equal(script.host.counters.handshakes_timed_out, 1);
	script_end(&script);
}

static void test_syn_cache_checks(void **state)
{
	struct net_config config = test_config(5);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 2, 65535, NULL, 0); /* acknowledges what was not sent */
	expect(&script, "R", 2, 0, 0);
	script_inject(&script, ".", 90000, 1, 65535, NULL, 0); /* outside the window */
	expect(&script, ".", 1, 1, 0);
	script_inject(&script, "R", 100, 0, 0, NULL, 0); /* in the window, not exact */
	expect(&script, ".", 1, 1, 0);
	assert_null(script_news(&script, &news));
	/* Data in the third ACK counts. */
	script_inject(&script, "P.", 1, 1, 65535, "EHLO x\r\n", 8);
	conn = script_news(&script, &news);
	assert_int_equal(news, TCP_ACCEPTED | TCP_READABLE);
	assert_int_equal(tcp_readable(conn), 8);
	assert_int_equal(tcp_peek_acked(conn), 0);
	expect(&script, ".", 1, 9, 0);
	tcp_consume(conn, 8);
	tcp_abort(conn);
	expect(&script, "R.", 1, 9, 0);
	script_end(&script);
}

static void test_flood_falls_back_to_cookies(void **state)
{
	struct net_config config = test_config(6);
	static const uint8_t syn[] = {MSS_1460, 4, 2, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0, 1, 3, 3, 7};
	struct tcp_conn *conn;
	struct tcp_info info;
	uint32_t news, ts;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 9), OK);
	script_options(&script, syn, sizeof(syn));
	for (uint32_t i = 0; i < 200; i++) {
		script.peer.port = (uint16_t)(1000 + i);
		script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	}
	/* The last quarter is not for those who come once. */
	assert_int_equal(script.host.net->tcp->syn_cache.used, config.syn_cache_count * 3 / 4);
	assert_int_equal(script.host.counters.cookies_sent, 200 - config.syn_cache_count * 3 / 4);
	script.out_head = script.out_count; /* the flood's answers go nowhere */

	script.peer.port = 40000;
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	ts = (uint32_t)script.last.options[8] << 24 | (uint32_t)script.last.options[9] << 16 |
	     (uint32_t)script.last.options[10] << 8 | script.last.options[11];
	script_timestamps(&script, 260, ts);
	script_inject(&script, ".", 1, 2, 512, NULL, 0); /* forged: dropped, not even a reset */
	expect_nothing(&script);
	script_advance(&script, 20000000); /* lives for at least an epoch */
	script.out_head = script.out_count;
	script_inject(&script, ".", 1, 1, 512, NULL, 0);
	conn = script_news(&script, &news);
	assert_int_equal(news, TCP_ACCEPTED);
	assert_int_equal(tcp_listener_tag(conn), 9);
	tcp_info(conn, &info);
	assert_int_equal(info.snd_wnd, 512 << 7); /* the scale came back in the timestamp */
	assert_int_equal(info.snd_mss, 1460 - 12);
	assert_true(conn->options & OPTION_SACK);
	assert_int_equal(script.host.counters.cookies_accepted, 1);
	tcp_abort(conn);
	script_advance(&script, 200000000);
	script_end(&script);
}

static void flood_cache(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		script.peer.port = (uint16_t)(1000 + i);
		script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	}
	script_collect(&script);
	script.out_head = script.out_count;
	script.peer.port = 40000;
}

/* A client that answered our cookie, and whose answer was lost, would wait for ever; one that tries
 * again is given a place, and whichever SYN-ACK it answers is the right one. */
static void test_second_syn_gets_state_in_a_flood(void **state)
{
	struct net_config config = test_config(21);
	struct tcp_conn *conn;
	uint32_t news, iss;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 9), OK);
	flood_cache(100);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	iss = script.our_isn;
	assert_int_equal(script.host.counters.syns_again, 0);
	script_advance(&script, 900000);
	script.out_head = script.out_count;
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	assert_int_equal(script.our_isn, iss);
	assert_int_equal(script.host.counters.syns_again, 1);
	assert_int_equal(script.host.net->tcp->syn_cache.used, config.syn_cache_count * 3 / 4 + 1);
	/* The flood takes no more of the reserve, and the place is kept until an ACK comes. */
	flood_cache(100);
	assert_int_equal(script.host.net->tcp->syn_cache.used,
	                 min_u32(config.syn_cache_count * 3 / 4 + 1 + 100, config.syn_cache_count));
	script.our_isn = iss;
	script_inject(&script, ".", 1, 1, 512, NULL, 0);
	conn = script_news(&script, &news);
	assert_int_equal(news, TCP_ACCEPTED);
	assert_int_equal(script.host.counters.cookies_accepted, 0);
	tcp_abort(conn);
	script_advance(&script, 200000000);
	script_end(&script);
}

static void test_first_syn_waits_while_behind(void **state)
{
	struct net_config config = test_config(22);
	struct tcp_counters *counters = &script.host.counters;
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 9), OK);
	net_set_behind(script.host.net, true);
	flood_cache(100);
	assert_int_equal(script.host.net->tcp->syn_cache.used, config.syn_cache_count * 3 / 4);
	assert_int_equal(counters->cookies_sent, 0);
	assert_int_equal(counters->syns_put_off, 100 - config.syn_cache_count * 3 / 4);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0); /* a stranger's, no reset either */
	expect_nothing(&script);
	assert_int_equal(counters->strangers_unanswered, 1);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 1, 512, NULL, 0);
	conn = script_news(&script, &news);
	assert_int_equal(news, TCP_ACCEPTED);
	net_set_behind(script.host.net, false);
	flood_cache(1);
	assert_int_equal(counters->cookies_sent, 0); /* its place was freed, or it came before */
	tcp_abort(conn);
	script_advance(&script, 200000000);
	script_end(&script);
}

/* Who has been here gets in at once, and no flood with its address takes all that is kept. */
static void test_known_source_does_not_wait(void **state)
{
	struct net_config config = test_config(23);
	struct tcp_counters *counters = &script.host.counters;
	struct addr known;
	struct tcp_conn *conn;

	(void)state;
	script_start(&script, &config);
	known = script.peer.addr;
	conn = script_accept(&script, 65535);
	net_set_behind(script.host.net, true);
	script.have_isn = false;
	script.peer.addr.octet[15] ^= 1;
	flood_cache(100);
	assert_int_equal(script.host.net->tcp->syn_cache.used, config.syn_cache_count * 3 / 4);
	script.peer.addr = known;
	script.peer.port = 50000;
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	assert_int_equal(counters->syns_known, 1);
	flood_cache(100);
	assert_int_equal(script.host.net->tcp->syn_cache.used, config.syn_cache_count * 7 / 8);
	assert_int_equal(counters->cookies_sent, 0);
	tcp_abort(conn);
	net_set_behind(script.host.net, false);
	script_advance(&script, 200000000);
	script.out_head = script.out_count;
	script_end(&script);
}

static void test_cookie_expires(void **state)
{
	struct net_config config = test_config(7);
	uint32_t news;

	(void)state;
	config.cookies_only = true;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 9), OK);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_advance(&script, 70000000);
	expect_nothing(&script); /* no state, no retransmission */
	script_inject(&script, ".", 1, 1, 512, NULL, 0);
	expect(&script, "R", 1, 0, 0);
	assert_null(script_news(&script, &news));
	script_end(&script);
}

static void test_active_open(void **state)
{
	struct net_config config = test_config(8);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	config.receive_window_bytes = 15000000;
	script_start(&script, &config);
	script.local.port = 50000;
	assert_int_equal(
	    tcp_connect(script.host.net, script.now_us, &script.local, &script.peer, &conn), OK);
	expect(&script, "S", 0, 0, 0);
	assert_options((const uint8_t[]){MSS_1460, 4, 2, 8, 10, 0xee, 0xee, 0xee, 0xee, 0, 0, 0, 0,
	                                 1, 3, 3, 8},
	               20);
	script_inject(&script, ".", 0, 5, 100, NULL, 0); /* 3.10.7.3 first */
	expect(&script, "R", 5, 0, 0);
	script_inject(&script, "R", 1, 0, 0, NULL, 0); /* without ACK: not to be believed */
	assert_null(script_news(&script, &news));
	script_inject(&script, "R.", 1, 1, 0, NULL, 0);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(news, TCP_FAILED);
	assert_int_equal(tcp_error(conn), ERR_REFUSED);
	tcp_close(conn);
	expect_nothing(&script);
	script_end(&script);
}

static void test_syn_retries_and_timeout(void **state)
{
	struct net_config config = test_config(9);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	script.local.port = 50000;
	assert_int_equal(
	    tcp_connect(script.host.net, script.now_us, &script.local, &script.peer, &conn), OK);
	script_advance(&script, 200000000);
	for (int i = 0; i < 1 + TCP_SYN_RETRIES_ACTIVE; i++)
		expect(&script, "S", 0, 0, 0);
	expect_nothing(&script);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(news, TCP_FAILED);
	assert_int_equal(tcp_error(conn), ERR_TIMED_OUT);
	tcp_close(conn);
	script_end(&script);
}

static void test_simultaneous_open(void **state)
{
	struct net_config config = test_config(10);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	script.local.port = 50000;
	assert_int_equal(
	    tcp_connect(script.host.net, script.now_us, &script.local, &script.peer, &conn), OK);
	expect(&script, "S", 0, 0, 0);
	script_inject(&script, "S", 0, 0, 1000, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	assert_null(script_news(&script, &news));
	script_inject(&script, ".", 1, 1, 1000, NULL, 0);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(news, TCP_CONNECTED);
	tcp_abort(conn);
	expect(&script, "R.", 1, 1, 0);
	script_end(&script);
}

static void test_close_while_opening(void **state)
{
	struct net_config config = test_config(11);
	struct tcp_conn *conn;

	(void)state;
	script_start(&script, &config);
	script.local.port = 50000;
	assert_int_equal(
	    tcp_connect(script.host.net, script.now_us, &script.local, &script.peer, &conn), OK);
	expect(&script, "S", 0, 0, 0);
	tcp_close(conn);
	expect_nothing(&script);
	script_inject(&script, "S.", 0, 1, 1000, NULL, 0);
	expect(&script, "R", 1, 0, 0);
	script_end(&script);
}

static void test_icmp_while_opening(void **state)
{
	struct net_config config = test_config(12);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	script.local.port = 50000;
	assert_int_equal(
	    tcp_connect(script.host.net, script.now_us, &script.local, &script.peer, &conn), OK);
	expect(&script, "S", 0, 0, 0);
	script_icmp(&script, 3, 3, 0, 55); /* quotes what was not sent */
	assert_null(script_news(&script, &news));
	script_icmp(&script, 3, 3, 0, 0);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(news, TCP_FAILED);
	assert_int_equal(tcp_error(conn), ERR_REFUSED);
	tcp_close(conn);
	script_end(&script);
}

static void test_slots_run_out(void **state)
{
	struct net_config config = test_config(13);
	struct tcp_conn *conns[4];

	(void)state;
	config.connections_max = 3;
	script_start(&script, &config);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    tcp_connect(script.host.net, script.now_us, NULL, &script.peer, &conns[i]), OK);
	assert_int_equal(tcp_connect(script.host.net, script.now_us, NULL, &script.peer, &conns[3]),
	                 ERR_FULL);
	for (int i = 0; i < 3; i++) {
		struct endpoint local, remote;
		tcp_endpoints(conns[i], &local, &remote);
		assert_in_range(local.port, TCP_PORT_FIRST, TCP_PORT_LAST);
		tcp_abort(conns[i]);
	}
	script_advance(&script, 1000);
	script_end(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_syn_ack_options),
	    cmocka_unit_test(test_resets_to_strangers),
	    cmocka_unit_test(test_refused_source),
	    cmocka_unit_test(test_syn_ack_retransmission),
	    cmocka_unit_test(test_syn_cache_checks),
	    cmocka_unit_test(test_flood_falls_back_to_cookies),
	    cmocka_unit_test(test_second_syn_gets_state_in_a_flood),
	    cmocka_unit_test(test_first_syn_waits_while_behind),
	    cmocka_unit_test(test_known_source_does_not_wait),
	    cmocka_unit_test(test_cookie_expires),
	    cmocka_unit_test(test_active_open),
	    cmocka_unit_test(test_syn_retries_and_timeout),
	    cmocka_unit_test(test_simultaneous_open),
	    cmocka_unit_test(test_close_while_opening),
	    cmocka_unit_test(test_icmp_while_opening),
	    cmocka_unit_test(test_slots_run_out),
	};

	return cmocka_run_group_tests_name("tcp_open", tests, NULL, NULL);
}
