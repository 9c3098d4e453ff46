/* random.c - xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64; and the operating system's
 * entropy. */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

static inline uint64_t rotate_left(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

void random_seed(struct random *random, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		seed += 0x9e3779b97f4a7c15u;
		uint64_t z = seed;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		random->state[i] = z ^ z >> 31;
	}
}

uint64_t random_u64(struct random *random)
{
	uint64_t *s = random->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* Multiply and keep the upper half (Lemire 2019). The lower half tells the few draws that would
 * make some results likelier than others; they are drawn again, less than once on average. */
uint32_t random_below(struct random *random, uint32_t bound)
{
	ASSERT(bound > 0);
	uint32_t unfair = -bound % bound;
	uint64_t product;

	do
		product = (random_u64(random) >> 32) * bound;
	while ((uint32_t)product < unfair);
	return (uint32_t)(product >> 32);
}

void random_os(void *out, size_t bytes)
{
	uint8_t *next = out;

	while (bytes > 0) {
		ssize_t got = getrandom(next, bytes, 0);
		if (got < 0 && errno == EINTR)
			continue;
		ASSERT(got > 0); /* without entropy nothing keyed is safe */
		next += got;
		bytes -= (size_t)got;
	}
}
