/* test_tls_threads.c - workers side by side: what one of them seals another opens, and under
 * ThreadSanitizer nothing is shared that is written. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tls_pair.h"

#define HANDSHAKES 12

static const struct tls_ticket_key key = {"shared.", {9, 8, 7}};

struct worker {
	pthread_t thread;
	struct pair *pair;
	uint32_t done, resumed;
	uint8_t session[TLS_SESSION_BYTES]; /* taken from the worker before */
	size_t session_len;
};

static void handshake(struct worker *worker, struct tls_config *client, struct tls_config *server,
                      struct bytes session)
{
	struct tls_info info;

	pair_connect(worker->pair, client, server, "mx.postern.test");
	if (session.len > 0 && tls_session_resume(worker->pair->client.tls, session) != OK)
		return;
	pair_run(worker->pair);
	if (!worker->pair->client.handshake || !worker->pair->server.handshake ||
	    !pair_write(worker->pair, &worker->pair->client, BYTES("NOOP\r\n")))
		return;
	tls_describe(worker->pair->server.tls, &info);
	worker->resumed += info.resumed;
	worker->done++;
}

static void *run(void *context)
{
	struct worker *worker = context;
	struct tls_config_options options;

	worker->pair = calloc(1, sizeof(*worker->pair));
	if (worker->pair == NULL)
		return NULL;
	pair_open(worker->pair, 4, 0);
	for (int i = 0; i < HANDSHAKES; i++) {
		enum tls_version version = i & 1 ? TLS_1_2 : TLS_1_3;
		pair_client_options(&options);
		options.version_min = options.version_max = version;
		struct tls_config *client = pair_config(&options);
		pair_server_options(&options);
		options.ticket_keys = &key;
		options.ticket_key_count = 1;
		/* ECDSA and RSA in turns. */
		options.identities += i / 2 % 2;
		options.identity_count = 1;
		struct tls_config *server = pair_config(&options);
		bool resume = i == 0 && worker->session_len > 0;
		handshake(worker, client, server,
		          bytes_of(worker->session, resume ? worker->session_len : 0));
		if (i == 0)
			worker->session_len = tls_session_save(
			    worker->pair->client.tls, worker->session, sizeof(worker->session));
		pair_disconnect(worker->pair);
		tls_config_free(client);
		tls_config_free(server);
	}
	pair_close(worker->pair);
	free(worker->pair);
	return NULL;
}

static void test_two_threads(void **state)
{
	static struct worker first, side[2];
	(void)state;

	assert_int_equal(pthread_create(&first.thread, NULL, run, &first), 0);
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	assert_int_equal(first.done, HANDSHAKES);
	assert_true(first.session_len > 0);
	for (int i = 0; i < 2; i++) {
		memcpy(side[i].session, first.session, first.session_len);
		side[i].session_len = first.session_len;
		assert_int_equal(pthread_create(&side[i].thread, NULL, run, &side[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(side[i].thread, NULL), 0);
		assert_int_equal(side[i].done, HANDSHAKES);
		assert_int_equal(side[i].resumed, 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
