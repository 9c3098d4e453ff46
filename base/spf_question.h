/* spf_question.h - what is asked by QUESTION_SPF, and what the answer's value means: the rows of
 * spf_results.def.
 *
 * The text is "ADDRESS HELO SENDER". Without a sender HELO is what is checked; HELO may be empty.
 */
#ifndef BASE_SPF_QUESTION_H
#define BASE_SPF_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/bytes.h"

enum spf_result {
#define SPF_RESULT(name, text, meaning) SPF_##name,
#include "base/spf_results.def"
	SPF_RESULT_COUNT
};

struct spf_request {
	struct addr client;
	struct bytes helo;
	struct bytes
	    sender; /* "local@domain"; empty: HELO is what is checked (RFC 7208, 2.3, 2.4) */
};

/* In small letters; a HELO with blanks is left out. Returns its octets; 0: there is nothing to be
 * checked, or it does not fit. */
size_t spf_request_write(const struct spf_request *request, char *out_text, size_t text_bytes);
/* What is behind the last '@', or all of it; without a dot at its end. */
struct bytes spf_sender_domain(struct bytes sender);
/* The slices point into `text`. False: it is none. */
bool spf_request_read(struct bytes text, struct spf_request *out_request);

#endif
