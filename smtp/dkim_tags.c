/* dkim_tags.c - tag lists of signatures and key records, and the base64 in them. */
#include "smtp/dkim_tags.h"

#include "smtp/decode.h"

static struct bytes trim(struct bytes b)
{
	while (b.len > 0 && dkim_is_blank(b.data[0]))
		b = bytes_slice(b, 1, SIZE_MAX);
	while (b.len > 0 && dkim_is_blank(b.data[b.len - 1]))
		b.len--;
	return b;
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_tag_name(struct bytes name)
{
	if (name.len == 0 || !is_letter(name.data[0]))
		return false;
	for (size_t i = 1; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

/* Printing characters; those of other scripts too, as identities of RFC 8616 have. */
static bool is_tag_value(struct bytes value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((value.data[i] < ' ' && !dkim_is_blank(value.data[i])) || value.data[i] == 0x7F)
			return false;
	return true;
}

const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, const char *name)
{
	struct bytes wanted = bytes_text(name);

	for (uint32_t i = 0; i < tags->count; i++)
		if (bytes_equal(tags->tag[i].name, wanted))
			return &tags->tag[i];
	return NULL;
}

static bool is_known(const struct dkim_tags *tags, struct bytes name)
{
	for (uint32_t i = 0; i < tags->count; i++)
		if (bytes_equal(tags->tag[i].name, name))
			return true;
	return false;
}

enum dkim_tags_result dkim_tags_parse(struct bytes list, struct dkim_tags *out_tags)
{
	enum dkim_tags_result result = DKIM_TAGS_OK;

	out_tags->count = 0;
	while (list.len > 0) {
		struct bytes spec = bytes_slice(list, 0, bytes_find(list, ';'));
		size_t equals = bytes_find(spec, '=');
		struct dkim_tag tag = {.name = trim(bytes_slice(spec, 0, equals))};

		list = bytes_slice(list, spec.len + 1, SIZE_MAX);
		if (equals == spec.len) {
			if (trim(spec).len > 0)
				return DKIM_TAGS_NONE;
			/* Only the last may be left out, behind its ';'. */
			if (trim(list).len > 0 || out_tags->count == 0)
				result = DKIM_TAGS_WRONG;
			continue;
		}
		tag.raw = bytes_slice(spec, equals + 1, SIZE_MAX);
		tag.value = trim(tag.raw);
		if (!is_tag_name(tag.name) || !is_tag_value(tag.raw) ||
		    is_known(out_tags, tag.name) || out_tags->count == DKIM_TAGS_MAX)
			result = DKIM_TAGS_WRONG;
		else
			out_tags->tag[out_tags->count++] = tag;
	}
	return result;
}

bool dkim_next_item(struct bytes *rest, struct bytes *out_item)
{
	size_t end = bytes_find(*rest, ':');

	if (rest->data == NULL)
		return false;
	*out_item = trim(bytes_slice(*rest, 0, end));
	*rest = end < rest->len ? bytes_slice(*rest, end + 1, SIZE_MAX) : bytes_of(NULL, 0);
	return true;
}

size_t dkim_base64(struct bytes text, uint8_t *out, size_t out_max)
{
	size_t len = 0;
	uint32_t bits = 0, digits = 0, fillers = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = decode_base64_digit(text.data[i]);

		if (dkim_is_blank(text.data[i]))
			continue;
		if (text.data[i] == '=' && ++fillers <= 2)
			continue;
		if (value < 0 || fillers > 0)
			return DKIM_BASE64_WRONG;
		bits = bits << 6 | (uint32_t)value;
		digits++;
		if (digits % 4 == 1)
			continue; /* six bits are no octet yet */
		if (len == out_max)
			return DKIM_BASE64_WRONG;
		out[len++] = (uint8_t)(bits >> (6 - 2 * ((digits - 1) % 4)));
	}
	/* Fillers may be missing: some signers leave them out. */
	if (digits % 4 == 1 || (fillers > 0 && (digits + fillers) % 4 != 0))
		return DKIM_BASE64_WRONG;
	return len;
}
