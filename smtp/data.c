/* data.c - the end of a message after DATA, found across any cut. */
#include "smtp/data.h"

#include "base/check.h"

enum data_state {
	LINE_START, /* nothing or CRLF stands before: a dot counts here only */
	DOT,        /* a dot at the start of a line, withheld */
	DOT_CR,     /* dot and CR, both withheld */
	TEXT,
	CR
};

/* Octets in front of the first CR, LF or NUL: eight at a time are passed over when none of them is
 * below
 * 14. (Subtraction borrows upwards only, so the lowest flag is exact and no octet below 14 is
 * missed.) */
static size_t span_plain(const uint8_t *text, size_t len)
{
	size_t at = 0;

	for (;;) {
		for (; at + 8 <= len; at += 8) {
			uint64_t word;
			memcpy(&word, text + at, 8);
			if ((word - 0x0e0e0e0e0e0e0e0eu) & ~word & 0x8080808080808080u)
				break;
		}
		for (size_t end = at + 8; at < len && at < end; at++) {
			if (text[at] == '\r' || text[at] == '\n' || text[at] == '\0')
				return at;
		}
		if (at >= len)
			return len;
	}
}

static void add_to_line(struct data *data, size_t bytes)
{
	/* Saturates far above the bound, so that no length wraps to a legal one. */
	uint64_t sum = (uint64_t)data->line_bytes + bytes;

	data->line_bytes = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
	if (data->line_bytes > DATA_LINE_BYTES_MAX)
		data->defects.line_too_long = true;
}

/* The state behind `octet` inside a line; a CR that was not followed by LF counts now. */
static void take_in_line(struct data *data, uint8_t octet)
{
	if (data->state == CR && octet == '\n') {
		data->state = LINE_START;
		data->line_bytes = 0;
		return;
	}
	if (data->state == CR) {
		data->defects.bare_cr = true;
		add_to_line(data, 1);
	}
	data->state = octet == '\r' ? CR : TEXT;
	if (octet == '\r')
		return;
	add_to_line(data, 1);
	data->defects.bare_lf |= octet == '\n';
	data->defects.nul |= octet == '\0';
}

/* A dot, or dot and CR, is decided by the next octet. Returns true when that was consumed here: it
 * has joined what is withheld, or ended the message. Else *out_content is the octets no longer
 * withheld. */
static bool take_after_dot(struct data *data, uint8_t octet, struct bytes *out_content)
{
	static const uint8_t dot_cr[] = {'.', '\r'};

	if (data->state == DOT && octet == '\r') {
		data->state = DOT_CR;
		return true;
	}
	if (data->state == DOT_CR && octet == '\n') {
		data->ended = true;
		return true;
	}
	data->stuffed_dots++;
	*out_content = bytes_of(dot_cr, data->state == DOT ? 1 : 2);
	data->bytes += out_content->len;
	data->state = data->state == DOT ? TEXT : CR;
	return false;
}

/* The dot at the front of `text` starts a line. True when what follows it is here and makes it
 * stuffing. */
static bool dot_is_stuffing(struct bytes text)
{
	if (text.len < 2)
		return false;
	return text.data[1] != '\r' || (text.len > 2 && text.data[2] != '\n');
}

/* Content from the front of `text` up to its end or a dot that must be withheld. */
static size_t take_content(struct data *data, struct bytes text)
{
	size_t at = 0;

	while (at < text.len) {
		if (data->state == LINE_START && text.data[at] == '.') {
			if (!dot_is_stuffing(bytes_slice(text, at, text.len)))
				break;
			data->stuffed_dots++;
			data->state = TEXT;
			at++;
		}
		if (data->state == TEXT) {
			size_t plain = span_plain(text.data + at, text.len - at);
			add_to_line(data, plain);
			at += plain;
			if (at == text.len)
				break;
		}
		take_in_line(data, text.data[at++]);
	}
	data->bytes += at;
	return at;
}

void data_next(struct data *data, struct bytes *input, struct bytes *out_content)
{
	const uint8_t *data_start = input->data;
	size_t at = 0;

	ASSERT(!data->ended);
	*out_content = bytes_of(NULL, 0);
	while (at < input->len && !data->ended) {
		if (data->state == DOT || data->state == DOT_CR) {
			if (!take_after_dot(data, data_start[at], out_content))
				break;
			at++;
			continue;
		}
		size_t content = take_content(data, bytes_slice(*input, at, input->len));
		*out_content = bytes_of(data_start + at, content);
		at += content;
		if (content > 0)
			break;
		data->state = DOT;
		at++;
	}
	*input = bytes_slice(*input, at, input->len);
}

size_t data_unstuff(struct data_unstuffing *unstuffing, struct bytes content, uint8_t *out)
{
	size_t written = 0, at = 0;

	while (at < content.len) {
		if (unstuffing->state == LINE_START && content.data[at] == '.') {
			unstuffing->state = TEXT;
			at++;
			continue;
		}
		if (unstuffing->state == TEXT) {
			size_t left = content.len - at;
			const uint8_t *cr = memchr(content.data + at, '\r', left);
			size_t plain = cr == NULL ? left : (size_t)(cr - (content.data + at));
			memcpy(out + written, content.data + at, plain);
			written += plain;
			at += plain;
			if (at == content.len)
				break;
		}
		uint8_t octet = content.data[at++];
		out[written++] = octet;
		if (octet == '\r')
			unstuffing->state = CR;
		else if (unstuffing->state == CR && octet == '\n')
			unstuffing->state = LINE_START;
		else
			unstuffing->state = TEXT;
	}
	return written;
}
