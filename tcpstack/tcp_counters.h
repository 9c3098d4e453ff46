/* tcp_counters.h - counters by name (counters->…++) and as a group for telemetry. */
#ifndef TCPSTACK_TCP_COUNTERS_H
#define TCPSTACK_TCP_COUNTERS_H

#include "base/counter.h"

struct tcp_counters {
#define COUNTER(name, help) uint64_t name;
#include "tcpstack/tcp_counters.def"
};

extern const struct counter_group tcp_counter_group;

#endif
