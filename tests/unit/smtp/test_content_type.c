/* test_content_type.c - Content-Type values, proper and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/mime.h"

static void is(const char *value, const char *type, const char *boundary, const char *charset)
{
	struct content_type parsed;

	content_type_parse(bytes_text(value), &parsed);
	assert_string_equal(parsed.type, type);
	assert_int_equal(parsed.boundary.len, strlen(boundary));
	assert_memory_equal(parsed.boundary.data, boundary, strlen(boundary));
	assert_int_equal(parsed.charset.len, strlen(charset));
	assert_memory_equal(parsed.charset.data, charset, strlen(charset));
}

static void test_types(void **state)
{
	(void)state;
	is("text/plain; charset=utf-8", "text/plain", "", "utf-8");
	is("TEXT/HTML; charset=\"ISO-8859-1\"", "text/html", "", "ISO-8859-1");
	is("text/csv", "text/plain", "", ""); /* other texts count as plain */
	is("text/calendar", "text/calendar", "", "");
	is("text", "text/plain", "", "");
	is("image/png; name=x", "image/png", "", "");
	is("text/plain charset=utf-8", "text/plain", "", "utf-8");
	is("", "text/plain", "", "");
	is("application/octet-stream (comment); x", "application/octet-stream", "", "");
}

static void test_boundaries(void **state)
{
	(void)state;
	is("multipart/mixed; boundary=\"a b\"", "multipart/mixed", "a b", "");
	is("multipart/mixed; boundary=abc", "multipart/mixed", "abc", "");
	is("multipart/mixed; BOUNDARY = abc; x=y", "multipart/mixed", "abc", "");
	is("multipart/mixed; boundary=\"never closed", "multipart/mixed", "never closed", "");
	is("multipart/mixed; boundary=", "multipart/mixed", "", "");
}

static void test_names(void **state)
{
	struct content_type parsed;

	(void)state;
	content_type_parse(BYTES("application/x; name=\"a.htm\""), &parsed);
	assert_int_equal(parsed.name.len, 5);
	content_type_parse(BYTES("application/x; name*0=\"b.html\""), &parsed);
	assert_int_equal(parsed.name.len, 6);
	content_type_parse(BYTES("; charset=x"), &parsed);
	assert_true(parsed.missing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_boundaries),
	    cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
