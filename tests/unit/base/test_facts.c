/* test_facts.c - looking things up in the facts of one message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/facts.h"

static struct fact_field field_of(struct bytes name)
{
	return (struct fact_field){.name = name, .name_hash = fact_name_hash(name)};
}

static void fields_are_found_by_name_within_their_part(void **state)
{
	struct fact_field field[4] = {field_of(BYTES("Subject")), field_of(BYTES("X-Two")),
	                              field_of(BYTES("x-two")), field_of(BYTES("Subject"))};
	struct fact_part root = {.field_first = 0, .field_count = 3},
	                 inner = {.field_first = 3, .field_count = 1};
	struct facts facts = {.field = field, .field_count = 4};

	(void)state;
	assert_int_equal(facts_field(&facts, &root, BYTES("SUBJECT"), 0), 0);
	assert_int_equal(facts_field(&facts, &root, BYTES("SUBJECT"), 1), FACT_NONE);
	assert_int_equal(facts_field(&facts, &root, BYTES("X-Two"), 0), 1);
	assert_int_equal(facts_last_field(&facts, &root, BYTES("X-Two")), 2);
	assert_int_equal(facts_last_field(&facts, &root, BYTES("X-Three")), FACT_NONE);
	assert_int_equal(facts_field(&facts, &inner, BYTES("subject"), 3), 3);
	assert_int_equal(facts_field(&facts, &inner, BYTES("x-two"), 3), FACT_NONE);
}

static void a_tag_is_found_by_its_whole_name(void **state)
{
	static struct fact_html html;

	(void)state;
	html.tags = 2;
	html.tag[0] = (struct fact_tag){BYTES("a"), 0};
	html.tag[1] = (struct fact_tag){BYTES("area"), 2};
	assert_non_null(facts_tag(&html, BYTES("a")));
	assert_int_equal(facts_tag(&html, BYTES("area"))->open_count, 2);
	assert_null(facts_tag(&html, BYTES("ar")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_found_by_name_within_their_part),
	    cmocka_unit_test(a_tag_is_found_by_its_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
