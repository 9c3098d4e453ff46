/* buf.c - appending to fixed memory, all or nothing. */
#include "base/buf.h"

#include <stdio.h>

#include "base/check.h"

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->overflow = false;
}

bool buf_put(struct buf *buf, struct bytes bytes)
{
	DEBUG_ASSERT(buf->len <= buf->bytes_max);
	if (buf->overflow || bytes.len > buf->bytes_max - buf->len) {
		buf->overflow = true;
		return false;
	}
	if (bytes.len > 0)
		memcpy(buf->data + buf->len, bytes.data, bytes.len);
	buf->len += bytes.len;
	return true;
}

bool buf_put_text(struct buf *buf, const char *text)
{
	return buf_put(buf, bytes_text(text));
}

bool buf_put_octet(struct buf *buf, uint8_t octet)
{
	return buf_put(buf, bytes_of(&octet, 1));
}

bool buf_put_u64(struct buf *buf, uint64_t value)
{
	uint8_t digits[20]; /* UINT64_MAX has 20 */
	size_t start = sizeof(digits);

	do {
		digits[--start] = (uint8_t)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return buf_put(buf, bytes_of(digits + start, sizeof(digits) - start));
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
	size_t room = buf->bytes_max - buf->len;
	va_list arguments;

	if (buf->overflow)
		return false;
	va_start(arguments, format);
	int len = vsnprintf((char *)buf->data + buf->len, room, format, arguments);
	va_end(arguments);

	if (len < 0 || (size_t)len >= room) {
		buf->overflow = true;
		return false;
	}
	buf->len += (size_t)len;
	return true;
}

struct bytes buf_bytes(const struct buf *buf)
{
	return bytes_of(buf->data, buf->len);
}
