/* stack_echo.c - the stack on an AF_PACKET socket, for interoperation with the kernel's TCP.
 *
 * Services: port 7 echoes all and closes on FIN, port 9 swallows. `--connect ADDRESS PORT` opens a
 * connection that echoes too. Every frame also passes a simulated link (port_memory.h), so that
 * loss, reordering and the rest need nothing of the kernel. It runs until its standard input ends,
 * then prints the counters that are not zero.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "dataplane/port_memory.h"
#include "tcpstack/net.h"
#include "tcpstack/tcp.h"
#include "tests/integration/stack_host.h"

#define PKTS           16384
#define WIRE_PKTS      1024
#define LINK_PKTS      8192
#define PORT_ECHO      7
#define PORT_DISCARD   9
#define TAG_ECHO       1
#define TAG_DISCARD    2
#define TURN_CONNS_MAX 256

struct host {
	struct arena arena;
	struct net *net;
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
	struct pkt_pool *wire_pool; /* frames between the socket and the simulated link */
	struct port *wire, *stack;  /* the ends of the link */
	int socket;
	struct net_interface interface;
};

struct options {
	const char *device;
	struct prefix address[2];
	int address_count;
	struct addr gateway;
	bool has_gateway, has_peer;
	struct endpoint peer;
	uint16_t mtu;
	struct port_memory_config link;
};

static uint32_t number(const char *text)
{
	uint64_t value;

	if (!bytes_to_u64(bytes_text(text), UINT32_MAX, &value)) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(1);
	}
	return (uint32_t)value;
}

static void parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
	    {"device", 1, NULL, 'd'},    {"address", 1, NULL, 'a'}, {"gateway", 1, NULL, 'g'},
	    {"mtu", 1, NULL, 'm'},       {"loss", 1, NULL, 'l'},    {"duplicate", 1, NULL, '2'},
	    {"corrupt", 1, NULL, 'c'},   {"reorder", 1, NULL, 'r'}, {"delay-us", 1, NULL, 'y'},
	    {"jitter-us", 1, NULL, 'j'}, {"seed", 1, NULL, 's'},    {"connect", 1, NULL, 'x'},
	    {"port", 1, NULL, 'p'},      {NULL, 0, NULL, 0},
	};

	*options = (struct options){.mtu = 1500, .link = {.seed = 1, .queue_pkts_max = LINK_PKTS}};
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'd':
			options->device = optarg;
			break;
		case 'a':
			stack_host_need(options->address_count < 2 ? OK : ERR_FULL, "--address");
			stack_host_need(prefix_parse(bytes_text(optarg), true,
			                             &options->address[options->address_count++]),
			                "--address");
			break;
		case 'g':
			stack_host_need(addr_parse(bytes_text(optarg), &options->gateway),
			                "--gateway");
			options->has_gateway = true;
			break;
		case 'x':
			stack_host_need(addr_parse(bytes_text(optarg), &options->peer.addr),
			                "--connect");
			options->has_peer = true;
			break;
		case 'p':
			options->peer.port = (uint16_t)number(optarg);
			break;
		case 'm':
			options->mtu = (uint16_t)number(optarg);
			break;
		case 'l':
			options->link.loss_ppm = number(optarg);
			break;
		case '2':
			options->link.duplicate_ppm = number(optarg);
			break;
		case 'c':
			options->link.corrupt_ppm = number(optarg);
			break;
		case 'r':
			options->link.reorder_ppm = number(optarg);
			options->link.reorder_us = 2000;
			break;
		case 'y':
			options->link.delay_us = number(optarg);
			break;
		case 'j':
			options->link.jitter_us = number(optarg);
			break;
		case 's':
			options->link.seed = number(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (options->device == NULL || options->address_count == 0) {
		fprintf(stderr, "needs --device and --address\n");
		exit(2);
	}
}

static void open_stack(struct host *host, const struct options *options, uint64_t now_us)
{
	struct port_memory_config back = options->link;
	struct net_config config;

	net_config_defaults(&config);
	random_os(&config.seed, sizeof(config.seed));
	random_os(&config.secret, sizeof(config.secret));
	config.mtu = options->mtu;
	config.connections_max = 4096;
	back.seed += 1;
	size_t bytes = net_bytes(&config) + port_memory_bytes(&options->link, &back) +
	               (size_t)(PKTS + WIRE_PKTS + 2) * (PKT_DATA_BYTES + sizeof(struct pkt));
	stack_host_need(arena_init(&host->arena, bytes, false), "arena");
	struct pkt_pool *pool = pkt_pool_memory(&host->arena, PKTS);
	host->wire_pool = pkt_pool_memory(&host->arena, WIRE_PKTS);
	stack_host_need(pool != NULL && host->wire_pool != NULL ? OK : ERR_NO_MEMORY, "pools");
	stack_host_need(port_memory_new(&host->arena, &options->link, &back, host->wire_pool, pool,
	                                &host->wire, &host->stack),
	                "link");
	host->net = net_new(&host->arena, &config, pool, &host->net_counters, &host->tcp_counters,
	                    now_us);
	stack_host_need(host->net != NULL ? OK : ERR_NO_MEMORY, "net_new");
	stack_host_need(net_add_interface(host->net, &host->interface), "interface");
	for (int i = 0; i < options->address_count; i++)
		stack_host_need(net_add_address(host->net, 0, &options->address[i]), "address");
	if (options->has_gateway)
		stack_host_need(net_add_gateway(host->net, 0, &options->gateway), "gateway");
	stack_host_need(tcp_listen(host->net, &(struct endpoint){.port = PORT_ECHO}, TAG_ECHO),
	                "listen");
	stack_host_need(
	    tcp_listen(host->net, &(struct endpoint){.port = PORT_DISCARD}, TAG_DISCARD), "listen");
	arena_seal(&host->arena);
}

/* Socket to link. */
static bool wire_in(struct host *host, uint64_t now_us)
{
	struct pkt *pkt;
	int count = 0;

	while (count < BURST_PKTS_MAX &&
	       (pkt = stack_host_receive(host->socket, host->wire_pool)) != NULL) {
		host->wire->ops->tx_burst(host->wire, now_us, &pkt, 1);
		count++;
	}
	return count > 0;
}

/* Link to socket. */
static void wire_out(struct host *host, uint64_t now_us)
{
	struct pkt *pkt;

	while (host->wire->ops->rx_burst(host->wire, now_us, &pkt, 1) == 1)
		stack_host_send(host->socket, pkt);
}

static void serve(struct tcp_conn *conn, uint32_t news)
{
	if ((news & TCP_FAILED) != 0) {
		tcp_close(conn);
		return;
	}
	bool discard = tcp_listener_tag(conn) == TAG_DISCARD;
	for (struct bytes run; (run = tcp_peek(conn, 0)).len > 0;) {
		size_t taken = discard ? run.len : tcp_write(conn, run, true);
		if (taken == 0)
			return; /* TCP_ACKED comes when there is room */
		tcp_consume(conn, taken);
	}
	tcp_write(conn, bytes_of(NULL, 0), false);
	if (tcp_at_end(conn))
		tcp_close(conn);
}

/* One turn of a worker. Returns when there must be another. */
static uint64_t turn(struct host *host)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	uint64_t now_us = clock_now_us(), next_us;
	struct tcp_conn *conn;
	uint32_t news;
	size_t count;
	bool busy = wire_in(host, now_us);

	count = host->stack->ops->rx_burst(host->stack, now_us, pkts, BURST_PKTS_MAX);
	net_input(host->net, now_us, pkts, count);
	net_timers(host->net, now_us, 1000);
	for (int i = 0; i < TURN_CONNS_MAX && (conn = tcp_next_ready(host->net, &news)) != NULL;
	     i++)
		serve(conn, news);
	do {
		count = net_output(host->net, now_us, pkts, BURST_PKTS_MAX);
		host->stack->ops->tx_burst(host->stack, now_us, pkts, count);
		busy |= count > 0;
	} while (count == BURST_PKTS_MAX);
	wire_out(host, now_us);

	next_us = net_next_deadline_us(host->net);
	if (port_memory_next_us(host->stack) < next_us)
		next_us = port_memory_next_us(host->stack);
	if (port_memory_next_us(host->wire) < next_us)
		next_us = port_memory_next_us(host->wire);
	return busy ? now_us : next_us;
}

int main(int argc, char **argv)
{
	static struct host host;
	struct options options;
	struct tcp_conn *conn;
	struct pollfd poll_for[2];

	parse(argc, argv, &options);
	host.socket = stack_host_socket(options.device, host.interface.mac);
	open_stack(&host, &options, clock_now_us());
	if (options.has_peer)
		stack_host_need(tcp_connect(host.net, clock_now_us(), NULL, &options.peer, &conn),
		                "connect");
	printf("ready\n");
	fflush(stdout);

	poll_for[0] = (struct pollfd){.fd = host.socket, .events = POLLIN};
	poll_for[1] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	do {
		uint64_t next_us = turn(&host), now_us = clock_now_us();
		uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
		int timeout_ms = wait_us > 100000 ? 100 : (int)((wait_us + 999) / 1000);
		if (poll(poll_for, 2, timeout_ms) < 0)
			stack_host_die("poll");
	} while (poll_for[1].revents == 0);
	stack_host_print(stdout, &net_counter_group, &host.net_counters);
	stack_host_print(stdout, &tcp_counter_group, &host.tcp_counters);
	return 0;
}
