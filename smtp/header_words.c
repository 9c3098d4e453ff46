/* header_words.c - encoded words (RFC 2047) in a value.
 *
 * Neighbouring words of the same character set are joined before they are converted, since senders
 * split characters across words in spite of RFC 2047 5.
 */
#include "smtp/header_words.h"

#include "smtp/decode.h"
#include "smtp/header.h"

struct word {
	struct bytes charset, data;
	bool is_base64;
	size_t len; /* of the whole word */
};

bool header_has_words(struct bytes value)
{
	for (size_t i = 0; i + 1 < value.len; i++) {
		const uint8_t *found = memchr(value.data + i, '=', value.len - 1 - i);

		if (found == NULL)
			return false;
		if (found[1] == '?')
			return true;
		i = (size_t)(found - value.data);
	}
	return false;
}

static bool is_charset_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '*' ||
	       c == '_' || c == '-';
}

/* The word at the start of `text`, if there is one. */
static bool word_read(struct bytes text, struct word *out_word)
{
	size_t at = 2;

	if (text.len < 8 || text.data[0] != '=' || text.data[1] != '?')
		return false;
	while (at < text.len && is_charset_octet(text.data[at]))
		at++;
	if (at == 2 || at + 3 > text.len || text.data[at] != '?' || text.data[at + 2] != '?')
		return false;
	uint8_t encoding = text.data[at + 1] | 0x20;
	if (encoding != 'b' && encoding != 'q')
		return false;
	struct bytes rest = bytes_slice(text, at + 3, SIZE_MAX);
	size_t end = bytes_find(rest, '?');
	if (end + 1 >= rest.len || rest.data[end + 1] != '=')
		return false;
	out_word->charset = bytes_slice(text, 2, at - 2);
	out_word->is_base64 = encoding == 'b';
	out_word->data = bytes_slice(rest, 0, end);
	out_word->len = at + 3 + end + 2;
	return true;
}

/* Decodes one word to the end of the storage; false when it has no room. */
static bool word_decode(struct sink *storage, const struct word *word)
{
	size_t need = word->is_base64 ? DECODE_BASE64_BYTES(word->data.len) : word->data.len;

	if (storage->bytes_max - storage->len < need) {
		storage->full = true;
		return false;
	}
	uint8_t *out = storage->data + storage->len;
	storage->len += word->is_base64 ? decode_base64(word->data, out)
	                                : decode_q_word(word->data, out);
	return true;
}

/* RFC 2231 5: a language may follow the character set. */
static struct bytes without_language(struct bytes charset)
{
	return bytes_slice(charset, 0, bytes_find(charset, '*'));
}

/* White space between two words does not count. */
static size_t skip_gap(struct bytes text, size_t at)
{
	struct word next;
	size_t end = at;

	while (end < text.len && header_is_space(text.data[end]))
		end++;
	return end > at && word_read(bytes_slice(text, end, SIZE_MAX), &next) ? end : at;
}

/* The words at `at` that follow each other in one character set, decoded; returns the offset behind
 * them. */
static size_t words_put(struct header_table *table, struct bytes text, size_t at, struct sink *out)
{
	static uint8_t nothing;
	struct word word, next;
	/* The octets go to the free end of the storage; when that is also `out`, the converted ones
	 * follow them and are moved down afterwards. */
	struct sink octets = table->storage;
	size_t start = octets.len;

	if (!word_read(bytes_slice(text, at, SIZE_MAX), &word))
		return at;
	struct bytes charset = word.charset;
	next = word;
	do {
		word_decode(&octets, &next);
		at = skip_gap(text, at + next.len);
	} while (word_read(bytes_slice(text, at, SIZE_MAX), &next) &&
	         bytes_equal_nocase(next.charset, charset));

	struct bytes joined = bytes_of(octets.len > start ? octets.data + start : &nothing,
	                               octets.len - start);
	if (out != &table->storage) {
		charset_to_utf8(table->charsets, joined, without_language(charset), true, out);
		return at;
	}
	size_t converted_at = octets.len;
	charset_to_utf8(table->charsets, joined, without_language(charset), true, &octets);
	memmove(out->data + start, out->data + converted_at, octets.len - converted_at);
	out->len = start + (octets.len - converted_at);
	out->full |= octets.full;
	return at;
}

void header_decode_words(struct header_table *table, struct bytes text, struct sink *out)
{
	for (size_t at = 0; at < text.len;) {
		if (text.data[at] == '=') {
			size_t behind = words_put(table, text, at, out);

			if (behind > at) {
				at = behind;
				continue;
			}
		}
		sink_octet(out, text.data[at++]);
	}
}
