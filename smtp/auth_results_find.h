/* auth_results_find.h - Authentication-Results fields that speak in our name, found in a message
 * as it came (RFC 8601 5).
 *
 * Fed with the octets of a message as they stand on the wire, dot-stuffed, in pieces of any size;
 * looks at the header section, and tells where such a field begins and ends. It is read as loosely
 * as a reader behind us may read it: any case, blanks before the colon, comments and quoted strings
 * around and inside the name, folded anywhere, behind lines that are no fields. A field whose name
 * of a server cannot be told, since a comment or a string in it has no end, counts, too.
 */
#ifndef SMTP_AUTH_RESULTS_FIND_H
#define SMTP_AUTH_RESULTS_FIND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

struct auth_results_find {
	const struct bytes *ids; /* names of ours; the caller's */
	uint32_t id_count;
	uint64_t at;          /* octets seen */
	uint64_t line_start;  /* of the current line */
	uint64_t field_start; /* of the field it belongs to */
	uint8_t line_state, value_state, resume_state;
	uint8_t name_len; /* octets of the field's name that fit so far */
	uint8_t verdict;
	uint16_t depth; /* of comments */
	uint16_t id_len;
	bool ended; /* the header section is over */
	uint8_t id[SMTP_DOMAIN_BYTES_MAX + 1];
};

struct auth_results_field {
	uint64_t start, end; /* octets from the beginning of the message: whole lines */
	bool malformed;      /* whose name stands in it cannot be told */
};

/* `ids` are compared without case; kept. */
void auth_results_find_init(struct auth_results_find *find, const struct bytes *ids,
                            uint32_t id_count);
/* Consumes from *input. True: *out_field is one, and there may be more in what is left of the
 * input. False: the input is used up, or find->ended. */
bool auth_results_find_next(struct auth_results_find *find, struct bytes *input,
                            struct auth_results_field *out_field);
/* The message is over, and nothing ended its header section. True as above. */
bool auth_results_find_end(struct auth_results_find *find, struct auth_results_field *out_field);

#endif
