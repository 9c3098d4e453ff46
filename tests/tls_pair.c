/* tls_pair.c - two sides and the wire between them. */
#include "tests/tls_pair.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "tests/tls_certificates.h"

#define ROUNDS_MAX (1 << 20)

void pair_open(struct pair *pair, uint32_t connections_max, size_t memory_bytes)
{
	pair_open_helped(pair, connections_max, memory_bytes, NULL, 0);
}

void pair_open_helped(struct pair *pair, uint32_t connections_max, size_t memory_bytes,
                      struct tls_helpers *helpers, uint32_t engine)
{
	struct tls_engine_options options = {
	    .connections_max = connections_max,
	    .memory_bytes = memory_bytes,
	    .helpers = helpers,
	    .helpers_engine = engine,
	};

	memset(pair, 0, sizeof(*pair));
	pair->helpers = helpers;
	pair->feed_bytes_max = pair->take_bytes_max = SIZE_MAX;
	ASSERT(arena_init(&pair->arena, tls_engine_bytes(&options), false) == OK);
	pair->engine = tls_engine_new(&pair->arena, &options, &pair->counters);
	ASSERT(pair->engine != NULL);
	tls_engine_set_time(pair->engine, PAIR_NOW_MS);
}

void pair_disconnect(struct pair *pair)
{
	tls_free(pair->client.tls);
	tls_free(pair->server.tls);
	memset(&pair->client, 0, sizeof(pair->client));
	memset(&pair->server, 0, sizeof(pair->server));
}

void pair_close(struct pair *pair)
{
	pair_disconnect(pair);
	tls_engine_free(pair->engine);
	arena_free(&pair->arena);
}

void pair_connect(struct pair *pair, struct tls_config *client, struct tls_config *server,
                  const char *server_name)
{
	pair_disconnect(pair);
	pair->client.tls = tls_open(pair->engine, client, bytes_text(server_name));
	pair->server.tls = tls_open(pair->engine, server, (struct bytes){0});
}

static void send_output(struct pair *pair, struct pair_side *from, struct pair_side *to)
{
	struct bytes out = tls_output(from->tls, 0);

	while (out.len > 0 && to->wire_len < PAIR_WIRE_BYTES) {
		struct bytes part = bytes_slice(out, 0, pair->take_bytes_max);
		part = bytes_slice(part, 0, PAIR_WIRE_BYTES - to->wire_len);
		memcpy(to->wire + to->wire_len, part.data, part.len);
		to->wire_len += part.len;
		to->wire_total += part.len;
		if (pair->spoil != NULL)
			pair->spoil(pair, to, part);
		out = tls_output(from->tls, part.len);
	}
}

static void use(struct pair_side *side, const struct tls_event *event)
{
	memmove(side->wire, side->wire + event->taken_bytes, side->wire_len - event->taken_bytes);
	side->wire_len -= event->taken_bytes;
	side->steps++;
	switch (event->kind) {
	case TLS_HANDSHAKE:
		side->handshake = true;
		break;
	case TLS_DATA:
		ASSERT(side->plain_len + event->data.len <= PAIR_PLAIN_BYTES);
		memcpy(side->plain + side->plain_len, event->data.data, event->data.len);
		side->plain_len += event->data.len;
		tls_consume(side->tls, event->data.len);
		break;
	case TLS_CLOSED:
	case TLS_TRUNCATED:
	case TLS_FAILED:
		side->final = true;
		side->last = *event;
		break;
	default:
		break;
	}
}

void pair_run_side(struct pair *pair, struct pair_side *side, struct pair_side *other)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		size_t shown = side->wire_len < pair->feed_bytes_max ? side->wire_len
		                                                     : pair->feed_bytes_max;
		struct tls_event event;
		/* What is shown lies in memory of its exact size, so that reading past it shows. */
		tls_feed(side->tls, bytes_of(side->wire, shown),
		         side->ended && shown == side->wire_len);
		tls_next(side->tls, &event);
		ASSERT(event.taken_bytes <= shown);
		use(side, &event);
		send_output(pair, side, other);
		if (event.kind == TLS_WAITING) {
			if (!pair->serves)
				return;
			ASSERT(tls_helper_serve(pair->helpers, 0) == 1);
			ASSERT(tls_engine_answered(pair->engine) == side->tls);
		}
		if (side->final || (event.kind == TLS_MORE && side->wire_len == 0))
			return;
	}
	UNREACHABLE();
}

void pair_run(struct pair *pair)
{
	for (int i = 0; i < 64; i++) {
		size_t before = pair->client.wire_total + pair->server.wire_total;
		if (!pair->client.final)
			pair_run_side(pair, &pair->client, &pair->server);
		if (!pair->server.final)
			pair_run_side(pair, &pair->server, &pair->client);
		if (before == pair->client.wire_total + pair->server.wire_total &&
		    (pair->client.wire_len == 0 || pair->client.final) &&
		    (pair->server.wire_len == 0 || pair->server.final))
			return;
	}
	UNREACHABLE();
}

bool pair_write(struct pair *pair, struct pair_side *from, struct bytes octets)
{
	for (int i = 0; i < ROUNDS_MAX && octets.len > 0; i++) {
		size_t taken = tls_write(from->tls, octets);
		octets = bytes_slice(octets, taken, octets.len);
		pair_run(pair);
		if (taken == 0 && from->final)
			return false;
	}
	return octets.len == 0;
}

void pair_server_options(struct tls_config_options *out_options)
{
	static const struct tls_identity identities[] = {
	    {{(const uint8_t *)MX_ECDSA_PEM, sizeof(MX_ECDSA_PEM) - 1},
	     {(const uint8_t *)MX_ECDSA_KEY_PEM, sizeof(MX_ECDSA_KEY_PEM) - 1}},
	    {{(const uint8_t *)MX_RSA_PEM, sizeof(MX_RSA_PEM) - 1},
	     {(const uint8_t *)MX_RSA_KEY_PEM, sizeof(MX_RSA_KEY_PEM) - 1}},
	};

	tls_config_defaults(out_options, TLS_SERVER);
	out_options->identities = identities;
	out_options->identity_count = 2;
}

void pair_client_options(struct tls_config_options *out_options)
{
	tls_config_defaults(out_options, TLS_CLIENT);
	out_options->verify = TLS_VERIFY_REQUIRED;
	out_options->ca_pem = BYTES(TEST_ROOT_PEM);
}

struct tls_config *pair_config(const struct tls_config_options *options)
{
	struct tls_config *config = NULL;
	char reason[256] = "";

	if (tls_config_new(options, PAIR_NOW_MS, reason, sizeof(reason), &config) != OK) {
		(void)fprintf(stderr, "tls_config_new: %s\n", reason);
		return NULL;
	}
	return config;
}
