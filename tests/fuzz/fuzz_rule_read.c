/* fuzz_rule_read.c - any octets as a rule file: read, replaced, parsed as patterns and metas. */
#include "classifier/rule_gate.h"
#include "classifier/rule_literal.h"
#include "classifier/rule_meta.h"
#include "classifier/rule_read.h"

#define INPUT_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_into(struct rule_reader *reader, struct rule_text *rule)
{
	struct meta_code code = {.count = 0};
	struct literals literals;
	struct gate_windows windows;
	struct regex regex;
	const char *why;

	if (rule->type == RULE_META)
		(void)rule_meta_parse(reader, rule, &code, &why);
	if (rule->pattern == NULL ||
	    regex_parse(&reader->pool, bytes_text(rule->pattern), &regex) != OK)
		return;
	rule_literals(&reader->pool, &regex, TEXT_BODY, &literals);
	rule_gate(&reader->pool, &regex, TEXT_BODY, &windows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rule_reader reader;

	if (size > INPUT_BYTES_MAX)
		return 0;
	rule_reader_init(&reader, 0);
	rule_reader_text(&reader, "input.cf", bytes_of(data, size));
	rule_reader_finish(&reader);
	for (uint32_t i = 0; i < reader.rule_count; i++)
		look_into(&reader, &reader.rule[i]);
	rule_reader_free(&reader);
	return 0;
}
