/* html_elements.h - the elements of HTML that rendering knows something of. */
#ifndef SMTP_HTML_ELEMENTS_H
#define SMTP_HTML_ELEMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/facts.h"
#include "smtp/html.h"

/* Elements by number. */
enum html_element {
#define ELEMENT(name, valid, space, style, uri, type) HTML_ELEMENT_##name,
#include "smtp/html_elements.def"
	HTML_ELEMENT_COUNT
};

enum html_space { HTML_SPACE_NONE, HTML_SPACE_WORD, HTML_SPACE_LINE, HTML_SPACE_PARAGRAPH };

/* The attribute that may hold a URI. */
enum html_uri {
	HTML_URI_NONE,
	HTML_URI_BACKGROUND,
	HTML_URI_HREF,
	HTML_URI_SRC,
	HTML_URI_ACTION,
	HTML_URI_BASE,
	HTML_URI_META
};

enum html_style_kind {
	HTML_STYLE_DEFAULT, /* no style of its own */
	HTML_STYLE_A,
	HTML_STYLE_BASEFONT,
	HTML_STYLE_BIG,
	HTML_STYLE_BODY,
	HTML_STYLE_DIV,
	HTML_STYLE_FONT,
	HTML_STYLE_P,
	HTML_STYLE_SMALL,
	HTML_STYLE_SPAN,
	HTML_STYLE_TABLE,
	HTML_STYLE_TD, /* and th */
	HTML_STYLE_TR,
	HTML_STYLE_KIND_COUNT
};

struct html_traits {
	bool valid;
	enum html_space space;      /* what a tag of it leaves in the text */
	enum html_style_kind style; /* whose style it has */
	enum html_uri uri;
	enum fact_uri_type type; /* what its URI is called */
};

/* HTML_ELEMENT_COUNT for names that are none of them. */
enum html_element html_element_find(const struct html_token *token);
/* Of an element that was found. */
const struct html_traits *html_element_traits(enum html_element element);

#endif
