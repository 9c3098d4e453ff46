/* test_askdns.c - names made by templates, and what records of them make rules hit. */
#include "base/dkim_question.h"
#include "network_fixture.h"

static void templates_name_what_is_asked(void **state)
{
	(void)state;
	open_rules("askdns AUTHOR _AUTHORDOMAIN_.fresh.example. A /^127\\.2\\.0\\.2$/\n"
	           "askdns SENDER _SENDERDOMAIN_ TXT /^v=spf1 \\+all$/\n"
	           "askdns BOTH _AUTHORDOMAIN_._SENDERDOMAIN_.x.example\n"
	           "askdns HELO _LASTEXTERNALHELO_ A /./\n"
	           "askdns REVERSED _LASTEXTERNALREVIP_.r.example A\n"
	           "askdns RELAYS _RELAYSUNTRUSTEDREVIP_.u.example A\n"
	           "askdns HEADER _HEADER(Reply-To:addr:domain)_.h.example A\n"
	           "header __ID List-Id =~ /<(?<LISTID>[a-z.]+)>/\n"
	           "askdns LIST _LISTID_.l.example A\n"
	           "askdns FIXED who.example A\n");
	three_relays();
	relay[1].helo = BYTES("Mail.Shop.example");
	fixture_header(f, "From:addr:host", "One.example\ntwo.example\nOne.example");
	fixture_header(f, "EnvelopeFrom:first:addr:host", "lists.example");
	fixture_header(f, "Reply-To:addr:domain", "shop.example\nother.example");
	fixture_header(f, "List-Id", "News <news.shop.example>");
	EXPECT("address one.example.fresh.example", "address two.example.fresh.example",
	       "text lists.example", "address one.example.lists.example.x.example",
	       "address two.example.lists.example.x.example", "address mail.shop.example",
	       "address 1.113.0.203.r.example", "address 2.113.0.203.u.example",
	       "address 3.113.0.203.u.example", "address shop.example.h.example",
	       "address news.shop.example.l.example", "address who.example");
}

static void tags_without_value_ask_nothing(void **state)
{
	(void)state;
	open_rules("askdns AUTHOR _AUTHORDOMAIN_.fresh.example. A\n"
	           "askdns HELO _LASTEXTERNALHELO_ A\n"
	           "askdns SIGNED _DKIMDOMAIN_.w.example A\n"
	           "askdns STRANGE _LANGUAGES_.w.example A\n"
	           "askdns OFF _OFF_.w.example A\n"
	           "header __OFF Subject =~ /(?<OFF>.*)/\n"
	           "score __OFF 0\n"
	           "meta NOT_AUTHOR !AUTHOR\n");
	ask();
	assert_int_equal(net.asked_count, 0);
	value_is("AUTHOR", 0);
	value_is("NOT_AUTHOR", 1);
	value_is("SIGNED", 0);
	value_is("OFF", 0);
	assert_non_null(fixture_report(f, "eval:askdns"));
}

static void signers_are_asked_about_and_count_when_valid(void **state)
{
	struct fact_signature *s;

	(void)state;
	open_rules("askdns SIGNED _DKIMDOMAIN_.w.example A\n");
	assert_true(ruleset_reads_signatures(f->ruleset));
	s = add_signature("shop.example");
	memcpy(s->question, "signed", 6);
	s->question_bytes = 6;
	EXPECT("dkim signed", "address shop.example.w.example");
	know(QUESTION_ADDRESS, "shop.example.w.example", ANSWER_FOUND, "127.0.0.2");
	value_is("SIGNED", OPEN);
	know(QUESTION_DKIM, "signed", ANSWER_FOUND, NULL);
	net.known[1].answer.value = DKIM_VERDICT_PASS;
	value_is("SIGNED", 1);
	net.known[1].answer.result = ANSWER_NONE;
	value_is("SIGNED", 0);
}

static void names_that_are_none_are_not_asked(void **state)
{
	(void)state;
	open_rules("askdns A _AUTHORDOMAIN_ TXT\n"
	           "askdns B _dmarc._AUTHORDOMAIN_ TXT\n");
	fixture_header(f, "From:addr:host",
	               "one\na_b.example\nx.a_b.example\n-a.example\na-.example\na..example\n"
	               "caf\xc3\xa9.example");
	ask();
	assert_int_equal(net.asked_count, 0);
	fixture_header(f, "From:addr:host", "x_y.shop-a.example.");
	EXPECT("text x_y.shop-a.example", "text _dmarc.x_y.shop-a.example");
}

static void subtests_of_records(void **state)
{
	(void)state;
	open_rules("askdns ANY a.example\n"
	           "askdns ANY_A a.example A\n"
	           "askdns RE a.example A /^127\\.0\\.\\d+\\.18$/\n"
	           "askdns BRACES a.example A m{^198\\.}\n"
	           "askdns TEXT_SAME a.example A \"127.0.0.18\"\n"
	           "askdns MASK a.example A 16\n"
	           "askdns HEX a.example A 0x10\n"
	           "askdns NO_MASK a.example A 4\n"
	           "askdns RANGE a.example A 127.0.0.16-127.0.0.31\n"
	           "askdns VALUE a.example A 0.0.0.16/0.0.0.240\n"
	           "askdns ONE a.example A 127.0.0.18\n"
	           "askdns OTHER a.example A 127.0.0.16\n"
	           "askdns TXT t.example TXT /^v=DMARC1;.*\\bp=reject;/\n"
	           "askdns TXT_SAME t.example TXT 'v=DMARC1; p=reject;'\n"
	           "askdns NO_TXT t.example TXT 'v=DMARC1'\n"
	           "askdns MISSING n.example A\n"
	           "askdns NXDOMAIN n.example A [nxdomain]\n"
	           "askdns CODES a.example A [3, NOERROR]\n"
	           "askdns NO_CODE a.example A [3]\n");
	know(QUESTION_ADDRESS, "a.example", ANSWER_FOUND, "127.0.0.18");
	know(QUESTION_TEXT, "t.example", ANSWER_FOUND, "v=DMARC1; p=reject;");
	know(QUESTION_ADDRESS, "n.example", ANSWER_NONE, NULL);
	net.known[2].answer.value = 3;
	static const char *const hit[] = {"ANY",      "ANY_A",    "RE",    "TEXT_SAME", "MASK",
	                                  "HEX",      "RANGE",    "VALUE", "ONE",       "TXT",
	                                  "TXT_SAME", "NXDOMAIN", "CODES"};
	static const char *const missed[] = {"BRACES", "NO_MASK", "OTHER",
	                                     "NO_TXT", "MISSING", "NO_CODE"};
	for (size_t i = 0; i < sizeof(hit) / sizeof(hit[0]); i++)
		value_is(hit[i], 1);
	for (size_t i = 0; i < sizeof(missed) / sizeof(missed[0]); i++)
		value_is(missed[i], 0);
}

static void records_of_any_type_are_asked(void **state)
{
	static const char
	    records[] = "a 127.0.0.4\0mx 10 mx.example.\0? \0soa ns.example. x.example.";

	(void)state;
	open_rules("askdns AAAA a.example AAAA /^2001:db8::1$/\n"
	           "askdns OTHER a.example AAAA '2001:db8::2'\n"
	           "askdns NS _AUTHORDOMAIN_ NS\n"
	           "askdns MX m.example MX,A /^10 mx\\./\n"
	           "askdns MASK m.example A,MX 4\n"
	           "askdns NO_MASK m.example mx,SOA 4\n"
	           "askdns ANY m.example ANY\n"
	           "askdns NO_NAME m.example ANY /^$/\n"
	           "askdns NO_TXT m.example TXT,SPF\n"
	           "askdns GONE g.example CNAME\n"
	           "askdns FAILED g.example A [servfail,REFUSED]\n"
	           "askdns NAPTR n.example NAPTR\n");
	fixture_header(f, "From:addr:host", "Shop.example");
	EXPECT("records aaaa a.example", "records ns shop.example", "records any m.example",
	       "records cname g.example", "code a g.example");
	know(QUESTION_TEXT, "aaaa a.example", ANSWER_FOUND, "aaaa 2001:db8::1");
	know(QUESTION_TEXT, "any m.example", ANSWER_FOUND, "");
	know(QUESTION_TEXT, "cname g.example", ANSWER_NONE, NULL);
	know(QUESTION_TEXT, "a g.example", ANSWER_NONE, NULL);
	for (uint32_t i = 0; i < net.known_count; i++)
		net.known[i].kind = QUESTION_RECORDS;
	memcpy(net.known[1].answer.text, records, sizeof(records));
	net.known[1].answer.text_len = sizeof(records);
	net.known[3].kind = QUESTION_CODE;
	net.known[3].answer.value = 5;
	static const char *const hit[] = {"AAAA", "MX", "MASK", "ANY", "FAILED"};
	static const char *const missed[] = {"OTHER", "NO_MASK", "NO_NAME", "NO_TXT", "GONE"};
	for (size_t i = 0; i < sizeof(hit) / sizeof(hit[0]); i++)
		value_is(hit[i], 1);
	for (size_t i = 0; i < sizeof(missed) / sizeof(missed[0]); i++)
		value_is(missed[i], 0);
	value_is("NS", OPEN);
	assert_non_null(fixture_report(f, "eval:askdns"));
	/* Records beside a failure do not count. */
	net.known[0].answer.value = 3;
	value_is("AAAA", 0);
}

static void addresses_of_names_need_not_be_a_lists(void **state)
{
	(void)state;
	open_rules("askdns ANY a.example A\n"
	           "askdns RANGE a.example A 198.51.100.0/255.255.255.0\n"
	           "askdns MASK a.example A 1\n");
	know(QUESTION_ADDRESS, "a.example", ANSWER_FOUND, "198.51.100.1");
	value_is("ANY", 1);
	value_is("RANGE", 1);
	value_is("MASK", 0);
}

static void bad_templates_are_reported(void **state)
{
	static const char *const lines[] = {"askdns A",
	                                    "askdns A a.example MADEUP",
	                                    "askdns A a.example A nonsense",
	                                    "askdns A a.example A /(/",
	                                    "askdns A a.example A [NONSENSE]",
	                                    "askdns A a.example A 1-x"};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		uint32_t count, faults = 0;
		const struct rule_report *report;
		char text[100];

		snprintf(text, sizeof(text), "%s\nbody SURE /sure/\n", lines[i]);
		open_rules(text);
		report = rule_compiler_reports(f->compiler, &count);
		for (uint32_t k = 0; k < count; k++)
			faults += report[k].fault;
		assert_int_equal(faults, 1);
		assert_false(ruleset_asks(f->ruleset));
		teardown(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(templates_name_what_is_asked, teardown),
	    cmocka_unit_test_teardown(tags_without_value_ask_nothing, teardown),
	    cmocka_unit_test_teardown(signers_are_asked_about_and_count_when_valid, teardown),
	    cmocka_unit_test_teardown(names_that_are_none_are_not_asked, teardown),
	    cmocka_unit_test_teardown(subtests_of_records, teardown),
	    cmocka_unit_test_teardown(records_of_any_type_are_asked, teardown),
	    cmocka_unit_test_teardown(addresses_of_names_need_not_be_a_lists, teardown),
	    cmocka_unit_test_teardown(bad_templates_are_reported, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
