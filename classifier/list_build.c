/* list_build.c - lists, their entries and what they become: a list generation.
 *
 * The tables are filled at the end, and it is there that one key given twice is settled. In deny
 * and allow lists allow beats deny, else the first stays. In scored lists all count: a key's value
 * is the set of lists that hold it, and sets are few, however many the keys.
 */
#include "classifier/list_build.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/random.h"
#include "classifier/list_build_internal.h"

#define BUILD_TRIES 8

struct list_builder *list_builder_new(uint64_t wall_us)
{
	struct list_builder *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->wall_us = wall_us;
	b->policed_names.count_max = LIST_NAMES_MAX;
	b->scored_names.count_max = SCORED_LISTS_MAX;
	random_os(&b->salt, sizeof(b->salt));
	return b;
}

static void names_free(struct list_names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
}

void list_builder_free(struct list_builder *builder)
{
	if (builder == NULL)
		return;
	list_tables_free(&builder->policed);
	list_tables_free(&builder->scored);
	names_free(&builder->policed_names);
	names_free(&builder->scored_names);
	free(builder->sets.set);
	free(builder->sets.slot);
	free(builder);
}

static enum err find_list(struct list_names *names, const char *name, uint32_t *out_list)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (strcmp(names->name[i], name) == 0) {
			*out_list = i;
			return OK;
		}
	if (names->count == names->count_max)
		return ERR_FULL;

	char **moved = realloc(names->name, (names->count + 1) * sizeof(*moved));
	if (moved == NULL)
		return ERR_NO_MEMORY;
	names->name = moved;
	names->name[names->count] = strdup(name);
	if (names->name[names->count] == NULL)
		return ERR_NO_MEMORY;
	*out_list = names->count++;
	return OK;
}

enum err list_target_policed(struct list_builder *b, const char *list, enum list_action action,
                             struct list_target *out)
{
	uint32_t number = 0;
	enum err err = find_list(&b->policed_names, list, &number);

	ASSERT(action == LIST_ALLOW || action == LIST_DENY);
	*out = (struct list_target){&b->policed, LIST_VALUE(number, action), LIST_KEY_ADDRESS};
	return err;
}

enum err list_target_scored(struct list_builder *b, const char *list, enum list_key kind,
                            struct list_target *out)
{
	uint32_t number = 0;
	enum err err = find_list(&b->scored_names, list, &number);

	ASSERT(kind < LIST_KEY_COUNT);
	b->key_kinds |= 1u << kind;
	*out = (struct list_target){&b->scored, (uint16_t)number, kind};
	return err;
}

enum err list_builder_add(struct list_builder *builder, const char *list, enum list_action action,
                          const struct prefix *prefix)
{
	struct list_target target;

	if (prefix->bits > 128)
		return ERR_RANGE;
	enum err err = list_target_policed(builder, list, action, &target);
	return err == OK ? list_tables_add(target.tables, prefix, target.value) : err;
}

enum err list_builder_score(struct list_builder *builder, const char *list, enum list_key kind,
                            struct bytes text)
{
	struct list_target target;
	enum err err = list_target_scored(builder, list, kind, &target);

	return err == OK ? list_target_add(builder, &target, text) : err;
}

enum err list_builder_score_prefix(struct list_builder *builder, const char *list,
                                   const struct prefix *prefix)
{
	struct list_target target;

	if (prefix->bits > 128)
		return ERR_RANGE;
	enum err err = list_target_scored(builder, list, LIST_KEY_ADDRESS, &target);
	return err == OK ? list_tables_add(target.tables, prefix, target.value) : err;
}

static const char *const key_word[LIST_KEY_COUNT] = {
#define LIST_KEY(name, word, base, source, help) word,
#include "base/list_keys.def"
};

bool list_key_parse(struct bytes word, enum list_key *out_kind)
{
	for (enum list_key kind = 0; kind < LIST_KEY_COUNT; kind++)
		if (bytes_equal(word, bytes_text(key_word[kind]))) {
			*out_kind = kind;
			return true;
		}
	return false;
}

const char *list_key_word(enum list_key kind)
{
	ASSERT(kind < LIST_KEY_COUNT);
	return key_word[kind];
}

uint64_t list_builder_entry_count(const struct list_builder *builder)
{
	return list_tables_count(&builder->policed) + list_tables_count(&builder->scored);
}

uint64_t list_builder_next_expiry(const struct list_builder *builder)
{
	return builder->next_expiry_us;
}

static uint16_t settle_policed(void *context, uint16_t now, uint16_t other)
{
	(void)context;
	return (other & 3) == LIST_ALLOW && (now & 3) != LIST_ALLOW ? other : now;
}

static bool sets_grow(struct list_sets *sets)
{
	uint32_t room = sets->room == 0 ? 2 * SCORED_LISTS_MAX : sets->room * 2;
	struct list_set *set = realloc(sets->set, room * sizeof(*set));
	uint32_t *slot = set != NULL ? calloc(2ul * room, sizeof(*slot)) : NULL;

	sets->set = set != NULL ? set : sets->set;
	if (slot == NULL)
		return false;
	free(sets->slot);
	sets->slot = slot;
	sets->slot_count = 2 * room;
	sets->room = room;
	for (uint32_t i = 0; i < sets->count; i++) {
		uint64_t hash = hash_checksum(&set[i], sizeof(set[i]));

		while (slot[hash % sets->slot_count] != 0)
			hash++;
		slot[hash % sets->slot_count] = i + 1;
	}
	return true;
}

/* The number of that set, a new one when it is not known yet; 0 and `full` when there is no more
 * room. */
static uint16_t sets_number(struct list_sets *sets, const struct list_set *set)
{
	if (sets->count == sets->room && !sets_grow(sets)) {
		sets->full = true;
		return 0;
	}

	uint64_t hash = hash_checksum(set, sizeof(*set));
	for (; sets->slot[hash % sets->slot_count] != 0; hash++) {
		uint32_t number = sets->slot[hash % sets->slot_count] - 1;

		if (memcmp(&sets->set[number], set, sizeof(*set)) == 0)
			return (uint16_t)number;
	}
	if (sets->count == LIST_SETS_MAX) {
		sets->full = true;
		return 0;
	}
	sets->set[sets->count] = *set;
	sets->slot[hash % sets->slot_count] = ++sets->count;
	return (uint16_t)(sets->count - 1);
}

static uint16_t settle_scored(void *context, uint16_t now, uint16_t other)
{
	struct list_sets *sets = context;
	struct list_set both = sets->set[now];

	if (now == other)
		return now;
	for (uint32_t i = 0; i < SCORED_LISTS_MAX / 64; i++)
		both.word[i] |= sets->set[other].word[i];
	return sets_number(sets, &both);
}

/* The set of one list alone has the list's number, which is what its entries were added with. */
static bool sets_begin(struct list_builder *b)
{
	for (uint32_t i = b->sets.count; i < b->scored_names.count; i++) {
		struct list_set alone = {{0}};

		alone.word[i / 64] = 1ull << i % 64;
		if (sets_number(&b->sets, &alone) != i)
			return false;
	}
	return true;
}

static enum err put_names(const struct list_names *names, uint32_t section, char *texts,
                          size_t *in_out_at, struct generation_builder *builder)
{
	uint32_t *offset;

	if (names->count == 0)
		return OK;
	enum err err = generation_reserve(builder, section, names->count * sizeof(*offset),
	                                  (void **)&offset);
	for (uint32_t i = 0; err == OK && i < names->count; i++) {
		size_t len = strlen(names->name[i]) + 1;

		offset[i] = (uint32_t)*in_out_at;
		memcpy(texts + *in_out_at, names->name[i], len);
		*in_out_at += len;
	}
	return err;
}

static size_t texts_bytes(const struct list_builder *b)
{
	size_t bytes = 1;

	for (uint32_t i = 0; i < b->policed_names.count; i++)
		bytes += strlen(b->policed_names.name[i]) + 1;
	for (uint32_t i = 0; i < b->scored_names.count; i++)
		bytes += strlen(b->scored_names.name[i]) + 1;
	return bytes;
}

static enum err put_texts(const struct list_builder *b, struct generation_builder *builder)
{
	size_t at = 1;
	char *texts;
	enum err err = generation_reserve(builder, LISTS_TEXTS, texts_bytes(b), (void **)&texts);

	if (err == OK)
		err = put_names(&b->policed_names, LISTS_NAMES, texts, &at, builder);
	if (err == OK)
		err = put_names(&b->scored_names, LISTS_SCORED_NAMES, texts, &at, builder);
	return err;
}

struct plan {
	struct lists_table policed[LIST_TABLES_MAX], scored[LIST_TABLES_MAX];
	uint32_t policed_count, scored_count;
	uint64_t bucket_count;
};

static enum err fill(struct list_builder *b, const struct plan *plan, void *buckets,
                     struct lists_head *head)
{
	const struct list_settling policed = {settle_policed, NULL};
	const struct list_settling scored = {settle_scored, &b->sets};

	if (!list_tables_fill(&b->policed, plan->policed, plan->policed_count, &policed, b->salt,
	                      buckets, &head->entry_count) ||
	    !list_tables_fill(&b->scored, plan->scored, plan->scored_count, &scored, b->salt,
	                      buckets, &head->scored_entry_count))
		return ERR_RANGE;
	return b->sets.full ? ERR_FULL : OK;
}

static enum err put_section(struct generation_builder *builder, uint32_t section, const void *data,
                            size_t bytes)
{
	return bytes == 0 ? OK : generation_add(builder, section, bytes_of(data, bytes));
}

static enum err put_all(struct list_builder *b, const struct plan *plan,
                        struct generation_builder *builder)
{
	struct lists_head head = {.version = LISTS_BLOB_VERSION,
	                          .table_count = plan->policed_count,
	                          .scored_table_count = plan->scored_count,
	                          .key_kinds = b->key_kinds,
	                          .salt = b->salt};
	void *buckets = NULL;
	enum err err = put_texts(b, builder);

	if (err == OK && plan->bucket_count > 0)
		err = generation_reserve(builder, LISTS_BUCKETS, plan->bucket_count * 64, &buckets);
	if (err == OK)
		err = fill(b, plan, buckets, &head);
	if (err == OK)
		err = put_section(builder, LISTS_TABLES, plan->policed,
		                  plan->policed_count * sizeof(*plan->policed));
	if (err == OK)
		err = put_section(builder, LISTS_SCORED_TABLES, plan->scored,
		                  plan->scored_count * sizeof(*plan->scored));
	if (err == OK)
		err = put_section(builder, LISTS_SETS, b->sets.set,
		                  b->sets.count * sizeof(*b->sets.set));
	if (err == OK)
		err = put_section(builder, LISTS_HEAD, &head, sizeof(head));
	return err;
}

/* One try; ERR_RANGE when a key spilled too far and more room is needed. */
static enum err build(struct list_builder *b, double growth, struct generation_builder *builder)
{
	struct plan plan;
	uint64_t sets_max = list_tables_count(&b->scored) + b->scored_names.count;
	size_t small_bytes = texts_bytes(b) +
	                     (b->policed_names.count + b->scored_names.count) * sizeof(uint32_t);

	if (!sets_begin(b))
		return ERR_NO_MEMORY;
	small_bytes += (sets_max < LIST_SETS_MAX ? sets_max : LIST_SETS_MAX) *
	               sizeof(struct list_set);
	plan.bucket_count = list_tables_plan(&b->policed, growth, 0, plan.policed,
	                                     &plan.policed_count);
	plan.bucket_count = list_tables_plan(&b->scored, growth, plan.bucket_count, plan.scored,
	                                     &plan.scored_count);
	enum err err = generation_begin(builder, plan.bucket_count * 64 + small_bytes + 65536);
	if (err != OK)
		return err;
	err = put_all(b, &plan, builder);
	if (err != OK)
		generation_abandon(builder);
	return err;
}

enum err list_builder_finish(struct list_builder *builder, enum generation_kind kind,
                             uint64_t number, uint64_t made_wall_us, const char *label, int *out_fd)
{
	struct generation_builder blob;
	double growth = 1;
	enum err err = ERR_RANGE;

	ASSERT(kind == GENERATION_LISTS || kind == GENERATION_DELTA);
	for (int i = 0; i < BUILD_TRIES && err == ERR_RANGE; i++, growth *= 1.5)
		err = build(builder, growth, &blob);
	if (err != OK)
		return err;
	return generation_seal(&blob, kind, number, made_wall_us, label, out_fd);
}
