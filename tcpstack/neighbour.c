/* neighbour.c - who has which MAC address: one bounded table for ARP and ND.
 *
 * Entries come into being only because we have something to send. Each state has one duration
 * (link.h), so the list of a state is in order of deadline and the next deadline is the least of
 * the lists' heads.
 */
#include "base/check.h"
#include "tcpstack/link.h"

static const uint64_t state_duration_us[NEIGHBOUR_STATES] = {
    [NEIGHBOUR_UNRESOLVED] = 1000000, /* RFC 4861 10: RETRANS_TIMER */
    [NEIGHBOUR_REACHABLE] = 30000000, /* RFC 4861 10: REACHABLE_TIME */
    [NEIGHBOUR_STALE] = 1200000000,   /* unused for 20 minutes: forgotten */
    [NEIGHBOUR_PROBE] = 1000000,
};

#define EVICT_LOOK_MAX 8 /* entries looked at for one that is no gateway */

static_assert(NEIGHBOURS_MAX < LINK_NONE, "an index fits, and LINK_NONE is none");
static_assert((NEIGHBOURS_MAX & (NEIGHBOURS_MAX - 1)) == 0, "buckets are chosen by mask");
static_assert(NEIGHBOURS_UNRESOLVED_MAX <= NEIGHBOURS_MAX / 2,
              "forged senders leave room for hosts");
static_assert(EVICT_LOOK_MAX <= NEIGHBOURS_MAX, "a look is bounded by the table");

static uint16_t neighbour_index(const struct neighbours *neighbours,
                                const struct neighbour *neighbour)
{
	return (uint16_t)(neighbour - neighbours->entry);
}

static void list_remove(struct neighbours *neighbours, struct neighbour *neighbour)
{
	struct neighbour_list *list = &neighbours->list[neighbour->state];

	if (neighbour->list_previous != LINK_NONE)
		neighbours->entry[neighbour->list_previous].list_next = neighbour->list_next;
	else
		list->head = neighbour->list_next;
	if (neighbour->list_next != LINK_NONE)
		neighbours->entry[neighbour->list_next].list_previous = neighbour->list_previous;
	else
		list->tail = neighbour->list_previous;
	list->count--;
}

static void list_append(struct neighbours *neighbours, struct neighbour *neighbour, uint8_t state)
{
	struct neighbour_list *list = &neighbours->list[state];
	uint16_t index = neighbour_index(neighbours, neighbour);

	neighbour->state = state;
	neighbour->list_previous = list->tail;
	neighbour->list_next = LINK_NONE;
	if (list->tail != LINK_NONE)
		neighbours->entry[list->tail].list_next = index;
	else
		list->head = index;
	list->tail = index;
	list->count++;
}

static void set_state(struct net *net, struct neighbour *neighbour, uint8_t state)
{
	list_remove(&net->link->neighbours, neighbour);
	list_append(&net->link->neighbours, neighbour, state);
	neighbour->deadline_us = net->now_us + state_duration_us[state];
}

void neighbours_init(struct neighbours *neighbours)
{
	for (uint8_t state = 0; state < NEIGHBOUR_STATES; state++)
		neighbours->list[state] = (struct neighbour_list){LINK_NONE, LINK_NONE, 0};
	for (uint16_t i = 0; i < NEIGHBOURS_MAX; i++) {
		neighbours->bucket[i] = LINK_NONE;
		list_append(neighbours, &neighbours->entry[i], NEIGHBOUR_FREE);
	}
}

/* Who forges addresses does not know the secret, so chains stay short. */
static uint16_t *bucket_of(struct link *link, const struct addr *addr)
{
	uint64_t high, low;

	memcpy(&high, addr->octet, 8);
	memcpy(&low, addr->octet + 8, 8);
	low = (low ^ link->hash_secret) * 0x9e3779b97f4a7c15u;
	low = (low ^ high ^ low >> 29) * (link->hash_secret | 1);
	return &link->neighbours.bucket[(low >> 40) & (NEIGHBOURS_MAX - 1)];
}

static struct neighbour *neighbour_find(struct link *link, uint8_t interface,
                                        const struct addr *addr)
{
	struct neighbours *neighbours = &link->neighbours;

	/* A chain holds each entry once, hence ends. */
	for (uint16_t i = *bucket_of(link, addr); i != LINK_NONE;
	     i = neighbours->entry[i].hash_next)
		if (neighbours->entry[i].interface == interface &&
		    addr_equal(&neighbours->entry[i].addr, addr))
			return &neighbours->entry[i];
	return NULL;
}

static void waiting_drop(struct net *net, struct neighbour *neighbour)
{
	net->net_counters->neighbour_queue_drops += neighbour->waiting.count;
	net->link->neighbours.waiting_count -= neighbour->waiting.count;
	pkt_chain_put_all(&neighbour->waiting);
}

static void neighbour_forget(struct net *net, struct neighbour *neighbour)
{
	struct neighbours *neighbours = &net->link->neighbours;
	uint16_t index = neighbour_index(neighbours, neighbour);
	uint16_t *at = bucket_of(net->link, &neighbour->addr);

	ASSERT(neighbour->state != NEIGHBOUR_FREE);
	while (*at != index)
		at = &neighbours->entry[*at].hash_next;
	*at = neighbour->hash_next;
	waiting_drop(net, neighbour);
	list_remove(neighbours, neighbour);
	list_append(neighbours, neighbour, NEIGHBOUR_FREE);
}

static bool is_gateway(const struct net *net, uint8_t interface, const struct addr *addr)
{
	const struct addr *gateway = net->link->interfaces[interface].gateway;

	return addr_equal(addr, &gateway[0]) || addr_equal(addr, &gateway[1]);
}

/* The entry of `state` that was longest in it and is no gateway. */
static struct neighbour *evictable(struct net *net, uint8_t state)
{
	struct neighbours *neighbours = &net->link->neighbours;
	uint16_t i = neighbours->list[state].head;

	for (int look = 0; look < EVICT_LOOK_MAX && i != LINK_NONE; look++) {
		struct neighbour *neighbour = &neighbours->entry[i];
		if (!is_gateway(net, neighbour->interface, &neighbour->addr))
			return neighbour;
		i = neighbour->list_next;
	}
	return NULL;
}

static struct neighbour *neighbour_add(struct net *net, const struct route *route)
{
	struct neighbours *neighbours = &net->link->neighbours;
	bool gateway = is_gateway(net, route->interface, &route->next_hop);

	if (!gateway && neighbours->list[NEIGHBOUR_UNRESOLVED].count >= NEIGHBOURS_UNRESOLVED_MAX)
		return NULL;
	if (neighbours->list[NEIGHBOUR_FREE].count == 0) {
		struct neighbour *victim = evictable(net, NEIGHBOUR_STALE);
		if (victim == NULL)
			victim = evictable(net, NEIGHBOUR_REACHABLE);
		if (victim == NULL)
			return NULL;
		net->net_counters->neighbours_evicted++;
		neighbour_forget(net, victim);
	}

	struct neighbour *neighbour = &neighbours->entry[neighbours->list[NEIGHBOUR_FREE].head];
	uint16_t *bucket = bucket_of(net->link, &route->next_hop);
	neighbour->addr = route->next_hop;
	neighbour->interface = route->interface;
	neighbour->tries = 0;
	neighbour->hash_next = *bucket;
	*bucket = neighbour_index(neighbours, neighbour);
	ASSERT(neighbour->waiting.count == 0);
	return neighbour;
}

/* Who asks for an IPv6 neighbour. RFC 4861 7.2.2 leaves the choice among the interface's addresses;
 * the link-local one is the kernel's too where it shares the interface with us, and then the answer
 * would be the kernel's. */
static struct addr asker(const struct net *net, const struct route *route)
{
	const struct link *link = net->link;

	if (!addr_is_link_local(&route->source))
		return route->source;
	for (uint16_t i = 0; i < link->address_count; i++) {
		const struct our_address *our = &link->addresses[i];

		if (our->interface == route->interface && !addr_is_ip4(&our->addr) &&
		    !addr_is_link_local(&our->addr))
			return our->addr;
	}
	return route->source;
}

/* Asks once, in the state's own way: all while unresolved, the neighbour alone while probing. */
static void neighbour_ask(struct net *net, struct neighbour *neighbour, uint8_t state)
{
	const uint8_t *mac = state == NEIGHBOUR_PROBE ? neighbour->mac : NULL;
	struct route route;

	set_state(net, neighbour, state);
	neighbour->tries++;
	if (!route_find(net, &neighbour->addr, NULL, &route))
		return;
	if (addr_is_ip4(&neighbour->addr)) {
		arp_request(net, neighbour->interface, mac, &route.source, &neighbour->addr);
	} else {
		struct addr from = asker(net, &route);

		nd_solicit(net, neighbour->interface, mac, &from, &neighbour->addr);
	}
}

static void neighbour_send(struct net *net, const struct neighbour *neighbour, struct pkt *pkt)
{
	uint16_t type = addr_is_ip4(&neighbour->addr) ? ETHERTYPE_IP4 : ETHERTYPE_IP6;

	eth_output(net, neighbour->interface, neighbour->mac, type, pkt);
}

/* The newest packets are the ones worth keeping (RFC 4861 7.2.2, RFC 1122 2.3.2.2). */
static void neighbour_wait(struct net *net, struct neighbour *neighbour, struct pkt *pkt)
{
	struct neighbours *neighbours = &net->link->neighbours;
	struct pkt *dropped = NULL;

	if (neighbour->waiting.count >= NEIGHBOUR_WAITING_PKTS_MAX)
		dropped = pkt_chain_pop(&neighbour->waiting);
	else if (neighbours->waiting_count >= NEIGHBOURS_WAITING_PKTS_MAX)
		dropped = pkt;
	else
		neighbours->waiting_count++;
	if (dropped != pkt)
		pkt_chain_push(&neighbour->waiting, pkt);
	if (dropped != NULL) {
		net->net_counters->neighbour_queue_drops++;
		pkt_put(dropped);
	}
}

void neighbour_output(struct net *net, const struct route *route, struct pkt *pkt)
{
	struct neighbours *neighbours = &net->link->neighbours;
	struct interface *interface = &net->link->interfaces[route->interface];
	struct neighbour *neighbour = &neighbours->entry[interface->recent];

	if (neighbour->state == NEIGHBOUR_FREE || neighbour->interface != route->interface ||
	    !addr_equal(&neighbour->addr, &route->next_hop))
		neighbour = neighbour_find(net->link, route->interface, &route->next_hop);
	if (neighbour == NULL) {
		neighbour = neighbour_add(net, route);
		if (COUNT_IF(neighbour == NULL, net->net_counters->neighbours_full)) {
			pkt_put(pkt);
			return;
		}
		neighbour_ask(net, neighbour, NEIGHBOUR_UNRESOLVED);
	}
	interface->recent = neighbour_index(neighbours, neighbour);
	if (neighbour->state == NEIGHBOUR_UNRESOLVED) {
		neighbour_wait(net, neighbour, pkt);
		return;
	}
	if (neighbour->state == NEIGHBOUR_STALE) {
		neighbour->tries = 0;
		neighbour_ask(net, neighbour, NEIGHBOUR_PROBE);
	}
	neighbour_send(net, neighbour, pkt);
}

static void waiting_flush(struct net *net, struct neighbour *neighbour)
{
	struct pkt *pkt;

	while ((pkt = pkt_chain_pop(&neighbour->waiting)) != NULL) {
		net->link->neighbours.waiting_count--;
		neighbour_send(net, neighbour, pkt);
	}
}

void neighbour_learn(struct net *net, uint8_t interface, const struct addr *addr,
                     const uint8_t mac[MAC_BYTES], bool solicited, bool override)
{
	struct neighbour *neighbour = neighbour_find(net->link, interface, addr);

	if (COUNT_IF(neighbour == NULL, net->net_counters->neighbour_unsolicited))
		return;
	bool asked = neighbour->state == NEIGHBOUR_UNRESOLVED ||
	             neighbour->state == NEIGHBOUR_PROBE;
	bool confirmed = solicited && asked;
	if (neighbour->state == NEIGHBOUR_UNRESOLVED) {
		memcpy(neighbour->mac, mac, MAC_BYTES);
		net->net_counters->neighbours_resolved++;
		set_state(net, neighbour, confirmed ? NEIGHBOUR_REACHABLE : NEIGHBOUR_STALE);
		waiting_flush(net, neighbour);
		return;
	}

	/* RFC 4861 7.2.5. A claim that may not override casts doubt on what we have, no more. */
	bool same = mac_equal(neighbour->mac, mac);
	if (!same && override) {
		memcpy(neighbour->mac, mac, MAC_BYTES);
		net->net_counters->neighbours_changed++;
	}
	if (confirmed && (same || override))
		set_state(net, neighbour, NEIGHBOUR_REACHABLE);
	else if (!same && neighbour->state == NEIGHBOUR_REACHABLE)
		set_state(net, neighbour, NEIGHBOUR_STALE);
}

/* The entry whose deadline is earliest, or NULL. */
static struct neighbour *neighbour_earliest(const struct neighbours *neighbours)
{
	const struct neighbour *earliest = NULL;

	for (uint8_t state = NEIGHBOUR_FREE + 1; state < NEIGHBOUR_STATES; state++) {
		uint16_t head = neighbours->list[state].head;
		if (head != LINK_NONE && (earliest == NULL || neighbours->entry[head].deadline_us <
		                                                  earliest->deadline_us))
			earliest = &neighbours->entry[head];
	}
	return (struct neighbour *)earliest;
}

uint64_t neighbour_next_us(const struct neighbours *neighbours)
{
	const struct neighbour *earliest = neighbour_earliest(neighbours);

	return earliest != NULL ? earliest->deadline_us : UINT64_MAX;
}

bool neighbour_timer(struct net *net)
{
	struct neighbour *neighbour = neighbour_earliest(&net->link->neighbours);

	if (neighbour == NULL || neighbour->deadline_us > net->now_us)
		return false;
	switch (neighbour->state) {
	case NEIGHBOUR_REACHABLE:
		set_state(net, neighbour, NEIGHBOUR_STALE);
		break;
	case NEIGHBOUR_STALE:
		neighbour_forget(net, neighbour);
		break;
	default:
		if (neighbour->tries < NEIGHBOUR_TRIES_MAX) {
			neighbour_ask(net, neighbour, neighbour->state);
			break;
		}
		net->net_counters->neighbours_failed++;
		neighbour_forget(net, neighbour);
	}
	return true;
}
