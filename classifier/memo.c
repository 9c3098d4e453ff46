/* memo.c - what rules found in texts that came before. */
#include "classifier/memo.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"

#define WAYS 8u

/* A line of the table: what a look-up reads first, one cache line of tags, is apart from what it
 * reads when one of them fits. */
struct memo_entry {
	uint64_t hash_hi;
	uint32_t what, bytes, reader;
	uint32_t serial; /* nobody else's */
	uint32_t count;
	struct memo_result result[MEMO_RESULTS_MAX];
};

static_assert(sizeof(struct memo_entry) == 128, "two cache lines");

struct memo_set {
	uint64_t tag[WAYS];  /* low half of the hash; 0: free */
	uint32_t used[WAYS]; /* when it was of use last */
};

struct memo {
	struct arena arena;
	struct hash_key key;
	uint64_t set_mask;
	struct memo_set *set;
	struct memo_entry *entry; /* WAYS of each set */
	uint32_t now, readers, serials;
	/* of the text in hand */
	bool is_noting, is_too_large;
	struct hash128 hash;
	struct memo_entry noted;
	struct memo_text text;
};

struct memo *memo_new(size_t bytes, const struct hash_key *key)
{
	const size_t set_bytes = sizeof(struct memo_set) + WAYS * sizeof(struct memo_entry);
	uint64_t sets = 1;
	struct arena arena;

	if (bytes < set_bytes)
		return NULL;
	while (sets * 2 <= bytes / set_bytes)
		sets *= 2;
	if (arena_init(&arena, sizeof(struct memo) + sets * set_bytes + 256, false) != OK)
		return NULL;
	struct memo *memo = ARENA_TAKE(&arena, 1, struct memo);
	ASSERT(memo != NULL);
	memo->set = arena_take(&arena, sets, sizeof(*memo->set), 64);
	memo->entry = arena_take(&arena, sets * WAYS, sizeof(*memo->entry), 64);
	ASSERT(memo->set != NULL && memo->entry != NULL);
	arena_seal(&arena);
	memo->set_mask = sets - 1;
	memo->key = *key;
	memo->arena = arena;
	return memo;
}

void memo_free(struct memo *memo)
{
	if (memo == NULL)
		return;
	struct arena arena = memo->arena;
	arena_free(&arena);
}

uint32_t memo_reader(struct memo *memo)
{
	return ++memo->readers;
}

static struct memo_set *set_of(const struct memo *memo, uint64_t *out_first)
{
	uint64_t index = memo->hash.hi & memo->set_mask;

	*out_first = index * WAYS;
	return &memo->set[index];
}

const struct memo_result *memo_find(struct memo *memo, uint32_t reader, uint32_t what,
                                    struct bytes text, uint32_t *out_count)
{
	uint64_t first;

	memo->hash = hash128(&memo->key, text.data, text.len);
	memo->hash.lo |= memo->hash.lo == 0;
	struct memo_set *set = set_of(memo, &first);
	memo->now++;
	for (uint32_t way = 0; way < WAYS; way++) {
		const struct memo_entry *entry = &memo->entry[first + way];

		if (set->tag[way] != memo->hash.lo || entry->hash_hi != memo->hash.hi ||
		    entry->what != what || entry->bytes != text.len || entry->reader != reader)
			continue;
		set->used[way] = memo->now;
		*out_count = entry->count;
		memo->is_noting = false;
		memo->text = (struct memo_text){(uint32_t)first + way + 1, entry->serial};
		return entry->result;
	}
	memo->is_noting = true;
	memo->is_too_large = false;
	memo->text = (struct memo_text){0, 0};
	memo->noted = (struct memo_entry){
	    .hash_hi = memo->hash.hi,
	    .what = what,
	    .bytes = (uint32_t)text.len,
	    .reader = reader,
	    .serial = ++memo->serials,
	};
	return NULL;
}

static struct memo_result *result_of(struct memo *memo, uint32_t rule)
{
	struct memo_entry *noted = &memo->noted;

	for (uint32_t i = noted->count; i > 0; i--)
		if (noted->result[i - 1].rule == rule)
			return &noted->result[i - 1];
	return NULL;
}

static void add_result(struct memo *memo, uint32_t rule, uint32_t count)
{
	if (memo->noted.count == MEMO_RESULTS_MAX)
		memo->is_too_large = true;
	else
		memo->noted.result[memo->noted.count++] = (struct memo_result){(uint16_t)rule,
		                                                               (uint16_t)count};
}

void memo_note(struct memo *memo, uint32_t rule, uint32_t count)
{
	if (!memo->is_noting)
		return;
	struct memo_result *result = result_of(memo, rule);
	if (result == NULL)
		add_result(memo, rule, count);
	else if (count == MEMO_ASK || result->count == MEMO_ASK ||
	         result->count + count > UINT16_MAX)
		result->count = MEMO_ASK;
	else
		result->count = (uint16_t)(result->count + count);
}

void memo_note_unasked(struct memo *memo, uint32_t rule)
{
	if (memo->is_noting && result_of(memo, rule) == NULL)
		add_result(memo, rule, MEMO_ASK);
}

void memo_drop(struct memo *memo)
{
	memo->is_noting = false;
}

/* A free way, else one of another reader, else the one that was of no use for longest. */
static uint32_t way_to_fill(const struct memo *memo, const struct memo_set *set, uint64_t first,
                            enum memo_kept *out_kept)
{
	uint32_t oldest = 0;

	*out_kept = MEMO_KEPT;
	for (uint32_t way = 0; way < WAYS; way++)
		if (set->tag[way] == 0 || memo->entry[first + way].reader != memo->noted.reader)
			return way;
	for (uint32_t way = 1; way < WAYS; way++)
		if (memo->now - set->used[way] > memo->now - set->used[oldest])
			oldest = way;
	*out_kept = MEMO_KEPT_FOR_ANOTHER;
	return oldest;
}

enum memo_kept memo_keep(struct memo *memo)
{
	enum memo_kept kept;
	uint64_t first;

	DEBUG_ASSERT(memo->is_noting);
	memo->is_noting = false;
	if (memo->is_too_large)
		return MEMO_TOO_LARGE;
	struct memo_set *set = set_of(memo, &first);
	uint32_t way = way_to_fill(memo, set, first, &kept);
	struct memo_entry *entry = &memo->entry[first + way];
	set->tag[way] = memo->hash.lo;
	set->used[way] = memo->now;
	memcpy(entry, &memo->noted,
	       offsetof(struct memo_entry, result) +
	           memo->noted.count * sizeof(memo->noted.result[0]));
	memo->text = (struct memo_text){(uint32_t)first + way + 1, entry->serial};
	return kept;
}

struct memo_text memo_text(const struct memo *memo)
{
	return memo->text;
}

void memo_learn(struct memo *memo, struct memo_text text, uint32_t rule, uint32_t count)
{
	if (text.entry == 0 || memo->entry[text.entry - 1].serial != text.serial)
		return;
	struct memo_entry *entry = &memo->entry[text.entry - 1];
	for (uint32_t i = 0; i < entry->count; i++) {
		if (entry->result[i].rule != rule || entry->result[i].count != MEMO_ASK)
			continue;
		if (count == 0)
			entry->result[i] = entry->result[--entry->count];
		else if (count <= UINT16_MAX)
			entry->result[i].count = (uint16_t)count;
		return;
	}
}
