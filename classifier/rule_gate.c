/* rule_gate.c - a window of octet classes that every match of a pattern passes through.
 *
 * Each node of the tree becomes a list of items, each one octet class that occurs at least once
 * (required) or maybe not (optional), and once or more (repeats). A match of the node is, read
 * octet by octet, a walk through its items in order; where the tree is too rich for that, one item
 * with the union of its octets stands for it. Optional items become octets on which the position
 * before them stays. So the window accepts a superset by construction.
 */
#include "classifier/rule_gate.h"

#include <math.h>

#include "classifier/rule_literal.h"

#define ITEMS_MAX   48
#define COPIES_MAX  4
#define RATE_ENOUGH 2e-6
#define RATE_MAX    2e-3

struct item {
	struct octets set;
	bool optional, repeats;
};

struct items {
	uint32_t count;
	struct item *item;
	struct octets all; /* every octet any match may hold */
	bool maybe_empty;
	bool one_octet; /* exactly one octet, always */
};

static void add_set(struct octets *set, const struct octets *more)
{
	for (int i = 0; i < 4; i++)
		set->bit[i] |= more->bit[i];
}

static const struct octets every_octet = {{~0ull, ~0ull, ~0ull, ~0ull}};

/* The last room goes to a loop over everything: what follows is cut off from what stands before. */
static void put(struct items *items, const struct item *item)
{
	if (items->count < ITEMS_MAX - 1) {
		items->item[items->count++] = *item;
	} else {
		items->item[ITEMS_MAX - 1] = (struct item){every_octet, true, true};
		items->count = ITEMS_MAX;
	}
}

static void put_all(struct items *items, const struct items *more)
{
	for (uint32_t i = 0; i < more->count; i++)
		put(items, &more->item[i]);
	add_set(&items->all, &more->all);
	items->maybe_empty &= more->maybe_empty;
}

static struct items fresh(struct rule_pool *pool)
{
	return (struct items){.item = rule_pool_take(pool, ITEMS_MAX * sizeof(struct item)),
	                      .maybe_empty = true};
}

static struct items single(struct rule_pool *pool, const struct octets *set, bool optional,
                           bool repeats)
{
	struct items items = fresh(pool);

	items.all = *set;
	items.maybe_empty = optional;
	items.one_octet = !optional && !repeats;
	put(&items, &(struct item){*set, optional, repeats});
	return items;
}

static struct items of_sequence(struct rule_pool *pool, const struct regex *regex,
                                const struct items *found, uint32_t child)
{
	struct items sum = fresh(pool);
	uint32_t consuming = 0;

	for (; child != 0; child = regex->node[child - 1].next) {
		const struct items *next = &found[child - 1];

		put_all(&sum, next);
		if (next->count > 0) {
			consuming++;
			sum.one_octet = next->one_octet;
		}
	}
	sum.one_octet &= consuming == 1;
	return sum;
}

/* Branches of the same number of required items are laid over each other; others melt into one
 * item. */
static struct items of_choice(struct rule_pool *pool, const struct regex *regex,
                              const struct items *found, uint32_t first)
{
	struct octets all = {{0}};
	bool maybe_empty = false, one_octet = true, aligned = true;
	uint32_t count = found[first - 1].count;

	for (uint32_t child = first; child != 0; child = regex->node[child - 1].next) {
		const struct items *branch = &found[child - 1];

		add_set(&all, &branch->all);
		maybe_empty |= branch->maybe_empty;
		one_octet &= branch->one_octet;
		aligned &= branch->count == count;
		for (uint32_t i = 0; i < branch->count; i++)
			aligned &= branch->item[i].optional ==
			           found[first - 1].item[i < count ? i : 0].optional;
	}
	if (!aligned || count == 0)
		return single(pool, &all, maybe_empty, !one_octet);

	struct items sum = fresh(pool);
	sum.all = all;
	sum.maybe_empty = maybe_empty;
	sum.one_octet = one_octet;
	sum.count = count;
	for (uint32_t i = 0; i < count; i++) {
		sum.item[i] = found[first - 1].item[i];
		for (uint32_t child = first; child != 0; child = regex->node[child - 1].next) {
			add_set(&sum.item[i].set, &found[child - 1].item[i].set);
			sum.item[i].repeats |= found[child - 1].item[i].repeats;
		}
	}
	return sum;
}

static struct items of_repeat(struct rule_pool *pool, const struct regex_node *node,
                              const struct items *child)
{
	struct items sum = fresh(pool);

	if (node->max == 0 || child->count == 0)
		return sum;
	if (node->min == 0)
		return single(pool, &child->all, true, node->max > 1 || !child->one_octet);

	uint32_t copies = node->min < COPIES_MAX ? node->min : COPIES_MAX;
	sum.maybe_empty = true;
	for (uint32_t i = 0; i < copies; i++)
		put_all(&sum, child);
	if (copies < node->max)
		put(&sum, &(struct item){child->all, true, true});
	sum.one_octet = child->one_octet && node->max == 1;
	return sum;
}

static double share(const struct octets *set)
{
	double sum = 0;

	for (int c = 0; c < 256; c++)
		if (octets_has(set, (uint8_t)c))
			sum += exp2(-octet_bits((uint8_t)c));
	return sum < 1 ? sum : 1;
}

static uint32_t positions_of(const struct items *items, struct gate_position *out,
                             uint32_t *out_count)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < items->count; i++) {
		const struct item *item = &items->item[i];

		if (item->optional) {
			if (count > 0)
				add_set(&out[count - 1].stay, &item->set);
			continue;
		}
		out[count].step = item->set;
		memset(&out[count].stay, 0, sizeof(out[count].stay));
		if (item->repeats)
			out[count].stay = item->set;
		count++;
	}
	*out_count = count;
	return count;
}

/* The shortest stretch from `from` that is rare enough, or the rarest. Its rate: the chance that a
 * position is active is that of entering it, divided by that of leaving. */
static double stretch(const struct gate_position *position, uint32_t count, uint32_t from,
                      uint32_t *out_len)
{
	double active = 1, best = 1;

	*out_len = 0;
	for (uint32_t i = from; i < count && i - from < GATE_POSITIONS_MAX; i++) {
		double enter = active * share(&position[i].step);
		double leave = 1 - share(&position[i].stay);

		if (enter < best) {
			best = enter;
			*out_len = i - from + 1;
		}
		if (best < RATE_ENOUGH)
			break;
		active = leave > 0.02 ? enter / leave : 1;
		if (active > 1)
			active = 1;
	}
	return best;
}

static void choose(const struct items *items, struct gate_window *out)
{
	struct gate_position position[ITEMS_MAX];
	uint32_t count, len, from = 0;

	positions_of(items, position, &count);
	out->rate = 1;
	for (uint32_t i = 0; i < count; i++) {
		double rate = stretch(position, count, i, &len);
		bool shorter = rate < RATE_ENOUGH && out->rate < RATE_ENOUGH && len < out->count;

		if (len == 0 || (!shorter && (rate >= out->rate || out->rate < RATE_ENOUGH)))
			continue;
		out->rate = rate;
		out->count = len;
		from = i;
	}
	if (out->rate > RATE_MAX)
		out->count = 0;
	for (uint32_t i = 0; i < out->count; i++)
		out->position[i] = position[from + i];
	/* Entering the last position is enough. */
	if (out->count > 0)
		memset(&out->position[out->count - 1].stay, 0, sizeof(struct octets));
}

void rule_gate(const struct regex *regex, struct gate_window *out_window)
{
	struct rule_pool scratch = {NULL};
	struct items *found = rule_pool_take(&scratch, regex->count * sizeof(*found));

	for (uint32_t i = 0; i < regex->count; i++) {
		const struct regex_node *node = &regex->node[i];

		if (node->kind == REGEX_OCTET)
			found[i] = single(&scratch, &node->set, false, false);
		else if (node->kind == REGEX_SEQUENCE)
			found[i] = of_sequence(&scratch, regex, found, node->child);
		else if (node->kind == REGEX_CHOICE)
			found[i] = of_choice(&scratch, regex, found, node->child);
		else if (node->kind == REGEX_REPEAT)
			found[i] = of_repeat(&scratch, node, &found[node->child - 1]);
		else if (node->kind == REGEX_EMPTY)
			found[i] = fresh(&scratch);
		else
			found[i] = single(&scratch, &every_octet, true, true);
	}
	memset(out_window, 0, sizeof(*out_window));
	choose(&found[regex->root], out_window);
	rule_pool_free(&scratch);
}
