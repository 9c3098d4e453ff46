/* test_ruleset_open.c - how rulesets are opened: compiled patterns are shared, made once and kept
 * as long as needed; what no verdict needs is left out where only verdicts are asked. */
#include "tests/unit/classifier/rules_fixture.h"

#include "classifier/pattern_set.h"
#include "classifier/ruleset.h"
#include "classifier/ruleset_pattern.h"

static void one_text_is_compiled_once(void **state)
{
	struct pattern_set *set = pattern_set_new(true);
	char reason[PATTERN_REASON_BYTES];

	(void)state;
	assert_non_null(set);
	const struct pattern *a = pattern_set_take(set, BYTES("a+b"), reason);
	const struct pattern *again = pattern_set_take(set, BYTES("a+b"), reason);
	const struct pattern *other = pattern_set_take(set, BYTES("a+c"), reason);
	assert_non_null(a);
	assert_ptr_equal(a, again);
	assert_ptr_not_equal(a, other);
	assert_int_equal(pattern_set_count(set), 2);
	assert_int_equal(pattern_set_compiled_count(set), 2);
	pattern_set_give(set, a);
	assert_int_equal(pattern_set_count(set), 2);
	pattern_set_give(set, again);
	assert_int_equal(pattern_set_count(set), 1);
	a = pattern_set_take(set, BYTES("a+b"), reason);
	assert_non_null(a);
	assert_int_equal(pattern_set_compiled_count(set), 3);
	assert_null(pattern_set_take(set, BYTES("a("), reason));
	assert_true(strlen(reason) > 0);
	pattern_set_give(set, a);
	pattern_set_give(set, other);
	pattern_set_give(set, NULL);
	assert_int_equal(pattern_set_count(set), 0);
	pattern_set_leave(set);
	pattern_set_leave(NULL);
}

static const char before[] = "body SAME /alpha.*omega/\nscore SAME 1\n"
                             "body GONE /beta\\d+/\nscore GONE 2\n"
                             "header __HEAD Subject =~ /gamma/\n";
static const char after[] = "header __HEAD Subject =~ /gamma/\n"
                            "body FRESH /delta[xyz]/\nscore FRESH 4\n"
                            "body SAME /alpha.*omega/\nscore SAME 8\n"
                            "body TWICE /alpha.*omega/\nscore TWICE 16\n";

static int32_t points(struct fixture *f, const char *text)
{
	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, "subject");
	fixture_add(f, TEXT_BODY, text);
	fixture_judge(f);
	return f->judgement.score_milli;
}

/* Opens `rules` with the patterns of `like`, which may be closed before or behind it. */
static void open_like(struct fixture *f, const char *rules, const struct ruleset *like)
{
	char reason[200];
	int fd = -1;

	assert_int_equal(
	    fixture_compile(f, rules, &(struct rule_compile_options){.score_column = 0}, &fd), OK);
	assert_int_equal(generation_open(&f->generation, fd), OK);
	assert_int_equal(ruleset_open_with(&f->generation, &(struct ruleset_opening){.like = like},
	                                   &f->ruleset, reason),
	                 OK);
	f->context = scan_context_new(f->ruleset, &f->counters);
	assert_non_null(f->context);
}

static void the_next_ruleset_compiles_only_what_is_new(void **state)
{
	struct fixture *old = fixture_new(before);
	static struct fixture fresh;
	const struct pattern_set *set = old->ruleset->patterns;
	uint64_t compiled = pattern_set_compiled_count(set);

	(void)state;
	open_like(&fresh, after, old->ruleset);
	assert_ptr_equal(fresh.ruleset->patterns, set);
	assert_int_equal(pattern_set_compiled_count(set), compiled + 1);
	assert_int_equal(points(old, "alpha to omega, beta7, deltax"), 3000);
	assert_int_equal(points(&fresh, "alpha to omega, beta7, deltax"), 28000);
	uint32_t both = pattern_set_count(set);
	fixture_free(old);
	assert_int_equal(pattern_set_count(set), both - 1);
	assert_int_equal(points(&fresh, "alpha to omega, beta7, deltax"), 28000);
	fixture_close(&fresh);
}

static void the_newer_may_be_closed_first(void **state)
{
	struct fixture *old = fixture_new(before);
	static struct fixture fresh;

	(void)state;
	open_like(&fresh, after, old->ruleset);
	fixture_close(&fresh);
	assert_int_equal(points(old, "alpha to omega, beta7"), 3000);
	fixture_free(old);
}

static void a_ruleset_to_look_at_judges_alike(void **state)
{
	struct fixture *f = fixture_new(before);
	struct ruleset *ruleset;
	char reason[200];

	(void)state;
	assert_int_equal(ruleset_open_with(&f->generation,
	                                   &(struct ruleset_opening){.no_machine_code = true},
	                                   &ruleset, reason),
	                 OK);
	assert_false(ruleset->jit);
	scan_context_free(f->context);
	ruleset_close(f->ruleset);
	f->ruleset = ruleset;
	f->context = scan_context_new(f->ruleset, &f->counters);
	assert_int_equal(points(f, "alpha to omega, beta7"), 3000);
	fixture_free(f);
}

/* A call nothing listed leans on is left out where only verdicts are asked; the judgement stays. */
static void calls_nobody_needs_are_left_out(void **state)
{
	static const char rules[] = "header __UNUSED eval:check_for_missing_to_header()\n"
	                            "header __CHAINED eval:check_for_missing_to_header()\n"
	                            "meta __SUBTEST __CHAINED && !__UNUSED\n"
	                            "header __USED eval:check_for_missing_to_header()\n"
	                            "meta __STEP __USED\nmeta LISTED __STEP\nscore LISTED 4\n"
	                            "header OWN eval:check_for_missing_to_header()\nscore OWN 2\n";
	struct fixture *f = fixture_new(rules);

	(void)state;
	fixture_judge(f);
	assert_true(fixture_value(f, "__UNUSED") == 1 && fixture_value(f, "__CHAINED") == 1);
	struct judgement all = f->judgement;
	fixture_only_verdicts(f);
	fixture_judge(f);
	assert_true(fixture_value(f, "__UNUSED") == 0 && fixture_value(f, "__CHAINED") == 0);
	assert_true(fixture_value(f, "__USED") == 1);
	assert_int_equal(f->judgement.score_milli, 6000);
	fixture_same_judgement(&f->judgement, &all);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_text_is_compiled_once),
	    cmocka_unit_test(the_next_ruleset_compiles_only_what_is_new),
	    cmocka_unit_test(the_newer_may_be_closed_first),
	    cmocka_unit_test(a_ruleset_to_look_at_judges_alike),
	    cmocka_unit_test(calls_nobody_needs_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
