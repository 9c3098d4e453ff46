/* test_tcp_loss.c - losses found and repaired by SACK, time and probes; reductions taken back. */
#include "tcp_script.h"

#include "tcpstack/tcp_internal.h"

#define MSS 1460u

static struct script script;

static struct tcp_conn *start(uint64_t seed, size_t bytes)
{
	struct net_config config = test_config(seed);
	static uint8_t data[100000];
	struct tcp_conn *conn;

	script_start(&script, &config);
	conn = script_accept(&script, 65535);
	/* A round trip of 100 ms is known, so that time can be told. */
	conn->srtt_us8 = 100000 * 8;
	conn->rttvar_us4 = 10000 * 4;
	assert_int_equal(tcp_write(conn, bytes_of(data, bytes), false), bytes);
	script_collect(&script);
	return conn;
}

static void finish(struct tcp_conn *conn)
{
	tcp_abort(conn);
	script_collect(&script);
	assert_int_equal(script.host.net->tcp->sents.used, 0);
	script_end(&script);
}

static void put_u32(uint8_t *to, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* An ACK with blocks given in whole segments, [from, to). `count` pairs. */
static void ack_sack(uint32_t ack_segments, const uint32_t *pairs, size_t count)
{
	uint8_t options[40] = {1, 1, 5, (uint8_t)(2 + 8 * count)};

	for (size_t i = 0; i < 2 * count; i++)
		put_u32(options + 4 + 4 * i, script.our_isn + 1 + pairs[i] * MSS);
	script_options(&script, options, count > 0 ? 4 + 8 * count : 0);
	script_inject(&script, ".", 1, 1 + ack_segments * MSS, 65535, NULL, 0);
	script_options(&script, NULL, 0);
}

static void skip_sent(size_t count)
{
	script_collect(&script);
	assert_int_equal(script.out_count - script.out_head, count);
	script.out_head = script.out_count;
}

static void expect_segment(uint32_t number)
{
	expect(&script, ".", 1 + number * MSS, 1, MSS);
}

#define SACK(ack, ...) \
	ack_sack((ack), (const uint32_t[]){__VA_ARGS__}, \
	         sizeof((const uint32_t[]){__VA_ARGS__}) / (2 * sizeof(uint32_t)))

static void test_holes_are_filled_in_one_round(void **state)
{
	struct tcp_conn *conn = start(1, 10 * MSS + 500);
	struct tcp_info info;

	(void)state;
	skip_sent(10); /* 0, 3 and 5 are lost; the rest of the data waits */
	SACK(0, 1, 2);
	expect(&script, "P.", 1 + 10 * MSS, 1, 500); /* limited transmit */
	SACK(0, 1, 3);
	expect_nothing(&script);
	SACK(0, 4, 5, 1, 3); /* more than two segments above the first hole */
	expect_segment(0);
	SACK(0, 6, 7, 4, 5, 1, 3);
	SACK(0, 6, 8, 4, 5, 1, 3);
	SACK(0, 6, 9, 4, 5, 1, 3);
	SACK(0, 6, 10, 4, 5, 1, 3);
	expect_segment(3);
	expect_segment(5);
	expect_nothing(&script);
	tcp_info(conn, &info);
	assert_int_equal(info.ca_state, 3);
	assert_int_equal(script.host.counters.fast_retransmits, 1);
	assert_int_equal(script.host.counters.retransmitted_segments, 3);
	script_advance(&script, 90000);
	SACK(3, 6, 10, 4, 5);
	SACK(5, 6, 10);
	script_inject(&script, ".", 1, 1 + 10 * MSS + 500, 65535, NULL, 0);
	tcp_info(conn, &info);
	assert_int_equal(info.ca_state, 0);
	assert_int_equal(info.snd_ssthresh, 7); /* RFC 9438: 0.7 */
	assert_int_equal(info.snd_cwnd, 7);
	assert_int_equal(script.host.net->tcp->sents.used, 0);
	script_advance(&script, 1000000);
	expect_nothing(&script);
	assert_int_equal(script.host.counters.retransmission_timeouts, 0);
	finish(conn);
}

/* One segment above the hole is not enough to count, but a quarter of a round trip is. */
static void test_reordering_window(void **state)
{
	struct tcp_conn *conn = start(2, 2 * MSS);
	uint64_t came;

	(void)state;
	skip_sent(2);
	came = script.now_us;
	SACK(0, 1, 2);
	expect_nothing(&script);
	script_advance(&script, 50000);
	expect_segment(0);
	assert_in_range(script.last.at_us, came + 20000, came + 28000);
	ack_sack(2, NULL, 0);
	assert_int_equal(script.host.counters.retransmission_timeouts, 0);
	finish(conn);
}

static void test_reordering_is_no_loss(void **state)
{
	struct tcp_conn *conn = start(3, 2 * MSS);

	(void)state;
	skip_sent(2);
	SACK(0, 1, 2);
	script_advance(&script, 10000);
	ack_sack(2, NULL, 0);
	script_advance(&script, 1000000);
	expect_nothing(&script);
	assert_int_equal(script.host.counters.fast_retransmits, 0);
	finish(conn);
}

static void test_lost_again(void **state)
{
	struct tcp_conn *conn = start(4, 14 * MSS);

	(void)state;
	skip_sent(10);
	SACK(0, 1, 2);
	SACK(0, 1, 3);
	SACK(0, 1, 4);
	script_collect(&script);
	assert_int_equal(script.host.counters.retransmitted_segments, 1);
	for (uint32_t i = 5; i <= 10; i++)
		SACK(0, 1, i);
	script_collect(&script);
	assert_true(conn->snd_nxt - script.our_isn > 13 * MSS); /* new data behind it */
	script.out_head = script.out_count;
	/* What was sent after it arrives, a round trip and a quarter have passed: lost once more.
	 */
	script_advance(&script, 130000);
	SACK(0, 1, 13);
	expect_segment(0);
	script.out_head = script.out_count;
	ack_sack(13, NULL, 0);
	assert_int_equal(script.host.counters.retransmission_timeouts, 0);
	finish(conn);
}

static void test_tail_probe(void **state)
{
	struct tcp_conn *conn = start(5, 4 * MSS);
	uint64_t sent = script.now_us;

	(void)state;
	skip_sent(4); /* the last two are lost */
	ack_sack(2, NULL, 0);
	sent = script.now_us;
	script_advance(&script, 150000);
	expect_nothing(&script);
	script_advance(&script, 100000);
	expect(&script, "P.", 1 + 3 * MSS, 1, MSS);
	assert_in_range(script.last.at_us, sent + 2 * conn->srtt_us8 / 8,
	                sent + 2 * conn->srtt_us8 / 8 + 5000);
	/* The probe arrives: what was sent before it is lost, without waiting. */
	SACK(2, 3, 4);
	expect_segment(2);
	ack_sack(4, NULL, 0);
	assert_int_equal(script.host.counters.tail_probes, 1);
	assert_int_equal(script.host.counters.retransmission_timeouts, 0);
	finish(conn);
}

static void test_probe_with_new_data(void **state)
{
	struct tcp_conn *conn = start(6, 14 * MSS);

	(void)state;
	skip_sent(10);
	script_advance(&script, 250000);
	expect_segment(10); /* beyond the congestion window */
	expect_nothing(&script);
	finish(conn);
}

static void test_timeout_resends_only_what_is_missing(void **state)
{
	struct tcp_conn *conn = start(7, 6 * MSS);

	(void)state;
	skip_sent(6);
	conn->srtt_us8 = 0; /* no probe */
	SACK(0, 1, 3);
	sent_of(conn)->reorder_at_ms = 0; /* nor RACK */
	conn_start_rexmit(conn);
	script_advance(&script, 1005000);
	expect_segment(0);
	expect_nothing(&script);
	ack_sack(3, NULL, 0); /* 0 fills the hole up to 3 */
	expect_segment(3);    /* slow start: two segments more at most */
	expect_segment(4);
	expect(&script, "P.", 1 + 5 * MSS, 1, MSS);
	expect_nothing(&script);
	ack_sack(6, NULL, 0);
	assert_int_equal(script.host.counters.retransmission_timeouts, 1);
	finish(conn);
}

static void test_dsack_takes_back(void **state)
{
	struct tcp_conn *conn = start(8, 30 * MSS);
	struct tcp_info info;
	uint32_t before;

	(void)state;
	skip_sent(10);
	tcp_info(conn, &info);
	before = info.snd_cwnd;
	SACK(0, 1, 4);
	expect_segment(0);
	script.out_head = script.out_count;
	SACK(4, 0, 1); /* 0 came late, and then again */
	tcp_info(conn, &info);
	assert_int_equal(info.ca_state, 0);
	assert_true(info.snd_cwnd >= before);
	assert_int_equal(script.host.counters.reductions_undone, 1);
	finish(conn);
}

static void test_late_data_after_timeout_takes_back(void **state)
{
	struct tcp_conn *conn = start(9, 10 * MSS);
	struct tcp_info info;

	(void)state;
	skip_sent(10);
	script_advance(&script, 220000);
	expect(&script, "P.", 1 + 9 * MSS, 1, MSS); /* probe */
	script_advance(&script, 310000);
	expect_segment(0);
	expect_nothing(&script);
	/* 0 again covers only itself: 0 to 2 acknowledged means they had been on their way. */
	ack_sack(3, NULL, 0);
	tcp_info(conn, &info);
	assert_int_equal(info.ca_state, 0);
	assert_true(info.snd_cwnd >= 10);
	assert_int_equal(script.host.counters.reductions_undone, 1);
	script_advance(&script, 1000);
	expect_nothing(&script); /* nothing is sent again in vain */
	ack_sack(10, NULL, 0);
	finish(conn);
}

static void test_frto_tells_by_new_data(void **state)
{
	struct tcp_conn *conn = start(10, 30 * MSS);

	(void)state;
	skip_sent(10);
	script_advance(&script, 220000);
	expect_segment(10); /* the probe is new data */
	script_advance(&script, 310000);
	expect_segment(0);
	expect_nothing(&script);
	ack_sack(1, NULL, 0); /* the late original or the copy: two new segments will tell */
	expect_segment(11);
	expect_segment(12);
	expect_nothing(&script);
	ack_sack(2, NULL, 0); /* never sent again, and here it is */
	assert_int_equal(script.host.counters.reductions_undone, 1);
	script.out_head = script.out_count;
	assert_int_equal(script.host.counters.retransmitted_segments, 1);
	finish(conn);
}

static uint32_t edge(size_t at)
{
	const uint8_t *o = script.last.options + at;

	return ((uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3]) -
	       script.peer_isn;
}

static void test_duplicates_are_reported(void **state)
{
	struct tcp_conn *conn = start(11, 0);

	(void)state;
	script_inject_len(&script, ".", 1, 1, 65535, 100);
	expect(&script, ".", 1, 101, 0);
	assert_int_equal(script.last.options_bytes, 0);
	script_inject_len(&script, ".", 51, 1, 65535, 50); /* wholly old */
	expect(&script, ".", 1, 101, 0);
	assert_int_equal(script.last.options_bytes, 12);
	assert_int_equal(edge(4), 51);
	assert_int_equal(edge(8), 101);
	script_inject_len(&script, ".", 81, 1, 65535, 40); /* half of it old */
	expect(&script, ".", 1, 121, 0);
	assert_int_equal(edge(4), 81);
	assert_int_equal(edge(8), 101);
	script_inject_len(&script, ".", 201, 1, 65535, 50); /* out of order, twice */
	expect(&script, ".", 1, 121, 0);
	assert_int_equal(script.last.options_bytes, 12);
	script_inject_len(&script, ".", 211, 1, 65535, 20);
	expect(&script, ".", 1, 121, 0);
	assert_int_equal(script.last.options_bytes, 20);
	assert_int_equal(edge(4), 211);
	assert_int_equal(edge(8), 231);
	assert_int_equal(edge(12), 201);
	assert_int_equal(edge(16), 251);
	finish(conn);
}

static void test_black_hole(void **state)
{
	struct tcp_conn *conn = start(13, 3 * MSS);

	(void)state;
	conn_cold(conn)->path_mtu = 1500;
	skip_sent(3); /* too big for some link, and nobody says so */
	script_advance(&script, 250000);
	skip_sent(1); /* probe */
	script_advance(&script, 300000);
	expect_segment(0);
	script_advance(&script, 600000);
	expect(&script, ".", 1, 1, 1220);
	assert_int_equal(script.host.counters.path_mtu_guessed, 1);
	script_inject(&script, ".", 1, 1221, 65535, NULL, 0);
	expect(&script, ".", 1221, 1, 1220);
	expect(&script, ".", 2441, 1, 1220);
	script.out_head = script.out_count;
	script_inject(&script, ".", 1, 2441, 65535, NULL, 0);
	script_collect(&script);
	script.out_head = script.out_count;
	for (int i = 0; i < 8; i++) /* even that is too much */
		script_advance(&script, 1000000);
	assert_int_equal(script.host.counters.path_mtu_guessed, 2);
	assert_int_equal(conn->mss, 536);
	script.out_head = script.out_count;
	finish(conn);
}

static void test_small_segments_suspect_nothing(void **state)
{
	struct tcp_conn *conn = start(14, 1000);

	(void)state;
	for (int i = 0; i < 8; i++)
		script_advance(&script, 1000000);
	assert_int_equal(script.host.counters.path_mtu_guessed, 0);
	script.out_head = script.out_count;
	finish(conn);
}

/* Unused, the window wears off: half for each timeout that passes. */
static void test_idle_window(void **state)
{
	struct tcp_conn *conn = start(15, 60 * MSS);
	static uint8_t data[30 * MSS];
	uint32_t window;

	(void)state;
	for (uint32_t i = 1; i <= 60; i++)
		ack_sack(i, NULL, 0);
	script_collect(&script);
	assert_int_equal(tcp_unacked(conn), 0);
	window = conn->cwnd;
	assert_true(window >= 40 * MSS);
	script.out_head = script.out_count;
	script_advance(&script, rtt_rto_us(conn) * 3 / 2);
	assert_int_equal(tcp_write(conn, bytes_of(data, sizeof(data)), false), sizeof(data));
	script_collect(&script);
	assert_int_equal(conn->cwnd, window / 2);
	assert_int_equal(conn_cold(conn)->ssthresh, UINT32_MAX);
	for (uint32_t i = 61; i <= 90; i++)
		ack_sack(i, NULL, 0);
	script_advance(&script, 60000000);
	script.out_head = script.out_count;
	assert_int_equal(tcp_write(conn, bytes_of(data, sizeof(data)), false), sizeof(data));
	skip_sent(10); /* the initial window again */
	finish(conn);
}

static void test_ecn(void **state)
{
	struct net_config config = test_config(16);
	static uint8_t data[12 * MSS];
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 3), OK);
	script_options(&script, (const uint8_t[]){2, 4, 5, 0xb4}, 4);
	script_inject(&script, "SEC", 0, 0, 65535, NULL, 0);
	expect(&script, "S.E", 0, 1, 0);
	assert_int_equal(script.last.tos & 3, 0);
	script_options(&script, NULL, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	conn = script_news(&script, &news);
	/* Congestion met is echoed until CWR. */
	script_inject_len(&script, "P.", 1, 1, 65535, 10);
	expect(&script, ".", 1, 11, 0);
	script.tos = 3;
	script_inject_len(&script, "P.", 11, 1, 65535, 10);
	expect(&script, ".E", 1, 21, 0);
	script.tos = 2;
	script_inject_len(&script, "P.", 21, 1, 65535, 10);
	expect(&script, ".E", 1, 31, 0);
	script_inject_len(&script, "P.C", 31, 1, 65535, 10);
	expect(&script, ".", 1, 41, 0);
	/* Congestion echoed halves the window, once. */
	script.tos = 0;
	assert_int_equal(tcp_write(conn, bytes_of(data, sizeof(data)), false), sizeof(data));
	expect(&script, ".", 1, 41, MSS);
	assert_int_equal(script.last.tos & 3, 2);
	skip_sent(9);
	script_inject(&script, ".E", 41, 1 + 2 * MSS, 65535, NULL, 0);
	script_inject(&script, ".E", 41, 1 + 4 * MSS, 65535, NULL, 0);
	expect_nothing(&script);
	script_inject(&script, ".E", 41, 1 + 6 * MSS, 65535, NULL, 0);
	assert_int_equal(script.host.counters.ecn_reductions, 1);
	assert_int_equal(conn_cold(conn)->ssthresh, 6 * MSS);
	expect(&script, ".C", 1 + 10 * MSS, 41, MSS);
	expect(&script, "P.", 1 + 11 * MSS, 41, MSS);
	finish(conn);
}

/* Duplicates without blocks begin a recovery without a scoreboard; a tail probe that was armed
 * before does not bring one into it. */
static void test_plain_duplicates_and_probe(void **state)
{
	struct tcp_conn *conn = start(31, 10 * MSS);

	(void)state;
	skip_sent(10);
	for (int i = 0; i < 3; i++)
		ack_sack(0, NULL, 0);
	expect_segment(0);
	assert_true(conn->flags & CONN_RECOVERY);
	script_advance(&script, 250000);
	script.out_head = script.out_count;
	ack_sack(2, NULL, 0);
	SACK(2, 3, 4);
	SACK(3, 4, 6);
	ack_sack(10, NULL, 0);
	finish(conn);
}

/* Blocks that make no sense change nothing; as many as there can be are bounded. */
static void test_hostile_blocks(void **state)
{
	struct tcp_conn *conn = start(12, 60000);
	uint32_t count = 0;

	(void)state;
	SACK(0, 500, 600);   /* never sent */
	SACK(0, 5, 5, 7, 6); /* empty, backwards */
	assert_int_equal(script.host.net->tcp->sents.used, 0);
	for (uint32_t round = 0; round < 400; round++) { /* every second octet */
		uint8_t options[12] = {1, 1, 5, 10};

		put_u32(options + 4, script.our_isn + 14000 - 2 * round);
		put_u32(options + 8, script.our_isn + 14001 - 2 * round);
		script_options(&script, options, sizeof(options));
		script_inject(&script, ".", 1, 1, 65535, NULL, 0);
		script.out_head = script.out_count = 0;
		count = sent_of(conn)->sacked_count;
	}
	script_options(&script, NULL, 0);
	assert_int_equal(count, TCP_SACKED_MAX);
	finish(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_holes_are_filled_in_one_round),
	    cmocka_unit_test(test_reordering_window),
	    cmocka_unit_test(test_reordering_is_no_loss),
	    cmocka_unit_test(test_lost_again),
	    cmocka_unit_test(test_tail_probe),
	    cmocka_unit_test(test_probe_with_new_data),
	    cmocka_unit_test(test_timeout_resends_only_what_is_missing),
	    cmocka_unit_test(test_dsack_takes_back),
	    cmocka_unit_test(test_late_data_after_timeout_takes_back),
	    cmocka_unit_test(test_frto_tells_by_new_data),
	    cmocka_unit_test(test_duplicates_are_reported),
	    cmocka_unit_test(test_plain_duplicates_and_probe),
	    cmocka_unit_test(test_hostile_blocks),
	    cmocka_unit_test(test_black_hole),
	    cmocka_unit_test(test_small_segments_suspect_nothing),
	    cmocka_unit_test(test_idle_window),
	    cmocka_unit_test(test_ecn),
	};

	return cmocka_run_group_tests_name("tcp_loss", tests, NULL, NULL);
}
