/* flow_internal.h - the two halves of flow following: flow.c has the table, time and the meaning of
 * flags; flow_side.c has the octets of one side. */
#ifndef TCPSTACK_FLOW_INTERNAL_H
#define TCPSTACK_FLOW_INTERNAL_H

#include "base/pool.h"
#include "tcpstack/flow.h"
#include "tcpstack/wire.h"

#define INDEX_NONE UINT32_MAX
#define WINDOW_MAX (UINT32_C(65535) << 14) /* RFC 7323 2.2 */
#define SHIFT_MAX  14
#define SIDE_COUNT 2

/* Octets of one side, in order of sequence numbers; those before side->next have been handed on
 * and are remembered to compare with. */
struct piece {
	struct piece *next;
	uint32_t seq;
	uint32_t len;
	uint8_t octet[FLOW_PIECE_BYTES];
};

struct side {
	struct piece *first, *last;
	uint32_t piece_count;
	uint32_t isn;
	uint32_t next;      /* of the octets, to be handed on */
	uint32_t high;      /* behind the highest seen */
	uint32_t acked;     /* by the other side */
	uint32_t edge;      /* right edge of the window the other side offered */
	uint32_t gap_until; /* holes before it are given up */
	uint32_t fin_seq;
	uint32_t reopen_isn; /* of a SYN that did not fit */
	uint8_t shift;       /* of the windows this side offers */
	bool known;          /* next is */
	bool syn_seen, syn_told, shift_seen;
	bool fin_seen, fin_told;
	bool acked_known; /* and edge */
	bool reopen_seen;
	bool syn_data_waits; /* for the other side to say whether it takes it */
	struct flow_findings findings;
};

enum flow_state { STATE_OPENING, STATE_ACTIVE, STATE_CLOSED, STATE_COUNT };

struct flow_key {
	struct addr addr[2]; /* the lower endpoint first */
	uint32_t scope;
	uint16_t port[2];
};
static_assert(sizeof(struct flow_key) == 40, "hashed and compared as octets: no padding");

struct flow {
	struct flow_key key;
	uint64_t hash;
	uint64_t heard_us;
	struct flow *hash_next;
	struct flow *previous, *following; /* in the list of its state, the longest silent first */
	struct endpoint endpoint[SIDE_COUNT];
	struct side side[SIDE_COUNT];
	void *context;
	enum flow_state state;
	enum flow_reason reason;
	bool picked_up;
	bool opened_told, closed_told;
	bool reset_seen, reset_told;
	enum flow_side reset_by;
};

struct flow_list {
	struct flow *head, *tail;
};

/* Octets that go straight from the packet to the caller because no piece was free. */
struct direct {
	struct side *side; /* NULL: none */
	uint32_t seq;
	struct bytes data;
};

struct flows {
	struct flows_config config;
	struct flow_counters *counters;
	struct flow **buckets;
	uint32_t bucket_mask;
	struct pool flow_pool, piece_pool;
	struct flow_list list[STATE_COUNT];
	struct flow *dying;   /* out of the table; its last events are being pulled */
	struct flow *current; /* of the last packet */
	struct direct direct;
};

static inline int32_t seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* Puts the octets where they belong; what was there first stays. They lie inside the window. */
void side_insert(struct flows *flows, struct side *side, uint32_t seq, struct bytes data);
/* Forgets the oldest of what is remembered, down to the bound. */
void side_trim(struct flows *flows, struct side *side);
/* Forgets what has not been handed on. */
void side_drop_waiting(struct flows *flows, struct side *side);
void side_drop_all(struct flows *flows, struct side *side);
/* The next octets, hole or end. False: nothing to tell. */
bool side_next(struct flows *flows, struct side *side, struct flow_event *out_event);

#endif
