/* line.c - command lines out of a stream that is cut anywhere. */
#include "smtp/line.h"

#include "base/check.h"

/* Octets up to and including the first CRLF in `text`, 0 when there is none. `after_cr`: a CR
 * stands before. */
static size_t find_end(struct bytes text, bool after_cr)
{
	size_t at = 0;

	while (at < text.len) {
		size_t newline = at + bytes_find(bytes_slice(text, at, text.len), '\n');
		if (newline >= text.len)
			return 0;
		if (newline > 0 ? text.data[newline - 1] == '\r' : after_cr)
			return newline + 1;
		at = newline + 1;
	}
	return 0;
}

static void advance(struct bytes *input, size_t bytes)
{
	*input = bytes_slice(*input, bytes, input->len);
}

static enum line_result discard(struct line *line, struct bytes *input, size_t end)
{
	if (end > 0) {
		advance(input, end);
		*line = (struct line){0};
		return LINE_TOO_LONG;
	}
	if (input->len > 0)
		line->after_cr = input->data[input->len - 1] == '\r';
	line->discarding = true;
	line->len = 0;
	advance(input, input->len);
	return LINE_MORE;
}

static void collect(struct line *line, uint8_t *store, struct bytes *input, size_t bytes)
{
	memcpy(store + line->len, input->data, bytes);
	line->len += (uint32_t)bytes;
	advance(input, bytes);
}

enum line_result line_next(struct line *line, uint8_t *store, uint32_t bytes_max,
                           struct bytes *input, struct bytes *out_line)
{
	bool after_cr = line->after_cr;

	if (input->len == 0)
		return LINE_MORE;
	ASSERT(line->len == 0 || store != NULL);
	if (line->len > 0)
		after_cr = store[line->len - 1] == '\r';

	size_t end = find_end(*input, after_cr);
	size_t bytes = end > 0 ? end : input->len;
	if (line->discarding || line->len + bytes > bytes_max)
		return discard(line, input, end);
	if (end > 0 && line->len == 0) {
		*out_line = bytes_of(input->data, end - 2);
		advance(input, end);
		return LINE_READY;
	}
	if (store == NULL)
		return LINE_NO_STORE;
	collect(line, store, input, bytes);
	if (end == 0)
		return LINE_MORE;
	*out_line = bytes_of(store, line->len - 2);
	*line = (struct line){0};
	return LINE_READY;
}

struct line_defects line_inspect(struct bytes text)
{
	struct line_defects defects = {0};

	for (size_t i = 0; i < text.len; i++) {
		uint8_t octet = text.data[i];
		defects.bare_newline |= octet == '\r' || octet == '\n';
		defects.nul |= octet == 0;
		defects.not_ascii |= octet > 127;
	}
	return defects;
}
