/* net.c - the front door: memory, interfaces, routes, bursts in, bursts out, time. */
#include "tcpstack/net.h"

#include "base/check.h"
#include "tcpstack/link.h"

#define ANNOUNCEMENTS        2       /* RFC 5227 1.1: ANNOUNCE_NUM */
#define ANNOUNCE_INTERVAL_US 2000000 /* RFC 5227 1.1 */
#define PREFETCH_PKTS        4
#define LINK_HEADERS_BYTES \
	(sizeof(struct eth_header) + sizeof(struct vlan_header) + sizeof(struct ip6_header))
/* A step of time beyond this is a jump: deadlines on the way are visited one by one. */
#define JUMP_US 1000

static_assert(LINK_HEADERS_BYTES + sizeof(struct icmp_header) <= PKT_HEADROOM_BYTES,
              "an error message can be put in front of a raw IP packet");

void net_config_defaults(struct net_config *config)
{
	*config = (struct net_config){
	    .connections_max = 16384,
	    .syn_cache_count = 4096,
	    .syn_seen_count = 16384,
	    .time_wait_count = 16384,
	    .orphans_max = 16384,
	    .mtu = 1500,
	    .rto_min_us = 200000,
	    .rto_initial_us = 1000000,
	    .rto_max_us = 60000000,
	    .delayed_ack_us = 40000,
	    .time_wait_us = 60000000,
	    .retries_max = 10,
	    .initial_window_segments = 10,
	    .receive_window_bytes = 262144,
	    .receive_window_initial_bytes = 16384,
	    .send_buffer_bytes = 262144,
	};
}

static struct fragments_config fragments_config_of(const struct net_config *config)
{
	struct fragments_config fragments;

	fragments_config_defaults(&fragments);
	fragments.key = (struct hash_key){
	    {hash64(&config->secret, "fragments", 9), hash64(&config->secret, "fragments", 8)}};
	return fragments;
}

size_t net_bytes(const struct net_config *config)
{
	struct fragments_config fragments = fragments_config_of(config);

	return sizeof(struct net) + sizeof(struct link) + 2 * _Alignof(max_align_t) +
	       fragments_bytes(&fragments) + tcp_bytes(config);
}

struct net *net_new(struct arena *arena, const struct net_config *config, struct pkt_pool *pool,
                    struct net_counters *net_counters, struct tcp_counters *tcp_counters,
                    uint64_t now_us)
{
	struct net *net = ARENA_TAKE(arena, 1, struct net);
	struct link *link = ARENA_TAKE(arena, 1, struct link);
	struct fragments_config fragments = fragments_config_of(config);

	if (net == NULL || link == NULL)
		return NULL;
	ASSERT(config->mtu >= IP6_MTU_MIN ||
	       config->mtu >= 576); /* RFC 1122 3.3.2: 576 for IPv4 alone */
	ASSERT(config->mtu + LINK_HEADERS_BYTES <= PKT_DATA_BYTES - PKT_HEADROOM_BYTES);
	net->config = *config;
	net->pool = pool;
	net->net_counters = net_counters;
	net->tcp_counters = tcp_counters;
	net->now_us = now_us;
	net->link = link;
	random_seed(&net->random, config->seed);

	memset(link->interface_of_port, PORTS_MAX, sizeof(link->interface_of_port));
	link->announce_us = UINT64_MAX;
	link->echo = (struct rate_limit){now_us, ICMP_ECHO_BURST_MAX};
	link->error = (struct rate_limit){now_us, ICMP_ERRORS_BURST_MAX};
	link->hash_secret = hash64(&config->secret, "neighbours", 10);
	neighbours_init(&link->neighbours);

	net->fragments = fragments_new(arena, &fragments, net_counters);
	net->tcp = tcp_new(net, arena);
	return net->fragments != NULL && net->tcp != NULL ? net : NULL;
}

enum err net_add_interface(struct net *net, const struct net_interface *interface)
{
	struct link *link = net->link;

	if (link->interface_count == PORTS_MAX)
		return ERR_FULL;
	if (link->interface_of_port[interface->port] != PORTS_MAX)
		return ERR_DUPLICATE;
	if (!mac_is_unicast(interface->mac) && !net->raw_ip)
		return ERR_ADDRESS;
	if (interface->vlan >= VLAN_ID_MASK) /* 4095 is reserved */
		return ERR_RANGE;
	link->interfaces[link->interface_count].config = *interface;
	link->interface_of_port[interface->port] = link->interface_count++;
	return OK;
}

void net_set_raw_ip(struct net *net)
{
	struct net_interface none = {.port = 0};

	net->raw_ip = true;
	if (net->link->interface_count == 0) {
		enum err err = net_add_interface(net, &none);
		ASSERT(err == OK);
	}
}

static bool address_is_usable(const struct addr *addr)
{
	const uint8_t *octet = addr->octet;

	if (addr_is_unspecified(addr))
		return false;
	if (addr_is_ip4(addr))
		return octet[12] != 0 && octet[12] != 127 && octet[12] < 224;
	return octet[0] != 0xff;
}

static struct prefix network_of(const struct prefix *prefix)
{
	struct prefix network = *prefix;

	for (unsigned bit = prefix->bits; bit < 128; bit++)
		network.addr.octet[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return network;
}

static void address_append(struct net *net, uint8_t interface, const struct prefix *address)
{
	struct link *link = net->link;

	ASSERT(link->address_count < LINK_ADDRESSES_MAX);
	link->addresses[link->address_count++] = (struct our_address){
	    .addr = address->addr,
	    .network = network_of(address),
	    .interface = interface,
	    .announcements_left = net->raw_ip ? 0 : ANNOUNCEMENTS,
	};
	if (!net->raw_ip)
		link->announce_us = net->now_us;
}

enum err net_add_address(struct net *net, uint8_t port, const struct prefix *address)
{
	struct link *link = net->link;
	uint8_t index = link->interface_of_port[port];
	bool ip4 = addr_is_ip4(&address->addr);
	unsigned count = 0;

	if (index == PORTS_MAX)
		return ERR_NOT_FOUND;
	if (!address_is_usable(&address->addr))
		return ERR_ADDRESS;
	if (address->bits > 128 || (ip4 && address->bits < 96))
		return ERR_RANGE;
	if (ip_is_ours(net, &address->addr))
		return ERR_DUPLICATE;
	for (uint16_t i = 0; i < link->address_count; i++)
		count += link->addresses[i].interface == index;
	struct interface *interface = &link->interfaces[index];
	if (count >= PORT_ADDRESSES_MAX + (interface->has_link_local ? 1u : 0u))
		return ERR_FULL;

	address_append(net, index, address);
	if (!ip4 && !interface->has_link_local && !net->raw_ip) {
		struct prefix link_local = {nd_link_local(interface->config.mac), 64};
		interface->has_link_local = true;
		if (!ip_is_ours(net, &link_local.addr))
			address_append(net, index, &link_local);
	}
	return OK;
}

enum err net_add_gateway(struct net *net, uint8_t port, const struct addr *gateway)
{
	uint8_t index = net->link->interface_of_port[port];

	if (index == PORTS_MAX)
		return ERR_NOT_FOUND;
	if (!address_is_usable(gateway) || ip_is_ours(net, gateway))
		return ERR_ADDRESS;
	struct addr *slot = &net->link->interfaces[index].gateway[addr_is_ip4(gateway) ? 0 : 1];
	if (!addr_is_unspecified(slot))
		return ERR_DUPLICATE;
	*slot = *gateway;
	return OK;
}

bool ip_is_ours(const struct net *net, const struct addr *addr)
{
	for (uint16_t i = 0; i < net->link->address_count; i++)
		if (addr_equal(addr, &net->link->addresses[i].addr))
			return true;
	return false;
}

bool ip_is_other_host(const struct net *net, const struct addr *addr)
{
	return addr_is_ip4(addr) ? ip4_is_other_host(net, addr) : ip6_is_other_host(net, addr);
}

bool link_is_ours(const struct link *link, uint8_t interface, const struct addr *addr)
{
	for (uint16_t i = 0; i < link->address_count; i++)
		if (link->addresses[i].interface == interface &&
		    addr_equal(addr, &link->addresses[i].addr))
			return true;
	return false;
}

/* The longest of our networks that holds `destination`; among equals the one `from` belongs to. */
static const struct our_address *
route_on_link(const struct link *link, const struct addr *destination, const struct addr *from)
{
	const struct our_address *best = NULL;
	bool ip4 = addr_is_ip4(destination);

	for (uint16_t i = 0; i < link->address_count; i++) {
		const struct our_address *our = &link->addresses[i];
		if (addr_is_ip4(&our->addr) != ip4 || !prefix_contains(&our->network, destination))
			continue;
		if (best == NULL || our->network.bits > best->network.bits ||
		    (our->network.bits == best->network.bits && from != NULL &&
		     addr_equal(&our->addr, from)))
			best = our;
	}
	return best;
}

/* An address of an interface that has a gateway of the family; `from` when it is such a one. */
static const struct our_address *route_by_gateway(const struct link *link, bool ip4,
                                                  const struct addr *from)
{
	const struct our_address *best = NULL;

	for (uint16_t i = 0; i < link->address_count; i++) {
		const struct our_address *our = &link->addresses[i];
		const struct addr *gateway = link->interfaces[our->interface].gateway;
		if (addr_is_ip4(&our->addr) != ip4 || addr_is_unspecified(&gateway[ip4 ? 0 : 1]) ||
		    addr_is_link_local(&our->addr))
			continue;
		if (best == NULL || (from != NULL && addr_equal(&our->addr, from)))
			best = our;
	}
	return best;
}

bool route_find(const struct net *net, const struct addr *destination, const struct addr *from,
                struct route *out_route)
{
	const struct link *link = net->link;
	bool ip4 = addr_is_ip4(destination);
	const struct our_address *our = route_on_link(link, destination, from);

	if (our != NULL) {
		*out_route = (struct route){our->interface, *destination, our->addr};
		return true;
	}
	our = route_by_gateway(link, ip4, from);
	if (our != NULL) {
		const struct addr *gateway = link->interfaces[our->interface].gateway;
		*out_route = (struct route){our->interface, gateway[ip4 ? 0 : 1], our->addr};
		return true;
	}
	/* Below Ethernet there is one way out, and who collects the packets knows where to. */
	for (uint16_t i = 0; net->raw_ip && i < link->address_count; i++)
		if (addr_is_ip4(&link->addresses[i].addr) == ip4) {
			*out_route = (struct route){0, *destination, link->addresses[i].addr};
			return true;
		}
	return false;
}

enum err ip_source(const struct net *net, const struct addr *destination, struct addr *out_source)
{
	struct route route;

	if (!route_find(net, destination, NULL, &route))
		return ERR_UNREACHABLE;
	*out_source = route.source;
	return OK;
}

uint16_t ip_mtu(const struct net *net, const struct addr *destination)
{
	(void)destination; /* one MTU for all interfaces; path MTU is TCP's to know */
	return net->config.mtu;
}

void ip_output(struct net *net, struct pkt *pkt, const struct addr *source,
               const struct addr *destination, uint8_t protocol, uint8_t ecn)
{
	struct route route;

	if (COUNT_IF(pkt_headroom(pkt) < LINK_HEADERS_BYTES, net->net_counters->no_headroom) ||
	    COUNT_IF(!route_find(net, destination, source, &route), net->net_counters->no_route)) {
		pkt_put(pkt);
		return;
	}
	if (addr_is_ip4(destination))
		ip4_push_header(net, pkt, source, destination, protocol, ecn);
	else
		ip6_push_header(pkt, source, destination, protocol, ecn, 0);
	if (net->raw_ip)
		link_output(net, 0, pkt);
	else
		neighbour_output(net, &route, pkt);
}

enum fragment_result link_reassemble(struct net *net, const struct frame *frame,
                                     const struct pkt *pkt, const struct fragment *fragment,
                                     struct pkt **out_pkt)
{
	struct fragment own = *fragment;
	struct bytes datagram;

	own.scope = frame->interface;
	enum fragment_result result = fragment_feed(net->fragments, net->now_us, &own, &datagram);
	if (result != FRAGMENT_WHOLE)
		return result;
	struct pkt *whole = pkt_get(net->pool);
	if (COUNT_IF(whole == NULL, net->net_counters->no_buffer))
		return FRAGMENT_REFUSED;
	ASSERT(datagram.len <= pkt_tailroom(whole));
	memcpy(whole->data, datagram.data, datagram.len);
	whole->len = (uint16_t)datagram.len;
	whole->port = pkt->port;
	whole->flags = (pkt->flags & PKT_HANDED) | PKT_WHOLE;
	whole->ip_at = (uint16_t)pkt_headroom(whole);
	*out_pkt = whole;
	return FRAGMENT_WHOLE;
}

static void net_set_now(struct net *net, uint64_t now_us)
{
	if (now_us > net->now_us)
		net->now_us = now_us;
}

static void input_ip(struct net *net, const struct frame *frame, struct pkt *pkt)
{
	if (pkt->len > 0 && pkt->data[0] >> 4 == 6) {
		ip6_input(net, frame, pkt);
	} else if (pkt->len > 0) {
		ip4_input(net, frame, pkt);
	} else {
		net->net_counters->ip4_malformed++;
		pkt_put(pkt);
	}
}

static void input_handed(struct net *net, struct pkt *pkt)
{
	struct frame frame = {.interface = net->link->interface_of_port[pkt->port]};

	if (COUNT_IF(frame.interface == PORTS_MAX, net->net_counters->port_unknown))
		pkt_put(pkt);
	else
		input_ip(net, &frame, pkt);
}

void net_input(struct net *net, uint64_t now_us, struct pkt **pkts, size_t count)
{
	net_set_now(net, now_us);
	for (size_t i = 0; i < count && i < PREFETCH_PKTS; i++)
		__builtin_prefetch(pkts[i]->data);
	for (size_t i = 0; i < count; i++) {
		if (i + PREFETCH_PKTS < count)
			__builtin_prefetch(pkts[i + PREFETCH_PKTS]->data);
		net->net_counters->frames_in++;
		net->net_counters->bytes_in += pkts[i]->len;
		if (pkts[i]->flags & PKT_HANDED)
			input_handed(net, pkts[i]);
		else
			eth_input(net, pkts[i]);
	}
	tcp_input_end(net);
}

bool net_is_discovery(const struct pkt *pkt)
{
	size_t at = offsetof(struct eth_header, type);
	size_t icmp_at = sizeof(struct eth_header) + sizeof(struct ip6_header);

	if (pkt->len < sizeof(struct eth_header) + sizeof(struct vlan_header))
		return false;
	uint16_t type = (uint16_t)(pkt->data[at] << 8 | pkt->data[at + 1]);
	if (type == ETHERTYPE_VLAN) {
		at += sizeof(struct vlan_header);
		icmp_at += sizeof(struct vlan_header);
		type = (uint16_t)(pkt->data[at] << 8 | pkt->data[at + 1]);
	}
	if (type == ETHERTYPE_ARP)
		return true;
	if (type != ETHERTYPE_IP6 || pkt->len <= icmp_at)
		return false;
	const struct ip6_header *ip = (const struct ip6_header *)(pkt->data + icmp_at) - 1;
	return ip->next_header == IP_PROTOCOL_ICMP6 &&
	       (pkt->data[icmp_at] == ICMP6_NEIGHBOUR_SOLICITATION ||
	        pkt->data[icmp_at] == ICMP6_NEIGHBOUR_ADVERT);
}

void net_observe(struct net *net, uint64_t now_us, const struct pkt *pkt)
{
	struct pkt view = *pkt; /* headers come off the view alone */
	struct frame frame;
	uint16_t type;

	net_set_now(net, now_us);
	if (!net_is_discovery(pkt) || !eth_accept(net, &view, &frame, &type))
		return;
	if (type == ETHERTYPE_ARP)
		arp_observe(net, &frame, &view);
	else
		ip6_observe(net, &frame, &view);
}

void net_input_ip(struct net *net, uint64_t now_us, struct pkt *pkt)
{
	struct frame frame = {.interface = 0, .multicast = false};

	net_set_now(net, now_us);
	net->net_counters->frames_in++;
	net->net_counters->bytes_in += pkt->len;
	input_ip(net, &frame, pkt);
	tcp_input_end(net);
}

/* The first round asks whether another has an IPv6 address, and joins groups; the second, and every
 * round for IPv4, tells all where we are. */
static void announce_all(struct net *net)
{
	struct link *link = net->link;
	static const struct addr unspecified;
	bool joined[PORTS_MAX] = {false};

	link->announce_us = UINT64_MAX;
	for (uint16_t i = 0; i < link->address_count; i++) {
		struct our_address *our = &link->addresses[i];
		if (our->announcements_left == 0)
			continue;
		if (addr_is_ip4(&our->addr)) {
			arp_announce(net, our->interface, &our->addr);
		} else if (our->announcements_left == ANNOUNCEMENTS) {
			if (!joined[our->interface])
				nd_report_groups(net, our->interface);
			joined[our->interface] = true;
			nd_solicit(net, our->interface, NULL, &unspecified, &our->addr);
		} else {
			nd_announce(net, our->interface, &our->addr);
		}
		if (--our->announcements_left > 0)
			link->announce_us = net->now_us + ANNOUNCE_INTERVAL_US;
	}
}

static uint64_t link_next_us(const struct link *link)
{
	uint64_t next = neighbour_next_us(&link->neighbours);

	return link->announce_us < next ? link->announce_us : next;
}

static void link_timers(struct net *net, uint32_t work_max)
{
	if (link_next_us(net->link) > net->now_us)
		return;
	if (net->link->announce_us <= net->now_us)
		announce_all(net);
	for (uint32_t work = 0; work < work_max && neighbour_timer(net); work++)
		;
}

uint64_t net_next_deadline_us(const struct net *net)
{
	uint64_t link = link_next_us(net->link), tcp = tcp_next_deadline_us(net);

	return link < tcp ? link : tcp;
}

void net_timers(struct net *net, uint64_t now_us, uint32_t work_max)
{
	uint32_t work = 0;

	/* After a jump each deadline gets a time, and packets, of its own. */
	while (now_us > net->now_us + JUMP_US && work++ < work_max) {
		uint64_t link = link_next_us(net->link), tcp = tcp_next_timer_us(net);
		uint64_t next = link < tcp ? link : tcp;
		if (next == UINT64_MAX || next + JUMP_US >= now_us)
			break;
		net_set_now(net, next);
		link_timers(net, 1);
		tcp_timers(net, 1);
		tcp_output_all(net, net->output.count + BURST_PKTS_MAX);
	}
	if (work > 0 && work >= work_max)
		return; /* the rest in the next turn, before time goes on */
	net_set_now(net, now_us);
	fragment_expire(net->fragments, now_us);
	link_timers(net, work_max);
	tcp_timers(net, work_max);
}

size_t net_output(struct net *net, uint64_t now_us, struct pkt **out_pkts, size_t max)
{
	size_t count = 0;

	net_set_now(net, now_us);
	if (net->output.count < max)
		tcp_output_all(net, max);
	while (count < max && net->output.count > 0) {
		struct pkt *pkt = pkt_chain_pop(&net->output);
		net->net_counters->bytes_out += pkt->len;
		out_pkts[count++] = pkt;
	}
	net->net_counters->frames_out += count;
	return count;
}

void net_set_behind(struct net *net, bool behind)
{
	net->behind = behind;
}

uint32_t net_connection_count(const struct net *net)
{
	return tcp_connection_count(net);
}
