/* tls_counters.h - counters by name (counters->…++) and as a group for telemetry. */
#ifndef TCPSTACK_TLS_COUNTERS_H
#define TCPSTACK_TLS_COUNTERS_H

#include "base/counter.h"

struct tls_counters {
#define COUNTER(name, help) uint64_t name;
#include "tcpstack/tls_counters.def"
};

extern const struct counter_group tls_counter_group;

#endif
