/* owner.h - whose a connection to a backend is, among the workers: known from its addresses and
 * ports alone.
 *
 * Who opens a connection chooses a source port that makes it the opener's. Where the card's hash is
 * known, that is a port whose replies the card gives to a queue of the opener (computed); else one
 * that leaves the opener's index when divided by the number of workers, and replies that arrive
 * elsewhere are handed over (dataplane/handover.h). A card that does not do what was computed costs
 * handing over, never a connection.
 */
#ifndef DATAPLANE_OWNER_H
#define DATAPLANE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/config.h"
#include "dataplane/rss.h"

struct owners {
	const struct config *config;
	struct rss rss[PORTS_MAX]; /* by port; an empty table: not known */
};

/* `owners` is all zero before. Keeps `config`. */
void owners_init(struct owners *owners, const struct config *config);
/* Port `port` of the configuration gives frames to its queues by `rss`, and queue q is worker
 * q % workers'. Copied. False, and nothing is changed, when the table leaves a worker without a
 * queue. */
bool owners_learn(struct owners *owners, uint32_t port, const struct rss *rss);
/* The worker that segments from `remote`, a backend, to `local`, an endpoint of ours, belong to. */
uint32_t owner_of(const struct owners *owners, const struct endpoint *remote,
                  const struct endpoint *local);
/* The owner is computed for connections between these addresses. */
bool owner_is_computed(const struct owners *owners, const struct addr *remote,
                       const struct addr *local);
/* For some connections it is. */
bool owners_compute(const struct owners *owners);
/* One clause for each port about where replies arrive, for people; cut to `bytes`. */
void owners_describe(const struct owners *owners, char *out, size_t bytes);

#endif
