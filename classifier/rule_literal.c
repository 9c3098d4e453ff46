/* rule_literal.c - strings of which every match of a pattern contains at least one.
 *
 * For each node of the tree, front to back: the exact strings it can be, when they are few;
 * otherwise what every match of it begins with, ends with and contains. A sequence multiplies while
 * it can, then closes what it has as a candidate and starts anew; a choice needs a set from every
 * branch. Of all candidates the cheapest is kept: expected hits in mail text, each paid by a
 * confirmation, and a little for every string scanned for.
 */
#include "classifier/rule_literal.h"

#include <ctype.h>
#include <math.h>

#include "classifier/ruleset_blob.h"

#define CLASS_MEMBERS_MAX 16
#define COPIES_MAX        6
#define CONFIRM_NS        300.0
#define STRING_NS         0.001
#define STRING_BYTES_MIN  3

struct found {
	bool exact;
	uint16_t len_min, len_max; /* of a match; BEFORE_ENDLESS as in struct literals */
	uint16_t lead_len_max;     /* of one that begins with nothing that may be left out */
	struct literals all;       /* exact: every string it can be, maybe the empty one */
	struct literals prefix, suffix, best;
};

struct search {
	struct rule_pool *pool;
	const struct regex *regex;
	struct found *found; /* by node */
	enum text_kind kind;
	bool short_runs; /* taken for granted in some length */
};

double octet_bits(uint8_t octet)
{
	static const uint8_t letter[26] = {
	    /* a */ 37, 61, 49, 48, 32, 53, 55, 47, 37, 86, 67, 46, 52,
	    /* n */ 38, 37, 54, 90, 39, 38, 35, 53, 64, 60, 80, 58, 88};

	if (octet >= 'a' && octet <= 'z')
		return letter[octet - 'a'] / 10.0;
	if (octet >= 'A' && octet <= 'Z')
		return letter[octet - 'A'] / 10.0 + 3.5;
	if (octet == ' ')
		return 2.7;
	if (octet == '\n')
		return 5.5;
	if (octet >= '0' && octet <= '9')
		return 6.5;
	if (octet != 0 && strchr(".,-=/:", octet) != NULL)
		return 6.0;
	if (octet >= 0x80)
		return 11.5;
	return 8.0;
}

/* Whether `part` stands in `text`; ASCII letters in either case. */
static bool is_part(const struct literal *part, const char *text)
{
	for (; *text != '\0'; text++) {
		uint8_t k = 0;

		while (k < part->len && text[k] != '\0' && tolower(part->octet[k]) == text[k])
			k++;
		if (k == part->len)
			return true;
	}
	return false;
}

const struct common_string *common_strings(uint32_t *out_count)
{
	static const struct common_string common[] = {
#define COMMON(kind, text, often) {TEXT_##kind, text, often / 10000.0},
#include "classifier/common_strings.def"
	};

	*out_count = sizeof(common) / sizeof(common[0]);
	return common;
}

static double string_rate(enum text_kind kind, const struct literal *string)
{
	uint32_t count;
	const struct common_string *common = common_strings(&count);
	double bits = 0, rate;

	for (uint8_t k = 0; k < string->len; k++)
		bits += octet_bits(string->octet[k]);
	rate = exp2(-bits);
	for (uint32_t i = 0; i < count; i++)
		if (common[i].kind == kind && common[i].rate > rate &&
		    is_part(string, common[i].text))
			rate = common[i].rate;
	return rate;
}

static void rate(struct search *s, struct literals *set)
{
	set->rate = 0;
	for (uint32_t i = 0; i < set->count; i++)
		set->rate += string_rate(s->kind, &set->item[i]);
}

static uint8_t shortest(const struct literals *set)
{
	uint8_t len = UINT8_MAX;

	for (uint32_t i = 0; i < set->count; i++)
		if (set->item[i].len < len)
			len = set->item[i].len;
	return len;
}

static double cost(const struct literals *set)
{
	return set->rate * CONFIRM_NS + set->count * STRING_NS;
}

/* Takes `set` as the best when it is usable and cheaper. */
static void offer(struct search *s, struct literals *best, const struct literals *set)
{
	struct literals rated = *set;

	if (set->count == 0 || shortest(set) < STRING_BYTES_MIN)
		return;
	rate(s, &rated);
	if (best->count == 0 || cost(&rated) < cost(best))
		*best = rated;
}

static struct literals empty_string(struct search *s)
{
	return (struct literals){
	    .count = 1, .need = 1, .item = rule_pool_take(s->pool, sizeof(struct literal))};
}

static bool same(const struct literal *a, const struct literal *b)
{
	return a->len == b->len && memcmp(a->octet, b->octet, a->len) == 0;
}

/* False when there would be too many. */
static bool unite(struct search *s, const struct literals *a, const struct literals *b,
                  struct literals *out)
{
	struct literals set = {
	    .before_min = a->before_min < b->before_min ? a->before_min : b->before_min,
	    .before_max = a->before_max > b->before_max ? a->before_max : b->before_max,
	    .lead_max = a->lead_max > b->lead_max ? a->lead_max : b->lead_max,
	    .need = a->need < b->need ? a->need : b->need};

	if (a->count + b->count > LITERALS_MAX)
		return false;
	set.item = rule_pool_take(s->pool, (a->count + b->count) * sizeof(struct literal));
	if (a->count > 0)
		memcpy(set.item, a->item, a->count * sizeof(struct literal));
	set.count = a->count;
	for (uint32_t i = 0; i < b->count; i++) {
		bool known = false;

		for (uint32_t k = 0; k < a->count && !known; k++)
			known = same(&a->item[k], &b->item[i]);
		if (!known)
			set.item[set.count++] = b->item[i];
	}
	*out = set;
	return true;
}

/* Every string of `a` followed by every one of `b`; false when they get too many or too long. */
static bool multiply(struct search *s, const struct literals *a, const struct literals *b,
                     struct literals *out)
{
	struct literals set = {
	    .before_min = a->before_min, .before_max = a->before_max, .lead_max = a->lead_max};

	if (a->count * b->count > LITERALS_MAX)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		for (uint32_t k = 0; k < b->count; k++)
			if (a->item[i].len + b->item[k].len > LITERAL_BYTES_MAX)
				return false;
	set.item = rule_pool_take(s->pool, a->count * b->count * sizeof(struct literal));
	for (uint32_t i = 0; i < a->count; i++)
		for (uint32_t k = 0; k < b->count; k++) {
			struct literal *item = &set.item[set.count++];

			*item = a->item[i];
			memcpy(item->octet + item->len, b->item[k].octet, b->item[k].len);
			item->len = (uint8_t)(item->len + b->item[k].len);
		}
	*out = set;
	return true;
}

static struct found unknown(uint16_t len_min, uint16_t len_max)
{
	return (struct found){.len_min = len_min, .len_max = len_max, .lead_len_max = len_max};
}

static bool is_white_space(const struct octets *set)
{
	static const struct octets space = {{0x100003e00ull, 0, 0, 0}};

	return memcmp(set, &space, sizeof(space)) == 0;
}

bool literal_octets(const struct regex *regex, enum text_kind kind, const struct octets *set,
                    struct octets *out_octets)
{
	struct octets members = *set;

	if (kind == TEXT_BODY && is_white_space(set)) {
		memset(&members, 0, sizeof(members));
		octets_add(&members, ' ');
		octets_add(&members, '\n');
	}
	for (int c = 'A'; c <= 'Z' && regex->caseless; c++)
		if (octets_has(&members, (uint8_t)c)) {
			members.bit[c >> 6] &= ~((uint64_t)1 << (c & 63));
			octets_add(&members, (uint8_t)tolower(c));
		}
	*out_octets = members;
	return octets_count(&members) <= CLASS_MEMBERS_MAX;
}

static struct found of_octet(struct search *s, const struct octets *set)
{
	struct found found = {.exact = true, .len_min = 1, .len_max = 1, .lead_len_max = 1};
	struct octets members;

	if (!literal_octets(s->regex, s->kind, set, &members))
		return unknown(1, 1);
	found.all.need = 1;
	found.all.item = rule_pool_take(s->pool, CLASS_MEMBERS_MAX * sizeof(struct literal));
	for (int c = 0; c < 256; c++)
		if (octets_has(&members, (uint8_t)c))
			found.all.item[found.all.count++] = (struct literal){1, {(uint8_t)c}};
	return found;
}

/* What a sequence has gathered. `open`: something unknown stands between the beginning and
 * `current`. `led`: what was gathered holds more than parts that may be left out. `found` has the
 * lengths of what was gathered. */
struct gathering {
	struct literals current;
	bool open, led;
	struct found found;
};

/* `set` as it stands behind what was gathered. */
static struct literals placed(const struct gathering *g, const struct literals *set)
{
	struct literals behind = *set;

	behind.before_min = length_plus(set->before_min, g->found.len_min);
	behind.before_max = length_plus(set->before_max, g->found.len_max);
	if (g->led)
		behind.lead_max = length_plus(set->before_max, g->found.lead_len_max);
	return behind;
}

static void close_current(struct search *s, struct gathering *g)
{
	struct literals none = empty_string(s);

	if (!g->open)
		g->found.prefix = g->current;
	offer(s, &g->found.best, &g->current);
	g->open = true;
	g->current = placed(g, &none);
}

static void gather_open(struct search *s, struct gathering *g, const struct found *next)
{
	struct literals product, inner = placed(g, &next->best);

	if (next->prefix.count > 0 && multiply(s, &g->current, &next->prefix, &product)) {
		offer(s, &g->found.best, &g->current);
		g->current = product;
	}
	close_current(s, g);
	offer(s, &g->found.best, &inner);
	if (next->suffix.count > 0)
		g->current = placed(g, &next->suffix);
}

static void gather_length(struct gathering *g, const struct found *next, bool optional)
{
	g->found.len_min = length_plus(g->found.len_min, next->len_min);
	g->found.len_max = length_plus(g->found.len_max, next->len_max);
	if (g->led)
		g->found.lead_len_max = length_plus(g->found.lead_len_max, next->len_max);
	else if (!optional)
		g->found.lead_len_max = next->lead_len_max;
	g->led |= !optional;
}

static void gather(struct search *s, struct gathering *g, const struct found *next, bool optional)
{
	struct literals product, none;

	if (!next->exact) {
		gather_open(s, g, next);
	} else {
		if (next->all.count > 1)
			offer(s, &g->found.best, &g->current);
		if (multiply(s, &g->current, &next->all, &product)) {
			g->current = product;
		} else {
			close_current(s, g);
			g->current = placed(g, &next->all);
		}
	}
	gather_length(g, next, optional);
	if (!next->exact && next->suffix.count == 0) {
		none = empty_string(s);
		g->current = placed(g, &none);
	}
}

static struct found gathered(struct search *s, struct gathering *g)
{
	offer(s, &g->found.best, &g->current);
	g->found.exact = !g->open;
	if (g->open)
		g->found.suffix = g->current;
	else
		g->found.all = g->current;
	return g->found;
}

static struct found of_sequence(struct search *s, uint32_t child)
{
	struct gathering g = {.current = empty_string(s)};

	for (; child != 0; child = s->regex->node[child - 1].next) {
		const struct regex_node *node = &s->regex->node[child - 1];

		gather(s, &g, &s->found[child - 1], node->kind == REGEX_REPEAT && node->min == 0);
	}
	return gathered(s, &g);
}

/* What must be there: the strings themselves when exact and usable. */
static struct literals required(struct search *s, const struct found *found)
{
	struct literals best = found->best;

	if (found->exact)
		offer(s, &best, &found->all);
	return best;
}

static void unite_or_none(struct search *s, bool first, struct literals *sum,
                          const struct literals *more)
{
	if (first)
		*sum = *more;
	else if (sum->count == 0 || more->count == 0 || !unite(s, sum, more, sum))
		sum->count = 0;
}

static struct found of_choice(struct search *s, uint32_t child)
{
	struct found sum = {.exact = true, .len_min = BEFORE_ENDLESS};
	bool first = true;

	for (; child != 0; child = s->regex->node[child - 1].next, first = false) {
		const struct found *branch = &s->found[child - 1];
		struct literals need = required(s, branch);

		if (branch->len_min < sum.len_min)
			sum.len_min = branch->len_min;
		if (branch->len_max > sum.len_max)
			sum.len_max = branch->len_max;
		if (branch->lead_len_max > sum.lead_len_max)
			sum.lead_len_max = branch->lead_len_max;

		unite_or_none(s, first, &sum.best, &need);
		unite_or_none(s, first, &sum.prefix,
		              branch->exact ? &branch->all : &branch->prefix);
		unite_or_none(s, first, &sum.suffix,
		              branch->exact ? &branch->all : &branch->suffix);
		if (sum.exact && (!branch->exact || !unite(s, &sum.all, &branch->all, &sum.all)))
			sum.exact = false;
	}
	rate(s, &sum.best);
	return sum;
}

/* How often the node may repeat. "s+" in a word is a plural or a spelling, not a line of them: that
 * the text is so is for the scan to see. */
static uint32_t repeats_max(struct search *s, const struct regex_node *node)
{
	const struct regex_node *child = &s->regex->node[node->child - 1];
	uint32_t letters = 0;

	if (node->max != REGEX_ENDLESS || node->min > LETTER_RUN_MAX || child->kind != REGEX_OCTET)
		return node->max;
	for (uint8_t c = 'a'; c <= 'z'; c++)
		letters += octets_has(&child->set, c) || octets_has(&child->set, c ^ 0x20);
	for (uint32_t c = 0; c < 256; c++)
		if (octets_has(&child->set, (uint8_t)c) && (c > 127 || !isalpha((int)c)))
			return node->max;
	if (letters != 1)
		return node->max;
	s->short_runs = true;
	return LETTER_RUN_MAX;
}

static struct found of_option(struct search *s, const struct regex_node *node, uint16_t len_max)
{
	const struct found *child = &s->found[node->child - 1];
	struct found found = {.exact = true, .len_max = len_max, .lead_len_max = len_max};
	struct literals none = empty_string(s);

	if (node->max == 0) {
		found.all = none;
		return found;
	}
	if (node->max == 1 && child->exact && unite(s, &child->all, &none, &found.all))
		return found;
	return unknown(0, len_max);
}

static struct found of_repeat(struct search *s, const struct regex_node *node)
{
	const struct found *child = &s->found[node->child - 1];
	struct gathering g = {.current = empty_string(s)};
	uint32_t copies = node->min < COPIES_MAX ? node->min : COPIES_MAX;
	uint16_t len_min = length_times(node->min, child->len_min);
	uint32_t most = repeats_max(s, node);
	uint16_t len_max = length_times(most, child->len_max);

	if (node->min == 0)
		return of_option(s, node, len_max);
	for (uint32_t i = 0; i < copies; i++)
		gather(s, &g, child, false);
	if (copies < node->max) {
		close_current(s, &g);
		struct literals none = empty_string(s);

		/* The last copy has as many before it as there may be. */
		g.found.len_min = length_times(node->min - 1, child->len_min);
		g.found.len_max = length_times(most - 1, child->len_max);
		g.found.lead_len_max = g.found.len_max;
		if (child->exact)
			g.current = placed(&g, &child->all);
		else if (child->suffix.count > 0)
			g.current = placed(&g, &child->suffix);
		else
			g.current = (struct literals){.count = 1,
			                              .need = 1,
			                              .item = none.item,
			                              .before_min = len_min,
			                              .before_max = len_max,
			                              .lead_max = len_max};
	}

	struct found found = gathered(s, &g);
	/* Each copy holds one. */
	if (child->best.count > 0 && found.best.item == child->best.item)
		found.best.need = node->min < LITERAL_NEED_MAX ? (uint8_t)node->min
		                                               : LITERAL_NEED_MAX;
	found.len_min = len_min;
	found.len_max = len_max;
	found.lead_len_max = length_plus(child->lead_len_max,
	                                 length_times(most - 1, child->len_max));
	return found;
}

/* Where `b` stands in `a`; -1: nowhere. */
static int place_in(const struct literal *a, const struct literal *b)
{
	const uint8_t *at = memmem(a->octet, a->len, b->octet, b->len);

	return at != NULL ? (int)(at - a->octet) : -1;
}

/* A string that contains another of the set adds nothing; the other then may stand further behind
 * the beginning of a match. */
static void drop_covered(struct literals *set)
{
	uint32_t kept = 0, further = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		int place = -1;

		for (uint32_t k = 0; k < set->count && place < 0; k++)
			if (k != i && set->item[k].len <= set->item[i].len &&
			    (!same(&set->item[i], &set->item[k]) || k < i))
				place = place_in(&set->item[i], &set->item[k]);
		if (place >= 0) {
			if ((uint32_t)place > further)
				further = (uint32_t)place;
			continue;
		}
		/* Swapped, not copied: later strings are still compared with all. */
		struct literal keep = set->item[i];
		set->item[i] = set->item[kept];
		set->item[kept++] = keep;
	}
	set->count = kept;
	set->before_max = length_plus(set->before_max, further);
	set->lead_max = length_plus(set->lead_max, further);
}

void rule_literals(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
                   struct literals *out_literals)
{
	struct rule_pool scratch = {NULL};
	struct search s = {.pool = &scratch, .regex = regex, .kind = kind};

	s.found = rule_pool_take(&scratch, regex->count * sizeof(*s.found));
	for (uint32_t i = 0; i < regex->count; i++) {
		const struct regex_node *node = &regex->node[i];

		if (node->kind == REGEX_OCTET)
			s.found[i] = of_octet(&s, &node->set);
		else if (node->kind == REGEX_SEQUENCE)
			s.found[i] = of_sequence(&s, node->child);
		else if (node->kind == REGEX_CHOICE)
			s.found[i] = of_choice(&s, node->child);
		else if (node->kind == REGEX_REPEAT)
			s.found[i] = of_repeat(&s, node);
		else if (node->kind == REGEX_EMPTY)
			s.found[i] = (struct found){.exact = true, .all = empty_string(&s)};
		else
			s.found[i] = unknown(0, BEFORE_ENDLESS);
	}

	struct literals best = required(&s, &s.found[regex->root]);
	memset(out_literals, 0, sizeof(*out_literals));
	if (best.count > 0) {
		out_literals->item = rule_pool_take(pool, best.count * sizeof(struct literal));
		memcpy(out_literals->item, best.item, best.count * sizeof(struct literal));
		out_literals->count = best.count;
		out_literals->before_min = best.before_min;
		out_literals->before_max = best.before_max;
		out_literals->short_runs = s.short_runs;
		out_literals->need = best.need;
		out_literals->lead_max = regex->plain ? best.lead_max : best.before_max;
		drop_covered(out_literals);
		rate(&s, out_literals);
	}
	rule_pool_free(&scratch);
}
