/* process.h - the postern process put together: EAL, ports, steering, workers, control thread; and
 * its end. */
#ifndef DATAPLANE_PROCESS_H
#define DATAPLANE_PROCESS_H

#include "base/config.h"
#include "base/err.h"

struct process;

/* Starts everything. `config` is kept, and its reloadable options may be changed by process_reload.
 * Signals the caller wants to wait for must be blocked before. Once a process. On error `reason`
 * (PORT_REASON_BYTES) says what to do. */
MUST_CHECK enum err process_start(struct config *config, struct process **out_process,
                                  char *reason);
/* Takes over the reloadable numbers and flags of `fresh`; workers see them at once, texts at the
 * next start. */
void process_reload(struct process *process, const struct config *fresh);
/* No new sessions; waits for those there are, at most drain_timeout_ms; then ends all threads and
 * gives everything back. */
void process_stop(struct process *process);

#endif
