/* test_tcp_hystart.c - slow start over a line with a queue: it ends before the queue is long, and
 * only because of the queue. RFC 9406. */
#include "tcp_script.h"

#include "tcpstack/tcp_internal.h"

#define MSS         1460u
#define SEGMENTS    1000
#define BUFFER      (100 * MSS)
#define RTT_US      20000
#define STEP_US     500
#define STEPS_MAX   4000
#define NOT_REACHED UINT32_MAX

static struct script script;

/* A line that takes `segment_us` for each segment, and a receiver that acknowledges what has come
 * every `ack_every_us`. */
struct line {
	uint64_t segment_us, ack_every_us;
	uint64_t free_us, ack_at_us;
	uint64_t arrives_us[SEGMENTS + BUFFER / MSS];
	uint32_t sent, acked;
};

static struct tcp_conn *start(void)
{
	struct net_config config = test_config(1);
	struct tcp_conn *conn;

	config.send_buffer_bytes = BUFFER;
	script_start(&script, &config);
	conn = script_accept(&script, 65535);
	conn->srtt_us8 = RTT_US * 8;
	conn->rttvar_us4 = 2000 * 4;
	return conn;
}

static void take_sent(struct tcp_conn *conn, struct line *line)
{
	static const uint8_t data[BUFFER];

	(void)tcp_write(conn, bytes_of(data, sizeof(data)), true);
	script_collect(&script);
	for (; script.out_head < script.out_count; script.out_head++) {
		assert_true(line->sent < SEGMENTS + BUFFER / MSS);
		if (line->free_us < script.now_us)
			line->free_us = script.now_us;
		line->free_us += line->segment_us;
		line->arrives_us[line->sent++] = line->free_us + RTT_US;
	}
	script.out_head = script.out_count = 0;
}

/* Until slow start has ended or everything has arrived; returns the window then, in segments. */
static uint32_t run(struct tcp_conn *conn, struct line *line)
{
	for (int step = 0; step < STEPS_MAX && line->acked < SEGMENTS; step++) {
		uint32_t arrived = line->acked;

		take_sent(conn, line);
		script_advance(&script, STEP_US);
		while (arrived < line->sent && line->arrives_us[arrived] <= script.now_us)
			arrived++;
		if (arrived == line->acked || script.now_us < line->ack_at_us)
			continue;
		line->ack_at_us = script.now_us + line->ack_every_us;
		line->acked = arrived;
		script_inject(&script, ".", 1, 1 + arrived * MSS, 65535, NULL, 0);
		if (conn_cold(conn)->ssthresh != UINT32_MAX)
			return conn->cwnd / MSS;
	}
	return NOT_REACHED;
}

static void finish(struct tcp_conn *conn, uint32_t ended)
{
	assert_int_equal(script.host.counters.slow_starts_ended_early, ended);
	assert_int_equal(script.host.counters.retransmitted_segments, 0);
	tcp_abort(conn);
	script_collect(&script);
	assert_int_equal(script.host.net->tcp->sents.used, 0);
	script_end(&script);
}

/* 20 segments fill the path; ACKs a millisecond apart tell so before a queue does. */
static void test_train_of_acks(void **state)
{
	struct line line = {.segment_us = 1000};
	struct tcp_conn *conn = start();

	(void)state;
	assert_in_range(run(conn, &line), 16, 34);
	finish(conn, 1);
}

/* ACKs in clumps are no train: the round trip tells, five rounds later. */
static void test_growing_round_trip(void **state)
{
	struct line line = {.segment_us = 1000, .ack_every_us = 2500};
	struct tcp_conn *conn = start();

	(void)state;
	assert_in_range(run(conn, &line), 20, 100);
	finish(conn, 1);
}

static void test_no_queue(void **state)
{
	struct line line = {.segment_us = 10, .ack_every_us = 2500};
	struct tcp_conn *conn = start();

	(void)state;
	assert_int_equal(run(conn, &line), NOT_REACHED);
	assert_true(line.acked >= SEGMENTS);
	finish(conn, 0);
}

/* A sender whose window is never full takes no scoreboard. */
static void test_little_to_say(void **state)
{
	struct net_config config = test_config(2);
	static uint8_t data[2 * MSS];
	struct tcp_conn *conn;

	(void)state;
	script_start(&script, &config);
	conn = script_accept(&script, 65535);
	for (uint32_t i = 1; i <= 50; i++) {
		assert_int_equal(tcp_write(conn, bytes_of(data, sizeof(data)), false),
		                 sizeof(data));
		script_collect(&script);
		script_advance(&script, 1000);
		script_inject(&script, ".", 1, 1 + i * (uint32_t)sizeof(data), 65535, NULL, 0);
	}
	assert_int_equal(script.host.net->tcp->sents.used_high, 0);
	script.out_head = script.out_count = 0;
	finish(conn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_train_of_acks),
	    cmocka_unit_test(test_growing_round_trip),
	    cmocka_unit_test(test_no_queue),
	    cmocka_unit_test(test_little_to_say),
	};

	return cmocka_run_group_tests_name("tcp_hystart", tests, NULL, NULL);
}
