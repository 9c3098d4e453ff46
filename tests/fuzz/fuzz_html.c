/* fuzz_html.c - the HTML tokenizer: every octet is given out once, in order, and it ends. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "smtp/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[1 << 16];
	struct html_tokenizer tokenizer;
	struct html_token token;
	size_t given = 0, count = 0;

	html_open(&tokenizer, bytes_of(data, size));
	do {
		struct sink out = sink_over(memory, sizeof(memory));

		html_next(&tokenizer, &token);
		ASSERT(token.text.data == data + given || token.text.len == 0);
		given += token.text.len;
		ASSERT(token.attribute_count <= HTML_ATTRIBUTES_MAX || token.kind != HTML_START);
		html_decode(token.text, true, &out);
		ASSERT(++count <= 2 * size + 4);
	} while (token.kind != HTML_END_OF_TEXT);
	ASSERT(given == size);
	return 0;
}
