/* eval_pattern_rule.c - patterns over what is none of the five text kinds: headers of parts, and
 * URIs with a text in them that another rule captured. */
#include "classifier/eval.h"

enum { PART_HEADER, PART_RAW, PART_NEGATED, PART_FIRST, PART_LAST, PART_CONCAT, PART_NEEDED };

#define HITS_MAX 1000u

/* Many rules look at few headers of the parts, so the values of a header are put together once a
 * message. */
#define HEADERS_MAX     16u
#define VALUES_MAX      1024u
#define VALUE_BYTES_MAX 65536u

struct part_header {
	struct bytes name;
	bool raw, complete; /* complete: all of its values are kept */
	uint32_t first, count;
	struct bytes lower; /* all values behind each other, letters small; data NULL: not kept */
};

struct part_value {
	uint32_t number; /* of the part, from 1 on */
	struct bytes value;
};

#define CAPTURES_MAX 4u

struct capture {
	uint32_t rule;
	struct bytes name, text;
	bool in_uris; /* without regard to case */
};

struct eval_parts {
	uint32_t header_count, value_count, capture_count;
	size_t octets_len, lower_len;
	struct part_header header[HEADERS_MAX];
	struct capture capture[CAPTURES_MAX];
	struct part_value value[VALUES_MAX];
	uint8_t octets[VALUE_BYTES_MAX], lower[VALUE_BYTES_MAX];
};

size_t eval_parts_bytes(void)
{
	return sizeof(struct eval_parts);
}

void eval_parts_forget(struct eval_parts *parts)
{
	parts->header_count = parts->value_count = parts->capture_count = 0;
	parts->octets_len = parts->lower_len = 0;
}

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

/* Keeps the value of a field as a rule sees it; false when there is no room. */
static bool keep_value(struct eval_parts *parts, const struct fact_field *field, bool raw,
                       uint32_t number)
{
	size_t len = field->value.len < EVAL_PART_BYTES - 1 ? field->value.len
	                                                    : EVAL_PART_BYTES - 1;
	uint8_t *octets = parts->octets + parts->octets_len;

	if (parts->value_count == VALUES_MAX)
		return false;
	if (raw) {
		parts->value[parts->value_count++] = (struct part_value){number, field->raw};
		return true;
	}
	if (parts->octets_len + len + 1 > VALUE_BYTES_MAX)
		return false;
	if (len > 0)
		memcpy(octets, field->value.data, len);
	octets[len] = '\n';
	parts->octets_len += len + 1;
	parts->value[parts->value_count++] = (struct part_value){number, bytes_of(octets, len + 1)};
	return true;
}

static void keep_lower(struct eval_parts *parts, struct part_header *header)
{
	const struct part_value *value = parts->value + header->first;
	size_t start = parts->lower_len;

	for (uint32_t i = 0; i < header->count; i++) {
		struct bytes text = value[i].value;

		if (text.len > VALUE_BYTES_MAX - parts->lower_len)
			return;
		for (size_t k = 0; k < text.len; k++)
			parts->lower[parts->lower_len++] = eval_lower(text.data[k]);
	}
	header->lower = bytes_of(parts->lower + start, parts->lower_len - start);
}

static void keep_values(const struct eval_call *call, struct part_header *header)
{
	struct eval_parts *parts = call->state->parts;
	const struct facts *facts = call->facts;
	uint32_t number = 0;

	header->first = parts->value_count;
	header->complete = true;
	for (uint32_t i = 0; i < facts->part_count && header->complete; i++) {
		const struct fact_part *part = &facts->part[i];

		if (part->type.len == 0)
			continue;
		number++;
		uint32_t index = facts_last_field(facts, part, header->name);
		if (index != FACT_NONE)
			header->complete = keep_value(parts, &facts->field[index], header->raw,
			                              number);
	}
	header->count = parts->value_count - header->first;
	if (header->complete)
		keep_lower(parts, header);
}

/* The values of the rule's header; NULL when they are not kept, or it is no single header. */
static const struct part_header *header_values(const struct eval_call *call)
{
	struct eval_parts *parts = call->state->parts;
	struct bytes name = eval_text(call, PART_HEADER);
	bool raw = eval_number(call, PART_RAW) != 0;
	struct part_header *header = parts->header;

	for (; header < parts->header + parts->header_count; header++)
		if (header->raw == raw && bytes_equal(header->name, name))
			return header->complete ? header : NULL;
	if (parts->header_count == HEADERS_MAX || bytes_equal(name, BYTES("ALL")))
		return NULL;
	parts->header_count++;
	*header = (struct part_header){.name = name, .raw = raw};
	keep_values(call, header);
	return header->complete ? header : NULL;
}

/* False when no value has a string that each match of the rule has. */
static bool may_match(const struct eval_call *call, const struct part_header *header)
{
	struct bytes rest = eval_text(call, PART_NEEDED), needed;

	if (header->count == 0)
		return false;
	if (rest.len == 0 || header->lower.data == NULL)
		return true;
	while (eval_next_line(&rest, &needed))
		if (eval_contains(header->lower, needed))
			return true;
	return false;
}

/* As over_parts, for a rule that parts without the header cannot match. */
static uint32_t over_values(const struct eval_call *call, const struct part_header *header)
{
	const struct part_value *value = call->state->parts->value + header->first;
	uint32_t count = 0;

	for (uint32_t i = 0; i < header->count && count == 0; i++)
		if (value[i].number >= eval_number(call, PART_FIRST) &&
		    value[i].number <= eval_number(call, PART_LAST))
			count = count_matches(call, value[i].value, hits_max(call));
	return count;
}

/* A negated rule hits always: SpamAssassin stops at the first match without telling that it was
 * one.
 */
int32_t eval_mimeheader(const struct eval_call *call)
{
	if (eval_number(call, PART_NEGATED) != 0)
		return 1;
	if (eval_number(call, PART_CONCAT) == 0 && !eval_absent_matches(call)) {
		const struct part_header *header = header_values(call);

		if (header != NULL)
			return may_match(call, header) ? (int32_t)over_values(call, header) : 0;
	}
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

static struct capture capture(const struct eval_call *call)
{
	const struct text *uris = &call->texts->kind[TEXT_URI];
	struct eval_parts *parts = call->state->parts;
	struct capture found = {.rule = (uint32_t)eval_number(call, CAPTURED_RULE),
	                        .name = eval_text(call, CAPTURED_NAME)};
	size_t at;

	for (uint32_t i = 0; i < parts->capture_count; i++)
		if (parts->capture[i].rule == found.rule &&
		    bytes_equal(parts->capture[i].name, found.name))
			return parts->capture[i];
	found.text = eval_captured_text(call, found.rule, found.name);
	found.in_uris = found.text.len > 0 &&
	                eval_contains_nocase(bytes_of(uris->data, uris->bytes), found.text, &at);
	if (parts->capture_count < CAPTURES_MAX)
		parts->capture[parts->capture_count++] = found;
	return found;
}

int32_t eval_captured(const struct eval_call *call)
{
	const struct text *uris = &call->texts->kind[TEXT_URI];

	if (uris->segment_count == 0)
		return 0;
	struct capture found = capture(call);
	struct bytes text = found.text;
	if (!found.in_uris)
		return 0;
	for (uint32_t i = 0; text.len > 0 && i < uris->segment_count; i++)
		if (uri_holds(call, text_segment(uris, i), text))
			return 1;
	return 0;
}
