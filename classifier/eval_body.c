/* eval_body.c - eval functions about the text people read. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "classifier/eval.h"

#define LINE_BYTES_MIN   6u   /* shorter ones have no telling share of blanks */
#define UPPER_BYTES_MIN  200u /* one or two acronyms would throw it off */
#define STOCK_LABELS_MAX 32u

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

#ifdef __SSE2__
#define BLOCK_BYTES ((size_t)16)

static __m128i block_load(const uint8_t *data)
{
	return _mm_loadu_si128((const __m128i *)(const void *)data);
}

/* -1 for each octet within `count` of `first`. */
static __m128i in_range(__m128i octets, uint8_t first, uint8_t count)
{
	__m128i from = _mm_sub_epi8(octets, _mm_set1_epi8((char)first));

	return _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8((char)(count - 1))), from);
}

static __m128i add_counts(__m128i sum, __m128i minus_ones)
{
	__m128i zero = _mm_setzero_si128();

	return _mm_add_epi64(sum, _mm_sad_epu8(_mm_sub_epi8(zero, minus_ones), zero));
}

static uint32_t sum_of(__m128i sum)
{
	return (uint32_t)(_mm_cvtsi128_si32(sum) + _mm_cvtsi128_si32(_mm_srli_si128(sum, 8)));
}
#endif

static int32_t blanks_percent(struct bytes line)
{
	uint32_t blanks = 0;
	size_t i = 0;

#ifdef __SSE2__
	__m128i sum = _mm_setzero_si128();

	for (; line.len - i >= BLOCK_BYTES; i += BLOCK_BYTES)
		sum = add_counts(sum,
		                 _mm_cmpeq_epi8(block_load(line.data + i), _mm_set1_epi8(' ')));
	blanks = sum_of(sum);
#endif
	for (; i < line.len; i++)
		blanks += line.data[i] == ' ';
	size_t others = line.len - blanks;
	return blanks > others || others == 0 ? 100 : (int32_t)(100 * blanks / others);
}

int32_t eval_tvd_vertical_words(const struct eval_call *call)
{
	const struct text *body = eval_own_text(call);
	struct eval_state *state = call->state;
	double max = eval_number(call, 1) >= 100 ? 101 : eval_number(call, 1);

	if (!state->vertical_known) {
		state->vertical_known = true;
		state->vertical_percent = -1;
		for (uint32_t i = 0; i < body->segment_count; i++) {
			struct bytes line = text_segment(body, i);
			int32_t percent = line.len < LINE_BYTES_MIN ? -1 : blanks_percent(line);

			if (percent > state->vertical_percent)
				state->vertical_percent = percent;
		}
	}
	return state->vertical_percent >= eval_number(call, 0) && state->vertical_percent < max;
}

int32_t eval_check_body_length(const struct eval_call *call)
{
	return call->facts->body_bytes <= eval_number(call, 0);
}

/* Percentage of blank lines; the lines are those of the raw body's pieces. */
int32_t eval_check_blank_line_ratio(const struct eval_call *call)
{
	const struct text *raw = &call->texts->kind[TEXT_RAWBODY];
	double min = eval_number(call, 0), max = eval_number(call, 1);
	double lines_min = call->eval->argument_count > 2 ? eval_number(call, 2) : 1;
	uint64_t lines = 0, blank = 0;

	for (uint32_t i = 0; i < raw->segment_count; i++) {
		struct bytes rest = text_segment(raw, i), line;

		while (eval_next_line(&rest, &line)) {
			bool empty = true;

			for (size_t k = 0; k < line.len && empty; k++)
				empty = is_space(line.data[k]);
			lines++;
			blank += empty;
		}
	}
	if (lines_min < 1)
		lines_min = 1;
	double ratio = (double)lines < lines_min ? -1 : 100.0 * (double)blank / (double)lines;
	return (min == 0 && ratio <= max) || (ratio > min && ratio <= max);
}

#define BASE64_LINE_MIN 60u
#define BASE64_LINE_MAX 76u

/* Lines of base64 run together have their first blank behind 60 to 76 octets; few others do. */
static bool looks_like_base64(const struct eval_call *call, struct bytes line)
{
	size_t blank = bytes_find(bytes_slice(line, 0, BASE64_LINE_MAX + 1), ' ');

	return blank >= BASE64_LINE_MIN && blank <= BASE64_LINE_MAX && blank < line.len &&
	       eval_matches(call, EVAL_PATTERN_BASE64_LINES, line);
}

/* Lines with a blank between words count, unless they look like base64 that slipped in. */
static bool counts_for_case(const struct eval_call *call, struct bytes line)
{
	bool word = false, gap = false;

	for (size_t i = 0; i < line.len; i++) {
		if (is_space(line.data[i])) {
			gap = word;
			continue;
		}
		if (gap)
			return !looks_like_base64(call, line);
		word = true;
	}
	return false;
}

struct letter_count {
	uint64_t bytes, upper, lower;
};

static void count_octets(struct bytes text, struct letter_count *count)
{
	uint32_t upper = 0, lower = 0;
	size_t i = 0;

#ifdef __SSE2__
	__m128i uppers = _mm_setzero_si128(), lowers = uppers;

	for (; text.len - i >= BLOCK_BYTES; i += BLOCK_BYTES) {
		__m128i octets = block_load(text.data + i);
		__m128i small = _mm_or_si128(in_range(octets, 'a', 26), in_range(octets, '0', 10));

		uppers = add_counts(uppers, in_range(octets, 'A', 26));
		lowers = add_counts(lowers, small);
	}
	upper = sum_of(uppers);
	lower = sum_of(lowers);
#endif
	for (; i < text.len; i++) {
		uint8_t c = text.data[i];

		upper += (uint8_t)(c - 'A') < 26;
		lower += ((uint8_t)(c - 'a') < 26) | ((uint8_t)(c - '0') < 10);
	}
	count->bytes += text.len;
	count->upper += upper;
	count->lower += lower;
}

/* Shift-JIS between its escapes is no ASCII letter. */
static void count_letters(struct bytes line, struct letter_count *count)
{
	size_t skip_from = line.len, skip_to = line.len;

	for (size_t i = bytes_find(line, 0x1b); i + 3 <= line.len; i++) {
		if (skip_from == line.len && memcmp(line.data + i, "\x1b$B", 3) == 0)
			skip_from = i;
		else if (skip_from < line.len && memcmp(line.data + i, "\x1b(B", 3) == 0)
			skip_to = i + 3;
	}
	if (skip_to == line.len && skip_from < line.len &&
	    (line.len < 3 || memcmp(line.data + line.len - 3, "\x1b(B", 3) != 0))
		skip_from = line.len;
	count_octets(bytes_slice(line, 0, skip_from), count);
	if (skip_from < line.len)
		count_octets(bytes_slice(line, skip_to, SIZE_MAX), count);
}

/* Character sets in which bytes of other scripts look like capitals. */
static bool charset_misleads(const struct eval_call *call)
{
	struct bytes type = eval_header(call, 0);
	struct eval_match match;

	if (eval_find(call, EVAL_PATTERN_CHARSET, type, 0, &match) &&
	    eval_matches(call, EVAL_PATTERN_CAPS_CHARSET_NAME,
	                 bytes_slice(type, match.group, match.group_len)))
		return true;
	for (uint32_t i = 0; i < call->facts->part_count; i++) {
		struct bytes charset = bytes_trim(call->facts->part[i].charset);

		if (charset.len > 0 && eval_matches(call, EVAL_PATTERN_CAPS_CHARSET_NAME, charset))
			return true;
	}
	return false;
}

int32_t eval_check_for_uppercase(const struct eval_call *call)
{
	const struct text *body = &call->texts->kind[TEXT_BODY];
	struct eval_state *state = call->state;

	if (!state->upper_known) {
		struct letter_count count = {0};

		state->upper_known = true;
		for (uint32_t i = 0; i < body->segment_count; i++)
			if (counts_for_case(call, text_segment(body, i)))
				count_letters(text_segment(body, i), &count);
		state->upper_percent = count.bytes < UPPER_BYTES_MIN ||
		                               count.upper + count.lower == 0 ||
		                               charset_misleads(call)
		                           ? 0
		                           : 100.0 * (double)count.upper /
		                                 (double)(count.upper + count.lower);
	}
	return state->upper_percent > eval_number(call, 0) &&
	       state->upper_percent <= eval_number(call, 1);
}

/* The letters of a label, without the rest, in lower case. */
static struct bytes letters_of(struct bytes label, uint8_t out[32])
{
	size_t len = 0;

	for (size_t i = 0; i < label.len && len < 32; i++) {
		uint8_t c = eval_lower(label.data[i]);

		if (c >= 'a' && c <= 'z')
			out[len++] = c;
	}
	return bytes_of(out, len);
}

/* Different labels as a report on a share has them, in the first plain text. */
static uint32_t stock_labels(const struct eval_call *call, struct bytes text)
{
	uint8_t seen[STOCK_LABELS_MAX][32];
	size_t seen_len[STOCK_LABELS_MAX];
	struct eval_match label = {0}, stock;
	uint32_t count = 0;

	while (count < STOCK_LABELS_MAX &&
	       eval_find(call, EVAL_PATTERN_LABEL, text, label.end, &label)) {
		uint8_t memory[32];
		struct bytes letters = letters_of(bytes_slice(text, label.group, label.group_len),
		                                  memory);
		bool again = false;

		if (!eval_find(call, EVAL_PATTERN_STOCK_LABEL, letters, 0, &stock))
			continue;
		letters = bytes_slice(letters, stock.group, stock.group_len);
		for (uint32_t i = 0; i < count && !again; i++)
			again = bytes_equal(bytes_of(seen[i], seen_len[i]), letters);
		if (again)
			continue;
		memcpy(seen[count], letters.data, letters.len);
		seen_len[count++] = letters.len;
	}
	return count;
}

int32_t eval_check_stock_info(const struct eval_call *call)
{
	double min = eval_number(call, 0);

	for (uint32_t i = 0; i < call->facts->part_count; i++)
		if (bytes_equal(call->facts->part[i].type, BYTES("text/plain")))
			return min == 0 || stock_labels(call, call->facts->part[i].rendered) >= min;
	return min == 0;
}

/* Relays of the site in a Received the body quotes, or in a message inside it. */
static bool names_own_relay(const struct eval_call *call, struct bytes line)
{
	for (size_t at = 0; at < line.len;) {
		while (at < line.len && is_space(line.data[at]))
			at++;
		size_t start = at;
		while (at < line.len && !is_space(line.data[at]))
			at++;
		struct bytes word = bytes_slice(line, start, at - start);
		size_t dot = bytes_find(word, '.');

		if (start > 0 && at < line.len && dot > 0 && dot + 1 < word.len &&
		    eval_list_find(call->ruleset, EVAL_LIST_BOUNCE_RELAYS, word, true) != NULL)
			return true;
	}
	return false;
}

int32_t eval_have_any_bounce_relays(const struct eval_call *call)
{
	return call->ruleset->evals.list[EVAL_LIST_BOUNCE_RELAYS].entry_count > 0;
}

int32_t eval_check_welcomelist_bounce_relays(const struct eval_call *call)
{
	const struct text *body = &call->texts->kind[TEXT_BODY],
	                  *full = &call->texts->kind[TEXT_FULL];
	struct bytes rest, line;
	bool received = false;

	if (!eval_have_any_bounce_relays(call))
		return 0;
	for (uint32_t i = 0; i < body->segment_count; i++) {
		line = text_segment(body, i);
		if (eval_matches(call, EVAL_PATTERN_RECEIVED_IN_BODY, line) &&
		    names_own_relay(call, line))
			return 1;
	}
	if (full->segment_count == 0 || call->facts->body_bytes > full->bytes)
		return 0;
	rest = bytes_slice(text_segment(full, 0), full->bytes - call->facts->body_bytes, SIZE_MAX);
	while (eval_next_line(&rest, &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		bool folded = line.len > 0 && is_space(line.data[0]);

		if (!folded)
			received = eval_matches(call, EVAL_PATTERN_RECEIVED_IN_BODY, line);
		/* The end of a line ends a word, as a blank would. */
		if (received &&
		    names_own_relay(call, bytes_of(line.data, line.len + (rest.len > 0))))
			return 1;
	}
	return 0;
}

struct signature { /* of the first plain text; octets of its UTF-8 */
	bool known;
	double body, mark; /* above the last "-- ", and below it */
};

/* A mark at the very end is a decoy. */
static struct signature find_signature(const struct eval_call *call)
{
	const struct facts *facts = call->facts;
	struct eval_match match = {0};
	uint32_t i = 0;

	while (i < facts->part_count && !bytes_equal(facts->part[i].type, BYTES("text/plain")))
		i++;
	if (i == facts->part_count)
		return (struct signature){.known = false};

	struct bytes text = facts->part[i].rendered;
	struct signature found = {.known = true, .body = (double)text.len};
	while (eval_find(call, EVAL_PATTERN_SIGNATURE_MARK, text, match.end, &match)) {
		if (text.len - match.end <= 4)
			continue;
		found.body = (double)match.group;
		found.mark = (double)(text.len - match.end);
	}
	return found;
}

static bool in_bounds(const struct eval_call *call, double value)
{
	return value >= eval_number(call, 0) &&
	       (call->eval->argument_count < 2 || value <= eval_number(call, 1));
}

int32_t eval_plaintext_body_length(const struct eval_call *call)
{
	struct signature found = find_signature(call);

	return found.known && in_bounds(call, found.body);
}

int32_t eval_plaintext_sig_length(const struct eval_call *call)
{
	struct signature found = find_signature(call);

	return found.known && in_bounds(call, found.mark);
}

int32_t eval_plaintext_body_sig_ratio(const struct eval_call *call)
{
	struct signature found = find_signature(call);

	return found.known && in_bounds(call, found.mark > 0 ? found.body / found.mark : 1e6);
}
