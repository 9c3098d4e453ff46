/* test_rule_shrink.c - patterns said otherwise match the same octets. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "classifier/rule_shrink.h"
#include "classifier/ruleset_pattern.h"
#include "tests/unit/classifier/rules_fixture.h"

#define SUBJECT_BYTES 64

/* Where the pattern matches in `subject`: its offsets, or -1. */
static void match(const pcre2_code *code, struct bytes subject, long out[2])
{
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
	int result = pcre2_match(code, subject.data, subject.len, 0, 0, data, NULL);
	const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);

	out[0] = result > 0 ? (long)range[0] : -1;
	out[1] = result > 0 ? (long)range[1] : -1;
	pcre2_match_data_free(data);
}

static void same_matches(const char *before, const char *after, const char *alphabet)
{
	const uint8_t *tables = pattern_tables_new();
	char reason[PATTERN_REASON_BYTES];
	bool large;
	pcre2_code *a = pattern_compile(tables, bytes_text(before), reason, &large);
	pcre2_code *b = pattern_compile(tables, bytes_text(after), reason, &large);
	uint64_t random = 88172645463325252u, hits = 0;

	assert_non_null(a);
	assert_non_null(b);
	for (int i = 0; i < 20000; i++) {
		uint8_t subject[SUBJECT_BYTES];
		size_t len = 1 + (size_t)(i % SUBJECT_BYTES);
		long in_a[2], in_b[2];

		for (size_t k = 0; k < len; k++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			subject[k] = (uint8_t)alphabet[random % strlen(alphabet)];
		}
		match(a, bytes_of(subject, len), in_a);
		match(b, bytes_of(subject, len), in_b);
		assert_true(in_a[0] == in_b[0] && in_a[1] == in_b[1]);
		hits += in_a[0] >= 0;
	}
	/* A comparison of misses alone would tell nothing. */
	assert_true(hits > 100);
	pcre2_code_free(a);
	pcre2_code_free(b);
	pattern_tables_free(tables);
}

static void calls_match_as_groups_do(void **state)
{
	(void)state;
	static const char *const patterns[] = {
	    "(?i)(?:(?:a|ab|[bc]{1,3}?|(?:c|d){2,3}|aaaaaaaaaa)(?:\\s|x)?){3}d",
	    "(?:a+?b|(?:bc|b|cdcdcdcdcdcdcdcdcdcdcdcdcdcdcd)c*)d(?:a+?b|(?:bc|b|"
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcd)c*)",
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
