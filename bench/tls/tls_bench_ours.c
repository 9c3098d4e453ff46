/* tls_bench_ours.c - Postern's TLS as a server to be measured. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "bench/tls/tls_bench.h"
#include "tcpstack/tls.h"
#include "tcpstack/tls_helper.h"

#define NOW_MS ((uint64_t)time(NULL) * 1000)

struct ours {
	struct arena arena;
	struct tls_engine *engine;
	struct tls_counters counters;
	struct tls_config *config;
	struct tls *tls;
	bool handshake;
	uint64_t longest_ns, waited_ns;
};

/* ---- helpers: they live as long as the process ---- */

static struct tls_helpers *helpers;
static uint32_t helper_count;
static sem_t calls[TLS_HELPERS_MAX];

static void call_helper(void *context, uint32_t helper)
{
	(void)context;
	(void)sem_post(&calls[helper]);
}

static void *help(void *context)
{
	uint32_t index = (uint32_t)((sem_t *)context - calls);

	if (!tls_helper_enter(helpers, index))
		stop_bench("a helper has no memory");
	for (;;) {
		(void)sem_wait(&calls[index]);
		while (tls_helper_serve(helpers, index) > 0)
			;
	}
	return NULL;
}

/* The calling thread keeps the last core it may use, the helpers get the others. */
static void part_cores(cpu_set_t *out_others)
{
	cpu_set_t own;
	int last = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(*out_others), out_others) != 0 || CPU_COUNT(out_others) < 2)
		stop_bench("--helpers needs two cores");
	while (!CPU_ISSET(last, out_others))
		last--;
	CPU_ZERO(&own);
	CPU_SET(last, &own);
	CPU_CLR(last, out_others);
	if (sched_setaffinity(0, sizeof(own), &own) != 0)
		stop_bench("no core");
}

void server_ours_help(uint32_t count)
{
	const struct tls_helpers_options options = {
	    .engine_count = 1,
	    .helper_count = count,
	    .call_helper = call_helper,
	};
	static struct arena arena;
	pthread_attr_t attributes;
	pthread_t thread;
	cpu_set_t others;

	if (count > TLS_HELPERS_MAX)
		stop_bench("--helpers: 0 to 8");
	if (count == 0)
		return;
	if (arena_init(&arena, tls_helpers_bytes(&options), false) != OK)
		stop_bench("no memory");
	helpers = tls_helpers_new(&arena, &options);
	part_cores(&others);
	if (helpers == NULL || pthread_attr_init(&attributes) != 0 ||
	    pthread_attr_setaffinity_np(&attributes, sizeof(others), &others) != 0)
		stop_bench("no helpers");
	for (; helper_count < count; helper_count++)
		if (sem_init(&calls[helper_count], 0, 0) != 0 ||
		    pthread_create(&thread, &attributes, help, &calls[helper_count]) != 0)
			stop_bench("no thread");
}

/* ---- the server ---- */

static void *ours_make(const struct identity *identity)
{
	struct ours *ours = calloc(1, sizeof(*ours));
	struct tls_engine_options engine = {.connections_max = 16, .helpers = helpers};
	struct tls_identity pem = {bytes_of(identity->chain, identity->chain_len),
	                           bytes_of(identity->key, identity->key_len)};
	struct tls_ticket_key key = {"bench..", {1, 2, 3, 4}};
	struct tls_config_options options;
	char reason[256];

	if (ours == NULL || arena_init(&ours->arena, tls_engine_bytes(&engine), false) != OK)
		stop_bench("no memory");
	tls_config_defaults(&options, TLS_SERVER);
	options.identities = &pem;
	options.identity_count = 1;
	options.ticket_keys = &key;
	options.ticket_key_count = 1;
	ours->engine = tls_engine_new(&ours->arena, &engine, &ours->counters);
	if (ours->engine == NULL)
		stop_bench("no engine");
	tls_engine_set_time(ours->engine, NOW_MS);
	if (tls_config_new(&options, NOW_MS, reason, sizeof(reason), &ours->config) != OK)
		stop_bench(reason);
	return ours;
}

static void ours_drop(void *server)
{
	struct ours *ours = server;

	tls_config_free(ours->config);
	tls_engine_free(ours->engine);
	arena_free(&ours->arena);
	free(ours);
}

static void ours_open(void *server)
{
	struct ours *ours = server;

	ours->tls = tls_open(ours->engine, ours->config, (struct bytes){0});
	if (ours->tls == NULL)
		stop_bench("no connection");
	ours->handshake = false;
}

static void ours_close(void *server)
{
	tls_free(((struct ours *)server)->tls);
}

static void ours_put(struct ours *ours, struct wire *out)
{
	struct bytes octets = tls_output(ours->tls, 0);

	while (octets.len > 0) {
		if (octets.len > WIRE_BYTES_MAX - out->len)
			stop_bench("the wire is full");
		memcpy(out->octets + out->len, octets.data, octets.len);
		out->len += octets.len;
		octets = tls_output(ours->tls, octets.len);
	}
}

static void wait_for_helper(struct ours *ours)
{
	uint64_t start = now_ns();

	while (tls_engine_answered(ours->engine) == NULL)
		__builtin_ia32_pause();
	ours->waited_ns += now_ns() - start;
}

static size_t ours_turn(void *server, struct wire *in, struct wire *out)
{
	struct ours *ours = server;
	struct tls_event event;
	size_t plain = 0;
	struct bytes rest = bytes_of(in->octets, in->len);

	do {
		uint64_t start = now_ns();
		tls_feed(ours->tls, rest, false);
		tls_next(ours->tls, &event);
		uint64_t took = now_ns() - start;
		if (took > ours->longest_ns)
			ours->longest_ns = took;
		rest = bytes_slice(rest, event.taken_bytes, rest.len);
		if (event.kind == TLS_HANDSHAKE)
			ours->handshake = true;
		if (event.kind == TLS_DATA) {
			plain += event.data.len;
			tls_consume(ours->tls, event.data.len);
		}
		if (event.kind == TLS_FAILED)
			stop_bench(tls_reason_text(event.reason));
		ours_put(ours, out);
		if (event.kind == TLS_WAITING)
			wait_for_helper(ours);
	} while (event.kind != TLS_MORE && event.kind != TLS_CLOSED);
	in->len = 0;
	return plain;
}

static void ours_write(void *server, struct bytes octets, struct wire *out)
{
	struct ours *ours = server;

	while (octets.len > 0) {
		size_t taken = tls_write(ours->tls, octets);
		if (taken == 0)
			stop_bench("nothing was written");
		octets = bytes_slice(octets, taken, octets.len);
		ours_put(ours, out);
	}
}

static bool ours_done(void *server)
{
	return ((struct ours *)server)->handshake;
}

static bool ours_resumed(void *server)
{
	struct tls_info info;

	tls_describe(((struct ours *)server)->tls, &info);
	return info.resumed;
}

static uint64_t ours_longest(void *server)
{
	struct ours *ours = server;
	uint64_t longest = ours->longest_ns;

	ours->longest_ns = 0;
	return longest;
}

static uint64_t ours_waited(void *server)
{
	struct ours *ours = server;
	uint64_t waited = ours->waited_ns;

	ours->waited_ns = 0;
	return waited;
}

const struct server_ops server_ours = {
    "postern",  ours_make, ours_drop,    ours_open,    ours_close,  ours_turn,
    ours_write, ours_done, ours_resumed, ours_longest, ours_waited,
};

const char *server_ours_build(void)
{
	return tls_build();
}

size_t server_ours_used(void *server)
{
	size_t high;

	return tls_engine_used(((struct ours *)server)->engine, &high);
}
