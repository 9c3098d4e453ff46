/* fake_classifier.c - rulesets and lists that only know whether they are open; linked with --wrap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "classifier/classifier.h"
#include "classifier/lists.h"
#include "dataplane/rules.h"
#include "fake_classifier.h"

#define FAKES_MAX 65536

static struct fake fakes[FAKES_MAX];
static uint32_t fake_count;

_Atomic int fake_rulesets_open, fake_lists_open, fake_contexts_open, fake_memos_set;
bool fake_ruleset_refused, fake_context_refused, fake_selectors_wrong;

static void *fake_new(uint64_t number)
{
	struct fake *fake;

	ASSERT(fake_count < FAKES_MAX);
	fake = &fakes[fake_count++];
	fake->number = number;
	atomic_store(&fake->alive, FAKE_ALIVE);
	return fake;
}

static void fake_close(void *object)
{
	struct fake *fake = object;

	assert_int_equal(atomic_load(&fake->alive), FAKE_ALIVE);
	atomic_store(&fake->alive, 0);
}

bool fake_is_alive(const void *object)
{
	return atomic_load(&((struct fake *)(uintptr_t)object)->alive) == FAKE_ALIVE;
}

int fake_generation(enum generation_kind kind, uint64_t number)
{
	struct generation_builder builder;
	int fd;

	assert_int_equal(generation_begin(&builder, 4096), OK);
	assert_int_equal(generation_add(&builder, 1, BYTES("content")), OK);
	assert_int_equal(generation_seal(&builder, kind, number, 1, "test", &fd), OK);
	return fd;
}

int fake_empty_generation(enum generation_kind kind, uint64_t number)
{
	struct generation_builder builder;
	int fd;

	assert_int_equal(generation_begin(&builder, 0), OK);
	assert_int_equal(generation_seal(&builder, kind, number, 1, "off", &fd), OK);
	return fd;
}

enum err __wrap_ruleset_open_with(const struct generation *generation,
                                  const struct ruleset_opening *how, struct ruleset **out,
                                  char *reason);
void __wrap_ruleset_close(struct ruleset *ruleset);
struct bytes __wrap_ruleset_selectors(const struct ruleset *ruleset, uint32_t *out_count);
struct scan_context *__wrap_scan_context_new(const struct ruleset *ruleset,
                                             struct classifier_counters *counters);
void __wrap_scan_context_free(struct scan_context *context);
void __wrap_scan_context_set_memo(struct scan_context *context, struct memo *memo);
enum err __wrap_lists_open(const struct generation *generation, struct lists **out, char *reason);
void __wrap_lists_close(struct lists *lists);

enum err __wrap_ruleset_open_with(const struct generation *generation,
                                  const struct ruleset_opening *how, struct ruleset **out,
                                  char *reason)
{
	(void)how;
	if (fake_ruleset_refused) {
		snprintf(reason, RULES_REASON_BYTES, "refused by the test");
		return ERR_PLATFORM;
	}
	*out = fake_new(generation->number);
	fake_rulesets_open++;
	return OK;
}

void __wrap_ruleset_close(struct ruleset *ruleset)
{
	fake_close(ruleset);
	fake_rulesets_open--;
}

struct bytes __wrap_ruleset_selectors(const struct ruleset *ruleset, uint32_t *out_count)
{
	static const uint8_t too_short[1];

	(void)ruleset;
	*out_count = fake_selectors_wrong ? 1 : 0;
	return bytes_of(too_short, *out_count);
}

struct scan_context *__wrap_scan_context_new(const struct ruleset *ruleset,
                                             struct classifier_counters *counters)
{
	(void)counters;
	if (fake_context_refused)
		return NULL;
	fake_contexts_open++;
	return fake_new(((const struct fake *)ruleset)->number);
}

void __wrap_scan_context_free(struct scan_context *context)
{
	fake_close(context);
	fake_contexts_open--;
}

void __wrap_scan_context_set_memo(struct scan_context *context, struct memo *memo)
{
	assert_true(fake_is_alive(context) && memo != NULL);
	fake_memos_set++;
}

enum err __wrap_lists_open(const struct generation *generation, struct lists **out, char *reason)
{
	(void)reason;
	*out = fake_new(generation->number);
	fake_lists_open++;
	return OK;
}

void __wrap_lists_close(struct lists *lists)
{
	fake_close(lists);
	fake_lists_open--;
}
