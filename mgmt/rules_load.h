/* rules_load.h - SpamAssassin rule files to the rule generation in force, or to the one tried
 * beside it.
 *
 * The files are those of the configuration, or those pushed last; the shadow's are named, or it is
 * off. Compilation runs in a child; what
 * runs changes only when everything went well. Files that did not change since the generation in
 * force was made are not compiled again.
 */
#ifndef MGMT_RULES_LOAD_H
#define MGMT_RULES_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/generation.h"

#include "mgmt/job.h"
#include "mgmt/outcome.h"
#include "mgmt/publisher.h"
#include "mgmt/rule_names.h"
#include "mgmt/store.h"

struct rules_load {
	enum generation_kind kind; /* GENERATION_RULES or GENERATION_SHADOW */
	bool empty;                /* what is wanted of the kind has no rules: the shadow is off */
	const struct config *config;
	struct store *store;
	struct rule_names *names;
	struct publisher *publisher;
	struct job job, names_job;
	/* Of the running job, until its generation is published. */
	json_t *paths;
	uint64_t number, started_us, made_wall_us;
	bool remember, again;
	json_t *body;
	outcome_done *done;
	void *context;
	struct rules_load *ended; /* to be turned off when that is in force; NULL: none */
	/* What was to be in force before the last push, for rollback; -1: nothing. */
	int previous_fd, replaced_fd;
	uint64_t previous_number, replaced_number;
	/* A generation found running whose rules have no names yet. */
	int nameless_fd;
	uint64_t nameless_number;
};

/* Keeps all arguments. */
void rules_load_open(struct rules_load *load, enum generation_kind kind,
                     const struct config *config, struct store *store, struct rule_names *names,
                     struct publisher *publisher);
void rules_load_close(struct rules_load *load);
/* The paths that are loaded: a new array. */
json_t *rules_load_paths(const struct rules_load *load);
/* Compiles `paths` (NULL: those in force; an empty array: back to the configured ones) and
 * publishes. A success is remembered over restarts. `done` (may be NULL) is called once, perhaps at
 * once. */
void rules_load_start(struct rules_load *load, json_t *paths, outcome_done *done, void *context);
/* Puts the generation before the last push in force again; a second time takes that back. */
void rules_load_rollback(struct rules_load *load, outcome_done *done, void *context);
/* The shadow is off from now on. */
void rules_load_off(struct rules_load *shadow, outcome_done *done, void *context);
/* There are rules of the kind that are in force, or will be as soon as the dataplane runs. */
bool rules_load_is_on(const struct rules_load *load);
/* The shadow's rules come in force as they are, without being compiled again, and it is off. */
void rules_load_promote(struct rules_load *load, struct rules_load *shadow, outcome_done *done,
                        void *context);
/* Takes note of a generation of the kind that runs and of the names of its rules. */
void rules_load_current(struct rules_load *load, const struct generation *generation);
/* Collects ended jobs. */
void rules_load_run(struct rules_load *load);
bool rules_load_is_busy(const struct rules_load *load);

#endif
