/* rule_flank.c - what can stand before and behind a string in a match of a pattern.
 *
 * The tree becomes a position automaton (Glushkov): every octet node is a position, and `follow`
 * says which may come next. The subset construction then starts from all positions the string can
 * end at, whatever came before it. For what stands before a string the same is done backwards.
 */
#include "classifier/rule_flank.h"

#include <math.h>

#define POSITIONS_MAX 8192u
#define COPIES_MAX    32u
#define PASS_USELESS  0.75 /* a walk that mostly passes is not worth its time */
#define WALK_OCTETS   24
/* A string refused spares PCRE2 a look: what that is worth, in octets walked. */
#define REFUSED_OCTETS 100.0
#define STOP_TURNS     64
#define WEIGHT_LEAST   1e-12 /* of a state that is worth a row of the table */

/* How large an automaton may get. Chains of copies and beginnings of lines are told apart by what
 * stands far away. */
struct limits {
	uint32_t states, table_bytes;
	uint32_t slots; /* of the hash table of states */
};

static const struct limits limits_of_few = {1024, 64u << 10, 4096};
static const struct limits limits_of_many = {32000, 1u << 20, 131072};

struct part { /* a node of the tree */
	uint64_t *first, *last;
	bool nullable;
	uint32_t start; /* its first position; the last so far is its last when it is made */
};

struct automaton {
	struct rule_pool *pool;
	uint32_t count, words;
	struct octets *set; /* by position */
	struct octets
	    *string;      /* by position: what strings have there; none where none runs through */
	uint64_t *follow; /* by position: bits of positions */
	uint64_t *first, *last; /* where a match begins and ends */
	uint64_t *copied;       /* positions of copies that are not the first */
	const bool *chain;      /* by node: repeats of which two copies are told apart */
	const struct limits *limits;
	enum regex_start start;
	uint64_t *holds;       /* by octet: the positions that take it */
	uint8_t class_of[256]; /* octets that no position tells apart */
	uint8_t one_of[256];   /* by class: an octet of it */
	double share[256];     /* by class: of mail text */
	uint32_t class_count;
};

static uint64_t *bits_new(struct automaton *a)
{
	return rule_pool_take(a->pool, a->words * sizeof(uint64_t));
}

static void bits_add(const struct automaton *a, uint64_t *to, const uint64_t *more)
{
	for (uint32_t w = 0; w < a->words; w++)
		to[w] |= more[w];
}

static void link_all(struct automaton *a, const uint64_t *from, const uint64_t *to)
{
	for (uint32_t w = 0; w < a->words; w++)
		for (uint64_t left = from[w]; left != 0; left &= left - 1)
			bits_add(a,
			         a->follow +
			             (size_t)(w * 64 + (uint32_t)__builtin_ctzll(left)) * a->words,
			         to);
}

/* How many positions a repeated octet takes: those that must be, and some that may be. */
static uint32_t copies_of(const struct regex_node *node)
{
	uint32_t most = node->max < COPIES_MAX ? node->max : node->min > 1 ? node->min : 1;

	return most < COPIES_MAX ? most : COPIES_MAX;
}

static bool repeats_octet(const struct regex *regex, const struct regex_node *node)
{
	return node->kind == REGEX_REPEAT && regex->node[node->child - 1].kind == REGEX_OCTET;
}

/* Repeats within no other one that say at least two copies. NULL when there are none. */
static bool *find_chains(struct rule_pool *pool, const struct regex *regex)
{
	bool *chain = rule_pool_take(pool, regex->count * sizeof(*chain)), any = false;
	bool *within = rule_pool_take(pool, regex->count * sizeof(*within));

	for (uint32_t i = regex->count; i-- > 0;) {
		const struct regex_node *node = &regex->node[i];

		chain[i] = node->kind == REGEX_REPEAT && node->min > 1 && !within[i] &&
		           !repeats_octet(regex, node);
		any |= chain[i];
		if (node->kind != REGEX_REPEAT && node->kind != REGEX_SEQUENCE &&
		    node->kind != REGEX_CHOICE)
			continue;
		for (uint32_t child = node->child; child != 0; child = regex->node[child - 1].next)
			within[child - 1] = within[i] || chain[i];
	}
	return any ? chain : NULL;
}

/* As build() makes them: a subtree's positions are in a row. */
static uint32_t count_positions(struct rule_pool *pool, const struct regex *regex,
                                const bool *chain)
{
	uint32_t *start = rule_pool_take(pool, regex->count * sizeof(*start));
	uint32_t count = 0;

	for (uint32_t i = 0; i < regex->count && count <= POSITIONS_MAX; i++) {
		const struct regex_node *node = &regex->node[i];

		start[i] = node->child != 0 ? start[node->child - 1] : count;
		if (node->kind == REGEX_OCTET || node->kind == REGEX_ANYTHING)
			count++;
		else if (repeats_octet(regex, node))
			count += copies_of(node);
		else if (chain != NULL && chain[i])
			count += count - start[i];
	}
	return count;
}

static void put_bit(uint64_t *bits, uint32_t at)
{
	bits[at / 64] |= (uint64_t)1 << at % 64;
}

static struct part of_octet(struct automaton *a, const struct octets *set)
{
	struct part part = {bits_new(a), bits_new(a), false, a->count};

	put_bit(part.first, a->count);
	put_bit(part.last, a->count);
	a->set[a->count++] = *set;
	return part;
}

static struct part of_anything(struct automaton *a)
{
	static const struct octets every = {{~0ull, ~0ull, ~0ull, ~0ull}};
	struct part part = of_octet(a, &every);

	link_all(a, part.last, part.first);
	part.nullable = true;
	return part;
}

static void join(struct automaton *a, struct part *sum, const struct part *next)
{
	link_all(a, sum->last, next->first);
	if (sum->nullable)
		bits_add(a, sum->first, next->first);
	if (!next->nullable)
		memset(sum->last, 0, a->words * sizeof(uint64_t));
	bits_add(a, sum->last, next->last);
	sum->nullable &= next->nullable;
}

/* What matches the empty text alone. */
static struct part nothing(struct automaton *a, uint32_t start)
{
	return (struct part){bits_new(a), bits_new(a), true, start};
}

static struct part of_sequence(struct automaton *a, const struct regex *regex,
                               const struct part *part, uint32_t child)
{
	struct part sum = nothing(a, child != 0 ? part[child - 1].start : a->count);

	for (; child != 0; child = regex->node[child - 1].next)
		join(a, &sum, &part[child - 1]);
	return sum;
}

static struct part of_choice(struct automaton *a, const struct regex *regex,
                             const struct part *part, uint32_t child)
{
	struct part sum = nothing(a, child != 0 ? part[child - 1].start : a->count);

	sum.nullable = false;
	for (; child != 0; child = regex->node[child - 1].next) {
		bits_add(a, sum.first, part[child - 1].first);
		bits_add(a, sum.last, part[child - 1].last);
		sum.nullable |= part[child - 1].nullable;
	}
	return sum;
}

/* A repeated octet is counted as far as COPIES_MAX goes. */
static struct part of_octets(struct automaton *a, const struct regex_node *node,
                             const struct part *child, const struct octets *set)
{
	struct part sum = nothing(a, child->start), copy = sum;
	uint32_t copies = copies_of(node);

	for (uint32_t i = 0; i < copies; i++) {
		copy = of_octet(a, set);
		copy.nullable = i >= node->min;
		join(a, &sum, &copy);
	}
	if (copies > 0 && copies < node->max)
		link_all(a, copy.last, copy.first);
	return sum;
}

/* Other repeats go round as often as they like, once at least when they must. */
static struct part of_repeat(struct automaton *a, const struct regex_node *node,
                             const struct part *child)
{
	struct part sum = nothing(a, child->start);

	if (node->max == 0)
		return sum;
	bits_add(a, sum.first, child->first);
	bits_add(a, sum.last, child->last);
	sum.nullable = child->nullable || node->min == 0;
	if (node->max > 1)
		link_all(a, sum.last, sum.first);
	return sum;
}

/* `bits` of the positions from `start` on, as far behind as `end` is. */
static uint64_t *shifted(struct automaton *a, const uint64_t *bits, uint32_t start, uint32_t end)
{
	uint64_t *out = bits_new(a);

	for (uint32_t w = start / 64; w < a->words; w++)
		for (uint64_t left = bits[w]; left != 0; left &= left - 1)
			put_bit(out, w * 64 + (uint32_t)__builtin_ctzll(left) + end - start);
	return out;
}

/* Two copies and more: the first apart from the others. */
static struct part of_chain(struct automaton *a, const struct regex_node *node,
                            const struct part *child)
{
	uint32_t start = child->start, end = a->count;
	struct part sum = nothing(a, start), copy = *child;

	copy.first = shifted(a, child->first, start, end);
	copy.last = shifted(a, child->last, start, end);
	for (uint32_t p = start; p < end; p++) {
		a->set[a->count] = a->set[p];
		memcpy(a->follow + (size_t)a->count * a->words,
		       shifted(a, a->follow + (size_t)p * a->words, start, end),
		       a->words * sizeof(uint64_t));
		put_bit(a->copied, a->count++);
	}
	join(a, &sum, child);
	join(a, &sum, &copy);
	if (node->max > 2)
		link_all(a, copy.last, copy.first);
	return sum;
}

static void build(struct automaton *a, const struct regex *regex)
{
	struct part *part = rule_pool_take(a->pool, regex->count * sizeof(*part));

	for (uint32_t i = 0; i < regex->count; i++) {
		const struct regex_node *node = &regex->node[i];

		if (node->kind == REGEX_OCTET)
			part[i] = of_octet(a, &node->set);
		else if (node->kind == REGEX_SEQUENCE)
			part[i] = of_sequence(a, regex, part, node->child);
		else if (node->kind == REGEX_CHOICE)
			part[i] = of_choice(a, regex, part, node->child);
		else if (repeats_octet(regex, node))
			part[i] = of_octets(a, node, &part[node->child - 1],
			                    &regex->node[node->child - 1].set);
		else if (a->chain != NULL && a->chain[i])
			part[i] = of_chain(a, node, &part[node->child - 1]);
		else if (node->kind == REGEX_REPEAT)
			part[i] = of_repeat(a, node, &part[node->child - 1]);
		else if (node->kind == REGEX_EMPTY)
			part[i] = nothing(a, a->count);
		else
			part[i] = of_anything(a);
	}
	a->first = part[regex->root].first;
	a->last = part[regex->root].last;
}

static void find_classes(struct automaton *a)
{
	size_t bytes = a->words * sizeof(uint64_t);
	double all = 0;

	a->holds = rule_pool_take(a->pool, 256 * bytes);
	for (uint32_t c = 0; c < 256; c++) {
		uint64_t *its = a->holds + (size_t)c * a->words;
		uint32_t k = 0;

		for (uint32_t p = 0; p < a->count; p++)
			if (octets_has(&a->set[p], (uint8_t)c))
				put_bit(its, p);
		while (k < a->class_count &&
		       memcmp(its, a->holds + (size_t)a->one_of[k] * a->words, bytes) != 0)
			k++;
		if (k == a->class_count)
			a->one_of[a->class_count++] = (uint8_t)c;
		a->class_of[c] = (uint8_t)k;
		a->share[k] += exp2(-octet_bits((uint8_t)c));
		all += exp2(-octet_bits((uint8_t)c));
	}
	for (uint32_t k = 0; k < a->class_count; k++)
		a->share[k] /= all;
}

/* The automaton that reads matches from their end. */
static struct automaton turned(const struct automaton *a)
{
	struct automaton back = *a;

	back.first = a->last;
	back.last = a->first;
	back.follow = rule_pool_take(a->pool, (size_t)a->count * a->words * sizeof(uint64_t));
	for (uint32_t p = 0; p < a->count; p++)
		for (uint32_t w = 0; w < a->words; w++)
			for (uint64_t left = a->follow[(size_t)p * a->words + w]; left != 0;
			     left &= left - 1)
				put_bit(back.follow +
				            (size_t)(w * 64 + (uint32_t)__builtin_ctzll(left)) *
				                a->words,
				        p);
	return back;
}

struct subsets {
	const struct automaton *a;
	uint64_t *state;
	uint32_t count;
	uint32_t *slot;       /* 1 + state */
	uint64_t *next, *set; /* of one step */
	bool absorbs;         /* nobody asks what comes after the end of a match */
};

static void step_all(const struct automaton *a, const uint64_t *from, uint64_t *out)
{
	memset(out, 0, a->words * sizeof(uint64_t));
	for (uint32_t w = 0; w < a->words; w++)
		for (uint64_t left = from[w]; left != 0; left &= left - 1)
			bits_add(a, out,
			         a->follow +
			             (size_t)(w * 64 + (uint32_t)__builtin_ctzll(left)) * a->words);
}

/* The state that a set of positions is: dead, or one of its own; open when there is no room for
 * more. */
static uint16_t state_of(struct subsets *s, const uint64_t *set)
{
	const struct automaton *a = s->a;
	uint64_t any = 0, ends = 0, hash = 0;

	for (uint32_t w = 0; w < a->words; w++) {
		any |= set[w];
		ends |= set[w] & a->last[w];
		hash = (hash ^ set[w]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	if (any == 0)
		return FLANK_DEAD;
	if (ends != 0 && s->absorbs)
		return FLANK_OPEN;
	ends = ends != 0 ? FLANK_ENDS : 0;
	for (uint32_t at = (uint32_t)hash % a->limits->slots;; at = (at + 1) % a->limits->slots) {
		if (s->slot[at] == 0) {
			if (s->count == a->limits->states)
				return FLANK_OPEN;
			memcpy(s->state + (size_t)s->count * a->words, set,
			       a->words * sizeof(uint64_t));
			s->slot[at] = ++s->count;
			return (uint16_t)((s->count - 1) | ends);
		}
		if (memcmp(s->state + (size_t)(s->slot[at] - 1) * a->words, set,
		           a->words * sizeof(uint64_t)) == 0)
			return (uint16_t)((s->slot[at] - 1) | ends);
	}
}

static void find_string_octets(struct automaton *a, const struct regex *regex, enum text_kind kind)
{
	for (uint32_t p = 0; p < a->count; p++)
		if ((a->copied[p / 64] >> p % 64 & 1) != 0 ||
		    !literal_octets(regex, kind, &a->set[p], &a->string[p]))
			memset(&a->string[p], 0, sizeof(a->string[p]));
}

static void take_octet(const struct automaton *a, uint64_t *set, uint8_t octet)
{
	for (uint32_t w = 0; w < a->words; w++)
		for (uint64_t left = set[w]; left != 0; left &= left - 1) {
			uint32_t at = (uint32_t)__builtin_ctzll(left);

			if (!octets_has(&a->string[w * 64 + at], octet))
				set[w] &= ~((uint64_t)1 << at);
		}
}

/* Where the walk begins: all positions at which the string can have ended. */
static uint16_t begin(struct subsets *s, const struct literal *literal, bool backwards)
{
	const struct automaton *a = s->a;
	uint64_t *set = bits_new((struct automaton *)(uintptr_t)a);

	for (uint32_t p = 0; p < a->count; p++)
		put_bit(set, p);
	for (uint32_t i = 0; i < literal->len; i++) {
		uint8_t octet = literal->octet[backwards ? literal->len - 1 - i : i];

		if (i > 0) {
			step_all(a, set, s->next);
			memcpy(set, s->next, a->words * sizeof(uint64_t));
		}
		take_octet(a, set, octet);
	}

	uint16_t state = state_of(s, set);
	return state == FLANK_DEAD ? FLANK_OPEN : state;
}

/* What the subset construction has of each state: how much of mail text's walks come by, and its
 * place in the table; 0: it has none yet. */
struct filling {
	double *weight;
	uint16_t *place;
	uint16_t *next;
	uint32_t count, most; /* states in the table */
};

static void expand(struct subsets *s, struct filling *f, uint32_t state)
{
	const struct automaton *a = s->a;
	uint16_t *row = f->next + (size_t)f->count * a->class_count;

	step_all(a, s->state + (size_t)state * a->words, s->next);
	for (uint32_t class = 0; class < a->class_count; class ++) {
		const uint64_t *holds = a->holds + (size_t)a->one_of[class] * a->words;

		for (uint32_t w = 0; w < a->words; w++)
			s->set[w] = s->next[w] & holds[w];
		row[class] = state_of(s, s->set);
		f->weight[row[class] & FLANK_STATE] += f->weight[state] * a->share[class];
	}
	f->place[state] = (uint16_t)f->count++;
}

static uint16_t placed(const struct filling *f, uint16_t state)
{
	uint32_t number = state & FLANK_STATE;

	if (number <= FLANK_OPEN)
		return state;
	return f->place[number] != 0 ? (uint16_t)(f->place[number] | (state & FLANK_ENDS))
	                             : FLANK_OPEN;
}

/* Fills half of the table breadth first and then what most walks come to: a full one knows the
 * octets next to strings best, and what stands beside them in most of mail text. */
static uint16_t *fill(struct subsets *s, struct flank *flank, uint32_t literals,
                      uint32_t *out_states)
{
	const struct automaton *a = s->a;
	uint32_t room = a->limits->table_bytes / (uint32_t)sizeof(uint16_t) / a->class_count;
	struct filling f = {.count = FLANK_OPEN + 1,
	                    .most = room < a->limits->states ? room : a->limits->states};

	f.weight = rule_pool_take(a->pool, (a->limits->states + 1) * sizeof(*f.weight));
	f.place = rule_pool_take(a->pool, (a->limits->states + 1) * sizeof(*f.place));
	f.next = rule_pool_take(a->pool, (size_t)f.most * a->class_count * sizeof(*f.next));
	for (uint32_t i = 0; i < literals; i++)
		f.weight[flank->state[i] & FLANK_STATE] += 1.0 / literals;
	for (uint32_t k = FLANK_OPEN + 1; k < s->count && k < f.most / 2; k++)
		expand(s, &f, k);
	for (double least = 1; least > WEIGHT_LEAST; least /= 4)
		for (uint32_t k = FLANK_OPEN + 1; k < s->count && f.count < f.most; k++)
			if (f.place[k] == 0 && f.weight[k] >= least)
				expand(s, &f, k);
	for (uint32_t i = (FLANK_OPEN + 1) * a->class_count; i < f.count * a->class_count; i++)
		f.next[i] = placed(&f, f.next[i]);
	for (uint32_t i = 0; i < literals; i++)
		flank->state[i] = placed(&f, flank->state[i]);
	*out_states = f.count;
	return f.next;
}

/* For the share of walks: a state in which a match may end is as good as one that nobody knows.
 * Going back it is where a match may begin, which few lines do. */
static uint32_t walks_to(const struct automaton *a, bool backwards, uint16_t state)
{
	if (backwards && a->start != START_ANYWHERE)
		return state & FLANK_STATE;
	return (state & FLANK_ENDS) != 0 ? FLANK_OPEN : state;
}

/* The share of walks that mail text keeps alive; `now` holds how many begin in each state. */
static double pass_share(const struct automaton *a, const uint16_t *next, uint32_t states,
                         bool backwards, double *now)
{
	double *then = rule_pool_take(a->pool, states * sizeof(double));
	double open = now[FLANK_OPEN];

	for (int turn = 0; turn < WALK_OCTETS; turn++) {
		memset(then, 0, states * sizeof(double));
		for (uint32_t s = FLANK_OPEN + 1; s < states; s++)
			for (uint32_t k = 0; now[s] > 1e-4 && k < a->class_count; k++) {
				uint16_t to = next[s * a->class_count + k];

				then[walks_to(a, backwards, to)] += now[s] * a->share[k];
			}
		open += then[FLANK_OPEN];
		double *swap = now;
		now = then;
		then = swap;
	}
	for (uint32_t s = FLANK_OPEN + 1; s < states; s++)
		open += now[s];
	return open;
}

/* Where a walk had better stop: states from which, by the shares of octets, what is refused further
 * on is worth less than the walk there. (Optimal stopping: `worth` holds the best that can be had
 * of a state in so many octets more, and only grows with their number.) These become open. */
static void stop_walks(const struct automaton *a, uint16_t *next, uint32_t states,
                       struct flank *flank, uint32_t literals)
{
	double *worth = rule_pool_take(a->pool, states * sizeof(*worth));
	bool grows = true;

	worth[FLANK_DEAD] = REFUSED_OCTETS;
	for (int turn = 0; turn < STOP_TURNS && grows; turn++) {
		grows = false;
		for (uint32_t s = states; s-- > FLANK_OPEN + 1;) {
			double sum = -1;

			for (uint32_t k = 0; k < a->class_count; k++)
				sum += a->share[k] *
				       worth[next[s * a->class_count + k] & FLANK_STATE];
			if (sum > worth[s] + 1e-3) {
				worth[s] = sum;
				grows = true;
			}
		}
	}
	for (uint32_t i = (FLANK_OPEN + 1) * a->class_count; i < states * a->class_count; i++)
		if (worth[next[i] & FLANK_STATE] == 0)
			next[i] = FLANK_OPEN;
	for (uint32_t i = 0; i < literals; i++)
		if (worth[flank->state[i] & FLANK_STATE] == 0)
			flank->state[i] = FLANK_OPEN;
}

static uint64_t low_bits(const struct automaton *a, uint32_t class)
{
	uint64_t bits = 0;

	for (uint32_t c = 0; c < 256; c++)
		if (a->class_of[c] == class)
			bits |= (uint64_t)1 << (c & 63);
	return bits;
}

/* Whether anything at all may stand at a state's place. */
static bool is_free(uint16_t state, bool lines)
{
	return state == FLANK_OPEN || ((state & FLANK_ENDS) != 0 && !lines);
}

/* What may be read in a state; where a line must begin in it, the end of the one before. */
static uint64_t octets_in(const struct automaton *a, const uint16_t *next, const uint64_t *low,
                          uint16_t state, bool lines)
{
	const uint16_t *its = next + (size_t)(state & FLANK_STATE) * a->class_count;
	uint64_t bits = (state & FLANK_ENDS) != 0 ? (uint64_t)1 << '\n' : 0;

	if (is_free(state, lines))
		return UINT64_MAX;
	for (uint32_t k = 0; k < a->class_count; k++)
		bits |= its[k] != FLANK_DEAD ? low[k] : 0;
	return bits;
}

static struct blob_near near_octets(const struct automaton *a, const uint16_t *next,
                                    const uint64_t *low, uint16_t state, bool lines)
{
	const uint16_t *its = next + (size_t)(state & FLANK_STATE) * a->class_count;
	struct blob_near near = {{octets_in(a, next, low, state, lines), 0}};

	if (is_free(state, lines) || (state & FLANK_ENDS) != 0) {
		near.octet[1] = UINT64_MAX;
		return near;
	}
	for (uint32_t k = 0; k < a->class_count; k++)
		if (its[k] != FLANK_DEAD)
			near.octet[1] |= octets_in(a, next, low, its[k], lines);
	return near;
}

static void find_near(struct rule_pool *pool, const struct automaton *a, const uint16_t *next,
                      const struct literals *literals, bool backwards, struct flank *out)
{
	bool lines = backwards && a->start != START_ANYWHERE;
	uint64_t *low = rule_pool_take(a->pool, a->class_count * sizeof(*low));

	for (uint32_t k = 0; k < a->class_count; k++)
		low[k] = low_bits(a, k);
	out->near = rule_pool_take(pool, literals->count * sizeof(*out->near));
	for (uint32_t i = 0; i < literals->count; i++)
		out->near[i] = near_octets(a, next, low, out->state[i], lines);
}

static void make(struct rule_pool *pool, const struct automaton *a, const struct literals *literals,
                 bool backwards, struct flank *out)
{
	struct subsets *s = rule_pool_take(a->pool, sizeof(*s));
	uint32_t states;
	bool useful = false;

	s->a = a;
	s->state = rule_pool_take(a->pool, (size_t)a->limits->states * a->words * sizeof(uint64_t));
	s->slot = rule_pool_take(a->pool, a->limits->slots * sizeof(*s->slot));
	s->next = rule_pool_take(a->pool, a->words * sizeof(uint64_t));
	s->set = rule_pool_take(a->pool, a->words * sizeof(uint64_t));
	s->count = FLANK_OPEN + 1;
	s->absorbs = !backwards;
	out->pass = 1;
	out->state = rule_pool_take(pool, literals->count * sizeof(*out->state));
	for (uint32_t i = 0; i < literals->count; i++)
		out->state[i] = begin(s, &literals->item[i], backwards);

	uint16_t *next = fill(s, out, literals->count, &states);
	find_near(pool, a, next, literals, backwards, out);
	if (!backwards)
		stop_walks(a, next, states, out, literals->count);

	double *begins = rule_pool_take(a->pool, states * sizeof(double));
	for (uint32_t i = 0; i < literals->count; i++) {
		begins[walks_to(a, backwards, out->state[i])] += 1.0 / literals->count;
		useful |= out->state[i] != FLANK_OPEN;
	}
	if (!useful)
		return;
	out->pass = pass_share(a, next, states, backwards, begins);
	if (out->pass > PASS_USELESS)
		return;

	size_t cells = (size_t)states * a->class_count;
	size_t bytes = FLANK_BYTES(cells);
	struct blob_flank *flank = rule_pool_take(pool, bytes);
	flank->class_count = (uint16_t)a->class_count;
	flank->state_count = (uint16_t)states;
	memcpy(flank->class_of, a->class_of, sizeof(flank->class_of));
	memcpy(flank->next, next, cells * sizeof(uint16_t));
	out->table = bytes_of(flank, bytes);
}

/* `chain`: NULL, or what find_chains() found: then strings stand in first copies alone. */
static void flanks_of(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
                      const struct literals *literals, enum regex_start start, const bool *chain,
                      struct flanks *out)
{
	struct rule_pool scratch = {NULL};
	struct automaton a = {.pool = &scratch,
	                      .chain = chain,
	                      .start = start,
	                      .limits = chain != NULL || start != START_ANYWHERE ? &limits_of_many
	                                                                         : &limits_of_few};
	uint32_t positions = count_positions(&scratch, regex, chain);

	memset(out, 0, sizeof(*out));
	out->before.pass = out->after.pass = 1;
	if (positions > 0 && positions <= POSITIONS_MAX) {
		a.words = (positions + 63) / 64;
		a.set = rule_pool_take(&scratch, positions * sizeof(*a.set));
		a.string = rule_pool_take(&scratch, positions * sizeof(*a.string));
		a.copied = bits_new(&a);
		a.follow = rule_pool_take(&scratch, (size_t)positions * a.words * sizeof(uint64_t));
		build(&a, regex);
		find_string_octets(&a, regex, kind);
		find_classes(&a);

		struct automaton back = turned(&a);
		make(pool, &a, literals, false, &out->after);
		if (literals->before_max > 0)
			make(pool, &back, literals, true, &out->before);
	}
	rule_pool_free(&scratch);
}

void rule_flanks(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
                 const struct literals *literals, enum regex_start start, struct flanks *out_flanks)
{
	const bool *chain = literals->need > 1 ? find_chains(pool, regex) : NULL;

	memset(out_flanks, 0, sizeof(*out_flanks));
	out_flanks->before.pass = out_flanks->after.pass = 1;
	if (literals->count == 0)
		return;
	if (chain != NULL)
		flanks_of(pool, regex, kind, literals, start, chain, out_flanks);
	/* Without what stands behind the first copy strings of the others would be missed. */
	out_flanks->chained = out_flanks->after.table.len > 0;
	if (!out_flanks->chained)
		flanks_of(pool, regex, kind, literals, start, NULL, out_flanks);
}
