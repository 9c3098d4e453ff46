/* gate.h - runs a gate (ruleset_blob.h) over one segment. */
#ifndef CLASSIFIER_GATE_H
#define CLASSIFIER_GATE_H

#include "base/bytes.h"
#include "classifier/ruleset_blob.h"

/* What is told of where a bit was raised: the block of octets it was in. */
#define GATE_BLOCK_OCTETS 64u

/* Final bits of the word that were raised by octets in [from, to). */
typedef void gate_told(void *user, uint32_t word, uint64_t bits, uint32_t from, uint32_t to);

/* Words [from, to) of a gate; both multiples of GATE_LANES. */
#define GATE_LANES 4u

struct gate_span {
	uint32_t from, to;
};

/* Runs the windows of the span over the segment and tells of each block and word of final bits that
 * were raised, in no order. */
void gate_scan(const struct blob_gate *gate, struct gate_span span, struct bytes segment,
               gate_told *told, void *user);

#endif
