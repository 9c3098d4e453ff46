/* received.h - one Received field in pieces.
 *
 * RFC 5321 4.4 gives a grammar that no two mail programs follow: the forms they do follow are rows
 * of received_forms.def.
 */
#ifndef SMTP_RECEIVED_H
#define SMTP_RECEIVED_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "smtp/sink.h"

enum received_result {
	RECEIVED_RELAY,   /* a hand-over between hosts */
	RECEIVED_SKIPPED, /* a local step or one that tells nothing */
	RECEIVED_FETCHED, /* somebody fetched the mail: what stands above is not its way here */
	RECEIVED_SCANNED, /* a scanner tells the envelope sender of the hand-over below it */
	RECEIVED_UNPARSEABLE,
};

struct received {
	struct bytes ip, rdns, helo, by, ident, envelope_from, id;
	struct bytes auth; /* as rules know it; empty when the client was not authenticated */
	struct addr addr;
	bool has_envelope_from;
	bool was_looked_up; /* the program writes the name it looked up, if there is one */
};

/* `line`: the value, white space already single. Slices point into it, or into `storage`, where
 * texts that do not stand in the line are put together. */
enum received_result received_parse(struct bytes line, struct sink *storage,
                                    struct received *out_received);

/* An address as it is written in trace fields: "IPv6:" and a zone are allowed. */
bool received_address(struct bytes text, struct bytes *out_text, struct addr *out_addr);

#endif
