/* octets.c - looking through octets sixteen at a time where the machine can.
 *
 * SSE2 belongs to every x86-64: nothing is chosen at run time. The loops behind the blocks finish
 * what is left, and do everything on other machines.
 */
#include "smtp/octets.h"

#ifdef __SSE2__
#include <emmintrin.h>

#define BLOCK_BYTES ((size_t)16)

static __m128i block_load(const uint8_t *data)
{
	return _mm_loadu_si128((const __m128i *)(const void *)data);
}

static unsigned block_equal(__m128i block, __m128i octet)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, octet));
}

/* What is left behind whole blocks is looked at in the last one of the text, together with octets
 * that were seen. */
static const uint8_t *block_last(struct bytes in)
{
	return in.data + in.len - BLOCK_BYTES;
}

/* The first place at or behind `at` that `mask` of the last block has, or in.len. */
static size_t first_of_rest(struct bytes in, size_t at, unsigned mask)
{
	mask >>= at - (in.len - BLOCK_BYTES);
	return mask == 0 ? in.len : at + (size_t)__builtin_ctz(mask);
}

/* All bits of the octets that are white space. */
static __m128i space_octets(__m128i block)
{
	__m128i behind_tab = _mm_sub_epi8(block, _mm_set1_epi8('\t'));
	__m128i near = _mm_min_epu8(behind_tab, _mm_set1_epi8('\r' - '\t'));

	return _mm_or_si128(_mm_cmpeq_epi8(near, behind_tab),
	                    _mm_cmpeq_epi8(block, _mm_set1_epi8(' ')));
}

static unsigned block_spaces(__m128i block)
{
	return (unsigned)_mm_movemask_epi8(space_octets(block));
}

struct block_set {
	__m128i a, b, c, d;
};

static inline struct block_set block_set_of(const uint8_t set[4])
{
	return (struct block_set){_mm_set1_epi8((char)set[0]), _mm_set1_epi8((char)set[1]),
	                          _mm_set1_epi8((char)set[2]), _mm_set1_epi8((char)set[3])};
}

static inline unsigned block_any(__m128i block, const struct block_set *set)
{
	__m128i one = _mm_or_si128(_mm_cmpeq_epi8(block, set->a), _mm_cmpeq_epi8(block, set->b));
	__m128i other = _mm_or_si128(_mm_cmpeq_epi8(block, set->c), _mm_cmpeq_epi8(block, set->d));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(one, other));
}
#endif

static bool is_space(uint8_t octet)
{
	return octet == ' ' || (octet >= '\t' && octet <= '\r');
}

static bool is_any(uint8_t octet, const uint8_t set[4])
{
	return octet == set[0] || octet == set[1] || octet == set[2] || octet == set[3];
}

size_t octets_find_any(struct bytes in, size_t from, const uint8_t set[4])
{
	size_t at = from;

#ifdef __SSE2__
	const struct block_set blocks = block_set_of(set);

	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		unsigned mask = block_any(block_load(in.data + at), &blocks);

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
	if (in.len >= BLOCK_BYTES) {
		unsigned mask = block_any(block_load(block_last(in)), &blocks);

		return first_of_rest(in, at, mask);
	}
#endif
	while (at < in.len && !is_any(in.data[at], set))
		at++;
	return at;
}

uint64_t octets_mask(struct bytes in, size_t from, const uint8_t set[4])
{
	struct bytes window = bytes_slice(in, from, 64);
	uint64_t mask = 0;
	size_t at = 0;

#ifdef __SSE2__
	const struct block_set blocks = block_set_of(set);

	for (; window.len - at >= BLOCK_BYTES; at += BLOCK_BYTES)
		mask |= (uint64_t)block_any(block_load(window.data + at), &blocks) << at;
	if (window.len >= BLOCK_BYTES) {
		size_t last = window.len - BLOCK_BYTES;

		return mask | (uint64_t)block_any(block_load(window.data + last), &blocks) << last;
	}
#endif
	for (; at < window.len; at++)
		mask |= (uint64_t)is_any(window.data[at], set) << at;
	return mask;
}

static bool is_letter(uint8_t octet)
{
	return (octet | 0x20) >= 'a' && (octet | 0x20) <= 'z';
}

static bool stands_at(const uint8_t *data, struct bytes text, bool nocase)
{
	return nocase ? bytes_starts_nocase(bytes_of(data, text.len), text)
	              : memcmp(data, text.data, text.len) == 0;
}

size_t octets_find_text(struct bytes in, size_t from, struct bytes text, bool nocase)
{
	size_t at = from;

	if (in.len < text.len)
		return in.len;
	size_t end = in.len - text.len + 1; /* of the places it may begin at */
	uint8_t bits[2];
	for (unsigned i = 0; i < 2; i++)
		bits[i] = nocase && is_letter(text.data[i]) ? 0x20 : 0;
#ifdef __SSE2__
	__m128i first_bits = _mm_set1_epi8((char)bits[0]);
	__m128i second_bits = _mm_set1_epi8((char)bits[1]);
	__m128i first = _mm_set1_epi8((char)(text.data[0] | bits[0]));
	__m128i second = _mm_set1_epi8((char)(text.data[1] | bits[1]));

	/* The block of second octets reaches one octet further: text is at least two long. What is
	 * left behind whole blocks is looked at in the last one, together with places that were
	 * seen. */
	while (at < end && end >= BLOCK_BYTES) {
		size_t block = end - at >= BLOCK_BYTES ? at : end - BLOCK_BYTES;
		__m128i one = _mm_or_si128(block_load(in.data + block), first_bits);
		__m128i two = _mm_or_si128(block_load(in.data + block + 1), second_bits);
		unsigned mask = block_equal(one, first) & block_equal(two, second);

		for (mask = mask >> (at - block) << (at - block); mask != 0; mask &= mask - 1) {
			size_t place = block + (size_t)__builtin_ctz(mask);

			if (stands_at(in.data + place, text, nocase))
				return place;
		}
		at = block + BLOCK_BYTES;
	}
#endif
	for (; at < end; at++)
		if ((in.data[at] | bits[0]) == (text.data[0] | bits[0]) &&
		    (in.data[at + 1] | bits[1]) == (text.data[1] | bits[1]) &&
		    stands_at(in.data + at, text, nocase))
			return at;
	return in.len;
}

static bool is_of_word(uint8_t octet, bool high)
{
	return octet > ' ' && (high || octet < 0x80);
}

size_t octets_words_end(struct bytes in, size_t from, bool high)
{
	size_t at = from;

#ifdef __SSE2__
	const __m128i blank = _mm_set1_epi8(' '), sign = _mm_set1_epi8((char)0x80);

	/* The last octet of a block is looked at again as the first of the next one: whether a word
	 * follows on a blank there is not known before. */
	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES - 1) {
		__m128i block = block_load(in.data + at);
		__m128i above = high ? _mm_cmpgt_epi8(_mm_xor_si128(block, sign),
		                                      _mm_xor_si128(blank, sign))
		                     : _mm_cmpgt_epi8(block, blank);
		unsigned words = (unsigned)_mm_movemask_epi8(above);
		unsigned parted = block_equal(block, blank) & words >> 1;
		unsigned ended = ~(words | parted) & 0x7FFF;

		if (ended != 0)
			return at + (size_t)__builtin_ctz(ended);
	}
#endif
	while (at < in.len &&
	       (is_of_word(in.data[at], high) ||
	        (in.data[at] == ' ' && at + 1 < in.len && is_of_word(in.data[at + 1], high))))
		at++;
	return at;
}

size_t octets_ascii_end(struct bytes in, size_t from)
{
	size_t at = from;

#ifdef __SSE2__
	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		unsigned mask = (unsigned)_mm_movemask_epi8(block_load(in.data + at));

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
	if (in.len >= BLOCK_BYTES)
		return first_of_rest(in, at,
		                     (unsigned)_mm_movemask_epi8(block_load(block_last(in))));
#endif
	while (at < in.len && in.data[at] < 0x80)
		at++;
	return at;
}

#ifdef __SSE2__
/* The sum of the octets of `ones`, in each half. */
static __m128i block_sums(__m128i ones)
{
	return _mm_sad_epu8(ones, _mm_setzero_si128());
}

static uint32_t sums_total(__m128i sums)
{
	return (uint32_t)_mm_cvtsi128_si32(sums) +
	       (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(sums, 8));
}
#endif

size_t octets_name_end(struct bytes in, size_t from)
{
	size_t at = from;

#ifdef __SSE2__
	const __m128i blank = _mm_set1_epi8(' '), last = _mm_set1_epi8(0x7E);
	const __m128i colon = _mm_set1_epi8(':');

	/* Octets from 0x80 on are less than a blank here. */
	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i block = block_load(in.data + at);
		__m128i none = _mm_or_si128(_mm_cmpgt_epi8(block, last),
		                            _mm_cmpeq_epi8(block, colon));
		__m128i visible = _mm_andnot_si128(none, _mm_cmpgt_epi8(block, blank));
		unsigned mask = (unsigned)_mm_movemask_epi8(visible) ^ 0xFFFF;

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
#endif
	while (at < in.len && in.data[at] > ' ' && in.data[at] < 0x7F && in.data[at] != ':')
		at++;
	return at;
}

size_t octets_plain_end(struct bytes in, size_t from, const uint8_t set[2])
{
	size_t at = from;

#ifdef __SSE2__
	const __m128i a = _mm_set1_epi8((char)set[0]), b = _mm_set1_epi8((char)set[1]);

	while (at < in.len && in.len >= BLOCK_BYTES) {
		size_t start = in.len - at >= BLOCK_BYTES ? at : in.len - BLOCK_BYTES;
		__m128i block = block_load(in.data + start);
		__m128i any = _mm_or_si128(_mm_cmpeq_epi8(block, a), _mm_cmpeq_epi8(block, b));
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(block, any)) >>
		                (at - start);

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
		at = start + BLOCK_BYTES;
	}
#endif
	while (at < in.len && in.data[at] < 0x80 && in.data[at] != set[0] && in.data[at] != set[1])
		at++;
	return at;
}

size_t octets_ascii_spaces(struct bytes in, size_t from, uint32_t *io_space_count)
{
	size_t at = from;

#ifdef __SSE2__
	const __m128i one = _mm_set1_epi8(1);
	__m128i sums = _mm_setzero_si128();

	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i block = block_load(in.data + at);

		if (_mm_movemask_epi8(block) != 0)
			break;
		sums = _mm_add_epi64(sums, block_sums(_mm_and_si128(space_octets(block), one)));
	}
	*io_space_count += sums_total(sums);
#endif
	for (; at < in.len && in.data[at] < 0x80; at++)
		*io_space_count += is_space(in.data[at]);
	return at;
}

size_t octets_find_pair(struct bytes in, size_t from, const uint8_t pair[2], const uint8_t set[2])
{
	size_t at = from;

#ifdef __SSE2__
	const __m128i first = _mm_set1_epi8((char)pair[0]), second = _mm_set1_epi8((char)pair[1]);
	const __m128i a = _mm_set1_epi8((char)set[0]), b = _mm_set1_epi8((char)set[1]);

	for (; in.len - at > BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i block = block_load(in.data + at), next = block_load(in.data + at + 1);
		__m128i both = _mm_and_si128(_mm_cmpeq_epi8(block, first),
		                             _mm_cmpeq_epi8(next, second));
		__m128i any = _mm_or_si128(_mm_cmpeq_epi8(block, a), _mm_cmpeq_epi8(block, b));
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(both, any));

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
#endif
	for (; at < in.len; at++) {
		uint8_t octet = in.data[at];

		if (octet == set[0] || octet == set[1] ||
		    (octet == pair[0] && at + 1 < in.len && in.data[at + 1] == pair[1]))
			break;
	}
	return at;
}

uint64_t octets_space_mask(struct bytes in, size_t from)
{
	struct bytes window = bytes_slice(in, from, 64);
	uint64_t mask = 0;
	size_t at = 0;

#ifdef __SSE2__
	for (; window.len - at >= BLOCK_BYTES; at += BLOCK_BYTES)
		mask |= (uint64_t)block_spaces(block_load(window.data + at)) << at;
	if (window.len >= BLOCK_BYTES) {
		size_t last = window.len - BLOCK_BYTES;

		return mask | (uint64_t)block_spaces(block_load(window.data + last)) << last;
	}
#endif
	for (; at < window.len; at++)
		mask |= (uint64_t)is_space(window.data[at]) << at;
	return mask;
}

#ifdef __SSE2__
/* Notes in *seen where a pair stands that begins in `block`; `next` is one octet further. */
static inline void note_pair(__m128i *seen, __m128i block, __m128i next, const char pair[2])
{
	__m128i first = _mm_cmpeq_epi8(block, _mm_set1_epi8(pair[0]));
	__m128i second = _mm_cmpeq_epi8(next, _mm_set1_epi8(pair[1]));

	*seen = _mm_or_si128(*seen, _mm_and_si128(first, second));
}
#endif

unsigned octets_pairs(struct bytes in, const char pairs[4][2])
{
	unsigned found = 0;
	size_t at = 0;

#ifdef __SSE2__
	__m128i seen[4] = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128(),
	                   _mm_setzero_si128()};

	/* What is left behind whole blocks is looked at with what was seen. */
	while (in.len > BLOCK_BYTES && at + 1 < in.len) {
		size_t start = in.len - at > BLOCK_BYTES ? at : in.len - BLOCK_BYTES - 1;
		__m128i block = block_load(in.data + start);
		__m128i next = block_load(in.data + start + 1);

		note_pair(&seen[0], block, next, pairs[0]);
		note_pair(&seen[1], block, next, pairs[1]);
		note_pair(&seen[2], block, next, pairs[2]);
		note_pair(&seen[3], block, next, pairs[3]);
		at = start + BLOCK_BYTES;
	}
	for (unsigned i = 0; i < 4; i++)
		found |= (unsigned)(_mm_movemask_epi8(seen[i]) != 0) << i;
#endif
	for (; at + 1 < in.len; at++)
		for (unsigned i = 0; i < 4; i++)
			found |= (unsigned)(memcmp(in.data + at, pairs[i], 2) == 0) << i;
	return found;
}

uint32_t octets_characters(struct bytes in)
{
	uint32_t count = 0;
	size_t at = 0;

#ifdef __SSE2__
	const __m128i last = _mm_set1_epi8((char)0xBF), ones = _mm_set1_epi8(1);
	__m128i sum = _mm_setzero_si128();

	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i begins = _mm_cmpgt_epi8(block_load(in.data + at), last);

		sum = _mm_add_epi64(sum, block_sums(_mm_and_si128(begins, ones)));
	}
	count = sums_total(sum);
#endif
	for (; at < in.len; at++)
		count += (in.data[at] & 0xC0) != 0x80;
	return count;
}

/* FNV-1a's steps, eight octets at a time; the last eight may have been among those before. */
uint32_t octets_hash(struct bytes b)
{
	const uint64_t mix = UINT64_C(0x9E3779B97F4A7C15);
	uint64_t hash = UINT64_C(14695981039346656037) ^ b.len, last;

	for (size_t at = 0; at + 8 < b.len; at += 8) {
		hash = (hash ^ bytes_load_eight(b.data + at)) * mix;
		hash ^= hash >> 32;
	}
	last = b.len < 8 ? bytes_load_few(b.data, b.len) : bytes_load_eight(b.data + b.len - 8);
	return (uint32_t)((hash ^ last) * mix >> 32);
}

size_t octets_copy_line(struct bytes in, size_t from, uint8_t *out)
{
	size_t at = from;

#ifdef __SSE2__
	const __m128i end = _mm_set1_epi8('\n');
	size_t ahead = (size_t)((uintptr_t)(in.data + from) - (uintptr_t)out);
	/* Octets behind the line are written, too: into room that is free, or that is written again
	 * before it is read. Not so where `out` is less than a block in front of what is read. */
	if (ahead > 0 && ahead < BLOCK_BYTES && from < in.len) {
		const uint8_t *found = memchr(in.data + from, '\n', in.len - from);
		size_t len = found == NULL ? in.len - from : (size_t)(found - in.data) + 1 - from;

		memmove(out, in.data + from, len);
		return from + len;
	}
	for (; in.len >= at + BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i block = block_load(in.data + at);
		unsigned mask = block_equal(block, end);

		_mm_storeu_si128((__m128i *)(void *)(out + (at - from)), block);
		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask) + 1;
	}
	if (in.len - from >= BLOCK_BYTES) {
		__m128i block = block_load(block_last(in));
		size_t rest = first_of_rest(in, at, block_equal(block, end));

		_mm_storeu_si128((__m128i *)(void *)(out + (in.len - BLOCK_BYTES - from)), block);
		return rest < in.len ? rest + 1 : rest;
	}
#endif
	while (at < in.len) {
		uint8_t octet = in.data[at++];

		out[at - 1 - from] = octet;
		if (octet == '\n')
			break;
	}
	return at;
}
