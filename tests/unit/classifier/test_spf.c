/* test_spf.c - which questions about SPF a message brings, and what answers and fields make of it.
 */
#include "base/spf_question.h"
#include "checks_fixture.h"

#define KNOWN_MAX 4
#define ASKED_MAX 8

#define RULES \
	"header PASS eval:check_for_spf_pass()\n" \
	"header NONE eval:check_for_spf_none()\n" \
	"header FAIL eval:check_for_spf_fail()\n" \
	"header SOFT eval:check_for_spf_softfail()\n" \
	"header TEMP eval:check_for_spf_temperror()\n" \
	"header HELO_PASS eval:check_for_spf_helo_pass()\n" \
	"header HELO_FAIL eval:check_for_spf_helo_fail()\n" \
	"header SKIPPED eval:check_spf_skipped_noenvfrom()\n" \
	"header WELCOME eval:check_for_spf_welcomelist_from()\n" \
	"header DEF_WELCOME eval:check_for_def_spf_whitelist_from()\n" \
	"welcomelist_from_spf *@a.example gone@b.example\n" \
	"def_welcomelist_auth *@?.example\n" \
	"def_whitelist_from_spf gone@b.example\n" \
	"unwelcomelist_from_spf gone@b.example\n"

#define SENDER_QUESTION "192.0.2.1 mx.a.example joe@a.example"
#define HELO_QUESTION   "192.0.2.1 mx.a.example "

static struct {
	const char *text;
	struct answer answer;
} known[KNOWN_MAX];
static uint32_t known_count;
static char asked[ASKED_MAX][QUESTION_BYTES];
static uint32_t asked_count;

static const struct answer *find(void *context, enum question_kind kind, struct bytes text)
{
	(void)context;
	assert_int_equal(kind, QUESTION_SPF);
	for (uint32_t i = 0; i < known_count; i++)
		if (bytes_equal(text, bytes_text(known[i].text)))
			return &known[i].answer;
	return NULL;
}

static void know(const char *text, enum spf_result result)
{
	assert_true(known_count < KNOWN_MAX);
	known[known_count].text = text;
	known[known_count].answer.result = ANSWER_FOUND;
	known[known_count++].answer.value = result;
}

static void see(void *context, enum question_kind kind, struct bytes text)
{
	(void)context;
	assert_int_equal(kind, QUESTION_SPF);
	assert_true(asked_count < ASKED_MAX);
	snprintf(asked[asked_count++], sizeof(asked[0]), "%.*s", (int)text.len, text.data);
}

static void add_relay(const char *ip, const char *helo, const char *sender, bool trusted,
                      bool internal)
{
	struct fact_relay *r = add_hop(ip, trusted, internal);

	r->helo = bytes_text(helo);
	r->has_envelope_from = sender != NULL;
	if (sender != NULL)
		r->envelope_from = bytes_text(sender);
}

static void open_rules(const char *rules)
{
	memset(known, 0, sizeof(known));
	known_count = 0;
	open_checks(rules, NULL, find);
}

static void asks(const char *first, const char *second)
{
	asked_count = 0;
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, (first != NULL) + (second != NULL));
	if (first != NULL)
		assert_string_equal(asked[0], first);
	if (second != NULL)
		assert_string_equal(asked[1], second);
}

static void values_are(const char *rules, double value)
{
	char name[32];

	for (int len; sscanf(rules, "%31s%n", name, &len) == 1; rules += len)
		if (!(fixture_value(f, name) == value))
			fail_msg("%s is %f", name, fixture_value(f, name));
}

static void the_first_relay_outside_is_asked_about(void **state)
{
	(void)state;
	open_rules(RULES);
	add_relay("10.0.0.1", "inside", "other@a.example", true, true);
	add_relay("192.0.2.1", "MX.a.example", "Joe@A.example", true, false);
	add_relay("198.51.100.1", "far.example", "far@far.example", false, false);
	assert_true(ruleset_asks(f->ruleset));
	asks(SENDER_QUESTION, HELO_QUESTION);
	fixture_judge(f);
	values_are("PASS NONE FAIL SOFT TEMP HELO_PASS HELO_FAIL WELCOME DEF_WELCOME", OPEN);
	values_are("SKIPPED", 0);
	know(SENDER_QUESTION, SPF_PASS);
	know(HELO_QUESTION, SPF_FAIL);
	fixture_judge(f);
	values_are("PASS HELO_FAIL WELCOME DEF_WELCOME", 1);
	values_are("NONE FAIL SOFT TEMP HELO_PASS", 0);
	known[0].answer.value = SPF_TEMPERROR;
	fixture_judge(f);
	values_are("TEMP", 1);
	values_are("PASS WELCOME DEF_WELCOME", 0);
}

static void without_a_relay_outside_nobody_is_asked_about(void **state)
{
	(void)state;
	open_rules(RULES);
	add_relay("10.0.0.1", "mx.a.example", "joe@a.example", true, true);
	asks(NULL, NULL);
	fixture_judge(f);
	values_are("PASS NONE FAIL SOFT HELO_PASS HELO_FAIL WELCOME", 0);
}

static void the_envelope_serves_where_no_trusted_relay_is_between(void **state)
{
	(void)state;
	open_rules(RULES);
	fixture_header(f, "EnvelopeFrom:addr", "joe@a.example");
	add_relay("192.0.2.1", "mx.a.example", NULL, false, false);
	asks(SENDER_QUESTION, HELO_QUESTION);
	facts.relay_count = facts.relays_untrusted = 0;
	add_relay("10.0.0.1", "inside", NULL, true, true);
	add_relay("192.0.2.1", "mx.a.example", NULL, false, false);
	asks(HELO_QUESTION, NULL);
	fixture_judge(f);
	values_are("PASS NONE FAIL SOFT", 0);
	values_are("SKIPPED", 1);
	teardown(NULL);
	open_rules(RULES "always_trust_envelope_sender 1\n");
	fixture_header(f, "EnvelopeFrom:addr", "joe@a.example");
	add_relay("10.0.0.1", "inside", NULL, true, true);
	add_relay("192.0.2.1", "mx.a.example", NULL, false, false);
	asks(SENDER_QUESTION, HELO_QUESTION);
}

static void what_is_no_name_is_not_asked_about(void **state)
{
	static const char *const helos[] = {"", "host", "192.0.2.7", "[192.0.2.7]", "!192.0.2.7!"};

	(void)state;
	open_rules(RULES);
	for (size_t i = 0; i < sizeof(helos) / sizeof(helos[0]); i++) {
		facts.relay_count = 0;
		add_relay("192.0.2.1", helos[i], "", false, false);
		asks(NULL, NULL);
	}
	fixture_judge(f);
	values_are("PASS NONE HELO_PASS SKIPPED", 0);
	facts.relay_count = 0;
	add_relay("2001:db8::1", "two words.example", "joe@a.example", false, false);
	asks("2001:db8::1  joe@a.example", NULL);
}

static void given(const char *fields, const char *hits)
{
	open_rules(RULES);
	add_relay("192.0.2.1", "mx.a.example", "joe@a.example", false, false);
	fixture_header(f, "ALL-INTERNAL", fields);
	fixture_judge(f);
	values_are(hits, 1);
	teardown(NULL);
}

static void fields_of_relays_inside_are_believed(void **state)
{
	(void)state;
	given("Subject: x\nReceived-SPF: pass (a.example: ...) identity=mailfrom; helo=b.example",
	      "PASS WELCOME");
	given("Received-SPF: SoftFail", "SOFT");
	given("Received-SPF: fail (no) receiver=x; identity=helo; client-ip=192.0.2.1",
	      "HELO_FAIL");
	given("Authentication-Results: mx.example; dkim=none; spf=hardfail smtp.mailfrom=b.example",
	      "FAIL");
	given("ARC-Authentication-Results: i=1; mx.example; spf=pass (ok) smtp.helo=b.example; "
	      "dmarc=none",
	      "HELO_PASS");
	/* The one that was written first; with the option the newest. */
	given("Received-SPF: pass\nReceived-SPF: none", "NONE");
	open_rules(RULES "use_newest_received_spf_header 1\n");
	add_relay("192.0.2.1", "mx.a.example", "joe@a.example", false, false);
	fixture_header(f, "ALL-INTERNAL", "Received-SPF: pass\nReceived-SPF: none");
	asks(HELO_QUESTION, NULL);
	fixture_judge(f);
	values_are("PASS", 1);
}

static void fields_that_say_nothing_are_passed_over(void **state)
{
	static const char *const fields[] = {
	    "Received-SPF: passable", "Received-SPF: pass identity=pra; x",
	    "X-Received-SPF: pass",   "Authentication-Results: mx.example; dkim=pass",
	    "Received-SPF: unknown",  "Authentication-Results: mx.example; spf=pass smtp.auth=joe"};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		open_rules(RULES);
		add_relay("192.0.2.1", "mx.a.example", "joe@a.example", false, false);
		fixture_header(f, "ALL-INTERNAL", fields[i]);
		asks(SENDER_QUESTION, HELO_QUESTION);
		teardown(NULL);
	}
	open_rules(RULES "ignore_received_spf_header 1\n");
	add_relay("192.0.2.1", "mx.a.example", "joe@a.example", false, false);
	fixture_header(f, "ALL-INTERNAL", "Received-SPF: pass");
	asks(SENDER_QUESTION, HELO_QUESTION);
}

static void senders_are_asked_about_ahead(void **state)
{
	struct addr addr = addr_from_ip4(0xc0000201);

	(void)state;
	open_rules(RULES);
	asked_count = 0;
	ruleset_sender_questions(f->ruleset, &addr, BYTES("MX.a.example"), BYTES("joe@a.example"),
	                         see, NULL);
	assert_int_equal(asked_count, 2);
	assert_string_equal(asked[0], SENDER_QUESTION);
	assert_string_equal(asked[1], HELO_QUESTION);
	ruleset_sender_questions(f->ruleset, &addr, BYTES("host"), BYTES(""), see, NULL);
	addr = addr_from_ip4(0x0a000001);
	ruleset_sender_questions(f->ruleset, &addr, BYTES("MX.a.example"), BYTES("joe@a.example"),
	                         see, NULL);
	assert_int_equal(asked_count, 2);
}

static void without_a_network_they_are_zero(void **state)
{
	(void)state;
	f = fixture_new(RULES "meta NO_PASS !PASS\n");
	assert_false(ruleset_asks(f->ruleset));
	fixture_judge(f);
	values_are("PASS NONE HELO_PASS SKIPPED WELCOME", 0);
	values_are("NO_PASS", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(the_first_relay_outside_is_asked_about, teardown),
	    cmocka_unit_test_teardown(without_a_relay_outside_nobody_is_asked_about, teardown),
	    cmocka_unit_test_teardown(the_envelope_serves_where_no_trusted_relay_is_between,
	                              teardown),
	    cmocka_unit_test_teardown(what_is_no_name_is_not_asked_about, teardown),
	    cmocka_unit_test_teardown(fields_of_relays_inside_are_believed, teardown),
	    cmocka_unit_test_teardown(fields_that_say_nothing_are_passed_over, teardown),
	    cmocka_unit_test_teardown(senders_are_asked_about_ahead, teardown),
	    cmocka_unit_test_teardown(without_a_network_they_are_zero, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
