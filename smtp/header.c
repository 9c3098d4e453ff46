/* header.c - the fields of a message or of a part. */
#include "smtp/header.h"

#include "base/check.h"
#include "base/facts.h"
#include "smtp/header_words.h"
#include "smtp/octets.h"

#define HEADER_ERRORS_MAX 3 /* lines that are no field; one more begins the body */

bool header_lines_are_crlf(struct bytes message)
{
	size_t end = bytes_find(message, '\n');

	if (end > 0 && end < message.len && message.data[end - 1] == '\r')
		return true;
	return message.len >= 2 && message.data[message.len - 1] == '\n' &&
	       message.data[message.len - 2] == '\r';
}

uint32_t header_hash(struct bytes name)
{
	return fact_name_hash(name);
}

struct bytes header_trim(struct bytes b)
{
	while (b.len > 0 && header_is_space(b.data[0])) {
		b.data++;
		b.len--;
	}
	while (b.len > 0 && header_is_space(b.data[b.len - 1]))
		b.len--;
	return b;
}

void header_reset(struct header_table *table)
{
	table->count = 0;
	table->message_count = UINT32_MAX;
	table->storage.len = 0;
	table->storage.full = false;
	table->left_out = table->cut = false;
	for (unsigned i = 0; i < HEADER_BUCKETS; i++)
		table->bucket_first[i] = table->bucket_last[i] = HEADER_NONE;
}

void header_end_message(struct header_table *table)
{
	table->message_count = table->count;
}

/* The length of `raw` that gives HEADER_VALUE_BYTES_MAX octets once line ends are single. */
static size_t value_len(struct bytes raw)
{
	size_t len = 0;

	for (size_t i = 0; i < raw.len; i++) {
		len += !(raw.data[i] == '\r' && i + 1 < raw.len && raw.data[i + 1] == '\n');
		if (len > HEADER_VALUE_BYTES_MAX)
			return i;
	}
	return raw.len;
}

void header_add(struct header_table *table, struct bytes name, struct bytes raw)
{
	if (table->count == table->count_max) {
		table->left_out = true;
		return;
	}
	if (name.len > HEADER_NAME_BYTES_MAX) {
		name.len = HEADER_NAME_BYTES_MAX;
		table->cut = true;
	}
	size_t len = raw.len > HEADER_VALUE_BYTES_MAX ? value_len(raw) : raw.len;
	table->cut |= len < raw.len;
	raw.len = len;
	uint32_t index = table->count++;
	struct header_field *field = &table->field[index];
	*field = (struct header_field){
	    name, raw, bytes_of(NULL, 0), header_hash(name), HEADER_NONE, false, false};
	if (table->message_count != UINT32_MAX)
		return;
	uint32_t bucket = field->name_hash % HEADER_BUCKETS;
	if (table->bucket_last[bucket] == HEADER_NONE)
		table->bucket_first[bucket] = index;
	else
		table->field[table->bucket_last[bucket]].next = index;
	table->bucket_last[bucket] = index;
}

size_t header_name_len(struct bytes line, size_t *out_colon)
{
	size_t len = octets_name_end(line, 0), colon = len;

	while (colon < line.len && (line.data[colon] == ' ' || line.data[colon] == '\t'))
		colon++;
	if (len == 0 || colon == line.len || line.data[colon] != ':')
		return 0;
	*out_colon = colon;
	return len;
}

/* The lines collected as one field: with a colon it is one, whatever its name looks like. */
static void add_collected(struct header_table *table, struct bytes lines, bool crlf, bool skip_own)
{
	size_t colon = bytes_find(lines, ':');

	if (colon == lines.len)
		return;
	struct bytes name = bytes_slice(lines, 0, colon);
	while (name.len > 0 && (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '\t'))
		name.len--;
	if (skip_own && bytes_starts_nocase(name, BYTES("x-spam-")))
		return;
	uint32_t index = table->count;
	header_add(table, name, bytes_slice(lines, colon + 1, SIZE_MAX));
	if (table->count > index)
		table->field[index].keeps_cr = !crlf;
}

static bool is_line_end(struct bytes line, bool crlf)
{
	if (line.len == 1)
		return line.data[0] == '\n';
	return crlf && line.len == 2 && line.data[0] == '\r' && line.data[1] == '\n';
}

size_t header_split(struct header_table *table, struct bytes message, bool crlf, bool skip_own,
                    bool *out_no_separator)
{
	size_t field_start = 0, at = 0, colon;
	unsigned error_count = 0;
	bool collecting = false;

	*out_no_separator = false;
	while (at < message.len) {
		struct bytes rest = bytes_slice(message, at, SIZE_MAX);
		size_t end = bytes_find(rest, '\n');
		struct bytes line = bytes_slice(rest, 0, end + 1);

		if (line.data[0] == ' ' || line.data[0] == '\t') {
			if (!collecting)
				field_start = at;
			collecting = true;
			at += line.len;
			continue;
		}
		if (collecting)
			add_collected(table, bytes_slice(message, field_start, at - field_start),
			              crlf, skip_own);
		collecting = false;
		if (is_line_end(line, crlf))
			return at + line.len;
		if (line.len >= 2 && line.data[0] == '-' && line.data[1] == '-')
			break;
		if (header_name_len(line, &colon) == 0 && ++error_count > HEADER_ERRORS_MAX)
			break;
		field_start = at;
		collecting = true;
		at += line.len;
	}
	if (collecting)
		add_collected(table, bytes_slice(message, field_start, at - field_start), crlf,
		              skip_own);
	*out_no_separator = true;
	return at;
}

uint32_t header_first(const struct header_table *table, struct bytes name, uint32_t hash)
{
	uint32_t index = table->bucket_first[hash % HEADER_BUCKETS];

	while (index != HEADER_NONE) {
		const struct header_field *field = &table->field[index];

		if (field->name_hash == hash && bytes_equal_nocase(field->name, name))
			break;
		index = field->next;
	}
	return index;
}

uint32_t header_next(const struct header_table *table, struct bytes name, uint32_t index)
{
	uint32_t hash = table->field[index].name_hash;

	for (index = table->field[index].next; index != HEADER_NONE;
	     index = table->field[index].next) {
		const struct header_field *field = &table->field[index];

		if (field->name_hash == hash && bytes_equal_nocase(field->name, name))
			break;
	}
	return index;
}

/* The last message field of this name. */
static uint32_t last_of_message(const struct header_table *table, struct bytes name, uint32_t hash)
{
	uint32_t last = HEADER_NONE;

	for (uint32_t i = header_first(table, name, hash); i != HEADER_NONE;
	     i = header_next(table, name, i))
		last = i;
	return last;
}

uint32_t header_last_of(const struct header_table *table, struct bytes name, uint32_t first,
                        uint32_t count)
{
	uint32_t hash = header_hash(name);

	if (first == 0 && count == table->message_count)
		return last_of_message(table, name, hash);
	for (uint32_t i = first + count; i > first; i--) {
		const struct header_field *field = &table->field[i - 1];

		if (field->name_hash == hash && bytes_equal_nocase(field->name, name))
			return i - 1;
	}
	return HEADER_NONE;
}

/* Where there may be no room for all of it. */
static void put_raw_that_fits(const struct header_field *field, struct sink *out)
{
	struct bytes rest = field->raw;

	while (rest.len > 0) {
		size_t end = bytes_find(rest, '\n');

		if (end == rest.len) {
			sink_put(out, rest);
			return;
		}
		bool has_cr = !field->keeps_cr && end > 0 && rest.data[end - 1] == '\r';
		size_t text = has_cr ? end - 1 : end;
		sink_put(out, bytes_slice(rest, 0, text));
		sink_octet(out, '\n');
		rest = bytes_slice(rest, end + 1, SIZE_MAX);
	}
}

void header_put_raw(const struct header_field *field, struct sink *out)
{
	struct bytes raw = field->raw;

	if (out->bytes_max - out->len < raw.len) {
		put_raw_that_fits(field, out);
		return;
	}
	for (size_t at = 0; at < raw.len;) {
		size_t end = octets_copy_line(raw, at, out->data + out->len);

		out->len += end - at;
		if (!field->keeps_cr && end - at >= 2 && raw.data[end - 2] == '\r' &&
		    raw.data[end - 1] == '\n')
			out->data[--out->len - 1] = '\n';
		at = end;
	}
}

/* Fields whose values are never word-decoded, lower case. */
static bool is_structured(const struct header_field *field)
{
#define NAME(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
	static const struct bytes list[] = {
	    NAME("received"),   NAME("message-id"),  NAME("resent-message-id"),
	    NAME("date"),       NAME("resent-date"), NAME("mime-version"),
	    NAME("references"), NAME("in-reply-to"),
	};
#undef NAME

	if (bytes_starts_nocase(field->name, BYTES("list-")))
		return true;
	for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (field->name.len == list[i].len && bytes_equal_nocase(field->name, list[i]))
			return true;
	return false;
}

/* Each fold (line end and the blanks behind it) becomes one space; other line ends go. */
static struct bytes unfold(struct header_table *table, struct bytes value)
{
	if (bytes_find(value, '\n') == value.len)
		return value;
	size_t start = table->storage.len;
	for (size_t i = 0; i < value.len;) {
		size_t end = i + bytes_find(bytes_slice(value, i, SIZE_MAX), '\n');
		bool has_cr = end < value.len && end > i && value.data[end - 1] == '\r';

		sink_put(&table->storage, bytes_slice(value, i, end - i - has_cr));
		i = end + 1;
		if (i < value.len && (value.data[i] == ' ' || value.data[i] == '\t')) {
			sink_octet(&table->storage, ' ');
			while (i < value.len && (value.data[i] == ' ' || value.data[i] == '\t'))
				i++;
		}
	}
	return bytes_of(table->storage.data + start, table->storage.len - start);
}

/* `value` as UTF-8 without folds, and with its encoded words decoded unless it is structured. */
static struct bytes decode(struct header_table *table, struct bytes value, bool structured)
{
	static const uint8_t marks[2] = {'\n', '='};

	if (octets_plain_end(value, 0, marks) == value.len)
		return value;
	value = unfold(table, value);
	if (!charset_is_ascii(value)) {
		size_t start = table->storage.len;

		charset_to_utf8(table->charsets, value, BYTES("UTF-8"), false, &table->storage);
		value = bytes_of(table->storage.data + start, table->storage.len - start);
	}
	if (!structured && header_has_words(value)) {
		size_t start = table->storage.len;

		header_decode_words(table, value, &table->storage);
		value = bytes_of(table->storage.data + start, table->storage.len - start);
	}
	return value;
}

struct bytes header_decoded(struct header_table *table, uint32_t index)
{
	ASSERT(index < table->count);
	struct header_field *field = &table->field[index];

	if (!field->is_decoded) {
		bool structured = is_structured(field);

		field->decoded = decode(table, header_trim(field->raw), structured);
		field->is_decoded = true;
	}
	return field->decoded;
}

void header_decode_value(struct header_table *table, struct bytes text, struct sink *out)
{
	size_t start = table->storage.len;
	struct bytes value = decode(table, text, false);

	if (out == &table->storage) {
		/* Only the value stays, not the steps towards it. */
		size_t room = table->storage.bytes_max - start;
		size_t len = value.len < room ? value.len : room;

		if (len > 0)
			memmove(table->storage.data + start, value.data, len);
		table->storage.len = start + len;
		return;
	}
	sink_put(out, value);
	table->storage.len = start;
}
