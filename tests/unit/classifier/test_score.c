/* test_score.c - metas, unknown values, points and the list of hits. */
#include "tests/unit/classifier/rules_fixture.h"

static struct fixture *with_words(const char *metas)
{
	static char rules[8192];

	snprintf(rules, sizeof(rules),
	         "body __A /alpha/\nbody __B /beta/\nbody __C /gamma/\n"
	         "body __M /many/\ntflags __M multiple maxhits=5\nbody U eval:unheard_of()\n"
	         "tflags U nice\n%s",
	         metas);

	struct fixture *f = fixture_new(rules);
	fixture_add(f, TEXT_BODY, "alpha many many\n");
	fixture_judge(f);
	return f;
}

static void evaluates_with_perls_precedence(void **state)
{
	(void)state;
	struct fixture *f = with_words(
	    "meta T1 __A || __B && __C\nmeta T2 (__A || __B) && __C\n"
	    "meta T3 !__B && __A\nmeta T4 __A + __B + __C == 1\n"
	    "meta T5 2 + 3 * 4 - 6 / 2 == 11\nmeta T6 __B ? 5 : __A ? 7 : 9\n"
	    "meta T7 -__A < 0\nmeta T8 __M > 1 && __M <= 2\nmeta T9 __A != __B\n"
	    "meta T10 __A ^ __B\nmeta T11 !!__A\nmeta T12 1 / __B\n");

	assert_true(fixture_value(f, "T1") == 1);
	assert_true(fixture_value(f, "T2") == 0);
	assert_true(fixture_value(f, "T3") == 1);
	assert_true(fixture_value(f, "T4") == 1);
	assert_true(fixture_value(f, "T5") == 1);
	assert_true(fixture_value(f, "T6") == 7);
	assert_true(fixture_value(f, "T7") == 1);
	assert_true(fixture_value(f, "T8") == 1);
	assert_true(fixture_value(f, "T9") == 1);
	assert_true(fixture_value(f, "T10") == 1);
	assert_true(fixture_value(f, "T11") == 1);
	assert_true(fixture_value(f, "T12") == 0);
	fixture_free(f);
}

/* A negative result counts as 1, so what may become one may be 1. */
static void what_may_be_negative_may_be_one(void **state)
{
	(void)state;
	struct fixture *f = with_words("meta OPEN_OR_LESS (U > 5) - 1\nmeta LESS OPEN_OR_LESS < 1\n"
	                               "meta NOT_MORE OPEN_OR_LESS <= 1\n");

	assert_true(fixture_value(f, "OPEN_OR_LESS") == -1);
	assert_true(fixture_value(f, "LESS") == -1);
	assert_true(fixture_value(f, "NOT_MORE") == 1);
	fixture_free(f);
}

static void a_metas_worth_is_its_result(void **state)
{
	(void)state;
	struct fixture *f = with_words(
	    "meta __SUM __M + 1\nmeta USES __SUM == 3\nmeta NEG __B - __A\n"
	    "meta AFTER NEG == 1\nmeta LAST __A && __M\nmeta EARLIER LATER\n"
	    "meta LATER __A\nmeta GLOB rules_matching(__?) \nmeta NONE ()\n"
	    "meta UNHEARD NO_SUCH_RULE\n");

	assert_true(fixture_value(f, "__SUM") == 3);
	assert_true(fixture_value(f, "USES") == 1);
	assert_true(fixture_value(f, "NEG") == 1);
	assert_true(fixture_value(f, "AFTER") == 1);
	assert_true(fixture_value(f, "LAST") == 2);
	assert_true(fixture_value(f, "EARLIER") == 1);
	assert_true(fixture_value(f, "GLOB") == 3);
	assert_true(fixture_value(f, "NONE") == 0);
	assert_true(fixture_value(f, "UNHEARD") == 0);
	fixture_free(f);
}

static void what_is_unknown_spreads_only_where_it_matters(void **state)
{
	(void)state;
	struct fixture *f = with_words(
	    "meta OPEN1 U\nmeta OPEN2 !U\nmeta OPEN3 U && __A\nmeta OPEN4 U + __A > 1\n"
	    "meta OPEN5 U || __B\nmeta OPEN6 OPEN1 && __A\nmeta OPEN7 U == 0\n"
	    "meta SHUT1 U && __B\nmeta SHUT2 !(U || __A)\nmeta SURE1 U || __A\n"
	    "meta SURE2 U + __A > 0\nmeta SURE3 !(U && __B)\nmeta SURE4 __A ? 1 : U\n"
	    "meta SURE5 U >= 0\n");

	for (int i = 1; i <= 7; i++) {
		char name[] = "OPEN0";

		name[4] = (char)('0' + i);
		assert_true(fixture_value(f, name) == -1);
	}
	assert_true(fixture_value(f, "SHUT1") == 0);
	assert_true(fixture_value(f, "SHUT2") == 0);
	assert_int_equal(f->counters.metas_undecided, 7);
	/* The five that are sure hit, though not every one's worth is known. */
	assert_int_equal(f->judgement.score_milli, 5000);
	assert_int_equal(f->judgement.hit_count, 5);
	assert_false(f->judgement.incomplete);
	assert_non_null(fixture_report(f, "eval:unheard_of"));
	fixture_free(f);
}

static void circles_are_reported_and_never_hit(void **state)
{
	(void)state;
	struct fixture *f = with_words("meta X Y || __A\nmeta Y X\nmeta Z __A\n");

	assert_true(fixture_value(f, "X") == 0 && fixture_value(f, "Y") == 0);
	assert_true(fixture_value(f, "Z") == 1);
	assert_int_equal(fixture_report(f, "meta in a circle")->count, 2);
	fixture_free(f);
}

static void points_follow_the_columns(void **state)
{
	(void)state;
	static const char rules[] =
	    "body ONE /x/\nscore ONE 1.5\nbody FOUR /x/\nscore FOUR 0.1 0.2 0.3 0.4\n"
	    "body REL /x/\nscore REL 1\nscore REL (0.25)\nbody OFF /x/\nscore OFF 0 1 1 1\n"
	    "body T_TEST /x/\nbody NICE /x/\ntflags NICE nice\nbody __SUB /x/\n"
	    "body __OFF /x/\nscore __OFF 0\nmeta M __OFF\nbody SMALL /x/\nscore SMALL -0.0001\n";
	static const int32_t sum[RULE_COLUMNS] = {
	    1500 + 100 + 1250 + 10 - 1000, 1500 + 200 + 1250 + 1000 + 10 - 1000,
	    1500 + 300 + 1250 + 1000 + 10 - 1000, 1500 + 400 + 1250 + 1000 + 10 - 1000};

	for (uint32_t column = 0; column < RULE_COLUMNS; column++) {
		struct fixture *f = malloc(sizeof(*f));

		fixture_open(f, rules, &(struct rule_compile_options){.score_column = column});
		fixture_add(f, TEXT_BODY, "x");
		fixture_judge(f);
		assert_int_equal(f->judgement.score_milli, sum[column]);
		assert_true(fixture_value(f, "M") == 0);
		/* Heaviest first; subtests are not listed. */
		assert_string_equal(ruleset_rule_name(f->ruleset, f->judgement.hit[0].rule), "ONE");
		assert_int_equal(f->judgement.hit_count, column == 0 ? 6 : 7);
		fixture_free(f);
	}
}

static void net_rules_are_nought_without_net(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "header R eval:check_rbl('x', 'y.')\nbody N eval:ask()\ntflags N net\n"
	    "body L eval:check_bayes('0.99','1')\ntflags L learn\nmeta M R || N || L\n"
	    "meta NOT !R && !N && !L\n");

	fixture_judge(f);
	assert_true(fixture_value(f, "M") == 0);
	assert_true(fixture_value(f, "NOT") == 1);
	fixture_free(f);
}

static void the_least_fall_off_a_full_list(void **state)
{
	(void)state;
	static char rules[16384];
	size_t at = 0;

	for (int i = 0; i < EVENT_RULES_MAX + 4; i++)
		at += (size_t)snprintf(rules + at, sizeof(rules) - at,
		                       "body R%d /x/\nscore R%d %d\n", i, i, i + 1);
	struct fixture *f = fixture_new(rules);
	fixture_add(f, TEXT_BODY, "x");
	fixture_judge(f);
	assert_int_equal(f->judgement.hit_count, EVENT_RULES_MAX);
	assert_int_equal(f->judgement.hits_left_out, 4);
	assert_int_equal(f->judgement.hit[0].score_milli, (EVENT_RULES_MAX + 4) * 1000);
	assert_int_equal(f->judgement.hit[EVENT_RULES_MAX - 1].score_milli, 5000);
	fixture_free(f);
}

static void verdicts_follow_the_policy(void **state)
{
	(void)state;
	struct verdict_policy policy = {5000, 10000, false};
	struct judgement j = {.score_milli = 4999};

	assert_int_equal(verdict_decide(&j, &policy), VERDICT_ACCEPT);
	j.score_milli = 5000;
	assert_int_equal(verdict_decide(&j, &policy), VERDICT_TAG);
	j.score_milli = 10000;
	assert_int_equal(verdict_decide(&j, &policy), VERDICT_REJECT);
	/* What could not be judged whole is never refused for good. */
	j.incomplete = true;
	assert_int_equal(verdict_decide(&j, &policy), VERDICT_DEFER);
	policy.failure_accepts = true;
	assert_int_equal(verdict_decide(&j, &policy), VERDICT_TAG);
}

/* Metas are looked at only where something they name has changed; a context judges many messages.
 */
static void one_message_leaves_nothing_to_the_next(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int32_t milli;
	} step[] = {{"one", 1000 + 10000}, {"zip", 100000},           {"two", 2000 + 100000},
	            {"zip", 100000},       {"one two", 3000 + 10000}, {"one two", 3000 + 10000},
	            {"zip", 100000}};
	struct fixture *f = fixture_new("body A /one/\nbody B /two/\nmeta __C A\nmeta __D __C\n"
	                                "meta E __D\nmeta F !__D\nmeta G A + B > 5\n"
	                                "score A 1\nscore B 2\nscore E 10\nscore F 100\n");

	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		fixture_empty_texts(f);
		fixture_add(f, TEXT_BODY, step[i].text);
		fixture_judge(f);
		assert_int_equal(f->judgement.score_milli, step[i].milli);
	}
	fixture_free(f);
}

static uint32_t random_state = 20261122;

static uint32_t chance(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

struct expression {
	char text[900];
	size_t len;
};

static void put(struct expression *e, const char *text)
{
	e->len += (size_t)snprintf(e->text + e->len, sizeof(e->text) - e->len, "%s", text);
}

/* Some expression over the words' rules, the unknown one and constants. */
static void make_expression(struct expression *e, int depth)
{
	static const char *const leaf[] = {"__A", "__B", "__C", "__D", "__M", "U", "0", "1", "3"};
	static const char *const op[] = {" && ", " && ", " && ", " || ", " + ",  " - ",
	                                 " * ",  " > ",  " >= ", " < ",  " == ", " / "};

	if (depth == 0 || chance(4) == 0) {
		put(e, leaf[chance(sizeof(leaf) / sizeof(leaf[0]))]);
		return;
	}
	put(e, chance(5) == 0 ? "!(" : chance(12) == 0 ? "-(" : "(");
	make_expression(e, depth - 1);
	put(e, op[chance(sizeof(op) / sizeof(op[0]))]);
	make_expression(e, depth - 1);
	put(e, ")");
	if (chance(10) == 0) {
		put(e, " ? ");
		make_expression(e, depth - 1);
		put(e, " : ");
		make_expression(e, depth - 1);
	}
}

static void expect_worth_of_code(const struct fixture *f)
{
	struct value stack[META_DEPTH_MAX];

	for (uint32_t i = 0; i < f->ruleset->order_count; i++) {
		uint32_t index = f->ruleset->order[i];
		const struct value *is = &f->context->value[index];
		struct value want = meta_value(f->ruleset, &f->ruleset->rule[index],
		                               f->context->value, stack);

		if (is->lo != want.lo || is->hi != want.hi)
			fail_msg("%s: [%g, %g] for [%g, %g]", ruleset_rule_name(f->ruleset, index),
			         is->lo, is->hi, want.lo, want.hi);
	}
}

/* What is passed over since a rule it needs did not hit is worth what its code says. */
static void guards_change_no_worth(void **state)
{
	static const char *const word[] = {"alpha ", "beta ", "gamma ", "delta ", "many "};
	static char rules[65536];

	(void)state;
	for (int turn = 0; turn < 20; turn++) {
		size_t len = (size_t)snprintf(
		    rules, sizeof(rules),
		    "body __A /alpha/\nbody __B /beta/\nbody __C /gamma/\nbody __D /delta/\n"
		    "body __M /many/\ntflags __M multiple\nbody U eval:unheard_of()\n");

		for (int i = 0; i < 40; i++) {
			struct expression e = {.len = 0};

			make_expression(&e, 3);
			len += (size_t)snprintf(rules + len, sizeof(rules) - len, "meta R%d %s\n",
			                        i, e.text);
		}
		assert_true(len < sizeof(rules));
		struct fixture *f = fixture_new(rules);
		for (uint32_t hits = 0; hits < 32; hits++) {
			char text[80] = "x ";

			for (int k = 0; k < 5; k++)
				if ((hits >> k & 1) != 0)
					strcat(text, word[k]);
			fixture_empty_texts(f);
			fixture_add(f, TEXT_BODY, text);
			fixture_judge(f);
			expect_worth_of_code(f);
		}
		fixture_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_message_leaves_nothing_to_the_next),
	    cmocka_unit_test(guards_change_no_worth),
	    cmocka_unit_test(evaluates_with_perls_precedence),
	    cmocka_unit_test(what_may_be_negative_may_be_one),
	    cmocka_unit_test(a_metas_worth_is_its_result),
	    cmocka_unit_test(what_is_unknown_spreads_only_where_it_matters),
	    cmocka_unit_test(circles_are_reported_and_never_hit),
	    cmocka_unit_test(points_follow_the_columns),
	    cmocka_unit_test(net_rules_are_nought_without_net),
	    cmocka_unit_test(the_least_fall_off_a_full_list),
	    cmocka_unit_test(verdicts_follow_the_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
