/* process.h - the postern process put together: EAL, ports, steering, workers, control thread; and
 * its end. */
#ifndef DATAPLANE_PROCESS_H
#define DATAPLANE_PROCESS_H

#include "base/config.h"
#include "base/err.h"

struct process;

/* Starts everything. `config` is kept, and its reloadable options may be changed by process_reload;
 * so is `path`, where it was read from. Signals the caller wants to wait for must be blocked
 * before. Once a process. On error `reason` (PORT_REASON_BYTES) says what to do. */
MUST_CHECK enum err process_start(struct config *config, const char *path,
                                  struct process **out_process, char *reason);
/* Reads the file again and takes over its reloadable numbers and flags, which workers see at once,
 * and all of TLS, certificates included; texts otherwise at the next start. On error `reason`
 * (CONFIG_ERROR_BYTES) says what is wrong, and nothing has changed. Any thread but a worker. */
MUST_CHECK enum err process_reload(struct process *process, char *reason);
/* No new sessions; waits for those there are, at most drain_timeout_ms; then ends all threads and
 * gives everything back. */
void process_stop(struct process *process);

#endif
