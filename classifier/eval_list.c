/* eval_list.c - looking for a text in a list of the rules.
 *
 * Entries without wild characters are found by a table made at opening, as a few hundred look-ups a
 * message among thousands of top-level domains are nearly all in vain. Texts have no case.
 */
#include <stdlib.h>

#include "classifier/eval.h"

struct list_slot {
	uint32_t hash;
	uint32_t entry; /* its number in the list, from 1 on; 0: free */
};

struct list_index {
	struct list_slot *slot;
	uint32_t mask; /* slots - 1; at most half of them are taken */
};

/* Capitals of eight octets as small letters. */
static uint64_t lower_word(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t low_bits = word & ~high;
	uint64_t from_a = low_bits + ones * (0x80 - 'A'), behind_z = low_bits + ones * (0x7F - 'Z');

	return word | ((from_a ^ behind_z) & ~word & high) >> 2;
}

static uint32_t hash_of(struct bytes text)
{
	uint64_t hash = text.len, word;
	size_t at = 0;

	for (; text.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, text.data + at, sizeof(word));
		hash = (hash ^ lower_word(word)) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 32;
	}
	word = 0;
	if (at < text.len)
		memcpy(&word, text.data + at, text.len - at);
	hash = (hash ^ lower_word(word)) * UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(hash >> 32);
}

static struct bytes entry_text(const struct ruleset_evals *e, const struct blob_list_entry *entry)
{
	return bytes_of(e->texts + entry->text, entry->bytes);
}

static const struct blob_list_entry *find_exact(const struct ruleset_evals *e, uint32_t list,
                                                struct bytes text)
{
	const struct list_index *index = &e->index[list];
	const struct blob_list_entry *entries = e->entry + e->list[list].entry;
	uint32_t hash = hash_of(text);

	for (uint32_t at = hash & index->mask; index->slot[at].entry != 0;
	     at = (at + 1) & index->mask) {
		const struct blob_list_entry *entry = &entries[index->slot[at].entry - 1];

		if (index->slot[at].hash == hash && bytes_equal_nocase(entry_text(e, entry), text))
			return entry;
	}
	return NULL;
}

const struct blob_list_entry *eval_list_find(const struct ruleset *ruleset, uint32_t list,
                                             struct bytes text, bool wild)
{
	const struct ruleset_evals *e = &ruleset->evals;
	const struct blob_list *l = &e->list[list];
	const struct blob_list_entry *exact = l->exact_count > 0 ? find_exact(e, list, text) : NULL;

	if (exact != NULL)
		return exact;
	for (uint32_t i = l->exact_count; wild && i < l->entry_count; i++) {
		const struct blob_list_entry *entry = &e->entry[l->entry + i];

		if (eval_glob(entry_text(e, entry), text, 0))
			return entry;
	}
	return NULL;
}

static void index_fill(const struct ruleset_evals *e, uint32_t list, struct list_index *index)
{
	const struct blob_list *l = &e->list[list];

	for (uint32_t i = 0; i < l->exact_count; i++) {
		uint32_t hash = hash_of(entry_text(e, &e->entry[l->entry + i]));
		uint32_t at = hash & index->mask;

		while (index->slot[at].entry != 0)
			at = (at + 1) & index->mask;
		index->slot[at] = (struct list_slot){hash, i + 1};
	}
}

enum err eval_lists_open(struct ruleset *ruleset)
{
	struct ruleset_evals *e = &ruleset->evals;

	e->index = calloc(e->list_count + 1, sizeof(*e->index));
	if (e->index == NULL)
		return ERR_NO_MEMORY;
	for (uint32_t i = 0; i < e->list_count; i++) {
		uint32_t slots = 2;

		while (slots < 2 * (uint64_t)e->list[i].exact_count)
			slots *= 2;
		e->index[i] = (struct list_index){calloc(slots, sizeof(struct list_slot)),
		                                  slots - 1};
		if (e->index[i].slot == NULL)
			return ERR_NO_MEMORY;
		index_fill(e, i, &e->index[i]);
	}
	return OK;
}

void eval_lists_close(struct ruleset *ruleset)
{
	struct ruleset_evals *e = &ruleset->evals;

	for (uint32_t i = 0; e->index != NULL && i < e->list_count; i++)
		free(e->index[i].slot);
	free(e->index);
}
