/* eval_tag.c - what tags in templates of rules that ask the network stand for. */
#include "base/addr.h"
#include "classifier/eval_dkim.h"
#include "classifier/eval_net.h"

static void add(struct eval_tag_values *to, struct bytes value)
{
	if (value.len == 0 || to->count == EVAL_TAG_VALUES_MAX)
		return;
	for (uint32_t i = 0; i < to->count; i++)
		if (bytes_equal(to->item[i], value))
			return;
	to->item[to->count++] = value;
}

static void add_lines(struct eval_tag_values *to, struct bytes rest, uint32_t most)
{
	struct bytes line;

	for (uint32_t i = 0; i < most && eval_next_line(&rest, &line); i++)
		add(to, line);
}

static void add_reversed(struct eval_tag_values *to, struct bytes ip)
{
	struct addr addr;

	if (to->count < EVAL_TAG_VALUES_MAX && addr_parse(ip, &addr) == OK)
		add(to, net_reversed(&addr, to->memory[to->count]));
}

/* The relay that handed the message to the first of our own; NULL: there is none. */
static const struct fact_relay *last_external(const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->relay_count; i++)
		if (!facts->relay[i].is_internal)
			return &facts->relay[i];
	return NULL;
}

static const struct fact_relay *first_trusted(const struct facts *facts)
{
	for (uint32_t i = facts->relay_count; i > 0; i--)
		if (facts->relay[i - 1].is_trusted)
			return &facts->relay[i - 1];
	return NULL;
}

static void add_relay(struct eval_tag_values *to, enum eval_tag tag, const struct fact_relay *relay)
{
	if (relay == NULL)
		return;
	if (tag == EVAL_TAG_LASTEXTERNALREVIP || tag == EVAL_TAG_FIRSTTRUSTEDREVIP)
		add_reversed(to, relay->ip);
	else
		add(to, tag == EVAL_TAG_LASTEXTERNALHELO   ? relay->helo
		        : tag == EVAL_TAG_LASTEXTERNALRDNS ? relay->rdns
		                                           : relay->ip);
}

static bool is_among(const struct fact_relay *relay, enum eval_tag tag)
{
	switch (tag) {
	case EVAL_TAG_RELAYSTRUSTEDREVIP:
		return relay->is_trusted;
	case EVAL_TAG_RELAYSUNTRUSTEDREVIP:
		return !relay->is_trusted;
	case EVAL_TAG_RELAYSINTERNALREVIP:
		return relay->is_internal;
	default:
		return !relay->is_internal;
	}
}

static void add_relays(struct eval_tag_values *to, enum eval_tag tag, const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->relay_count; i++)
		if (is_among(&facts->relay[i], tag) && !eval_is_private_ip(facts->relay[i].ip))
			add_reversed(to, facts->relay[i].ip);
}

/* Which signatures are valid is asked at the same time as about their domains. */
static void add_signers(const struct walk *walk, struct eval_tag_values *to)
{
	const struct facts *facts = walk->call->facts;
	struct bytes domain[EVAL_DKIM_DOMAINS_MAX];
	uint32_t count = facts->signature_count;

	for (uint32_t i = 0; i < count; i++)
		domain[i] = fact_signature_domain(&facts->signature[i]);
	if (walk->seen == NULL)
		count = eval_dkim_domains(walk->call, domain, &to->open);
	for (uint32_t i = 0; i < count; i++)
		add(to, domain[i]);
}

bool eval_tag_is_read(const struct ruleset_evals *e, const struct blob_eval *eval,
                      enum eval_tag tag)
{
	for (uint32_t i = 0; i < eval->argument_count; i++) {
		const struct blob_eval_argument *a = &e->argument[eval->argument + i];

		if (a->kind == 't' && a->number == (double)tag)
			return true;
	}
	return false;
}

void eval_tag_values(const struct walk *walk, uint32_t argument, uint32_t header,
                     struct eval_tag_values *out_values)
{
	const struct eval_call *call = walk->call;
	uint32_t number = (uint32_t)eval_number(call, argument);

	out_values->count = 0;
	out_values->open = false;
	if (number >= EVAL_TAG_CAPTURED) {
		add_lines(
		    out_values,
		    eval_captured_text(call, number - EVAL_TAG_CAPTURED, eval_text(call, argument)),
		    1);
		return;
	}
	switch ((enum eval_tag)number) {
	case EVAL_TAG_AUTHORDOMAIN:
		add_lines(out_values, eval_header(call, header), EVAL_ADDRESSES_MAX);
		break;
	case EVAL_TAG_HEADER:
	case EVAL_TAG_SENDERDOMAIN:
		add_lines(out_values, eval_header(call, header), 1);
		break;
	case EVAL_TAG_LASTEXTERNALIP:
	case EVAL_TAG_LASTEXTERNALREVIP:
	case EVAL_TAG_LASTEXTERNALHELO:
	case EVAL_TAG_LASTEXTERNALRDNS:
		add_relay(out_values, (enum eval_tag)number, last_external(call->facts));
		break;
	case EVAL_TAG_FIRSTTRUSTEDIP:
	case EVAL_TAG_FIRSTTRUSTEDREVIP:
		add_relay(out_values, (enum eval_tag)number, first_trusted(call->facts));
		break;
	case EVAL_TAG_DKIMDOMAIN:
		add_signers(walk, out_values);
		break;
	default:
		add_relays(out_values, (enum eval_tag)number, call->facts);
		break;
	}
}
