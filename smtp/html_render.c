/* html_render.c - one HTML part to text. */
#include "smtp/html_render.h"

#include "smtp/charset.h"
#include "smtp/header.h"

enum space { SPACE_NONE, SPACE_WORD, SPACE_LINE, SPACE_PARAGRAPH };
enum uri_source { URI_NONE, URI_BACKGROUND, URI_HREF, URI_SRC, URI_ACTION, URI_BASE, URI_META };

struct element {
	const char *name;
	bool valid;
	bool style;
	enum space space;
	enum uri_source uri;
};

static const struct element elements[] = {
#define ELEMENT(name, valid, space, style, uri) {#name, valid, style, SPACE_##space, URI_##uri},
#include "smtp/html_elements.def"
};

/* The state of the text so far: pieces follow each other, and white space joins across them. */
struct piece_state {
	bool any;
	bool last_is_space; /* the last piece came from a tag */
	size_t last_start;
};

/* Binary search by name; HTML_ELEMENT_COUNT when unknown. */
static unsigned element_find(const char *name)
{
	unsigned low = 0, high = HTML_ELEMENT_COUNT;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = strcmp(elements[middle].name, name);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return HTML_ELEMENT_COUNT;
}

static void put_space(struct html_render *render, struct piece_state *state, enum space space)
{
	struct sink *text = render->text;

	if (space == SPACE_NONE)
		return;
	if (state->any && !state->last_is_space && text->len > state->last_start &&
	    text->data[text->len - 1] == ' ')
		text->len--;
	state->any = state->last_is_space = true;
	state->last_start = text->len;
	if (space == SPACE_WORD)
		sink_octet(text, ' ');
	else
		sink_put(text, space == SPACE_LINE ? BYTES("\n") : BYTES("\n\n"));
}

static bool is_text_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Folds runs of ASCII white space in `text` from `start` on to one space, in place; one at the
 * start goes when a tag's white space stands before it. */
static void fold_space(struct sink *text, size_t start, bool trim)
{
	size_t write = start;

	for (size_t read = start; read < text->len; read++) {
		uint8_t c = text->data[read];

		if (!is_text_space(c)) {
			text->data[write++] = c;
			continue;
		}
		if (write == start
		        ? trim
		        : text->data[write - 1] == ' ' && is_text_space(text->data[read - 1]))
			continue;
		text->data[write++] = ' ';
	}
	text->len = write;
}

static bool is_word_like(uint8_t c)
{
	return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       c < 0x09 || (c > 0x0D && c < 0x20) || c == 0x7F;
}

static void put_text(struct html_render *render, struct piece_state *state,
                     const struct html_token *token)
{
	struct sink *text = render->text;
	size_t start = text->len;

	if (token->is_literal) {
		sink_put(text, token->text);
	} else if (html_decode(token->text, true, text) > 0xFF) {
		render->wide = true;
	}
	if (state->any && start > state->last_start && text->len > start &&
	    is_word_like(text->data[start]) && is_word_like(text->data[start - 1]))
		render->facts.obfuscation++;
	fold_space(text, start, state->any && state->last_is_space);
	state->any = true;
	state->last_is_space = false;
	state->last_start = start;
}

/* The value of an attribute with its references decoded, in render->scratch. */
static struct bytes value_decoded(struct html_render *render, struct bytes value)
{
	render->scratch.len = 0;
	html_decode(value, false, &render->scratch);
	return sink_bytes(&render->scratch);
}

/* "0; url=x" of a refresh: what follows the last "url=", up to a semicolon. */
static struct bytes refresh_uri(struct bytes content)
{
	size_t at = content.len;

	for (size_t i = 0; i + 3 < content.len; i++) {
		if (!bytes_starts_nocase(bytes_slice(content, i, SIZE_MAX), BYTES("url")))
			continue;
		size_t behind = i + 3;
		while (behind < content.len && header_is_space(content.data[behind]))
			behind++;
		if (behind < content.len && content.data[behind] == '=')
			at = behind + 1;
	}
	struct bytes uri = bytes_slice(content, at, SIZE_MAX);
	return header_trim(bytes_slice(uri, 0, bytes_find(uri, ';')));
}

static bool contains_nocase(struct bytes in, struct bytes what)
{
	for (size_t i = 0; i + what.len <= in.len; i++)
		if (bytes_starts_nocase(bytes_slice(in, i, SIZE_MAX), what))
			return true;
	return false;
}

static void add_attribute_uri(struct html_render *render, const char *name)
{
	const struct html_attribute *attribute = html_attribute(&render->token, name);

	if (attribute == NULL)
		return;
	/* An attribute without a value has its name for one. */
	bool bare = attribute->value.data == NULL;
	uri_add_from_html(render->uris,
	                  value_decoded(render, bare ? attribute->name : attribute->value));
}

static void add_refresh_uri(struct html_render *render)
{
	const struct html_attribute *kind = html_attribute(&render->token, "http-equiv");
	const struct html_attribute *content = html_attribute(&render->token, "content");

	if (kind == NULL || content == NULL || !contains_nocase(kind->value, BYTES("refresh")))
		return;
	struct bytes uri = refresh_uri(value_decoded(render, content->value));
	if (uri.len > 0)
		uri_add_from_html(render->uris, uri);
}

/* Attributes like "x/href" come from badly written tags; they count as the plain one. */
static void mend_attributes(struct html_token *token, const char *ending)
{
	struct bytes name = bytes_text(ending);

	for (unsigned i = 0; i < token->attribute_count; i++) {
		struct bytes *has = &token->attribute[i].name;

		for (size_t at = 1; at + name.len <= has->len; at++)
			if (bytes_starts_nocase(bytes_slice(*has, at, SIZE_MAX), name))
				*has = bytes_of(has->data + at + 1, name.len - 1);
	}
}

static void take_uris(struct html_render *render, enum uri_source source)
{
	switch (source) {
	case URI_NONE:
		break;
	case URI_BACKGROUND:
		add_attribute_uri(render, "background");
		break;
	case URI_HREF:
		mend_attributes(&render->token, "/href");
		add_attribute_uri(render, "href");
		add_attribute_uri(render, "data-saferedirecturl");
		break;
	case URI_SRC:
		mend_attributes(&render->token, "/src");
		add_attribute_uri(render, "src");
		break;
	case URI_ACTION:
		add_attribute_uri(render, "action");
		break;
	case URI_BASE: {
		const struct html_attribute *href = html_attribute(&render->token, "href");

		if (href != NULL && href->value.len > 0) {
			struct bytes uri = value_decoded(render, href->value);

			uri_add_from_html(render->uris, uri);
			uri_set_base(render->uris, uri);
		}
		break;
	}
	case URI_META:
		add_refresh_uri(render);
		break;
	}
}

static uint64_t dimension(const struct html_attribute *attribute, unsigned percent)
{
	uint64_t value = 0;
	size_t at = 0;
	struct bytes in = attribute->value;

	while (at < in.len && in.data[at] >= '0' && in.data[at] <= '9' && value < 100000)
		value = value * 10 + in.data[at++] - '0';
	if (at + 1 == in.len && in.data[at] == '%')
		value *= percent;
	else if (at != in.len)
		value = 0;
	return value == 0 ? 200 : value;
}

/* An anchor without href counts as one with an empty one. */
static void add_anchor(struct html_render *render)
{
	const struct html_attribute *href = html_attribute(&render->token, "href");
	struct bytes value = href == NULL ? bytes_of(NULL, 0) : href->value;

	uri_add_anchor(render->uris, value_decoded(render, value));
}

static void take_facts(struct html_render *render, unsigned element)
{
	struct html_facts *facts = &render->facts;
	const struct html_attribute *width, *height, *action;

	switch (element) {
	case HTML_ELEMENT_img:
		facts->image_count++;
		width = html_attribute(&render->token, "width");
		height = html_attribute(&render->token, "height");
		if (width != NULL && height != NULL)
			facts->image_area += dimension(width, 8) * dimension(height, 6);
		break;
	case HTML_ELEMENT_form:
		action = html_attribute(&render->token, "action");
		if (action != NULL && contains_nocase(action->value, BYTES("mailto:")))
			facts->form_mailto = true;
		break;
	case HTML_ELEMENT_object:
	case HTML_ELEMENT_embed:
		facts->embeds = true;
		break;
	case HTML_ELEMENT_a:
		facts->anchor_count++;
		add_anchor(render);
		break;
	case HTML_ELEMENT_script:
		facts->script_count++;
		break;
	default:
		break;
	}
}

static void put_tag(struct html_render *render, struct piece_state *state, bool starts)
{
	struct html_facts *facts = &render->facts;
	unsigned element = element_find(render->token.name);

	facts->tag_count++;
	if (element == HTML_ELEMENT_COUNT)
		return;
	facts->element_count += elements[element].valid;
	facts->seen[element] = true;
	if (starts)
		facts->open_count[element]++;
	else if (facts->open_count[element] > 0)
		facts->open_count[element]--;
	else
		facts->closed_extra++;
	put_space(render, state, elements[element].space);
	if (!starts)
		return;
	take_uris(render, elements[element].uri);
	take_facts(render, element);
}

void html_render(struct html_render *render, struct bytes html)
{
	struct html_tokenizer tokenizer;
	struct piece_state state = {false, false, render->text->len};
	struct html_facts *facts = &render->facts;

	render->wide = false;
	*facts = (struct html_facts){.source_bytes = html.len};
	html_open(&tokenizer, html);
	for (;;) {
		html_next(&tokenizer, &render->token);
		switch (render->token.kind) {
		case HTML_END_OF_TEXT:
			return;
		case HTML_TEXT:
			if (facts->open_count[HTML_ELEMENT_script] > 0 ||
			    facts->open_count[HTML_ELEMENT_style] > 0)
				break;
			put_text(render, &state, &render->token);
			break;
		case HTML_START:
		case HTML_END:
			put_tag(render, &state, render->token.kind == HTML_START);
			break;
		case HTML_COMMENT:
			facts->comment_count++;
			break;
		case HTML_DECLARATION:
			break;
		}
	}
}
