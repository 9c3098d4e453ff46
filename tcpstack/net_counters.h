/* net_counters.h - counters by name (counters->…++) and as a group for telemetry. */
#ifndef TCPSTACK_NET_COUNTERS_H
#define TCPSTACK_NET_COUNTERS_H

#include "base/counter.h"

struct net_counters {
#define COUNTER(name, help) uint64_t name;
#include "tcpstack/net_counters.def"
};

extern const struct counter_group net_counter_group;

#endif
