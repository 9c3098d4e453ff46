/* eval_askdns.c - askdns rules: names put together by a template from what the message has.
 *
 * Which names that are, and which records make the rule hit, follows SpamAssassin 4.0.1. A tag that
 * has no value asks nothing; one with several asks for each of them.
 */
#include "base/addr.h"
#include "classifier/eval_net.h"

#define NAMES_MAX 32u /* of one rule */

/* The template with tag k's value pick[k]; false when it is too long for a name. */
static bool fill(const struct eval_call *call, const struct eval_tag_values *values,
                 const uint32_t *pick, char *memory, struct bytes *out_name)
{
	struct bytes template = eval_text(call, ASKDNS_TEMPLATE);
	size_t len = 0;

	for (size_t i = 0; i < template.len; i++) {
		uint8_t octet = template.data[i];
		struct bytes piece = bytes_slice(template, i, 1);

		if (octet > 0 && octet <= ASKDNS_TAGS_MAX &&
		    octet + ASKDNS_TAG - 1u < call->eval->argument_count)
			piece = values[octet - 1].item[pick[octet - 1]];
		if (piece.len >= QUESTION_NAME_BYTES - len)
			return false;
		memcpy(memory + len, piece.data, piece.len);
		len += piece.len;
	}
	while (len > 0 && memory[len - 1] == '.')
		len--;
	*out_name = bytes_of(memory, len);
	return true;
}

/* The next of all combinations; false: there was none any more. */
static bool advance(const struct eval_tag_values *values, uint32_t count, uint32_t *pick)
{
	for (uint32_t k = 0; k < count; k++) {
		if (++pick[k] < values[k].count)
			return true;
		pick[k] = 0;
	}
	return false;
}

/* False: enough. */
static bool ask_name(struct walk *walk, struct bytes name)
{
	const struct eval_call *call = walk->call;
	struct bytes types = eval_text(call, ASKDNS_TYPES);
	uint32_t flags = (uint32_t)eval_number(call, ASKDNS_TEMPLATE);

	if (types.len > 0)
		return net_ask_records(walk,
		                       (flags & NET_CODE) != 0 ? QUESTION_CODE : QUESTION_RECORDS,
		                       bytes_slice(types, 0, bytes_find(types, ' ')), name);
	return net_ask(walk, (flags & NET_TEXT) != 0 ? QUESTION_TEXT : QUESTION_ADDRESS, name);
}

void askdns_walk(struct walk *walk)
{
	const struct eval_call *call = walk->call;
	uint32_t tags = call->eval->argument_count - ASKDNS_TAG, pick[ASKDNS_TAGS_MAX] = {0};
	struct eval_tag_values values[ASKDNS_TAGS_MAX];
	char memory[QUESTION_NAME_BYTES];
	struct bytes name;

	for (uint32_t k = 0; k < tags; k++) {
		eval_tag_values(walk, ASKDNS_TAG + k, k, &values[k]);
		walk->open |= values[k].open;
		if (values[k].count == 0)
			return;
	}
	for (uint32_t i = 0; i < NAMES_MAX; i++) {
		if (fill(call, values, pick, memory, &name) && net_is_full_name(name) &&
		    !ask_name(walk, name))
			return;
		if (!advance(values, tags, pick))
			return;
	}
}

/* "0 3": codes, a blank between two. */
static bool has_code(struct bytes codes, uint32_t code)
{
	while (codes.len > 0) {
		size_t end = bytes_find(codes, ' ');
		uint64_t number;

		if (bytes_to_u64(bytes_slice(codes, 0, end), UINT32_MAX, &number) && number == code)
			return true;
		codes = bytes_slice(codes, end + 1, SIZE_MAX);
	}
	return false;
}

static bool text_fits(const struct eval_call *asker, struct bytes record)
{
	struct bytes subtest = eval_text(asker, ASKDNS_SUBTEST);

	switch ((uint32_t)eval_number(asker, ASKDNS_SUBTEST)) {
	case ASKDNS_ANY:
		return true;
	case ASKDNS_PATTERN:
		return eval_rule_matches(asker, record);
	default:
		return bytes_equal(subtest, record);
	}
}

/* Whether the word is among those behind the first, or one of them is "any". */
static bool counts(struct bytes types, struct bytes word)
{
	for (size_t end = bytes_find(types, ' '); types.len > 0; end = bytes_find(types, ' ')) {
		types = bytes_slice(types, end + 1, SIZE_MAX);
		struct bytes type = bytes_slice(types, 0, bytes_find(types, ' '));

		if (type.len > 0 && (bytes_equal(type, word) || bytes_equal(type, BYTES("any"))))
			return true;
	}
	return false;
}

/* "type data"; of a type nobody asks for nothing is known but that it is there. */
static bool record_fits(const struct eval_call *asker, struct bytes record)
{
	size_t blank = bytes_find(record, ' ');
	struct bytes type = bytes_slice(record, 0, blank);
	struct bytes data = bytes_slice(record, blank + 1, SIZE_MAX);
	uint32_t subtest = (uint32_t)eval_number(asker, ASKDNS_SUBTEST);
	struct addr addr;

	if (!counts(eval_text(asker, ASKDNS_TYPES), type) ||
	    (bytes_equal(type, BYTES("?")) && subtest != ASKDNS_ANY))
		return false;
	return text_fits(asker, data) ||
	       (subtest == ASKDNS_VALUE && bytes_equal(type, BYTES("a")) &&
	        addr_parse(data, &addr) == OK &&
	        net_address_fits(addr_ip4(&addr), eval_text(asker, ASKDNS_SUBTEST)));
}

bool askdns_fits(const struct eval_call *asker, enum question_kind kind,
                 const struct answer *answer)
{
	struct bytes subtest = eval_text(asker, ASKDNS_SUBTEST);
	struct bytes rest = bytes_of(answer->text, answer->text_len);
	char text[ADDR_TEXT_MAX];

	if ((uint32_t)eval_number(asker, ASKDNS_SUBTEST) == ASKDNS_CODES)
		return has_code(subtest, answer->value);
	if (answer->result != ANSWER_FOUND || (kind == QUESTION_RECORDS && answer->value != 0))
		return false;
	for (uint32_t i = 0; kind == QUESTION_ADDRESS && i < answer->address_count; i++) {
		struct addr addr = addr_from_ip4(answer->address[i]);

		if (text_fits(asker, bytes_text(addr_format(&addr, text))) ||
		    ((uint32_t)eval_number(asker, ASKDNS_SUBTEST) == ASKDNS_VALUE &&
		     net_address_fits(answer->address[i], subtest)))
			return true;
	}
	while (rest.len > 0) {
		size_t end = bytes_find(rest, '\0');

		if (kind == QUESTION_RECORDS ? record_fits(asker, bytes_slice(rest, 0, end))
		                             : text_fits(asker, bytes_slice(rest, 0, end)))
			return true;
		rest = bytes_slice(rest, end + 1, SIZE_MAX);
	}
	return false;
}
