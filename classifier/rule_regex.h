/* rule_regex.h - a pattern as a tree, for finding what every match must contain; write side only.
 *
 * The tree describes a superset of what the pattern matches: assertions count as empty, what cannot
 * be followed as anything. It decides nothing, PCRE2 does. Children come before their parents in
 * the array, so that a walk from front to back sees them first.
 */
#ifndef CLASSIFIER_RULE_REGEX_H
#define CLASSIFIER_RULE_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "classifier/rule_pool.h"

struct octets {
	uint64_t bit[4];
};

static inline bool octets_has(const struct octets *set, uint8_t octet)
{
	return (set->bit[octet >> 6] >> (octet & 63) & 1) != 0;
}

static inline void octets_add(struct octets *set, uint8_t octet)
{
	set->bit[octet >> 6] |= (uint64_t)1 << (octet & 63);
}

uint32_t octets_count(const struct octets *set);

enum regex_kind {
	REGEX_OCTET, /* one octet of `set` */
	REGEX_SEQUENCE,
	REGEX_CHOICE,
	REGEX_REPEAT, /* min to max times; max REGEX_ENDLESS */
	REGEX_EMPTY,
	REGEX_ANYTHING
};

/* Where text must begin for what is matched next. */
enum regex_start { START_ANYWHERE, START_LINE, START_TEXT };

#define REGEX_ENDLESS   UINT32_MAX
#define REGEX_NODES_MAX 65536u

struct regex_node {
	enum regex_kind kind;
	uint32_t min, max;
	uint32_t child, next;   /* 1 + index; 0: none */
	enum regex_start start; /* REGEX_EMPTY: asked for here */
	struct octets set;
};

struct regex {
	struct regex_node *node;
	uint32_t count, room;
	uint32_t root;
	bool caseless; /* some part of it is */
	/* A part that may be left out can be: nothing is possessive or atomic, nothing refers back.
	 */
	bool plain;
};

/* ERR_UNSUPPORTED when the pattern has something the tree cannot carry (it may still be a good
 * pattern). */
MUST_CHECK enum err regex_parse(struct rule_pool *pool, struct bytes pattern,
                                struct regex *out_regex);

/* What is sure of where each match begins. */
enum regex_start regex_start(struct rule_pool *pool, const struct regex *regex);

/* The other case of an octet as SpamAssassin folds it: ASCII letters, and C0-DE with E0-FE except
 * D7 and F7. */
uint8_t octet_other_case(uint8_t octet);

#endif
