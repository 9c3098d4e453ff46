/* sink.h - an output of fixed capacity that takes what fits: text beyond it is dropped and `full`
 * says so.
 *
 * Unlike base/buf.h, whose appends are all or nothing: a prepared text is still useful when it was
 * cut.
 */
#ifndef SMTP_SINK_H
#define SMTP_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct sink {
	uint8_t *data;
	size_t len;
	size_t bytes_max;
	bool full; /* something was dropped */
};

static inline struct sink sink_over(void *memory, size_t bytes_max)
{
	return (struct sink){(uint8_t *)memory, 0, bytes_max, false};
}

static inline void sink_octet(struct sink *sink, uint8_t octet)
{
	if (sink->len < sink->bytes_max)
		sink->data[sink->len++] = octet;
	else
		sink->full = true;
}

static inline void sink_put(struct sink *sink, struct bytes b)
{
	size_t room = sink->bytes_max - sink->len;

	if (b.len > room) {
		b.len = room;
		sink->full = true;
	}
	if (b.len > 0)
		memcpy(sink->data + sink->len, b.data, b.len);
	sink->len += b.len;
}

static inline struct bytes sink_bytes(const struct sink *sink)
{
	return bytes_of(sink->data, sink->len);
}

#endif
