/* html_style.c - colours and sizes of the text in an HTML part. */
#include "smtp/html_style.h"

#include "smtp/decode.h"
#include "smtp/header.h"

#define DEFAULT_SIZE         3
#define SIZE_VALUE_MAX       1000000
#define CONTRAST_MIN_SQUARED (INT64_C(120000) * 120000) /* 12, in units of 1/10,000 */

struct colour {
	const char *name;
	uint32_t value;
};

static const struct colour colours[] = {
#define COLOUR(name, value) {#name, value},
#include "smtp/html_colours.def"
};

void html_styles_reset(struct html_styles *styles, struct sink scratch)
{
	styles->depth = 1;
	styles->entry[0] = (struct html_style){
	    .foreground = 0x000000, .background = 0xffffff, .size = DEFAULT_SIZE};
	memset(styles->open, 0, sizeof(styles->open));
	styles->base_size = styles->size_min = styles->size_max = DEFAULT_SIZE;
	styles->low_contrast = styles->invalid_colour = false;
	styles->scratch = scratch;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits at *at; false when there are none. */
static bool number_read(struct bytes in, size_t *at, uint32_t *out_value)
{
	size_t start = *at;
	uint32_t value = 0;

	for (; *at < in.len && is_digit(in.data[*at]); (*at)++)
		if (value < SIZE_VALUE_MAX)
			value = value * 10 + in.data[*at] - '0';
	*out_value = value;
	return *at > start;
}

static uint32_t colour_by_name(struct bytes text)
{
	size_t low = 0, high = sizeof(colours) / sizeof(colours[0]);
	char name[24];

	if (text.len >= sizeof(name))
		return HTML_COLOUR_INVALID;
	for (size_t i = 0; i < text.len; i++)
		name[i] = (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20
		                                                            : text.data[i]);
	name[text.len] = '\0';
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(colours[middle].name, name);

		if (order == 0)
			return colours[middle].value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return HTML_COLOUR_INVALID;
}

/* Up to six digits to a colour; 1, 2, 4 and 5 are cut or filled up to three, and three are
 * doubled. */
static uint32_t colour_by_digits(const uint8_t *digit, size_t count)
{
	uint8_t rgb[6] = {0};

	if (count == 0)
		return HTML_COLOUR_EMPTY;
	for (size_t i = 0; i < 6; i++) {
		size_t from = count >= 6 ? i : i / 2;

		rgb[i] = from < count ? digit[from] : 0;
	}
	uint32_t value = 0;
	for (size_t i = 0; i < 6; i++)
		value = value << 4 | rgb[i];
	return value;
}

/* "rgb(" number, number, number ")", or in percent; the digits of its hexadecimal form. */
static size_t rgb_digits(struct bytes text, uint8_t digit[24])
{
	uint32_t part[3];
	size_t at = 4, count = 0;
	unsigned percent_count = 0;

	for (unsigned i = 0; i < 3; i++) {
		if (!number_read(text, &at, &part[i]))
			return 0;
		if (at < text.len && text.data[at] == '%') {
			part[i] = part[i] * 255 / 100;
			percent_count++;
			at++;
		}
		if (i < 2 && (at == text.len || text.data[at++] != ','))
			return 0;
		while (at < text.len && header_is_space(text.data[at]))
			at++;
	}
	if (at == text.len || text.data[at] != ')' || (percent_count != 0 && percent_count != 3))
		return 0;
	for (unsigned i = 0; i < 3; i++) {
		unsigned shift = 4;

		while (shift < 24 && part[i] >> (shift + 4) != 0)
			shift += 4;
		for (;; shift -= 4) {
			digit[count++] = (uint8_t)(part[i] >> shift & 15);
			if (shift == 0)
				break;
		}
	}
	return count;
}

uint32_t html_colour(struct bytes text)
{
	uint8_t digit[24];
	size_t count = 0;

	text = header_trim(text);
	uint32_t named = colour_by_name(text);
	if (named != HTML_COLOUR_INVALID)
		return named;
	if (bytes_starts_nocase(text, BYTES("rgb("))) {
		count = rgb_digits(text, digit);
		return count == 0 ? HTML_COLOUR_INVALID : colour_by_digits(digit, count);
	}
	if (text.len == 0 || text.data[0] != '#')
		return HTML_COLOUR_INVALID;
	for (size_t i = 0; i < text.len; i++) {
		int value = decode_hex_digit(text.data[i]);

		if (value < 0 && text.data[i] != '#')
			return HTML_COLOUR_INVALID;
		if (value >= 0 && count < 6)
			digit[count++] = (uint8_t)value;
	}
	return colour_by_digits(digit, count);
}

/* "rgb" somewhere in a style: its digits and commas alone, each number at most 255. */
static uint32_t style_rgb(struct bytes text)
{
	uint32_t value[3] = {0};
	unsigned index = 0;

	for (size_t i = 0; i < text.len && index < 3; i++) {
		if (is_digit(text.data[i]) && value[index] < SIZE_VALUE_MAX)
			value[index] = value[index] * 10 + text.data[i] - '0';
		index += text.data[i] == ',';
	}
	uint32_t colour = 0;
	for (unsigned i = 0; i < 3; i++)
		colour = colour << 8 | (value[i] > 255 ? 255 : value[i]);
	return colour;
}

static bool has_text(struct bytes in, struct bytes what)
{
	for (size_t i = 0; i + what.len <= in.len; i++)
		if (bytes_starts_nocase(bytes_slice(in, i, SIZE_MAX), what))
			return true;
	return false;
}

static struct bytes without_important(struct bytes text)
{
	struct bytes word = BYTES("important");

	if (text.len < word.len ||
	    !bytes_equal_nocase(bytes_slice(text, text.len - word.len, SIZE_MAX), word))
		return text;
	struct bytes rest = header_trim(bytes_slice(text, 0, text.len - word.len));
	if (rest.len == 0 || rest.data[rest.len - 1] != '!')
		return text;
	rest.len--;
	while (rest.len > 0 && header_is_space(rest.data[rest.len - 1]))
		rest.len--;
	return rest;
}

/* The next value of a "background" list at *at: up to a blank or comma outside parentheses and
 * quotes. *out_layer says that a comma ended it. */
static struct bytes background_value(struct bytes in, size_t *at, bool *out_layer)
{
	size_t start = *at;
	uint8_t quote = 0;
	bool inside = false;

	*out_layer = false;
	for (; *at < in.len; (*at)++) {
		uint8_t c = in.data[*at];

		if (quote != 0) {
			quote = c == quote ? 0 : quote;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (inside) {
			if (c == ')') {
				(*at)++;
				return bytes_slice(in, start, *at - start);
			}
		} else if (c == '(') {
			inside = true;
		} else if (c == ' ' || c == ',') {
			*out_layer = c == ',';
			return bytes_slice(in, start, (*at)++ - start);
		}
	}
	return bytes_slice(in, start, *at - start);
}

/* The first colour of the last layer; HTML_COLOUR_INVALID when there is none. */
static uint32_t background_colour(struct bytes text)
{
	uint32_t colour = HTML_COLOUR_INVALID;
	size_t at = 0;
	bool next_layer = false, layer;

	while (at < text.len) {
		struct bytes value = background_value(text, &at, &layer);

		if (value.len > 0) {
			if (next_layer)
				colour = HTML_COLOUR_INVALID;
			next_layer = false;
			if (colour == HTML_COLOUR_INVALID)
				colour = html_colour(value);
		}
		next_layer |= layer;
	}
	return colour;
}

/* "color: x" or "background-color: x"; the value, or NULL data. */
static struct bytes colour_value(struct bytes rest, bool *out_background)
{
	struct bytes background = BYTES("background-"), colour = BYTES("color:");

	*out_background = bytes_starts_nocase(rest, background);
	if (*out_background)
		rest = bytes_slice(rest, background.len, SIZE_MAX);
	if (!bytes_starts_nocase(rest, colour))
		return bytes_of(NULL, 0);
	rest = header_trim(bytes_slice(rest, colour.len, SIZE_MAX));
	return rest.len == 0 ? bytes_of(NULL, 0) : rest;
}

static void take_colour(struct html_style *style, struct bytes value, bool background)
{
	uint32_t *target = background ? &style->background : &style->foreground;

	value = without_important(value);
	if (has_text(value, BYTES("rgb")))
		*target = style_rgb(value);
	else if (bytes_equal_nocase(value, BYTES("inherit")))
		return;
	else if (bytes_equal_nocase(value, BYTES("transparent")))
		*target = HTML_COLOUR_TRANSPARENT;
	else
		*target = html_colour(value);
}

/* One declaration of a style attribute. */
static void take_declaration(struct html_style *style, struct bytes part)
{
	bool background;
	struct bytes trimmed = header_trim(part), name = BYTES("background:");
	uint8_t first = trimmed.len == 0 ? 0 : trimmed.data[0] | 0x20;

	/* background, color, display and visibility count. */
	if (first != 'b' && first != 'c' && first != 'd' && first != 'v')
		return;
	struct bytes value = colour_value(trimmed, &background);
	if (value.data != NULL) {
		take_colour(style, value, background);
		return;
	}
	if (trimmed.len > name.len && memcmp(trimmed.data, name.data, name.len) == 0) {
		uint32_t colour = background_colour(
		    header_trim(bytes_slice(trimmed, name.len, SIZE_MAX)));

		if (colour != HTML_COLOUR_INVALID)
			style->background = colour;
		return;
	}
	size_t colon = bytes_find(trimmed, ':');
	value = header_trim(bytes_slice(trimmed, colon + 1, SIZE_MAX));
	struct bytes property = header_trim(bytes_slice(trimmed, 0, colon));
	if (value.len == 0)
		return;
	if (bytes_equal(property, BYTES("display")))
		style->not_displayed = bytes_equal_nocase(value, BYTES("none"));
	else if (bytes_equal(property, BYTES("visibility")))
		style->hidden = bytes_equal_nocase(value, BYTES("hidden"));
}

static void take_style(struct html_style *style, const struct html_style *parent, struct bytes text)
{
	while (text.len > 0) {
		size_t end = bytes_find(text, ';');

		take_declaration(style, bytes_slice(text, 0, end));
		text = bytes_slice(text, end + 1, SIZE_MAX);
	}
	if (style->background == HTML_COLOUR_TRANSPARENT)
		style->background = parent->background;
	if (style->foreground == HTML_COLOUR_TRANSPARENT)
		style->foreground = style->background;
}

/* A font size, "4" or "+1". */
static void take_size(const struct html_styles *styles, struct html_style *style, struct bytes text)
{
	uint32_t value;
	size_t at = 0;

	while (at < text.len && header_is_space(text.data[at]))
		at++;
	uint8_t sign = at < text.len ? text.data[at] : 0;
	at += sign == '+' || sign == '-';
	if (!number_read(text, &at, &value))
		return;
	style->size = sign == '+'   ? styles->base_size + (int32_t)value
	              : sign == '-' ? styles->base_size - (int32_t)value
	                            : (int32_t)value;
}

/* The value of an attribute with its references decoded; one without a value has its name. */
static struct bytes attribute_value(struct html_styles *styles, const struct html_token *token,
                                    const char *name)
{
	const struct html_attribute *attribute = html_attribute(token, name);

	if (attribute == NULL)
		return bytes_of(NULL, 0);
	if (attribute->value.data == NULL)
		return attribute->name;
	if (bytes_find(attribute->value, '&') == attribute->value.len)
		return attribute->value.len == 0 ? BYTES("") : attribute->value;
	styles->scratch.len = 0;
	html_decode(attribute->value, false, &styles->scratch);
	return sink_bytes(&styles->scratch);
}

static void pop(struct html_styles *styles)
{
	styles->open[styles->entry[--styles->depth].kind]--;
}

static void push(struct html_styles *styles, const struct html_style *style)
{
	if (styles->depth == HTML_STYLE_DEPTH_MAX)
		pop(styles);
	styles->entry[styles->depth++] = *style;
	styles->open[style->kind]++;
}

/* Cells and rows end where the next begins. */
static void close_table(struct html_styles *styles, enum html_style_kind kind)
{
	if (styles->open[kind] == 0)
		return;
	for (;;) {
		enum html_style_kind top = styles->entry[styles->depth - 1].kind;

		if (top != HTML_STYLE_FONT && top != HTML_STYLE_TD &&
		    (kind != HTML_STYLE_TR || top != HTML_STYLE_TR))
			return;
		pop(styles);
	}
}

static bool has_base_size(struct html_styles *styles, const struct html_token *token)
{
	struct bytes text = attribute_value(styles, token, "size");
	uint32_t value;
	size_t at = 0;

	while (at < text.len && header_is_space(text.data[at]))
		at++;
	if (!number_read(text, &at, &value))
		return false;
	styles->base_size = (int32_t)value;
	return true;
}

/* The attributes that count for `style->kind`; false when none was there. */
static bool take_attributes(struct html_styles *styles, const struct html_token *token,
                            struct html_style *style)
{
	bool font = style->kind == HTML_STYLE_FONT || style->kind == HTML_STYLE_BASEFONT;
	bool body = style->kind == HTML_STYLE_BODY;
	struct bytes value;
	bool any = false;

	if (font || body) {
		value = attribute_value(styles, token, body ? "text" : "color");
		if (value.data != NULL)
			style->foreground = html_colour(value);
		any = value.data != NULL || html_attribute(token, body ? "bgcolor" : "face");
		if (body)
			return any || html_attribute(token, "link") ||
			       html_attribute(token, "alink") || html_attribute(token, "vlink") ||
			       html_attribute(token, "background");
		value = attribute_value(styles, token, "size");
		take_size(styles, style, value);
		return any || value.data != NULL;
	}
	value = attribute_value(styles, token, "style");
	if (value.data != NULL)
		take_style(style, &styles->entry[styles->depth - 1], value);
	bool table = style->kind == HTML_STYLE_TABLE || style->kind == HTML_STYLE_TD ||
	             style->kind == HTML_STYLE_TR;
	return value.data != NULL || (table && html_attribute(token, "bgcolor") != NULL);
}

void html_styles_open(struct html_styles *styles, enum html_style_kind kind,
                      const struct html_token *token)
{
	if (kind == HTML_STYLE_DEFAULT ||
	    (kind == HTML_STYLE_BASEFONT && has_base_size(styles, token)))
		return;
	if (kind == HTML_STYLE_TD || kind == HTML_STYLE_TR)
		close_table(styles, kind);
	struct html_style style = styles->entry[styles->depth - 1];
	style.kind = (uint8_t)kind;
	if (kind == HTML_STYLE_BIG || kind == HTML_STYLE_SMALL) {
		style.size += kind == HTML_STYLE_BIG ? 1 : -1;
	} else if (take_attributes(styles, token, &style)) {
		if (style.size > styles->size_max)
			styles->size_max = style.size;
		else if (style.size < styles->size_min)
			styles->size_min = style.size;
	}
	push(styles, &style);
}

void html_styles_close(struct html_styles *styles, enum html_style_kind kind)
{
	/* Text behind </body> is shown by browsers as text inside. */
	if (kind == HTML_STYLE_DEFAULT || kind == HTML_STYLE_BODY || styles->open[kind] == 0)
		return;
	while (styles->entry[styles->depth - 1].kind != kind)
		pop(styles);
	pop(styles);
}

/* Whether two colours cannot be told apart: their distance, weighted by brightness. */
static bool is_low_contrast(uint32_t one, uint32_t other)
{
	if (one == other)
		return true;
	if (one > 0xffffff || other > 0xffffff)
		return false;
	int64_t red = 2126 * ((int64_t)(one >> 16) - (other >> 16));
	int64_t green = 7152 * ((int64_t)(one >> 8 & 255) - (other >> 8 & 255));
	int64_t blue = 722 * ((int64_t)(one & 255) - (other & 255));
	return red * red + green * green + blue * blue < CONTRAST_MIN_SQUARED;
}

bool html_styles_hide(struct html_styles *styles)
{
	const struct html_style *style = &styles->entry[styles->depth - 1];

	if (is_low_contrast(style->foreground, style->background)) {
		styles->low_contrast = true;
		return true;
	}
	if (style->foreground == HTML_COLOUR_INVALID || style->background == HTML_COLOUR_INVALID) {
		styles->invalid_colour = true;
		return true;
	}
	return style->size <= 1 || style->not_displayed || style->hidden;
}
