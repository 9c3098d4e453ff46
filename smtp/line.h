/* line.h - command lines out of a stream that is cut anywhere.
 *
 * A line ends with CRLF and with nothing else (RFC 5321 2.3.8). A bare CR, a bare LF or a NUL stays
 * inside its line and marks it: so nothing that stands behind one is ever executed as a command of
 * its own. A line that is complete in the input is given in place; a partial one is collected in a
 * store.
 */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum line_result {
	LINE_MORE,     /* all input consumed, no line complete */
	LINE_READY,    /* *out_line is a line without its CRLF */
	LINE_TOO_LONG, /* a line over the bound has ended; its content is gone */
	LINE_NO_STORE  /* a partial line and no store; nothing consumed */
};

/* The state between two pieces of input: all zero at a line's start. */
struct line {
	uint32_t len;    /* octets in the store */
	bool discarding; /* over the bound: skipping up to CRLF */
	bool after_cr;   /* while discarding: the last octet was CR */
};

/* What a command line must not have in it. */
struct line_defects {
	bool bare_newline, nul, not_ascii;
};

/* Consumes from *input up to the end of a line. `store` holds bytes_max octets or is NULL; a line
 * may have bytes_max octets, CRLF included. *out_line points into the input or the store. */
enum line_result line_next(struct line *line, uint8_t *store, uint32_t bytes_max,
                           struct bytes *input, struct bytes *out_line);
struct line_defects line_inspect(struct bytes text);

#endif
