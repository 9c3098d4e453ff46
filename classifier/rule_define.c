/* rule_define.c - what one line of a rule file that is in force means. */
#include "classifier/rule_define.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define RULE_NAME_BYTES_MAX 100

static void fault(struct rule_reader *reader, const char *construct, struct bytes rule,
                  const char *text)
{
	rule_reader_report(reader, true, construct, rule_pool_copy(&reader->pool, rule), text);
}

static bool is_word_octet(uint8_t c)
{
	return isalnum(c) || c == '_';
}

static bool valid_name(struct bytes name)
{
	if (name.len == 0 || name.len > RULE_NAME_BYTES_MAX || isdigit(name.data[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_word_octet(name.data[i]))
			return false;
	return true;
}

/* The opening delimiter of `text` ("/", "m{", "qr,") and its closing one; false when there is none.
 */
static bool open_delimiter(struct bytes *text, char *out_close)
{
	static const char opening[] = "{(<[", closing[] = "})>]";
	size_t skip = 0;

	if (text->len > 0 && text->data[0] == '/') {
		*text = bytes_slice(*text, 1, text->len);
		*out_close = '/';
		return true;
	}
	if (text->len > 1 && text->data[0] == 'm')
		skip = 1;
	else if (text->len > 2 && text->data[0] == 'q' && text->data[1] == 'r')
		skip = 2;
	if (skip == 0 || is_word_octet(text->data[skip]) || text->data[skip] == '\\')
		return false;

	const char *pair = strchr(opening, text->data[skip]);
	*out_close = pair != NULL ? closing[pair - opening] : (char)text->data[skip];
	*text = bytes_slice(*text, skip + 1, text->len);
	return true;
}

static bool unescaped_inside(struct bytes text, char close)
{
	if (close == '}' || close == ')' || close == ']')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == (uint8_t)close)
			return true;
	}
	return false;
}

char *rule_define_pattern(struct rule_reader *reader, struct bytes text, const char **out_why)
{
	char close;
	char kept[16];
	size_t end, kept_count = 0;

	if (!open_delimiter(&text, &close)) {
		*out_why = "the pattern needs delimiters: /pattern/ or m{pattern}";
		return NULL;
	}
	for (end = text.len;
	     end > 0 && islower(text.data[end - 1]) && text.data[end - 1] != (uint8_t)close; end--)
		;
	if (end == 0 || text.data[end - 1] != (uint8_t)close) {
		*out_why = "the pattern has no closing delimiter, or unknown modifiers follow it";
		return NULL;
	}
	for (size_t i = end; i < text.len; i++) {
		if (strchr("imsxnap", text.data[i]) == NULL) {
			*out_why = "unknown modifier after the pattern; i, m, s, x, n and a are "
			           "known";
			return NULL;
		}
		if (strchr("imsxn", text.data[i]) != NULL && kept_count < sizeof(kept))
			kept[kept_count++] = (char)text.data[i];
	}
	text = bytes_slice(text, 0, end - 1);
	if (unescaped_inside(text, close)) {
		*out_why = "the delimiter stands inside the pattern; escape it with a backslash";
		return NULL;
	}
	if (kept_count == 0)
		return rule_pool_copy(&reader->pool, text);
	return rule_pool_printf(&reader->pool, "(?%.*s)%.*s", (int)kept_count, kept, (int)text.len,
	                        text.data);
}

/* A fresh definition: what another type had set goes, what belongs to the name stays. */
static struct rule_text *redefine(struct rule_reader *reader, struct bytes name,
                                  enum rule_type type)
{
	struct rule_text *rule = rule_reader_need(reader, name);

	rule->type = type;
	rule->pattern = rule->selector = rule->if_unset = rule->expr = NULL;
	rule->negated = rule->rbl = false;
	rule->file = reader->file;
	rule->line = reader->line;
	return rule;
}

static void define_pattern(struct rule_reader *reader, struct bytes name, enum rule_type type,
                           struct bytes value)
{
	const char *why = NULL;
	char *pattern = rule_define_pattern(reader, value, &why);

	if (pattern == NULL) {
		fault(reader, "pattern", name, why);
		return;
	}
	redefine(reader, name, type)->pattern = pattern;
}

static void define_eval(struct rule_reader *reader, struct bytes name, enum rule_type type,
                        struct bytes call)
{
	size_t open = bytes_find(call, '(');

	if (open == 0 || open == call.len || call.data[call.len - 1] != ')') {
		fault(reader, "eval", name, "a call looks like eval:function(arguments)");
		return;
	}

	struct rule_text *rule = redefine(reader, name, RULE_EVAL);
	rule->expr = rule_pool_copy(&reader->pool, call);
	rule->called_as = type;
	rule->rbl = bytes_starts_nocase(call, BYTES("check_rbl")) ||
	            bytes_starts_nocase(call, BYTES("check_dns"));
}

/* "Selector" at the start of `value`: [\w.-]+ and up to two ":modifier", or a trailing colon. */
static struct bytes take_selector(struct bytes *value)
{
	size_t end = 0;

	while (end < value->len &&
	       (is_word_octet(value->data[end]) || strchr(".-:", value->data[end]) != NULL))
		end++;

	struct bytes selector = bytes_slice(*value, 0, end);
	*value = bytes_trim(bytes_slice(*value, end, value->len));
	if (selector.len > 0 && selector.data[selector.len - 1] == ':')
		selector.len--;
	return selector;
}

static struct bytes take_if_unset(struct bytes *pattern)
{
	static const char mark[] = "[if-unset:";
	struct bytes found = {NULL, 0};

	if (pattern->len == 0 || pattern->data[pattern->len - 1] != ']')
		return found;
	for (size_t i = pattern->len; i-- > 1;) {
		struct bytes here = bytes_slice(*pattern, i, sizeof(mark) - 1);

		if (!bytes_equal(here, BYTES("[if-unset:")))
			continue;
		if (!isspace(pattern->data[i - 1]))
			return found;
		found = bytes_trim(
		    bytes_slice(*pattern, i + here.len, pattern->len - i - here.len - 1));
		*pattern = bytes_trim(bytes_slice(*pattern, 0, i));
		return found;
	}
	return found;
}

static void define_header(struct rule_reader *reader, struct bytes name, enum rule_type type,
                          struct bytes value)
{
	if (bytes_starts_nocase(value, BYTES("exists:"))) {
		struct bytes rest = bytes_slice(value, 7, value.len);
		struct bytes selector = take_selector(&rest);

		if (selector.len == 0 || rest.len > 0)
			fault(reader, "header", name, "exists: takes one header name");
		else
			redefine(reader, name, RULE_EXISTS)->selector = rule_pool_copy(
			    &reader->pool, selector);
		return;
	}

	struct bytes selector = take_selector(&value);
	bool negated = bytes_starts_nocase(value, BYTES("!~"));
	if (selector.len == 0 || (!negated && !bytes_starts_nocase(value, BYTES("=~")))) {
		fault(reader, "header", name,
		      "a header rule looks like: header NAME Header =~ /pattern/");
		return;
	}
	value = bytes_trim(bytes_slice(value, 2, value.len));

	struct bytes if_unset = take_if_unset(&value);
	const char *why = NULL;
	char *pattern = rule_define_pattern(reader, value, &why);
	if (pattern == NULL) {
		fault(reader, "pattern", name, why);
		return;
	}

	struct rule_text *rule = redefine(reader, name, type);
	rule->pattern = pattern;
	rule->selector = rule_pool_copy(&reader->pool, selector);
	rule->if_unset = if_unset.data != NULL ? rule_pool_copy(&reader->pool, if_unset) : NULL;
	rule->negated = negated;
}

static void define_rule(struct rule_reader *reader, enum rule_type type, struct bytes value)
{
	struct bytes name = rule_word(&value);

	if (!valid_name(name)) {
		fault(reader, "rule name", name,
		      "a rule's name has letters, digits and underscores, at most 100, "
		      "and does not begin with a digit");
		return;
	}
	if (value.len == 0) {
		fault(reader, "rule", name, "the test is missing after the name");
		return;
	}
	if (type == RULE_META)
		redefine(reader, name, RULE_META)->expr = rule_pool_copy(&reader->pool, value);
	else if (bytes_starts_nocase(value, BYTES("eval:")))
		define_eval(reader, name, type, bytes_slice(value, 5, value.len));
	else if (bytes_starts_nocase(value, BYTES("rbleval:")))
		define_eval(reader, name, type, bytes_slice(value, 8, value.len));
	else if (type == RULE_HEADER || type == RULE_MIMEHEADER)
		define_header(reader, name, type, value);
	else
		define_pattern(reader, name, type, value);
}

static void define_uri_detail(struct rule_reader *reader, struct bytes value)
{
	struct bytes name = rule_word(&value);
	const char *why = NULL;

	if (!valid_name(name))
		fault(reader, "uri_detail", name, "takes a rule's name and conditions");
	else if (!rule_detail_read(reader, rule_reader_need(reader, name), value, &why))
		fault(reader, "uri_detail", name, why);
	else
		redefine(reader, name, RULE_URI_DETAIL);
}

static bool read_score(const char *word, bool *relative, double *out_score)
{
	size_t len = strlen(word);
	char *end;
	char number[32];

	if (len == 0 || len >= sizeof(number))
		return false;
	if (word[0] == '(' && word[len - 1] == ')') {
		*relative = true;
		snprintf(number, sizeof(number), "%.*s", (int)len - 2, word + 1);
	} else {
		snprintf(number, sizeof(number), "%s", word);
	}
	if (strspn(number, "-0123456789.") != strlen(number) || number[0] == '\0')
		return false;
	*out_score = strtod(number, &end);
	return *end == '\0' && *out_score > -100000.0 && *out_score < 100000.0;
}

static void define_score(struct rule_reader *reader, struct bytes value)
{
	struct bytes name = rule_word(&value);
	double score[RULE_SCORES];
	uint32_t count = 0;
	bool relative = false;

	while (value.len > 0 && count < RULE_SCORES) {
		struct bytes word = rule_word(&value);

		if (!read_score(rule_pool_copy(&reader->pool, word), &relative, &score[count])) {
			fault(reader, "score", name, "a score is a number like 1.5, -0.1 or (0.5)");
			return;
		}
		count++;
	}
	if (name.len == 0 || value.len > 0 || (count != 1 && count != RULE_SCORES)) {
		fault(reader, "score", name, "score takes a rule's name and one or four numbers");
		return;
	}

	struct rule_text *rule = rule_reader_need(reader, name);
	if (relative && !rule->scored) {
		fault(reader, "score", name, "a relative score needs an absolute one before it");
		return;
	}
	for (uint32_t i = 0; i < RULE_SCORES; i++)
		rule->score[i] = (relative ? rule->score[i] : 0.0) + score[count == 1 ? 0 : i];
	rule->scored = true;
}

/* "2", "2-", "-3" or "2-3", of parts counted from 1. */
static bool take_range(struct rule_text *rule, struct bytes range)
{
	size_t dash = bytes_find(range, '-');
	struct bytes first = bytes_slice(range, 0, dash);
	struct bytes last = bytes_slice(range, dash + 1, range.len);
	uint64_t min = 0, max = 0;

	if ((first.len > 0 && !bytes_to_u64(first, 1000, &min)) ||
	    (last.len > 0 && !bytes_to_u64(last, 1000, &max)) || (first.len == 0 && last.len == 0))
		return false;
	rule->range_min = (uint32_t)min;
	rule->range_max = (uint32_t)(dash == range.len ? min : max);
	return true;
}

static void define_tflags(struct rule_reader *reader, struct bytes value)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} known[] = {{"multiple", TFLAG_MULTIPLE},
	             {"nice", TFLAG_NICE},
	             {"net", TFLAG_NET},
	             {"nosubject", TFLAG_NOSUBJECT},
	             {"learn", TFLAG_LEARN},
	             {"concat", TFLAG_CONCAT},
	             {"userconf", 0},
	             {"noautolearn", 0},
	             {"publish", 0},
	             {"nopublish", 0},
	             {"autolearn_body", 0},
	             {"nolog", 0},
	             {"notrim", TFLAG_NOTRIM},
	             {"domains_only", TFLAG_DOMAINS_ONLY},
	             {"ips_only", TFLAG_IPS_ONLY},
	             {"a", TFLAG_A},
	             {"ns", TFLAG_NS},
	             {"noawl", 0}};
	struct rule_text *rule = rule_reader_need(reader, rule_word(&value));

	rule->tflags = 0;
	rule->maxhits = rule->range_min = rule->range_max = 0;
	while (value.len > 0) {
		struct bytes word = rule_word(&value);
		uint64_t hits;
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++)
			if (bytes_equal(word, bytes_text(known[i].word))) {
				rule->tflags |= known[i].flag;
				found = true;
			}
		if (bytes_starts_nocase(word, BYTES("maxhits=")) &&
		    bytes_to_u64(bytes_slice(word, 8, word.len), UINT16_MAX, &hits)) {
			rule->maxhits = (uint32_t)hits;
			found = true;
		}
		if (bytes_starts_nocase(word, BYTES("range=")))
			found = take_range(rule, bytes_slice(word, 6, word.len));
		if (!found)
			rule_reader_report(reader, false,
			                   rule_pool_printf(&reader->pool, "tflags %.*s",
			                                    (int)word.len, word.data),
			                   rule->name, "has no effect here");
	}
}

static void define_priority(struct rule_reader *reader, struct bytes value)
{
	struct bytes name = rule_word(&value);
	char *end;
	const char *number = rule_pool_copy(&reader->pool, value);
	long priority = strtol(number, &end, 10);

	if (name.len == 0 || *number == '\0' || *end != '\0' || priority < INT32_MIN ||
	    priority > INT32_MAX) {
		fault(reader, "priority", name, "priority takes a rule's name and a whole number");
		return;
	}
	rule_reader_need(reader, name)->priority = (int32_t)priority;
}

static void define_named(struct rule_reader *reader, struct named_texts *texts, const char *key,
                         struct bytes value)
{
	struct bytes name = rule_word(&value);

	if (name.len == 0 || value.len == 0)
		fault(reader, key, name, "takes a name and a text");
	else
		named_texts_set(&reader->pool, texts, name, value);
}

static bool define_replacement(struct rule_reader *reader, const char *key, struct bytes value)
{
	if (strcmp(key, "replace_tag") == 0) {
		define_named(reader, &reader->replace_tag, key, value);
	} else if (strcmp(key, "replace_pre") == 0) {
		define_named(reader, &reader->replace_pre, key, value);
	} else if (strcmp(key, "replace_inter") == 0) {
		define_named(reader, &reader->replace_inter, key, value);
	} else if (strcmp(key, "replace_post") == 0) {
		define_named(reader, &reader->replace_post, key, value);
	} else if (strcmp(key, "replace_start") == 0 && value.len > 0) {
		reader->replace_start = rule_pool_copy(&reader->pool, value);
	} else if (strcmp(key, "replace_end") == 0 && value.len > 0) {
		reader->replace_end = rule_pool_copy(&reader->pool, value);
	} else if (strcmp(key, "replace_rules") == 0) {
		while (value.len > 0)
			rule_reader_need(reader, rule_word(&value))->replace = true;
	} else {
		return false;
	}
	return true;
}

static bool define_attribute(struct rule_reader *reader, const char *key, struct bytes value)
{
	if (strcmp(key, "score") == 0) {
		define_score(reader, value);
	} else if (strcmp(key, "describe") == 0) {
		struct bytes name = rule_word(&value);

		rule_reader_need(reader, name)->describe = rule_pool_copy(&reader->pool, value);
	} else if (strcmp(key, "tflags") == 0) {
		define_tflags(reader, value);
	} else if (strcmp(key, "priority") == 0) {
		define_priority(reader, value);
	} else if (strcmp(key, "reuse") == 0) {
		struct rule_text *rule = rule_reader_need(reader, rule_word(&value));

		if (rule->type == RULE_NONE)
			rule->type = RULE_EMPTY;
	} else if (strcmp(key, "loadplugin") == 0 || strcmp(key, "tryplugin") == 0) {
		rule_condition_load_plugin(reader, rule_word(&value));
	} else if (strcmp(key, "test") != 0) { /* `test` lines serve SpamAssassin's own tests */
		return false;
	}
	return true;
}

static void define_askdns(struct rule_reader *reader, struct bytes value)
{
	struct bytes name = rule_word(&value);
	struct rule_text *rule;

	if (!valid_name(name) || value.len == 0) {
		fault(reader, "askdns", name,
		      "takes a rule's name, a template, a type of records and a subtest");
		return;
	}
	rule = redefine(reader, name, RULE_EVAL);
	rule->expr = rule_pool_printf(&reader->pool, "askdns(%.*s)", (int)value.len, value.data);
	rule->called_as = RULE_EMPTY; /* what no line that has eval: is */
	rule->rbl = true;
}

void rule_define(struct rule_reader *reader, const char *key, struct bytes value)
{
	static const struct {
		const char *key;
		enum rule_type type;
	} tests[] = {{"header", RULE_HEADER},
	             {"body", RULE_BODY},
	             {"rawbody", RULE_RAWBODY},
	             {"uri", RULE_URI},
	             {"full", RULE_FULL},
	             {"meta", RULE_META},
	             {"mimeheader", RULE_MIMEHEADER}};

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(key, tests[i].key) == 0) {
			define_rule(reader, tests[i].type, value);
			return;
		}
	if (strcmp(key, "uri_detail") == 0) {
		define_uri_detail(reader, value);
		return;
	}
	if (strcmp(key, "askdns") == 0) {
		define_askdns(reader, value);
		return;
	}
	if (!define_attribute(reader, key, value) && !define_replacement(reader, key, value) &&
	    !rule_directive(reader, key, value))
		rule_reader_report(reader, false,
		                   rule_pool_printf(&reader->pool, "directive %s", key), "",
		                   "not a rule; it has no effect here");
}

void rule_reader_finish(struct rule_reader *reader)
{
	for (uint32_t i = 0; i < reader->rule_count; i++) {
		struct rule_text *rule = &reader->rule[i];

		if (rule->replace && rule->pattern != NULL)
			rule->pattern = rule_replace(reader, rule->pattern);
		if (rule->scored)
			continue;
		double score = strncmp(rule->name, "T_", 2) == 0 ? 0.01 : 1.0;
		for (uint32_t column = 0; column < RULE_SCORES; column++)
			rule->score[column] = (rule->tflags & TFLAG_NICE) != 0 ? -score : score;
	}
}
