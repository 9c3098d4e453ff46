/* score.c - metas, points and the list of hits.
 *
 * What a rule is worth is an interval: a point when known, [0, inf) when its test is not supported
 * or could not run. Arithmetic on intervals keeps a meta decidable whenever the unknown cannot
 * change its result; a meta that stays open does not hit. Values follow SpamAssassin 4.0: `a && b`
 * is b when a is true, a meta's worth is its result, and a negative one counts as 1.
 */
#include <math.h>

#include "base/check.h"
#include "classifier/eval.h"

#define POINTS_E4_MAX    ((int64_t)INT32_MAX * 10)
#define ASKING_LOOKS_MAX 256u

static const struct value open_flag = {0, 1};

static struct value point(double at)
{
	return (struct value){at, at};
}

static struct value span(double lo, double hi)
{
	return (struct value){isnan(lo) ? -INFINITY : lo, isnan(hi) ? INFINITY : hi};
}

static struct value hull(struct value a, struct value b)
{
	return span(a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi);
}

static struct value not_value(struct value a)
{
	enum truth t = value_truth(a);

	return t == TRUTH_OPEN ? open_flag : point(t == TRUTH_FALSE);
}

static struct value and_value(struct value a, struct value b)
{
	enum truth t = value_truth(a);

	if (t != TRUTH_OPEN)
		return t == TRUTH_TRUE ? b : a;
	/* Either a, which is then 0, or b. */
	return hull(point(0), b);
}

static struct value or_value(struct value a, struct value b)
{
	/* The least worth of something that is not 0: no shipped arithmetic makes less. */
	const double least = 1e-9;
	enum truth t = value_truth(a);

	if (t != TRUTH_OPEN)
		return t == TRUTH_TRUE ? a : b;
	if (value_truth(b) == TRUTH_TRUE && a.lo >= 0 && b.lo > 0)
		return span(b.lo < least ? b.lo : least, a.hi > b.hi ? a.hi : b.hi);
	return hull(a, b);
}

static double times(double a, double b)
{
	return a == 0 || b == 0 ? 0 : a * b;
}

static struct value mul_value(struct value a, struct value b)
{
	struct value first = hull(point(times(a.lo, b.lo)), point(times(a.lo, b.hi)));
	struct value second = hull(point(times(a.hi, b.lo)), point(times(a.hi, b.hi)));

	return hull(first, second);
}

/* Perl dies on a division by zero, and the meta does not hit. */
static struct value div_value(struct value a, struct value b)
{
	if (b.lo == 0 && b.hi == 0)
		return point(0);
	if (a.lo == a.hi && b.lo == b.hi)
		return point(a.lo / b.lo);
	if (b.lo > 0 && a.lo >= 0)
		return span(a.lo / b.hi, a.hi / b.lo);
	return span(-INFINITY, INFINITY);
}

static struct value less_value(struct value a, struct value b, bool or_equal)
{
	if (or_equal ? a.hi <= b.lo : a.hi < b.lo)
		return point(1);
	if (or_equal ? a.lo > b.hi : a.lo >= b.hi)
		return point(0);
	return open_flag;
}

static struct value equal_value(struct value a, struct value b)
{
	if (a.lo == a.hi && b.lo == b.hi)
		return point(a.lo == b.lo);
	return a.hi < b.lo || b.hi < a.lo ? point(0) : open_flag;
}

static struct value xor_value(struct value a, struct value b)
{
	const double max = 4294967295.0;

	if (a.lo != a.hi || b.lo != b.hi || !(a.lo >= 0 && a.lo <= max) ||
	    !(b.lo >= 0 && b.lo <= max))
		return span(0, INFINITY);
	return point((double)((uint64_t)a.lo ^ (uint64_t)b.lo));
}

static struct value binary(enum meta_op op, struct value a, struct value b)
{
	switch (op) {
	case META_ADD:
		return span(a.lo + b.lo, a.hi + b.hi);
	case META_SUB:
		return span(a.lo - b.hi, a.hi - b.lo);
	case META_MUL:
		return mul_value(a, b);
	case META_DIV:
		return div_value(a, b);
	case META_LT:
		return less_value(a, b, false);
	case META_LE:
		return less_value(a, b, true);
	case META_GT:
		return less_value(b, a, false);
	case META_GE:
		return less_value(b, a, true);
	case META_EQ:
		return equal_value(a, b);
	case META_NE:
		return not_value(equal_value(a, b));
	case META_XOR:
		return xor_value(a, b);
	case META_AND:
		return and_value(a, b);
	default:
		return or_value(a, b);
	}
}

static struct value select_value(struct value condition, struct value yes, struct value no)
{
	enum truth t = value_truth(condition);

	if (t == TRUTH_OPEN)
		return hull(yes, no);
	return t == TRUTH_TRUE ? yes : no;
}

/* Arithmetic on points that gives points; false where it does not, or where intervals have a rule
 * of their own. */
static bool point_binary(enum meta_op op, double a, double b, double *out)
{
	switch (op) {
	case META_ADD:
		*out = a + b;
		return isfinite(*out);
	case META_SUB:
		*out = a - b;
		return isfinite(*out);
	case META_MUL:
		*out = a * b;
		return isfinite(*out);
	case META_LT:
		*out = a < b;
		return true;
	case META_LE:
		*out = a <= b;
		return true;
	case META_GT:
		*out = a > b;
		return true;
	case META_GE:
		*out = a >= b;
		return true;
	case META_EQ:
		*out = a == b;
		return true;
	case META_NE:
		*out = a != b;
		return true;
	case META_AND:
		*out = a != 0 ? b : a;
		return true;
	case META_OR:
		*out = a != 0 ? a : b;
		return true;
	default:
		return false;
	}
}

/* The worth of a meta when all is known that it names, which is nearly always: a fraction of the
 * work that intervals are. False when intervals must decide. */
static bool point_value(const struct ruleset *r, const struct blob_rule *meta,
                        const struct value *value, double *out)
{
	double stack[META_DEPTH_MAX];
	double *top = stack;

	for (uint32_t i = 0; i < meta->code_count; i++) {
		enum meta_op op = r->code[meta->code + i] & 0xff;
		uint32_t operand = r->code[meta->code + i] >> 8;

		if (op == META_RULE) {
			if (value[operand].lo != value[operand].hi)
				return false;
			*top++ = value[operand].lo;
		} else if (op == META_NOT) {
			top[-1] = top[-1] == 0;
		} else if (op == META_NUMBER) {
			*top++ = r->number[operand];
		} else if (op == META_NEGATE) {
			top[-1] = -top[-1];
		} else if (op == META_SELECT) {
			top -= 2;
			top[-1] = top[-1] != 0 ? top[0] : top[1];
		} else {
			top--;
			if (!point_binary(op, top[-1], top[0], &top[-1]))
				return false;
		}
	}
	*out = stack[0] < 0 ? 1 : stack[0];
	return true;
}

/* A negative result counts as 1. What is known of it holds all it can still turn out to be, else
 * rules that wait (scan_deferred.c) would be spared too early. */
static struct value worth_of(struct value result)
{
	if (result.lo >= 0)
		return result;
	return result.hi < 0 ? point(1) : span(0, result.hi > 1 ? result.hi : 1);
}

/* ruleset_open has proved that the stack neither under- nor overflows. */
struct value meta_value(const struct ruleset *r, const struct blob_rule *meta,
                        const struct value *value, struct value *stack)
{
	struct value *top = stack; /* behind the last operand */
	double known;

	if (point_value(r, meta, value, &known))
		return point(known);
	for (uint32_t i = 0; i < meta->code_count; i++) {
		enum meta_op op = r->code[meta->code + i] & 0xff;
		uint32_t operand = r->code[meta->code + i] >> 8;

		if (op == META_NUMBER) {
			*top++ = point(r->number[operand]);
		} else if (op == META_RULE) {
			*top++ = value[operand];
		} else if (op == META_NOT) {
			top[-1] = not_value(top[-1]);
		} else if (op == META_NEGATE) {
			top[-1] = span(-top[-1].hi, -top[-1].lo);
		} else if (op == META_SELECT) {
			top -= 2;
			top[-1] = select_value(top[-1], top[0], top[1]);
		} else {
			double exact;

			top--;
			if (top[-1].lo == top[-1].hi && top[0].lo == top[0].hi &&
			    point_binary(op, top[-1].lo, top[0].lo, &exact))
				top[-1] = point(exact);
			else
				top[-1] = binary(op, top[-1], top[0]);
		}
	}
	DEBUG_ASSERT(top == stack + 1);
	return worth_of(stack[0]);
}

/* What a rule is worth that found something, could not run or waits. */
static struct value found_value(const struct blob_rule *rule, const struct rule_state *state)
{
	if (rule->kind != BLOB_RULE_PATTERN && rule->kind != BLOB_RULE_EXISTS &&
	    rule->kind != BLOB_RULE_EVAL)
		return point(0);
	if (!state->not_run && !state->unanswered && state->deferred == 0)
		return point(state->count);
	bool once = (rule->flags & BLOB_FLAG_MULTIPLE) == 0;
	return once && state->count > 0 ? point(1) : span(state->count, once ? 1 : INFINITY);
}

static bool is_same(struct value a, struct value b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* Sets what a rule is worth now, and has the metas that name it looked at. */
static void change(struct scan_context *c, uint32_t index, struct value v)
{
	const struct ruleset_scoring *s = &c->ruleset->scoring;
	uint64_t bit = (uint64_t)1 << index % 64;

	if (is_same(v, c->value[index]))
		return;
	c->changed[index / 64] |= bit;
	c->value[index] = v;
	known_set(c->known, c->ruleset, index, v);
	c->hits[index / 64] &= ~bit;
	if ((c->ruleset->rule[index].flags & BLOB_FLAG_SILENT) == 0 && value_truth(v) == TRUTH_TRUE)
		c->hits[index / 64] |= bit;
	for (uint32_t i = s->user_start[index]; i < s->user_start[index + 1]; i++)
		c->dirty[s->user[i] / 64] |= (uint64_t)1 << s->user[i] % 64;
}

/* Whether a rule is in a state in which the meta is worth nothing. */
static bool is_guarded(const struct scan_context *c, uint32_t at)
{
	const struct meta_guards *guards = &c->ruleset->guards[at];

	for (uint32_t i = 0; i < guards->count; i++)
		if (known_has(c->known, guards->state[i]))
			return true;
	return false;
}

static bool is_open(struct value v)
{
	return value_truth(v) == TRUTH_OPEN;
}

/* Metas of which some rule is worth something else than it was; each stands behind those it names.
 * Those before place `end` in the order. */
static void run_metas(struct scan_context *c, uint32_t end)
{
	const struct ruleset *r = c->ruleset;

	for (uint32_t word = 0; word * 64 < end; word++) {
		uint64_t before = end - word * 64 < 64 ? ((uint64_t)1 << end % 64) - 1 : UINT64_MAX;

		while ((c->dirty[word] & before) != 0) {
			uint32_t at = word * 64 +
			              (uint32_t)__builtin_ctzll(c->dirty[word] & before);
			uint32_t index = r->order[at];
			bool guarded = is_guarded(c, at);

			c->dirty[word] &= ~((uint64_t)1 << at % 64);
			if (guarded && known_has(c->known, index))
				continue; /* it was worth nothing all along */
			struct value v = guarded
			                     ? point(0)
			                     : meta_value(r, &r->rule[index], c->value, c->stack);
			if ((r->rule[index].flags & BLOB_FLAG_SILENT) == 0) {
				c->counters->metas_undecided += is_open(v);
				c->counters->metas_undecided -= is_open(c->value[index]);
			}
			change(c, index, v);
		}
	}
}

/* All rules are worth again what they are where nothing is found. */
static void forget_changes(struct scan_context *c)
{
	const struct ruleset *r = c->ruleset;

	for (uint32_t word = 0; word < ruleset_words(r); word++) {
		for (uint64_t left = c->changed[word]; left != 0; left &= left - 1) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(left);

			c->value[index] = r->scoring.idle[index];
		}
		c->changed[word] = 0;
	}
	memcpy(c->hits, r->scoring.idle_hits, ruleset_words(r) * sizeof(*c->hits));
	memcpy(c->known, r->scoring.idle_known, (size_t)2 * ruleset_words(r) * sizeof(*c->known));
}

static int32_t milli_of(int64_t points_e4)
{
	if (points_e4 > POINTS_E4_MAX)
		points_e4 = POINTS_E4_MAX;
	if (points_e4 < -POINTS_E4_MAX)
		points_e4 = -POINTS_E4_MAX;
	return (int32_t)((points_e4 + (points_e4 < 0 ? -5 : 5)) / 10);
}

static int64_t weight(const struct event_rule *hit)
{
	return hit->score_milli < 0 ? -(int64_t)hit->score_milli : hit->score_milli;
}

/* Keeps the list in order of weight; the least falls off a full one. */
static void add_hit(struct judgement *j, struct event_rule hit)
{
	uint32_t at = j->hit_count;

	if (j->hit_count == EVENT_RULES_MAX) {
		j->hits_left_out++;
		at--;
		if (weight(&j->hit[at]) >= weight(&hit))
			return;
	} else {
		j->hit_count++;
	}
	for (; at > 0 && weight(&j->hit[at - 1]) < weight(&hit); at--)
		j->hit[at] = j->hit[at - 1];
	j->hit[at] = hit;
}

/* A scored `multiple` rule adds its points once a match. */
static int64_t add_rule(struct scan_context *c, uint32_t index, struct judgement *j)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];
	uint32_t count = 1;

	if (rule->kind != BLOB_RULE_META && (rule->flags & BLOB_FLAG_MULTIPLE) != 0)
		count = c->state[index].count;

	int64_t points_e4 = (int64_t)policy_score_e4(c->ruleset, c->policy, index) * count;
	add_hit(j, (struct event_rule){.rule = (uint16_t)index,
	                               .count = (int16_t)(count < INT16_MAX ? count : INT16_MAX),
	                               .score_milli = milli_of(points_e4)});
	return points_e4;
}

static void take_found(struct scan_context *c, uint32_t index)
{
	const struct rule_state *state = &c->state[index];

	/* One that waits counts when its turn has come, if somebody asks for it. */
	c->rules_not_run += state->not_run && state->deferred == 0;
	c->rules_unanswered += state->unanswered;
	change(c, index, found_value(&c->ruleset->rule[index], state));
}

static bool is_idle(const struct rule_state *state)
{
	return state->count == 0 && !state->not_run && !state->unanswered && state->deferred == 0;
}

void score_begin(struct scan_context *context)
{
	const struct ruleset *r = context->ruleset;

	forget_changes(context);
	context->rules_not_run = context->rules_unanswered = 0;
	for (uint32_t word = 0; word <= r->rule_count / 64; word++)
		for (uint64_t left = context->touched[word]; left != 0; left &= left - 1) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(left);

			if (!is_idle(&context->state[index]))
				take_found(context, index);
		}
	context->counters->metas_undecided += r->scoring.idle_open;
	/* From now on what is known of a meta is too little at worst, never untrue. */
	run_metas(context, r->order_count);
}

void score_take(struct scan_context *context, uint32_t rule)
{
	take_found(context, rule);
}

bool score_asks(struct scan_context *context, uint32_t rule)
{
	const struct ruleset *r = context->ruleset;
	const struct ruleset_scoring *s = &r->scoring;
	uint32_t hanging[ASKING_LOOKS_MAX], count = 1, looks = 0;

	hanging[0] = rule;
	while (count > 0) {
		uint32_t index = hanging[--count];

		for (uint32_t i = s->user_start[index]; i < s->user_start[index + 1]; i++) {
			uint32_t at = s->user[i], meta = r->order[at];

			if ((context->dirty[at / 64] >> at % 64 & 1) != 0)
				run_metas(context, at + 1);
			struct value v = context->value[meta];
			if (v.lo == v.hi)
				continue;
			if (++looks == ASKING_LOOKS_MAX ||
			    (is_open(v) && (r->rule[meta].flags & BLOB_FLAG_SILENT) == 0))
				return true;
			hanging[count++] = meta;
		}
	}
	return false;
}

void score_end(struct scan_context *context, struct judgement *out_judgement)
{
	const struct ruleset *r = context->ruleset;
	int64_t points_e4 = 0;

	memset(out_judgement, 0, sizeof(*out_judgement));
	run_metas(context, r->order_count);
	for (uint32_t word = 0; word <= r->rule_count / 64; word++)
		for (uint64_t left = context->hits[word]; left != 0; left &= left - 1)
			points_e4 += add_rule(context, word * 64 + (uint32_t)__builtin_ctzll(left),
			                      out_judgement);
	out_judgement->score_milli = milli_of(points_e4);
	out_judgement->rules_not_run = context->rules_not_run;
	out_judgement->rules_unanswered = context->rules_unanswered;
	out_judgement->incomplete = out_judgement->rules_not_run > 0 || context->scan_failed;
}

bool classifier_rule_value(const struct scan_context *context, uint32_t rule, double *out_value)
{
	struct value v = {0, 1};

	if (rule < context->ruleset->rule_count)
		v = context->value[rule];
	*out_value = v.lo;
	return v.lo == v.hi;
}
