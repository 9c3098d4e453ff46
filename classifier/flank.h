/* flank.h - whether what stands beside a string can belong to a match (struct blob_flank). */
#ifndef CLASSIFIER_FLANK_H
#define CLASSIFIER_FLANK_H

#include <stddef.h>

#include "classifier/ruleset_blob.h"

/* Octets looked at before the answer is taken to be yes. */
#define FLANK_OCTETS_MAX 128u

/* Walks the `left` octets from text[at] on, by `step` (1 or -1). False: no match holds the string
 * there. */
static inline bool flank_fits(const struct blob_flank *flank, uint32_t state, const uint8_t *text,
                              ptrdiff_t at, ptrdiff_t step, uint32_t left)
{
	uint32_t count = left < FLANK_OCTETS_MAX ? left : FLANK_OCTETS_MAX;

	for (uint32_t i = 0; i < count && state > FLANK_OPEN; i++, at += step)
		state = flank->next[state * flank->class_count + flank->class_of[text[at]]];
	return state == FLANK_OPEN || (state != FLANK_DEAD && left > FLANK_OCTETS_MAX);
}

#endif
