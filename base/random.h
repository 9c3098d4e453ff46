/* random.h - the only source of random numbers; a run replays from its seed.
 *
 * ChaCha20-like quality is not needed where a seed must replay; what peers must not guess (ISNs,
 * cookies, ids) goes through the keyed hash of base/hash.h with a key from random_os().
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
/* Uniform in [0, bound); bound > 0. */
uint32_t random_below(struct random *random, uint32_t bound);
/* Entropy of the operating system; ends the process when there is none. */
void random_os(void *out, size_t bytes);

#endif
