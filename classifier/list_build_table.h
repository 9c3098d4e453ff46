/* list_build_table.h - write side: the tables of a list generation, from entries as they come.
 *
 * Entries are kept by family and prefix length; where they lie is settled at the end, when it is
 * known how many there are. What to do with the same key given twice is the caller's to say.
 */
#ifndef CLASSIFIER_LIST_BUILD_TABLE_H
#define CLASSIFIER_LIST_BUILD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "classifier/lists_blob.h"

#define IP4_LENGTHS 33
#define IP6_LENGTHS 129

struct ip4_entry {
	uint32_t key;
	uint16_t value;
};

struct wide_entry { /* IPv6, and hashes of texts */
	struct ip6_key key;
	uint16_t value;
};

struct list_entries {
	void *item;
	uint64_t count, room;
};

struct list_entry_tables {
	struct list_entries ip4[IP4_LENGTHS];
	struct list_entries ip6[IP6_LENGTHS];
	struct list_entries text;
};

/* Which of two values of one key stays. */
struct list_settling {
	uint16_t (*settle)(void *context, uint16_t now, uint16_t other);
	void *context;
};

void list_tables_free(struct list_entry_tables *tables);
MUST_CHECK enum err list_tables_add(struct list_entry_tables *tables, const struct prefix *prefix,
                                    uint16_t value);
MUST_CHECK enum err list_tables_add_text(struct list_entry_tables *tables, struct ip6_key key,
                                         uint16_t value);
uint64_t list_tables_count(const struct list_entry_tables *tables);

struct list_tables_mark {
	uint64_t ip4[IP4_LENGTHS], ip6[IP6_LENGTHS], text;
};

/* What is there now, and back to it. */
void list_tables_mark(const struct list_entry_tables *tables, struct list_tables_mark *out_mark);
void list_tables_roll_back(struct list_entry_tables *tables, const struct list_tables_mark *mark);

/* Describes a table for every family and length present, in the order of the blob, from bucket
 * `bucket_start` on; `table` has room for LIST_TABLES_MAX. Returns the bucket behind the last. */
uint64_t list_tables_plan(const struct list_entry_tables *tables, double growth,
                          uint64_t bucket_start, struct lists_table *table, uint32_t *out_count);
/* Fills planned tables. False when a key would spill too far: plan again with more room. Distinct
 * keys are added to `*in_out_count`. */
bool list_tables_fill(const struct list_entry_tables *tables, const struct lists_table *table,
                      uint32_t table_count, const struct list_settling *settling, uint64_t salt,
                      void *buckets, uint64_t *in_out_count);

#endif
