/* rule_eval.c - calls of eval functions and the lists they look into, made ready for the blob. */
#include "classifier/rule_eval.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "classifier/eval_signature.h"
#include "classifier/rule_literal.h"
#include "classifier/ruleset_blob.h"

#define PARTS_LOOKED_AT 1000 /* as SpamAssassin */

struct reading { /* of one call */
	struct rule_reader *reader;
	struct rule_call *call;
	struct bytes text; /* the whole call */
	struct bytes rest;
	const uint8_t *argument; /* where the argument in hand begins; NULL: between two */
	const char *why;
};

static bool wrong(struct reading *r, const char *what)
{
	const uint8_t *at = r->argument != NULL ? r->argument : r->rest.data;
	size_t column = (size_t)(at - r->text.data) + 1;

	r->why = rule_pool_printf(&r->reader->pool, "%s, at octet %zu of the call", what, column);
	return false;
}

/* The function of a name; old spellings are known. */
static enum eval_function find_function(struct bytes name)
{
	static const struct {
		const char *old, *now;
	} words[] = {{"whitelist", "welcomelist"},
	             {"blacklist", "blocklist"},
	             {"check_dkim_verified", "check_dkim_valid"}};
	char text[96], modern[128];

	if (name.len >= sizeof(text))
		return EVAL_FUNCTION_COUNT;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	snprintf(modern, sizeof(modern), "%s", text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *at = strstr(text, words[i].old);

		if (at != NULL)
			snprintf(modern, sizeof(modern), "%.*s%s%s", (int)(at - text), text,
			         words[i].now, at + strlen(words[i].old));
	}
	for (int i = 0; i < EVAL_mimeheader; i++)
		if (strcmp(eval_signatures[i].name, modern) == 0)
			return (enum eval_function)i;
	return EVAL_FUNCTION_COUNT;
}

/* Functions that ask the network, or read what was asked of it. */
static bool asks_network(enum eval_function function, struct bytes name)
{
	static const char *const absent[] = {
#define ABSENT(name, asks) #name,
#include "classifier/eval_absent.def"
	};

	if (function != EVAL_FUNCTION_COUNT)
		return eval_signatures[function].asks != ASKS_NOTHING;
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		if (bytes_equal(name, bytes_text(absent[i])))
			return true;
	return false;
}

static void skip_blanks(struct reading *r)
{
	while (r->rest.len > 0 && isspace(r->rest.data[0]))
		r->rest = bytes_slice(r->rest, 1, SIZE_MAX);
}

/* One argument, in quotes or without; a quote inside has a backslash before it. */
static bool take_argument(struct reading *r, struct bytes *out_text)
{
	uint8_t quote = r->rest.data[0];
	size_t end = 0;

	if (quote != '\'' && quote != '"') {
		while (end < r->rest.len && r->rest.data[end] != ',' && !isspace(r->rest.data[end]))
			end++;
		*out_text = bytes_slice(r->rest, 0, end);
		r->rest = bytes_slice(r->rest, end, SIZE_MAX);
		return true;
	}
	for (end = 1; end < r->rest.len; end++)
		if (r->rest.data[end] == quote && r->rest.data[end - 1] != '\\')
			break;
	if (end == r->rest.len)
		return wrong(r, "a quote is not closed");
	*out_text = bytes_slice(r->rest, 1, end - 1);
	r->rest = bytes_slice(r->rest, end + 1, SIZE_MAX);
	return true;
}

static bool add_selector(struct reading *r, struct bytes text, const char *ending)
{
	struct rule_call *call = r->call;
	size_t ending_len = strlen(ending);

	if (call->selector_count == EVAL_SELECTORS_MAX)
		return wrong(r, "the function looks at too many headers");
	if (text.len >= ending_len && ending_len > 0 &&
	    bytes_equal(bytes_slice(text, text.len - ending_len, ending_len), bytes_text(ending)))
		ending = "";
	call->selector[call->selector_count++] = rule_pool_printf(&r->reader->pool, "%.*s%s",
	                                                          (int)text.len, text.data, ending);
	return true;
}

static bool set_number(struct reading *r, char kind, struct bytes text,
                       struct blob_eval_argument *argument)
{
	char *end;
	const char *word = rule_pool_copy(&r->reader->pool, text);

	if (kind == 'u' && (strcmp(word, "undef") == 0 || strcmp(word, "inf") == 0)) {
		argument->unlimited = 1;
		return true;
	}
	argument->number = strtod(word, &end);
	if (text.len == 0 || *end != '\0' || !(argument->number > -1e15 && argument->number < 1e15))
		return wrong(r, "a number is expected");
	return true;
}

static bool set_argument(struct reading *r, char kind, struct bytes text)
{
	struct rule_call *call = r->call;
	struct blob_eval_argument *argument = &call->argument[call->argument_count];

	*argument = (struct blob_eval_argument){.kind = (uint8_t)kind};
	call->text[call->argument_count++] = text;
	switch (kind) {
	case 'n':
	case 'u':
		return set_number(r, kind, text, argument);
	case 'p':
		call->pattern = rule_pool_copy(&r->reader->pool, text);
		return true;
	case 'h':
		return add_selector(r, text, "");
	case 'a':
		return add_selector(r, text, ":addr");
	case 'w':
		return add_selector(r, text, ":raw");
	default:
		return true; /* s; the list of l is found when all files are read */
	}
}

static bool read_arguments(struct reading *r, const char *kinds)
{
	bool optional = false;

	for (skip_blanks(r); *kinds != '\0'; kinds++) {
		struct bytes text;

		if (*kinds == '?') {
			optional = true;
			continue;
		}
		if (r->rest.len == 0)
			return optional || wrong(r, "an argument is missing");
		r->argument = r->rest.data;
		if (!take_argument(r, &text) || !set_argument(r, *kinds, text))
			return false;
		r->argument = NULL;
		skip_blanks(r);
		if (r->rest.len == 0)
			continue;
		if (r->rest.data[0] != ',')
			return wrong(r, "a comma is expected between arguments");
		r->rest = bytes_slice(r->rest, 1, SIZE_MAX);
		skip_blanks(r);
	}
	/* SpamAssassin ignores what a function does not take. */
	return true;
}

static bool read_selectors(struct reading *r, const char *selectors)
{
	struct bytes list = bytes_text(selectors);

	while (list.len > 0)
		if (!add_selector(r, rule_word(&list), ""))
			return false;
	return true;
}

static bool resolve_list(struct reading *r)
{
	for (uint32_t i = 0; i < r->call->argument_count; i++) {
		struct blob_eval_argument *argument = &r->call->argument[i];

		if (argument->kind != 'l')
			continue;
		uint32_t index = rule_directive_list(
		    r->reader, rule_pool_copy(&r->reader->pool, r->call->text[i]));
		/* A list that nothing was put on is empty, and so is the last. */
		argument->number = index == UINT32_MAX ? -1 : (double)index;
	}
	return true;
}

static bool all_locales(const struct rule_reader *reader)
{
	const struct named_list *list = &reader->list[EVAL_LIST_OK_LOCALES];

	for (uint32_t i = 0; i < list->count; i++)
		if (strcmp(list->entry[i].text, "all") == 0)
			return true;
	return list->count == 0;
}

enum rule_eval_result rule_eval_parse(struct rule_reader *reader, const struct rule_text *rule,
                                      struct rule_call *out_call, const char **out_why)
{
	struct reading r = {.reader = reader, .call = out_call, .text = bytes_text(rule->expr)};
	size_t open = bytes_find(r.text, '(');

	memset(out_call, 0, sizeof(*out_call));
	ASSERT(open < r.text.len);
	struct bytes name = bytes_trim(bytes_slice(r.text, 0, open));
	if (rule->called_as == RULE_EMPTY)
		return rule_askdns(reader, bytes_slice(r.text, open + 1, r.text.len - open - 2),
		                   out_call, out_why);
	out_call->function = find_function(name);
	bool is_net = asks_network(out_call->function, name);
	if (is_net && (reader->score_column & 1) == 0)
		return RULE_EVAL_NET;
	if (bytes_equal(name, BYTES("check_uridnsbl")))
		return rule_net_uri(reader, rule, out_call, out_why);
	if (bytes_equal(name, BYTES("check_dkim_signsome")))
		return RULE_EVAL_NEVER;
	if (bytes_equal(name, BYTES("check_dkim_signall"))) {
		name = BYTES("check_dkim_adsp");
		r.text = BYTES("check_dkim_adsp('A')");
		open = name.len;
		out_call->function = EVAL_check_dkim_adsp;
	}
	/* It counts failures among records of type A and MX; a failure has none of them. */
	if (bytes_equal(name, BYTES("check_dns_sender")))
		return RULE_EVAL_NEVER;
	/* Character sets named in the markup are not kept: asked for only where languages are. */
	if (bytes_equal(name, BYTES("html_charset_faraway")))
		return all_locales(reader) ? RULE_EVAL_NEVER : RULE_EVAL_UNKNOWN;
	if (out_call->function == EVAL_FUNCTION_COUNT)
		return is_net ? RULE_EVAL_NET : RULE_EVAL_UNKNOWN;
	r.rest = bytes_slice(r.text, open + 1, r.text.len - open - 2);

	const struct eval_signature *signature = &eval_signatures[out_call->function];
	if (read_selectors(&r, signature->selectors) && read_arguments(&r, signature->arguments) &&
	    resolve_list(&r))
		return is_net ? rule_net_finish(reader, rule, out_call, out_why) : RULE_EVAL_OK;
	*out_why = r.why;
	return RULE_EVAL_WRONG;
}

static void put_argument(struct rule_call *call, char kind, double number, struct bytes text)
{
	call->argument[call->argument_count] = (struct blob_eval_argument){.kind = (uint8_t)kind,
	                                                                   .number = number};
	call->text[call->argument_count++] = text;
}

#define NEEDED_STRINGS_MAX 8u
#define NEEDED_BYTES_MIN   3u

/* Strings in lower case, one a line, of which every match of the pattern has one whatever its case;
 * empty when nobody knows, or when there are so many that the pattern itself is as quick. */
static struct bytes needed_strings(struct rule_pool *pool, const char *pattern)
{
	char text[NEEDED_STRINGS_MAX * (LITERAL_BYTES_MAX + 1)];
	struct literals literals = {.count = 0};
	struct regex regex;
	size_t len = 0;

	if (regex_parse(pool, bytes_text(pattern), &regex) == OK)
		rule_literals(pool, &regex, TEXT_HEADER, &literals);
	if (literals.count > NEEDED_STRINGS_MAX)
		return BYTES("");
	for (uint32_t i = 0; i < literals.count; i++) {
		const struct literal *literal = &literals.item[i];

		if (literal->len < NEEDED_BYTES_MIN)
			return BYTES("");
		for (uint32_t k = 0; k < literal->len; k++) {
			/* What folds beyond ASCII is left to PCRE2. */
			if (literal->octet[k] >= 0x80 || literal->octet[k] == '\n')
				return BYTES("");
			text[len++] = (char)bytes_lower(literal->octet[k]);
		}
		text[len++] = '\n';
	}
	return bytes_of(rule_pool_copy(pool, bytes_of(text, len)), len);
}

void rule_eval_mimeheader(struct rule_pool *pool, const struct rule_text *rule,
                          struct rule_call *out_call)
{
	struct bytes name = bytes_text(rule->selector), ending = BYTES(":raw");
	bool raw = name.len > ending.len &&
	           bytes_equal(bytes_slice(name, name.len - ending.len, ending.len), ending);

	memset(out_call, 0, sizeof(*out_call));
	out_call->function = EVAL_mimeheader;
	put_argument(out_call, 's', 0,
	             bytes_slice(name, 0, raw ? name.len - ending.len : name.len));
	put_argument(out_call, 'n', raw, BYTES(""));
	put_argument(out_call, 'n', rule->negated, BYTES(""));
	put_argument(out_call, 'n', rule->range_min, BYTES(""));
	put_argument(out_call, 'n', rule->range_max != 0 ? rule->range_max : PARTS_LOOKED_AT,
	             BYTES(""));
	put_argument(out_call, 'n', (rule->tflags & TFLAG_CONCAT) != 0, BYTES(""));
	put_argument(out_call, 's', 0, needed_strings(pool, rule->pattern));
}

void rule_eval_uri_detail(const struct rule_text *rule, struct rule_call *out_call)
{
	memset(out_call, 0, sizeof(*out_call));
	out_call->function = EVAL_uri_detail;
	for (unsigned key = 0; key < URI_DETAIL_KEYS; key++) {
		const struct rule_condition *c = &rule->detail[key];

		if (c->pattern == NULL)
			put_argument(out_call, 's', CONDITION_NONE, BYTES(""));
		else
			put_argument(out_call, 's',
			             c->negated ? CONDITION_DIFFERS : CONDITION_MATCHES,
			             bytes_text(c->pattern));
	}
}

uint32_t rule_eval_capturing(const struct rule_reader *reader, enum rule_type type,
                             const char *name)
{
	char group[96];

	snprintf(group, sizeof(group), "(?<%.60s>", name);
	for (uint32_t i = 0; i < reader->rule_count; i++)
		if (reader->rule[i].type == type && !reader->rule[i].negated &&
		    strstr(reader->rule[i].pattern, group) != NULL)
			return i;
	return UINT32_MAX;
}

/* Whether a pattern can be cut where it ends: nothing in it looks further or chooses between
 * halves. */
static bool stands_alone(const char *pattern)
{
	uint32_t depth = 0;
	bool in_class = false;

	if (strstr(pattern, "(?=") != NULL || strstr(pattern, "(?!") != NULL)
		return false;
	for (const char *c = pattern; *c != '\0'; c++) {
		if (*c == '\\' && c[1] != '\0') {
			c++;
			/* An assertion at the end would look at what follows. */
			if (c[1] == '\0' && strchr("bBzZ", *c) != NULL)
				return false;
		} else if (in_class) {
			in_class = *c != ']';
		} else if (*c == '[') {
			in_class = true;
		} else if (*c == '(') {
			depth++;
		} else if (*c == ')') {
			depth--;
		} else if (*c == '|' && depth == 0) {
			return false;
		}
	}
	return depth == 0;
}

bool rule_eval_captured(struct rule_reader *reader, const struct rule_text *rule,
                        struct rule_call *out_call, char **out_pattern, const char **out_why)
{
	struct bytes pattern = bytes_text(rule->pattern);
	const char *mark = strstr(rule->pattern, "%{");
	size_t at = (size_t)(mark - rule->pattern);
	size_t close = at + bytes_find(bytes_slice(pattern, at, SIZE_MAX), '}');
	char *front = rule_pool_copy(&reader->pool, bytes_slice(pattern, 0, at));
	struct bytes name = bytes_slice(pattern, at + 2, close - at - 2);

	if (rule->type != RULE_URI || (rule->tflags & TFLAG_MULTIPLE) != 0 ||
	    close + 1 != pattern.len || !stands_alone(front)) {
		*out_why = "only a URI rule may have captured text, once and at its end";
		return false;
	}
	uint32_t capture = rule_eval_capturing(reader, RULE_HEADER,
	                                       rule_pool_copy(&reader->pool, name));
	if (capture == UINT32_MAX) {
		*out_why = "no header rule captures this text";
		return false;
	}
	memset(out_call, 0, sizeof(*out_call));
	out_call->function = EVAL_captured;
	put_argument(out_call, 's', 0, name);
	put_argument(out_call, 'n', capture, BYTES(""));
	put_argument(out_call, 'n', strncmp(front, "(?i", 3) == 0, BYTES(""));
	*out_pattern = rule_pool_printf(&reader->pool, "(?:%s)\\z", front);
	return true;
}

/* What was numbered by the reader is numbered as in the blob. */
void rule_eval_renumber(struct rule_evals *evals, const uint32_t *index)
{
	for (uint32_t i = 0; i < evals->eval_count; i++) {
		const struct blob_eval *eval = &evals->eval[i];

		for (uint32_t k = 0; k < eval->argument_count; k++) {
			struct blob_eval_argument *a = &evals->argument[eval->argument + k];

			if (eval->function == EVAL_captured && k == 1)
				a->number = index[(uint32_t)a->number];
			else if (a->kind == 't' && a->number >= EVAL_TAG_CAPTURED)
				a->number = EVAL_TAG_CAPTURED +
				            (double)index[(uint32_t)a->number - EVAL_TAG_CAPTURED];
		}
	}
}

static uint32_t put_text(struct rule_reader *reader, struct rule_evals *evals, struct bytes text)
{
	uint32_t at = evals->text_bytes;

	while (evals->text_bytes + text.len + 1 > evals->text_room)
		evals->texts = rule_pool_grow(&reader->pool, evals->texts, evals->text_room,
		                              &evals->text_room, 1);
	if (text.len > 0)
		memcpy(evals->texts + at, text.data, text.len);
	evals->texts[at + text.len] = '\0';
	evals->text_bytes += (uint32_t)text.len + 1;
	return at;
}

void rule_eval_add(struct rule_reader *reader, struct rule_evals *evals,
                   const struct rule_call *call, uint32_t rule, const uint16_t *selector)
{
	struct blob_eval eval = {.rule = rule,
	                         .function = (uint16_t)call->function,
	                         .selector_count = (uint16_t)call->selector_count,
	                         .selector = evals->selector_count,
	                         .argument = evals->argument_count,
	                         .argument_count = call->argument_count};

	for (uint32_t i = 0; i < call->selector_count; i++) {
		evals->selector = rule_pool_grow(&reader->pool, evals->selector,
		                                 evals->selector_count, &evals->selector_room,
		                                 sizeof(uint32_t));
		evals->selector[evals->selector_count++] = selector[i];
	}
	for (uint32_t i = 0; i < call->argument_count; i++) {
		struct blob_eval_argument argument = call->argument[i];

		argument.text = put_text(reader, evals, call->text[i]);
		argument.bytes = (uint32_t)call->text[i].len;
		evals->argument = rule_pool_grow(&reader->pool, evals->argument,
		                                 evals->argument_count, &evals->argument_room,
		                                 sizeof(argument));
		evals->argument[evals->argument_count++] = argument;
	}
	evals->eval = rule_pool_grow(&reader->pool, evals->eval, evals->eval_count,
	                             &evals->eval_room, sizeof(eval));
	evals->eval[evals->eval_count++] = eval;
}

static bool is_wild(const struct list_entry *entry)
{
	return strpbrk(entry->text, "*?") != NULL;
}

static int compare_entries(const void *a, const void *b)
{
	const struct list_entry *x = a, *y = b;
	bool wild = is_wild(x);

	return wild != is_wild(y) ? (wild ? 1 : -1) : strcmp(x->text, y->text);
}

static void put_entry(struct rule_reader *reader, struct rule_evals *evals,
                      const struct list_entry *from, struct blob_list_entry *out)
{
	struct bytes text = bytes_text(from->text), second = bytes_text(from->second);

	*out = (struct blob_list_entry){put_text(reader, evals, text), (uint32_t)text.len,
	                                put_text(reader, evals, second), (uint32_t)second.len};
}

static void put_lists(struct rule_reader *reader, struct rule_evals *evals, struct bytes *section)
{
	uint32_t total = 0, at = 0;

	for (uint32_t i = 0; i < reader->list_count; i++)
		total += reader->list[i].count;
	struct blob_list *lists = rule_pool_take(&reader->pool,
	                                         reader->list_count * sizeof(*lists));
	struct blob_list_entry *entries = rule_pool_take(&reader->pool,
	                                                 (total + 1) * sizeof(*entries));
	for (uint32_t i = 0; i < reader->list_count; i++) {
		struct named_list *list = &reader->list[i];
		struct bytes name = bytes_text(list->name);

		/* Equal texts are one entry, unless it is relays that differ. */
		if (list->count > 0 && !list->is_ordered)
			qsort(list->entry, list->count, sizeof(*list->entry), compare_entries);
		lists[i] = (struct blob_list){.name = put_text(reader, evals, name),
		                              .name_bytes = (uint32_t)name.len,
		                              .entry = at};
		for (uint32_t k = 0; k < list->count; k++) {
			if (k > 0 && strcmp(list->entry[k].text, list->entry[k - 1].text) == 0 &&
			    strcmp(list->entry[k].second, list->entry[k - 1].second) == 0)
				continue;
			put_entry(reader, evals, &list->entry[k], &entries[at++]);
			lists[i].exact_count += !is_wild(&list->entry[k]);
		}
		lists[i].entry_count = at - lists[i].entry;
	}
	section[BLOB_LISTS] = bytes_of(lists, reader->list_count * sizeof(*lists));
	section[BLOB_LIST_ENTRIES] = bytes_of(entries, at * sizeof(*entries));
}

void rule_eval_sections(struct rule_reader *reader, struct rule_evals *evals, struct bytes *section)
{
	put_lists(reader, evals, section);
	section[BLOB_EVALS] = bytes_of(evals->eval, evals->eval_count * sizeof(*evals->eval));
	section[BLOB_EVAL_ARGUMENTS] = bytes_of(evals->argument,
	                                        evals->argument_count * sizeof(*evals->argument));
	section[BLOB_EVAL_SELECTORS] = bytes_of(evals->selector,
	                                        evals->selector_count * sizeof(uint32_t));
	section[BLOB_EVAL_TEXTS] = bytes_of(evals->texts, evals->text_bytes);
	section[BLOB_SETTINGS] = bytes_of(reader->setting, sizeof(reader->setting));
}
