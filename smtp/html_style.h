/* html_style.h - colours and sizes of the text in an HTML part, as far as rules ask for them.
 *
 * Open elements stand on a stack of fixed depth; beyond it the innermost entry takes the style of
 * what is opened. It is no CSS: only attributes and style attributes of a few elements count, the
 * way SpamAssassin 4.0 reads them.
 */
#ifndef SMTP_HTML_STYLE_H
#define SMTP_HTML_STYLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/html_elements.h"

#define HTML_STYLE_DEPTH_MAX 256

/* A colour is 0xRRGGBB or one of these. */
#define HTML_COLOUR_EMPTY       0x1000000u /* "#": neither a colour nor invalid */
#define HTML_COLOUR_INVALID     0x2000000u
#define HTML_COLOUR_TRANSPARENT 0x4000000u /* only while a style attribute is read */

struct html_style {
	uint32_t foreground, background;
	int32_t size;
	uint8_t kind; /* enum html_style_kind */
	bool not_displayed, hidden;
};

struct html_styles {
	struct html_style entry[HTML_STYLE_DEPTH_MAX];
	uint32_t depth; /* at least 1: the default */
	uint16_t open[HTML_STYLE_KIND_COUNT];
	int32_t base_size, size_min, size_max;
	struct sink scratch; /* attribute values, decoded */
	/* what visible text was found to be */
	bool low_contrast, invalid_colour;
};

/* `scratch` takes the values of style attributes; what does not fit is not read. */
void html_styles_reset(struct html_styles *styles, struct sink scratch);
/* A start or end tag of an element that has the style of `kind`. */
void html_styles_open(struct html_styles *styles, enum html_style_kind kind,
                      const struct html_token *token);
void html_styles_close(struct html_styles *styles, enum html_style_kind kind);
/* Whether text here cannot be seen; notes contrast and colours. To be asked for texts that are not
 * white space. */
bool html_styles_hide(struct html_styles *styles);

/* A colour as attributes write it: a name, "#rgb", "#rrggbb", "rgb(...)". */
uint32_t html_colour(struct bytes text);

#endif
