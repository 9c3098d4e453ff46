/* test_tls_threads.c - workers side by side: what one of them seals another opens, and under
 * ThreadSanitizer nothing is shared that is written. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tls_pair.h"

#define HANDSHAKES 12
#define HELPERS    2

static const struct tls_ticket_key key = {"shared.", {9, 8, 7}};

struct worker {
	pthread_t thread;
	struct pair *pair;
	uint32_t done, resumed;
	uint8_t session[TLS_SESSION_BYTES]; /* taken from the worker before */
	size_t session_len;
	struct tls_helpers *helpers; /* NULL: none */
	uint32_t engine;
};

/* Connections whose signature is with a helper go on when it has come. */
static void run_on(struct pair *pair)
{
	struct tls_event event;

	pair_run(pair);
	if (pair->helpers == NULL || pair->server.handshake || pair->server.final)
		return;
	tls_next(pair->server.tls, &event);
	if (event.kind != TLS_WAITING)
		return;
	while (tls_engine_answered(pair->engine) != pair->server.tls)
		(void)sched_yield();
	pair_run(pair);
}

static void handshake(struct worker *worker, struct tls_config *client, struct tls_config *server,
                      struct bytes session)
{
	struct tls_info info;

	pair_connect(worker->pair, client, server, "mx.postern.test");
	if (session.len > 0 && tls_session_resume(worker->pair->client.tls, session) != OK)
		return;
	run_on(worker->pair);
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
	pair_open_helped(worker->pair, 4, 0, worker->helpers, worker->engine);
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

/* ---- with helpers ---- */

static struct helper {
	pthread_t thread;
	sem_t calls;
	struct tls_helpers *helpers;
	_Atomic bool stop;
} helper[HELPERS];

static _Atomic(struct tls_config *) retired; /* for whoever frees configurations */
static _Atomic uint32_t freed;
static _Atomic bool reaper_stop;

static void call_helper(void *context, uint32_t index)
{
	(void)context;
	(void)sem_post(&helper[index].calls);
}

static void *help(void *context)
{
	struct helper *its = context;
	uint32_t index = (uint32_t)(its - helper);

	if (!tls_helper_enter(its->helpers, index))
		return NULL;
	while (!atomic_load(&its->stop)) {
		(void)sem_wait(&its->calls);
		while (tls_helper_serve(its->helpers, index) > 0)
			;
	}
	tls_helper_leave(its->helpers, index);
	return NULL;
}

/* As the control thread does: what nobody uses any more is freed by a thread that never used it. */
static void *reap(void *context)
{
	(void)context;
	while (!atomic_load(&reaper_stop)) {
		struct tls_config *config = atomic_load(&retired);
		if (config == NULL || tls_config_users(config) > 0) {
			(void)sched_yield();
			continue;
		}
		tls_config_free(config);
		atomic_store(&retired, NULL);
		atomic_fetch_add(&freed, 1);
	}
	return NULL;
}

static void retire(struct tls_engine *engine, struct tls_config *config)
{
	struct tls_config *none = NULL;

	while (!atomic_compare_exchange_strong(&retired, &none, config)) {
		none = NULL;
		(void)tls_engine_answered(engine); /* so that its jobs end */
		(void)sched_yield();
	}
	while (atomic_load(&retired) == config) {
		(void)tls_engine_answered(engine);
		(void)sched_yield();
	}
}

/* Sessions that leave while their signature is away, and certificates that are loaded anew. */
static void *run_and_leave(void *context)
{
	struct worker *worker = context;
	struct tls_config_options options;

	worker->pair = calloc(1, sizeof(*worker->pair));
	if (worker->pair == NULL)
		return NULL;
	pair_open_helped(worker->pair, 4, 0, worker->helpers, worker->engine);
	pair_client_options(&options);
	struct tls_config *client = pair_config(&options);
	for (int i = 0; i < HANDSHAKES; i++) {
		pair_server_options(&options);
		options.version_max = i & 1 ? TLS_1_2 : TLS_1_3;
		options.identities++;
		options.identity_count = 1;
		struct tls_config *server = pair_config(&options);
		pair_connect(worker->pair, client, server, "mx.postern.test");
		pair_run(worker->pair);
		if (i % 3 == 0)
			run_on(worker->pair);
		worker->done += worker->pair->server.handshake;
		pair_disconnect(worker->pair);
		retire(worker->pair->engine, server);
	}
	pair_close(worker->pair);
	tls_config_free(client);
	free(worker->pair);
	return NULL;
}

static void run_both(struct tls_helpers *helpers, void *(*thread)(void *), struct worker *side)
{
	for (uint32_t i = 0; i < 2; i++) {
		side[i].helpers = helpers;
		side[i].engine = i;
		assert_int_equal(pthread_create(&side[i].thread, NULL, thread, &side[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(side[i].thread, NULL), 0);
}

static void test_threads_with_helpers(void **state)
{
	const struct tls_helpers_options options = {
	    .engine_count = 2,
	    .helper_count = HELPERS,
	    .call_helper = call_helper,
	};
	static struct worker staying[2], leaving[2];
	struct arena arena;
	pthread_t reaper;
	(void)state;

	assert_int_equal(arena_init(&arena, tls_helpers_bytes(&options), false), OK);
	struct tls_helpers *helpers = tls_helpers_new(&arena, &options);
	assert_non_null(helpers);
	for (int i = 0; i < HELPERS; i++) {
		helper[i].helpers = helpers;
		assert_int_equal(sem_init(&helper[i].calls, 0, 0), 0);
		assert_int_equal(pthread_create(&helper[i].thread, NULL, help, &helper[i]), 0);
	}
	assert_int_equal(pthread_create(&reaper, NULL, reap, NULL), 0);
	run_both(helpers, run, staying);
	run_both(helpers, run_and_leave, leaving);
	atomic_store(&reaper_stop, true);
	assert_int_equal(pthread_join(reaper, NULL), 0);
	for (int i = 0; i < HELPERS; i++) {
		atomic_store(&helper[i].stop, true);
		(void)sem_post(&helper[i].calls);
		assert_int_equal(pthread_join(helper[i].thread, NULL), 0);
	}
	arena_free(&arena);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(staying[i].done, HANDSHAKES);
		assert_true(leaving[i].done >= HANDSHAKES / 3);
	}
	assert_int_equal(atomic_load(&freed), 2 * HANDSHAKES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_two_threads),
	    cmocka_unit_test(test_threads_with_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
