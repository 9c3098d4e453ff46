/* received_auth.h - what one Received line says beside who handed over to whom. */
#ifndef SMTP_RECEIVED_AUTH_H
#define SMTP_RECEIVED_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/octets.h"
#include "smtp/sink.h"

/* Words that stand in a line, behind a blank or an opening bracket, and pairs of octets: what is
 * not there need not be looked for. */
enum received_mark {
#define MARK(name, text) RECEIVED_MARK_BIT_##name,
#define PAIR(name, text) RECEIVED_MARK_BIT_##name,
#include "smtp/received_marks.def"
	RECEIVED_MARK_COUNT
};

#define RECEIVED_MARK(name) (UINT32_C(1) << RECEIVED_MARK_BIT_##name)

uint32_t received_marks(struct bytes line);

/* How the client proved who it was, as a word for rules; empty when it did not. `line` begins with
 * "from"; `marks`: of it; `has_by`: " by " stands in it. What is put together goes to `storage`. */
struct bytes received_auth(struct bytes line, uint32_t marks, bool has_by, struct sink *storage);
/* The envelope sender, angle brackets off; data NULL when there is none. */
struct bytes received_envelope_from(struct bytes line);

/* The offset of `text` in `in` at or behind `from`; in.len when it is not there. Inline for the
 * lengths of constants. */
static inline size_t received_find(struct bytes in, size_t from, const char *text)
{
	struct bytes what = bytes_text(text);

	if (from >= in.len)
		return in.len;
	return what.len == 1 ? from + bytes_find(bytes_slice(in, from, SIZE_MAX), what.data[0])
	                     : octets_find_text(in, from, what, false);
}

static inline bool received_has(struct bytes in, const char *text)
{
	return received_find(in, 0, text) < in.len;
}

#endif
