/* fuzz_decode.c - base64, quoted-printable and Q words: output stays inside its bound. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "smtp/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint8_t *out = malloc(DECODE_BASE64_BYTES(size));
	uint8_t *plain = malloc(size > 0 ? size : 1);

	if (out == NULL || plain == NULL)
		abort();
	ASSERT(decode_base64(in, out) <= DECODE_BASE64_BYTES(size));
	ASSERT(decode_quoted_printable(in, plain) <= size);
	ASSERT(decode_q_word(in, plain) <= size);
	free(out);
	free(plain);
	return 0;
}
