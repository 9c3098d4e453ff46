/* spf_result.h - what a check by SPF may come to: the rows of spf_results.def. */
#ifndef BASE_SPF_RESULT_H
#define BASE_SPF_RESULT_H

enum spf_result {
#define SPF_RESULT(name, text, meaning) SPF_##name,
#include "base/spf_results.def"
	SPF_RESULT_COUNT
};

#endif
