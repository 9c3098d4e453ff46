/* eval_dkim.c - eval functions about DKIM signatures: whose are valid, who is on a list of those
 * that sign, and what a domain says of mail it did not sign (RFC 5617).
 *
 * Signatures are those of the facts; management knows which of them their keys made. One that
 * nobody has told of leaves a rule open that it could make hit. Semantics are those of SpamAssassin
 * 4.0.1.
 */
#include "classifier/eval_dkim.h"

#include "base/dkim_question.h"
#include "classifier/eval_net.h"
#include "classifier/eval_signature.h"

#define AUTHORS_MAX 16u

/* Signatures */

bool ruleset_reads_signatures(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->evals.count; i++) {
		const struct blob_eval *eval = &ruleset->evals.eval[i];

		if (eval_asks(eval) == ASKS_SIGNATURES || eval_asks(eval) == ASKS_DMARC ||
		    eval_tag_is_read(&ruleset->evals, eval, EVAL_TAG_DKIMDOMAIN))
			return true;
	}
	return false;
}

static struct bytes question_of(const struct fact_signature *s)
{
	return bytes_of(s->question, s->question_bytes);
}

static enum dkim_finding finding_of(const struct eval_call *call, const struct fact_signature *s,
                                    uint32_t *out_value)
{
	const struct answers *answers = call->context->answers;
	const struct answer *answer;

	*out_value = 0;
	if (s->state != SIGNATURE_ASK)
		return s->state == SIGNATURE_UNKNOWN ? DKIM_OPEN : DKIM_NOT_VALID;
	answer = answers != NULL ? answers->find(answers->context, QUESTION_DKIM, question_of(s))
	                         : NULL;
	if (answer == NULL)
		return DKIM_OPEN;
	*out_value = answer->result == ANSWER_FOUND ? answer->value : 0;
	if ((*out_value & DKIM_VALUE_VERDICT) != DKIM_VERDICT_PASS ||
	    ((*out_value & DKIM_VALUE_STRICT) != 0 && s->identity_below))
		return DKIM_NOT_VALID;
	return DKIM_VALID;
}

const struct eval_dkim *eval_dkim(const struct eval_call *call)
{
	double bits_min = call->ruleset->evals.setting[EVAL_SETTING_DKIM_MINIMUM_KEY_BITS];
	struct eval_dkim *dkim = &call->state->dkim;

	if (dkim->known)
		return dkim;
	dkim->known = true;
	for (uint32_t i = 0; i < call->facts->signature_count; i++) {
		uint32_t value, bits;

		dkim->signature[i].finding = finding_of(call, &call->facts->signature[i], &value);
		bits = dkim_value_bits(value);
		dkim->signature[i].is_weak = bits > 0 && bits < bits_min;
		dkim->signature[i].is_test = (value & DKIM_VALUE_TESTING) != 0;
	}
	return dkim;
}

uint32_t eval_dkim_domains(const struct eval_call *call,
                           struct bytes out_domain[EVAL_DKIM_DOMAINS_MAX], bool *out_open)
{
	const struct eval_dkim *dkim = eval_dkim(call);
	uint32_t count = 0;

	*out_open = false;
	for (uint32_t i = 0; i < call->facts->signature_count; i++) {
		struct bytes domain = fact_signature_domain(&call->facts->signature[i]);
		uint32_t k = 0;

		*out_open |= dkim->signature[i].finding == DKIM_OPEN;
		while (k < count && !bytes_equal(out_domain[k], domain))
			k++;
		if (dkim->signature[i].finding == DKIM_VALID && k == count)
			out_domain[count++] = domain;
	}
	return count;
}

/* Rules */

struct wanted {      /* of a signature that makes a rule hit */
	bool strong; /* its key is not weak */
	bool (*fits)(const struct eval_call *call, struct bytes identity); /* NULL: any does */
};

static enum dkim_finding best(const struct eval_call *call, const struct wanted *wanted)
{
	const struct eval_dkim *dkim = eval_dkim(call);
	enum dkim_finding found = DKIM_NOT_VALID;

	for (uint32_t i = 0; i < call->facts->signature_count; i++) {
		struct bytes identity = fact_signature_identity(&call->facts->signature[i]);

		if (dkim->signature[i].finding > found &&
		    !(wanted->strong && dkim->signature[i].is_weak) &&
		    (wanted->fits == NULL || wanted->fits(call, identity)))
			found = dkim->signature[i].finding;
	}
	return found;
}

/* The rule's value; what is open may become a hit. */
static int32_t settle(const struct eval_call *call, enum dkim_finding finding)
{
	if (finding == DKIM_OPEN) {
		scan_touch(call->context, call->eval->rule);
		call->context->state[call->eval->rule].unanswered = true;
	}
	return finding == DKIM_VALID;
}

/* "example.com", or ".example.com" and "*.example.com": it and all below it, or with `below_only`
 * those below it. */
static bool domain_fits(struct bytes pattern, struct bytes domain, bool below_only)
{
	struct bytes end;

	if (pattern.len > 1 && pattern.data[0] == '*' && pattern.data[1] == '.')
		pattern = bytes_slice(pattern, 1, SIZE_MAX);
	if (pattern.len == 0 || pattern.data[0] != '.')
		return bytes_equal_nocase(pattern, domain);
	end = bytes_slice(pattern, 1, SIZE_MAX);
	if (domain.len <= end.len)
		return !below_only && bytes_equal_nocase(domain, end);
	return bytes_equal_nocase(bytes_slice(domain, domain.len - pattern.len, SIZE_MAX), pattern);
}

/* The arguments of a rule name the domains that count, from `first` on; none: all do. */
static bool is_named(const struct eval_call *call, uint32_t first, struct bytes domain)
{
	if (call->eval->argument_count <= first)
		return true;
	for (uint32_t i = first; i < call->eval->argument_count; i++)
		if (domain_fits(eval_text(call, i), domain, false))
			return true;
	return false;
}

static bool fits_arguments(const struct eval_call *call, struct bytes identity)
{
	return is_named(call, 0, identity);
}

struct authors {
	struct bytes address[AUTHORS_MAX];
	uint32_t count;
};

static void find_authors(const struct eval_call *call, struct authors *out)
{
	struct bytes rest = eval_header(call, 0);

	out->count = 0;
	while (out->count < AUTHORS_MAX && eval_next_line(&rest, &out->address[out->count]))
		out->count++;
}

static struct bytes domain_of(struct bytes address)
{
	return bytes_trim(bytes_behind_last(address, '@'));
}

static bool is_author(const struct eval_call *call, struct bytes identity)
{
	struct authors authors;

	find_authors(call, &authors);
	for (uint32_t i = 0; i < authors.count; i++)
		if (bytes_equal_nocase(domain_of(authors.address[i]), identity))
			return true;
	return false;
}

static bool is_named_author(const struct eval_call *call, struct bytes identity)
{
	return is_author(call, identity) && is_named(call, 0, identity);
}

static bool is_envelope_sender(const struct eval_call *call, struct bytes identity)
{
	struct bytes domain = domain_of(eval_first(call, 0));

	return domain.len > 0 && bytes_equal_nocase(domain, identity);
}

int32_t eval_check_dkim_signed(const struct eval_call *call)
{
	if (call->eval->argument_count == 0)
		return call->facts->signature_fields > 0;
	for (uint32_t i = 0; i < call->facts->signature_count; i++) {
		struct bytes identity = fact_signature_identity(&call->facts->signature[i]);

		if (identity.len > 0 && is_named(call, 0, identity))
			return 1;
	}
	return 0;
}

int32_t eval_check_dkim_valid(const struct eval_call *call)
{
	bool named = call->eval->argument_count > 0;
	const struct wanted wanted = {.strong = named, .fits = named ? fits_arguments : NULL};

	return settle(call, best(call, &wanted));
}

int32_t eval_check_dkim_valid_author_sig(const struct eval_call *call)
{
	return settle(call, best(call, &(struct wanted){true, is_named_author}));
}

int32_t eval_check_dkim_valid_envelopefrom(const struct eval_call *call)
{
	return settle(call, best(call, &(struct wanted){true, is_envelope_sender}));
}

int32_t eval_check_dkim_testing(const struct eval_call *call)
{
	const struct eval_dkim *dkim = eval_dkim(call);

	for (uint32_t i = 0; i < call->facts->signature_count; i++)
		if (dkim->signature[i].is_test)
			return 1;
	return 0;
}

/* Nothing is blamed on a signature whose message was cut. */
static bool is_dependable(const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->signature_count; i++)
		if (facts->signature[i].state == SIGNATURE_UNKNOWN)
			return false;
	return true;
}

int32_t eval_check_dkim_dependable(const struct eval_call *call)
{
	return is_dependable(call->facts);
}

/* Chains of ARC */

int32_t eval_check_arc_signed(const struct eval_call *call)
{
	return call->facts->arc.fields > 0;
}

/* It holds when all its signatures do. */
int32_t eval_check_arc_valid(const struct eval_call *call)
{
	const struct fact_arc *arc = &call->facts->arc;
	enum dkim_finding chain = DKIM_VALID;
	uint32_t value;

	if (arc->state != ARC_ASK)
		return settle(call, arc->state == ARC_UNKNOWN ? DKIM_OPEN : DKIM_NOT_VALID);
	for (uint32_t i = 0; i < arc->count; i++) {
		enum dkim_finding one = finding_of(call, arc->signature[i], &value);

		chain = one < chain ? one : chain;
	}
	return settle(call, chain);
}

/* Lists of those that sign */

/* The domain a list names: of an address, what is behind its '@'. */
static bool signer_fits(const struct ruleset_evals *e, const struct blob_list_entry *entry,
                        struct bytes author, struct bytes identity)
{
	struct bytes signer = bytes_of(e->texts + entry->second, entry->second_bytes);

	if (!eval_glob(bytes_of(e->texts + entry->text, entry->bytes), author, 0))
		return false;
	if (signer.len == 0)
		return bytes_equal_nocase(domain_of(author), identity);
	if (bytes_find(signer, '@') < signer.len)
		signer = bytes_behind_last(signer, '@');
	return domain_fits(signer, identity, true);
}

static bool list_has(const struct eval_call *call, uint32_t signers, uint32_t authors,
                     struct bytes identity)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_list *list = &e->list[signers];
	struct authors from;

	find_authors(call, &from);
	for (uint32_t a = 0; a < from.count; a++) {
		struct bytes author = from.address[a];

		for (uint32_t i = 0; i < list->entry_count; i++)
			if (signer_fits(e, &e->entry[list->entry + i], author, identity))
				return true;
		if (bytes_equal_nocase(domain_of(author), identity) &&
		    eval_list_find(call->ruleset, authors, author, true) != NULL)
			return true;
	}
	return false;
}

static bool is_welcome(const struct eval_call *call, struct bytes identity)
{
	return list_has(call, EVAL_LIST_WELCOMELIST_FROM_DKIM, EVAL_LIST_WELCOMELIST_AUTH,
	                identity);
}

static bool is_welcome_by_default(const struct eval_call *call, struct bytes identity)
{
	return list_has(call, EVAL_LIST_DEF_WELCOMELIST_FROM_DKIM, EVAL_LIST_DEF_WELCOMELIST_AUTH,
	                identity);
}

int32_t eval_check_for_dkim_welcomelist_from(const struct eval_call *call)
{
	return settle(call, best(call, &(struct wanted){true, is_welcome}));
}

int32_t eval_check_for_def_dkim_welcomelist_from(const struct eval_call *call)
{
	return settle(call, best(call, &(struct wanted){true, is_welcome_by_default}));
}

/* What a domain says of mail it did not sign */

/* Of adsp_override: the domain itself, then the nearest above it that is listed with a '*'; 0: not
 * listed. */
static char overridden_practice(const struct eval_call *call, struct bytes domain)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_list_entry *entry = eval_list_find(call->ruleset, EVAL_LIST_ADSP_OVERRIDE,
	                                                     domain, false);

	while (entry == NULL && domain.len > 0) {
		size_t dot = bytes_find(domain, '.');
		struct bytes above = bytes_slice(domain, dot, SIZE_MAX);

		entry = eval_list_find(call->ruleset, EVAL_LIST_ADSP_OVERRIDE,
		                       above.len > 0 ? above : BYTES("."), false);
		domain = bytes_slice(above, 1, SIZE_MAX);
	}
	return entry != NULL && entry->second_bytes > 0 ? e->texts[entry->second] : 0;
}

/* "a.bc" at the least, its last label of letters and '-'. */
static bool is_full_name(struct bytes domain)
{
	struct bytes last = bytes_behind_last(domain, '.');

	if (last.len < 2 || domain.len < last.len + 2)
		return false;
	for (size_t i = 0; i < last.len; i++) {
		uint8_t c = bytes_lower(last.data[i]);

		if ((c < 'a' || c > 'z') && c != '-')
			return false;
	}
	return true;
}

/* The best that is known of signatures of this domain. */
static enum dkim_finding author_signature(const struct eval_call *call, struct bytes domain)
{
	const struct eval_dkim *dkim = eval_dkim(call);
	enum dkim_finding found = DKIM_NOT_VALID;

	for (uint32_t i = 0; i < call->facts->signature_count; i++) {
		struct bytes identity = fact_signature_identity(&call->facts->signature[i]);

		if (bytes_equal_nocase(identity, domain) && !dkim->signature[i].is_weak &&
		    dkim->signature[i].finding > found)
			found = dkim->signature[i].finding;
	}
	return found;
}

/* The domain as it is asked about; false: nobody can be. */
static bool practice_question(struct bytes domain, char out_name[QUESTION_NAME_BYTES])
{
	if (domain.len >= QUESTION_NAME_BYTES || !is_full_name(domain))
		return false;
	for (size_t i = 0; i < domain.len; i++)
		out_name[i] = (char)bytes_lower(domain.data[i]);
	return question_text_is_sound(QUESTION_PRACTICES, bytes_of(out_name, domain.len));
}

/* 0: there are none; `out_open`: nobody has told. */
static char practice_of(const struct eval_call *call, struct bytes domain, bool *out_open)
{
	const struct answers *answers = call->context->answers;
	char practice = overridden_practice(call, domain), name[QUESTION_NAME_BYTES];
	const struct answer *answer;

	*out_open = false;
	if (practice != 0 || !practice_question(domain, name))
		return practice;
	answer = answers != NULL ? answers->find(answers->context, QUESTION_PRACTICES,
	                                         bytes_of(name, domain.len))
	                         : NULL;
	*out_open = answer == NULL;
	return answer != NULL && answer->result == ANSWER_FOUND ? (char)answer->value : 0;
}

static bool wants_practice(const struct eval_call *call, char practice)
{
	struct bytes wanted = eval_text(call, 0);

	if (bytes_equal(wanted, BYTES("*")))
		wanted = BYTES("NAD123");
	return practice != 0 && bytes_find(wanted, (uint8_t)practice) < wanted.len;
}

/* Practices are those of all authors, the domains asked for any of theirs. */
int32_t eval_check_dkim_adsp(const struct eval_call *call)
{
	bool practised = false, open = false, named = call->eval->argument_count < 2;
	struct authors authors;

	if (!call->facts->signatures_known)
		return 0;
	find_authors(call, &authors);
	for (uint32_t i = 0; i < authors.count; i++) {
		struct bytes domain = domain_of(authors.address[i]);
		bool unknown;

		named |= is_named(call, 1, domain);
		if (!is_full_name(domain) || author_signature(call, domain) != DKIM_NOT_VALID)
			continue;
		practised |= wants_practice(call, practice_of(call, domain, &unknown));
		open |= unknown;
	}
	if (!named)
		return 0;
	return settle(call, practised ? DKIM_VALID : open ? DKIM_OPEN : DKIM_NOT_VALID);
}

/* Questions */

static void ask_practices(const struct eval_call *call, question_seen *seen, void *seen_context)
{
	struct authors authors;

	find_authors(call, &authors);
	for (uint32_t i = 0; i < authors.count; i++) {
		struct bytes domain = domain_of(authors.address[i]);
		char name[QUESTION_NAME_BYTES];

		if (overridden_practice(call, domain) == 0 && practice_question(domain, name))
			seen(seen_context, QUESTION_PRACTICES, bytes_of(name, domain.len));
	}
}

void eval_dkim_questions(const struct eval_call *call, question_seen *seen, void *seen_context)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct facts *facts = call->facts;
	struct eval_call other = *call;

	for (uint32_t i = 0; i < facts->signature_count; i++)
		if (facts->signature[i].state == SIGNATURE_ASK)
			seen(seen_context, QUESTION_DKIM, question_of(&facts->signature[i]));
	for (uint32_t i = 0; facts->arc.state == ARC_ASK && i < facts->arc.count; i++)
		seen(seen_context, QUESTION_DKIM, question_of(facts->arc.signature[i]));
	for (uint32_t i = 0; facts->signatures_known && i < e->count; i++) {
		other.eval = &e->eval[i];
		if (other.eval->function != EVAL_check_dkim_adsp)
			continue;
		ask_practices(&other, seen, seen_context);
		return; /* all such rules ask the same */
	}
}
