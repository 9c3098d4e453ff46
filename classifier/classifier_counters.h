/* classifier_counters.h - counters by name and as a group for telemetry. */
#ifndef CLASSIFIER_CLASSIFIER_COUNTERS_H
#define CLASSIFIER_CLASSIFIER_COUNTERS_H

#include "base/counter.h"

struct classifier_counters {
#define COUNTER(name, help) uint64_t name;
#include "classifier/classifier_counters.def"
};

extern const struct counter_group classifier_counter_group;

#endif
