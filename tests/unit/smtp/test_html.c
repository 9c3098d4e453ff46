/* test_html.c - the HTML tokenizer and character references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "smtp/html.h"

/* Tokens as text: T text, S start, E end, C comment, D declaration. */
static void tokens_are(const char *html, const char *wanted)
{
	struct html_tokenizer tokenizer;
	struct html_token token;
	char seen[512] = "";

	html_open(&tokenizer, bytes_text(html));
	do {
		static const char letters[] = ".TSECDI";
		size_t at = strlen(seen);

		html_next(&tokenizer, &token);
		if (token.kind == HTML_START || token.kind == HTML_END)
			snprintf(seen + at, sizeof(seen) - at, "%c(%s)", letters[token.kind],
			         token.name);
		else if (token.kind == HTML_TEXT)
			snprintf(seen + at, sizeof(seen) - at, "T(%.*s)", (int)token.text.len,
			         token.text.data);
		else
			snprintf(seen + at, sizeof(seen) - at, "%c", letters[token.kind]);
	} while (token.kind != HTML_END_OF_TEXT && strlen(seen) < 400);
	assert_string_equal(seen, wanted);
}

static void test_tokens(void **state)
{
	(void)state;
	tokens_are("", ".");
	tokens_are("a<b>c</b>", "T(a)S(b)T(c)E(b).");
	tokens_are("<!DOCTYPE html><!-- x --><p>", "DCS(p).");
	tokens_are("1 < 2 <b>", "T(1 )T(< 2 )S(b).");
	tokens_are("<script>a<b></script>c", "S(script)T(a<b>)E(script)T(c).");
	tokens_are("<title>x &amp; <b></title>", "S(title)T(x &amp; <b>)E(title).");
	tokens_are("<a href='x>y'>z", "S(a)T(z).");
	tokens_are("</ b>", "C.");
	tokens_are("<!Y;8>a<!foo bar>b<!ENTITY x \"y>z\">c<!doctypes>d", "CT(a)CT(b)DT(c)CT(d).");
	tokens_are("<!doctype -- a > -- >b<!doctype 'x>", "DT(b)C.");
	tokens_are("<!doctype x y\">a<!doctype a--b>c<!doctype x -y>d", "DT(a)DT(c)CT(d).");
	tokens_are("<!doctype \"a\"\"b>c\">d<!doctype x -- y>e", "DT(d)C.");
	tokens_are("a</b x='y>z'>c</b'd>e'>f", "T(a)E(b)T(c)E(b'd)T(e'>f).");
	tokens_are("a</ <b c='d>e</b>", "T(a)C.");
	tokens_are("a<_b>c<:d>e<-f>", "T(a)S(_b)T(c)S(:d)T(e)T(<-f>).");
	tokens_are("a<?xml version='1.0'?>b", "T(a)IT(b).");
	tokens_are("a<![CDATA[x&amp;<b>]]>c", "T(a)DT(x&amp;<b>)DT(c).");
	tokens_are("a<![ cdata [b]>c]] >", "T(a)DT(b]>c]] >).");
	tokens_are("a<![CDATA[]]>b<![if x]>c<![endif]>", "T(a)DDT(b)CT(c)C.");
}

#define LONG_BYTES ((size_t)512 * 1024)

/* `unit` again and again, then `end`: read to its end in a time in which each unit looked
 * for in all that follows could not be done. Returns the kind of the last token but one. */
static enum html_kind last_of_many(const char *unit, const char *end)
{
	static char html[LONG_BYTES];
	struct html_tokenizer tokenizer;
	struct html_token token;
	enum html_kind last = HTML_END_OF_TEXT;
	size_t len = 0, unit_len = strlen(unit);
	clock_t start = clock();

	while (len + unit_len + strlen(end) < sizeof(html)) {
		memcpy(html + len, unit, unit_len);
		len += unit_len;
	}
	memcpy(html + len, end, strlen(end));
	html_open(&tokenizer, bytes_of((const uint8_t *)html, len + strlen(end)));
	for (html_next(&tokenizer, &token); token.kind != HTML_END_OF_TEXT;
	     html_next(&tokenizer, &token))
		last = token.kind;
	assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
	return last;
}

static void test_declarations_that_are_none(void **state)
{
	(void)state;
	/* Where many were tried, one that is good is not. */
	assert_int_equal(last_of_many("<!doctype '>'", " -x><!doctype x>"), HTML_COMMENT);
	assert_int_equal(last_of_many("<!doctype '>'>", "<!doctype x>"), HTML_DECLARATION);
}

static void test_titles_without_an_end(void **state)
{
	(void)state;
	tokens_are("<title>a</title><title>b<title>c",
	           "S(title)T(a)E(title)S(title)T(b)E(title)S(title)T(c)E(title).");
	assert_int_equal(last_of_many("<title>", "<b>"), HTML_START);
	assert_int_equal(last_of_many("<title>", "</title>"), HTML_END);
}

static void test_broken_markup(void **state)
{
	(void)state;
	tokens_are("a<title>b<i>c", "T(a)S(title)T(b)E(title)S(i)T(c).");
	tokens_are("a<title>b", "T(a)S(title)T(b)E(title).");
	tokens_are("a<title>", "T(a)S(title).");
	tokens_are("</!--x-->a</>", "E(!--x--)T(a)C.");
	tokens_are("<b", "C.");
	tokens_are("a<", "T(a)C.");
	tokens_are("a</b", "T(a)C.");
	tokens_are("<!-- never closed > x", "CT( x).");
	tokens_are("<script>never closed", "S(script)T(never closed)E(script).");
	tokens_are("<a href=\"unclosed>x</a>", "C.");
}

static void test_attributes(void **state)
{
	struct html_tokenizer tokenizer;
	struct html_token token;
	const struct html_attribute *attribute;

	(void)state;
	html_open(&tokenizer, BYTES("<a HREF = \"one\" x=two y = 'th ree' z>"));
	html_next(&tokenizer, &token);
	assert_int_equal(token.attribute_count, 4);
	attribute = html_attribute(&token, "href");
	assert_non_null(attribute);
	assert_true(bytes_equal(attribute->value, BYTES("one")));
	assert_true(bytes_equal(html_attribute(&token, "x")->value, BYTES("two")));
	assert_true(bytes_equal(html_attribute(&token, "y")->value, BYTES("th ree")));
	assert_null(html_attribute(&token, "z")->value.data);
	assert_null(html_attribute(&token, "none"));
}

static void decoded_is(const char *in, bool prefixes, const char *wanted)
{
	uint8_t memory[128];
	struct sink out = sink_over(memory, sizeof(memory));

	html_decode(bytes_text(in), prefixes, &out);
	assert_int_equal(out.len, strlen(wanted));
	assert_memory_equal(out.data, wanted, out.len);
}

static void test_references(void **state)
{
	(void)state;
	decoded_is("a&amp;b", false, "a&b");
	decoded_is("&lt;&gt;&quot;", false, "<>\"");
	decoded_is("&#65;&#x42;&#X43;", false, "ABC");
	decoded_is("&eacute;", false, "\xc3\xa9");
	decoded_is("&euro;&euro", false, "\xe2\x82\xac&euro");
	decoded_is("&copy2001", true,
	           "\xc2\xa9"
	           "2001");
	decoded_is("&copy2001", false, "&copy2001");
	decoded_is("&#xD800;&#xDC00x", false, "\xf0\x90\x80\x80x");
	decoded_is("&#xD800;x&#xDFFF;&#x10FFFF;", false, "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd");
	decoded_is("&#0;&#xFFFE;&#99999999;", false, "&#0;&#xFFFE;&#99999999;");
	decoded_is("& &; &#; &nosuch;", false, "& &; &#; &nosuch;");
}

static void test_prepare(void **state)
{
	uint8_t data[] = "a&nbsp;b<br />c<hr/>\xe2\x80\x9cq\xe2\x80\x9d";
	size_t len = html_prepare(data, sizeof(data) - 1);

	(void)state;
	assert_int_equal(len, 15);
	assert_memory_equal(data, "a b<br>c<hr>\"q\"", 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_broken_markup),
	    cmocka_unit_test(test_attributes),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_prepare),
	    cmocka_unit_test(test_declarations_that_are_none),
	    cmocka_unit_test(test_titles_without_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
