/* eval.c - runs the rules that call eval functions, and what the functions share. */
#include "classifier/eval.h"

#include "base/check.h"
#include "classifier/eval_signature.h"

static eval_function *const functions[EVAL_FUNCTION_COUNT] = {
#define EVAL(name, help, arguments, selectors, facts, asks) eval_##name,
#include "classifier/eval.def"
};

static int32_t run_profiled(const struct eval_call *call, struct scan_profile *profile)
{
	uint64_t start = profile->now();
	int32_t value = functions[call->eval->function](call);
	uint64_t took = profile->now() - start;

	profile->evals += took;
	if (profile->rule != NULL) {
		profile->rule[call->eval->rule].time += took;
		profile->rule[call->eval->rule].hits += value > 0;
	}
	return value;
}

void eval_begin(struct scan_context *context)
{
	struct eval_state *state = context->eval;

	state->recipients.known = state->emails_known = state->from_known = false;
	state->vertical_known = state->upper_known = state->hosts.known = false;
	state->dkim.known = false;
	state->spf.known = state->dmarc_is_asked = false;
	state->bare.count = state->bare.bytes = 0;
	eval_words_forget(state->words);
	eval_uris_forget(state->uris);
	eval_parts_forget(state->parts);
}

static struct eval_call call_of(struct scan_context *context, const struct texts *texts)
{
	static const struct facts no_facts;

	return (struct eval_call){.context = context,
	                          .ruleset = context->ruleset,
	                          .texts = texts,
	                          .facts = texts->facts != NULL ? texts->facts : &no_facts,
	                          .state = context->eval};
}

bool eval_bares_body(struct scan_context *context, const struct texts *texts)
{
	struct eval_call call = call_of(context, texts);

	return eval_bare_body(&call);
}

void eval_run(struct scan_context *context, const struct texts *texts)
{
	const struct ruleset *r = context->ruleset;
	struct eval_call call = call_of(context, texts);

	for (uint32_t i = 0; i < r->evals.count; i++) {
		call.eval = &r->evals.eval[i];
		call.state->addresses.count = 0;
		if (r->verdicts_only && !scoring_needs(r, call.eval->rule))
			continue;
		if (texts->facts == NULL && eval_signatures[call.eval->function].needs_facts) {
			scan_touch(context, call.eval->rule);
			context->state[call.eval->rule].not_run = true;
			continue;
		}
		int32_t value = context->profile != NULL ? run_profiled(&call, context->profile)
		                                         : functions[call.eval->function](&call);

		if (value <= 0)
			continue;
		scan_touch(context, call.eval->rule);
		context->state[call.eval->rule].count = (uint32_t)value;
	}
}

const struct text *eval_own_text(const struct eval_call *call)
{
	return &call->texts->kind[call->ruleset->rule[call->eval->rule].text_kind];
}

bool eval_in_range(const struct eval_call *call, uint32_t argument, double value)
{
	const struct blob_eval_argument *a = &call->ruleset->evals
	                                          .argument[call->eval->argument + argument];

	return (a[0].unlimited || value >= a[0].number) && (a[1].unlimited || value < a[1].number);
}

static uint32_t selector_of(const struct eval_call *call, uint32_t header)
{
	DEBUG_ASSERT(header < call->eval->selector_count);
	return call->ruleset->evals.selector[call->eval->selector + header];
}

bool eval_has_header(const struct eval_call *call, uint32_t header)
{
	const struct text *text = &call->texts->kind[TEXT_HEADER];
	uint32_t selector = selector_of(call, header);

	return selector < text->segment_count && text->segments[selector].start != SEGMENT_ABSENT;
}

struct bytes eval_header(const struct eval_call *call, uint32_t header)
{
	if (!eval_has_header(call, header))
		return bytes_of("", 0);
	return text_segment(&call->texts->kind[TEXT_HEADER], selector_of(call, header));
}

bool eval_next_line(struct bytes *rest, struct bytes *out_line)
{
	size_t end = bytes_find(*rest, '\n');

	if (rest->len == 0)
		return false;
	*out_line = bytes_slice(*rest, 0, end);
	*rest = bytes_slice(*rest, end + 1, SIZE_MAX);
	return true;
}

struct bytes eval_first(const struct eval_call *call, uint32_t header)
{
	struct bytes rest = eval_header(call, header), line = bytes_of("", 0);

	(void)eval_next_line(&rest, &line);
	return line;
}
