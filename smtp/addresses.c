/* addresses.c - addresses and display names of a header value.
 *
 * The items of a value are found one after the other, from its start: a phrase and an address in
 * angle brackets, or a bare address, or a phrase alone; a comment; a separator. What stands inside
 * angle brackets may be nearly anything, so the closing bracket is the last one that lets the item
 * end. Where no item can be read, addresses in brackets further on are still found.
 *
 * Where that gives fewer items than the value has commas for, the grammar of RFC 5322 is tried as
 * well (address_grammar.h), and counts when it finds more: as SpamAssassin does where
 * Email::Address::XS is installed.
 */
#include "smtp/addresses.h"

#include "smtp/header.h"
#include "smtp/octets.h"

#define TOKENS_MAX       32   /* quoted and bare pieces of one phrase that may be given back */
#define STEPS_MAX        8192 /* of one item; one that takes more is none */
#define STEP_BYTES       16   /* octets looked at for white space that count as a step */
#define DOMAIN_BYTES_MAX 253
#define LABEL_BYTES_MAX  63
#define WHOLE_NAMES_MAX  16 /* items of one value that may be called by all of it */

struct item {
	struct bytes phrase, inside, bare, comment; /* data NULL: not there */
	size_t end;                                 /* behind the separator */
};

static bool ends_group(uint8_t c)
{
	return c == '"' || c == '(' || c == ')' || c == '<' || c == '>';
}

static size_t skip_space(struct bytes in, size_t at)
{
	while (at < in.len && header_is_space(in.data[at]))
		at++;
	return at;
}

/* "group: a@b, c@d;": the group's name goes when nothing that belongs to an address stands before
 * the last colon, and all of an empty group. */
static struct bytes without_group(struct bytes value)
{
	size_t colon = 0;

	if (bytes_find(value, ':') == value.len)
		return value;
	for (size_t i = 0; i < value.len && !ends_group(value.data[i]); i++)
		if (value.data[i] == ':')
			colon = i;
	if (colon == 0)
		return value;
	value = bytes_slice(value, skip_space(value, colon + 1), SIZE_MAX);
	return value.len > 0 && value.data[0] == ';' ? bytes_slice(value, 0, 0) : value;
}

/* Pairs of backslashes vanish, in and out of quotes. */
static struct bytes without_pairs(struct address_walk *walk, struct bytes value)
{
	size_t start = walk->storage.len, from = 0;

	for (size_t i = bytes_find(value, '\\'); i + 1 < value.len; i++) {
		if (value.data[i] != '\\' || value.data[i + 1] != '\\')
			continue;
		sink_put(&walk->storage, bytes_slice(value, from, i - from));
		from = ++i + 1;
	}
	if (from == 0)
		return value;
	sink_put(&walk->storage, bytes_slice(value, from, SIZE_MAX));
	return bytes_of(walk->storage.data + start, walk->storage.len - start);
}

void address_walk_open(struct address_walk *walk, struct bytes value, struct sink storage)
{
	*walk = (struct address_walk){.storage = storage};
	for (size_t i = 0; i < value.len; i++)
		walk->commas += value.data[i] == ',';
	size_t blanks = 0;

	while (blanks < value.len && header_is_space(value.data[value.len - 1 - blanks]))
		blanks++;
	value = without_pairs(walk, value);
	walk->whole = value;
	value.len -= blanks < value.len ? blanks : value.len;
	walk->rest = without_group(value);
	if (skip_space(walk->rest, 0) == walk->rest.len)
		walk->rest.len = 0;
	walk->decided = skip_space(value, 0) == value.len;
}

/* The offset behind what `close` ends, from `at` behind the opening octet; `open` does not stand
 * inside, and an escaped octet ends nothing. False when it is not closed. */
static bool closed_end(struct bytes in, size_t at, uint8_t open, uint8_t close, size_t *out_end)
{
	for (; at < in.len; at++) {
		if (in.data[at] == close) {
			*out_end = at + 1;
			return true;
		}
		if (in.data[at] == open)
			return false;
		if (in.data[at] == '\\')
			at++;
	}
	return false;
}

static bool quoted_end(struct bytes in, size_t at, size_t *out_end)
{
	return at < in.len && in.data[at] == '"' && closed_end(in, at + 1, '"', '"', out_end);
}

/* Comments do not nest here. */
static bool comment_end(struct bytes in, size_t at, size_t *out_end)
{
	return at < in.len && in.data[at] == '(' && closed_end(in, at + 1, '(', ')', out_end);
}

enum {
	NOT_LOCAL = 1,
	NOT_HOST = 2,
	NEITHER = NOT_LOCAL | NOT_HOST,
};

/* Octets that the local part or the host of an address does not have. */
static const uint8_t classes[256] = {
    ['<'] = NEITHER,   ['>'] = NEITHER,  ['('] = NEITHER,  [')'] = NEITHER,  ['['] = NEITHER,
    [']'] = NEITHER,   [','] = NEITHER,  [':'] = NEITHER,  [';'] = NEITHER,  ['\t'] = NEITHER,
    ['\n'] = NEITHER,  ['\v'] = NEITHER, ['\f'] = NEITHER, ['\r'] = NEITHER, [' '] = NEITHER,
    ['@'] = NOT_LOCAL, ['"'] = NOT_HOST,
};

static bool is_local_octet(uint8_t c)
{
	return (classes[c] & NOT_LOCAL) == 0;
}

static bool is_host_octet(uint8_t c)
{
	return (classes[c] & NOT_HOST) == 0;
}

/* The length of '@' and a host at `at`, or of '@' and an address in brackets; 0: there is none. */
static size_t host_len(struct bytes in, size_t at)
{
	size_t start = at++;

	if (start >= in.len || in.data[start] != '@')
		return 0;
	while (at < in.len && is_host_octet(in.data[at]))
		at++;
	if (at > start + 1)
		return at - start;
	if (at == in.len || in.data[at] != '[')
		return 0;
	for (at++; at < in.len && (in.data[at] == '.' || in.data[at] == ':' ||
	                           (in.data[at] >= '0' && in.data[at] <= '9'));)
		at++;
	return at > start + 2 && at < in.len && in.data[at] == ']' ? at + 1 - start : 0;
}

/* The length of an address at the start of `in`: local part, '@', host; 0 when there is none. */
static size_t address_len(struct bytes in)
{
	size_t at = 0, host = quoted_end(in, 0, &at) ? host_len(in, at) : 0;

	if (host > 0)
		return at + host;
	for (at = 0; at < in.len && is_local_octet(in.data[at]);)
		at++;
	host = at > 0 ? host_len(in, at) : 0;
	return host > 0 ? at + host : 0;
}

/* A comment, and the separator or the end. */
static bool tail_read(struct bytes in, size_t at, struct item *item)
{
	size_t open = skip_space(in, at), end = at;
	bool has_comment = comment_end(in, open, &end);

	if (!has_comment)
		end = at;
	item->comment = has_comment ? bytes_slice(in, open + 1, end - open - 2) : bytes_of(NULL, 0);
	end = skip_space(in, end);
	item->end = end < in.len ? end + 1 : end;
	return end == in.len || in.data[end] == ',' || in.data[end] == ';';
}

/* Where the text inside brackets that starts at `at` may end at most: behind the octets up to the
 * first '>' or '@', and those up to white space that follow. */
static size_t inside_end(struct bytes in, size_t at)
{
	while (at < in.len && in.data[at] != '>' && in.data[at] != '@')
		at++;
	while (at < in.len && !header_is_space(in.data[at]))
		at++;
	return at;
}

/* Whether '>' stands at `at`, white space in front of it. */
static bool closes(struct bytes in, size_t at, size_t *out_end)
{
	at = skip_space(in, at);
	*out_end = at + 1;
	return at < in.len && in.data[at] == '>';
}

/* One more pair of brackets around what starts at `start`: octets from `least` on up to white
 * space, at least one, or nothing. The widest reading counts. */
static bool brackets_close(struct bytes in, size_t start, size_t least, uint32_t *steps,
                           size_t *out_end)
{
	size_t last = least;

	while (last < in.len && !header_is_space(in.data[last]))
		last++;
	/* Looking for white space is cheap, but not for nothing. */
	*steps += (uint32_t)((last - least) / STEP_BYTES);
	for (; last > least; last--)
		if (++*steps > STEPS_MAX || closes(in, last, out_end))
			return *steps <= STEPS_MAX;
	return least == start && closes(in, start, out_end);
}

/* What may follow brackets: more of them, which programs repeat and which say nothing, and the
 * tail. */
static bool behind_brackets(struct bytes in, size_t at, struct item *item, uint32_t *steps)
{
	while (!tail_read(in, at, item)) {
		size_t open = skip_space(in, at), end, quoted;

		if (open == in.len || in.data[open] != '<')
			return false;
		size_t start = skip_space(in, open + 1);
		if (!(quoted_end(in, start, &quoted) &&
		      brackets_close(in, start, quoted, steps, &end)) &&
		    !brackets_close(in, start, start, steps, &end))
			return false;
		at = end;
	}
	return true;
}

/* "<...>" at `at`, and what follows it. */
static bool brackets_read(struct bytes in, size_t at, struct item *item)
{
	size_t start, end;
	uint32_t steps = 0;

	if (at == in.len || in.data[at] != '<')
		return false;
	start = skip_space(in, at + 1);
	for (size_t last = inside_end(in, start); last > start; last--) {
		if (++steps > STEPS_MAX)
			return false;
		if (header_is_space(in.data[last - 1]) || !closes(in, last, &end) ||
		    !behind_brackets(in, end, item, &steps))
			continue;
		item->inside = bytes_slice(in, start, last - start);
		return true;
	}
	item->inside = bytes_of(in.data + start, 0);
	return closes(in, start, &end) && behind_brackets(in, end, item, &steps);
}

/* A phrase from `at`: quoted pieces, and anything up to a quote, a separator or '<'. The newest
 * TOKENS_MAX ends of its pieces stand in `ends`; returns how many pieces there are. */
static size_t phrase_read(struct bytes in, size_t at, size_t ends[TOKENS_MAX])
{
	size_t count = 0, end;

	for (;; count++) {
		end = at;
		if (at < in.len && in.data[at] == '"') {
			if (!quoted_end(in, at, &end))
				return count;
		} else {
			end = octets_find_any(in, end, (const uint8_t *)"\",;<");
			if (end == at)
				return count;
		}
		at = end;
		ends[count % TOKENS_MAX] = end;
	}
}

/* One item at the start of `in`. */
static bool item_read(struct bytes in, struct item *out_item)
{
	size_t start = skip_space(in, 0), ends[TOKENS_MAX];
	size_t count = phrase_read(in, start, ends);
	struct item *item = out_item;

	*item = (struct item){.end = 0};
	size_t end = count > 0 ? ends[(count - 1) % TOKENS_MAX] : start;
	if (brackets_read(in, end, item)) {
		if (count > 0)
			item->phrase = bytes_slice(in, start, end - start);
		return true;
	}
	item->inside = bytes_of(NULL, 0);
	size_t len = address_len(bytes_slice(in, start, SIZE_MAX));
	if (len > 0 && tail_read(in, start + len, item)) {
		item->bare = bytes_slice(in, start, len);
		return true;
	}
	for (size_t i = count; i > 0 && count - i < TOKENS_MAX; i--) {
		end = ends[(i - 1) % TOKENS_MAX];
		if (!tail_read(in, end, item))
			continue;
		item->phrase = bytes_slice(in, start, end - start);
		return true;
	}
	/* A blank between two separators is a phrase; nothing between them is not. */
	item->phrase = bytes_slice(in, start - (start > 0), start > 0);
	return count == 0 && start > 0 && tail_read(in, start, item);
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
	size_t first = bytes_find(address, '"');
	struct bytes rest = bytes_slice(address, first + 1, SIZE_MAX);

	if (first == address.len)
		return false;
	return bytes_find(rest, '"') == rest.len ||
	       (address.len >= 3 && memcmp(address.data, "\"\"@", 3) == 0);
}

/* `in` as a whole an address. */
static bool is_address(struct bytes in)
{
	size_t len = address_len(in);

	return len > 0 && len == in.len && !has_odd_quote(in);
}

static struct bytes stored_from(const struct address_walk *walk, size_t start)
{
	return bytes_of(walk->storage.data + start, walk->storage.len - start);
}

/* Without comments; what remains of an open one stays. */
static void put_without_comments(struct address_walk *walk, struct bytes in)
{
	size_t from = 0, end;

	for (size_t at = 0; (at += bytes_find(bytes_slice(in, at, SIZE_MAX), '(')) < in.len;) {
		if (!comment_end(in, at, &end)) {
			at++;
			continue;
		}
		sink_put(&walk->storage, bytes_slice(in, from, at - from));
		at = from = end;
	}
	sink_put(&walk->storage, bytes_slice(in, from, SIZE_MAX));
}

static struct bytes inside_text(struct address_walk *walk, struct bytes inside)
{
	size_t start = walk->storage.len;

	if (bytes_find(inside, '(') == inside.len)
		return inside;
	put_without_comments(walk, inside);
	return stored_from(walk, start);
}

/* `phrase` without quotes, escapes and comments; data NULL when nothing is left. */
static struct bytes phrase_text(struct address_walk *walk, struct bytes phrase)
{
	size_t start = walk->storage.len, end;

	for (size_t at = 0; at < phrase.len; at = end) {
		if (quoted_end(phrase, at, &end)) {
			for (size_t i = at + 1; i + 1 < end; i++)
				if (phrase.data[i] != '\\')
					sink_octet(&walk->storage, phrase.data[i]);
			continue;
		}
		end = at + (phrase.data[at] == '"');
		while (end < phrase.len && phrase.data[end] != '"')
			end++;
		put_without_comments(walk, bytes_slice(phrase, at, end - at));
	}
	struct bytes text = stored_from(walk, start);
	return text.len == 0 ? bytes_of(NULL, 0) : text;
}

static bool is_label_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
	       c == '-';
}

/* Two labels or more; '_' in neither of the last two. */
static bool is_domain(struct bytes host)
{
	size_t labels = 0, len = 0;

	while (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	if (host.len > DOMAIN_BYTES_MAX)
		return false;
	for (size_t i = host.len + 1; i > 0; i--) {
		uint8_t c = i > 1 ? host.data[i - 2] : '.';

		if (c == '.') {
			if (len == 0 || len > LABEL_BYTES_MAX || host.data[i - 1] == '-')
				return false;
			labels++;
			len = 0;
		} else if (!is_label_octet(c) || (c == '-' && len == 0) ||
		           (c == '_' && labels < 2)) {
			return false;
		} else {
			len++;
		}
	}
	return labels > 1;
}

static bool looks_like_mail(struct bytes phrase)
{
	size_t at = bytes_find(phrase, '@');
	struct bytes host = bytes_slice(phrase, at + 1, SIZE_MAX);

	return is_address(phrase) && is_domain(bytes_slice(host, 0, bytes_find(host, '@')));
}

static void item_take(struct address_walk *walk, const struct item *item, struct mailbox *mailbox)
{
	struct bytes none = bytes_of(NULL, 0);
	struct bytes address = item->bare;

	if (item->inside.data != NULL)
		address = inside_text(walk, item->inside);
	mailbox->address = is_address(address) ? address : none;
	if (walk->addresses_only && mailbox->address.len > 0) {
		mailbox->address = until_second_at(mailbox->address);
		return;
	}
	mailbox->name = item->phrase.data != NULL ? phrase_text(walk, item->phrase) : none;
	if (mailbox->address.len == 0 && mailbox->name.data != NULL &&
	    looks_like_mail(mailbox->name)) {
		mailbox->address = mailbox->name;
		mailbox->name = none;
	} else if (mailbox->address.len > 0 && bytes_equal(mailbox->name, mailbox->address)) {
		mailbox->name = none;
	}
	if (mailbox->name.data == NULL && item->comment.data != NULL)
		mailbox->name = item->comment;
	mailbox->address = until_second_at(mailbox->address);
}

/* "<x@y>" anywhere in what could not be read. */
static bool next_in_brackets(struct address_walk *walk, struct mailbox *mailbox)
{
	struct bytes in = walk->rest;

	for (size_t at = 0; (at += bytes_find(bytes_slice(in, at, SIZE_MAX), '<')) < in.len; at++) {
		struct bytes inside = bytes_slice(in, at + 1, SIZE_MAX);
		size_t len = address_len(inside);

		if (len == 0 || len == inside.len || inside.data[len] != '>')
			continue;
		at += len + 1;
		inside = bytes_slice(inside, 0, len);
		if (has_odd_quote(inside))
			continue;
		mailbox->address = until_second_at(inside);
		walk->rest = bytes_slice(in, at + 1, SIZE_MAX);
		return true;
	}
	walk->rest = bytes_of(NULL, 0);
	return false;
}

static bool next_item(struct address_walk *walk, struct mailbox *mailbox)
{
	struct item item;

	*mailbox = (struct mailbox){bytes_of(NULL, 0), bytes_of(NULL, 0)};
	if (!walk->items_end && walk->rest.len > 0 && item_read(walk->rest, &item)) {
		item_take(walk, &item, mailbox);
		walk->rest = bytes_slice(walk->rest, item.end, SIZE_MAX);
		return true;
	}
	walk->items_end = true;
	return next_in_brackets(walk, mailbox);
}

/* An item without phrase and address has the whole value for a name. */
static bool next_by_grammar(struct address_walk *walk, struct mailbox *mailbox)
{
	struct grammar_item item;

	if (!grammar_walk_next(&walk->grammar, &walk->storage, &item))
		return false;
	*mailbox = (struct mailbox){item.address, item.phrase};
	if (item.address.len == 0 && !item.has_user && item.comment.data == NULL &&
	    item.phrase.data != NULL && looks_like_mail(item.phrase))
		*mailbox = (struct mailbox){item.phrase, bytes_of(NULL, 0)};
	else if (item.phrase.data == NULL)
		mailbox->name = item.comment;
	if (mailbox->name.data == NULL && mailbox->address.len == 0 &&
	    walk->whole_names++ < WHOLE_NAMES_MAX)
		mailbox->name = walk->whole;
	return true;
}

/* How many items either reading gives, up to `most`. `walk` is a copy: nothing is kept. */
static size_t items_count(struct address_walk walk, size_t most)
{
	struct mailbox mailbox;
	size_t count = 0, start = walk.storage.len;

	while (count < most &&
	       (walk.by_grammar ? next_by_grammar(&walk, &mailbox) : next_item(&walk, &mailbox))) {
		walk.storage.len = start;
		count++;
	}
	return count;
}

/* `items`: how many the loose reading gives. */
static void try_grammar(struct address_walk *walk, size_t items)
{
	walk->by_grammar = true;
	grammar_walk_open(&walk->grammar, walk->whole);
	walk->by_grammar = items_count(*walk, items + 1) > items;
}

bool address_walk_next(struct address_walk *walk, struct mailbox *out_mailbox)
{
	bool is_first = !walk->decided;

	walk->decided = true;
	if (is_first && walk->commas > 0) {
		size_t items = items_count(*walk, walk->commas + 1);

		if (items <= walk->commas)
			try_grammar(walk, items);
	}
	if (walk->by_grammar)
		return next_by_grammar(walk, out_mailbox);
	if (next_item(walk, out_mailbox))
		return true;
	if (!is_first || walk->commas > 0)
		return false;
	try_grammar(walk, 0);
	return walk->by_grammar && next_by_grammar(walk, out_mailbox);
}
