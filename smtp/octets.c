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
#endif

size_t octets_find_any(struct bytes in, size_t from, const uint8_t set[4])
{
	size_t at = from;

#ifdef __SSE2__
	__m128i a = _mm_set1_epi8((char)set[0]), b = _mm_set1_epi8((char)set[1]);
	__m128i c = _mm_set1_epi8((char)set[2]), d = _mm_set1_epi8((char)set[3]);

	for (; in.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i block = block_load(in.data + at);
		__m128i one = _mm_or_si128(_mm_cmpeq_epi8(block, a), _mm_cmpeq_epi8(block, b));
		__m128i other = _mm_or_si128(_mm_cmpeq_epi8(block, c), _mm_cmpeq_epi8(block, d));
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(one, other));

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
#endif
	for (; at < in.len; at++) {
		uint8_t octet = in.data[at];

		if (octet == set[0] || octet == set[1] || octet == set[2] || octet == set[3])
			break;
	}
	return at;
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

	/* The block of second octets reaches one octet further: text is at least two long. */
	for (; at < end && end - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		__m128i one = _mm_or_si128(block_load(in.data + at), first_bits);
		__m128i two = _mm_or_si128(block_load(in.data + at + 1), second_bits);
		unsigned mask = block_equal(one, first) & block_equal(two, second);

		for (; mask != 0; mask &= mask - 1) {
			size_t place = at + (size_t)__builtin_ctz(mask);

			if (stands_at(in.data + place, text, nocase))
				return place;
		}
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
	       (is_of_word(in.data[at], high) || (in.data[at] == ' ' && at + 1 < in.len &&
	                                          is_of_word(in.data[at + 1], high))))
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
#endif
	while (at < in.len && in.data[at] < 0x80)
		at++;
	return at;
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

		sum = _mm_add_epi64(sum, _mm_sad_epu8(_mm_and_si128(begins, ones),
		                                      _mm_setzero_si128()));
	}
	count = (uint32_t)_mm_cvtsi128_si32(sum) +
	        (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(sum, 8));
#endif
	for (; at < in.len; at++)
		count += (in.data[at] & 0xC0) != 0x80;
	return count;
}
