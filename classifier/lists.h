/* lists.h - read side of the address lists in a generation: is this address listed?
 *
 * Exact addresses lie in cache-line buckets, networks by prefix length; look-ups are bounded,
 * read-only and need no lock. The most specific entry wins; allow beats deny at equal length.
 */
#ifndef CLASSIFIER_LISTS_H
#define CLASSIFIER_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/generation.h"

struct lists;

enum list_action { LIST_NONE, LIST_ALLOW, LIST_DENY };

struct list_match {
	enum list_action action;
	const char *list; /* name of the list the entry came from; static text of the generation */
	uint8_t prefix_bits; /* as in struct prefix */
};

/* Verifies; keeps `generation`. */
MUST_CHECK enum err lists_open(const struct generation *generation, struct lists **out_lists,
                               char *reason);
void lists_close(struct lists *lists);
uint64_t lists_entry_count(const struct lists *lists);
/* Where a walk over all entries is; all zero before the first. */
struct lists_cursor {
	uint32_t tables_done, bucket, key;
};

/* The next entry, widest networks first, IPv6 before IPv4; false when there is none left. The
 * lists must stay open during the walk. Skips what is damaged, as look-ups do. */
bool lists_next(const struct lists *lists, struct lists_cursor *cursor, struct prefix *out_prefix,
                enum list_action *out_action);
/* `delta` (may be NULL) is asked first and wins when it knows the address; `lists` may be NULL. */
struct list_match lists_find(const struct lists *delta, const struct lists *lists,
                             const struct addr *addr);

#endif
