/* test_publisher.c - attaching, publishing, refusals, and a dataplane that starts anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "base/telemetry.h"

#include "mgmt/publisher.h"

/* The dataplane's end, driven by hand; time is an argument. */
static char folder[] = "/tmp/postern-publisher-XXXXXX";
static char path[128];
static int listening, peer;
static struct publisher publisher;
static uint64_t now_us;
static int telemetry_count, current_count, synced_count, lost_count, done_count;
static bool last_new;
static enum err last_error;

static void on_telemetry(void *context, int fd, bool new_dataplane)
{
	(void)context;
	(void)new_dataplane;
	telemetry_count++;
	close(fd);
}

static void on_current(void *context, const struct generation *generation)
{
	(void)context;
	(void)generation;
	current_count++;
}

static void on_synced(void *context, bool new_dataplane)
{
	(void)context;
	synced_count++;
	last_new = new_dataplane;
}

static void on_lost(void *context)
{
	(void)context;
	lost_count++;
}

static void on_done(void *context, enum err error, const char *reason)
{
	(void)context;
	(void)reason;
	done_count++;
	last_error = error;
}

static void run(void)
{
	now_us += 2000000;
	publisher_run(&publisher, now_us);
}

static int make_generation(uint64_t number)
{
	struct generation_builder builder;
	int fd;

	assert_int_equal(generation_begin(&builder, 4096), OK);
	assert_int_equal(generation_add(&builder, 1, BYTES("content")), OK);
	assert_int_equal(generation_seal(&builder, GENERATION_RULES, number, 1, "label", &fd), OK);
	return fd;
}

/* Questions for the status may come in between. */
static struct attach_msg receive(enum attach_kind kind)
{
	struct attach_msg msg;
	int fd;

	do {
		assert_int_equal(attach_receive(peer, &msg, &fd), OK);
		if (fd >= 0)
			close(fd);
	} while (msg.kind == ATTACH_STATUS && kind != ATTACH_STATUS);
	assert_int_equal(msg.kind, kind);
	return msg;
}

static void answer(enum attach_kind kind, enum err error)
{
	struct attach_msg msg = {.magic = ATTACH_MAGIC, .kind = kind, .error = (uint32_t)error};

	assert_int_equal(attach_send(peer, &msg, -1), OK);
}

/* Accepts, greets, and answers the question for the status. `running`: a generation to find in
 * force, or 0. */
static void greet(uint64_t start_us, uint64_t running)
{
	struct attach_msg hello = {.magic = ATTACH_MAGIC, .kind = ATTACH_HELLO, .number = start_us};
	struct attach_msg current = {
	    .magic = ATTACH_MAGIC, .kind = ATTACH_CURRENT, .number = running};
	int fd = running != 0 ? make_generation(running) : -1;

	run();
	peer = accept(listening, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(attach_send(peer, &hello, listening), OK);
	if (fd >= 0) {
		assert_int_equal(attach_send(peer, &current, fd), OK);
		close(fd);
	}
	receive(ATTACH_STATUS);
	answer(ATTACH_STATUS, OK);
	run();
}

static int set_up(void **state)
{
	const struct publisher_hooks hooks = {
	    .telemetry = on_telemetry, .current = on_current, .synced = on_synced, .lost = on_lost};

	(void)state;
	memcpy(folder, "/tmp/postern-publisher-XXXXXX", sizeof("/tmp/postern-publisher-XXXXXX"));
	snprintf(folder, sizeof(folder), "/tmp/postern-publisher-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	telemetry_count = current_count = synced_count = lost_count = done_count = 0;
	assert_int_equal(attach_listen(path, &listening), OK);
	publisher_open(&publisher, path, &hooks);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	publisher_close(&publisher);
	close(listening);
	close(peer);
	unlink(path);
	rmdir(folder);
	return 0;
}

static void publishes(void **state)
{
	(void)state;
	greet(100, 0);
	assert_true(publisher_is_synced(&publisher));
	assert_int_equal(synced_count, 1);
	assert_true(last_new);
	assert_int_equal(
	    publisher_publish(&publisher, GENERATION_RULES, make_generation(5), 5, on_done, NULL),
	    OK);
	assert_int_equal(
	    publisher_publish(&publisher, GENERATION_RULES, make_generation(6), 6, on_done, NULL),
	    OK);
	run();
	assert_int_equal(receive(ATTACH_PUBLISH).number, 5);
	assert_int_equal(done_count, 0);
	answer(ATTACH_PUBLISHED, OK);
	run();
	assert_int_equal(done_count, 1);
	assert_int_equal(publisher.wanted[GENERATION_RULES].number, 5);
	assert_int_equal(receive(ATTACH_PUBLISH).number, 6);
	answer(ATTACH_PUBLISHED, ERR_PLATFORM);
	run();
	assert_int_equal(done_count, 2);
	assert_int_equal(last_error, ERR_PLATFORM);
	assert_int_equal(publisher.wanted[GENERATION_RULES].number, 5);
	assert_int_equal(publisher_number_max(&publisher), 5);
}

static void keeps_what_runs(void **state)
{
	(void)state;
	greet(100, 9);
	assert_int_equal(current_count, 1);
	assert_int_equal(publisher.wanted[GENERATION_RULES].number, 9);
	assert_int_equal(publisher.request_count, 0);
	/* The connection breaks; the same dataplane is met again: nothing is sent. */
	close(peer);
	run();
	assert_int_equal(lost_count, 1);
	assert_false(publisher_is_synced(&publisher));
	greet(100, 9);
	assert_false(last_new);
	assert_int_equal(publisher.request_count, 0);
}

static void gives_a_new_dataplane_everything(void **state)
{
	(void)state;
	greet(100, 9);
	close(peer);
	run();
	greet(200, 0);
	assert_true(last_new);
	run();
	assert_int_equal(receive(ATTACH_PUBLISH).number, 9);
	answer(ATTACH_PUBLISHED, OK);
	run();
	assert_int_equal(publisher.running[GENERATION_RULES], 9);
}

static void keeps_what_nobody_takes(void **state)
{
	(void)state;
	assert_int_equal(
	    publisher_publish(&publisher, GENERATION_RULES, make_generation(3), 3, on_done, NULL),
	    OK);
	assert_int_equal(done_count, 1);
	assert_int_equal(last_error, ERR_CLOSED);
	greet(100, 0);
	run();
	assert_int_equal(receive(ATTACH_PUBLISH).number, 3);
}

static void lost_in_flight(void **state)
{
	(void)state;
	greet(100, 0);
	assert_int_equal(
	    publisher_publish(&publisher, GENERATION_RULES, make_generation(4), 4, on_done, NULL),
	    OK);
	assert_int_equal(publisher_control(&publisher, ATTACH_DRAIN, on_done, NULL), OK);
	run();
	close(peer);
	run();
	assert_int_equal(done_count, 2);
	assert_int_equal(last_error, ERR_CLOSED);
	greet(300, 0);
	run();
	assert_int_equal(receive(ATTACH_PUBLISH).number, 4);
}

static void is_bounded(void **state)
{
	int fd = make_generation(1);

	(void)state;
	greet(100, 0);
	for (int i = 0; i < PUBLISHER_REQUESTS_MAX; i++)
		assert_int_equal(publisher_control(&publisher, ATTACH_RESUME, on_done, NULL), OK);
	assert_int_equal(publisher_publish(&publisher, GENERATION_RULES, fd, 1, on_done, NULL),
	                 ERR_FULL);
	close(fd);
}

static void refuses_garbage(void **state)
{
	(void)state;
	greet(100, 0);
	assert_int_equal(send(peer, "garbage", 7, 0), 7);
	run();
	assert_false(publisher_is_synced(&publisher));
	assert_int_equal(lost_count, 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(publishes),
	    CASE(keeps_what_runs),
	    CASE(gives_a_new_dataplane_everything),
	    CASE(keeps_what_nobody_takes),
	    CASE(lost_in_flight),
	    CASE(is_bounded),
	    CASE(refuses_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
