/* test_uri_detail.c - uri_detail rules, from their lines to what they hit in messages. */
#include "classifier/rule_read.h"
#include "tests/unit/classifier/rules_fixture.h"
#include "tests/unit/smtp/normaliser_fixture.h"

#define TLDS "util_rb_tld com de org uk example net\nutil_rb_2tld co.uk\n"

/* What rule A of these lines is worth in a message. */
static double worth(const char *rules, const char *message)
{
	char text[4096];
	struct normalised out;
	struct message_facts facts = {.in_session = false};

	snprintf(text, sizeof(text), TLDS "%s", rules);
	struct fixture *f = fixture_new(text);
	normalise(normaliser, bytes_text(message), &facts, NULL, 0, &out);
	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++)
		if (kind != TEXT_HEADER)
			f->texts.kind[kind] = out.texts.kind[kind];
	f->texts.facts = out.texts.facts;
	fixture_judge(f);
	double value = fixture_value(f, "A");
	fixture_free(f);
	return value;
}

#define HTML(body) "Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" body "\r\n"
#define TEXT(body) "Subject: x\r\n\r\n" body "\r\n"

static void hits(const char *conditions, const char *message)
{
	char rule[512];

	snprintf(rule, sizeof(rule), "uri_detail A %s\n", conditions);
	assert_true(worth(rule, message) == 1);
}

static void misses(const char *conditions, const char *message)
{
	char rule[512];

	snprintf(rule, sizeof(rule), "uri_detail A %s\n", conditions);
	assert_true(worth(rule, message) == 0);
}

static void one_uri_meets_all_conditions(void **state)
{
	const char *two = HTML(
	    "<a href='http://a.com/x'>click</a> <a href='http://b.com/y'>here</a>");

	(void)state;
	hits("text =~ /click/ cleaned =~ /a\\.com/", two);
	hits("text =~ /here/ raw =~ m,b\\.com/,", two);
	misses("text =~ /click/ cleaned =~ /b\\.com/", two);
	misses("raw =~ /a\\.com/ cleaned =~ /b\\.com/", two);
	hits("raw =~ /a\\.com/ text !~ /here/", two);
	misses("raw =~ /a\\.com/ text !~ /click/", two);
	misses("raw =~ /a\\.com/ text !~ /click/", TEXT("no link at all"));
}

/* One of the values has to match, or with "!~" not to match; where there is none, neither holds. */
static void any_value_of_a_kind_will_do(void **state)
{
	const char *same = HTML("<a href='http://a.com/'>one</a> <a href='http://a.com/'>two</a>");

	(void)state;
	hits("text =~ /one/", same);
	hits("text =~ /two/", same);
	hits("text !~ /two/", same);
	misses("text !~ /one|two/", same);
	misses("text !~ /one/", TEXT("http://a.com/"));
	hits("cleaned =~ /^http:..www\\.a\\.com/", HTML("<img src='http://w%77w.a.com/'>"));
	hits("cleaned !~ /%77/ raw =~ /%77/", HTML("<img src='http://w%77w.a.com/'>"));
}

static void types_say_what_referred_to_it(void **state)
{
	(void)state;
	hits("type =~ /^a$/", HTML("<a href='http://a.com/'>x</a>"));
	misses("type =~ /^img$/", HTML("<a href='http://a.com/'>x</a>"));
	hits("type =~ /^img$/ type !~ /^a$/", HTML("<img src='http://a.com/i.gif'>"));
	hits("type =~ /^td$/", HTML("<table><tr><td background='http://a.com/'>x</table>"));
	hits("type =~ /^meta$/", HTML("<meta http-equiv=refresh content='0; url=http://a.com/'>"));
	hits("type =~ /^parsed$/", TEXT("see http://a.com/"));
	misses("type =~ /^schemeless$/", TEXT("see http://a.com/"));
	hits("type =~ /^schemeless$/", TEXT("see www.a.com"));
	misses("type =~ /^unlinked$/", TEXT("see www.a.com"));
	hits("type =~ /^unlinked$/", TEXT("see a.com"));
	/* The anchor that shows its own address is in both. */
	hits("type =~ /^unlinked$/ raw =~ /a.com$/ text =~ /a\\.com/",
	     HTML("<a href='http://a.com'>a.com</a>"));
	/* An anchor's text goes with the address as written, the tag with what that leads to. */
	const char *based = HTML("<base href='http://a.com/d/'><a href='p.html'>x</a>");
	hits("raw =~ /^p.html$/ text =~ /x/ type =~ /^parsed$/", based);
	hits("raw =~ /^http:..a.com.d.p.html$/ type =~ /^a$/", based);
	misses("raw =~ /^http/ text =~ /x/", based);
}

static void hosts_and_their_domains_match(void **state)
{
	(void)state;
	hits("host =~ /^www\\.a\\.co\\.uk$/ domain =~ /^a\\.co\\.uk$/",
	     TEXT("HTTP://me@WWW.A.co.uk:8080/x"));
	misses("host =~ /WWW/", TEXT("http://WWW.A.co.uk/"));
	hits("domain =~ /^1\\.2\\.3\\.4$/", TEXT("http://1.2.3.4/"));
	hits("host =~ /^c\\.org$/ raw =~ /^mailto:/", TEXT("me@c.org"));
	misses("host =~ /./", HTML("<a href='http://bad.nosuchtld/'>x</a>"));
	misses("domain !~ /a/", HTML("<a href='cid:b.com'>x</a>"));
}

static void signatures_name_domains(void **state)
{
	const char *signed_by = "Subject: x\r\nDKIM-Signature: v=1; d = m.a.co.uk; s=k;\r\n\tbh=x; "
	                        "b=y\r\n\r\ntext\r\n";

	(void)state;
	hits("type =~ /^domainkeys$/ domain =~ /^a\\.co\\.uk$/ raw =~ /^domainkeys:m\\.a/",
	     signed_by);
	misses("type =~ /^domainkeys$/ cleaned =~ /./", signed_by);
	assert_true(worth("parse_dkim_uris 0\nuri_detail A host =~ /m\\.a/\n", signed_by) == 0);
}

static void conditions_of_a_name_are_gathered(void **state)
{
	(void)state;
	struct rule_reader *r = malloc(sizeof(*r));

	assert_non_null(r);
	rule_reader_init(r, 0);
	rule_reader_text(r, "test.cf",
	                 BYTES("uri_detail A raw =~ /a b\\/c/i text!~m,x/y,sx noise\n"
	                       "uri_detail A raw !~ /other/\n"
	                       "uri_detail B nothing\nuri_detail C colour =~ /red/\n"
	                       "uri_detail D raw =~ /unclosed\nuri_detail E raw =~ /(/\n"));
	rule_reader_finish(r);
	const struct rule_text *a = rule_reader_find(r, BYTES("A"));
	assert_int_equal(a->type, RULE_URI_DETAIL);
	assert_string_equal(a->detail[URI_DETAIL_raw].pattern, "other");
	assert_true(a->detail[URI_DETAIL_raw].negated && a->detail[URI_DETAIL_text].negated);
	assert_string_equal(a->detail[URI_DETAIL_text].pattern, "(?sx)x/y");
	assert_null(a->detail[URI_DETAIL_host].pattern);
	assert_int_not_equal(rule_reader_find(r, BYTES("C"))->type, RULE_URI_DETAIL);
	assert_int_equal(r->report_count, 3);
	assert_true(r->report[0].fault && r->report[1].fault && r->report[2].fault);
	rule_reader_free(r);
	free(r);
}

/* A bad pattern is reported, and its rule is worth nothing. */
static void bad_patterns_are_told(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("uri_detail A raw =~ /(/ text =~ /x/\nbody B /b/\n");

	assert_non_null(fixture_report(f, "bad regex"));
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_uri_meets_all_conditions, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(any_value_of_a_kind_will_do, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(types_say_what_referred_to_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(hosts_and_their_domains_match, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(signatures_name_domains, set_up, tear_down),
	    cmocka_unit_test(conditions_of_a_name_are_gathered),
	    cmocka_unit_test(bad_patterns_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
