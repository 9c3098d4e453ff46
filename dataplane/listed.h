/* listed.h - which scored lists know the client, the envelope and the links of a message. */
#ifndef DATAPLANE_LISTED_H
#define DATAPLANE_LISTED_H

#include "base/texts.h"
#include "classifier/lists.h"
#include "smtp/normalise.h"

struct listed_message {
	const struct message_facts *session;
	const struct texts *texts;
	struct normaliser *normaliser; /* which prepared them, last */
};

/* `lists` and `delta` may be NULL. Bounded by what preparation keeps, URIS_MAX links and
 * FACT_PARTS_MAX parts; of these at most LISTED_DIGESTS_MAX are hashed, and only when a list holds
 * hashes. */
#define LISTED_DIGESTS_MAX 64
void listed_collect(const struct lists *lists, const struct lists *delta,
                    const struct listed_message *message, struct listed *out_listed);

#endif
