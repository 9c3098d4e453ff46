/* worker_counters.c - the table as a group. */
#include "dataplane/worker_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "dataplane/worker_counters.def"
};

const struct counter_group worker_counter_group = {"worker", info, sizeof(info) / sizeof(info[0])};
