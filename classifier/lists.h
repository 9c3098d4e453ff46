/* lists.h - read side of the lists in a generation: is this address listed, which lists know this
 * name?
 *
 * Two kinds of lists lie in one blob. Deny and allow lists hold addresses and decide before any
 * state is spent: the most specific entry wins; allow beats deny at equal length. Scored lists hold
 * addresses or texts and decide nothing: being on one is a fact that rules give points for. Entries
 * lie in cache-line buckets, networks by prefix length; look-ups are bounded, read-only and need no
 * lock.
 */
#ifndef CLASSIFIER_LISTS_H
#define CLASSIFIER_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/generation.h"

struct lists;

enum list_action { LIST_NONE, LIST_ALLOW, LIST_DENY };

struct list_match {
	enum list_action action;
	const char *list; /* name of the list the entry came from; static text of the generation */
	uint8_t prefix_bits; /* as in struct prefix */
};

enum list_key { /* what a scored list is about */
#define LIST_KEY(name, word, base, source, help) LIST_KEY_##name,
#include "base/list_keys.def"
	        LIST_KEY_COUNT
};

/* Of one lists or delta generation: bit i stands for its i-th scored list. */
#define SCORED_LISTS_MAX 256
struct list_set {
	uint64_t word[SCORED_LISTS_MAX / 64];
};

static inline bool list_set_has(const struct list_set *set, uint32_t list)
{
	return (set->word[list / 64] >> list % 64 & 1) != 0;
}

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

uint64_t lists_scored_entry_count(const struct lists *lists);
uint32_t lists_scored_count(const struct lists *lists);
/* Static text of the generation; `list` below the count. */
const char *lists_scored_name(const struct lists *lists, uint32_t list);
/* Whether there is any entry of that kind: what is not there need not be looked for. */
bool lists_scored_has(const struct lists *lists, enum list_key kind);
/* Each adds the scored lists that hold the key, or a network around it, to `set`. A domain also
 * brings those of the domains above it, up to LIST_DOMAIN_LABELS_MAX labels. Texts match without
 * regard to ASCII case; more than LIST_TEXT_BYTES_MAX octets match nothing. */
#define LIST_DOMAIN_LABELS_MAX 8
#define LIST_TEXT_BYTES_MAX    320
void lists_collect_addr(const struct lists *lists, const struct addr *addr, struct list_set *set);
void lists_collect_text(const struct lists *lists, enum list_key kind, struct bytes text,
                        struct list_set *set);
void lists_collect_domain(const struct lists *lists, enum list_key kind, struct bytes domain,
                          struct list_set *set);

/* What one message was found on, in the lists and in their delta; either may be NULL. */
struct listed {
	const struct lists *lists[2];
	struct list_set set[2];
};

bool listed_on(const struct listed *listed, struct bytes list);

#endif
