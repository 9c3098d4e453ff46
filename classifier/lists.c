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

struct lists_tables {
	const struct lists_table *table;
	uint32_t start[LIST_TEXT + 2]; /* where each family begins; the last is the count */
};

struct lists {
	const struct lists_head *head;
	const char *texts;
	const uint32_t *name;
	uint32_t name_count;
	const uint32_t *scored_name;
	uint32_t scored_name_count;
	const struct list_set *set;
	uint32_t set_count;
	struct lists_tables policed, scored;
	const uint8_t *buckets;
};

static enum err bad(char *reason, const char *what)
{
	snprintf(reason, REASON_BYTES, "the list generation is damaged: %s", what);
	return ERR_SYNTAX;
}

static bool table_fits(const struct lists_table *t, uint64_t bucket_count)
{
	static const uint8_t bits_max[] = {[LIST_IP4] = 32, [LIST_IP6] = 128, [LIST_TEXT] = 0};

	return t->family <= LIST_TEXT && t->bits <= bits_max[t->family] && t->bucket_count > 0 &&
	       t->bucket_start <= bucket_count && t->bucket_count <= bucket_count - t->bucket_start;
}

static bool tables_fit(struct bytes section, uint32_t count, uint64_t bucket_count,
                       struct lists_tables *out)
{
	const struct lists_table *table = (const struct lists_table *)section.data;
	uint32_t family = LIST_IP4;

	if (count > LIST_TABLES_MAX || section.len != count * sizeof(*table))
		return false;
	out->table = table;
	memset(out->start, 0, sizeof(out->start));
	for (uint32_t i = 0; i < count; i++) {
		if (!table_fits(&table[i], bucket_count) || table[i].family < family)
			return false;
		for (; family < table[i].family; family++)
			out->start[family + 1] = i;
	}
	for (; family <= LIST_TEXT; family++)
		out->start[family + 1] = count;
	return true;
}

static bool names_fit(struct bytes section, size_t texts_bytes, const uint32_t **out_names,
                      uint32_t *out_count)
{
	if (section.len % sizeof(uint32_t) != 0)
		return false;
	*out_names = (const uint32_t *)section.data;
	*out_count = (uint32_t)(section.len / sizeof(uint32_t));
	for (uint32_t i = 0; i < *out_count; i++)
		if ((*out_names)[i] >= texts_bytes)
			return false;
	return true;
}

static enum err open_parts(struct lists *lists, const struct generation *generation, char *reason)
{
	struct bytes texts = generation_section(generation, LISTS_TEXTS);
	struct bytes sets = generation_section(generation, LISTS_SETS);
	struct bytes buckets = generation_section(generation, LISTS_BUCKETS);

	if (texts.len == 0 || texts.data[texts.len - 1] != '\0')
		return bad(reason, "texts");
	lists->texts = (const char *)texts.data;
	if (!names_fit(generation_section(generation, LISTS_NAMES), texts.len, &lists->name,
	               &lists->name_count) ||
	    !names_fit(generation_section(generation, LISTS_SCORED_NAMES), texts.len,
	               &lists->scored_name, &lists->scored_name_count) ||
	    lists->scored_name_count > SCORED_LISTS_MAX)
		return bad(reason, "names");
	if (sets.len % sizeof(struct list_set) != 0)
		return bad(reason, "sets");
	lists->set = (const struct list_set *)sets.data;
	lists->set_count = (uint32_t)(sets.len / sizeof(struct list_set));
	lists->buckets = buckets.data;
	if (!tables_fit(generation_section(generation, LISTS_TABLES), lists->head->table_count,
	                buckets.len / 64, &lists->policed) ||
	    !tables_fit(generation_section(generation, LISTS_SCORED_TABLES),
	                lists->head->scored_table_count, buckets.len / 64, &lists->scored))
		return bad(reason, "tables");
	return OK;
}

static enum err open_all(struct lists *lists, const struct generation *generation, char *reason)
{
	struct bytes head = generation_section(generation, LISTS_HEAD);

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
	return open_parts(lists, generation, reason);
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

static bool find_wide(const struct lists *lists, const struct lists_table *table,
                      struct ip6_key key, uint16_t *out_value)
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
	return (struct list_match){
	    (enum list_action)action, lists->texts + lists->name[list],
	    (uint8_t)(table->family == LIST_IP6 ? table->bits : 96 + table->bits)};
}

static bool find_addr(const struct lists *lists, const struct lists_table *table,
                      const struct addr *addr, uint16_t *out_value)
{
	if (table->family == LIST_IP4)
		return find_ip4(lists, table, addr_ip4(addr) & ip4_mask(table->bits), out_value);
	return find_wide(lists, table, ip6_masked(addr->octet, table->bits), out_value);
}

static struct list_match find_in(const struct lists *lists, const struct addr *addr)
{
	enum list_family family = addr_is_ip4(addr) ? LIST_IP4 : LIST_IP6;
	uint16_t value;

	for (uint32_t i = lists->policed.start[family]; i < lists->policed.start[family + 1]; i++)
		if (find_addr(lists, &lists->policed.table[i], addr, &value))
			return make_match(lists, &lists->policed.table[i], value);
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

	if (table->family == LIST_IP6) {
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
	uint32_t count = lists->policed.start[LIST_TEXT];

	while (cursor->tables_done < count) {
		const struct lists_table *table = &lists->policed
		                                       .table[count - 1 - cursor->tables_done];
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

uint64_t lists_scored_entry_count(const struct lists *lists)
{
	return lists->head->scored_entry_count;
}

uint32_t lists_scored_count(const struct lists *lists)
{
	return lists->scored_name_count;
}

const char *lists_scored_name(const struct lists *lists, uint32_t list)
{
	ASSERT(list < lists->scored_name_count);
	return lists->texts + lists->scored_name[list];
}

bool lists_scored_has(const struct lists *lists, enum list_key kind)
{
	return (lists->head->key_kinds >> kind & 1) != 0;
}

static void add_set(const struct lists *lists, uint16_t number, struct list_set *set)
{
	if (number >= lists->set_count)
		return;
	for (uint32_t i = 0; i < SCORED_LISTS_MAX / 64; i++)
		set->word[i] |= lists->set[number].word[i];
}

void lists_collect_addr(const struct lists *lists, const struct addr *addr, struct list_set *set)
{
	enum list_family family = addr_is_ip4(addr) ? LIST_IP4 : LIST_IP6;
	uint16_t value;

	for (uint32_t i = lists->scored.start[family]; i < lists->scored.start[family + 1]; i++)
		if (find_addr(lists, &lists->scored.table[i], addr, &value))
			add_set(lists, value, set);
}

static void collect_lower(const struct lists *lists, enum list_key kind, const uint8_t *text,
                          size_t len, struct list_set *set)
{
	struct ip6_key key = lists_text_key(kind, text, len, lists->head->salt);
	uint16_t value;

	for (uint32_t i = lists->scored.start[LIST_TEXT]; i < lists->scored.start[LIST_TEXT + 1];
	     i++)
		if (find_wide(lists, &lists->scored.table[i], key, &value))
			add_set(lists, value, set);
}

void lists_collect_text(const struct lists *lists, enum list_key kind, struct bytes text,
                        struct list_set *set)
{
	uint8_t lower[LIST_TEXT_BYTES_MAX];

	if (text.len > sizeof(lower) || !lists_scored_has(lists, kind))
		return;
	for (size_t i = 0; i < text.len; i++)
		lower[i] = bytes_lower(text.data[i]);
	collect_lower(lists, kind, lower, text.len, set);
}

void lists_collect_domain(const struct lists *lists, enum list_key kind, struct bytes domain,
                          struct list_set *set)
{
	uint8_t lower[LIST_TEXT_BYTES_MAX];
	uint32_t labels = 0;

	if (domain.len > 0 && domain.data[domain.len - 1] == '.')
		domain.len--;
	if (domain.len > sizeof(lower) || !lists_scored_has(lists, kind))
		return;
	for (size_t i = 0; i < domain.len; i++)
		lower[i] = bytes_lower(domain.data[i]);
	for (size_t at = domain.len; at > 0 && labels < LIST_DOMAIN_LABELS_MAX; at--)
		if (at == 1 || lower[at - 2] == '.') {
			collect_lower(lists, kind, lower + at - 1, domain.len - (at - 1), set);
			labels++;
		}
	if (labels == LIST_DOMAIN_LABELS_MAX)
		collect_lower(lists, kind, lower, domain.len, set);
}

/* Most messages are on no list, few on many: the bits that are set are walked. */
static bool set_names(const struct lists *lists, const struct list_set *set, struct bytes name)
{
	for (uint32_t word = 0; word < SCORED_LISTS_MAX / 64; word++)
		for (uint64_t left = set->word[word]; left != 0; left &= left - 1) {
			uint32_t list = word * 64 + (uint32_t)__builtin_ctzll(left);

			if (list < lists->scored_name_count &&
			    bytes_equal(bytes_text(lists_scored_name(lists, list)), name))
				return true;
		}
	return false;
}

bool listed_on(const struct listed *listed, struct bytes list)
{
	for (int i = 0; i < 2; i++)
		if (listed->lists[i] != NULL && set_names(listed->lists[i], &listed->set[i], list))
			return true;
	return false;
}
