/* control.h - the control thread: takes orders and generations from management, answers, retires.
 *
 * It listens on config.dataplane_socket (base/attach.h). It may allocate and wait; workers never
 * wait for it. control_turn() is the whole of it, so that a test needs no thread.
 */
#ifndef DATAPLANE_CONTROL_H
#define DATAPLANE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "base/question.h"
#include "base/telemetry.h"
#include "dataplane/rules.h"
#include "dataplane/worker_link.h"

struct control;

struct control_config {
	const char *socket_path;
	const struct telemetry *telemetry;      /* kept */
	const struct question_rings *questions; /* kept; NULL: nothing is asked of the network */
	int questions_wake_fd;
	struct rules_slot *rules;         /* kept */
	struct worker_link *const *links; /* worker_count of them; kept */
	uint32_t worker_count;
	uint64_t start_wall_us;
	const char *replies; /* how backends' replies find their worker, for STATUS; NULL: unsaid */
	/* Called after a lists or delta generation is in force; NULL: nobody wants to know. */
	void (*lists_changed)(void *context, enum generation_kind kind, const struct lists *lists);
	/* Reads the configuration again; `reason` (CONFIG_ERROR_BYTES) says why not. NULL: cannot.
	 */
	enum err (*reload)(void *context, char *reason);
	void *context;
};

/* Listens. ERR_SYSTEM when the socket cannot be had. */
MUST_CHECK enum err control_new(struct arena *arena, const struct control_config *config,
                                struct control **out_control);
/* Handles what has come, waiting at most `timeout_ms` for it; answers publications that all workers
 * run; retires. */
void control_turn(struct control *control, int timeout_ms);
/* Readable by the thread's loop to end: see main.c. */
bool control_is_draining(const struct control *control);
void control_close(struct control *control);

#endif
