/* eval.c - runs the rules that call eval functions, and what the functions share. */
#include "classifier/eval.h"

#include "base/check.h"
#include "classifier/eval_signature.h"

static eval_function *const functions[EVAL_FUNCTION_COUNT] = {
#define EVAL(name, help, arguments, selectors, facts) eval_##name,
#include "classifier/eval.def"
};

void eval_run(struct scan_context *context, const struct texts *texts)
{
	const struct ruleset *r = context->ruleset;
	static const struct facts no_facts;
	struct eval_call call = {.context = context,
	                         .ruleset = r,
	                         .texts = texts,
	                         .facts = texts->facts != NULL ? texts->facts : &no_facts,
	                         .state = context->eval};

	call.state->recipients.known = call.state->emails_known = false;
	call.state->hosts.known = false;
	call.state->vertical_known = call.state->upper_known = false;
	eval_words_forget(call.state->words);
	for (uint32_t i = 0; i < r->evals.count; i++) {
		call.eval = &r->evals.eval[i];
		call.state->addresses.count = 0;
		if (texts->facts == NULL && eval_signatures[call.eval->function].needs_facts) {
			context->state[call.eval->rule].not_run = true;
			continue;
		}
		int32_t value = functions[call.eval->function](&call);

		context->state[call.eval->rule].count = value > 0 ? (uint32_t)value : 0;
	}
}

const struct text *eval_own_text(const struct eval_call *call)
{
	return &call->texts->kind[call->ruleset->rule[call->eval->rule].text_kind];
}

struct bytes eval_text(const struct eval_call *call, uint32_t argument)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_eval_argument *a = &e->argument[call->eval->argument + argument];

	return argument < call->eval->argument_count ? bytes_of(e->texts + a->text, a->bytes)
	                                             : bytes_of(NULL, 0);
}

double eval_number(const struct eval_call *call, uint32_t argument)
{
	DEBUG_ASSERT(argument < call->eval->argument_count);
	return call->ruleset->evals.argument[call->eval->argument + argument].number;
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
