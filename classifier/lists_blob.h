/* lists_blob.h - the layout of a list generation's sections, shared by its writer and its reader.
 *
 * One table a prefix length present; a table is a run of 64-octet buckets, one cache line each. A
 * key that finds its bucket full goes into the next one (wrapping within the table) and leaves
 * `spilled` set behind itself, so that a look-up reads on only where something spilled, and at most
 * LIST_PROBES_MAX buckets.
 */
#ifndef CLASSIFIER_LISTS_BLOB_H
#define CLASSIFIER_LISTS_BLOB_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

#define LISTS_BLOB_VERSION 2u
#define LIST_PROBES_MAX    32u
#define LIST_NAMES_MAX     8191u
#define LIST_SETS_MAX      65535u
#define LIST_TABLES_MAX    163u /* 33 lengths of IPv4, 129 of IPv6, texts */

enum lists_section {
	LISTS_HEAD = 1,
	LISTS_TEXTS,
	LISTS_NAMES, /* per list: offset of its name in LISTS_TEXTS */
	LISTS_TABLES,
	LISTS_BUCKETS,
	LISTS_SCORED_NAMES,  /* per scored list, likewise */
	LISTS_SETS,          /* struct list_set: the scored lists that have one and the same key */
	LISTS_SCORED_TABLES, /* their values are numbers of sets; buckets in LISTS_BUCKETS too */
};

struct lists_head {
	uint32_t version, table_count, scored_table_count;
	uint32_t key_kinds; /* 1 << enum list_key: of these there are entries */
	uint64_t entry_count, scored_entry_count;
	uint64_t salt;
};

enum list_family {
	LIST_IP4,
	LIST_IP6,
	LIST_TEXT /* hashes of texts, kept as IPv6 addresses are */
};

struct lists_table { /* IPv4's first, then IPv6's, then texts; within a family longest first */
	uint8_t family;
	uint8_t bits; /* within the family; 0 for texts */
	uint16_t unused;
	uint32_t bucket_count;
	uint64_t bucket_start; /* index into LISTS_BUCKETS */
};

/* A value: list number above, enum list_action in the two low bits. */
#define LIST_VALUE(list, action) ((uint16_t)((list) << 2 | (action)))

#define IP4_KEYS 10u
#define IP6_KEYS 3u

struct ip4_bucket {
	uint32_t key[IP4_KEYS];
	uint16_t value[IP4_KEYS];
	uint8_t count, spilled;
	uint8_t unused[2];
};

struct ip6_key {
	uint64_t half[2]; /* octets as they lie */
};

struct ip6_bucket {
	struct ip6_key key[IP6_KEYS];
	uint16_t value[IP6_KEYS];
	uint8_t count, spilled;
	uint8_t unused[8];
};

static_assert(sizeof(struct ip4_bucket) == 64, "one cache line");
static_assert(sizeof(struct ip6_bucket) == 64, "one cache line");
static_assert(sizeof(struct lists_table) == 16 && sizeof(struct lists_head) == 40, "fixed layout");

/* A finaliser in the manner of MurmurHash3's, salted: spreads well, costs two multiplications.
 * Crowding a bucket on purpose gains nothing, look-ups being bounded and lists being the
 * operator's. */
static inline uint32_t lists_mix(uint64_t key, uint64_t salt)
{
	key ^= salt;
	key *= 0xff51afd7ed558ccdull;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(key >> 32);
}

static inline uint32_t lists_bucket(uint32_t hash, uint32_t bucket_count)
{
	return (uint32_t)((uint64_t)hash * bucket_count >> 32);
}

static inline uint32_t lists_hash_ip4(uint32_t key, uint64_t salt)
{
	return lists_mix(key, salt);
}

static inline uint32_t lists_hash_ip6(struct ip6_key key, uint64_t salt)
{
	return lists_mix(key.half[0] ^ (uint64_t)lists_mix(key.half[1], salt) << 17, salt);
}

/* A text of one kind of key, canonical already: 128 bits, so that two texts never meet. */
static inline struct ip6_key lists_text_key(uint32_t kind, const void *text, size_t bytes,
                                            uint64_t salt)
{
	const struct hash_key hash_key = {{salt, kind}};
	struct hash128 hash = hash128(&hash_key, text, bytes);

	return (struct ip6_key){{hash.lo, hash.hi}};
}

static inline uint32_t ip4_mask(uint8_t bits)
{
	return bits == 0 ? 0 : UINT32_MAX << (32 - bits);
}

/* `octet` cut to its first `bits` bits. */
static inline struct ip6_key ip6_masked(const uint8_t octet[16], uint8_t bits)
{
	uint8_t cut[16];
	struct ip6_key key;

	for (uint32_t i = 0; i < 16; i++) {
		uint32_t left = bits > i * 8 ? bits - i * 8 : 0;

		cut[i] = (uint8_t)(octet[i] & (left >= 8 ? 0xffu : 0xff00u >> left));
	}
	memcpy(&key, cut, sizeof(key));
	return key;
}

#endif
