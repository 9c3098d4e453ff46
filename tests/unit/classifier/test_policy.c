/* test_policy.c - policies of recipients' domains: found, limits, points in place of a rule's own.
 */
#include "tests/unit/classifier/rules_fixture.h"

#include "classifier/list_build.h"
#include "classifier/ruleset.h"

struct wish {
	const char *domain;
	int32_t tag, reject;
	const char *scores;
};

static const char
    rules[] = "body FIRST /alpha/\nscore FIRST 2\nbody SECOND /beta/\nscore SECOND 3\n"
              "body OFF /x/\nscore OFF 0\nbody __SUB /alpha/\n";

static void open_with(struct fixture *f, const struct wish *wish, size_t count)
{
	char path[32], reason[200];
	int fd = -1;

	memset(f, 0, sizeof(*f));
	fixture_file(rules, path);
	f->compiler = rule_compiler_new(&(struct rule_compile_options){.score_column = 0});
	assert_int_equal(rule_compiler_load(f->compiler, path), OK);
	unlink(path);
	for (size_t i = 0; i < count; i++)
		rule_compiler_add_domain(f->compiler, wish[i].domain, wish[i].tag, wish[i].reject,
		                         wish[i].scores);
	assert_int_equal(rule_compiler_finish(f->compiler, 7, 1000, "test", &fd), OK);
	assert_int_equal(generation_open(&f->generation, fd), OK);
	assert_int_equal(ruleset_open(&f->generation, &f->ruleset, reason), OK);
	f->context = scan_context_new(f->ruleset, &f->counters);
	assert_non_null(f->context);
	fixture_empty_texts(f);
}

static uint32_t policy_of(const struct fixture *f, const char *domain)
{
	return ruleset_policy_of(f->ruleset, bytes_text(domain));
}

static void domains_are_found_whatever_their_case(void **state)
{
	static const struct wish wish[] = {
	    {"Example.ORG", 1000, 2000, ""},
	    {"example.net", POLICY_POINTS_UNSET, 2000, ""},
	    {"a.example.org", POLICY_POINTS_UNSET, POLICY_POINTS_UNSET, "FIRST=0"},
	    {"same.example", 1000, 2000, ""},
	};
	static struct fixture f;
	int32_t tag = 5000, reject = 10000;
	char longest[400];

	(void)state;
	open_with(&f, wish, 4);
	assert_int_equal(policy_of(&f, "other.example"), POLICY_COMMON);
	assert_int_equal(policy_of(&f, ""), POLICY_COMMON);
	assert_int_equal(policy_of(&f, "org"), POLICY_COMMON);
	assert_int_not_equal(policy_of(&f, "example.org"), POLICY_COMMON);
	assert_int_equal(policy_of(&f, "EXAMPLE.org"), policy_of(&f, "same.example"));
	assert_int_not_equal(policy_of(&f, "example.org"), policy_of(&f, "example.net"));
	assert_int_not_equal(policy_of(&f, "a.example.org"), policy_of(&f, "example.org"));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(policy_of(&f, longest), POLICY_COMMON);

	ruleset_policy_limits(f.ruleset, policy_of(&f, "other.example"), &tag, &reject);
	assert_int_equal(tag, 5000);
	assert_int_equal(reject, 10000);
	ruleset_policy_limits(f.ruleset, policy_of(&f, "example.net"), &tag, &reject);
	assert_int_equal(tag, 5000);
	assert_int_equal(reject, 2000);
	ruleset_policy_limits(f.ruleset, policy_of(&f, "example.org"), &tag, &reject);
	assert_int_equal(tag, 1000);
	fixture_close(&f);
}

static void points_of_a_domain_take_the_place_of_the_rules_own(void **state)
{
	static const struct wish wish[] = {
	    {"zero.example", POLICY_POINTS_UNSET, POLICY_POINTS_UNSET, "SECOND=0"},
	    {"other.example", POLICY_POINTS_UNSET, POLICY_POINTS_UNSET,
	     "SECOND=9 FIRST=-1.5 SECOND=7.25"},
	};
	static struct fixture f;

	(void)state;
	open_with(&f, wish, 2);
	fixture_add(&f, TEXT_BODY, "alpha beta\n");
	fixture_judge(&f);
	assert_int_equal(f.judgement.score_milli, 5000);
	scan_context_set_policy(f.context, policy_of(&f, "zero.example"));
	fixture_judge(&f);
	assert_int_equal(f.judgement.score_milli, 2000);
	scan_context_set_policy(f.context, policy_of(&f, "other.example"));
	fixture_judge(&f);
	assert_int_equal(f.judgement.score_milli, 5750);
	assert_int_equal(f.judgement.hit_count, 2);
	assert_int_equal(f.judgement.hit[0].score_milli, 7250);
	assert_int_equal(f.judgement.hit[1].score_milli, -1500);
	scan_context_set_policy(f.context, POLICY_COMMON);
	fixture_judge(&f);
	assert_int_equal(f.judgement.score_milli, 5000);
	fixture_close(&f);
}

static void rules_that_cannot_count_are_reported(void **state)
{
	static const struct wish wish[] = {
	    {"a.example", POLICY_POINTS_UNSET, POLICY_POINTS_UNSET, "NONE=1"},
	    {"b.example", POLICY_POINTS_UNSET, POLICY_POINTS_UNSET, "OFF=1"},
	    {"c.example", POLICY_POINTS_UNSET, POLICY_POINTS_UNSET, "__SUB=1"},
	};
	static struct fixture f;

	(void)state;
	open_with(&f, wish, 3);
	assert_non_null(strstr(fixture_report(&f, "domains.a.example")->text, "no such rule"));
	assert_non_null(strstr(fixture_report(&f, "domains.b.example")->text, "does not run"));
	assert_non_null(strstr(fixture_report(&f, "domains.c.example")->text, "never scores"));
	assert_string_equal(fixture_report(&f, "domains.a.example")->rule, "NONE");
	fixture_add(&f, TEXT_BODY, "alpha beta\n");
	scan_context_set_policy(f.context, policy_of(&f, "b.example"));
	fixture_judge(&f);
	assert_int_equal(f.judgement.score_milli, 5000);
	fixture_close(&f);
}

/* Enough domains that the search has something to do. */
static void many_domains_are_told_apart(void **state)
{
	enum { COUNT = 200 };
	static struct wish wish[COUNT];
	static char name[COUNT][32];
	static struct fixture f;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(name[i], sizeof(name[i]), "d%d.%s", i * 7919 % 1000,
		         i % 3 == 0 ? "example" : "example.org");
		wish[i] = (struct wish){name[i], -i - 1, POLICY_POINTS_UNSET, ""};
	}
	open_with(&f, wish, COUNT);
	for (int i = 0; i < COUNT; i++) {
		int32_t tag = 0, reject = 0;

		ruleset_policy_limits(f.ruleset, policy_of(&f, name[i]), &tag, &reject);
		assert_int_equal(tag, -i - 1);
	}
	fixture_close(&f);
}

static void being_listed_is_a_rule(void **state)
{
	struct fixture *f = fixture_new(
	    "header BOTS eval:check_scored_list('BOTS')\nscore BOTS 2.5\n"
	    "header LINKS eval:check_scored_list('LINKS')\n"
	    "meta BOTH BOTS && LINKS\n");
	struct list_builder *b = list_builder_new(0), *d = list_builder_new(0);
	struct listed listed = {{NULL, NULL}, {{{0}}, {{0}}}};
	struct generation g, delta_g;
	struct lists *lists, *delta;
	char reason[200];
	int fd;

	(void)state;
	assert_int_equal(list_builder_score(b, "OTHER", LIST_KEY_URI, BYTES("a.example")), OK);
	assert_int_equal(list_builder_score(b, "LINKS", LIST_KEY_URI, BYTES("a.example")), OK);
	assert_int_equal(list_builder_finish(b, GENERATION_LISTS, 1, 2, "test", &fd), OK);
	assert_int_equal(generation_open(&g, fd), OK);
	assert_int_equal(lists_open(&g, &lists, reason), OK);
	assert_int_equal(list_builder_score(d, "BOTS", LIST_KEY_HELO, BYTES("b.example")), OK);
	assert_int_equal(list_builder_finish(d, GENERATION_DELTA, 1, 2, "test", &fd), OK);
	assert_int_equal(generation_open(&delta_g, fd), OK);
	assert_int_equal(lists_open(&delta_g, &delta, reason), OK);

	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 0);
	listed.lists[0] = lists;
	listed.lists[1] = delta;
	scan_context_set_listed(f->context, &listed);
	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 0);
	lists_collect_domain(delta, LIST_KEY_HELO, BYTES("x.b.example"), &listed.set[1]);
	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 2500);
	lists_collect_domain(lists, LIST_KEY_URI, BYTES("a.example"), &listed.set[0]);
	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 4500);
	lists_close(lists);
	lists_close(delta);
	generation_close(&g);
	generation_close(&delta_g);
	list_builder_free(b);
	list_builder_free(d);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(domains_are_found_whatever_their_case),
	    cmocka_unit_test(points_of_a_domain_take_the_place_of_the_rules_own),
	    cmocka_unit_test(rules_that_cannot_count_are_reported),
	    cmocka_unit_test(many_domains_are_told_apart),
	    cmocka_unit_test(being_listed_is_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
