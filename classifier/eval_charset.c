/* eval_charset.c - eval functions about character sets of languages a site does not read.
 *
 * They say nothing unless `ok_locales` names languages: then a character set is fine when it is
 * used everywhere or by one of these.
 */
#include "classifier/eval.h"

#define NAME_BYTES_MAX 32u

struct locale {
	const char *language;
	const char *charsets; /* letters and digits of their names, between blanks */
};

static const char cyrillic[] = " KOI8R KOI8U KOI8T ISOIR111 CP1251 GEORGIANPS PT154 CP866 ";

static const struct locale locales[] = {
    {"ja",
     " EUCJP JISX020119760 JISX020819830 JISX020819900 JISX020819970 JISX021219900 JISX021320001 "
     "JISX021320002 SHIFTJIS ISO2022JP SJIS JIS7 JISX0201 JISX0208 JISX0212 "},
    {"ko", " EUCKR KSC56011987 "},
    {"ru", cyrillic},
    {"ka", cyrillic},
    {"tg", cyrillic},
    {"be", cyrillic},
    {"uk", cyrillic},
    {"bg", cyrillic},
    {"th", " TIS620 "},
    {"zh", " GB1988 GB2312 GB231219800 GB18030 GBK BIG5HKSCS BIG5 EUCTW ISO2022CN "}};

/* Used for many languages, or too often named wrongly to tell anything. */
static bool is_everywhere(struct bytes name)
{
	static const char *const whole[] = {"USASCII", "ASCII", "IBM852", "XUNKNOWN", "ISO"};
	static const char *const starts[] = {"ISO8859",       "ISO10646",     "UTF",
	                                     "UCS",           "CP125",        "WINDOWS",
	                                     "UNICODE11UTF7", "UNICODE11UTF8"};

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (bytes_equal(name, bytes_text(whole[i])))
			return true;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (bytes_starts_nocase(name, bytes_text(starts[i])))
			return true;
	return false;
}

/* Capital letters and digits of a name. */
static struct bytes plain_name(struct bytes charset, uint8_t out[NAME_BYTES_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < charset.len && charset.data[i] != ':' && len < NAME_BYTES_MAX - 2;
	     i++) {
		uint8_t c = eval_lower(charset.data[i]);

		if (c >= 'a' && c <= 'z')
			out[len++] = (uint8_t)(c - 32);
		else if (c >= '0' && c <= '9')
			out[len++] = c;
	}
	return bytes_of(out, len);
}

static bool is_used_by(const struct locale *locale, struct bytes name)
{
	uint8_t word[NAME_BYTES_MAX + 2];
	size_t at;

	word[0] = ' ';
	memcpy(word + 1, name.data, name.len);
	word[name.len + 1] = ' ';
	return eval_contains_nocase(bytes_text(locale->charsets), bytes_of(word, name.len + 2),
	                            &at);
}

static bool all_locales(const struct eval_call *call)
{
	const struct blob_list *list = &call->ruleset->evals.list[EVAL_LIST_OK_LOCALES];

	return list->entry_count == 0 ||
	       eval_list_find(call->ruleset, EVAL_LIST_OK_LOCALES, BYTES("all"), false) != NULL;
}

static bool is_faraway(const struct eval_call *call, struct bytes charset)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_list *list = &e->list[EVAL_LIST_OK_LOCALES];
	uint8_t memory[NAME_BYTES_MAX];
	struct bytes name = plain_name(charset, memory);

	if (name.len == 0 || is_everywhere(name))
		return false;
	for (uint32_t i = 0; i < list->entry_count; i++) {
		struct bytes wanted = bytes_of(e->texts + e->entry[list->entry + i].text,
		                               e->entry[list->entry + i].bytes);

		for (size_t k = 0; k < sizeof(locales) / sizeof(locales[0]); k++)
			if (bytes_starts_nocase(wanted, bytes_text(locales[k].language)) &&
			    is_used_by(&locales[k], name))
				return false;
	}
	return true;
}

/* Most letters of the text are above ASCII, else the name of the set does not matter. */
static bool is_mostly_high(const struct text *text)
{
	uint64_t high = 0, low = 0;

	for (uint32_t i = 0; i < text->segment_count; i++) {
		struct bytes segment = text_segment(text, i);

		for (size_t k = 0; k < segment.len; k++) {
			high += segment.data[k] >= 0x80;
			low += segment.data[k] < 0x80;
		}
	}
	return low <= high && high > 3;
}

int32_t eval_check_for_faraway_charset(const struct eval_call *call)
{
	struct bytes type = eval_header(call, 0);
	struct eval_match match;

	return !all_locales(call) && eval_find(call, EVAL_PATTERN_CHARSET, type, 0, &match) &&
	       is_faraway(call, bytes_slice(type, match.group, match.group_len)) &&
	       is_mostly_high(eval_own_text(call));
}

int32_t eval_check_for_faraway_charset_in_headers(const struct eval_call *call)
{
	if (all_locales(call))
		return 0;
	for (uint32_t header = 0; header < 2; header++) {
		struct bytes value = eval_header(call, header);
		struct eval_match match = {0};

		while (eval_find(call, EVAL_PATTERN_ENCODED_WORD, value, match.end, &match))
			if (is_faraway(call, bytes_slice(value, match.group, match.group_len)))
				return 1;
	}
	return 0;
}

bool eval_mime_charset_is_faraway(const struct eval_call *call)
{
	if (all_locales(call))
		return false;
	for (uint32_t i = 0; i < call->facts->part_count; i++)
		if (is_faraway(call, call->facts->part[i].charset))
			return true;
	return false;
}
