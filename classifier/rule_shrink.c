/* rule_shrink.c - patterns that Perl takes and PCRE2 does not, said so that it does.
 *
 * PCRE2 compiles a group anew wherever it is written, and as many times as {n,m} says. A group that
 * captures nothing matches the same octets, and backtracks the same, when it is defined once,
 * (?(DEFINE)(?<s0>...)), and called, (?&s0): calls are not atomic since PCRE2 10.30, and options
 * inside are those of the definition, which stands behind the pattern's own leading ones.
 */
#include "classifier/rule_shrink.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BYTES_MIN 40
#define DEPTH_MAX       128

struct group {
	const char *text;
	size_t len;     /* with its parentheses */
	bool repeats;   /* a quantifier that copies it follows */
	uint32_t name;  /* 1 + number of its definition; 0: written out */
	uint32_t order; /* in the pattern */
};

struct groups {
	struct group *item;
	uint32_t count, room;
};

/* Octets at the front that set options: "(?i)" and the like. */
static size_t leading_options(const char *pattern)
{
	size_t at = 0;

	while (strncmp(pattern + at, "(?", 2) == 0) {
		size_t len = strspn(pattern + at + 2, "imsxn");

		if (len == 0 || pattern[at + 2 + len] != ')')
			break;
		at += len + 3;
	}
	return at;
}

/* The end of a class that begins at `at`. */
static size_t class_end(const char *text, size_t at)
{
	at++;
	if (text[at] == '^')
		at++;
	if (text[at] == ']')
		at++;
	while (text[at] != '\0' && text[at] != ']')
		at += text[at] == '\\' && text[at + 1] != '\0' ? 2 : 1;
	return text[at] == '\0' ? at : at + 1;
}

/* What a group begins with must be one of those that a call leaves as it is. */
static bool opening_is_plain(const char *text)
{
	static const char *const plain[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strncmp(text, plain[i], strlen(plain[i])) == 0)
			return true;
	return false;
}

static void add(struct rule_pool *pool, struct groups *groups, const char *text, size_t len)
{
	if (len < GROUP_BYTES_MIN || strncmp(text, "(?:", 3) != 0)
		return;
	groups->item = rule_pool_grow(pool, groups->item, groups->count, &groups->room,
	                              sizeof(*groups->item));
	groups->item[groups->count] = (struct group){
	    .text = text, .len = len, .repeats = text[len] == '{', .order = groups->count};
	groups->count++;
}

/* Lists the groups; false when the pattern has something in it that a call would change. */
static bool find_groups(struct rule_pool *pool, const char *text, struct groups *groups)
{
	const char *open[DEPTH_MAX];
	uint32_t depth = 0;

	for (size_t at = 0; text[at] != '\0';) {
		if (text[at] == '\\') {
			if (text[at + 1] == '\0' || strchr("123456789gkGKQE", text[at + 1]) != NULL)
				return false;
			at += 2;
		} else if (text[at] == '[') {
			at = class_end(text, at);
		} else if (text[at] == '(') {
			if (!opening_is_plain(text + at) || depth == DEPTH_MAX)
				return false;
			open[depth++] = text + at++;
		} else if (text[at] == ')') {
			if (depth == 0)
				return false;
			at++;
			depth--;
			add(pool, groups, open[depth], (size_t)(text + at - open[depth]));
		} else {
			at++;
		}
	}
	return depth == 0;
}

static int by_text(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	int order = memcmp(x->text, y->text, x->len);
	return order != 0 ? order : x->order < y->order ? -1 : 1;
}

static int by_place(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->text != y->text)
		return x->text < y->text ? -1 : 1;
	return x->len > y->len ? -1 : 1;
}

/* Numbers the groups worth a definition; equal ones get the same. */
static uint32_t number_groups(struct groups *groups)
{
	uint32_t names = 0;

	qsort(groups->item, groups->count, sizeof(*groups->item), by_text);
	for (uint32_t i = 0; i < groups->count;) {
		uint32_t end = i + 1;

		while (end < groups->count && groups->item[end].len == groups->item[i].len &&
		       memcmp(groups->item[end].text, groups->item[i].text, groups->item[i].len) ==
		           0)
			end++;
		if (end - i > 1 || groups->item[i].repeats) {
			names++;
			for (uint32_t k = i; k < end; k++)
				groups->item[k].name = names;
		}
		i = end;
	}
	return names;
}

struct writer {
	char *text;
	size_t len;
};

static void put(struct writer *writer, const char *text, size_t len)
{
	memcpy(writer->text + writer->len, text, len);
	writer->len += len;
}

/* Writes text[0, len) with the named groups in it called. A group that is `self` is written out: it
 * is the definition. */
static void put_called(struct rule_pool *pool, struct writer *writer, const struct groups *groups,
                       const char *text, size_t len, const struct group *self)
{
	const char *end = text + len;
	uint32_t at = 0;

	while (text < end) {
		while (at < groups->count &&
		       (groups->item[at].text < text || groups->item[at].name == 0 ||
		        groups->item[at].text + groups->item[at].len > end ||
		        (self != NULL && groups->item[at].text == self->text &&
		         groups->item[at].len >= self->len)))
			at++;
		const char *next = at < groups->count && groups->item[at].text < end
		                       ? groups->item[at].text
		                       : end;

		put(writer, text, (size_t)(next - text));
		text = next;
		if (text == end)
			return;
		char *call = rule_pool_printf(pool, "(?:(?&s%u))", groups->item[at].name);
		put(writer, call, strlen(call));
		text += groups->item[at].len;
	}
}

/* "(x)" becomes "(?:x)": nobody refers to what it captures, which find_groups has still to prove.
 */
static char *without_captures(struct rule_pool *pool, const char *text)
{
	char *out = rule_pool_take(pool, 3 * strlen(text) + 1);
	size_t len = 0;

	for (size_t at = 0; text[at] != '\0';) {
		size_t end = text[at] == '[' ? class_end(text, at) : at + 1;
		bool capture = text[at] == '(' && text[at + 1] != '?' && text[at + 1] != '*';

		if (text[at] == '\\' && text[at + 1] != '\0')
			end = at + 2;
		memcpy(out + len, text + at, end - at);
		len += end - at;
		at = end;
		if (capture) {
			memcpy(out + len, "?:", 2);
			len += 2;
		}
	}
	return out;
}

char *rule_shrink(struct rule_pool *pool, const char *pattern)
{
	struct groups groups = {0};
	size_t front, len;

	pattern = without_captures(pool, pattern);
	front = leading_options(pattern);
	len = strlen(pattern);
	if (!find_groups(pool, pattern + front, &groups) || groups.count == 0)
		return NULL;
	uint32_t names = number_groups(&groups);
	if (names == 0)
		return NULL;
	qsort(groups.item, groups.count, sizeof(*groups.item), by_place);

	/* A call is shorter than any group it stands for; a definition adds its name. */
	struct writer writer = {.text = rule_pool_take(pool, 2 * len + 64 * (size_t)names + 64)};
	bool *done = rule_pool_take(pool, names + 1);
	put(&writer, pattern, front);
	put(&writer, "(?(DEFINE)", 10);
	for (uint32_t i = 0; i < groups.count; i++) {
		const struct group *group = &groups.item[i];

		if (group->name == 0 || done[group->name])
			continue;
		done[group->name] = true;
		char *head = rule_pool_printf(pool, "(?<s%u>", group->name);
		put(&writer, head, strlen(head));
		put_called(pool, &writer, &groups, group->text, group->len, group);
		put(&writer, ")", 1);
	}
	put(&writer, ")", 1);
	put_called(pool, &writer, &groups, pattern + front, len - front, NULL);
	writer.text[writer.len] = '\0';
	return writer.text;
}

/* How many octets at `text` are an assertion that a quantifier follows; 0: none. */
static size_t repeated_assertion(const char *text)
{
	size_t len = text[0] == '$' || text[0] == '^' ? 1 : 0;

	if (text[0] == '\\' && text[1] != '\0' && strchr("bBAzZ", text[1]) != NULL)
		len = 2;
	return len > 0 && text[len] != '\0' && strchr("?*+{", text[len]) != NULL ? len : 0;
}

char *rule_group_assertions(struct rule_pool *pool, const char *pattern)
{
	char *out = rule_pool_take(pool, 5 * strlen(pattern) + 1);
	struct writer writer = {.text = out};

	for (size_t at = 0; pattern[at] != '\0';) {
		size_t len = repeated_assertion(pattern + at), end = at + 1;

		if (len > 0) {
			put(&writer, "(?:", 3);
			put(&writer, pattern + at, len);
			put(&writer, ")", 1);
			at += len;
			continue;
		}
		if (pattern[at] == '[')
			end = class_end(pattern, at);
		else if (pattern[at] == '\\' && pattern[at + 1] != '\0')
			end = at + 2;
		put(&writer, pattern + at, end - at);
		at = end;
	}
	return out;
}
