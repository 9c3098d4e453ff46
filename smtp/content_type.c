/* content_type.c - a Content-Type value in pieces. */
#include "smtp/decode.h"
#include "smtp/mime.h"

static bool is_word_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static size_t skip_space(struct bytes b, size_t at)
{
	while (at < b.len && header_is_space(b.data[at]))
		at++;
	return at;
}

/* The offset behind "name =" (as a whole word) from `from` on, or b.len + 1. */
static size_t find_parameter(struct bytes b, const char *name, size_t from)
{
	struct bytes wanted = bytes_text(name);

	for (size_t i = from; i + wanted.len < b.len; i++) {
		if ((b.data[i] | 0x20) != wanted.data[0] || (i > 0 && is_word_octet(b.data[i - 1])))
			continue;
		if (!bytes_starts_nocase(bytes_slice(b, i, SIZE_MAX), wanted))
			continue;
		size_t at = skip_space(b, i + wanted.len);
		if (at < b.len && b.data[at] == '=')
			return skip_space(b, at + 1);
	}
	return b.len + 1;
}

/* A boundary: all up to the next quote when it begins with one, else up to white space, quote or
 * semicolon. */
static struct bytes read_boundary(struct bytes b)
{
	size_t at = 0;

	while ((at = find_parameter(b, "boundary", at)) <= b.len) {
		size_t end = at;

		if (at < b.len && b.data[at] == '"') {
			end = at + 1 + bytes_find(bytes_slice(b, at + 1, SIZE_MAX), '"');
			if (end > at + 1)
				return bytes_slice(b, at + 1, end - at - 1);
			continue;
		}
		while (end < b.len && !header_is_space(b.data[end]) && b.data[end] != '"' &&
		       b.data[end] != ';')
			end++;
		if (end > at && (end == b.len || b.data[end] != '"'))
			return bytes_slice(b, at, end - at);
	}
	return bytes_of(NULL, 0);
}

/* A value up to the next semicolon, without one quote at each end. */
static struct bytes read_value(struct bytes b, size_t at)
{
	if (at > b.len)
		return bytes_of(NULL, 0);
	struct bytes value = bytes_slice(b, at, SIZE_MAX);

	if (value.len > 0 && (value.data[0] == '"' || value.data[0] == '\''))
		value = bytes_slice(value, 1, SIZE_MAX);
	size_t end = bytes_find(value, ';');
	if (end > 0 && (value.data[end - 1] == '"' || value.data[end - 1] == '\''))
		end--;
	return bytes_slice(value, 0, end);
}

/* "name=" or "filename=", whichever stands first; else the first continuation (RFC 2231 3). */
static struct bytes read_name(struct bytes b)
{
	static const char *const list[] = {"name", "filename", "name*0", "filename*0"};

	for (unsigned i = 0; i < 4; i += 2) {
		size_t one = find_parameter(b, list[i], 0),
		       other = find_parameter(b, list[i + 1], 0);
		struct bytes value = read_value(b, one < other ? one : other);

		if (value.len > 0)
			return value;
	}
	return bytes_of(NULL, 0);
}

/* Octets that are taken out of a type. */
static bool is_unfit(uint8_t c)
{
	return c <= 0x20 || c >= 0x7F || strchr("\"(),:;<=>?@[\\]", c) != NULL;
}

static bool is_plain_text_kind(struct bytes type)
{
	if (!bytes_starts_nocase(type, BYTES("text")) ||
	    (type.len > 4 && is_word_octet(type.data[4])))
		return false;
	return !bytes_equal_nocase(type, BYTES("text/x-vcard")) &&
	       !bytes_equal_nocase(type, BYTES("text/calendar")) &&
	       !bytes_equal_nocase(type, BYTES("text/html"));
}

/* The part of `value` that is the type: up to a semicolon, and "something/something" at most. */
static struct bytes type_slice(struct bytes value)
{
	size_t at = skip_space(value, 0);
	struct bytes type = bytes_slice(value, at,
	                                bytes_find(bytes_slice(value, at, SIZE_MAX), ';'));
	size_t slash = bytes_find(type, '/');

	if (slash == type.len || slash == 0)
		return type;
	size_t end = slash + 1;
	while (end < type.len && type.data[end] != '/' && !header_is_space(type.data[end]))
		end++;
	return bytes_slice(type, 0, end);
}

void content_type_parse(struct bytes value, struct content_type *out_type)
{
	struct bytes type = type_slice(value);
	size_t len = 0;

	out_type->missing = value.len == 0 || type.len == 0 || bytes_equal(type, BYTES("0"));
	out_type->boundary = read_boundary(value);
	out_type->charset = read_value(value, find_parameter(value, "charset", 0));
	out_type->name = read_name(value);
	if (out_type->missing || is_plain_text_kind(type))
		type = BYTES("text/plain");
	for (size_t i = 0; i < type.len && len < MIME_TYPE_BYTES_MAX - 1; i++) {
		uint8_t c = type.data[i];

		if (!is_unfit(c))
			out_type->type[len++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	out_type->type[len] = '\0';
}
