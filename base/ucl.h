/* ucl.h - reads the configuration language: a strict part of UCL, which holds all of JSON.
 *
 *     # a comment; C comments are too, and they nest
 *     section { key = value; other: "text with blanks"; list = [a, "b"] }
 *     section name { key value }        # the same as section { name { key = value } }
 *
 * Members end with a newline, `;` or `,`. Text with blanks or punctuation is quoted. What UCL has
 * beyond that (macros, includes, variables, here-documents) is refused by name. Items are pulled
 * one by one; all slices point into the text, and each item knows its line. Nesting is bounded;
 * nothing is allocated.
 */
#ifndef BASE_UCL_H
#define BASE_UCL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

#define UCL_DEPTH_MAX 8

enum ucl_kind {
	UCL_END,    /* of the text */
	UCL_OBJECT, /* its members follow, then UCL_CLOSE */
	UCL_ARRAY,  /* its elements follow, then UCL_CLOSE */
	UCL_VALUE,
	UCL_CLOSE,
	UCL_ERROR, /* `text` says what is wrong; every further call says so again */
};

struct ucl_item {
	enum ucl_kind kind;
	struct bytes key;  /* empty for elements of arrays */
	struct bytes text; /* of a value, between its quotes, escapes not yet resolved */
	bool quoted;
	uint32_t line; /* from 1; of the value, or of the key for containers */
};

enum ucl_braces { /* around the whole document */
	          UCL_BRACES_MAYBE,
	          UCL_BRACES_NONE,
	          UCL_BRACES_OPEN,
	          UCL_BRACES_CLOSED,
};

struct ucl {
	struct bytes text;
	size_t at;
	uint32_t line;
	uint32_t depth;
	uint8_t open[UCL_DEPTH_MAX]; /* what closes each open container */
	uint32_t open_line[UCL_DEPTH_MAX];
	enum ucl_braces braces;
	const char *error;
};

void ucl_init(struct ucl *ucl, struct bytes text);
struct ucl_item ucl_next(struct ucl *ucl);
/* Appends the text of a value with its escapes resolved. False on an escape that JSON does not
 * have, on one that stands for NUL, and when `out` is full. */
bool ucl_item_text(const struct ucl_item *item, struct buf *out);

#endif
