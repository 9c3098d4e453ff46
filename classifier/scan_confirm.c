/* scan_confirm.c - has PCRE2 look for a rule where it was triggered, and counts.
 *
 * Every look is paid from the message's budget of CPU time.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "classifier/eval.h"
#include "classifier/memo.h"
#include "classifier/plain.h"
#include "classifier/scan_internal.h"

/* The clock is looked at after as many octets of work; a confirmation counts as some more. */
#define WORK_A_LOOK  32768u
#define CONFIRM_WORK 128u
#define PLAIN_WORK   16u

void scan_budget_begin(struct scan_context *c, uint64_t budget_ns, uint64_t (*cpu_now_ns)(void))
{
	c->cpu_now_ns = cpu_now_ns;
	c->left_ns = budget_ns;
	c->work = WORK_A_LOOK;
	c->over_budget = false;
}

void scan_slice_begin(struct scan_context *c, uint64_t slice_ns)
{
	c->start_ns = c->cpu_now_ns();
	c->slice_ns = slice_ns;
	c->over_slice = false;
}

void scan_slice_end(struct scan_context *c)
{
	uint64_t spent_ns = c->cpu_now_ns() - c->start_ns;

	c->left_ns -= spent_ns < c->left_ns ? spent_ns : c->left_ns;
}

static void look_at_clock(struct scan_context *c)
{
	uint64_t spent_ns = c->cpu_now_ns() - c->start_ns;

	c->work = 0;
	if (spent_ns >= c->left_ns) {
		c->over_budget = true;
		c->counters->budget_exceeded++;
	}
	c->over_slice |= spent_ns >= c->slice_ns;
}

bool scan_within_budget(struct scan_context *c, size_t work)
{
	if (c->over_budget)
		return false;
	c->work += work;
	if (c->work >= WORK_A_LOOK)
		look_at_clock(c);
	return !c->over_budget;
}

void scan_enter_stage(struct scan_context *c, enum scan_stage stage)
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

/* Notes what the text in hand added to a count that had `before`: where it was cut at its limit,
 * how much it would have been is not known. */
static void note_hits(struct scan_context *c, uint32_t rule, uint32_t before)
{
	uint32_t count = c->state[rule].count;

	if (c->memo != NULL && count > before)
		memo_note(c->memo, rule,
		          count == scan_hits_max(&c->ruleset->rule[rule]) && count > 1
		              ? MEMO_ASK
		              : count - before);
}

/* As Perl's //g goes on: after an empty match another one, not empty there, is looked for. Every
 * turn moves on, so the text's length bounds the loop. */
size_t scan_confirm(struct scan_context *c, uint32_t index, struct bytes subject, size_t from,
                    size_t to)
{
	struct rule_state *state = &c->state[index];
	uint32_t max = scan_hits_max(&c->ruleset->rule[index]), before = state->count;
	const struct blob_plain *plain = c->ruleset->plain[index];
	size_t end;
	bool empty = false;

	scan_touch(c, index);
	if (plain != NULL && state->count < max && from <= to) {
		if (scan_within_budget(c, PLAIN_WORK + subject.len - from))
			state->count += plain_count(plain, c->group->plain_octets, subject, to,
			                            max - state->count, &from);
		else
			state->not_run = true;
		note_hits(c, index, before);
		return from;
	}
	pcre2_set_offset_limit(c->match_context, to < subject.len ? to : PCRE2_UNSET);
	while (state->count < max && from <= to && from <= subject.len) {
		if (!scan_within_budget(c, CONFIRM_WORK + subject.len - from)) {
			state->not_run = true;
			break;
		}
		if (!match_once(c, index, subject, from, empty ? PCRE2_NOTEMPTY_ATSTART : 0, &end,
		                &empty))
			break;
		state->count++;
		if (end < from)
			break;
		from = end;
	}
	pcre2_set_offset_limit(c->match_context, PCRE2_UNSET);
	note_hits(c, index, before);
	return from;
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
	(void)scan_confirm(c, index, subject, 0, subject.len);
	if ((rule->flags & BLOB_FLAG_NEGATED) != 0)
		state->count = state->not_run ? 0 : state->count == 0;
}

struct bytes scan_segment_of(const struct scan_context *c, uint32_t index)
{
	return c->bare_body && c->kind == TEXT_BODY ? eval_bare_segment(c->eval, c->text, index)
	                                            : text_segment(c->text, index);
}

void scan_run_spans(struct scan_context *c, uint32_t index)
{
	struct spans *spans = &c->spans[index];
	uint32_t max = scan_hits_max(&c->ruleset->rule[index]);
	size_t reached = 0;

	while (spans->count > 0 && c->state[index].count < max) {
		uint32_t first = 0;

		for (uint32_t i = 1; i < spans->count; i++)
			if (spans->from[i] < spans->from[first])
				first = i;

		size_t from = spans->from[first] > reached ? spans->from[first] : reached;
		if (from <= spans->to[first])
			reached = scan_confirm(c, index, c->subject, from, spans->to[first]);
		spans->count--;
		spans->from[first] = spans->from[spans->count];
		spans->to[first] = spans->to[spans->count];
	}
}

void scan_run_residual(struct scan_context *c, uint32_t index)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];
	uint32_t max = scan_hits_max(rule);

	if (c->kind == TEXT_HEADER) {
		confirm_header(c, index);
		return;
	}
	for (uint32_t k = 0; k < c->text->segment_count && c->state[index].count < max; k++)
		if (!scan_is_skipped(rule, k)) {
			struct bytes segment = scan_segment_of(c, k);

			(void)scan_confirm(c, index, segment, 0, segment.len);
		}
}
