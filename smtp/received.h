/* received.h - one Received field in pieces.
 *
 * RFC 5321 4.4 gives a grammar that no two mail programs follow; what they have in common is read
 * here: who says it was
 * ("from"), what was looked up about it (comments behind that), who took it ("by").
 */
#ifndef SMTP_RECEIVED_H
#define SMTP_RECEIVED_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/bytes.h"

enum received_result {
	RECEIVED_RELAY,   /* a hand-over between hosts */
	RECEIVED_SKIPPED, /* a local step or one that tells nothing */
	RECEIVED_UNPARSEABLE,
};

struct received {
	struct bytes ip, rdns, helo, by, ident, envelope_from, id;
	struct bytes auth; /* static text or a slice; empty when the client was not authenticated */
	struct addr addr;
	bool has_envelope_from;
};

/* `line`: the value, white space already single. Slices point into it. */
enum received_result received_parse(struct bytes line, struct received *out_received);

/* An address as it is written in trace fields: "IPv6:" and a zone are allowed. */
bool received_address(struct bytes text, struct bytes *out_text, struct addr *out_addr);

#endif
