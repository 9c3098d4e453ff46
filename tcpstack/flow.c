/* flow.c - TCP flows of others: the table, time, and what flags mean to one who only listens. */
#include "tcpstack/flow.h"

#include "base/check.h"
#include "tcpstack/flow_internal.h"
#include "tcpstack/net_internal.h"

#define OPTION_END    0
#define OPTION_NOP    1
#define OPTION_WINDOW 3

/* A segment, and how far it got. */
struct segment {
	struct endpoint source, destination;
	uint32_t seq, ack, window;
	struct bytes data;
	uint8_t flags;
	uint8_t shift;
	bool shift_seen;
};

void flows_config_defaults(struct flows_config *config)
{
	*config = (struct flows_config){
	    .flows_max = 4096,
	    .pieces_max = 16384,
	    .pieces_per_side_max = 64,
	    .pieces_remembered = 4,
	    .opening_timeout_us = 20 * UINT64_C(1000000),
	    .idle_timeout_us = 600 * UINT64_C(1000000),
	    .closed_timeout_us = 10 * UINT64_C(1000000),
	};
}

static uint32_t bucket_count_of(const struct flows_config *config)
{
	uint32_t count = 1;

	while (count < config->flows_max)
		count *= 2;
	return count;
}

size_t flows_bytes(const struct flows_config *config)
{
	size_t flow = sizeof(struct flow) + 64 + sizeof(uint32_t);
	size_t piece = sizeof(struct piece) + 64 + sizeof(uint32_t);

	return sizeof(struct flows) + (config->flows_max + (size_t)1) * flow +
	       config->pieces_max * piece + bucket_count_of(config) * sizeof(struct flow *) +
	       6 * 64;
}

struct flows *flows_new(struct arena *arena, const struct flows_config *config,
                        struct flow_counters *counters)
{
	struct flows *flows = ARENA_TAKE(arena, 1, struct flows);

	ASSERT(config->flows_max > 0 && config->pieces_max > 0);
	ASSERT(config->pieces_remembered < config->pieces_per_side_max);
	if (flows == NULL)
		return NULL;
	flows->config = *config;
	flows->counters = counters;
	flows->bucket_mask = bucket_count_of(config) - 1;
	flows->buckets = ARENA_TAKE(arena, flows->bucket_mask + 1, struct flow *);
	/* One more: the flow that makes room has news to tell while the new one begins. */
	if (flows->buckets == NULL ||
	    pool_init(&flows->flow_pool, arena, config->flows_max + 1, sizeof(struct flow),
	              _Alignof(struct flow)) != OK ||
	    pool_init(&flows->piece_pool, arena, config->pieces_max, sizeof(struct piece),
	              _Alignof(struct piece)) != OK)
		return NULL;
	return flows;
}

static void list_remove(struct flow_list *list, struct flow *flow)
{
	if (flow->previous != NULL)
		flow->previous->following = flow->following;
	else
		list->head = flow->following;
	if (flow->following != NULL)
		flow->following->previous = flow->previous;
	else
		list->tail = flow->previous;
}

static void list_append(struct flow_list *list, struct flow *flow)
{
	flow->previous = list->tail;
	flow->following = NULL;
	if (list->tail != NULL)
		list->tail->following = flow;
	else
		list->head = flow;
	list->tail = flow;
}

static void set_state(struct flows *flows, struct flow *flow, enum flow_state state)
{
	list_remove(&flows->list[flow->state], flow);
	flow->state = state;
	list_append(&flows->list[state], flow);
}

static void table_remove(struct flows *flows, struct flow *flow)
{
	struct flow **link = &flows->buckets[flow->hash & flows->bucket_mask];

	while (*link != flow)
		link = &(*link)->hash_next;
	*link = flow->hash_next;
	list_remove(&flows->list[flow->state], flow);
}

static void flow_free(struct flows *flows, struct flow *flow)
{
	for (int i = 0; i < SIDE_COUNT; i++)
		side_drop_all(flows, &flow->side[i]);
	pool_put(&flows->flow_pool, flow);
}

/* Out of the table; what it still has to tell is told by flow_next, unless it has told its end. */
static void flow_remove(struct flows *flows, struct flow *flow, enum flow_reason reason)
{
	table_remove(flows, flow);
	if (flow->closed_told) {
		flow_free(flows, flow);
		return;
	}
	ASSERT(flows->dying == NULL);
	flow->reason = reason;
	for (int i = 0; i < SIDE_COUNT; i++) {
		flow->side[i].gap_until = flow->side[i].high;
		flow->side[i].syn_data_waits = false;
	}
	flows->dying = flow;
}

/* Lets go of what the last round of events still pointed to. */
static void settle(struct flows *flows)
{
	if (flows->dying != NULL) {
		ASSERT(flows->dying->closed_told); /* else its events were not pulled */
		flow_free(flows, flows->dying);
		flows->dying = NULL;
	}
	if (flows->current == NULL)
		return;
	for (int i = 0; i < SIDE_COUNT; i++)
		if (flows->current->closed_told)
			side_drop_all(flows, &flows->current->side[i]);
		else
			side_trim(flows, &flows->current->side[i]);
	flows->current = NULL;
}

static uint64_t timeout_us(const struct flows *flows, enum flow_state state)
{
	const uint64_t of[STATE_COUNT] = {flows->config.opening_timeout_us,
	                                  flows->config.idle_timeout_us,
	                                  flows->config.closed_timeout_us};

	return of[state];
}

bool flow_expire(struct flows *flows, uint64_t now_us)
{
	settle(flows);
	for (enum flow_state state = STATE_OPENING; state < STATE_COUNT; state++) {
		struct flow *head;
		while ((head = flows->list[state].head) != NULL) {
			if (now_us < head->heard_us ||
			    now_us - head->heard_us < timeout_us(flows, state))
				break;
			if (!head->closed_told)
				flows->counters->idle++;
			flow_remove(flows, head, FLOW_IDLE);
			if (flows->dying != NULL)
				return true;
		}
	}
	return false;
}

/* Closed flows are missed least, then those that were never answered. */
static void make_room(struct flows *flows)
{
	static const enum flow_state order[] = {STATE_CLOSED, STATE_OPENING, STATE_ACTIVE};

	if (flow_count(flows) < flows->config.flows_max)
		return;
	for (int i = 0; i < STATE_COUNT; i++) {
		struct flow *head = flows->list[order[i]].head;
		if (head == NULL)
			continue;
		if (!head->closed_told)
			flows->counters->evicted++;
		flow_remove(flows, head, FLOW_EVICTED);
		return;
	}
}

static bool is_lower(const struct endpoint *a, const struct endpoint *b)
{
	int order = memcmp(a->addr.octet, b->addr.octet, sizeof(a->addr.octet));

	return order < 0 || (order == 0 && a->port < b->port);
}

static struct flow_key key_of(const struct segment *segment, uint32_t scope)
{
	bool source_first = is_lower(&segment->source, &segment->destination);
	const struct endpoint *low = source_first ? &segment->source : &segment->destination;
	const struct endpoint *high = source_first ? &segment->destination : &segment->source;

	return (struct flow_key){{low->addr, high->addr}, scope, {low->port, high->port}};
}

static struct flow *table_find(const struct flows *flows, const struct flow_key *key, uint64_t hash)
{
	struct flow *flow = flows->buckets[hash & flows->bucket_mask];

	while (flow != NULL && (flow->hash != hash || memcmp(&flow->key, key, sizeof(*key)) != 0))
		flow = flow->hash_next;
	return flow;
}

static bool sender_is_client(const struct segment *segment)
{
	if ((segment->flags & TCP_FLAG_SYN) != 0)
		return (segment->flags & TCP_FLAG_ACK) == 0;
	return segment->source.port >= segment->destination.port;
}

static struct flow *flow_add(struct flows *flows, uint64_t now_us, const struct flow_key *key,
                             uint64_t hash, const struct segment *segment)
{
	make_room(flows);
	struct flow *flow = pool_get(&flows->flow_pool);
	struct flow **bucket = &flows->buckets[hash & flows->bucket_mask];
	bool from_client = sender_is_client(segment);

	ASSERT(flow != NULL);
	*flow = (struct flow){
	    .key = *key,
	    .hash = hash,
	    .heard_us = now_us,
	    .hash_next = *bucket,
	    .state = STATE_OPENING,
	    .picked_up = (segment->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != TCP_FLAG_SYN,
	};
	flow->endpoint[FLOW_CLIENT] = from_client ? segment->source : segment->destination;
	flow->endpoint[FLOW_SERVER] = from_client ? segment->destination : segment->source;
	*bucket = flow;
	list_append(&flows->list[STATE_OPENING], flow);
	if (flow->picked_up)
		flows->counters->picked_up++;
	else
		flows->counters->opened++;
	return flow;
}

/* RFC 7323 2: the only option that matters to who follows. */
static void read_options(struct bytes options, struct segment *segment)
{
	for (size_t at = 0; at < options.len && options.data[at] != OPTION_END;) {
		size_t bytes = 1;
		if (options.data[at] != OPTION_NOP) {
			if (at + 2 > options.len || options.data[at + 1] < 2)
				return;
			bytes = options.data[at + 1];
			if (at + bytes > options.len)
				return;
		}
		if (options.data[at] == OPTION_WINDOW && bytes == 3) {
			uint8_t shift = options.data[at + 2];
			segment->shift = shift < SHIFT_MAX ? shift : SHIFT_MAX;
			segment->shift_seen = true;
		}
		at += bytes;
	}
}

static bool read_segment(struct flows *flows, const struct dissect *packet,
                         struct segment *out_segment)
{
	struct bytes transport = packet->transport;
	const struct tcp_header *tcp = (const struct tcp_header *)transport.data;

	if (COUNT_IF(transport.len < sizeof(*tcp), flows->counters->malformed))
		return false;
	size_t header_bytes = (size_t)(tcp->offset >> 4) * 4;
	if (COUNT_IF(header_bytes < sizeof(*tcp) || header_bytes > transport.len,
	             flows->counters->malformed))
		return false;
	if (!flows->config.ignore_checksums) {
		uint32_t sum = checksum_pseudo(&packet->source, &packet->destination,
		                               IP_PROTOCOL_TCP, (uint32_t)transport.len);
		sum = checksum_add(sum, transport.data, transport.len);
		if (COUNT_IF(checksum_fold(sum) != 0, flows->counters->checksum_bad))
			return false;
	}
	*out_segment = (struct segment){
	    .source = {packet->source, be16_get(tcp->source)},
	    .destination = {packet->destination, be16_get(tcp->destination)},
	    .seq = be32_get(tcp->seq),
	    .ack = be32_get(tcp->ack),
	    .window = be16_get(tcp->window),
	    .data = bytes_slice(transport, header_bytes, transport.len),
	    .flags = tcp->flags,
	};
	if ((tcp->flags & TCP_FLAG_SYN) != 0)
		read_options(bytes_slice(transport, sizeof(*tcp), header_bytes - sizeof(*tcp)),
		             out_segment);
	flows->counters->segments++;
	return true;
}

/* Sequence numbers of a side begin (again). */
static void side_begin(struct flows *flows, struct side *side, uint32_t next)
{
	side_drop_all(flows, side);
	side->known = true;
	side->next = side->high = side->gap_until = next;
	side->fin_seen = false;
}

static void side_open(struct flows *flows, struct side *side, const struct segment *segment)
{
	side_begin(flows, side, segment->seq + 1);
	side->isn = segment->seq;
	side->syn_seen = true;
	side->shift = segment->shift;
	side->shift_seen = segment->shift_seen;
}

/* What the sender offers to take. Scaling counts when both sides asked for it, and never in a SYN;
 * who saw no SYN must believe the most. */
static uint32_t window_of(const struct side *sender, const struct side *receiver,
                          const struct segment *segment)
{
	if ((segment->flags & TCP_FLAG_SYN) != 0)
		return segment->window;
	if (!sender->syn_seen || !receiver->syn_seen)
		return segment->window << SHIFT_MAX;
	return sender->shift_seen && receiver->shift_seen ? segment->window << sender->shift
	                                                  : segment->window;
}

/* The acknowledgement in a segment of `sender`: what the other side may send, and what of it was
 * received. */
static void take_ack(struct flows *flows, struct side *sender, struct side *other,
                     const struct segment *segment)
{
	uint32_t ack = segment->ack;

	if ((segment->flags & TCP_FLAG_ACK) == 0)
		return;
	if (!other->known) {
		side_begin(flows, other, ack);
		other->isn = ack - 1;
	}
	/* Who names the next sequence number exactly is believed even beyond the window that we saw
	 * offered: packets may have been missed. */
	bool exact = segment->seq == sender->next || !other->acked_known;
	uint32_t edge_max = exact ? other->next + WINDOW_MAX : other->edge + 1;
	uint32_t lowest = other->acked_known ? other->acked : other->next - WINDOW_MAX;
	if (other->fin_seen)
		edge_max = other->fin_seq + 1;
	if (seq_after(ack, edge_max) > 0 || (other->syn_seen && seq_after(ack, other->isn) <= 0)) {
		flows->counters->acks_bad++;
		return;
	}
	if (seq_after(ack, lowest) < 0)
		return; /* old: says nothing new */
	if (other->syn_data_waits) {
		other->syn_data_waits = false;
		if (COUNT_IF(ack == other->isn + 1, flows->counters->syn_data_refused)) {
			side_drop_waiting(flows, other);
			other->high = other->next;
		}
	}
	uint32_t edge = ack + window_of(sender, other, segment);
	if (!other->acked_known || seq_after(edge, other->edge) > 0)
		other->edge = edge;
	other->acked = ack;
	other->acked_known = true;
	if (seq_after(ack, other->high) > 0)
		other->high = ack; /* sent, though not seen */
}

static bool side_has_told(const struct side *side)
{
	return side->known && (side->next != side->isn + 1 || side->fin_told);
}

/* A SYN: the side begins, or repeats itself, or contradicts itself. True: go on with the segment.
 */
static bool take_syn(struct flows *flows, struct side *side, struct side *other,
                     const struct segment *segment)
{
	bool answers = (segment->flags & TCP_FLAG_ACK) != 0;

	/* The client's SYN of several that the server answers is the one that counts. */
	if (answers && !side->known && !side_has_told(other) && other->reopen_seen &&
	    segment->ack == other->reopen_isn + 1) {
		side_begin(flows, other, segment->ack);
		other->isn = segment->ack - 1;
		other->syn_data_waits = false;
	}
	if (!side->known) {
		side_open(flows, side, segment);
		side->syn_data_waits = !answers && segment->data.len > 0 && !other->known;
		return true;
	}
	if (side->syn_seen && segment->seq == side->isn)
		return true;
	/* What was known came from acknowledgements alone, of one side or the other. */
	if (!side->syn_seen && !side->fin_seen && !side_has_told(side)) {
		side_open(flows, side, segment);
		side->acked_known = false;
		return true;
	}
	flows->counters->syn_conflicting++;
	side->reopen_seen = true;
	side->reopen_isn = segment->seq;
	return false;
}

/* RFC 5961 3.2: a receiver heeds a reset only at exactly the next sequence number. What that is
 * depends on what has reached it, of which we know bounds. */
static bool reset_is_exact(const struct side *side, const struct side *other,
                           const struct segment *segment)
{
	if (!side->known) /* RFC 9293 3.10.7.3: it must acknowledge the SYN */
		return !other->syn_seen || ((segment->flags & TCP_FLAG_ACK) != 0 &&
		                            seq_after(segment->ack, other->isn) > 0 &&
		                            seq_after(segment->ack, other->high) <= 0);
	return segment->seq == side->next || segment->seq == side->high ||
	       (side->acked_known && segment->seq == side->acked) ||
	       (side->fin_seen && segment->seq == side->fin_seq + 1);
}

static void take_reset(struct flows *flows, struct flow *flow, enum flow_side from,
                       const struct segment *segment)
{
	struct side *side = &flow->side[from], *other = &flow->side[!from];

	flows->counters->reset_data += segment->data.len > 0;
	if (COUNT_IF(!reset_is_exact(side, other, segment), flows->counters->resets_bad))
		return;
	flow->reset_seen = true;
	flow->reset_by = from;
	for (int i = 0; i < SIDE_COUNT; i++) {
		flow->side[i].gap_until = flow->side[i].high;
		flow->side[i].syn_data_waits = false;
	}
}

/* Octets and end of a side, as far as the receiver takes them. */
static void take_data(struct flows *flows, struct side *side, const struct segment *segment)
{
	bool syn = (segment->flags & TCP_FLAG_SYN) != 0;
	uint32_t seq = segment->seq + syn;
	struct bytes data = segment->data;
	/* One octet more: a probe of a closed window is kept if the window then opens. */
	uint32_t edge = side->acked_known ? side->edge + 1 : side->next + WINDOW_MAX;
	bool fin = (segment->flags & TCP_FLAG_FIN) != 0;

	if (!syn && data.len <= 1 && !fin && seq + 1 == side->next && side->acked_known &&
	    side->acked == side->next) {
		flows->counters->keep_alives++;
		side->findings.keep_alives++;
		return;
	}
	if (data.len == 0 && !fin)
		return;
	uint32_t room = seq_after(edge, seq) > 0 ? edge - seq : 0;
	if (seq_after(seq, side->next - WINDOW_MAX) < 0)
		room = 0;
	if (data.len > room || (fin && room == 0)) {
		flows->counters->out_of_window++;
		side->findings.out_of_window++;
		data = bytes_slice(data, 0, room);
		fin = false;
	}
	if (side->fin_seen && seq_after(seq + (uint32_t)data.len, side->fin_seq) > 0) {
		flows->counters->beyond_fin++;
		data = bytes_slice(data, 0,
		                   seq_after(side->fin_seq, seq) > 0 ? side->fin_seq - seq : 0);
		fin = false;
	}
	if (fin && !side->fin_seen) {
		side->fin_seen = seq_after(seq + (uint32_t)data.len, side->high) >= 0 ||
		                 seq + (uint32_t)data.len + 1 == side->high;
		side->fin_seq = seq + (uint32_t)data.len;
		flows->counters->beyond_fin += !side->fin_seen;
	}
	if (seq_after(seq + (uint32_t)data.len, side->high) > 0)
		side->high = seq + (uint32_t)data.len;
	side_insert(flows, side, seq, data);
}

/* A hole is given up when its octets were acknowledged and their sender has gone on behind them all
 * the same: in captures an acknowledgement may stand in front of what it acknowledges. */
static void give_up_holes(struct side *side, uint32_t seq)
{
	uint32_t until = seq_after(side->acked, seq) < 0 ? side->acked : seq;

	if (seq_after(until, side->gap_until) > 0)
		side->gap_until = until;
}

static void take_segment(struct flows *flows, struct flow *flow, enum flow_side from,
                         const struct segment *segment)
{
	struct side *side = &flow->side[from], *other = &flow->side[!from];

	side->findings.segments++;
	if ((segment->flags & TCP_FLAG_RST) != 0) {
		take_reset(flows, flow, from, segment);
		return;
	}
	if ((segment->flags & TCP_FLAG_SYN) != 0) {
		if (!take_syn(flows, side, other, segment))
			return;
	} else {
		if (!side->known) {
			side_begin(flows, side, segment->seq);
			side->isn = segment->seq - 1;
		}
		side->syn_data_waits = false;
	}
	flows->counters->urgent += (segment->flags & TCP_FLAG_URG) != 0;
	/* What lies outside the window says nothing about the other side, either (RFC
	 * 9293 3.10.7.4).
	 */
	uint32_t edge = side->acked_known ? side->edge + 1 : side->next + WINDOW_MAX;
	if (seq_after(segment->seq, edge) > 0 ||
	    seq_after(segment->seq, side->next - WINDOW_MAX) < 0) {
		flows->counters->out_of_window++;
		side->findings.out_of_window++;
		return;
	}
	take_ack(flows, side, other, segment);
	take_data(flows, side, segment);
	if (side->acked_known)
		give_up_holes(side, segment->seq);
	if (flow->state == STATE_OPENING && ((segment->flags & TCP_FLAG_SYN) == 0 || other->known))
		set_state(flows, flow, STATE_ACTIVE);
}

/* Does the packet begin a new flow in place of `flow`? A SYN does after the end; before it, a
 * SYN-ACK that answers a SYN which did not fit (RFC 9293 3.10.7.4: an established connection
 * would not have answered so). */
static bool is_replaced(const struct flow *flow, enum flow_side from, const struct segment *segment)
{
	const struct side *side = &flow->side[from], *other = &flow->side[!from];

	if ((segment->flags & TCP_FLAG_SYN) == 0)
		return false;
	if ((segment->flags & TCP_FLAG_ACK) == 0)
		return flow->closed_told && segment->seq != side->isn;
	if (!other->reopen_seen || segment->ack != other->reopen_isn + 1)
		return false;
	return side->known ? segment->seq != side->isn : side_has_told(other);
}

void flow_feed(struct flows *flows, uint64_t now_us, const struct dissect *packet)
{
	struct segment segment;

	ASSERT(packet->protocol == IP_PROTOCOL_TCP && !packet->fragmented);
	settle(flows);
	if (!read_segment(flows, packet, &segment))
		return;
	struct flow_key key = key_of(&segment, packet->scope);
	uint64_t hash = hash64(&flows->config.key, &key, sizeof(key));
	struct flow *flow = table_find(flows, &key, hash);
	enum flow_side from = FLOW_CLIENT;
	if (flow != NULL) {
		const struct endpoint *client = &flow->endpoint[FLOW_CLIENT];
		if (client->port != segment.source.port ||
		    !addr_equal(&client->addr, &segment.source.addr))
			from = FLOW_SERVER;
		if (is_replaced(flow, from, &segment)) {
			if (!flow->closed_told)
				flows->counters->replaced++;
			flow_remove(flows, flow, FLOW_REPLACED);
			flow = NULL;
		} else if (COUNT_IF(flow->closed_told, flows->counters->after_close)) {
			return;
		}
	}
	if (flow == NULL) {
		if (COUNT_IF((segment.flags & TCP_FLAG_RST) != 0, flows->counters->no_flow))
			return;
		flow = flow_add(flows, now_us, &key, hash, &segment);
		from = sender_is_client(&segment) ? FLOW_CLIENT : FLOW_SERVER;
	}
	flow->heard_us = now_us;
	set_state(flows, flow, flow->state);
	flows->current = flow;
	take_segment(flows, flow, from, &segment);
}

static bool tell(struct flow *flow, enum flow_event_kind kind, struct flow_event *out_event)
{
	out_event->kind = kind;
	out_event->picked_up = flow->picked_up;
	out_event->reason = flow->reason;
	return true;
}

static bool flow_pull(struct flows *flows, struct flow *flow, struct flow_event *out_event)
{
	if (!flow->opened_told) {
		flow->opened_told = true;
		return tell(flow, FLOW_OPENED, out_event);
	}
	for (int i = 0; i < SIDE_COUNT; i++) {
		out_event->side = (enum flow_side)i;
		if (flow->side[i].syn_seen && !flow->side[i].syn_told) {
			flow->side[i].syn_told = true;
			return tell(flow, FLOW_SYN, out_event);
		}
		if (side_next(flows, &flow->side[i], out_event))
			return true;
	}
	out_event->side = flow->reset_by;
	if (flow->reset_seen && !flow->reset_told) {
		flow->reset_told = true;
		return tell(flow, FLOW_RESET, out_event);
	}
	return false;
}

/* Is it over, and why? */
static bool flow_is_over(struct flows *flows, struct flow *flow)
{
	if (flow == flows->dying)
		return true;
	if (COUNT_IF(flow->reset_told, flows->counters->reset))
		flow->reason = FLOW_WAS_RESET;
	else if (COUNT_IF(flow->side[FLOW_CLIENT].fin_told && flow->side[FLOW_SERVER].fin_told,
	                  flows->counters->finished))
		flow->reason = FLOW_FINISHED;
	else
		return false;
	set_state(flows, flow, STATE_CLOSED);
	return true;
}

bool flow_next(struct flows *flows, struct flow_event *out_event)
{
	struct flow *flow = flows->current;

	if (flows->dying != NULL && !flows->dying->closed_told)
		flow = flows->dying;
	if (flow == NULL || flow->closed_told)
		return false;
	*out_event = (struct flow_event){.flow = flow};
	if (flow_pull(flows, flow, out_event))
		return true;
	if (!flow_is_over(flows, flow))
		return false;
	flow->closed_told = true;
	return tell(flow, FLOW_CLOSED, out_event);
}

const struct endpoint *flow_endpoint(const struct flow *flow, enum flow_side side)
{
	return &flow->endpoint[side];
}

uint32_t flow_scope(const struct flow *flow)
{
	return flow->key.scope;
}

const struct flow_findings *flow_findings(const struct flow *flow, enum flow_side side)
{
	return &flow->side[side].findings;
}

void **flow_context(struct flow *flow)
{
	return &flow->context;
}

uint32_t flow_count(const struct flows *flows)
{
	return flows->flow_pool.used - (flows->dying != NULL ? 1 : 0);
}

uint32_t flow_pieces_used(const struct flows *flows)
{
	return flows->piece_pool.used;
}
