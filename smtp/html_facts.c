/* html_facts.c - what rules ask about the markup of one HTML part. */
#include "smtp/html_facts.h"

#include "base/check.h"
#include "smtp/charset.h"
#include "smtp/header.h"
#include "smtp/octets.h"

#define IMAGE_SIDE_GUESS   200 /* pixels, of an image that does not tell */
#define SCREEN_WIDTH_UNIT  8   /* pixels of one per cent of 800 */
#define SCREEN_HEIGHT_UNIT 6
#define HAIR_MAX           7

void html_facts_open(struct html_facts *facts, struct fact_html *html)
{
	/* The arrays need no clearing: their counts are zero. */
	html->part = html->length = html->source_bytes = 0;
	html->html_length = html->non_space_len = 0;
	html->tag_count = html->element_count = html->tags_seen = html->elements_seen = 0;
	html->closed_extra = html->obfuscation = html->backhair_count = 0;
	html->min_size = html->max_size = 0;
	html->image_area = 0;
	html->tags = html->comment_count = html->title_count = 0;
	html->anchor_count = html->script_count = 0;
	html->embeds = html->form_action_mailto = html->font_face_bad = false;
	html->font_low_contrast = html->font_invalid_color = html->iframe_uri = false;
	html->left_out = false;
	facts->html = html;
	facts->backhair = 0;
	memset(facts->tag_of, 0, sizeof(facts->tag_of));
	memset(facts->anchor_slot, 0, sizeof(facts->anchor_slot));
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* "o:p", "st1:place": elements office programs write. */
static bool is_namespaced(const char *name)
{
	size_t at = 0;

	if (name[0] == 'o' && name[1] == ':')
		at = 2;
	else if (name[0] == 's' && name[1] == 't' && name[2] >= '0' && name[2] <= '9' &&
	         name[3] == ':')
		at = 4;
	size_t start = at;
	while (at > 0 && (is_alnum((uint8_t)name[at]) || name[at] == '_' || name[at] == '-'))
		at++;
	return at > start && (name[at] == '\0' || (name[at] == '/' && name[at + 1] == '\0'));
}

/* A tag seen for the first time; NULL when there is no room. */
static struct fact_tag *tag_new(struct html_facts *facts, const char *name)
{
	struct fact_html *html = facts->html;
	size_t start = facts->strings.len;

	if (html->tags == FACT_TAGS_MAX) {
		html->left_out = true;
		return NULL;
	}
	sink_put(&facts->strings, bytes_text(name));
	struct fact_tag *tag = &html->tag[html->tags++];
	*tag = (struct fact_tag){bytes_of(facts->strings.data + start, facts->strings.len - start),
	                         0};
	return tag;
}

/* The entry of a tag, made when it is new; *out_new says so. */
static struct fact_tag *tag_entry(struct html_facts *facts, const char *name, unsigned element,
                                  bool *out_new)
{
	struct fact_html *html = facts->html;

	*out_new = false;
	if (element < HTML_ELEMENT_COUNT && facts->tag_of[element] != 0)
		return &html->tag[facts->tag_of[element] - 1];
	if (element == HTML_ELEMENT_COUNT)
		for (uint32_t i = 0; i < html->tags; i++)
			if (bytes_equal(html->tag[i].name, bytes_text(name)))
				return &html->tag[i];
	struct fact_tag *tag = tag_new(facts, name);
	*out_new = true;
	if (tag != NULL && element < HTML_ELEMENT_COUNT)
		facts->tag_of[element] = (uint16_t)html->tags;
	return tag;
}

void html_facts_tag(struct html_facts *facts, const struct html_token *token, unsigned element,
                    bool is_valid, bool starts)
{
	struct fact_html *html = facts->html;
	bool is_new;
	struct fact_tag *tag = tag_entry(facts, token->name, element, &is_new);
	bool counts = is_valid || is_namespaced(token->name) ||
	              strcmp(token->name, "x-sigsep") == 0 || strcmp(token->name, "x-tab") == 0;

	html->tag_count++;
	html->element_count += counts;
	html->tags_seen += is_new;
	html->elements_seen += is_new && counts;
	if (tag == NULL)
		return;
	if (starts)
		tag->open_count++;
	else if (tag->open_count > 0)
		tag->open_count--;
	else
		html->closed_extra++;
}

bool html_facts_is_open(const struct html_facts *facts, enum html_element element)
{
	uint16_t index = facts->tag_of[element];

	return index != 0 && facts->html->tag[index - 1].open_count > 0;
}

void html_facts_doctype(struct html_facts *facts)
{
	bool is_new;
	struct fact_tag *tag = tag_entry(facts, "!doctype", HTML_ELEMENT_COUNT, &is_new);

	facts->html->tag_count++;
	facts->html->element_count++;
	if (tag != NULL)
		tag->open_count = 0;
}

/* True when one more fits. */
static bool has_room(struct fact_html *html, uint32_t count)
{
	if (count < FACT_HTML_TEXTS_MAX)
		return true;
	html->left_out = true;
	return false;
}

void html_facts_comment(struct html_facts *facts, struct bytes text)
{
	if (has_room(facts->html, facts->html->comment_count))
		facts->html->comment[facts->html->comment_count++] = text;
}

void html_facts_script(struct html_facts *facts, struct bytes text)
{
	if (has_room(facts->html, facts->html->script_count))
		facts->html->script[facts->html->script_count++] = text;
}

/* Whether an anchor above has this href; else the slot is taken by the next anchor. */
static bool is_repeated(struct html_facts *facts, struct bytes href)
{
	const struct fact_html *html = facts->html;
	uint32_t at = octets_hash(href) % HTML_ANCHOR_SLOTS;

	for (; facts->anchor_slot[at] != 0; at = (at + 1) % HTML_ANCHOR_SLOTS)
		if (bytes_equal(html->anchor[facts->anchor_slot[at] - 1].href, href))
			return true;
	facts->anchor_slot[at] = (uint16_t)(html->anchor_count + 1);
	return false;
}

void html_facts_anchor(struct html_facts *facts, struct bytes href, uint32_t uri)
{
	struct fact_html *html = facts->html;
	struct sink *strings = &facts->strings;
	size_t start = strings->len;

	if (!has_room(html, html->anchor_count))
		return;
	href = uri_trim(href);
	if (href.len > URI_BYTES_MAX)
		href.len = URI_BYTES_MAX;
	sink_put(strings, href);
	href = bytes_of(strings->data + start, strings->len - start);
	bool repeated = is_repeated(facts, href);
	html->anchor[html->anchor_count++] = (struct fact_anchor){
	    href, bytes_of(strings->data + strings->len, 0), uri, repeated};
}

void html_facts_title(struct html_facts *facts)
{
	if (has_room(facts->html, facts->html->title_count))
		facts->html->title[facts->html->title_count++] = bytes_of(
		    facts->titles.data + facts->titles.len, 0);
}

static uint64_t dimension(const struct html_attribute *attribute, unsigned percent_unit)
{
	struct bytes in = attribute->value;
	uint64_t value = 0;
	size_t at = 0;

	while (at < in.len && in.data[at] >= '0' && in.data[at] <= '9' && value < 100000)
		value = value * 10 + in.data[at++] - '0';
	if (at + 1 == in.len && in.data[at] == '%')
		value *= percent_unit;
	else if (at != in.len)
		value = 0;
	return value == 0 ? IMAGE_SIDE_GUESS : value;
}

static bool is_face_octet(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == ' ' || c == '-';
}

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* One font name at *at, quotes and a digit behind it included; false when it looks like none. */
static bool face_name(struct bytes face, size_t *at, bool first)
{
	size_t start = *at;

	while (*at < face.len && header_is_space(face.data[*at]))
		(*at)++;
	/* In front of the first name a blank may count as its first letter. */
	bool blank_before = first && *at > start && face.data[*at - 1] == ' ';
	if (*at < face.len &&
	    (face.data[*at] == '"' || face.data[*at] == '\'' || (first && face.data[*at] == '.'))) {
		(*at)++;
		blank_before = false;
	}
	size_t run = *at;
	while (*at < face.len && is_face_octet(face.data[*at]))
		(*at)++;
	if (*at - run + blank_before < 2 || !is_letter(face.data[*at - 1]))
		return false;
	if (!blank_before && !is_letter(face.data[run]) && !(first && face.data[run] == ' '))
		return false;
	if (*at < face.len && face.data[*at] >= '0' && face.data[*at] <= '9')
		(*at)++;
	if (*at < face.len && (face.data[*at] == '"' || face.data[*at] == '\''))
		(*at)++;
	return true;
}

/* Whether a list of font names looks like one. */
static bool is_face_good(struct bytes face)
{
	size_t at = 0;

	if (!face_name(face, &at, true))
		return false;
	while (at < face.len && face.data[at] == ',') {
		at++;
		if (!face_name(face, &at, false))
			return false;
	}
	at += at < face.len && face.data[at] == ';';
	at += at + 1 == face.len && face.data[at] == '\n';
	return at == face.len;
}

static bool contains_nocase(struct bytes in, struct bytes what)
{
	return octets_has_nocase(in, what);
}

static void take_font(struct html_facts *facts, const struct html_token *token)
{
	const struct html_attribute *face = html_attribute(token, "face");
	struct sink *strings = &facts->strings;
	size_t start = strings->len;

	if (face == NULL)
		return;
	html_decode(face->value.data == NULL ? face->name : face->value, false, strings);
	if (!is_face_good(bytes_of(strings->data + start, strings->len - start)))
		facts->html->font_face_bad = true;
	strings->len = start;
}

/* Appends to the text of the newest anchor. */
static void anchor_put(struct html_facts *facts, struct bytes text)
{
	struct fact_html *html = facts->html;

	if (html->anchor_count == 0)
		return;
	struct fact_anchor *anchor = &html->anchor[html->anchor_count - 1];
	const uint8_t *end = facts->strings.data + facts->strings.len;
	/* Names of tags may have come in between: the text then moves behind them. */
	if (anchor->text.data + anchor->text.len != end) {
		size_t start = facts->strings.len;

		sink_put(&facts->strings, anchor->text);
		anchor->text = bytes_of(facts->strings.data + start, facts->strings.len - start);
	}
	size_t before = facts->strings.len;
	sink_put(&facts->strings, text);
	anchor->text.len += facts->strings.len - before;
}

static void take_image(struct html_facts *facts, const struct html_token *token)
{
	const struct html_attribute *width = html_attribute(token, "width");
	const struct html_attribute *height = html_attribute(token, "height");

	if (html_facts_is_open(facts, HTML_ELEMENT_a))
		anchor_put(facts, BYTES("<img>\n"));
	if (width != NULL && height != NULL)
		facts->html->image_area += dimension(width, SCREEN_WIDTH_UNIT) *
		                           dimension(height, SCREEN_HEIGHT_UNIT);
}

void html_facts_attributes(struct html_facts *facts, const struct html_token *token,
                           enum html_element element)
{
	const struct html_attribute *attribute;

	switch (element) {
	case HTML_ELEMENT_img:
		take_image(facts, token);
		break;
	case HTML_ELEMENT_form:
		attribute = html_attribute(token, "action");
		if (attribute != NULL && contains_nocase(attribute->value, BYTES("mailto:")))
			facts->html->form_action_mailto = true;
		break;
	case HTML_ELEMENT_object:
	case HTML_ELEMENT_embed:
		facts->html->embeds = true;
		break;
	case HTML_ELEMENT_font:
		take_font(facts, token);
		break;
	case HTML_ELEMENT_iframe:
		attribute = html_attribute(token, "src");
		if (attribute != NULL && uri_trim(attribute->value).len > 0)
			facts->html->iframe_uri = true;
		break;
	default:
		break;
	}
}

/* The length of the character at `at` when it belongs to a word: anything but white space and
 * punctuation. */
static unsigned word_step(struct bytes text, size_t at)
{
	uint8_t c = text.data[at];
	uint32_t code_point;

	if (c < 0x80)
		return is_alnum(c) || (c < ' ' && !header_is_space(c)) || c == 0x7F;
	unsigned len = charset_get_utf8(text.data + at, text.len - at, &code_point);
	return charset_is_space(code_point) ? 0 : len;
}

/* Characters of the word at the start of `text`: 0 when there is none, HAIR_MAX + 1 when it is
 * longer than counts. */
static unsigned word_at_start(struct bytes text)
{
	unsigned count = 0, step;
	size_t at = 0;

	while (at < text.len && count <= HAIR_MAX && (step = word_step(text, at)) > 0) {
		at += step;
		count++;
	}
	return count > 0 && at < text.len && text.data[at] == '_' ? HAIR_MAX + 1 : count;
}

/* The same at the end. */
static unsigned word_at_end(struct bytes text)
{
	unsigned count = 0;
	size_t at = text.len;

	while (at > 0 && count <= HAIR_MAX) {
		size_t back = at - 1;

		while (back > 0 && at - back < 4 && (text.data[back] & 0xC0) == 0x80)
			back--;
		if (word_step(bytes_slice(text, 0, at), back) == 0)
			break;
		at = back;
		count++;
	}
	return count > 0 && at > 0 && text.data[at - 1] == '_' ? HAIR_MAX + 1 : count;
}

void html_facts_text(struct html_facts *facts, struct bytes before, struct bytes text)
{
	struct fact_html *html = facts->html;

	if (html_facts_is_open(facts, HTML_ELEMENT_a))
		anchor_put(facts, text);
	if (html_facts_is_open(facts, HTML_ELEMENT_title) && html->title_count > 0) {
		size_t start = facts->titles.len;

		sink_put(&facts->titles, text);
		html->title[html->title_count - 1].len += facts->titles.len - start;
	}
	unsigned left = before.len == 0 || text.len == 0 ? 0 : word_at_end(before);
	unsigned right = left == 0 ? 0 : word_at_start(text);
	if (right == 0)
		return;
	html->obfuscation++;
	if (left <= HAIR_MAX && right <= HAIR_MAX)
		facts->backhair |= UINT64_C(1) << (HAIR_MAX * (left - 1) + right - 1);
}

void html_facts_close(struct html_facts *facts, struct bytes rendered)
{
	uint32_t count = 0, space_count = 0, code_point;

	for (size_t at = 0; at < rendered.len;) {
		size_t end = octets_ascii_spaces(rendered, at, &space_count);

		count += (uint32_t)(end - at);
		for (at = end; at < rendered.len && rendered.data[at] >= 0x80; count++) {
			at += charset_get_utf8(rendered.data + at, rendered.len - at, &code_point);
			space_count += charset_is_space(code_point);
		}
	}
	facts->html->html_length = count;
	facts->html->non_space_len = count - space_count;
	for (uint64_t bits = facts->backhair; bits != 0; bits &= bits - 1)
		facts->html->backhair_count++;
}
