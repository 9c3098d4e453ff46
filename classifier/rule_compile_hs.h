/* rule_compile_hs.h - strings to a serialised Hyperscan database, with a cache on disk; write side
 * only. */
#ifndef CLASSIFIER_RULE_COMPILE_HS_H
#define CLASSIFIER_RULE_COMPILE_HS_H

#include "classifier/rule_literal.h"

struct scan_string {
	struct literal text;
	bool caseless;
};

/* A block-mode database that reports index i for string i; pool memory. `cache_folder` may be NULL.
 * ERR_UNSUPPORTED with a sentence in `reason` (200 octets) when Hyperscan refuses. */
MUST_CHECK enum err rule_compile_strings(struct rule_pool *pool, const struct scan_string *string,
                                         uint32_t count, const char *cache_folder,
                                         struct bytes *out_database, char *reason);
/* What databases made here are for. */
uint64_t rule_compile_cpu_features(void);
const char *rule_compile_hyperscan(void);

#endif
