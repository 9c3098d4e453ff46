/* eval_spf.c - eval functions that look at what SPF says of the relay that handed the message over.
 *
 * Which relay, sender and HELO that is, and when the word of a header is taken for it, follows
 * SpamAssassin 4.0.1: the first relay outside; the sender it named, or the envelope's where no
 * trusted relay stands between; fields that relays inside wrote are believed. Otherwise the network
 * is asked; while it has not answered the rule is open.
 */
#include "classifier/eval_spf.h"

#include "base/spf_question.h"
#include "classifier/eval_signature.h"

/* Selectors of these functions in eval.def. */
#define HEADER_SENDER   0
#define HEADER_INTERNAL 1

static const char *const result_texts[] = {
#define SPF_RESULT(name, text, meaning) text,
#include "base/spf_results.def"
};

const struct fact_relay *eval_first_external(const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->relay_count; i++)
		if (!facts->relay[i].is_internal)
			return &facts->relay[i];
	return NULL;
}

static void find_sender(const struct eval_call *call, struct eval_spf *spf)
{
	const struct fact_relay *relay = eval_first_external(call->facts);

	spf->has_sender = relay != NULL && relay->has_envelope_from;
	if (spf->has_sender) {
		spf->sender = relay->envelope_from;
		return;
	}
	/* Behind a trusted relay the envelope may be another than the one it was given. */
	if (call->facts->relays_trusted > 0 &&
	    call->ruleset->evals.setting[EVAL_SETTING_ALWAYS_TRUST_ENVELOPE_SENDER] == 0)
		return;
	spf->has_sender = eval_has_header(call, HEADER_SENDER);
	if (spf->has_sender)
		spf->sender = eval_first(call, HEADER_SENDER);
}

static bool result_of(struct bytes word, enum spf_result *out_result)
{
	if (bytes_equal_nocase(word, BYTES("hardfail")))
		word = BYTES("fail");
	for (int i = 0; i < SPF_RESULT_COUNT; i++)
		if (bytes_equal_nocase(word, bytes_text(result_texts[i]))) {
			*out_result = (enum spf_result)i;
			return true;
		}
	return false;
}

/* A word that is not there is the sender's. False: it is about something else. */
static bool identity_of(struct bytes word, bool is_told, enum eval_spf_identity *out_identity)
{
	if (bytes_equal_nocase(word, BYTES("helo")))
		*out_identity = EVAL_SPF_HELO;
	else if (!is_told || bytes_equal_nocase(word, BYTES("mfrom")) ||
	         bytes_equal_nocase(word, BYTES("mailfrom")))
		*out_identity = EVAL_SPF_SENDER;
	else
		return false;
	return true;
}

static struct bytes group_of(struct bytes text, const struct eval_match *match)
{
	return bytes_slice(text, match->group, match->group_len);
}

/* What one field says of SPF; false: nothing that can be used. */
static bool read_field(const struct eval_call *call, struct bytes line,
                       enum eval_spf_identity *out_identity, enum spf_result *out_result)
{
	enum eval_pattern identity = EVAL_PATTERN_SPF_IDENTITY;
	struct eval_match result, word;
	bool is_told;

	if (!eval_find(call, EVAL_PATTERN_SPF_RECEIVED, line, 0, &result)) {
		if (!eval_find(call, EVAL_PATTERN_SPF_RESULTS, line, 0, &result))
			return false;
		line = group_of(line, &result);
		identity = EVAL_PATTERN_SPF_PROPERTY;
		if (!eval_find(call, EVAL_PATTERN_SPF_WORD, line, 0, &result))
			return false;
	}
	is_told = eval_find(call, identity, line, 0, &word);
	return result_of(group_of(line, &result), out_result) &&
	       identity_of(is_told ? group_of(line, &word) : BYTES(""), is_told, out_identity);
}

/* Fields that relays inside wrote; of several the one that was written first. */
static void read_fields(const struct eval_call *call, struct eval_spf *spf)
{
	const double *setting = call->ruleset->evals.setting;
	bool newest = setting[EVAL_SETTING_USE_NEWEST_RECEIVED_SPF_HEADER] != 0;
	struct bytes rest = eval_header(call, HEADER_INTERNAL), line;
	enum eval_spf_identity identity;
	enum spf_result result;

	if (setting[EVAL_SETTING_IGNORE_RECEIVED_SPF_HEADER] != 0)
		return;
	while (eval_next_line(&rest, &line)) {
		if (!bytes_starts_nocase(line, BYTES("received-spf:")) &&
		    !bytes_starts_nocase(line, BYTES("authentication-results:")) &&
		    !bytes_starts_nocase(line, BYTES("arc-authentication-results:")))
			continue;
		if (!read_field(call, line, &identity, &result) ||
		    (newest && spf->is_given[identity]))
			continue;
		spf->is_given[identity] = true;
		spf->given[identity] = result;
	}
}

/* Found once a message. */
static struct eval_spf *state_of(const struct eval_call *call)
{
	struct eval_spf *spf = &call->state->spf;

	if (!spf->known) {
		memset(spf, 0, sizeof(*spf));
		spf->known = true;
		find_sender(call, spf);
		read_fields(call, spf);
	}
	return spf;
}

static bool is_address(struct bytes helo)
{
	if (helo.len > 0 && (helo.data[0] == '[' || helo.data[0] == '!'))
		helo = bytes_slice(helo, 1, SIZE_MAX);
	if (helo.len > 0 && (helo.data[helo.len - 1] == ']' || helo.data[helo.len - 1] == '!'))
		helo.len--;
	return eval_is_ip4(helo);
}

/* The question about one of them, as text; 0: there is none. */
static size_t question_of(enum eval_spf_identity identity, const struct addr *client,
                          struct bytes helo, struct bytes sender, char text[QUESTION_BYTES])
{
	struct spf_request request = {.client = *client, .helo = helo, .sender = sender};

	if (identity == EVAL_SPF_HELO) {
		request.sender = BYTES("");
		if (bytes_find(helo, '.') == helo.len || is_address(helo))
			return 0;
	} else if (sender.len == 0) {
		return 0;
	}
	return spf_request_write(&request, text, QUESTION_BYTES);
}

static size_t question(const struct eval_call *call, enum eval_spf_identity identity,
                       char text[QUESTION_BYTES])
{
	const struct fact_relay *relay = eval_first_external(call->facts);
	const struct eval_spf *spf = state_of(call);

	return relay != NULL && !spf->is_given[identity]
	           ? question_of(identity, &relay->addr, relay->helo, spf->sender, text)
	           : 0;
}

static int32_t open_rule(const struct eval_call *call)
{
	scan_touch(call->context, call->eval->rule);
	call->context->state[call->eval->rule].unanswered = true;
	return 0;
}

enum eval_spf_finding eval_spf_find(const struct eval_call *call, enum eval_spf_identity identity,
                                    enum spf_result *out_result)
{
	const struct answers *answers = call->context->answers;
	const struct eval_spf *spf = state_of(call);
	const struct answer *answer = NULL;
	char text[QUESTION_BYTES];
	size_t len;

	*out_result = spf->given[identity];
	if (spf->is_given[identity])
		return EVAL_SPF_KNOWN;
	len = question(call, identity, text);
	if (len == 0)
		return EVAL_SPF_NOT_CHECKED;
	if (answers != NULL)
		answer = answers->find(answers->context, QUESTION_SPF, bytes_of(text, len));
	if (answer == NULL || answer->result != ANSWER_FOUND || answer->value >= SPF_RESULT_COUNT)
		return EVAL_SPF_OPEN;
	*out_result = (enum spf_result)answer->value;
	return EVAL_SPF_KNOWN;
}

static int32_t value(const struct eval_call *call, enum eval_spf_identity identity,
                     enum spf_result wanted)
{
	enum spf_result result;

	switch (eval_spf_find(call, identity, &result)) {
	case EVAL_SPF_KNOWN:
		return result == wanted;
	case EVAL_SPF_OPEN:
		return open_rule(call);
	default:
		return 0;
	}
}

#define SPF_EVAL(name, identity, result) \
	int32_t eval_##name(const struct eval_call *call) \
	{ \
		return value(call, EVAL_SPF_##identity, SPF_##result); \
	}

SPF_EVAL(check_for_spf_pass, SENDER, PASS)
SPF_EVAL(check_for_spf_neutral, SENDER, NEUTRAL)
SPF_EVAL(check_for_spf_none, SENDER, NONE)
SPF_EVAL(check_for_spf_fail, SENDER, FAIL)
SPF_EVAL(check_for_spf_softfail, SENDER, SOFTFAIL)
SPF_EVAL(check_for_spf_permerror, SENDER, PERMERROR)
SPF_EVAL(check_for_spf_temperror, SENDER, TEMPERROR)
SPF_EVAL(check_for_spf_helo_pass, HELO, PASS)
SPF_EVAL(check_for_spf_helo_neutral, HELO, NEUTRAL)
SPF_EVAL(check_for_spf_helo_none, HELO, NONE)
SPF_EVAL(check_for_spf_helo_fail, HELO, FAIL)
SPF_EVAL(check_for_spf_helo_softfail, HELO, SOFTFAIL)
SPF_EVAL(check_for_spf_helo_permerror, HELO, PERMERROR)
SPF_EVAL(check_for_spf_helo_temperror, HELO, TEMPERROR)

int32_t eval_check_spf_skipped_noenvfrom(const struct eval_call *call)
{
	return !state_of(call)->has_sender;
}

/* On one of the lists, and SPF says that it is the sender. */
static int32_t is_welcome(const struct eval_call *call, enum eval_list list, enum eval_list other)
{
	struct bytes sender = state_of(call)->sender;

	if (sender.len == 0 || (eval_list_find(call->ruleset, list, sender, true) == NULL &&
	                        eval_list_find(call->ruleset, other, sender, true) == NULL))
		return 0;
	return value(call, EVAL_SPF_SENDER, SPF_PASS);
}

int32_t eval_check_for_spf_welcomelist_from(const struct eval_call *call)
{
	return is_welcome(call, EVAL_LIST_WELCOMELIST_FROM_SPF, EVAL_LIST_WELCOMELIST_AUTH);
}

int32_t eval_check_for_def_spf_welcomelist_from(const struct eval_call *call)
{
	return is_welcome(call, EVAL_LIST_DEF_WELCOMELIST_FROM_SPF, EVAL_LIST_DEF_WELCOMELIST_AUTH);
}

/* False: the rule does not ask about any. */
static bool asked_of(const struct blob_eval *eval, enum eval_spf_identity *out_identity)
{
	enum eval_asks asks = eval_asks(eval);

	*out_identity = asks == ASKS_SPF_HELO ? EVAL_SPF_HELO : EVAL_SPF_SENDER;
	return asks == ASKS_SPF_HELO || asks == ASKS_SPF_SENDER;
}

/* Whatever the number of rules that want to know. */
void eval_spf_ask(const struct eval_call *call, enum eval_spf_identity identity,
                  question_seen *seen, void *seen_context)
{
	struct eval_spf *spf = state_of(call);
	char text[QUESTION_BYTES];
	size_t len;

	if (spf->is_asked[identity])
		return;
	spf->is_asked[identity] = true;
	len = question(call, identity, text);
	if (len > 0)
		seen(seen_context, QUESTION_SPF, bytes_of(text, len));
}

void eval_spf_questions(const struct eval_call *call, question_seen *seen, void *seen_context)
{
	enum eval_spf_identity identity;

	if (asked_of(call->eval, &identity))
		eval_spf_ask(call, identity, seen, seen_context);
}

/* Of a client that is inside somebody else is asked about. */
static bool is_inside(const struct relay_trust *trust, const struct addr *client)
{
	char text[ADDR_TEXT_MAX];

	if (!trust->is_configured)
		return eval_is_private_ip(bytes_text(addr_format(client, text)));
	return relay_networks_contain(&trust->trusted, client) &&
	       relay_networks_contain(&trust->internal, client);
}

void ruleset_sender_questions(const struct ruleset *ruleset, const struct addr *client,
                              struct bytes helo, struct bytes sender, question_seen *seen,
                              void *seen_context)
{
	const struct ruleset_evals *e = &ruleset->evals;
	bool asked[EVAL_SPF_IDENTITIES] = {false};
	char text[QUESTION_BYTES];

	if (is_inside(&e->trust, client))
		return;
	for (uint32_t i = 0; i < e->count; i++) {
		enum eval_spf_identity identity;
		size_t len;

		if (!asked_of(&e->eval[i], &identity) || asked[identity])
			continue;
		asked[identity] = true;
		len = question_of(identity, client, helo, sender, text);
		if (len > 0)
			seen(seen_context, QUESTION_SPF, bytes_of(text, len));
	}
}
