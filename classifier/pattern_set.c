/* pattern_set.c - compiled patterns that rulesets share, found by their text. */
#include "classifier/pattern_set.h"

#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "base/hash.h"
#include "classifier/ruleset_pattern.h"

#define BUCKETS 4096u /* a power of two, of the order of the rules of a large set */

struct pattern_set {
	const uint8_t *tables;
	uint32_t member_count, count;
	uint64_t compiled_count;
	bool machine_code;
	struct pattern *bucket[BUCKETS];
};

struct pattern_set *pattern_set_new(bool machine_code)
{
	struct pattern_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->tables = pattern_tables_new();
	if (set->tables == NULL) {
		free(set);
		return NULL;
	}
	set->machine_code = machine_code;
	set->member_count = 1;
	return set;
}

struct pattern_set *pattern_set_join(struct pattern_set *set)
{
	set->member_count++;
	return set;
}

void pattern_set_leave(struct pattern_set *set)
{
	if (set == NULL || --set->member_count > 0)
		return;
	ASSERT(set->count == 0);
	pattern_tables_free(set->tables);
	free(set);
}

/* Text and record in one piece of memory. */
static struct pattern *compile(struct pattern_set *set, struct bytes text, char *reason)
{
	struct pattern *pattern = malloc(sizeof(*pattern) + text.len + 1);
	uint8_t *own_text = (uint8_t *)(pattern + 1);
	bool too_large;

	if (pattern == NULL) {
		snprintf(reason, PATTERN_REASON_BYTES, "out of memory");
		return NULL;
	}
	if (text.len > 0)
		memcpy(own_text, text.data, text.len);
	*pattern = (struct pattern){.code = pattern_compile(set->tables, text, reason, &too_large),
	                            .text = bytes_of(own_text, text.len)};
	if (pattern->code == NULL) {
		free(pattern);
		return NULL;
	}
	pattern->is_jit = set->machine_code &&
	                  pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;
	set->compiled_count++;
	return pattern;
}

const struct pattern *pattern_set_take(struct pattern_set *set, struct bytes text, char *reason)
{
	uint64_t hash = hash_checksum(text.data, text.len);
	struct pattern **bucket = &set->bucket[hash % BUCKETS], *pattern = *bucket;

	while (pattern != NULL && (pattern->hash != hash || !bytes_equal(pattern->text, text)))
		pattern = pattern->next;
	if (pattern == NULL) {
		pattern = compile(set, text, reason);
		if (pattern == NULL)
			return NULL;
		pattern->hash = hash;
		pattern->next = *bucket;
		*bucket = pattern;
		set->count++;
	}
	pattern->use_count++;
	return pattern;
}

void pattern_set_give(struct pattern_set *set, const struct pattern *given)
{
	if (given == NULL)
		return;
	struct pattern **at = &set->bucket[given->hash % BUCKETS];
	while (*at != given)
		at = &(*at)->next;
	struct pattern *pattern = *at;
	if (--pattern->use_count > 0)
		return;
	*at = pattern->next;
	set->count--;
	pcre2_code_free(pattern->code);
	free(pattern);
}

uint32_t pattern_set_count(const struct pattern_set *set)
{
	return set->count;
}

uint64_t pattern_set_compiled_count(const struct pattern_set *set)
{
	return set->compiled_count;
}
