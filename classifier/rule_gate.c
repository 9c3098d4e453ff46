/* rule_gate.c - windows of octet classes, one of which every match of a pattern passes through.
 *
 * Each node of the tree becomes a list of items: an octet of one class, then any number of octets
 * of another (none, for a plain octet). A match of the node is, read octet by octet, a walk through
 * its items in order, those that are optional left out or not; where the tree is too rich for that,
 * one item stands for it, with all it may begin with and all that may follow. Optional items become
 * octets on which the position before them stays. So a window accepts a superset by construction.
 * A choice needs a window from every branch.
 */
#include "classifier/rule_gate.h"

#include <math.h>
#include <stdio.h>

#include "classifier/rule_literal.h"

#define ITEMS_MAX       96u
#define COPIES_MAX      24u
#define RATE_ENOUGH     1e-8
#define RATE_MAX        6e-3
#define STRETCHES_TRIED 24
#define BESIDE_TELLING  0.5 /* share of mail text that stands beside a position */

struct item {
	struct octets first, rest;
	struct octets last; /* what it may end with */
	bool optional;
	uint16_t len_min, len_max; /* octets; BEFORE_ENDLESS: nobody knows how many at most */
};

struct items {
	uint32_t count, room;
	struct item *item;
	struct octets head; /* what a match may begin with */
	struct octets tail; /* what it may hold behind its first octet */
	struct octets last; /* what it may end with */
	bool maybe_empty;
	uint16_t len_min, len_max; /* of a match */
	struct gate_windows best;
};

struct search {
	struct rule_pool *pool;
	const struct regex *regex;
	struct items *found; /* by node */
	double share[256];   /* of mail text, by octet */
	enum text_kind kind;
};

static const struct octets every_octet = {{~0ull, ~0ull, ~0ull, ~0ull}};

static void add_set(struct octets *set, const struct octets *more)
{
	for (int i = 0; i < 4; i++)
		set->bit[i] |= more->bit[i];
}

static bool is_empty(const struct octets *set)
{
	return (set->bit[0] | set->bit[1] | set->bit[2] | set->bit[3]) == 0;
}

/* The last room goes to a loop over everything: what follows is cut off from what stands before. */
static void put(struct items *items, const struct item *item)
{
	if (items->count < items->room) {
		items->item[items->count++] = *item;
		return;
	}
	items->item[items->count - 1] = (struct item){every_octet, every_octet, every_octet,
	                                              true,        0,           BEFORE_ENDLESS};
}

static void put_all(struct items *items, const struct items *more)
{
	for (uint32_t i = 0; i < more->count; i++)
		put(items, &more->item[i]);
	if (!is_empty(&items->head))
		add_set(&items->tail, &more->head);
	if (items->maybe_empty)
		add_set(&items->head, &more->head);
	add_set(&items->tail, &more->tail);
	if (!more->maybe_empty)
		memset(&items->last, 0, sizeof(items->last));
	add_set(&items->last, &more->last);
	items->maybe_empty &= more->maybe_empty;
	items->len_min = length_plus(items->len_min, more->len_min);
	items->len_max = length_plus(items->len_max, more->len_max);
}

static struct items fresh(struct search *s, uint32_t room)
{
	room = room < 1 ? 1 : room > ITEMS_MAX ? ITEMS_MAX : room;
	return (struct items){.item = rule_pool_take(s->pool, room * sizeof(struct item)),
	                      .room = room,
	                      .maybe_empty = true};
}

static struct items single(struct search *s, const struct item *item)
{
	struct items items = fresh(s, 1);

	items.head = item->first;
	items.tail = item->rest;
	items.last = item->last;
	items.maybe_empty = item->optional;
	items.len_min = item->len_min;
	items.len_max = item->len_max;
	put(&items, item);
	return items;
}

/* The stretch of positions that is rare enough and shortest, or the rarest. Its rate: the chance
 * that a position is active is that of entering it, divided by that of leaving. */
struct stretch {
	uint32_t from, len;
	bool beside; /* begins with what stands beside its first position */
	double rate;
};

static void measure(const double *step, const double *stay, const double *beside, uint32_t count,
                    uint32_t from, struct stretch *best)
{
	struct stretch its = {.from = from, .rate = 1};
	double active = 1;

	for (uint32_t i = from; i < count && i - from < GATE_POSITIONS_MAX; i++) {
		double enter = active * step[i], leave = 1 - stay[i];

		if (enter < its.rate) {
			its.rate = enter;
			its.len = i - from + 1;
		}
		if (its.rate < RATE_ENOUGH)
			break;
		active = leave > 0.02 ? enter / leave : 1;
		if (active > 1)
			active = 1;
		/* It is entered anyhow: what comes next is rarer on its own, with what stands
		 * beside it. */
		if (active >= 1 && i + 1 < count && beside[i + 1] < BESIDE_TELLING)
			break;
	}
	bool enough = best->rate < RATE_ENOUGH;
	bool shorter = its.rate < RATE_ENOUGH && enough && its.len < best->len;
	if (its.len > 0 && (shorter || (its.rate < best->rate && !enough)))
		*best = its;
}

static double share(const struct search *s, const struct octets *set)
{
	double sum = 0;

	for (int word = 0; word < 4; word++)
		for (uint64_t left = set->bit[word]; left != 0; left &= left - 1)
			sum += s->share[word * 64 + __builtin_ctzll(left)];
	return sum < 1 ? sum : 1;
}

/* Windows of what begins behind that many octets of a match. */
static void offer(struct gate_windows *best, const struct gate_windows *windows,
                  struct gate_reach before)
{
	if (windows->count == 0 || (best->count > 0 && windows->rate >= best->rate))
		return;
	*best = *windows;
	for (uint32_t i = 0; i < best->count; i++) {
		best->reach[i].min = length_plus(best->reach[i].min, before.min);
		best->reach[i].max = length_plus(best->reach[i].max, before.max);
	}
}

/* The positions of the stretch that the common string enters behind some other text, as the gate
 * walks it. */
static uint64_t walk(const struct gate_position *position, uint32_t count, const char *common)
{
	char behind[64];
	uint64_t state = 0, seen = 0;

	snprintf(behind, sizeof(behind), "x1%s", common);
	for (const char *text = behind; *text != '\0'; text++) {
		uint64_t entered = state << 1 | 1, next = 0;

		for (uint32_t i = 0; i < count; i++) {
			bool step = octets_has(&position[i].step, (uint8_t)*text);
			bool stay = octets_has(&position[i].stay, (uint8_t)*text);

			if ((step && (entered >> i & 1) != 0) || (stay && (state >> i & 1) != 0))
				next |= (uint64_t)1 << i;
		}
		state = next;
		seen |= state;
	}
	return seen;
}

/* The rate of a stretch when common strings lead into it, or all the way through. */
static double known_rate(const struct search *s, const struct gate_position *position,
                         const double *step, const double *stay, uint32_t len)
{
	uint32_t count;
	const struct common_string *common = common_strings(&count);
	double least[GATE_POSITIONS_MAX] = {0}, enter = 1, active = 1;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t seen = 0;

		if (common[i].kind == s->kind)
			seen = walk(position, len, common[i].text);
		for (uint32_t k = 0; k < len; k++)
			if ((seen >> k & 1) != 0 && common[i].rate > least[k])
				least[k] = common[i].rate;
	}
	for (uint32_t k = 0; k < len; k++) {
		double leave = 1 - stay[k];

		enter = active * step[k];
		enter = enter > least[k] ? enter : least[k];
		active = leave > 0.02 ? enter / leave : 1;
		active = active < 1 ? active : 1;
	}
	return enter;
}

/* The items of a node as positions of a gate. */
struct positions {
	uint32_t count;
	struct gate_position at[ITEMS_MAX];
	struct gate_reach reach[ITEMS_MAX];
	struct octets beside[ITEMS_MAX]; /* what stands right before it in a match of the node */
	double step[ITEMS_MAX], stay[ITEMS_MAX], share[ITEMS_MAX]; /* of mail text */
};

static void positions_of(const struct search *s, const struct items *items, struct positions *out)
{
	struct octets beside = every_octet;
	struct gate_reach before = {0, 0};
	uint32_t count = 0;

	for (uint32_t i = 0; i < items->count; i++) {
		const struct item *item = &items->item[i];

		if (!item->optional) {
			out->beside[count] = beside;
			memset(&beside, 0, sizeof(beside));
			out->reach[count].min = length_plus(before.min, 1);
			out->reach[count].max = length_plus(before.max, 1);
			out->at[count++] = (struct gate_position){item->first, item->rest};
		} else if (count > 0) {
			add_set(&out->at[count - 1].stay, &item->first);
			add_set(&out->at[count - 1].stay, &item->rest);
		}
		add_set(&beside, &item->last);
		before.min = length_plus(before.min, item->len_min);
		before.max = length_plus(before.max, item->len_max);
	}
	out->count = count;
	for (uint32_t i = 0; i < count; i++) {
		out->step[i] = share(s, &out->at[i].step);
		out->stay[i] = share(s, &out->at[i].stay);
		out->share[i] = share(s, &out->beside[i]);
	}
}

/* The rate of the stretch behind what stands beside its first position. */
static double rate_beside(const struct search *s, const struct positions *p,
                          const struct stretch *stretch)
{
	struct gate_position position[GATE_POSITIONS_MAX] = {{.step = p->beside[stretch->from]}};
	double step[GATE_POSITIONS_MAX] = {p->share[stretch->from]};
	double stay[GATE_POSITIONS_MAX] = {0};

	memcpy(position + 1, p->at + stretch->from, stretch->len * sizeof(*position));
	memcpy(step + 1, p->step + stretch->from, stretch->len * sizeof(*step));
	memcpy(stay + 1, p->stay + stretch->from, stretch->len * sizeof(*stay));
	return known_rate(s, position, step, stay, stretch->len + 1);
}

/* The best stretch of the positions. What the octets alone say is checked against what is known of
 * common strings; where that is worse, what stands beside may tell them apart, and else the next
 * best one is tried. */
static struct stretch find_stretch(const struct search *s, const struct positions *p)
{
	bool poor[ITEMS_MAX] = {false};
	struct stretch found = {.rate = 1};

	for (int turn = 0; turn < STRETCHES_TRIED; turn++) {
		struct stretch best = {.rate = 1};

		for (uint32_t i = 0; i < p->count; i++)
			if (!poor[i])
				measure(p->step, p->stay, p->share, p->count, i, &best);
		if (best.len == 0)
			break;

		double expected = best.rate * 2;
		poor[best.from] = true;
		best.rate = known_rate(s, p->at + best.from, p->step + best.from,
		                       p->stay + best.from, best.len);
		/* Before the first position there may be nothing. */
		if (best.rate > expected && best.from > 0 && best.len < GATE_POSITIONS_MAX) {
			double rate = rate_beside(s, p, &best);

			best.beside = rate < best.rate / 2;
			best.rate = best.beside ? rate : best.rate;
		}
		if (found.len == 0 || best.rate < found.rate)
			found = best;
		if (best.rate <= expected)
			break;
	}
	return found;
}

/* The best stretch of the node's own items. */
static void offer_own(struct search *s, struct items *items)
{
	struct positions *p = rule_pool_take(s->pool, sizeof(*p));
	struct stretch best;

	positions_of(s, items, p);
	best = find_stretch(s, p);
	if (best.len == 0 || best.rate > RATE_MAX)
		return;

	struct gate_window *window = rule_pool_take(s->pool, sizeof(*window));
	window->count = best.beside + best.len;
	window->rate = best.rate;
	window->position[0] = (struct gate_position){.step = p->beside[best.from]};
	memcpy(window->position + best.beside, p->at + best.from,
	       best.len * sizeof(window->position[0]));
	/* Entering the last position is enough. */
	memset(&window->position[window->count - 1].stay, 0, sizeof(struct octets));
	offer(&items->best,
	      &(struct gate_windows){.count = 1,
	                             .window = {window},
	                             .reach = {p->reach[best.from + best.len - 1]},
	                             .rate = best.rate},
	      (struct gate_reach){0, 0});
}

static struct items of_sequence(struct search *s, uint32_t first)
{
	uint32_t room = 0, consuming = 0;

	for (uint32_t child = first; child != 0; child = s->regex->node[child - 1].next)
		room += s->found[child - 1].count;

	struct items sum = fresh(s, room);
	for (uint32_t child = first; child != 0; child = s->regex->node[child - 1].next) {
		offer(&sum.best, &s->found[child - 1].best,
		      (struct gate_reach){sum.len_min, sum.len_max});
		put_all(&sum, &s->found[child - 1]);
		consuming += s->found[child - 1].count > 0;
	}
	if (consuming > 1)
		offer_own(s, &sum);
	return sum;
}

/* Windows from every branch; none when one has none or there would be too many. */
static struct gate_windows unite(const struct search *s, uint32_t first)
{
	struct gate_windows sum = {0};

	for (uint32_t child = first; child != 0; child = s->regex->node[child - 1].next) {
		const struct gate_windows *more = &s->found[child - 1].best;

		if (more->count == 0 || sum.count + more->count > GATE_WINDOWS_MAX)
			return (struct gate_windows){0};
		memcpy(sum.window + sum.count, more->window,
		       more->count * sizeof(struct gate_window *));
		memcpy(sum.reach + sum.count, more->reach, more->count * sizeof(struct gate_reach));
		sum.count += more->count;
		sum.rate += more->rate;
	}
	return sum.rate <= RATE_MAX ? sum : (struct gate_windows){0};
}

static void widen(struct item *item, uint16_t len_min, uint16_t len_max)
{
	item->len_min = len_min < item->len_min ? len_min : item->len_min;
	item->len_max = len_max > item->len_max ? len_max : item->len_max;
}

/* Branches of the same number of items are laid over each other; others melt into one item. */
static struct items of_choice(struct search *s, uint32_t first)
{
	const struct items *model = &s->found[first - 1];
	struct item any = {.len_min = BEFORE_ENDLESS};
	bool aligned = model->count > 0;

	for (uint32_t child = first; child != 0; child = s->regex->node[child - 1].next) {
		const struct items *branch = &s->found[child - 1];

		add_set(&any.first, &branch->head);
		add_set(&any.rest, &branch->tail);
		add_set(&any.last, &branch->last);
		any.optional |= branch->maybe_empty;
		widen(&any, branch->len_min, branch->len_max);
		aligned &= branch->count == model->count;
		for (uint32_t i = 0; aligned && i < branch->count; i++)
			aligned = branch->item[i].optional == model->item[i].optional;
	}

	struct items sum;
	if (aligned) {
		sum = fresh(s, model->count);
		sum.head = any.first;
		sum.tail = any.rest;
		sum.last = any.last;
		sum.maybe_empty = any.optional;
		sum.len_min = any.len_min;
		sum.len_max = any.len_max;
		sum.count = model->count;
		memcpy(sum.item, model->item, model->count * sizeof(struct item));
	} else {
		sum = single(s, &any);
	}
	for (uint32_t child = s->regex->node[first - 1].next; aligned && child != 0;
	     child = s->regex->node[child - 1].next)
		for (uint32_t i = 0; i < sum.count; i++) {
			const struct item *more = &s->found[child - 1].item[i];

			add_set(&sum.item[i].first, &more->first);
			add_set(&sum.item[i].rest, &more->rest);
			add_set(&sum.item[i].last, &more->last);
			widen(&sum.item[i], more->len_min, more->len_max);
		}
	sum.best = unite(s, first);
	return sum;
}

static struct items of_repeat(struct search *s, const struct regex_node *node)
{
	const struct items *child = &s->found[node->child - 1];
	struct octets all = child->head, tail = child->tail;
	uint16_t len_max = length_times(node->max, child->len_max);

	add_set(&all, &child->tail);
	if (node->max == 0 || child->count == 0)
		return fresh(s, 0);
	if (node->max > 1)
		add_set(&tail, &child->head);
	if (node->min == 0)
		return single(s, &(struct item){child->head, tail, child->last, true, 0, len_max});

	uint32_t copies = node->min < COPIES_MAX ? node->min : COPIES_MAX;
	struct items sum = fresh(s, copies * child->count + 1);
	for (uint32_t i = 0; i < copies; i++)
		put_all(&sum, child);
	if (copies < node->max)
		put(&sum, &(struct item){all, all, child->last, true,
		                         length_times(node->min - copies, child->len_min),
		                         length_times(node->max - copies, child->len_max)});
	sum.tail = tail;
	sum.last = child->last;
	sum.len_min = length_times(node->min, child->len_min);
	sum.len_max = len_max;
	/* The first copy passes through them, whatever the others do. */
	offer(&sum.best, &child->best, (struct gate_reach){0, 0});
	if (copies > 1)
		offer_own(s, &sum);
	return sum;
}

void rule_gate(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
               struct gate_windows *out_windows)
{
	struct search s = {.pool = pool, .regex = regex, .kind = kind};
	static const struct octets none = {{0}};
	double all = 0;

	s.found = rule_pool_take(pool, regex->count * sizeof(*s.found));
	for (int c = 0; c < 256; c++)
		all += s.share[c] = exp2(-octet_bits((uint8_t)c));
	for (int c = 0; c < 256; c++)
		s.share[c] /= all;
	for (uint32_t i = 0; i < regex->count; i++) {
		const struct regex_node *node = &regex->node[i];

		if (node->kind == REGEX_OCTET)
			s.found[i] = single(
			    &s, &(struct item){node->set, none, node->set, false, 1, 1});
		else if (node->kind == REGEX_SEQUENCE)
			s.found[i] = of_sequence(&s, node->child);
		else if (node->kind == REGEX_CHOICE)
			s.found[i] = of_choice(&s, node->child);
		else if (node->kind == REGEX_REPEAT)
			s.found[i] = of_repeat(&s, node);
		else if (node->kind == REGEX_EMPTY)
			s.found[i] = fresh(&s, 0);
		else
			s.found[i] = single(&s,
			                    &(struct item){every_octet, every_octet, every_octet,
			                                   true, 0, BEFORE_ENDLESS});
	}
	*out_windows = s.found[regex->root].best;
}

uint32_t rule_gate_positions(const struct gate_windows *windows)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < windows->count; i++)
		count += windows->window[i]->count;
	return count;
}
