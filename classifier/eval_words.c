/* eval_words.c - how the words of a message's plain text and of its HTML differ.
 *
 * Words are kept in the order they come, found by a table of fixed size; a generation number says
 * which of its slots are in use, so that it need not be wiped for each message. Words are slices of
 * the rendered parts.
 */
#include <assert.h>

#include "classifier/eval.h"

#define SLOTS_MAX 32768u /* powers of two */
#define SLOTS_MIN 1024u
#define WORDS_MAX 24576u /* beyond them a part is not compared: its difference counts as none */

struct word {
	struct bytes text;
	uint32_t html, plain;
};

struct word_slot {
	uint32_t hash;
	uint16_t stamp; /* in use when it is the table's */
	uint16_t word;
};

static_assert(WORDS_MAX <= UINT16_MAX, "a slot holds a word's number");

struct eval_words {
	bool known;
	double difference; /* per cent */
	uint32_t html_count, plain_count;
	uint32_t used;
	uint32_t mask; /* of the slots that are looked at: a text needs no more */
	uint16_t stamp;
	struct word word[WORDS_MAX];
	struct word_slot slot[SLOTS_MAX];
};

size_t eval_words_bytes(void)
{
	return sizeof(struct eval_words);
}

void eval_words_forget(struct eval_words *words)
{
	words->known = false;
}

/* For texts of as many octets: all words but 256 have two or more, so slots are left free. */
static void clear(struct eval_words *words, size_t octets)
{
	uint32_t slots = SLOTS_MIN;

	while (slots < SLOTS_MAX && slots < octets / 2 + SLOTS_MIN / 2)
		slots *= 2;
	words->mask = slots - 1;
	words->used = 0;
	if (++words->stamp != 0)
		return;
	memset(words->slot, 0, sizeof(words->slot));
	words->stamp = 1;
}

static uint32_t hash_of(struct bytes text)
{
	uint64_t hash = text.len, word;
	size_t at = 0;

	for (; text.len - at > sizeof(word); at += sizeof(word)) {
		memcpy(&word, text.data + at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, text.data + at, text.len - at);
	hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(hash >> 32);
}

/* NULL when the table is full. */
static struct word *find(struct eval_words *words, struct bytes text)
{
	uint32_t hash = hash_of(text);

	for (uint32_t at = hash & words->mask;; at = (at + 1) & words->mask) {
		struct word_slot *slot = &words->slot[at];

		if (slot->stamp == words->stamp) {
			if (slot->hash == hash && bytes_equal(words->word[slot->word].text, text))
				return &words->word[slot->word];
			continue;
		}
		if (words->used == WORDS_MAX)
			return NULL;
		*slot = (struct word_slot){hash, words->stamp, (uint16_t)words->used};
		words->word[words->used] = (struct word){.text = text};
		return &words->word[words->used++];
	}
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (eval_lower(c) >= 'a' && eval_lower(c) <= 'z') ||
	       c == '_' || c >= 0x80;
}

/* The next run without white space that is more than signs. */
static bool next_word(struct bytes *rest, struct bytes *out_word)
{
	while (rest->len > 0) {
		size_t start = 0, end;
		bool has_word = false;

		while (start < rest->len && is_space(rest->data[start]))
			start++;
		for (end = start; end < rest->len && !is_space(rest->data[end]); end++)
			has_word |= is_word(rest->data[end]);
		*out_word = bytes_slice(*rest, start, end - start);
		*rest = bytes_slice(*rest, end, SIZE_MAX);
		if (has_word)
			return true;
	}
	return false;
}

static bool count_part(struct eval_words *words, const struct fact_part *part, bool html)
{
	struct bytes rest = part->rendered, text;

	while (next_word(&rest, &text)) {
		struct word *word = find(words, text);

		if (word == NULL)
			return false;
		if (html)
			word->html++;
		else
			word->plain++;
	}
	return true;
}

/* HTML without words but with an image stands for one word of its own. */
static bool has_image(const struct facts *facts, const struct fact_part *part)
{
	return part->html < facts->html_count &&
	       facts_tag(&facts->html[part->html], BYTES("img")) != NULL;
}

static uint32_t html_words(const struct eval_words *words)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < words->used; i++)
		count += words->word[i].html > 0;
	return count;
}

/* Octets of text inside a part. */
static size_t text_octets(const struct facts *facts, uint32_t outer)
{
	size_t octets = 0;

	for (uint32_t i = outer + 1; i < facts->part[outer].behind && i < facts->part_count; i++)
		octets += facts->part[i].rendered.len;
	return octets;
}

static bool fill(struct eval_words *words, const struct facts *facts, uint32_t alternative)
{
	bool image = false;

	clear(words, text_octets(facts, alternative));
	for (uint32_t i = alternative + 1;
	     i < facts->part[alternative].behind && i < facts->part_count; i++) {
		const struct fact_part *part = &facts->part[i];
		bool html = part->is_html;

		if (!part->is_leaf || !bytes_starts_nocase(part->type, BYTES("text")) ||
		    part->rendered.data == NULL)
			continue;
		if (!count_part(words, part, html))
			return false;
		image |= html && has_image(facts, part);
	}
	if (image && html_words(words) == 0) {
		struct word *word = find(words, BYTES("\n"));

		if (word != NULL)
			word->html = 1;
	}
	return true;
}

static void compare(struct eval_words *words)
{
	uint32_t html = 0, plain = 0, left = 0;

	for (uint32_t i = 0; i < words->used; i++) {
		const struct word *word = &words->word[i];

		html += word->html > 0;
		plain += word->plain > 0;
		left += word->html > word->plain;
	}
	if (html == 0)
		return;
	words->html_count = html;
	words->plain_count = plain;
	double difference = 100.0 * left / html;
	if (difference > words->difference)
		words->difference = difference;
}

/* Meeting requests have HTML and a calendar entry, and no plain text. */
static bool is_meeting(const struct facts *facts)
{
	return facts->part_count == 3 &&
	       bytes_equal(facts->part[0].type, BYTES("multipart/alternative")) &&
	       bytes_equal(facts->part[1].type, BYTES("text/html")) &&
	       bytes_equal(facts->part[2].type, BYTES("text/calendar"));
}

#define ALTERNATIVES_MAX 16u /* of one message; nested ones read the same words again */

static const struct eval_words *know_words(const struct eval_call *call)
{
	struct eval_words *words = call->state->words;
	const struct facts *facts = call->facts;
	uint32_t seen = 0;

	if (words->known)
		return words;
	words->known = true;
	words->difference = 0;
	words->html_count = words->plain_count = 0;
	if (is_meeting(facts))
		return words;
	for (uint32_t i = 0; i < facts->part_count && seen < ALTERNATIVES_MAX; i++) {
		if (!bytes_starts_nocase(facts->part[i].type, BYTES("multipart/alternative")))
			continue;
		seen++;
		if (fill(words, facts, i))
			compare(words);
	}
	return words;
}

int32_t eval_multipart_alternative_difference(const struct eval_call *call)
{
	const struct blob_eval_argument *max = &call->ruleset->evals
	                                            .argument[call->eval->argument + 1];
	double difference = know_words(call)->difference, min = eval_number(call, 0);

	return (min == 0 || difference > min) && (max->unlimited || difference <= max->number);
}

int32_t eval_multipart_alternative_difference_count(const struct eval_call *call)
{
	const struct eval_words *words = know_words(call);

	return words->html_count > eval_number(call, 1) &&
	       (double)words->plain_count / (double)words->html_count > eval_number(call, 0);
}
