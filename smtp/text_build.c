/* text_build.c - one prepared text under construction. */
#include "smtp/text_build.h"

#include "smtp/charset.h"
#include "smtp/header.h"
#include "smtp/octets.h"

#define CUT_SLACK_BYTES 1024

size_t text_build_bytes(size_t bytes_max, uint32_t segment_count_max)
{
	return bytes_max + segment_count_max * sizeof(struct segment) + 128;
}

bool text_build_init(struct text_build *build, struct arena *arena, size_t bytes_max,
                     uint32_t segment_count_max)
{
	uint8_t *data = arena_take(arena, bytes_max, 1, 64);

	*build = (struct text_build){.data = sink_over(data, bytes_max),
	                             .count_max = segment_count_max};
	build->segment = ARENA_TAKE(arena, segment_count_max, struct segment);
	return data != NULL && build->segment != NULL;
}

void text_build_reset(struct text_build *build)
{
	build->data.len = 0;
	build->data.full = false;
	build->count = 0;
	build->segments_cut = false;
}

static void add(struct text_build *build, uint32_t start, uint32_t len)
{
	if (build->count == build->count_max)
		build->segments_cut = true;
	else
		build->segment[build->count++] = (struct segment){start, len};
}

void text_build_segment(struct text_build *build, size_t start)
{
	add(build, (uint32_t)start, (uint32_t)(build->data.len - start));
}

void text_build_absent(struct text_build *build)
{
	add(build, SEGMENT_ABSENT, 0);
}

void text_build_lines(struct text_build *build, size_t start)
{
	const uint8_t *data = build->data.data;
	size_t at = start;

	while (at < build->data.len) {
		size_t len = bytes_find(bytes_of(data + at, build->data.len - at), '\n');

		len += at + len < build->data.len;
		while (len > TEXT_PIECE_BYTES) {
			size_t piece = TEXT_PIECE_BYTES + 1;

			while (piece > 0 && data[at + piece - 1] != ' ')
				piece--;
			if (piece == 0)
				piece = TEXT_PIECE_BYTES;
			add(build, (uint32_t)at, (uint32_t)piece);
			at += piece;
			len -= piece;
		}
		if (len > 0)
			add(build, (uint32_t)at, (uint32_t)len);
		at += len;
	}
}

/* The offset of `octet` at or behind `from`, when a piece that begins at `at` may end there. */
static bool piece_end(struct bytes part, size_t at, uint8_t octet, size_t *out_end)
{
	struct bytes window = bytes_slice(part, at + TEXT_PIECE_BYTES, TEXT_PIECE_BYTES);
	size_t found = bytes_find(window, octet);

	*out_end = at + TEXT_PIECE_BYTES + found;
	return found < window.len;
}

void text_build_paragraphs(struct text_build *build, struct bytes part)
{
	size_t start = build->data.len, at = 0, end;

	sink_put(&build->data, part);
	part = bytes_of(build->data.data + start, build->data.len - start);
	if (part.len <= TEXT_PIECE_BYTES) {
		text_build_segment(build, start);
		return;
	}
	while (part.len - at > 2 * TEXT_PIECE_BYTES) {
		if (!piece_end(part, at, '\n', &end) && !piece_end(part, at, '>', &end) &&
		    !piece_end(part, at, ' ', &end))
			end = at + TEXT_PIECE_BYTES;
		add(build, (uint32_t)(start + at), (uint32_t)(end + 1 - at));
		at = end + 1;
	}
	if (at < part.len)
		add(build, (uint32_t)(start + at), (uint32_t)(part.len - at));
}

struct text text_build_text(const struct text_build *build)
{
	return (struct text){build->data.data, (uint32_t)build->data.len, build->count,
	                     build->segment};
}

/* The offset of the `count`-th character, or the length. */
static size_t characters(struct bytes text, size_t count)
{
	size_t at = 0;

	while (at < text.len && count > 0) {
		at++;
		while (at < text.len && (text.data[at] & 0xC0) == 0x80)
			at++;
		count--;
	}
	return at;
}

static bool cut_behind(struct bytes text, size_t at, size_t slack, uint8_t octet, size_t *out_end)
{
	struct bytes window = bytes_slice(text, at, slack);
	size_t found = bytes_find(window, octet);

	*out_end = at + found + 1;
	return found < window.len;
}

size_t text_cut_offset(struct bytes text, size_t count_max, bool wide, bool raw)
{
	if (text.len <= count_max)
		return text.len;
	size_t at = wide ? characters(text, count_max) : count_max, end;
	if (at >= text.len)
		return text.len;
	size_t slack = CUT_SLACK_BYTES + 1;
	if (wide)
		slack = characters(bytes_slice(text, at, SIZE_MAX), slack);
	if (cut_behind(text, at, slack, '\n', &end) ||
	    (raw && cut_behind(text, at, slack, '>', &end)) ||
	    cut_behind(text, at, slack, ' ', &end))
		return end;
	return at;
}

/* The length of the white space at `at` (0: none there). */
static unsigned space_len(struct bytes text, size_t at, bool wide)
{
	uint8_t c = text.data[at];
	uint32_t code_point;

	if (c < 0x80)
		return c == ' ' || (c >= '\t' && c <= '\r');
	if (!wide || (c != 0xC2 && (c < 0xE1 || c > 0xE3)))
		return 0;
	unsigned len = charset_get_utf8(text.data + at, text.len - at, &code_point);
	return charset_is_space(code_point) ? len : 0;
}

/* One octet of white space with a letter of ASCII or its like behind it: most line ends. */
static bool is_lone_space(struct bytes text, size_t at)
{
	return header_is_space(text.data[at]) && at + 1 < text.len && text.data[at + 1] > ' ' &&
	       text.data[at + 1] < 0x80;
}

/* One run of white space at `at`; returns the offset behind it. */
static size_t fold_run(struct bytes text, size_t at, bool wide, struct sink *out)
{
	size_t first = text.len, last = 0, start = at;
	unsigned step;

	for (; at < text.len; at += step) {
		step = text.data[at] < 0x80 ? header_is_space(text.data[at])
		                            : space_len(text, at, wide);
		if (step == 0)
			break;
		if (text.data[at] != '\n')
			continue;
		first = at < first ? at : first;
		last = at;
	}
	if (first >= last) {
		sink_octet(out, ' ');
		return at;
	}
	if (first > start)
		sink_octet(out, ' ');
	sink_octet(out, '\n');
	if (last + 1 < at)
		sink_octet(out, ' ');
	return at;
}

void text_fold(struct bytes rendered, bool wide, struct sink *out)
{
	for (size_t at = 0; at < rendered.len;) {
		uint8_t c = rendered.data[at];

		if (c > ' ' && c < 0x80) {
			size_t end = octets_words_end(rendered, at, false);

			sink_put(out, bytes_of(rendered.data + at, end - at));
			at = end;
		} else if (wide && c >= 0x80 && c != 0xC2 && (c < 0xE1 || c > 0xE3)) {
			sink_octet(out, c);
			at++;
		} else if (is_lone_space(rendered, at)) {
			sink_octet(out, ' ');
			at++;
		} else if (space_len(rendered, at, wide) > 0) {
			at = fold_run(rendered, at, wide, out);
		} else if (c == 0) {
			sink_octet(out, '\n');
			at++;
		} else if (!wide && (c == 0xC2 || c == 0xC3) && at + 1 < rendered.len) {
			sink_octet(out, (uint8_t)((c & 3) << 6 | (rendered.data[at + 1] & 0x3F)));
			at += 2;
		} else {
			sink_octet(out, c);
			at++;
		}
	}
}
