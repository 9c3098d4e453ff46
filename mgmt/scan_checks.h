/* scan_checks.h - what DNS lists say of messages that are judged offline: asked as the daemon asks.
 */
#ifndef MGMT_SCAN_CHECKS_H
#define MGMT_SCAN_CHECKS_H

#include "base/texts.h"
#include "classifier/classifier.h"

struct scan_checks;

/* `server` as for resolver_new(). NULL, with a reason (256 octets), when it cannot be used. */
struct scan_checks *scan_checks_new(const char *server, char *reason);
void scan_checks_free(struct scan_checks *checks);
/* Asks what the rules want to know of the texts, waits, and lets the context know. */
void scan_checks_ask(struct scan_checks *checks, struct scan_context *context,
                     const struct texts *texts);

#endif
