/* smtp_counters.h - counters by name and as a group for telemetry. */
#ifndef SMTP_SMTP_COUNTERS_H
#define SMTP_SMTP_COUNTERS_H

#include "base/counter.h"

struct smtp_counters {
#define COUNTER(name, help) uint64_t name;
#include "smtp/smtp_counters.def"
};

extern const struct counter_group smtp_counter_group;

#endif
