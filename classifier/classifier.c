/* classifier.c - judges a message in slices: texts are scanned, eval functions run, what metas
 * still ask for is looked for, points are added up. */
#include "base/check.h"
#include "classifier/eval.h"
#include "classifier/scan_internal.h"

void classifier_begin(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                      uint64_t (*cpu_now_ns)(void))
{
	scan_budget_begin(context, budget_ns, cpu_now_ns);
	scan_begin(context, texts);
	context->phase = PHASE_TEXTS;
}

static void step(struct scan_context *c)
{
	switch (c->phase) {
	case PHASE_TEXTS:
		if (!scan_step(c))
			c->phase = PHASE_EVALS;
		break;
	case PHASE_EVALS:
		eval_run(c, c->texts);
		score_begin(c);
		c->phase = PHASE_DEFERRED;
		break;
	case PHASE_DEFERRED:
		if (!scan_deferred_step(c))
			c->phase = PHASE_DONE;
		break;
	case PHASE_DONE:
		UNREACHABLE();
	}
}

bool classifier_continue(struct scan_context *context, uint64_t slice_ns,
                         struct judgement *out_judgement)
{
	scan_slice_begin(context, slice_ns);
	do {
		step(context);
	} while (context->phase != PHASE_DONE && !context->over_slice);
	scan_slice_end(context);
	if (context->phase != PHASE_DONE)
		return false;

	score_end(context, out_judgement);
	context->counters->messages++;
	context->counters->messages_incomplete += out_judgement->incomplete;
	context->counters->rules_not_run += out_judgement->rules_not_run;
	context->counters->rules_unanswered += out_judgement->rules_unanswered;
	context->counters->hits_left_out += out_judgement->hits_left_out;
	return true;
}

void classifier_judge(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                      uint64_t (*cpu_now_ns)(void), struct judgement *out_judgement)
{
	bool done;

	classifier_begin(context, texts, budget_ns, cpu_now_ns);
	do {
		done = classifier_continue(context, UINT64_MAX, out_judgement);
	} while (!done);
}
