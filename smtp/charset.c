/* charset.c - octets of any character set to UTF-8. */
#include "smtp/charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/check.h"
#include "smtp/charset_shift.h"
#include "smtp/octets.h"

struct charset_name {
	const char *name;
	const char *iconv_name;
	bool single;
};

static const struct charset_name names[] = {
#define CHARSET(name, iconv_name, single) {name, iconv_name, single},
#include "smtp/charsets.def"
};

#define CHARSET_COUNT   (sizeof(names) / sizeof(names[0]))
#define CODE_POINT_NONE 0u /* octet 0 is handled before tables are asked */
#define REPLACEMENT     0xFFFDu
#define NAME_BYTES_MAX  48

struct charset {
	iconv_t converter; /* multi-octet sets; (iconv_t)-1 when the system has none */
	uint16_t *code_point;
	bool usable;
	bool keeps_ascii; /* single-octet sets: the lower half is US-ASCII */
	bool shared;      /* converter and table are those of a set before it */
};

struct charset_set {
	struct charset charset[CHARSET_COUNT];
	iconv_t euc_jp_2; /* EUC-JP with JIS X 0212 in place of the second plane of JIS X 0213 */
};

size_t charset_set_bytes(void)
{
	return sizeof(struct charset_set) + CHARSET_COUNT * (256 * sizeof(uint16_t) + 64) + 64;
}

/* Fills the table of a single-octet set; true when its lower half is US-ASCII. */
static bool table_fill(iconv_t converter, uint16_t *table)
{
	for (unsigned octet = 1; octet < 256; octet++) {
		char in_octet = (char)octet;
		char *in = &in_octet;
		uint8_t utf16[4];
		char *out = (char *)utf16;
		size_t in_left = 1, out_left = sizeof(utf16);

		iconv(converter, NULL, NULL, NULL, NULL);
		/* Sets with combining marks hold the last character back until they are asked. */
		if (iconv(converter, &in, &in_left, &out, &out_left) != (size_t)-1 &&
		    iconv(converter, NULL, NULL, &out, &out_left) != (size_t)-1 && out_left == 2)
			table[octet] = (uint16_t)(utf16[0] | utf16[1] << 8);
	}
	bool keeps_ascii = true;
	for (unsigned octet = 1; octet < 0x80; octet++)
		keeps_ascii = keeps_ascii && table[octet] == octet;
	return keeps_ascii;
}

/* Another name of a set before it: the same converter and table. */
static bool share(struct charset_set *set, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(names[i].iconv_name, names[index].iconv_name) != 0)
			continue;
		set->charset[index] = set->charset[i];
		set->charset[index].shared = true;
		return true;
	}
	return false;
}

struct charset_set *charset_set_new(struct arena *arena)
{
	struct charset_set *set = ARENA_TAKE(arena, 1, struct charset_set);

	if (set == NULL)
		return NULL;
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		struct charset *charset = &set->charset[i];
		const char *to = names[i].single ? "UTF-16LE" : "UTF-8";

		if (share(set, i))
			continue;
		charset->converter = iconv_open(to, names[i].iconv_name);
		if (charset->converter == (iconv_t)-1)
			continue;
		charset->usable = true;
		if (!names[i].single)
			continue;
		charset->code_point = ARENA_TAKE(arena, 256, uint16_t);
		if (charset->code_point != NULL)
			charset->keeps_ascii = table_fill(charset->converter, charset->code_point);
		iconv_close(charset->converter);
		charset->converter = (iconv_t)-1;
		if (charset->code_point == NULL)
			return NULL;
	}
	set->euc_jp_2 = iconv_open("UTF-8", "EUC-JP");
	if (set->euc_jp_2 == (iconv_t)-1) {
		charset_set_close(set);
		return NULL;
	}
	return set;
}

void charset_set_close(struct charset_set *set)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		if (set->charset[i].usable && !set->charset[i].shared &&
		    set->charset[i].converter != (iconv_t)-1)
			iconv_close(set->charset[i].converter);
		set->charset[i].usable = false;
	}
	if (set->euc_jp_2 != (iconv_t)-1)
		iconv_close(set->euc_jp_2);
	set->euc_jp_2 = (iconv_t)-1;
}

bool charset_is_ascii(struct bytes in)
{
	return octets_ascii_end(in, 0) == in.len;
}

/* Length of the well-formed sequence at `data`, 0 when there is none (RFC 3629 4). */
static unsigned utf8_sequence(const uint8_t *data, size_t len)
{
	uint8_t first = data[0];
	unsigned need = first < 0x80   ? 1
	                : first < 0xC2 ? 0
	                : first < 0xE0 ? 2
	                : first < 0xF0 ? 3
	                : first < 0xF5 ? 4
	                               : 0;

	if (need == 0 || need > len)
		return 0;
	for (unsigned i = 1; i < need; i++)
		if ((data[i] & 0xC0) != 0x80)
			return 0;
	if ((first == 0xE0 && data[1] < 0xA0) || (first == 0xED && data[1] > 0x9F) ||
	    (first == 0xF0 && data[1] < 0x90) || (first == 0xF4 && data[1] > 0x8F))
		return 0;
	return need;
}

bool charset_is_utf8(struct bytes in)
{
	for (size_t i = 0; (i = octets_ascii_end(in, i)) < in.len;) {
		unsigned step = utf8_sequence(in.data + i, in.len - i);

		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

void charset_put_utf8(struct sink *out, uint32_t c)
{
	if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		c = REPLACEMENT;
	if (c < 0x80) {
		sink_octet(out, (uint8_t)c);
		return;
	}
	uint8_t octets[4];
	unsigned count = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (unsigned i = count - 1; i > 0; i--) {
		octets[i] = (uint8_t)(0x80 | (c & 0x3F));
		c >>= 6;
	}
	octets[0] = (uint8_t)(count == 2 ? 0xC0 | c : count == 3 ? 0xE0 | c : 0xF0 | c);
	/* Whole characters only, also at the end of the room. */
	if (out->bytes_max - out->len < count)
		out->full = true;
	else
		sink_put(out, bytes_of(octets, count));
}

unsigned charset_get_utf8(const uint8_t *data, size_t len, uint32_t *out_code_point)
{
	unsigned count = utf8_sequence(data, len);

	if (count <= 1) {
		*out_code_point = count == 1 ? data[0] : REPLACEMENT;
		return 1;
	}
	uint32_t c = data[0] & (0x7Fu >> count);
	for (unsigned i = 1; i < count; i++)
		c = c << 6 | (data[i] & 0x3F);
	*out_code_point = c;
	return count;
}

bool charset_is_space(uint32_t c)
{
	return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static void put_valid_utf8(struct bytes in, struct sink *out)
{
	for (size_t i = 0; i < in.len;) {
		unsigned step = utf8_sequence(in.data + i, in.len - i);

		if (step == 0)
			charset_put_utf8(out, REPLACEMENT);
		else
			sink_put(out, bytes_of(in.data + i, step));
		i += step == 0 ? 1 : step;
	}
}

/* Strict: false, and nothing written, at the first octet the set does not have. */
static bool single_to_utf8(const struct charset *charset, struct bytes in, bool strict,
                           struct sink *out)
{
	const uint16_t *table = charset->code_point;
	size_t start = out->len;

	for (size_t i = 0; i < in.len; i++) {
		if (charset->keeps_ascii && in.data[i] < 0x80) {
			size_t end = octets_ascii_end(in, i);

			sink_put(out, bytes_slice(in, i, end - i));
			i = end;
			if (i == in.len)
				break;
		}
		uint16_t c = table[in.data[i]];

		if (c == CODE_POINT_NONE && in.data[i] != 0) {
			if (strict) {
				out->len = start;
				return false;
			}
			c = REPLACEMENT;
		}
		charset_put_utf8(out, c);
	}
	return true;
}

/* What a converter holds back. */
static void multi_end(iconv_t converter, struct sink *out)
{
	char *write = (char *)out->data + out->len;
	size_t write_left = out->bytes_max - out->len;

	if (iconv(converter, NULL, NULL, &write, &write_left) == (size_t)-1)
		out->full = true;
	out->len = out->bytes_max - write_left;
}

/* Strict: false, and nothing written, at the first octets the set does not have. `drops_cut`: a
 * character cut off by the end is dropped. */
static bool multi_to_utf8(iconv_t converter, struct bytes in, bool strict, bool drops_cut,
                          struct sink *out)
{
	size_t start = out->len;
	/* iconv's prototype lacks the const; it does not write through it. */
	char *read = (char *)(uintptr_t)in.data;
	size_t read_left = in.len;

	iconv(converter, NULL, NULL, NULL, NULL);
	while (read_left > 0) {
		char *write = (char *)out->data + out->len;
		size_t write_left = out->bytes_max - out->len;
		size_t result = iconv(converter, &read, &read_left, &write, &write_left);

		out->len = out->bytes_max - write_left;
		if (result != (size_t)-1)
			break;
		if (errno == E2BIG || (errno == EINVAL && drops_cut)) {
			out->full = out->full || errno == E2BIG;
			break;
		}
		if (strict) {
			out->len = start;
			return false;
		}
		charset_put_utf8(out, REPLACEMENT);
		read++;
		read_left--;
	}
	multi_end(converter, out);
	return true;
}

/* The C library takes the octets of C1 for controls in these sets, which do not have them. */
static bool has_foreign_octet(struct bytes name, struct bytes in)
{
	bool euc = bytes_starts_nocase(name, BYTES("EUC-")),
	     chinese = bytes_equal(name, BYTES("BIG5"));
	bool japanese = bytes_equal(name, BYTES("EUC-JISX0213"));

	if (!euc && !chinese)
		return false;
	for (size_t i = 0; (i = octets_ascii_end(in, i)) < in.len; i++) {
		uint8_t c = in.data[i];

		if (c == 0x80 || (euc && c < 0xA0 && !(japanese && (c == 0x8E || c == 0x8F))))
			return true;
	}
	return false;
}

static bool starts(struct bytes in, struct bytes with)
{
	return bytes_equal(bytes_slice(in, 0, with.len), with);
}

/* Shift_JIS has a yen sign and an overline where the text of mail means ASCII. */
static void restore_ascii(struct sink *out, size_t start)
{
	size_t write = start;

	for (size_t at = start; at < out->len;) {
		struct bytes rest = bytes_of(out->data + at, out->len - at);

		if (starts(rest, BYTES("\xc2\xa5"))) {
			out->data[write++] = '\\';
			at += 2;
		} else if (starts(rest, BYTES("\xe2\x80\xbe"))) {
			out->data[write++] = '~';
			at += 3;
		} else {
			out->data[write++] = out->data[at++];
		}
	}
	out->len = write;
}

/* White space in a name does not count. */
static struct bytes without_space(struct bytes name, uint8_t memory[NAME_BYTES_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < name.len && len < NAME_BYTES_MAX; i++)
		if (name.data[i] != ' ' && name.data[i] != '\t' && name.data[i] != '\n')
			memory[len++] = name.data[i];
	return len == name.len || len == NAME_BYTES_MAX ? name : bytes_of(memory, len);
}

static const struct charset *find(const struct charset_set *set, struct bytes name)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++)
		if (bytes_equal_nocase(name, bytes_text(names[i].name)))
			return set->charset[i].usable ? &set->charset[i] : NULL;
	return NULL;
}

static bool is_one_of(struct bytes name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal_nocase(name, bytes_text(list[i])))
			return true;
	return false;
}

static bool is_utf7_name(struct bytes name)
{
	static const char *const list[] = {"utf-7", "utf7", "unicode-1-1-utf-7"};

	return is_one_of(name, list, 3);
}

static bool is_utf8_name(struct bytes name)
{
	static const char *const list[] = {"utf-8", "utf8"};

	return is_one_of(name, list, 2);
}

/* Takes `prefix` off the start of `name`. */
static bool take_prefix(struct bytes *name, const char *prefix)
{
	struct bytes text = bytes_text(prefix);

	if (!bytes_starts_nocase(*name, text))
		return false;
	*name = bytes_slice(*name, text.len, SIZE_MAX);
	return true;
}

static bool are_digits(struct bytes name, size_t least, size_t most)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] < '0' || name.data[i] > '9')
			return false;
	return name.len >= least && name.len <= most;
}

static bool are_letters(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((name.data[i] | 0x20) < 'a' || (name.data[i] | 0x20) > 'z')
			return false;
	return name.len == 1 || name.len == 2;
}

/* Names under which text of ASCII is left alone. Under others it is decoded, which matters where
 * the octets mean something else, and where it says that the text consists of characters. */
static bool leaves_ascii(struct bytes name)
{
	static const char *const list[] = {
	    "",    "us-ascii", "ascii", "ansi_x3.4-1968", "ansi_x3.4-1986", "iso646-us", "big5",
	    "gbk", "utf-8",    "utf8",  "gb18030",        "gb-18030",       "gb 18030",
	};
	struct bytes rest = name;

	if (is_one_of(name, list, sizeof(list) / sizeof(list[0])))
		return true;
	if (take_prefix(&rest, "windows-"))
		return are_digits(rest, 4, 4);
	if (take_prefix(&rest, "koi8-") || take_prefix(&rest, "euc-"))
		return are_letters(rest);
	if (take_prefix(&rest, "iso-8859") || take_prefix(&rest, "iso8859") ||
	    take_prefix(&rest, "iso 8859"))
		return rest.len == 0 ||
		       (rest.data[0] == '-' && are_digits(bytes_slice(rest, 1, SIZE_MAX), 1, 2));
	return false;
}

/* UTF-16 by its octet order mark, or by where the small octets stand. NULL when nothing tells. */
static const struct charset *guess_utf16(const struct charset_set *set, struct bytes in)
{
	size_t little_clues = 0, big_clues = 0;
	uint64_t even_sum = 0, odd_sum = 0;

	if (in.len >= 2 && in.data[0] == 0xFF && in.data[1] == 0xFE)
		return NULL;
	if (in.len >= 2 && in.data[0] == 0xFE && in.data[1] == 0xFF)
		return NULL;
	for (size_t i = 0; i + 1 < in.len; i += 2) {
		unsigned even = in.data[i], odd = in.data[i + 1];

		even_sum += (even >> 4) + (even & 15);
		odd_sum += (odd >> 4) + (odd & 15);
		little_clues += even == 0x20 && odd == 0;
		big_clues += even == 0 && odd == 0x20;
	}
	little_clues += even_sum > odd_sum * 4;
	big_clues += odd_sum * 4 > even_sum;
	if (little_clues == big_clues)
		return NULL;
	return find(set, little_clues > big_clues ? BYTES("utf-16le") : BYTES("utf-16be"));
}

/* UTF-32 that does not say which octet comes first says so by its mark. */
static const struct charset *find_utf32(const struct charset_set *set, struct bytes *in)
{
	bool little = starts(*in, bytes_of((const uint8_t *)"\xff\xfe\0\0", 4));
	bool big = starts(*in, bytes_of((const uint8_t *)"\0\0\xfe\xff", 4));

	if (!little && !big)
		return NULL;
	*in = bytes_slice(*in, 4, SIZE_MAX);
	return find(set, little ? BYTES("utf-32le") : BYTES("utf-32be"));
}

/* Whether kanji of the second set are called: in EUC by an octet, in ISO-2022-JP by a sequence. */
static bool has_kanji_2(struct bytes in)
{
	for (size_t i = 0; (i += bytes_find(bytes_slice(in, i, SIZE_MAX), 0x1B)) < in.len; i++)
		if (starts(bytes_slice(in, i, SIZE_MAX), BYTES("\x1b$(D")))
			return true;
	return bytes_find(in, 0x8F) < in.len;
}

/* In encoded words it only has to be well-formed: SpamAssassin puts the octets as they are into the
 * header, and so do we. */
static bool utf16_to_utf8(const struct charset *charset, struct bytes in, bool is_word,
                          struct sink *out)
{
	size_t start = out->len;

	if (!multi_to_utf8(charset->converter, in, true, false, out))
		return false;
	if (is_word) {
		out->len = start;
		sink_put(out, in);
	}
	return true;
}

/* Sets of seven bits; false when `declared` is none of them. */
static bool shifted_to_utf8(const struct charset_set *set, struct bytes in, struct bytes declared,
                            struct sink *out)
{
	static const char *const japanese[] = {"iso-2022-jp", "iso-2022-jp-1", "7bit-jis", "jis"};
	const struct charset *euc_jp = find(set, BYTES("euc-jp"));
	const struct charset *euc_kr = find(set, BYTES("euc-kr"));

	if (euc_jp != NULL && is_one_of(declared, japanese, 4))
		charset_put_iso_2022_jp(has_kanji_2(in) ? set->euc_jp_2 : euc_jp->converter, in,
		                        out);
	else if (euc_kr != NULL && bytes_equal_nocase(declared, BYTES("iso-2022-kr")))
		charset_put_iso_2022_kr(euc_kr->converter, in, out);
	else
		return false;
	return true;
}

/* Converts by the declared set; false when it is unknown or does not fit the octets. */
static bool declared_to_utf8(struct charset_set *set, struct bytes in, struct bytes declared,
                             bool insist, struct sink *out)
{
	if (is_utf8_name(declared)) {
		if (!insist)
			return false; /* was tried already */
		put_valid_utf8(in, out);
		return true;
	}
	const struct charset *charset = find(set, declared);
	if (bytes_starts_nocase(declared, BYTES("utf-16")) ||
	    bytes_starts_nocase(declared, BYTES("utf16"))) {
		charset = guess_utf16(set, in);
		return charset != NULL && utf16_to_utf8(charset, in, insist, out);
	}
	if (bytes_equal_nocase(declared, BYTES("utf-32")))
		charset = find_utf32(set, &in);
	else if (charset == NULL && shifted_to_utf8(set, in, declared, out))
		return true;
	if (charset == NULL)
		return false;
	if (charset->code_point != NULL)
		return single_to_utf8(charset, in, !insist, out);
	struct bytes iconv_name = bytes_text(names[charset - set->charset].iconv_name);
	bool is_utf = bytes_starts_nocase(iconv_name, BYTES("UTF-"));
	bool is_second = bytes_equal(iconv_name, BYTES("EUC-JISX0213")) && has_kanji_2(in);
	size_t start = out->len;
	if ((!insist && has_foreign_octet(iconv_name, in)) ||
	    !multi_to_utf8(is_second ? set->euc_jp_2 : charset->converter, in, !insist, !is_utf,
	                   out))
		return false;
	if (bytes_equal(iconv_name, BYTES("SHIFT_JIS")))
		restore_ascii(out, start);
	return true;
}

bool charset_to_utf8(struct charset_set *set, struct bytes in, struct bytes declared, bool insist,
                     struct sink *out)
{
	static const char *const ascii[] = {"us-ascii", "ascii"};
	uint8_t memory[NAME_BYTES_MAX];
	bool plain = charset_is_ascii(in);

	if (plain && leaves_ascii(declared)) {
		sink_put(out, in);
		return false;
	}
	if (!plain && !insist && charset_is_utf8(in)) {
		sink_put(out, in);
		return true;
	}
	bool try_declared = insist || !is_one_of(declared, ascii, 2);
	declared = without_space(declared, memory);
	if (is_utf7_name(declared))
		return charset_put_utf7(in, out);
	if (try_declared && declared_to_utf8(set, in, declared, insist, out))
		return true;
	if (plain) {
		sink_put(out, in);
		return false;
	}
	const struct charset *fallback = find(set, BYTES("windows-1252"));
	if (fallback == NULL)
		put_valid_utf8(in, out);
	else
		single_to_utf8(fallback, in, false, out);
	return true;
}
