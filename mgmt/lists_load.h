/* lists_load.h - list files, and single entries added while the daemon runs.
 *
 * Files become a LISTS generation, built in a child. Single additions are kept in the store, become
 * a DELTA generation at once, and are asked before the files: an addition overrides what a file
 * says. What a scored list has in files and in additions counts together.
 */
#ifndef MGMT_LISTS_LOAD_H
#define MGMT_LISTS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/addr.h"
#include "base/config.h"
#include "classifier/lists.h"

#include "mgmt/job.h"
#include "mgmt/outcome.h"
#include "mgmt/publisher.h"
#include "mgmt/store.h"

#define LISTS_ADDITIONS_MAX   65536
#define LISTS_PREFIX_TEXT_MAX (ADDR_TEXT_MAX + 4)
/* An address, a network, or "LIST KEY" of a scored list. */
#define LISTS_ENTRY_TEXT_MAX (LIST_TEXT_BYTES_MAX + 64)

struct lists_load {
	const struct config *config;
	struct store *store;
	struct publisher *publisher;
	struct job job;
	/* Of the running job, until its generation is published. */
	bool busy, again;
	json_t *deny_paths, *allow_paths;
	uint64_t number, made_wall_us, started_us;
	json_t *body;
	char undo_path[CONFIG_TEXT_BYTES]; /* a file added for this job; taken out again when it
	                                      fails */
	outcome_done *done;
	void *context;
	uint64_t next_expiry_us;      /* of an addition; wall clock; 0: none */
	uint64_t next_file_expiry_us; /* of an entry of a file */
};

/* Keeps all arguments. */
void lists_load_open(struct lists_load *load, const struct config *config, struct store *store,
                     struct publisher *publisher);
void lists_load_close(struct lists_load *load);
/* Builds and publishes the files when they changed. `done` (may be NULL) is called once. */
void lists_load_start(struct lists_load *load, outcome_done *done, void *context);
/* Adds `path` to the files for good, and loads all. */
void lists_load_add_file(struct lists_load *load, enum list_action action, const char *path,
                         outcome_done *done, void *context);
/* Lists an address or network at once, until `expires_wall_us` (0: for good). */
void lists_load_add(struct lists_load *load, enum list_action action, const struct prefix *prefix,
                    uint64_t expires_wall_us, outcome_done *done, void *context);
/* The same for a key of a configured scored list. */
void lists_load_score(struct lists_load *load, const char *list, const char *key,
                      uint64_t expires_wall_us, outcome_done *done, void *context);
/* Takes back an addition ("ADDRESS", "NETWORK", "LIST KEY") or a file added by lists_load_add_file.
 */
void lists_load_delete(struct lists_load *load, const char *what, outcome_done *done,
                       void *context);
/* Publishes the additions unless the running delta is made of them. */
void lists_load_publish_additions(struct lists_load *load);
/* {"files": [...], "additions": [...]}: a new object. */
json_t *lists_load_describe(const struct lists_load *load);
/* Collects an ended job and expired additions. `wall_us` now. */
void lists_load_run(struct lists_load *load, uint64_t wall_us);
/* "192.0.2.0/24", "192.0.2.1"; returns `out`. */
char *lists_prefix_format(const struct prefix *prefix, char out[LISTS_PREFIX_TEXT_MAX]);

#endif
