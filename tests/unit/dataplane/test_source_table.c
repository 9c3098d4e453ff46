/* test_source_table.c - sessions counted by source and network, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/source_table.h"

#define SESSIONS_MAX 300

static struct source_table table;
static struct arena arena;

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(bytes_text(text), &addr), OK);
	return addr;
}

static int set_up(void **state)
{
	struct hash_key key = {{7, 9}};

	(void)state;
	assert_int_equal(arena_init(&arena, source_table_bytes(SESSIONS_MAX), false), OK);
	assert_int_equal(source_table_init(&table, &arena, SESSIONS_MAX, &key), OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void expect(const char *text, uint32_t source, uint32_t network)
{
	struct addr addr = address(text);
	struct source_counts counts = source_table_count(&table, &addr);

	assert_int_equal(counts.source, source);
	assert_int_equal(counts.network, network);
}

static void add(const char *text, uint32_t source, uint32_t network)
{
	struct addr addr = address(text);
	struct source_counts counts = source_table_add(&table, &addr);

	assert_int_equal(counts.source, source);
	assert_int_equal(counts.network, network);
}

static void take(const char *text)
{
	struct addr addr = address(text);

	source_table_remove(&table, &addr);
}

static void ip4_counts_by_address_and_24(void **state)
{
	(void)state;
	add("192.0.2.1", 1, 1);
	add("192.0.2.1", 2, 2);
	add("192.0.2.2", 1, 3);
	add("192.0.3.1", 1, 1);
	take("192.0.2.1");
	expect("192.0.2.1", 1, 2);
	expect("192.0.2.9", 0, 2);
	take("192.0.2.1");
	take("192.0.2.2");
	expect("192.0.2.1", 0, 0);
	expect("192.0.3.1", 1, 1);
	assert_int_equal(table.used, 2);
}

static void ip6_host_is_its_64(void **state)
{
	(void)state;
	add("2001:db8:1:2::1", 1, 1);
	add("2001:db8:1:2:ffff::9", 2, 2);
	add("2001:db8:1:3::1", 1, 3);
	add("2001:db8:2::1", 1, 1);
	expect("2001:db8:1:2:abcd::", 2, 3);
}

static void families_do_not_meet(void **state)
{
	(void)state;
	add("0.0.0.0", 1, 1);
	add("::", 1, 1); /* its /64 and ::ffff:0:0/120 are not the same network */
	expect("0.0.0.0", 1, 1);
	expect("::1", 1, 1);
}

static void too_small_an_arena_is_refused(void **state)
{
	struct hash_key key = {{1, 2}};
	struct source_table other;
	struct arena small;

	(void)state;
	assert_int_equal(arena_init(&small, 4096, false), OK);
	assert_int_equal(source_table_init(&other, &small, 1 << 20, &key), ERR_NO_MEMORY);
	arena_free(&small);
}

/* Full to the last session, over and over, from few networks: runs are long, gaps are closed. */
static void agrees_with_a_list_at_full_load(void **state)
{
	static struct addr list[SESSIONS_MAX];
	struct random random;
	uint32_t count = 0;

	(void)state;
	random_seed(&random, 5);
	for (uint32_t step = 0; step < 60000; step++) {
		bool full = count == SESSIONS_MAX;
		if (!full && (count == 0 || random_below(&random, 100) < 55)) {
			list[count] = addr_from_ip4(0x0a000000 + random_below(&random, 4) * 256 +
			                            random_below(&random, 200));
			source_table_add(&table, &list[count++]);
		} else {
			uint32_t which = random_below(&random, count);
			source_table_remove(&table, &list[which]);
			list[which] = list[--count];
		}
		if (step % 97 != 0)
			continue;
		struct addr probe = addr_from_ip4(0x0a000000 + random_below(&random, 4) * 256 +
		                                  random_below(&random, 200));
		uint32_t source = 0, network = 0;
		for (uint32_t i = 0; i < count; i++) {
			source += addr_equal(&list[i], &probe);
			network += addr_ip4(&list[i]) >> 8 == addr_ip4(&probe) >> 8;
		}
		struct source_counts got = source_table_count(&table, &probe);
		assert_int_equal(got.source, source);
		assert_int_equal(got.network, network);
	}
	while (count > 0)
		source_table_remove(&table, &list[--count]);
	assert_int_equal(table.used, 0);
}

static void every_session_from_its_own_network_fits(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		struct addr addr = addr_from_ip4(0x0b000001 + (i << 8));
		assert_int_equal(source_table_add(&table, &addr).network, 1);
	}
	assert_int_equal(table.used, 2 * SESSIONS_MAX);
	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		struct addr addr = addr_from_ip4(0x0b000001 + (i << 8));
		source_table_remove(&table, &addr);
	}
	assert_int_equal(table.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ip4_counts_by_address_and_24, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ip6_host_is_its_64, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(families_do_not_meet, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(too_small_an_arena_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(agrees_with_a_list_at_full_load, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(every_session_from_its_own_network_fits, set_up,
	                                    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
