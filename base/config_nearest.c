/* config_nearest.c - guesses what a misspelt name was meant to be. */
#include <stdio.h>

#include "base/check.h"
#include "base/config_internal.h"

#define NAME_BYTES_MAX 64 /* longer ones are not guessed at */

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Octets to insert, delete or replace to get from one to the other (Levenshtein 1965), row by row.
 */
static uint32_t distance(struct bytes a, struct bytes b)
{
	uint32_t row[NAME_BYTES_MAX + 1];

	ASSERT(a.len <= NAME_BYTES_MAX && b.len <= NAME_BYTES_MAX);
	for (uint32_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (uint32_t i = 1; i <= a.len; i++) {
		uint32_t diagonal = row[0];
		row[0] = i;
		for (uint32_t j = 1; j <= b.len; j++) {
			uint32_t replaced = diagonal + (a.data[i - 1] != b.data[j - 1]);
			diagonal = row[j];
			row[j] = least(row[j] + 1, row[j - 1] + 1, replaced);
		}
	}
	return row[b.len];
}

/* A third of the name may be wrong, or two letters exchanged. */
struct nearest nearest_to(struct bytes wanted)
{
	uint32_t wrong_max = wanted.len < 9 ? 2 : (uint32_t)wanted.len / 3;

	return (struct nearest){.wanted = wanted, .distance = wrong_max + 1};
}

void nearest_consider(struct nearest *nearest, const char *candidate)
{
	struct bytes name = bytes_text(candidate);

	if (nearest->wanted.len > NAME_BYTES_MAX || name.len > NAME_BYTES_MAX)
		return;
	uint32_t found = distance(nearest->wanted, name);
	if (found >= nearest->distance)
		return;
	nearest->distance = found;
	nearest->name = candidate;
}

char *nearest_hint(const struct nearest *nearest, char out[HINT_BYTES])
{
	if (nearest->name != NULL)
		snprintf(out, HINT_BYTES, "did you mean %s?", nearest->name);
	else
		snprintf(out, HINT_BYTES, "remove it or correct its name");
	return out;
}
