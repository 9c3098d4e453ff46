/* test_tls_many.c - as many connections as an engine is made for are had at once, in the middle of
 * their handshakes and idle, whatever the library keeps of each beside its record buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tls_pair.h"

#define PAIRS 400

/* One that waits: both its ends, and what is on the wire to the client. */
struct waiting {
	struct tls *client, *server;
	uint8_t *wire;
	size_t wire_len;
};

static struct pair pair;
static struct waiting waiting[PAIRS];

static void put_aside(struct waiting *its)
{
	its->client = pair.client.tls;
	its->server = pair.server.tls;
	its->wire_len = pair.client.wire_len;
	its->wire = malloc(its->wire_len + 1);
	assert_non_null(its->wire);
	memcpy(its->wire, pair.client.wire, its->wire_len);
	pair.client.tls = pair.server.tls = NULL;
	pair_disconnect(&pair);
}

static void take_up(struct waiting *its)
{
	pair.client.tls = its->client;
	pair.server.tls = its->server;
	memcpy(pair.client.wire, its->wire, its->wire_len);
	pair.client.wire_len = its->wire_len;
	free(its->wire);
}

static void hold_all(enum tls_version version)
{
	struct tls_config_options client_options, server_options;

	pair_client_options(&client_options);
	pair_server_options(&server_options);
	client_options.version_min = client_options.version_max = version;
	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	/* The server has said all it says before it hears more. */
	for (int i = 0; i < PAIRS; i++) {
		pair_connect(&pair, client, server, "mx.postern.test");
		assert_non_null(pair.client.tls);
		assert_non_null(pair.server.tls);
		pair_run_side(&pair, &pair.client, &pair.server);
		pair_run_side(&pair, &pair.server, &pair.client);
		assert_false(pair.client.final || pair.server.final);
		assert_true(pair.client.wire_len > 100);
		put_aside(&waiting[i]);
	}
	assert_int_equal(tls_engine_connections(pair.engine), 2 * PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		take_up(&waiting[i]);
		pair_run(&pair);
		assert_true(pair.client.handshake && pair.server.handshake);
		put_aside(&waiting[i]);
	}
	assert_int_equal(pair.counters.memory_exhausted, 0);
	for (int i = 0; i < PAIRS; i++) {
		take_up(&waiting[i]);
		assert_true(pair_write(&pair, &pair.client, BYTES("NOOP\r\n")));
		assert_memory_equal(pair.server.plain, "NOOP\r\n", 6);
		pair_disconnect(&pair);
	}
	tls_config_free(client);
	tls_config_free(server);
}

static void test_all_at_once(void **state)
{
	(void)state;

	pair_open(&pair, 2 * PAIRS, 0);
	hold_all(TLS_1_2);
	hold_all(TLS_1_3);
	pair_close(&pair);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_at_once)};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
