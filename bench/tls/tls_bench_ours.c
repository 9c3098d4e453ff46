/* tls_bench_ours.c - Postern's TLS as a server to be measured. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "bench/tls/tls_bench.h"
#include "tcpstack/tls.h"

#define NOW_MS ((uint64_t)time(NULL) * 1000)

struct ours {
	struct arena arena;
	struct tls_engine *engine;
	struct tls_counters counters;
	struct tls_config *config;
	struct tls *tls;
	bool handshake;
	uint64_t longest_ns;
};

static void *ours_make(const struct identity *identity)
{
	struct ours *ours = calloc(1, sizeof(*ours));
	struct tls_engine_options engine = {.connections_max = 16};
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

const struct server_ops server_ours = {
    "postern", ours_make,  ours_drop, ours_open,    ours_close,
    ours_turn, ours_write, ours_done, ours_resumed, ours_longest,
};

const char *server_ours_build(void)
{
	return tls_build();
}
