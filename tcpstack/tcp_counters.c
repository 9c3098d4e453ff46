/* tcp_counters.c - the table as a group. */
#include "tcpstack/tcp_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "tcpstack/tcp_counters.def"
};

const struct counter_group tcp_counter_group = {"tcp", info, sizeof(info) / sizeof(info[0])};
