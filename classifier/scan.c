/* scan.c - runs the patterns of a ruleset over the prepared texts.
 *
 * Hyperscan (required strings) and the gate (octet classes) only trigger: PCRE2 decides on the
 * exact segment. Hyperscan reports matches in no promised order, so a trigger of a `multiple` rule
 * only widens the range of segments that is counted afterwards, and a once-rule may at worst be
 * tried twice on a segment.
 */
#include "classifier/scan.h"

#include <stdlib.h>

#include <hs.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "classifier/eval.h"
#include "classifier/gate.h"

#define MATCH_LIMIT         1000000u
#define JIT_STACK_BYTES_MIN 32768
#define JIT_STACK_BYTES_MAX ((size_t)1 << 20)
#define MATCH_GROUPS        16u /* whole match and groups that eval functions look at */
#define CONFIRMS_A_LOOK     8u  /* at the clock */

struct scan_context *scan_context_new(const struct ruleset *ruleset,
                                      struct classifier_counters *counters)
{
	struct scan_context *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ruleset = ruleset;
	c->counters = counters;
	c->state = calloc(ruleset->rule_count + 1, sizeof(*c->state));
	c->value = calloc(ruleset->rule_count + 1, sizeof(*c->value));
	c->held = calloc(ruleset->rule_count + 1, sizeof(*c->held));
	c->pending = calloc(ruleset->rule_count + 1, sizeof(*c->pending));
	c->eval = eval_state_new();
	c->match = pcre2_match_data_create(MATCH_GROUPS, NULL);
	c->match_context = pcre2_match_context_create(NULL);
	c->jit_stack = pcre2_jit_stack_create(JIT_STACK_BYTES_MIN, JIT_STACK_BYTES_MAX, NULL);
	bool failed = c->state == NULL || c->eval == NULL || c->value == NULL || c->held == NULL ||
	              c->pending == NULL || c->match == NULL || c->match_context == NULL ||
	              c->jit_stack == NULL;
	for (int group = 0; group < GROUP_COUNT && !failed; group++)
		if (ruleset->group[group].database != NULL)
			failed = hs_alloc_scratch(ruleset->group[group].database, &c->scratch) !=
			         HS_SUCCESS;
	if (failed) {
		scan_context_free(c);
		return NULL;
	}
	pcre2_set_match_limit(c->match_context, MATCH_LIMIT);
	pcre2_jit_stack_assign(c->match_context, NULL, c->jit_stack);
	return c;
}

void scan_context_set_listed(struct scan_context *context, const struct listed *listed)
{
	context->listed = listed;
}

void scan_context_set_policy(struct scan_context *context, uint32_t policy)
{
	ASSERT(policy <= context->ruleset->policies.policy_count);
	context->policy = policy;
}

void scan_context_free(struct scan_context *context)
{
	if (context == NULL)
		return;
	hs_free_scratch(context->scratch);
	pcre2_match_data_free(context->match);
	pcre2_match_context_free(context->match_context);
	pcre2_jit_stack_free(context->jit_stack);
	eval_state_free(context->eval);
	free(context->pending);
	free(context->held);
	free(context->value);
	free(context->state);
	free(context);
}

/* Looks at the clock every few confirmations; once over, stays over. */
static bool within_budget(struct scan_context *c)
{
	if (c->over_budget)
		return false;
	if (c->confirms++ % CONFIRMS_A_LOOK == 0 && c->cpu_now_ns() >= c->end_ns) {
		c->over_budget = true;
		c->counters->budget_exceeded++;
	}
	return !c->over_budget;
}

static void enter_stage(struct scan_context *c, enum scan_stage stage)
{
	struct scan_profile *p = c->profile;

	if (p == NULL)
		return;
	uint64_t now = p->now();
	if (p->current != STAGE_NONE)
		p->stage[c->kind][p->current].scan += now - p->since;
	p->current = stage;
	p->since = now;
}

static void profile_confirm(struct scan_profile *p, enum text_kind kind, uint32_t rule, bool hit)
{
	uint64_t took = p->now() - p->confirm_since;

	p->stage[kind][p->current].confirm += took;
	p->since += took;
	if (p->rule == NULL)
		return;
	p->rule[rule].time += took;
	p->rule[rule].confirms++;
	p->rule[rule].hits += hit;
}

/* One match from `from` on. Its end goes to `out_end`, whether it is empty to `out_empty`. */
static bool match_once(struct scan_context *c, uint32_t rule, struct bytes subject, size_t from,
                       uint32_t options, size_t *out_end, bool *out_empty)
{
	PCRE2_SPTR data = subject.data != NULL ? subject.data : (PCRE2_SPTR) "";
	const pcre2_code *code = c->ruleset->pattern[rule];
	int result;

	c->counters->confirms++;
	if (c->profile != NULL)
		c->profile->confirm_since = c->profile->now();
	if (c->ruleset->jit)
		result = pcre2_jit_match(code, data, subject.len, from, options, c->match,
		                         c->match_context);
	else
		result = pcre2_match(code, data, subject.len, from, options, c->match,
		                     c->match_context);
	if (c->profile != NULL)
		profile_confirm(c->profile, c->kind, rule, result >= 0);
	if (result >= 0) {
		const PCRE2_SIZE *range = pcre2_get_ovector_pointer(c->match);

		/* \K in a look-ahead can put the beginning behind the end. */
		*out_end = range[1];
		*out_empty = range[0] >= range[1];
		c->counters->confirm_hits++;
		return true;
	}
	if (result != PCRE2_ERROR_NOMATCH) {
		c->counters->match_limits++;
		c->state[rule].not_run = true;
	}
	return false;
}

static uint32_t hits_max(const struct blob_rule *rule)
{
	if ((rule->flags & BLOB_FLAG_MULTIPLE) == 0)
		return 1;
	return rule->maxhits != 0 ? rule->maxhits : UINT16_MAX;
}

/* Counts matches in one segment up to the rule's limit, as Perl's //g goes on: after an empty match
 * another one, not empty there, is looked for. Every turn moves on, so the text's length bounds the
 * loop. */
static void confirm(struct scan_context *c, uint32_t index, struct bytes subject)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];
	struct rule_state *state = &c->state[index];
	uint32_t max = hits_max(rule);
	size_t from = 0, end;
	bool empty = false;

	while (state->count < max && from <= subject.len) {
		if (!within_budget(c)) {
			state->not_run = true;
			return;
		}
		if (!match_once(c, index, subject, from, empty ? PCRE2_NOTEMPTY_ATSTART : 0, &end,
		                &empty))
			return;
		state->count++;
		if (end < from)
			return;
		from = end;
	}
}

static bool skipped_segment(const struct blob_rule *rule, uint32_t segment)
{
	return segment == 0 && (rule->flags & BLOB_FLAG_NOSUBJECT) != 0;
}

/* A header rule looks at its own selector's segment only; `!~` and if-unset are settled here. */
static void confirm_header(struct scan_context *c, uint32_t index)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];
	struct rule_state *state = &c->state[index];
	bool absent = rule->selector >= c->text->segment_count ||
	              c->text->segments[rule->selector].start == SEGMENT_ABSENT;
	struct bytes subject = absent ? BYTES("") : text_segment(c->text, rule->selector);

	if (absent && (rule->flags & BLOB_FLAG_IF_UNSET) != 0)
		subject = ruleset_if_unset(c->ruleset, rule);
	confirm(c, index, subject);
	if ((rule->flags & BLOB_FLAG_NEGATED) != 0)
		state->count = state->not_run ? 0 : state->count == 0;
}

/* Something of `rule` may be in `segment`. */
static void trigger(struct scan_context *c, uint32_t index, uint32_t segment)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];
	struct rule_state *state = &c->state[index];

	if (c->kind == TEXT_HEADER) {
		if (rule->selector != segment || state->last_segment != 0)
			return;
		state->last_segment = segment + 1;
		confirm_header(c, index);
		return;
	}
	if (skipped_segment(rule, segment))
		return;
	if ((rule->flags & BLOB_FLAG_MULTIPLE) != 0) {
		if (state->beyond == 0)
			c->pending[c->pending_count++] = index;
		if (state->beyond == 0 || segment < state->first)
			state->first = segment;
		if (segment >= state->beyond)
			state->beyond = segment + 1;
		return;
	}
	if (state->count > 0 || state->last_segment == segment + 1)
		return;
	state->last_segment = segment + 1;
	confirm(c, index, text_segment(c->text, segment));
}

/* Looks for a match of a once-rule that begins in [from, to] of the segment. What was tried already
 * is left out where that is an end of the stretch. */
static void confirm_near(struct scan_context *c, uint32_t index, uint32_t segment, uint32_t from,
                         uint32_t to)
{
	struct rule_state *state = &c->state[index];
	struct bytes subject = text_segment(c->text, segment);
	size_t end;
	bool empty;

	if (state->last_segment != segment + 1) {
		state->last_segment = segment + 1;
		state->tried_from = from;
		state->tried_to = to;
	} else if (from >= state->tried_from) {
		if (to <= state->tried_to)
			return;
		if (from <= state->tried_to + 1)
			from = state->tried_to + 1;
		else
			state->tried_from = from;
		state->tried_to = to;
	}
	if (!within_budget(c)) {
		state->not_run = true;
		return;
	}
	pcre2_set_offset_limit(c->match_context, to);
	state->count += match_once(c, index, subject, from, 0, &end, &empty);
	pcre2_set_offset_limit(c->match_context, PCRE2_UNSET);
}

/* Whether some letter stands more than LETTER_RUN_MAX times in a row in the segment; remembered, as
 * many rules ask. */
static bool has_long_runs(struct scan_context *c, uint32_t segment)
{
	struct bytes text = text_segment(c->text, segment);
	uint32_t run = 0;
	uint8_t last = 0;

	if (c->runs_segment == segment + 1)
		return c->long_runs;
	c->runs_segment = segment + 1;
	c->long_runs = false;
	for (size_t i = 0; i < text.len && !c->long_runs; i++) {
		uint8_t octet = text.data[i] | 0x20;

		run = octet == last ? run + 1 : 1;
		last = octet;
		c->long_runs = run > LETTER_RUN_MAX && octet >= 'a' && octet <= 'z';
	}
	return c->long_runs;
}

/* Looks at once, or when as many strings were found in the segment as a match holds. The order in
 * which they are found does not matter. */
static void hold(struct scan_context *c, const struct blob_literal_rule *literal, uint32_t segment,
                 uint32_t from, uint32_t to)
{
	struct rule_state *state = &c->state[literal->rule];
	struct held *held = &c->held[literal->rule];

	if (literal->need > 1) {
		if (state->held_segment != segment + 1) {
			state->held_segment = segment + 1;
			state->held = 0;
		}
		if (state->held + 1 < literal->need) {
			held->from[state->held] = from;
			held->to[state->held++] = to;
			return;
		}
		for (uint32_t i = 0;
		     i < state->held && state->held < literal->need && state->count == 0; i++)
			confirm_near(c, literal->rule, segment, held->from[i], held->to[i]);
		state->held = literal->need;
	}
	if (state->count == 0)
		confirm_near(c, literal->rule, segment, from, to);
}

/* Something of the rule may be in `segment`; `end` is where the string that says so ends. */
static void trigger_literal(struct scan_context *c, const struct blob_literal_rule *literal,
                            uint32_t segment, uint32_t end)
{
	const struct blob_rule *rule = &c->ruleset->rule[literal->rule];

	if (c->kind == TEXT_HEADER && rule->selector != segment)
		return;
	if ((rule->flags & BLOB_FLAG_MULTIPLE) != 0) {
		trigger(c, literal->rule, segment);
		return;
	}
	if (c->state[literal->rule].count > 0 || end < literal->reach_min ||
	    skipped_segment(rule, segment))
		return;
	uint32_t from = 0;
	if (literal->reach_max < end && literal->reach_max != REACH_ENDLESS &&
	    (literal->short_runs == 0 || !has_long_runs(c, segment)))
		from = end - literal->reach_max;
	hold(c, literal, segment, from, end - literal->reach_min);
}

/* The segment that holds octet `at`; UINT32_MAX between segments. Segments ascend
 * (`segments_ascend`). */
static uint32_t find_segment(struct scan_context *c, uint32_t at)
{
	uint32_t low = 0, high = c->text->segment_count;
	const struct segment *s = &c->text->segments[c->cursor];

	if (at - s->start < s->len)
		return c->cursor;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (c->text->segments[middle].start <= at)
			low = middle;
		else
			high = middle;
	}
	s = &c->text->segments[low];
	if (s->start > at || at - s->start >= s->len)
		return UINT32_MAX;
	c->cursor = low;
	return low;
}

static int on_literal(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void *user)
{
	struct scan_context *c = user;
	const struct ruleset_group *group = c->group;

	(void)from;
	(void)flags;
	c->counters->literal_hits++;
	if (id >= group->literal_count || to == 0)
		return 0;
	uint32_t segment = find_segment(c, (uint32_t)to - 1);
	if (segment == UINT32_MAX)
		return 0;
	uint32_t end = (uint32_t)to - c->text->segments[segment].start;
	for (uint32_t i = group->literal_start[id]; i < group->literal_start[id + 1]; i++)
		trigger_literal(c, &group->literal_rules[i], segment, end);
	return 0;
}

static int on_literal_in_segment(unsigned id, unsigned long long from, unsigned long long to,
                                 unsigned flags, void *user)
{
	struct scan_context *c = user;
	const struct ruleset_group *group = c->group;

	(void)from;
	(void)flags;
	c->counters->literal_hits++;
	if (id >= group->literal_count)
		return 0;
	for (uint32_t i = group->literal_start[id]; i < group->literal_start[id + 1]; i++)
		trigger_literal(c, &group->literal_rules[i], c->cursor, (uint32_t)to);
	return 0;
}

static bool follows(const struct segment *before, const struct segment *after)
{
	return after->start >= before->start && after->start - before->start >= before->len;
}

/* True when segments lie one behind the other, so that an octet's segment can be looked up. */
static bool segments_ascend(struct scan_context *c)
{
	const struct text *text = c->text;

	c->cursor = 0;
	for (uint32_t i = 0; i < text->segment_count; i++)
		if (text->segments[i].start == SEGMENT_ABSENT ||
		    (i > 0 && !follows(&text->segments[i - 1], &text->segments[i])))
			return false;
	return true;
}

/* Headers are scanned one by one, and only those some rule of the group looks at. */
static uint32_t scanned_count(const struct scan_context *c)
{
	return c->kind == TEXT_HEADER ? c->group->segment_count : c->text->segment_count;
}

/* SEGMENT_ABSENT when the text has no such one. */
static uint32_t scanned_segment(const struct scan_context *c, uint32_t index)
{
	if (c->kind != TEXT_HEADER)
		return index;
	index = c->group->segments[index];
	return index < c->text->segment_count ? index : SEGMENT_ABSENT;
}

static hs_error_t scan_by_segment(struct scan_context *c, const struct ruleset_group *group)
{
	for (uint32_t i = 0; i < scanned_count(c); i++) {
		uint32_t index = scanned_segment(c, i);
		struct bytes segment = bytes_of(NULL, 0);

		if (index != SEGMENT_ABSENT)
			segment = text_segment(c->text, index);
		if (segment.len == 0)
			continue;
		c->cursor = index;
		hs_error_t result = hs_scan(group->database, (const char *)segment.data,
		                            (unsigned)segment.len, 0, c->scratch,
		                            on_literal_in_segment, c);
		if (result != HS_SUCCESS)
			return result;
	}
	return HS_SUCCESS;
}

static void scan_literals(struct scan_context *c)
{
	const struct ruleset_group *group = c->group;
	hs_error_t result;

	if (group->database == NULL || c->text->bytes == 0 || c->text->segment_count == 0)
		return;
	if (c->kind != TEXT_HEADER && segments_ascend(c))
		result = hs_scan(group->database, (const char *)c->text->data, c->text->bytes, 0,
		                 c->scratch, on_literal, c);
	else
		result = scan_by_segment(c, group);
	if (!COUNT_IF(result != HS_SUCCESS, c->counters->scan_failures))
		return;
	c->scan_failed = true;
	for (uint32_t i = 0; i < group->literal_start[group->literal_count]; i++)
		c->state[group->literal_rules[i].rule].not_run = true;
}

static void scan_gate(struct scan_context *c)
{
	const struct ruleset_group *group = c->group;

	for (uint32_t k = 0; group->gate != NULL && k < scanned_count(c); k++) {
		uint32_t segment = scanned_segment(c, k);
		struct bytes subject = bytes_of(NULL, 0);

		if (segment != SEGMENT_ABSENT)
			subject = text_segment(c->text, segment);
		if (subject.len == 0)
			continue;
		gate_scan(group->gate, subject, c->seen);
		for (uint32_t i = 0; i < group->gate_rule_count; i++) {
			uint32_t bit = group->gate_rules[i].bit;

			if ((c->seen[bit / 64] >> bit % 64 & 1) == 0)
				continue;
			c->counters->gate_hits++;
			trigger(c, group->gate_rules[i].rule, segment);
		}
	}
}

static void run_residual(struct scan_context *c)
{
	const struct ruleset_group *group = c->group;

	for (uint32_t i = 0; i < group->residual_count; i++) {
		uint32_t index = group->residual[i];
		const struct blob_rule *rule = &c->ruleset->rule[index];
		uint32_t max = hits_max(rule);

		if (c->kind == TEXT_HEADER) {
			confirm_header(c, index);
			continue;
		}
		for (uint32_t k = 0; k < c->text->segment_count && c->state[index].count < max; k++)
			if (!skipped_segment(rule, k))
				confirm(c, index, text_segment(c->text, k));
	}
}

/* Counts `multiple` rules in the range of segments that triggered them. */
static void run_multiple(struct scan_context *c)
{
	for (uint32_t i = 0; i < c->pending_count; i++) {
		uint32_t index = c->pending[i];
		const struct blob_rule *rule = &c->ruleset->rule[index];
		struct rule_state *state = &c->state[index];

		for (uint32_t k = state->first; k < state->beyond && state->count < hits_max(rule);
		     k++)
			if (!skipped_segment(rule, k))
				confirm(c, index, text_segment(c->text, k));
		state->beyond = 0;
	}
	c->pending_count = 0;
}

static void run_exists(struct scan_context *c)
{
	for (uint32_t i = 0; i < c->ruleset->rule_count; i++) {
		const struct blob_rule *rule = &c->ruleset->rule[i];

		if (rule->kind == BLOB_RULE_EXISTS && rule->selector < c->text->segment_count)
			c->state[i].count = c->text->segments[rule->selector].start !=
			                    SEGMENT_ABSENT;
	}
}

static void scan_group(struct scan_context *c, int group)
{
	c->group = &c->ruleset->group[group];
	c->runs_segment = 0;
	enter_stage(c, STAGE_LITERAL);
	scan_literals(c);
	enter_stage(c, STAGE_GATE);
	scan_gate(c);
	enter_stage(c, STAGE_RESIDUAL);
	run_residual(c);
	enter_stage(c, STAGE_MULTIPLE);
	run_multiple(c);
	enter_stage(c, STAGE_NONE);
}

void scan_texts(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                uint64_t (*cpu_now_ns)(void))
{
	/* Cheap and telling texts first, in case the budget runs out. */
	static const enum text_kind turn[TEXT_KIND_COUNT] = {TEXT_HEADER, TEXT_URI, TEXT_BODY,
	                                                     TEXT_RAWBODY, TEXT_FULL};

	memset(context->state, 0, context->ruleset->rule_count * sizeof(*context->state));
	context->cpu_now_ns = cpu_now_ns;
	context->end_ns = cpu_now_ns() + budget_ns;
	context->confirms = 0;
	context->over_budget = context->scan_failed = false;
	for (int i = 0; i < TEXT_KIND_COUNT; i++) {
		context->kind = turn[i];
		context->text = &texts->kind[turn[i]];
		context->counters->text_bytes += context->text->bytes;
		scan_group(context, turn[i]);
		for (int group = TEXT_KIND_COUNT;
		     group < GROUP_COUNT && context->kind == TEXT_HEADER; group++)
			scan_group(context, group);
		if (context->kind == TEXT_HEADER)
			run_exists(context);
	}
}
