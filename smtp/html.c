/* html.c - an HTML tokenizer. */
#include "smtp/html.h"

#include "smtp/header.h"
#include "smtp/octets.h"

/* Octets of declarations that were none, which are read again: beyond so many no more are tried. */
#define DECLARATION_BYTES_MAX ((size_t)64 * 1024)

/* What octets of a tag mean. */
enum {
	SPACE = 1,
	ENDS_TAG = 2,
	ENDS_NAME = 4, /* of an attribute; a tag's end and white space do, too */
};

static const uint8_t classes[256] = {
    ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE,   ['\f'] = SPACE,
    ['\r'] = SPACE, [' '] = SPACE,  ['>'] = ENDS_TAG, ['='] = ENDS_NAME,
};

static bool is_alpha(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_space(uint8_t c)
{
	return (classes[c] & SPACE) != 0;
}

/* What a name of a tag may start with. */
static bool starts_name(uint8_t c)
{
	return is_alpha(c) || c == '_' || c == ':';
}

static bool is_word(uint8_t c)
{
	return is_alpha(c) || (c >= '0' && c <= '9') || c == '_';
}

void html_open(struct html_tokenizer *tokenizer, struct bytes in)
{
	*tokenizer = (struct html_tokenizer){.in = in};
}

/* The offset of `octet` at or behind `from`, or the length. */
static size_t find(struct bytes in, size_t from, uint8_t octet)
{
	return from + bytes_find(bytes_slice(in, from, SIZE_MAX), octet);
}

static void name_take(struct bytes in, struct html_token *token)
{
	size_t len = in.len < HTML_NAME_BYTES_MAX - 1 ? in.len : HTML_NAME_BYTES_MAX - 1;

	memset(token->name, 0, sizeof(token->name));
	for (size_t i = 0; i < len; i++)
		token->name[i] = (char)bytes_lower(in.data[i]);
	token->name_key = html_name_key(token->name);
}

/* The first octet at or behind `at` that is of one of these classes. */
static size_t find_class(struct bytes in, size_t at, unsigned of)
{
	while (at < in.len && (classes[in.data[at]] & of) == 0)
		at++;
	return at;
}

static size_t skip_space(struct bytes in, size_t at)
{
	while (at < in.len && is_space(in.data[at]))
		at++;
	return at;
}

/* Elements whose content is not markup; in the first five not even references are decoded. */
static void literal_enter(struct html_tokenizer *tokenizer, const char *name)
{
	static const char *const list[] = {"script",    "style", "xmp",     "iframe",
	                                   "plaintext", "title", "textarea"};

	/* Most names have one or two letters: none of these. */
	if (name[0] == '\0' || name[1] == '\0' || name[2] == '\0')
		return;
	for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (name[0] == list[i][0] && name[1] == list[i][1] && strcmp(name, list[i]) == 0) {
			tokenizer->literal = list[i];
			tokenizer->literal_cdata = i < 5;
		}
	}
}

/* The end tag of the literal element at or behind `at`; false when there is none. */
static bool literal_end(const struct html_tokenizer *tokenizer, size_t at, size_t *out_start,
                        size_t *out_end)
{
	struct bytes in = tokenizer->in, name = bytes_text(tokenizer->literal);

	if (strcmp(tokenizer->literal, "plaintext") == 0 ||
	    (tokenizer->title_missing && strcmp(tokenizer->literal, "title") == 0))
		return false;
	for (; (at = find(in, at, '<')) < in.len; at++) {
		if (at + 1 == in.len || in.data[at + 1] != '/')
			continue;
		struct bytes rest = bytes_slice(in, at + 2, SIZE_MAX);
		if (!bytes_starts_nocase(rest, name))
			continue;
		size_t end = skip_space(in, at + 2 + name.len);
		if (end < in.len && in.data[end] == '>') {
			*out_start = at;
			*out_end = end + 1;
			return true;
		}
	}
	return false;
}

static void give(struct html_tokenizer *tokenizer, struct html_token *token, enum html_kind kind,
                 size_t end)
{
	token->kind = kind;
	token->text = bytes_slice(tokenizer->in, tokenizer->at, end - tokenizer->at);
	tokenizer->at = end;
}

/* One attribute at `at`; false when the tag does not end. */
static bool attribute_read(struct bytes in, size_t *at, struct html_token *token)
{
	size_t start = *at, end = find_class(in, start + 1, SPACE | ENDS_TAG | ENDS_NAME);
	struct html_attribute attribute = {bytes_of(NULL, 0), bytes_of(NULL, 0)};

	attribute.name = bytes_slice(in, start, end - start);
	end = skip_space(in, end);
	if (end < in.len && in.data[end] == '=') {
		end = skip_space(in, end + 1);
		if (end == in.len)
			return false;
		if (in.data[end] == '"' || in.data[end] == '\'') {
			size_t close = find(in, end + 1, in.data[end]);

			if (close == in.len)
				return false;
			attribute.value = bytes_slice(in, end + 1, close - end - 1);
			end = close + 1;
		} else {
			start = end;
			end = find_class(in, end, SPACE | ENDS_TAG);
			attribute.value = bytes_slice(in, start, end - start);
		}
		end = skip_space(in, end);
	}
	if (token->attribute_count < HTML_ATTRIBUTES_MAX)
		token->attribute[token->attribute_count++] = attribute;
	*at = end;
	return true;
}

/* A start tag at tokenizer->at; false when it is none or does not end. */
static bool start_read(struct html_tokenizer *tokenizer, struct html_token *token)
{
	struct bytes in = tokenizer->in;
	size_t at = tokenizer->at + 1, end = find_class(in, at, SPACE | ENDS_TAG);

	token->attribute_count = 0;
	name_take(bytes_slice(in, at, end - at), token);
	at = skip_space(in, end);
	while (at < in.len && in.data[at] != '>')
		if (!attribute_read(in, &at, token))
			at = in.len;
	if (at == in.len)
		return false;
	literal_enter(tokenizer, token->name);
	give(tokenizer, token, HTML_START, at + 1);
	return true;
}

/* The offset of the '>' that ends an end tag: none inside quotes that begin behind a space or '='.
 */
static size_t end_tag_close(struct bytes in, size_t at)
{
	uint8_t quote = 0, before = ' ';

	for (; at < in.len && (quote != 0 || in.data[at] != '>'); at++) {
		uint8_t c = in.data[at];

		if (c == quote)
			quote = 0;
		else if ((c == '"' || c == '\'') && quote == 0 && (before == ' ' || before == '='))
			quote = c;
		before = c;
	}
	return at;
}

/* An end tag, or what looks like one and counts as a comment. */
static bool end_read(struct html_tokenizer *tokenizer, struct html_token *token)
{
	struct bytes in = tokenizer->in;
	size_t start = tokenizer->at + 2;
	size_t end = find_class(in, start, SPACE | ENDS_TAG), close = end;

	if (end < in.len && in.data[end] != '>')
		close = end_tag_close(in, start);
	if (close == in.len)
		return false;
	token->attribute_count = 0;
	name_take(bytes_slice(in, start, end - start), token);
	give(tokenizer, token, end > start ? HTML_END : HTML_COMMENT, close + 1);
	return true;
}

/* "<!--" up to "--", white space and ">"; or up to ">" once an unclosed one was seen. */
static bool comment_read(struct html_tokenizer *tokenizer, struct html_token *token)
{
	struct bytes in = tokenizer->in;

	for (size_t at = tokenizer->at + 4; (at = find(in, at, '>')) < in.len; at++) {
		size_t back = at;

		while (back > tokenizer->at + 4 && is_space(in.data[back - 1]))
			back--;
		bool dashes = back >= tokenizer->at + 4 + 2 && in.data[back - 1] == '-' &&
		              in.data[back - 2] == '-';
		if (dashes || tokenizer->comment_short) {
			give(tokenizer, token, HTML_COMMENT, at + 1);
			return true;
		}
	}
	tokenizer->comment_short = true;
	size_t close = find(in, tokenizer->at, '>');
	if (close == in.len)
		return false;
	give(tokenizer, token, HTML_COMMENT, close + 1);
	return true;
}

/* "<![CDATA[" at tokenizer->at. */
static bool cdata_begin(struct html_tokenizer *tokenizer, struct html_token *token)
{
	struct bytes in = tokenizer->in;
	size_t at = skip_space(in, tokenizer->at + 3);

	if (!bytes_starts_nocase(bytes_slice(in, at, SIZE_MAX), BYTES("cdata")))
		return false;
	at = skip_space(in, at + 5);
	if (at == in.len || in.data[at] != '[')
		return false;
	give(tokenizer, token, HTML_DECLARATION, at + 1);
	tokenizer->in_cdata = true;
	return true;
}

/* Its text, up to the end when "]]>" is missing; then that. */
static void cdata_read(struct html_tokenizer *tokenizer, struct html_token *token)
{
	struct bytes in = tokenizer->in;
	size_t end = tokenizer->at;

	while ((end = find(in, end, ']')) < in.len &&
	       !bytes_starts_nocase(bytes_slice(in, end, SIZE_MAX), BYTES("]]>")))
		end++;
	token->is_literal = true;
	tokenizer->in_cdata = end > tokenizer->at && end < in.len;
	if (end > tokenizer->at)
		give(tokenizer, token, HTML_TEXT, end);
	else
		give(tokenizer, token, HTML_DECLARATION, end < in.len ? end + 3 : end);
}

/* Other names make a comment. */
static bool is_declaration(struct bytes in)
{
	static const char *const names[] = {"doctype", "entity"};

	for (unsigned i = 0; i < 2; i++) {
		struct bytes name = bytes_text(names[i]);
		uint8_t next = in.len > name.len ? in.data[name.len] : ' ';

		if (bytes_starts_nocase(in, name) && !is_word(next) && next != '-' && next != '.' &&
		    next != ':')
			return true;
	}
	return false;
}

/* The offset of the '>' of a declaration, which consists of words, quoted texts and comments
 * ("-- x --"); the length when one of them does not end, 0 when something else stands there:
 * then *out_seen tells up to where it was looked at. */
static size_t declaration_end(struct bytes in, size_t *out_seen)
{
	size_t at = 2;

	while ((at = skip_space(in, at)) < in.len && in.data[at] != '>') {
		uint8_t c = in.data[at];

		if (c == '"' || c == '\'') {
			at = find(in, at + 1, c) + 1;
		} else if (c == '-') {
			*out_seen = at;
			if (at + 1 == in.len || in.data[at + 1] != '-')
				return 0;
			at = find(in, at + 2, '-');
			while (at + 1 < in.len && in.data[at + 1] != '-')
				at = find(in, at + 1, '-');
			at += 2;
		} else {
			while (at < in.len && in.data[at] != '>' && !is_space(in.data[at]))
				at++;
		}
	}
	return at < in.len ? at : in.len;
}

/* Markup at tokenizer->at, a '<'; false when it is text. */
static bool markup_read(struct html_tokenizer *tokenizer, struct html_token *token)
{
	struct bytes rest = bytes_slice(tokenizer->in, tokenizer->at, SIZE_MAX);

	if (rest.len < 3)
		return false;
	if (starts_name(rest.data[1]))
		return start_read(tokenizer, token);
	if (rest.data[1] == '/')
		return end_read(tokenizer, token);
	if (rest.data[1] != '!' && rest.data[1] != '?')
		return false;
	if (rest.data[1] == '!' && rest.len >= 4 && rest.data[2] == '-' && rest.data[3] == '-')
		return comment_read(tokenizer, token);
	if (rest.data[1] == '!' && rest.data[2] == '[' && cdata_begin(tokenizer, token))
		return true;
	size_t close = bytes_find(rest, '>');
	enum html_kind kind = rest.data[1] == '?' ? HTML_INSTRUCTION : HTML_COMMENT;
	if (rest.data[1] == '!' && tokenizer->undeclared < DECLARATION_BYTES_MAX &&
	    is_declaration(bytes_slice(rest, 2, SIZE_MAX))) {
		size_t seen = 0, end = declaration_end(rest, &seen);

		tokenizer->undeclared += end > 0 ? 0 : seen;
		kind = end > 0 ? HTML_DECLARATION : kind;
		close = end > 0 ? end : close;
	}
	if (close == rest.len)
		return false;
	give(tokenizer, token, kind, tokenizer->at + close + 1);
	return true;
}

/* Inside a literal element: its text, then its end tag. False when its end is missing: then what
 * follows is read as markup again (script, style), or all of it is text. */
static bool literal_read(struct html_tokenizer *tokenizer, struct html_token *token)
{
	size_t start, end;

	if (!literal_end(tokenizer, tokenizer->at, &start, &end)) {
		bool is_code = strcmp(tokenizer->literal, "script") == 0 ||
		               strcmp(tokenizer->literal, "style") == 0;

		if (strcmp(tokenizer->literal, "title") == 0) {
			/* What follows is markup after all; the title ends in front of it. */
			tokenizer->title_open = tokenizer->at < tokenizer->in.len;
			tokenizer->title_missing = true;
			tokenizer->literal = NULL;
			return false;
		}
		if (!is_code) {
			give(tokenizer, token, HTML_TEXT, tokenizer->in.len);
			token->is_literal = tokenizer->literal_cdata;
			tokenizer->literal = NULL;
			return token->text.len > 0;
		}
		/* Everything up to the end belongs to it: it is closed there. */
		if (tokenizer->at < tokenizer->in.len) {
			give(tokenizer, token, HTML_TEXT, tokenizer->in.len);
			token->is_literal = true;
			return true;
		}
		name_take(bytes_text(tokenizer->literal), token);
		token->attribute_count = 0;
		tokenizer->literal = NULL;
		give(tokenizer, token, HTML_END, tokenizer->at);
		return true;
	}
	if (start > tokenizer->at) {
		give(tokenizer, token, HTML_TEXT, start);
		token->is_literal = tokenizer->literal_cdata;
		return true;
	}
	name_take(bytes_text(tokenizer->literal), token);
	token->attribute_count = 0;
	tokenizer->literal = NULL;
	give(tokenizer, token, HTML_END, end);
	return true;
}

void html_next(struct html_tokenizer *tokenizer, struct html_token *out_token)
{
	struct bytes in = tokenizer->in;

	out_token->is_literal = false;
	if (tokenizer->in_cdata) {
		cdata_read(tokenizer, out_token);
		return;
	}
	if (tokenizer->literal != NULL && literal_read(tokenizer, out_token))
		return;
	if (tokenizer->title_open && (tokenizer->at == in.len || in.data[tokenizer->at] == '<')) {
		tokenizer->title_open = false;
		name_take(BYTES("title"), out_token);
		out_token->attribute_count = 0;
		give(tokenizer, out_token, HTML_END, tokenizer->at);
		return;
	}
	if (tokenizer->at == in.len) {
		give(tokenizer, out_token, HTML_END_OF_TEXT, in.len);
		return;
	}
	if (in.data[tokenizer->at] != '<') {
		give(tokenizer, out_token, HTML_TEXT, find(in, tokenizer->at, '<'));
		return;
	}
	if (markup_read(tokenizer, out_token))
		return;
	/* Markup that never ends takes all the rest with it, as a comment: so it is not looked for
	 * again. */
	uint8_t next = tokenizer->at + 1 < in.len ? in.data[tokenizer->at + 1] : '!';
	if (starts_name(next) || next == '!' || next == '?' || next == '/') {
		give(tokenizer, out_token, HTML_COMMENT, in.len);
		return;
	}
	give(tokenizer, out_token, HTML_TEXT, find(in, tokenizer->at + 1, '<'));
}

/* Where the "<name" in front of "/>" ends, white space in between left out, when both are behind
 * `from` octets of `out`; else 0. */
static size_t empty_element(const uint8_t *out, size_t from, size_t len)
{
	while (len > from && is_space(out[len - 1]))
		len--;
	size_t start = len;
	while (start > from && is_word(out[start - 1]))
		start--;
	return start > from && start < len && out[start - 1] == '<' ? len : 0;
}

size_t html_prepare(uint8_t *data, size_t len)
{
	static const uint8_t close[2] = {'/', '>'}, marks[2] = {'&', 0xE2};
	size_t write = 0, settled = 0, kept; /* what was rewritten ends at `settled` */

	for (size_t at = 0; at < len;) {
		size_t mark = octets_find_pair(bytes_of(data, len), at, close, marks);

		if (write < at)
			memmove(data + write, data + at, mark - at);
		write += mark - at;
		at = mark;
		if (at == len)
			break;
		uint8_t c = data[at];

		if (c == '/' && (kept = empty_element(data, settled, write)) > 0) {
			write = kept;
			at++;
		} else if (c == '&' && len - at >= 6 && memcmp(data + at, "&nbsp;", 6) == 0) {
			data[write++] = ' ';
			at += 6;
			settled = write;
		} else if (c == 0xE2 && len - at >= 3 && data[at + 1] == 0x80 &&
		           (data[at + 2] == 0x9C || data[at + 2] == 0x9D)) {
			data[write++] = '"';
			at += 3;
			settled = write;
		} else {
			data[write++] = data[at++];
		}
	}
	return write;
}
