/* gateway_counters.h - counters by name and as a group for telemetry. */
#ifndef DATAPLANE_GATEWAY_COUNTERS_H
#define DATAPLANE_GATEWAY_COUNTERS_H

#include "base/counter.h"

struct gateway_counters {
#define COUNTER(name, help) uint64_t name;
#include "dataplane/gateway_counters.def"
};

extern const struct counter_group gateway_counter_group;

#endif
