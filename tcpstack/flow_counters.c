/* flow_counters.c - the table as a group. */
#include "tcpstack/flow_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "tcpstack/flow_counters.def"
};

const struct counter_group flow_counter_group = {"flow", info, sizeof(info) / sizeof(info[0])};
