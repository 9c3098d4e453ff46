/* eval_date.c - eval functions that compare dates of a message. */
#include "classifier/eval.h"

#define HOUR_S 3600.0

int32_t eval_check_for_shifted_date(const struct eval_call *call)
{
	return eval_in_range(call, 0, (double)call->facts->date_diff_s / HOUR_S);
}

static uint32_t hex_value(struct bytes digits)
{
	uint32_t value = 0;

	for (size_t i = 0; i < digits.len; i++) {
		uint8_t c = eval_lower(digits.data[i]);

		value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return value;
}

/* Outlook counts time since 1601 in units of 2^32 of 100 ns; 250 of them are about 30 hours. */
static bool token_fits(uint32_t token, int64_t at_s)
{
	const double ticks_a_second = 0.0023283064365387, ticks_to_1970 = 27111902.8329849;
	int64_t expected = (int64_t)((double)at_s * ticks_a_second + ticks_to_1970);
	int64_t off = (int64_t)token - expected;

	return off > -250 && off < 250;
}

int32_t eval_check_outlook_message_id(const struct eval_call *call)
{
	const struct facts *facts = call->facts;
	struct bytes id = eval_header(call, 0);
	struct eval_match match;

	if (!eval_find(call, EVAL_PATTERN_OUTLOOK_ID, id, 0, &match))
		return 0;
	uint32_t token = hex_value(bytes_slice(id, match.group, match.group_len));
	return !token_fits(token, facts->has_date ? facts->date_s : 0) &&
	       !token_fits(token, facts->received_date_count > 0 ? facts->received_date_s[0] : 0);
}
