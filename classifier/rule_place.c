/* rule_place.c - what triggers each rule of one text kind: strings, a gate window, or nothing. */
#include "classifier/rule_place.h"

#include <stdlib.h>

#include "base/check.h"

/* What a rule costs, in nanoseconds per octet of text: each string looked for, each position of a
 * window, and the confirmations; of a usual segment, or of the place where a string is. */
#define LITERAL_COST_TOLERATED 3.0
#define SEGMENT_OCTETS         200.0
#define PATTERN_NS             5.0
#define CONFIRM_NEAR_NS        300.0
#define FLANKS_NS              30.0
#define PASS_LEAST             0.1
#define STRING_NS              0.001
#define POSITION_NS            0.002
#define WORD_BITS              64u

static uint16_t reach(uint16_t before, uint8_t len)
{
	return before + len < BEFORE_ENDLESS ? (uint16_t)(before + len) : REACH_ENDLESS;
}

/* Offset of the flank's table, FLANK_NONE when it has none. */
static uint32_t place_flank(struct placing *p, const struct flank *flank)
{
	uint32_t at = p->flank_bytes;

	if (flank->table.len == 0)
		return FLANK_NONE;
	while (p->flank_room - at < flank->table.len)
		p->flank = rule_pool_grow(p->pool, p->flank, p->flank_room, &p->flank_room, 1);
	memcpy(p->flank + at, flank->table.data, flank->table.len);
	p->flank_bytes += (uint32_t)flank->table.len;
	return at;
}

static struct blob_near near_of(const struct flank *flank, uint32_t literal)
{
	return flank->near != NULL ? flank->near[literal]
	                           : (struct blob_near){{UINT64_MAX, UINT64_MAX}};
}

static void place_literals(struct placing *p, const struct blob_literal_rule *rule,
                           const struct literals *literals, const struct flanks *flanks,
                           bool caseless)
{
	uint32_t before = place_flank(p, &flanks->before), after = place_flank(p, &flanks->after);

	for (uint32_t i = 0; i < literals->count; i++) {
		const struct literal *literal = &literals->item[i];

		p->literal = rule_pool_grow(p->pool, p->literal, p->literal_count, &p->literal_room,
		                            sizeof(*p->literal));
		struct literal_use *use = &p->literal[p->literal_count++];
		memset(use, 0, sizeof(*use));
		use->string.text.len = literal->len;
		memcpy(use->string.text.octet, literal->octet, literal->len);
		use->string.caseless = caseless;
		use->to = *rule;
		use->to.reach_min = reach(literals->before_min, literal->len);
		use->to.reach_max = reach(literals->lead_max, literal->len);
		use->to.short_runs = literals->short_runs;
		use->to.strings = literals->need;
		use->to.need = flanks->chained ? 1 : literals->need;
		use->to.bytes = literal->len;
		use->to.before = before;
		use->to.after = after;
		use->to.before_octets = near_of(&flanks->before, i);
		use->to.after_octets = near_of(&flanks->after, i);
		use->to.before_state = before != FLANK_NONE ? flanks->before.state[i] : 0;
		use->to.after_state = after != FLANK_NONE ? flanks->after.state[i] : 0;
	}
}

static void place_plain(struct placing *p, uint32_t rule, const struct plain *plain)
{
	p->plain = rule_pool_grow(p->pool, p->plain, p->plain_count, &p->plain_room,
	                          sizeof(*p->plain));
	p->plain[p->plain_count] = plain->head;
	p->plain[p->plain_count].rule = rule;
	p->plain[p->plain_count++].start = p->plain_octet_count;
	for (uint32_t i = 0; i < plain->octet_count; i++) {
		p->plain_octets = rule_pool_grow(p->pool, p->plain_octets, p->plain_octet_count,
		                                 &p->plain_octet_room, sizeof(*p->plain_octets));
		p->plain_octets[p->plain_octet_count++] = plain->octets[i];
	}
}

static void place_residual(struct placing *p, uint32_t rule)
{
	p->residual = rule_pool_grow(p->pool, p->residual, p->residual_count, &p->residual_room,
	                             sizeof(uint32_t));
	p->residual[p->residual_count++] = rule;
}

static uint32_t place_window(uint32_t bit, const struct gate_window *window)
{
	if (bit % WORD_BITS + window->count > WORD_BITS)
		bit += WORD_BITS - bit % WORD_BITS;
	return bit;
}

/* Windows are packed one after the other; none lies across two words. False when the gate is full.
 */
static bool place_gate(struct placing *p, const struct blob_gate_rule *rule,
                       const struct gate_windows *windows)
{
	uint32_t bit = p->gate_bits;

	for (uint32_t i = 0; i < windows->count; i++)
		bit = place_window(bit, windows->window[i]) + windows->window[i]->count;
	if (bit > GATE_WORDS_MAX * WORD_BITS)
		return false;
	p->gate_bits = bit;
	for (uint32_t i = 0; i < windows->count; i++) {
		void *window = rule_pool_take(p->pool, sizeof(*windows->window[i]));

		memcpy(window, windows->window[i], sizeof(*windows->window[i]));
		p->gate = rule_pool_grow(p->pool, p->gate, p->gate_count, &p->gate_room,
		                         sizeof(*p->gate));
		struct gate_use *use = &p->gate[p->gate_count++];
		*use = (struct gate_use){window, *rule, p->gate_count};
		use->to.reach_min = windows->reach[i].min;
		use->to.reach_max = windows->reach[i].max;
	}
	return true;
}

/* What is read before and behind the strings keeps most of them from PCRE2; how many, the flanks'
 * shares tell only roughly. */
static double literal_cost(const struct literals *literals, const struct flanks *flanks)
{
	double pass = flanks->before.pass * flanks->after.pass;

	return literals->rate *
	           (FLANKS_NS + (pass > PASS_LEAST ? pass : PASS_LEAST) * CONFIRM_NEAR_NS) +
	       literals->count * STRING_NS;
}

static double gate_cost(const struct gate_windows *windows)
{
	double opened = windows->rate * SEGMENT_OCTETS;

	return (opened < 1 ? opened : 1) * PATTERN_NS + rule_gate_positions(windows) * POSITION_NS;
}

static void place_segment(struct placing *p, uint32_t selector)
{
	for (uint32_t i = 0; i < p->segment_count; i++)
		if (p->segment[i] == selector)
			return;
	p->segment = rule_pool_grow(p->pool, p->segment, p->segment_count, &p->segment_room,
	                            sizeof(uint32_t));
	p->segment[p->segment_count++] = selector;
}

enum rule_placement rule_place(struct placing *p, uint32_t rule, uint8_t flags, uint32_t selector,
                               struct bytes pattern, bool always, double *out_cost)
{
	struct rule_pool scratch = {NULL};
	struct regex regex;
	struct literals literals = {0};
	struct gate_windows windows = {0};
	struct plain plain;
	struct flanks flanks = {.before.pass = 1, .after.pass = 1};
	enum rule_placement placed = PLACED_RESIDUAL;
	enum regex_start start = START_ANYWHERE;

	if (!always && regex_parse(&scratch, pattern, &regex) == OK) {
		rule_literals(&scratch, &regex, p->kind, &literals);
		rule_gate(&scratch, &regex, p->kind, &windows);
		start = regex_start(&scratch, &regex);
		rule_flanks(&scratch, &regex, p->kind, &literals, start, &flanks);
		if (rule_plain(&regex, pattern, &plain))
			place_plain(p, rule, &plain);
	}
	if (windows.count > 0 &&
	    (literals.count == 0 || gate_cost(&windows) < literal_cost(&literals, &flanks)) &&
	    place_gate(p,
	               &(struct blob_gate_rule){
	                   .rule = rule, .flags = flags, .selector = (uint16_t)selector},
	               &windows)) {
		placed = PLACED_GATE;
		*out_cost = gate_cost(&windows);
	} else if (literals.count > 0 &&
	           literal_cost(&literals, &flanks) < LITERAL_COST_TOLERATED) {
		place_literals(p,
		               &(struct blob_literal_rule){.rule = rule,
		                                           .flags = flags,
		                                           .selector = (uint16_t)selector,
		                                           .start = (uint8_t)start},
		               &literals, &flanks, regex.caseless);
		placed = PLACED_LITERAL;
		*out_cost = literal_cost(&literals, &flanks);
	} else {
		place_residual(p, rule);
		*out_cost = PATTERN_NS;
	}
	if (p->kind == TEXT_HEADER && placed != PLACED_RESIDUAL)
		place_segment(p, selector);
	rule_pool_free(&scratch);
	return placed;
}

static int compare_uses(const void *left, const void *right)
{
	const struct literal_use *a = left, *b = right;
	int order = memcmp(&a->string, &b->string, sizeof(a->string));

	if (order != 0)
		return order;
	return a->to.rule < b->to.rule ? -1 : a->to.rule > b->to.rule;
}

static enum err finish_literals(struct placing *p, const char *cache_folder,
                                struct bytes *out_section, char *reason)
{
	uint32_t count = p->literal_count, strings = 0;
	struct scan_string *string = rule_pool_take(p->pool, count * sizeof(*string));
	uint32_t *start = rule_pool_take(p->pool, (count + 1) * sizeof(*start));
	struct blob_literal_rule *rule = rule_pool_take(p->pool, count * sizeof(*rule));

	if (count == 0)
		return OK;
	qsort(p->literal, count, sizeof(*p->literal), compare_uses);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || memcmp(&p->literal[i].string, &p->literal[i - 1].string,
		                     sizeof(*string)) != 0) {
			start[strings] = i;
			string[strings++] = p->literal[i].string;
		}
		rule[i] = p->literal[i].to;
	}
	start[strings] = count;
	p->string_count = strings;
	out_section[BLOB_LITERAL_START] = bytes_of(start, (strings + 1) * sizeof(*start));
	out_section[BLOB_LITERAL_RULES] = bytes_of(rule, count * sizeof(*rule));
	return rule_compile_strings(p->pool, string, strings, cache_folder,
	                            &out_section[BLOB_LITERAL_DB], reason);
}

struct gate_tables {
	uint64_t *begin, *final, *step, *stay;
	uint32_t words;
};

static void set_window(const struct gate_tables *t, const struct gate_window *window, uint32_t bit)
{
	uint32_t word = bit / WORD_BITS;
	uint64_t first = (uint64_t)1 << bit % WORD_BITS;

	t->begin[word] |= first;
	t->final[word] |= first << (window->count - 1);
	for (uint32_t i = 0; i < window->count; i++)
		for (uint32_t c = 0; c < 256; c++) {
			if (octets_has(&window->position[i].step, (uint8_t)c))
				t->step[c * t->words + word] |= first << i;
			if (octets_has(&window->position[i].stay, (uint8_t)c))
				t->stay[c * t->words + word] |= first << i;
		}
}

/* By the field they look at: a scan of one field walks the words of its rules only. */
static int by_selector(const void *one, const void *other)
{
	const struct gate_use *a = one, *b = other;

	if (a->to.selector != b->to.selector)
		return a->to.selector < b->to.selector ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* In an order that wastes more bits there may be no room for all. */
static void sort_gate(struct placing *p)
{
	struct gate_use *sorted = rule_pool_take(p->pool, p->gate_count * sizeof(*sorted));
	uint32_t bit = 0;

	memcpy(sorted, p->gate, p->gate_count * sizeof(*sorted));
	qsort(sorted, p->gate_count, sizeof(*sorted), by_selector);
	for (uint32_t i = 0; i < p->gate_count; i++)
		bit = place_window(bit, sorted[i].window) + sorted[i].window->count;
	if (bit > GATE_WORDS_MAX * WORD_BITS)
		return;
	p->gate = sorted;
	p->gate_bits = bit;
}

static void finish_gate(struct placing *p, struct bytes *out_section)
{
	if (p->gate_count == 0)
		return;
	sort_gate(p);

	uint32_t words = ((p->gate_bits + WORD_BITS - 1) / WORD_BITS + 3) & ~3u;
	size_t bytes = sizeof(struct blob_gate) + (size_t)words * (2 + 512) * sizeof(uint64_t);
	struct blob_gate *gate = rule_pool_take(p->pool, bytes);
	struct blob_gate_rule *rule = rule_pool_take(p->pool, p->gate_count * sizeof(*rule));
	struct gate_tables tables = {gate->table, gate->table + words, gate->table + 2 * words,
	                             gate->table + (size_t)(2 + 256) * words, words};
	uint32_t bit = 0;

	gate->words = words;
	for (uint32_t i = 0; i < p->gate_count; i++) {
		const struct gate_window *window = p->gate[i].window;

		bit = place_window(bit, window);
		set_window(&tables, window, bit);
		bit += window->count;
		rule[i] = p->gate[i].to;
		rule[i].bit = bit - 1;
	}
	out_section[BLOB_GATE] = bytes_of(gate, bytes);
	out_section[BLOB_GATE_RULES] = bytes_of(rule, p->gate_count * sizeof(*rule));
}

enum err rule_place_finish(struct placing *p, const char *cache_folder,
                           struct bytes out_section[BLOB_KIND_SECTIONS], char *reason)
{
	memset(out_section, 0, BLOB_KIND_SECTIONS * sizeof(*out_section));
	finish_gate(p, out_section);
	out_section[BLOB_RESIDUAL] = bytes_of(p->residual, p->residual_count * sizeof(uint32_t));
	out_section[BLOB_FLANKS] = bytes_of(p->flank, p->flank_bytes);
	out_section[BLOB_PLAINS] = bytes_of(p->plain, p->plain_count * sizeof(*p->plain));
	out_section[BLOB_PLAIN_OCTETS] = bytes_of(p->plain_octets,
	                                          p->plain_octet_count * sizeof(*p->plain_octets));
	out_section[BLOB_SEGMENTS] = bytes_of(p->segment, p->segment_count * sizeof(uint32_t));
	return finish_literals(p, cache_folder, out_section, reason);
}
