/* bytes.h - slices of octets: not owned, never NUL-terminated. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t len;
};

#define BYTES(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){(const uint8_t *)data, len};
}

static inline struct bytes bytes_text(const char *text)
{
	return bytes_of(text, strlen(text));
}

/* The part of `b` from `from` on, at most `len` octets; clipped to what is there. */
static inline struct bytes bytes_slice(struct bytes b, size_t from, size_t len)
{
	size_t start = from < b.len ? from : b.len;
	size_t left = b.len - start;

	/* No arithmetic on a null pointer: an absent slice stays absent. */
	return bytes_of(start == 0 ? b.data : b.data + start, len < left ? len : left);
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The octet, an ASCII capital as its small letter. */
static inline uint8_t bytes_lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet + ('a' - 'A')) : octet;
}

/* Eight octets as a number, in the order of the machine. */
static inline uint64_t bytes_load_eight(const uint8_t *data)
{
	uint64_t octets;

	memcpy(&octets, data, sizeof(octets));
	return octets;
}

/* The first four octets and the last four of `len`, which is 4 to 7. */
static inline uint64_t bytes_load_ends(const uint8_t *data, size_t len)
{
	uint32_t first, last;

	memcpy(&first, data, sizeof(first));
	memcpy(&last, data + len - sizeof(last), sizeof(last));
	return (uint64_t)first << 32 | last;
}

/* All of at most seven octets in one number; that they are fewer is not in it. */
static inline uint64_t bytes_load_few(const uint8_t *data, size_t len)
{
	uint64_t octets = 0;

	if (len >= 4)
		return bytes_load_ends(data, len);
	for (size_t i = 0; i < len; i++)
		octets = octets << 8 | data[i];
	return octets;
}

/* Of `len` octets each; ASCII letters compare without case. */
bool bytes_same_nocase(const uint8_t *a, const uint8_t *b, size_t len);

/* Most prefixes differ in their first octet: those are told apart without a call. */
static inline bool bytes_starts_nocase(struct bytes b, struct bytes prefix)
{
	return b.len >= prefix.len &&
	       (prefix.len == 0 || (bytes_lower(b.data[0]) == bytes_lower(prefix.data[0]) &&
	                            bytes_same_nocase(b.data, prefix.data, prefix.len)));
}

static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
	return a.len == b.len && bytes_starts_nocase(a, b);
}

/* Offset of the first `octet`, or b.len. */
static inline size_t bytes_find(struct bytes b, uint8_t octet)
{
	const uint8_t *found = b.len == 0 ? NULL : (const uint8_t *)memchr(b.data, octet, b.len);

	return found == NULL ? b.len : (size_t)(found - b.data);
}

/* What follows the last `octet`; empty when there is none. */
struct bytes bytes_behind_last(struct bytes b, uint8_t octet);
/* Without leading and trailing SP and HTAB. */
struct bytes bytes_trim(struct bytes b);
/* Decimal digits only, all of them; false on anything else or above `max`. */
bool bytes_to_u64(struct bytes b, uint64_t max, uint64_t *out_value);

#endif
