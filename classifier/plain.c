/* plain.c - finds matches of a choice of strings of octet classes, and long lines. */
#include "classifier/plain.h"

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

bool plain_find(const struct blob_plain *plain, const struct blob_octets *octets, struct bytes text,
                size_t from, size_t to, size_t *out_end)
{
	size_t end = to < text.len ? to + 1 : text.len;

	if (plain->line_octets > 0)
		return find_line(plain, text, from, to, out_end);
	for (size_t at = from; at < end; at++) {
		if (plain->lone >= 0) {
			const uint8_t *next = memchr(text.data + at, plain->lone, end - at);

			if (next == NULL)
				return false;
			at = (size_t)(next - text.data);
		}

		uint32_t bytes = has(&plain->first, text.data[at])
		                     ? match_at(plain, octets, text, at)
		                     : 0;

		if (bytes > 0) {
			*out_end = at + bytes;
			return true;
		}
	}
	return false;
}

/* Single octets cannot overlap: they are counted without a branch. */
static uint32_t count_octets(const struct blob_octets *set, struct bytes text, size_t from,
                             size_t end)
{
	uint32_t count = 0;

	for (size_t at = from; at < end; at++)
		count += has(set, text.data[at]);
	return count;
}

uint32_t plain_count(const struct blob_plain *plain, const struct blob_octets *octets,
                     struct bytes text, size_t to, uint32_t max, size_t *in_out_from)
{
	uint32_t count = 0;
	size_t end = to < text.len ? to + 1 : text.len;

	if (plain->count == 1 && plain->bytes[0] == 1 && *in_out_from < end && max > 1) {
		count = count_octets(&plain->first, text, *in_out_from, end);
		*in_out_from = end;
		return count < max ? count : max;
	}
	while (count < max && *in_out_from <= to &&
	       plain_find(plain, octets, text, *in_out_from, to, in_out_from))
		count++;
	return count;
}
