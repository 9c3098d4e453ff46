/* rule_place.h - what triggers each rule of one text kind: strings, a gate window, or nothing;
 * write side only. */
#ifndef CLASSIFIER_RULE_PLACE_H
#define CLASSIFIER_RULE_PLACE_H

#include "classifier/rule_compile_hs.h"
#include "classifier/rule_flank.h"
#include "classifier/rule_gate.h"
#include "classifier/rule_literal.h"
#include "classifier/rule_plain.h"
#include "classifier/ruleset_blob.h"

enum rule_placement { PLACED_LITERAL, PLACED_GATE, PLACED_RESIDUAL, PLACED_COUNT };

struct literal_use {
	struct scan_string string;
	struct blob_literal_rule to;
};

struct gate_use {
	const struct gate_window *window;
	struct blob_gate_rule to; /* but for the bit */
	uint32_t order;           /* in which it was placed */
};

struct placing {
	struct rule_pool *pool;
	enum text_kind kind;
	struct literal_use *literal;
	uint32_t literal_count, literal_room;
	uint8_t *flank;
	uint32_t flank_bytes, flank_room;
	struct blob_plain *plain;
	uint32_t plain_count, plain_room;
	struct blob_octets *plain_octets;
	uint32_t plain_octet_count, plain_octet_room;
	struct gate_use *gate;
	uint32_t gate_count, gate_room, gate_bits;
	uint32_t *residual;
	uint32_t residual_count, residual_room;
	uint32_t *segment; /* header selectors to be scanned */
	uint32_t segment_count, segment_room;
	uint32_t string_count; /* distinct; after rule_place_finish */
};

/* `always`: the rule must be looked at on every segment whatever the pattern. `flags`: enum
 * blob_rule_flag. `selector` counts for header rules only. `out_cost`: what the rule may cost, in
 * nanoseconds per octet of its text: an estimate, to compare rules by. */
enum rule_placement rule_place(struct placing *placing, uint32_t rule, uint8_t flags,
                               uint32_t selector, struct bytes pattern, bool always,
                               double *out_cost);

/* The sections of this kind, indexed by enum blob_kind_section; an absent one is empty. */
MUST_CHECK enum err rule_place_finish(struct placing *placing, const char *cache_folder,
                                      struct bytes out_section[BLOB_KIND_SECTIONS], char *reason);

#endif
