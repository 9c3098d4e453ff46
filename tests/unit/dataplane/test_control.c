/* test_control.c - what management is told and what its orders do, over a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attach.h"
#include "dataplane/control.h"
#include "dataplane/worker_counters.h"
#include "fake_classifier.h"

#define WORKERS 2

static char folder[] = "/tmp/postern-test-XXXXXX";
static char path[64];
static struct arena arena;
static struct telemetry telemetry;
static struct worker_link orders[WORKERS], *links[WORKERS];
static struct rules_slot *slot;
static struct control *control;

static int setup_all(void **state)
{
	const struct counter_group *groups[] = {&worker_counter_group};

	(void)state;
	if (mkdtemp(folder) == NULL || arena_init(&arena, 1 << 20, false) != OK)
		return 1;
	snprintf(path, sizeof(path), "%s/socket", folder);
	return telemetry_create(&telemetry, groups, 1, WORKERS, 16) != OK;
}

static int teardown_all(void **state)
{
	(void)state;
	telemetry_close(&telemetry);
	arena_free(&arena);
	return rmdir(folder);
}

static int setup(void **state)
{
	struct classifier_counters *counters[WORKERS] = {NULL};
	struct control_config config = {.socket_path = path,
	                                .telemetry = &telemetry,
	                                .links = links,
	                                .worker_count = WORKERS,
	                                .start_wall_us = 1234567};

	(void)state;
	for (uint32_t w = 0; w < WORKERS; w++) {
		memset(&orders[w], 0, sizeof(orders[w]));
		orders[w].wake_fd = -1;
		links[w] = &orders[w];
	}
	slot = rules_slot_new(WORKERS, counters);
	config.rules = slot;
	return control_new(&arena, &config, &control) != OK;
}

static int teardown(void **state)
{
	(void)state;
	control_close(control);
	rules_slot_free(slot);
	return fake_rulesets_open != 0;
}

/* The next message, which must have come; its descriptor is closed unless asked for. */
static struct attach_msg receive(int client, int *out_fd)
{
	struct attach_msg msg;
	int fd;

	assert_int_equal(attach_receive(client, &msg, &fd), OK);
	if (out_fd != NULL)
		*out_fd = fd;
	else if (fd >= 0)
		close(fd);
	return msg;
}

static void assert_silent(int client)
{
	struct attach_msg msg;
	int fd;

	assert_int_equal(attach_receive(client, &msg, &fd), ERR_BUSY);
}

static int connect_client(void)
{
	int client;

	assert_int_equal(attach_connect(path, &client), OK);
	control_turn(control, 0);
	return client;
}

static void send_order(int client, enum attach_kind kind, int fd)
{
	struct attach_msg msg = {.magic = ATTACH_MAGIC, .kind = kind};

	assert_int_equal(attach_send(client, &msg, fd), OK);
	control_turn(control, 0);
}

static void greets_with_telemetry(void **state)
{
	struct telemetry seen;
	int client = connect_client(), fd;
	struct attach_msg msg = receive(client, &fd);

	(void)state;
	assert_int_equal(msg.kind, ATTACH_HELLO);
	assert_int_equal(msg.number, 1234567);
	assert_int_equal(telemetry_open(&seen, fd), OK);
	assert_int_equal(seen.worker_count, WORKERS);
	assert_string_equal(telemetry_description(&seen, 0)->group, "worker");
	telemetry_close(&seen);
	assert_silent(client);
	close(client);
}

static void answers_a_publication_once_all_workers_run_it(void **state)
{
	int client = connect_client(), fd = fake_generation(GENERATION_RULES, 42);
	struct attach_msg msg;

	(void)state;
	(void)receive(client, NULL);
	send_order(client, ATTACH_PUBLISH, fd);
	close(fd);
	assert_silent(client);
	rules_refresh(slot, 0);
	control_turn(control, 0);
	assert_silent(client);
	rules_refresh(slot, 1);
	control_turn(control, 0);
	msg = receive(client, NULL);
	assert_int_equal(msg.kind, ATTACH_PUBLISHED);
	assert_int_equal(msg.error, OK);
	assert_int_equal(msg.number, 42);
	assert_int_equal(msg.generation_kind, GENERATION_RULES);
	close(client);
}

static void refuses_a_bad_generation_at_once(void **state)
{
	int client = connect_client();
	struct attach_msg msg;

	(void)state;
	(void)receive(client, NULL);
	send_order(client, ATTACH_PUBLISH, telemetry.fd);
	msg = receive(client, NULL);
	assert_int_equal(msg.kind, ATTACH_PUBLISHED);
	assert_int_not_equal(msg.error, OK);
	assert_int_not_equal(strlen(msg.reason), 0);
	send_order(client, ATTACH_PUBLISH, -1);
	assert_int_not_equal(receive(client, NULL).error, OK);
	assert_null(rules_generation(slot, GENERATION_RULES));
	close(client);
}

static void tells_who_connects_again_what_runs(void **state)
{
	struct generation generation;
	int client = connect_client(), fd = fake_generation(GENERATION_LISTS, 5);
	struct attach_msg msg;

	(void)state;
	(void)receive(client, NULL);
	send_order(client, ATTACH_PUBLISH, fd);
	close(fd);
	close(client); /* management dies before the answer */
	control_turn(control, 0);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	client = connect_client();
	assert_int_equal(receive(client, NULL).kind, ATTACH_HELLO);
	msg = receive(client, &fd);
	assert_int_equal(msg.kind, ATTACH_CURRENT);
	assert_int_equal(msg.generation_kind, GENERATION_LISTS);
	assert_int_equal(generation_open(&generation, fd), OK);
	assert_int_equal(generation.number, 5);
	generation_close(&generation);
	assert_silent(client);
	close(client);
}

static void passes_on_drain_and_resume(void **state)
{
	int client = connect_client();

	(void)state;
	(void)receive(client, NULL);
	send_order(client, ATTACH_DRAIN, -1);
	assert_int_equal(receive(client, NULL).kind, ATTACH_PUBLISHED);
	assert_true(orders[0].drain && orders[1].drain);
	send_order(client, ATTACH_STATUS, -1);
	assert_int_equal(receive(client, NULL).draining, 1);
	send_order(client, ATTACH_RESUME, -1);
	assert_int_equal(receive(client, NULL).kind, ATTACH_PUBLISHED);
	assert_false(orders[0].drain || orders[1].drain);
	close(client);
}

static void reports_sessions_and_generations(void **state)
{
	int client = connect_client(), fd = fake_generation(GENERATION_RULES, 8);
	struct attach_msg msg;

	(void)state;
	(void)receive(client, NULL);
	send_order(client, ATTACH_PUBLISH, fd);
	close(fd);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	control_turn(control, 0);
	(void)receive(client, NULL);
	orders[0].session_count = 3;
	orders[1].session_count = 4;
	send_order(client, ATTACH_STATUS, -1);
	msg = receive(client, NULL);
	assert_int_equal(msg.kind, ATTACH_STATUS);
	assert_int_equal(msg.session_count, 7);
	assert_int_equal(msg.worker_count, WORKERS);
	assert_int_equal(msg.generation_number[GENERATION_RULES], 8);
	assert_int_equal(msg.generation_number[GENERATION_LISTS], 0);
	assert_int_equal(msg.pid, getpid());
	close(client);
}

static void drops_who_speaks_out_of_turn(void **state)
{
	struct attach_msg msg;
	int client = connect_client(), fd;

	(void)state;
	(void)receive(client, NULL);
	send_order(client, ATTACH_HELLO, -1);
	assert_int_equal(attach_receive(client, &msg, &fd), ERR_CLOSED);
	close(client);
	client = connect_client();
	assert_int_equal(write(client, "nonsense", 8), 8);
	control_turn(control, 0);
	(void)receive(client, NULL);
	assert_int_equal(attach_receive(client, &msg, &fd), ERR_CLOSED);
	close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(greets_with_telemetry, setup, teardown),
	    cmocka_unit_test_setup_teardown(answers_a_publication_once_all_workers_run_it, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(refuses_a_bad_generation_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(tells_who_connects_again_what_runs, setup, teardown),
	    cmocka_unit_test_setup_teardown(passes_on_drain_and_resume, setup, teardown),
	    cmocka_unit_test_setup_teardown(reports_sessions_and_generations, setup, teardown),
	    cmocka_unit_test_setup_teardown(drops_who_speaks_out_of_turn, setup, teardown),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
