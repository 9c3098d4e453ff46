/* state.h - what management remembers over restarts: generations and settings. */
#ifndef MGMT_STATE_H
#define MGMT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/generation.h"

#include "mgmt/store.h"

struct state_generation {
	uint64_t number;
	enum generation_kind kind;
	char label[GENERATION_LABEL_BYTES];
	uint64_t made_wall_us;
	uint64_t fingerprint; /* of the files it was made from */
};

/* Number for the next generation: above every one stored or given out and above `floor`. */
uint64_t state_next_number(struct store *store, uint64_t floor);
/* `report`: an object for people and for `status`; not kept. */
MUST_CHECK enum err state_put_generation(struct store *store,
                                         const struct state_generation *generation,
                                         const json_t *report);
/* False when it is not known. `out_report` (may be NULL) becomes a new reference. */
bool state_get_generation(struct store *store, uint64_t number,
                          struct state_generation *out_generation, json_t **out_report);
/* True when a generation that was found running is the one known by its number; otherwise stores
 * it, with no fingerprint. */
bool state_take_current(struct store *store, const struct generation *generation);
/* A JSON setting; a new reference or NULL. NULL as value removes it. */
json_t *state_get_setting(struct store *store, const char *key);
MUST_CHECK enum err state_put_setting(struct store *store, const char *key, const json_t *value);

#endif
