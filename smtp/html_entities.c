/* html_entities.c - character references. */
#include <stdlib.h>

#include "smtp/charset.h"
#include "smtp/decode.h"
#include "smtp/html.h"

struct entity {
	const char *name;
	uint16_t code_point;
	bool bare; /* the semicolon may be missing */
};

static const struct entity entities[] = {
#define ENTITY(name, code_point, bare) {name, code_point, bare},
#include "smtp/entities.def"
};

#define ENTITY_COUNT          (sizeof(entities) / sizeof(entities[0]))
#define ENTITY_NAME_BYTES_MAX 8

/* Binary search: the table is sorted by name in octet order. */
static const struct entity *entity_find(struct bytes name)
{
	size_t low = 0, high = ENTITY_COUNT;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strncmp(entities[middle].name, (const char *)name.data, name.len);

		if (order == 0 && entities[middle].name[name.len] != '\0')
			order = 1;
		if (order == 0)
			return &entities[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* "&#65;" or "&#x41;"; returns its length, 0 when it is none. What is no character stays as it is
 * written, but for halves of pairs and the last two of each further plane. */
static size_t number_read(struct bytes in, uint32_t *out_code_point)
{
	size_t at = 2;
	bool hex = in.len > 2 && (in.data[2] | 0x20) == 'x';
	uint32_t value = 0;
	size_t digits = 0;

	at += hex;
	for (; at < in.len; at++, digits++) {
		int digit = decode_hex_digit(in.data[at]);

		if (digit < 0 || (!hex && digit > 9))
			break;
		if (value <= 0x10FFFF)
			value = value * (hex ? 16 : 10) + (uint32_t)digit;
	}
	if (digits == 0 || value == 0 || value == 0xFFFE || value == 0xFFFF || value > 0x10FFFF)
		return 0;
	*out_code_point = value > 0xFFFF && (value & 0xFFFE) == 0xFFFE ? 0xFFFD : value;
	return at + (at < in.len && in.data[at] == ';');
}

/* The same, with both halves of a pair (UTF-16) put together. */
static size_t numeric_read(struct bytes in, uint32_t *out_code_point)
{
	size_t len = number_read(in, out_code_point);
	struct bytes rest = bytes_slice(in, len, SIZE_MAX);
	uint32_t low;

	if (len == 0 || *out_code_point < 0xD800 || *out_code_point > 0xDBFF || rest.len < 3 ||
	    rest.data[0] != '&' || rest.data[1] != '#')
		return len;
	size_t low_len = number_read(rest, &low);
	if (low_len == 0 || low < 0xDC00 || low > 0xDFFF)
		return len;
	*out_code_point = 0x10000 + ((*out_code_point - 0xD800) << 10) + (low - 0xDC00);
	return len + low_len;
}

static size_t named_read(struct bytes in, bool prefixes, uint32_t *out_code_point)
{
	size_t len = 0;
	struct bytes rest = bytes_slice(in, 1, SIZE_MAX);

	while (len < rest.len && len <= ENTITY_NAME_BYTES_MAX &&
	       (((rest.data[len] | 0x20) >= 'a' && (rest.data[len] | 0x20) <= 'z') ||
	        (rest.data[len] >= '0' && rest.data[len] <= '9')))
		len++;
	bool closed = len < rest.len && rest.data[len] == ';';
	const struct entity *entity = len == 0 ? NULL : entity_find(bytes_slice(rest, 0, len));
	if (entity != NULL && (closed || entity->bare)) {
		*out_code_point = entity->code_point;
		return 1 + len + closed;
	}
	for (; prefixes && len > 2; len--) {
		entity = entity_find(bytes_slice(rest, 0, len - 1));
		if (entity != NULL && entity->bare) {
			*out_code_point = entity->code_point;
			return len;
		}
	}
	return 0;
}

uint32_t html_decode(struct bytes in, bool prefixes, struct sink *out)
{
	uint32_t highest = 0;

	while (in.len > 0) {
		size_t plain = bytes_find(in, '&');

		sink_put(out, bytes_slice(in, 0, plain));
		in = bytes_slice(in, plain, SIZE_MAX);
		if (in.len == 0)
			break;
		uint32_t code_point = 0;
		size_t len = in.len > 1 && in.data[1] == '#'
		                 ? numeric_read(in, &code_point)
		                 : named_read(in, prefixes, &code_point);
		if (len == 0) {
			sink_octet(out, '&');
			len = 1;
		} else {
			charset_put_utf8(out, code_point);
			highest = code_point > highest ? code_point : highest;
		}
		in = bytes_slice(in, len, SIZE_MAX);
	}
	return highest;
}
