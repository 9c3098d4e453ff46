/* eval_signature.h - what the functions of eval.def take, for the compiler and the reader. */
#ifndef CLASSIFIER_EVAL_SIGNATURE_H
#define CLASSIFIER_EVAL_SIGNATURE_H

#include <stdbool.h>

#include "classifier/eval_blob.h"

struct eval_signature {
	const char *name, *help, *arguments, *selectors; /* as in eval.def */
	bool needs_facts;
};

extern const struct eval_signature eval_signatures[EVAL_FUNCTION_COUNT];

#endif
