/* gate.h - runs a gate (ruleset_blob.h) over one segment. */
#ifndef CLASSIFIER_GATE_H
#define CLASSIFIER_GATE_H

#include "base/bytes.h"
#include "classifier/ruleset_blob.h"

/* Sets in `out_seen` (gate->words words) every final bit that rose. */
void gate_scan(const struct blob_gate *gate, struct bytes segment, uint64_t *out_seen);

#endif
