/* score.c - metas, points and the list of hits.
 *
 * What a rule is worth is an interval: a point when known, [0, inf) when its test is not supported
 * or could not run. Arithmetic on intervals keeps a meta decidable whenever the unknown cannot
 * change its result; a meta that stays open does not hit. Values follow SpamAssassin 4.0: `a && b`
 * is b when a is true, a meta's worth is its result, and a negative one counts as 1.
 */
#include <math.h>

#include "base/check.h"
#include "classifier/scan.h"

#define POINTS_E4_MAX ((int64_t)INT32_MAX * 10)

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_OPEN };

static const struct value open_flag = {0, 1};

static struct value point(double at)
{
	return (struct value){at, at};
}

static struct value span(double lo, double hi)
{
	return (struct value){isnan(lo) ? -INFINITY : lo, isnan(hi) ? INFINITY : hi};
}

static enum truth truth(struct value v)
{
	if (v.lo == v.hi)
		return v.lo != 0 ? TRUTH_TRUE : TRUTH_FALSE;
	return v.lo > 0 || v.hi < 0 ? TRUTH_TRUE : TRUTH_OPEN;
}

static struct value hull(struct value a, struct value b)
{
	return span(a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi);
}

static struct value not_value(struct value a)
{
	enum truth t = truth(a);

	return t == TRUTH_OPEN ? open_flag : point(t == TRUTH_FALSE);
}

static struct value and_value(struct value a, struct value b)
{
	enum truth t = truth(a);

	if (t != TRUTH_OPEN)
		return t == TRUTH_TRUE ? b : a;
	/* Either a, which is then 0, or b. */
	return hull(point(0), b);
}

static struct value or_value(struct value a, struct value b)
{
	/* The least worth of something that is not 0: no shipped arithmetic makes less. */
	const double least = 1e-9;
	enum truth t = truth(a);

	if (t != TRUTH_OPEN)
		return t == TRUTH_TRUE ? a : b;
	if (truth(b) == TRUTH_TRUE && a.lo >= 0 && b.lo > 0)
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
	enum truth t = truth(condition);

	if (t == TRUTH_OPEN)
		return hull(yes, no);
	return t == TRUTH_TRUE ? yes : no;
}

/* ruleset_open has proved that the stack neither under- nor overflows. */
static struct value run_code(struct scan_context *c, const struct blob_rule *rule)
{
	const struct ruleset *r = c->ruleset;
	struct value *top = c->stack - 1;

	for (uint32_t i = 0; i < rule->code_count; i++) {
		enum meta_op op = r->code[rule->code + i] & 0xff;
		uint32_t operand = r->code[rule->code + i] >> 8;

		if (op == META_NUMBER) {
			*++top = point(r->number[operand]);
		} else if (op == META_RULE) {
			*++top = c->value[operand];
		} else if (op == META_NOT) {
			*top = not_value(*top);
		} else if (op == META_NEGATE) {
			*top = span(-top->hi, -top->lo);
		} else if (op == META_SELECT) {
			top -= 2;
			*top = select_value(top[0], top[1], top[2]);
		} else {
			top--;
			*top = binary(op, top[0], top[1]);
		}
	}
	DEBUG_ASSERT(top == c->stack);
	return *top;
}

/* What a plain rule is worth from what the scan found. */
static struct value plain_value(struct scan_context *c, uint32_t index)
{
	const struct blob_rule *rule = &c->ruleset->rule[index];
	const struct rule_state *state = &c->state[index];

	if (rule->kind == BLOB_RULE_UNKNOWN)
		return span(0, INFINITY);
	/* A meta outside the order names itself in a circle and is worth nothing. */
	if (rule->kind != BLOB_RULE_PATTERN && rule->kind != BLOB_RULE_EXISTS)
		return point(0);
	if (!state->not_run)
		return point(state->count);
	bool once = (rule->flags & BLOB_FLAG_MULTIPLE) == 0;
	return once && state->count > 0 ? point(1) : span(state->count, once ? 1 : INFINITY);
}

static void run_metas(struct scan_context *c)
{
	const struct ruleset *r = c->ruleset;

	for (uint32_t i = 0; i < r->order_count; i++) {
		struct value v = run_code(c, &r->rule[r->order[i]]);

		if (truth(v) == TRUTH_OPEN)
			c->counters->metas_undecided++;
		else if (v.hi < 0)
			v = point(1);
		c->value[r->order[i]] = v;
	}
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
	struct value v = c->value[index];
	uint32_t count = 1;

	if ((rule->flags & BLOB_FLAG_SILENT) != 0 || truth(v) != TRUTH_TRUE)
		return 0;
	if (rule->kind == BLOB_RULE_PATTERN && (rule->flags & BLOB_FLAG_MULTIPLE) != 0)
		count = c->state[index].count;

	int64_t points_e4 = (int64_t)rule->score_e4 * count;
	add_hit(j, (struct event_rule){.rule = (uint16_t)index,
	                               .count = (int16_t)(count < INT16_MAX ? count : INT16_MAX),
	                               .score_milli = milli_of(points_e4)});
	return points_e4;
}

void score_rules(struct scan_context *context, struct judgement *out_judgement)
{
	const struct ruleset *r = context->ruleset;
	int64_t points_e4 = 0;

	memset(out_judgement, 0, sizeof(*out_judgement));
	for (uint32_t i = 0; i < r->rule_count; i++) {
		context->value[i] = plain_value(context, i);
		out_judgement->rules_not_run += context->state[i].not_run;
	}
	run_metas(context);
	for (uint32_t i = 0; i < r->rule_count; i++)
		points_e4 += add_rule(context, i, out_judgement);
	out_judgement->score_milli = milli_of(points_e4);
	out_judgement->incomplete = out_judgement->rules_not_run > 0 || context->scan_failed;
}

void classifier_begin(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                      uint64_t (*cpu_now_ns)(void))
{
	scan_begin(context, texts, budget_ns, cpu_now_ns);
}

bool classifier_continue(struct scan_context *context, uint64_t slice_ns,
                         struct judgement *out_judgement)
{
	if (!scan_continue(context, slice_ns))
		return false;
	score_rules(context, out_judgement);
	context->counters->messages++;
	context->counters->messages_incomplete += out_judgement->incomplete;
	context->counters->rules_not_run += out_judgement->rules_not_run;
	context->counters->hits_left_out += out_judgement->hits_left_out;
	return true;
}

void classifier_judge(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                      uint64_t (*cpu_now_ns)(void), struct judgement *out_judgement)
{
	bool done;

	classifier_begin(context, texts, budget_ns, cpu_now_ns);
	do {
		done = classifier_continue(context, UINT64_MAX, out_judgement);
	} while (!done);
}
