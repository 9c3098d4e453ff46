/* test_plain.c - patterns that need no PCRE2: which they are, and that they find what PCRE2 finds.
 */
#include "classifier/plain.h"
#include "classifier/rule_plain.h"
#include "tests/unit/classifier/rules_fixture.h"

static bool is_plain(const char *pattern)
{
	struct rule_pool pool = {NULL};
	struct regex regex;
	struct plain plain;
	bool good = regex_parse(&pool, bytes_text(pattern), &regex) == OK &&
	            rule_plain(&regex, bytes_text(pattern), &plain);

	rule_pool_free(&pool);
	return good;
}

static void only_choices_of_strings_are_plain(void **state)
{
	(void)state;
	assert_true(is_plain("e"));
	assert_true(is_plain("[\\x80-\\xff]"));
	assert_true(is_plain("(?i)cheap pills"));
	assert_true(is_plain("(?:e|\\xc3[\\xa8\\xa9]|a(?:b|bc)d)"));
	assert_true(is_plain("(?m)^[^\\r\\n]{998}"));
	assert_true(is_plain("(?m)^.{80,}"));
	assert_false(is_plain("^.{80}"));
	assert_false(is_plain("(?m)^.{80,90}"));
	assert_false(is_plain("(?m)^.{80}a"));
	assert_false(is_plain("(?m)^.{0}"));
	assert_false(is_plain("(?ms)^.{80}"));
	assert_false(is_plain("(?m)^[^\\n\\x]{80}"));
	assert_false(is_plain("\\be"));
	assert_false(is_plain("e$"));
	assert_false(is_plain("e+"));
	assert_false(is_plain("e?"));
	assert_false(is_plain("(?=e)e"));
	assert_false(is_plain("(?i)[^e]"));
	assert_false(is_plain("(e)\\1"));
	assert_false(is_plain("(?>a|ab)c"));
	assert_false(is_plain("a|"));
	assert_false(is_plain("[ab][ab][ab][ab][ab](?:a|b)(?:a|b)(?:a|b)(?:a|b)(?:a|b)"));
}

static const char *const patterns[] = {
    "/e/",
    "/[a-c]/i",
    "/(?:ab|abc|b)/",
    "/(?:abc|ab|b)/",
    "/a(?:b|bc)c?/",
    "/(?:aa|a)(?:b|c)/",
    "/(?:a|\\xc3[\\xa4\\xa5])/i",
    "/\\x00/",
    "/(?i:a)B/",
    "/a.b/",
    "/(?s)a.b/",
    "/[\\d\\-]a/i",
    "/\\xe4/i",
    "/[[:upper:]]b/i",
    "/\\W[ab]/i",
    "/(?:a|b|ab)(?:c|bc)/",
    "/^[^\\r\\n]{6}/m",
    "/^[^\\n]{1}/m",
    "/^.{3,}/m",
    "/^.{12}/m",
    "/[\\x80-\\xff]/",
    "/[\\x00\\x11\\x2f\\x7f\\x80\\x9a\\xf0\\xff]/",
    "/(?:[\\x0f\\xe0-\\xef]|[\\x70\\x8f][\\x00-\\x7f])/",
};

#define TEXT_OCTETS_MAX 300u /* more than a block of octets that are looked at together */
#define PATTERNS        (sizeof(patterns) / sizeof(patterns[0]))

static uint32_t random_state = 7;

static uint32_t chance(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

/* Full of what patterns look for, or with a little of it far from the beginning. */
static void make_text(uint8_t *text, size_t bytes)
{
	static const uint8_t letters[] = "aaabbbccABCe \n\n\r\xc3\xc4\xe4\xa4\xa5\x00-1.";

	memset(text, 'z', bytes);
	for (size_t i = chance(3) == 0 ? chance(TEXT_OCTETS_MAX) : 0; i < bytes; i++)
		text[i] = chance(40) == 0 ? (uint8_t)chance(256)
		                          : letters[chance(sizeof(letters) - 1)];
}

static void compare(const char *flags)
{
	static char rules[8192];
	static struct fixture brute;
	const struct rule_compile_options no_triggers = {.no_triggers = true};
	size_t len = 0;
	uint32_t hits = 0;

	for (size_t i = 0; i < PATTERNS; i++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len, "body R%zu %s\n", i,
		                        patterns[i]);
	for (size_t i = 0; i < PATTERNS && flags != NULL; i++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len, "tflags R%zu %s\n", i,
		                        flags);
	assert_true(len < sizeof(rules));
	struct fixture *f = fixture_new(rules);
	fixture_open(&brute, rules, &no_triggers);
	for (uint32_t turn = 0; turn < 2000; turn++) {
		uint8_t text[3][TEXT_OCTETS_MAX];

		fixture_empty_texts(f);
		fixture_empty_texts(&brute);
		for (uint32_t k = 0; k < 3; k++) {
			size_t bytes = chance(chance(2) == 0 ? 40 : TEXT_OCTETS_MAX);

			make_text(text[k], bytes);
			fixture_append(f, TEXT_BODY, &f->segment[TEXT_BODY][k], text[k], bytes);
			fixture_append(&brute, TEXT_BODY, &brute.segment[TEXT_BODY][k], text[k],
			               bytes);
		}
		f->texts.kind[TEXT_BODY].segment_count = 3;
		brute.texts.kind[TEXT_BODY].segment_count = 3;
		fixture_judge(f);
		fixture_judge(&brute);
		for (uint32_t i = 0; i < PATTERNS; i++) {
			if (f->context->state[i].count != brute.context->state[i].count)
				fail_msg("%s: %u, PCRE2 %u", patterns[i],
				         f->context->state[i].count, brute.context->state[i].count);
			hits += f->context->state[i].count;
		}
	}
	assert_true(hits > 2000);
	fixture_close(&brute);
	fixture_free(f);
}

static void finds_what_pcre2_finds(void **state)
{
	(void)state;
	compare(NULL);
}

static void counts_what_pcre2_counts(void **state)
{
	(void)state;
	compare("multiple");
	compare("multiple maxhits=3");
}

static void pcre2_is_not_asked(void **state)
{
	struct fixture *f = fixture_new("body R /(?:cheap|dear) pills/i\n"
	                                "body S /e/\n"
	                                "tflags S multiple\n");

	(void)state;
	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, "dear pills, CHEAP pills");
	fixture_judge(f);
	assert_int_equal(f->context->state[0].count, 1);
	assert_int_equal(f->context->state[1].count, 1);
	assert_int_equal(f->counters.confirms, 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_choices_of_strings_are_plain),
	    cmocka_unit_test(finds_what_pcre2_finds),
	    cmocka_unit_test(counts_what_pcre2_counts),
	    cmocka_unit_test(pcre2_is_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
