/* test_tls_helper.c - signatures made elsewhere: who waits, who goes on, and what becomes of
 * answers that nobody wants any more. The helper is this thread, when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tls_certificates.h"
#include "tests/tls_pair.h"

#define MANY (2 * TLS_HELPER_JOBS + 5)

static struct pair pair;
static struct arena arena;
static struct tls_helpers *helpers;
static struct tls_config_options client_options, server_options;
static uint32_t helper_calls, engine_calls;

static void note_helper(void *context, uint32_t helper)
{
	assert_ptr_equal(context, &helper_calls);
	assert_int_equal(helper, 0);
	helper_calls++;
}

static void note_engine(void *context, uint32_t engine)
{
	assert_ptr_equal(context, &helper_calls);
	assert_int_equal(engine, 1);
	engine_calls++;
}

static int set_up(void **state)
{
	const struct tls_helpers_options options = {
	    .engine_count = 2,
	    .helper_count = 1,
	    .call_helper = note_helper,
	    .call_engine = note_engine,
	    .context = &helper_calls,
	};
	(void)state;

	helper_calls = engine_calls = 0;
	assert_int_equal(arena_init(&arena, tls_helpers_bytes(&options), false), OK);
	helpers = tls_helpers_new(&arena, &options);
	assert_non_null(helpers);
	pair_open_helped(&pair, 2 * MANY, 0, helpers, 1);
	pair_client_options(&client_options);
	pair_server_options(&server_options);
	server_options.identities++; /* the RSA one */
	server_options.identity_count = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	while (tls_helper_serve(helpers, 0) > 0) /* else the engine would wait for it */
		;
	pair_close(&pair);
	arena_free(&arena);
	return 0;
}

static void speak(enum tls_version version)
{
	client_options.version_min = client_options.version_max = version;
}

static void end(struct tls_config *client, struct tls_config *server)
{
	pair_disconnect(&pair);
	assert_int_equal(tls_config_users(client), 0);
	assert_int_equal(tls_config_users(server), 0);
	tls_config_free(client);
	tls_config_free(server);
}

static void test_handshake_waits_and_goes_on(void **state)
{
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		uint64_t before = pair.counters.signatures_away;
		struct tls_event event;
		speak((enum tls_version)version);
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		pair_connect(&pair, client, server, "mx.postern.test");
		tls_set_user(pair.server.tls, &arena);
		pair_run(&pair);
		assert_false(pair.server.handshake || pair.client.handshake);
		assert_false(pair.server.final || pair.client.final);
		assert_int_equal(pair.counters.signatures_away - before, 1);
		assert_int_equal(tls_config_users(server), 2);

		/* It stays so however often it is asked, and nothing is sent twice. */
		for (int i = 0; i < 3; i++) {
			tls_next(pair.server.tls, &event);
			assert_int_equal(event.kind, TLS_WAITING);
			assert_int_equal(tls_output(pair.server.tls, 0).len, 0);
		}
		assert_true(tls_helper_waits(helpers, 0));
		assert_false(tls_engine_waits(pair.engine));
		assert_null(tls_engine_answered(pair.engine));
		assert_int_equal(tls_helper_serve(helpers, 0), 1);
		assert_int_equal(tls_helper_serve(helpers, 0), 0);
		assert_false(tls_helper_waits(helpers, 0));
		assert_true(tls_engine_waits(pair.engine));
		tls_next(pair.server.tls, &event);
		assert_int_equal(event.kind, TLS_WAITING);
		assert_ptr_equal(tls_engine_answered(pair.engine), pair.server.tls);
		assert_ptr_equal(tls_user(pair.server.tls), &arena);
		assert_null(tls_engine_answered(pair.engine));
		assert_int_equal(tls_config_users(server), 1);
		pair_run(&pair);
		assert_true(pair.server.handshake && pair.client.handshake);
		assert_true(pair_write(&pair, &pair.client, BYTES("NOOP\r\n")));
		assert_memory_equal(pair.server.plain, "NOOP\r\n", 6);
		assert_int_equal(pair.counters.signatures_away - before, 1);
		end(client, server);
	}
	assert_int_equal(helper_calls, 2);
	assert_int_equal(engine_calls, 2);
	assert_int_equal(pair.counters.signatures_queued, 0);
	assert_int_equal(pair.counters.signatures_late, 0);
}

static void test_fast_keys_stay(void **state)
{
	(void)state;

	server_options.identities--;
	bool plain = strcmp(tls_build(), "plain") == 0;
	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	pair.serves = true;
	pair_connect(&pair, client, server, "mx.postern.test");
	pair_run(&pair);
	assert_true(pair.server.handshake && pair.client.handshake);
	assert_int_equal(pair.counters.signatures_away, plain);
	end(client, server);
}

static void test_other_keys(void **state)
{
	static const struct tls_identity rows[] = {
	    /* Its first way of signing, with SHA-512, does not fit into the key. */
	    {{(const uint8_t *)WEAK_RSA_PEM, sizeof(WEAK_RSA_PEM) - 1},
	     {(const uint8_t *)WEAK_RSA_KEY_PEM, sizeof(WEAK_RSA_KEY_PEM) - 1}},
	    {{(const uint8_t *)P384_PEM, sizeof(P384_PEM) - 1},
	     {(const uint8_t *)P384_KEY_PEM, sizeof(P384_KEY_PEM) - 1}},
	};
	(void)state;

	pair.serves = true;
	client_options.verify = TLS_VERIFY_NONE;
	/* Mbed TLS itself shortens the salt until it fits, and then its client refuses it. */
	size_t first = strcmp(tls_build(), "plain") == 0 ? 1 : 0;
	for (size_t i = first; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int version = TLS_1_2; version <= TLS_1_3; version++) {
			uint64_t before = pair.counters.signatures_away;
			speak((enum tls_version)version);
			server_options.identities = &rows[i];
			struct tls_config *client = pair_config(&client_options);
			struct tls_config *server = pair_config(&server_options);
			pair_connect(&pair, client, server, "mx.postern.test");
			pair_run(&pair);
			if (i == 0 && version == TLS_1_2) {
				/* Its only way there is the one that it picks first. */
				assert_true(pair.counters.signatures_away > before);
			} else {
				assert_true(pair.server.handshake && pair.client.handshake);
				assert_int_equal(pair.counters.signatures_away - before,
				                 i == 0 && version == TLS_1_3 ? 2 : 1);
			}
			end(client, server);
		}
	}
}

/* Its place is taken by another before the answer comes: that one gets its own. */
static void test_answer_comes_too_late(void **state)
{
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		uint64_t late = pair.counters.signatures_late;
		speak((enum tls_version)version);
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *first = pair_config(&server_options);
		struct tls_config *second = pair_config(&server_options);
		pair_connect(&pair, client, first, "mx.postern.test");
		pair_run(&pair);
		struct tls *place = pair.server.tls;
		tls_free(place); /* what is freed first is taken last */
		pair.server.tls = NULL;
		pair_disconnect(&pair);
		/* Certificates are loaded anew: the old key stays while the helper may use it. */
		assert_int_equal(tls_config_users(first), 1);
		pair_connect(&pair, client, second, "mx.postern.test");
		assert_ptr_equal(pair.server.tls, place);
		pair_run(&pair);
		assert_false(pair.server.handshake);

		assert_int_equal(tls_helper_serve(helpers, 0), 1);
		assert_null(tls_engine_answered(pair.engine));
		assert_int_equal(pair.counters.signatures_late - late, 1);
		assert_int_equal(tls_config_users(first), 0);
		tls_config_free(first);
		assert_int_equal(tls_helper_serve(helpers, 0), 1);
		assert_ptr_equal(tls_engine_answered(pair.engine), place);
		pair_run(&pair);
		assert_true(pair.server.handshake && pair.client.handshake);
		end(client, second);
	}
}

/* More than the ring holds: those too many wait in their order, some of them leave. */
static void test_more_than_the_ring_holds(void **state)
{
	static struct tls *parked[MANY];
	struct tls_event event;
	(void)state;

	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	for (int i = 0; i < MANY; i++) {
		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		tls_next(pair.server.tls, &event);
		assert_int_equal(event.kind, TLS_WAITING);
		parked[i] = pair.server.tls;
		pair.server.tls = NULL; /* kept */
	}
	assert_int_equal(pair.counters.signatures_away, TLS_HELPER_JOBS);
	assert_int_equal(pair.counters.signatures_queued, MANY - TLS_HELPER_JOBS);
	/* Two of those with the helper, and of those that ask the first, one between, the last. */
	static const int leaving[] = {0, 5, TLS_HELPER_JOBS, TLS_HELPER_JOBS + 9, MANY - 1};
	for (size_t i = 0; i < sizeof(leaving) / sizeof(leaving[0]); i++) {
		tls_free(parked[leaving[i]]);
		parked[leaving[i]] = NULL;
	}
	int next = 0;
	for (int served = 0; tls_helper_serve(helpers, 0) == 1; served++) {
		struct tls *answered = tls_engine_answered(pair.engine);
		if (answered == NULL) {
			assert_true(served == 0 || served == 5);
			next++;
			continue;
		}
		while (next < MANY && parked[next] == NULL)
			next++;
		assert_ptr_equal(answered, parked[next++]);
		tls_next(answered, &event);
		assert_int_equal(event.kind, TLS_STEP);
		assert_true(tls_output(answered, 0).len > 0);
	}
	assert_int_equal(pair.counters.signatures_late, 2);
	assert_int_equal(pair.counters.signatures_away, MANY - 3);
	for (int i = 0; i < MANY; i++)
		tls_free(parked[i]);
	end(client, server);
}

/* Jobs are out when the engine is freed: it takes the answers first. */
static void test_engine_ends(void **state)
{
	(void)state;

	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	pair_connect(&pair, client, server, "mx.postern.test");
	pair_run(&pair);
	pair_disconnect(&pair);
	assert_int_equal(tls_config_users(server), 1);
	assert_int_equal(tls_helper_serve(helpers, 0), 1);
	tls_engine_free(pair.engine);
	assert_int_equal(pair.counters.signatures_late, 1);
	end(client, server);
	pair_open_helped(&pair, 2, 0, helpers, 1);
}

static void test_memory_runs_out(void **state)
{
	(void)state;

	pair.serves = true;
	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		speak((enum tls_version)version);
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		bool done = false;
		uint64_t after;
		for (after = 0; !done && after < 20000; after += after < 150 ? 1 : 97) {
			pair_connect(&pair, client, server, "mx.postern.test");
			tls_engine_fail_after(pair.engine, after);
			pair_run(&pair);
			tls_engine_fail_after(pair.engine, UINT64_MAX);
			done = pair.server.handshake && pair.client.handshake &&
			       !pair.server.final && !pair.client.final;
			assert_true(done || pair.server.final || pair.client.final);
		}
		assert_true(done);
		assert_true(after > 100);
		end(client, server);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_handshake_waits_and_goes_on, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_fast_keys_stay, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_other_keys, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_answer_comes_too_late, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_more_than_the_ring_holds, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_engine_ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_memory_runs_out, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
