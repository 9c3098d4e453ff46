/* normaliser_fixture.h - one normaliser for the cases of a test; each case has it anew. */
#ifndef TESTS_UNIT_SMTP_NORMALISER_FIXTURE_H
#define TESTS_UNIT_SMTP_NORMALISER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "smtp/normalise.h"

#define MESSAGE_BYTES ((size_t)64 * 1024)

static struct arena arena;
static struct normaliser *normaliser;
static struct mime_counters counters;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(arena_init(&arena, normaliser_bytes(MESSAGE_BYTES), false), OK);
	normaliser = normaliser_new(&arena, MESSAGE_BYTES, &counters);
	assert_non_null(normaliser);
	arena_seal(&arena);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	normaliser_close(normaliser);
	arena_free(&arena);
	return 0;
}

#endif
