/* test_tcp_close.c - every way a connection ends: both sides, either order, half, at once, by
 * reset, and after. */
#include "tcp_script.h"

#include "tcpstack/tcp_internal.h"

static struct script script;

static struct tcp_conn *start(uint64_t seed)
{
	struct net_config config = test_config(seed);

	script_start(&script, &config);
	return script_accept(&script, 65535);
}

static void test_we_close_first(void **state)
{
	struct tcp_conn *conn = start(1);

	(void)state;
	assert_int_equal(tcp_write(conn, BYTES("bye"), false), 3);
	tcp_close(conn);
	expect(&script, "FP.", 1, 1, 3);
	script_inject(&script, ".", 1, 5, 65535, NULL, 0);
	script_inject(&script, "F.", 1, 5, 65535, NULL, 0);
	expect(&script, ".", 5, 2, 0);
	assert_int_equal(net_connection_count(script.host.net), 0);
	assert_int_equal(script.host.net->tcp->time_wait.used, 1);
	script_inject(&script, "F.", 1, 5, 65535, NULL, 0); /* our ACK was lost */
	expect(&script, ".", 5, 2, 0);
	script_inject(&script, "R", 2, 0, 0, NULL, 0); /* RFC 1337 */
	assert_int_equal(script.host.net->tcp->time_wait.used, 1);
	script_advance(&script, 130000000);
	assert_int_equal(script.host.net->tcp->time_wait.used, 0);
	expect_nothing(&script);
	script_end(&script);
}

static void test_peer_closes_first(void **state)
{
	struct tcp_conn *conn = start(2);
	uint32_t news;

	(void)state;
	script_inject(&script, "FP.", 1, 1, 65535, "QUIT\r\n", 6);
	expect(&script, ".", 1, 8, 0); /* at once */
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(news, TCP_READABLE | TCP_FIN);
	assert_false(tcp_at_end(conn));
	tcp_consume(conn, 6);
	assert_true(tcp_at_end(conn));
	assert_int_equal(tcp_write(conn, BYTES("221 Bye\r\n"), false),
	                 9); /* half-closed: we still may speak */
	expect(&script, "P.", 1, 8, 9);
	tcp_close(conn);
	expect(&script, "F.", 10, 8, 0);
	script_inject(&script, ".", 8, 11, 65535, NULL, 0);
	assert_int_equal(net_connection_count(script.host.net), 0);
	script_inject(&script, ".", 8, 11, 65535, NULL, 0); /* nobody is there any more */
	expect(&script, "R", 11, 0, 0);
	script_end(&script);
}

static void test_simultaneous_close(void **state)
{
	struct tcp_conn *conn = start(3);

	(void)state;
	tcp_close(conn);
	expect(&script, "F.", 1, 1, 0);
	script_inject(&script, "F.", 1, 1, 65535, NULL, 0);
	expect(&script, ".", 2, 2, 0);
	assert_int_equal(conn->state, TCP_STATE_CLOSING);
	script_inject(&script, ".", 2, 2, 65535, NULL, 0);
	assert_int_equal(script.host.net->tcp->time_wait.used, 1);
	script_advance(&script, 61000000);
	script_end(&script);
}

static void test_fin_is_retransmitted(void **state)
{
	struct tcp_conn *conn = start(4);

	(void)state;
	tcp_close(conn);
	expect(&script, "F.", 1, 1, 0);
	script_advance(&script, 250000);
	expect(&script, "F.", 1, 1, 0);
	script_advance(&script, 450000);
	expect(&script, "F.", 1, 1, 0);
	script_inject(&script, "F.", 1, 2, 65535, NULL, 0);
	expect(&script, ".", 2, 2, 0);
	script_advance(&script, 61000000);
	expect_nothing(&script);
	script_end(&script);
}

static void test_lost_fin_gives_up(void **state)
{
	struct net_config config = test_config(5);
	struct tcp_conn *conn;

	(void)state;
	config.retries_max = 3;
	script_start(&script, &config);
	conn = script_accept(&script, 65535);
	tcp_close(conn);
	for (int i = 0; i < 4; i++) {
		script_advance(&script, 10000000);
	}
	for (int i = 0; i < 5; i++) /* one of them a tail probe */
		expect(&script, "F.", 1, 1, 0);
	expect_nothing(&script);
	script_end(&script);
}

static void test_fin_wait_2_does_not_last(void **state)
{
	struct tcp_conn *conn = start(6);

	(void)state;
	tcp_close(conn);
	expect(&script, "F.", 1, 1, 0);
	script_inject(&script, ".", 1, 2, 65535, NULL, 0);
	assert_int_equal(conn->state, TCP_STATE_FIN_WAIT_2);
	script_advance(&script, 59000000);
	assert_int_equal(net_connection_count(script.host.net), 1);
	script_advance(&script, 2000000);
	script_end(&script);
}

static void test_half_close_keeps_reading(void **state)
{
	struct tcp_conn *conn = start(7);
	uint32_t news;

	(void)state;
	tcp_shutdown(conn);
	expect(&script, "F.", 1, 1, 0);
	assert_int_equal(tcp_writable(conn), 0);
	assert_int_equal(tcp_write(conn, BYTES("x"), false), 0);
	script_inject(&script, ".", 1, 2, 65535, NULL, 0);
	script_advance(&script, 300000000); /* as long as it likes: the user is there */
	script_inject(&script, "P.", 1, 2, 65535, "late", 4);
	expect(&script, ".", 2, 5, 0);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_int_equal(tcp_readable(conn), 4);
	script_inject(&script, "F.", 5, 2, 65535, NULL, 0);
	expect(&script, ".", 2, 6, 0);
	assert_int_equal(conn->state, TCP_STATE_TIME_WAIT);
	tcp_consume(conn, 4);
	assert_true(tcp_at_end(conn));
	tcp_close(conn);
	assert_int_equal(script.host.net->tcp->time_wait.used, 1);
	script_advance(&script, 61000000);
	script_end(&script);
}

/* In one turn the peer's FIN comes and the user closes: the FIN is acknowledged all the same. */
static void test_fin_and_close_in_one_turn(void **state)
{
	struct tcp_conn *conn = start(21);
	uint32_t news;

	(void)state;
	tcp_shutdown(conn);
	expect(&script, "F.", 1, 1, 0);
	script.hold = true;
	script_inject(&script, "F.", 1, 2, 65535, NULL, 0);
	assert_ptr_equal(script_news(&script, &news), conn);
	tcp_close(conn);
	script.hold = false;
	script_collect(&script);
	expect(&script, ".", 2, 2, 0);
	script_advance(&script, 61000000);
	script_end(&script);
}

static void test_close_with_unread_data_resets(void **state)
{
	struct tcp_conn *conn = start(8);

	(void)state;
	script_inject(&script, "P.", 1, 1, 65535, "abc", 3);
	expect(&script, ".", 1, 4, 0);
	tcp_close(conn);
	expect(&script, "R.", 1, 4, 0);
	script_end(&script);
}

static void test_close_gives_back_what_lies_behind_a_hole(void **state)
{
	struct tcp_conn *conn = start(19);
	uint32_t free_before = script.host.pool->free_count;

	(void)state;
	script_inject(&script, "P.", 11, 1, 65535, "abc", 3);
	script_collect(&script);
	assert_int_equal(script.host.net->tcp->reassembly_pkts, 1);
	tcp_close(conn);
	script_collect(&script);
	assert_int_equal(script.host.net->tcp->reassembly_pkts, 0);
	assert_true(script.host.pool->free_count >= free_before - 1);
	script_inject(&script, "R", 1, 0, 0, NULL, 0);
	script_end(&script);
}

static void test_data_after_close_resets(void **state)
{
	struct tcp_conn *conn = start(9);

	(void)state;
	tcp_close(conn);
	expect(&script, "F.", 1, 1, 0);
	script_inject(&script, "P.", 1, 2, 65535, "abc", 3);
	expect(&script, "R", 2, 0, 0);
	script_end(&script);
}

/* A FIN behind a hole tells of data that nobody will read. */
static void test_fin_out_of_order_after_close_resets(void **state)
{
	struct tcp_conn *conn = start(30);

	(void)state;
	tcp_close(conn);
	expect(&script, "F.", 1, 1, 0);
	script_inject(&script, ".", 1, 2, 65535, NULL, 0);
	script_inject(&script, "F.", 101, 2, 65535, NULL, 0);
	expect(&script, "R", 2, 0, 0);
	assert_int_equal(net_connection_count(script.host.net), 0);
	script_end(&script);
}

static void open_and_close(uint16_t port, struct tcp_conn **out_conn)
{
	uint32_t news;

	script.peer.port = port;
	script.have_isn = false;
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	*out_conn = script_news(&script, &news);
	tcp_close(*out_conn);
	script_collect(&script);
}

static void test_orphans_are_bounded(void **state)
{
	struct net_config config = test_config(31);
	struct tcp *tcp;
	struct tcp_conn *conn;

	(void)state;
	config.orphans_max = 3;
	script_start(&script, &config);
	tcp = script.host.net->tcp;
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	for (uint16_t i = 0; i < 3; i++) {
		open_and_close((uint16_t)(40000 + i), &conn);
		expect(&script, "F.", 1, 1, 0);
	}
	assert_int_equal(tcp->orphan_count, 3);
	open_and_close(40003, &conn);
	assert_int_equal(script.out[script.out_head++].flags,
	                 TCP_FLAG_RST | TCP_FLAG_ACK); /* the oldest */
	expect(&script, "F.", 1, 1, 0);
	assert_int_equal(tcp->orphan_count, 3);
	assert_int_equal(script.host.counters.orphans_evicted, 1);
	/* One from the middle ends in good order. */
	script_inject(&script, "F.", 1, 2, 65535, NULL, 0);
	expect(&script, ".", 2, 2, 0);
	assert_int_equal(tcp->orphan_count, 2);
	script_advance(&script, 400000000); /* the others are given up */
	script.out_head = script.out_count;
	assert_int_equal(tcp->orphan_count, 0);
	assert_int_equal(tcp->orphans.head, TCP_NONE);
	script_end(&script);
}

/* With a closed window a connection nobody owns lasts no longer than FIN-WAIT-2 does. */
static void test_orphan_behind_a_closed_window_ends(void **state)
{
	struct tcp_conn *conn = start(32);

	(void)state;
	script_inject(&script, ".", 1, 1, 0, NULL, 0);
	assert_int_equal(tcp_write(conn, BYTES("221 Bye\r\n"), false), 9);
	tcp_close(conn);
	for (int i = 0; i < 130 && net_connection_count(script.host.net) > 0; i++) {
		script_advance(&script, 1000000);
		script_inject(&script, ".", 1, 1, 0, NULL, 0);
	}
	assert_in_range(script.now_us, 60000000, 110000000); /* at the probe after a minute */
	assert_int_equal(net_connection_count(script.host.net), 0);
	script.out_head = script.out_count;
	script_end(&script);
}

static void test_last_words_before_a_reset(void **state)
{
	struct tcp_conn *conn = start(33);

	(void)state;
	tcp_abort_saying(conn, BYTES("421 4.3.2\r\n"));
	expect(&script, "P.", 1, 1, 11);
	expect(&script, "R.", 12, 1, 0);
	script_end(&script);
	/* Not before something that is still on its way, nor into a closed window. */
	conn = start(34);
	assert_int_equal(tcp_write(conn, BYTES("220 x\r\n"), false), 7);
	expect(&script, "P.", 1, 1, 7);
	tcp_abort_saying(conn, BYTES("421 4.3.2\r\n"));
	expect(&script, "R.", 8, 1, 0);
	script_end(&script);
	conn = start(35);
	script_inject(&script, ".", 1, 1, 0, NULL, 0);
	tcp_abort_saying(conn, BYTES("421 4.3.2\r\n"));
	expect(&script, "R.", 1, 1, 0);
	script_end(&script);
}

static void test_close_with_unread_data_says_what_is_queued(void **state)
{
	struct tcp_conn *conn = start(36);

	(void)state;
	script_inject(&script, "P.", 1, 1, 65535, "abc", 3);
	expect(&script, ".", 1, 4, 0);
	assert_int_equal(tcp_write(conn, BYTES("421 x\r\n"), false), 7);
	tcp_close(conn);
	expect(&script, "P.", 1, 4, 7);
	expect(&script, "R.", 8, 4, 0);
	script_end(&script);
}

static void test_reset_from_the_peer(void **state)
{
	struct tcp_conn *conn = start(10);
	uint32_t news;

	(void)state;
	script_inject(&script, "P.", 1, 1, 65535, "abc", 3);
	expect(&script, ".", 1, 4, 0);
	/* RFC 5961 3.2: in the window but not exact: challenged, and only so often. */
	script_inject(&script, "R", 100, 0, 0, NULL, 0);
	expect(&script, ".", 1, 4, 0);
	script_inject(&script, "R", 101, 0, 0, NULL, 0);
	expect_nothing(&script);
	script_inject(&script, "R", 50000, 0, 0, NULL, 0); /* outside: silently dropped */
	expect_nothing(&script);
	script_inject(&script, "R", 4, 0, 0, NULL, 0);
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_true(news & TCP_FAILED);
	assert_int_equal(tcp_error(conn), ERR_RESET);
	assert_int_equal(tcp_write(conn, BYTES("x"), false), 0);
	tcp_close(conn);
	expect_nothing(&script);
	script_end(&script);
}

static void test_reset_before_the_user_looked(void **state)
{
	struct net_config config = test_config(11);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	script_inject(&script, "R", 1, 0, 0, NULL, 0);
	conn = script_news(&script, &news);
	assert_int_equal(news, TCP_ACCEPTED | TCP_FAILED);
	tcp_abort(conn);
	script_end(&script);
}

static void test_syn_and_ack_challenged(void **state)
{
	struct tcp_conn *conn = start(12);

	(void)state;
	script_inject(&script, "S", 10, 0, 65535, NULL, 0); /* RFC 5961 4.2 */
	expect(&script, ".", 1, 1, 0);
	script_advance(&script, 1000000);
	script_inject(&script, "P.", 1, 900001, 65535, "evil", 4); /* 5.2: not delivered */
	expect(&script, ".", 1, 1, 0);
	assert_int_equal(tcp_readable(conn), 0);
	script_advance(&script, 1000000);
	script_inject(&script, "P.", 1, 1 - 70000u, 65535, "evil", 4); /* older than any window */
	expect(&script, ".", 1, 1, 0);
	assert_int_equal(tcp_readable(conn), 0);
	tcp_abort(conn);
	expect(&script, "R.", 1, 1, 0);
	script_end(&script);
}

static void test_time_wait_reuse(void **state)
{
	struct tcp_conn *conn = start(13);
	uint32_t news;

	(void)state;
	tcp_close(conn);
	expect(&script, "F.", 1, 1, 0);
	script_inject(&script, "F.", 1, 2, 65535, NULL, 0);
	expect(&script, ".", 2, 2, 0);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0); /* old: not before rcv_nxt */
	expect(&script, ".", 2, 2, 0);
	script.peer_isn += 100000;
	script.have_isn = false;
	script_inject(&script, "S", 0, 0, 65535, NULL, 0); /* RFC 6191: greater */
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	conn = script_news(&script, &news);
	assert_int_equal(news, TCP_ACCEPTED);
	tcp_abort(conn);
	expect(&script, "R.", 1, 1, 0);
	script_advance(&script, 61000000);
	script_end(&script);
}

static void test_paws(void **state)
{
	static const uint8_t syn[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 3, 0xe8, 0, 0, 0, 0};
	struct net_config config = test_config(14);
	struct tcp_conn *conn;
	uint32_t news;

	(void)state;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 0), OK);
	script_options(&script, syn, sizeof(syn));
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_timestamps(&script, 1001, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	conn = script_news(&script, &news);
	script_inject(&script, "P.", 1, 1, 65535, "a", 1);
	expect(&script, ".", 1, 2, 0);
	script_timestamps(&script, 900, 0);
	script_inject(&script, "P.", 2, 1, 65535, "b", 1); /* from an older life of that number */
	expect(&script, ".", 1, 2, 0);
	assert_int_equal(tcp_readable(conn), 1);
	/* An unacceptable ACK must not move TS.Recent. */
	script_timestamps(&script, 5000, 0);
	script_inject(&script, "P.", 2, 70000, 65535, "c", 1);
	assert_int_equal(conn->ts_recent, 1001);
	script_timestamps(&script, 800, 0);
	script_inject(&script, "R", 2, 0, 0, NULL, 0); /* PAWS is not for resets */
	assert_ptr_equal(script_news(&script, &news), conn);
	assert_true(news & TCP_FAILED);
	tcp_close(conn);
	script_end(&script);
}

static void test_fin_waits_for_the_window(void **state)
{
	struct tcp_conn *conn = start(15);

	(void)state;
	script_inject(&script, ".", 1, 1, 4, NULL, 0);
	assert_int_equal(tcp_write(conn, BYTES("1234"), false), 4);
	tcp_close(conn);
	expect(&script, "P.", 1, 1, 4); /* the FIN does not fit */
	script_inject(&script, ".", 1, 5, 0, NULL, 0);
	expect_nothing(&script);
	script_advance(&script, 300000);
	expect(&script, ".", 4, 1, 0); /* a probe */
	script_inject(&script, ".", 1, 5, 100, NULL, 0);
	expect(&script, "F.", 5, 1, 0);
	script_inject(&script, "F.", 1, 6, 100, NULL, 0);
	expect(&script, ".", 6, 2, 0);
	script_advance(&script, 61000000);
	script_end(&script);
}

static void test_close_frees_a_dirty_connection(void **state)
{
	struct tcp_conn *conn = start(16);

	(void)state;
	assert_int_equal(tcp_write(conn, BYTES("x"), false), 1);
	tcp_mark_ready(conn);
	tcp_abort(conn); /* on both lists */
	expect(&script, "R.", 1, 1, 0);
	expect_nothing(&script);
	script_end(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_we_close_first),
	    cmocka_unit_test(test_peer_closes_first),
	    cmocka_unit_test(test_simultaneous_close),
	    cmocka_unit_test(test_fin_is_retransmitted),
	    cmocka_unit_test(test_lost_fin_gives_up),
	    cmocka_unit_test(test_fin_wait_2_does_not_last),
	    cmocka_unit_test(test_half_close_keeps_reading),
	    cmocka_unit_test(test_fin_and_close_in_one_turn),
	    cmocka_unit_test(test_close_with_unread_data_resets),
	    cmocka_unit_test(test_close_gives_back_what_lies_behind_a_hole),
	    cmocka_unit_test(test_data_after_close_resets),
	    cmocka_unit_test(test_fin_out_of_order_after_close_resets),
	    cmocka_unit_test(test_orphans_are_bounded),
	    cmocka_unit_test(test_orphan_behind_a_closed_window_ends),
	    cmocka_unit_test(test_last_words_before_a_reset),
	    cmocka_unit_test(test_close_with_unread_data_says_what_is_queued),
	    cmocka_unit_test(test_reset_from_the_peer),
	    cmocka_unit_test(test_reset_before_the_user_looked),
	    cmocka_unit_test(test_syn_and_ack_challenged),
	    cmocka_unit_test(test_time_wait_reuse),
	    cmocka_unit_test(test_paws),
	    cmocka_unit_test(test_fin_waits_for_the_window),
	    cmocka_unit_test(test_close_frees_a_dirty_connection),
	};

	return cmocka_run_group_tests_name("tcp_close", tests, NULL, NULL);
}
