/* test_state.c - generations and settings are remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/state.h"

static void numbers_only_rise(void **state)
{
	char reason[STORE_REASON_BYTES];
	struct state_generation generation = {.number = 40, .kind = GENERATION_LISTS, .label = "l"};
	struct state_generation found;
	struct store store;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	assert_int_equal(state_next_number(&store, 0), 1);
	assert_int_equal(state_next_number(&store, 0), 2);
	assert_int_equal(state_next_number(&store, 10), 11);
	assert_int_equal(state_put_generation(&store, &generation, NULL), OK);
	assert_int_equal(state_next_number(&store, 0), 41);
	assert_true(state_get_generation(&store, 40, &found, NULL));
	assert_int_equal(found.kind, GENERATION_LISTS);
	assert_string_equal(found.label, "l");
	assert_false(state_get_generation(&store, 39, &found, NULL));
	store_close(&store);
}

static void knows_what_it_made(void **state)
{
	char reason[STORE_REASON_BYTES];
	struct state_generation made = {
	    .number = 3, .kind = GENERATION_RULES, .made_wall_us = 5, .fingerprint = 77};
	struct generation running = {.kind = GENERATION_RULES, .number = 3, .made_wall_us = 5};
	struct state_generation found;
	struct store store;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	assert_int_equal(state_put_generation(&store, &made, NULL), OK);
	assert_true(state_take_current(&store, &running));
	/* The same number, made by somebody else: nothing is known of its files. */
	running.made_wall_us = 6;
	assert_false(state_take_current(&store, &running));
	assert_true(state_get_generation(&store, 3, &found, NULL));
	assert_int_equal(found.fingerprint, 0);
	store_close(&store);
}

static void settings(void **state)
{
	char reason[STORE_REASON_BYTES];
	json_t *value = json_pack("[s, s]", "/a", "/b");
	json_t *found;
	struct store store;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	assert_null(state_get_setting(&store, "k"));
	assert_int_equal(state_put_setting(&store, "k", value), OK);
	found = state_get_setting(&store, "k");
	assert_true(json_equal(found, value));
	json_decref(found);
	json_decref(value);
	assert_int_equal(state_put_setting(&store, "k", NULL), OK);
	assert_null(state_get_setting(&store, "k"));
	store_close(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_only_rise),
	    cmocka_unit_test(knows_what_it_made),
	    cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
