/* test_tcp_data.c - octets both ways: acknowledgments, holes, windows, losses, memory. */
#include "tcp_script.h"

#define FIRST_WINDOW_BYTES 16384 /* as net_config_defaults() has it */

#include "tcpstack/tcp_internal.h"

static struct script script;

static struct tcp_conn *start(uint64_t seed, uint16_t window)
{
	struct net_config config = test_config(seed);

	script_start(&script, &config);
	return script_accept(&script, window);
}

static void finish(struct tcp_conn *conn)
{
	tcp_abort(conn);
	script_collect(&script);
	script_end(&script);
}

static void write_octets(struct tcp_conn *conn, size_t bytes)
{
	static uint8_t data[100000];

	assert_true(bytes <= sizeof(data));
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)i;
	assert_int_equal(tcp_write(conn, bytes_of(data, bytes), false), bytes);
}

static void test_acks_ride_on_replies(void **state)
{
	struct tcp_conn *conn = start(1, 65535);
	uint32_t news, seq = 1, ours = 1;

	(void)state;
	/* A dialogue: once we have answered, ACKs wait for the answers. */
	for (int i = 0; i < 3; i++) {
		script_inject(&script, "P.", seq, ours, 65535, "NOOP\r\n", 6);
		seq += 6;
		if (i == 0)
			expect(&script, ".", ours, seq, 0); /* quick at first */
		expect_nothing(&script);
		assert_ptr_equal(script_news(&script, &news), conn);
		assert_true(news & TCP_READABLE);
		tcp_consume(conn, 6);
		assert_int_equal(tcp_write(conn, BYTES("250 2.0.0 "), true), 10);
		expect_nothing(&script); /* more follows */
		assert_int_equal(tcp_write(conn, BYTES("Ok\r\n"), false), 4);
		expect(&script, "P.", ours, seq, 14);
		ours += 14;
		if (i == 0) /* from here on the manner is known */
			conn_cold(conn)->quick_acks = 0;
		script_inject(&script, ".", seq, ours, 65535, NULL, 0);
	}
	/* No answer: a delayed ACK within its time; two full segments: at once. */
	script_inject_len(&script, "P.", seq, ours, 65535, 10);
	expect_nothing(&script);
	uint64_t came = script.now_us;
	script_advance(&script, 100000);
	expect(&script, ".", ours, seq + 10, 0);
	assert_in_range(script.last.at_us, came + 30000, came + 45000);
	script_inject_len(&script, ".", seq + 10, ours, 65535, 1460);
	script.out_head = script.out_count;
	script_inject_len(&script, ".", seq + 1470, ours, 65535, 1460);
	expect(&script, ".", ours, seq + 2930, 0);
	finish(conn);
}

static void test_peek_acked_tells_early_talkers(void **state)
{
	struct tcp_conn *conn = start(2, 65535);

	(void)state;
	write_octets(conn, 20);
	expect(&script, "P.", 1, 1, 20);
	script_inject(&script, "P.", 1, 1, 65535, "A", 1); /* before it saw the banner */
	script_inject(&script, "P.", 2, 21, 65535, "B", 1);
	assert_int_equal(tcp_readable(conn), 2);
	assert_int_equal(tcp_peek_acked(conn), 0);
	tcp_consume(conn, 1);
	assert_int_equal(tcp_peek_acked(conn), 20);
	assert_int_equal(tcp_peek(conn, 0).data[0], 'B');
	finish(conn);
}

static void test_small_segments_share_a_packet(void **state)
{
	struct tcp_conn *conn = start(3, 65535);
	uint32_t free_before = script.host.pool->free_count;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		uint8_t octet = (uint8_t)i;
		script_inject(&script, "P.", 1 + i, 1, 65535, &octet, 1);
	}
	assert_int_equal(tcp_readable(conn), 1000);
	assert_in_range(free_before - script.host.pool->free_count, 1, 2);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(tcp_peek(conn, i).data[0], (uint8_t)i);
	finish(conn);
}

static uint32_t sack_edge(size_t at)
{
	const uint8_t *o = script.last.options + at;

	return ((uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3]) -
	       script.peer_isn;
}

static void test_out_of_order_and_sack(void **state)
{
	struct tcp_conn *conn = start(4, 65535);
	uint8_t octets[64];

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(100 + i);
	script_inject(&script, ".", 21, 1, 65535, octets + 20, 10);
	expect(&script, ".", 1, 1, 0);
	assert_int_equal(script.last.options_bytes, 12);
	assert_int_equal(sack_edge(4), 21);
	assert_int_equal(sack_edge(8), 31);
	script_inject(&script, ".", 41, 1, 65535, octets + 40, 10);
	expect(&script, ".", 1, 1, 0);
	assert_int_equal(sack_edge(4), 41); /* the newest first */
	assert_int_equal(sack_edge(12), 21);
	script_inject(&script, ".", 26, 1, 65535, octets + 25,
	              20); /* joins both, overlapping each */
	expect(&script, ".", 1, 1, 0);
	assert_int_equal(script.last.options_bytes, 12);
	assert_int_equal(sack_edge(4), 21);
	assert_int_equal(sack_edge(8), 51);
	script_inject(&script, "F.", 51, 1, 65535, octets + 50, 10); /* the FIN comes early too */
	expect(&script, ".", 1, 1, 0);
	assert_int_equal(tcp_readable(conn), 0);
	script_inject(&script, ".", 1, 1, 65535, octets, 20);
	expect(&script, ".", 1, 62, 0);
	assert_int_equal(script.last.options_bytes, 0);
	assert_int_equal(tcp_readable(conn), 60);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(tcp_peek(conn, i).data[0], 100 + i);
	tcp_consume(conn, 60);
	assert_true(tcp_at_end(conn));
	assert_int_equal(conn_cold(conn)->recovery, 0);
	finish(conn);
}

static struct tcp_conn *start_with_timestamps(uint64_t seed, uint32_t *out_ecr)
{
	static const uint8_t syn[] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0};
	struct net_config config = test_config(seed);
	struct tcp_conn *conn;
	uint32_t news;

	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 3), OK);
	script_options(&script, syn, sizeof(syn));
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	*out_ecr = (uint32_t)script.last.options[8] << 24 | (uint32_t)script.last.options[9] << 16 |
	           (uint32_t)script.last.options[10] << 8 | script.last.options[11];
	script_timestamps(&script, 100, *out_ecr);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	conn = script_news(&script, &news);
	assert_non_null(conn);
	assert_true(conn->options & OPTION_TIMESTAMPS);
	return conn;
}

static void test_overtaken_data_is_not_too_old(void **state)
{
	uint32_t ecr;
	struct tcp_conn *conn = start_with_timestamps(20, &ecr);

	(void)state;
	script_timestamps(&script, 101, ecr);
	script_inject_len(&script, ".", 1, 1, 65535, 1000);
	script_inject_len(&script, ".", 2001, 1, 65535, 1000); /* overtakes what was sent at 101 */
	script_timestamps(&script, 105, ecr);
	script_inject_len(&script, ".", 1, 1, 65535, 1000); /* in vain: was acknowledged */
	script_timestamps(&script, 101, ecr);
	script_inject_len(&script, ".", 1001, 1, 65535, 1000);
	assert_int_equal(script.host.counters.segments_old_timestamp, 0);
	assert_int_equal(tcp_readable(conn), 3000);
	assert_int_equal(conn->ts_recent, 101);
	/* With nothing missing it is our ACK that was lost: the next echoes the newer time. */
	script_timestamps(&script, 110, ecr);
	script_inject_len(&script, ".", 2001, 1, 65535, 1000);
	assert_int_equal(conn->ts_recent, 110);
	script.out_head = script.out_count = 0;
	finish(conn);
}

static void inject_burst(uint32_t seq, uint32_t count, uint32_t ecr)
{
	script.hold = true;
	for (uint32_t i = 0; i < count; i++) {
		script_timestamps(&script, 200 + seq / 1000 + i, ecr);
		script_inject_len(&script, ".", seq + i * 1000, 1, 65535, 1000);
	}
	script.hold = false;
	script_collect(&script);
}

/* As long as the sender's window is small each segment of a burst has its own ACK, which echoes its
 * own time; later every second, which echoes the time of the first of both. */
static void test_bursts_are_answered_by_their_segments(void **state)
{
	uint32_t ecr;
	struct tcp_conn *conn = start_with_timestamps(23, &ecr);

	(void)state;
	inject_burst(1, 3, ecr);
	for (uint32_t i = 0; i < 3; i++) {
		expect(&script, ".", 1, 1001 + i * 1000, 0);
		assert_int_equal(script.last.options[11], 200 + i);
	}
	expect_nothing(&script);
	conn_cold(conn)->quick_acks = 0;
	inject_burst(3001, 4, ecr);
	expect(&script, ".", 1, 5001, 0);
	assert_int_equal(script.last.options[11], 203);
	expect(&script, ".", 1, 7001, 0);
	assert_int_equal(script.last.options[11], 205);
	expect_nothing(&script);
	finish(conn);
}

static uint32_t option_u32(size_t at)
{
	const uint8_t *o = script.last.options + at;

	return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

/* What comes again in a burst has an ACK for each segment, with a block of that segment alone (RFC
 * 2883 4), and with the time that was to be echoed when it came. */
static void test_repeats_in_a_burst_are_told_one_by_one(void **state)
{
	uint32_t ecr;
	struct tcp_conn *conn = start_with_timestamps(25, &ecr);

	(void)state;
	inject_burst(1, 4, ecr);
	script.out_head = script.out_count = 0;
	conn_cold(conn)->quick_acks = 0;
	inject_burst(1001, 3, ecr);
	for (uint32_t i = 0; i < 3; i++) {
		expect(&script, ".", 1, 4001, 0);
		assert_int_equal(script.last.options_bytes, 24);
		assert_int_equal(option_u32(16) - script.peer_isn, 1001 + i * 1000);
		assert_int_equal(option_u32(20) - script.peer_isn, 2001 + i * 1000);
	}
	expect_nothing(&script);
	/* Beyond the window it may be anybody's: one ACK for all. */
	inject_burst(1000001, 3, ecr);
	expect(&script, ".", 1, 4001, 0);
	expect_nothing(&script);
	finish(conn);
}

/* Pieces of one frame that come twice are told in one block. */
static void test_dsack_tells_of_neighbours_at_once(void **state)
{
	struct tcp_conn *conn = start(21, 65535);
	struct tcp_sack sack[TCP_SACK_BLOCKS_MAX];

	(void)state;
	script_inject_len(&script, ".", 1, 1, 65535, 1000);
	script_inject_len(&script, ".", 1001, 1, 65535, 1000);
	script.out_head = script.out_count = 0;
	dsack_note(conn, 1, 1001);
	dsack_note(conn, 1001, 2001);
	assert_int_equal(reassembly_sack(conn, sack), 1);
	assert_int_equal(sack[0].start, 1);
	assert_int_equal(sack[0].end, 2001);
	assert_int_equal(reassembly_sack(conn, sack), 0); /* once */
	dsack_note(conn, 1, 501);
	dsack_note(conn, 1001, 2001); /* a gap between: the last counts */
	assert_int_equal(reassembly_sack(conn, sack), 1);
	assert_int_equal(sack[0].start, 1001);
	finish(conn);
}

static void test_out_of_order_is_bounded(void **state)
{
	struct tcp_conn *conn = start(5, 65535);
	uint32_t free_before = script.host.pool->free_count;

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) /* every second octet, the class of CVE-2018-5390 */
		script_inject_len(&script, ".", 3 + 2 * i, 1, 65535, 1);
	assert_true(free_before - script.host.pool->free_count <= TCP_REASSEMBLY_PKTS_MIN);
	assert_true(script.host.counters.out_of_order_dropped > 0);
	script.out_head = script.out_count = 0;
	finish(conn);
}

static void test_window_full_waits_for_the_first(void **state)
{
	struct tcp_conn *conn = start(5, 65535);
	uint32_t seq = 1, len = 1000;

	(void)state;
	tcp_window_limit(conn, 131072);
	script_inject_len(&script, ".", seq, 1, 65535, len);
	seq += len;
	script_inject_len(&script, ".", seq + len, 1, 65535, len);
	for (uint32_t i = 2; i < 64 + 30; i++) /* one is lost, the rest of the window arrives */
		script_inject_len(&script, ".", seq + i * len, 1, 65535, len);
	/* One in the middle comes twice, and one overlaps two of its neighbours. */
	script_inject_len(&script, ".", seq + 50 * len, 1, 65535, len);
	script_inject_len(&script, ".", seq + 60 * len + len / 2, 1, 65535, len);
	assert_int_equal(script.host.counters.out_of_order_dropped, 0);
	script_inject_len(&script, ".", seq, 1, 65535, len);
	assert_int_equal(tcp_readable(conn), (1 + 64 + 30) * len);
	script.out_head = script.out_count - 1;
	expect(&script, ".", 1, seq + (64 + 30) * len, 0);
	script.out_head = script.out_count = 0;
	finish(conn);
}

static void test_window_follows_the_reader(void **state)
{
	struct tcp_conn *conn = start(6, 65535);
	uint32_t seq = 1;

	(void)state;
	for (; seq + 1460 <= FIRST_WINDOW_BYTES; seq += 1460) {
		script_inject_len(&script, ".", seq, 1, 65535, 1460);
		script.out_head = script.out_count - 1;
		expect(&script, ".", 1, seq + 1460, 0);
		assert_int_equal(seq + 1459 + script.last.window,
		                 FIRST_WINDOW_BYTES); /* the edge stands */
	}
	script_inject_len(&script, ".", seq, 1, 65535,
	                  1460); /* more than fits: the rest is cut off */
	expect(&script, ".", 1, FIRST_WINDOW_BYTES + 1, 0);
	assert_int_equal(script.last.window, 0);
	assert_int_equal(tcp_readable(conn), FIRST_WINDOW_BYTES);
	script_inject_len(&script, ".", FIRST_WINDOW_BYTES + 1, 1, 65535, 1); /* a probe */
	expect(&script, ".", 1, FIRST_WINDOW_BYTES + 1, 0);
	assert_int_equal(tcp_readable(conn), FIRST_WINDOW_BYTES);
	tcp_consume(conn, 100); /* not worth a word */
	expect_nothing(&script);
	tcp_consume(conn, 8000);
	expect(&script, ".", 1, FIRST_WINDOW_BYTES + 1, 0);
	assert_int_equal(script.last.window, 8100);
	tcp_window_limit(conn, 1000); /* less: the edge stays where it was shown */
	expect_nothing(&script);
	tcp_consume(conn, tcp_readable(conn));
	script_inject_len(&script, ".", FIRST_WINDOW_BYTES + 1, 1, 65535, 100);
	expect(&script, ".", 1, FIRST_WINDOW_BYTES + 101, 0);
	assert_int_equal(script.last.window, 8000);
	tcp_window_limit(conn, 60000);
	expect(&script, ".", 1, FIRST_WINDOW_BYTES + 101, 0);
	assert_int_equal(script.last.window, 59900);
	finish(conn);
}

static void test_rto_backs_off_and_gives_up(void **state)
{
	struct net_config config = test_config(7);
	struct tcp_conn *conn;
	uint64_t sent, last, gap = 0;
	uint32_t news;

	(void)state;
	config.retries_max = 6;
	script_start(&script, &config);
	conn = script_accept(&script, 65535);
	write_octets(conn, 100);
	expect(&script, "P.", 1, 1, 100);
	sent = script.last.at_us;
	script_advance(&script, 600000000);
	expect(&script, "P.", 1, 1, 100); /* a tail probe first, RFC 8985 7 */
	assert_in_range(script.last.at_us - sent, 200000, 206000);
	sent = last = script.last.at_us;
	for (int i = 0; i < 6; i++) {
		expect(&script, "P.", 1, 1, 100);
		if (i == 0)
			assert_in_range(script.last.at_us - sent, 200000, 206000);
		else
			assert_in_range(script.last.at_us - last, gap * 19 / 10, gap * 21 / 10);
		gap = script.last.at_us - last;
		last = script.last.at_us;
	}
	expect_nothing(&script);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_true(news & TCP_FAILED);
	assert_int_equal(tcp_error(conn), ERR_TIMED_OUT);
	tcp_close(conn);
	script_end(&script);
}

static void test_initial_window_and_slow_start(void **state)
{
	struct tcp_conn *conn = start(8, 65535);

	(void)state;
	write_octets(conn, 40000);
	for (uint32_t i = 0; i < 10; i++)
		expect(&script, ".", 1 + i * 1460, 1, 1460);
	expect_nothing(&script);
	script_inject(&script, ".", 1, 1 + 2 * 1460, 65535, NULL, 0);
	for (uint32_t i = 10; i < 14; i++) /* two left, two more may be in flight */
		expect(&script, ".", 1 + i * 1460, 1, 1460);
	expect_nothing(&script);
	finish(conn);
}

static void test_fast_retransmit(void **state)
{
	struct tcp_conn *conn = start(9, 65535);

	(void)state;
	write_octets(conn, 30000);
	for (uint32_t i = 0; i < 10; i++)
		expect(&script, ".", 1 + i * 1460, 1, 1460);
	/* The first is lost. RFC 3042: each of the first two duplicates lets a new one go. */
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	expect(&script, ".", 1 + 10 * 1460, 1, 1460);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	expect(&script, ".", 1 + 11 * 1460, 1, 1460);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	expect(&script, ".", 1, 1, 1460);
	assert_int_equal(script.host.counters.fast_retransmits, 1);
	/* A partial ACK shows the next hole: sent at once, RFC 6582. */
	script_inject(&script, ".", 1, 1 + 4 * 1460, 65535, NULL, 0);
	expect(&script, ".", 1 + 4 * 1460, 1, 1460);
	script.out_head = script.out_count;
	/* The full ACK ends it with half of what was in flight. */
	script_inject(&script, ".", 1, 1 + 12 * 1460, 65535, NULL, 0);
	struct tcp_info info;
	tcp_info(conn, &info);
	assert_int_equal(info.ca_state, 0);
	assert_in_range(info.snd_ssthresh, 5, 6);
	assert_true(info.snd_cwnd <= info.snd_ssthresh);
	finish(conn);
}

/* A receiver that tunes its buffer shows another window in each ACK; its SACK blocks tell the
 * duplicate. */
static void test_duplicates_told_by_sack(void **state)
{
	struct tcp_conn *conn = start(17, 20000);
	uint8_t sack[12] = {1, 1, 5, 10};

	(void)state;
	write_octets(conn, 6 * 1460);
	for (uint32_t i = 0; i < 6; i++)
		expect(&script, i < 5 ? "." : "P.", 1 + i * 1460, 1, 1460);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t edges[2] = {script.our_isn + 1461, script.our_isn + 1461 + (i + 1) * 1460};
		for (size_t e = 0; e < 2; e++)
			for (size_t o = 0; o < 4; o++)
				sack[4 + 4 * e + o] = (uint8_t)(edges[e] >> (24 - 8 * o));
		script_options(&script, sack, sizeof(sack));
		expect_nothing(&script);
		script_inject(&script, ".", 1, 1, (uint16_t)(21000 + i * 3000), NULL, 0);
	}
	expect(&script, ".", 1, 1, 1460);
	expect_nothing(&script);
	script_options(&script, NULL, 0);
	/* Without blocks a changed window is an update and no duplicate. */
	script_inject(&script, ".", 1, 1 + 6 * 1460, 21000, NULL, 0);
	assert_int_equal(script.host.counters.duplicate_acks_in, 3);
	write_octets(conn, 1460);
	expect(&script, "P.", 1 + 6 * 1460, 1, 1460);
	for (uint32_t i = 0; i < 5; i++)
		script_inject(&script, ".", 1, 1 + 6 * 1460, (uint16_t)(22000 + i), NULL, 0);
	assert_int_equal(script.host.counters.duplicate_acks_in, 3);
	expect_nothing(&script);
	finish(conn);
}

static void test_rto_resends_all_that_was_lost(void **state)
{
	struct tcp_conn *conn = start(10, 65535);

	(void)state;
	write_octets(conn, 5 * 1460);
	for (uint32_t i = 0; i < 5; i++)
		expect(&script, i < 4 ? "." : "P.", 1 + i * 1460, 1, 1460);
	script_advance(&script, 100000);
	expect(&script, "P.", 1 + 4 * 1460, 1, 1460); /* the tail probe */
	expect_nothing(&script);
	script_advance(&script, 150000);
	expect(&script, ".", 1, 1, 1460); /* one segment: the window has collapsed */
	expect_nothing(&script);
	script_inject(&script, ".", 1, 1461, 65535, NULL, 0);
	expect(&script, ".", 1461, 1, 1460);
	expect(&script, ".", 2921, 1, 1460);
	expect_nothing(&script);
	script_inject(&script, ".", 1, 1 + 5 * 1460, 65535, NULL, 0);
	script_advance(&script, 10000000);
	expect_nothing(&script);
	assert_int_equal(tcp_unacked(conn), 0);
	finish(conn);
}

static void test_zero_window_is_probed(void **state)
{
	struct tcp_conn *conn = start(11, 1000);
	uint64_t last = 0, gap = 0;

	(void)state;
	write_octets(conn, 3000);
	expect(&script, ".", 1, 1, 1000);
	script_inject(&script, ".", 1, 1001, 0, NULL, 0);
	expect_nothing(&script);
	for (int i = 0; i < 5; i++) {
		while (script.out_head == script.out_count)
			script_advance(&script, 100000);
		expect(&script, ".", 1000, 1,
		       0); /* an old number: the peer answers with its window */
		if (i > 1)
			assert_in_range(script.last.at_us - last, gap * 18 / 10, gap * 22 / 10);
		gap = script.last.at_us - last;
		last = script.last.at_us;
		script_inject(&script, ".", 1, 1001, 0, NULL, 0);
	}
	script_inject(&script, ".", 1, 1001, 5000, NULL, 0);
	expect(&script, ".", 1001, 1, 1460);
	expect(&script, "P.", 2461, 1, 540);
	finish(conn);
}

/* An ACK that was put off, and then sent, must not take the probes with it. */
static void test_zero_window_is_probed_after_an_ack(void **state)
{
	struct tcp_conn *conn = start(20, 0);

	(void)state;
	conn_cold(conn)->quick_acks = 0;
	script_inject_len(&script, "P.", 1, 1, 0, 10); /* the ACK may wait */
	expect_nothing(&script);
	write_octets(conn, 100);
	expect_nothing(&script);
	script_inject_len(&script, "P.", 1, 1, 0, 10); /* again: now it may not */
	expect(&script, ".", 1, 11, 0);
	script_advance(&script, 2000000);
	expect(&script, ".", 0, 11, 0); /* a probe */
	script.out_head = script.out_count;
	finish(conn);
}

static void test_zero_window_for_ever_ends(void **state)
{
	struct tcp_conn *conn = start(12, 0);
	uint32_t news;
	int probes = 0;

	(void)state;
	write_octets(conn, 10);
	for (int s = 0; s < 400 && conn->state != TCP_STATE_CLOSED; s++) {
		script_advance(&script, 1000000);
		while (script.out_head < script.out_count) {
			if (script.out[script.out_head].flags & TCP_FLAG_RST) {
				expect(&script, "R.", 1, 1, 0);
				continue;
			}
			expect(&script, ".", 0, 1, 0);
			script_inject(&script, ".", 1, 1, 0, NULL, 0); /* alive, and shut */
			probes++;
		}
	}
	assert_int_equal(conn->state, TCP_STATE_CLOSED);
	assert_in_range(probes, 8, 20);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(tcp_error(conn), ERR_TIMED_OUT);
	tcp_close(conn);
	script_end(&script);
}

static void test_silly_window_is_overridden(void **state)
{
	struct tcp_conn *conn = start(13, 5000);

	(void)state;
	write_octets(conn, 6000);
	for (uint32_t i = 0; i < 3;
	     i++) /* 620 octets more fit, less than a segment and half the window */
		expect(&script, ".", 1 + i * 1460, 1, 1460);
	expect_nothing(&script);
	script_inject(&script, ".", 1, 4381, 100, NULL, 0);
	expect_nothing(&script);
	/* The same again, and a little less and more, must neither stop nor put off the override.
	 */
	for (int i = 0; i < 10; i++) {
		script_advance(&script, 10000);
		script_inject(&script, ".", 1, 4381, (uint16_t)(i < 5 ? 100 : 100 - i % 2), NULL,
		              0);
		expect_nothing(&script);
	}
	script_inject(&script, ".", 1, 4381, 100, NULL, 0);
	script_advance(&script, 150000);
	expect(&script, ".", 4381, 1, 100); /* but waiting for ever is worse */
	finish(conn);
}

static void test_no_packet_to_send_with(void **state)
{
	struct tcp_conn *conn = start(14, 65535);
	struct pkt_chain held = {0};
	struct pkt *pkt;

	(void)state;
	write_octets(conn, 500);
	while ((pkt = pkt_get(script.host.pool)) != NULL)
		pkt_chain_push(&held, pkt);
	expect_nothing(&script);
	script_advance(&script, 20000);
	expect_nothing(&script);
	pkt_chain_put_all(&held);
	script_advance(&script, 20000);
	expect(&script, "P.", 1, 1, 500);
	assert_true(script.host.counters.output_no_packet > 0);
	finish(conn);
}

static void test_chains_pass_through(void **state)
{
	struct tcp_conn *conn = start(15, 65535);
	struct pkt_chain chain = {0};
	uint8_t octets[1400];

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 7);
	script_inject(&script, ".", 1, 1, 65535, octets, 1000);
	script_inject(&script, ".", 1001, 1, 65535, octets + 1000, 400);
	script.out_head = script.out_count;
	assert_int_equal(tcp_take(conn, 1203, &chain), 1203); /* cuts the second packet */
	assert_int_equal(tcp_readable(conn), 197);
	assert_int_equal(chain.bytes, 1203);
	assert_int_equal(tcp_write_chain(conn, &chain, false), 1203);
	assert_null(chain.head);
	script_collect(&script);
	while (script.out_head + 1 < script.out_count)
		script.out_head++;
	expect(&script, "P.", 1, 1401, 1203);
	assert_memory_equal(script.last.payload, octets, 1203);
	assert_memory_equal(tcp_peek(conn, 0).data, octets + 1203, 197);
	finish(conn);
}

static void test_packet_too_big(void **state)
{
	struct tcp_conn *conn = start(16, 65535);

	(void)state;
	write_octets(conn, 2000);
	expect(&script, ".", 1, 1, 1460);
	expect(&script, "P.", 1461, 1, 540);
	script_icmp(&script, 3, 4, 1000, 90000); /* quotes what is not in flight */
	expect_nothing(&script);
	script_icmp(&script, 3, 4, 1000, 1);
	expect(&script, ".", 1, 1, 960);
	expect(&script, ".", 961, 1, 960);
	expect(&script, "P.", 1921, 1, 80);
	script_icmp(&script, 3, 4, 68, 1); /* nobody's MTU: floor */
	expect(&script, ".", 1, 1, 512);
	finish(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_acks_ride_on_replies),
	    cmocka_unit_test(test_peek_acked_tells_early_talkers),
	    cmocka_unit_test(test_small_segments_share_a_packet),
	    cmocka_unit_test(test_out_of_order_and_sack),
	    cmocka_unit_test(test_overtaken_data_is_not_too_old),
	    cmocka_unit_test(test_bursts_are_answered_by_their_segments),
	    cmocka_unit_test(test_repeats_in_a_burst_are_told_one_by_one),
	    cmocka_unit_test(test_dsack_tells_of_neighbours_at_once),
	    cmocka_unit_test(test_out_of_order_is_bounded),
	    cmocka_unit_test(test_window_full_waits_for_the_first),
	    cmocka_unit_test(test_window_follows_the_reader),
	    cmocka_unit_test(test_rto_backs_off_and_gives_up),
	    cmocka_unit_test(test_initial_window_and_slow_start),
	    cmocka_unit_test(test_fast_retransmit),
	    cmocka_unit_test(test_duplicates_told_by_sack),
	    cmocka_unit_test(test_rto_resends_all_that_was_lost),
	    cmocka_unit_test(test_zero_window_is_probed),
	    cmocka_unit_test(test_zero_window_is_probed_after_an_ack),
	    cmocka_unit_test(test_zero_window_for_ever_ends),
	    cmocka_unit_test(test_silly_window_is_overridden),
	    cmocka_unit_test(test_no_packet_to_send_with),
	    cmocka_unit_test(test_chains_pass_through),
	    cmocka_unit_test(test_packet_too_big),
	};

	return cmocka_run_group_tests_name("tcp_data", tests, NULL, NULL);
}
