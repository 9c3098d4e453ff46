/* list_mmdb.h - networks of a MaxMind database to entries of a scored list.
 *
 * Only management reads such databases: what is wanted of them (some countries, some autonomous
 * systems) becomes networks in the list generation, and workers look up addresses as in any list.
 */
#ifndef MGMT_LIST_MMDB_H
#define MGMT_LIST_MMDB_H

#include "base/err.h"
#include "classifier/list_build.h"

/* Adds the networks whose country or autonomous system is one of `values` (separated by blanks) to
 * the scored list `list`. `kind` is LIST_KEY_COUNTRY or LIST_KEY_ASN. On failure `reason`
 * (LIST_REASON_BYTES) says why. */
MUST_CHECK enum err list_mmdb_load(struct list_builder *builder, const char *list,
                                   enum list_key kind, const char *path, const char *values,
                                   char *reason);

#endif
