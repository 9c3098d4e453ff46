/* test_rule_names.c - rules keep their names by generation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/rule_names.h"

static void put(struct rule_names *names, uint64_t generation, const char *name)
{
	json_t *rules = json_pack("[[s, i, s]]", name, 1000, "Described");

	assert_int_equal(rule_names_put(names, generation, rules), OK);
	json_decref(rules);
}

static void keeps_generations_apart(void **state)
{
	char reason[STORE_REASON_BYTES];
	struct store store;
	struct rule_names names;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	rule_names_open(&names, &store);
	assert_null(rule_names_find(&names, 1, 0));
	for (uint64_t generation = 1; generation <= 10; generation++) {
		char name[16];

		snprintf(name, sizeof(name), "RULE_%u", (unsigned int)generation);
		put(&names, generation, name);
	}
	/* More than are cached, twice over. */
	for (int round = 0; round < 2; round++)
		for (uint64_t generation = 1; generation <= 10; generation++) {
			char name[16];

			snprintf(name, sizeof(name), "RULE_%u", (unsigned int)generation);
			assert_string_equal(rule_names_find(&names, generation, 0)->name, name);
		}
	assert_null(rule_names_find(&names, 5, 1));
	assert_null(rule_names_find(&names, 11, 0));
	rule_names_close(&names);
	store_close(&store);
}

static void replaces_and_prunes(void **state)
{
	char reason[STORE_REASON_BYTES];
	struct store store;
	struct rule_names names;

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	rule_names_open(&names, &store);
	put(&names, 1, "OLD");
	assert_string_equal(rule_names_find(&names, 1, 0)->name, "OLD");
	put(&names, 1, "NEW");
	assert_string_equal(rule_names_find(&names, 1, 0)->name, "NEW");
	for (uint64_t generation = 2; generation <= RULE_NAMES_GENERATIONS_KEPT + 1; generation++)
		put(&names, generation, "LATER");
	rule_names_close(&names);
	rule_names_open(&names, &store);
	assert_null(rule_names_find(&names, 1, 0));
	assert_non_null(rule_names_find(&names, 2, 0));
	rule_names_close(&names);
	store_close(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_generations_apart),
	    cmocka_unit_test(replaces_and_prunes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
