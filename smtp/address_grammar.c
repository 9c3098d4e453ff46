/* address_grammar.c - addresses of a header value read by the grammar of RFC 5322 3.4.
 *
 * Every reader leaves white space and comments behind what it read, and says whether something
 * follows. Where the grammar is broken the walk ends: what was read until then counts.
 */
#include "smtp/address_grammar.h"

#include "smtp/octets.h"

enum progress { BROKEN = -1, AT_END = 0, MORE = 1 };

struct reader {
	struct bytes in;
	size_t at;
	struct sink *storage;
	struct bytes comment; /* the last one as it stands, without its brackets; empty: none */
};

struct parts {
	size_t user, host, end; /* "user@host" in storage: its start, behind '@', its end */
	bool has_user, has_host;
};

/* The octet at the reader's place, 0 at the end. */
static uint8_t peek(const struct reader *reader)
{
	return reader->at < reader->in.len ? reader->in.data[reader->at] : 0;
}

static enum progress follows(const struct reader *reader)
{
	return reader->at < reader->in.len ? MORE : AT_END;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Octets an atom is made of (RFC 5322 3.2.3), all beyond US-ASCII among them (RFC 6532 3.2). */
static bool is_atom_octet(uint8_t c)
{
	static const char others[] = "!#$%&'*+-/=?^_`{|}~";

	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80 ||
	       (c != 0 && strchr(others, c) != NULL);
}

/* A comment that starts here; comments nest. One that does not end is kept up to the end. */
static enum progress comment_skip(struct reader *reader)
{
	size_t start = ++reader->at;

	for (unsigned depth = 1; reader->at < reader->in.len; reader->at++) {
		uint8_t c = reader->in.data[reader->at];

		if (c == '(') {
			depth++;
		} else if (c == ')' && --depth == 0) {
			reader->comment = bytes_slice(reader->in, start, reader->at - start);
			reader->at++;
			return follows(reader);
		} else if (c == '\\') {
			reader->at++;
		}
	}
	reader->at = reader->in.len;
	reader->comment = bytes_slice(reader->in, start, SIZE_MAX);
	return BROKEN;
}

static enum progress blanks_skip(struct reader *reader)
{
	while (reader->at < reader->in.len) {
		if (is_blank(reader->in.data[reader->at]))
			reader->at++;
		else if (reader->in.data[reader->at] != '(')
			break;
		else if (comment_skip(reader) == BROKEN)
			return BROKEN;
	}
	return follows(reader);
}

/* A quoted string that starts here, without its quotes and backslashes. */
static enum progress quoted_read(struct reader *reader)
{
	for (reader->at++; reader->at < reader->in.len; reader->at++) {
		uint8_t c = reader->in.data[reader->at];

		if (c == '"') {
			reader->at++;
			return blanks_skip(reader);
		}
		if (c == '\\' && ++reader->at >= reader->in.len)
			return BROKEN;
		sink_octet(reader->storage, reader->in.data[reader->at]);
	}
	return BROKEN;
}

static void atom_put(struct reader *reader, bool takes_dots)
{
	size_t start = reader->at;

	while (is_atom_octet(peek(reader)) || (takes_dots && peek(reader) == '.'))
		reader->at++;
	sink_put(reader->storage, bytes_slice(reader->in, start, reader->at - start));
}

/* Atoms with dots between them, and blanks around the dots. */
static enum progress dot_atom_read(struct reader *reader)
{
	if (!is_atom_octet(peek(reader)))
		return BROKEN;
	for (;;) {
		atom_put(reader, false);
		enum progress progress = blanks_skip(reader);
		if (progress != MORE || peek(reader) != '.')
			return progress;
		reader->at++;
		sink_octet(reader->storage, '.');
		progress = blanks_skip(reader);
		if (progress != MORE)
			return progress;
	}
}

/* Words with a blank between them. */
static enum progress phrase_read(struct reader *reader)
{
	if (peek(reader) == '.')
		return BROKEN;
	while (reader->at < reader->in.len) {
		enum progress progress;

		if (peek(reader) == '"') {
			progress = quoted_read(reader);
		} else {
			atom_put(reader, true);
			progress = blanks_skip(reader);
		}
		if (progress != MORE)
			return progress;
		if (!is_atom_octet(peek(reader)) && peek(reader) != '"' && peek(reader) != '.')
			return MORE;
		sink_octet(reader->storage, ' ');
	}
	return AT_END;
}

/* "[192.0.2.1]" */
static enum progress domain_literal_read(struct reader *reader)
{
	size_t start = reader->at;

	for (; reader->at < reader->in.len; reader->at++) {
		if (reader->in.data[reader->at] == ']') {
			reader->at++;
			sink_put(reader->storage,
			         bytes_slice(reader->in, start, reader->at - start));
			return blanks_skip(reader);
		}
		reader->at += reader->in.data[reader->at] == '\\';
	}
	reader->at = reader->in.len;
	return BROKEN;
}

/* '@', which stands here, and a domain. */
static enum progress domain_read(struct reader *reader)
{
	reader->at++;
	if (blanks_skip(reader) != MORE)
		return BROKEN;
	return peek(reader) == '[' ? domain_literal_read(reader) : dot_atom_read(reader);
}

/* Words with dots between them; a dot behind a quoted string is not kept. */
static enum progress words_read(struct reader *reader)
{
	for (;;) {
		bool quoted = peek(reader) == '"';
		enum progress progress = quoted ? quoted_read(reader) : dot_atom_read(reader);

		if (progress != MORE)
			return progress;
		if (quoted && peek(reader) == '.') {
			reader->at++;
			progress = blanks_skip(reader);
			if (progress != MORE)
				return progress;
		} else if (quoted || peek(reader) != '"' || reader->storage->len == 0 ||
		           reader->storage->data[reader->storage->len - 1] != '.') {
			return MORE;
		}
	}
}

static enum progress local_part_read(struct reader *reader, struct parts *parts)
{
	parts->user = reader->storage->len;
	enum progress progress = words_read(reader);
	parts->has_user = progress != BROKEN;
	if (progress == BROKEN)
		reader->storage->len = parts->user;
	parts->end = reader->storage->len;
	return progress;
}

static enum progress host_read(struct reader *reader, struct parts *parts)
{
	sink_octet(reader->storage, '@');
	parts->host = reader->storage->len;
	enum progress progress = domain_read(reader);
	parts->has_host = progress != BROKEN && reader->storage->len > parts->host;
	parts->end = reader->storage->len;
	return progress;
}

/* "@one,@two:" in front of an address (RFC 5322 4.4); nothing of it is kept. */
static enum progress route_skip(struct reader *reader)
{
	size_t start = reader->storage->len;

	while (peek(reader) == '@') {
		enum progress progress = domain_read(reader);

		reader->storage->len = start;
		if (progress != MORE)
			return BROKEN;
		while (blanks_skip(reader) == MORE && peek(reader) == ',')
			reader->at++;
	}
	if (peek(reader) != ':')
		return BROKEN;
	reader->at++;
	return blanks_skip(reader);
}

/* "<user@host>", which starts here. */
static enum progress angle_read(struct reader *reader, struct parts *parts)
{
	reader->at++;
	enum progress progress = blanks_skip(reader);
	if (progress == MORE && peek(reader) == '@')
		progress = route_skip(reader);
	if (progress == MORE)
		progress = local_part_read(reader, parts);
	if (progress == MORE && peek(reader) == '@')
		progress = host_read(reader, parts);
	if (progress != MORE)
		return progress;
	if (peek(reader) != '>')
		return BROKEN;
	reader->at++;
	return blanks_skip(reader);
}

/* Whether a local part has to stand in quotes. */
static bool wants_quotes(struct bytes user)
{
	for (size_t i = 0; i < user.len; i++)
		if (user.data[i] != '.' && !is_atom_octet(user.data[i]))
			return true;
	return user.len == 0 || user.data[0] == '.' || user.data[user.len - 1] == '.';
}

static struct bytes stored(const struct sink *storage, size_t start, size_t end)
{
	return bytes_of(storage->data + start, end - start);
}

static struct bytes address_text(struct sink *storage, const struct parts *parts)
{
	if (!parts->has_user || !parts->has_host || storage->full)
		return bytes_of(NULL, 0);
	struct bytes user = stored(storage, parts->user, parts->host - 1);
	if (!wants_quotes(user))
		return stored(storage, parts->user, parts->end);
	size_t start = storage->len;
	sink_octet(storage, '"');
	for (size_t i = 0; i < user.len; i++) {
		if (user.data[i] != 0 && strchr("\"\\'\r\n", user.data[i]) != NULL)
			sink_octet(storage, '\\');
		sink_octet(storage, user.data[i]);
	}
	sink_octet(storage, '"');
	sink_put(storage, stored(storage, parts->host - 1, parts->end));
	if (storage->full)
		return bytes_of(NULL, 0);
	return stored(storage, start, storage->len);
}

/* Without backslashes and line ends. */
static struct bytes comment_text(struct reader *reader)
{
	struct bytes comment = reader->comment;
	size_t start = reader->storage->len;

	if (comment.len == 0)
		return bytes_of(NULL, 0);
	for (size_t i = 0; i < comment.len; i++) {
		if (comment.data[i] == '\n')
			continue;
		i += comment.data[i] == '\\';
		if (i < comment.len)
			sink_octet(reader->storage, comment.data[i]);
	}
	return stored(reader->storage, start, reader->storage->len);
}

/* A phrase and "<...>"; BROKEN when neither stands here. */
static enum progress name_addr_read(struct reader *reader, struct grammar_item *item,
                                    struct parts *parts)
{
	size_t start = reader->storage->len;

	if (phrase_read(reader) != MORE || peek(reader) != '<')
		return BROKEN;
	if (reader->storage->len > start)
		item->phrase = stored(reader->storage, start, reader->storage->len);
	reader->comment.len = 0;
	if (angle_read(reader, parts) == BROKEN && peek(reader) == '>') {
		reader->at++;
		blanks_skip(reader);
	}
	return follows(reader);
}

/* "user@host", or a word alone at the end, which is a phrase. */
static enum progress addr_spec_read(struct reader *reader, struct grammar_item *item,
                                    struct parts *parts)
{
	reader->comment.len = 0;
	enum progress progress = local_part_read(reader, parts), domain;
	bool is_whole = progress == MORE;

	if (progress != AT_END && peek(reader) == '@') {
		domain = host_read(reader, parts);
		if (domain != MORE)
			progress = domain;
		if (domain != BROKEN)
			return progress;
		parts->has_host = false;
	}
	if (!is_whole && parts->has_user) {
		item->phrase = stored(reader->storage, parts->user, parts->end);
		parts->has_user = false;
	}
	return progress;
}

static enum progress mailbox_read(struct reader *reader, struct grammar_item *item)
{
	size_t start = reader->at, storage = reader->storage->len;
	struct parts parts = {0};

	enum progress progress = name_addr_read(reader, item, &parts);
	if (progress == BROKEN) {
		reader->at = start;
		reader->storage->len = storage;
		parts = (struct parts){0};
		item->phrase = bytes_of(NULL, 0);
		progress = addr_spec_read(reader, item, &parts);
	}
	item->has_user = parts.has_user;
	item->address = address_text(reader->storage, &parts);
	item->comment = comment_text(reader);
	return progress;
}

/* Behind an address or a group that stands in no group. */
static void separator_read(struct grammar_walk *walk, struct reader *reader, enum progress progress)
{
	if (progress == AT_END || peek(reader) != ',') {
		walk->ended = true;
		return;
	}
	reader->at++;
	progress = blanks_skip(reader);
	walk->ended = progress != MORE;
	walk->ends_empty = progress == BROKEN;
}

static void group_end(struct grammar_walk *walk, struct reader *reader, enum progress progress)
{
	if (progress != BROKEN && peek(reader) == ';') {
		reader->at++;
		progress = blanks_skip(reader);
	} else {
		progress = BROKEN;
	}
	walk->in_group = false;
	separator_read(walk, reader, progress == AT_END ? AT_END : MORE);
}

/* "phrase:", when that stands here. */
static bool group_begin(struct grammar_walk *walk, struct reader *reader)
{
	size_t start = reader->at, storage = reader->storage->len;
	bool begins = phrase_read(reader) == MORE && peek(reader) == ':';

	reader->storage->len = storage;
	if (!begins) {
		reader->at = start;
		return false;
	}
	reader->at++;
	enum progress progress = blanks_skip(reader);
	walk->in_group = true;
	if (progress != MORE || peek(reader) == ';')
		group_end(walk, reader, progress);
	return true;
}

static void behind_member(struct grammar_walk *walk, struct reader *reader, enum progress progress)
{
	if (progress != MORE) {
		group_end(walk, reader, BROKEN);
	} else if (peek(reader) != ',') {
		group_end(walk, reader, MORE);
	} else {
		reader->at++;
		if (blanks_skip(reader) != MORE)
			group_end(walk, reader, BROKEN);
	}
}

void grammar_walk_open(struct grammar_walk *walk, struct bytes value)
{
	struct reader reader = {.in = value};

	*walk = (struct grammar_walk){.in = value};
	walk->ended = blanks_skip(&reader) != MORE;
	walk->at = reader.at;
}

bool grammar_walk_next(struct grammar_walk *walk, struct sink *storage,
                       struct grammar_item *out_item)
{
	struct reader reader = {.in = walk->in, .at = walk->at, .storage = storage};

	*out_item = (struct grammar_item){.has_user = false};
	while (!walk->ended && !walk->in_group && group_begin(walk, &reader))
		continue;
	if (walk->ended) {
		bool is_empty = walk->ends_empty;

		walk->ends_empty = false;
		return is_empty;
	}
	enum progress progress = mailbox_read(&reader, out_item);
	if (walk->in_group)
		behind_member(walk, &reader, progress);
	else
		separator_read(walk, &reader, progress);
	walk->at = reader.at;
	return true;
}
