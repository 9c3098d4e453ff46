/* smtp_counters.c - the table as a group. */
#include "smtp/smtp_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "smtp/smtp_counters.def"
};

const struct counter_group smtp_counter_group = {"smtp", info, sizeof(info) / sizeof(info[0])};
