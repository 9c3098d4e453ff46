/* test_telemetry.c - counters and events in shared memory. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/telemetry.h"

static const struct counter_info a_info[] = {{"opened", "Things opened"},
                                             {"closed", "Things closed"}};
static const struct counter_info b_info[] = {{"seen", "Things seen"}};
static const struct counter_group a = {"a", a_info, 2}, b = {"b", b_info, 1};
static const struct counter_group *const groups[] = {&a, &b};

static void both_sides_see_the_same_counters_and_events(void **state)
{
	struct telemetry writer, reader;
	struct event in = {.id = 77, .kind = EVENT_ALARM}, out;

	(void)state;
	assert_int_equal(telemetry_create(&writer, groups, 2, 3, 5), OK);
	assert_int_equal(telemetry_open(&reader, dup(writer.fd)), OK);
	assert_int_equal(reader.worker_count, 3);
	assert_int_equal(reader.counter_count, 3);
	assert_int_equal(reader.event_count, 8);
	assert_string_equal(telemetry_description(&reader, 1)->name, "closed");
	assert_string_equal(telemetry_description(&reader, 2)->group, "b");
	assert_string_equal(telemetry_description(&reader, 2)->help, "Things seen");
	for (uint32_t worker = 0; worker < 3; worker++)
		for (uint32_t i = 0; i < 3; i++)
			telemetry_counters(&writer, worker)[i] = worker * 10 + i;
	for (uint32_t worker = 0; worker < 3; worker++)
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(telemetry_counters(&reader, worker)[i], worker * 10 + i);
	assert_true(ring_push(telemetry_events(&writer, 2), &in));
	assert_false(ring_pop(telemetry_events(&reader, 1), &out));
	assert_true(ring_pop(telemetry_events(&reader, 2), &out));
	assert_memory_equal(&in, &out, sizeof(in));
	telemetry_close(&reader);
	telemetry_close(&writer);
}

static void a_long_help_is_cut(void **state)
{
	char text[2 * TELEMETRY_HELP_BYTES];
	const struct counter_info info[] = {{"x", text}};
	const struct counter_group group = {"g", info, 1}, *list[] = {&group};
	struct telemetry telemetry;

	(void)state;
	memset(text, 'h', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(telemetry_create(&telemetry, list, 1, 1, 1), OK);
	assert_int_equal(strlen(telemetry_description(&telemetry, 0)->help),
	                 TELEMETRY_HELP_BYTES - 1);
	telemetry_close(&telemetry);
}

static void sizes_out_of_range_are_refused(void **state)
{
	static const struct counter_group none = {"none", NULL, 0}, *const no_groups[] = {&none};
	struct telemetry telemetry;

	(void)state;
	assert_int_equal(telemetry_create(&telemetry, no_groups, 1, 1, 1), ERR_RANGE);
	assert_int_equal(telemetry_create(&telemetry, groups, 2, 0, 1), ERR_RANGE);
	assert_int_equal(telemetry_create(&telemetry, groups, 2, TELEMETRY_WORKERS_MAX + 1, 1),
	                 ERR_RANGE);
	assert_int_equal(telemetry_create(&telemetry, groups, 2, 1, 0), ERR_RANGE);
	assert_int_equal(telemetry_create(&telemetry, groups, 2, 1, UINT32_MAX), ERR_RANGE);
}

static void a_descriptor_that_can_shrink_is_refused(void **state)
{
	struct telemetry telemetry;
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(telemetry_open(&telemetry, fd), ERR_SEALS);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(telemetry_open(&telemetry, fd), ERR_TRUNCATED);
	close(fd);
	assert_int_equal(telemetry_open(&telemetry, -1), ERR_SEALS);
}

/* Whatever stands in header and descriptions: opening is refused or gives bounds that hold. */
static void a_damaged_header_never_gives_wild_bounds(void **state)
{
	struct telemetry writer, reader;
	struct random random;
	int refused = 0;

	(void)state;
	assert_int_equal(telemetry_create(&writer, groups, 2, 1, 4), OK);
	random_seed(&random, 11);
	for (size_t at = 0; at < 32; at++) {
		uint8_t before = writer.memory[at];
		writer.memory[at] ^= (uint8_t)(1 + random_below(&random, 255));
		if (telemetry_open(&reader, writer.fd) != OK) {
			refused++;
		} else {
			assert_true(reader.bytes == writer.bytes);
			munmap(reader.memory, reader.bytes);
		}
		writer.memory[at] = before;
	}
	assert_true(refused >= 28); /* the last four octets mean nothing yet */
	memcpy((char *)(uintptr_t)telemetry_description(&writer, 0)->name, "a b", 4);
	assert_int_equal(telemetry_open(&reader, writer.fd), ERR_SYNTAX);
	telemetry_close(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_sides_see_the_same_counters_and_events),
	    cmocka_unit_test(a_long_help_is_cut),
	    cmocka_unit_test(sizes_out_of_range_are_refused),
	    cmocka_unit_test(a_descriptor_that_can_shrink_is_refused),
	    cmocka_unit_test(a_damaged_header_never_gives_wild_bounds),
	};

	return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
