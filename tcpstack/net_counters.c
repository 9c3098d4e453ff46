/* net_counters.c - the table as a group. */
#include "tcpstack/net_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "tcpstack/net_counters.def"
};

const struct counter_group net_counter_group = {"net", info, sizeof(info) / sizeof(info[0])};
