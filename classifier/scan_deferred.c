/* scan_deferred.c - rules that only metas name are looked for when one of these still asks.
 *
 * A listed rule has to be known. A subtest is of use only as far as a listed rule's hit hangs on
 * it, and most metas are settled by others they name: "A && B" is nothing without A, whatever B is.
 * So where PCRE2 would look for a subtest is kept until everything else is known; until then it is
 * worth something from nothing to all its pattern can count, and metas are worked out with that
 * (score.c). Then the rules are taken in turn: one that nothing listed hangs on any more is left,
 * another is looked for, and what it is worth may settle the next one's metas.
 *
 * What is known only gets more, so a rule that nobody asks for at its turn is not asked for later.
 */
#include "classifier/scan_internal.h"

#define DEFERRED_SPANS_MAX 4096u /* of one message; rules beyond are looked for at once */
#define ASKING_WORK        128u  /* as much as so many octets */

struct deferred_span {
	uint32_t segment, from, to;
	uint32_t next; /* 1 + the rule's next one; 0: none */
	struct memo_text text;
};

struct deferred_rule {
	uint32_t rule, group;
	uint32_t first, last; /* 1 + span; 0: every segment is looked into */
};

struct deferred {
	uint32_t rule_count, span_count;
	uint32_t at; /* the rule whose turn it is */
	struct deferred_span span[DEFERRED_SPANS_MAX];
	struct deferred_rule rule[]; /* room for all rules of the ruleset */
};

size_t deferred_bytes(const struct ruleset *ruleset)
{
	return sizeof(struct deferred) + ruleset->rule_count * sizeof(struct deferred_rule);
}

void deferred_begin(struct deferred *deferred)
{
	deferred->rule_count = deferred->span_count = deferred->at = 0;
}

static struct deferred_rule *place_of(struct scan_context *c, uint32_t rule)
{
	struct deferred *d = c->deferred;
	struct rule_state *state = &c->state[rule];

	scan_touch(c, rule);
	if (state->deferred == 0) {
		d->rule[d->rule_count++] = (struct deferred_rule){
		    .rule = rule, .group = (uint32_t)(c->group - c->ruleset->group)};
		state->deferred = d->rule_count;
	}
	return &d->rule[state->deferred - 1];
}

void deferred_put(struct scan_context *context, uint32_t rule)
{
	(void)place_of(context, rule);
}

bool deferred_put_spans(struct scan_context *context, uint32_t rule, const struct spans *spans,
                        struct memo_text text)
{
	struct deferred *d = context->deferred;

	if (DEFERRED_SPANS_MAX - d->span_count < spans->count)
		return false;
	struct deferred_rule *place = place_of(context, rule);
	for (uint32_t i = 0; i < spans->count; i++) {
		d->span[d->span_count++] = (struct deferred_span){.segment = context->segment,
		                                                  .from = spans->from[i],
		                                                  .to = spans->to[i],
		                                                  .text = text};
		if (place->first == 0)
			place->first = d->span_count;
		else
			d->span[place->last - 1].next = d->span_count;
		place->last = d->span_count;
	}
	return true;
}

uint32_t deferred_spans(const struct deferred *deferred)
{
	return deferred->span_count;
}

void deferred_name_text(struct deferred *deferred, uint32_t first, struct memo_text text)
{
	for (uint32_t i = first; i < deferred->span_count; i++)
		deferred->span[i].text = text;
}

/* Spans of one segment stand side by side, no more than a rule has at once. */
static uint32_t take_segment(struct scan_context *c, uint32_t rule, uint32_t at)
{
	const struct deferred_span *span = &c->deferred->span[at - 1];
	struct spans *spans = &c->spans[rule];

	c->segment = span->segment;
	c->subject = scan_segment_of(c, c->segment);
	spans->count = 0;
	while (span->segment == c->segment && spans->count < SPANS_MAX) {
		spans->from[spans->count] = span->from;
		spans->to[spans->count++] = span->to;
		at = span->next;
		if (at == 0)
			break;
		span = &c->deferred->span[at - 1];
	}
	return at;
}

/* What was found in one text is found in it again, unless it was cut short. */
static void learn(struct scan_context *c, const struct deferred_span *span, uint32_t rule,
                  uint32_t before, uint32_t max)
{
	const struct rule_state *state = &c->state[rule];

	if (c->memo != NULL && !state->not_run && (state->count < max || max == 1))
		memo_learn(c->memo, span->text, rule, state->count - before);
}

static void look_for(struct scan_context *c, const struct deferred_rule *place)
{
	uint32_t max = scan_hits_max(&c->ruleset->rule[place->rule]), at = place->first;
	const struct rule_state *state = &c->state[place->rule];

	scan_enter_group(c, place->group);
	scan_enter_stage(c, STAGE_DEFERRED);
	if (at == 0)
		scan_run_residual(c, place->rule);
	while (at != 0 && state->count < max) {
		const struct deferred_span *span = &c->deferred->span[at - 1];
		uint32_t before = state->count;

		at = take_segment(c, place->rule, at);
		scan_run_spans(c, place->rule);
		learn(c, span, place->rule, before, max);
	}
	scan_enter_stage(c, STAGE_NONE);
}

bool scan_deferred_step(struct scan_context *context)
{
	struct deferred *d = context->deferred;

	if (d->at == d->rule_count)
		return false;
	const struct deferred_rule *place = &d->rule[d->at++];
	if (!score_asks(context, place->rule)) {
		context->counters->confirms_spared++;
		(void)scan_within_budget(context, ASKING_WORK);
		return true;
	}
	look_for(context, place);
	context->state[place->rule].deferred = 0;
	score_take(context, place->rule);
	return true;
}
