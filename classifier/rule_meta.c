/* rule_meta.c - meta expressions to postfix code: Perl's precedence, by a shunting yard. */
#include "classifier/rule_meta.h"

#include <ctype.h>
#include <stdlib.h>

#define DEPTH_MAX 128

enum token_op { /* operators while parsing; those that survive are META_* in the code */
	        TOKEN_PAREN,
	        TOKEN_QUESTION,
	        TOKEN_COLON,
	        TOKEN_OP
};

struct pending {
	enum token_op token;
	uint8_t code;       /* enum meta_op */
	uint8_t precedence; /* higher binds tighter */
	bool unary;
};

static const struct operator
{
	const char *text;
	uint8_t code, precedence;
	bool unary;
}
operators[] = {
    {"||", META_OR, 3, false},  {"&&", META_AND, 4, false}, {"==", META_EQ, 7, false},
    {"!=", META_NE, 7, false},  {"<=", META_LE, 8, false},  {">=", META_GE, 8, false},
    {"<", META_LT, 8, false},   {">", META_GT, 8, false},   {"^", META_XOR, 5, false},
    {"+", META_ADD, 10, false}, {"-", META_SUB, 10, false}, {"*", META_MUL, 11, false},
    {"/", META_DIV, 11, false}, {"!", META_NOT, 12, true},
};

#define PRECEDENCE_TERNARY 2
#define PRECEDENCE_UNARY   12

struct parser {
	struct rule_reader *reader;
	struct meta_code *code;
	struct pending stack[DEPTH_MAX];
	uint32_t depth;
	bool want_operand;
	const char *why;
};

static void emit(struct parser *p, uint32_t op, uint32_t operand)
{
	struct meta_code *code = p->code;

	code->word = rule_pool_grow(&p->reader->pool, code->word, code->count, &code->room,
	                            sizeof(uint32_t));
	code->word[code->count++] = op | operand << 8;
}

static void emit_number(struct parser *p, double number)
{
	struct meta_code *code = p->code;

	code->number = rule_pool_grow(&p->reader->pool, code->number, code->number_count,
	                              &code->number_room, sizeof(double));
	code->number[code->number_count] = number;
	emit(p, META_NUMBER, code->number_count++);
}

static bool fail(struct parser *p, const char *why)
{
	if (p->why == NULL)
		p->why = why;
	return false;
}

static bool push(struct parser *p, struct pending pending)
{
	if (p->depth == DEPTH_MAX)
		return fail(p, "the expression is nested too deeply");
	p->stack[p->depth++] = pending;
	return true;
}

/* Pops what binds at least as tightly as `precedence` (tighter only, for what associates to the
 * right). */
static void reduce(struct parser *p, uint8_t precedence, bool right)
{
	while (p->depth > 0) {
		const struct pending *top = &p->stack[p->depth - 1];

		if (top->token == TOKEN_PAREN || top->token == TOKEN_QUESTION)
			return;
		if (right ? top->precedence <= precedence : top->precedence < precedence)
			return;
		emit(p, top->code, 0);
		p->depth--;
	}
}

static void push_name(struct parser *p, struct bytes name)
{
	const struct rule_text *rule = rule_reader_find(p->reader, name);

	if (bytes_equal(name, BYTES("local_tests_only")))
		emit_number(p, (p->reader->score_column & 1) == 0);
	else if (rule == NULL)
		emit_number(p, 0); /* an unknown name never hits */
	else
		emit(p, META_RULE, (uint32_t)(rule - p->reader->rule));
}

static bool glob_matches(const char *glob, const char *name)
{
	const char *star = NULL, *again = NULL;

	while (*name != '\0') {
		if (*glob == '*') {
			star = ++glob;
			again = name;
		} else if (*glob == '?' || *glob == *name) {
			glob++;
			name++;
		} else if (star != NULL) {
			glob = star;
			name = ++again;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

/* rules_matching(glob): the sum of all rules whose name matches. */
static bool push_matching(struct parser *p, struct bytes *text)
{
	struct bytes rest = bytes_trim(*text);
	size_t close = bytes_find(rest, ')');
	uint32_t found = 0;

	if (rest.len == 0 || rest.data[0] != '(' || close == rest.len)
		return fail(p, "rules_matching takes a name with * and ? in parentheses");

	const char *glob = rule_pool_copy(&p->reader->pool,
	                                  bytes_trim(bytes_slice(rest, 1, close - 1)));
	*text = bytes_slice(rest, close + 1, rest.len);
	for (uint32_t i = 0; i < p->reader->rule_count; i++) {
		if (p->reader->rule[i].type == RULE_NONE ||
		    !glob_matches(glob, p->reader->rule[i].name))
			continue;
		emit(p, META_RULE, i);
		if (found++ > 0)
			emit(p, META_ADD, 0);
	}
	if (found == 0)
		emit_number(p, 0);
	return true;
}

static bool push_operand(struct parser *p, struct bytes *text)
{
	uint8_t first = text->data[0];
	size_t len = 0;

	if (first == '(')
		return push(p, (struct pending){.token = TOKEN_PAREN}) &&
		       (*text = bytes_slice(*text, 1, text->len), true);
	if (first == '!' || first == '-' || first == '+') {
		*text = bytes_slice(*text, 1, text->len);
		if (first == '+')
			return true;
		return push(p, (struct pending){TOKEN_OP, first == '!' ? META_NOT : META_NEGATE,
		                                PRECEDENCE_UNARY, true});
	}
	while (len < text->len && (isalnum(text->data[len]) || text->data[len] == '_' ||
	                           (isdigit(first) && text->data[len] == '.')))
		len++;
	if (len == 0)
		return fail(p, "a rule's name, a number, ! or ( is expected after an operator");

	struct bytes word = bytes_slice(*text, 0, len);
	*text = bytes_slice(*text, len, text->len);
	p->want_operand = false;
	if (isdigit(first)) {
		char *end;
		double number = strtod(rule_pool_copy(&p->reader->pool, word), &end);

		emit_number(p, number);
		return *end == '\0' || fail(p, "not a number");
	}
	if (bytes_equal(word, BYTES("rules_matching")))
		return push_matching(p, text);
	push_name(p, word);
	return true;
}

static bool close_paren(struct parser *p)
{
	reduce(p, 0, false);
	if (p->depth == 0 || p->stack[p->depth - 1].token != TOKEN_PAREN)
		return fail(p, "a closing parenthesis has no opening one");
	p->depth--;
	return true;
}

static bool ternary(struct parser *p, uint8_t octet)
{
	p->want_operand = true;
	if (octet == '?') {
		reduce(p, PRECEDENCE_TERNARY, true);
		return push(p, (struct pending){.token = TOKEN_QUESTION});
	}
	reduce(p, 0, false);
	if (p->depth == 0 || p->stack[p->depth - 1].token != TOKEN_QUESTION)
		return fail(p, "a : has no ? before it");
	p->stack[p->depth - 1] = (struct pending){TOKEN_COLON, META_SELECT, PRECEDENCE_TERNARY,
	                                          false};
	return true;
}

static bool push_operator(struct parser *p, struct bytes *text)
{
	uint8_t first = text->data[0];

	if (first == ')' || first == '?' || first == ':') {
		*text = bytes_slice(*text, 1, text->len);
		return first == ')' ? close_paren(p) : ternary(p, first);
	}
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		const struct operator* o = & operators[i];
		struct bytes op = bytes_text(o->text);

		if (o->unary || !bytes_equal(bytes_slice(*text, 0, op.len), op))
			continue;
		*text = bytes_slice(*text, op.len, text->len);
		reduce(p, o->precedence, false);
		p->want_operand = true;
		return push(p, (struct pending){TOKEN_OP, o->code, o->precedence, false});
	}
	return fail(
	    p, "an operator is expected between two names: && || ! + - * / < <= > >= == != ? :");
}

static bool parse(struct parser *p, struct bytes text)
{
	for (text = bytes_trim(text); text.len > 0; text = bytes_trim(text))
		if (!(p->want_operand ? push_operand(p, &text) : push_operator(p, &text)))
			return false;
	if (p->want_operand)
		return fail(p, "the expression ends where a name is expected");
	reduce(p, 0, false);
	if (p->depth > 0)
		return fail(p, "an opening parenthesis or a ? is not closed");
	return true;
}

bool rule_meta_parse(struct rule_reader *reader, const struct rule_text *rule,
                     struct meta_code *code, const char **out_why)
{
	struct parser p = {.reader = reader, .code = code, .want_operand = true};
	uint32_t count_before = code->count, numbers_before = code->number_count;
	struct bytes text = bytes_trim(bytes_text(rule->expr));

	/* `meta X ()` declares a name; it is never true by itself. */
	if (text.len >= 2 && text.data[0] == '(' &&
	    bytes_trim(bytes_slice(text, 1, text.len - 2)).len == 0 &&
	    text.data[text.len - 1] == ')') {
		emit_number(&p, 0);
		return true;
	}
	if (parse(&p, text))
		return true;
	code->count = count_before;
	code->number_count = numbers_before;
	*out_why = p.why;
	return false;
}
