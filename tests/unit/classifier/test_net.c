/* test_net.c - which questions rules about relays, senders and links ask, and what answers make of
 * them. */
#include "network_fixture.h"

#define ZONES "util_rb_tld example com\nutil_rb_2tld co.example\n"

static void sets_choose_relays(void **state)
{
	(void)state;
	open_rules("header A eval:check_rbl('a', 'Zone.Example.')\n");
	three_relays();
	EXPECT("address 3.113.0.203.zone.example", "address 2.113.0.203.zone.example");
	teardown(NULL);
	open_rules("header A eval:check_rbl('a-lastexternal', 'zone.example.')\n");
	three_relays();
	EXPECT("address 1.113.0.203.zone.example");
	teardown(NULL);
	open_rules("header A eval:check_rbl('a-firsttrusted', 'zone.example.')\n");
	three_relays();
	EXPECT("address 2.113.0.203.zone.example");
	teardown(NULL);
	open_rules("header A eval:check_rbl('a-notfirsthop', 'zone.example.')\n");
	three_relays();
	EXPECT("address 1.113.0.203.zone.example", "address 2.113.0.203.zone.example");
	teardown(NULL);
	open_rules("header A eval:check_rbl_txt('a-untrusted', 'zone.example.')\n"
	           "num_check_received 1\n");
	three_relays();
	EXPECT("text 3.113.0.203.zone.example");
}

static void trusted_messages_ask_nothing(void **state)
{
	(void)state;
	open_rules("header A eval:check_rbl('a', 'zone.example.')\n");
	add_relay("203.0.113.1", true, false);
	ask();
	assert_int_equal(net.asked_count, 0);
	value_is("A", 0);
}

static void ipv6_is_asked_by_nibbles(void **state)
{
	(void)state;
	open_rules("header A eval:check_rbl('a', 'zone.example.')\n");
	add_relay("2001:db8::1", false, false);
	EXPECT("address 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	       "zone.example");
}

static void subtests_decide(void **state)
{
	(void)state;
	open_rules("header __Z eval:check_rbl('z', 'z.example.')\n"
	           "header SAME eval:check_rbl_sub('z', '127.0.0.2')\n"
	           "header OTHER eval:check_rbl_sub('z', '127.0.0.3')\n"
	           "header MASK eval:check_rbl_sub('z', '6')\n"
	           "header NO_MASK eval:check_rbl_sub('z', '8')\n"
	           "header RE eval:check_rbl_sub('z', '^127\\.0\\.0\\.[12]$')\n"
	           "header NO_SET eval:check_rbl_sub('y', '127.0.0.2')\n"
	           "header OWN eval:check_rbl('own', 'z.example.', '127.0.0.2')\n"
	           "header TXT eval:check_rbl_txt('t', 't.example.', '(?i:SPAM)')\n"
	           "header NO_TXT eval:check_rbl_txt('t', 't.example.', 'ham')\n");
	add_relay("203.0.113.2", false, false);
	know(QUESTION_ADDRESS, "2.113.0.203.z.example", ANSWER_FOUND, "127.0.0.2");
	know(QUESTION_TEXT, "2.113.0.203.t.example", ANSWER_FOUND, "a spammer");
	value_is("__Z", 1);
	value_is("SAME", 1);
	value_is("OTHER", 0);
	value_is("MASK", 1);
	value_is("NO_MASK", 0);
	value_is("RE", 1);
	value_is("NO_SET", 0);
	value_is("OWN", 1);
	value_is("TXT", 1);
	value_is("NO_TXT", 0);
}

static void answers_outside_127_do_not_count(void **state)
{
	(void)state;
	open_rules("header A eval:check_rbl('a', 'z.example.')\n");
	add_relay("203.0.113.2", false, false);
	know(QUESTION_ADDRESS, "2.113.0.203.z.example", ANSWER_FOUND, "198.51.100.1");
	value_is("A", 0);
}

static void what_is_not_answered_stays_open(void **state)
{
	(void)state;
	open_rules("header A eval:check_rbl('a', 'z.example.')\n"
	           "header B eval:check_rbl_sub('a', '127.0.0.2')\n"
	           "meta NOT_A !A\n"
	           "meta A_OR_SURE A || SURE\n"
	           "body SURE /sure/\n");
	add_relay("203.0.113.2", false, false);
	fixture_add(f, TEXT_BODY, "sure");
	value_is("A", OPEN);
	value_is("B", OPEN);
	value_is("NOT_A", OPEN);
	assert_int_equal(f->judgement.rules_unanswered, 2);
	assert_false(f->judgement.incomplete);
	assert_int_equal(f->judgement.hit_count, 2); /* SURE, A_OR_SURE */
	know(QUESTION_ADDRESS, "2.113.0.203.z.example", ANSWER_NONE, NULL);
	value_is("A", 0);
	value_is("NOT_A", 1);
	assert_int_equal(f->judgement.rules_unanswered, 0);
}

static void one_answer_is_enough_to_hit(void **state)
{
	(void)state;
	open_rules("header A eval:check_rbl('a', 'z.example.')\n");
	add_relay("203.0.113.2", false, false);
	add_relay("203.0.113.3", false, false);
	know(QUESTION_ADDRESS, "2.113.0.203.z.example", ANSWER_FOUND, "127.0.0.2");
	value_is("A", 1);
	net.known[0].answer.result = ANSWER_NONE;
	value_is("A", OPEN);
}

static void links_are_asked_by_domain_or_host(void **state)
{
	(void)state;
	open_rules(ZONES "urirhssub DOMAIN d.zone.example. A 2\n"
	                 "body DOMAIN eval:check_uridnsbl('DOMAIN')\n"
	                 "urirhsbl FULL f.zone.example A\n"
	                 "body FULL eval:check_uridnsbl('FULL')\n"
	                 "tflags FULL net notrim domains_only\n"
	                 "uridnssub ADDRESS a.zone.example A 127.0.0.2\n"
	                 "body ADDRESS eval:check_uridnsbl('ADDRESS')\n"
	                 "tflags ADDRESS net a\n"
	                 "uridnsbl SERVERS s.zone.example A\n"
	                 "body SERVERS eval:check_uridnsbl('SERVERS')\n"
	                 "uridnsbl_skip_domain fine.example\n"
	                 "body NONE eval:check_uridnsbl('NONE')\n");
	fixture_add(f, TEXT_URI, "http://WWW.Shop.co.example/x");
	fixture_add(f, TEXT_URI, "https://www.fine.example/");
	fixture_add(f, TEXT_URI, "mailto:bob@mail.example");
	fixture_add(f, TEXT_URI, "http://203.0.113.7/");
	fixture_add(f, TEXT_URI, "http://192.168.0.1/");
	EXPECT("address shop.co.example.d.zone.example", "address 7.113.0.203.d.zone.example",
	       "address www.shop.co.example.f.zone.example",
	       "host www.shop.co.example a.zone.example", "servers shop.co.example s.zone.example");
	know(QUESTION_ADDRESS, "shop.co.example.d.zone.example", ANSWER_FOUND, "127.0.0.6");
	know(QUESTION_ADDRESS, "7.113.0.203.d.zone.example", ANSWER_NONE, NULL);
	know(QUESTION_ADDRESS, "www.shop.co.example.f.zone.example", ANSWER_FOUND, "127.0.1.2");
	know(QUESTION_HOST, "www.shop.co.example a.zone.example", ANSWER_FOUND, "127.0.0.3");
	value_is("DOMAIN", 1);
	value_is("FULL", 1);
	value_is("ADDRESS", 0);
	value_is("SERVERS", OPEN);
	value_is("NONE", 0);
}

static void subtests_of_links(void **state)
{
	(void)state;
	open_rules(ZONES "urirhssub MASK d.zone.example. A 0x10\n"
	                 "body MASK eval:check_uridnsbl('MASK')\n"
	                 "urirhssub RANGE d.zone.example. A 127.0.0.16-127.0.0.31\n"
	                 "body RANGE eval:check_uridnsbl('RANGE')\n"
	                 "urirhssub VALUE d.zone.example. A 0.0.0.16/0.0.0.240\n"
	                 "body VALUE eval:check_uridnsbl('VALUE')\n"
	                 "urirhssub NOT d.zone.example. A 127.0.0.16\n"
	                 "body NOT eval:check_uridnsbl('NOT')\n");
	fixture_add(f, TEXT_URI, "http://shop.example/x");
	know(QUESTION_ADDRESS, "shop.example.d.zone.example", ANSWER_FOUND, "127.0.0.18");
	value_is("MASK", 1);
	value_is("RANGE", 1);
	value_is("VALUE", 1);
	value_is("NOT", 0);
}

static void links_are_asked_by_their_servers(void **state)
{
	(void)state;
	open_rules(ZONES "urinsrhsbl DOMAINS d.zone.example A\n"
	                 "body DOMAINS eval:check_uridnsbl('DOMAINS')\n"
	                 "urifullnsrhssub NAMES n.zone.example. TXT 2\n"
	                 "body NAMES eval:check_uridnsbl('NAMES')\n"
	                 "tflags NAMES net ips_only\n"
	                 "uridnsbl TEXTS t.zone.example TXT\n"
	                 "body TEXTS eval:check_uridnsbl('TEXTS')\n"
	                 "tflags TEXTS net a\n");
	fixture_add(f, TEXT_URI, "http://www.shop.co.example/");
	fixture_add(f, TEXT_URI, "http://203.0.113.7/");
	EXPECT("server_domains shop.co.example d.zone.example",
	       "server_names shop.co.example n.zone.example txt",
	       "host www.shop.co.example t.zone.example txt");
	know(QUESTION_SERVER_DOMAINS, "shop.co.example d.zone.example", ANSWER_FOUND, "127.0.0.2");
	know(QUESTION_TEXT, "", ANSWER_FOUND, "2");
	net.known[1].kind = QUESTION_SERVER_NAMES;
	net.known[1].name = "shop.co.example n.zone.example txt";
	value_is("DOMAINS", 1);
	value_is("NAMES", 1);
	value_is("TEXTS", OPEN);
	/* What is no number is compared as it stands, and a number is no mask of a text. */
	snprintf(net.known[1].answer.text, sizeof(net.known[1].answer.text), "127.0.0.2");
	net.known[1].answer.text_len = 10;
	value_is("NAMES", 0);
	net.known[0].answer.result = ANSWER_NONE;
	net.known[0].answer.address_count = 0;
	value_is("DOMAINS", 0);
}

static void senders_are_asked_by_who_answers_for_them(void **state)
{
	(void)state;
	open_rules("header NS eval:check_rbl_ns_from('ns', 'z.example.')\n"
	           "header SUB eval:check_rbl_sub('ns', '127.0.0.4')\n");
	assert_true(ruleset_asks(f->ruleset));
	fixture_header(f, "EnvelopeFrom:addr", "nobody\njoe@localhost\njoe@Mail.Shop.example");
	EXPECT("primary mail.shop.example z.example");
	know(QUESTION_PRIMARY, "mail.shop.example z.example", ANSWER_FOUND, "127.0.0.4");
	value_is("NS", 1);
	value_is("SUB", 1);
	fixture_header(f, "EnvelopeFrom:addr", "joe@localhost");
	ask();
	assert_int_equal(net.asked_count, 0);
	value_is("NS", 0);
}

static void hostile_hosts_ask_nothing(void **state)
{
	char uri[600] = "http://";
	(void)state;
	open_rules(ZONES "urirhsbl FULL f.zone.example A\n"
	                 "body FULL eval:check_uridnsbl('FULL')\n"
	                 "tflags FULL net notrim\n");
	fixture_add(f, TEXT_URI, "http://a b.example/");
	fixture_add(f, TEXT_URI, "http://a..b.example/");
	fixture_add(f, TEXT_URI, "http://caf\xc3\xa9.example/");
	memset(uri + 7, 'a', 70);
	memcpy(uri + 77, ".example/", 10);
	fixture_add(f, TEXT_URI, uri);
	for (size_t i = 7; i < 280; i++)
		uri[i] = i % 2 != 0 ? 'a' : '.';
	memcpy(uri + 279, ".example/", 10);
	fixture_add(f, TEXT_URI, uri);
	ask();
	assert_int_equal(net.asked_count, 0);
}

static void senders_are_asked_by_host_or_domain(void **state)
{
	(void)state;
	open_rules(ZONES "header HOST eval:check_rbl_from_host('h', 'h.zone.example.')\n"
	                 "header DOMAIN eval:check_rbl_from_domain('d', 'd.zone.example.')\n"
	                 "header ENVELOPE eval:check_rbl_envfrom('e', 'e.zone.example.')\n");
	fixture_header(f, "From:addr", "bob@Mail.shop.example");
	fixture_header(f, "EnvelopeFrom:addr", "bounce@lists.example");
	EXPECT("address mail.shop.example.h.zone.example", "address lists.example.h.zone.example",
	       "address shop.example.d.zone.example", "address lists.example.d.zone.example",
	       "address lists.example.e.zone.example");
}

static void client_is_asked_about_ahead(void **state)
{
	struct addr addr;

	(void)state;
	open_rules("header A eval:check_rbl('a-lastexternal', 'z.example.')\n"
	           "header B eval:check_rbl_txt('b', 't.example.')\n"
	           "trusted_networks 203.0.113.9\n");
	assert_true(ruleset_asks(f->ruleset));
	assert_int_equal(addr_parse(BYTES("203.0.113.2"), &addr), OK);
	ruleset_client_questions(f->ruleset, &addr, see, &net);
	assert_int_equal(net.asked_count, 2);
	assert_string_equal(net.asked[0], "address 2.113.0.203.z.example");
	assert_string_equal(net.asked[1], "text 2.113.0.203.t.example");
	net.asked_count = 0;
	assert_int_equal(addr_parse(BYTES("10.0.0.1"), &addr), OK);
	ruleset_client_questions(f->ruleset, &addr, see, &net);
	assert_int_equal(addr_parse(BYTES("203.0.113.9"), &addr), OK);
	ruleset_client_questions(f->ruleset, &addr, see, &net);
	assert_int_equal(net.asked_count, 0);
}

static void without_a_network_they_are_zero(void **state)
{
	(void)state;
	f = fixture_new("header A eval:check_rbl('a', 'z.example.')\n"
	                "urirhsbl B f.zone.example A\n"
	                "body B eval:check_uridnsbl('B')\n"
	                "meta NOT_A !A\n");
	assert_false(ruleset_asks(f->ruleset));
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	assert_true(fixture_value(f, "B") == 0);
	assert_true(fixture_value(f, "NOT_A") == 1);
}

/* Those no row of eval.def is of: zero without a network, and with one never hit. */
static void absent_functions_are_known_to_ask(void **state)
{
	const char *rules = "full R eval:check_razor2()\n"
	                    "body D eval:check_uridnsbl('D')\n"
	                    "header S eval:check_dkim_signsome()\n"
	                    "body NONE eval:check_razor2_of_tomorrow()\n"
	                    "meta NOT_R !R\nmeta NOT_D !D\nmeta NOT_S !S\nmeta NOT_NONE !NONE\n";

	(void)state;
	f = fixture_new(rules);
	assert_null(fixture_report(f, "eval:check_razor2"));
	assert_non_null(fixture_report(f, "eval:check_razor2_of_tomorrow"));
	value_is("NOT_R", 1);
	value_is("NOT_D", 1);
	value_is("NOT_S", 1);
	value_is("NOT_NONE", OPEN);
	teardown(NULL);
	open_rules(rules);
	assert_non_null(fixture_report(f, "eval:check_razor2"));
	assert_false(ruleset_asks(f->ruleset));
	value_is("NOT_R", OPEN);
	value_is("NOT_D", 1);
	value_is("NOT_S", 1);
}

static void bad_lines_are_reported(void **state)
{
	(void)state;
	open_rules("urirhssub A zone.example A\n"
	           "urirhssub B zone.example A never\n"
	           "uridnsbl C bad..zone A\n"
	           "header D eval:check_rbl('d', 'no zone')\n"
	           "body SURE /sure/\n");
	assert_non_null(fixture_report(f, "urirhssub"));
	assert_non_null(fixture_report(f, "uridnsbl"));
	assert_non_null(fixture_report(f, "eval:check_rbl"));
}

static void headers_and_the_furthest_relay_are_asked(void **state)
{
	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "header A eval:check_rbl_headers('a', 'a.example.', '127.0.0.4', 'Reply-To, X-Ip')\n"
	    "header B eval:check_rbl_headers('b', 'b.example.')\n"
	    "header C eval:check_rbl_rcvd('c', 'c.example.', '127.0.1.2')\n"
	    "header D eval:check_rbl_sub('c', '127.0.1.3')\n"
	    "header NEVER eval:check_dns_sender()\n");
	three_relays();
	relay[5].ip = BYTES("203.0.113.9");
	relay[5].helo = BYTES("mail.shop.example");
	relay[5].by = BYTES("203.0.113.9");
	relay[5].rdns = BYTES("no_name");
	fixture_header(f, "Reply-To:addr", "bob@Mail.shop.example\nann@other.example");
	fixture_header(f, "X-Ip", "203.0.113.7\n2001:db8::1\nwww.shop.example\nno host\n");
	fixture_header(f, "EnvelopeFrom:addr", "bounce@lists.example");
	EXPECT("address mail.shop.example.a.example", "address 7.113.0.203.a.example",
	       "address 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.a.example",
	       "address www.shop.example.a.example", "address lists.example.b.example",
	       "address mail.shop.example.b.example", "address 9.113.0.203.c.example",
	       "address mail.shop.example.c.example");
	know(QUESTION_ADDRESS, "mail.shop.example.c.example", ANSWER_FOUND, "127.0.1.3");
	know(QUESTION_ADDRESS, "9.113.0.203.c.example", ANSWER_NONE, NULL);
	value_is("C", 0);
	value_is("D", 1);
	value_is("A", OPEN);
	value_is("NEVER", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(sets_choose_relays, teardown),
	    cmocka_unit_test_teardown(trusted_messages_ask_nothing, teardown),
	    cmocka_unit_test_teardown(ipv6_is_asked_by_nibbles, teardown),
	    cmocka_unit_test_teardown(subtests_decide, teardown),
	    cmocka_unit_test_teardown(answers_outside_127_do_not_count, teardown),
	    cmocka_unit_test_teardown(what_is_not_answered_stays_open, teardown),
	    cmocka_unit_test_teardown(one_answer_is_enough_to_hit, teardown),
	    cmocka_unit_test_teardown(links_are_asked_by_domain_or_host, teardown),
	    cmocka_unit_test_teardown(subtests_of_links, teardown),
	    cmocka_unit_test_teardown(links_are_asked_by_their_servers, teardown),
	    cmocka_unit_test_teardown(senders_are_asked_by_who_answers_for_them, teardown),
	    cmocka_unit_test_teardown(hostile_hosts_ask_nothing, teardown),
	    cmocka_unit_test_teardown(senders_are_asked_by_host_or_domain, teardown),
	    cmocka_unit_test_teardown(client_is_asked_about_ahead, teardown),
	    cmocka_unit_test_teardown(without_a_network_they_are_zero, teardown),
	    cmocka_unit_test_teardown(absent_functions_are_known_to_ask, teardown),
	    cmocka_unit_test_teardown(bad_lines_are_reported, teardown),
	    cmocka_unit_test_teardown(headers_and_the_furthest_relay_are_asked, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
