/* fuzz_auth.c - who a client says it is: any response gives a name that can be shown, or none, and
 * of PLAIN nothing of the password.
 *
 * Input: an octet that chooses the mechanism, one for how much room there is, then the message,
 * which is put into base64 here; or, with the first octet's highest bit, the response itself.
 */
#include <string.h>

#include "base/check.h"
#include "smtp/auth.h"

#define RESPONSE_BYTES 12288

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t encode(const uint8_t *data, size_t size, char *out)
{
	static const char
	    digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;

	for (size_t i = 0; i < size; i += 3) {
		uint32_t three = (uint32_t)data[i] << 16 |
		                 (i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0) |
		                 (i + 2 < size ? data[i + 2] : 0);

		out[at++] = digits[three >> 18];
		out[at++] = digits[three >> 12 & 63];
		out[at++] = i + 1 < size ? digits[three >> 6 & 63] : '=';
		out[at++] = i + 2 < size ? digits[three & 63] : '=';
	}
	return at;
}

/* With another password, of the same length, the name is the same. */
static void check_password(struct bytes message, struct bytes name)
{
	static uint8_t other[RESPONSE_BYTES];
	static char text[RESPONSE_BYTES], other_name[256];
	struct buf out = buf_over(other_name, sizeof(other_name));
	size_t first = bytes_find(message, '\0');
	size_t second = first + 1 + bytes_find(bytes_slice(message, first + 1, SIZE_MAX), '\0');

	ASSERT(second < message.len);
	memcpy(other, message.data, message.len);
	for (size_t i = second + 1; i < message.len; i++)
		other[i] = message.data[i] != '~' ? '~' : '^';
	ASSERT(auth_user(AUTH_PLAIN, 0, bytes_of(text, encode(other, message.len, text)), &out));
	ASSERT(bytes_equal(buf_bytes(&out), name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[RESPONSE_BYTES], name[256];
	enum auth_mechanism mechanism;
	struct bytes response;
	struct buf out;

	if (size < 2 || size > RESPONSE_BYTES / 4 * 3)
		return 0;
	mechanism = (enum auth_mechanism)((data[0] & 127) % AUTH_MECHANISM_COUNT);
	response = bytes_of(data + 2, size - 2);
	if ((data[0] & 128) == 0)
		response = bytes_of(text, encode(data + 2, size - 2, text));
	out = buf_over(name, data[1]);
	ASSERT(!auth_user(mechanism, 1, response, &out) && out.len == 0);
	if (!auth_user(mechanism, 0, response, &out)) {
		ASSERT(out.len == 0);
		return 0;
	}
	ASSERT(out.len > 0 && out.len <= data[1]);
	for (size_t i = 0; i < out.len; i++)
		ASSERT(name[i] > ' ' && name[i] <= '~');
	if (mechanism == AUTH_PLAIN && (data[0] & 128) == 0)
		check_password(bytes_of(data + 2, size - 2), buf_bytes(&out));
	return 0;
}
