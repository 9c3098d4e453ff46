/* worker_counters.h - counters by name (counters->…++) and as a group for telemetry. */
#ifndef DATAPLANE_WORKER_COUNTERS_H
#define DATAPLANE_WORKER_COUNTERS_H

#include "base/counter.h"

struct worker_counters {
#define COUNTER(name, help) uint64_t name;
#include "dataplane/worker_counters.def"
};

extern const struct counter_group worker_counter_group;

#endif
