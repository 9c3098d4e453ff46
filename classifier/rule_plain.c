/* rule_plain.c - patterns that are a choice of strings of octet classes, or ask for a long line.
 *
 * Such a pattern has one way to match at a place: the first alternative, in the order the pattern
 * has them, all of whose classes hold the text's octets. Nested choices are multiplied out, which
 * keeps that order. What asserts, repeats or refers back is not plain.
 */
#include "classifier/rule_plain.h"

struct string { /* one alternative: nodes of its octets */
	uint32_t count;
	uint32_t node[PLAIN_OCTETS_MAX];
};

struct strings {
	uint32_t count;
	struct string item[PLAIN_ALTERNATIVES_MAX];
};

/* Every one of `a` followed by every one of `b`. */
static bool multiply(struct strings *a, const struct strings *b)
{
	struct strings product = {0};

	if (a->count * b->count > PLAIN_ALTERNATIVES_MAX)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		for (uint32_t k = 0; k < b->count; k++) {
			struct string *item = &product.item[product.count++];

			*item = a->item[i];
			if (item->count + b->item[k].count > PLAIN_OCTETS_MAX)
				return false;
			memcpy(item->node + item->count, b->item[k].node,
			       b->item[k].count * sizeof(uint32_t));
			item->count += b->item[k].count;
		}
	*a = product;
	return true;
}

static bool unite(struct strings *a, const struct strings *b)
{
	if (a->count + b->count > PLAIN_ALTERNATIVES_MAX)
		return false;
	memcpy(a->item + a->count, b->item, b->count * sizeof(b->item[0]));
	a->count += b->count;
	return true;
}

/* Children come before their parents, so that every child is known already. */
static bool gather(const struct regex *regex, struct strings *found)
{
	for (uint32_t i = 0; i < regex->count; i++) {
		const struct regex_node *node = &regex->node[i];
		struct strings *sum = &found[i];
		bool good = true;

		if (node->kind == REGEX_OCTET) {
			sum->count = 1;
			sum->item[0] = (struct string){1, {i}};
			continue;
		}
		if (node->kind != REGEX_SEQUENCE && node->kind != REGEX_CHOICE)
			return false;
		sum->count = node->kind == REGEX_SEQUENCE;
		for (uint32_t child = node->child; child != 0 && good;
		     child = regex->node[child - 1].next)
			good = node->kind == REGEX_SEQUENCE ? multiply(sum, &found[child - 1])
			                                    : unite(sum, &found[child - 1]);
		if (!good)
			return false;
	}
	return true;
}

static bool put_alternative(struct plain *plain, const struct regex *regex,
                            const struct string *string)
{
	if (string->count == 0 || plain->octet_count + string->count > PLAIN_OCTETS_MAX)
		return false;
	plain->head.bytes[plain->head.count++] = (uint8_t)string->count;
	for (uint32_t i = 0; i < string->count; i++)
		memcpy(&plain->octets[plain->octet_count++], &regex->node[string->node[i]].set,
		       sizeof(struct blob_octets));
	for (int w = 0; w < 4; w++)
		plain->head.first.bit[w] |= regex->node[string->node[0]].set.bit[w];
	return true;
}

static int16_t lone_octet(const struct blob_octets *set)
{
	int16_t lone = -1;

	for (int16_t c = 0; c < 256; c++)
		if ((set->bit[c >> 6] >> (c & 63) & 1) != 0) {
			if (lone >= 0)
				return -1;
			lone = c;
		}
	return lone;
}

static bool take(struct bytes *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || memcmp(text->data, word, len) != 0)
		return false;
	*text = bytes_slice(*text, len, text->len);
	return true;
}

/* A multi-line pattern of so many octets from the beginning of a line, and perhaps more: there is
 * one match a line at most, whatever is behind it. */
static bool asks_for_line(struct bytes pattern, struct blob_plain *out_head)
{
	static const struct {
		const char *text;
		bool ends_at_return; /* and at a newline */
	} classes[] = {{"[^\\r\\n]", true}, {"[^\\n\\r]", true}, {"[^\\n]", false}, {".", false}};
	uint64_t count;
	size_t i = 0;

	if (!take(&pattern, "(?m)^"))
		return false;
	while (i < sizeof(classes) / sizeof(classes[0]) && !take(&pattern, classes[i].text))
		i++;
	if (i == sizeof(classes) / sizeof(classes[0]) || !take(&pattern, "{"))
		return false;

	struct bytes digits = bytes_slice(pattern, 0, bytes_find(pattern, '}'));
	pattern = bytes_slice(pattern, digits.len, pattern.len);
	if (digits.len > 0 && digits.data[digits.len - 1] == ',')
		digits.len--;
	if (!bytes_to_u64(digits, UINT16_MAX, &count) || count == 0 || !take(&pattern, "}") ||
	    pattern.len > 0)
		return false;
	out_head->line_octets = (uint16_t)count;
	memset(&out_head->first, 0xff, sizeof(out_head->first));
	out_head->first.bit[0] &= ~((uint64_t)1 << '\n');
	if (classes[i].ends_at_return)
		out_head->first.bit[0] &= ~((uint64_t)1 << '\r');
	out_head->lone = -1;
	return true;
}

bool rule_plain(const struct regex *regex, struct bytes pattern, struct plain *out_plain)
{
	struct rule_pool scratch = {NULL};
	bool good = false;

	memset(out_plain, 0, sizeof(*out_plain));
	if (asks_for_line(pattern, &out_plain->head))
		return true;
	/* A negated class is a superset in the tree where letters have two cases. */
	if (!regex->plain || regex->count > PLAIN_OCTETS_MAX * 2 ||
	    memchr(pattern.data, '^', pattern.len) != NULL)
		return false;

	struct strings *found = rule_pool_take(&scratch, regex->count * sizeof(*found));
	if (gather(regex, found)) {
		const struct strings *all = &found[regex->root];

		good = all->count > 0;
		for (uint32_t i = 0; i < all->count && good; i++)
			good = put_alternative(out_plain, regex, &all->item[i]);
	}
	rule_pool_free(&scratch);
	out_plain->head.lone = lone_octet(&out_plain->head.first);
	return good;
}
