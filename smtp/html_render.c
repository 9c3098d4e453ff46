/* html_render.c - one HTML part to text. */
#include "smtp/html_render.h"

#include "smtp/charset.h"
#include "smtp/header.h"
#include "smtp/octets.h"

/* The state of the text so far: pieces follow each other, and white space joins across them. */
struct piece_state {
	bool any;
	bool last_is_space;     /* the last piece came from a tag */
	bool last_is_invisible; /* or cannot be seen */
	size_t last_start;
};

static void put_space(struct html_render *render, struct piece_state *state, enum html_space space)
{
	struct sink *text = render->text;

	if (space == HTML_SPACE_NONE)
		return;
	if (state->any && !state->last_is_space && !state->last_is_invisible &&
	    text->len > state->last_start && text->data[text->len - 1] == ' ')
		text->len--;
	state->any = state->last_is_space = true;
	state->last_is_invisible = false;
	state->last_start = text->len;
	if (space == HTML_SPACE_WORD)
		sink_octet(text, ' ');
	else
		sink_put(text, space == HTML_SPACE_LINE ? BYTES("\n") : BYTES("\n\n"));
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

		if (c > ' ') {
			size_t len = octets_words_end(sink_bytes(text), read, true) - read;

			if (write < read)
				memmove(text->data + write, text->data + read, len);
			write += len;
			read += len - 1;
			continue;
		}
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

static bool is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_text_space(text.data[i]))
			return false;
	return true;
}

/* A no-break space that was taken for two characters is one space. */
static void fold_garbled_space(struct sink *text, size_t start)
{
	static const uint8_t garbled[] = {0xC3, 0x82, 0xC2, 0xA0};
	struct bytes piece = bytes_of(text->data + start, text->len - start);
	size_t read = start + octets_ascii_end(piece, 0), write = read;

	while (read < text->len) {
		const uint8_t *found = memmem(text->data + read, text->len - read, garbled,
		                              sizeof(garbled));
		size_t end = found == NULL ? text->len : (size_t)(found - text->data);

		if (write < read)
			memmove(text->data + write, text->data + read, end - read);
		write += end - read;
		read = end;
		if (found == NULL)
			break;
		text->data[write++] = ' ';
		read += sizeof(garbled);
	}
	text->len = write;
}

/* The text in front of what is put at `start`. */
static struct bytes piece_before(const struct html_render *render, const struct piece_state *state,
                                 size_t start)
{
	return state->any
	           ? bytes_of(render->text->data + state->last_start, start - state->last_start)
	           : bytes_of(NULL, 0);
}

static void piece_end(struct piece_state *state, size_t start, bool invisible)
{
	state->any = true;
	state->last_is_space = false;
	state->last_is_invisible = invisible;
	state->last_start = start;
}

/* White space alone, as most texts between tags: one space, or none behind a tag's. */
static void put_blank(struct html_render *render, struct piece_state *state, struct bytes blank)
{
	size_t start = render->text->len;

	html_facts_text(&render->facts, piece_before(render, state, start), blank);
	if (blank.len > 0 && !(state->any && state->last_is_space))
		sink_octet(render->text, ' ');
	piece_end(state, start, false);
}

static void put_text(struct html_render *render, struct piece_state *state,
                     const struct html_token *token)
{
	struct sink *text = render->text;
	size_t start = text->len;

	if (is_blank(token->text)) {
		put_blank(render, state, token->text);
		return;
	}
	if (token->is_literal) {
		sink_put(text, token->text);
	} else if (html_decode(token->text, true, text) > 0xFF) {
		render->wide = true;
	}
	struct bytes piece = bytes_of(text->data + start, text->len - start);
	bool invisible = !is_blank(piece) && html_styles_hide(&render->styles);
	html_facts_text(&render->facts, piece_before(render, state, start), piece);
	fold_garbled_space(text, start);
	fold_space(text, start, state->any && state->last_is_space && !invisible);
	piece_end(state, start, invisible);
}

/* The value of an attribute with its references decoded, in render->scratch if it has any. */
static struct bytes value_decoded(struct html_render *render, struct bytes value)
{
	if (value.len > 0 && value.len <= render->scratch.bytes_max &&
	    bytes_find(value, '&') == value.len)
		return value;
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
	return octets_has_nocase(in, what);
}

static void add_attribute_uri(struct html_render *render, const char *name, enum fact_uri_type type)
{
	const struct html_attribute *attribute = html_attribute(&render->token, name);

	if (attribute == NULL)
		return;
	/* An attribute without a value has its name for one. */
	bool bare = attribute->value.data == NULL;
	uri_add_from_html(render->uris,
	                  value_decoded(render, bare ? attribute->name : attribute->value), type);
}

static void add_refresh_uri(struct html_render *render)
{
	const struct html_attribute *kind = html_attribute(&render->token, "http-equiv");
	const struct html_attribute *content = html_attribute(&render->token, "content");

	if (kind == NULL || content == NULL || !contains_nocase(kind->value, BYTES("refresh")))
		return;
	struct bytes uri = refresh_uri(value_decoded(render, content->value));
	if (uri.len > 0)
		uri_add_from_html(render->uris, uri, FACT_URI_meta);
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

static void take_uris(struct html_render *render, const struct html_traits *traits)
{
	enum fact_uri_type type = traits->type;

	switch (traits->uri) {
	case HTML_URI_NONE:
		break;
	case HTML_URI_BACKGROUND:
		add_attribute_uri(render, "background", type);
		break;
	case HTML_URI_HREF:
		mend_attributes(&render->token, "/href");
		add_attribute_uri(render, "href", type);
		add_attribute_uri(render, "data-saferedirecturl", type);
		break;
	case HTML_URI_SRC:
		mend_attributes(&render->token, "/src");
		add_attribute_uri(render, "src", type);
		break;
	case HTML_URI_ACTION:
		add_attribute_uri(render, "action", type);
		break;
	case HTML_URI_BASE: {
		const struct html_attribute *href = html_attribute(&render->token, "href");

		if (href != NULL && href->value.len > 0) {
			struct bytes uri = value_decoded(render, href->value);

			uri_add_from_html(render->uris, uri, type);
			uri_set_base(render->uris, uri);
		}
		break;
	}
	case HTML_URI_META:
		add_refresh_uri(render);
		break;
	}
}

/* An anchor without href counts as one with an empty one. */
static void add_anchor(struct html_render *render)
{
	const struct html_attribute *href = html_attribute(&render->token, "href");
	struct bytes value = href == NULL               ? bytes_of(NULL, 0)
	                     : href->value.data == NULL ? href->name
	                                                : href->value;

	value = value_decoded(render, value);
	html_facts_anchor(&render->facts, value, uri_add_anchor(render->uris, value));
}

static enum html_element element_of(struct html_render *render, const struct html_token *token)
{
	uint64_t slot = token->name_key * UINT64_C(0x9E3779B97F4A7C15) >> 58;
	struct html_recent *recent = &render->recent[slot % HTML_RECENT];

	/* Names of eight octets and more are not told by their numbers alone. */
	if (recent->name_key == token->name_key && recent->number != 0 && token->name[7] == '\0')
		return (enum html_element)(recent->number - 1);
	enum html_element element = html_element_find(token);
	if (token->name[7] == '\0')
		*recent = (struct html_recent){token->name_key, (uint32_t)element + 1};
	return element;
}

static void put_tag(struct html_render *render, struct piece_state *state, bool starts)
{
	struct html_token *token = &render->token;
	enum html_element element = element_of(render, token);

	if (element == HTML_ELEMENT_COUNT) {
		html_facts_tag(&render->facts, token, element, false, starts);
		return;
	}
	const struct html_traits *traits = html_element_traits(element);
	html_facts_tag(&render->facts, token, element, traits->valid, starts);
	if (traits->style != HTML_STYLE_DEFAULT && starts)
		html_styles_open(&render->styles, traits->style, token);
	else if (traits->style != HTML_STYLE_DEFAULT)
		html_styles_close(&render->styles, traits->style);
	put_space(render, state, traits->space);
	if (!starts)
		return;
	take_uris(render, traits);
	html_facts_attributes(&render->facts, token, element);
	if (element == HTML_ELEMENT_a)
		add_anchor(render);
	else if (element == HTML_ELEMENT_title)
		html_facts_title(&render->facts);
}

static void render_token(struct html_render *render, struct piece_state *state)
{
	struct html_facts *facts = &render->facts;
	const struct html_token *token = &render->token;

	switch (token->kind) {
	case HTML_END_OF_TEXT:
	case HTML_INSTRUCTION:
		break;
	case HTML_TEXT:
		if (html_facts_is_open(facts, HTML_ELEMENT_script))
			html_facts_script(facts, token->text);
		else if (!html_facts_is_open(facts, HTML_ELEMENT_style))
			put_text(render, state, token);
		break;
	case HTML_START:
	case HTML_END:
		put_tag(render, state, token->kind == HTML_START);
		break;
	case HTML_COMMENT:
		html_facts_comment(facts, token->text);
		break;
	case HTML_DECLARATION:
		if (bytes_starts_nocase(token->text, BYTES("<!doctype")))
			html_facts_doctype(facts);
		break;
	}
}

void html_render(struct html_render *render, struct bytes html, struct fact_html *out_facts)
{
	struct html_tokenizer tokenizer;
	size_t start = render->text->len;
	struct piece_state state = {.last_start = start};

	render->wide = false;
	uri_begin_html(render->uris);
	html_facts_open(&render->facts, out_facts);
	html_styles_reset(&render->styles, render->scratch);
	html_open(&tokenizer, html);
	do {
		html_next(&tokenizer, &render->token);
		render_token(render, &state);
	} while (render->token.kind != HTML_END_OF_TEXT);
	html_facts_close(&render->facts,
	                 bytes_of(render->text->data + start, render->text->len - start));
	const struct html_styles *styles = &render->styles;
	out_facts->min_size = styles->size_min < 0 ? 0 : (uint32_t)styles->size_min;
	out_facts->max_size = (uint32_t)styles->size_max;
	out_facts->font_low_contrast = styles->low_contrast;
	out_facts->font_invalid_color = styles->invalid_colour;
}
