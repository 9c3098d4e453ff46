/* port_wire.c - carries frames between the ports of a configuration until it is told to end.
 *
 * port_wire CONFIG FROM:TO...: what comes in by port FROM leaves by port TO. The other end of
 * drivers whose other end is a program, or this very process. Prints "ready".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "dataplane/eal.h"
#include "dataplane/port_dpdk.h"

#define PAIRS_MAX 8

static volatile sig_atomic_t ends;

static void end(int signal_number)
{
	(void)signal_number;
	ends = 1;
}

static bool open_ports(const struct config *config, struct port **ports)
{
	static struct arena arena;
	char reason[PORT_REASON_BYTES] = "out of memory";
	struct pkt_pool *pool;

	if (arena_init(&arena, (size_t)4 << 20, false) != OK || eal_start(config, reason) != OK) {
		fprintf(stderr, "port_wire: %s\n", reason);
		return false;
	}
	pool = eal_pool_new(config, 0);
	for (uint32_t i = 0; pool != NULL && i < config->port_count; i++)
		if (port_dpdk_open(&arena, config, i, &pool, &ports[i], reason) != OK) {
			fprintf(stderr, "port_wire: %s\n", reason);
			return false;
		}
	return pool != NULL;
}

static void carry(struct port *from, struct port *to)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	uint64_t now_us = clock_now_us();
	size_t count = from->ops->rx_burst(from, now_us, pkts, BURST_PKTS_MAX);
	size_t taken = to->ops->tx_burst(to, now_us, pkts, count);

	for (; taken < count; taken++)
		pkt_put(pkts[taken]);
}

int main(int argc, char **argv)
{
	static struct config config;
	struct config_error error;
	struct port *ports[PORTS_MAX];
	uint32_t from[PAIRS_MAX], to[PAIRS_MAX];
	int pairs = argc - 2;

	if (pairs < 1 || pairs > PAIRS_MAX || !config_load(argv[1], &config, &error)) {
		fprintf(stderr, "port_wire: %s\n", pairs < 1 ? "CONFIG FROM:TO..." : error.text);
		return 2;
	}
	for (int i = 0; i < pairs; i++)
		if (sscanf(argv[i + 2], "%u:%u", &from[i], &to[i]) != 2 ||
		    from[i] >= config.port_count || to[i] >= config.port_count)
			return 2;
	if (!open_ports(&config, ports))
		return 1;
	signal(SIGTERM, end);
	puts("ready");
	fflush(stdout);
	while (!ends) {
		for (int i = 0; i < pairs; i++)
			carry(ports[from[i]], ports[to[i]]);
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
	for (uint32_t i = 0; i < config.port_count; i++)
		ports[i]->ops->close(ports[i]);
	return 0;
}
