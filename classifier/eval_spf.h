/* eval_spf.h - what SPF says, for eval functions that build on it. Their rows in eval.def begin
 * with the selectors SPF_HEADERS. */
#ifndef CLASSIFIER_EVAL_SPF_H
#define CLASSIFIER_EVAL_SPF_H

#include "classifier/eval.h"

enum eval_spf_finding { EVAL_SPF_KNOWN, EVAL_SPF_OPEN, EVAL_SPF_NOT_CHECKED };

/* The first relay outside; NULL: there is none. */
const struct fact_relay *eval_first_external(const struct facts *facts);
/* What SPF says of the sender or HELO: known, not answered yet, or nothing. */
enum eval_spf_finding eval_spf_find(const struct eval_call *call, enum eval_spf_identity identity,
                                    enum spf_result *out_result);
/* Asks about it, once a message. */
void eval_spf_ask(const struct eval_call *call, enum eval_spf_identity identity,
                  question_seen *seen, void *seen_context);

#endif
