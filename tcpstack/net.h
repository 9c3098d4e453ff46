/* net.h - front door of the stack for whoever moves packets: the worker, the simulation, a harness.
 *
 * Time, randomness, memory and output are arguments. The same seed and the same inputs give the
 * same packets, octet for octet. A jump of many seconds behaves as if each deadline on the way had
 * been visited in turn. One struct net belongs to one thread.
 */
#ifndef TCPSTACK_NET_H
#define TCPSTACK_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "tcpstack/net_counters.h"
#include "tcpstack/pkt.h"
#include "tcpstack/tcp_counters.h"

struct net;

enum net_welcome { NET_WELCOME, NET_RESET, NET_IGNORE };

/* A segment that was put together from fragments and belongs to no connection of the net. */
struct net_stranger {
	const struct pkt *ip; /* from its IP header on */
	struct endpoint local, remote;
	bool opens; /* a SYN */
};

struct net_config {
	uint64_t seed;          /* of everything random but not secret */
	struct hash_key secret; /* ISNs, cookies, source ports, connection table */
	uint32_t connections_max;
	uint32_t connections_per_prefix_max; /* passive opens of one /24 or /64; 0: no limit */
	uint32_t syn_cache_count;
	uint32_t syn_seen_count; /* SYNs without state that are known again; 0: none */
	uint32_t time_wait_count;
	uint32_t orphans_max; /* connections whose user has gone; at least 1 */
	uint16_t mtu;         /* of IP, default 1500 */
	/* Whether an active open may have the source port of `local`: several nets that share the
	 * addresses each take their own. Called with each port that is tried. NULL: all. Must be a
	 * pure look-up. */
	bool (*port_suits)(void *context, const struct endpoint *local,
	                   const struct endpoint *remote);
	void *port_context;
	uint32_t rto_min_us, rto_initial_us, rto_max_us, delayed_ack_us, time_wait_us;
	uint32_t retries_max, initial_window_segments;
	uint32_t receive_window_bytes, send_buffer_bytes;
	/* What a peer may send before the user has set a limit; the SYN shows no more. */
	uint32_t receive_window_initial_bytes;
	uint8_t window_scale_min; /* a larger scale is offered when the window needs it */
	bool no_timestamps, no_sack, no_window_scale, cookies_only; /* harnesses */
	bool no_ecn, no_idle_restart;                               /* harnesses */
	/* What becomes of a SYN from that address; what is not welcome leaves no state. May be
	 * NULL. Must be a pure look-up. */
	enum net_welcome (*refuse)(void *context, const struct addr *source);
	void *refuse_context;
	/* A device sees no ports in fragments: of several nets that share the addresses it may have
	 * given them to the wrong one. True: it is another's, and has been copied for it; that net
	 * gets it as a packet with PKT_HANDED. May be NULL. */
	bool (*hand_on)(void *context, const struct net_stranger *stranger);
	void *hand_on_context;
};

/* Sensible values for every field but secret and seed. */
void net_config_defaults(struct net_config *config);

/* Everything is carved from `arena` here, nothing asked for later. The counters belong to the
 * caller and live as long as the net. NULL when the arena is too small. */
struct net *net_new(struct arena *arena, const struct net_config *config, struct pkt_pool *pool,
                    struct net_counters *net_counters, struct tcp_counters *tcp_counters,
                    uint64_t now_us);
/* Octets net_new takes from the arena, at most. */
size_t net_bytes(const struct net_config *config);

struct net_interface {
	uint8_t mac[6];
	uint16_t vlan; /* 0: untagged */
	uint8_t port;  /* index that packets carry in pkt->port */
};

/* An Ethernet interface; at most PORTS_MAX. */
MUST_CHECK enum err net_add_interface(struct net *net, const struct net_interface *interface);
/* An address of ours on interface `port`, with its network; IPv6 link-local is added by itself. */
MUST_CHECK enum err net_add_address(struct net *net, uint8_t port, const struct prefix *address);
MUST_CHECK enum err net_add_gateway(struct net *net, uint8_t port, const struct addr *gateway);

/* Frames come faster than they are handled, or no longer: while they do, strangers get no answer to
 * a first SYN that finds no place, nor resets, so that what is left of the time goes to those who
 * are known. */
void net_set_behind(struct net *net, bool behind);
/* Takes `count` Ethernet frames that arrived now, or IP packets with PKT_HANDED. Answers wait for
 * net_output. */
void net_input(struct net *net, uint64_t now_us, struct pkt **pkts, size_t count);
/* Is the frame ARP or neighbour discovery? A card gives those to one queue, whichever worker asked:
 * who receives one shows it to the nets of the other workers, too. */
bool net_is_discovery(const struct pkt *pkt);
/* Learns from such a frame that another worker has received (and answers). `pkt` stays the
 * caller's, unchanged; nothing is answered here, but packets that waited may leave. */
void net_observe(struct net *net, uint64_t now_us, const struct pkt *pkt);
/* The door below Ethernet: one IP packet (v4 or v6); for harnesses. What leaves then has no
 * Ethernet header. */
void net_input_ip(struct net *net, uint64_t now_us, struct pkt *pkt);
void net_set_raw_ip(struct net *net);
/* Fires what is due, in order of deadline, at most `work_max` deadlines. */
void net_timers(struct net *net, uint64_t now_us, uint32_t work_max);
/* Hands out up to `max` frames to send, pkt->port saying where. Ownership passes on. Call until it
 * returns less than `max`. */
size_t net_output(struct net *net, uint64_t now_us, struct pkt **out_pkts, size_t max);
/* UINT64_MAX: no timer. */
uint64_t net_next_deadline_us(const struct net *net);
uint32_t net_connection_count(const struct net *net);

#endif
