/* dkim.h - DKIM signatures of a message (RFC 6376): read, and compared with the message as far as
 * that goes without their keys.
 *
 * What is left is one question about each (base/dkim_question.h): whether the key of its domain
 * signed the digest of the fields it names. Work is bounded: two walks over the body whatever
 * signatures say of it, and DKIM_HEADER_BYTES_MAX of header fields for each.
 */
#ifndef SMTP_DKIM_H
#define SMTP_DKIM_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/facts.h"

#define DKIM_FIELDS_MAX       1024 /* of the message's header */
#define DKIM_NAMES_MAX        128  /* in h= */
#define DKIM_HEADER_BYTES_MAX 65536u

struct dkim;

size_t dkim_bytes(void);
/* NULL when memory is out. */
struct dkim *dkim_new(struct arena *arena);

struct dkim_signatures {
	const struct fact_signature *signature; /* in the order of the message */
	uint32_t count;
	uint32_t fields; /* all that are there, DomainKey-Signature and what is left out included */
	struct fact_arc arc;
	uint32_t left_out; /* beyond FACT_SIGNATURES_MAX */
};

/* `message`: as it was sent, with CRLF at the ends of lines, or LF. `cut`: more of it follows that
 * nobody has. `now_s`: seconds since 1970, for x=. What it gives is valid until the next call. */
struct dkim_signatures dkim_read(struct dkim *dkim, struct bytes message, bool cut, int64_t now_s);

#endif
