/* bytes.c - comparing, finding and reading slices. */
#include "base/bytes.h"

bool bytes_same_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (a[i] != b[i] && bytes_lower(a[i]) != bytes_lower(b[i]))
			return false;
	return true;
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
