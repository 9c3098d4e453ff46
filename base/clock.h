/* clock.h - the only file that reads time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Monotonic microseconds since an arbitrary start. */
uint64_t clock_now_us(void);
/* Microseconds since 1970 UTC. */
uint64_t clock_wall_us(void);
/* CPU time of the calling thread in nanoseconds. */
uint64_t clock_thread_cpu_ns(void);
/* "2026-11-21T22:33:44.123456Z" into `out` (at least 28 octets, NUL-terminated): RFC 3339. */
void clock_format_rfc3339(uint64_t wall_us, char out[28]);
/* A date, "2026-11-21", which is its midnight, or a time, "2026-11-21T22:33:44Z", both UTC, from
 * 1970 on. False on anything else. */
bool clock_parse_rfc3339(struct bytes text, uint64_t *out_wall_us);
/* "Sat, 21 Nov 2026 22:33:44 +0000" (at least 32 octets, NUL-terminated): RFC 5322 3.3, no
 * allocation. */
void clock_format_rfc5322(uint64_t wall_us, char out[32]);

#endif
