/* test_rule_shrink.c - patterns said otherwise match the same octets. */
#include "classifier/rule_shrink.h"
#include "tests/unit/classifier/rules_fixture.h"

#define SUBJECT_BYTES 64
#define SUBJECTS      20000

/* Both patterns count the same matches in many random texts. */
static void same_matches(const char *before, const char *after, const char *alphabet)
{
	struct rule_pool pool = {0};
	struct fixture *f = fixture_new(rule_pool_printf(
	    &pool, "body A /%s/\ntflags A multiple\nbody B /%s/\ntflags B multiple\n", before,
	    after));
	uint64_t random = 88172645463325252u, hits = 0;

	for (int i = 0; i < SUBJECTS; i++) {
		char subject[SUBJECT_BYTES + 1];
		size_t len = 1 + (size_t)(i % SUBJECT_BYTES);

		for (size_t k = 0; k < len; k++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			subject[k] = alphabet[random % strlen(alphabet)];
		}
		subject[len] = '\0';
		fixture_empty_texts(f);
		fixture_add(f, TEXT_BODY, subject);
		fixture_judge(f);
		assert_true(fixture_value(f, "A") == fixture_value(f, "B"));
		hits += fixture_value(f, "A") > 0;
	}
	/* A comparison of misses alone would tell nothing. */
	assert_true(hits > 100);
	fixture_free(f);
	rule_pool_free(&pool);
}

static void calls_match_as_groups_do(void **state)
{
	(void)state;
#define LONG_GROUP "(?:a+?b|(?:bc|b|cdcdcdcdcdcdcdcdcdcdcdcdcd)c*)"
	static const char *const patterns[] = {
	    "(?i)(?:(?:a|ab|[bc]{1,3}?|(?:c|d){2,3}|aaaaaaaaaa)(?:\\s|x)?){3}d",
	    (LONG_GROUP "d" LONG_GROUP),
	    "^.{0,4}(?:(a|b)(c|d)?(?:x\\b|[^\\]a-c]|aaaaaaaaaaaaaaaaa)){2,4}(?=d)d"};
	struct rule_pool pool = {0};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const char *shorter = rule_shrink(&pool, patterns[i]);

		assert_non_null(shorter);
		assert_non_null(strstr(shorter, "(?&s1)"));
		same_matches(patterns[i], shorter, "abcdABx ");
	}
	rule_pool_free(&pool);
}

static void leaves_alone_what_a_call_would_change(void **state)
{
	(void)state;
	static const char *const patterns[] = {
	    "(a)(?:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb){5}\\1",
	    "a(?i:b)(?:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb){5}",
	    "(?>a)(?:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb){5}",
	    "(?<n>a)(?:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb){5}",
	    "no groups",
	    "(?:short){2}",
	    "(?:unclosed"};
	struct rule_pool pool = {0};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		assert_null(rule_shrink(&pool, patterns[i]));
	rule_pool_free(&pool);
}

static void assertions_may_be_repeated(void **state)
{
	(void)state;
	struct rule_pool pool = {0};

	assert_string_equal(rule_group_assertions(&pool, "a$?[$?]\\$?b\\b*^{2}^"),
	                    "a(?:$)?[$?]\\$?b(?:\\b)*(?:^){2}^");
	rule_pool_free(&pool);

	struct fixture *f = fixture_new("body A /save $?[\\d.]+ a year/i\n");
	fixture_add(f, TEXT_BODY, "Save 300 a year");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	fixture_free(f);
}

static void large_patterns_hit(void **state)
{
	(void)state;
	static char rules[200000], letter[900];
	size_t len = 0;

	/* A letter with hundreds of look-alikes, as obfuscation rules have it. */
	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(letter + len, sizeof(letter) - len, "%s[\\x%02x]",
		                        i ? "|" : "(?:", 0x41 + i);
	snprintf(letter + len, sizeof(letter) - len, ")");
	len = (size_t)snprintf(rules, sizeof(rules), "body A /\\bxyz");
	for (int i = 0; i < 200; i++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len, "%s", letter);
	snprintf(rules + len, sizeof(rules) - len, "!/\n");

	struct fixture *f = fixture_new(rules);
	char text[300];
	memset(text, 'Q', sizeof(text));
	memcpy(text, "xyz", 3);
	snprintf(text + 203, sizeof(text) - 203, "!");
	fixture_add(f, TEXT_BODY, text);
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	text[100] = '0';
	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, text);
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calls_match_as_groups_do),
	    cmocka_unit_test(leaves_alone_what_a_call_would_change),
	    cmocka_unit_test(assertions_may_be_repeated),
	    cmocka_unit_test(large_patterns_hit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
