/* intake.h - takes events out of the dataplane's rings: into the history, the file, and to who
 * follows. */
#ifndef MGMT_INTAKE_H
#define MGMT_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/telemetry.h"

#include "mgmt/events_file.h"
#include "mgmt/history.h"
#include "mgmt/rule_names.h"

struct intake {
	struct history *history;
	struct rule_names *names;
	struct events_file *file;
	bool attached; /* `telemetry` is mapped; it stays so after the dataplane ended */
	struct telemetry telemetry;
	uint64_t lost_before; /* in rings of dataplanes that ended */
	uint64_t taken_count;
	uint64_t by_verdict[VERDICT_COUNT]; /* of kind VERDICT */
};

/* Keeps all arguments. */
void intake_open(struct intake *intake, struct history *history, struct rule_names *names,
                 struct events_file *file);
/* Takes what is left in the rings, then closes. */
void intake_close(struct intake *intake);
/* Another telemetry: takes `fd` over. */
void intake_attach(struct intake *intake, int fd, bool new_dataplane);
/* Takes a bounded number of events; returns how many. */
uint32_t intake_run(struct intake *intake);
/* Events that rings had no room for: of this dataplane, as far as it has been met. */
uint64_t intake_lost_count(const struct intake *intake);

#endif
