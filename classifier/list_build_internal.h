/* list_build_internal.h - the builder as its two files see it; private to list_build*.c. */
#ifndef CLASSIFIER_LIST_BUILD_INTERNAL_H
#define CLASSIFIER_LIST_BUILD_INTERNAL_H

#include "classifier/list_build.h"
#include "classifier/list_build_table.h"

struct list_names {
	char **name;
	uint32_t count, count_max;
};

struct list_sets {
	struct list_set *set; /* the first are those of one list each, in the order of the lists */
	uint32_t count, room;
	uint32_t *slot; /* number + 1 by hash; 0: free */
	uint32_t slot_count;
	bool full;
};

struct list_builder {
	struct list_names policed_names, scored_names;
	struct list_entry_tables policed, scored;
	struct list_sets sets;
	uint32_t key_kinds;
	uint64_t salt;
	uint64_t wall_us, next_expiry_us;
};

/* Where entries of a file or a line go. */
struct list_target {
	struct list_entry_tables *tables;
	uint16_t value;
	enum list_key kind; /* of policed lists: LIST_KEY_ADDRESS */
};

MUST_CHECK enum err list_target_policed(struct list_builder *b, const char *list,
                                        enum list_action action, struct list_target *out);
MUST_CHECK enum err list_target_scored(struct list_builder *b, const char *list, enum list_key kind,
                                       struct list_target *out);
/* One key, without "until". */
MUST_CHECK enum err list_target_add(struct list_builder *b, const struct list_target *target,
                                    struct bytes text);

#endif
