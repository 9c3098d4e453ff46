/* test_net.c - which questions rules ask of the network, and what answers make of them. */
#include "base/dkim_question.h"
#include "base/facts.h"
#include "rules_fixture.h"

#define KNOWN_MAX 16
#define ASKED_MAX 128

#define ZONES "util_rb_tld example com\nutil_rb_2tld co.example\n"

struct known {
	enum question_kind kind;
	const char *name;
	struct answer answer;
};

struct network {
	struct known known[KNOWN_MAX];
	uint32_t known_count;
	char asked[ASKED_MAX][QUESTION_NAME_BYTES + 16];
	uint32_t asked_count;
	struct answers answers;
};

static struct network net;
static struct fact_relay relay[8];
static struct facts facts;
static struct fixture *f;

static const struct answer *find(void *context, enum question_kind kind, struct bytes name)
{
	struct network *network = context;

	for (uint32_t i = 0; i < network->known_count; i++)
		if (network->known[i].kind == kind &&
		    bytes_equal(name, bytes_text(network->known[i].name)))
			return &network->known[i].answer;
	return NULL;
}

static void know(enum question_kind kind, const char *name, enum answer_result result,
                 const char *value)
{
	struct known *known = &net.known[net.known_count++];
	struct addr addr;

	assert_true(net.known_count <= KNOWN_MAX);
	*known = (struct known){.kind = kind, .name = name};
	known->answer.result = (uint16_t)result;
	if (value == NULL)
		return;
	if (kind == QUESTION_TEXT) {
		known->answer.text_len = (uint16_t)(strlen(value) + 1);
		memcpy(known->answer.text, value, known->answer.text_len);
		return;
	}
	assert_int_equal(addr_parse(bytes_text(value), &addr), OK);
	known->answer.address[known->answer.address_count++] = addr_ip4(&addr);
}

static void see(void *context, enum question_kind kind, struct bytes name)
{
	struct network *network = context;
	char text[QUESTION_NAME_BYTES + 16];

	snprintf(text, sizeof(text), "%s %.*s", question_kind_text(kind), (int)name.len, name.data);
	for (uint32_t i = 0; i < network->asked_count; i++)
		if (strcmp(network->asked[i], text) == 0)
			return;
	assert_true(network->asked_count < ASKED_MAX);
	snprintf(network->asked[network->asked_count++], sizeof(network->asked[0]), "%s", text);
}

static void add_relay(const char *ip, bool trusted, bool internal)
{
	relay[facts.relay_count++] = (struct fact_relay){
	    .ip = bytes_text(ip), .is_trusted = trusted, .is_internal = internal};
	facts.relays_trusted += trusted;
	facts.relays_untrusted += !trusted;
}

static void open_rules(const char *rules)
{
	memset(&net, 0, sizeof(net));
	memset(&facts, 0, sizeof(facts));
	facts.relay = relay;
	f = malloc(sizeof(*f));
	assert_non_null(f);
	fixture_open(f, rules, &(struct rule_compile_options){.score_column = 1});
	f->texts.facts = &facts;
	net.answers = (struct answers){&net, find};
	scan_context_set_answers(f->context, &net.answers);
}

static int teardown(void **state)
{
	(void)state;
	if (f != NULL)
		fixture_free(f);
	f = NULL;
	return 0;
}

static void ask(void)
{
	net.asked_count = 0;
	classifier_questions(f->context, &f->texts, see, &net);
}

static void expect(const char *const *wanted, uint32_t count)
{
	ask();
	for (uint32_t i = 0; i < count && i < net.asked_count; i++)
		assert_string_equal(net.asked[i], wanted[i]);
	assert_int_equal(net.asked_count, count);
}

#define EXPECT(...) \
	expect((const char *const[]){__VA_ARGS__}, \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void value_is(const char *rule, double value)
{
	fixture_judge(f);
	assert_true(fixture_value(f, rule) == value);
}

#define OPEN (-1)

static void three_relays(void)
{
	add_relay("192.168.1.1", true, true);
	add_relay("203.0.113.1", true, false);
	add_relay("203.0.113.2", false, false);
	add_relay("10.0.0.1", false, false);
	add_relay("203.0.113.3", false, false);
	add_relay("203.0.113.2", false, false);
}

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
	static struct fact_signature signature = {.state = SIGNATURE_ASK,
	                                          .domain = "shop.example",
	                                          .domain_bytes = 12,
	                                          .question = "signed",
	                                          .question_bytes = 6};

	(void)state;
	open_rules("askdns SIGNED _DKIMDOMAIN_.w.example A\n");
	assert_true(ruleset_reads_signatures(f->ruleset));
	facts.signature = &signature;
	facts.signature_count = 1;
	EXPECT("address shop.example.w.example", "dkim signed");
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
	           "askdns NO_CODE a.example A [SERVFAIL,3]\n");
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

/* Digests of bob@shop.example. */
#define BOB_MD5    "375d7eebae51e7e9af4f1cad0cdc6f96"
#define BOB_SHA1   "8cc0f95e3a2c537ac1ba65892e10f6fd39864878"
#define BOB_SHA256 "ag3gddw56i7ih7qprivzxbsvwd753hldanotwwiesckhqngm5i7a"

static void addresses_are_asked_by_digest(void **state)
{
	(void)state;
	open_rules(
	    "header A eval:check_hashbl_emails('A.example/A', 'md5', 'ALLFROM')\n"
	    "header B eval:check_hashbl_emails('b.example', 'sha1/max=1', 'Reply-To/X-Sender')\n"
	    "header C eval:check_hashbl_emails('c.example.', 'sha256', 'Reply-To')\n"
	    "header D eval:check_hashbl_emails('d.example/TXT', 'raw/domain', 'Reply-To')\n"
	    "header E eval:check_hashbl_emails('e.example', 'raw/user', 'Reply-To')\n"
	    "util_rb_tld example\n");
	fixture_header(f, "From:addr", "Bob@Shop.example");
	fixture_header(f, "Reply-To", "Bob <bob@shop.example>");
	fixture_header(f, "X-Sender", "ann@other.example");
	EXPECT("address " BOB_MD5 ".a.example", "address " BOB_SHA1 ".b.example",
	       "address " BOB_SHA256 ".c.example", "text shop.example.d.example",
	       "address bob.e.example");
	know(QUESTION_ADDRESS, BOB_MD5 ".a.example", ANSWER_FOUND, "127.0.0.2");
	know(QUESTION_ADDRESS, BOB_SHA1 ".b.example", ANSWER_FOUND, "198.51.100.1");
	know(QUESTION_ADDRESS, BOB_SHA256 ".c.example", ANSWER_NONE, NULL);
	know(QUESTION_TEXT, "shop.example.d.example", ANSWER_FOUND, "127.0.0.2 listed");
	value_is("A", 1);
	value_is("B", 0);
	value_is("C", 0);
	value_is("D", 1);
	value_is("E", OPEN);
}

static void addresses_are_written_alike(void **state)
{
	(void)state;
	open_rules("util_rb_tld example\n"
	           "header A eval:check_hashbl_emails('a.example', 'md5/nodot/notag', 'Reply-To')\n"
	           "header B eval:check_hashbl_emails('b.example', 'md5/case', 'Reply-To')\n");
	fixture_header(f, "Reply-To", "b.o.b+x@shop.example, BOB@shop.example");
	EXPECT("address " BOB_MD5 ".a.example",
	       "address e856beb1526d06bf28c96f06928ea342.b.example",
	       "address f81cf7485da59e4942e35a99359e0377.b.example");
}

static void addresses_of_some_domains_only(void **state)
{
	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "hashbl_acl_free shop.example !not.example not.example\n"
	    "hashbl_acl_free *.example\n"
	    "hashbl_ignore ann@shop.example\n"
	    "uridnsbl_skip_domain skip.example shop.example\n"
	    "header A eval:check_hashbl_emails('a.example', 'raw/user', 'Reply-To', '^127\\.', "
	    "'free')\n"
	    "header B eval:check_hashbl_emails('b.example', 'raw/user', 'Reply-To', '', 'all')\n"
	    "header C eval:check_hashbl_emails('c.example', 'raw/user', 'Reply-To')\n"
	    "header D eval:check_hashbl_emails('d.example', 'raw/user', 'Reply-To', '', 'none')\n"
	    "header E eval:check_hashbl_emails('e.example', 'md5', 'Cc')\n");
	fixture_header(f, "Reply-To",
	               "bob@shop.example x@not.example y@other.example "
	               "z@mail.skip.example abuse@shop.example to@other.example");
	fixture_header(f, "Delivered-To:addr", "to@other.example");
	fixture_header(f, "Cc", "ann@shop.example");
	EXPECT("address bob.a.example", "address bob.b.example", "address x.b.example",
	       "address y.b.example", "address z.b.example", "address x.c.example",
	       "address y.c.example");
	value_is("D", 0);
}

static void addresses_of_the_body(void **state)
{
	static struct fact_uri uri[2] = {{.types = 1u << FACT_URI_a},
	                                 {.types = 1u << FACT_URI_a | 1u << FACT_URI_parsed}};

	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "header A eval:check_hashbl_emails('a.example', 'raw/user', 'body')\n"
	    "header B eval:check_hashbl_emails('b.example', 'raw/user/nouri/noquote', 'body')\n");
	uri[0].raw = BYTES("mailto:ann@links.example");
	uri[1].raw = BYTES("mailto:tim@links.example");
	facts.uri = uri;
	facts.uri_count = 2;
	fixture_add(f, TEXT_BODY, "see https://x.example/,web@shop.example or bob@shop.example");
	fixture_add(f, TEXT_BODY,
	            "<joe@shop.example> jim@shop.example wrote: tel@shop.example tel:");
	EXPECT("address ann.a.example", "address web.a.example", "address bob.a.example",
	       "address joe.a.example", "address jim.a.example", "address tel.a.example",
	       "address ann.b.example", "address bob.b.example", "address tel.b.example");
}

static void uris_are_asked_by_digest(void **state)
{
	static const uint16_t form[] = {0, 1, 2};
	static struct fact_uri uri[3] = {
	    {.types = 1u << FACT_URI_a, .form_first = 0, .form_count = 1},
	    {.types = 1u << FACT_URI_parsed, .form_first = 1, .form_count = 1},
	    {.types = 1u << FACT_URI_img, .form_first = 2, .form_count = 1}};

	(void)state;
	open_rules("util_rb_tld example\n"
	           "uridnsbl_skip_domain skip.example\n"
	           "header A eval:check_hashbl_uris('a.example', 'md5', '^127\\.0\\.1\\.4')\n");
	facts.uri = uri;
	facts.uri_form = form;
	facts.uri_count = 3;
	fixture_add(f, TEXT_URI, "http://Shop.example/X");
	fixture_add(f, TEXT_URI, "http://www.skip.example/");
	fixture_add(f, TEXT_URI, "http://img.example/");
	EXPECT("address 91a72a57a9723552383d27e5b00a7031.a.example");
	know(QUESTION_ADDRESS, "91a72a57a9723552383d27e5b00a7031.a.example", ANSWER_FOUND,
	     "127.0.1.4");
	value_is("A", 1);
	net.known[0].answer.address[0]++;
	value_is("A", 0);
}

static void matches_and_tags_are_asked(void **state)
{
	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "body P eval:check_hashbl_bodyre('p.example', 'raw/max=2/shuffle/num', "
	    "'((?:\\d[ .-]?){8,13}\\d)|nothing', '127.0.1.16')\n"
	    "rawbody S eval:check_hashbl_bodyre('s.example', '', 'tel:(\\d+)')\n"
	    "header __ID List-Id =~ /<(?<LISTID>.*)>/\n"
	    "header T eval:check_hashbl_tag('t.example', 'raw', '_listid_')\n"
	    "header I eval:check_hashbl_tag('i.example', 'raw/ipv4/revip', 'LASTEXTERNALIP')\n"
	    "header V eval:check_hashbl_tag('v.example', 'raw/ipv6', 'LASTEXTERNALIP')\n"
	    "header D eval:check_hashbl_tag('d.example', 'raw/trim', 'LISTID')\n");
	three_relays();
	fixture_add(f, TEXT_BODY, "call 123-456-78901 or 12345678901, nothing");
	fixture_add(f, TEXT_BODY, "or 22222222222 or 33333333333");
	fixture_add(f, TEXT_RAWBODY, "tel:12345678901");
	fixture_header(f, "List-Id", "<News.Shop.example>");
	EXPECT("address 12345678901.p.example", "address 22222222222.p.example",
	       "address 266dc053a8163e676e83243070241c8917f8a8a3.s.example",
	       "address news.shop.example.t.example", "address 1.113.0.203.i.example",
	       "address shop.example.d.example");
	know(QUESTION_ADDRESS, "22222222222.p.example", ANSWER_FOUND, "127.0.1.16");
	value_is("P", 1);
}

static void hashbl_calls_are_checked(void **state)
{
	(void)state;
	open_rules("header A eval:check_hashbl_emails('no zone')\n"
	           "header B eval:check_hashbl_emails('a.example/MX')\n"
	           "header C eval:check_hashbl_uris('a.example', 'raw')\n"
	           "body D eval:check_hashbl_bodyre('a.example', 'md5', '(')\n"
	           "body E eval:check_hashbl_bodyre('a.example', 'md5', '(x)', '(')\n"
	           "body F eval:check_hashbl_bodyfuzzy('a.example/TXT', 'sim_threshold=95')\n"
	           "header G eval:check_hashbl_tag('a.example', 'md5', 'STRANGE')\n"
	           "header H eval:check_hashbl_emails('a.example', 'md5', 'a/b/c/d/e/f/g/h/i')\n"
	           "body SURE /sure/\n");
	uint32_t count, faults = 0;
	const struct rule_report *report = rule_compiler_reports(f->compiler, &count);

	for (uint32_t k = 0; k < count; k++)
		faults += report[k].fault;
	assert_int_equal(faults, 5);
	assert_non_null(fixture_report(f, "eval:check_hashbl_bodyfuzzy"));
	assert_non_null(fixture_report(f, "eval:check_hashbl_tag"));
	assert_false(ruleset_asks(f->ruleset));
	value_is("F", OPEN);
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
	    cmocka_unit_test_teardown(hostile_hosts_ask_nothing, teardown),
	    cmocka_unit_test_teardown(senders_are_asked_by_host_or_domain, teardown),
	    cmocka_unit_test_teardown(client_is_asked_about_ahead, teardown),
	    cmocka_unit_test_teardown(without_a_network_they_are_zero, teardown),
	    cmocka_unit_test_teardown(bad_lines_are_reported, teardown),
	    cmocka_unit_test_teardown(templates_name_what_is_asked, teardown),
	    cmocka_unit_test_teardown(tags_without_value_ask_nothing, teardown),
	    cmocka_unit_test_teardown(signers_are_asked_about_and_count_when_valid, teardown),
	    cmocka_unit_test_teardown(names_that_are_none_are_not_asked, teardown),
	    cmocka_unit_test_teardown(subtests_of_records, teardown),
	    cmocka_unit_test_teardown(addresses_of_names_need_not_be_a_lists, teardown),
	    cmocka_unit_test_teardown(bad_templates_are_reported, teardown),
	    cmocka_unit_test_teardown(addresses_are_asked_by_digest, teardown),
	    cmocka_unit_test_teardown(addresses_are_written_alike, teardown),
	    cmocka_unit_test_teardown(addresses_of_some_domains_only, teardown),
	    cmocka_unit_test_teardown(addresses_of_the_body, teardown),
	    cmocka_unit_test_teardown(uris_are_asked_by_digest, teardown),
	    cmocka_unit_test_teardown(matches_and_tags_are_asked, teardown),
	    cmocka_unit_test_teardown(hashbl_calls_are_checked, teardown),
	    cmocka_unit_test_teardown(headers_and_the_furthest_relay_are_asked, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
