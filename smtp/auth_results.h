/* auth_results.h - the Authentication-Results field we put above a message (RFC 8601 2.2).
 *
 * A row is one method with its result: who checked something fills in a row, and knows nothing of
 * how it is written. Texts that others said are values and comments; all other texts are ours and
 * must be keywords (RFC 5321 4.1.2, Ldh-str).
 */
#ifndef SMTP_AUTH_RESULTS_H
#define SMTP_AUTH_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

#define AUTH_RESULTS_ROWS_MAX       16
#define AUTH_RESULTS_PROPERTIES_MAX 4
/* A path of RFC 5321 4.5.3.1.3 fits. What is longer is left out: cut, it would name another. */
#define AUTH_RESULTS_VALUE_BYTES_MAX   320
#define AUTH_RESULTS_COMMENT_BYTES_MAX 128

struct auth_results_property {
	const char *name;   /* ptype and property: "smtp.mailfrom", "header.d"; NULL: no more */
	struct bytes value; /* as others said it; empty: the property is left out */
};

struct auth_results_row {
	const char *method;   /* "spf", "dkim": of IANA's registry, or one of ours */
	const char *result;   /* "pass", "fail", ... */
	struct bytes comment; /* for people; cut and cleaned; empty: none */
	struct auth_results_property property[AUTH_RESULTS_PROPERTIES_MAX];
};

/* "Authentication-Results: ID; method=result (comment) ptype.property=value; ...", or "ID; none"
 * without rows; with its CRLF, folded before column 78 where there is a place to fold.
 * `authserv_id` is a host name. False, and nothing written, when it does not fit. */
bool auth_results_write(struct bytes authserv_id, const struct auth_results_row *rows,
                        uint32_t row_count, struct buf *out);

#endif
