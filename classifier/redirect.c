/* redirect.c - redirector_pattern: the address a redirector's URI leads to. */
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "classifier/eval.h"
#include "classifier/pattern_set.h"
#include "classifier/ruleset_pattern.h"

#define REASON_BYTES 200

enum err redirects_open(struct ruleset *ruleset, char *reason)
{
	struct ruleset_evals *e = &ruleset->evals;
	const struct blob_list *list = &e->list[EVAL_LIST_REDIRECTORS];
	char why[PATTERN_REASON_BYTES];

	if (list->entry_count > REDIRECTORS_MAX) {
		snprintf(reason, REASON_BYTES, "the rule generation is damaged: redirectors");
		return ERR_SYNTAX;
	}
	for (; e->redirector_count < list->entry_count; e->redirector_count++) {
		const struct blob_list_entry *entry = &e->entry[list->entry + e->redirector_count];
		struct bytes text = bytes_of(e->texts + entry->text, entry->bytes);
		const struct pattern *pattern = pattern_set_take(ruleset->patterns, text, why);

		if (pattern == NULL) {
			snprintf(reason, REASON_BYTES, "redirector_pattern: %.120s", why);
			return ERR_SYNTAX;
		}
		e->redirector[e->redirector_count] = pattern;
	}
	return OK;
}

void redirects_close(struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->evals.redirector_count; i++)
		pattern_set_give(ruleset->patterns, ruleset->evals.redirector[i]);
}

/* The first pattern whose group is a name with a dot in it decides. */
static bool find(void *context, struct bytes uri, struct bytes *out_target)
{
	struct scan_context *c = context;
	const struct ruleset_evals *e = &c->ruleset->evals;

	for (uint32_t i = 0; i < e->redirector_count; i++) {
		int result;

		const struct pattern *pattern = e->redirector[i];

		if (pattern->is_jit)
			result = pcre2_jit_match(pattern->code, uri.data, uri.len, 0, 0, c->match,
			                         c->match_context);
		else
			result = pcre2_match(pattern->code, uri.data, uri.len, 0, 0, c->match,
			                     c->match_context);
		if (result < 0 && result != PCRE2_ERROR_NOMATCH)
			c->counters->match_limits++;
		const PCRE2_SIZE *range = pcre2_get_ovector_pointer(c->match);
		if (result < 2 || range[2] == PCRE2_UNSET)
			continue;
		struct bytes target = bytes_slice(uri, range[2], range[3] - range[2]);
		if (bytes_find(target, '.') == target.len)
			continue;
		*out_target = target;
		return true;
	}
	return false;
}

struct redirects scan_context_redirects(struct scan_context *context)
{
	if (context == NULL || context->ruleset->evals.redirector_count == 0)
		return (struct redirects){NULL, NULL};
	return (struct redirects){context, find};
}
