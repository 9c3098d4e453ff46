/* ucl.c - a pull parser without recursion: the stack is the closing octet of each open container.
 *
 * `section name {` opens two objects for one brace; the outer one has CLOSE_IMPLIED as its closing
 * octet and is closed as soon as the inner one has been. At depth 0 lies the document, an object
 * with or without braces.
 */
#include "base/ucl.h"

#define CLOSE_IMPLIED     'i' /* its one member follows */
#define CLOSE_IMPLIED_NOW 'I' /* its member has been read */

void ucl_init(struct ucl *ucl, struct bytes text)
{
	*ucl = (struct ucl){.text = text, .line = 1};
}

/* The octet `ahead` of the place; 0 beyond the end, which no text may contain. */
static uint8_t peek(const struct ucl *ucl, size_t ahead)
{
	return ahead < ucl->text.len - ucl->at ? ucl->text.data[ucl->at + ahead] : 0;
}

static bool at_end(const struct ucl *ucl)
{
	return ucl->at == ucl->text.len;
}

static void step(struct ucl *ucl, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ucl->line += ucl->text.data[ucl->at++] == '\n';
}

static struct ucl_item fail(struct ucl *ucl, const char *error)
{
	ucl->error = error;
	return (struct ucl_item){.kind = UCL_ERROR, .text = bytes_text(error), .line = ucl->line};
}

static void skip_line_comment(struct ucl *ucl)
{
	while (!at_end(ucl) && peek(ucl, 0) != '\n')
		step(ucl, 1);
}

static bool skip_comment(struct ucl *ucl)
{
	size_t depth = 0;

	do {
		if (at_end(ucl))
			return false;
		bool open = peek(ucl, 0) == '/' && peek(ucl, 1) == '*';
		bool close = peek(ucl, 0) == '*' && peek(ucl, 1) == '/';
		depth = depth + open - close;
		step(ucl, open || close ? 2 : 1);
	} while (depth > 0);
	return true;
}

/* Blanks and comments; line ends too when `lines`. False when a comment does not end. */
static bool skip_space(struct ucl *ucl, bool lines)
{
	for (;;) {
		uint8_t octet = peek(ucl, 0);
		if (octet == ' ' || octet == '\t' || octet == '\r' || (octet == '\n' && lines))
			step(ucl, 1);
		else if (octet == '#')
			skip_line_comment(ucl);
		else if (octet != '/' || peek(ucl, 1) != '*')
			return true;
		else if (!skip_comment(ucl))
			return false;
	}
}

static bool is_word(uint8_t octet)
{
	static const char ends[] = "{}[];,=\"'#";

	return octet > ' ' && octet != 0x7f && memchr(ends, octet, sizeof(ends) - 1) == NULL;
}

/* A quoted or bare word at the place; false when there is none or its quote is not closed on its
 * line. */
static bool take_word(struct ucl *ucl, bool is_key, struct bytes *out_text, bool *out_quoted)
{
	uint8_t quote = peek(ucl, 0);
	bool quoted = quote == '"' || quote == '\'';
	size_t start = quoted, end = start;

	if (quoted) {
		for (uint8_t octet = peek(ucl, end); octet != quote; octet = peek(ucl, end)) {
			if (octet < ' ' && octet != '\t')
				return false;
			end += octet == '\\' && peek(ucl, end + 1) >= ' ' ? 2 : 1;
		}
	} else {
		while (is_word(peek(ucl, end)) && !(is_key && peek(ucl, end) == ':'))
			end++;
		if (end == 0)
			return false;
	}
	*out_text = bytes_slice(ucl->text, ucl->at + start, end - start);
	*out_quoted = quoted;
	step(ucl, end + quoted);
	return true;
}

static struct ucl_item close_container(struct ucl *ucl)
{
	ucl->depth--;
	return (struct ucl_item){.kind = UCL_CLOSE, .line = ucl->line};
}

static struct ucl_item open_container(struct ucl *ucl, struct bytes key, uint32_t line,
                                      uint8_t closing)
{
	if (ucl->depth == UCL_DEPTH_MAX)
		return fail(ucl, "nested too deeply");
	ucl->open_line[ucl->depth] = line;
	ucl->open[ucl->depth++] = closing;
	return (struct ucl_item){
	    .kind = closing == ']' ? UCL_ARRAY : UCL_OBJECT, .key = key, .line = line};
}

/* What may stand behind a value: a separator, which is taken, or the container's end. */
static bool take_separator(struct ucl *ucl)
{
	if (!skip_space(ucl, false))
		return false;
	uint8_t octet = peek(ucl, 0);
	if (octet == ';' || octet == ',')
		step(ucl, 1);
	return octet == ';' || octet == ',' || octet == '\n' || octet == '}' || octet == ']' ||
	       at_end(ucl);
}

static struct ucl_item take_value(struct ucl *ucl, struct bytes key, uint32_t line)
{
	struct ucl_item item = {.kind = UCL_VALUE, .key = key, .line = ucl->line};
	uint8_t octet = peek(ucl, 0);

	if (octet == '{' || octet == '[') {
		step(ucl, 1);
		return open_container(ucl, key, line, octet == '{' ? '}' : ']');
	}
	if (octet == '<' && peek(ucl, 1) == '<')
		return fail(ucl, "here-documents are not supported; put the text in quotes");
	if (!take_word(ucl, false, &item.text, &item.quoted))
		return fail(ucl, octet == '"' || octet == '\''
		                     ? "the quote is not closed on its line"
		                     : "a value is missing");
	if (!take_separator(ucl))
		return fail(
		    ucl,
		    "something follows the value; end it with ; or put text with blanks in quotes");
	return item;
}

/* `key word {`: the word names an object. Looks ahead only. */
static bool names_object(const struct ucl *ucl)
{
	struct ucl ahead = *ucl;
	struct bytes text;
	bool quoted;

	return take_word(&ahead, true, &text, &quoted) && skip_space(&ahead, true) &&
	       peek(&ahead, 0) == '{';
}

static struct ucl_item take_member(struct ucl *ucl)
{
	uint32_t line = ucl->line;
	struct bytes key;
	bool quoted;

	if (peek(ucl, 0) == '.')
		return fail(ucl,
		            "macros such as .include are not supported; write the options here");
	if (!take_word(ucl, true, &key, &quoted) || key.len == 0)
		return fail(ucl, "a key is missing or not closed");
	if (!skip_space(ucl, false))
		return fail(ucl, "the comment is not closed");

	uint8_t octet = peek(ucl, 0);
	if (octet == '=' || octet == ':') {
		step(ucl, 1);
		if (!skip_space(ucl, true))
			return fail(ucl, "the comment is not closed");
		return take_value(ucl, key, line);
	}
	if (octet == '\n') { /* only a container may begin on a later line */
		if (!skip_space(ucl, true))
			return fail(ucl, "the comment is not closed");
		octet = peek(ucl, 0);
		if (octet != '{' && octet != '[')
			return fail(ucl, "the key above has no value");
	}
	if (octet != '{' && octet != '[' && names_object(ucl))
		return open_container(ucl, key, line, CLOSE_IMPLIED);
	return take_value(ucl, key, line);
}

/* Space and separators between members. */
static bool skip_between(struct ucl *ucl)
{
	for (;;) {
		if (!skip_space(ucl, true))
			return false;
		if (peek(ucl, 0) != ';' && peek(ucl, 0) != ',')
			return true;
		step(ucl, 1);
	}
}

/* The braces around a whole document are passed over. */
static bool skip_document_brace(struct ucl *ucl)
{
	uint8_t octet = peek(ucl, 0);

	if (ucl->depth > 0)
		return false;
	if (octet == '{' && ucl->braces == UCL_BRACES_MAYBE)
		ucl->braces = UCL_BRACES_OPEN;
	else if (octet == '}' && ucl->braces == UCL_BRACES_OPEN)
		ucl->braces = UCL_BRACES_CLOSED;
	else
		return false;
	step(ucl, 1);
	return true;
}

/* At depth 0: members and the end. */
static struct ucl_item next_in_document(struct ucl *ucl)
{
	uint8_t octet = peek(ucl, 0);

	if (at_end(ucl))
		return ucl->braces == UCL_BRACES_OPEN
		           ? fail(ucl, "the { at the start is not closed")
		           : (struct ucl_item){.line = ucl->line};
	if (octet == '}' || octet == ']')
		return fail(ucl, "this closes nothing; remove it");
	if (ucl->braces == UCL_BRACES_CLOSED)
		return fail(ucl, "something follows the last }");
	if (ucl->braces == UCL_BRACES_MAYBE)
		ucl->braces = UCL_BRACES_NONE;
	return take_member(ucl);
}

static struct ucl_item next_in_container(struct ucl *ucl)
{
	uint8_t *closing = &ucl->open[ucl->depth - 1];
	uint8_t octet = peek(ucl, 0);

	if (at_end(ucl)) {
		ucl->line = ucl->open_line[ucl->depth - 1];
		return fail(ucl, "what is opened here is not closed");
	}
	if (octet == *closing) {
		step(ucl, 1);
		return close_container(ucl);
	}
	if (octet == '}' || octet == ']')
		return fail(ucl, "this closes something else than was opened last");
	return *closing == ']' ? take_value(ucl, bytes_of(NULL, 0), ucl->line) : take_member(ucl);
}

struct ucl_item ucl_next(struct ucl *ucl)
{
	uint8_t *closing = ucl->depth > 0 ? &ucl->open[ucl->depth - 1] : NULL;

	if (ucl->error != NULL)
		return fail(ucl, ucl->error);
	if (closing != NULL && *closing == CLOSE_IMPLIED_NOW)
		return close_container(ucl);
	if (closing != NULL && *closing == CLOSE_IMPLIED) {
		*closing = CLOSE_IMPLIED_NOW;
		return take_member(ucl);
	}
	do
		if (!skip_between(ucl))
			return fail(ucl, "the comment is not closed");
	while (skip_document_brace(ucl));
	return ucl->depth > 0 ? next_in_container(ucl) : next_in_document(ucl);
}

/* Four hexadecimal digits. */
static bool take_hex(struct bytes text, size_t at, uint32_t *out_value)
{
	uint32_t value = 0;

	if (text.len - at < 4)
		return false;
	for (size_t i = at; i < at + 4; i++) {
		uint8_t octet = text.data[i];
		if (octet >= '0' && octet <= '9')
			value = value * 16 + octet - '0';
		else if ((octet | 0x20) >= 'a' && (octet | 0x20) <= 'f')
			value = value * 16 + (octet | 0x20) - 'a' + 10;
		else
			return false;
	}
	*out_value = value;
	return true;
}

/* As UTF-8. Surrogates are refused: who needs them writes the character itself. */
static bool put_code_point(struct buf *out, uint32_t code)
{
	if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
		return false;
	if (code < 0x80)
		return buf_put_octet(out, (uint8_t)code);
	if (code < 0x800)
		return buf_put_octet(out, (uint8_t)(0xc0 | code >> 6)) &&
		       buf_put_octet(out, (uint8_t)(0x80 | (code & 0x3f)));
	return buf_put_octet(out, (uint8_t)(0xe0 | code >> 12)) &&
	       buf_put_octet(out, (uint8_t)(0x80 | (code >> 6 & 0x3f))) &&
	       buf_put_octet(out, (uint8_t)(0x80 | (code & 0x3f)));
}

bool ucl_item_text(const struct ucl_item *item, struct buf *out)
{
	static const char escapes[] = "\"\\/bfnrt'", meanings[] = "\"\\/\b\f\n\r\t'";
	struct bytes text = item->text;

	if (!item->quoted)
		return buf_put(out, text);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\\') {
			(void)buf_put_octet(out, text.data[i]); /* `overflow` keeps the failure */
			continue;
		}
		if (++i == text.len)
			return false;
		uint32_t code;
		const char *escape = memchr(escapes, text.data[i], sizeof(escapes) - 1);
		if (escape != NULL)
			code = (uint8_t)meanings[escape - escapes];
		else if (text.data[i] != 'u' || !take_hex(text, i + 1, &code))
			return false;
		else
			i += 4;
		if (!put_code_point(out, code))
			return false;
	}
	return !out->overflow;
}
