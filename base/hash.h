/* hash.h - keyed hash: SipHash-2-4 (Aumasson, Bernstein 2012), 64 and 128 bits. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k[2];
};

struct hash128 {
	uint64_t lo, hi;
};

uint64_t hash64(const struct hash_key *key, const void *data, size_t bytes);
struct hash128 hash128(const struct hash_key *key, const void *data, size_t bytes);
/* Unkeyed FNV-1a style checksum for blobs: fast, 64 bits, no security. */
uint64_t hash_checksum(const void *data, size_t bytes);

#endif
