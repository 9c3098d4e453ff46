/* decode.c - base64 and quoted-printable. */
#include "smtp/decode.h"

#include <stdbool.h>

enum { B64_PAD = 64, B64_BLANK = 65, B64_FOREIGN = 66 };

/* clang-format off */
#define X B64_FOREIGN
#define W B64_BLANK
static const uint8_t b64_value[256] = {
	X, X, X, X, X, X, X, X, X, W, W, W, W, W, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	W, X, X, X, X, X, X, X, X, X, X, 62, X, X, X, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, B64_PAD, X, X,
	X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, X,
	X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
#undef X
#undef W
/* clang-format on */

int decode_base64_digit(uint8_t octet)
{
	return b64_value[octet] < B64_PAD ? b64_value[octet] : -1;
}

/* What an inner '=' stands for: 'A' (0) in a clean text of whole quantums, '/' (63) otherwise. */
static uint8_t b64_inner_pad_value(struct bytes in)
{
	size_t count = 0;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t value = b64_value[in.data[i]];

		if (value == B64_FOREIGN)
			return 63;
		count += value != B64_BLANK;
	}
	return count % 4 == 0 ? 0 : 63;
}

/* The length of `in` without the '=' (and what is no base64) at its end. */
static size_t b64_unpadded_len(struct bytes in)
{
	size_t len = in.len;

	while (len > 0 && b64_value[in.data[len - 1]] >= B64_PAD)
		len--;
	return len;
}

size_t decode_base64(struct bytes in, uint8_t *out)
{
	uint8_t *write = out;
	uint32_t group = 0;
	unsigned held = 0;
	int pad = -1;
	size_t len = b64_unpadded_len(in);

	for (size_t i = 0; i < len;) {
		if (held == 0 && len - i >= 4) {
			uint32_t a = b64_value[in.data[i]], b = b64_value[in.data[i + 1]];
			uint32_t c = b64_value[in.data[i + 2]], d = b64_value[in.data[i + 3]];

			if ((a | b | c | d) < 64) {
				group = a << 18 | b << 12 | c << 6 | d;
				*write++ = (uint8_t)(group >> 16);
				*write++ = (uint8_t)(group >> 8);
				*write++ = (uint8_t)group;
				i += 4;
				continue;
			}
		}
		uint8_t value = b64_value[in.data[i++]];
		if (value > B64_PAD)
			continue;
		if (value == B64_PAD) {
			if (pad < 0)
				pad = b64_inner_pad_value(in);
			value = (uint8_t)pad;
		}
		group = group << 6 | value;
		if (++held == 4) {
			*write++ = (uint8_t)(group >> 16);
			*write++ = (uint8_t)(group >> 8);
			*write++ = (uint8_t)group;
			held = 0;
		}
	}
	if (held == 2) {
		*write++ = (uint8_t)(group >> 4);
	} else if (held == 3) {
		*write++ = (uint8_t)(group >> 10);
		*write++ = (uint8_t)(group >> 2);
	}
	return (size_t)(write - out);
}

/* =XX to octets, in place. */
static size_t qp_hex(uint8_t *data, size_t len)
{
	uint8_t *first = memchr(data, '=', len);

	if (first == NULL)
		return len;
	size_t write = (size_t)(first - data);
	for (size_t read = write; read < len;) {
		if (data[read] == '=' && len - read >= 3) {
			int high = decode_hex_digit(data[read + 1]);
			int low = decode_hex_digit(data[read + 2]);

			if (high >= 0 && low >= 0) {
				data[write++] = (uint8_t)(high << 4 | low);
				read += 3;
				continue;
			}
		}
		const uint8_t *next = read + 1 < len ? memchr(data + read + 1, '=', len - read - 1)
		                                     : NULL;
		size_t run = next == NULL ? len - read : (size_t)(next - data) - read;

		memmove(data + write, data + read, run);
		write += run;
		read += run;
	}
	return write;
}

/* One line, its LF included, without blanks at its end and without a soft break; returns octets
 * written. */
static size_t qp_line(const uint8_t *line, size_t len, uint8_t *out)
{
	size_t end_len = len >= 2 && line[len - 2] == '\r' ? 2 : 1;
	size_t text = len - end_len;
	size_t trimmed = text;

	while (trimmed > 0 && (line[trimmed - 1] == ' ' || line[trimmed - 1] == '\t'))
		trimmed--;
	if (trimmed > 0 && line[trimmed - 1] == '=') {
		memmove(out, line, trimmed - 1);
		return trimmed - 1;
	}
	memmove(out, line, trimmed);
	memmove(out + trimmed, line + text, end_len);
	return trimmed + end_len;
}

size_t decode_quoted_printable(struct bytes in, uint8_t *out)
{
	size_t write = 0;

	for (size_t read = 0; read < in.len;) {
		const uint8_t *line = in.data + read;
		const uint8_t *end = memchr(line, '\n', in.len - read);

		if (end == NULL) {
			memmove(out + write, line, in.len - read);
			write += in.len - read;
			break;
		}
		write += qp_line(line, (size_t)(end - line) + 1, out + write);
		read = (size_t)(end + 1 - in.data);
	}
	return decode_crlf_to_lf(out, qp_hex(out, write));
}

size_t decode_q_word(struct bytes in, uint8_t *out)
{
	for (size_t i = 0; i < in.len; i++)
		out[i] = in.data[i] == '_' ? ' ' : in.data[i];
	return qp_hex(out, in.len);
}

size_t decode_crlf_to_lf(uint8_t *data, size_t len)
{
	uint8_t *first = memchr(data, '\r', len);

	if (first == NULL)
		return len;
	size_t write = (size_t)(first - data);
	for (size_t read = write; read < len;) {
		/* `read` is at a CR. */
		size_t start = read + (read + 1 < len && data[read + 1] == '\n');
		const uint8_t *next = start + 1 < len
		                          ? memchr(data + start + 1, '\r', len - start - 1)
		                          : NULL;

		read = next == NULL ? len : (size_t)(next - data);
		memmove(data + write, data + start, read - start);
		write += read - start;
	}
	return write;
}
