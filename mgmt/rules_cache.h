/* rules_cache.h - compiled rules kept on disk, so that files that have not changed need not be
 * compiled again.
 *
 * A file holds a sealed generation and the report on it, under the key of everything both depend
 * on (rule_compiler_key). It is believed only when its checksums hold, and opened as any other
 * generation. The newest RULES_CACHE_FILES_MAX files stay.
 */
#ifndef MGMT_RULES_CACHE_H
#define MGMT_RULES_CACHE_H

#include <stdbool.h>

#include <jansson.h>

#include "base/generation.h"
#include "base/hash.h"

#define RULES_CACHE_FILES_MAX 8

/* What a generation sealed from the cache is called. */
struct rules_cache_name {
	enum generation_kind kind;
	uint64_t number, made_wall_us;
	const char *label;
};

/* The generation of this key, sealed anew under `name`, and its report; both are the caller's.
 * False when there is none that can be used. */
bool rules_cache_get(const char *folder, const struct hash128 *key,
                     const struct rules_cache_name *name, int *out_fd, json_t **out_report);
/* Keeps a generation and its report. What cannot be written costs time later, nothing else. */
void rules_cache_put(const char *folder, const struct hash128 *key, int fd, const json_t *report);

#endif
