/* job.h - slow work in a forked child, so that the daemon goes on serving and a crash costs one job
 * only.
 *
 * The child may return one descriptor (a sealed generation) and one JSON object. It dies with its
 * parent.
 */
#ifndef MGMT_JOB_H
#define MGMT_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

#define JOB_REASON_BYTES 512

struct job_output {
	enum err error;
	char reason[JOB_REASON_BYTES]; /* for people, when error is not OK */
	int fd;                        /* -1: none */
	json_t *report;                /* may be NULL */
};

struct job {
	pid_t pid; /* 0: none is running */
	int socket, report_fd;
	/* Called once in the parent; `output` is valid during the call but for fd, which it takes
	 * over. */
	void (*done)(void *context, const struct job_output *output);
	void *context;
};

/* Runs `work(argument, output)` in a child; ERR_BUSY when one is running, ERR_SYSTEM when it cannot
 * be forked. */
MUST_CHECK enum err
job_start(struct job *job, void (*work)(void *argument, struct job_output *output), void *argument,
          void (*done)(void *context, const struct job_output *output), void *context);
bool job_is_running(const struct job *job);
/* The descriptor that becomes readable when the job has ended, -1 when none runs. */
int job_poll_fd(const struct job *job);
/* Collects an ended job and calls done; does nothing while it runs. */
void job_run(struct job *job);
/* Ends it without calling done. */
void job_kill(struct job *job);

#endif
