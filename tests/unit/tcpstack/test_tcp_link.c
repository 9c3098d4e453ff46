/* test_tcp_link.c - two of our stacks on a link that loses, doubles, delays and reorders: every
 * octet arrives once and in order, both sides close, nothing is left behind. */
#include "tcp_fixture.h"

#include "base/limits.h"

struct app {
	struct tcp_conn *conn;
	uint64_t send_state, receive_state; /* generators of the octets to write and to expect */
	size_t to_send, received, to_receive;
	size_t read_max; /* per visit; 0: everything */
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
	if (app->accepted || app->connected)
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
			if (apps[i].conn == NULL)
				apps[i].conn = conn;
			assert_ptr_equal(apps[i].conn, conn);
			app_visit(&apps[i], news);
		}
	}
}

static void start(struct link_sim *link, struct app apps[2], uint64_t seed, size_t bytes0,
                  size_t bytes1)
{
	struct endpoint server = {link->host[1].addr, 25};

	memset(apps, 0, 2 * sizeof(*apps));
	for (int i = 0; i < 2; i++) {
		apps[i].send_state = seed + (uint64_t)i;
		apps[i].receive_state = seed + 1 - (uint64_t)i;
	}
	apps[0].to_send = apps[1].to_receive = bytes0;
	apps[1].to_send = apps[0].to_receive = bytes1;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean_link),
	    cmocka_unit_test(test_bad_links),
	};

	return cmocka_run_group_tests_name("tcp_link", tests, NULL, NULL);
}
