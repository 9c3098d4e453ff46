/* flank.h - whether what stands beside a string can belong to a match, and where that match would
 * begin (struct blob_flank). */
#ifndef CLASSIFIER_FLANK_H
#define CLASSIFIER_FLANK_H

#include <stdbool.h>

#include "base/bytes.h"
#include "classifier/ruleset_blob.h"

/* Octets looked at before anything is taken to be possible. */
#define FLANK_OCTETS_MAX       128u
#define FLANK_BEGIN_OCTETS_MAX 64u

static inline uint32_t flank_next(const struct blob_flank *flank, uint32_t state, uint8_t octet)
{
	return flank->next[(state & FLANK_STATE) * flank->class_count + flank->class_of[octet]];
}

static inline bool flank_is_near(uint64_t octets, uint8_t octet)
{
	return (octets >> (octet & 63) & 1) != 0;
}

/* Whether the octets next to a string in [begin, end) of the text can be of a match: seen without
 * another look into memory. */
static inline bool flank_is_likely(const struct blob_literal_rule *literal, struct bytes text,
                                   uint32_t begin, uint32_t end)
{
	const uint64_t *before = literal->before_octets.octet, *after = literal->after_octets.octet;
	const uint8_t *at = text.data;

	return (end >= text.len || flank_is_near(after[0], at[end])) &&
	       (begin < 1 || flank_is_near(before[0], at[begin - 1])) &&
	       (end + 1 >= text.len || flank_is_near(after[1], at[end + 1])) &&
	       (begin < 2 || flank_is_near(before[1], at[begin - 2]));
}

/* Whether a match that holds a string can go on with the text from `end` on. */
static inline bool flank_goes_on(const struct blob_flank *flank, uint32_t state, struct bytes text,
                                 uint32_t end)
{
	uint32_t left = (uint32_t)text.len - end;
	uint32_t count = left < FLANK_OCTETS_MAX ? left : FLANK_OCTETS_MAX;

	for (uint32_t i = 0; i < count; i++) {
		if (state == FLANK_OPEN || (state & FLANK_ENDS) != 0)
			return true;
		if (state == FLANK_DEAD)
			return false;
		state = flank_next(flank, state, text.data[end + i]);
	}
	return state == FLANK_OPEN || (state & FLANK_ENDS) != 0 ||
	       (state != FLANK_DEAD && left > count);
}

/* Whether a line begins at `at`. */
static inline bool flank_is_line(struct bytes text, uint32_t at)
{
	return at == 0 || text.data[at - 1] == '\n';
}

/* Whether a match that holds a string which stands at `begin` can begin before it; if so, somewhere
 * in [*in_out_from, *in_out_to], which only get narrower. `lines`: matches begin lines. */
static inline bool flank_begins(const struct blob_flank *flank, uint32_t state, struct bytes text,
                                uint32_t begin, bool lines, uint32_t *in_out_from,
                                uint32_t *in_out_to)
{
	uint32_t count = begin < FLANK_BEGIN_OCTETS_MAX ? begin : FLANK_BEGIN_OCTETS_MAX, i = 0;
	uint32_t first = UINT32_MAX, last = begin + 1; /* of the beginnings found */

	for (;; i++) {
		if ((state & FLANK_ENDS) != 0 && (!lines || flank_is_line(text, begin - i))) {
			first = begin - i;
			last = last > begin ? first : last;
		}
		if (state <= FLANK_OPEN || i == count)
			break;
		state = flank_next(flank, state, text.data[begin - i - 1]);
	}
	if (state == FLANK_OPEN || (state != FLANK_DEAD && i < begin)) {
		/* Or anywhere before. */
		first = 0;
		last = last > begin ? begin - i : last;
	}
	if (first == UINT32_MAX)
		return false;
	*in_out_from = first > *in_out_from ? first : *in_out_from;
	*in_out_to = last < *in_out_to ? last : *in_out_to;
	return *in_out_from <= *in_out_to;
}

#endif
