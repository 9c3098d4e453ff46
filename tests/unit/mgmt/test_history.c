/* test_history.c - events are added, found, read in order and pruned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/history.h"

static void add(struct history *history, uint64_t id, const char *json)
{
	struct event event = {.id = id, .wall_us = id};

	history_begin(history);
	history_add(history, &event, json);
	history_commit(history);
}

static void check_next(struct history *history, uint64_t *seq, const char *wanted)
{
	char *json = history_next(history, seq);

	if (wanted == NULL) {
		assert_null(json);
		return;
	}
	assert_non_null(json);
	assert_string_equal(json, wanted);
	free(json);
}

static void finds_and_reads(void **state)
{
	char reason[STORE_REASON_BYTES];
	struct store store;
	struct history history;
	uint64_t seq = 0;
	char *json;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	history_open(&history, &store, 1000);
	add(&history, 11, "a");
	add(&history, UINT64_MAX, "b");
	add(&history, 11, "c");
	assert_int_equal(history_row_count(&history), 3);
	json = history_find(&history, UINT64_MAX);
	assert_string_equal(json, "b");
	free(json);
	json = history_find(&history, 11);
	assert_string_equal(json, "c");
	free(json);
	assert_null(history_find(&history, 12));
	check_next(&history, &seq, "a");
	check_next(&history, &seq, "b");
	check_next(&history, &seq, "c");
	check_next(&history, &seq, NULL);
	add(&history, 13, "d");
	check_next(&history, &seq, "d");
	store_close(&store);
}

static void is_bounded(void **state)
{
	char reason[STORE_REASON_BYTES];
	struct store store;
	struct history history;
	uint64_t seq = 0;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	history_open(&history, &store, 5);
	for (uint64_t id = 1; id <= 12; id++)
		add(&history, id, id == 8 ? "eight" : "other");
	assert_int_equal(history_row_count(&history), 5);
	assert_null(history_find(&history, 7));
	check_next(&history, &seq, "eight");
	/* Who opens it again finds the same rows. */
	history_open(&history, &store, 5);
	assert_int_equal(history_row_count(&history), 5);
	assert_int_equal(history.next_seq, 13);
	store_close(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_and_reads),
	    cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
