/* files.h - lists of paths, and whether what they hold has changed. */
#ifndef MGMT_FILES_H
#define MGMT_FILES_H

#include <stdint.h>

#include <jansson.h>

#include "base/config.h"
#include "base/err.h"

/* A new array of texts. */
json_t *files_from_config(const struct config_texts *texts);
/* A hash over the names and contents of the files, in their order; `seed` begins it. Never 0. On
 * failure `out_reason` (512 octets) says which path and what to do. */
MUST_CHECK enum err files_fingerprint(const json_t *paths, uint64_t seed, uint64_t *out_fingerprint,
                                      char *out_reason);

#endif
