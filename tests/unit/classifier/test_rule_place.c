/* test_rule_place.c - which strings and windows are found in patterns, and that none is claimed
 * wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "classifier/rule_place.h"

/* The strings found, sorted by the extractor's own order, joined by '|'. */
static void expect_strings(const char *pattern, enum text_kind kind, const char *expected)
{
	struct rule_pool pool = {NULL};
	struct literals literals = {0};
	struct regex regex;
	char joined[1024] = "";

	if (regex_parse(&pool, bytes_text(pattern), &regex) == OK)
		rule_literals(&pool, &regex, kind, &literals);
	for (uint32_t i = 0; i < literals.count; i++) {
		if (i > 0)
			strcat(joined, "|");
		strncat(joined, (const char *)literals.item[i].octet, literals.item[i].len);
	}
	assert_string_equal(joined, expected);
	rule_pool_free(&pool);
}

static void finds_required_strings(void **state)
{
	(void)state;
	expect_strings("abcde", TEXT_BODY, "abcde");
	expect_strings("(?i)AbcDe", TEXT_BODY, "abcde");
	expect_strings("AbcDe", TEXT_BODY, "AbcDe");
	expect_strings("x*foobar?y", TEXT_BODY, "fooba");
	expect_strings("(?:first|second)\\d+", TEXT_BODY, "first|second");
	expect_strings("(?:first|second|)", TEXT_BODY, "");
	expect_strings("(?:first)?", TEXT_BODY, "");
	expect_strings("(?:first){2}", TEXT_BODY, "firstfirst");
	expect_strings("gr[ae]y matter", TEXT_BODY, "gray matter|grey matter");
	expect_strings("(?!never)(?<!this)word(?=later)", TEXT_BODY, "word");
	expect_strings("one\\stwo", TEXT_URI,
	               "one\ttwo|one\ntwo|one\vtwo|one\ftwo|one\rtwo|one two");
	expect_strings("one\\stwo", TEXT_BODY, "one\ntwo|one two");
	expect_strings(".*", TEXT_BODY, "");
	expect_strings("ab", TEXT_BODY, "");
	expect_strings("(\\w+)\\1 tail", TEXT_BODY, " tail");
	expect_strings("(?i)stra\xdf"
	               "e",
	               TEXT_BODY,
	               "stra\xdf"
	               "e");
	expect_strings("foo\\Kbar", TEXT_BODY, "");
}

static enum rule_placement placed(const char *pattern)
{
	struct rule_pool pool = {NULL};
	struct placing placing = {.pool = &pool, .kind = TEXT_BODY};
	double cost = -1;
	enum rule_placement placement = rule_place(&placing, 0, 0, 0, bytes_text(pattern), false,
	                                           &cost);
	assert_true(cost > 0);

	rule_pool_free(&pool);
	return placement;
}

static void places_by_what_is_rare(void **state)
{
	(void)state;
	assert_int_equal(placed("(?i)cheap pills"), PLACED_LITERAL);
	assert_int_equal(placed("(?i)[v\\\\]+[\\W_]?[i1!l|]+[\\W_]?[a4\\@]+[\\W_]?[gq9]+[\\W_]?[r]+"
	                        "[\\W_]?[a4\\@]+"),
	                 PLACED_GATE);
	assert_int_equal(placed("\\S"), PLACED_RESIDUAL);
	assert_int_equal(placed("^.*$"), PLACED_RESIDUAL);
	assert_int_equal(placed("(?:th|an)"), PLACED_RESIDUAL);
}

/* How far the last octets of all windows of a pattern stand from where a match begins. */
static struct gate_reach reach_of(const char *pattern, uint32_t *out_count)
{
	struct rule_pool pool = {NULL};
	struct gate_windows windows = {0};
	struct gate_reach sum = {BEFORE_ENDLESS, 0};
	struct regex regex;

	assert_int_equal(regex_parse(&pool, bytes_text(pattern), &regex), OK);
	rule_gate(&pool, &regex, TEXT_BODY, &windows);
	for (uint32_t i = 0; i < windows.count; i++) {
		assert_true(windows.reach[i].min >= windows.window[i]->count);
		sum.min = windows.reach[i].min < sum.min ? windows.reach[i].min : sum.min;
		sum.max = windows.reach[i].max > sum.max ? windows.reach[i].max : sum.max;
	}
	*out_count = windows.count;
	rule_pool_free(&pool);
	return sum;
}

static void windows_know_where_a_match_begins(void **state)
{
	(void)state;
	uint32_t count;
	struct gate_reach bare = reach_of("[vV][1!][4@][9q][rR][4@]", &count);
	struct gate_reach behind = reach_of(".{2,5}[vV][1!][4@][9q][rR][4@]", &count);

	assert_int_equal(count, 1);
	assert_true(bare.min == bare.max && bare.max <= 6);
	assert_int_equal(behind.min, bare.min + 2);
	assert_int_equal(behind.max, bare.max + 5);

	behind = reach_of("(?:x|.*\\n)[vV][1!][4@][9q][rR][4@]", &count);
	assert_true(behind.min == bare.min + 1 && behind.max == BEFORE_ENDLESS);

	behind = reach_of(".(?:..|...)(?=y)(?:[vV][1!][4@][9q][rR][4@]|z[jJ][xX][4@]q){3}", &count);
	assert_true(count >= 1 && behind.min >= 3 && behind.max < BEFORE_ENDLESS);
	behind = reach_of(".{40000}.{40000}[vV][1!][4@][9q][rR][4@]", &count);
	assert_true(behind.min == BEFORE_ENDLESS && behind.max == BEFORE_ENDLESS);
	behind = reach_of(".{40000}[vV][1!][4@][9q][rR][4@]", &count);
	assert_true(behind.min == 40000 + bare.min && behind.max == behind.min);
}

static void unsupported_syntax_is_left_alone(void **state)
{
	(void)state;
	static const char *const patterns[] = {"(?(1)a|b)", "(?R)",    "(?1)",    "\\p{L}",
	                                       "\\Qa\\E",   "(*FAIL)", "(?|a|b)", "a)",
	                                       "(a",        "[a",      "*a",      "[b-a]"};
	struct rule_pool pool = {NULL};
	struct regex regex;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		assert_int_equal(regex_parse(&pool, bytes_text(patterns[i]), &regex),
		                 ERR_UNSUPPORTED);
	rule_pool_free(&pool);
}

static bool class_holds(const char *pattern, uint8_t octet)
{
	struct rule_pool pool = {NULL};
	struct regex regex;
	bool holds = false;

	assert_int_equal(regex_parse(&pool, bytes_text(pattern), &regex), OK);
	for (uint32_t i = 0; i < regex.count; i++)
		if (regex.node[i].kind == REGEX_OCTET)
			holds = octets_has(&regex.node[i].set, octet);
	rule_pool_free(&pool);
	return holds;
}

static void reads_classes(void **state)
{
	(void)state;
	assert_true(class_holds("[^]a-c]", 'd') && !class_holds("[^]a-c]", ']') &&
	            !class_holds("[^]a-c]", 'b'));
	assert_true(class_holds("[\\d-x]", '-') && class_holds("[\\d-x]", 'x') &&
	            class_holds("[\\d-x]", '7'));
	assert_true(class_holds("[[:upper:]-]", '-') && class_holds("(?i)[[:upper:]]", 'q'));
	assert_true(class_holds("(?i)\\xe9", 0xc9) && !class_holds("\\xe9", 0xc9));
	assert_false(class_holds("(?i)\\xf7", 0xd7));
	assert_true(class_holds("(?i)[^b]", 'a') && !class_holds("(?i)[^b]", 'B'));
	assert_true(class_holds(".", '\r') && !class_holds(".", '\n') &&
	            class_holds("(?s).", '\n'));
	assert_true(class_holds("[\\x41\\102\\t]", 'A') && class_holds("[\\x41\\102\\t]", 'B'));
	assert_true(class_holds("(?i:a)b", 'b') && !class_holds("(?i:a)b", 'B'));
	assert_true(class_holds("(?x) a # b\n", 'a'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_required_strings),
	    cmocka_unit_test(places_by_what_is_rare),
	    cmocka_unit_test(windows_know_where_a_match_begins),
	    cmocka_unit_test(unsupported_syntax_is_left_alone),
	    cmocka_unit_test(reads_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
