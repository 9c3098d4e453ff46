/* hash.c - SipHash-2-4 in its 64 and 128 bit forms, and a checksum. */
#include "base/hash.h"

#include <string.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_rounds(struct sip *s, int count)
{
	for (int i = 0; i < count; i++) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate_left(s->v1, 13) ^ s->v0;
		s->v3 = rotate_left(s->v3, 16) ^ s->v2;
		s->v0 = rotate_left(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate_left(s->v1, 17) ^ s->v2;
		s->v3 = rotate_left(s->v3, 21) ^ s->v0;
		s->v2 = rotate_left(s->v2, 32);
	}
}

/* Little-endian, as everything in this process is. */
static inline uint64_t load64(const uint8_t *octets)
{
	uint64_t word;

	memcpy(&word, octets, sizeof(word));
	return word;
}

/* The last 0..7 octets, the first in the lowest place. */
static inline uint64_t load_tail(const uint8_t *octets, size_t count)
{
	uint64_t word = 0;

	for (size_t i = 0; i < count; i++)
		word |= (uint64_t)octets[i] << (8 * i);
	return word;
}

static inline void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_rounds(s, 2);
	s->v0 ^= word;
}

static inline struct sip sip_absorb(const struct hash_key *key, uint64_t variant,
                                    const uint8_t *data, size_t bytes)
{
	struct sip s = {
	    .v0 = key->k[0] ^ 0x736f6d6570736575u,
	    .v1 = key->k[1] ^ 0x646f72616e646f6du ^ variant,
	    .v2 = key->k[0] ^ 0x6c7967656e657261u,
	    .v3 = key->k[1] ^ 0x7465646279746573u,
	};
	size_t whole = bytes & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		sip_word(&s, load64(data + i));
	sip_word(&s, load_tail(data + whole, bytes - whole) | (uint64_t)bytes << 56);
	return s;
}

static inline uint64_t sip_squeeze(struct sip *s)
{
	sip_rounds(s, 4);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash64(const struct hash_key *key, const void *data, size_t bytes)
{
	struct sip s = sip_absorb(key, 0, data, bytes);

	s.v2 ^= 0xff;
	return sip_squeeze(&s);
}

struct hash128 hash128(const struct hash_key *key, const void *data, size_t bytes)
{
	struct sip s = sip_absorb(key, 0xee, data, bytes);
	struct hash128 hash;

	s.v2 ^= 0xee;
	hash.lo = sip_squeeze(&s);
	s.v1 ^= 0xdd;
	hash.hi = sip_squeeze(&s);
	return hash;
}

/* Each step is a bijection of the state for a given word and of the word for a given state, so a
 * change confined to one word always shows. */
static inline uint64_t checksum_step(uint64_t state, uint64_t word)
{
	state = (state ^ word) * 0x100000001b3u;
	return state ^ state >> 32;
}

uint64_t hash_checksum(const void *data, size_t bytes)
{
	const uint8_t *octets = data;
	uint64_t lane[4] = {0xcbf29ce484222325u, 1, 2, 3};
	size_t at = 0;

	/* Four lanes, since each multiplication waits for the one before in its lane. */
	for (; bytes - at >= 32; at += 32)
		for (size_t i = 0; i < 4; i++)
			lane[i] = checksum_step(lane[i], load64(octets + at + 8 * i));
	for (; bytes - at >= 8; at += 8)
		lane[0] = checksum_step(lane[0], load64(octets + at));

	uint64_t state = checksum_step(lane[0], load_tail(octets + at, bytes - at));
	for (size_t i = 1; i < 4; i++)
		state = checksum_step(state, lane[i]);
	return checksum_step(state, bytes);
}
