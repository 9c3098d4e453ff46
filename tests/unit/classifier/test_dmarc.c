/* test_dmarc.c - what rules about DMARC ask, and how they put proofs and wishes together. */
#include "base/dkim_question.h"
#include "base/dmarc_question.h"
#include "base/spf_question.h"
#include "checks_fixture.h"

#define RULES \
	"util_rb_tld com\n" \
	"header PASS eval:check_dmarc_pass()\n" \
	"header REJECT eval:check_dmarc_reject()\n" \
	"header QUARANTINE eval:check_dmarc_quarantine()\n" \
	"header NONE eval:check_dmarc_none()\n" \
	"header MISSING eval:check_dmarc_missing()\n"

#define UNANSWERED UINT32_MAX
#define ALIGNED(i) (UINT32_C(1) << DMARC_VALUE_ALIGNED << (i))

static struct answer sender, helo, dmarc, dkim[2]; /* value UNANSWERED: nobody has told */
static char asked[8][QUESTION_BYTES];
static uint32_t asked_count;

static const struct answer *told(const struct answer *answer)
{
	return answer->value != UNANSWERED ? answer : NULL;
}

static const struct answer *find(void *context, enum question_kind kind, struct bytes text)
{
	(void)context;
	if (kind == QUESTION_DMARC)
		return told(&dmarc);
	if (kind == QUESTION_DKIM)
		return told(&dkim[text.data[0]]);
	assert_int_equal(kind, QUESTION_SPF);
	return told(bytes_find(text, '@') < text.len ? &sender : &helo);
}

static void see(void *context, enum question_kind kind, struct bytes text)
{
	(void)context;
	assert_true(asked_count < 8);
	snprintf(asked[asked_count++], sizeof(asked[0]), "%s %.*s", question_kind_text(kind),
	         (int)text.len, text.data);
}

static void say(struct answer *answer, uint32_t value)
{
	*answer = (struct answer){.result = ANSWER_FOUND, .value = value};
}

static void open_rules(const char *author)
{
	struct fact_relay *r;

	say(&sender, UNANSWERED);
	say(&helo, UNANSWERED);
	say(&dmarc, UNANSWERED);
	say(&dkim[0], UNANSWERED);
	say(&dkim[1], UNANSWERED);
	open_checks(RULES, NULL, find);
	r = add_hop("192.0.2.1", false, false);
	r->helo = BYTES("mx.a.com");
	r->envelope_from = BYTES("bounce@Lists.a.com");
	r->has_envelope_from = true;
	fixture_header(f, "From:first:addr", author);
	fixture_header(f, "EnvelopeFrom:addr", "bounce@Lists.a.com");
}

static int setup(void **state)
{
	(void)state;
	open_rules("joe@A.com");
	return 0;
}

/* What is told beside the rules' values, of which it follows. */
static void finding_is(double pass, double failed, double missing, enum dmarc_policy policy)
{
	struct dmarc_result result;
	bool known = classifier_dmarc(f->context, &f->texts, &result);

	assert_int_equal(known, pass != 0 || failed != 0 || missing != 0);
	if (!known)
		return;
	assert_true(bytes_equal_nocase(result.author, BYTES("a.com")) ||
	            bytes_equal(result.author, BYTES("a!b.com")));
	if (pass == OPEN || failed == OPEN || missing == OPEN)
		assert_int_equal(result.finding, DMARC_FINDING_OPEN);
	else if (missing == 1)
		assert_int_equal(result.finding, DMARC_FINDING_NONE);
	else
		assert_int_equal(result.finding,
		                 pass == 1 ? DMARC_FINDING_PASS : DMARC_FINDING_FAIL);
	/* The policy is told, not what came of it by lot. */
	if (failed == 1)
		assert_int_equal(dmarc_value_spared(dmarc.value) == 100
		                     ? dmarc_milder(result.policy)
		                     : result.policy,
		                 policy);
}

/* Of the five rules in their order. */
static void values_are(double pass, double reject, double quarantine, double none, double missing)
{
	fixture_judge(f);
	finding_is(pass, reject + quarantine + none < 0 ? OPEN : reject + quarantine + none,
	           missing,
	           reject == 1       ? DMARC_REJECT
	           : quarantine == 1 ? DMARC_QUARANTINE
	                             : DMARC_NONE);
	assert_float_equal(fixture_value(f, "PASS"), pass, 0);
	assert_float_equal(fixture_value(f, "REJECT"), reject, 0);
	assert_float_equal(fixture_value(f, "QUARANTINE"), quarantine, 0);
	assert_float_equal(fixture_value(f, "NONE"), none, 0);
	assert_float_equal(fixture_value(f, "MISSING"), missing, 0);
}

static void all_that_may_be_proved_is_asked_about(void **state)
{
	(void)state;
	add_signature("a.com");
	add_signature("esp.example");
	assert_true(ruleset_asks(f->ruleset));
	assert_true(ruleset_reads_signatures(f->ruleset));
	asked_count = 0;
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, 5);
	assert_string_equal(asked[0], "spf 192.0.2.1 mx.a.com bounce@lists.a.com");
	assert_string_equal(asked[1], "spf 192.0.2.1 mx.a.com ");
	assert_string_equal(asked[2],
	                    "dmarc a.com lists.a.com mx.a.com a.com esp.example - - - - - -");
	values_are(OPEN, OPEN, OPEN, OPEN, OPEN);
}

#define LISTS  40
#define RELAYS 8
#define ROOM   256 /* of the questions one mail waits for: AWAITED_MAX */

struct order {
	uint32_t count, last; /* that is not about a list */
};

static void see_order(void *context, enum question_kind kind, struct bytes text)
{
	struct order *order = context;

	(void)text;
	order->count++;
	if (kind != QUESTION_ADDRESS)
		order->last = order->count;
}

static void lists_do_not_crowd_out_proofs(void **state)
{
	static char rules[LISTS * 64 + sizeof(RULES)];
	static char ip[RELAYS][ADDR_TEXT_MAX];
	struct order order = {.count = 0};
	size_t len = 0;

	(void)state;
	teardown(NULL);
	for (int i = 0; i < LISTS; i++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len,
		                        "header L%d eval:check_rbl('l%d', 'l%d.example.')\n", i, i,
		                        i);
	snprintf(rules + len, sizeof(rules) - len, "%s", RULES);
	open_checks(rules, NULL, find);
	for (int i = 0; i < RELAYS; i++) {
		snprintf(ip[i], sizeof(ip[i]), "203.0.113.%d", i + 1);
		(void)add_hop(ip[i], false, false);
	}
	relay[0].helo = BYTES("mx.a.com");
	fixture_header(f, "From:first:addr", "joe@a.com");
	fixture_header(f, "EnvelopeFrom:addr", "bounce@a.com");
	add_signature("a.com");
	classifier_questions(f->context, &f->texts, see_order, &order);
	assert_true(order.count > ROOM);
	assert_int_equal(order.last, 4); /* two by SPF, DMARC and the signature */
}

static void wishes_count_where_nothing_is_proved(void **state)
{
	(void)state;
	say(&sender, SPF_FAIL);
	say(&helo, SPF_NONE);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_SENDER) | ALIGNED(DMARC_HELO));
	values_are(0, 1, 0, 0, 0);
	say(&dmarc, DMARC_QUARANTINE | ALIGNED(DMARC_SENDER));
	values_are(0, 0, 1, 0, 0);
	say(&dmarc, DMARC_NONE | ALIGNED(DMARC_SENDER));
	values_are(0, 0, 0, 1, 0);
	say(&dmarc, DMARC_MISSING);
	values_are(0, 0, 0, 0, 1);
	say(&dmarc, 200 | ALIGNED(DMARC_SENDER));
	values_are(0, 0, 0, 0, 1);
	say(&dmarc, DMARC_REJECT);
	dmarc.result = ANSWER_FAILED;
	values_are(OPEN, OPEN, OPEN, OPEN, OPEN);
}

static void the_sender_proves_it_when_aligned(void **state)
{
	(void)state;
	say(&sender, SPF_PASS);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_SENDER));
	values_are(1, 0, 0, 0, 0);
	/* One that passes and is another's is not helped by HELO. */
	say(&helo, SPF_PASS);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_HELO));
	values_are(0, 1, 0, 0, 0);
	say(&sender, SPF_SOFTFAIL);
	values_are(1, 0, 0, 0, 0);
}

static void what_is_open_may_turn_it(void **state)
{
	(void)state;
	say(&helo, SPF_NONE);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_SENDER));
	values_are(OPEN, OPEN, 0, 0, 0);
	say(&dmarc, DMARC_REJECT);
	values_are(0, 1, 0, 0, 0);
	/* The sender may pass, and HELO not count then. */
	say(&helo, SPF_PASS);
	say(&dmarc, DMARC_QUARANTINE | ALIGNED(DMARC_HELO));
	values_are(OPEN, 0, OPEN, 0, 0);
	say(&dmarc, DMARC_QUARANTINE | ALIGNED(DMARC_HELO) | ALIGNED(DMARC_SENDER));
	values_are(1, 0, 0, 0, 0);
}

static void a_signature_proves_it_when_aligned(void **state)
{
	(void)state;
	add_signature("esp.example");
	add_signature("a.com");
	say(&sender, SPF_FAIL);
	say(&helo, SPF_FAIL);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_SIGNER + 1));
	values_are(OPEN, OPEN, 0, 0, 0);
	say(&dkim[0], DKIM_VERDICT_PASS);
	values_are(OPEN, OPEN, 0, 0, 0);
	say(&dkim[1], DKIM_VERDICT_FAIL);
	values_are(0, 1, 0, 0, 0);
	say(&dkim[1], DKIM_VERDICT_PASS);
	values_are(1, 0, 0, 0, 0);
	say(&sender, UNANSWERED);
	values_are(1, 0, 0, 0, 0);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_SIGNER));
	say(&dkim[0], DKIM_VERDICT_FAIL);
	values_are(0, 1, 0, 0, 0);
}

#define SPARED(percent) (UINT32_C(percent) << DMARC_VALUE_SPARED)

/* Those of a thousand messages that are put aside where 70 of 100 are to be, the others refused. */
static uint32_t spared_count(const struct hash_key *key, uint32_t *out_differ)
{
	static bool before[1000];
	static const struct fact_part root = {.field_count = 1};
	static struct fact_field field;
	static char id[32];
	uint32_t spared = 0;

	*out_differ = 0;
	field.name = BYTES("Message-ID");
	field.name_hash = fact_name_hash(field.name);
	facts.field = &field;
	facts.part = &root;
	facts.field_count = facts.part_count = 1;
	answers.lot_key = key;
	for (uint32_t i = 0; i < 1000; i++) {
		bool now;

		field.raw = bytes_of(id, (size_t)snprintf(id, sizeof(id), "<%u@a.com>", i));
		fixture_judge(f);
		now = fixture_value(f, "QUARANTINE") == 1;
		assert_true(fixture_value(f, "REJECT") == !now);
		*out_differ += now != before[i];
		before[i] = now;
		spared += now;
	}
	return spared;
}

static void some_mail_is_spared_by_lot(void **state)
{
	static const struct hash_key key = {{1, 2}};
	uint32_t differ;

	(void)state;
	say(&sender, SPF_FAIL);
	say(&helo, SPF_FAIL);
	say(&dmarc, DMARC_REJECT | SPARED(100));
	values_are(0, 0, 1, 0, 0);
	say(&dmarc, DMARC_QUARANTINE | SPARED(100));
	values_are(0, 0, 0, 1, 0);
	say(&dmarc, DMARC_NONE | SPARED(100));
	values_are(0, 0, 0, 1, 0);
	say(&dmarc, DMARC_REJECT | SPARED(70));
	assert_in_range(spared_count(NULL, &differ), 650, 750);
	/* The same message draws the same; with another key it may not. */
	assert_in_range(spared_count(NULL, &differ), 650, 750);
	assert_int_equal(differ, 0);
	assert_in_range(spared_count(&key, &differ), 650, 750);
	assert_in_range(differ, 300, 540);
	/* What passes is not in question. */
	say(&dmarc, DMARC_REJECT | SPARED(70) | ALIGNED(DMARC_SENDER));
	say(&sender, SPF_PASS);
	values_are(1, 0, 0, 0, 0);
}

static enum dmarc_finding finding_with(const char *authors)
{
	struct dmarc_result result;

	teardown(NULL);
	open_rules("joe@A.com");
	fixture_header(f, "From:addr", authors);
	say(&sender, SPF_PASS);
	say(&helo, SPF_NONE);
	say(&dmarc, DMARC_REJECT | ALIGNED(DMARC_SENDER));
	fixture_judge(f);
	assert_true(classifier_dmarc(f->context, &f->texts, &result));
	assert_true(bytes_equal(result.author, BYTES("A.com")));
	return result.finding;
}

/* Whether it was in one field or in several. */
static void authors_of_several_domains_prove_nothing(void **state)
{
	(void)state;
	assert_int_equal(finding_with("joe@A.com"), DMARC_FINDING_PASS);
	assert_int_equal(finding_with("joe@A.com\nann@a.COM\nnobody"), DMARC_FINDING_PASS);
	assert_int_equal(finding_with("joe@A.com\nceo@bank.example"), DMARC_FINDING_AUTHORS);
	assert_int_equal(finding_with("joe@A.com\nann@b.a.com"), DMARC_FINDING_AUTHORS);
}

static void without_an_author_or_a_relay_nothing_is_said(void **state)
{
	(void)state;
	facts.relay_count = facts.relays_untrusted = 0;
	values_are(0, 0, 0, 0, 0);
	facts.relay_count = 1;
	teardown(NULL);
	open_rules("undisclosed");
	values_are(0, 0, 0, 0, 0);
	teardown(NULL);
	open_rules("joe@a.nowhere");
	values_are(0, 0, 0, 0, 0);
	teardown(NULL);
	open_rules("joe@a!b.com");
	values_are(0, 0, 0, 0, 1);
	asked_count = 0;
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, 2); /* SPF */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(all_that_may_be_proved_is_asked_about, setup, teardown),
	    cmocka_unit_test_setup_teardown(lists_do_not_crowd_out_proofs, setup, teardown),
	    cmocka_unit_test_setup_teardown(wishes_count_where_nothing_is_proved, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_sender_proves_it_when_aligned, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_open_may_turn_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_signature_proves_it_when_aligned, setup, teardown),
	    cmocka_unit_test_setup_teardown(some_mail_is_spared_by_lot, setup, teardown),
	    cmocka_unit_test_setup_teardown(authors_of_several_domains_prove_nothing, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(without_an_author_or_a_relay_nothing_is_said, setup,
	                                    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
