/* counter.h - a group of counters: names and help texts, expanded from a *_counters.def table.
 *
 * COUNTER_STRUCT users include their table twice: once as plain named fields, once as infos. A
 * group is an array of plain uint64_t owned by one thread; see tcpstack/tcp_counters.{def,h,c} for
 * the pattern.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdint.h>
#include <stdio.h>

struct counter_info {
	const char *name;
	const char *help;
};

struct counter_group {
	const char *name; /* "tcp", "smtp": the middle of postern_tcp_segments_in_total */
	const struct counter_info *info;
	uint32_t count;
};

#endif
