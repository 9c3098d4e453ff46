/* test_pool.c - objects given and taken back. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/random.h"

#define OBJECTS 50

static struct arena arena;
static struct pool pool;

static void setup(size_t object_bytes, size_t align)
{
	assert_int_equal(arena_init(&arena, 1 << 20, false), OK);
	assert_int_equal(pool_init(&pool, &arena, OBJECTS, object_bytes, align), OK);
}

static void every_object_is_given_once(void **state)
{
	bool seen[OBJECTS] = {false};

	(void)state;
	setup(100, 64);
	assert_int_equal(pool.object_bytes, 128);
	for (int i = 0; i < OBJECTS; i++) {
		void *object = pool_get(&pool);
		assert_non_null(object);
		assert_int_equal((uintptr_t)object % 64, 0);
		uint32_t index = pool_index(&pool, object);
		assert_ptr_equal(pool_at(&pool, index), object);
		assert_false(seen[index]);
		seen[index] = true;
		assert_true(pool_is_out(&pool, index));
		memset(object, 0xee, 100);
	}
	assert_null(pool_get(&pool));
	assert_int_equal(pool.used, OBJECTS);
	pool_put(&pool, pool_at(&pool, 0));
	assert_false(pool_is_out(&pool, 0));
	arena_free(&arena);
}

static void getting_and_putting_at_random_never_gives_one_object_twice(void **state)
{
	struct random random;
	uint64_t *out[OBJECTS];
	uint32_t count = 0, high = 0;

	(void)state;
	setup(sizeof(uint64_t), _Alignof(uint64_t));
	random_seed(&random, 1);
	for (uint64_t round = 0; round < 20000; round++) {
		if (random_below(&random, 100) < 52) {
			uint64_t *object = pool_get(&pool);
			assert_int_equal(object == NULL, count == OBJECTS);
			if (object == NULL)
				continue;
			*object = round; /* its mark: nobody else may write there */
			for (uint32_t i = 0; i < count; i++)
				assert_ptr_not_equal(out[i], object);
			out[count++] = object;
			high = count > high ? count : high;
		} else if (count > 0) {
			uint32_t pick = random_below(&random, count);
			pool_put(&pool, out[pick]);
			out[pick] = out[--count];
		}
		assert_int_equal(pool.used, count);
	}
	assert_int_equal(pool.used_high, high);
	arena_free(&arena);
}

static void every_nth_get_fails_when_a_test_asks_for_it(void **state)
{
	(void)state;
	setup(8, 8);
	pool.fail_every = 3;
	for (int i = 1; i <= 30; i++) {
		void *object = pool_get(&pool);
		assert_int_equal(object == NULL, i % 3 == 0);
	}
	arena_free(&arena);
}

/* Whether `act` ends its process; in a child, silently. */
static bool is_fatal(void (*act)(void))
{
	int status = 0;

	fflush(NULL); /* or the child would print our buffers again */
	pid_t child = fork();
	if (child == 0) {
		signal(SIGABRT, SIG_DFL); /* not cmocka's */
		close(STDERR_FILENO);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void put_twice(void)
{
	void *object = pool_get(&pool);

	pool_put(&pool, object);
	pool_put(&pool, object);
}

static void put_a_stranger(void)
{
	static uint8_t stranger[64];

	pool_put(&pool, stranger);
}

static void put_once(void)
{
	pool_put(&pool, pool_get(&pool));
}

static void putting_twice_or_a_stranger_ends_the_process(void **state)
{
	(void)state;
	setup(64, 64);
	assert_false(is_fatal(put_once));
	assert_true(is_fatal(put_twice));
	assert_true(is_fatal(put_a_stranger));
	arena_free(&arena);
}

static void an_arena_that_is_too_small_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(arena_init(&arena, 1, false), OK);
	assert_int_equal(pool_init(&pool, &arena, 1 << 20, 1 << 10, 64), ERR_NO_MEMORY);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_object_is_given_once),
	    cmocka_unit_test(getting_and_putting_at_random_never_gives_one_object_twice),
	    cmocka_unit_test(every_nth_get_fails_when_a_test_asks_for_it),
	    cmocka_unit_test(putting_twice_or_a_stranger_ends_the_process),
	    cmocka_unit_test(an_arena_that_is_too_small_is_an_error),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
