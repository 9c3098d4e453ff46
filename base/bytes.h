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
