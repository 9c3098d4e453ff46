/* eval_pattern_rule.c - patterns over what is none of the five text kinds: headers of parts, and
 * URIs with a text in them that another rule captured. */
#include "classifier/eval.h"

enum { PART_HEADER, PART_RAW, PART_NEGATED, PART_FIRST, PART_LAST, PART_CONCAT };

#define HITS_MAX 1000u

static uint32_t hits_max(const struct eval_call *call)
{
	const struct blob_rule *rule = &call->ruleset->rule[call->eval->rule];

	if (rule->maxhits != 0)
		return rule->maxhits;
	return (rule->flags & BLOB_FLAG_MULTIPLE) != 0 ? HITS_MAX : 1;
}

/* Matches of the rule's pattern in one value, up to `max`. */
static uint32_t count_matches(const struct eval_call *call, struct bytes value, uint32_t max)
{
	struct eval_match match = {0};
	uint32_t count = 0;
	size_t from = 0;

	while (count < max && eval_rule_find(call, value, from, &match)) {
		count++;
		from = match.end > from ? match.end : from + 1;
	}
	return count;
}

/* All fields of a part, one to a line. */
static struct bytes all_fields(const struct facts *facts, const struct fact_part *part, bool raw,
                               uint8_t *memory)
{
	size_t len = 0;

	for (uint32_t i = part->field_first; i < part->field_first + part->field_count; i++) {
		const struct fact_field *field = &facts->field[i];
		struct bytes value = raw ? field->raw : field->value;

		if (len + field->name.len + value.len + 3 > EVAL_PART_BYTES)
			break;
		memcpy(memory + len, field->name.data, field->name.len);
		len += field->name.len;
		memory[len++] = ':';
		if (!raw)
			memory[len++] = ' ';
		if (value.len > 0)
			memcpy(memory + len, value.data, value.len);
		len += value.len;
		if (len > 0 && memory[len - 1] != '\n')
			memory[len++] = '\n';
	}
	return bytes_of(memory, len);
}

/* The value a rule sees of one part: the last field of the name, its line end behind it. */
static struct bytes part_value(const struct eval_call *call, const struct fact_part *part,
                               uint8_t *memory)
{
	const struct facts *facts = call->facts;
	const struct blob_rule *rule = &call->ruleset->rule[call->eval->rule];
	bool raw = eval_number(call, PART_RAW) != 0;
	struct bytes name = eval_text(call, PART_HEADER);

	if (bytes_equal(name, BYTES("ALL")))
		return all_fields(facts, part, raw, memory);
	uint32_t index = facts_last_field(facts, part, name);
	if (index == FACT_NONE)
		return (rule->flags & BLOB_FLAG_IF_UNSET) != 0
		           ? ruleset_if_unset(call->ruleset, rule)
		           : bytes_of("", 0);
	if (raw)
		return facts->field[index].raw;
	struct bytes value = facts->field[index].value;
	size_t len = value.len < EVAL_PART_BYTES - 1 ? value.len : EVAL_PART_BYTES - 1;
	if (len > 0)
		memcpy(memory, value.data, len);
	memory[len] = '\n';
	return bytes_of(memory, len + 1);
}

/* The parts in range, joined; false when the first one that matches decides. */
static uint32_t over_parts(const struct eval_call *call, bool concat)
{
	uint8_t *memory = call->state->part_memory, *joined = call->state->joined_memory;
	uint32_t number = 0, count = 0;
	size_t len = 0;

	for (uint32_t i = 0; i < call->facts->part_count && count == 0; i++) {
		const struct fact_part *part = &call->facts->part[i];

		if (part->type.len == 0 || ++number < eval_number(call, PART_FIRST))
			continue;
		if (number > eval_number(call, PART_LAST))
			break;
		struct bytes value = part_value(call, part, memory);
		if (!concat) {
			count = count_matches(call, value, hits_max(call));
			continue;
		}
		if (len + value.len + 1 > EVAL_PART_BYTES)
			break;
		if (value.len > 0)
			memcpy(joined + len, value.data, value.len);
		len += value.len;
		if (value.len == 0 || value.data[value.len - 1] != '\n')
			joined[len++] = '\n';
	}
	return concat ? count_matches(call, bytes_of(joined, len), hits_max(call)) : count;
}

/* A negated rule hits always: SpamAssassin stops at the first match without telling that it was
 * one.
 */
int32_t eval_mimeheader(const struct eval_call *call)
{
	if (eval_number(call, PART_NEGATED) != 0)
		return 1;
	return (int32_t)over_parts(call, eval_number(call, PART_CONCAT) != 0);
}

enum { CAPTURED_NAME, CAPTURED_RULE, CAPTURED_NOCASE };

/* Wherever the text stands in the URI, what is in front must match to its end. */
static bool uri_holds(const struct eval_call *call, struct bytes uri, struct bytes text)
{
	bool nocase = eval_number(call, CAPTURED_NOCASE) != 0;

	for (size_t at = 0; at + text.len <= uri.len; at++) {
		struct bytes here = bytes_slice(uri, at, text.len);

		if (eval_lower(here.data[0]) != eval_lower(text.data[0]))
			continue;
		if ((nocase ? bytes_equal_nocase(here, text) : bytes_equal(here, text)) &&
		    eval_rule_matches(call, bytes_slice(uri, 0, at)))
			return true;
	}
	return false;
}

int32_t eval_captured(const struct eval_call *call)
{
	const struct text *uris = &call->texts->kind[TEXT_URI];
	struct bytes text = eval_captured_text(call, (uint32_t)eval_number(call, CAPTURED_RULE),
	                                       eval_text(call, CAPTURED_NAME));

	for (uint32_t i = 0; text.len > 0 && i < uris->segment_count; i++)
		if (uri_holds(call, text_segment(uris, i), text))
			return 1;
	return 0;
}
