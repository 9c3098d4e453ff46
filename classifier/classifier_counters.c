/* classifier_counters.c - names and help texts of the classifier's counters. */
#include "classifier/classifier_counters.h"

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "classifier/classifier_counters.def"
};

const struct counter_group classifier_counter_group = {"classifier", info,
                                                       sizeof(info) / sizeof(info[0])};
