/* steer_maps.h - what the XDP program and its loader share: keys and values of the maps, the
 * counters.
 *
 * Included by the BPF program too: fixed-width integers of the kernel only.
 */
#ifndef DATAPLANE_XDP_STEER_MAPS_H
#define DATAPLANE_XDP_STEER_MAPS_H

#include <linux/types.h>

#define STEER_PROGRAM_NAME "postern_steer"

/* What the map of addresses holds. */
enum steer_owner { STEER_OURS = 1, STEER_KERNELS_TOO };

/* The more urgent one is asked first. */
enum steer_level { STEER_LISTS, STEER_DELTA, STEER_LEVELS };

/* What a deny map holds; the longest prefix counts. */
enum steer_verdict { STEER_ALLOW = 1, STEER_DENY };

enum steer_counter {
#define COUNTER(name, help) STEER_##name,
#include "steer_counters.def"
	STEER_COUNTER_COUNT
};

/* IPv4 as ::ffff:a.b.c.d, network order. */
struct steer_addr {
	__u8 octet[16];
};

struct steer_backend {
	__u8 octet[16];
	__be16 port;
	__u16 zero;
};

struct steer_deny4 {
	__u32 bits;
	__be32 addr;
};

struct steer_deny6 {
	__u32 bits;
	__u8 addr[16];
};

#endif
