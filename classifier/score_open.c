/* score_open.c - what scoring a message starts from: the worth of every rule where nothing is
 * found, and which metas look at which rules. Most rules find nothing in a message, so most metas
 * keep this worth. */
#include <math.h>
#include <stdlib.h>

#include "classifier/ruleset.h"

/* Counts the rules that metas name, or notes the metas where `note`. */
static void walk_users(struct ruleset *r, bool note)
{
	struct ruleset_scoring *s = &r->scoring;

	for (uint32_t at = 0; at < r->order_count; at++) {
		const struct blob_rule *meta = &r->rule[r->order[at]];

		for (uint32_t i = 0; i < meta->code_count; i++) {
			uint32_t word = r->code[meta->code + i];

			if ((word & 0xff) != META_RULE)
				continue;
			if (note)
				s->user[s->user_start[word >> 8]++] = at;
			else
				s->user_start[(word >> 8) + 1]++;
		}
	}
}

static enum err list_users(struct ruleset *r)
{
	struct ruleset_scoring *s = &r->scoring;

	walk_users(r, false);
	for (uint32_t i = 0; i < r->rule_count; i++)
		s->user_start[i + 1] += s->user_start[i];
	s->user = calloc(s->user_start[r->rule_count] + 1, sizeof(*s->user));
	if (s->user == NULL)
		return ERR_NO_MEMORY;
	walk_users(r, true);
	/* Noting moved each beginning to its end, where the next one begins. */
	for (uint32_t i = r->rule_count; i > 0; i--)
		s->user_start[i] = s->user_start[i - 1];
	s->user_start[0] = 0;
	return OK;
}

static void run_idle(struct ruleset *r)
{
	struct ruleset_scoring *s = &r->scoring;
	struct value stack[META_DEPTH_MAX];

	for (uint32_t i = 0; i < r->rule_count; i++)
		if (r->rule[i].kind == BLOB_RULE_UNKNOWN)
			s->idle[i].hi = INFINITY;
	for (uint32_t at = 0; at < r->order_count; at++) {
		uint32_t index = r->order[at];

		s->idle[index] = meta_value(r, &r->rule[index], s->idle, stack);
		s->idle_open += value_truth(s->idle[index]) == TRUTH_OPEN;
	}
	for (uint32_t i = 0; i < r->rule_count; i++) {
		known_set(s->idle_known, r, i, s->idle[i]);
		if ((r->rule[i].flags & BLOB_FLAG_SILENT) == 0 &&
		    value_truth(s->idle[i]) == TRUTH_TRUE)
			s->idle_hits[i / 64] |= (uint64_t)1 << i % 64;
	}
}

static bool is_needed(const struct ruleset_scoring *s, uint32_t rule)
{
	return (s->needed[rule / 64] >> rule % 64 & 1) != 0;
}

/* Metas stand behind those they name: from the last to the first, each is known when it comes. */
static void mark_needed(struct ruleset *r)
{
	struct ruleset_scoring *s = &r->scoring;

	for (uint32_t i = 0; i < r->rule_count; i++)
		if ((r->rule[i].flags & BLOB_FLAG_SILENT) == 0)
			s->needed[i / 64] |= (uint64_t)1 << i % 64;
	for (uint32_t at = r->order_count; at > 0; at--) {
		const struct blob_rule *meta = &r->rule[r->order[at - 1]];

		if (!is_needed(s, r->order[at - 1]))
			continue;
		for (uint32_t i = 0; i < meta->code_count; i++) {
			uint32_t word = r->code[meta->code + i], named = word >> 8;

			if ((word & 0xff) == META_RULE)
				s->needed[named / 64] |= (uint64_t)1 << named % 64;
		}
	}
}

bool scoring_needs(const struct ruleset *ruleset, uint32_t rule)
{
	return is_needed(&ruleset->scoring, rule);
}

enum err scoring_open(struct ruleset *r)
{
	struct ruleset_scoring *s = &r->scoring;

	s->idle = calloc(r->rule_count + 1, sizeof(*s->idle));
	s->idle_hits = calloc(r->rule_count / 64 + 1, sizeof(*s->idle_hits));
	s->user_start = calloc(r->rule_count + 2, sizeof(*s->user_start));
	s->needed = calloc(r->rule_count / 64 + 1, sizeof(*s->needed));
	s->idle_known = calloc((size_t)2 * ruleset_words(r), sizeof(*s->idle_known));
	if (s->idle == NULL || s->idle_hits == NULL || s->idle_known == NULL ||
	    s->user_start == NULL || s->needed == NULL)
		return ERR_NO_MEMORY;
	run_idle(r);
	mark_needed(r);
	return list_users(r);
}

void scoring_close(struct ruleset *r)
{
	free(r->scoring.needed);
	free(r->scoring.user);
	free(r->scoring.user_start);
	free(r->scoring.idle_known);
	free(r->scoring.idle_hits);
	free(r->scoring.idle);
}
