/* score_guard.c - what makes a meta worth nothing, whatever else it names.
 *
 * Most metas are looked at because one of their rules hit, and are worth nothing all the same:
 * since another did not, or since one did that must not: "A && B && !C". Which these are is read
 * off the code once, at opening: for each operand the rules' states that it is 0 in, and those that
 * it is not 0 in.
 */
#include <stdlib.h>

#include "classifier/ruleset.h"

/* States of rules, as places in what is known of them (struct ruleset_scoring). */
struct states {
	uint32_t count;
	uint32_t state[META_GUARDS_MAX];
};

struct operand {
	struct states zero, not_zero; /* each of them alone makes it so */
	bool not_negative_number;     /* a constant of 0 or more */
};

static bool has(const struct states *a, uint32_t state)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (a->state[i] == state)
			return true;
	return false;
}

static struct states any_of(const struct states *a, const struct states *b)
{
	struct states sum = *a;

	for (uint32_t i = 0; i < b->count && sum.count < META_GUARDS_MAX; i++)
		if (!has(&sum, b->state[i]))
			sum.state[sum.count++] = b->state[i];
	return sum;
}

static struct states both_of(const struct states *a, const struct states *b)
{
	struct states sum = {0};

	for (uint32_t i = 0; i < a->count; i++)
		if (has(b, a->state[i]))
			sum.state[sum.count++] = a->state[i];
	return sum;
}

static struct operand binary(enum meta_op op, const struct operand *a, const struct operand *b)
{
	switch (op) {
	case META_AND:
		return (struct operand){.zero = any_of(&a->zero, &b->zero),
		                        .not_zero = both_of(&a->not_zero, &b->not_zero)};
	case META_OR:
		return (struct operand){.zero = both_of(&a->zero, &b->zero),
		                        .not_zero = any_of(&a->not_zero, &b->not_zero)};
	case META_MUL:
		return (struct operand){.zero = any_of(&a->zero, &b->zero)};
	case META_ADD:
	case META_SUB:
		return (struct operand){.zero = both_of(&a->zero, &b->zero)};
	case META_GT: /* than 0 or more; what is 0 is not */
		if (b->not_negative_number)
			return (struct operand){.zero = a->zero};
		return (struct operand){.not_negative_number = false};
	default:
		return (struct operand){.not_negative_number = false};
	}
}

static struct operand of_rule(const struct ruleset *r, uint32_t rule)
{
	return (struct operand){.zero = {1, {rule}}, .not_zero = {1, {known_not_zero_at(r, rule)}}};
}

static struct operand either(const struct operand *a, const struct operand *b)
{
	return (struct operand){.zero = both_of(&a->zero, &b->zero),
	                        .not_zero = both_of(&a->not_zero, &b->not_zero)};
}

static struct states guards_of(const struct ruleset *r, const struct blob_rule *meta)
{
	struct operand stack[META_DEPTH_MAX], *top = stack;

	for (uint32_t i = 0; i < meta->code_count; i++) {
		enum meta_op op = r->code[meta->code + i] & 0xff;
		uint32_t value = r->code[meta->code + i] >> 8;

		if (op == META_RULE) {
			*top++ = of_rule(r, value);
		} else if (op == META_NUMBER) {
			*top++ = (struct operand){.not_negative_number = r->number[value] >= 0};
		} else if (op == META_NOT) {
			top[-1] = (struct operand){.zero = top[-1].not_zero,
			                           .not_zero = top[-1].zero};
		} else if (op == META_NEGATE) {
			top[-1].not_negative_number = false;
		} else if (op == META_SELECT) {
			top -= 2;
			top[-1] = either(&top[0], &top[1]);
		} else {
			top--;
			top[-1] = binary(op, &top[-1], &top[0]);
		}
	}
	return stack[0].zero;
}

enum err guards_open(struct ruleset *r)
{
	r->guards = calloc(r->order_count + 1, sizeof(*r->guards));
	if (r->guards == NULL)
		return ERR_NO_MEMORY;
	for (uint32_t at = 0; at < r->order_count; at++) {
		struct states meta = guards_of(r, &r->rule[r->order[at]]);

		r->guards[at].count = meta.count;
		memcpy(r->guards[at].state, meta.state, sizeof(meta.state));
	}
	return OK;
}

void guards_close(struct ruleset *r)
{
	free(r->guards);
}
