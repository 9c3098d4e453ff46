/* eval_dkim.h - DKIM signatures, for eval functions that build on them. */
#ifndef CLASSIFIER_EVAL_DKIM_H
#define CLASSIFIER_EVAL_DKIM_H

#include "classifier/eval.h"

/* Tells what is asked about the signatures of the message; `call` needs no rule. */
void eval_dkim_questions(const struct eval_call *call, question_seen *seen, void *seen_context);
const struct eval_dkim *eval_dkim(const struct eval_call *call);

#define EVAL_DKIM_DOMAINS_MAX FACT_SIGNATURES_MAX
/* The domains (d=) of the valid signatures, each once. Returns how many. `out_open`: there are
 * signatures nobody has told of yet, whose domains are not among them. */
uint32_t eval_dkim_domains(const struct eval_call *call,
                           struct bytes out_domain[EVAL_DKIM_DOMAINS_MAX], bool *out_open);

#endif
