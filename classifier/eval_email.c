/* eval_email.c - finds mail addresses in text. */
#include "classifier/eval.h"

#define LOCAL_BYTES_MAX 64u /* RFC 5321 4.5.3.1.1 */
#define LABEL_BYTES_MAX 61u
#define LABELS_MAX      4u

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (eval_lower(c) >= 'a' && eval_lower(c) <= 'z');
}

static bool is_atext(uint8_t c)
{
	return is_alnum(c) || (c > ' ' && strchr("!#$%&'*+/=?^_`{|}~-", c) != NULL);
}

/* Where the local part in front of the '@' at `sign` starts; `sign` itself when there is none. A
 * dot stands between two words only. */
static size_t local_start(struct bytes line, size_t from, size_t sign)
{
	size_t start = sign, at = sign;

	while (at > from && sign - at < LOCAL_BYTES_MAX) {
		uint8_t c = line.data[at - 1];

		if (c == '.' ? at == sign || line.data[at] == '.' : !is_atext(c))
			break;
		at--;
		/* A start is where nothing of a word stands in front. */
		if (c != '.' && (at == 0 || !is_atext(line.data[at - 1])))
			start = at;
	}
	return start;
}

/* The length of the top-level domain that `text` begins with; 0: the word it begins with is none,
 * or another label follows. */
static size_t tld_len(const struct ruleset *ruleset, struct bytes text)
{
	size_t len = 0;

	while (len < text.len && (is_alnum(text.data[len]) || text.data[len] == '-'))
		len++;
	if (len + 1 < text.len && text.data[len] == '.' && is_alnum(text.data[len + 1]))
		return 0;
	return eval_list_find(ruleset, EVAL_LIST_RB_TLD, bytes_slice(text, 0, len), false) != NULL
	           ? len
	           : 0;
}

static size_t label_len(struct bytes text)
{
	size_t len = 0;

	while (len < text.len && len < LABEL_BYTES_MAX &&
	       (is_alnum(text.data[len]) || (text.data[len] == '-' && len > 0)))
		len++;
	return len > 0 && is_alnum(text.data[len - 1]) ? len : 0;
}

/* The length of the domain at the beginning of `text`: one to four labels, then the top level. */
static size_t domain_len(const struct ruleset *ruleset, struct bytes text)
{
	size_t end[LABELS_MAX], at = 0;
	unsigned count = 0;

	while (count < LABELS_MAX) {
		size_t len = label_len(bytes_slice(text, at, SIZE_MAX));

		if (len == 0 || at + len >= text.len || text.data[at + len] != '.')
			break;
		at += len + 1;
		end[count++] = at;
	}
	while (count > 0) {
		size_t start = end[--count];
		size_t len = tld_len(ruleset, bytes_slice(text, start, SIZE_MAX));

		if (len > 0)
			return start + len;
	}
	return 0;
}

bool eval_next_email(const struct ruleset *ruleset, struct bytes line, size_t *at,
                     struct bytes *out_email)
{
	size_t from = *at, sign = *at;

	for (;;) {
		sign += bytes_find(bytes_slice(line, sign, SIZE_MAX), '@');
		if (sign >= line.len)
			return false;
		size_t start = local_start(line, from, sign);
		size_t len = start < sign
		                 ? domain_len(ruleset, bytes_slice(line, sign + 1, SIZE_MAX))
		                 : 0;

		sign++;
		if (len == 0)
			continue;
		*out_email = bytes_slice(line, start, sign + len - start);
		*at = sign + len;
		return true;
	}
}
