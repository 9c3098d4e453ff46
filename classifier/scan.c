/* scan.c - runs the patterns of a ruleset over the prepared texts.
 *
 * Hyperscan (required strings) and the gate (octet classes) only trigger: PCRE2 decides on the
 * exact segment, and looks only where a match with what triggered it can begin. Hyperscan reports
 * matches in no promised order, so nothing here depends on it: rules are looked for when their
 * segment has been scanned. By then what PCRE2 needs of them is on its way into the cache.
 *
 * Segments are the steps of the work: between two of them it can be left and taken up again.
 */
#include "classifier/scan.h"

#include <stdlib.h>

#include <hs.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "classifier/eval.h"
#include "classifier/flank.h"
#include "classifier/memo.h"
#include "classifier/scan_internal.h"

#define MATCH_LIMIT         1000000u
#define JIT_STACK_BYTES_MIN 32768
#define JIT_STACK_BYTES_MAX ((size_t)1 << 20)
#define MATCH_GROUPS        16u /* whole match and groups that eval functions look at */

struct scan_context *scan_context_new(const struct ruleset *ruleset,
                                      struct classifier_counters *counters)
{
	struct scan_context *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ruleset = ruleset;
	c->counters = counters;
	c->state = calloc(ruleset->rule_count + 1, sizeof(*c->state));
	c->touched = calloc(ruleset->rule_count / 64 + 1, sizeof(*c->touched));
	c->value = calloc(ruleset->rule_count + 1, sizeof(*c->value));
	c->changed = calloc(ruleset_words(ruleset), sizeof(*c->changed));
	c->hits = calloc(ruleset->rule_count / 64 + 1, sizeof(*c->hits));
	c->known = calloc((size_t)2 * ruleset_words(ruleset), sizeof(*c->known));
	c->dirty = calloc(ruleset->order_count / 64 + 1, sizeof(*c->dirty));
	c->spans = calloc(ruleset->rule_count + 1, sizeof(*c->spans));
	c->held = calloc(ruleset->rule_count + 1, sizeof(*c->held));
	c->seen = calloc(ruleset->rule_count + 1, sizeof(*c->seen));
	c->pending = calloc(ruleset->rule_count + 1, sizeof(*c->pending));
	c->deferred = calloc(1, deferred_bytes(ruleset));
	c->eval = eval_state_new();
	c->match = pcre2_match_data_create(MATCH_GROUPS, NULL);
	c->match_context = pcre2_match_context_create(NULL);
	c->jit_stack = pcre2_jit_stack_create(JIT_STACK_BYTES_MIN, JIT_STACK_BYTES_MAX, NULL);
	bool failed = c->state == NULL || c->touched == NULL || c->eval == NULL ||
	              c->value == NULL || c->held == NULL || c->seen == NULL ||
	              c->changed == NULL || c->hits == NULL || c->known == NULL ||
	              c->dirty == NULL || c->pending == NULL || c->spans == NULL ||
	              c->deferred == NULL || c->match == NULL || c->match_context == NULL ||
	              c->jit_stack == NULL;
	for (int group = 0; group < GROUP_COUNT && !failed; group++)
		if (ruleset->group[group].database != NULL)
			failed = hs_alloc_scratch(ruleset->group[group].database, &c->scratch) !=
			         HS_SUCCESS;
	if (failed) {
		scan_context_free(c);
		return NULL;
	}
	memcpy(c->value, ruleset->scoring.idle, ruleset->rule_count * sizeof(*c->value));
	pcre2_set_match_limit(c->match_context, MATCH_LIMIT);
	pcre2_jit_stack_assign(c->match_context, NULL, c->jit_stack);
	return c;
}

void scan_context_set_listed(struct scan_context *context, const struct listed *listed)
{
	context->listed = listed;
}

void scan_context_set_memo(struct scan_context *context, struct memo *memo)
{
	context->memo = memo;
	context->memo_reader = memo_reader(memo);
}

void scan_context_set_answers(struct scan_context *context, const struct answers *answers)
{
	context->answers = answers;
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
	free(context->deferred);
	free(context->dirty);
	free(context->known);
	free(context->hits);
	free(context->changed);
	free(context->pending);
	free(context->held);
	free(context->seen);
	free(context->spans);
	free(context->value);
	free(context->touched);
	free(context->state);
	free(context);
}

/* Takes in [from, to]. Spans that meet become one; one too many is taken in by the last. */
static void add_span(struct spans *spans, uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < spans->count;) {
		bool meets = from <= spans->to[i] + 1 && spans->from[i] <= to + 1;

		if (!meets && (i + 1 < SPANS_MAX || spans->count < SPANS_MAX)) {
			i++;
			continue;
		}
		from = spans->from[i] < from ? spans->from[i] : from;
		to = spans->to[i] > to ? spans->to[i] : to;
		spans->count--;
		spans->from[i] = spans->from[spans->count];
		spans->to[i] = spans->to[spans->count];
		i = 0;
	}
	spans->from[spans->count] = from;
	spans->to[spans->count++] = to;
}

/* What PCRE2 reads first of a pattern: nobody else has had it in hand lately. */
static void prefetch_pattern(const struct scan_context *c, uint32_t index)
{
	const char *code = (const char *)c->ruleset->pattern[index];

	__builtin_prefetch(code);
	__builtin_prefetch(code + 64);
}

/* A match of a rule may begin in [from, to]: a stretch more to look in. */
static void pend(struct scan_context *c, uint32_t index, uint32_t from, uint32_t to)
{
	struct rule_state *state = &c->state[index];

	if (state->last_segment != c->segment + 1) {
		state->last_segment = c->segment + 1;
		c->spans[index].count = 0;
		c->pending[c->pending_count++] = index;
		prefetch_pattern(c, index);
	}
	add_span(&c->spans[index], from, to);
}

/* Whether the rule has anything to find in the segment in hand. */
static bool is_looking(const struct scan_context *c, uint32_t index)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];

	if (c->kind == TEXT_HEADER ? rule->selector != c->segment
	                           : scan_is_skipped(rule, c->segment))
		return false;
	if (c->state[index].count < scan_hits_max(rule))
		return true;
	if (c->memo != NULL)
		memo_note_unasked(c->memo, index);
	return false;
}

static void look(struct scan_context *c, uint32_t index, uint32_t from, uint32_t to)
{
	scan_touch(c, index);
	pend(c, index, from, to);
}

/* Looks at once, or when as many strings were found in the segment as a match holds. */
static void hold(struct scan_context *c, const struct blob_literal_rule *literal, uint32_t from,
                 uint32_t to)
{
	struct rule_state *state = &c->state[literal->rule];
	struct held *held = &c->held[literal->rule];

	scan_touch(c, literal->rule);
	if (state->held_segment != c->segment + 1) {
		state->held_segment = c->segment + 1;
		state->held = 0;
	}
	if (state->held + 1 < literal->need) {
		held->from[state->held] = from;
		held->to[state->held++] = to;
		return;
	}
	for (uint32_t i = 0; i < state->held && state->held < literal->need; i++)
		look(c, literal->rule, held->from[i], held->to[i]);
	state->held = literal->need;
	look(c, literal->rule, from, to);
}

/* Whether some letter stands more than LETTER_RUN_MAX times in a row in the segment in hand;
 * remembered, as many rules ask. */
static bool has_long_runs(struct scan_context *c)
{
	uint32_t run = 0;
	uint8_t last = 0;

	if (c->runs_known)
		return c->long_runs;
	c->runs_known = true;
	c->long_runs = false;
	for (size_t i = 0; i < c->subject.len && !c->long_runs; i++) {
		uint8_t octet = c->subject.data[i] | 0x20;

		run = octet == last ? run + 1 : 1;
		last = octet;
		c->long_runs = run > LETTER_RUN_MAX && octet >= 'a' && octet <= 'z';
	}
	return c->long_runs;
}

/* Whether the rule looks at the segment in hand at all. */
static bool is_of_segment(const struct scan_context *c, const struct blob_literal_rule *literal)
{
	if (c->kind == TEXT_HEADER)
		return literal->selector == c->segment;
	return c->segment != 0 || (literal->flags & BLOB_FLAG_NOSUBJECT) == 0;
}

/* Narrows [*in_out_from, *in_out_to] to what lies between two places where a match may begin; false
 * when there is none. */
static bool starts(const struct scan_context *c, uint8_t start, uint32_t *in_out_from,
                   uint32_t *in_out_to)
{
	if (start == BLOB_START_TEXT) {
		*in_out_to = 0;
		return *in_out_from == 0;
	}
	while (*in_out_to > *in_out_from && !flank_is_line(c->subject, *in_out_to))
		(*in_out_to)--;
	return flank_is_line(c->subject, *in_out_to);
}

/* Whether the string that ends at `end` can belong to a match, by what stands beside it; if so, the
 * match begins in [*out_from, *out_to]. */
static bool fits(const struct scan_context *c, const struct blob_literal_rule *literal,
                 uint32_t end, uint32_t *out_from, uint32_t *out_to)
{
	const uint8_t *flanks = c->group->flanks;

	*out_from = 0;
	*out_to = end - literal->reach_min;
	if (literal->after != FLANK_NONE &&
	    !flank_goes_on((const struct blob_flank *)(flanks + literal->after),
	                   literal->after_state, c->subject, end))
		return false;
	return literal->before == FLANK_NONE ||
	       flank_begins((const struct blob_flank *)(flanks + literal->before),
	                    literal->before_state, c->subject, end - literal->bytes,
	                    literal->start != BLOB_START_ANYWHERE, out_from, out_to);
}

/* Looks beside the string `literal`, which ends at `end` of the segment in hand. */
static void look_beside(struct scan_context *c, const struct blob_literal_rule *literal,
                        uint32_t end)
{
	uint32_t from, to;

	if (end < literal->reach_min ||
	    !flank_is_likely(literal, c->subject, end - literal->bytes, end) ||
	    !fits(c, literal, end, &from, &to) || !is_looking(c, literal->rule))
		return;
	if (end - from > literal->reach_max && literal->reach_max != REACH_ENDLESS &&
	    (literal->short_runs == 0 || !has_long_runs(c)))
		from = end - literal->reach_max;
	if (from > to ||
	    (literal->start != BLOB_START_ANYWHERE && !starts(c, literal->start, &from, &to)))
		return;
	if (literal->need > 1)
		hold(c, literal, from, to);
	else
		look(c, literal->rule, from, to);
}

/* Whether the segment holds as many strings of the rule as a match does; those that came before are
 * looked beside when it does. */
static bool are_enough(struct scan_context *c, const struct blob_literal_rule *literal,
                       uint32_t index, uint32_t end)
{
	struct rule_state *state = &c->state[literal->rule];
	struct seen *seen = &c->seen[literal->rule];

	scan_touch(c, literal->rule);
	if (state->seen_segment != c->segment + 1) {
		state->seen_segment = c->segment + 1;
		state->seen = 0;
	}
	if (state->seen + 1 < literal->strings) {
		seen->literal[state->seen] = index;
		seen->end[state->seen++] = end;
		return false;
	}
	for (uint32_t i = 0; i < state->seen && state->seen < literal->strings; i++)
		look_beside(c, &c->group->literal_rules[seen->literal[i]], seen->end[i]);
	state->seen = literal->strings;
	return true;
}

/* The string of place `index` ends at `end` of the segment in hand. */
static void trigger_literal(struct scan_context *c, uint32_t index, uint32_t end)
{
	const struct blob_literal_rule *literal = &c->group->literal_rules[index];

	if (is_of_segment(c, literal) &&
	    (literal->strings <= 1 || are_enough(c, literal, index, end)))
		look_beside(c, literal, end);
}

static int on_literal(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void *user)
{
	struct scan_context *c = user;
	const struct ruleset_group *group = c->group;

	(void)from;
	(void)flags;
	c->counters->literal_hits++;
	if (id >= group->literal_count)
		return 0;
	for (uint32_t i = group->literal_start[id]; i < group->literal_start[id + 1]; i++)
		trigger_literal(c, i, (uint32_t)to);
	return 0;
}

static void scan_literals(struct scan_context *c)
{
	const struct ruleset_group *group = c->group;

	if (group->database == NULL)
		return;
	hs_error_t result = hs_scan(group->database, (const char *)c->subject.data,
	                            (unsigned)c->subject.len, 0, c->scratch, on_literal, c);
	if (!COUNT_IF(result != HS_SUCCESS, c->counters->scan_failures))
		return;
	c->scan_failed = true;
	for (uint32_t i = 0; i < group->literal_start[group->literal_count]; i++) {
		scan_touch(c, group->literal_rules[i].rule);
		c->state[group->literal_rules[i].rule].not_run = true;
	}
}

/* For the memo nothing is known of the rule in this text until it was looked for. */
static bool defer(struct scan_context *c, uint32_t index)
{
	if (!scan_is_deferred(c, index) ||
	    !deferred_put_spans(c, index, &c->spans[index], (struct memo_text){0, 0}))
		return false;
	if (c->memo != NULL)
		memo_note_unasked(c->memo, index);
	return true;
}

/* Counts what the segment's scan has triggered. */
static void run_pending(struct scan_context *c)
{
	for (uint32_t i = 0; i < c->pending_count; i++)
		if (!defer(c, c->pending[i]))
			scan_run_spans(c, c->pending[i]);
	c->pending_count = 0;
}

/* Whether the gate's rule has anything to find in the segment in hand. */
static bool gate_is_looking(const struct scan_context *c, const struct blob_gate_rule *gate)
{
	uint32_t count = c->state[gate->rule].count;

	if (c->kind == TEXT_HEADER ? gate->selector != c->segment
	                           : c->segment == 0 && (gate->flags & BLOB_FLAG_NOSUBJECT) != 0)
		return false;
	if (count == 0 || ((gate->flags & BLOB_FLAG_MULTIPLE) != 0 &&
	                   count < scan_hits_max(&c->ruleset->rule[gate->rule])))
		return true;
	if (c->memo != NULL)
		memo_note_unasked(c->memo, gate->rule);
	return false;
}

/* The rule's window was passed by an octet in [from, to). */
static void trigger_gate(struct scan_context *c, const struct blob_gate_rule *gate, uint32_t from,
                         uint32_t to)
{
	c->counters->gate_hits++;
	if (to < gate->reach_min || !gate_is_looking(c, gate))
		return;
	from = gate->reach_max == REACH_ENDLESS || from + 1 < gate->reach_max
	           ? 0
	           : from + 1 - gate->reach_max;
	scan_touch(c, gate->rule);
	pend(c, gate->rule, from, to - gate->reach_min);
}

static void on_gate(void *user, uint32_t word, uint64_t bits, uint32_t from, uint32_t to)
{
	struct scan_context *c = user;
	const struct ruleset_group *group = c->group;
	uint64_t final = group->gate->table[group->gate->words + word];
	const struct blob_gate_rule *rules = group->gate_rules + group->gate_start[word];

	for (uint64_t left = bits; left != 0; left &= left - 1) {
		uint64_t below = (left & -left) - 1;

		trigger_gate(c, &rules[__builtin_popcountll(final & below)], from, to);
	}
}

/* Rules that windows trigger are looked for when all windows are known. */
static void scan_gate(struct scan_context *c)
{
	if (c->group->gate == NULL)
		return;
	gate_scan(c->group->gate, c->gate_span, c->subject, on_gate, c);
	run_pending(c);
}

/* Headers are scanned one by one, and only those some rule of the group looks at. */
static uint32_t scanned_count(const struct scan_context *c)
{
	return c->kind == TEXT_HEADER ? c->group->segment_count : c->text->segment_count;
}

/* Texts that are looked for in the memo: those that repeat from message to message, and whose
 * scan costs more than the look. */
#define MEMO_BYTES_MIN 24u
static const bool is_memoised[GROUP_COUNT] = {
    [GROUP_FIELDS] = true, [TEXT_URI] = true, [TEXT_BODY] = true, [TEXT_RAWBODY] = true};

static void ask_again(struct scan_context *c, uint32_t index)
{
	const struct spans all = {1, {0}, {(uint32_t)c->subject.len}};

	if (!scan_is_deferred(c, index) || !deferred_put_spans(c, index, &all, memo_text(c->memo)))
		(void)scan_confirm(c, index, c->subject, 0, c->subject.len);
}

/* Takes over what was found in the same text before; false when it is not known. */
static bool recall(struct scan_context *c)
{
	uint32_t group = (uint32_t)(c->group - c->ruleset->group), count;
	/* Some rules do not look at the first segment of the body. */
	uint32_t place = c->kind == TEXT_HEADER ? c->segment
	                                        : c->kind == TEXT_BODY && c->segment == 0;
	const struct memo_result *result = memo_find(c->memo, c->memo_reader, group << 16 | place,
	                                             c->subject, &count);

	c->memo_limits = c->counters->match_limits;
	if (COUNT_IF(result == NULL, c->counters->memo_misses))
		return false;
	c->counters->memo_hits++;
	for (uint32_t i = 0; i < count; i++) {
		struct rule_state *state = &c->state[result[i].rule];
		uint32_t max = scan_hits_max(&c->ruleset->rule[result[i].rule]);

		scan_touch(c, result[i].rule);
		if (result[i].count == MEMO_ASK)
			ask_again(c, result[i].rule);
		else
			state->count = max - state->count < result[i].count
			                   ? max
			                   : state->count + result[i].count;
	}
	return true;
}

/* What was cut short says nothing about the text. `deferred`: spans there were before it. */
static void keep(struct scan_context *c, uint32_t deferred)
{
	if (c->over_budget || c->scan_failed || c->counters->match_limits != c->memo_limits) {
		memo_drop(c->memo);
		return;
	}
	enum memo_kept kept = memo_keep(c->memo);

	c->counters->memo_evictions += kept == MEMO_KEPT_FOR_ANOTHER;
	c->counters->memo_too_large += kept == MEMO_TOO_LARGE;
	deferred_name_text(c->deferred, deferred, memo_text(c->memo));
}

static void scan_subject(struct scan_context *c)
{
	scan_enter_stage(c, STAGE_LITERAL);
	scan_literals(c);
	scan_enter_stage(c, STAGE_TRIGGERED);
	run_pending(c);
	scan_enter_stage(c, STAGE_GATE);
	scan_gate(c);
}

static void scan_segment(struct scan_context *c, uint32_t index)
{
	c->segment = c->kind == TEXT_HEADER ? c->group->segments[index] : index;
	c->gate_span = c->group->gate_span[c->kind == TEXT_HEADER ? index : 0];
	if (c->segment >= c->text->segment_count)
		return;
	c->subject = scan_segment_of(c, c->segment);
	c->runs_known = false;
	if (c->subject.len == 0)
		return;
	(void)scan_within_budget(c, c->subject.len);
	if (c->memo == NULL || c->subject.len < MEMO_BYTES_MIN ||
	    !is_memoised[c->group - c->ruleset->group]) {
		scan_subject(c);
	} else {
		scan_enter_stage(c, STAGE_MEMO);
		uint32_t deferred = deferred_spans(c->deferred);
		if (!recall(c)) {
			scan_subject(c);
			scan_enter_stage(c, STAGE_MEMO);
			keep(c, deferred);
		}
	}
	scan_enter_stage(c, STAGE_NONE);
}

static void run_exists(struct scan_context *c)
{
	for (uint32_t i = 0; i < c->ruleset->exists_count; i++) {
		uint32_t rule = c->ruleset->exists[i].rule;
		uint32_t selector = c->ruleset->exists[i].selector;

		if (selector >= c->text->segment_count ||
		    c->text->segments[selector].start == SEGMENT_ABSENT)
			continue;
		scan_touch(c, rule);
		c->state[rule].count = 1;
	}
}

/* Groups in turn: cheap and telling texts first, in case the budget runs out. */
static const uint8_t turns[GROUP_COUNT] = {GROUP_FIELDS,       GROUP_WHOLE_HEADER, GROUP_TRACE,
                                           GROUP_OTHER_HEADER, TEXT_URI,           TEXT_BODY,
                                           TEXT_RAWBODY,       TEXT_FULL};

void scan_enter_group(struct scan_context *context, uint32_t group)
{
	context->group = &context->ruleset->group[group];
	context->kind = group_text(group);
	context->text = &context->texts->kind[context->kind];
}

static void enter_turn(struct scan_context *c)
{
	if (c->turn == GROUP_COUNT)
		return;
	scan_enter_group(c, turns[c->turn]);
	if (turns[c->turn] < TEXT_KIND_COUNT)
		c->counters->text_bytes += c->text->bytes;
	if (turns[c->turn] == GROUP_FIELDS)
		run_exists(c);
	if (c->kind == TEXT_BODY)
		c->bare_body = eval_bares_body(c, c->texts);
}

static void step_residual(struct scan_context *c, uint32_t at)
{
	uint32_t rule = c->group->residual[at];

	if (scan_is_deferred(c, rule)) {
		deferred_put(c, rule);
		return;
	}
	if (at + 1 < c->group->residual_count)
		prefetch_pattern(c, c->group->residual[at + 1]);
	scan_enter_stage(c, STAGE_RESIDUAL);
	scan_run_residual(c, rule);
	scan_enter_stage(c, STAGE_NONE);
}

/* The turn's segments come first, then its rules without a trigger. */
bool scan_step(struct scan_context *context)
{
	uint32_t segments = scanned_count(context);

	if (context->at < segments) {
		scan_segment(context, context->at++);
	} else if (context->at - segments < context->group->residual_count) {
		step_residual(context, context->at++ - segments);
	} else {
		context->at = 0;
		context->turn++;
		enter_turn(context);
	}
	return context->turn < GROUP_COUNT;
}

/* Most rules find nothing in a message and have nothing to forget. */
static void forget_states(struct scan_context *c)
{
	for (uint32_t word = 0; word <= c->ruleset->rule_count / 64; word++) {
		for (uint64_t left = c->touched[word]; left != 0; left &= left - 1)
			memset(&c->state[word * 64 + (uint32_t)__builtin_ctzll(left)], 0,
			       sizeof(*c->state));
		c->touched[word] = 0;
	}
}

void scan_begin(struct scan_context *context, const struct texts *texts)
{
	forget_states(context);
	deferred_begin(context->deferred);
	context->texts = texts;
	context->scan_failed = false;
	context->turn = context->at = 0;
	context->bare_body = false;
	eval_begin(context);
	enter_turn(context);
}
