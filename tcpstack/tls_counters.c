/* tls_counters.c - the table as a group. */
#include "tcpstack/tls_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "tcpstack/tls_counters.def"
};

const struct counter_group tls_counter_group = {"tls", info, sizeof(info) / sizeof(info[0])};
