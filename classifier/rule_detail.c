/* rule_detail.c - uri_detail rules: conditions on one URI, all of which it meets. */
#include <ctype.h>

#include "classifier/rule_define.h"

static const char *const keys[URI_DETAIL_KEYS] = {
#define URI_DETAIL(key, forms) #key,
#include "classifier/uri_detail.def"
};

static bool is_word_octet(uint8_t c)
{
	return isalnum(c) || c == '_';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_blanks(struct bytes text, size_t at)
{
	while (at < text.len && is_blank(text.data[at]))
		at++;
	return at;
}

/* The end of a pattern at `at` with its delimiters and modifiers: it ends at the first delimiter
 * that modifiers and then a blank or the end follow. 0: there is none. */
static size_t pattern_end(struct bytes text, size_t at)
{
	size_t open = at;

	if (at < text.len && text.data[at] == 'm')
		open++;
	if (open >= text.len || is_word_octet(text.data[open]) ||
	    (open == at && text.data[open] != '/'))
		return 0;
	for (size_t i = open + 1; i < text.len; i++) {
		size_t end = i + 1;

		if (text.data[i] != text.data[open])
			continue;
		while (end < text.len && strchr("imsx", text.data[end]) != NULL)
			end++;
		if (end == text.len || is_blank(text.data[end]))
			return end;
	}
	return 0;
}

/* "key =~ /pattern/" at `at`: its end, or 0. */
static size_t condition_at(struct bytes text, size_t at, struct bytes *out_key, bool *out_negated,
                           struct bytes *out_pattern)
{
	size_t end = at;

	if (!is_word_octet(text.data[at]) || (at > 0 && is_word_octet(text.data[at - 1])))
		return 0;
	while (end < text.len && is_word_octet(text.data[end]))
		end++;
	*out_key = bytes_slice(text, at, end - at);
	end = skip_blanks(text, end);
	if (end + 1 >= text.len || strchr("=!", text.data[end]) == NULL ||
	    text.data[end + 1] != '~')
		return 0;
	*out_negated = text.data[end] == '!';
	at = skip_blanks(text, end + 2);
	end = pattern_end(text, at);
	*out_pattern = bytes_slice(text, at, end - at);
	return end;
}

static bool set_condition(struct rule_reader *reader, struct rule_text *rule, struct bytes key,
                          bool negated, struct bytes text, const char **out_why)
{
	for (unsigned i = 0; i < URI_DETAIL_KEYS; i++) {
		if (!bytes_equal(key, bytes_text(keys[i])))
			continue;
		char *pattern = rule_define_pattern(reader, text, out_why);
		if (pattern == NULL)
			return false;
		rule->detail[i] = (struct rule_condition){pattern, negated};
		return true;
	}
	*out_why = "a condition is about raw, type, cleaned, text, domain or host";
	return false;
}

bool rule_detail_read(struct rule_reader *reader, struct rule_text *rule, struct bytes text,
                      const char **out_why)
{
	bool any = false;

	/* What no condition begins at is passed over, as SpamAssassin does. */
	for (size_t at = 0; at < text.len;) {
		struct bytes key, pattern;
		bool negated = false;
		size_t end = condition_at(text, at, &key, &negated, &pattern);

		if (end == 0) {
			at++;
			continue;
		}
		if (!set_condition(reader, rule, key, negated, pattern, out_why))
			return false;
		any = true;
		at = end;
	}
	*out_why = "a condition looks like: text =~ /pattern/";
	return any;
}
