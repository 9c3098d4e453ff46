/* publisher.h - the daemon's side of the socket to the dataplane.
 *
 * Connects, and connects again with growing pauses after the dataplane ended or while it is not
 * there. Keeps one descriptor of each kind of generation that is to be in force: what was published
 * last, or what a running dataplane was found to have. A dataplane that started anew gets all of
 * them again. Requests are sent one at a time, in order; nothing here waits.
 */
#ifndef MGMT_PUBLISHER_H
#define MGMT_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attach.h"
#include "base/generation.h"

#define PUBLISHER_REQUESTS_MAX 64

/* Called when a request is answered: OK, the dataplane's refusal, or ERR_CLOSED when there is no
 * dataplane (a generation is then kept and goes out as soon as there is one). */
typedef void publisher_done(void *context, enum err error, const char *reason);

struct publisher_request {
	enum attach_kind kind;
	enum generation_kind generation_kind;
	int fd; /* of PUBLISH; -1 otherwise */
	uint64_t number;
	bool again; /* the wanted generation, sent to a new dataplane: keeps its descriptor
	               elsewhere */
	publisher_done *done;
	void *context;
};

struct publisher_wanted {
	int fd; /* -1: none */
	uint64_t number;
};

struct publisher_hooks {
	void *context;
	/* HELLO: telemetry's descriptor, taken over. */
	void (*telemetry)(void *context, int fd, bool new_dataplane);
	/* Rings of questions, or what wakes us when there are some: a descriptor, taken over. */
	void (*questions)(void *context, int fd, bool wake);
	/* A generation the dataplane was found to run; it is closed after the call. */
	void (*current)(void *context, const struct generation *generation);
	/* Everything in force is known; what was wanted and is not there has been sent. */
	void (*synced)(void *context, bool new_dataplane);
	void (*lost)(void *context);
};

struct publisher {
	const char *path;
	struct publisher_hooks hooks;
	int socket; /* -1: not connected */
	bool synced, new_dataplane, failed_once;
	uint64_t dataplane_start_us; /* of the one met last, wall clock; 0: none yet */
	uint64_t retry_at_us, retry_us, status_at_us;
	bool status_asked, in_flight;
	struct attach_msg status;
	uint64_t running[GENERATION_KIND_COUNT]; /* numbers found or published on this connection */
	struct publisher_wanted wanted[GENERATION_KIND_COUNT];
	uint32_t request_head, request_count;
	struct publisher_request request[PUBLISHER_REQUESTS_MAX];
};

/* Keeps `path`. */
void publisher_open(struct publisher *publisher, const char *path,
                    const struct publisher_hooks *hooks);
void publisher_close(struct publisher *publisher);
/* The descriptor to wait on, -1 when not connected. */
int publisher_poll_fd(const struct publisher *publisher);
/* Connects, receives, sends what is due. `now_us` is monotonic. */
void publisher_run(struct publisher *publisher, uint64_t now_us);
bool publisher_is_synced(const struct publisher *publisher);
/* Puts a sealed generation in force and takes `fd` over. `done` may be called at once. ERR_FULL
 * when too many requests wait: `fd` is then still the caller's. */
MUST_CHECK enum err publisher_publish(struct publisher *publisher, enum generation_kind kind,
                                      int fd, uint64_t number, publisher_done *done, void *context);
/* DRAIN or RESUME. */
MUST_CHECK enum err publisher_control(struct publisher *publisher, enum attach_kind kind,
                                      publisher_done *done, void *context);
/* The highest generation number seen or sent. */
uint64_t publisher_number_max(const struct publisher *publisher);

#endif
