/* fuzz_line.c - lines do not depend on the cut, and no octet of a line is lost. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "smtp/line.h"

#define LINE_BYTES_MAX 64
#define LOG_BYTES      (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t log_memory[2][LOG_BYTES];

/* Appends each line, marked, in pieces of `piece`. */
static size_t split(struct bytes input, size_t piece, uint8_t *out)
{
	uint8_t store[LINE_BYTES_MAX];
	struct line line = {0};
	size_t len = 0;

	for (size_t at = 0; at < input.len; at += piece) {
		struct bytes left = bytes_slice(input, at, piece), text;
		enum line_result result;
		while ((result = line_next(&line, store, sizeof(store), &left, &text)) !=
		       LINE_MORE) {
			ASSERT(result == LINE_READY || result == LINE_TOO_LONG);
			ASSERT(len + LINE_BYTES_MAX + 1 <= LOG_BYTES);
			out[len++] = result == LINE_READY ? '+' : '!';
			if (result == LINE_TOO_LONG)
				continue;
			ASSERT(text.len + 2 <= LINE_BYTES_MAX);
			if (text.len > 0)
				memcpy(out + len, text.data, text.len);
			len += text.len;
		}
		ASSERT(left.len == 0);
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size < LOG_BYTES / 2 ? size : LOG_BYTES / 2);
	size_t whole = split(input, input.len + 1, log_memory[0]);

	for (size_t piece = 1; piece <= 7; piece += 2) {
		size_t len = split(input, piece, log_memory[1]);
		ASSERT(len == whole);
		ASSERT(memcmp(log_memory[0], log_memory[1], len) == 0);
	}
	return 0;
}
