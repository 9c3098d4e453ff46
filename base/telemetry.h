/* telemetry.h - one shared memfd from the dataplane to management: counters and event rings.
 *
 * Self-describing: the dataplane writes the names and helps of its counters once, so management
 * needs no knowledge of who counts what. Per worker: one array of plain uint64_t in the order of
 * the descriptions, and one event ring. Written by the dataplane only, but for the rings' tails.
 */
#ifndef BASE_TELEMETRY_H
#define BASE_TELEMETRY_H

#include "base/counter.h"
#include "base/err.h"
#include "base/event.h"
#include "base/ring.h"

#define TELEMETRY_COUNTERS_MAX 512
#define TELEMETRY_WORKERS_MAX  64
#define TELEMETRY_GROUP_BYTES  16
#define TELEMETRY_NAME_BYTES   48
#define TELEMETRY_HELP_BYTES   128

struct telemetry_counter {
	char group[TELEMETRY_GROUP_BYTES];
	char name[TELEMETRY_NAME_BYTES];
	char help[TELEMETRY_HELP_BYTES];
};

struct telemetry {
	uint8_t *memory;
	size_t bytes;
	int fd;
	uint32_t worker_count, counter_count, event_count;
};

/* Dataplane: makes the memfd. Groups follow each other in the order given. `event_count` is rounded
 * up to a power of two; telemetry.event_count says to which. */
MUST_CHECK enum err telemetry_create(struct telemetry *telemetry,
                                     const struct counter_group *const *groups,
                                     uint32_t group_count, uint32_t worker_count,
                                     uint32_t event_count);
/* Management: maps what came over the socket; checks every bound. Keeps fd. */
MUST_CHECK enum err telemetry_open(struct telemetry *telemetry, int fd);
const struct telemetry_counter *telemetry_description(const struct telemetry *telemetry,
                                                      uint32_t counter);
/* The worker's counters: telemetry.counter_count values. */
uint64_t *telemetry_counters(const struct telemetry *telemetry, uint32_t worker);
struct ring *telemetry_events(const struct telemetry *telemetry, uint32_t worker);
void telemetry_close(struct telemetry *telemetry);

#endif
