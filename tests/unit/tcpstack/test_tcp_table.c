/* test_tcp_table.c - the connection table against a model: overflow buckets come and go, nothing is
 * lost. */
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
	    arena_init(&fixture.arena, tcp_table_bytes(CONNS) + (CONNS + 2) * 256 + 65536, false),
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_model),
	    cmocka_unit_test(test_full_with_keyed_hash),
	};

	return cmocka_run_group_tests_name("tcp_table", tests, NULL, NULL);
}
