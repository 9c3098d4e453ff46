/* test_event.c - names, ids and the record's layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/event.h"
#include "base/random.h"

static void ids_are_thirteen_characters_and_read_back(void **state)
{
	char text[EVENT_ID_TEXT_BYTES];
	struct random random;
	uint64_t id;

	(void)state;
	random_seed(&random, 9);
	for (int i = 0; i < 1000; i++) {
		uint64_t expected = random_u64(&random) >> random_below(&random, 64);
		event_id_format(expected, text);
		assert_int_equal(strlen(text), 13);
		assert_true(event_id_parse(bytes_text(text), &id));
		assert_true(id == expected);
	}
	event_id_format(UINT64_MAX, text);
	assert_string_equal(text, "FZZZZZZZZZZZZ");
	event_id_format(32, text);
	assert_string_equal(text, "0000000000010");
}

static void ids_are_read_as_people_write_them(void **state)
{
	uint64_t id;

	(void)state;
	assert_true(event_id_parse(BYTES("oooooooooooiL"), &id));
	assert_int_equal(id, 33);
	assert_true(event_id_parse(BYTES("fzzzzzzzzzzzz"), &id));
	assert_true(id == UINT64_MAX);
}

static void bad_ids_are_refused(void **state)
{
	uint64_t id = 5;

	(void)state;
	assert_false(event_id_parse(BYTES(""), &id));
	assert_false(event_id_parse(BYTES("000000000000"), &id));
	assert_false(event_id_parse(BYTES("00000000000000"), &id));
	assert_false(event_id_parse(BYTES("G000000000000"), &id)); /* would need a 65th bit */
	assert_false(event_id_parse(BYTES("000000000000U"), &id));
	assert_false(event_id_parse(BYTES("000000-000000"), &id));
	assert_false(event_id_parse(BYTES("000000000000\0"), &id));
	assert_int_equal(id, 5);
}

static void every_kind_stage_and_verdict_has_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_KIND_COUNT; i++)
		assert_string_not_equal(event_kind_text((enum event_kind)i), "unknown");
	for (int i = 0; i < EVENT_STAGE_COUNT; i++)
		assert_string_not_equal(event_stage_text((enum event_stage)i), "unknown");
	for (int i = 0; i < VERDICT_COUNT; i++)
		assert_string_not_equal(verdict_text((enum verdict)i), "unknown");
	assert_string_equal(verdict_text(VERDICT_REJECT), "reject");
	assert_string_equal(event_kind_text(EVENT_KIND_COUNT), "unknown");
	assert_string_equal(event_stage_text((enum event_stage)200), "unknown");
	assert_string_equal(verdict_text((enum verdict)200), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids_are_thirteen_characters_and_read_back),
	    cmocka_unit_test(ids_are_read_as_people_write_them),
	    cmocka_unit_test(bad_ids_are_refused),
	    cmocka_unit_test(every_kind_stage_and_verdict_has_a_text),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
