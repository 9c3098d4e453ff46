/* handover.c - frames that reached one worker and belong to another, or to all. */
#include "dataplane/handover.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/ring.h"
#include "dataplane/owner.h"

#define FRAME_BYTES_MAX (PKT_DATA_BYTES - PKT_HEADROOM_BYTES)
#define RECORDS_ALL     512 /* of the rings towards one worker together */
#define RECORDS_MIN     16
#define OFFERS_MAX \
	4 /* strangers copied to all in a turn: who sends fragments must not keep all busy */
#define FOR_ALL          UINT32_MAX
#define ETHERTYPE_IP4    0x0800
#define ETHERTYPE_ARP    0x0806
#define ETHERTYPE_VLAN   0x8100
#define ETHERTYPE_IP6    0x86dd
#define PROTOCOL_TCP     6
#define PROTOCOL_ICMP6   58
#define ARP_REPLY        2
#define ND_ADVERTISEMENT 136

struct record {
	uint16_t len;
	uint8_t port;
	uint8_t flags; /* of the packet */
	uint8_t frame[FRAME_BYTES_MAX];
};

struct handover {
	const struct config *config;
	const struct owners *owners;
	struct worker_link *const *links;
	struct {
		uint32_t next;   /* whose ring is looked at first, in turn */
		uint32_t offers; /* strangers it may copy to all before it takes again */
		struct record record;
	} taker[WORKERS_MAX];
	struct record scratch[WORKERS_MAX];          /* sender's */
	struct ring *ring[WORKERS_MAX][WORKERS_MAX]; /* [from][to] */
};

static uint32_t record_count(uint32_t worker_count)
{
	uint32_t count = RECORDS_ALL;

	while (count > RECORDS_MIN && count * worker_count > RECORDS_ALL)
		count /= 2;
	return count;
}

size_t handover_bytes(uint32_t worker_count)
{
	size_t ring = ring_bytes(sizeof(struct record), record_count(worker_count)) + 64;

	return sizeof(struct handover) + 64 + worker_count * worker_count * ring;
}

struct handover *handover_new(struct arena *arena, const struct config *config,
                              const struct owners *owners, struct worker_link *const *links)
{
	uint32_t count = record_count(config->workers);
	struct handover *handover = arena_take(arena, 1, sizeof(struct handover), 64);

	if (handover == NULL)
		return NULL;
	handover->config = config;
	handover->owners = owners;
	handover->links = links;
	for (uint32_t from = 0; from < config->workers; from++) {
		for (uint32_t to = 0; to < config->workers; to++) {
			void *memory;

			if (from == to)
				continue;
			memory = arena_take(arena, 1, ring_bytes(sizeof(struct record), count), 64);
			if (memory == NULL)
				return NULL;
			handover->ring[from][to] = ring_init(memory, sizeof(struct record), count);
		}
	}
	return handover;
}

static uint16_t get16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static bool is_backend(const struct config *config, const struct endpoint *remote)
{
	for (uint32_t i = 0; i < config->backend_count; i++)
		if (config->backend[i].remote.port == remote->port &&
		    addr_equal(&config->backend[i].remote.addr, &remote->addr))
			return true;
	return false;
}

/* Whose the segment `tcp` is, when it comes from a backend; else the receiver's. */
static uint32_t tcp_owner(struct handover *handover, uint32_t worker, struct endpoint *remote,
                          struct endpoint *local, const uint8_t *tcp,
                          struct handover_counts *counts)
{
	uint32_t owner;

	remote->port = get16(tcp);
	local->port = get16(tcp + 2);
	if (!is_backend(handover->config, remote))
		return worker;
	owner = owner_of(handover->owners, remote, local);
	counts->backend_here += owner == worker;
	counts->backend_elsewhere += owner != worker;
	return owner;
}

static struct addr get_ip4(const uint8_t *data)
{
	return addr_from_ip4((uint32_t)get16(data) << 16 | get16(data + 2));
}

static uint32_t ip4_owner(struct handover *handover, uint32_t worker, const uint8_t *ip, size_t len,
                          struct handover_counts *counts)
{
	struct endpoint remote, local;
	size_t header;

	if (len < 20 || ip[9] != PROTOCOL_TCP || (get16(ip + 6) & 0x1fff) != 0)
		return worker;
	header = (size_t)(ip[0] & 0x0f) * 4;
	if (len < header + 4)
		return worker;
	remote.addr = get_ip4(ip + 12);
	local.addr = get_ip4(ip + 16);
	return tcp_owner(handover, worker, &remote, &local, ip + header, counts);
}

static uint32_t ip6_owner(struct handover *handover, uint32_t worker, const uint8_t *ip, size_t len,
                          struct handover_counts *counts)
{
	struct endpoint remote, local;

	if (len < 44)
		return worker;
	if (ip[6] == PROTOCOL_ICMP6)
		return ip[40] == ND_ADVERTISEMENT ? FOR_ALL : worker;
	if (ip[6] != PROTOCOL_TCP)
		return worker;
	memcpy(remote.addr.octet, ip + 8, sizeof(remote.addr.octet));
	memcpy(local.addr.octet, ip + 24, sizeof(local.addr.octet));
	return tcp_owner(handover, worker, &remote, &local, ip + 40, counts);
}

/* The worker a frame belongs to, or FOR_ALL. What is cut short is the receiver's, who counts it. */
static uint32_t frame_owner(struct handover *handover, uint32_t worker, const struct pkt *pkt,
                            struct handover_counts *counts)
{
	const uint8_t *data = pkt->data;
	size_t len = pkt->len, header = 14;
	uint16_t type;

	if (len < 22)
		return worker;
	type = get16(data + 12);
	if (type == ETHERTYPE_VLAN) {
		header = 18;
		type = get16(data + 16);
	}
	if (type == ETHERTYPE_IP4)
		return ip4_owner(handover, worker, data + header, len - header, counts);
	if (type == ETHERTYPE_IP6)
		return ip6_owner(handover, worker, data + header, len - header, counts);
	if (type == ETHERTYPE_ARP && len >= header + 8 && get16(data + header + 6) == ARP_REPLY)
		return FOR_ALL;
	return worker;
}

/* Copies the frame to worker `to`. The fence pairs with the one of who goes to sleep: either it
 * sees the frame, or we see it asleep. */
static bool hand(struct handover *handover, uint32_t from, uint32_t to, const struct pkt *pkt,
                 uint8_t flags)
{
	struct record *record = &handover->scratch[from];

	if (pkt->len > sizeof(record->frame))
		return false;
	record->len = pkt->len;
	record->port = pkt->port;
	record->flags = flags;
	memcpy(record->frame, pkt->data, pkt->len);
	if (!ring_push(handover->ring[from][to], record))
		return false;
	worker_link_wake(handover->links[to]);
	return true;
}

static uint64_t hand_to_all(struct handover *handover, uint32_t worker, const struct pkt *pkt,
                            uint8_t flags)
{
	uint64_t lost = 0;

	for (uint32_t to = 0; to < handover->config->workers; to++)
		if (to != worker)
			lost += !hand(handover, worker, to, pkt, flags);
	return lost;
}

size_t handover_sort(struct handover *handover, uint32_t worker, struct pkt **pkts, size_t count,
                     struct handover_counts *counts)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct pkt *pkt = pkts[i];
		uint32_t owner = frame_owner(handover, worker, pkt, counts);

		if (owner == FOR_ALL)
			counts->lost += hand_to_all(handover, worker, pkt, 0);
		if (owner == FOR_ALL || owner == worker) {
			pkts[kept++] = pkt;
			continue;
		}
		counts->lost += !hand(handover, worker, owner, pkt, 0);
		pkt_put(pkt);
	}
	return kept;
}

bool handover_stranger(struct handover *handover, uint32_t worker,
                       const struct net_stranger *stranger, struct handover_counts *counts)
{
	const struct endpoint *remote = &stranger->remote, *local = &stranger->local;

	if (is_backend(handover->config, remote) ||
	    owner_is_computed(handover->owners, &remote->addr, &local->addr)) {
		uint32_t owner = owner_of(handover->owners, remote, local);

		if (owner == worker)
			return false;
		counts->lost += !hand(handover, worker, owner, stranger->ip, PKT_HANDED);
		return true;
	}
	if (stranger->opens)
		return false; /* all would take it */
	if (handover->taker[worker].offers == 0) {
		counts->lost++;
		return true;
	}
	handover->taker[worker].offers--;
	counts->lost += hand_to_all(handover, worker, stranger->ip, PKT_HANDED);
	return true;
}

/* One frame from the next worker that has one; NULL when none has, or no packet is free. */
static struct pkt *take_one(struct handover *handover, uint32_t worker, struct pkt_pool *pool)
{
	const uint32_t workers = handover->config->workers;
	struct record *record = &handover->taker[worker].record;
	struct pkt *pkt = pkt_get(pool);

	if (pkt == NULL)
		return NULL;
	for (uint32_t tries = 0; tries < workers; tries++) {
		uint32_t from = handover->taker[worker].next;

		handover->taker[worker].next = from + 1 < workers ? from + 1 : 0;
		if (from == worker || !ring_pop(handover->ring[from][worker], record))
			continue;
		ASSERT(record->len <= pkt_tailroom(pkt));
		memcpy(pkt->data, record->frame, record->len);
		pkt->len = record->len;
		pkt->port = record->port;
		pkt->flags = record->flags;
		return pkt;
	}
	pkt_put(pkt);
	return NULL;
}

size_t handover_take(struct handover *handover, uint32_t worker, struct pkt_pool *pool,
                     struct pkt **out_pkts, size_t max)
{
	size_t count = 0;

	handover->taker[worker].offers = OFFERS_MAX;
	while (count < max && handover_waits(handover, worker)) {
		struct pkt *pkt = take_one(handover, worker, pool);

		if (pkt == NULL)
			break;
		out_pkts[count++] = pkt;
	}
	return count;
}

bool handover_waits(const struct handover *handover, uint32_t worker)
{
	for (uint32_t from = 0; from < handover->config->workers; from++) {
		const struct ring *ring = handover->ring[from][worker];

		if (ring != NULL && atomic_load_explicit(&ring->head, memory_order_acquire) !=
		                        atomic_load_explicit(&ring->tail, memory_order_relaxed))
			return true;
	}
	return false;
}
