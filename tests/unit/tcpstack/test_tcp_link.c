/* test_tcp_link.c - two of our stacks on a link that loses, doubles, delays and reorders: every
 * octet arrives once and in order, both sides close, nothing is left behind. */
#include "tcp_fixture.h"

#include "base/limits.h"

struct app {
	struct tcp_conn *conn;
	uint64_t send_state, receive_state; /* generators of the octets to write and to expect */
	size_t to_send, received, to_receive;
	size_t read_max; /* per visit; 0: everything */
	size_t window_limit, wait_for;
	bool accepted, connected, shut, ended, closed, failed;
	enum err error;
};

static uint8_t next_octet(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(*state >> 56);
}

static void app_write(struct app *app)
{
	uint8_t data[700];

	while (app->to_send > 0) {
		size_t want = app->to_send < sizeof(data) ? app->to_send : sizeof(data);
		size_t room = tcp_writable(app->conn);
		size_t taken;

		if (want > room)
			want = room;
		if (want == 0)
			return;
		for (size_t i = 0; i < want; i++)
			data[i] = next_octet(&app->send_state);
		taken = tcp_write(app->conn, bytes_of(data, want), app->to_send > want && want % 2);
		assert_int_equal(taken, want);
		app->to_send -= taken;
	}
	if (!app->shut) {
		tcp_shutdown(app->conn);
		app->shut = true;
	}
}

static void app_read(struct app *app)
{
	size_t max = app->read_max != 0 ? app->read_max : SIZE_MAX;

	while (tcp_readable(app->conn) > 0 && max > 0) {
		struct bytes run = tcp_peek(app->conn, 0);
		size_t len = run.len < max ? run.len : max;

		assert_true(len > 0);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(run.data[i], next_octet(&app->receive_state));
		tcp_consume(app->conn, len);
		app->received += len;
		max -= len;
	}
	if (tcp_readable(app->conn) > 0)
		tcp_mark_ready(app->conn);
	if (tcp_at_end(app->conn))
		app->ended = true;
}

static void app_visit(struct app *app, uint32_t news)
{
	if (news & TCP_ACCEPTED)
		app->accepted = true;
	if (news & TCP_CONNECTED)
		app->connected = true;
	if (news & TCP_FAILED) {
		app->failed = true;
		app->error = tcp_error(app->conn);
		tcp_abort(app->conn);
		app->closed = true;
		return;
	}
	if ((news & (TCP_ACCEPTED | TCP_CONNECTED)) && app->window_limit > 0)
		tcp_window_limit(app->conn, app->window_limit);
	if ((app->accepted || app->connected) &&
	    app->received + tcp_readable(app->conn) >= app->wait_for)
		app_write(app);
	app_read(app);
	if (app->ended && app->shut && !app->closed && tcp_unacked(app->conn) == 0) {
		tcp_close(app->conn);
		app->closed = true;
	}
}

static void run_apps(struct link_sim *link, struct app apps[2])
{
	for (int i = 0; i < 2; i++) {
		struct tcp_conn *conn;
		uint32_t news;

		while ((conn = tcp_next_ready(link->host[i].net, &news)) != NULL) {
			assert_false(apps[i].closed);
			if (apps[i].conn == NULL)
				apps[i].conn = conn;
			assert_ptr_equal(apps[i].conn, conn);
			app_visit(&apps[i], news);
		}
	}
}

static void prepare(struct app apps[2], uint64_t seed, size_t bytes0, size_t bytes1)
{
	memset(apps, 0, 2 * sizeof(*apps));
	for (int i = 0; i < 2; i++) {
		apps[i].send_state = seed + (uint64_t)i;
		apps[i].receive_state = seed + 1 - (uint64_t)i;
	}
	apps[0].to_send = apps[1].to_receive = bytes0;
	apps[1].to_send = apps[0].to_receive = bytes1;
}

static void start(struct link_sim *link, struct app apps[2], uint64_t seed, size_t bytes0,
                  size_t bytes1)
{
	struct endpoint server = {link->host[1].addr, 25};

	prepare(apps, seed, bytes0, bytes1);
	assert_int_equal(tcp_listen(link->host[1].net, &server, 7), OK);
	assert_int_equal(tcp_connect(link->host[0].net, link->now_us, NULL, &server, &apps[0].conn),
	                 OK);
}

static void run_to_end(struct link_sim *link, struct app apps[2])
{
	uint64_t until = link->now_us + 3600000000u;
	int steps = 0;

	while (!(apps[0].closed && apps[1].closed)) {
		assert_true(++steps < 2000000);
		assert_true(link_step(link, until));
		run_apps(link, apps);
	}
	for (int i = 0; i < 2; i++) {
		if (apps[i].failed)
			print_message("host %d failed: %s\n", i, err_text(apps[i].error));
		assert_false(apps[i].failed);
		assert_int_equal(apps[i].received, apps[i].to_receive);
	}
	while (link_step(link, until))
		run_apps(link, apps);
	host_check_clean(&link->host[0]);
	host_check_clean(&link->host[1]);
}

static void transfer(uint64_t seed, const struct impairment *impairment, bool ip6, size_t bytes0,
                     size_t bytes1, size_t read_max)
{
	static struct link_sim link;
	struct net_config config = test_config(seed);
	struct app apps[2];

	config.no_timestamps = seed % 5 == 1;
	config.no_sack = seed % 7 == 2;
	config.no_window_scale = seed % 11 == 3;
	config.cookies_only = seed % 3 == 1;
	link_init(&link, seed, ip6, &config, &config, 2048);
	link.impairment = *impairment;
	start(&link, apps, seed, bytes0, bytes1);
	apps[1].read_max = read_max;
	run_to_end(&link, apps);
	link_free(&link);
}

static void test_clean_link(void **state)
{
	struct impairment none = {.delay_us = 10000};

	(void)state;
	transfer(0, &none, false, 0, 0, 0);
	transfer(5, &none, false, 1, 1, 0);
	transfer(10, &none, false, 1000000, 100, 0);
	transfer(20, &none, true, 300000, 300000, 0);
	transfer(30, &none, false, 200000, 0, 100);
}

static void test_bad_links(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct random random;
		struct impairment impairment;

		random_seed(&random, seed + 77);
		impairment = (struct impairment){.loss_permille = random_below(&random, 150),
		                                 .duplicate_permille = random_below(&random, 100),
		                                 .reorder_permille = random_below(&random, 300),
		                                 .delay_us = random_below(&random, 100000),
		                                 .jitter_us = random_below(&random, 50000)};
		transfer(seed, &impairment, seed % 4 == 0, random_below(&random, 60000),
		         random_below(&random, 60000), seed % 9 == 0 ? 500 : 0);
	}
}

static uint64_t refused(const struct host *host)
{
	const struct net_counters *net = &host->net_counters;

	return host->counters.segments_malformed + net->ip4_checksum_bad + net->ip4_malformed +
	       net->ip6_malformed + net->ip_not_ours + net->ip6_source_bad +
	       net->ip6_protocol_unknown + net->ip6_extensions_bad + net->ip_broadcast +
	       net->udp_in + net->icmp_checksum_bad + net->icmp_malformed;
}

/* Flipped bits are found by a checksum: they cost what a loss costs, and no octet is another. What
 * no checksum covers (hop limit and flow label of IPv6) changes nothing. */
static void test_corruption(void **state)
{
	uint64_t corrupted = 0, dropped = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		static struct link_sim link;
		struct net_config config = test_config(seed);
		struct app apps[2];

		config.no_timestamps = seed % 5 == 1;
		config.no_sack = seed % 7 == 2;
		config.cookies_only = seed % 3 == 1;
		link_init(&link, seed, seed % 2, &config, &config, 1024);
		link.impairment = (struct impairment){.corrupt_permille = 20 + (uint32_t)seed,
		                                      .delay_us = 10000};
		start(&link, apps, seed, 50000, 50000);
		run_to_end(&link, apps);
		corrupted += link.corrupt_count;
		dropped += refused(&link.host[0]) + refused(&link.host[1]);
		link_free(&link);
	}
	assert_true(corrupted > 500);
	/* Bits may be flipped back, and IPv6 has words that nothing covers. */
	assert_true(dropped > corrupted * 8 / 10 && dropped <= corrupted);
}

/* Loses the n-th packet of one kind, once. */
struct target {
	int from;
	uint8_t flags, mask;
	bool with_data;
	int nth, seen;
};

static bool lose_target(void *context, int from, const uint8_t *packet, size_t bytes)
{
	struct target *target = context;

	if (from != target->from || (tcp_flags_of(packet) & target->mask) != target->flags ||
	    target->with_data != (tcp_payload_of(packet, bytes) > 0))
		return false;
	return target->seen++ == target->nth;
}

static void test_each_packet_lost_once(void **state)
{
	static const struct target targets[] = {
	    {0, 0x02, 0x12, false, 0, 0}, /* SYN */
	    {1, 0x12, 0x12, false, 0, 0}, /* SYN-ACK */
	    {0, 0x10, 0x17, false, 0, 0}, /* the third ACK: the server speaks first and nobody hears
	                                   */
	    {1, 0x10, 0x12, true, 0, 0},  /* the first data */
	    {1, 0x10, 0x12, true, 5, 0},  {0, 0x01, 0x01, false, 0, 0}, /* FINs with nothing else */
	    {1, 0x01, 0x01, false, 0, 0}, {0, 0x01, 0x01, true, 0, 0},  /* FINs behind data */
	    {1, 0x01, 0x01, true, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		for (int silent_client = 0; silent_client < 2; silent_client++) {
			static struct link_sim link;
			struct net_config config = test_config(i);
			struct target target = targets[i];
			struct app apps[2];

			link_init(&link, i, false, &config, &config, 512);
			link.impairment.delay_us = 5000;
			link.lose = lose_target;
			link.lose_context = &target;
			start(&link, apps, i, silent_client ? 0 : 3000, 20000);
			if (silent_client)
				apps[0].wait_for = 1;
			run_to_end(&link, apps);
			link_free(&link);
		}
	}
}

/* Pools so small that they run dry again and again: slower, but all arrives. */
static void test_small_pools(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		static struct link_sim link;
		struct net_config config = test_config(seed);
		struct app apps[2];

		config.send_buffer_bytes = 60000;
		config.receive_window_bytes = 100000;
		link_init(&link, seed, false, &config, &config, 40 + (uint32_t)seed);
		link.impairment = (struct impairment){.loss_permille = 20, .delay_us = 3000};
		start(&link, apps, seed, 200000, 200000);
		apps[0].window_limit = apps[1].window_limit = 100000;
		apps[1].read_max = seed % 3 == 0 ? 1000 : 0;
		run_to_end(&link, apps);
		link_free(&link);
	}
}

static void test_big_windows_and_heavy_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		static struct link_sim link;
		struct net_config config = test_config(seed);
		struct app apps[2];

		link_init(&link, seed, seed % 2, &config, &config, 4096);
		link.impairment = (struct impairment){.loss_permille = seed < 6 ? 10 : 250,
		                                      .duplicate_permille = 20,
		                                      .reorder_permille = 50,
		                                      .delay_us = 30000,
		                                      .jitter_us = 10000};
		start(&link, apps, seed, seed < 6 ? 3000000 : 50000, 10000);
		apps[1].window_limit = 262144;
		run_to_end(&link, apps);
		link_free(&link);
	}
}

/* How long it takes and how often all stands still: in virtual time both are facts. */
static void goodput(uint64_t seed, const struct impairment *impairment, size_t bytes,
                    uint64_t seconds_max, uint64_t timeouts_max)
{
	static struct link_sim link;
	struct net_config config = test_config(seed);
	struct app apps[2];
	uint64_t began, took;

	link_init(&link, seed, false, &config, &config, 4096);
	link.impairment = *impairment;
	start(&link, apps, seed, bytes, 0);
	apps[1].window_limit = 262144;
	began = link.now_us;
	while (apps[1].received < bytes) {
		assert_true(link_step(&link, began + 3600000000u));
		run_apps(&link, apps);
	}
	took = link.now_us - began;
	if (took > seconds_max * 1000000 ||
	    link.host[0].counters.retransmission_timeouts > timeouts_max)
		fail_msg("seed %d: %d ms, %d timeouts, %d fast, %d probes", (int)seed,
		         (int)(took / 1000), (int)link.host[0].counters.retransmission_timeouts,
		         (int)link.host[0].counters.fast_retransmits,
		         (int)link.host[0].counters.tail_probes);
	run_to_end(&link, apps);
	link_free(&link);
}

static void test_goodput(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct impairment five_percent = {.loss_permille = 50, .delay_us = 10000};
		struct impairment one_percent = {.loss_permille = 10, .delay_us = 10000};
		struct impairment reordering = {
		    .reorder_permille = 200, .delay_us = 10000, .jitter_us = 4000};

		goodput(seed, &five_percent, 1000000, 5, 2);
		goodput(seed, &one_percent, 1000000, 2, 3);
		goodput(seed, &reordering, 1000000, 1, 0);
	}
}

/* Both open towards each other from the ports they open to: one connection, whatever is lost. */
static void test_both_open(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		static struct link_sim link;
		struct net_config config = test_config(seed);
		struct endpoint ends[2];
		struct app apps[2];

		link_init(&link, seed, false, &config, &config, 512);
		link.impairment = (struct impairment){.loss_permille = seed < 5 ? 0 : 150,
		                                      .delay_us = 5000};
		prepare(apps, seed, 5000, 5000);
		for (int i = 0; i < 2; i++)
			ends[i] = (struct endpoint){link.host[i].addr, (uint16_t)(2500 + i)};
		for (int i = 0; i < 2; i++)
			assert_int_equal(tcp_connect(link.host[i].net, link.now_us, &ends[i],
			                             &ends[1 - i], &apps[i].conn),
			                 OK);
		run_to_end(&link, apps);
		link_free(&link);
	}
}

/* The same four numbers again: not while TIME-WAIT is young, then by RFC 6191. */
static void test_port_reused(void **state)
{
	static struct link_sim link;
	struct net_config config = test_config(3);
	struct endpoint from, server;
	struct tcp_conn *conn;
	struct app apps[2];
	uint64_t until;

	(void)state;
	link_init(&link, 3, false, &config, &config, 512);
	link.impairment.delay_us = 1000;
	from = (struct endpoint){link.host[0].addr, 2600};
	server = (struct endpoint){link.host[1].addr, 25};
	assert_int_equal(tcp_listen(link.host[1].net, &server, 7), OK);
	for (int round = 0; round < 5; round++) {
		prepare(apps, 3, 5000, 5000);
		assert_int_equal(
		    tcp_connect(link.host[0].net, link.now_us, &from, &server, &apps[0].conn), OK);
		assert_int_equal(tcp_connect(link.host[0].net, link.now_us, &from, &server, &conn),
		                 ERR_PORTS_EXHAUSTED);
		until = link.now_us + 1000000;
		while (!(apps[0].closed && apps[1].closed)) {
			assert_true(link_step(&link, until));
			run_apps(&link, apps);
		}
		until = link.now_us + 1500000;
		while (link_step(&link, until))
			run_apps(&link, apps);
	}
	assert_true(
	    link.host[0].counters.time_wait_reused + link.host[1].counters.time_wait_reused >= 4);
	until = link.now_us + 200000000;
	while (link_step(&link, until))
		run_apps(&link, apps);
	host_check_clean(&link.host[0]);
	host_check_clean(&link.host[1]);
	link_free(&link);
}

/* One side leaves without a word in the middle: the other hears of it, and nothing stays. */
static void test_abort_in_the_middle(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		static struct link_sim link;
		struct net_config config = test_config(seed);
		struct app apps[2];
		uint64_t until;
		size_t quitter = seed % 2;

		link_init(&link, seed, false, &config, &config, 512);
		link.impairment = (struct impairment){.loss_permille = 50,
		                                      .delay_us = 5000,
		                                      .jitter_us = 3000,
		                                      .reorder_permille = 100};
		start(&link, apps, seed, 100000, 100000);
		until = link.now_us + 2000 * (seed + 1);
		while (link.now_us < until && link_step(&link, until))
			run_apps(&link, apps);
		if (apps[quitter].conn != NULL && !apps[quitter].closed) {
			if (seed % 3 == 0)
				tcp_close(apps[quitter].conn);
			else
				tcp_abort(apps[quitter].conn);
			apps[quitter].closed = true;
		}
		until = link.now_us + 3600000000u;
		for (int step = 0; step < 100000 && link_step(&link, until); step++)
			run_apps(&link, apps);
		for (int i = 0; i < 2; i++) {
			if (apps[i].conn != NULL && !apps[i].closed)
				tcp_abort(apps[i].conn);
		}
		link_collect(&link);
		run_apps(&link, apps);
		host_check_clean(&link.host[0]);
		host_check_clean(&link.host[1]);
		link_free(&link);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean_link),  cmocka_unit_test(test_bad_links),
	    cmocka_unit_test(test_corruption),  cmocka_unit_test(test_each_packet_lost_once),
	    cmocka_unit_test(test_small_pools), cmocka_unit_test(test_big_windows_and_heavy_loss),
	    cmocka_unit_test(test_goodput),     cmocka_unit_test(test_both_open),
	    cmocka_unit_test(test_port_reused), cmocka_unit_test(test_abort_in_the_middle),
	};

	return cmocka_run_group_tests_name("tcp_link", tests, NULL, NULL);
}
