/* mime_counters.h - counters by name and as a group for telemetry. */
#ifndef SMTP_MIME_COUNTERS_H
#define SMTP_MIME_COUNTERS_H

#include "base/counter.h"

struct mime_counters {
#define COUNTER(name, help) uint64_t name;
#include "smtp/mime_counters.def"
};

extern const struct counter_group mime_counter_group;

#endif
