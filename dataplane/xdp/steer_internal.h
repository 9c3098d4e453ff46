/* steer_internal.h - what the loader's files share: one interface's program and its maps. */
#ifndef DATAPLANE_XDP_STEER_INTERNAL_H
#define DATAPLANE_XDP_STEER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "classifier/lists.h"
#include "dataplane/xdp/steer.h"
#include "dataplane/xdp/steer_maps.h"

#define STEER_FAMILIES 2 /* IPv4, IPv6 */

/* Two tries under construction, which will take the place of the ones of a level. A walk over the
 * lists puts the allowed networks in, a second one those denied: for want of room only the latter
 * may be left out, since without an allowed one its neighbours would be denied wrongly. */
struct deny_build {
	const struct lists *lists; /* NULL: nothing is being built */
	struct lists_cursor cursor;
	enum list_action action;
	int trie[STEER_FAMILIES];
	uint32_t count[STEER_FAMILIES];
	uint64_t left_out;
};

struct steer {
	int ifindex;
	uint32_t attach_flags;
	struct bpf_object *object;
	int program;
	int groups; /* socket that holds memberships; -1: none */
	int addrs, ports, backs, deny4, deny6, count, vlan; /* maps; the object's */
	uint32_t deny_networks_max;                         /* of each family and level */
	struct deny_build build[STEER_LEVELS];
	uint64_t deny_networks[STEER_LEVELS], deny_left_out[STEER_LEVELS]; /* in force */
	uint64_t deny_changes, deny_failures;
};

/* Puts the loader's own counters into the program's. */
void steer_deny_read(const struct steer *steer, struct steer_stats *out_stats);
void steer_deny_close(struct steer *steer);

#endif
