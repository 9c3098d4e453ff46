/* verdict.c - points and policy to a verdict. */
#include "classifier/classifier.h"

/* A judgement that is not complete never refuses for good: what did not run might have spoken for
 * the message. */
enum verdict verdict_decide(const struct judgement *judgement, const struct verdict_policy *policy)
{
	if (judgement->incomplete && !policy->failure_accepts)
		return VERDICT_DEFER;
	if (judgement->incomplete)
		return VERDICT_TAG;
	if (judgement->score_milli >= policy->reject_milli)
		return VERDICT_REJECT;
	return judgement->score_milli >= policy->tag_milli ? VERDICT_TAG : VERDICT_ACCEPT;
}
