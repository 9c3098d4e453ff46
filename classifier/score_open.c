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
		s->idle_open += value_truth(s->idle[index]) == TRUTH_OPEN &&
		                (r->rule[index].flags & BLOB_FLAG_SILENT) == 0;
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

/* What is known where all rules but one are idle. */
struct lone {
	struct value *value; /* as `idle` between two rules */
	uint64_t *dirty;     /* bits by place in the order of metas */
	uint32_t *changed;
	uint32_t changed_count;
};

static void lone_change(struct lone *l, const struct ruleset *r, uint32_t rule, struct value v)
{
	const struct ruleset_scoring *s = &r->scoring;

	if (v.lo == l->value[rule].lo && v.hi == l->value[rule].hi)
		return;
	l->value[rule] = v;
	l->changed[l->changed_count++] = rule;
	for (uint32_t i = s->user_start[rule]; i < s->user_start[rule + 1]; i++)
		l->dirty[s->user[i] / 64] |= (uint64_t)1 << s->user[i] % 64;
}

static void lone_run(struct lone *l, const struct ruleset *r)
{
	struct value stack[META_DEPTH_MAX];

	for (uint32_t word = 0; word <= r->order_count / 64; word++)
		while (l->dirty[word] != 0) {
			uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(l->dirty[word]);
			uint32_t meta = r->order[at];

			l->dirty[word] &= l->dirty[word] - 1;
			lone_change(l, r, meta, meta_value(r, &r->rule[meta], l->value, stack));
		}
}

/* Whether a listed rule's hit hangs on this one where nothing else was found. */
static bool is_asked_alone(struct lone *l, const struct ruleset *r, uint32_t rule)
{
	bool asked = false;

	l->changed_count = 0;
	lone_change(l, r, rule, (struct value){0, INFINITY});
	lone_run(l, r);
	for (uint32_t i = 0; i < l->changed_count; i++) {
		uint32_t changed = l->changed[i];

		asked |= (r->rule[changed].flags & BLOB_FLAG_SILENT) == 0 &&
		         value_truth(l->value[changed]) == TRUTH_OPEN;
		l->value[changed] = r->scoring.idle[changed];
	}
	return asked;
}

/* Whether it pays to put a subtest off: others settle its metas in most mail. Plain patterns are
 * looked for as quickly. */
static bool is_deferrable(struct lone *l, const struct ruleset *r, uint32_t rule)
{
	return r->rule[rule].kind == BLOB_RULE_PATTERN &&
	       (r->rule[rule].flags & BLOB_FLAG_SILENT) != 0 && r->plain[rule] == NULL &&
	       !is_asked_alone(l, r, rule);
}

static enum err mark_deferred(struct ruleset *r)
{
	struct lone l = {.value = calloc(r->rule_count + 1, sizeof(*l.value)),
	                 .dirty = calloc(r->order_count / 64 + 1, sizeof(*l.dirty)),
	                 .changed = calloc(r->rule_count + 1, sizeof(*l.changed))};
	bool failed = l.value == NULL || l.dirty == NULL || l.changed == NULL;

	if (!failed)
		memcpy(l.value, r->scoring.idle, r->rule_count * sizeof(*l.value));
	for (uint32_t i = 0; i < r->rule_count && !failed; i++)
		if (is_deferrable(&l, r, i))
			r->scoring.deferred[i / 64] |= (uint64_t)1 << i % 64;
	free(l.changed);
	free(l.dirty);
	free(l.value);
	return failed ? ERR_NO_MEMORY : OK;
}

enum err scoring_open(struct ruleset *r)
{
	struct ruleset_scoring *s = &r->scoring;

	s->idle = calloc(r->rule_count + 1, sizeof(*s->idle));
	s->idle_hits = calloc(r->rule_count / 64 + 1, sizeof(*s->idle_hits));
	s->user_start = calloc(r->rule_count + 2, sizeof(*s->user_start));
	s->needed = calloc(r->rule_count / 64 + 1, sizeof(*s->needed));
	s->idle_known = calloc((size_t)2 * ruleset_words(r), sizeof(*s->idle_known));
	s->deferred = calloc(ruleset_words(r), sizeof(*s->deferred));
	if (s->idle == NULL || s->idle_hits == NULL || s->idle_known == NULL ||
	    s->user_start == NULL || s->needed == NULL || s->deferred == NULL)
		return ERR_NO_MEMORY;
	run_idle(r);
	mark_needed(r);
	enum err err = list_users(r);
	return err == OK && r->verdicts_only ? mark_deferred(r) : err;
}

void scoring_close(struct ruleset *r)
{
	free(r->scoring.deferred);
	free(r->scoring.needed);
	free(r->scoring.user);
	free(r->scoring.user_start);
	free(r->scoring.idle_known);
	free(r->scoring.idle_hits);
	free(r->scoring.idle);
}
