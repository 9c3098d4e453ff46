/* eval_match.c - what eval functions need of PCRE2, and their memory: all that is made on the
 * control thread, and the matching itself. */
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "classifier/eval.h"
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
	if (state->words != NULL)
		return state;
	free(state);
	return NULL;
}

void eval_state_free(struct eval_state *state)
{
	if (state == NULL)
		return;
	free(state->words);
	free(state);
}

enum err eval_open(struct ruleset *ruleset, char *reason)
{
	struct ruleset_evals *e = &ruleset->evals;
	char why[PATTERN_REASON_BYTES];
	bool too_large;

	if (!eval_sections_are_sound(ruleset)) {
		snprintf(reason, REASON_BYTES, "the rule generation is damaged: evals");
		return ERR_SYNTAX;
	}
	for (int i = 0; i < EVAL_PATTERN_COUNT; i++) {
		e->pattern[i] = pattern_compile(ruleset->tables, bytes_text(patterns[i]), why,
		                                &too_large);
		if (e->pattern[i] == NULL) {
			snprintf(reason, REASON_BYTES, "%s: %.120s", patterns[i], why);
			return ERR_NO_MEMORY;
		}
		if (pcre2_jit_compile(e->pattern[i], PCRE2_JIT_COMPLETE) != 0)
			e->no_jit = true;
	}
	return redirects_open(ruleset, reason);
}

void eval_close(struct ruleset *ruleset)
{
	redirects_close(ruleset);
	for (int i = 0; i < EVAL_PATTERN_COUNT; i++)
		pcre2_code_free(ruleset->evals.pattern[i]);
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

bool eval_rule_matches(const struct eval_call *call, struct bytes subject)
{
	const pcre2_code *code = call->ruleset->pattern[call->eval->rule];

	return code != NULL && match_code(call, code, call->ruleset->jit, subject, 0) >= 0;
}

static void set_match(const struct eval_call *call, int result, struct eval_match *out_match)
{
	const PCRE2_SIZE *range = pcre2_get_ovector_pointer(call->context->match);
	bool grouped = (result >= 2 || result == 0) && range[2] != PCRE2_UNSET;

	*out_match = (struct eval_match){grouped ? range[2] : range[0],
	                                 grouped ? range[3] - range[2] : range[1] - range[0],
	                                 range[1]};
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

struct bytes eval_captured_text(const struct eval_call *call, uint32_t index, struct bytes name)
{
	const struct ruleset *r = call->ruleset;
	const struct blob_rule *rule = &r->rule[index];
	const struct text *headers = &call->texts->kind[TEXT_HEADER];
	struct scan_context *c = call->context;
	char name_text[64];

	if (rule->selector >= headers->segment_count ||
	    headers->segments[rule->selector].start == SEGMENT_ABSENT ||
	    name.len >= sizeof(name_text))
		return bytes_of("", 0);
	struct bytes header = text_segment(headers, rule->selector);
	memcpy(name_text, name.data, name.len);
	name_text[name.len] = '\0';
	int group = pcre2_substring_number_from_name(r->pattern[index], (PCRE2_SPTR)name_text);
	int result = match_code(call, r->pattern[index], r->jit, header, 0);
	if (group <= 0 || result < 0 || (result != 0 && result <= group) ||
	    (uint32_t)group >= pcre2_get_ovector_count(c->match))
		return bytes_of("", 0);
	const PCRE2_SIZE *range = pcre2_get_ovector_pointer(c->match) + (size_t)2 * (size_t)group;
	return range[0] == PCRE2_UNSET ? bytes_of("", 0)
	                               : bytes_slice(header, range[0], range[1] - range[0]);
}
