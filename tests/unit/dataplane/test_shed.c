/* test_shed.c - who goes first when room runs out, on sessions made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "dataplane/gateway_internal.h"

#define SLOTS  1024
#define NOW_MS 100000
#define LONG   5000 /* ms without progress */
#define YOUNG  10   /* too short to go */

static struct arena arena;
static struct gateway *gateway;
static struct gateway_counters counters;
static struct config config;
static struct pkt_pool pkts;
static uint32_t evicted, evicted_calm_ms;

void __wrap_session_evict(struct gateway *g, struct session *s, bool hard);
void __wrap_session_evict(struct gateway *g, struct session *s, bool hard)
{
	assert_false(hard);
	evicted++;
	evicted_calm_ms = NOW_MS - s->touched_ms;
	if (s->mail != NULL)
		pool_put(&g->mails, s->mail);
	pool_put(&g->sessions, s);
}

bool __wrap_backends_exhausted(const struct gateway *g);
bool __wrap_backends_exhausted(const struct gateway *g)
{
	(void)g;
	return false;
}

uint32_t __wrap_net_connection_count(const struct net *net);
uint32_t __wrap_net_connection_count(const struct net *net)
{
	(void)net;
	return 0;
}

size_t __wrap_tcp_readable(const struct tcp_conn *conn);
size_t __wrap_tcp_readable(const struct tcp_conn *conn)
{
	(void)conn;
	return 0;
}

size_t __wrap_tcp_unacked(const struct tcp_conn *conn);
size_t __wrap_tcp_unacked(const struct tcp_conn *conn)
{
	(void)conn;
	return 0;
}

static int set_up(void **state)
{
	size_t bytes = SLOTS * (sizeof(struct session) + sizeof(struct mail) + 256) + (64 << 10);

	(void)state;
	gateway = calloc(1, sizeof(*gateway));
	if (gateway == NULL || arena_init(&arena, bytes, false) != OK ||
	    pool_init(&gateway->sessions, &arena, SLOTS, sizeof(struct session), 64) != OK ||
	    pool_init(&gateway->mails, &arena, SLOTS, sizeof(struct mail), 64) != OK)
		return 1;
	memset(&counters, 0, sizeof(counters));
	config.connections_max = 8 * SLOTS;
	config.hold_bytes_worker_max = 1 << 20;
	pkts = (struct pkt_pool){.pkt_count = 1000, .free_count = 1000};
	gateway->counters = &counters;
	gateway->config = &config;
	gateway->its.pool = &pkts;
	gateway->held_pkts_max = 1000;
	gateway->now_us = (uint64_t)NOW_MS * 1000;
	evicted = 0;
	shed_run(gateway);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	free(gateway);
	return 0;
}

/* It holds a transaction, and it is the client's turn. */
static struct session *add(uint32_t calm_ms)
{
	struct session *s = pool_get(&gateway->sessions);
	struct mail *m = pool_get(&gateway->mails);

	assert_non_null(s);
	assert_non_null(m);
	memset(s, 0, sizeof(*s));
	memset(m, 0, sizeof(*m));
	s->touched_ms = NOW_MS - calm_ms;
	s->mail = m;
	m->session = s;
	m->id = 1;
	return s;
}

/* Slots are given in a row when all is free: the last come last, side by side. Who comes now must
 * not be refused for having met them. */
static void test_young_ones_in_a_row(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++)
		add(i < SLOTS / 4 ? LONG : YOUNG);
	for (uint32_t i = 0; i < SLOTS / 4; i++) {
		assert_true(i % 2 == 0 ? shed_for_transaction(gateway) : shed_for_session(gateway));
		assert_int_equal(evicted_calm_ms, LONG);
		add(YOUNG);
		shed_run(gateway); /* a turn is over */
	}
	assert_int_equal(evicted, SLOTS / 4);
	assert_false(shed_for_transaction(gateway));
	assert_false(shed_for_session(gateway));
}

/* A crowd that is all young is not looked through again and again. */
static void test_looking_is_bounded(void **state)
{
	uint32_t before;

	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++)
		add(YOUNG);
	before = gateway->shed_mail_next;
	for (uint32_t i = 0; i < 32; i++)
		assert_false(shed_for_transaction(gateway));
	assert_true(gateway->shed_mail_next - before <= 32 * 64 + 1024);
}

/* Those without a transaction first, then who has been without progress for longest; nobody who
 * waits for us. */
static void test_order(void **state)
{
	struct session *s;

	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++) {
		s = add(i == 30 ? 3 * LONG : 2 * LONG);
		s->server.waiting = i != 20 && i != 30;
		if (i != 40)
			continue;
		s->server.waiting = 0;
		s->touched_ms = NOW_MS - LONG;
		pool_put(&gateway->mails, s->mail);
		s->mail = NULL;
	}
	assert_true(shed_for_session(gateway));
	assert_int_equal(evicted_calm_ms, LONG);
	assert_int_equal(counters.sessions_shed_idle, 1);
	gateway->shed_session_next = 0;
	assert_true(shed_for_session(gateway));
	assert_int_equal(evicted_calm_ms, 3 * LONG);
	assert_true(shed_for_transaction(gateway));
	assert_int_equal(evicted_calm_ms, 2 * LONG);
	assert_int_equal(counters.sessions_shed_slow, 2);
	assert_false(shed_for_session(gateway));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_young_ones_in_a_row, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_looking_is_bounded, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("shed", tests, NULL, NULL);
}
