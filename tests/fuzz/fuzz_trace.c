/* fuzz_trace.c - header fields of ours around anything a client said or a rule is called: whole
 * fields, within their lines, or nothing.
 *
 * Input: an octet of choices, two of numbers, then texts, each behind its length.
 */
#include <string.h>

#include "base/check.h"
#include "smtp/trace_header.h"
#include "tests/fuzz/field_lines.h"

#define RULES_MAX 64
#define OUT_BYTES 32768

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take(const uint8_t *data, size_t size, size_t *at)
{
	struct bytes rest = bytes_slice(bytes_of(data, size), *at, size);

	if (rest.len == 0)
		return bytes_of(NULL, 0);
	struct bytes text = bytes_slice(rest, 1, rest.data[0]);
	*at += 1 + text.len;
	return text;
}

/* Each line is a field of ours or goes on with one. */
static void check_fields(struct bytes text)
{
	check_field_lines(text);
	for (size_t i = 0; i < text.len;
	     i += bytes_find(bytes_slice(text, i, text.len), '\n') + 1) {
		struct bytes line = bytes_slice(text, i, 11);

		ASSERT(text.data[i] == '\t' || bytes_starts_nocase(line, BYTES("Received: ")) ||
		       bytes_starts_nocase(line, BYTES("X-Spam-")) ||
		       bytes_starts_nocase(line, BYTES("X-Postern-")));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[OUT_BYTES];
	struct trace_rule rules[RULES_MAX];
	size_t at = 3;

	if (size < 3)
		return 0;
	struct buf out = buf_over(memory, (data[0] & 1) != 0 ? data[1] * 16u : sizeof(memory));
	int32_t number = (int32_t)((uint32_t)data[1] << 24 | (uint32_t)data[2] << 8);
	struct trace_received received = {.helo = take(data, size, &at),
	                                  .client_address = take(data, size, &at),
	                                  .hostname = take(data, size, &at),
	                                  .id = BYTES("0A1b"),
	                                  .date = BYTES("Sat, 21 Nov 2026 22:33:44 +0000"),
	                                  .esmtp = (data[0] & 2) != 0};
	struct trace_verdict verdict = {.spam = (data[0] & 4) != 0,
	                                .score_milli = number,
	                                .required_milli = ~number,
	                                .rules = rules,
	                                .id = BYTES("0A1b")};

	while (at < size && verdict.rule_count < RULES_MAX)
		rules[verdict.rule_count++] = (struct trace_rule){take(data, size, &at), number};
	bool whole = trace_write_received(&received, &out);
	ASSERT(whole || (out.len == 0 && (data[0] & 1) != 0));
	size_t before = out.len;
	out.overflow = false;
	whole = trace_write_verdict(&verdict, &out);
	ASSERT(whole || (out.len == before && (data[0] & 1) != 0));
	check_fields(buf_bytes(&out));
	return 0;
}
