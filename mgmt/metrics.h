/* metrics.h - Prometheus text of what the dataplane counts and of what management knows. */
#ifndef MGMT_METRICS_H
#define MGMT_METRICS_H

#include <stdio.h>

#include "mgmt/mgmt.h"

void metrics_print(struct mgmt *mgmt, FILE *out);
/* The counters of a telemetry alone: postern_<group>_<name>_total{worker="0"}. */
void metrics_print_counters(const struct telemetry *telemetry, FILE *out);
/* What the asker counts: postern_asker_<name>_total. */
void metrics_print_asker(const struct asker *asker, FILE *out);

#endif
