/* eval_listed.c - scored lists: what was looked up before the rules ran. */
#include "classifier/eval.h"

int32_t eval_check_scored_list(const struct eval_call *call)
{
	const struct listed *listed = call->context->listed;

	return listed != NULL && listed_on(listed, eval_text(call, 0));
}
