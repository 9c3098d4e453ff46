/* fuzz_net_input.c - raw frames into net_input, with the real TCP above.
 *
 * Input: one octet of choices, then frames, each behind two octets: its length (little endian,
 * upper bits: time to pass first). Packets have memory of exactly their size, so that a read past
 * the end shows under a sanitizer.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "tcpstack/link.h"
#include "tcpstack/tcp.h"

#define CHOICE_RAW_IP    1 /* below Ethernet */
#define CHOICE_VLAN      2
#define CHOICE_CHECKSUMS 4 /* are made right, or nothing deep is ever reached */
#define CHOICE_CONNECT   8 /* an active open is under way */
#define FRAMES_MAX       64
#define PKTS_MAX         256
/* A solicitation grows by an option when it is answered in place. */
#define FRAME_BYTES_MIN 96

struct pool_exact {
	struct pkt_pool pool;
	struct pkt *all[PKTS_MAX];
};

static struct pkt *exact_take(struct pool_exact *exact, size_t bytes)
{
	for (int i = 0; i < PKTS_MAX; i++) {
		if (exact->all[i] != NULL)
			continue;
		struct pkt *pkt = calloc(1, sizeof(*pkt));
		uint8_t *buffer = calloc(1, PKT_HEADROOM_BYTES + bytes);
		ASSERT(pkt != NULL && buffer != NULL);
		pkt->buffer = buffer;
		pkt->buffer_bytes = (uint16_t)(PKT_HEADROOM_BYTES + bytes);
		pkt->data = buffer + PKT_HEADROOM_BYTES;
		pkt->pool = &exact->pool;
		exact->all[i] = pkt;
		exact->pool.free_count--;
		return pkt;
	}
	return NULL;
}

static struct pkt *exact_get(struct pkt_pool *pool)
{
	return exact_take((struct pool_exact *)pool, PKT_DATA_BYTES - PKT_HEADROOM_BYTES);
}

static void exact_put(struct pkt_pool *pool, struct pkt *pkt)
{
	struct pool_exact *exact = (struct pool_exact *)pool;
	int i = 0;

	while (i < PKTS_MAX && exact->all[i] != pkt)
		i++;
	ASSERT(i < PKTS_MAX); /* given back twice */
	exact->all[i] = NULL;
	pool->free_count++;
	free(pkt->buffer);
	free(pkt);
}

static void set16(uint8_t *at, uint16_t network)
{
	memcpy(at, &network, sizeof(network));
}

/* Where the checksum of a transport is in its header; 0: none that we know. */
static size_t checksum_at(uint8_t protocol)
{
	if (protocol == IP_PROTOCOL_TCP)
		return offsetof(struct tcp_header, checksum);
	return protocol == IP_PROTOCOL_ICMP4 || protocol == IP_PROTOCOL_ICMP6
	           ? offsetof(struct icmp_header, checksum)
	           : 0;
}

static void right_transport(uint8_t *data, size_t bytes, uint8_t protocol,
                            const struct addr *source, const struct addr *destination)
{
	size_t at = checksum_at(protocol);

	if (at == 0 || bytes < at + 2)
		return;
	set16(data + at, 0);
	uint32_t sum = protocol == IP_PROTOCOL_ICMP4
	                   ? 0
	                   : checksum_pseudo(source, destination, protocol, (uint32_t)bytes);
	set16(data + at, checksum_fold(checksum_add(sum, data, bytes)));
}

static void right_ip4(uint8_t *data, size_t bytes)
{
	struct ip4_header *ip = (struct ip4_header *)data;

	if (bytes < sizeof(*ip))
		return;
	size_t header_bytes = (size_t)(ip->version_ihl & 15) * 4, total = be16_get(ip->total_bytes);
	if (header_bytes < sizeof(*ip) || total < header_bytes || total > bytes)
		return;
	ip->checksum = be16_of(0);
	set16(ip->checksum.octet, checksum_fold(checksum_add(0, data, header_bytes)));
	struct addr source = addr_of_ip4(ip->source), destination = addr_of_ip4(ip->destination);
	right_transport(data + header_bytes, total - header_bytes, ip->protocol, &source,
	                &destination);
}

static void right_ip6(uint8_t *data, size_t bytes)
{
	struct ip6_header *ip = (struct ip6_header *)data;

	if (bytes < sizeof(*ip) || sizeof(*ip) + be16_get(ip->payload_bytes) > bytes)
		return;
	struct addr source = addr_of_ip6(ip->source), destination = addr_of_ip6(ip->destination);
	if (addr_is_ip4(&source) == addr_is_ip4(&destination))
		right_transport(data + sizeof(*ip), be16_get(ip->payload_bytes), ip->next_header,
		                &source, &destination);
}

static void right_checksums(uint8_t *data, size_t bytes, uint8_t choices)
{
	size_t at = 0;

	if ((choices & CHOICE_RAW_IP) == 0)
		at = (choices & CHOICE_VLAN) != 0 ? 18 : 14;
	if (bytes <= at)
		return;
	if (data[at] >> 4 == 6)
		right_ip6(data + at, bytes - at);
	else
		right_ip4(data + at, bytes - at);
}

static struct addr parsed(const char *text)
{
	struct addr addr;

	ASSERT(addr_parse(bytes_text(text), &addr) == OK);
	return addr;
}

static void set_up(struct net *net, uint8_t choices, struct tcp_conn **out_conn)
{
	struct net_interface interface = {.mac = {2, 0, 0, 0, 0, 1},
	                                  .vlan = (choices & CHOICE_VLAN) != 0};
	struct prefix ip4 = {parsed("192.0.2.1"), 120}, ip6 = {parsed("2001:db8::1"), 64};
	struct addr gateway = parsed("192.0.2.254");
	struct endpoint listener = {.port = 25}, remote = {parsed("192.0.2.2"), 25};

	if ((choices & CHOICE_RAW_IP) != 0)
		net_set_raw_ip(net);
	else
		ASSERT(net_add_interface(net, &interface) == OK);
	ASSERT(net_add_address(net, 0, &ip4) == OK);
	ASSERT(net_add_address(net, 0, &ip6) == OK);
	ASSERT(net_add_gateway(net, 0, &gateway) == OK);
	ASSERT(tcp_listen(net, &listener, 0) == OK);
	*out_conn = NULL;
	if ((choices & CHOICE_CONNECT) != 0)
		ASSERT(tcp_connect(net, 0, NULL, &remote, out_conn) == OK);
}

static void turn(struct net *net, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	struct tcp_conn *conn;
	uint32_t news;
	size_t count;

	net_timers(net, now_us, 100);
	for (int i = 0; i < 32 && (conn = tcp_next_ready(net, &news)) != NULL; i++) {
		tcp_consume(conn, tcp_readable(conn));
		if ((news & TCP_FAILED) != 0 || tcp_at_end(conn))
			tcp_close(conn);
		else
			tcp_write(conn, BYTES("220 ready\r\n"), false);
	}
	do {
		count = net_output(net, now_us, pkts, BURST_PKTS_MAX);
		for (size_t i = 0; i < count; i++)
			pkt_put(pkts[i]);
	} while (count == BURST_PKTS_MAX);
	ASSERT(net_next_deadline_us(net) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool_exact exact = {
	    .pool = {exact_get, exact_put, .pkt_count = PKTS_MAX, .free_count = PKTS_MAX}};
	struct net_counters net_counters = {0};
	struct tcp_counters tcp_counters = {0};
	struct net_config config;
	struct tcp_conn *conn;
	struct arena arena;
	uint64_t now_us = 0;

	if (size < 1)
		return 0;
	net_config_defaults(&config);
	config.connections_max = 32;
	config.syn_cache_count = 32;
	config.time_wait_count = 32;
	ASSERT(arena_init(&arena, net_bytes(&config), false) == OK);
	struct net *net = net_new(&arena, &config, &exact.pool, &net_counters, &tcp_counters,
	                          now_us);
	ASSERT(net != NULL);
	set_up(net, data[0], &conn);
	size_t at = 1;
	for (int frame = 0; frame < FRAMES_MAX && at + 2 <= size; frame++) {
		size_t word = data[at] | (size_t)data[at + 1] << 8, bytes = word & 0x7ff;
		static const uint32_t pause_us[32] = {0,      100,     1000,     40000,
		                                      250000, 1000000, 10000000, 100000000};
		at += 2;
		bytes = bytes < size - at ? bytes : size - at;
		if (bytes > PKT_DATA_BYTES - PKT_HEADROOM_BYTES)
			bytes = PKT_DATA_BYTES - PKT_HEADROOM_BYTES;
		now_us += pause_us[word >> 11];
		struct pkt *pkt = exact_take(&exact,
		                             bytes > FRAME_BYTES_MIN ? bytes : FRAME_BYTES_MIN);
		if (pkt == NULL)
			break;
		memcpy(pkt->data, data + at, bytes);
		pkt->len = (uint16_t)bytes;
		at += bytes;
		if ((data[0] & CHOICE_CHECKSUMS) != 0)
			right_checksums(pkt->data, bytes, data[0]);
		if ((data[0] & CHOICE_RAW_IP) != 0) {
			net_input_ip(net, now_us, pkt);
		} else {
			net_observe(net, now_us, pkt);
			net_input(net, now_us, &pkt, 1);
		}
		turn(net, now_us);
	}
	turn(net, now_us + 1000000000);
	for (int i = 0; i < PKTS_MAX; i++)
		if (exact.all[i] != NULL)
			exact_put(&exact.pool, exact.all[i]);
	arena_free(&arena);
	return 0;
}
