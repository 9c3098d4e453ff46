/* html.h - an HTML tokenizer: text in, tags, texts and comments out, one at a time.
 *
 * Reads what mail really holds, in the way of the event parsers that mail filters use: what is no
 * tag is text, nothing is an error. Input is UTF-8 (or ASCII) in memory; tokens are slices of it;
 * no allocation, no tree.
 */
#ifndef SMTP_HTML_H
#define SMTP_HTML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/sink.h"

#define HTML_ATTRIBUTES_MAX 64
#define HTML_NAME_BYTES_MAX 32

enum html_kind {
	HTML_END_OF_TEXT,
	HTML_TEXT,
	HTML_START,
	HTML_END,
	HTML_COMMENT,
	HTML_DECLARATION,
	HTML_INSTRUCTION /* <?...> */
};

struct html_attribute {
	struct bytes name, value; /* as written; quotes off; value.data NULL when there is none */
};

struct html_token {
	enum html_kind kind;
	struct bytes text;              /* the text, or the whole markup */
	bool is_literal;                /* text in which entities are not decoded */
	char name[HTML_NAME_BYTES_MAX]; /* tags: lower case, cut, NUL to its end */
	uint64_t name_key;              /* tags: html_name_key(name) */
	unsigned attribute_count;       /* those beyond HTML_ATTRIBUTES_MAX are left out */
	struct html_attribute attribute[HTML_ATTRIBUTES_MAX];
};

struct html_tokenizer {
	struct bytes in;
	size_t at;
	const char *literal; /* the element whose end is awaited, or NULL */
	bool literal_cdata;
	bool in_cdata;      /* behind "<![CDATA[" */
	bool title_open;    /* a title without an end: it ends at the next markup */
	bool title_missing; /* no title ends from here on */
	bool comment_short; /* an unclosed comment was found: comments now end at '>' */
	size_t undeclared;  /* octets looked at for declarations that were none */
};

/* The first eight octets of a name that has as many, NUL behind its end, as a number: numbers stand
 * in the order of the names. */
static inline uint64_t html_name_key(const char *name)
{
	uint64_t key;

	memcpy(&key, name, sizeof(key));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	key = __builtin_bswap64(key);
#endif
	return key;
}

void html_open(struct html_tokenizer *tokenizer, struct bytes in);
void html_next(struct html_tokenizer *tokenizer, struct html_token *out_token);

/* The value of the attribute `name` (lower case), or NULL data; of several the first. */
static inline const struct html_attribute *html_attribute(const struct html_token *token,
                                                          const char *name)
{
	struct bytes wanted = bytes_text(name);

	for (unsigned i = 0; i < token->attribute_count; i++)
		if (bytes_equal_nocase(token->attribute[i].name, wanted))
			return &token->attribute[i];
	return NULL;
}

/* Appends `in` with its character references decoded. `prefixes`: a name may be followed by letters
 * ("&ampx"). Returns the highest code point a reference gave. */
uint32_t html_decode(struct bytes in, bool prefixes, struct sink *out);

/* What is rewritten before tokenizing, in place: "&nbsp;" to a space, "<br/>" to "<br>", curly
 * double quotes to straight ones. Returns the new length. */
size_t html_prepare(uint8_t *data, size_t len);

#endif
