/* test_ucl.c - items and lines of the configuration language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/ucl.h"

/* All items of a text as one line: {key [ value@line ] } and so on. */
static const char *items(const char *text)
{
	static char out[1024];
	struct buf buf = buf_over(out, sizeof(out) - 1);
	struct ucl ucl;
	struct ucl_item item;

	ucl_init(&ucl, bytes_text(text));
	do {
		item = ucl_next(&ucl);
		buf_put(&buf, item.key);
		if (item.kind == UCL_VALUE) {
			buf_put_octet(&buf, '=');
			assert_true(ucl_item_text(&item, &buf));
			buf_put_octet(&buf, '@');
			buf_put_u64(&buf, item.line);
		}
		buf_put_text(&buf, item.kind == UCL_OBJECT  ? "{"
		                   : item.kind == UCL_ARRAY ? "["
		                   : item.kind == UCL_CLOSE ? "<"
		                   : item.kind == UCL_ERROR ? "error"
		                                            : " ");
	} while (item.kind != UCL_END && item.kind != UCL_ERROR);
	out[buf.len] = '\0';
	return out;
}

static void members_end_with_newlines_semicolons_or_commas(void **state)
{
	(void)state;
	assert_string_equal(items("a=1;b : 2, c 3\nd=4"), "a=1@1 b=2@1 c=3@1 d=4@2  ");
	assert_string_equal(items("a {x=1}b{y=2}"), "a{x=1@1 <b{y=2@1 < ");
	assert_string_equal(items(""), " ");
	assert_string_equal(items("# only a comment"), " ");
}

static void a_name_before_the_brace_opens_two_objects(void **state)
{
	(void)state;
	assert_string_equal(items("a b { x = 1 }\nc = 2"), "a{b{x=1@1 <<c=2@2  ");
	assert_string_equal(items("a \"b\"\n{ }"), "a{b{<< ");
	assert_string_equal(items("a\n{ }"), "a{< ");
	assert_string_equal(items("a b {} a c {}"), "a{b{<<a{c{<< ");
}

static void arrays_hold_values_and_containers(void **state)
{
	(void)state;
	assert_string_equal(items("a = [1, \"x y\"\n 2, {b=3}, [4]]"),
	                    "a[=1@1 =x y@1 =2@2 {b=3@2 <[=4@2 << ");
	assert_string_equal(items("a []"), "a[< ");
}

static void comments_nest_and_count_lines(void **state)
{
	(void)state;
	assert_string_equal(items("/* 1\n/* 2 */\n*/ a = /* x */ 5 # y\nb=6"), "a=5@3 b=6@4  ");
}

static void a_document_may_have_braces_of_its_own(void **state)
{
	(void)state;
	assert_string_equal(items("{\"a\": {\"b\": true}}\n"), "a{b=true@1 < ");
	assert_string_equal(items("{a=1"), "a=1@1 error");
	assert_string_equal(items("{}{}"), "error");
}

static void escapes_are_those_of_json(void **state)
{
	(void)state;
	assert_string_equal(items("a = \"\\\"\\\\\\/\\u0041\\u00e9\\u20ac\""),
	                    "a=\"\\/A\xc3\xa9\xe2\x82\xac@1  ");
	assert_string_equal(items("a = 'it\\'s'"), "a=it's@1  ");
}

static void bad_escapes_are_refused(void **state)
{
	static const char *const texts[] = {"\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u0000\"",
	                                    "\"\\ud800\""};
	uint8_t memory[16];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[32];
		struct ucl ucl;
		struct buf buf = buf_over(memory, sizeof(memory));
		snprintf(text, sizeof(text), "a = %s", texts[i]);
		ucl_init(&ucl, bytes_text(text));
		struct ucl_item item = ucl_next(&ucl);
		assert_int_equal(item.kind, UCL_VALUE);
		assert_false(ucl_item_text(&item, &buf));
	}
}

static void nesting_is_bounded(void **state)
{
	(void)state;
	assert_string_equal(items("a=[[[[[[[[1]]]]]]]]"), "a[[[[[[[[=1@1 <<<<<<<< ");
	assert_string_equal(items("a=[[[[[[[[[1]]]]]]]]]"), "a[[[[[[[[error");
}

static void an_error_stays(void **state)
{
	struct ucl ucl;

	(void)state;
	ucl_init(&ucl, BYTES("a = 1\n]\nb = 2"));
	assert_int_equal(ucl_next(&ucl).kind, UCL_VALUE);
	for (int i = 0; i < 3; i++) {
		struct ucl_item item = ucl_next(&ucl);
		assert_int_equal(item.kind, UCL_ERROR);
		assert_int_equal(item.line, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members_end_with_newlines_semicolons_or_commas),
	    cmocka_unit_test(a_name_before_the_brace_opens_two_objects),
	    cmocka_unit_test(arrays_hold_values_and_containers),
	    cmocka_unit_test(comments_nest_and_count_lines),
	    cmocka_unit_test(a_document_may_have_braces_of_its_own),
	    cmocka_unit_test(escapes_are_those_of_json),
	    cmocka_unit_test(bad_escapes_are_refused),
	    cmocka_unit_test(nesting_is_bounded),
	    cmocka_unit_test(an_error_stays),
	};

	return cmocka_run_group_tests_name("ucl", tests, NULL, NULL);
}
