/* html_render.h - one HTML part to the text people read, its URIs, and facts for rules that look at
 * the markup. */
#ifndef SMTP_HTML_RENDER_H
#define SMTP_HTML_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/html.h"
#include "smtp/uri.h"

/* Elements by number; a bit of html_facts.seen and an entry of html_facts.open_count each. */
enum html_element {
#define ELEMENT(name, valid, space, style, uri) HTML_ELEMENT_##name,
#include "smtp/html_elements.def"
	HTML_ELEMENT_COUNT
};

/* What the markup of one part was like. Ratios are left to who reads them. */
struct html_facts {
	uint64_t source_bytes;  /* of the HTML, as UTF-8 */
	uint32_t tag_count;     /* start and end tags */
	uint32_t element_count; /* those with a known name */
	uint32_t closed_extra;  /* end tags without a start */
	uint32_t obfuscation;   /* tags that split a word */
	uint32_t comment_count, image_count, anchor_count, script_count;
	uint64_t image_area; /* from width and height attributes */
	uint64_t rendered_bytes;
	uint64_t rendered_space;
	uint32_t open_count[HTML_ELEMENT_COUNT];
	bool seen[HTML_ELEMENT_COUNT];
	bool form_mailto, embeds;
};

struct html_render {
	struct sink *text; /* rendered, UTF-8; white space of texts folded to single spaces */
	struct uri_list *uris;
	struct sink scratch; /* attribute values */
	struct html_token token;
	/* results */
	struct html_facts facts;
	bool wide; /* a reference gave a character above U+00FF */
};

/* Renders `html` (UTF-8, already prepared by html_prepare). */
void html_render(struct html_render *render, struct bytes html);

#endif
