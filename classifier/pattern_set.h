/* pattern_set.h - compiled patterns that rulesets share.
 *
 * Making machine code of a pattern is most of what opening a ruleset costs, and from one generation
 * to the next nearly all patterns stay. So a ruleset may join the set of one that is open: what
 * both name is compiled once and lives as long as one of them. Patterns are told apart by their
 * text. A set belongs to one thread (the control thread's); the patterns themselves are read-only
 * and may be matched by any.
 */
#ifndef CLASSIFIER_PATTERN_SET_H
#define CLASSIFIER_PATTERN_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct pcre2_real_code_8;
struct pattern_set;

struct pattern {
	struct pcre2_real_code_8 *code;
	bool is_jit; /* it is machine code */
	uint32_t use_count;
	uint64_t hash;
	struct pattern *next;
	struct bytes text; /* its own */
};

/* An empty set with one member. `machine_code`: patterns are compiled to it. NULL when memory is
 * out. */
struct pattern_set *pattern_set_new(bool machine_code);
/* One more member. */
struct pattern_set *pattern_set_join(struct pattern_set *set);
/* One less; the last one, which has given back all it took, frees the set. NULL is nothing. */
void pattern_set_leave(struct pattern_set *set);

/* The pattern of this text, compiled when nobody has it. NULL when it is bad or memory is out;
 * `reason` (PATTERN_REASON_BYTES of ruleset_pattern.h) says why. */
const struct pattern *pattern_set_take(struct pattern_set *set, struct bytes text, char *reason);
/* NULL is nothing. */
void pattern_set_give(struct pattern_set *set, const struct pattern *pattern);

/* Patterns in the set, and those compiled since it was made. */
uint32_t pattern_set_count(const struct pattern_set *set);
uint64_t pattern_set_compiled_count(const struct pattern_set *set);

#endif
