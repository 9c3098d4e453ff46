/* rule_net.c - rules that ask DNS lists: zones, subtests and flags, read as SpamAssassin 4.0.1
 * does.
 *
 * A subtest of a relay's rule is a number (a mask of the answer's address), an address, or a
 * pattern, which becomes the pattern of the rule. One of a URI's rule is a mask, a range or a value
 * with a mask; it travels as decimal numbers: "16", "1-2", "1/3".
 */
#include <stdlib.h>

#include "base/addr.h"
#include "base/question.h"
#include "classifier/eval_signature.h"
#include "classifier/rule_eval.h"

char *rule_net_zone(struct rule_reader *reader, struct bytes text)
{
	while (text.len > 0 && text.data[text.len - 1] == '.')
		text.len--;
	char *zone = rule_pool_copy(&reader->pool, text);
	for (char *c = zone; *c != '\0'; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	return question_name_is_sound(bytes_text(zone)) ? zone : NULL;
}

static uint32_t flags_of(const struct rule_text *rule)
{
	static const struct {
		uint32_t tflag, flag;
	} same[] = {{TFLAG_NICE, NET_NICE},
	            {TFLAG_DOMAINS_ONLY, NET_DOMAINS_ONLY},
	            {TFLAG_IPS_ONLY, NET_IPS_ONLY},
	            {TFLAG_NOTRIM, NET_FULL_HOST}};
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		flags |= (rule->tflags & same[i].tflag) != 0 ? same[i].flag : 0;
	return flags;
}

static bool is_address(struct bytes text)
{
	struct addr addr;

	return bytes_find(text, ':') == text.len && addr_parse(text, &addr) == OK;
}

/* A number or an address is compared; what is neither is a pattern. */
static void set_subtest(struct rule_reader *reader, struct rule_call *call, uint32_t argument)
{
	struct bytes text = call->text[argument];
	uint64_t mask;

	if (!bytes_to_u64(text, UINT32_MAX, &mask) && !is_address(text))
		call->pattern = rule_pool_copy(&reader->pool, text);
}

static void put(struct rule_call *call, struct bytes text)
{
	call->argument[call->argument_count] = (struct blob_eval_argument){.kind = 's'};
	call->text[call->argument_count++] = text;
}

/* Two arguments for each header that the fourth one names: its addresses, and all of it. */
static bool put_headers(struct rule_reader *reader, struct rule_call *call)
{
	struct bytes rest = call->argument_count > 3
	                        ? call->text[3]
	                        : BYTES("EnvelopeFrom,Reply-To,Disposition-Notification-To");

	while (call->argument_count < 4)
		put(call, BYTES(""));
	call->argument_count = 4;
	call->selector_count = 0;
	while (rest.len > 0) {
		size_t end = bytes_find(rest, ',');
		struct bytes name = bytes_trim(bytes_slice(rest, 0, end));

		rest = bytes_slice(rest, end + 1, SIZE_MAX);
		if (call->argument_count + 2 > EVAL_ARGUMENTS_MAX)
			return false;
		for (uint32_t i = 0; i < 2; i++) {
			call->argument[call->argument_count].kind = i == 0 ? 'a' : 'h';
			call->argument[call->argument_count].number = 0;
			call->text[call->argument_count++] = name;
			call->selector[call->selector_count++] = rule_pool_printf(
			    &reader->pool, "%.*s%s", (int)name.len, (const char *)name.data,
			    i == 0 ? ":addr" : "");
		}
	}
	return true;
}

enum rule_eval_result rule_net_finish(struct rule_reader *reader, const struct rule_text *rule,
                                      struct rule_call *in_out_call, const char **out_why)
{
	struct rule_call *call = in_out_call;
	enum eval_asks asks = eval_signatures[call->function].asks;
	bool is_sub = asks == ASKS_SET;

	if (asks == ASKS_DIGESTS)
		return rule_hashbl_finish(reader, call, out_why);
	/* Those of SPF, DKIM and DMARC take neither zones nor flags. */
	if (!is_sub && !eval_asks_for_set(asks))
		return RULE_EVAL_OK;
	call->argument[0].number = flags_of(rule);
	if (!is_sub) {
		const char *zone = rule_net_zone(reader, call->text[1]);

		if (zone == NULL) {
			*out_why = "the second argument is no name of a zone";
			return RULE_EVAL_WRONG;
		}
		call->text[1] = bytes_text(zone);
	}
	if (is_sub)
		set_subtest(reader, call, 1);
	else if (call->argument_count > 2 && call->text[2].len > 0)
		set_subtest(reader, call, 2);
	return asks != ASKS_HEADERS || put_headers(reader, call) ? RULE_EVAL_OK : RULE_EVAL_UNKNOWN;
}

/* "16", "0x10" or "127.0.0.2"; anything else is no number of a subtest. */
static bool number_of(struct rule_reader *reader, struct bytes text, uint64_t *out_number,
                      bool *in_out_address)
{
	struct addr addr;

	if (is_address(text) && addr_parse(text, &addr) == OK) {
		*out_number = addr_ip4(&addr);
		*in_out_address = true;
		return true;
	}
	if (text.len > 2 && text.len <= 10 && bytes_starts_nocase(text, BYTES("0x"))) {
		char *end;

		*out_number = strtoull(rule_pool_copy(&reader->pool, text) + 2, &end, 16);
		return *end == '\0';
	}
	return bytes_to_u64(text, UINT32_MAX, out_number);
}

char *rule_net_numbers(struct rule_reader *reader, struct bytes text)
{
	size_t mark = 0;
	uint64_t first, second;
	bool address = false;

	while (mark < text.len && text.data[mark] != '-' && text.data[mark] != '/')
		mark++;
	if (!number_of(reader, bytes_slice(text, 0, mark), &first, &address))
		return NULL;
	if (mark == text.len && address)
		return rule_pool_printf(&reader->pool, "%llu-%llu", (unsigned long long)first,
		                        (unsigned long long)first);
	if (mark == text.len)
		return rule_pool_printf(&reader->pool, "%llu", (unsigned long long)first);
	if (!number_of(reader, bytes_slice(text, mark + 1, SIZE_MAX), &second, &address))
		return NULL;
	return rule_pool_printf(&reader->pool, "%llu%c%llu", (unsigned long long)first,
	                        text.data[mark], (unsigned long long)second);
}

static const struct {
	const char *key;
	bool by_address, has_subtest;
	uint32_t by_server; /* flags */
} uri_keys[] = {{"uridnsbl", true, false, 0},
                {"uridnssub", true, true, 0},
                {"urirhsbl", false, false, 0},
                {"urirhssub", false, true, 0},
                {"urinsrhsbl", false, false, NET_SERVER_DOMAIN},
                {"urinsrhssub", false, true, NET_SERVER_DOMAIN},
                {"urifullnsrhsbl", false, false, NET_SERVER_NAME},
                {"urifullnsrhssub", false, true, NET_SERVER_NAME}};

static void fault(struct rule_reader *reader, const char *key, struct bytes rule, const char *text)
{
	rule_reader_report(reader, true, key, rule_pool_copy(&reader->pool, rule), text);
}

/* "RULE zone. A [subtest]"; kept as "key zone type subtest" under the rule's name. */
bool rule_net_directive(struct rule_reader *reader, const char *key, struct bytes value)
{
	struct bytes rule, zone, type;
	const char *zone_name, *subtest = "";
	size_t i = 0;

	while (i < sizeof(uri_keys) / sizeof(uri_keys[0]) && strcmp(uri_keys[i].key, key) != 0)
		i++;
	if (i == sizeof(uri_keys) / sizeof(uri_keys[0]))
		return false;
	rule = rule_word(&value);
	zone = rule_word(&value);
	type = rule_word(&value);
	zone_name = rule_net_zone(reader, zone);
	if (uri_keys[i].has_subtest)
		subtest = rule_net_numbers(reader, rule_word(&value));
	if (type.len == 0 || zone_name == NULL || subtest == NULL || value.len > 0)
		fault(reader, key, rule,
		      "takes a rule, a zone, A or TXT, and where it is a ...sub the answers that "
		      "count");
	else
		named_texts_set(
		    &reader->pool, &reader->uri_zone, rule,
		    bytes_text(rule_pool_printf(&reader->pool, "%s %s %.*s %s", key, zone_name,
		                                (int)type.len, (const char *)type.data, subtest)));
	return true;
}

/* By the addresses of name servers, unless the rule says "a"; it may say both. */
static uint32_t address_flags(const struct rule_text *rule)
{
	uint32_t flags = (rule->tflags & TFLAG_A) != 0 ? NET_HOST_ADDRESS : 0;

	if ((rule->tflags & TFLAG_NS) != 0 || flags == 0)
		flags |= NET_SERVER_ADDRESS;
	return flags;
}

enum rule_eval_result rule_net_uri(struct rule_reader *reader, const struct rule_text *rule,
                                   struct rule_call *out_call, const char **out_why)
{
	const char *line = named_texts_find(&reader->uri_zone, bytes_text(rule->name));
	struct bytes rest, key, type;
	size_t i = 0;

	if (line == NULL)
		return RULE_EVAL_NEVER;
	rest = bytes_text(line);
	key = rule_word(&rest);
	while (!bytes_equal(key, bytes_text(uri_keys[i].key)))
		i++;
	out_call->function = EVAL_uri_in_zone;
	put(out_call, rule_word(&rest));
	type = rule_word(&rest);
	put(out_call, type);
	if (!bytes_equal_nocase(type, BYTES("A")) && !bytes_equal_nocase(type, BYTES("TXT"))) {
		*out_why = "a list is asked for A or TXT";
		return RULE_EVAL_WRONG;
	}
	if (rest.len > 0)
		put(out_call, rest);
	out_call->argument[0].number = flags_of(rule) | uri_keys[i].by_server |
	                               (uri_keys[i].by_address ? address_flags(rule) : 0);
	out_call->selector[out_call->selector_count++] = rule_pool_text(&reader->pool,
	                                                                "DKIM-Signature");
	out_call->selector[out_call->selector_count++] = rule_pool_text(&reader->pool,
	                                                                "DomainKey-Signature");
	return RULE_EVAL_OK;
}
