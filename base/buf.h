/* buf.h - a byte buffer of fixed capacity over memory somebody else owns.
 *
 * Appends are all or nothing; once one has failed, `overflow` stays true and later appends fail
 * too, so a chain of appends needs one check at its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t bytes_max;
	bool overflow;
};

static inline struct buf buf_over(void *memory, size_t bytes_max)
{
	return (struct buf){memory, 0, bytes_max, false};
}

void buf_clear(struct buf *buf);
bool buf_put(struct buf *buf, struct bytes bytes);
bool buf_put_text(struct buf *buf, const char *text);
bool buf_put_octet(struct buf *buf, uint8_t octet);
bool buf_put_u64(struct buf *buf, uint64_t value);
/* printf into the buffer, which must have room for one octet more than is appended; not for the hot
 * path. */
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct bytes buf_bytes(const struct buf *buf);

#endif
