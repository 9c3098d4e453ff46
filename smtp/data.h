/* data.h - the end of a message after DATA, found across any cut (RFC 5321 4.1.1.4, 4.5.2).
 *
 * Content is what lies between the 354 and the final dot: stuffed lines, the last one with its
 * CRLF. Behind it come the three octets ".CRLF". Only CRLF ends a line: LF.LF, CRLF.LF, CRLF.CRCRLF
 * and their like are content with defects, never an end. A dot that may yet turn out to be the
 * final one is withheld, so at most two octets lag behind.
 */
#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define DATA_TERMINATOR_BYTES 3 /* ".CRLF" */
#define DATA_LINE_BYTES_MAX \
	998 /* RFC 5321 4.5.3.1.6: 1000 with CRLF, the stuffed dot not counted */

struct data_defects {
	bool bare_lf, bare_cr, nul, line_too_long;
};

/* The automaton between two pieces; all zero at the start of a message. */
struct data {
	uint64_t bytes;        /* content octets given, as on the wire */
	uint64_t stuffed_dots; /* of them, dots that unstuffing removes */
	uint32_t line_bytes;   /* content octets of the current line so far, stuffing not counted */
	uint8_t state;
	bool ended;
	struct data_defects defects;
};

/* Consumes from *input; *out_content is content, possibly empty: a slice of the input, or one or
 * two octets of the last piece that were withheld, in static memory. Call again until the input is
 * empty or data->ended; nothing behind the final dot is consumed. */
void data_next(struct data *data, struct bytes *input, struct bytes *out_content);

/* The state of unstuffing between two pieces of content; all zero at the start of a message. */
struct data_unstuffing {
	uint8_t state;
};

/* Copies `content` to `out` without stuffing dots; returns the octets written, at most content.len.
 * Where a dot is dropped does not depend on how the content is cut. */
size_t data_unstuff(struct data_unstuffing *unstuffing, struct bytes content, uint8_t *out);

#endif
