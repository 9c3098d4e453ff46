/* eval_match.c - what eval functions need of PCRE2, and their memory: all that is made on the
 * control thread, and the matching itself. */
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "classifier/eval_net.h"
#include "classifier/pattern_set.h"
#include "classifier/ruleset_pattern.h"

#define REASON_BYTES 200

static const char *const patterns[EVAL_PATTERN_COUNT] = {
#define EVAL_PATTERN(name, pattern) pattern,
#include "classifier/eval_patterns.def"
};

struct eval_state *eval_state_new(void)
{
	struct eval_state *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return NULL;
	state->words = calloc(1, eval_words_bytes());
	state->uris = calloc(1, eval_uris_bytes());
	state->parts = calloc(1, eval_parts_bytes());
	if (state->words != NULL && state->uris != NULL && state->parts != NULL)
		return state;
	eval_state_free(state);
	return NULL;
}

void eval_state_free(struct eval_state *state)
{
	if (state == NULL)
		return;
	free(state->parts);
	free(state->uris);
	free(state->words);
	free(state);
}

/* Which patterns match the text that stands for an absent header: asked once, here. */
static enum err know_absent(struct ruleset *r)
{
	struct ruleset_evals *e = &r->evals;
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);

	e->absent_matches = calloc(e->count + 1, sizeof(*e->absent_matches));
	for (uint32_t i = 0; match != NULL && e->absent_matches != NULL && i < e->count; i++) {
		const struct blob_rule *rule = &r->rule[e->eval[i].rule];
		struct bytes text = (rule->flags & BLOB_FLAG_IF_UNSET) != 0
		                        ? ruleset_if_unset(r, rule)
		                        : BYTES("");

		e->absent_matches[i] = r->pattern[e->eval[i].rule] != NULL &&
		                       pcre2_match(r->pattern[e->eval[i].rule], text.data, text.len,
		                                   0, 0, match, NULL) != PCRE2_ERROR_NOMATCH;
	}
	enum err err = match != NULL && e->absent_matches != NULL ? OK : ERR_NO_MEMORY;
	pcre2_match_data_free(match);
	return err;
}

enum err eval_open(struct ruleset *ruleset, char *reason)
{
	struct ruleset_evals *e = &ruleset->evals;
	char why[PATTERN_REASON_BYTES];

	if (!eval_sections_are_sound(ruleset)) {
		snprintf(reason, REASON_BYTES, "the rule generation is damaged: evals");
		return ERR_SYNTAX;
	}
	for (int i = 0; i < EVAL_PATTERN_COUNT; i++) {
		e->shared[i] = pattern_set_take(ruleset->patterns, bytes_text(patterns[i]), why);
		if (e->shared[i] == NULL) {
			snprintf(reason, REASON_BYTES, "%s: %.120s", patterns[i], why);
			return ERR_NO_MEMORY;
		}
		e->pattern[i] = e->shared[i]->code;
		e->no_jit = e->no_jit || !e->shared[i]->is_jit;
	}
	enum err err = redirects_open(ruleset, reason);

	e->detail = calloc((size_t)(e->count + 1) * URI_DETAIL_KEYS, sizeof(*e->detail));
	if (e->detail == NULL)
		return ERR_NO_MEMORY;
	if (err == OK)
		err = uri_details_open(ruleset, reason);
	if (err == OK)
		err = hashbl_open(ruleset, reason);
	return err == OK ? know_absent(ruleset) : err;
}

void eval_close(struct ruleset *ruleset)
{
	redirects_close(ruleset);
	uri_details_close(ruleset);
	for (int i = 0; i < EVAL_PATTERN_COUNT; i++)
		pattern_set_give(ruleset->patterns, ruleset->evals.shared[i]);
	free(ruleset->evals.detail);
	free(ruleset->evals.absent_matches);
}

static int match_code(const struct eval_call *call, const pcre2_code *code, bool jit,
                      struct bytes subject, size_t from)
{
	struct scan_context *c = call->context;
	PCRE2_SPTR data = subject.data != NULL ? subject.data : (PCRE2_SPTR) "";
	int result;

	c->counters->confirms++;
	if (jit)
		result = pcre2_jit_match(code, data, subject.len, from, 0, c->match,
		                         c->match_context);
	else
		result = pcre2_match(code, data, subject.len, from, 0, c->match, c->match_context);
	if (result < 0 && result != PCRE2_ERROR_NOMATCH)
		c->counters->match_limits++;
	return result;
}

bool eval_matches(const struct eval_call *call, enum eval_pattern pattern, struct bytes subject)
{
	const struct ruleset_evals *e = &call->ruleset->evals;

	return match_code(call, e->pattern[pattern], !e->no_jit, subject, 0) >= 0;
}

bool eval_pattern_matches(const struct eval_call *call, const struct pattern *pattern,
                          struct bytes subject)
{
	return match_code(call, pattern->code, pattern->is_jit, subject, 0) >= 0;
}

bool eval_rule_matches(const struct eval_call *call, struct bytes subject)
{
	const pcre2_code *code = call->ruleset->pattern[call->eval->rule];

	return code != NULL && match_code(call, code, call->ruleset->jit, subject, 0) >= 0;
}

bool eval_absent_matches(const struct eval_call *call)
{
	const struct ruleset_evals *e = &call->ruleset->evals;

	return e->absent_matches[call->eval - e->eval] != 0;
}

static void set_match(const struct eval_call *call, int result, struct eval_match *out_match)
{
	const PCRE2_SIZE *range = pcre2_get_ovector_pointer(call->context->match);
	bool grouped = (result >= 2 || result == 0) && range[2] != PCRE2_UNSET;

	*out_match = (struct eval_match){grouped ? range[2] : range[0],
	                                 grouped ? range[3] - range[2] : range[1] - range[0],
	                                 range[1], grouped};
}

bool eval_find(const struct eval_call *call, enum eval_pattern pattern, struct bytes subject,
               size_t from, struct eval_match *out_match)
{
	const struct ruleset_evals *e = &call->ruleset->evals;

	if (from > subject.len)
		return false;
	int result = match_code(call, e->pattern[pattern], !e->no_jit, subject, from);
	if (result < 0)
		return false;
	set_match(call, result, out_match);
	return true;
}

bool eval_rule_find(const struct eval_call *call, struct bytes subject, size_t from,
                    struct eval_match *out_match)
{
	const pcre2_code *code = call->ruleset->pattern[call->eval->rule];

	if (code == NULL || from > subject.len)
		return false;
	int result = match_code(call, code, call->ruleset->jit, subject, from);
	if (result < 0)
		return false;
	set_match(call, result, out_match);
	return true;
}

/* Empty when the group is none of the pattern's, or took no part. */
static struct bytes group_in(const struct eval_call *call, uint32_t rule, int group,
                             struct bytes subject)
{
	const struct ruleset *r = call->ruleset;
	struct scan_context *c = call->context;
	int result = match_code(call, r->pattern[rule], r->jit, subject, 0);

	if (group <= 0 || result < 0 || (result != 0 && result <= group) ||
	    (uint32_t)group >= pcre2_get_ovector_count(c->match))
		return bytes_of("", 0);
	const PCRE2_SIZE *range = pcre2_get_ovector_pointer(c->match) + (size_t)2 * (size_t)group;
	return range[0] == PCRE2_UNSET ? bytes_of("", 0)
	                               : bytes_slice(subject, range[0], range[1] - range[0]);
}

struct bytes eval_captured_text(const struct eval_call *call, uint32_t index, struct bytes name)
{
	const struct ruleset *r = call->ruleset;
	const struct blob_rule *rule = &r->rule[index];
	bool header = rule->text_kind == TEXT_HEADER;
	const struct text *text = &call->texts->kind[rule->text_kind];
	uint32_t first = header ? rule->selector : 0, end = header ? first + 1 : UINT32_MAX;
	struct bytes found = bytes_of("", 0);
	char name_text[64];

	if (rule->kind != BLOB_RULE_PATTERN || (!header && rule->text_kind != TEXT_URI) ||
	    r->pattern[index] == NULL || name.len >= sizeof(name_text))
		return found;
	memcpy(name_text, name.data, name.len);
	name_text[name.len] = '\0';
	int group = pcre2_substring_number_from_name(r->pattern[index], (PCRE2_SPTR)name_text);
	for (uint32_t i = first; i < end && i < text->segment_count && found.len == 0; i++)
		if (text->segments[i].start != SEGMENT_ABSENT)
			found = group_in(call, index, group, text_segment(text, i));
	return found;
}
