/* list_build_table.c - entries by family and prefix length, put into cache-line buckets. */
#include "classifier/list_build_table.h"

#include <stdlib.h>

#include "base/check.h"

#define PREFETCH_AHEAD 16

/* Entries a bucket is planned for: spilling stays rare. */
#define IP4_PLANNED  6.5
#define WIDE_PLANNED 1.7

void list_tables_free(struct list_entry_tables *tables)
{
	for (int i = 0; i < IP4_LENGTHS; i++)
		free(tables->ip4[i].item);
	for (int i = 0; i < IP6_LENGTHS; i++)
		free(tables->ip6[i].item);
	free(tables->text.item);
}

static bool make_room(struct list_entries *entries, size_t item_bytes)
{
	if (entries->count < entries->room)
		return true;

	uint64_t room = entries->room == 0 ? 64 : entries->room * 2;
	void *moved = realloc(entries->item, room * item_bytes);
	if (moved == NULL)
		return false;
	entries->item = moved;
	entries->room = room;
	return true;
}

static enum err add_wide(struct list_entries *entries, struct ip6_key key, uint16_t value)
{
	if (!make_room(entries, sizeof(struct wide_entry)))
		return ERR_NO_MEMORY;
	((struct wide_entry *)entries->item)[entries->count++] = (struct wide_entry){key, value};
	return OK;
}

enum err list_tables_add(struct list_entry_tables *tables, const struct prefix *prefix,
                         uint16_t value)
{
	ASSERT(prefix->bits <= 128);
	if (prefix->bits < 96 || !addr_is_ip4(&prefix->addr))
		return add_wide(&tables->ip6[prefix->bits],
		                ip6_masked(prefix->addr.octet, prefix->bits), value);

	uint8_t bits = (uint8_t)(prefix->bits - 96);
	struct list_entries *entries = &tables->ip4[bits];
	if (!make_room(entries, sizeof(struct ip4_entry)))
		return ERR_NO_MEMORY;
	((struct ip4_entry *)entries->item)[entries->count++] = (struct ip4_entry){
	    addr_ip4(&prefix->addr) & ip4_mask(bits), value};
	return OK;
}

enum err list_tables_add_text(struct list_entry_tables *tables, struct ip6_key key, uint16_t value)
{
	return add_wide(&tables->text, key, value);
}

uint64_t list_tables_count(const struct list_entry_tables *tables)
{
	uint64_t count = tables->text.count;

	for (int i = 0; i < IP4_LENGTHS; i++)
		count += tables->ip4[i].count;
	for (int i = 0; i < IP6_LENGTHS; i++)
		count += tables->ip6[i].count;
	return count;
}

void list_tables_mark(const struct list_entry_tables *tables, struct list_tables_mark *out_mark)
{
	for (int i = 0; i < IP4_LENGTHS; i++)
		out_mark->ip4[i] = tables->ip4[i].count;
	for (int i = 0; i < IP6_LENGTHS; i++)
		out_mark->ip6[i] = tables->ip6[i].count;
	out_mark->text = tables->text.count;
}

void list_tables_roll_back(struct list_entry_tables *tables, const struct list_tables_mark *mark)
{
	for (int i = 0; i < IP4_LENGTHS; i++)
		tables->ip4[i].count = mark->ip4[i];
	for (int i = 0; i < IP6_LENGTHS; i++)
		tables->ip6[i].count = mark->ip6[i];
	tables->text.count = mark->text;
}

static const struct list_entries *entries_of(const struct list_entry_tables *tables,
                                             enum list_family family, int bits)
{
	switch (family) {
	case LIST_IP4:
		return &tables->ip4[bits];
	case LIST_IP6:
		return &tables->ip6[bits];
	case LIST_TEXT:
		return &tables->text;
	}
	UNREACHABLE();
}

uint64_t list_tables_plan(const struct list_entry_tables *tables, double growth,
                          uint64_t bucket_start, struct lists_table *table, uint32_t *out_count)
{
	static const int longest[] = {[LIST_IP4] = 32, [LIST_IP6] = 128, [LIST_TEXT] = 0};
	uint32_t count = 0;

	for (enum list_family family = LIST_IP4; family <= LIST_TEXT; family++)
		for (int bits = longest[family]; bits >= 0; bits--) {
			const struct list_entries *entries = entries_of(tables, family, bits);
			double planned = family == LIST_IP4 ? IP4_PLANNED : WIDE_PLANNED;

			if (entries->count == 0)
				continue;
			ASSERT(count < LIST_TABLES_MAX);
			table[count] = (struct lists_table){
			    .family = (uint8_t)family,
			    .bits = (uint8_t)bits,
			    .bucket_count = (uint32_t)((double)entries->count / planned * growth) +
			                    1,
			    .bucket_start = bucket_start};
			bucket_start += table[count++].bucket_count;
		}
	*out_count = count;
	return bucket_start;
}

/* False when the key would spill too far. */
static bool put_ip4(struct ip4_bucket *buckets, const struct lists_table *t, uint64_t salt,
                    const struct ip4_entry *entry, const struct list_settling *settling,
                    uint64_t *in_out_count)
{
	uint32_t at = lists_bucket(lists_hash_ip4(entry->key, salt), t->bucket_count);

	for (uint32_t probe = 0; probe < LIST_PROBES_MAX; probe++) {
		struct ip4_bucket *bucket = &buckets[at];

		for (uint32_t i = 0; i < bucket->count; i++)
			if (bucket->key[i] == entry->key) {
				bucket->value[i] = settling->settle(settling->context,
				                                    bucket->value[i], entry->value);
				return true;
			}
		if (bucket->count < IP4_KEYS) {
			bucket->key[bucket->count] = entry->key;
			bucket->value[bucket->count++] = entry->value;
			++*in_out_count;
			return true;
		}
		bucket->spilled = 1;
		at = at + 1 == t->bucket_count ? 0 : at + 1;
	}
	return false;
}

static bool put_wide(struct ip6_bucket *buckets, const struct lists_table *t, uint64_t salt,
                     const struct wide_entry *entry, const struct list_settling *settling,
                     uint64_t *in_out_count)
{
	uint32_t at = lists_bucket(lists_hash_ip6(entry->key, salt), t->bucket_count);

	for (uint32_t probe = 0; probe < LIST_PROBES_MAX; probe++) {
		struct ip6_bucket *bucket = &buckets[at];

		for (uint32_t i = 0; i < bucket->count; i++)
			if (memcmp(&bucket->key[i], &entry->key, sizeof(entry->key)) == 0) {
				bucket->value[i] = settling->settle(settling->context,
				                                    bucket->value[i], entry->value);
				return true;
			}
		if (bucket->count < IP6_KEYS) {
			bucket->key[bucket->count] = entry->key;
			bucket->value[bucket->count++] = entry->value;
			++*in_out_count;
			return true;
		}
		bucket->spilled = 1;
		at = at + 1 == t->bucket_count ? 0 : at + 1;
	}
	return false;
}

/* The bucket of an entry some places ahead: filling is bound by memory otherwise. */
static void prefetch(const struct lists_table *t, const struct list_entries *entries,
                     uint64_t ahead, const void *buckets, uint64_t salt)
{
	uint32_t hash;

	if (ahead >= entries->count)
		return;
	if (t->family == LIST_IP4)
		hash = lists_hash_ip4(((const struct ip4_entry *)entries->item)[ahead].key, salt);
	else
		hash = lists_hash_ip6(((const struct wide_entry *)entries->item)[ahead].key, salt);
	__builtin_prefetch((const uint8_t *)buckets +
	                   (t->bucket_start + lists_bucket(hash, t->bucket_count)) * 64);
}

static bool fill_table(const struct list_entries *entries, const struct lists_table *t,
                       const struct list_settling *settling, uint64_t salt, void *buckets,
                       uint64_t *in_out_count)
{
	struct ip4_bucket *narrow = (struct ip4_bucket *)buckets + t->bucket_start;
	struct ip6_bucket *wide = (struct ip6_bucket *)buckets + t->bucket_start;

	for (uint64_t k = 0; k < entries->count; k++) {
		bool put;

		prefetch(t, entries, k + PREFETCH_AHEAD, buckets, salt);
		if (t->family == LIST_IP4)
			put = put_ip4(narrow, t, salt, (const struct ip4_entry *)entries->item + k,
			              settling, in_out_count);
		else
			put = put_wide(wide, t, salt, (const struct wide_entry *)entries->item + k,
			               settling, in_out_count);
		if (!put)
			return false;
	}
	return true;
}

bool list_tables_fill(const struct list_entry_tables *tables, const struct lists_table *table,
                      uint32_t table_count, const struct list_settling *settling, uint64_t salt,
                      void *buckets, uint64_t *in_out_count)
{
	for (uint32_t i = 0; i < table_count; i++)
		if (!fill_table(entries_of(tables, table[i].family, table[i].bits), &table[i],
		                settling, salt, buckets, in_out_count))
			return false;
	return true;
}
