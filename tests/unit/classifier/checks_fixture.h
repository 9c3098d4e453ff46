/* checks_fixture.h - rules judged with checks on: facts the test gives, answers of the test's own.
 */
#ifndef TESTS_UNIT_CLASSIFIER_CHECKS_FIXTURE_H
#define TESTS_UNIT_CLASSIFIER_CHECKS_FIXTURE_H

#include "base/facts.h"
#include "rules_fixture.h"

#define OPEN (-1)

static struct fact_relay relay[8];
static struct fact_signature signature[FACT_SIGNATURES_MAX];
static struct facts facts;
static struct answers answers;
static struct fixture *f;

/* Who knows: `find` of struct answers. There are no relays and no signatures yet. */
static inline void open_checks(const char *rules, void *context,
                               const struct answer *(*find)(void *context, enum question_kind kind,
                                                            struct bytes name))
{
	memset(&facts, 0, sizeof(facts));
	memset(signature, 0, sizeof(signature));
	facts.relay = relay;
	facts.signature = signature;
	facts.signatures_known = true;
	f = malloc(sizeof(*f));
	assert_non_null(f);
	fixture_open(f, rules, &(struct rule_compile_options){.score_column = 1});
	f->texts.facts = &facts;
	answers = (struct answers){.context = context, .find = find};
	scan_context_set_answers(f->context, &answers);
}

static inline int teardown(void **state)
{
	(void)state;
	if (f != NULL)
		fixture_free(f);
	f = NULL;
	return 0;
}

static inline struct fact_relay *add_hop(const char *ip, bool trusted, bool internal)
{
	struct fact_relay *r = &relay[facts.relay_count++];

	assert_true(facts.relay_count <= sizeof(relay) / sizeof(relay[0]));
	*r = (struct fact_relay){
	    .ip = bytes_text(ip), .is_trusted = trusted, .is_internal = internal};
	assert_int_equal(addr_parse(r->ip, &r->addr), OK);
	facts.relays_trusted += trusted;
	facts.relays_untrusted += !trusted;
	return r;
}

/* Its question is its number. */
static inline struct fact_signature *add_signature(const char *domain)
{
	uint32_t i = facts.signature_count++;
	struct fact_signature *s = &signature[i];

	assert_true(i < FACT_SIGNATURES_MAX);
	facts.signature_fields++;
	memset(s, 0, sizeof(*s));
	s->domain_bytes = (uint16_t)snprintf(s->domain, sizeof(s->domain), "%s", domain);
	s->question[0] = (uint8_t)i;
	s->question_bytes = 1;
	return s;
}

#endif
