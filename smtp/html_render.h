/* html_render.h - one HTML part to the text people read, its URIs, and facts for rules that look at
 * the markup. */
#ifndef SMTP_HTML_RENDER_H
#define SMTP_HTML_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/html.h"
#include "smtp/html_facts.h"
#include "smtp/html_style.h"
#include "smtp/uri.h"

#define HTML_RECENT 64

struct html_render {
	/* Elements by their names' numbers, as they were found last: most tags are of a few. */
	struct html_recent {
		uint64_t name_key;
		uint32_t number; /* the element's, and one; 0: nothing is known */
	} recent[HTML_RECENT];
	struct sink *text; /* rendered, UTF-8; white space of texts folded to single spaces */
	struct uri_list *uris;
	struct sink scratch; /* attribute values */
	struct html_token token;
	struct html_facts facts;
	struct html_styles styles;
	/* results */
	bool wide; /* a reference gave a character above U+00FF */
};

/* Renders `html` (UTF-8, already prepared by html_prepare). What it was like goes to `out_facts`,
 * whose slices point into `html` and into render->facts. */
void html_render(struct html_render *render, struct bytes html, struct fact_html *out_facts);

#endif
