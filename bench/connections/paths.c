/* paths.c - cycles a segment of each kind costs the stack, from the frame in to the frames out.
 *
 * A stack alone, without port or gateway. Each step is taken by all connections in an order that is
 * drawn, in bursts; frames are made beforehand and read afterwards, so what is timed is net_input,
 * the least a user does, and net_output. The median burst counts: what the scheduler or the host
 * takes away does not show.
 */
#include "bench/connections/connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "bench/connections/frame.h"
#include "tcpstack/net.h"
#include "tcpstack/tcp.h"
#include "tcpstack/wire.h"

#define PEER_NET    0x0c000000u /* 12.0.0.0/8 */
#define PORT_FIRST  1024
#define SMALL_BYTES 64
#define FULL_BYTES  1448
#define BURST_US    10
#define SETTLE_US   50000 /* past the delayed acknowledgement, before a retransmission */
#define POOL_PKTS   65536
#define WAITING_MAX 32768 /* connections between a step and the one that answers it */
#define HOLES_MAX   64    /* connections with octets missing at once */
#define OUTPUT_MAX  (4 * BURST_PKTS_MAX)
#define ACTIVE_NET  0x0e000000u /* 14.0.0.0/8: those we connect to */
#define CLIENT_ISS  1000u

struct path_conn {
	struct frame_peer peer;
	uint16_t server_port;
	uint32_t seq, ack; /* of the peer's next segment */
	uint32_t stamp;    /* the last timestamp of ours it saw */
	struct tcp_conn *conn;
};

struct paths {
	struct arena arena;
	struct net *net;
	struct pkt_pool *pool;
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
	struct frame_link link;
	struct path_conn *conns;
	uint32_t *order;
	uint64_t *cycles, *next_cycles; /* of each burst */
	uint32_t count;
	uint64_t now_us;
	char name[32];
};

/* What the user of the stack does with a connection. */
enum act { ACT_NEWS, ACT_REPLY, ACT_WRITE, ACT_CONNECT, ACT_CLOSE };

struct step {
	const char *name;
	uint8_t flags; /* of the segment that comes in; 0: none comes */
	uint16_t payload_bytes;
	uint16_t gap_bytes; /* so many octets are missing before it */
	enum act act;
	bool waits; /* the next step answers it */
};

static const uint8_t payload[FULL_BYTES];

static void peers_begin(struct paths *p, uint32_t net)
{
	for (uint32_t i = 0; i < p->count; i++)
		p->conns[i] = (struct path_conn){
		    .peer = {net | (i & 0xffff), (uint16_t)(PORT_FIRST + (i >> 16))},
		    .server_port = FRAME_SMTP_PORT,
		    .seq = CLIENT_ISS,
		};
}

static struct path_conn *conn_of(struct paths *p, const struct frame_peer *peer)
{
	uint32_t index = (peer->ip & 0xffff) | (uint32_t)(peer->port - PORT_FIRST) << 16;

	ASSERT(index < p->count);
	return &p->conns[index];
}

/* What left tells the peers where they are. */
static void read_output(struct paths *p, struct pkt *pkt)
{
	struct frame_segment segment;

	if (frame_answer_arp(pkt, &p->link)) {
		net_input(p->net, p->now_us, &pkt, 1);
		return;
	}
	if (frame_read(pkt, &segment)) {
		struct path_conn *c = conn_of(p, &segment.client);

		c->server_port = segment.server_port;
		c->stamp = segment.ts_val;
		c->ack = segment.seq + segment.payload_bytes +
		         ((segment.flags & TCP_FLAG_SYN) != 0) +
		         ((segment.flags & TCP_FLAG_FIN) != 0);
	}
	pkt_put(pkt);
}

static size_t collect(struct paths *p, struct pkt **out, size_t max)
{
	size_t count = 0, got;

	while (count + BURST_PKTS_MAX <= max &&
	       (got = net_output(p->net, p->now_us, out + count, BURST_PKTS_MAX)) > 0)
		count += got;
	return count;
}

static void settle(struct paths *p, uint64_t us)
{
	struct pkt *pkts[OUTPUT_MAX];
	size_t count;

	for (uint64_t until_us = p->now_us + us; p->now_us < until_us; p->now_us += 1000) {
		net_timers(p->net, p->now_us, UINT32_MAX);
		while ((count = collect(p, pkts, OUTPUT_MAX)) > 0)
			for (size_t i = 0; i < count; i++)
				read_output(p, pkts[i]);
	}
}

/* The segment that the peer of `c` sends in this step. */
static struct pkt *frame_of(struct paths *p, struct path_conn *c, const struct step *step)
{
	struct frame_segment segment = {.client = c->peer,
	                                .server_port = c->server_port,
	                                .seq = c->seq + step->gap_bytes,
	                                .ack = c->ack,
	                                .ts_val = (uint32_t)(p->now_us / 1000),
	                                .ts_ecr = c->stamp,
	                                .flags = step->flags,
	                                .payload = payload,
	                                .payload_bytes = step->payload_bytes};
	struct pkt *pkt = pkt_get(p->pool);

	ASSERT(pkt != NULL);
	frame_write(pkt, &p->link, &segment);
	if (step->gap_bytes == 0)
		c->seq += step->payload_bytes + ((step->flags & TCP_FLAG_SYN) != 0) +
		          ((step->flags & TCP_FLAG_FIN) != 0);
	return pkt;
}

/* At a closed port: its reset makes the stack find the router, before many answers at once would
 * wait for it. */
static void knock(struct paths *p)
{
	static const struct step syn = {"", TCP_FLAG_SYN, 0, 0, ACT_NEWS, false};

	p->conns[0].peer = (struct frame_peer){PEER_NET, PORT_FIRST};
	p->conns[0].server_port = FRAME_CLOSED_PORT;
	struct pkt *pkt = frame_of(p, &p->conns[0], &syn);
	net_input(p->net, p->now_us, &pkt, 1);
	settle(p, SETTLE_US);
	ASSERT(p->tcp_counters.resets_out == 1);
}

static void paths_open(struct paths *p, uint32_t count, bool cookies)
{
	struct net_interface interface = {.mac = {2, 0, 0, 0, 0, 1}};
	struct prefix address = {addr_from_ip4(FRAME_SERVER_IP), 96 + 24};
	struct addr router = addr_from_ip4(FRAME_ROUTER_IP);
	struct endpoint listen = {addr_from_ip4(FRAME_SERVER_IP), FRAME_SMTP_PORT};
	struct net_config config;
	struct random random;

	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "paths-%u", count);
	p->now_us = 1000000;
	p->count = count;
	p->link = (struct frame_link){{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1}};
	net_config_defaults(&config);
	config.connections_max = count + 1;
	config.syn_cache_count = count;
	config.cookies_only = cookies;
	config.secret = (struct hash_key){{3, 5}};
	size_t bytes = net_bytes(&config) + (size_t)POOL_PKTS * 2304 + count * 128 + (1 << 20);
	enum err err = arena_init(&p->arena, bytes, true);
	ASSERT(err == OK);
	p->pool = pkt_pool_memory(&p->arena, POOL_PKTS);
	p->conns = ARENA_TAKE(&p->arena, count, struct path_conn);
	p->order = ARENA_TAKE(&p->arena, count, uint32_t);
	p->cycles = ARENA_TAKE(&p->arena, count / BURST_PKTS_MAX, uint64_t);
	p->next_cycles = ARENA_TAKE(&p->arena, count / BURST_PKTS_MAX, uint64_t);
	p->net = net_new(&p->arena, &config, p->pool, &p->net_counters, &p->tcp_counters,
	                 p->now_us);
	ASSERT(p->pool != NULL && p->conns != NULL && p->order != NULL && p->cycles != NULL &&
	       p->next_cycles != NULL && p->net != NULL);
	err = net_add_interface(p->net, &interface);
	err = err == OK ? net_add_address(p->net, 0, &address) : err;
	err = err == OK ? net_add_gateway(p->net, 0, &router) : err;
	err = err == OK ? tcp_listen(p->net, &listen, 0) : err;
	ASSERT(err == OK);

	knock(p);
	random_seed(&random, 1);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t other = random_below(&random, i + 1);

		p->order[i] = p->order[other];
		p->order[other] = i;
	}
}

/* The least a user does: accepts, reads, answers, lets go of what has failed. */
static uint32_t take_news(struct paths *p, bool replies, struct tcp_conn **out_accepted)
{
	struct tcp_conn *conn;
	uint32_t news, accepted = 0;

	while ((conn = tcp_next_ready(p->net, &news)) != NULL) {
		if (news & TCP_ACCEPTED)
			out_accepted[accepted++] = conn;
		if (news & TCP_FAILED)
			tcp_close(conn);
		else if (news & TCP_READABLE)
			tcp_consume(conn, tcp_readable(conn));
		if (replies)
			tcp_write(conn, bytes_of(payload, SMALL_BYTES), false);
	}
	return accepted;
}

static void act(struct paths *p, struct path_conn *c, enum act what)
{
	if (what == ACT_WRITE) {
		tcp_write(c->conn, bytes_of(payload, SMALL_BYTES), false);
	} else if (what == ACT_CLOSE) {
		tcp_close(c->conn);
	} else if (what == ACT_CONNECT) {
		struct endpoint remote = {addr_from_ip4(c->peer.ip), c->peer.port};
		enum err err = tcp_connect(p->net, p->now_us, NULL, &remote, &c->conn);

		ASSERT(err == OK);
	}
}

static uint64_t burst(struct paths *p, const struct step *step, uint32_t first)
{
	struct pkt *in[BURST_PKTS_MAX], *out[OUTPUT_MAX];
	struct tcp_conn *accepted[BURST_PKTS_MAX];

	for (uint32_t i = 0; step->flags != 0 && i < BURST_PKTS_MAX; i++)
		in[i] = frame_of(p, &p->conns[p->order[first + i]], step);
	p->now_us += BURST_US;

	uint64_t begin = __builtin_ia32_rdtsc();
	if (step->flags != 0)
		net_input(p->net, p->now_us, in, BURST_PKTS_MAX);
	uint32_t accepted_count = take_news(p, step->act == ACT_REPLY, accepted);
	if (step->act > ACT_REPLY)
		for (uint32_t i = 0; i < BURST_PKTS_MAX; i++)
			act(p, &p->conns[p->order[first + i]], step->act);
	size_t out_count = collect(p, out, OUTPUT_MAX);
	uint64_t cycles = __builtin_ia32_rdtsc() - begin;

	for (uint32_t i = 0; i < accepted_count; i++) {
		struct endpoint local, remote;

		tcp_endpoints(accepted[i], &local, &remote);
		struct frame_peer peer = {addr_ip4(&remote.addr), remote.port};
		conn_of(p, &peer)->conn = accepted[i];
	}
	for (size_t i = 0; i < out_count; i++)
		read_output(p, out[i]);
	return cycles;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report_step(struct paths *p, const char *name, uint64_t *cycles)
{
	uint32_t bursts = p->count / BURST_PKTS_MAX;

	qsort(cycles, bursts, sizeof(cycles[0]), compare_u64);
	report(p->name, name, "cycles", (double)cycles[bursts / 2] / BURST_PKTS_MAX, false);
}

/* One step of the connections [first, first + count) of the order. */
static void run_step(struct paths *p, const struct step *step, uint64_t *cycles, uint32_t first,
                     uint32_t count)
{
	for (uint32_t at = first; at < first + count; at += BURST_PKTS_MAX)
		cycles[at / BURST_PKTS_MAX] = burst(p, step, at);
}

/* A step that waits and the one it waits for take turns, part by part: packets wait in between. */
static void run_pair(struct paths *p, const struct step *step)
{
	uint32_t part_max = step->gap_bytes > 0 ? HOLES_MAX : WAITING_MAX;

	for (uint32_t first = 0; first < p->count; first += part_max) {
		uint32_t count = p->count - first < part_max ? p->count - first : part_max;

		run_step(p, step, p->cycles, first, count);
		run_step(p, step + 1, p->next_cycles, first, count);
		/* What came early lies behind what filled the hole. */
		for (uint32_t i = first; step->gap_bytes > 0 && i < first + count; i++)
			p->conns[p->order[i]].seq += step->payload_bytes;
	}
	report_step(p, step->name, p->cycles);
	report_step(p, step[1].name, p->next_cycles);
}

static void run(struct paths *p, const struct step *steps, uint32_t step_count)
{
	for (uint32_t s = 0; s < step_count; s++) {
		if (steps[s].waits) {
			run_pair(p, &steps[s++]);
		} else {
			run_step(p, &steps[s], p->cycles, 0, p->count);
			report_step(p, steps[s].name, p->cycles);
		}
		settle(p, SETTLE_US);
	}
}

static const struct step passive[] = {
    {"syn", TCP_FLAG_SYN, 0, 0, ACT_NEWS, true},
    {"third_ack", TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
    {"write_64", 0, 0, 0, ACT_WRITE, true},
    {"pure_ack", TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
    {"data_64", TCP_FLAG_ACK, SMALL_BYTES, 0, ACT_NEWS, false},
    {"data_64_reply_64", TCP_FLAG_ACK, SMALL_BYTES, 0, ACT_REPLY, true},
    {"data_1448", TCP_FLAG_ACK, FULL_BYTES, 0, ACT_NEWS, false},
    {"out_of_order_1448", TCP_FLAG_ACK, FULL_BYTES, FULL_BYTES, ACT_NEWS, true},
    {"hole_filled_1448", TCP_FLAG_ACK, FULL_BYTES, 0, ACT_NEWS, false},
    {"fin", TCP_FLAG_FIN | TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
    {"close", 0, 0, 0, ACT_CLOSE, true},
    {"last_ack", TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
};

static const struct step active[] = {
    {"connect", 0, 0, 0, ACT_CONNECT, true},
    {"connect_syn_ack", TCP_FLAG_SYN | TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
    {"reset", TCP_FLAG_RST | TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
};

static const struct step cookie[] = {
    {"cookie_syn", TCP_FLAG_SYN, 0, 0, ACT_NEWS, true},
    {"cookie_ack", TCP_FLAG_ACK, 0, 0, ACT_NEWS, false},
};

static void expect(const struct paths *p, uint64_t got, const char *what)
{
	if (got == p->count)
		return;
	fprintf(stderr, "postern-bench-connections: %s: %llu connections %s\n", p->name,
	        (unsigned long long)got, what);
	exit(1);
}

void paths_run(uint32_t connections)
{
	static struct paths p;

	connections = (connections + BURST_PKTS_MAX - 1) / BURST_PKTS_MAX * BURST_PKTS_MAX;
	paths_open(&p, connections, false);
	peers_begin(&p, PEER_NET);
	run(&p, passive, sizeof(passive) / sizeof(passive[0]));
	expect(&p, p.tcp_counters.connections_accepted, "accepted");
	expect(&p, p.tcp_counters.connections_closed, "closed both ways");
	expect(&p, p.tcp_counters.out_of_order_kept, "that kept a segment out of order");
	peers_begin(&p, ACTIVE_NET);
	run(&p, active, sizeof(active) / sizeof(active[0]));
	expect(&p, p.tcp_counters.connections_opened, "opened");
	expect(&p, p.tcp_counters.resets_in, "reset");
	arena_free(&p.arena);

	paths_open(&p, connections, true);
	peers_begin(&p, PEER_NET);
	run(&p, cookie, sizeof(cookie) / sizeof(cookie[0]));
	expect(&p, p.tcp_counters.cookies_accepted, "accepted by cookie");
	arena_free(&p.arena);
}
