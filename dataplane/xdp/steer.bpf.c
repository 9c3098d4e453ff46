/* steer.bpf.c - which frames of a shared interface are ours.
 *
 * An address is ours alone, or the kernel has it too. What is sent to one of ours alone is ours,
 * whatever it is: any port (the stack refuses what nobody listens on), fragments, ICMP, and the ARP
 * requests and neighbour solicitations that ask for it. Of an address that the kernel has too, ours
 * is TCP to our listeners' ports and TCP from our backends' endpoints; of an IPv4 one also ARP and
 * ICMP, of an IPv6 one (the link-local address, as a rule) the kernel keeps those. All else is the
 * kernel's, untouched. Sources on the deny maps lose their traffic to our listeners, and nothing
 * else: the look-up comes after the match, so that a listed network keeps its way to the machine
 * itself. Frames go to the queue they came in by (an AF_XDP socket takes no others).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steer_maps.h"

#define ARP_FRAME_BYTES      28 /* Ethernet and IPv4 */
#define ND_SOLICITATION      135
#define FRAGMENT_OFFSET_MASK 0x1fff

/* Replaced by the map that the packet driver has put its sockets into; the name is the driver's. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct steer_addr);
	__type(value, __u8);
} postern_addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __be16);
	__type(value, __u8);
} postern_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct steer_backend);
	__type(value, __u8);
} postern_backs SEC(".maps");

/* One trie a level (enum steer_level), exchanged whole when lists change; these are their shape. */
struct deny4 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct steer_deny4));
	__uint(value_size, sizeof(__u8));
};

struct deny6 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct steer_deny6));
	__uint(value_size, sizeof(__u8));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, STEER_LEVELS);
	__type(key, __u32);
	__array(values, struct deny4);
} postern_deny4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, STEER_LEVELS);
	__type(key, __u32);
	__array(values, struct deny6);
} postern_deny6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} postern_count SEC(".maps");

/* One value: the VLAN that is ours, 0 for untagged frames. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} postern_vlan SEC(".maps");

static __always_inline int count(__u32 counter, int action)
{
	__u64 *value = bpf_map_lookup_elem(&postern_count, &counter);

	if (value)
		(*value)++;
	return action;
}

static __always_inline int pass(void)
{
	return count(STEER_passed, XDP_PASS);
}

static __always_inline int to_worker(struct xdp_md *ctx)
{
	return count(STEER_to_workers,
	             (int)bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS));
}

static __always_inline void map4(struct steer_addr *out, __be32 addr)
{
	__builtin_memset(out->octet, 0, 10);
	out->octet[10] = 0xff;
	out->octet[11] = 0xff;
	__builtin_memcpy(out->octet + 12, &addr, 4);
}

/* enum steer_owner; 0: not ours. */
static __always_inline __u8 owner_of(const struct steer_addr *addr)
{
	const __u8 *owner = bpf_map_lookup_elem(&postern_addrs, addr);

	return owner ? *owner : 0;
}

static __always_inline bool is_from_backend(const struct steer_addr *source, __be16 port)
{
	struct steer_backend key = {.port = port};

	__builtin_memcpy(key.octet, source->octet, 16);
	return bpf_map_lookup_elem(&postern_backs, &key) != NULL;
}

static __always_inline int steer_arp(struct xdp_md *ctx, const __u8 *arp, const void *end)
{
	struct steer_addr target;
	__be32 addr;

	if (arp + ARP_FRAME_BYTES > (const __u8 *)end)
		return count(STEER_malformed, XDP_PASS);
	__builtin_memcpy(&addr, arp + 24, 4); /* target protocol address */
	map4(&target, addr);
	return owner_of(&target) ? to_worker(ctx) : pass();
}

/* What the entry for this source says at `level`: enum steer_verdict, 0 when there is none. */
static __always_inline __u8 verdict4(__u32 level, const struct steer_deny4 *key)
{
	void *trie = bpf_map_lookup_elem(&postern_deny4, &level);
	const __u8 *verdict = trie ? bpf_map_lookup_elem(trie, key) : NULL;

	return verdict ? *verdict : 0;
}

static __always_inline __u8 verdict6(__u32 level, const struct steer_deny6 *key)
{
	void *trie = bpf_map_lookup_elem(&postern_deny6, &level);
	const __u8 *verdict = trie ? bpf_map_lookup_elem(trie, key) : NULL;

	return verdict ? *verdict : 0;
}

/* The counter of the map that denies the source, or STEER_COUNTER_COUNT. What the delta knows
 * counts, whatever the lists say. */
static __always_inline __u32 deny4_counter(__be32 source)
{
	struct steer_deny4 key = {.bits = 32, .addr = source};
	__u8 verdict = verdict4(STEER_DELTA, &key);

	if (verdict)
		return verdict == STEER_DENY ? STEER_denied_delta_ip4 : STEER_COUNTER_COUNT;
	return verdict4(STEER_LISTS, &key) == STEER_DENY ? STEER_denied_lists_ip4
	                                                 : STEER_COUNTER_COUNT;
}

static __always_inline __u32 deny6_counter(const struct steer_addr *source)
{
	struct steer_deny6 key = {.bits = 128};
	__u8 verdict;

	__builtin_memcpy(key.addr, source->octet, 16);
	verdict = verdict6(STEER_DELTA, &key);
	if (verdict)
		return verdict == STEER_DENY ? STEER_denied_delta_ip6 : STEER_COUNTER_COUNT;
	return verdict6(STEER_LISTS, &key) == STEER_DENY ? STEER_denied_lists_ip6
	                                                 : STEER_COUNTER_COUNT;
}

/* TCP whose destination is ours: 1 to a listener, 2 from a backend, 0 neither. */
static __always_inline int tcp_match(const struct steer_addr *source, const struct tcphdr *tcp)
{
	if (is_from_backend(source, tcp->source))
		return 2;
	return bpf_map_lookup_elem(&postern_ports, &tcp->dest) != NULL ? 1 : 0;
}

static __always_inline int steer_tcp4(struct xdp_md *ctx, const struct iphdr *ip, const void *end,
                                      __u8 owner)
{
	const struct tcphdr *tcp = (const void *)((const __u8 *)ip + ip->ihl * 4);
	struct steer_addr source;
	int match;

	if ((const void *)(tcp + 1) > end) /* a fragment may end before: the workers judge it */
		return owner == STEER_OURS ? to_worker(ctx) : count(STEER_malformed, XDP_PASS);
	map4(&source, ip->saddr);
	match = tcp_match(&source, tcp);
	if (match == 1) {
		__u32 counter = deny4_counter(ip->saddr);

		if (counter != STEER_COUNTER_COUNT)
			return count(counter, XDP_DROP);
	}
	return match || owner == STEER_OURS ? to_worker(ctx) : pass();
}

static __always_inline int steer_ip4(struct xdp_md *ctx, const struct iphdr *ip, const void *end)
{
	struct steer_addr destination;
	__u8 owner;

	if ((const void *)(ip + 1) > end || ip->ihl < 5)
		return count(STEER_malformed, XDP_PASS);
	map4(&destination, ip->daddr);
	owner = owner_of(&destination);
	if (!owner)
		return pass();
	if (ip->frag_off & bpf_htons(FRAGMENT_OFFSET_MASK)) /* no ports inside */
		return owner == STEER_OURS ? to_worker(ctx) : pass();
	if (ip->protocol == IPPROTO_TCP)
		return steer_tcp4(ctx, ip, end, owner);
	return owner == STEER_OURS || ip->protocol == IPPROTO_ICMP ? to_worker(ctx) : pass();
}

/* Solicitations go to a multicast address of many; whose neighbour is sought stands inside. The
 * kernel answers for an address it has too: its MAC address is ours. */
static __always_inline int steer_icmp6(struct xdp_md *ctx, const struct ipv6hdr *ip,
                                       const void *end)
{
	const __u8 *icmp = (const __u8 *)(ip + 1);
	struct steer_addr addr;

	if (icmp + 24 > (const __u8 *)end || icmp[0] != ND_SOLICITATION)
		return pass();
	__builtin_memcpy(addr.octet, icmp + 8, 16);
	return owner_of(&addr) == STEER_OURS ? to_worker(ctx) : pass();
}

static __always_inline int steer_tcp6(struct xdp_md *ctx, const struct ipv6hdr *ip, const void *end,
                                      __u8 owner)
{
	const struct tcphdr *tcp = (const void *)(ip + 1);
	struct steer_addr source;
	int match;

	if ((const void *)(tcp + 1) > end) /* a fragment may end before: the workers judge it */
		return owner == STEER_OURS ? to_worker(ctx) : count(STEER_malformed, XDP_PASS);
	__builtin_memcpy(source.octet, &ip->saddr, 16);
	match = tcp_match(&source, tcp);
	if (match == 1) {
		__u32 counter = deny6_counter(&source);

		if (counter != STEER_COUNTER_COUNT)
			return count(counter, XDP_DROP);
	}
	return match || owner == STEER_OURS ? to_worker(ctx) : pass();
}

static __always_inline int steer_ip6(struct xdp_md *ctx, const struct ipv6hdr *ip, const void *end)
{
	struct steer_addr destination;
	__u8 owner;

	if ((const void *)(ip + 1) > end)
		return count(STEER_malformed, XDP_PASS);
	__builtin_memcpy(destination.octet, &ip->daddr, 16);
	owner = owner_of(&destination);
	if (owner && ip->nexthdr == IPPROTO_TCP)
		return steer_tcp6(ctx, ip, end, owner);
	if (owner == STEER_OURS)
		return to_worker(ctx);
	return !owner && ip->nexthdr == IPPROTO_ICMPV6 ? steer_icmp6(ctx, ip, end) : pass();
}

SEC("xdp")
int postern_steer(struct xdp_md *ctx)
{
	const __u8 *data = (const __u8 *)(long)ctx->data;
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)data;
	__u32 zero = 0, tag = 0, *vlan = bpf_map_lookup_elem(&postern_vlan, &zero);
	__be16 protocol;

	if ((const void *)(eth + 1) > end)
		return count(STEER_malformed, XDP_PASS);
	protocol = eth->h_proto;
	data += sizeof(*eth);
	if (protocol == bpf_htons(ETH_P_8021Q)) {
		if ((const void *)(data + 4) > end)
			return count(STEER_malformed, XDP_PASS);
		tag = (__u32)(data[0] & 0x0f) << 8 | data[1];
		protocol = *(const __be16 *)(data + 2);
		data += 4;
	}
	if (!vlan || *vlan != tag)
		return pass();
	if (protocol == bpf_htons(ETH_P_ARP))
		return steer_arp(ctx, data, end);
	if (protocol == bpf_htons(ETH_P_IP))
		return steer_ip4(ctx, (const void *)data, end);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return steer_ip6(ctx, (const void *)data, end);
	return pass();
}

char _license[] SEC("license") = "Apache-2.0";
