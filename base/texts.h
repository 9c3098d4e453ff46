/* texts.h - prepared texts of one message: who normalises fills them, who classifies reads them.
 *
 * A text is one contiguous run of octets cut into segments. For TEXT_HEADER, segment i belongs to
 * the i-th header selector of the ruleset the texts were prepared for; a header that is missing has
 * SEGMENT_ABSENT as its start.
 */
#ifndef BASE_TEXTS_H
#define BASE_TEXTS_H

#include <stdint.h>

#include "base/bytes.h"

enum text_kind {
	TEXT_BODY,    /* rendered, decoded, white space folded; segment 0 is the Subject */
	TEXT_RAWBODY, /* decoded text parts, not rendered */
	TEXT_URI,     /* one canonical URI a segment */
	TEXT_FULL,    /* the pristine message, one segment */
	TEXT_HEADER,  /* one segment a selector */
	TEXT_KIND_COUNT
};

#define SEGMENT_ABSENT UINT32_MAX

struct segment {
	uint32_t start, len;
};

struct text {
	const uint8_t *data;
	uint32_t bytes;
	uint32_t segment_count;
	const struct segment *segments;
};

struct facts;

struct texts {
	struct text kind[TEXT_KIND_COUNT];
	const struct facts *facts; /* facts.h; NULL when nobody asked for them */
};

static inline struct bytes text_segment(const struct text *text, uint32_t index)
{
	const struct segment *s = &text->segments[index];

	return s->start == SEGMENT_ABSENT ? bytes_of(NULL, 0)
	                                  : bytes_of(text->data + s->start, s->len);
}

#endif
