/* lists.c - read side of the address lists: a bounded number of cache lines, no lock, no branch on
 * what is listed.
 *
 * Nothing found inside a bucket is trusted: counts are cut to what a bucket holds and list numbers
 * are checked, so only the tables' bounds need proof when the lists are opened.
 */
#include "classifier/lists.h"

#include <stdio.h>
#include <stdlib.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "classifier/lists_blob.h"

#define REASON_BYTES 200

struct lists {
	const struct lists_head *head;
	const char *texts;
	size_t texts_bytes;
	const uint32_t *name;
	uint32_t name_count;
	const struct lists_table *table;
	uint32_t table_count, ip4_table_count;
	const uint8_t *buckets;
};

static enum err bad(char *reason, const char *what)
{
	snprintf(reason, REASON_BYTES, "the list generation is damaged: %s", what);
	return ERR_SYNTAX;
}

static bool tables_fit(struct lists *lists, struct bytes tables, struct bytes buckets)
{
	uint64_t bucket_count = buckets.len / 64;

	if (tables.len != lists->head->table_count * sizeof(struct lists_table) ||
	    lists->head->table_count > LIST_TABLES_MAX)
		return false;
	lists->table = (const struct lists_table *)tables.data;
	lists->table_count = lists->head->table_count;
	for (uint32_t i = 0; i < lists->table_count; i++) {
		const struct lists_table *t = &lists->table[i];

		if (t->ip6 > 1 || t->bits > (t->ip6 ? 128 : 32) || t->bucket_count == 0 ||
		    t->bucket_start > bucket_count ||
		    t->bucket_count > bucket_count - t->bucket_start)
			return false;
		if (i > 0 && t->ip6 < lists->table[i - 1].ip6)
			return false;
		lists->ip4_table_count += !t->ip6;
	}
	lists->buckets = buckets.data;
	return true;
}

static enum err open_all(struct lists *lists, const struct generation *generation, char *reason)
{
	struct bytes head = generation_section(generation, LISTS_HEAD);
	struct bytes texts = generation_section(generation, LISTS_TEXTS);
	struct bytes names = generation_section(generation, LISTS_NAMES);

	if (generation->kind != GENERATION_LISTS && generation->kind != GENERATION_DELTA)
		return bad(reason, "it holds no lists");
	if (head.len != sizeof(struct lists_head))
		return bad(reason, "head");
	lists->head = (const struct lists_head *)head.data;
	if (lists->head->version != LISTS_BLOB_VERSION) {
		snprintf(reason, REASON_BYTES,
		         "made by another version of Postern; build the lists again");
		return ERR_VERSION;
	}
	if (texts.len == 0 || texts.data[texts.len - 1] != '\0' ||
	    names.len % sizeof(uint32_t) != 0)
		return bad(reason, "names");
	lists->texts = (const char *)texts.data;
	lists->name = (const uint32_t *)names.data;
	lists->name_count = (uint32_t)(names.len / sizeof(uint32_t));
	for (uint32_t i = 0; i < lists->name_count; i++)
		if (lists->name[i] >= texts.len)
			return bad(reason, "a name");
	if (!tables_fit(lists, generation_section(generation, LISTS_TABLES),
	                generation_section(generation, LISTS_BUCKETS)))
		return bad(reason, "tables");
	return OK;
}

enum err lists_open(const struct generation *generation, struct lists **out_lists, char *reason)
{
	struct lists *lists = calloc(1, sizeof(*lists));

	reason[0] = '\0';
	if (lists == NULL) {
		snprintf(reason, REASON_BYTES, "out of memory");
		return ERR_NO_MEMORY;
	}

	enum err err = open_all(lists, generation, reason);
	if (err != OK) {
		free(lists);
		return err;
	}
	*out_lists = lists;
	return OK;
}

void lists_close(struct lists *lists)
{
	free(lists);
}

uint64_t lists_entry_count(const struct lists *lists)
{
	return lists->head->entry_count;
}

/* Bit i: key i of the bucket is `key`. Ten keys are two and a half vectors; the half's rest is
 * values. */
static inline uint32_t ip4_matches(const struct ip4_bucket *bucket, uint32_t key)
{
	uint32_t found = 0;

#if defined(__SSE2__)
	__m128i wanted = _mm_set1_epi32((int)key);

	for (int i = 0; i < 3; i++) {
		__m128i keys = _mm_loadu_si128(
		    (const __m128i *)(const void *)((const uint8_t *)bucket + i * 16));
		__m128i equal = _mm_cmpeq_epi32(keys, wanted);

		found |= (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(equal)) << i * 4;
	}
#else
	for (uint32_t i = 0; i < IP4_KEYS; i++)
		found |= (uint32_t)(bucket->key[i] == key) << i;
#endif
	uint32_t count = bucket->count < IP4_KEYS ? bucket->count : IP4_KEYS;
	return found & ((1u << count) - 1);
}

static bool find_ip4(const struct lists *lists, const struct lists_table *table, uint32_t key,
                     uint16_t *out_value)
{
	const struct ip4_bucket *buckets = (const struct ip4_bucket *)lists->buckets +
	                                   table->bucket_start;
	uint32_t at = lists_bucket(lists_hash_ip4(key, lists->head->salt), table->bucket_count);

	for (uint32_t probe = 0; probe < LIST_PROBES_MAX; probe++) {
		const struct ip4_bucket *bucket = &buckets[at];
		uint32_t found = ip4_matches(bucket, key);

		if (found != 0) {
			*out_value = bucket->value[__builtin_ctz(found)];
			return true;
		}
		if (!bucket->spilled)
			return false;
		at = at + 1 == table->bucket_count ? 0 : at + 1;
	}
	return false;
}

static bool find_ip6(const struct lists *lists, const struct lists_table *table, struct ip6_key key,
                     uint16_t *out_value)
{
	const struct ip6_bucket *buckets = (const struct ip6_bucket *)lists->buckets +
	                                   table->bucket_start;
	uint32_t at = lists_bucket(lists_hash_ip6(key, lists->head->salt), table->bucket_count);

	for (uint32_t probe = 0; probe < LIST_PROBES_MAX; probe++) {
		const struct ip6_bucket *bucket = &buckets[at];

		for (uint32_t i = 0; i < IP6_KEYS && i < bucket->count; i++)
			if (bucket->key[i].half[0] == key.half[0] &&
			    bucket->key[i].half[1] == key.half[1]) {
				*out_value = bucket->value[i];
				return true;
			}
		if (!bucket->spilled)
			return false;
		at = at + 1 == table->bucket_count ? 0 : at + 1;
	}
	return false;
}

static struct list_match make_match(const struct lists *lists, const struct lists_table *table,
                                    uint16_t value)
{
	uint32_t list = value >> 2, action = value & 3;

	if (list >= lists->name_count || action > LIST_DENY)
		return (struct list_match){LIST_NONE, "", 0};
	return (struct list_match){(enum list_action)action, lists->texts + lists->name[list],
	                           (uint8_t)(table->ip6 ? table->bits : 96 + table->bits)};
}

static struct list_match find_in(const struct lists *lists, const struct addr *addr)
{
	bool ip4 = addr_is_ip4(addr);
	uint32_t from = ip4 ? 0 : lists->ip4_table_count;
	uint32_t to = ip4 ? lists->ip4_table_count : lists->table_count;
	uint32_t address = ip4 ? addr_ip4(addr) : 0;
	uint16_t value;

	for (uint32_t i = from; i < to; i++) {
		const struct lists_table *table = &lists->table[i];
		bool found = ip4 ? find_ip4(lists, table, address & ip4_mask(table->bits), &value)
		                 : find_ip6(lists, table, ip6_masked(addr->octet, table->bits),
		                            &value);

		if (found)
			return make_match(lists, table, value);
	}
	return (struct list_match){LIST_NONE, "", 0};
}

struct list_match lists_find(const struct lists *delta, const struct lists *lists,
                             const struct addr *addr)
{
	struct list_match match = {LIST_NONE, "", 0};

	if (delta != NULL)
		match = find_in(delta, addr);
	if (match.action == LIST_NONE && lists != NULL)
		match = find_in(lists, addr);
	return match;
}

/* Key `cursor->key` of the bucket the cursor is in; false when the bucket has no such key. */
static bool key_at(const struct lists *lists, const struct lists_table *table,
                   const struct lists_cursor *cursor, struct prefix *out_prefix,
                   uint16_t *out_value)
{
	const uint8_t *at = lists->buckets + (table->bucket_start + cursor->bucket) * 64;

	if (table->ip6) {
		const struct ip6_bucket *bucket = (const struct ip6_bucket *)at;

		if (cursor->key >= IP6_KEYS || cursor->key >= bucket->count)
			return false;
		memcpy(out_prefix->addr.octet, &bucket->key[cursor->key], 16);
		out_prefix->bits = table->bits;
		*out_value = bucket->value[cursor->key];
		return true;
	}
	const struct ip4_bucket *bucket = (const struct ip4_bucket *)at;

	if (cursor->key >= IP4_KEYS || cursor->key >= bucket->count)
		return false;
	out_prefix->addr = addr_from_ip4(bucket->key[cursor->key]);
	out_prefix->bits = (uint8_t)(96 + table->bits);
	*out_value = bucket->value[cursor->key];
	return true;
}

bool lists_next(const struct lists *lists, struct lists_cursor *cursor, struct prefix *out_prefix,
                enum list_action *out_action)
{
	while (cursor->tables_done < lists->table_count) {
		const struct lists_table
		    *table = &lists->table[lists->table_count - 1 - cursor->tables_done];
		uint16_t value;

		if (cursor->bucket == table->bucket_count) {
			*cursor = (struct lists_cursor){.tables_done = cursor->tables_done + 1};
			continue;
		}
		if (!key_at(lists, table, cursor, out_prefix, &value)) {
			cursor->bucket++;
			cursor->key = 0;
			continue;
		}
		cursor->key++;
		*out_action = make_match(lists, table, value).action;
		if (*out_action != LIST_NONE)
			return true;
	}
	return false;
}
