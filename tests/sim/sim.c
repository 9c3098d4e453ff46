/* sim.c - a whole worker in virtual time: senders and a backend on stacks of their own, joined by
 * links that lose, duplicate, delay and reorder by seed.
 *
 * What must hold for every seed: what the backend got is octet for octet what the client sent, or
 * nothing; a client holds a 250 exactly when the backend took its message; only a connection that
 * the backend lost after the final dot may leave a message taken and the client told 451. In the
 * end every session is closed and every packet back in its pool.
 *
 * usage: sim [FIRST_SEED COUNT [PROFILE, by its number]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/config.h"
#include "base/telemetry.h"
#include "classifier/rule_compile.h"
#include "dataplane/port_memory.h"
#include "dataplane/tls_setup.h"
#include "dataplane/worker.h"
#include "sim_checks.h"
#include "sim_client.h"
#include "sim_sink.h"

#define ARENA_BYTES       ((size_t)256 << 20)
#define HOST_PKTS         4096
#define WORKER_PKTS       8192
#define STEP_US           100
#define END_US            (3600ull * 1000000)
#define MESSAGES_PER_SEED 24

enum profile {
	PROFILE_CLEAN,
	PROFILE_LOSSY,
	PROFILE_FAULTY,
	PROFILE_CROWDED,
	PROFILE_CHECKS,        /* messages wait for what the network says of them */
	PROFILE_CHECKS_FAULTY, /* so, and management dies now and then */
	PROFILE_TLS,           /* most connections are inside TLS, on both legs */
	PROFILE_TLS_LOSSY,
	PROFILE_TLS_FAULTY, /* handshakes break off, and octets are injected, too */
	PROFILE_COUNT
};

static bool is_faulty(enum profile profile)
{
	return profile == PROFILE_FAULTY || profile == PROFILE_CHECKS_FAULTY ||
	       profile == PROFILE_TLS_FAULTY;
}

static bool has_tls(enum profile profile)
{
	return profile >= PROFILE_TLS;
}

static bool has_checks(enum profile profile)
{
	return profile == PROFILE_CHECKS || profile == PROFILE_CHECKS_FAULTY;
}

#define CROWDED_SESSIONS 8 /* the least there may be */

/* A machine at the far end of a link. */
struct host {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	struct port *port;
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
};

struct world {
	bool lossless; /* both links */
	struct random random;
	struct config config;
	struct arena arena;
	struct pkt_pool *pool;
	struct host client, backend;
	struct port *ports[2]; /* the worker's ends */
	struct telemetry telemetry;
	struct rules_slot *rules;
	struct tls_slot *tls; /* NULL: no TLS */
	uint64_t wall_us;     /* the time of day when virtual time begins */
	uint64_t trace;       /* of all frames: when, and how long */
	struct worker_link link;
	struct worker *worker;
	struct sim_clients clients;
	struct sim_sink sink;
	struct sim_checks checks;
	struct sim_message messages[MESSAGES_PER_SEED];
};

static int rules_fd;
static char tls_folder[TLS_PEER_FOLDER_BYTES]; /* of certificates */
static bool tls_built;                         /* this build can speak it, and so can a peer */

/* What the gateway asks of the operating system (link_args of the build): in a simulation even this
 * comes from the seed. */
static struct random system_random;

void __wrap_random_os(void *out, size_t bytes);
void __wrap_random_os(void *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)out)[i] = (uint8_t)random_u64(&system_random);
}

/* So slow a processor that a slice is over at each look: every judgement takes several turns. */
static uint64_t slow_clock(void)
{
	static uint64_t now_ns;

	return now_ns += 1100000;
}

/* One rule is enough: its mark is refused. The other has messages wait for answers of the network.
 */
static void rules_compile(void)
{
	char path[] = "/tmp/postern-sim-XXXXXX";
	static const char
	    text[] = "body SIM_MARK /" SIM_SPAM_MARK "/\nscore SIM_MARK 20\n"
	             "util_rb_tld example\n"
	             "header __SIM_LIST eval:check_rbl_envfrom('sim', 'list.example.')\n";
	struct rule_compile_options options = {.cache_folder = NULL, .score_column = 1};
	struct rule_compiler *compiler = rule_compiler_new(&options);
	char file[64];

	ASSERT(compiler != NULL && mkdtemp(path) != NULL);
	snprintf(file, sizeof(file), "%s/sim.cf", path);
	FILE *out = fopen(file, "w");
	ASSERT(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
	enum err err = rule_compiler_load(compiler, file);
	ASSERT(err == OK);
	err = rule_compiler_finish(compiler, 1, 1, "sim", &rules_fd);
	ASSERT(err == OK);
	rule_compiler_free(compiler);
	unlink(file);
	rmdir(path);
}

static void config_add_tls(struct world *w)
{
	static const char *const modes[] = {"opportunistic", "required", "verify"};
	struct config *config = &w->config;
	struct config_backend *backend = &config->backend[0];
	struct config_listener *listener = &config->listener[config->listener_count++];
	static const char *const kinds[] = {"ec", "rsa"};

	*listener = config->listener[0];
	snprintf(listener->name, sizeof(listener->name), "smtps");
	listener->local.port = 465;
	snprintf(listener->tls, sizeof(listener->tls), "implicit");
	snprintf(backend->tls, sizeof(backend->tls), "%s", modes[random_below(&w->random, 3)]);
	snprintf(backend->tls_name, sizeof(backend->tls_name), TLS_PEER_NAME);
	snprintf(backend->tls_ca_file, sizeof(backend->tls_ca_file), "%s/root.pem", tls_folder);
	for (size_t i = 0; i < 2; i++) {
		struct config_certificate *its = &config->certificate[config->certificate_count++];
		snprintf(its->name, sizeof(its->name), "%s", kinds[i]);
		snprintf(its->chain, sizeof(its->chain), "%s/%s.pem", tls_folder, kinds[i]);
		snprintf(its->key, sizeof(its->key), "%s/%s.key", tls_folder, kinds[i]);
	}
	config->tls_connections_max = 64;
}

static void tls_load(struct world *w)
{
	char reason[256];

	w->tls = tls_slot_new(1);
	ASSERT(w->tls != NULL);
	enum err err = tls_slot_load(w->tls, &w->config, true, w->wall_us / 1000, reason,
	                             sizeof(reason));
	if (err != OK) {
		fprintf(stderr, "tls: %s\n", reason);
		exit(1);
	}
}

static void config_make(struct config *config)
{
	static const char text[] =
	    "ports { client { driver = memif; interface = a; addresses = [\"10.25.0.2/24\"]; } "
	    "backend { driver = memif; interface = b; addresses = [\"10.26.0.2/24\"]; } }\n"
	    "listeners { smtp { port = 25; } }\n"
	    "backends { sink { address = \"10.26.0.1\"; port = 25; connections_max = 8; } }\n"
	    "limits { packets = 8192; connections_max = 256; sessions_max = 64; transactions_max = "
	    "32; "
	    "hold_bytes_max = 64k; scan_bytes_max = 64k; events_ring_count = 16; "
	    "backend_reply_timeout_ms = 20s; }\n"
	    "checks { checks_timeout_ms = 2s; }\n"
	    "policy { hostname = \"gateway.example\"; }\n"
	    "tcp { tcp_syn_cache_count = 64; tcp_time_wait_ms = 1s; }\n";
	struct config_error error;

	config_defaults(config);
	if (!config_parse("sim", text, sizeof(text) - 1, config, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

static struct addr address(const char *text)
{
	struct addr addr;
	enum err err = addr_parse(bytes_text(text), &addr);

	ASSERT(err == OK);
	return addr;
}

static void host_make(struct host *h, struct world *w, const char *ip)
{
	struct net_config config;
	struct net_interface interface = {.mac = {2, 0, 0, 0, 0, 0}, .port = 0};
	struct prefix prefix = {address(ip), 96 + 24};

	net_config_defaults(&config);
	config.connections_max = 256;
	config.seed = random_u64(&w->random);
	config.secret.k[0] = random_u64(&w->random);
	h->net = net_new(&h->arena, &config, h->pool, &h->net_counters, &h->tcp_counters, 0);
	ASSERT(h->net != NULL);
	memcpy(interface.mac, h->port->mac, 6);
	enum err err = net_add_interface(h->net, &interface);
	if (err == OK)
		err = net_add_address(h->net, 0, &prefix);
	ASSERT(err == OK);
}

static struct port_memory_config link_config(struct world *w)
{
	struct port_memory_config config = {
	    .seed = random_u64(&w->random), .delay_us = 200, .queue_pkts_max = 2048};

	if (w->lossless)
		return config;
	config.delay_us = 500 + random_below(&w->random, 30000);
	config.jitter_us = random_below(&w->random, 3000);
	config.loss_ppm = random_below(&w->random, 50000);
	config.duplicate_ppm = random_below(&w->random, 20000);
	config.corrupt_ppm = random_below(&w->random, 5000);
	config.reorder_ppm = random_below(&w->random, 100000);
	config.reorder_us = random_below(&w->random, 20000);
	return config;
}

static void link_make(struct world *w, struct host *h, uint8_t index)
{
	struct port_memory_config out = link_config(w), in = link_config(w);

	enum err err = arena_init(&h->arena, ARENA_BYTES, false);
	ASSERT(err == OK);
	h->pool = pkt_pool_memory(&h->arena, HOST_PKTS);
	ASSERT(h->pool != NULL);
	err = port_memory_new(&h->arena, &out, &in, h->pool, w->pool, &h->port, &w->ports[index]);
	ASSERT(err == OK);
	/* Each end says its own index. */
	h->port->index = 0;
	w->ports[index]->index = index;
}

static void worker_make(struct world *w)
{
	uint32_t group_count;
	const struct counter_group *const *groups = worker_counter_groups(&group_count);
	struct classifier_counters *counters[1];
	enum generation_kind kind;
	uint64_t number;
	char reason[256];

	enum err err = telemetry_create(&w->telemetry, groups, group_count, 1,
	                                w->config.events_ring_count);
	ASSERT(err == OK);
	counters[0] = worker_classifier_counters(&w->telemetry, 0);
	w->rules = rules_slot_new(1, counters);
	ASSERT(w->rules != NULL);
	err = rules_publish(w->rules, dup(rules_fd), &kind, &number, reason);
	if (err != OK) {
		fprintf(stderr, "rules: %s: %s\n", err_text(err), reason);
		exit(1);
	}
	w->link.wake_fd = -1;
	struct worker_config its = {.config = &w->config,
	                            .index = 0,
	                            .ports = w->ports,
	                            .pool = w->pool,
	                            .rules = w->rules,
	                            .telemetry = &w->telemetry,
	                            .tls = w->tls,
	                            .questions = w->config.dns_checks ? &w->checks.rings : NULL,
	                            .questions_wake_fd = -1,
	                            .link = &w->link,
	                            .hostname = "gateway.example",
	                            .cpu_now_ns = slow_clock,
	                            .secret = {{random_u64(&w->random), 1}},
	                            .seed = random_u64(&w->random)};
	err = worker_new(&w->arena, &its, 0, &w->worker, reason);
	if (err != OK) {
		fprintf(stderr, "worker: %s: %s\n", err_text(err), reason);
		exit(1);
	}
}

static void world_make(struct world *w, uint64_t seed, enum profile profile)
{
	struct endpoint listen = {address("10.26.0.1"), 25};

	memset(w, 0, sizeof(*w));
	random_seed(&w->random, seed);
	random_seed(&system_random, seed);
	config_make(&w->config);
	if (has_tls(profile)) {
		(void)tls_peer_open(seed);
		w->wall_us = TLS_PEER_EPOCH_US;
		config_add_tls(w);
		tls_load(w);
	}
	enum err err = arena_init(&w->arena, ARENA_BYTES, false);
	ASSERT(err == OK);
	w->pool = pkt_pool_memory(&w->arena, WORKER_PKTS);
	ASSERT(w->pool != NULL);
	if (profile == PROFILE_CROWDED)
		w->config.sessions_max = CROWDED_SESSIONS;
	/* Messages hold their backend connections while they wait. */
	w->config.dns_checks = has_checks(profile);
	if (has_checks(profile))
		w->config.backend[0].connections_max *= 2;
	w->lossless = profile == PROFILE_CLEAN || profile == PROFILE_CROWDED ||
	              profile == PROFILE_CHECKS || profile == PROFILE_TLS ||
	              (is_faulty(profile) && random_below(&w->random, 3) == 0);
	link_make(w, &w->client, 0);
	link_make(w, &w->backend, 1);
	host_make(&w->client, w, "10.25.0.1");
	host_make(&w->backend, w, "10.26.0.1");
	sim_messages_make(w->messages, MESSAGES_PER_SEED, 120000, &w->random);

	sim_sink_init(&w->sink, w->backend.net, &w->random);
	w->sink.messages = w->messages;
	w->sink.message_count = MESSAGES_PER_SEED;
	w->sink.lossless = w->lossless;
	w->sink.fault_percent = is_faulty(profile) ? 6 : 0;
	w->sink.tls = has_tls(profile);
	err = tcp_listen(w->backend.net, &listen, 0);
	ASSERT(err == OK);
	sim_checks_make(&w->checks, seed, 3000000, is_faulty(profile));
	worker_make(w);

	w->clients.net = w->client.net;
	w->clients.random = &w->random;
	w->clients.gateway = (struct endpoint){address("10.25.0.2"), 25};
	w->clients.gateway_tls = (struct endpoint){address("10.25.0.2"), 465};
	w->clients.tls = has_tls(profile);
	w->clients.client_count = profile == PROFILE_CROWDED ? 3 * CROWDED_SESSIONS
	                                                     : 1 + random_below(&w->random, 8);
	w->clients.messages = w->messages;
	w->clients.message_count = MESSAGES_PER_SEED;
	w->clients.vanishing = is_faulty(profile);
}

static void world_free(struct world *w)
{
	sim_messages_free(w->messages, MESSAGES_PER_SEED);
	sim_sink_free(&w->sink);
	worker_close(w->worker);
	tls_slot_free(w->tls);
	if (w->tls != NULL)
		tls_peer_close();
	w->ports[0]->ops->close(w->ports[0]);
	w->ports[1]->ops->close(w->ports[1]);
	rules_slot_free(w->rules);
	sim_checks_free(&w->checks);
	telemetry_close(&w->telemetry);
	arena_free(&w->client.arena);
	arena_free(&w->backend.arena);
	arena_free(&w->arena);
}

static void host_turn(struct world *w, struct host *h, uint64_t now_us)
{
	static const struct hash_key key = {{1, 2}};
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	while ((count = h->port->ops->rx_burst(h->port, now_us, pkts, BURST_PKTS_MAX)) > 0) {
		for (size_t i = 0; i < count; i++) {
			const uint64_t seen[] = {w->trace, now_us, pkts[i]->len};
			w->trace = hash64(&key, seen, sizeof(seen));
		}
		net_input(h->net, now_us, pkts, count);
	}
	net_timers(h->net, now_us, 256);
}

static void host_send(struct host *h, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	while ((count = net_output(h->net, now_us, pkts, BURST_PKTS_MAX)) > 0)
		for (size_t i = h->port->ops->tx_burst(h->port, now_us, pkts, count); i < count;
		     i++)
			pkt_put(pkts[i]);
}

static uint64_t earliest(const struct world *w)
{
	uint64_t times[] = {
	    net_next_deadline_us(w->client.net),  net_next_deadline_us(w->backend.net),
	    worker_next_deadline_us(w->worker),   port_memory_next_us(w->client.port),
	    port_memory_next_us(w->backend.port), port_memory_next_us(w->ports[0]),
	    port_memory_next_us(w->ports[1]),
	};
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] < first)
			first = times[i];
	return first;
}

static bool settled(const struct world *w)
{
	return sim_clients_done(&w->clients) && atomic_load(&w->link.session_count) == 0;
}

/* Runs until all is done and quiet; false: it never was. */
static bool world_run(struct world *w)
{
	uint64_t now_us = 0, quiet_from_us = 0;

	while (now_us < END_US) {
		tls_peer_set_time(now_us);
		host_turn(w, &w->client, now_us);
		sim_clients_run(&w->clients, now_us);
		host_send(&w->client, now_us);
		worker_turn(w->worker, now_us, w->wall_us + now_us);
		sim_checks_run(&w->checks, now_us);
		host_turn(w, &w->backend, now_us);
		sim_sink_run(&w->sink);
		host_send(&w->backend, now_us);
		sim_sink_leave(&w->sink);
		host_send(&w->backend, now_us);

		bool done = settled(w);
		if (!done)
			quiet_from_us = 0;
		else if (quiet_from_us == 0)
			quiet_from_us = now_us;
		else if (now_us - quiet_from_us > 300ull * 1000000)
			return true;
		uint64_t next = earliest(w);
		now_us += STEP_US;
		/* While clients have something to do, time goes in small steps; then it jumps. */
		if (done && next > now_us)
			now_us = next < now_us + 10000000 ? next : now_us + 10000000;
	}
	return false;
}

static uint32_t complain(uint64_t seed, enum profile profile, const struct sim_message *m,
                         const char *what)
{
	printf("# seed %llu profile %d message %u (%zu octets, told %u, stored %u): %s\n",
	       (unsigned long long)seed, (int)profile, m->number, m->content_bytes, m->code,
	       m->stored_count, what);
	return 1;
}

static uint32_t check_message(uint64_t seed, enum profile profile, const struct sim_message *m)
{
	bool told_250 = m->fate == SIM_TOLD_250;

	if (m->stored_count > 1)
		return complain(seed, profile, m, "stored twice");
	if (m->stored_count == 1 && !m->stored_intact)
		return complain(seed, profile, m, "stored and not what was sent");
	if (told_250 && m->stored_count == 0)
		return complain(seed, profile, m, "client holds a 250 the backend did not give");
	if (m->stored_count == 1 && !told_250 && m->fate != SIM_UNKNOWN && !m->outcome_unknown)
		return complain(seed, profile, m, "client was refused and the backend has it");
	if (m->spam && m->stored_count > 0)
		return complain(seed, profile, m, "marked message passed");
	if (is_faulty(profile))
		return 0;
	/* Who holds a session and does nothing may lose it to another. */
	if (profile == PROFILE_CROWDED && m->fate != SIM_TOLD_250 && m->fate != SIM_TOLD_5XX)
		return 0;
	if (m->fate != SIM_TOLD_250 && m->fate != SIM_TOLD_5XX)
		return complain(seed, profile, m, "no verdict although nothing failed");
	if (m->spam != (m->fate == SIM_TOLD_5XX))
		return complain(seed, profile, m, "wrong verdict");
	return 0;
}

static uint32_t check_world(struct world *w, uint64_t seed, enum profile profile)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < MESSAGES_PER_SEED; i++)
		wrong += check_message(seed, profile, &w->messages[i]);
	if (w->sink.errors > 0) {
		printf("# seed %llu: the backend saw %u faults of the gateway\n",
		       (unsigned long long)seed, w->sink.errors);
		wrong++;
	}
	/* ARP may hold none of them: nothing is left but what lies in no queue at all. */
	uint32_t missing = w->pool->pkt_count - w->pool->free_count;
	if (missing > 0) {
		printf("# seed %llu: %u packets never came back\n", (unsigned long long)seed,
		       missing);
		wrong++;
	}
	return wrong;
}

static uint64_t counted(const struct world *w, const char *name)
{
	for (uint32_t i = 0; i < w->telemetry.counter_count; i++)
		if (strcmp(telemetry_description(&w->telemetry, i)->name, name) == 0)
			return telemetry_counters(&w->telemetry, 0)[i];
	UNREACHABLE(); /* the counters are ours */
}

/* Nothing was in the clear that should not be, and without faults no handshake failed. */
static uint32_t check_tls(const struct world *w, uint64_t seed, enum profile profile)
{
	static const char *const faults[] = {"tls_injected",       "tls_broken",
	                                     "tls_truncated",      "backend_tls_not_offered",
	                                     "backend_tls_failed", "backend_tls_clear"};
	uint32_t wrong = 0;

	if (profile != PROFILE_TLS)
		return 0;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (counted(w, faults[i]) > 0) {
			printf("# seed %llu: %s is %llu though nothing failed\n",
			       (unsigned long long)seed, faults[i],
			       (unsigned long long)counted(w, faults[i]));
			wrong++;
		}
	/* Servers that no longer speak the version of a saved session are asked again. */
	uint64_t backends = counted(w, "backend_tls") + counted(w, "backend_tls_stale");
	if (counted(w, "sessions_tls") != w->clients.tls_begun || backends != w->sink.tls_begun) {
		printf("# seed %llu: %u and %u connections were inside TLS for the peers, %llu and "
		       "%llu for us\n",
		       (unsigned long long)seed, w->clients.tls_begun, w->sink.tls_begun,
		       (unsigned long long)counted(w, "sessions_tls"),
		       (unsigned long long)backends);
		wrong++;
	}
	return wrong;
}

/* What all seeds of a profile came to. */
struct sum {
	uint64_t clients, clients_resumed, backends, backends_resumed;
};

static uint32_t run_seed(uint64_t seed, enum profile profile, struct sum *sum, uint64_t *out_trace)
{
	static struct world world;
	uint32_t wrong = 0;

	world_make(&world, seed, profile);
	if (!world_run(&world)) {
		printf("# seed %llu profile %d: never came to rest; %u sessions\n",
		       (unsigned long long)seed, (int)profile,
		       atomic_load(&world.link.session_count));
		wrong++;
	}
	wrong += check_world(&world, seed, profile);
	if (profile == PROFILE_CROWDED && counted(&world, "sessions_refused_full") == 0) {
		printf("# seed %llu: nobody was refused for want of a session\n",
		       (unsigned long long)seed);
		wrong++;
	}
	if (profile == PROFILE_CHECKS && counted(&world, "checks_waits") == 0) {
		printf("# seed %llu: no message waited for the network\n",
		       (unsigned long long)seed);
		wrong++;
	}
	if (has_tls(profile)) {
		wrong += check_tls(&world, seed, profile);
		sum->clients += world.clients.tls_begun;
		sum->clients_resumed += world.clients.tls_resumed;
		sum->backends += counted(&world, "backend_tls");
		sum->backends_resumed += counted(&world, "backend_tls_resumed");
	}
	*out_trace = world.trace;
	world_free(&world);
	return wrong;
}

static uint32_t run_profile(uint64_t first, uint64_t count, enum profile profile)
{
	uint64_t trace = 0, again = 0;
	struct sum sum = {0}, ignored = {0};
	uint32_t wrong = 0;

	for (uint64_t seed = first; seed < first + count && wrong < 10; seed++)
		wrong += run_seed(seed, profile, &sum, &trace);
	/* A seed is all it takes to see a fault again. */
	wrong += run_seed(first + count - 1, profile, &ignored, &again);
	if (wrong == 0 && trace != again) {
		printf("# seed %llu profile %d: other frames when run again\n",
		       (unsigned long long)(first + count - 1), (int)profile);
		wrong++;
	}
	if (has_tls(profile)) {
		printf("# inside TLS: %llu clients, %llu of them resumed; %llu backends, %llu\n",
		       (unsigned long long)sum.clients, (unsigned long long)sum.clients_resumed,
		       (unsigned long long)sum.backends, (unsigned long long)sum.backends_resumed);
		if (count >= 10 && (sum.clients_resumed == 0 || sum.backends_resumed == 0)) {
			printf("# nobody resumed a session\n");
			wrong++;
		}
	}
	return wrong;
}

int main(int argc, char **argv)
{
	static const char *const names[PROFILE_COUNT] = {"clean links",
	                                                 "bad links",
	                                                 "bad links, failing peers",
	                                                 "clean links, three clients a session",
	                                                 "clean links, answers late or never",
	                                                 "all that fails, and answers late",
	                                                 "clean links, inside TLS",
	                                                 "bad links, inside TLS",
	                                                 "all that fails, inside TLS"};
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	rules_compile();
	tls_built = tls_peer_open(0);
	if (tls_built) {
		tls_peer_close();
		tls_peer_files(tls_folder);
	}
	printf("1..%d\n", (int)PROFILE_COUNT);
	for (int profile = 0; profile < PROFILE_COUNT; profile++) {
		if (argc > 3 && atoi(argv[3]) != profile)
			continue;
		if (has_tls((enum profile)profile) && !tls_built) {
			printf("ok %d - %s # SKIP this build has no TLS\n", profile + 1,
			       names[profile]);
			continue;
		}
		uint32_t wrong = run_profile(first, count, (enum profile)profile);
		printf("%sok %d - %llu seeds over %s\n", wrong > 0 ? "not " : "", profile + 1,
		       (unsigned long long)count, names[profile]);
		failed |= wrong > 0;
	}
	if (tls_built)
		tls_peer_files_remove(tls_folder);
	return failed;
}
