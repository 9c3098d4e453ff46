/* test_tcp_table.c - the connection table, and that of TIME-WAIT, against models: overflow buckets
 * come and go, nothing is lost. */
#include "tcp_script.h"

#include "tcpstack/tcp_internal.h"

#define CONNS   600
#define STEPS   200000
#define BUCKETS 8 /* hashes are squeezed into so few that chains grow long */

struct fixture {
	struct arena arena;
	struct tcp tcp;
	bool in[CONNS + 1];
};

static struct fixture fixture;

static struct tcp_tuple tuple_of(uint32_t index)
{
	struct tcp_tuple tuple = {{addr_from_ip4(0x0a000001), 25},
	                          {addr_from_ip4(index), (uint16_t)index}};

	return tuple;
}

/* Few buckets, and tags of which many are equal. */
static uint64_t hash_of(uint32_t index)
{
	return (uint64_t)(index % 7) << 48 | index % BUCKETS;
}

static void start(void)
{
	memset(&fixture, 0, sizeof(fixture));
	assert_int_equal(
	    arena_init(&fixture.arena, tcp_table_bytes(CONNS) + (CONNS + 2) * 256 + 131072, false),
	    OK);
	assert_true(tcp_table_init(&fixture.tcp.table, &fixture.arena, CONNS));
	fixture.tcp.conns = ARENA_TAKE(&fixture.arena, CONNS + 1, struct tcp_conn);
	fixture.tcp.colds = ARENA_TAKE(&fixture.arena, CONNS + 1, struct tcp_cold);
	for (uint32_t i = 1; i <= CONNS; i++)
		fixture.tcp.colds[i].tuple = tuple_of(i);
}

static void check_one(uint32_t index)
{
	struct tcp_tuple tuple = tuple_of(index);
	const struct tcp_conn *found = tcp_table_find(&fixture.tcp, hash_of(index), &tuple);

	if (fixture.in[index])
		assert_ptr_equal(found, &fixture.tcp.conns[index]);
	else
		assert_null(found);
}

static void test_against_model(void **state)
{
	struct random random;
	uint32_t refused = 0, overflow_free, full = 0;

	(void)state;
	start();
	overflow_free = fixture.tcp.table.overflow_free;
	random_seed(&random, 1);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t index = 1 + random_below(&random, CONNS);

		if (fixture.in[index]) {
			tcp_table_remove(&fixture.tcp.table, hash_of(index), index);
			fixture.in[index] = false;
			full--;
		} else if (tcp_table_add(&fixture.tcp.table, hash_of(index), index)) {
			fixture.in[index] = true;
			full++;
		} else {
			refused++;
			assert_int_equal(fixture.tcp.table.overflow_free,
			                 0); /* the bound was reached, not missed */
		}
		check_one(index);
		check_one(1 + random_below(&random, CONNS));
	}
	assert_true(refused == 0 || full > 0);
	for (uint32_t i = 1; i <= CONNS; i++) {
		check_one(i);
		if (fixture.in[i])
			tcp_table_remove(&fixture.tcp.table, hash_of(i), i);
		fixture.in[i] = false;
		check_one(i);
	}
	/* Every overflow bucket is back. */
	uint32_t free_count = 0;
	for (uint32_t at = fixture.tcp.table.overflow_free; at != 0;
	     at = fixture.tcp.table.buckets[at].overflow)
		free_count++;
	assert_int_equal(free_count, fixture.tcp.table.bucket_count - fixture.tcp.table.mask - 1);
	assert_int_not_equal(overflow_free, 0);
	arena_free(&fixture.arena);
}

/* With a real hash a full table needs few overflow buckets: a connection costs what the notes
 * promise. */
static void test_full_with_keyed_hash(void **state)
{
	struct tcp_table table = {0};
	struct arena arena;
	const struct hash_key key = {{1, 2}};
	const uint32_t count = 100000;

	(void)state;
	assert_int_equal(arena_init(&arena, tcp_table_bytes(count) + 65536, false), OK);
	assert_true(tcp_table_init(&table, &arena, count));
	for (uint32_t i = 1; i <= count; i++) {
		struct tcp_tuple tuple = tuple_of(i);
		assert_true(tcp_table_add(&table, hash64(&key, &tuple, sizeof(tuple)), i));
	}
	assert_true(tcp_table_bytes(count) / count <= 32);
	assert_true(sizeof(struct tcp_conn) + sizeof(struct tcp_cold) + 16 +
	                tcp_table_bytes(count) / count <=
	            304);
	arena_free(&arena);
}

#define WAITING_MAX 48
#define TUPLES      96

/* What TIME-WAIT remembers, in the order of its queue; a tuple that was used again stays there
 * until its turn. */
static struct {
	uint32_t tuple[WAITING_MAX]; /* 0: used again */
	uint32_t first, used;
} waiting;

static bool waits(uint32_t tuple)
{
	for (uint32_t i = 0; i < waiting.used; i++)
		if (waiting.tuple[(waiting.first + i) % WAITING_MAX] == tuple)
			return true;
	return false;
}

static void model_add(uint32_t tuple)
{
	if (waiting.used == WAITING_MAX) {
		waiting.first = (waiting.first + 1) % WAITING_MAX;
		waiting.used--;
	}
	waiting.tuple[(waiting.first + waiting.used++) % WAITING_MAX] = tuple;
}

static void model_reuse(uint32_t tuple)
{
	for (uint32_t i = 0; i < waiting.used; i++)
		if (waiting.tuple[(waiting.first + i) % WAITING_MAX] == tuple)
			waiting.tuple[(waiting.first + i) % WAITING_MAX] = 0;
}

static bool is_found(struct tcp *tcp, uint32_t tuple)
{
	struct tcp_segment reset = {
	    .tuple = tuple_of(tuple), .hash = hash_of(tuple), .flags = TCP_FLAG_RST};

	return time_wait_input(tcp, &reset); /* which changes nothing, RFC 1337 */
}

/* Chains are long, the oldest goes first, and any one of a chain may be used again. */
static void test_time_wait_against_model(void **state)
{
	static struct tcp_counters counters;
	static struct net net;
	struct tcp *tcp = &fixture.tcp;
	struct random random;

	(void)state;
	start();
	random_seed(&random, 2);
	net.config.time_wait_us = 60000000;
	net.tcp_counters = &counters;
	net.now_us = 1000000;
	tcp->net = &net;
	tcp->conns_max = CONNS;
	tcp->timers = timer_wheel_new(&fixture.arena, CONNS + 2, net.now_us);
	assert_non_null(tcp->timers);
	assert_true(time_wait_init(tcp, &fixture.arena, WAITING_MAX));
	for (uint32_t step = 0; step < STEPS / 4; step++) {
		uint32_t at = 1 + random_below(&random, TUPLES);
		struct tcp_tuple tuple = tuple_of(at);

		fixture.tcp.conns[at].index = at;
		fixture.tcp.conns[at].options = OPTION_TIMESTAMPS;
		assert_int_equal(is_found(tcp, at), waits(at));
		if (!waits(at)) {
			time_wait_add(tcp, &tcp->conns[at], hash_of(at));
			model_add(at);
		} else if (random_below(&random, 2) == 0) {
			net.now_us += 1000000; /* old enough */
			assert_false(time_wait_blocks(tcp, &tuple, hash_of(at)));
			model_reuse(at);
			net.now_us -= 1000000;
		}
		assert_int_equal(tcp->time_wait.used, waiting.used);
	}
	assert_true(counters.time_wait_evicted > 1000 && counters.time_wait_reused > 1000);
	for (uint32_t at = 1; at <= TUPLES; at++)
		assert_int_equal(is_found(tcp, at), waits(at));
	net.now_us += 61000000;
	while (tcp->time_wait.used > 0)
		time_wait_timer(tcp);
	for (uint32_t at = 1; at <= TUPLES; at++)
		assert_false(is_found(tcp, at));
	arena_free(&fixture.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_model),
	    cmocka_unit_test(test_full_with_keyed_hash),
	    cmocka_unit_test(test_time_wait_against_model),
	};

	return cmocka_run_group_tests_name("tcp_table", tests, NULL, NULL);
}
