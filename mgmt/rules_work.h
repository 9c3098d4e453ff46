/* rules_work.h - what the child process that compiles rules does. */
#ifndef MGMT_RULES_WORK_H
#define MGMT_RULES_WORK_H

#include <stdint.h>

#include <jansson.h>

#include "base/config.h"
#include "base/generation.h"

#include "mgmt/job.h"

struct rules_work {
	const json_t *paths;
	const struct config *config; /* of its domains */
	uint64_t known_fingerprint;  /* nothing is compiled when what is loaded still has it */
	uint64_t number, made_wall_us;
	enum generation_kind kind;
	const char *label;
	const char *cache_folder; /* NULL: none */
	int fd;                   /* of rules_work_names */
};

/* Job: compiles. Report: unchanged, fingerprint, rules (see rule_names_put), reports, summary. */
void rules_work_compile(void *rules_work, struct job_output *output);
/* Job: reads the rules of the generation `fd`. Report: rules. */
void rules_work_names(void *rules_work, struct job_output *output);

#endif
