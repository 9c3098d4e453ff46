/* lists_work.h - what the child process that builds address lists does. */
#ifndef MGMT_LISTS_WORK_H
#define MGMT_LISTS_WORK_H

#include <stdint.h>

#include <jansson.h>

#include "base/config.h"

#include "mgmt/job.h"

struct lists_work {
	const json_t *deny_paths, *allow_paths;
	const struct config *config; /* of its scored lists */
	uint64_t known_fingerprint;  /* nothing is done when the files still have it */
	uint64_t number, made_wall_us;
	const char *label;
};

/* Job: builds a LISTS generation. Report: unchanged, fingerprint, entries, files: [{path, action or
 * score, entries}], expires_us when entries end one day. */
void lists_work_build(void *lists_work, struct job_output *output);

#endif
