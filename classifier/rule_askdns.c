/* rule_askdns.c - askdns rules, read as SpamAssassin 4.0.1 does: "template [type [subtest]]".
 *
 * Each tag of the template becomes an octet, 1 for the first, and an argument of its own. The
 * subtest travels as decimal numbers ("16", "1-2", "1/3"), as a text, as codes ("0 3") or as the
 * rule's pattern. Types travel as words of record_types.def: the one that is asked for, then those
 * that count ("any a aaaa"); none where addresses or texts are enough.
 */
#include <ctype.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/question.h"
#include "classifier/rule_define.h"
#include "classifier/rule_eval.h"

#define TAG_BYTES_MAX 100

static bool is_capital(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The length of the tag at the beginning of `text`, "_NAME_" or "_NAME(argument)_"; 0: none. */
static size_t tag_len(struct bytes text)
{
	size_t at = 1;

	if (text.len < 3 || text.data[0] != '_' || text.data[1] < 'A' || text.data[1] > 'Z')
		return 0;
	while (at < text.len && (is_capital(text.data[at]) ||
	                         (text.data[at] == '_' && at + 1 < text.len &&
	                          is_capital(text.data[at + 1]) && text.data[at - 1] != '_')))
		at++;
	if (at < text.len && text.data[at] == '(') {
		at += bytes_find(bytes_slice(text, at, SIZE_MAX), ')') + 1;
		if (at > text.len)
			return 0;
	}
	return at < text.len && text.data[at] == '_' ? at + 1 : 0;
}

static void put(struct rule_call *call, char kind, double number, struct bytes text)
{
	call->argument[call->argument_count] = (struct blob_eval_argument){.kind = (uint8_t)kind,
	                                                                   .number = number};
	call->text[call->argument_count++] = text;
}

bool rule_tag_add(struct rule_reader *reader, struct bytes name, struct rule_call *in_out_call)
{
	static const struct {
		const char *name, *selector;
	} tags[] = {
#define TAG(name, selector, help) {#name, selector},
#include "classifier/eval_tags.def"
	};
	struct rule_call *call = in_out_call;
	const char *selector = "EnvelopeFrom";
	double number = EVAL_TAG_HEADER;
	uint32_t capture;
	size_t i = 0;

	while (i < sizeof(tags) / sizeof(tags[0]) && !bytes_equal(name, bytes_text(tags[i].name)))
		i++;
	if (i < sizeof(tags) / sizeof(tags[0])) {
		number = (double)i;
		selector = tags[i].selector;
	} else if (name.len > 8 && bytes_equal(bytes_slice(name, 0, 7), BYTES("HEADER(")) &&
	           name.data[name.len - 1] == ')') {
		selector = rule_pool_copy(&reader->pool, bytes_slice(name, 7, name.len - 8));
	} else {
		const char *text = rule_pool_copy(&reader->pool, name);

		capture = rule_eval_capturing(reader, RULE_HEADER, text);
		if (capture == UINT32_MAX)
			capture = rule_eval_capturing(reader, RULE_URI, text);
		if (capture == UINT32_MAX)
			return false;
		number = (double)EVAL_TAG_CAPTURED + capture;
	}
	put(call, 't', number, name);
	call->selector[call->selector_count++] = rule_pool_text(&reader->pool, selector);
	return true;
}

/* The template with its tags replaced; NULL: one is not known, or they are too many. */
static char *template_text(struct rule_reader *reader, struct bytes text, struct rule_call *call)
{
	char *out = rule_pool_copy(&reader->pool, text);
	size_t len = 0, taken;

	for (size_t at = 0; at < text.len; at += taken) {
		struct bytes rest = bytes_slice(text, at, SIZE_MAX), name;
		uint32_t tag = ASKDNS_TAG;

		taken = tag_len(rest);
		if (taken == 0) {
			out[len++] = (char)rest.data[0];
			taken = 1;
			continue;
		}
		name = bytes_slice(rest, 1, taken - 2);
		while (tag < call->argument_count && !bytes_equal(call->text[tag], name))
			tag++;
		if (tag == ASKDNS_TAGS_MAX + ASKDNS_TAG ||
		    (tag == call->argument_count && !rule_tag_add(reader, name, call)))
			return NULL;
		out[len++] = (char)(tag - ASKDNS_TAG + 1);
	}
	out[len] = '\0';
	return out;
}

/* "[NXDOMAIN,2]" as "3 2"; NULL: it is no list of codes. */
static char *code_text(struct rule_reader *reader, struct bytes text)
{
	static const struct {
		const char *name;
		uint32_t code;
	} codes[] = {{"NOERROR", 0},  {"FORMERR", 1}, {"SERVFAIL", 2}, {"NXDOMAIN", 3},
	             {"NOTIMP", 4},   {"REFUSED", 5}, {"YXDOMAIN", 6}, {"YXRRSET", 7},
	             {"NXRRSET", 8},  {"NOTAUTH", 9}, {"NOTZONE", 10}, {"BADVERS", 16},
	             {"BADSIG", 16},  {"BADKEY", 17}, {"BADTIME", 18}, {"BADMODE", 19},
	             {"BADNAME", 20}, {"BADALG", 21}, {"BADTRUNC", 22}};
	char *out = rule_pool_text(&reader->pool, "");

	for (text = bytes_slice(text, 1, text.len - 2); text.len > 0;) {
		size_t end = bytes_find(text, ','), i = 0;
		struct bytes word = bytes_trim(bytes_slice(text, 0, end));
		uint64_t code;

		text = bytes_slice(text, end + 1, SIZE_MAX);
		while (i < sizeof(codes) / sizeof(codes[0]) &&
		       !bytes_equal_nocase(word, bytes_text(codes[i].name)))
			i++;
		if (i < sizeof(codes) / sizeof(codes[0]))
			code = codes[i].code;
		else if (!bytes_to_u64(word, UINT16_MAX, &code))
			return NULL;
		out = rule_pool_printf(&reader->pool, "%s%s%u", out, *out == '\0' ? "" : " ",
		                       (unsigned)code);
	}
	return *out == '\0' ? NULL : out;
}

static bool is_pattern(struct bytes text)
{
	return (text.len > 2 && text.data[0] == '/') ||
	       (text.len > 3 && text.data[0] == 'm' && !isalnum(text.data[1]) &&
	        text.data[1] != '_');
}

/* Puts the subtest behind the template. */
static bool put_subtest(struct rule_reader *reader, struct bytes text, struct rule_call *call,
                        const char **out_why)
{
	uint8_t first = text.len > 0 ? text.data[0] : 0;
	bool quoted = text.len > 1 && text.data[text.len - 1] == first &&
	              (first == '"' || first == '\'');
	const char *value = NULL;

	*out_why = "the subtest is a pattern, a text in quotes, numbers or a list of codes";
	if (text.len == 0) {
		put(call, 's', ASKDNS_ANY, text);
		return true;
	}
	if (is_pattern(text)) {
		call->pattern = rule_define_pattern(reader, text, out_why);
		put(call, 's', ASKDNS_PATTERN, BYTES(""));
		return call->pattern != NULL;
	}
	if (quoted)
		value = rule_pool_copy(&reader->pool, bytes_slice(text, 1, text.len - 2));
	else if (first == '[' && text.data[text.len - 1] == ']')
		value = code_text(reader, text);
	else
		value = rule_net_numbers(reader, text);
	put(call, 's', !quoted && first == '[' ? ASKDNS_CODES : ASKDNS_VALUE,
	    bytes_text(value != NULL ? value : ""));
	return value != NULL;
}

static bool is_type(struct bytes word)
{
	static const char *const types[] = {
	    "ANY", "A",        "AAAA",  "MX",    "TXT",   "PTR",   "NAPTR",      "NS",
	    "SOA", "CERT",     "CNAME", "DNAME", "DHCID", "HINFO", "MINFO",      "RP",
	    "HIP", "IPSECKEY", "KX",    "LOC",   "GPOS",  "SRV",   "OPENPGPKEY", "SSHFP",
	    "SPF", "TLSA",     "URI",   "CAA",   "CSYNC"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (bytes_equal_nocase(word, bytes_text(types[i])))
			return true;
	return false;
}

/* "A,AAAA" as "a aaaa". False: one of them is no type at all; `out_words` is NULL when one is
 * never asked for. */
static bool read_types(struct rule_reader *reader, struct bytes text, const char **out_words,
                       uint32_t *out_count)
{
	bool asked = true;

	*out_words = "";
	for (*out_count = 0; text.len > 0; ++*out_count) {
		size_t end = bytes_find(text, ',');
		char *word = rule_pool_copy(&reader->pool, bytes_slice(text, 0, end));

		if (!is_type(bytes_text(word)))
			return false;
		for (char *c = word; *c != '\0'; c++)
			*c = (char)bytes_lower((uint8_t)*c);
		asked &= question_record_type(bytes_text(word)) != 0;
		*out_words = rule_pool_printf(&reader->pool, "%s%s%s", *out_words,
		                              *out_count > 0 ? " " : "", word);
		text = bytes_slice(text, end + 1, SIZE_MAX);
	}
	if (!asked)
		*out_words = NULL;
	return true;
}

/* Whether only servers that fail say one of the codes. */
static bool has_failure(const struct rule_call *call)
{
	struct bytes rest = call->text[ASKDNS_SUBTEST];

	if (call->argument[ASKDNS_SUBTEST].number != ASKDNS_CODES)
		return false;
	while (rest.len > 0) {
		struct bytes code = rule_word(&rest);

		if (!bytes_equal(code, BYTES("0")) && !bytes_equal(code, BYTES("3")))
			return true;
	}
	return false;
}

enum rule_eval_result rule_askdns(struct rule_reader *reader, struct bytes text,
                                  struct rule_call *out_call, const char **out_why)
{
	struct bytes template = rule_word(&text), type = rule_word(&text);
	const char *words;
	uint32_t count;
	char *filled;
	bool texts;

	out_call->function = EVAL_askdns;
	if (!read_types(reader, type, &words, &count)) {
		*out_why = "the second word is a type of records, or several with commas between";
		return RULE_EVAL_WRONG;
	}
	texts = words != NULL && strcmp(words, "txt") == 0;
	put(out_call, 's', texts ? NET_TEXT : 0, template);
	if (!put_subtest(reader, text, out_call, out_why))
		return RULE_EVAL_WRONG;
	if (words == NULL)
		return RULE_EVAL_UNKNOWN;
	if (count == 0)
		words = "a";
	if (has_failure(out_call))
		out_call->argument[ASKDNS_TEMPLATE].number = NET_CODE;
	else if (texts || strcmp(words, "a") == 0)
		words = "";
	if (*words != '\0')
		words = rule_pool_printf(&reader->pool, "%s %s", count > 1 ? "any" : words, words);
	put(out_call, 's', 0, bytes_text(words));
	filled = template_text(reader, template, out_call);
	if (filled == NULL)
		return RULE_EVAL_UNKNOWN;
	out_call->text[ASKDNS_TEMPLATE] = bytes_text(filled);
	return RULE_EVAL_OK;
}
