/* link.h - private to the layers below TCP: interfaces, addresses, neighbours, and what the layers
 * call of each other. Way up: eth -> arp | ip4 | ip6 -> icmp | nd | TCP. Way down: ip_output ->
 * neighbour -> eth.
 */
#ifndef TCPSTACK_LINK_H
#define TCPSTACK_LINK_H

#include "base/limits.h"
#include "tcpstack/fragment.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

#define LINK_NONE UINT16_MAX

/* RFC 4861 7.3.2 without DELAY: TCP gives no reachability hints here, so a stale entry that is used
 * again is probed at once. IPv4 neighbours live by the same rules (RFC 1122 2.3.2.1, method 2:
 * unicast poll). Each state has one duration; thus a first-in-first-out list of each state is
 * sorted by deadline. */
enum neighbour_state {
	NEIGHBOUR_FREE,
	NEIGHBOUR_UNRESOLVED, /* asked, no answer yet: packets wait */
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_STALE,
	NEIGHBOUR_PROBE, /* in use while asked again */
	NEIGHBOUR_STATES
};

struct neighbour {
	struct addr addr;
	uint8_t mac[MAC_BYTES];
	uint8_t interface; /* index in link->interfaces */
	uint8_t state;
	uint8_t tries;
	uint16_t hash_next;
	uint16_t list_previous, list_next; /* of the same state */
	uint64_t deadline_us;
	struct pkt_chain waiting; /* data at the IP header */
};

struct neighbour_list {
	uint16_t head, tail, count;
};

struct neighbours {
	struct neighbour entry[NEIGHBOURS_MAX];
	uint16_t bucket[NEIGHBOURS_MAX];
	struct neighbour_list list[NEIGHBOUR_STATES];
	uint32_t waiting_count; /* packets, over all entries */
};

struct interface {
	struct net_interface config;
	struct addr gateway[2]; /* by family: 0 IPv4, 1 IPv6; unspecified when there is none */
	uint64_t defended_us;   /* when an address was last defended (RFC 5227 2.4) */
	uint16_t recent;        /* the neighbour last sent to */
	bool has_link_local;
};

/* An address of ours and the network on link with it. */
struct our_address {
	struct addr addr;
	struct prefix network; /* host bits zero */
	uint8_t interface;
	uint8_t announcements_left;
};

/* So many events a second, and so many at once. */
struct rate_limit {
	uint64_t filled_us;
	uint32_t tokens;
};

#define LINK_ADDRESSES_MAX (PORTS_MAX * (PORT_ADDRESSES_MAX + 1)) /* one more: link-local */

struct link {
	struct interface interfaces[PORTS_MAX];
	uint8_t interface_count;
	uint8_t interface_of_port[256]; /* index, or PORTS_MAX */
	struct our_address addresses[LINK_ADDRESSES_MAX];
	uint16_t address_count;
	uint64_t announce_us; /* when announcements are next due; UINT64_MAX: none */
	struct rate_limit echo, error;
	struct neighbours neighbours;
	uint64_t hash_secret;
};

/* Where a frame came from, on its way up. Under raw IP there is no MAC. */
struct frame {
	uint8_t interface;
	bool multicast; /* of Ethernet: broadcast or group */
	uint8_t source_mac[MAC_BYTES];
};

/* The next step of a packet: interface, neighbour, and our address to speak from. */
struct route {
	uint8_t interface;
	struct addr next_hop;
	struct addr source;
};

static inline void pkt_pull(struct pkt *pkt, size_t bytes)
{
	pkt->data += bytes;
	pkt->len = (uint16_t)(pkt->len - bytes);
}

static inline void *pkt_push(struct pkt *pkt, size_t bytes)
{
	pkt->data -= bytes;
	pkt->len = (uint16_t)(pkt->len + bytes);
	return pkt->data;
}

/* Takes Ethernet's headers off and says what follows; false and counted when it is not for us. */
bool eth_accept(struct net *net, struct pkt *pkt, struct frame *out_frame, uint16_t *out_type);
/* Learn from a reply or an advertisement; `pkt` stays the caller's. */
void arp_observe(struct net *net, const struct frame *frame, const struct pkt *pkt);
void nd_observe(struct net *net, const struct frame *frame, const struct ip_info *ip,
                const struct pkt *pkt);
void ip6_observe(struct net *net, const struct frame *frame, struct pkt *pkt);

/* Each *_input takes `pkt`, whose data begins at its own header. */
void eth_input(struct net *net, struct pkt *pkt);
void arp_input(struct net *net, const struct frame *frame, struct pkt *pkt);
bool ip4_is_other_host(const struct net *net, const struct addr *addr);
bool ip6_is_other_host(const struct net *net, const struct addr *addr);
void ip4_input(struct net *net, const struct frame *frame, struct pkt *pkt);
void ip6_input(struct net *net, const struct frame *frame, struct pkt *pkt);
void icmp4_input(struct net *net, const struct ip_info *ip, struct pkt *pkt);
void icmp6_input(struct net *net, const struct frame *frame, const struct ip_info *ip,
                 struct pkt *pkt);
void nd_input(struct net *net, const struct frame *frame, const struct ip_info *ip,
              struct pkt *pkt);

/* Gives a fragment to the net's own reassembly. A datagram that it completes becomes a packet of
 * the same origin as `pkt`, which stays the caller's. */
enum fragment_result link_reassemble(struct net *net, const struct frame *frame,
                                     const struct pkt *pkt, const struct fragment *fragment,
                                     struct pkt **out_pkt);

/* Answers a packet that ip4_input or ip6_input found to be for us alone with an ICMP error that
 * quotes it; takes `pkt`, data at its IP header. Silent beyond the rate limit and where RFC
 * 4443 2.4 wants silence. */
void icmp4_error(struct net *net, struct pkt *pkt, uint8_t type, uint8_t code);
void icmp6_error(struct net *net, struct pkt *pkt, uint8_t type, uint8_t code, uint32_t rest);

/* Puts IP headers in front; hop_limit 0 is the usual one. */
void ip4_push_header(struct net *net, struct pkt *pkt, const struct addr *source,
                     const struct addr *destination, uint8_t protocol, uint8_t ecn);
void ip6_push_header(struct pkt *pkt, const struct addr *source, const struct addr *destination,
                     uint8_t protocol, uint8_t ecn, uint8_t hop_limit);

/* Adds the Ethernet header (and tag) and queues the frame; takes `pkt`. */
void eth_output(struct net *net, uint8_t interface, const uint8_t mac[MAC_BYTES], uint16_t type,
                struct pkt *pkt);
/* Queues what is complete, stamped with the time; takes `pkt`. */
void link_output(struct net *net, uint8_t interface, struct pkt *pkt);

extern const uint8_t mac_broadcast[MAC_BYTES];

/* Asks who has `target`; to `mac`, or to all when NULL. `sender` is our address. */
void arp_request(struct net *net, uint8_t interface, const uint8_t *mac, const struct addr *sender,
                 const struct addr *target);
/* RFC 4861 4.3. */
void nd_solicit(struct net *net, uint8_t interface, const uint8_t *mac, const struct addr *sender,
                const struct addr *target);
/* Says unasked that `addr` is ours: gratuitous ARP request, unsolicited advertisement. */
void arp_announce(struct net *net, uint8_t interface, const struct addr *addr);
void nd_announce(struct net *net, uint8_t interface, const struct addr *addr);
/* Tells routers and snooping switches which solicited-node groups we are in (MLDv2, RFC 3810 5.2).
 */
void nd_report_groups(struct net *net, uint8_t interface);
/* The interface identifier of RFC 2464 4 behind fe80::/64. */
struct addr nd_link_local(const uint8_t mac[MAC_BYTES]);
bool nd_is_solicited_node(const struct addr *group, const struct addr *addr);

void neighbours_init(struct neighbours *neighbours);
/* Sends an IP packet to a neighbour, now or once its MAC is known; takes `pkt`. */
void neighbour_output(struct net *net, const struct route *route, struct pkt *pkt);
/* What a reply, advertisement or request of a neighbour says. Only neighbours we already have an
 * entry of are touched (so that nobody can fill the table by talking). `solicited`: it answers us.
 * `override`: it may replace a different MAC. */
void neighbour_learn(struct net *net, uint8_t interface, const struct addr *addr,
                     const uint8_t mac[MAC_BYTES], bool solicited, bool override);
/* Fires the earliest deadline when it is due. */
bool neighbour_timer(struct net *net);
uint64_t neighbour_next_us(const struct neighbours *neighbours);

/* `from`: our address the packet goes out with, or NULL when it is still to be chosen. False: no
 * route. */
bool route_find(const struct net *net, const struct addr *destination, const struct addr *from,
                struct route *out_route);
/* Is it ours, on this very interface? */
bool link_is_ours(const struct link *link, uint8_t interface, const struct addr *addr);
bool rate_allows(struct rate_limit *limit, uint64_t now_us, uint32_t per_second, uint32_t burst);

static inline bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, MAC_BYTES) == 0;
}

static inline bool mac_is_unicast(const uint8_t *mac)
{
	static const uint8_t zero[MAC_BYTES];

	return (mac[0] & 1) == 0 && !mac_equal(mac, zero);
}

#endif
