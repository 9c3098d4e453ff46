/* test_flank.c - a string that stands where no match holds it does not bring PCRE2 in, and one that
 * does is never passed over. */
#include "tests/unit/classifier/rules_fixture.h"

/* How often PCRE2 was asked about one body text, and what was found. */
static uint32_t asked(const char *rules, const char *text, uint32_t *out_hits)
{
	struct fixture *f = fixture_new(rules);

	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, text);
	f->counters.confirms = 0;
	fixture_judge(f);
	uint32_t confirms = (uint32_t)f->counters.confirms;
	*out_hits = f->context->state[0].count;
	fixture_free(f);
	return confirms;
}

static void expect(const char *rules, const char *text, bool looked_at, uint32_t hits)
{
	uint32_t found;
	uint32_t confirms = asked(rules, text, &found);

	if ((confirms > 0) != looked_at)
		fail_msg("%s: PCRE2 was asked %u times", text, confirms);
	assert_int_equal(found, hits);
}

static void what_follows_a_string_decides(void **state)
{
	static const char rules[] = "body R /(?:(?:name|city|phone)s?[:,;] ?){3}/i\n";

	(void)state;
	expect(rules, "my name is known in every city I phone", false, 0);
	expect(rules, "name of a city without a phone", false, 0);
	expect(rules, "Name: City, Phones;", true, 1);
}

/* Copies of a repeat stand side by side, not somewhere in the text. */
static void another_copy_follows(void **state)
{
	static const char once[] = "body R /(?:(?:name|city|phone)s?[:,;] ?){3}/i\n";
	static const char nested[] = "body R /(?:<(?:(?:name|city)[:;]){2}>){2}end/i\n";

	(void)state;
	expect(once, "name: in a city, by phone: and so on", false, 0);
	expect(once, "my name: is in a phone, city; names: of all", true, 1);
	expect(nested, "<name:city;><city:name;>", true, 0);
	expect(nested, "<city:><name:city;><city:name;>end", true, 1);
}

static void what_stands_before_a_string_decides(void **state)
{
	static const char rules[] = "body R /\\b[1-9]\\d{2}(?:[.,]\\d{3})* dollars/\n";

	(void)state;
	expect(rules, "many dollars", false, 0);
	expect(rules, " dollars", false, 0);
	expect(rules, "77 dollars", false, 0);
	expect(rules, "777 dollars", true, 1);
	expect(rules, "it is 777,000 dollars", true, 1);
}

/* A place of the pattern that takes nearly anything does not make a string of it. */
static void a_string_is_sought_in_its_own_place(void **state)
{
	static const char rules
	    [] = "body R /(?:amount [\\w\\s]{0,30}lost|name|city)(?:[:;]|\\([^)]{1,9}\\))end/i\n";

	(void)state;
	expect(rules, "the name of the city", false, 0);
	expect(rules, "amount of name lost(all)end", true, 1);
	expect(rules, "city(of)end", true, 1);
}

/* A pattern that begins a line (or the text) begins nowhere else. */
static void beginnings_of_lines_are_minded(void **state)
{
	static const char line[] = "body R /^\\s?(?:\\d{1,3}\\. )?(?:your )?(?:name|city):/im\n";
	static const char text[] = "body R /(?:^(?=[yn])|\\A)(?:your )?(?:name|city):/i\n";
	static const char either[] = "body R /(?:^|, )(?:your )?(?:name|city):/im\n";

	(void)state;
	expect(line, "tell me your name:", false, 0);
	expect(line, "tell me\nabout your city: no\n", false, 0);
	expect(line, "your name:", true, 1);
	expect(line, "tell me\n 12. your city:", true, 1);
	expect(text, "tell\nyour name:", false, 0);
	expect(text, "Your Name:", true, 1);
	expect(either, "and, your name: or\ncity:", true, 1);
}

static void caseless_octets_of_both_cases_fit(void **state)
{
	static const char rules[] = "body R /caf\xe9 (?:[gk]r)+o\xdc/i\n";

	(void)state;
	expect(rules, "CAF\xc9 KRO\xfc", true, 1);
	expect(rules, "caf\xe9 GRO\xdc", true, 1);
	expect(rules, "caf\xe9 gr", false, 0);
}

/* Beyond what a walk looks at the answer is yes. */
static void long_walks_give_up(void **state)
{
	static const char rules[] = "body R /needle[a-z]*[0-9]/\n";
	char text[200];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "needle", 6);
	text[190] = '\0';
	expect(rules, text, true, 0);
	text[189] = '7';
	expect(rules, text, true, 1);
	text[90] = '\0';
	expect(rules, text, false, 0);
	text[20] = '?';
	expect(rules, text, false, 0);
}

/* What rules out a string far away and seldom is left to PCRE2; what does so near it is not. */
static void walks_stop_where_little_is_refused(void **state)
{
	static const char rules[] = "body R /needle: [aeiou][^\\x01]+[0-9]/\n";
	char text[120];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "needle: a", 9);
	memcpy(text + 100, "\x01", 2);
	expect(rules, text, true, 0);
	expect(rules, "needle: xof others", false, 0);
}

static void counts_are_kept(void **state)
{
	static const char rules[] = "body R /(?:red|blue) (?:car|bus)\\b/\n"
	                            "tflags R multiple\n";

	(void)state;
	expect(rules, "red car, blue bus, red card, blue, red bus", true, 3);
	expect(rules, "red and blue", false, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_follows_a_string_decides),
	    cmocka_unit_test(another_copy_follows),
	    cmocka_unit_test(what_stands_before_a_string_decides),
	    cmocka_unit_test(a_string_is_sought_in_its_own_place),
	    cmocka_unit_test(beginnings_of_lines_are_minded),
	    cmocka_unit_test(caseless_octets_of_both_cases_fit),
	    cmocka_unit_test(long_walks_give_up),
	    cmocka_unit_test(walks_stop_where_little_is_refused),
	    cmocka_unit_test(counts_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
