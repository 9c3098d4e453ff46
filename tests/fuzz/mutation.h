/* mutation.h - damage as mail suffers it, by seed: to octets, lines, boundaries, encodings,
 * nesting. */
#ifndef FUZZ_MUTATION_H
#define FUZZ_MUTATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/random.h"

struct mutation {
	struct random random;
	struct bytes other; /* what is spliced in */
	uint8_t *data;      /* bytes_max octets */
	size_t bytes, bytes_max;
};

/* One damage of a kind drawn by chance; what would not fit bytes_max is cut. */
void mutation_step(struct mutation *mutation);

#endif
