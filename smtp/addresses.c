/* addresses.c - addresses and display names of a header value. */
#include "smtp/addresses.h"

#include "smtp/header.h"

/* "group: a@b, c@d;": the group's name goes when nothing that belongs to an address stands before
 * the colon. */
static struct bytes without_group(struct bytes value)
{
	size_t colon = value.len;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c == '"' || c == '(' || c == ')' || c == '<' || c == '>')
			break;
		if (c == ':' && i > 0)
			colon = i;
	}
	return colon == value.len ? value : bytes_slice(value, colon + 1, SIZE_MAX);
}

void address_walk_open(struct address_walk *walk, struct bytes value, struct sink storage)
{
	walk->rest = without_group(header_trim(value));
	walk->storage = storage;
}

/* The offset behind the quoted string at `at` (a quote); false when it is not closed. */
static bool quoted_end(struct bytes in, size_t at, size_t *out_end)
{
	for (at++; at < in.len; at++) {
		if (in.data[at] == '\\')
			at++;
		else if (in.data[at] == '"') {
			*out_end = at + 1;
			return true;
		}
	}
	return false;
}

/* The offset behind the comment at `at` (an opening parenthesis; they do not nest here). */
static bool comment_end(struct bytes in, size_t at, size_t *out_end)
{
	for (at++; at < in.len; at++) {
		if (in.data[at] == '\\')
			at++;
		else if (in.data[at] == '(')
			return false;
		else if (in.data[at] == ')') {
			*out_end = at + 1;
			return true;
		}
	}
	return false;
}

/* The end of what stands before '<', or is all of the item: quoted strings and anything up to a
 * separator. */
static size_t phrase_end(struct bytes in, size_t at)
{
	while (at < in.len) {
		uint8_t c = in.data[at];

		if (c == ',' || c == ';' || c == '<')
			return at;
		if (c != '"')
			at++;
		else if (!quoted_end(in, at, &at))
			return at;
	}
	return at;
}

static bool is_local_octet(uint8_t c)
{
	return !header_is_space(c) && strchr("@<>()[],:;", c) == NULL;
}

static bool is_host_octet(uint8_t c)
{
	return !header_is_space(c) && strchr("<>(),;\"", c) == NULL;
}

/* The length of an address at the start of `in`: local part, '@', host; 0 when there is none. */
static size_t address_len(struct bytes in)
{
	size_t at = 0;

	if (in.len > 0 && in.data[0] == '"') {
		if (!quoted_end(in, 0, &at))
			return 0;
	} else {
		while (at < in.len && is_local_octet(in.data[at]))
			at++;
	}
	if (at == 0 || at + 1 >= in.len || in.data[at] != '@')
		return 0;
	size_t host = ++at;
	while (at < in.len && is_host_octet(in.data[at]))
		at++;
	return at > host ? at : 0;
}

/* A second '@' and what follows it do not count. */
static struct bytes until_second_at(struct bytes address)
{
	size_t first = bytes_find(address, '@');
	struct bytes rest = bytes_slice(address, first + 1, SIZE_MAX);

	return bytes_slice(address, 0, first + 1 + bytes_find(rest, '@'));
}

static bool has_odd_quote(struct bytes address)
{
	size_t count = 0;

	for (size_t i = 0; i < address.len; i++)
		count += address.data[i] == '"';
	return count == 1 || (address.len >= 3 && memcmp(address.data, "\"\"@", 3) == 0);
}

/* `in` as a whole an address, or nothing. */
static struct bytes whole_address(struct bytes in)
{
	in = header_trim(in);
	size_t len = address_len(in);

	if (len == 0 || len != in.len || has_odd_quote(in))
		return bytes_of(NULL, 0);
	return until_second_at(in);
}

/* `phrase` without quotes, escapes and comments, in storage; data NULL when nothing is left. */
static struct bytes phrase_text(struct address_walk *walk, struct bytes phrase)
{
	size_t start = walk->storage.len, end;
	bool quoted = false;

	for (size_t i = 0; i < phrase.len; i++) {
		uint8_t c = phrase.data[i];

		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		/* Escaped backslashes vanish, in and out of quotes: so SpamAssassin has it. */
		if (c == '\\' && i + 1 < phrase.len && phrase.data[i + 1] == '\\') {
			i++;
			continue;
		}
		if (quoted && c == '\\' && i + 1 < phrase.len) {
			sink_octet(&walk->storage, phrase.data[++i]);
			continue;
		}
		if (!quoted && c == '(' && comment_end(phrase, i, &end)) {
			i = end - 1;
			continue;
		}
		sink_octet(&walk->storage, c);
	}
	size_t len = walk->storage.len - start;
	return len == 0 ? bytes_of(NULL, 0) : bytes_of(walk->storage.data + start, len);
}

static bool looks_like_host(struct bytes address)
{
	size_t at = bytes_find(address, '@');
	struct bytes host = bytes_slice(address, at + 1, SIZE_MAX);
	size_t dot = bytes_find(host, '.');

	return dot > 0 && dot + 1 < host.len;
}

/* "<...>" at `at`; returns the offset behind it and what is inside. */
static size_t angle_read(struct bytes in, size_t at, struct bytes *out_inside)
{
	size_t end = at + 1;

	while (end < in.len && in.data[end] != '>')
		end++;
	*out_inside = header_trim(bytes_slice(in, at + 1, end - at - 1));
	return end < in.len ? end + 1 : end;
}

/* White space, a comment (kept as a name when there is no other), and the separator. */
static size_t item_end(struct bytes in, size_t at, struct bytes *out_comment)
{
	size_t end;

	*out_comment = bytes_of(NULL, 0);
	while (at < in.len && in.data[at] != ',' && in.data[at] != ';') {
		if (in.data[at] == '(' && comment_end(in, at, &end)) {
			*out_comment = bytes_slice(in, at + 1, end - at - 2);
			at = end;
		} else {
			at++;
		}
	}
	return at < in.len ? at + 1 : at;
}

bool address_walk_next(struct address_walk *walk, struct mailbox *out_mailbox)
{
	struct bytes in = header_trim(walk->rest), comment;

	while (in.len > 0 && (in.data[0] == ',' || in.data[0] == ';'))
		in = header_trim(bytes_slice(in, 1, SIZE_MAX));
	walk->rest = bytes_of(NULL, 0);
	*out_mailbox = (struct mailbox){bytes_of(NULL, 0), bytes_of(NULL, 0)};
	if (in.len == 0)
		return false;
	size_t end = phrase_end(in, 0);
	struct bytes phrase = bytes_slice(in, 0, end);

	if (end < in.len && in.data[end] == '<') {
		struct bytes inside;
		end = angle_read(in, end, &inside);
		out_mailbox->address = whole_address(inside);
		out_mailbox->name = phrase_text(walk, phrase);
		if (out_mailbox->address.len > 0 &&
		    bytes_equal(out_mailbox->name, out_mailbox->address))
			out_mailbox->name = bytes_of(NULL, 0);
	} else {
		size_t len = address_len(in);

		if (len > 0 && len <= end && !has_odd_quote(bytes_slice(in, 0, len))) {
			out_mailbox->address = until_second_at(bytes_slice(in, 0, len));
			end = len;
		} else if (phrase.len > 0) {
			out_mailbox->name = phrase_text(walk, phrase);
		}
	}
	if (out_mailbox->address.len == 0 && out_mailbox->name.data != NULL) {
		struct bytes address = whole_address(out_mailbox->name);

		if (address.len > 0 && looks_like_host(address)) {
			out_mailbox->address = address;
			out_mailbox->name = bytes_of(NULL, 0);
		}
	}
	end = item_end(in, end, &comment);
	if (out_mailbox->name.data == NULL && comment.data != NULL)
		out_mailbox->name = comment;
	walk->rest = bytes_slice(in, end > 0 ? end : 1, SIZE_MAX);
	return true;
}
