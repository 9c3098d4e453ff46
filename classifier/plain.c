/* plain.c - finds matches of a choice of strings of octet classes, and long lines.
 *
 * Where a match can begin is found for a block of octets at once: a bit each. With AVX2 an octet is
 * looked up by its halves: of sixteen rows of sixteen bits the lower half picks the column, the
 * upper half the row.
 */
#include "classifier/plain.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BLOCK_OCTETS    64u
#define WIDE_OCTETS_MIN 48u /* shorter texts are not worth turning the set */

static inline bool has(const struct blob_octets *set, uint8_t octet)
{
	return (set->bit[octet >> 6] >> (octet & 63) & 1) != 0;
}

static bool matches(const struct blob_octets *octets, uint32_t bytes, const uint8_t *text)
{
	uint32_t i = 0;

	while (i < bytes && has(&octets[i], text[i]))
		i++;
	return i == bytes;
}

/* The length of the match at text[at]; 0: none. */
static uint32_t match_at(const struct blob_plain *plain, const struct blob_octets *octets,
                         struct bytes text, size_t at)
{
	const struct blob_octets *its = octets + plain->start;

	for (uint32_t i = 0; i < plain->count; i++) {
		uint32_t bytes = plain->bytes[i];

		if (bytes <= text.len - at && matches(its, bytes, text.data + at))
			return bytes;
		its += bytes;
	}
	return 0;
}

static size_t line_behind(struct bytes text, size_t at)
{
	const uint8_t *end = memchr(text.data + at, '\n', text.len - at);

	return end != NULL ? (size_t)(end - text.data) + 1 : text.len;
}

/* Each line is looked at backwards from where it would be long enough: one that is too short shows
 * it soon, and so does each of the short lines behind it. */
static bool find_line(const struct blob_plain *plain, struct bytes text, size_t from, size_t to,
                      size_t *out_end)
{
	size_t at = from;

	if (at > 0 && text.data[at - 1] != '\n')
		at = line_behind(text, at);
	while (at <= to && text.len - at >= plain->line_octets) {
		size_t left = plain->line_octets;

		while (left > 0 && has(&plain->first, text.data[at + left - 1]))
			left--;
		if (left == 0) {
			*out_end = at + plain->line_octets;
			return true;
		}
		at = line_behind(text, at + left - 1);
	}
	return false;
}

static inline uint64_t members_one_by_one(const struct blob_octets *set, const uint8_t *at,
                                          size_t count)
{
	uint64_t members = 0;

	for (size_t i = 0; i < count; i++)
		members |= (uint64_t)has(set, at[i]) << i;
	return members;
}

/* What is counted, and how far it got. */
struct counting {
	const struct blob_plain *plain;
	const struct blob_octets *octets;
	struct bytes text;
	uint32_t count, max;
	size_t reached; /* where the last match ends */
	bool single;    /* matches are single octets, which cannot overlap */
};

/* Counts matches that begin at the `members` of the block at `at`. */
static inline void count_members(struct counting *c, size_t at, uint64_t members)
{
	if (c->single) {
		c->count += (uint32_t)__builtin_popcountll(members);
		return;
	}
	for (; members != 0 && c->count < c->max; members &= members - 1) {
		size_t begin = at + (size_t)__builtin_ctzll(members);
		uint32_t bytes = begin < c->reached ? 0
		                                    : match_at(c->plain, c->octets, c->text, begin);

		c->count += bytes > 0;
		c->reached = bytes > 0 ? begin + bytes : c->reached;
	}
}

static void count_narrow(struct counting *c, size_t from, size_t end)
{
	for (size_t at = from; at < end && c->count < c->max; at += BLOCK_OCTETS)
		count_members(
		    c, at,
		    members_one_by_one(&c->plain->first, c->text.data + at,
		                       end - at < BLOCK_OCTETS ? end - at : BLOCK_OCTETS));
}

#if defined(__x86_64__)
/* The set's rows turned into columns: of each lower half the upper halves below 8, and from 8 on,
 * once for each lane. */
struct columns {
	__m256i low, high;
};

__attribute__((target("avx2"))) static struct columns columns_of(const struct blob_octets *set)
{
	const __m256i bits = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048,
	                                       4096, 8192, 16384, INT16_MIN);
	const __m256i low_octets = _mm256_set1_epi16(0xff);
	__m256i columns = _mm256_setzero_si256();

	for (uint32_t row = 0; row < 16; row++) {
		__m256i its = _mm256_set1_epi16((int16_t)(set->bit[row / 4] >> row % 4 * 16));
		__m256i has_it = _mm256_cmpeq_epi16(_mm256_and_si256(its, bits), bits);

		columns = _mm256_or_si256(
		    columns, _mm256_and_si256(has_it, _mm256_set1_epi16((int16_t)(1u << row))));
	}

	__m256i low = _mm256_and_si256(columns, low_octets), high = _mm256_srli_epi16(columns, 8);
	__m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
	return (struct columns){_mm256_permute4x64_epi64(packed, 0x44),
	                        _mm256_permute4x64_epi64(packed, 0xee)};
}

__attribute__((target("avx2"))) static inline uint32_t members_of(const struct columns *columns,
                                                                  const uint8_t *at)
{
	const __m256i bit_of = _mm256_set1_epi64x(INT64_C(-9205322385119247871));
	__m256i octets = _mm256_loadu_si256((const __m256i *)at);
	/* Where bit 7 of the index is set the shuffle gives 0. */
	__m256i index = _mm256_and_si256(octets, _mm256_set1_epi8((char)0x8f));
	__m256i rows = _mm256_or_si256(
	    _mm256_shuffle_epi8(columns->low, index),
	    _mm256_shuffle_epi8(columns->high,
	                        _mm256_xor_si256(index, _mm256_set1_epi8(INT8_MIN))));
	__m256i row = _mm256_shuffle_epi8(
	    bit_of, _mm256_and_si256(_mm256_srli_epi16(octets, 4), _mm256_set1_epi8(7)));

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(rows, row), row));
}

__attribute__((target("avx2,popcnt,bmi"))) static void count_wide(struct counting *c, size_t from,
                                                                  size_t end)
{
	const struct columns columns = columns_of(&c->plain->first);
	size_t at = from;

	for (; end - at >= BLOCK_OCTETS && c->count < c->max; at += BLOCK_OCTETS)
		count_members(c, at,
		              members_of(&columns, c->text.data + at) |
		                  (uint64_t)members_of(&columns, c->text.data + at + 32) << 32);
	count_narrow(c, at, end);
}
#endif

/* Counts in [from, end). */
static void count_blocks(struct counting *c, size_t from, size_t end)
{
#if defined(__x86_64__)
	if (end - from >= WIDE_OCTETS_MIN && __builtin_cpu_supports("avx2")) {
		count_wide(c, from, end);
		return;
	}
#endif
	count_narrow(c, from, end);
}

/* The first match of one that begins with a known octet. */
static bool find_lone(const struct blob_plain *plain, const struct blob_octets *octets,
                      struct bytes text, size_t from, size_t end, size_t *out_end)
{
	for (size_t at = from; at < end; at++) {
		const uint8_t *next = memchr(text.data + at, plain->lone, end - at);
		uint32_t bytes;

		if (next == NULL)
			return false;
		at = (size_t)(next - text.data);
		bytes = match_at(plain, octets, text, at);
		if (bytes > 0) {
			*out_end = at + bytes;
			return true;
		}
	}
	return false;
}

bool plain_find(const struct blob_plain *plain, const struct blob_octets *octets, struct bytes text,
                size_t from, size_t to, size_t *out_end)
{
	struct counting c = {.plain = plain, .octets = octets, .text = text, .max = 1};
	size_t end = to < text.len ? to + 1 : text.len;

	if (plain->line_octets > 0)
		return find_line(plain, text, from, to, out_end);
	if (from >= end)
		return false;
	if (plain->lone >= 0)
		return find_lone(plain, octets, text, from, end, out_end);
	count_blocks(&c, from, end);
	if (c.count > 0)
		*out_end = c.reached;
	return c.count > 0;
}

uint32_t plain_count(const struct blob_plain *plain, const struct blob_octets *octets,
                     struct bytes text, size_t to, uint32_t max, size_t *in_out_from)
{
	struct counting c = {.plain = plain, .octets = octets, .text = text, .max = max};
	size_t end = to < text.len ? to + 1 : text.len;

	if (max == 1 || plain->line_octets > 0) {
		while (c.count < max && *in_out_from <= to &&
		       plain_find(plain, octets, text, *in_out_from, to, in_out_from))
			c.count++;
		return c.count;
	}
	if (*in_out_from >= end)
		return 0;
	c.single = plain->count == 1 && plain->bytes[0] == 1;
	c.reached = *in_out_from;
	count_blocks(&c, *in_out_from, end);
	*in_out_from = c.single ? end : c.reached;
	return c.count < max ? c.count : max;
}
