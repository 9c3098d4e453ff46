/* eval_dmarc.c - eval functions about the wishes of the author's domain (RFC 7489).
 *
 * A message passes when a domain that SPF or DKIM proves is aligned with the author's. Which
 * domains may be proved is known from the message alone: so policy and alignment are asked about
 * together with the proofs, and put together when all are answered. A proof that is open leaves the
 * rules open that it could turn. Whose word counts follows SpamAssassin 4.0.1: HELO's where the
 * sender has not passed.
 */
#include "base/dmarc_question.h"
#include "classifier/eval.h"
#include "classifier/eval_dkim.h"
#include "classifier/eval_signature.h"
#include "classifier/eval_spf.h"

/* Selectors of these functions in eval.def. */
#define HEADER_SENDER  0
#define HEADER_AUTHOR  2
#define HEADER_AUTHORS 3

enum outcome {
	OUTCOME_OPEN,
	OUTCOME_NOTHING, /* nobody to be asked about: no relay outside, no author whose domain can
	                    be */
	OUTCOME_MISSING,
	OUTCOME_PASS,
	OUTCOME_FAIL
};

static struct bytes domain_of(struct bytes address)
{
	return bytes_find(address, '@') < address.len ? bytes_trim(bytes_behind_last(address, '@'))
	                                              : bytes_of(NULL, 0);
}

static void request_of(const struct eval_call *call, const struct fact_relay *relay,
                       struct dmarc_request *out_request)
{
	const struct facts *facts = call->facts;
	struct bytes sender = eval_has_header(call, HEADER_SENDER) ? eval_first(call, HEADER_SENDER)
	                                                           : relay->envelope_from;

	memset(out_request, 0, sizeof(*out_request));
	out_request->author = domain_of(eval_first(call, HEADER_AUTHOR));
	out_request->domain[DMARC_SENDER] = domain_of(sender);
	out_request->domain[DMARC_HELO] = relay->helo;
	for (uint32_t i = 0; i < facts->signature_count && i < DMARC_SIGNERS_MAX; i++)
		out_request->domain[DMARC_SIGNER + i] = fact_signature_domain(&facts->signature[i]);
}

/* The question as text; 0: there is none, and `out_outcome` says what that means. */
static size_t question_of(const struct eval_call *call, char text[QUESTION_BYTES],
                          enum outcome *out_outcome)
{
	const struct fact_relay *relay = eval_first_external(call->facts);
	struct dmarc_request request;
	size_t len;

	*out_outcome = OUTCOME_NOTHING;
	if (relay == NULL || !eval_has_header(call, HEADER_AUTHOR))
		return 0;
	request_of(call, relay, &request);
	if (!eval_has_valid_tld(call->ruleset, request.author))
		return 0;
	len = dmarc_request_write(&request, text, QUESTION_BYTES - 1);
	/* What is no name in the DNS has no policy there. */
	*out_outcome = OUTCOME_MISSING;
	return len;
}

enum proof { PROOF_NONE, PROOF_OPEN, PROOF_GIVEN };

static enum proof best(enum proof a, enum proof b)
{
	return a > b ? a : b;
}

static enum proof proof_by_spf(const struct eval_call *call, uint32_t value)
{
	enum spf_result sender_result, helo_result;
	enum eval_spf_finding sender = eval_spf_find(call, EVAL_SPF_SENDER, &sender_result);
	enum eval_spf_finding helo = eval_spf_find(call, EVAL_SPF_HELO, &helo_result);
	bool is_aligned = dmarc_value_aligned(value, DMARC_SENDER);
	enum proof by_helo = PROOF_NONE;

	if (sender == EVAL_SPF_KNOWN && sender_result == SPF_PASS)
		return is_aligned ? PROOF_GIVEN : PROOF_NONE;
	if (dmarc_value_aligned(value, DMARC_HELO) && helo == EVAL_SPF_OPEN)
		by_helo = PROOF_OPEN;
	if (dmarc_value_aligned(value, DMARC_HELO) && helo == EVAL_SPF_KNOWN &&
	    helo_result == SPF_PASS)
		by_helo = PROOF_GIVEN;
	if (sender != EVAL_SPF_OPEN || (is_aligned && by_helo == PROOF_GIVEN))
		return by_helo;
	/* The sender may pass yet: then it counts, and HELO does not. */
	return is_aligned || by_helo != PROOF_NONE ? PROOF_OPEN : PROOF_NONE;
}

static enum proof proof_by_dkim(const struct eval_call *call, uint32_t value)
{
	const struct eval_dkim *dkim = eval_dkim(call);
	enum proof proof = PROOF_NONE;

	for (uint32_t i = 0; i < call->facts->signature_count && i < DMARC_SIGNERS_MAX; i++) {
		if (!dmarc_value_aligned(value, DMARC_SIGNER + i))
			continue;
		if (dkim->signature[i].finding == DKIM_VALID)
			return PROOF_GIVEN;
		if (dkim->signature[i].finding == DKIM_OPEN)
			proof = PROOF_OPEN;
	}
	return proof;
}

/* A number below 100 that is the same whenever this message is judged. */
static uint32_t lot_of(const struct eval_call *call)
{
	static const struct hash_key no_key;
	static const char *const names[] = {"message-id", "date", "subject"};
	const struct facts *facts = call->facts;
	const struct hash_key *key = call->context->answers->lot_key;
	struct bytes author = eval_first(call, HEADER_AUTHOR);
	uint64_t lot;

	if (key == NULL)
		key = &no_key;
	lot = hash64(key, author.data, author.len);
	for (size_t i = 0; facts->part_count > 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		uint32_t at = facts_field(facts, &facts->part[0], bytes_text(names[i]),
		                          facts->part[0].field_first);
		struct bytes raw = at != FACT_NONE ? facts->field[at].raw : BYTES("");
		uint64_t pair[2] = {lot, hash64(key, raw.data, raw.len)};

		lot = hash64(key, pair, sizeof(pair));
	}
	return (uint32_t)(lot % 100);
}

/* What is done with mail that fails: the policy, or for some of it the next milder one (6.6.4). */
static enum dmarc_policy wish_for(const struct eval_call *call, uint32_t value)
{
	enum dmarc_policy policy = (enum dmarc_policy)(value & DMARC_VALUE_POLICY);
	uint32_t spared = dmarc_value_spared(value);

	return spared > 0 && lot_of(call) < spared ? dmarc_milder(policy) : policy;
}

/* `out_policy`: what is done when it fails, `out_value`: the answer; MISSING and 0 before that is
 * known. */
static enum outcome outcome_of(const struct eval_call *call, enum dmarc_policy *out_policy,
                               uint32_t *out_value)
{
	const struct answers *answers = call->context->answers;
	const struct answer *answer = NULL;
	char text[QUESTION_BYTES];
	enum outcome without;
	size_t len = question_of(call, text, &without);

	*out_policy = DMARC_MISSING;
	*out_value = 0;
	if (len == 0)
		return without;
	if (answers != NULL)
		answer = answers->find(answers->context, QUESTION_DMARC, bytes_of(text, len));
	if (answer == NULL || answer->result != ANSWER_FOUND)
		return OUTCOME_OPEN;
	*out_policy = (enum dmarc_policy)(answer->value & DMARC_VALUE_POLICY);
	if (*out_policy == DMARC_MISSING || *out_policy >= DMARC_POLICY_COUNT)
		return OUTCOME_MISSING;
	*out_policy = wish_for(call, answer->value);
	*out_value = answer->value;
	switch (best(proof_by_spf(call, answer->value), proof_by_dkim(call, answer->value))) {
	case PROOF_GIVEN:
		return OUTCOME_PASS;
	case PROOF_OPEN:
		return OUTCOME_OPEN;
	default:
		return OUTCOME_FAIL;
	}
}

static int32_t value_of(const struct eval_call *call, enum outcome wanted,
                        enum dmarc_policy wanted_policy)
{
	enum dmarc_policy policy;
	uint32_t value;
	enum outcome outcome = outcome_of(call, &policy, &value);
	/* Where the policy is known, only one of the rules about failures can still hit. */
	bool possible = policy == DMARC_MISSING || wanted == OUTCOME_PASS ||
	                (wanted == OUTCOME_FAIL && policy == wanted_policy);

	if (outcome == OUTCOME_OPEN && possible) {
		scan_touch(call->context, call->eval->rule);
		call->context->state[call->eval->rule].unanswered = true;
	}
	return outcome == wanted && (wanted != OUTCOME_FAIL || policy == wanted_policy);
}

int32_t eval_check_dmarc_pass(const struct eval_call *call)
{
	return value_of(call, OUTCOME_PASS, DMARC_MISSING);
}

int32_t eval_check_dmarc_reject(const struct eval_call *call)
{
	return value_of(call, OUTCOME_FAIL, DMARC_REJECT);
}

int32_t eval_check_dmarc_quarantine(const struct eval_call *call)
{
	return value_of(call, OUTCOME_FAIL, DMARC_QUARANTINE);
}

int32_t eval_check_dmarc_none(const struct eval_call *call)
{
	return value_of(call, OUTCOME_FAIL, DMARC_NONE);
}

int32_t eval_check_dmarc_missing(const struct eval_call *call)
{
	return value_of(call, OUTCOME_MISSING, DMARC_MISSING);
}

/* Once a message; signatures are asked about for all. */
void eval_dmarc_questions(const struct eval_call *call, question_seen *seen, void *seen_context)
{
	char text[QUESTION_BYTES];
	enum outcome without;
	size_t len;

	if (eval_asks(call->eval) != ASKS_DMARC || call->state->dmarc_is_asked)
		return;
	call->state->dmarc_is_asked = true;
	eval_spf_ask(call, EVAL_SPF_SENDER, seen, seen_context);
	eval_spf_ask(call, EVAL_SPF_HELO, seen, seen_context);
	len = question_of(call, text, &without);
	if (len > 0)
		seen(seen_context, QUESTION_DMARC, bytes_of(text, len));
}

/* RFC 7489 6.6.1: what is shown may be any of them, so a proof of one is none. */
static bool authors_differ(const struct eval_call *call)
{
	struct bytes rest = eval_header(call, HEADER_AUTHORS), line;
	struct bytes first = domain_of(eval_first(call, HEADER_AUTHOR));

	while (eval_next_line(&rest, &line)) {
		struct bytes domain = domain_of(line);

		if (domain.len > 0 && !bytes_equal_nocase(domain, first))
			return true;
	}
	return false;
}

bool classifier_dmarc(struct scan_context *context, const struct texts *texts,
                      struct dmarc_result *out_result)
{
	const struct ruleset_evals *e = &context->ruleset->evals;
	struct eval_call call = {.context = context,
	                         .ruleset = context->ruleset,
	                         .texts = texts,
	                         .facts = texts->facts,
	                         .state = context->eval};
	enum dmarc_policy policy;
	uint32_t value;

	for (uint32_t i = 0; i < e->count && call.eval == NULL; i++)
		if (eval_asks(&e->eval[i]) == ASKS_DMARC)
			call.eval = &e->eval[i];
	if (call.eval == NULL || texts->facts == NULL)
		return false;
	switch (outcome_of(&call, &policy, &value)) {
	case OUTCOME_OPEN:
		out_result->finding = DMARC_FINDING_OPEN;
		break;
	case OUTCOME_MISSING:
		out_result->finding = DMARC_FINDING_NONE;
		break;
	case OUTCOME_PASS:
		out_result->finding = DMARC_FINDING_PASS;
		break;
	case OUTCOME_FAIL:
		out_result->finding = DMARC_FINDING_FAIL;
		break;
	default:
		return false;
	}
	if (authors_differ(&call))
		out_result->finding = DMARC_FINDING_AUTHORS;
	out_result->policy = (enum dmarc_policy)(value & DMARC_VALUE_POLICY);
	out_result->author = domain_of(eval_first(&call, HEADER_AUTHOR));
	return true;
}
