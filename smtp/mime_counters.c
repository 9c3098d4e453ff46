/* mime_counters.c - the table as a group. */
#include "smtp/mime_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "smtp/mime_counters.def"
};

const struct counter_group mime_counter_group = {"mime", info, sizeof(info) / sizeof(info[0])};
