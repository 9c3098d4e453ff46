/* signers.h - threads that make slow signatures of TLS for all workers (tcpstack/tls_helper.h).
 *
 * They run beside the workers, on any core we may use that no worker has, and sleep when there is
 * nothing to sign. */
#ifndef DATAPLANE_SIGNERS_H
#define DATAPLANE_SIGNERS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "dataplane/worker_link.h"

struct signers;
struct tls_helpers;

/* Octets signers_start takes from the arena, at most. */
size_t signers_bytes(const struct config *config);
/* As many threads as tls_helpers says; none, and *out_signers NULL, when it is 0 or no TLS is
 * configured. `links`: of the workers, kept, to wake them. On error `reason` (PORT_REASON_BYTES)
 * says why, and what did start is to be stopped all the same. */
MUST_CHECK enum err signers_start(struct arena *arena, const struct config *config,
                                  struct worker_link *const *links, struct signers **out_signers,
                                  char *reason);
/* What engines are told of; NULL is none. */
struct tls_helpers *signers_helpers(struct signers *signers);
/* When no worker runs any more. NULL is none. */
void signers_stop(struct signers *signers);

#endif
