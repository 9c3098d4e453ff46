/* fuzz_data.c - the end of data against the plain definition, at several cuts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Octets up to and with the first line that is a dot, lines being ended by CRLF alone; 0 when there
 * is none. */
static size_t end_of_data(struct bytes input)
{
	if (input.len >= 3 && memcmp(input.data, ".\r\n", 3) == 0)
		return 3;
	for (size_t i = 0; i + 5 <= input.len; i++) {
		if (memcmp(input.data + i, "\r\n.\r\n", 5) == 0)
			return i + 5;
	}
	return 0;
}

static void run(struct bytes input, size_t piece, size_t end, uint8_t *content, uint8_t *plain,
                struct data *out_data)
{
	struct data_unstuffing unstuffing = {0};
	size_t len = 0, plain_len = 0, consumed = 0;

	*out_data = (struct data){0};
	for (size_t at = 0; at < input.len && !out_data->ended; at += piece) {
		struct bytes left = bytes_slice(input, at, piece), text;
		size_t before = left.len;
		while (left.len > 0 && !out_data->ended) {
			data_next(out_data, &left, &text);
			ASSERT(len + text.len <= input.len);
			if (text.len > 0)
				memcpy(content + len, text.data, text.len);
			len += text.len;
			plain_len += data_unstuff(&unstuffing, text, plain + plain_len);
		}
		consumed += before - left.len;
	}
	ASSERT(out_data->ended == (end > 0));
	ASSERT(consumed == (end > 0 ? end : input.len));
	ASSERT(len == out_data->bytes && plain_len == len - out_data->stuffed_dots);
	ASSERT(end > 0 ? len == end - DATA_TERMINATOR_BYTES : len + 2 >= input.len);
	ASSERT(len == 0 || memcmp(content, input.data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);
	size_t end = end_of_data(input);
	uint8_t *content = malloc(size + 1), *plain = malloc(size + 1);
	struct data whole, cut;

	if (content != NULL && plain != NULL) {
		run(input, size + 1, end, content, plain, &whole);
		for (size_t piece = 1; piece <= 9; piece += 2) {
			run(input, piece, end, content, plain, &cut);
			ASSERT(memcmp(&whole.defects, &cut.defects, sizeof(whole.defects)) == 0);
			ASSERT(whole.stuffed_dots == cut.stuffed_dots);
		}
	}
	free(content);
	free(plain);
	return 0;
}
