/* lists_delta.h - single additions to the lists, kept in the store, published as a DELTA
 * generation. */
#ifndef MGMT_LISTS_DELTA_H
#define MGMT_LISTS_DELTA_H

#include "mgmt/lists_load.h"

/* Finds out when the next addition expires. */
void lists_delta_note_expiry(struct lists_load *load);
/* `text` as it was stored: lists_prefix_format(), or "LIST KEY". */
void lists_delta_delete(struct lists_load *load, const char *text, outcome_done *done,
                        void *context);
void lists_delta_expire(struct lists_load *load, uint64_t wall_us);
/* The additions: a new array. */
json_t *lists_delta_describe(const struct lists_load *load);

#endif
