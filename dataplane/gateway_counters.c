/* gateway_counters.c - the table as a group. */
#include "dataplane/gateway_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "dataplane/gateway_counters.def"
};

const struct counter_group gateway_counter_group = {"gateway", info,
                                                    sizeof(info) / sizeof(info[0])};
