/* flow_counters.h - counters by name (counters->…++) and as a group for telemetry. */
#ifndef TCPSTACK_FLOW_COUNTERS_H
#define TCPSTACK_FLOW_COUNTERS_H

#include "base/counter.h"

struct flow_counters {
#define COUNTER(name, help) uint64_t name;
#include "tcpstack/flow_counters.def"
};

extern const struct counter_group flow_counter_group;

#endif
