/* flow.h - both directions of TCP flows of others, followed without taking part in them.
 *
 * Feed packets, pull events: octets of each side in order, holes marked, beginnings and ends. What
 * comes out is what the receiver's application reads:
 *  - the first octets seen at a sequence number win; later ones are compared, and counted when they
 *    differ (a receiver that has acknowledged octets drops what comes later in their place);
 *  - what the receiver would drop is dropped: bad checksums, octets outside its window or behind a
 *    FIN, resets that are not exact (RFC 5961), octets in a reset;
 *  - octets in a SYN wait for the SYN-ACK, which may refuse them (RFC 7413);
 *  - urgent octets are ordinary ones (RFC 6093);
 *  - a hole is given up when the receiver has acknowledged it and its sender has gone on, when too
 *    much waits behind it, or when the flow ends.
 * Flows may be picked up in the middle, and only one side of them may be visible.
 *
 * All memory is carved at start. When a bound is reached something is forgotten and counted.
 */
#ifndef TCPSTACK_FLOW_H
#define TCPSTACK_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "tcpstack/dissect.h"
#include "tcpstack/flow_counters.h"

struct flows;
struct flow;

/* Who sends. The client is who sent the first SYN; picked up in the middle, the one with the higher
 * port, or, ports being equal, the first to speak. */
enum flow_side { FLOW_CLIENT, FLOW_SERVER };

struct flows_config {
	struct hash_key key; /* secret: the table is found by it */
	uint32_t flows_max;  /* closed ones that are still remembered included */
	uint32_t pieces_max; /* held over all flows; FLOW_PIECE_BYTES octets each at most */
	uint32_t pieces_per_side_max; /* held of one side: what waits and what is remembered */
	uint32_t pieces_remembered;   /* of those, what has been handed on, to compare with */
	uint64_t opening_timeout_us;  /* only a SYN seen */
	uint64_t idle_timeout_us;
	uint64_t closed_timeout_us; /* stragglers of a closed flow begin no new one */
	bool ignore_checksums;      /* a tap behind a card that fills them in sees wrong ones */
};

#define FLOW_PIECE_BYTES 1516

/* 4096 flows, 16384 pieces, 64 of a side; the key is the caller's to fill in. */
void flows_config_defaults(struct flows_config *config);
/* Octets flows_new takes from the arena, at most. */
size_t flows_bytes(const struct flows_config *config);
/* The counters stay the caller's. NULL: arena too small. */
struct flows *flows_new(struct arena *arena, const struct flows_config *config,
                        struct flow_counters *counters);

enum flow_event_kind {
	FLOW_OPENED, /* the first of every flow; `picked_up` says whether its SYN was missed */
	FLOW_SYN,    /* of `side` */
	FLOW_DATA,   /* the next octets of `side` */
	FLOW_GAP,    /* the next `gap_bytes` octets of `side` were never seen */
	FLOW_FIN,    /* `side` sends no more */
	FLOW_RESET,  /* by `side` */
	FLOW_CLOSED  /* the last of every flow; `reason` says why */
};

enum flow_reason { FLOW_FINISHED, FLOW_WAS_RESET, FLOW_IDLE, FLOW_EVICTED, FLOW_REPLACED };

struct flow_event {
	enum flow_event_kind kind;
	enum flow_side side;
	struct flow *flow;
	struct bytes data; /* valid until the next flow_feed or flow_expire */
	uint32_t gap_bytes;
	enum flow_reason reason;
	bool picked_up;
};

/* Takes a dissected packet whose protocol is TCP and that is no fragment; other packets are an
 * error of ours. Copies what it keeps. Events of the call before must have been pulled. Times must
 * not go back. */
void flow_feed(struct flows *flows, uint64_t now_us, const struct dissect *packet);
/* Takes one flow that timed out, the earliest first; its last events can then be pulled. False when
 * there is none. With UINT64_MAX: any flow, which ends a capture. */
bool flow_expire(struct flows *flows, uint64_t now_us);
/* The next event of the last flow_feed or flow_expire; false when there is no more. `event->flow`
 * is valid until FLOW_CLOSED has been pulled. */
bool flow_next(struct flows *flows, struct flow_event *out_event);

/* What was noticed of one side. */
struct flow_findings {
	uint64_t octets, gap_octets;
	uint32_t segments, gaps;
	uint32_t retransmitted, conflicting, out_of_order, out_of_window, keep_alives;
};

const struct endpoint *flow_endpoint(const struct flow *flow, enum flow_side side);
uint32_t flow_scope(const struct flow *flow);
const struct flow_findings *flow_findings(const struct flow *flow, enum flow_side side);
/* For the caller to hang its own state on; NULL in a new flow. */
void **flow_context(struct flow *flow);
uint32_t flow_count(const struct flows *flows);
uint32_t flow_pieces_used(const struct flows *flows);

#endif
