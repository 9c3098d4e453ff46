/* bytes.c - comparing, finding and reading slices. */
#include "base/bytes.h"

#define EACH_OCTET UINT64_C(0x0101010101010101)

/* ASCII capitals among eight octets as their small letters. */
static inline uint64_t lower_eight(uint64_t octets)
{
	uint64_t ascii = octets & (0x7F * EACH_OCTET);
	uint64_t from_a = ascii + (0x80 - 'A') * EACH_OCTET;
	uint64_t behind_z = ascii + (0x7F - 'Z') * EACH_OCTET;
	uint64_t capitals = from_a & ~behind_z & ~octets & (0x80 * EACH_OCTET);

	return octets | capitals >> 2;
}

static inline bool are_same(uint64_t a, uint64_t b)
{
	return a == b || lower_eight(a) == lower_eight(b);
}

bool bytes_same_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (len < 4) {
		for (size_t i = 0; i < len; i++)
			if (bytes_lower(a[i]) != bytes_lower(b[i]))
				return false;
		return true;
	}
	if (len < 8)
		return are_same(bytes_load_ends(a, len), bytes_load_ends(b, len));
	for (size_t at = 0; at + 8 < len; at += 8)
		if (!are_same(bytes_load_eight(a + at), bytes_load_eight(b + at)))
			return false;
	return are_same(bytes_load_eight(a + len - 8), bytes_load_eight(b + len - 8));
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
