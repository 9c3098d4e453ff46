/* threads_main.c - workers, threads that sign, and certificates loaded anew, all at once and in
 * real time, for ThreadSanitizer to look at; and what must be true in any build: every mail that
 * was answered 250 has reached its backend.
 *
 * usage: threads [MAILS-A-WORKER] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/telemetry.h"
#include "dataplane/signers.h"
#include "dataplane/tls_setup.h"
#include "dataplane/worker.h"
#include "peers.h"
#include "tcpstack/tls_counters.h"
#include "tests/tls_certificates.h"

#define WORKERS        2
#define ARENA_BYTES    ((size_t)256 << 20)
#define PKTS           4096
#define RELOAD_US      30000
#define MAILS_A_WORKER 30

struct side {
	struct arena arena, far_arena;
	struct pkt_pool *pool;
	struct ring_port client, backend;
	struct port *ports[2];
	struct worker_link link;
	struct worker *worker;
	struct peers peers;
	pthread_t worker_thread, peers_thread;
};

static char folder[] = "/tmp/postern-threads-XXXXXX";
static struct side sides[WORKERS];
static struct worker_link *links[WORKERS];
static _Atomic uint32_t peers_done;

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)unlink(path);
}

static void config_make(struct config *config)
{
	static const char form[] =
	    "ports { client { driver = memif; interface = a; addresses = [\"10.25.0.2/24\"]; } "
	    "backend { driver = memif; interface = b; addresses = [\"10.26.0.2/24\"]; } }\n"
	    "listeners { ec { port = 25; certificates = [\"ec\"]; } "
	    "rsa { port = 26; certificates = [\"rsa\"]; } }\n"
	    "backends { sink { address = \"10.26.0.1\"; port = 25; connections_max = 16; } }\n"
	    "certificates { ec { chain = \"%s/ec.pem\"; key = \"%s/ec.key\"; } "
	    "rsa { chain = \"%s/rsa.pem\"; key = \"%s/rsa.key\"; } }\n"
	    "limits { workers = 2; packets = 4096; connections_max = 256; sessions_max = 64; "
	    "transactions_max = 32; hold_bytes_max = 64k; scan_bytes_max = 64k; "
	    "events_ring_count = 1024; }\n"
	    "tls { tls_helpers = 2; tls_connections_max = 64; }\n"
	    "policy { hostname = \"gateway.example\"; }\n"
	    "tcp { tcp_syn_cache_count = 64; tcp_time_wait_ms = 1s; }\n";
	struct config_error error;
	char text[4096];

	write_file("ec.pem", MX_ECDSA_PEM);
	write_file("ec.key", MX_ECDSA_KEY_PEM);
	write_file("rsa.pem", MX_RSA_PEM);
	write_file("rsa.key", MX_RSA_KEY_PEM);
	int len = snprintf(text, sizeof(text), form, folder, folder, folder, folder);
	config_defaults(config);
	if (!config_parse("threads", text, (size_t)len, config, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

static struct pkt_pool *pool_make(struct arena *arena)
{
	struct pkt_pool *pool = pkt_pool_memory(arena, PKTS);

	ASSERT(pool != NULL);
	return pool;
}

static void side_make(struct side *side, uint32_t mails, uint64_t seed)
{
	ASSERT(arena_init(&side->arena, ARENA_BYTES, false) == OK);
	ASSERT(arena_init(&side->far_arena, ARENA_BYTES, false) == OK);
	side->pool = pool_make(&side->arena);
	struct peers *peers = &side->peers;
	*peers = (struct peers){.arena = &side->far_arena, .wanted = mails, .seed = seed};
	peers->client_pool = pool_make(&side->far_arena);
	peers->backend_pool = pool_make(&side->far_arena);
	ring_ports_make(&side->arena, &side->client, side->pool, 1, &peers->client,
	                peers->client_pool, 2);
	ring_ports_make(&side->arena, &side->backend, side->pool, 3, &peers->backend,
	                peers->backend_pool, 4);
	side->ports[0] = &side->client.port;
	side->ports[1] = &side->backend.port;
	side->ports[1]->index = 1;
	side->link.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT(side->link.wake_fd >= 0);
}

struct shared {
	struct config config;
	struct telemetry telemetry;
	struct rules_slot *rules;
	struct tls_slot *tls;
	struct signers *signers;
	struct arena arena;
};

static void shared_make(struct shared *shared)
{
	struct classifier_counters *counters[WORKERS];
	char reason[PORT_REASON_BYTES + CONFIG_ERROR_BYTES] = "";
	uint32_t group_count;
	const struct counter_group *const *groups = worker_counter_groups(&group_count);

	config_make(&shared->config);
	ASSERT(telemetry_create(&shared->telemetry, groups, group_count, WORKERS,
	                        shared->config.events_ring_count) == OK);
	for (uint32_t i = 0; i < WORKERS; i++) {
		counters[i] = worker_classifier_counters(&shared->telemetry, i);
		links[i] = &sides[i].link;
	}
	shared->rules = rules_slot_new(WORKERS, counters);
	shared->tls = tls_slot_new(WORKERS);
	ASSERT(shared->rules != NULL && shared->tls != NULL);
	enum err err = tls_slot_load(shared->tls, &shared->config, true, clock_wall_us() / 1000,
	                             reason, sizeof(reason));
	if (err == OK)
		err = arena_init(&shared->arena, signers_bytes(&shared->config), false);
	if (err == OK)
		err = signers_start(&shared->arena, &shared->config, links, &shared->signers,
		                    reason);
	if (err != OK) {
		fprintf(stderr, "%s: %s\n", err_text(err), reason);
		exit(1);
	}
}

static void worker_make(struct shared *shared, uint32_t index)
{
	struct side *side = &sides[index];
	char reason[PORT_REASON_BYTES];
	const struct worker_config its = {.config = &shared->config,
	                                  .index = index,
	                                  .ports = side->ports,
	                                  .pool = side->pool,
	                                  .rules = shared->rules,
	                                  .tls = shared->tls,
	                                  .tls_helpers = signers_helpers(shared->signers),
	                                  .telemetry = &shared->telemetry,
	                                  .questions_wake_fd = -1,
	                                  .link = &side->link,
	                                  .hostname = "gateway.example",
	                                  .cpu_now_ns = clock_thread_cpu_ns,
	                                  .secret = {{1, 2}},
	                                  .seed = index + 1};

	if (worker_new(&side->arena, &its, clock_now_us(), &side->worker, reason) != OK) {
		fprintf(stderr, "worker: %s\n", reason);
		exit(1);
	}
}

static void *work(void *argument)
{
	worker_run(argument);
	return NULL;
}

static void *talk(void *argument)
{
	(void)peers_run(argument);
	atomic_fetch_add(&peers_done, 1);
	return NULL;
}

/* As the control thread does, until nobody talks any more. */
static uint32_t reload(struct shared *shared)
{
	char reason[CONFIG_ERROR_BYTES];
	uint32_t count = 0;

	while (atomic_load(&peers_done) < WORKERS) {
		uint64_t unix_ms = clock_wall_us() / 1000;

		ASSERT(tls_slot_load(shared->tls, &shared->config, true, unix_ms, reason,
		                     sizeof(reason)) == OK);
		ASSERT(tls_slot_turn(shared->tls, unix_ms, reason, sizeof(reason)));
		for (uint32_t i = 0; i < WORKERS; i++)
			worker_link_order(links[i], &links[i]->reload, true);
		count++;
		(void)usleep(RELOAD_US);
	}
	return count;
}

static const struct tls_counters *counters_of(const struct shared *shared, uint32_t worker)
{
	uint32_t group_count;
	const struct counter_group *const *groups = worker_counter_groups(&group_count);
	uint64_t *at = telemetry_counters(&shared->telemetry, worker);

	for (uint32_t i = 0; i < group_count && groups[i] != &tls_counter_group; i++)
		at += groups[i]->count;
	return (const struct tls_counters *)(void *)at;
}

static int judge(const struct shared *shared, uint32_t mails, uint32_t reloads)
{
	bool fine = reloads > 0;

	for (uint32_t i = 0; i < WORKERS; i++) {
		const struct peers_result *its = &sides[i].peers.result;
		const struct tls_counters *tls = counters_of(shared, i);

		printf("# worker %u: %u mails sent, %u received, %u left, %u broken; %llu "
		       "handshakes, %llu signatures away, %llu came late; %u reloads\n",
		       i, its->sent, its->received, its->left, its->broken,
		       (unsigned long long)tls->handshakes_server,
		       (unsigned long long)tls->signatures_away,
		       (unsigned long long)tls->signatures_late, reloads);
		fine = fine && its->sent >= mails && its->received >= its->sent &&
		       its->broken == 0 && its->left > 0 && tls->signatures_away > 0;
	}
	printf("%s 1 - mail on %d workers beside helpers and reloads\n1..1\n",
	       fine ? "ok" : "not ok", WORKERS);
	return fine ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct shared shared;
	uint32_t mails = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : MAILS_A_WORKER;

	ASSERT(mkdtemp(folder) != NULL);
	shared_make(&shared);
	for (uint32_t i = 0; i < WORKERS; i++) {
		side_make(&sides[i], mails, i + 1);
		worker_make(&shared, i);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct side *side = &sides[i];
		ASSERT(pthread_create(&side->worker_thread, NULL, work, side->worker) == 0);
		ASSERT(pthread_create(&side->peers_thread, NULL, talk, &side->peers) == 0);
	}
	uint32_t reloads = reload(&shared);
	for (uint32_t i = 0; i < WORKERS; i++)
		ASSERT(pthread_join(sides[i].peers_thread, NULL) == 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		worker_link_order(links[i], &links[i]->stop, true);
		ASSERT(pthread_join(sides[i].worker_thread, NULL) == 0);
		worker_close(sides[i].worker);
		(void)close(links[i]->wake_fd);
	}
	signers_stop(shared.signers);
	int status = judge(&shared, mails, reloads);
	rules_slot_free(shared.rules);
	tls_slot_free(shared.tls);
	telemetry_close(&shared.telemetry);
	arena_free(&shared.arena);
	for (uint32_t i = 0; i < WORKERS; i++) {
		arena_free(&sides[i].arena);
		arena_free(&sides[i].far_arena);
	}
	static const char *const files[] = {"ec.pem", "ec.key", "rsa.pem", "rsa.key"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		remove_file(files[i]);
	(void)rmdir(folder);
	return status;
}
