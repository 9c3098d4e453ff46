/* rule_condition.c - the truth of an `if` condition, as SpamAssassin 4.0.1 with its usual plugins
 * sees it.
 *
 * A shunting-yard evaluator: no recursion, bounded depth.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "classifier/rule_read.h"

#define VERSION_NUMBER      4.000001
#define PERL_VERSION_NUMBER 5.036
#define STACK_MAX           64
#define PLUGIN_PREFIX       "Mail::SpamAssassin::Plugin::"
#define CORE_PREFIX         "Mail::SpamAssassin::Conf::"

enum op { OP_OR, OP_AND, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_NOT, OP_OPEN };

static const uint8_t precedence[] = {
    [OP_OR] = 1, [OP_AND] = 2, [OP_EQ] = 3, [OP_NE] = 3, [OP_LT] = 4,
    [OP_LE] = 4, [OP_GT] = 4,  [OP_GE] = 4, [OP_NOT] = 5};

struct evaluation {
	double value[STACK_MAX];
	enum op op[STACK_MAX];
	uint32_t value_count, op_count;
};

void rule_condition_plugins(struct rule_reader *reader)
{
#define PLUGIN(name, loaded) \
	named_texts_set(&reader->pool, &reader->plugin, BYTES(name), \
	                bytes_text((loaded) ? "1" : ""));
#define CAN(plugin, name)
#include "classifier/capabilities.def"
}

static struct bytes plugin_name(struct bytes name)
{
	if (bytes_starts_nocase(name, BYTES(PLUGIN_PREFIX)))
		name = bytes_slice(name, sizeof(PLUGIN_PREFIX) - 1, name.len);
	if (bytes_equal(name, BYTES("Dmarc")))
		return BYTES("DMARC");
	if (bytes_equal(name, BYTES("WhiteListSubject")))
		return BYTES("WelcomeListSubject");
	return name;
}

void rule_condition_load_plugin(struct rule_reader *reader, struct bytes name)
{
	name = plugin_name(name);
	if (named_texts_find(&reader->plugin, name) == NULL)
		rule_reader_report(
		    reader, false,
		    rule_pool_printf(&reader->pool, "plugin %.*s", (int)name.len, name.data), "",
		    "is not known; what depends on it is left out");
	else
		named_texts_set(&reader->pool, &reader->plugin, name, BYTES("1"));
}

static bool plugin_loaded(struct rule_reader *reader, struct bytes name)
{
	const char *loaded = named_texts_find(&reader->plugin, plugin_name(name));

	if (loaded == NULL)
		rule_reader_report(
		    reader, false,
		    rule_pool_printf(&reader->pool, "plugin %.*s", (int)name.len, name.data), "",
		    "is not known and counts as not loaded");
	return loaded != NULL && loaded[0] != '\0';
}

static bool can(struct rule_reader *reader, struct bytes name)
{
	static const struct {
		const char *plugin, *name;
	} known[] = {
#define PLUGIN(name, loaded)
#define CAN(plugin, name) {plugin, name},
#include "classifier/capabilities.def"
	};
	struct bytes plugin = BYTES(""), method = name;

	if (bytes_starts_nocase(name, BYTES(CORE_PREFIX))) {
		method = bytes_slice(name, sizeof(CORE_PREFIX) - 1, name.len);
	} else if (bytes_starts_nocase(name, BYTES(PLUGIN_PREFIX))) {
		name = bytes_slice(name, sizeof(PLUGIN_PREFIX) - 1, name.len);
		plugin = bytes_slice(name, 0, bytes_find(name, ':'));
		method = bytes_slice(name, plugin.len + 2, name.len);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bytes_equal(plugin, bytes_text(known[i].plugin)) &&
		    bytes_equal(method, bytes_text(known[i].name)))
			return plugin.len == 0 || plugin_loaded(reader, plugin);
	rule_reader_report(
	    reader, false,
	    rule_pool_printf(&reader->pool, "capability %.*s", (int)method.len, method.data), "",
	    "is not known and counts as absent");
	return false;
}

static bool push_value(struct evaluation *e, double value)
{
	if (e->value_count == STACK_MAX)
		return false;
	e->value[e->value_count++] = value;
	return true;
}

static bool apply(struct evaluation *e)
{
	enum op op = e->op[--e->op_count];

	if (e->value_count < (op == OP_NOT ? 1u : 2u))
		return false;

	double b = e->value[--e->value_count];
	double a = op == OP_NOT ? 0 : e->value[--e->value_count];
	bool holds = op == OP_NOT   ? b == 0
	             : op == OP_OR  ? a != 0 || b != 0
	             : op == OP_AND ? a != 0 && b != 0
	             : op == OP_EQ  ? a == b
	             : op == OP_NE  ? a != b
	             : op == OP_LT  ? a < b
	             : op == OP_LE  ? a <= b
	             : op == OP_GT  ? a > b
	                            : a >= b;
	return push_value(e, holds ? 1 : 0);
}

static bool push_op(struct evaluation *e, enum op op)
{
	while (op != OP_NOT && op != OP_OPEN && e->op_count > 0 &&
	       e->op[e->op_count - 1] != OP_OPEN &&
	       precedence[e->op[e->op_count - 1]] >= precedence[op])
		if (!apply(e))
			return false;
	if (e->op_count == STACK_MAX)
		return false;
	e->op[e->op_count++] = op;
	return true;
}

static bool close_paren(struct evaluation *e)
{
	while (e->op_count > 0 && e->op[e->op_count - 1] != OP_OPEN)
		if (!apply(e))
			return false;
	if (e->op_count == 0)
		return false;
	e->op_count--;
	return true;
}

/* A word is a constant or a call with one name in parentheses. */
static bool push_word(struct rule_reader *reader, struct evaluation *e, struct bytes *text)
{
	size_t len = 0;

	while (len < text->len &&
	       (isalnum(text->data[len]) || strchr("_.:", text->data[len]) != NULL))
		len++;

	struct bytes word = bytes_slice(*text, 0, len);
	*text = bytes_slice(*text, len, text->len);
	if (isdigit(word.data[0]))
		return push_value(e, strtod(rule_pool_copy(&reader->pool, word), NULL));
	if (bytes_equal(word, BYTES("version")))
		return push_value(e, VERSION_NUMBER);
	if (bytes_equal(word, BYTES("perl_version")))
		return push_value(e, PERL_VERSION_NUMBER);
	if (bytes_equal(word, BYTES("local_tests_only")))
		return push_value(e, (reader->score_column & 1) == 0);

	struct bytes rest = bytes_trim(*text);
	size_t close = bytes_find(rest, ')');
	if (rest.len == 0 || rest.data[0] != '(' || close == rest.len)
		return false;
	struct bytes argument = bytes_trim(bytes_slice(rest, 1, close - 1));
	*text = bytes_slice(rest, close + 1, rest.len);
	if (bytes_equal(word, BYTES("plugin")))
		return push_value(e, plugin_loaded(reader, argument));
	if (bytes_equal(word, BYTES("can")) || bytes_equal(word, BYTES("has")))
		return push_value(e, can(reader, argument));
	return false;
}

static bool push_token(struct rule_reader *reader, struct evaluation *e, struct bytes *text)
{
	static const struct {
		const char *text;
		enum op op;
	} ops[] = {{"||", OP_OR}, {"&&", OP_AND}, {"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE},
	           {">=", OP_GE}, {"<", OP_LT},   {">", OP_GT},  {"!", OP_NOT}, {"(", OP_OPEN}};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct bytes op = bytes_text(ops[i].text);

		if (!bytes_equal(bytes_slice(*text, 0, op.len), op))
			continue;
		*text = bytes_slice(*text, op.len, text->len);
		return push_op(e, ops[i].op);
	}
	if (text->data[0] == ')') {
		*text = bytes_slice(*text, 1, text->len);
		return close_paren(e);
	}
	return isalnum(text->data[0]) && push_word(reader, e, text);
}

enum err rule_condition(struct rule_reader *reader, struct bytes text, bool *out_true)
{
	struct evaluation e = {.value_count = 0};

	for (text = bytes_trim(text); text.len > 0; text = bytes_trim(text))
		if (!push_token(reader, &e, &text))
			return ERR_SYNTAX;
	while (e.op_count > 0)
		if (e.op[e.op_count - 1] == OP_OPEN || !apply(&e))
			return ERR_SYNTAX;
	if (e.value_count != 1)
		return ERR_SYNTAX;
	*out_true = e.value[0] != 0;
	return OK;
}
