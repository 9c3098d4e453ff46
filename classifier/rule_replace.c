/* rule_replace.c - ReplaceTags: `<TAG>` in a pattern becomes the text of its replace_tag.
 *
 * <pre N>, <post N> and <inter N> are taken out first; their texts then stand before and after each
 * tag, and between two that touch. Tags may hold tags: five further passes, as in
 * SpamAssassin 4.0.1.
 */
#include "classifier/rule_read.h"

#define PASSES_MAX 6

/* A text that grows at its end, in pool memory. */
struct growing {
	struct rule_pool *pool;
	char *text;
	uint32_t len, room;
};

static void put(struct growing *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		out->text = rule_pool_grow(out->pool, out->text, out->len, &out->room, 1);
		out->text[out->len++] = (char)text.data[i];
	}
}

static struct bytes finish(struct growing *out)
{
	return bytes_of(out->text, out->len);
}

static size_t find_text(struct bytes text, struct bytes what, size_t from)
{
	for (size_t i = from; i + what.len <= text.len; i++)
		if (memcmp(text.data + i, what.data, what.len) == 0)
			return i;
	return SIZE_MAX;
}

/* Takes the first "<mark name>" out of `text`; the text that goes by that name, or empty. */
static struct bytes take_modifier(struct rule_reader *reader, struct bytes *text, const char *mark,
                                  const struct named_texts *texts)
{
	struct bytes end = bytes_text(reader->replace_end);
	struct bytes opening = bytes_text(
	    rule_pool_printf(&reader->pool, "%s%s ", reader->replace_start, mark));
	size_t from = find_text(*text, opening, 0);
	size_t to = from == SIZE_MAX ? SIZE_MAX : find_text(*text, end, from + opening.len + 1);

	if (to == SIZE_MAX)
		return BYTES("");

	struct bytes name = bytes_slice(*text, from + opening.len, to - from - opening.len);
	struct growing rest = {.pool = &reader->pool};
	put(&rest, bytes_slice(*text, 0, from));
	put(&rest, bytes_slice(*text, to + end.len, text->len));
	*text = finish(&rest);

	const char *found = named_texts_find(texts, name);
	return found != NULL ? bytes_text(found) : BYTES("");
}

/* Length of "<...>" without angle brackets inside at the start of `text`; 0 when there is none. */
static size_t tag_len(struct bytes text)
{
	if (text.len < 3 || text.data[0] != '<')
		return 0;
	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] == '<')
			return 0;
		if (text.data[i] == '>')
			return i > 1 ? i + 1 : 0;
	}
	return 0;
}

/* One element: its first tag is replaced wherever it stands in it. True when the replacement has
 * tags itself. */
static bool put_element(struct rule_reader *reader, struct growing *out, struct bytes element)
{
	struct bytes start = bytes_text(reader->replace_start),
	             end = bytes_text(reader->replace_end);
	size_t from = find_text(element, start, 0);
	size_t to = from == SIZE_MAX ? SIZE_MAX : find_text(element, end, from + start.len + 1);

	if (to == SIZE_MAX) {
		put(out, element);
		return false;
	}

	struct bytes name = bytes_slice(element, from + start.len, to - from - start.len);
	struct bytes whole = bytes_slice(element, from, to + end.len - from);
	const char *replacement = named_texts_find(&reader->replace_tag, name);
	if (replacement == NULL) {
		put(out, element);
		return false;
	}
	for (size_t at = 0; at < element.len;) {
		size_t next = find_text(element, whole, at);

		if (next == SIZE_MAX)
			next = element.len;
		put(out, bytes_slice(element, at, next - at));
		if (next < element.len)
			put(out, bytes_text(replacement));
		at = next + whole.len;
	}
	for (struct bytes rest = bytes_text(replacement); rest.len > 0;
	     rest = bytes_slice(rest, 1, rest.len))
		if (tag_len(rest) > 0)
			return true;
	return false;
}

static bool replace_pass(struct rule_reader *reader, struct bytes *text)
{
	struct bytes pre = take_modifier(reader, text, "pre", &reader->replace_pre);
	struct bytes post = take_modifier(reader, text, "post", &reader->replace_post);
	struct bytes inter = take_modifier(reader, text, "inter", &reader->replace_inter);
	struct growing out = {.pool = &reader->pool};
	bool again = false, touching = true; /* nothing stands before the first tag either */
	size_t at = 0;

	while (at < text->len) {
		size_t len = tag_len(bytes_slice(*text, at, text->len));

		if (len == 0) {
			put(&out, bytes_slice(*text, at++, 1));
			touching = false;
			continue;
		}
		if (touching)
			put(&out, inter);

		struct growing element = {.pool = &reader->pool};
		put(&element, pre);
		put(&element, bytes_slice(*text, at, len));
		put(&element, post);
		again |= put_element(reader, &out, finish(&element));
		touching = true;
		at += len;
	}
	*text = finish(&out);
	return again;
}

char *rule_replace(struct rule_reader *reader, char *pattern)
{
	struct bytes text = bytes_text(pattern);

	for (uint32_t pass = 0; pass < PASSES_MAX; pass++)
		if (!replace_pass(reader, &text))
			break;
	return rule_pool_copy(&reader->pool, text);
}
