/* charset_shift.c - character sets of seven bits, in which sequences switch what octets mean.
 *
 * ISO-2022-JP and ISO-2022-KR are turned to EUC, a piece at a time, and that to UTF-8: as
 * SpamAssassin's decoder does, which takes more for good than the standards would.
 */
#include "smtp/charset_shift.h"

#include <errno.h>

#include "smtp/charset.h"
#include "smtp/decode.h"

#define PIECE_BYTES 512
#define ESCAPE      0x1B
#define SHIFT_OUT   0x0E
#define SHIFT_IN    0x0F

enum plane { PLANE_ASCII, PLANE_KANJI, PLANE_KANJI_2, PLANE_KANA };

/* EUC on its way to UTF-8. */
struct euc {
	iconv_t converter;
	struct sink *out;
	uint8_t octet[PIECE_BYTES];
	size_t len;
};

static void put_quoted(struct sink *out, uint8_t octet)
{
	static const char digits[] = "0123456789ABCDEF";

	sink_octet(out, '\\');
	sink_octet(out, 'x');
	sink_octet(out, (uint8_t)digits[octet >> 4]);
	sink_octet(out, (uint8_t)digits[octet & 15]);
}

/* Writes what is there; at the end also what a converter holds back, and no half character. */
static void euc_write(struct euc *euc, bool ends)
{
	char *read = (char *)euc->octet;
	size_t left = euc->len;

	while (left > 0) {
		char *write = (char *)euc->out->data + euc->out->len;
		size_t room = euc->out->bytes_max - euc->out->len;
		size_t result = iconv(euc->converter, &read, &left, &write, &room);

		euc->out->len = euc->out->bytes_max - room;
		if (result != (size_t)-1)
			break;
		if (errno == E2BIG) {
			euc->out->full = true;
			left = 0;
		} else if (errno == EINVAL) {
			break;
		} else {
			bool pair = left > 1 && (uint8_t)read[0] >= 0xA1 &&
			            (uint8_t)read[1] >= 0xA1;

			for (unsigned i = 0; i <= pair; i++, read++, left--)
				put_quoted(euc->out, (uint8_t)*read);
		}
	}
	memmove(euc->octet, read, left);
	euc->len = ends ? 0 : left;
	if (!ends)
		return;
	char *write = (char *)euc->out->data + euc->out->len;
	size_t room = euc->out->bytes_max - euc->out->len;
	iconv(euc->converter, NULL, NULL, &write, &room);
	euc->out->len = euc->out->bytes_max - room;
}

static void euc_octet(struct euc *euc, uint8_t octet)
{
	if (euc->len == PIECE_BYTES)
		euc_write(euc, false);
	if (euc->len < PIECE_BYTES)
		euc->octet[euc->len++] = octet;
}

static void euc_open(struct euc *euc, iconv_t converter, struct sink *out)
{
	iconv(converter, NULL, NULL, NULL, NULL);
	euc->converter = converter;
	euc->out = out;
	euc->len = 0;
}

/* The escape sequence at the start of `in`: its length and the plane it calls; 0: none that is
 * known. */
static size_t escape_read(struct bytes in, enum plane *plane)
{
	static const struct {
		const char *text;
		enum plane plane;
	} known[] = {
	    {"\x1b$@", PLANE_KANJI},    {"\x1b$B", PLANE_KANJI}, {"\x1b&@\x1b$B", PLANE_KANJI},
	    {"\x1b$(D", PLANE_KANJI_2}, {"\x1b(B", PLANE_ASCII}, {"\x1b(J", PLANE_ASCII},
	    {"\x1b(I", PLANE_KANA},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct bytes text = bytes_text(known[i].text);

		if (in.len < text.len || memcmp(in.data, text.data, text.len) != 0)
			continue;
		*plane = known[i].plane;
		return text.len;
	}
	return 0;
}

static bool is_graphic(uint8_t c)
{
	return c >= 0x21 && c <= 0x7E;
}

void charset_put_iso_2022_jp(iconv_t euc_jp, struct bytes in, struct sink *out)
{
	struct euc euc;
	enum plane plane = PLANE_ASCII;

	euc_open(&euc, euc_jp, out);
	for (size_t at = 0; at < in.len && in.data[at] < 0x80; at++) {
		uint8_t c = in.data[at];

		if (c == ESCAPE) {
			size_t len = escape_read(bytes_slice(in, at, SIZE_MAX), &plane);

			/* What follows an unknown one is not read. */
			if (len == 0)
				break;
			at += len - 1;
			continue;
		}
		bool shifted = plane != PLANE_ASCII && is_graphic(c);
		if (shifted && plane == PLANE_KANA && c <= 0x5F)
			euc_octet(&euc, 0x8E);
		if (shifted && plane == PLANE_KANJI_2 && at + 1 < in.len &&
		    is_graphic(in.data[at + 1])) {
			euc_octet(&euc, 0x8F);
			euc_octet(&euc, c | 0x80);
			c = in.data[++at];
		}
		euc_octet(&euc, shifted ? c | 0x80 : c);
	}
	euc_write(&euc, true);
}

void charset_put_iso_2022_kr(iconv_t euc_kr, struct bytes in, struct sink *out)
{
	static const uint8_t designator[] = {ESCAPE, '$', ')', 'C'};
	const uint8_t *last_in = in.len > 0 ? memrchr(in.data, SHIFT_IN, in.len) : NULL;
	size_t in_end = last_in == NULL ? 0 : (size_t)(last_in - in.data) + 1;
	struct euc euc;
	bool shifted = false;

	euc_open(&euc, euc_kr, out);
	for (size_t at = 0; at < in.len; at++) {
		uint8_t c = in.data[at];
		struct bytes rest = bytes_slice(in, at, SIZE_MAX);

		if (c == ESCAPE) {
			if (rest.len < 4 || memcmp(rest.data, designator, 4) != 0)
				break;
			at += 3;
		} else if (c == SHIFT_OUT && !shifted && at + 1 < in_end) {
			shifted = true;
		} else if (c == SHIFT_IN && shifted) {
			shifted = false;
		} else {
			euc_octet(&euc, shifted && is_graphic(c) ? c | 0x80 : c);
		}
	}
	euc_write(&euc, true);
}

/* UTF-16 in base64 at the start of `in`; returns its length. Bits that make no unit are dropped. */
static size_t put_base64_utf16(struct bytes in, struct sink *out)
{
	uint32_t bits = 0, high = 0;
	unsigned bit_count = 0;
	size_t at = 0;

	for (; at < in.len && decode_base64_digit(in.data[at]) >= 0; at++) {
		bits = bits << 6 | (uint32_t)decode_base64_digit(in.data[at]);
		bit_count += 6;
		if (bit_count < 16)
			continue;
		bit_count -= 16;
		uint32_t unit = bits >> bit_count & 0xFFFF;
		if (high != 0 && unit >= 0xDC00 && unit <= 0xDFFF) {
			charset_put_utf8(out, 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00));
			high = 0;
			continue;
		}
		if (high != 0)
			charset_put_utf8(out, high);
		high = unit >= 0xD800 && unit <= 0xDBFF ? unit : 0;
		if (high == 0)
			charset_put_utf8(out, unit);
	}
	if (high != 0)
		charset_put_utf8(out, high);
	return at;
}

static bool is_encoded(struct bytes in)
{
	for (size_t at = 0; (at += bytes_find(bytes_slice(in, at, SIZE_MAX), '+') + 1) < in.len;)
		if (decode_base64_digit(in.data[at]) >= 0)
			return true;
	return false;
}

bool charset_put_utf7(struct bytes in, struct sink *out)
{
	bool encoded = is_encoded(in);

	for (size_t at = 0; at < in.len;) {
		uint8_t c = in.data[at++];

		if (c != '+') {
			if (encoded)
				charset_put_utf8(out, c);
			else
				sink_octet(out, c);
			continue;
		}
		if (at < in.len && in.data[at] == '-') {
			sink_octet(out, '+');
			at++;
			continue;
		}
		size_t len = put_base64_utf16(bytes_slice(in, at, SIZE_MAX), out);
		if (len == 0)
			sink_octet(out, '+');
		at += len;
		at += len > 0 && at < in.len && in.data[at] == '-';
	}
	return encoded;
}
