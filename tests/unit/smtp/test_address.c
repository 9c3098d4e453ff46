/* test_address.c - paths and parameters (RFC 5321 4.1.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/address.h"

static void assert_forward(const char *text, const char *local_part, const char *domain)
{
	struct address address;

	assert_int_equal(address_parse_forward_path(bytes_text(text), &address), ADDRESS_OK);
	assert_true(bytes_equal(address.local_part, bytes_text(local_part)));
	assert_true(bytes_equal(address.domain, bytes_text(domain)));
}

static void test_good_paths(void **state)
{
	struct address address;

	(void)state;
	assert_forward("<a@b.example>", "a", "b.example");
	assert_forward("<a.b+c/d=e@b>", "a.b+c/d=e", "b");
	assert_forward("<\"a b\\\"c\"@b>", "\"a b\\\"c\"", "b");
	assert_forward("<\"@\"@b>", "\"@\"", "b");
	assert_forward("<\"\"@b>", "\"\"", "b");
	assert_forward("<a@b.example.>", "a", "b.example.");
	assert_forward("<a@[192.0.2.1]>", "a", "[192.0.2.1]");
	assert_forward("<a@[ipv6:2001:db8::1]>", "a", "[ipv6:2001:db8::1]");
	assert_forward("<@x.example,@[192.0.2.1]:a@b>", "a", "b");
	assert_forward("<postMASTER>", "postMASTER", "");
	assert_int_equal(address_parse_reverse_path(BYTES("<> X=Y"), &address), ADDRESS_OK);
	assert_int_equal(address.path.len, 0);
	assert_true(bytes_equal(address.rest, BYTES(" X=Y")));
}

static void test_bad_paths(void **state)
{
	static const char *const bad[] = {
	    "",         "<",          ">",       "a@b",          "<a@b",       "<a>",
	    "<@b>",     "<a@>",       "<a@@b>",  "<a@b@c>",      "<a@b..c>",   "<a@.b>",
	    "<a@b->",   "<a@-b>",     "<a@[]>",  "<a@[1.2.3]>",  "<a@[x:]>",   "<a@[:x]>",
	    "<a@[-:x>", "<a@[x-:y]>", "<\"a@b>", "<\"a\\\">",    "<\"a\"b@c>", "<a\"b\"@c>",
	    "<a@b c>",  "< a@b>",     "<a @b>",  "<a@b >",       "<@x:>",      "<@x,a@b>",
	    "<@x a@b>", "<x:a@b>",    "<<a@b>>", "<a,b@c>",      "<(c)a@b>",   "<..@b>",
	    "<a.@b>",   "<a@b.>.>",   "<a@b\\>", "<\"a\tb\"@c>",
	};
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bytes text = bytes_text(bad[i]);
		enum address_result result = address_parse_forward_path(text, &address);
		/* "<a@b.>.>" is a path with something behind it. */
		if (result == ADDRESS_OK)
			assert_true(address.rest.len > 0);
		else
			assert_int_equal(result, ADDRESS_BAD);
	}
	assert_int_equal(address_parse_forward_path(BYTES("<>"), &address), ADDRESS_BAD);
	assert_int_equal(address_parse_reverse_path(BYTES("<postmaster>"), &address), ADDRESS_BAD);
	assert_int_equal(address_parse_reverse_path(BYTES("<@x:>"), &address), ADDRESS_BAD);
	assert_int_equal(address_parse_forward_path(BYTES("<a\0@b>"), &address), ADDRESS_BAD);
	assert_int_equal(address_parse_forward_path(BYTES("<\xc3\xa4@b>"), &address),
	                 ADDRESS_NOT_ASCII);
	assert_int_equal(address_parse_forward_path(BYTES("<a@\xc3\xa4>"), &address),
	                 ADDRESS_NOT_ASCII);
	assert_int_equal(address_parse_forward_path(BYTES("<a b> \xc3\xa4"), &address),
	                 ADDRESS_BAD);
}

/* A local part, a domain of labels of 60 and their lengths. */
static enum address_result parse_sized(size_t local, size_t domain)
{
	char text[1024] = "<";
	size_t len = 1;
	struct address address;

	memset(text + len, 'l', local);
	len += local;
	text[len++] = '@';
	for (size_t i = 0; i < domain; i++)
		text[len++] = i % 61 == 60 && i + 1 < domain ? '.' : 'd';
	text[len++] = '>';
	return address_parse_forward_path(bytes_of(text, len), &address);
}

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(parse_sized(64, 10), ADDRESS_OK);
	assert_int_equal(parse_sized(65, 10), ADDRESS_BAD);
	assert_int_equal(parse_sized(1, 252), ADDRESS_OK); /* 256 with brackets and '@' */
	assert_int_equal(parse_sized(1, 253), ADDRESS_BAD);
	assert_int_equal(parse_sized(1, 300), ADDRESS_BAD);
	assert_true(address_domain_is_valid(
	    BYTES("ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.x")));
	assert_false(address_domain_is_valid(
	    BYTES("dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.x")));
}

static void test_parameters(void **state)
{
	struct bytes rest = BYTES(" SIZE=100  body=8BITMIME FOO \t");
	struct address_parameter p;

	(void)state;
	assert_int_equal(address_parameter_next(&rest, &p), PARAMETER_FOUND);
	assert_true(bytes_equal(p.keyword, BYTES("SIZE")) && bytes_equal(p.value, BYTES("100")));
	assert_int_equal(address_parameter_next(&rest, &p), PARAMETER_FOUND);
	assert_true(bytes_equal(p.keyword, BYTES("body")) &&
	            bytes_equal(p.value, BYTES("8BITMIME")));
	assert_int_equal(address_parameter_next(&rest, &p), PARAMETER_FOUND);
	assert_true(bytes_equal(p.keyword, BYTES("FOO")) && !p.has_value);
	assert_int_equal(address_parameter_next(&rest, &p), PARAMETER_NONE);

	static const char *const bad[] = {
	    "X", " =", " -X", " X=", " X==", " X=\x80", " X=a\x01", " X_Y", "\tX", " \tX"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rest = bytes_text(bad[i]);
		assert_int_equal(address_parameter_next(&rest, &p), PARAMETER_BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_paths),
	    cmocka_unit_test(test_bad_paths),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_parameters),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
