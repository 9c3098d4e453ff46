/* json_text.c - makes any octets into a JSON string. */
#include "mgmt/json_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Octets of the UTF-8 sequence that starts at `s`, 0 when it is none (RFC 3629 4). */
static size_t sequence_bytes(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t bytes;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	bytes = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	if (s[0] == 0xed)
		high = 0x9f;
	if (s[0] == 0xf0)
		low = 0x90;
	if (s[0] == 0xf4)
		high = 0x8f;
	if (left < bytes || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < bytes; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return bytes;
}

json_t *json_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	char *clean = malloc(len * 3 + 1);
	size_t used = 0;
	json_t *string;

	if (clean == NULL)
		return NULL;
	for (size_t i = 0; i < len;) {
		size_t bytes = sequence_bytes((const uint8_t *)text + i, len - i);

		if (bytes == 0) {
			memcpy(clean + used, REPLACEMENT, 3);
			used += 3;
			i++;
		} else {
			memcpy(clean + used, text + i, bytes);
			used += bytes;
			i += bytes;
		}
	}
	string = json_stringn(clean, used);
	free(clean);
	return string;
}

json_t *json_points(long long milli)
{
	return json_real((double)milli / 1000.0);
}

char *json_line(const json_t *object)
{
	return json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
}
