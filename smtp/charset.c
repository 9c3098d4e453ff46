/* charset.c - octets of any character set to UTF-8. */
#include "smtp/charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/check.h"
#include "smtp/octets.h"

struct charset_name {
	const char *name;
	const char *iconv_name;
	bool single;
};

static const struct charset_name names[] = {
#define CHARSET(name, iconv_name, single) {name, iconv_name, single},
#include "smtp/charsets.def"
};

#define CHARSET_COUNT   (sizeof(names) / sizeof(names[0]))
#define CODE_POINT_NONE 0u /* octet 0 is handled before tables are asked */
#define REPLACEMENT     0xFFFDu

struct charset {
	iconv_t converter; /* multi-octet sets; (iconv_t)-1 when the system has none */
	uint16_t *code_point;
	bool usable;
	bool keeps_ascii; /* single-octet sets: the lower half is US-ASCII */
};

struct charset_set {
	struct charset charset[CHARSET_COUNT];
};

size_t charset_set_bytes(void)
{
	return sizeof(struct charset_set) + CHARSET_COUNT * (256 * sizeof(uint16_t) + 64) + 64;
}

/* Fills the table of a single-octet set; true when its lower half is US-ASCII. */
static bool table_fill(iconv_t converter, uint16_t *table)
{
	for (unsigned octet = 1; octet < 256; octet++) {
		char in_octet = (char)octet;
		char *in = &in_octet;
		uint8_t utf16[4];
		char *out = (char *)utf16;
		size_t in_left = 1, out_left = sizeof(utf16);

		iconv(converter, NULL, NULL, NULL, NULL);
		if (iconv(converter, &in, &in_left, &out, &out_left) != (size_t)-1 && out_left == 2)
			table[octet] = (uint16_t)(utf16[0] | utf16[1] << 8);
	}
	bool keeps_ascii = true;
	for (unsigned octet = 1; octet < 0x80; octet++)
		keeps_ascii = keeps_ascii && table[octet] == octet;
	return keeps_ascii;
}

struct charset_set *charset_set_new(struct arena *arena)
{
	struct charset_set *set = ARENA_TAKE(arena, 1, struct charset_set);

	if (set == NULL)
		return NULL;
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		struct charset *charset = &set->charset[i];
		const char *to = names[i].single ? "UTF-16LE" : "UTF-8";

		charset->converter = iconv_open(to, names[i].iconv_name);
		if (charset->converter == (iconv_t)-1)
			continue;
		charset->usable = true;
		if (!names[i].single)
			continue;
		charset->code_point = ARENA_TAKE(arena, 256, uint16_t);
		if (charset->code_point != NULL)
			charset->keeps_ascii = table_fill(charset->converter, charset->code_point);
		iconv_close(charset->converter);
		charset->converter = (iconv_t)-1;
		if (charset->code_point == NULL)
			return NULL;
	}
	return set;
}

void charset_set_close(struct charset_set *set)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		if (set->charset[i].usable && set->charset[i].converter != (iconv_t)-1)
			iconv_close(set->charset[i].converter);
		set->charset[i].usable = false;
	}
}

bool charset_is_ascii(struct bytes in)
{
	return octets_ascii_end(in, 0) == in.len;
}

/* Length of the well-formed sequence at `data`, 0 when there is none (RFC 3629 4). */
static unsigned utf8_sequence(const uint8_t *data, size_t len)
{
	uint8_t first = data[0];
	unsigned need = first < 0x80   ? 1
	                : first < 0xC2 ? 0
	                : first < 0xE0 ? 2
	                : first < 0xF0 ? 3
	                : first < 0xF5 ? 4
	                               : 0;

	if (need == 0 || need > len)
		return 0;
	for (unsigned i = 1; i < need; i++)
		if ((data[i] & 0xC0) != 0x80)
			return 0;
	if ((first == 0xE0 && data[1] < 0xA0) || (first == 0xED && data[1] > 0x9F) ||
	    (first == 0xF0 && data[1] < 0x90) || (first == 0xF4 && data[1] > 0x8F))
		return 0;
	return need;
}

bool charset_is_utf8(struct bytes in)
{
	for (size_t i = 0; (i = octets_ascii_end(in, i)) < in.len;) {
		unsigned step = utf8_sequence(in.data + i, in.len - i);

		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

void charset_put_utf8(struct sink *out, uint32_t c)
{
	if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		c = REPLACEMENT;
	if (c < 0x80) {
		sink_octet(out, (uint8_t)c);
		return;
	}
	uint8_t octets[4];
	unsigned count = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (unsigned i = count - 1; i > 0; i--) {
		octets[i] = (uint8_t)(0x80 | (c & 0x3F));
		c >>= 6;
	}
	octets[0] = (uint8_t)(count == 2 ? 0xC0 | c : count == 3 ? 0xE0 | c : 0xF0 | c);
	/* Whole characters only, also at the end of the room. */
	if (out->bytes_max - out->len < count)
		out->full = true;
	else
		sink_put(out, bytes_of(octets, count));
}

unsigned charset_get_utf8(const uint8_t *data, size_t len, uint32_t *out_code_point)
{
	unsigned count = utf8_sequence(data, len);

	if (count <= 1) {
		*out_code_point = count == 1 ? data[0] : REPLACEMENT;
		return 1;
	}
	uint32_t c = data[0] & (0x7Fu >> count);
	for (unsigned i = 1; i < count; i++)
		c = c << 6 | (data[i] & 0x3F);
	*out_code_point = c;
	return count;
}

bool charset_is_space(uint32_t c)
{
	return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static void put_valid_utf8(struct bytes in, struct sink *out)
{
	for (size_t i = 0; i < in.len;) {
		unsigned step = utf8_sequence(in.data + i, in.len - i);

		if (step == 0)
			charset_put_utf8(out, REPLACEMENT);
		else
			sink_put(out, bytes_of(in.data + i, step));
		i += step == 0 ? 1 : step;
	}
}

/* Strict: false, and nothing written, at the first octet the set does not have. */
static bool single_to_utf8(const struct charset *charset, struct bytes in, bool strict,
                           struct sink *out)
{
	const uint16_t *table = charset->code_point;
	size_t start = out->len;

	for (size_t i = 0; i < in.len; i++) {
		if (charset->keeps_ascii && in.data[i] < 0x80) {
			size_t end = octets_ascii_end(in, i);

			sink_put(out, bytes_slice(in, i, end - i));
			i = end;
			if (i == in.len)
				break;
		}
		uint16_t c = table[in.data[i]];

		if (c == CODE_POINT_NONE && in.data[i] != 0) {
			if (strict) {
				out->len = start;
				return false;
			}
			c = REPLACEMENT;
		}
		charset_put_utf8(out, c);
	}
	return true;
}

static bool multi_to_utf8(iconv_t converter, struct bytes in, bool strict, struct sink *out)
{
	size_t start = out->len;
	/* iconv's prototype lacks the const; it does not write through it. */
	char *read = (char *)(uintptr_t)in.data;
	size_t read_left = in.len;

	iconv(converter, NULL, NULL, NULL, NULL);
	while (read_left > 0) {
		char *write = (char *)out->data + out->len;
		size_t write_left = out->bytes_max - out->len;
		size_t result = iconv(converter, &read, &read_left, &write, &write_left);

		out->len = out->bytes_max - write_left;
		if (result != (size_t)-1)
			break;
		if (errno == E2BIG) {
			out->full = true;
			break;
		}
		if (strict) {
			out->len = start;
			return false;
		}
		charset_put_utf8(out, REPLACEMENT);
		read++;
		read_left--;
	}
	return true;
}

static const struct charset *find(const struct charset_set *set, struct bytes name)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++)
		if (bytes_equal_nocase(name, bytes_text(names[i].name)))
			return set->charset[i].usable ? &set->charset[i] : NULL;
	return NULL;
}

static bool is_one_of(struct bytes name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal_nocase(name, bytes_text(list[i])))
			return true;
	return false;
}

static bool is_utf8_name(struct bytes name)
{
	static const char *const list[] = {"utf-8", "utf8"};

	return is_one_of(name, list, 2);
}

/* Sets in which ASCII octets may mean something else. */
static bool is_stateful(struct bytes name)
{
	return bytes_starts_nocase(name, BYTES("iso-2022-")) ||
	       bytes_starts_nocase(name, BYTES("utf-7")) ||
	       bytes_starts_nocase(name, BYTES("utf-16")) ||
	       bytes_starts_nocase(name, BYTES("utf-32"));
}

/* UTF-16 by its octet order mark, or by where the small octets stand. NULL when nothing tells. */
static const struct charset *guess_utf16(const struct charset_set *set, struct bytes in)
{
	size_t little_clues = 0, big_clues = 0;
	uint64_t even_sum = 0, odd_sum = 0;

	if (in.len >= 2 && in.data[0] == 0xFF && in.data[1] == 0xFE)
		return NULL;
	if (in.len >= 2 && in.data[0] == 0xFE && in.data[1] == 0xFF)
		return NULL;
	for (size_t i = 0; i + 1 < in.len; i += 2) {
		unsigned even = in.data[i], odd = in.data[i + 1];

		even_sum += (even >> 4) + (even & 15);
		odd_sum += (odd >> 4) + (odd & 15);
		little_clues += even == 0x20 && odd == 0;
		big_clues += even == 0 && odd == 0x20;
	}
	little_clues += even_sum > odd_sum * 4;
	big_clues += odd_sum * 4 > even_sum;
	if (little_clues == big_clues)
		return NULL;
	return find(set, little_clues > big_clues ? BYTES("utf-16le") : BYTES("utf-16be"));
}

static struct bytes ascii_only(struct bytes in)
{
	size_t len = 0;

	while (len < in.len && in.data[len] < 0x80)
		len++;
	return bytes_slice(in, 0, len);
}

/* Converts by the declared set; false when it is unknown or does not fit the octets. */
static bool declared_to_utf8(struct charset_set *set, struct bytes in, struct bytes declared,
                             bool insist, struct sink *out)
{
	if (is_utf8_name(declared)) {
		if (!insist)
			return false; /* was tried already */
		put_valid_utf8(in, out);
		return true;
	}
	const struct charset *charset;
	if (bytes_starts_nocase(declared, BYTES("utf-16")) ||
	    bytes_starts_nocase(declared, BYTES("utf16")))
		charset = guess_utf16(set, in);
	else
		charset = find(set, declared);
	if (charset == NULL)
		return false;
	/* A set of seven bits ends where the octets are none of it. */
	if (bytes_starts_nocase(declared, BYTES("iso-2022-jp")))
		in = ascii_only(in);
	if (charset->code_point != NULL)
		return single_to_utf8(charset, in, !insist, out);
	return multi_to_utf8(charset->converter, in, !insist, out);
}

bool charset_to_utf8(struct charset_set *set, struct bytes in, struct bytes declared, bool insist,
                     struct sink *out)
{
	static const char *const ascii[] = {"us-ascii", "ascii", "iso646-us"};
	bool plain = charset_is_ascii(in);

	if (plain && !is_stateful(declared)) {
		sink_put(out, in);
		return false;
	}
	if (!plain && !insist && charset_is_utf8(in)) {
		sink_put(out, in);
		return true;
	}
	bool try_declared = insist || !is_one_of(declared, ascii, 2);
	if (try_declared && declared_to_utf8(set, in, declared, insist, out))
		return true;
	if (plain) {
		sink_put(out, in);
		return false;
	}
	const struct charset *fallback = find(set, BYTES("windows-1252"));
	if (fallback == NULL)
		put_valid_utf8(in, out);
	else
		single_to_utf8(fallback, in, false, out);
	return true;
}
