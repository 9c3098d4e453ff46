/* tcp_burst.c - nanoseconds per segment when bursts touch connections at random: what a worker pays
 * for look-up and state among many idle peers.
 *
 * usage: postern-bench-tcp [connections [bursts]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "tcpstack/net.h"
#include "tcpstack/tcp.h"
#include "tcpstack/wire.h"

#define FRAME_BYTES 54 /* Ethernet, IPv4, TCP without options */
#define PKT_COUNT   4096

static struct net_counters net_counters;
static struct tcp_counters tcp_counters;
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, gateway_mac[6] = {2, 0, 0, 0, 0, 2};

struct bench {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	uint64_t now_us;
	uint32_t connections;
	uint32_t *our_seq; /* what we number next, per connection */
};

static void put_u16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put_u32(uint8_t *to, uint32_t value)
{
	put_u16(to, value >> 16);
	put_u16(to + 2, value);
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* RFC 1071, of an even number of octets. */
static void put_checksum(uint8_t *to, uint32_t sum, const uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)(from[i] << 8 | from[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	put_u16(to, ~((sum & 0xffff) + (sum >> 16)));
}

/* Peer `number`: 16 ports on each address of 10.0.0.0/8. */
static struct pkt *segment(struct bench *bench, uint32_t number, uint8_t flags, uint32_t seq)
{
	struct pkt *pkt = pkt_get(bench->pool);
	uint8_t *ip, *tcp;
	uint32_t pseudo = 6 + 20;

	if (pkt == NULL)
		exit(1);
	memset(pkt->data, 0, FRAME_BYTES);
	memcpy(pkt->data, our_mac, 6);
	memcpy(pkt->data + 6, gateway_mac, 6);
	put_u16(pkt->data + 12, 0x0800);
	ip = pkt->data + 14;
	ip[0] = 0x45;
	put_u16(ip + 2, 40);
	ip[8] = 64;
	ip[9] = 6;
	put_u32(ip + 12, 0x0a000100u + number / 16);
	put_u32(ip + 16, 0xc0000201u);
	put_checksum(ip + 10, 0, ip, 20);
	tcp = ip + 20;
	put_u16(tcp, 20000 + number % 16);
	put_u16(tcp + 2, 25);
	put_u32(tcp + 4, seq);
	put_u32(tcp + 8, flags & 0x10 ? bench->our_seq[number] : 0);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put_u16(tcp + 14, 60000);
	for (size_t i = 12; i < 20; i += 2)
		pseudo += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	put_checksum(tcp + 16, pseudo, tcp, 20);
	pkt->len = FRAME_BYTES;
	return pkt;
}

static void answer_arp(struct bench *bench, const uint8_t *request)
{
	struct pkt *pkt = pkt_get(bench->pool);

	if (pkt == NULL)
		exit(1);
	memcpy(pkt->data, request, 42);
	memcpy(pkt->data, our_mac, 6);
	memcpy(pkt->data + 6, gateway_mac, 6);
	put_u16(pkt->data + 20, 2);
	memcpy(pkt->data + 22, gateway_mac, 6);
	memcpy(pkt->data + 28, request + 38, 4);
	memcpy(pkt->data + 32, our_mac, 6);
	memcpy(pkt->data + 38, request + 28, 4);
	pkt->len = 42;
	net_input(bench->net, bench->now_us, &pkt, 1);
}

/* Throws away what leaves; learns our numbers from SYN-ACKs, answers for the gateway. */
static void collect(struct bench *bench)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	do {
		count = net_output(bench->net, bench->now_us, pkts, BURST_PKTS_MAX);
		for (size_t i = 0; i < count; i++) {
			const uint8_t *frame = pkts[i]->data, *tcp = frame + 34;

			if (frame[12] == 8 && frame[13] == 6 && frame[21] == 1 &&
			    frame[41] != frame[31])
				answer_arp(bench, frame);
			else if (frame[13] == 0 && (tcp[13] & 0x02))
				bench->our_seq[(get_u32(frame + 30) - 0x0a000100u) * 16 +
				               (uint32_t)(tcp[2] << 8 | tcp[3]) -
				               20000] = get_u32(tcp + 4) + 1;
			pkt_put(pkts[i]);
		}
	} while (count > 0);
}

static void open_all(struct bench *bench)
{
	uint32_t news;

	for (uint32_t i = 0; i < bench->connections; i++) {
		struct pkt *pkt = segment(bench, i, 0x02, 1000);

		bench->now_us += 10;
		net_input(bench->net, bench->now_us, &pkt, 1);
		collect(bench);
		pkt = segment(bench, i, 0x10, 1001);
		net_input(bench->net, bench->now_us, &pkt, 1);
		collect(bench);
		while (tcp_next_ready(bench->net, &news) != NULL)
			;
	}
	if (tcp_counters.connections_accepted != bench->connections) {
		fprintf(stderr, "%u of %u connections opened\n",
		        (unsigned)tcp_counters.connections_accepted, bench->connections);
		exit(1);
	}
}

static double run(struct bench *bench, uint32_t bursts)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	struct random random;
	uint64_t spent_ns = 0;

	random_seed(&random, 7);
	for (uint32_t burst = 0; burst < bursts; burst++) {
		uint64_t began_ns;

		for (size_t i = 0; i < BURST_PKTS_MAX; i++)
			pkts[i] = segment(bench, random_below(&random, bench->connections), 0x10,
			                  1001);
		bench->now_us += 10;
		began_ns = clock_thread_cpu_ns();
		net_input(bench->net, bench->now_us, pkts, BURST_PKTS_MAX);
		spent_ns += clock_thread_cpu_ns() - began_ns;
		collect(bench);
	}
	return (double)spent_ns / bursts / BURST_PKTS_MAX;
}

static void start(struct bench *bench)
{
	struct prefix address = {.addr = addr_from_ip4(0xc0000201u), .bits = 120};
	struct addr gateway = addr_from_ip4(0xc00002feu);
	struct endpoint local = {.addr = address.addr, .port = 25};
	struct net_interface interface = {.port = 0};
	struct net_config config;

	net_config_defaults(&config);
	config.seed = 1;
	config.secret = (struct hash_key){{1, 2}};
	config.connections_max = bench->connections * 2;
	config.syn_cache_count = 64;
	bench->our_seq = calloc(bench->connections, sizeof(uint32_t));
	bench->now_us = 1000000;
	if (bench->our_seq == NULL ||
	    arena_init(&bench->arena, net_bytes(&config) + PKT_COUNT * (PKT_DATA_BYTES + 256),
	               true) != OK)
		exit(1);
	bench->pool = pkt_pool_memory(&bench->arena, PKT_COUNT);
	bench->net = net_new(&bench->arena, &config, bench->pool, &net_counters, &tcp_counters,
	                     bench->now_us);
	memcpy(interface.mac, our_mac, 6);
	if (bench->net == NULL || net_add_interface(bench->net, &interface) != OK ||
	    net_add_address(bench->net, 0, &address) != OK ||
	    net_add_gateway(bench->net, 0, &gateway) != OK ||
	    tcp_listen(bench->net, &local, 0) != OK)
		exit(1);
}

int main(int argc, char **argv)
{
	struct bench bench = {.connections = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10)
	                                              : 500000};
	uint32_t bursts = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 20000;

	if (bench.connections == 0 || bursts == 0)
		return 2;
	start(&bench);
	open_all(&bench);
	printf("connections %u, segments %u, ns per segment %.1f\n", bench.connections,
	       bursts * BURST_PKTS_MAX, run(&bench, bursts));
	return 0;
}
