/* listed.h - which scored lists know the client, the envelope and the links of a message. */
#ifndef DATAPLANE_LISTED_H
#define DATAPLANE_LISTED_H

#include "base/texts.h"
#include "classifier/lists.h"
#include "smtp/normalise.h"

/* `lists` and `delta` may be NULL. Bounded by what preparation keeps: URIS_MAX links. */
void listed_collect(const struct lists *lists, const struct lists *delta,
                    const struct message_facts *facts, const struct texts *texts,
                    struct listed *out_listed);

#endif
