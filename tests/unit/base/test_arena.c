/* test_arena.c - memory that is carved once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static void memory_is_zeroed_and_aligned(void **state)
{
	struct arena arena;
	static const uint8_t zero[100];

	(void)state;
	assert_int_equal(arena_init(&arena, 1 << 16, false), OK);
	for (size_t align = 1; align <= 4096; align *= 2) {
		uint8_t *memory = arena_take(&arena, 10, 10, align);
		assert_non_null(memory);
		assert_int_equal((uintptr_t)memory % align, 0);
		assert_memory_equal(memory, zero, sizeof(zero));
		memory[0] = 0xff; /* the next one must not overlap */
		memory[99] = 0xff;
	}
	arena_free(&arena);
	assert_null(arena.memory);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct arena arena;

	(void)state;
	assert_int_equal(arena_init(&arena, 1 << 20, false), OK);
	assert_null(arena_take(&arena, 1, arena.bytes_max + 1, 1));
	assert_null(arena_take(&arena, SIZE_MAX / 2, 3, 1));
	assert_null(arena_take(&arena, SIZE_MAX, 1, 64));
	assert_non_null(arena_take(&arena, 1, arena.bytes_max, 1));
	assert_null(arena_take(&arena, 1, 1, 1));
	arena_free(&arena);
}

static void huge_pages_are_a_wish(void **state)
{
	struct arena arena;

	(void)state;
	assert_int_equal(arena_init(&arena, 3 << 20, true), OK);
	assert_true(arena.bytes_max >= 3 << 20);
	uint8_t *memory = arena_take(&arena, 1, 3 << 20, 1);
	assert_non_null(memory);
	memory[(3 << 20) - 1] = 1;
	arena_free(&arena);
}

static void an_impossible_size_is_an_error(void **state)
{
	struct arena arena;

	(void)state;
	assert_int_equal(arena_init(&arena, SIZE_MAX, false), ERR_NO_MEMORY);
	assert_int_equal(arena_init(&arena, SIZE_MAX / 2, false), ERR_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_is_zeroed_and_aligned),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	    cmocka_unit_test(huge_pages_are_a_wish),
	    cmocka_unit_test(an_impossible_size_is_an_error),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
