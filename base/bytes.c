/* bytes.c - comparing, finding and reading slices. */
#include "base/bytes.h"

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
	return a.len == b.len && bytes_starts_nocase(a, b);
}

bool bytes_starts_nocase(struct bytes b, struct bytes prefix)
{
	if (b.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (b.data[i] != prefix.data[i] &&
		    bytes_lower(b.data[i]) != bytes_lower(prefix.data[i]))
			return false;
	return true;
}

size_t bytes_find(struct bytes b, uint8_t octet)
{
	if (b.len == 0)
		return 0;

	const uint8_t *found = memchr(b.data, octet, b.len);
	return found == NULL ? b.len : (size_t)(found - b.data);
}

static inline bool is_blank(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

struct bytes bytes_behind_last(struct bytes b, uint8_t octet)
{
	size_t at = b.len;

	while (at > 0 && b.data[at - 1] != octet)
		at--;
	return at == 0 ? bytes_of("", 0) : bytes_slice(b, at, SIZE_MAX);
}

struct bytes bytes_trim(struct bytes b)
{
	size_t start = 0, end = b.len;

	while (start < end && is_blank(b.data[start]))
		start++;
	while (end > start && is_blank(b.data[end - 1]))
		end--;
	return bytes_slice(b, start, end - start);
}

bool bytes_to_u64(struct bytes b, uint64_t max, uint64_t *out_value)
{
	uint64_t value = 0;

	if (b.len == 0)
		return false;
	for (size_t i = 0; i < b.len; i++) {
		uint8_t digit = (uint8_t)(b.data[i] - '0');
		if (digit > 9 || value > max / 10 || digit > max - value * 10)
			return false;
		value = value * 10 + digit;
	}
	*out_value = value;
	return true;
}
