/* uri_idn.c - hosts in other scripts to the names the DNS knows (RFC 5890 2.3.2.1: A-labels), as
 * SpamAssassin 4.0 does with Net::LibIDN2.
 *
 * libidn2 takes memory from the heap while it converts and gives it back. Hosts of plain ASCII,
 * which nearly all are, never come to it; what a message may ask of it is bounded.
 */
#include <idn2.h>

#include "smtp/uri_host.h"

/* Dots of other scripts as UTF-8: U+2024, U+3002, U+FE52, U+FF0E, U+FF61. */
static const char other_dots[][4] = {"\xE2\x80\xA4", "\xE3\x80\x82", "\xEF\xB9\x92", "\xEF\xBC\x8E",
                                     "\xEF\xBD\xA1"};

static bool is_plain_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c != 0 && strchr("_.:[]-", c) != NULL);
}

static bool is_plain(struct bytes host)
{
	for (size_t i = 0; i < host.len; i++)
		if (!is_plain_octet(host.data[i]))
			return false;
	return true;
}

/* Octets of the character at `at` of UTF-8 (RFC 3629), 0 when it is none. */
static size_t character_bytes(struct bytes text, size_t at)
{
	uint8_t first = text.data[at], second = at + 1 < text.len ? text.data[at + 1] : 0;
	size_t len = first < 0x80                     ? 1u
	             : first >= 0xC2 && first <= 0xDF ? 2u
	             : first >= 0xE0 && first <= 0xEF ? 3u
	             : first >= 0xF0 && first <= 0xF4 ? 4u
	                                              : 0u;

	if (len == 0 || text.len - at < len || (first == 0xE0 && second < 0xA0) ||
	    (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
	    (first == 0xF4 && second > 0x8F))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((text.data[at + i] & 0xC0) != 0x80)
			return 0;
	return len;
}

/* UTF-8 with plain dots; false when it is none. */
static bool put_utf8(struct bytes host, struct sink *out)
{
	for (size_t at = 0, len; at < host.len; at += len) {
		struct bytes character;
		bool is_dot = false;

		len = character_bytes(host, at);
		character = bytes_slice(host, at, len);
		if (len == 0 || host.data[at] == '\0')
			return false;
		for (unsigned i = 0; i < sizeof(other_dots) / sizeof(other_dots[0]); i++)
			is_dot = is_dot || bytes_equal(character, bytes_text(other_dots[i]));
		sink_put(out, is_dot ? BYTES(".") : character);
	}
	return true;
}

/* Letters, digits and dots of ISO-8859-1 as UTF-8; false when there is anything else. */
static bool put_latin(struct bytes host, struct sink *out)
{
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.data[i];

		if (c < 0x80) {
			if (!is_plain_octet(c) || strchr(":[]", c) != NULL)
				return false;
			sink_octet(out, c);
			continue;
		}
		if (c < 0xC0 || c == 0xD7 || c == 0xDF || c == 0xF7 || c == 0xFF)
			return false;
		sink_octet(out, (uint8_t)(0xC0 | c >> 6));
		sink_octet(out, (uint8_t)(0x80 | (c & 0x3F)));
	}
	return true;
}

/* What `host` becomes, into list->idn_ascii; empty when it stays as it is. */
static void convert(struct uri_list *list, struct bytes host)
{
	uint8_t memory[2 * URI_IDN_BYTES_MAX + 1];
	struct sink text = sink_over(memory, sizeof(memory) - 1);
	struct bytes result;
	char *ascii = NULL;

	list->idn_ascii_len = 0;
	if (!put_utf8(host, &text)) {
		text.len = 0;
		if (!put_latin(host, &text))
			return;
	}
	memory[text.len] = '\0';
	if (idn2_to_ascii_8z((const char *)memory, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) ==
	    IDN2_OK)
		result = bytes_text(ascii);
	else
		result = sink_bytes(&text); /* its dots may have changed */
	if (!bytes_equal_nocase(result, host) && result.len <= URI_IDN_BYTES_MAX) {
		memcpy(list->idn_ascii, result.data, result.len);
		list->idn_ascii_len = (uint32_t)result.len;
	}
	idn2_free(ascii);
}

bool uri_host_to_ascii(struct uri_list *list, struct bytes host, struct bytes *out_ascii)
{
	if (host.len > URI_IDN_BYTES_MAX || is_plain(host))
		return false;
	if (!bytes_equal(host, bytes_of(list->idn_host, list->idn_host_len))) {
		if (list->idn_count == URI_IDN_MAX) {
			list->left_out = true;
			return false;
		}
		list->idn_count++;
		memcpy(list->idn_host, host.data, host.len);
		list->idn_host_len = (uint32_t)host.len;
		convert(list, host);
	}
	*out_ascii = bytes_of(list->idn_ascii, list->idn_ascii_len);
	return list->idn_ascii_len > 0;
}
