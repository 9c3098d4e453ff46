/* rule_names.h - names, descriptions and scores of the rules of a generation, by generation number.
 *
 * Kept in the store, so that an event is explained long after its generation is gone; the newest
 * few generations asked for stay in memory.
 */
#ifndef MGMT_RULE_NAMES_H
#define MGMT_RULE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "mgmt/store.h"

#define RULE_NAMES_CACHED           4
#define RULE_NAMES_GENERATIONS_KEPT 64

struct rule_name {
	char *name;
	char *description;
	int32_t score_milli;
};

struct rule_names_set {
	uint64_t generation; /* 0: free */
	uint64_t used_at;
	uint32_t count;
	struct rule_name *rule;
};

struct rule_names {
	struct store *store; /* kept */
	uint64_t clock;
	struct rule_names_set cached[RULE_NAMES_CACHED];
};

void rule_names_open(struct rule_names *names, struct store *store);
void rule_names_close(struct rule_names *names);
/* Stores [[name, score_milli, description], ...], the rules of a generation in their order. */
MUST_CHECK enum err rule_names_put(struct rule_names *names, uint64_t generation,
                                   const json_t *rules);
/* The same array of a generation in the store; a new reference. */
json_t *rule_names_json(struct rule_names *names, uint64_t generation);
/* The rules of a generation; count 0 when they are not known. Valid until the next call. */
const struct rule_names_set *rule_names_get(struct rule_names *names, uint64_t generation);
/* One rule of it, or NULL. */
const struct rule_name *rule_names_find(struct rule_names *names, uint64_t generation,
                                        uint32_t rule);

#endif
