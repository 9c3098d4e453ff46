/* world.c - a whole worker in virtual time over a memory port, and what its turns cost. */
#include "bench/connections/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "dataplane/port_memory.h"
#include "dataplane/rules.h"
#include "dataplane/tls_setup.h"

#define WORKER_PKTS 16384
#define CLIENT_PKTS 16384
#define LINK_PKTS   8192
#define SHORT_MAX   8192 /* short sessions beside the idle ones */
#define TURN_US     10   /* virtual: about what a full turn takes */
#define ARENA_SPARE ((size_t)4 << 20)

static void die(const char *what, const char *why)
{
	fprintf(stderr, "postern-bench-connections: %s: %s\n", what, why);
	exit(1);
}

static void config_make(struct config *config, uint32_t sessions)
{
	static const char
	    text[] = "ports { client { driver = memif; interface = a; addresses = "
	             "[\"10.25.0.2/24\"]; gateway4 = 10.25.0.1; } }\n"
	             "listeners { smtp { port = 25; } }\n"
	             "policy { hostname = \"gateway.example\"; }\n"
	             "limits { packets = 16384; transactions_max = 64; hold_bytes_max = 64k; "
	             "scan_bytes_max = 64k;\n"
	             "events_ring_count = 1024; connections_max = %u; sessions_max = %u; }\n";
	char filled[sizeof(text) + 32];
	struct config_error error;
	/* Below four fifths of its slots the stack does nothing special; see
	 * tcpstack/tcp_pressure.c. */
	uint32_t slots = sessions + SHORT_MAX;
	int len = snprintf(filled, sizeof(filled), text, slots + slots / 3, slots);

	config_defaults(config);
	if (!config_parse("bench", filled, (size_t)len, config, &error))
		die("configuration", error.text);
}

uint64_t world_rss_bytes(void)
{
	/* Exact, unlike VmRSS of the status file, which also leaves huge pages out. */
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	unsigned long long kib, total = 0;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Rss: %llu", &kib) == 1 ||
		    sscanf(line, "Private_Hugetlb: %llu", &kib) == 1)
			total += kib * 1024;
	if (file == NULL || fclose(file) != 0 || total == 0)
		die("resident memory", "/proc/self/smaps_rollup cannot be read");
	return total;
}

static void link_open(struct world *w, struct port **out_far)
{
	struct port_memory_config wire = {.seed = 1, .queue_pkts_max = LINK_PKTS};

	if (port_memory_new(&w->link_arena, &wire, &wire, w->clients.pool, w->pool, out_far,
	                    &w->port) != OK)
		die("link", "no memory");
	(*out_far)->index = 0;
	w->port->index = 0;
}

static void clients_new(struct world *w, uint32_t sessions)
{
	size_t bytes = (size_t)LINK_PKTS * 2 * 2048 + (size_t)CLIENT_PKTS * 2304 +
	               (sessions + 1) * sizeof(struct idle_client) + ARENA_SPARE;

	if (arena_init(&w->link_arena, bytes, false) != OK)
		die("clients", "no memory");
	/* Resident before the gateway's memory is counted. */
	memset(w->link_arena.memory, 0, w->link_arena.bytes_max);
	w->clients.pool = pkt_pool_memory(&w->link_arena, CLIENT_PKTS);
	w->clients.idle = ARENA_TAKE(&w->link_arena, sessions + 1, struct idle_client);
	w->clients.idle_max = sessions;
	if (w->clients.pool == NULL || w->clients.idle == NULL)
		die("clients", "no memory");
}

static uint64_t no_clock(void)
{
	return 0;
}

static void worker_open(struct world *w)
{
	uint32_t group_count;
	const struct counter_group *const *groups = worker_counter_groups(&group_count);
	struct classifier_counters *counters[1];
	char reason[PORT_REASON_BYTES] = "no memory";

	if (telemetry_create(&w->telemetry, groups, group_count, 1, w->config.events_ring_count) !=
	    OK)
		die("telemetry", "cannot be had");
	counters[0] = worker_classifier_counters(&w->telemetry, 0);
	w->rules = rules_slot_new(1, counters);
	if (w->rules == NULL)
		die("rules", "no memory");
	w->link.wake_fd = -1;
	struct worker_config its = {.config = &w->config,
	                            .ports = &w->port,
	                            .pool = w->pool,
	                            .rules = w->rules,
	                            .telemetry = &w->telemetry,
	                            .link = &w->link,
	                            .tls = w->tls,
	                            .hostname = "gateway.example",
	                            .cpu_now_ns = no_clock,
	                            .secret = {{0x0123456789abcdef, 0xfedcba9876543210}},
	                            .seed = 1};
	size_t before = w->arena.used;
	if (worker_new(&w->arena, &its, w->now_us, &w->worker, reason) != OK)
		die("worker", reason);
	w->worker_bytes = w->arena.used - before;
	arena_seal(&w->arena);
}

static void open_all(struct world *w, uint32_t sessions)
{
	w->now_us = 1000000;
	clients_new(w, sessions);
	w->rss_bytes = world_rss_bytes();
	size_t pool_bytes = (size_t)WORKER_PKTS * (PKT_DATA_BYTES + sizeof(struct pkt)) + 4096;
	if (arena_init(&w->arena, worker_bytes(&w->config) + pool_bytes + ARENA_SPARE, true) != OK)
		die("worker", "no memory");
	w->pool = pkt_pool_memory(&w->arena, WORKER_PKTS);
	if (w->pool == NULL)
		die("worker", "no memory for its packets");
	link_open(w, &w->clients.port);
	memcpy(w->clients.link.client_mac, w->clients.port->mac, 6);
	memcpy(w->clients.link.server_mac, w->port->mac, 6);
	worker_open(w);
	clients_knock(&w->clients, w->now_us);
	world_settle(w);
	if (w->clients.refused != 1)
		die("link", "the worker does not answer");
}

void world_open(struct world *w, uint32_t sessions)
{
	memset(w, 0, sizeof(*w));
	config_make(&w->config, sessions);
	open_all(w, sessions);
}

void world_open_tls(struct world *w, uint32_t sessions, const char *chain, const char *key)
{
	struct config *config = &w->config;
	char reason[256] = "no memory";

	memset(w, 0, sizeof(*w));
	config_make(config, sessions);
	struct config_listener *listener = &config->listener[config->listener_count++];
	struct config_certificate *its = &config->certificate[config->certificate_count++];
	*listener = config->listener[0];
	listener->local.port = FRAME_SMTPS_PORT;
	snprintf(listener->name, sizeof(listener->name), "smtps");
	snprintf(listener->tls, sizeof(listener->tls), "implicit");
	snprintf(its->name, sizeof(its->name), "bench");
	snprintf(its->chain, sizeof(its->chain), "%s", chain);
	snprintf(its->key, sizeof(its->key), "%s", key);
	config->tls_connections_max = sessions;
	w->tls = tls_slot_new(1);
	if (w->tls == NULL || tls_slot_load(w->tls, config, true, clock_wall_us() / 1000, reason,
	                                    sizeof(reason)) != OK)
		die("certificate", reason);
	open_all(w, sessions);
}

void world_close(struct world *w)
{
	worker_close(w->worker);
	tls_slot_free(w->tls);
	w->port->ops->close(w->port);
	rules_slot_free(w->rules);
	telemetry_close(&w->telemetry);
	arena_free(&w->arena);
	arena_free(&w->link_arena);
}

bool world_in_turn;

static bool turn(struct world *w)
{
	world_in_turn = true;
	bool worked = worker_turn(w->worker, w->now_us, w->now_us);
	world_in_turn = false;

	w->now_us += TURN_US;
	w->cost.turns++;
	return worked;
}

bool world_turn(struct world *w)
{
	uint64_t begin_ns = clock_thread_cpu_ns();
	bool worked = turn(w);

	w->cost.cpu_ns += clock_thread_cpu_ns() - begin_ns;
	return worked;
}

void world_turns(struct world *w)
{
	uint64_t begin_ns = clock_thread_cpu_ns();

	while (turn(w))
		;
	w->cost.cpu_ns += clock_thread_cpu_ns() - begin_ns;
}

void world_timers(struct world *w)
{
	do {
		(void)world_turn(w);
	} while (worker_next_deadline_us(w->worker) <= w->now_us);
}

void world_settle(struct world *w)
{
	do {
		world_turns(w);
	} while (clients_answer(&w->clients, w->now_us) > 0);
}

void world_advance(struct world *w, uint64_t us)
{
	w->now_us += us;
}

uint64_t world_counter(const struct world *w, const char *name)
{
	for (uint32_t i = 0; i < w->telemetry.counter_count; i++)
		if (strcmp(telemetry_description(&w->telemetry, i)->name, name) == 0)
			return telemetry_counters(&w->telemetry, 0)[i];
	UNREACHABLE(); /* the counters are ours */
}

struct gateway_counters *world_gateway_counters(struct world *w)
{
	uint64_t *counters = telemetry_counters(&w->telemetry, 0);
	uint32_t count;
	const struct counter_group *const *groups = worker_counter_groups(&count);

	for (uint32_t i = 0; i < count && groups[i] != &gateway_counter_group; i++)
		counters += groups[i]->count;
	return (struct gateway_counters *)(void *)counters;
}
