/* mime_facts.c - what rules ask about the parts of a message and how they were encoded. */
#include "smtp/mime_facts.h"

#include "smtp/charset.h"
#include "smtp/decode.h"
#include "smtp/image.h"
#include "smtp/normalise.h"
#include "smtp/octets.h"

#define QP_LINE_BYTES_MAX 79 /* RFC 5322 2.1.1: 78, and the line end */
/* Picture headers are looked for in as much base64, a step at a time. */
#define IMAGE_STEP_BYTES ((size_t)4096)
#define IMAGE_BYTES_MAX  ((size_t)256 * 1024)

/* What the walk keeps of the part it is at. */
struct walked {
	struct bytes type, encoding, disposition;
	struct bytes charset; /* data NULL: none is given */
	struct fact_mime *mime;
};

static bool contains_nocase(struct bytes in, struct bytes what)
{
	return octets_has_nocase(in, what);
}

/* Names of US-ASCII, or texts that hold one. */
static bool is_ascii_charset(struct bytes charset)
{
	return charset.len == 0 || contains_nocase(charset, BYTES("us")) ||
	       contains_nocase(charset, BYTES("ascii")) ||
	       contains_nocase(charset, BYTES("ansi_x3.4-1968")) ||
	       contains_nocase(charset, BYTES("ansi_x3.4-1986")) ||
	       contains_nocase(charset, BYTES("iso-ir-6")) ||
	       contains_nocase(charset, BYTES("iso_646.irv:1991")) ||
	       contains_nocase(charset, BYTES("ibm367")) ||
	       contains_nocase(charset, BYTES("cp367"));
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* "iso-8859-1", "iso-2022-jp" and "iso-2022-kr" stand in `charset`. */
static bool has_known_iso(struct bytes charset)
{
	static const char *const names[] = {"iso-8859-", "iso-2022-jp", "iso-2022-kr"};

	for (size_t i = 0; i < charset.len; i++) {
		struct bytes rest = bytes_slice(charset, i, SIZE_MAX);

		for (unsigned k = 0; k < 3; k++) {
			struct bytes name = bytes_text(names[k]);

			if (!bytes_starts_nocase(rest, name))
				continue;
			struct bytes behind = bytes_slice(rest, name.len, SIZE_MAX);
			size_t digits = 0;
			while (k == 0 && digits < 2 && digits < behind.len &&
			       behind.data[digits] >= '0' && behind.data[digits] <= '9')
				digits++;
			if ((k > 0 || digits > 0) &&
			    (digits == behind.len || !is_word(behind.data[digits])))
				return true;
		}
	}
	return false;
}

/* "iso-x-y" of which no such set is known. */
static bool is_bad_iso(struct bytes charset)
{
	for (size_t i = 0; i < charset.len; i++) {
		if (!bytes_starts_nocase(bytes_slice(charset, i, SIZE_MAX), BYTES("iso-")))
			continue;
		size_t end = i + 4, dash = 0;
		while (end < charset.len && !header_is_space(charset.data[end]))
			end++;
		for (size_t at = i + 5; at + 1 < end; at++)
			dash = charset.data[at] == '-' && dash == 0 ? at : dash;
		if (dash > 0)
			return !has_known_iso(charset);
	}
	return false;
}

static void take_header(const struct walked *part)
{
	struct fact_mime *mime = part->mime;
	bool base64 = contains_nocase(part->encoding, BYTES("base64"));
	bool is_text = bytes_starts_nocase(part->type, BYTES("text"));

	if (bytes_equal(part->type, BYTES("text/html")))
		mime->html_count++;
	else if (is_text)
		mime->text_count++;
	if (base64)
		mime->base64_count++;
	else if (contains_nocase(part->encoding, BYTES("quoted-printable")))
		mime->quoted_printable_count++;
	if (contains_nocase(part->disposition, BYTES("attachment")))
		mime->attachment_count++;
	if (is_text && base64 && is_ascii_charset(part->charset) &&
	    !bytes_starts_nocase(part->disposition, BYTES("attachment")) &&
	    !bytes_starts_nocase(part->disposition, BYTES("inline")))
		mime->base64_encoded_text = true;
	mime->bad_iso_charset |= is_bad_iso(part->charset);
	mime->multipart_alternative |= bytes_equal(part->type, BYTES("multipart/alternative"));
}

/* The value of an upper-case hexadecimal digit, or -1. */
static int upper_digit(uint8_t c)
{
	return c >= 'a' ? -1 : decode_hex_digit(c);
}

/* Escapes of octets that need none. */
static bool is_needless(struct bytes escape)
{
	int high = upper_digit(escape.data[1]), low = upper_digit(escape.data[2]);

	if (high < 0 || low < 0)
		return false;
	int octet = high << 4 | low;
	return octet == 0x09 || (octet >= 0x20 && octet <= 0x7E && octet != 0x3D);
}

static bool is_blank_escape(struct bytes line, size_t at)
{
	return line.data[at] == '=' && ((line.data[at + 1] == '2' && line.data[at + 2] == '0') ||
	                                (line.data[at + 1] == '0' && line.data[at + 2] == '9'));
}

/* One encoded line with `escape_count` needless escapes; blanks at its end may need theirs. */
static void take_qp_line(struct fact_mime *mime, struct bytes line, uint32_t escape_count)
{
	if (line.len >= 6 && memcmp(line.data, "SPAM: ", 6) == 0)
		return;
	mime->qp_long_line |= line.len > QP_LINE_BYTES_MAX;
	mime->qp_bytes += (uint32_t)line.len;
	while (line.len > 0 && header_is_space(line.data[line.len - 1]))
		line.len--;
	while (escape_count > 0 && line.len >= 3 && is_blank_escape(line, line.len - 3)) {
		line.len -= 3;
		escape_count--;
	}
	mime->qp_escaped_count += escape_count;
}

static void take_quoted_printable(struct fact_mime *mime, struct bytes content)
{
	static const uint8_t marks[4] = {'\n', '=', '=', '='};
	size_t start = 0, behind = 0; /* of the line; behind the last needless escape */
	uint32_t count = 0;

	for (size_t from = 0; from < content.len; from += 64) {
		uint64_t mask = octets_mask(content, from, marks);

		for (; mask != 0; mask &= mask - 1) {
			size_t at = from + (size_t)__builtin_ctzll(mask);

			if (content.data[at] == '\n') {
				take_qp_line(mime, bytes_slice(content, start, at + 1 - start),
				             count);
				start = at + 1;
				count = 0;
			} else if (at >= behind && content.len - at > 2 &&
			           is_needless(bytes_slice(content, at, 3))) {
				behind = at + 3;
				count++;
			}
		}
	}
	if (start < content.len)
		take_qp_line(mime, bytes_slice(content, start, SIZE_MAX), count);
}

static void take_ascii(struct fact_mime *mime, struct bytes content)
{
	if (charset_is_ascii(content) && bytes_find(content, '\r') == content.len &&
	    bytes_find(content, '\0') == content.len)
		return;
	while (content.len > 0) {
		size_t len = bytes_find(content, '\n');
		struct bytes line = bytes_slice(content, 0, len);

		content = bytes_slice(content, len + 1, SIZE_MAX);
		mime->ascii_illegal_count += !charset_is_ascii(line) ||
		                             bytes_find(line, '\r') < line.len ||
		                             bytes_find(line, '\0') < line.len;
	}
}

/* "&#x20AC;" in text that is not HTML. */
static void take_unicode_escapes(struct fact_mime *mime, struct bytes content)
{
	uint32_t count = 0;

	for (size_t at = 0;
	     (at += bytes_find(bytes_slice(content, at, SIZE_MAX), '&')) < content.len; at++) {
		const uint8_t *escape = content.data + at;
		size_t digits = 0;

		if (content.len - at < 8 || escape[1] != '#' || escape[2] != 'x' ||
		    escape[7] != ';')
			continue;
		for (size_t i = 3; i < 7; i++)
			digits += decode_hex_digit(escape[i]) >= 0 &&
			          !(escape[i] >= 'a' && escape[i] <= 'f');
		count += digits == 4;
	}
	mime->unicode_escapes += count;
	mime->plain_bytes += (uint32_t)content.len - 8 * count;
}

static void take_leaf(const struct walked *part, struct bytes content)
{
	struct fact_mime *mime = part->mime;
	bool plain = bytes_equal(part->type, BYTES("text/plain"));
	bool html = bytes_equal(part->type, BYTES("text/html"));

	if ((plain || html) && !contains_nocase(part->disposition, BYTES("attachment"))) {
		uint32_t *bytes = plain ? &mime->last_text_bytes : &mime->last_html_bytes;

		*bytes = mime->multipart_alternative ? (uint32_t)content.len : 0;
		mime->has_last_text |= plain;
		mime->has_last_html |= html;
	}
	if (bytes_equal_nocase(part->encoding, BYTES("quoted-printable")))
		take_quoted_printable(mime, content);
	if (!plain)
		return;
	if (part->charset.data == NULL || bytes_equal_nocase(part->charset, BYTES("us-ascii")))
		take_ascii(mime, content);
	if (part->encoding.len == 0 || bytes_equal_nocase(part->encoding, BYTES("7bit")) ||
	    bytes_equal_nocase(part->encoding, BYTES("8bit")))
		take_unicode_escapes(mime, content);
}

static enum fact_image image_kind(const struct mime_part *part)
{
	return mime_is_type(part, "image/gif")   ? FACT_IMAGE_GIF
	       : mime_is_type(part, "image/png") ? FACT_IMAGE_PNG
	       : mime_is_type(part, "image/jpeg") || mime_is_type(part, "image/jpg")
	           ? FACT_IMAGE_JPEG
	           : FACT_IMAGE_NONE;
}

/* Decodes as much of a picture as its size needs, at the free end of scratch. */
static void take_image(struct mime_tree *tree, const struct mime_part *part, struct fact_part *out)
{
	struct bytes content = part->content;
	uint8_t *room = tree->scratch.data + tree->scratch.len;
	size_t room_bytes = tree->scratch.bytes_max - tree->scratch.len;

	out->image = image_kind(part);
	if (out->image == FACT_IMAGE_NONE)
		return;
	for (size_t take = IMAGE_STEP_BYTES; take <= IMAGE_BYTES_MAX; take *= 8) {
		struct bytes in = bytes_slice(content, 0, take);

		if (DECODE_BASE64_BYTES(in.len) > room_bytes)
			return;
		struct bytes data = bytes_of(room, decode_base64(in, room));
		if (image_size(out->image, data, &out->image_width, &out->image_height) !=
		        IMAGE_NEEDS_MORE ||
		    in.len == content.len)
			return;
	}
}

static void part_collect(struct mime_tree *tree, struct mime_part *part, struct fact_part *out)
{
	*out = (struct fact_part){
	    .type = bytes_text(part->type),
	    .declared_type = bytes_text(part->declared_type),
	    .charset = part->charset,
	    .name = part->name,
	    .parent = part->parent,
	    .behind = tree->count,
	    .field_first = part->first_field,
	    .field_count = part->field_count,
	    .html = FACT_NONE,
	    .is_leaf = part->is_leaf,
	    .is_html = part->is_leaf && part->is_html,
	    .is_base64 = part->is_leaf && part->encoding == MIME_BASE64,
	};
	if (!part->is_leaf)
		return;
	out->raw_bytes = (uint32_t)part->content.len;
	out->line_bytes_max = part->line_bytes_max;
	if (out->is_base64)
		take_image(tree, part, out);
}

/* Descendants follow their part: a part ends where the next one begins that is not below it. */
static void find_ends(struct fact_part *parts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		parts[i].behind = i + 1;
	for (uint32_t i = count; i > 1; i--) {
		struct fact_part *parent = &parts[parts[i - 1].parent];

		if (parts[i - 1].behind > parent->behind)
			parent->behind = parts[i - 1].behind;
	}
}

void mime_facts_collect(struct mime_tree *tree, struct fact_part *out_parts,
                        struct fact_mime *out_mime)
{
	*out_mime = (struct fact_mime){0};
	for (uint32_t i = 0; i < tree->count; i++) {
		struct mime_part *part = &tree->part[i];
		struct walked walked = {
		    .type = bytes_text(part->declared_type),
		    .encoding = mime_part_value(tree, part, "content-transfer-encoding"),
		    .disposition = mime_part_value(tree, part, "content-disposition"),
		    .charset = part->charset,
		    .mime = out_mime,
		};

		part_collect(tree, part, &out_parts[i]);
		if (part->type[0] == '\0')
			continue;
		take_header(&walked);
		if (part->is_leaf)
			take_leaf(&walked, part->content);
	}
	find_ends(out_parts, tree->count);
	out_mime->missing_boundary = (tree->own_defects >> DEFECT_BIT_NO_END_BOUNDARY & 1) != 0;
	out_mime->parts_left_out = (tree->defects >> DEFECT_BIT_PARTS_LEFT_OUT & 1) != 0;
}
