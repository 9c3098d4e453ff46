/* test_dkim.c - what rules about signatures make of them and of what management says. */
#include "base/dkim_question.h"
#include "checks_fixture.h"
#include "classifier/eval_dkim.h"

#define UNANSWERED UINT32_MAX

static struct answer answer[FACT_SIGNATURES_MAX];
static struct answer practice = {.result = ANSWER_FOUND, .value = 'N'};
static uint32_t asked_count;

static const struct answer *find(void *context, enum question_kind kind, struct bytes text)
{
	(void)context;
	if (kind == QUESTION_PRACTICES)
		return bytes_equal(text, BYTES("gone.example")) ? &practice : NULL;
	if (kind != QUESTION_DKIM)
		return NULL;
	assert_int_equal(text.len, 1);
	return answer[text.data[0]].value != UNANSWERED ? &answer[text.data[0]] : NULL;
}

static void see(void *context, enum question_kind kind, struct bytes text)
{
	(void)context;
	if (kind == QUESTION_PRACTICES)
		assert_true(bytes_equal(text, BYTES("gone.example")));
	else
		assert_int_equal(text.len, 1);
	asked_count++;
}

static void open_rules(const char *rules)
{
	open_checks(rules, NULL, find);
}

static void add(enum fact_signature_state state, const char *domain, const char *identity,
                uint32_t value)
{
	uint32_t i = facts.signature_count;
	struct fact_signature *s = add_signature(domain);

	s->state = state;
	s->identity_bytes = (uint16_t)snprintf(s->identity, sizeof(s->identity), "%s", identity);
	s->identity_below = strcmp(domain, identity) != 0;
	answer[i] = (struct answer){.result = ANSWER_FOUND, .value = value};
}

#define PASS(bits) (DKIM_VERDICT_PASS | (uint32_t)(bits) << DKIM_VALUE_BITS_FROM)
#define FAIL       DKIM_VERDICT_FAIL

static void values_are(const char *const *rules, const double *values, uint32_t count)
{
	fixture_judge(f);
	for (uint32_t i = 0; i < count; i++)
		assert_float_equal(fixture_value(f, rules[i]), values[i], 0.01);
}

static void value_is(const char *rule, double value)
{
	values_are(&rule, &value, 1);
}

#define RULES \
	"full SIGNED eval:check_dkim_signed()\n" \
	"full SIGNED_A eval:check_dkim_signed('a.example', '*.b.example')\n" \
	"full VALID eval:check_dkim_valid()\n" \
	"full VALID_A eval:check_dkim_valid('A.example', '*.b.example')\n" \
	"full VALID_AU eval:check_dkim_valid_author_sig()\n" \
	"full VALID_AU_A eval:check_dkim_valid_author_sig('a.example')\n" \
	"full VALID_EF eval:check_dkim_valid_envelopefrom()\n" \
	"full OLD eval:check_dkim_verified()\n" \
	"full DEPENDABLE eval:check_dkim_dependable()\n" \
	"header TESTING eval:check_dkim_testing()\n"

static void nothing_is_signed(void **state)
{
	(void)state;
	open_rules(RULES);
	assert_true(ruleset_reads_signatures(f->ruleset));
	assert_true(ruleset_asks(f->ruleset));
	value_is("SIGNED", 0);
	value_is("VALID", 0);
	value_is("DEPENDABLE", 1);
}

static void valid_signature_counts_by_its_identity(void **state)
{
	(void)state;
	open_rules(RULES);
	fixture_header(f, "From:addr", "bob@B.example");
	fixture_header(f, "EnvelopeFrom:addr", "bounce@x.b.example");
	add(SIGNATURE_ASK, "b.example", "x.b.example", PASS(2048));
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, 1);
	value_is("SIGNED", 1);
	value_is("SIGNED_A", 1);
	value_is("VALID", 1);
	value_is("OLD", 1);
	value_is("VALID_A", 1);
	value_is("VALID_AU", 0);
	value_is("VALID_EF", 1);
	value_is("TESTING", 0);
	add(SIGNATURE_ASK, "b.example", "b.example", PASS(2048) | DKIM_VALUE_TESTING);
	value_is("VALID_AU", 1);
	value_is("VALID_AU_A", 0);
	value_is("TESTING", 1);
}

static void signature_that_failed_is_one_all_the_same(void **state)
{
	static const enum fact_signature_state states[] = {SIGNATURE_ASK, SIGNATURE_BODY,
	                                                   SIGNATURE_INVALID};

	(void)state;
	open_rules(RULES);
	for (size_t i = 0; i < 3; i++) {
		facts.signature_count = facts.signature_fields = 0;
		add(states[i], "a.example", "a.example", FAIL);
		value_is("SIGNED", 1);
		value_is("SIGNED_A", 1);
		value_is("VALID", 0);
		value_is("VALID_A", 0);
		value_is("DEPENDABLE", 1);
	}
	answer[0].result = ANSWER_NONE;
	signature[0].state = SIGNATURE_ASK;
	value_is("VALID", 0);
}

/* RFC 6376 3.6.1: t=s. */
static void key_may_forbid_subdomains(void **state)
{
	(void)state;
	open_rules(RULES);
	add(SIGNATURE_ASK, "a.example", "sub.a.example", PASS(2048) | DKIM_VALUE_STRICT);
	value_is("VALID", 0);
	add(SIGNATURE_ASK, "a.example", "a.example", PASS(2048) | DKIM_VALUE_STRICT);
	value_is("VALID", 1);
}

static void short_keys_speak_for_no_domain(void **state)
{
	(void)state;
	open_rules(RULES "dkim_minimum_key_bits 2048\n");
	fixture_header(f, "From:addr", "bob@a.example");
	add(SIGNATURE_ASK, "a.example", "a.example", PASS(1024));
	value_is("VALID", 1);
	value_is("VALID_A", 0);
	value_is("VALID_AU", 0);
	add(SIGNATURE_ASK, "a.example", "a.example", PASS(0)); /* Ed25519 */
	value_is("VALID_A", 1);
}

static void silence_leaves_rules_open(void **state)
{
	struct bytes domain[EVAL_DKIM_DOMAINS_MAX];

	(void)state;
	open_rules(RULES);
	fixture_header(f, "From:addr", "bob@a.example");
	add(SIGNATURE_ASK, "a.example", "a.example", UNANSWERED);
	value_is("SIGNED", 1);
	value_is("VALID", OPEN);
	value_is("VALID_A", OPEN);
	value_is("VALID_AU", OPEN);
	value_is("VALID_EF", 0);
	value_is("DEPENDABLE", 1);
	add(SIGNATURE_ASK, "c.example", "c.example", PASS(2048));
	value_is("VALID", 1);
	value_is("VALID_AU", OPEN);
	add(SIGNATURE_UNKNOWN, "b.example", "b.example", 0);
	value_is("DEPENDABLE", 0);

	const struct eval_call call = {.context = f->context,
	                               .ruleset = f->ruleset,
	                               .texts = &f->texts,
	                               .facts = &facts,
	                               .state = f->context->eval};
	bool open;
	assert_int_equal(eval_dkim_domains(&call, domain, &open), 1);
	assert_true(bytes_equal(domain[0], BYTES("c.example")));
	assert_true(open);
}

static void chain_holds_when_all_its_signatures_do(void **state)
{
	(void)state;
	open_rules("full SIGNED eval:check_arc_signed()\nfull VALID eval:check_arc_valid()\n");
	assert_true(ruleset_reads_signatures(f->ruleset));
	value_is("SIGNED", 0);
	value_is("VALID", 0);
	for (int i = 0; i < 3; i++)
		add(SIGNATURE_ASK, "a.example", "a.example", PASS(2048));
	facts.signature_count = 0;
	facts.arc = (struct fact_arc){.state = ARC_ASK, .fields = 2, .set_count = 2, .count = 3};
	for (int i = 0; i < 3; i++)
		facts.arc.signature[i] = &signature[i];
	asked_count = 0;
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, 3);
	value_is("SIGNED", 1);
	value_is("VALID", 1);
	answer[1].value = UNANSWERED;
	value_is("VALID", OPEN);
	answer[2].value = FAIL;
	value_is("VALID", 0);
	facts.arc.state = ARC_INVALID;
	value_is("SIGNED", 1);
	value_is("VALID", 0);
	facts.arc.state = ARC_UNKNOWN;
	value_is("VALID", OPEN);
}

#define LISTS \
	"whitelist_from_dkim *@listed.example\n" \
	"welcomelist_from_dkim jane@third.example *.signer.example\n" \
	"welcomelist_from_dkim joe@third.example x@signer.example\n" \
	"welcomelist_from_dkim gone@listed.example\n" \
	"def_whitelist_auth *@*.auth.example\n" \
	"def_welcomelist_from_dkim *@gone.example gone.example\n" \
	"unwhitelist_from_dkim *@gone.example gone.example\n" \
	"header MINE eval:check_for_dkim_whitelist_from()\n" \
	"header DEFAULT eval:check_for_def_dkim_welcomelist_from()\n"

static void author_is(const char *author, const char *signer, double mine, double by_default)
{
	open_rules(LISTS);
	fixture_header(f, "From:addr", author);
	add(SIGNATURE_ASK, signer, signer, PASS(2048));
	value_is("MINE", mine);
	value_is("DEFAULT", by_default);
	answer[0].value = FAIL;
	value_is("MINE", 0);
	value_is("DEFAULT", 0);
	answer[0].value = UNANSWERED;
	value_is("MINE", mine != 0 ? OPEN : 0);
	value_is("DEFAULT", by_default != 0 ? OPEN : 0);
	(void)teardown(NULL);
}

static void lists_name_authors_and_who_signs_for_them(void **state)
{
	(void)state;
	author_is("a@listed.example", "listed.example", 1, 0);
	author_is("a@Listed.Example", "listed.example", 1, 0);
	author_is("a@listed.example", "other.example", 0, 0);
	author_is("jane@third.example", "third.example", 0, 0);
	author_is("jane@third.example", "a.signer.example", 1, 0);
	author_is("jane@third.example", "signer.example", 0, 0);
	author_is("joe@third.example", "signer.example", 1, 0);
	author_is("a@x.auth.example", "x.auth.example", 0, 1);
	author_is("a@x.auth.example", "auth.example", 0, 0);
	author_is("a@gone.example", "gone.example", 0, 0);
}

#define PRACTICES \
	"adsp_override strict.example\n" \
	"adsp_override *.low.example custom_low\n" \
	"adsp_override a.low.example UNKNOWN\n" \
	"adsp_override all.example all\n" \
	"adsp_override all.example nxdomain\n" \
	"header N eval:check_dkim_adsp('N')\n" \
	"header D eval:check_dkim_adsp('D')\n" \
	"header LOW eval:check_dkim_adsp('1')\n" \
	"header ANY_STRICT eval:check_dkim_adsp('*', '.example', 'example.com')\n" \
	"header ANY_COM eval:check_dkim_adsp('*', '.com')\n" \
	"header ALL eval:check_dkim_signall()\n"

static void practice_is(const char *author, const char *rule, double value)
{
	open_rules(PRACTICES);
	fixture_header(f, "From:addr", author);
	value_is(rule, value);
	add(SIGNATURE_ASK, strchr(author, '@') + 1, strchr(author, '@') + 1, PASS(2048));
	value_is(rule, 0);
	answer[0].value = FAIL;
	value_is(rule, value);
	answer[0].value = UNANSWERED;
	value_is(rule, 0);
	(void)teardown(NULL);
}

static void practices_count_for_mail_that_is_not_signed(void **state)
{
	(void)state;
	practice_is("a@strict.example", "D", 1);
	practice_is("a@gone.example", "N", 1);
	practice_is("a@gone.example", "D", 0);
	practice_is("a@gone.example", "ANY_STRICT", 1);
	practice_is("a@b.c.low.example", "LOW", 1);
	practice_is("a@a.low.example", "LOW", 0);
	practice_is("a@all.example", "N", 1);
	practice_is("a@all.example", "ALL", 0);
	practice_is("a@strict.example", "ANY_STRICT", 1);
	practice_is("a@strict.example", "ANY_COM", 0);
}

static void practices_nobody_told_of_leave_rules_open(void **state)
{
	(void)state;
	open_rules(PRACTICES);
	fixture_header(f, "From:addr", "a@Gone.example");
	asked_count = 0;
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, 1);
	(void)teardown(NULL);
	open_rules(PRACTICES);
	fixture_header(f, "From:addr", "a@silent.example");
	value_is("N", OPEN);
	value_is("ANY_STRICT", OPEN);
	value_is("ANY_COM", 0);
	(void)teardown(NULL);
	open_rules(PRACTICES);
	fixture_header(f, "From:addr", "a@strict.example");
	asked_count = 0;
	classifier_questions(f->context, &f->texts, see, NULL);
	assert_int_equal(asked_count, 0);
}

static void wrong_lines_are_reported(void **state)
{
	static const char *const wrong[] = {"adsp_override a.example sometimes\nbody A /a/\n",
	                                    "adsp_override a*.example\nbody A /a/\n",
	                                    "welcomelist_from_dkim a@b c d\nbody A /a/\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char key[64];

		open_rules(wrong[i]);
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(wrong[i], " "), wrong[i]);
		assert_non_null(fixture_report(f, key));
		(void)teardown(NULL);
	}
}

/* Without checks all of this is what it was: rules that never hit. */
static void without_checks_nothing_is_read(void **state)
{
	(void)state;
	f = fixture_new(RULES LISTS);
	assert_false(ruleset_reads_signatures(f->ruleset));
	value_is("SIGNED", 0);
	value_is("MINE", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(nothing_is_signed, teardown),
	    cmocka_unit_test_teardown(valid_signature_counts_by_its_identity, teardown),
	    cmocka_unit_test_teardown(signature_that_failed_is_one_all_the_same, teardown),
	    cmocka_unit_test_teardown(key_may_forbid_subdomains, teardown),
	    cmocka_unit_test_teardown(short_keys_speak_for_no_domain, teardown),
	    cmocka_unit_test_teardown(silence_leaves_rules_open, teardown),
	    cmocka_unit_test_teardown(chain_holds_when_all_its_signatures_do, teardown),
	    cmocka_unit_test_teardown(lists_name_authors_and_who_signs_for_them, teardown),
	    cmocka_unit_test_teardown(practices_count_for_mail_that_is_not_signed, teardown),
	    cmocka_unit_test_teardown(practices_nobody_told_of_leave_rules_open, teardown),
	    cmocka_unit_test_teardown(wrong_lines_are_reported, teardown),
	    cmocka_unit_test_teardown(without_checks_nothing_is_read, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
