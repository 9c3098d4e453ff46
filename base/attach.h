/* attach.h - what management and the dataplane say to each other, over a Unix SOCK_SEQPACKET
 * socket.
 *
 * The dataplane listens; management connects, and connects again after it died. One datagram is one
 * struct attach_msg, with at most one descriptor beside it. On connection the dataplane sends HELLO
 * (telemetry's descriptor), when rules ask the network QUESTIONS and QUESTIONS_WAKE, and then one
 * CURRENT for each generation in force, so that management knows what runs and can name the rules
 * in events. Every PUBLISH is answered by exactly one PUBLISHED once all workers run the new
 * generation, or at once when it is refused; nothing running has changed then.
 */
#ifndef BASE_ATTACH_H
#define BASE_ATTACH_H

#include <stdint.h>

#include "base/err.h"
#include "base/generation.h"

#define ATTACH_MAGIC        0x50535431u /* "PST1" */
#define ATTACH_REASON_BYTES 200

enum attach_kind {
	ATTACH_HELLO = 1, /* dataplane: fd = telemetry; number = its start, wall clock in us */
	ATTACH_CURRENT,   /* dataplane: fd = a generation in force */
	ATTACH_PUBLISH,   /* management: fd = a sealed generation */
	ATTACH_PUBLISHED, /* dataplane: number, error (enum err), reason */
	ATTACH_DRAIN,     /* management: no new sessions; PUBLISHED answers it */
	ATTACH_RESUME,    /* management */
	ATTACH_QUESTIONS, /* dataplane: fd = rings of questions (question.h), when it asks any */
	ATTACH_QUESTIONS_WAKE, /* dataplane: fd = an eventfd: there are questions */
	ATTACH_STATUS,         /* management asks; the dataplane answers with STATUS filled in */
	ATTACH_RELOAD,         /* management: read the configuration again; PUBLISHED answers it */
	ATTACH_KIND_COUNT
};

struct attach_msg {
	uint32_t magic;
	uint32_t kind;
	uint32_t generation_kind;
	uint32_t error;
	uint64_t number;
	/* STATUS */
	uint32_t worker_count, session_count, draining, pid;
	uint64_t start_wall_us;
	uint64_t generation_number[GENERATION_KIND_COUNT]; /* the lowest any worker runs */
	char version[32];
	/* For people; NUL-terminated. Of STATUS: how backends' replies find their worker. */
	char reason[ATTACH_REASON_BYTES];
};

/* Sends one message with `fd` beside it (-1: none). ERR_CLOSED when the peer is gone, ERR_BUSY
 * would block. */
MUST_CHECK enum err attach_send(int socket, const struct attach_msg *msg, int fd);
/* Receives one; *out_fd is the caller's, -1 when none came. ERR_BUSY: nothing there; ERR_CLOSED:
 * peer gone; ERR_SYNTAX: not a message of ours. */
MUST_CHECK enum err attach_receive(int socket, struct attach_msg *out_msg, int *out_fd);
/* A listening socket at `path` (mode 0600; a stale one is replaced), or a connected one. */
MUST_CHECK enum err attach_listen(const char *path, int *out_socket);
MUST_CHECK enum err attach_connect(const char *path, int *out_socket);

#endif
