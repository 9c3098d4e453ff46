/* html_facts.h - what rules ask about the markup of one HTML part, noted while it is rendered. */
#ifndef SMTP_HTML_FACTS_H
#define SMTP_HTML_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/facts.h"
#include "smtp/html_elements.h"
#include "smtp/uri.h"

#define HTML_ANCHOR_SLOTS (2 * FACT_HTML_TEXTS_MAX)

/* Facts under construction. */
struct html_facts {
	struct fact_html *html; /* where they go */
	struct sink strings;    /* texts of anchors and names of tags; of the whole message */
	struct sink titles;
	uint16_t tag_of[HTML_ELEMENT_COUNT];     /* index in html->tag + 1, 0 when not seen */
	uint16_t anchor_slot[HTML_ANCHOR_SLOTS]; /* by href; index + 1 */
	uint64_t backhair;                       /* bit 7 * (before - 1) + behind - 1 */
};

/* Begins a part; `html` is kept until the next one. */
void html_facts_open(struct html_facts *facts, struct fact_html *html);
/* A start or end tag; `element` may be HTML_ELEMENT_COUNT. False when it is none of the elements
 * that are rendered. */
void html_facts_tag(struct html_facts *facts, const struct html_token *token, unsigned element,
                    bool is_valid, bool starts);
bool html_facts_is_open(const struct html_facts *facts, enum html_element element);
void html_facts_doctype(struct html_facts *facts);
void html_facts_comment(struct html_facts *facts, struct bytes text);
void html_facts_script(struct html_facts *facts, struct bytes text);
/* `uri`: of the href, as uri_add_anchor tells. */
void html_facts_anchor(struct html_facts *facts, struct bytes href, uint32_t uri);
void html_facts_title(struct html_facts *facts);
/* What a start tag of `element` says by its attributes. */
void html_facts_attributes(struct html_facts *facts, const struct html_token *token,
                           enum html_element element);
/* Text that is rendered: `before` is the piece in front of it. */
void html_facts_text(struct html_facts *facts, struct bytes before, struct bytes text);
/* Counts what was rendered, at the end of the part. */
void html_facts_close(struct html_facts *facts, struct bytes rendered);

#endif
