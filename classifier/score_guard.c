/* score_guard.c - rules without which a meta is worth nothing.
 *
 * Most metas are looked at because one of their rules hit, and are worth nothing all the same since
 * another did not: "A && B && !C". What must hit is read off the code once, at opening: for each
 * operand the rules that it is 0 without.
 */
#include <stdlib.h>

#include "classifier/ruleset.h"

struct operand {
	uint32_t count;
	uint32_t rule[META_GUARDS_MAX];
	bool not_negative_number; /* a constant of 0 or more */
};

static bool has_rule(const struct operand *a, uint32_t rule)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (a->rule[i] == rule)
			return true;
	return false;
}

/* 0 when either is. */
static struct operand both(const struct operand *a, const struct operand *b)
{
	struct operand sum = *a;

	for (uint32_t i = 0; i < b->count && sum.count < META_GUARDS_MAX; i++)
		if (!has_rule(&sum, b->rule[i]))
			sum.rule[sum.count++] = b->rule[i];
	sum.not_negative_number = false;
	return sum;
}

/* 0 when both are. */
static struct operand either(const struct operand *a, const struct operand *b)
{
	struct operand sum = {0};

	for (uint32_t i = 0; i < a->count; i++)
		if (has_rule(b, a->rule[i]))
			sum.rule[sum.count++] = a->rule[i];
	return sum;
}

static struct operand binary(enum meta_op op, const struct operand *a, const struct operand *b)
{
	switch (op) {
	case META_AND:
	case META_MUL:
		return both(a, b);
	case META_OR:
	case META_ADD:
	case META_SUB:
		return either(a, b);
	case META_GT: /* than 0 or more; what is 0 without its rules is not */
		if (b->not_negative_number)
			return (struct operand){.count = a->count,
			                        .rule = {a->rule[0], a->rule[1], a->rule[2]}};
		return (struct operand){0};
	default:
		return (struct operand){0};
	}
}

static struct operand guards_of(const struct ruleset *r, const struct blob_rule *meta)
{
	struct operand stack[META_DEPTH_MAX], *top = stack;

	for (uint32_t i = 0; i < meta->code_count; i++) {
		enum meta_op op = r->code[meta->code + i] & 0xff;
		uint32_t value = r->code[meta->code + i] >> 8;

		if (op == META_RULE) {
			*top++ = (struct operand){.count = 1, .rule = {value}};
		} else if (op == META_NUMBER) {
			*top++ = (struct operand){.not_negative_number = r->number[value] >= 0};
		} else if (op == META_NOT) {
			top[-1] = (struct operand){0};
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
	return stack[0];
}

enum err guards_open(struct ruleset *r)
{
	r->guards = calloc(r->order_count + 1, sizeof(*r->guards));
	if (r->guards == NULL)
		return ERR_NO_MEMORY;
	for (uint32_t at = 0; at < r->order_count; at++) {
		struct operand meta = guards_of(r, &r->rule[r->order[at]]);

		r->guards[at].count = meta.count;
		memcpy(r->guards[at].rule, meta.rule, sizeof(meta.rule));
	}
	return OK;
}

void guards_close(struct ruleset *r)
{
	free(r->guards);
}
