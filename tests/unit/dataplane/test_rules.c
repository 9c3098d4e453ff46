/* test_rules.c - publication and retirement of rules, on fake generations. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/rules.h"
#include "fake_classifier.h"

#define WORKERS 2

static struct rules_slot *slot;
static char reason[RULES_REASON_BYTES];

static int setup(void **state)
{
	struct classifier_counters *counters[WORKERS] = {NULL};

	(void)state;
	slot = rules_slot_new(WORKERS, counters);
	return slot == NULL;
}

/* Everything is closed at the end, whatever the case did. */
static int teardown(void **state)
{
	(void)state;
	rules_slot_free(slot);
	return fake_rulesets_open != 0 || fake_lists_open != 0 || fake_contexts_open != 0;
}

static enum err publish(enum generation_kind kind, uint64_t number)
{
	enum generation_kind out_kind;
	uint64_t out_number;
	int fd = fake_generation(kind, number);
	enum err err = rules_publish(slot, fd, &out_kind, &out_number, reason);

	if (err != OK) {
		close(fd);
		return err;
	}
	assert_int_equal(out_kind, kind);
	assert_int_equal(out_number, number);
	return OK;
}

static void starts_without_rules(void **state)
{
	const struct rules_view *view = rules_current(slot, 0);

	(void)state;
	assert_null(view->ruleset);
	assert_null(view->context);
	assert_null(view->lists);
	assert_int_equal(view->rules_number, 0);
	assert_false(rules_refresh(slot, 0));
	assert_null(rules_generation(slot, GENERATION_RULES));
	assert_true(rules_settled(slot));
}

static void workers_move_when_they_refresh(void **state)
{
	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 7), OK);
	assert_null(rules_current(slot, 0)->ruleset);
	assert_false(rules_settled(slot));
	assert_true(rules_refresh(slot, 0));
	assert_false(rules_refresh(slot, 0));
	assert_int_equal(rules_current(slot, 0)->rules_number, 7);
	assert_true(fake_is_alive(rules_current(slot, 0)->ruleset));
	assert_int_equal(rules_number_running(slot, GENERATION_RULES), 0); /* worker 1 has none */
	assert_true(rules_refresh(slot, 1));
	assert_int_equal(rules_number_running(slot, GENERATION_RULES), 7);
	assert_true(rules_settled(slot));
	assert_ptr_not_equal(rules_current(slot, 0)->context, rules_current(slot, 1)->context);
	assert_int_equal(rules_generation(slot, GENERATION_RULES)->number, 7);
}

static void pinned_rules_outlive_their_successor(void **state)
{
	struct rules_view *old;

	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 1), OK);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	old = rules_current(slot, 0);
	rules_pin(old);
	rules_pin(old);
	assert_int_equal(publish(GENERATION_RULES, 2), OK);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	rules_retire(slot);
	assert_true(fake_is_alive(old->ruleset));
	assert_true(fake_is_alive(old->context));
	assert_int_equal(old->rules_number, 1);
	rules_unpin(old);
	assert_int_equal(rules_retire(slot), 0);
	rules_unpin(old);
	assert_int_equal(rules_retire(slot), 1);
	assert_int_equal(fake_rulesets_open, 1);
	assert_int_equal(fake_contexts_open, WORKERS);
	assert_int_equal(rules_set_count(slot), 1);
}

static void old_rules_stay_until_all_workers_moved(void **state)
{
	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 1), OK);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	rules_retire(slot);
	assert_int_equal(publish(GENERATION_RULES, 2), OK);
	rules_refresh(slot, 0);
	assert_int_equal(rules_retire(slot), 0);
	assert_true(fake_is_alive(rules_current(slot, 1)->ruleset));
	rules_leave(slot, 1);
	assert_int_equal(rules_retire(slot), 1);
	assert_true(rules_settled(slot));
	assert_true(rules_refresh(slot, 1));
	assert_int_equal(rules_current(slot, 1)->rules_number, 2);
}

static void parts_are_replaced_one_by_one(void **state)
{
	const struct ruleset *ruleset;

	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 10), OK);
	assert_int_equal(publish(GENERATION_LISTS, 20), OK);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	ruleset = rules_current(slot, 0)->ruleset;
	for (uint64_t n = 30; n < 60; n++) {
		assert_int_equal(publish(GENERATION_DELTA, n), OK);
		rules_refresh(slot, 0);
		rules_refresh(slot, 1);
		assert_ptr_equal(rules_current(slot, 0)->ruleset, ruleset);
		assert_true(fake_is_alive(ruleset));
		assert_int_equal(rules_current(slot, 1)->lists_number, 20);
		assert_int_equal(rules_current(slot, 1)->delta_number, n);
		assert_ptr_equal(rules_lists(slot, GENERATION_DELTA),
		                 rules_current(slot, 1)->delta);
	}
	rules_retire(slot);
	assert_int_equal(fake_rulesets_open, 1);
	assert_int_equal(fake_lists_open, 2);
}

static void a_shadow_lies_beside_the_rules(void **state)
{
	enum generation_kind kind;
	uint64_t number;
	struct rules_view *pinned;

	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 1), OK);
	assert_int_equal(publish(GENERATION_SHADOW, 2), OK);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	pinned = rules_current(slot, 0);
	assert_int_equal(pinned->rules_number, 1);
	assert_int_equal(pinned->shadow_number, 2);
	assert_ptr_not_equal(pinned->shadow, pinned->ruleset);
	assert_ptr_not_equal(pinned->shadow_context, pinned->context);
	assert_ptr_not_equal(pinned->shadow_context, rules_current(slot, 1)->shadow_context);
	assert_int_equal(fake_contexts_open, 2 * WORKERS);
	rules_pin(pinned);

	/* The empty one ends it; a message that was begun before keeps what it has. */
	assert_int_equal(rules_publish(slot, fake_empty_generation(GENERATION_SHADOW, 3), &kind,
	                               &number, reason),
	                 OK);
	assert_int_equal(kind, GENERATION_SHADOW);
	rules_refresh(slot, 0);
	rules_refresh(slot, 1);
	assert_null(rules_current(slot, 0)->shadow);
	assert_null(rules_current(slot, 0)->shadow_context);
	assert_int_equal(rules_current(slot, 0)->rules_number, 1);
	assert_int_equal(rules_number_running(slot, GENERATION_SHADOW), 3);
	assert_true(fake_is_alive(pinned->shadow));
	assert_true(fake_is_alive(pinned->shadow_context));
	rules_unpin(pinned);
	rules_retire(slot);
	assert_int_equal(fake_rulesets_open, 1);
	assert_int_equal(fake_contexts_open, WORKERS);
}

static void a_bad_shadow_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 1), OK);
	fake_selectors_wrong = true;
	assert_int_equal(publish(GENERATION_SHADOW, 2), ERR_VERSION);
	fake_selectors_wrong = false;
	rules_refresh(slot, 0);
	assert_null(rules_current(slot, 0)->shadow);
	assert_null(rules_generation(slot, GENERATION_SHADOW));
	assert_int_equal(rules_current(slot, 0)->rules_number, 1);
}

static void bad_generations_change_nothing(void **state)
{
	enum generation_kind kind;
	uint64_t number;
	int pipes[2];

	(void)state;
	assert_int_equal(publish(GENERATION_RULES, 1), OK);
	assert_int_equal(pipe(pipes), 0);
	assert_int_not_equal(rules_publish(slot, pipes[0], &kind, &number, reason), OK);
	assert_int_not_equal(strlen(reason), 0);
	assert_int_equal(fcntl(pipes[0], F_GETFD), 0); /* still the caller's */
	close(pipes[0]);
	close(pipes[1]);
	fake_ruleset_refused = true;
	assert_int_equal(publish(GENERATION_RULES, 2), ERR_PLATFORM);
	assert_string_equal(reason, "refused by the test");
	fake_ruleset_refused = false;
	fake_context_refused = true;
	assert_int_equal(publish(GENERATION_RULES, 3), ERR_NO_MEMORY);
	fake_context_refused = false;
	fake_selectors_wrong = true;
	assert_int_equal(publish(GENERATION_RULES, 4), ERR_VERSION);
	fake_selectors_wrong = false;
	rules_refresh(slot, 0);
	assert_int_equal(rules_current(slot, 0)->rules_number, 1);
	assert_int_equal(fake_rulesets_open, 1);
}

static void old_messages_bound_what_can_be_published(void **state)
{
	struct rules_view *held[RULES_SETS_MAX];
	uint32_t count = 0;
	enum err err = OK;

	(void)state;
	for (uint64_t n = 1; n <= RULES_SETS_MAX; n++) {
		rules_refresh(slot, 0);
		rules_refresh(slot, 1);
		held[count] = rules_current(slot, 0);
		rules_pin(held[count++]);
		err = publish(GENERATION_RULES, n);
		if (err != OK)
			break;
	}
	assert_int_equal(err, ERR_BUSY);
	assert_int_equal(rules_set_count(slot), RULES_SETS_MAX);
	rules_unpin(held[0]);
	assert_int_equal(publish(GENERATION_RULES, 99), OK);
	for (uint32_t i = 1; i < count; i++)
		rules_unpin(held[i]);
}

/* A worker at full speed; what it holds must be open whenever it looks. */
struct racer {
	uint32_t worker;
	_Atomic bool stop;
	uint64_t seen, dead;
};

static void *race(void *argument)
{
	struct racer *racer = argument;
	struct rules_view *pinned = NULL;

	while (!atomic_load(&racer->stop)) {
		struct rules_view *view;

		racer->seen += rules_refresh(slot, racer->worker);
		view = rules_current(slot, racer->worker);
		racer->dead += view->ruleset != NULL && !fake_is_alive(view->ruleset);
		if (pinned != NULL) {
			racer->dead += pinned->ruleset != NULL && !fake_is_alive(pinned->ruleset);
			rules_unpin(pinned);
		}
		pinned = view;
		rules_pin(pinned);
	}
	if (pinned != NULL)
		rules_unpin(pinned);
	rules_leave(slot, racer->worker);
	return NULL;
}

static void nothing_is_closed_under_a_running_worker(void **state)
{
	struct racer racers[WORKERS] = {{.worker = 0}, {.worker = 1}};
	pthread_t threads[WORKERS];
	uint64_t published = 0;

	(void)state;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (uint64_t n = 1; n <= 2000; n++)
		published += publish(GENERATION_RULES, n) == OK;
	for (int i = 0; i < WORKERS; i++)
		atomic_store(&racers[i].stop, true);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(published > 0);
	assert_int_equal(racers[0].dead + racers[1].dead, 0);
	assert_true(racers[0].seen > 0);
	rules_retire(slot);
	assert_int_equal(rules_set_count(slot), 1);
}

/* Each worker's context of rules gets its worker's memo; those of shadow rules get none. */
static void results_are_kept_for_rules_in_force(void **state)
{
	(void)state;
	assert_int_equal(rules_slot_keep_results(slot, 100), ERR_NO_MEMORY);
	assert_int_equal(rules_slot_keep_results(slot, 65536), OK);
	fake_memos_set = 0;
	assert_int_equal(publish(GENERATION_RULES, 1), OK);
	assert_int_equal(fake_memos_set, WORKERS);
	assert_int_equal(publish(GENERATION_SHADOW, 2), OK);
	assert_int_equal(publish(GENERATION_LISTS, 3), OK);
	assert_int_equal(fake_memos_set, WORKERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(starts_without_rules, setup, teardown),
	    cmocka_unit_test_setup_teardown(results_are_kept_for_rules_in_force, setup, teardown),
	    cmocka_unit_test_setup_teardown(workers_move_when_they_refresh, setup, teardown),
	    cmocka_unit_test_setup_teardown(pinned_rules_outlive_their_successor, setup, teardown),
	    cmocka_unit_test_setup_teardown(old_rules_stay_until_all_workers_moved, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(parts_are_replaced_one_by_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_shadow_lies_beside_the_rules, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_bad_shadow_changes_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(bad_generations_change_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(old_messages_bound_what_can_be_published, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(nothing_is_closed_under_a_running_worker, setup,
	                                    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
