/* test_inquiry.c - open questions and remembered answers of a worker; management is this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/inquiry.h"

#define PATIENCE_US 1000000
#define S           UINT64_C(1000000)

static struct question_rings rings;
static struct arena arena;
static struct gateway_counters counters;
static struct inquiries *q;
static int wake_fd;
static uint64_t now_us;

static int setup(void **state)
{
	struct inquiry_config config;

	(void)state;
	memset(&counters, 0, sizeof(counters));
	now_us = 1000 * S;
	assert_int_equal(question_rings_create(&rings, 1), OK);
	atomic_store(&question_rings_state(&rings)->serving, 1);
	wake_fd = eventfd(0, EFD_NONBLOCK);
	config = (struct inquiry_config){.questions = question_rings_questions(&rings, 0),
	                                 .answers = question_rings_answers(&rings, 0),
	                                 .state = question_rings_state(&rings),
	                                 .wake_fd = wake_fd,
	                                 .counters = &counters,
	                                 .secret = {{1, 2}}};
	assert_int_equal(arena_init(&arena, inquiries_bytes(), false), OK);
	q = inquiries_new(&arena, &config);
	assert_non_null(q);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	question_rings_close(&rings);
	arena_free(&arena);
	close(wake_fd);
	return 0;
}

static enum inquiry_result ask(const char *name, struct inquiry_ref *out_ref)
{
	return inquiry_ask(q, QUESTION_ADDRESS, bytes_text(name), now_us, PATIENCE_US, out_ref);
}

/* What management finds in its ring. */
static struct question taken(void)
{
	struct question question;

	assert_true(question_pop(question_rings_questions(&rings, 0), &question));
	assert_true(question_is_sound(&question));
	return question;
}

static void answer(uint64_t id, enum answer_result result, uint32_t ttl_s)
{
	struct answer a = {.id = id,
	                   .result = (uint16_t)result,
	                   .ttl_s = ttl_s,
	                   .address_count = 1,
	                   .address = {0x7f000002}};

	assert_true(answer_push(question_rings_answers(&rings, 0), &a));
}

static const struct answer *known(const char *name)
{
	return inquiry_answer(q, QUESTION_ADDRESS, bytes_text(name), now_us);
}

static void answered_questions_are_not_asked_again(void **state)
{
	struct inquiry_ref ref, other;

	(void)state;
	assert_int_equal(ask("a.example", &ref), INQUIRY_OPEN);
	assert_int_equal(ask("a.example", &other), INQUIRY_OPEN);
	assert_int_equal(ref.id, other.id);
	assert_true(inquiry_is_open(q, ref));
	assert_null(known("a.example"));
	answer(taken().id, ANSWER_FOUND, 60);
	assert_true(inquiries_run(q, now_us));
	assert_false(inquiry_is_open(q, ref));
	assert_int_equal(known("a.example")->address[0], 0x7f000002);
	assert_int_equal(ask("a.example", &ref), INQUIRY_KNOWN);
	assert_int_equal(counters.checks_asked, 1);
	assert_int_equal(counters.checks_answered, 1);
	/* Another kind is another question. */
	assert_null(inquiry_answer(q, QUESTION_TEXT, BYTES("a.example"), now_us));
	now_us += 61 * S;
	assert_null(known("a.example"));
	assert_int_equal(ask("a.example", &ref), INQUIRY_OPEN);
	assert_int_equal(counters.checks_asked, 2);
}

static void failures_are_remembered_and_unknown(void **state)
{
	struct inquiry_ref ref;

	(void)state;
	assert_int_equal(ask("a.example", &ref), INQUIRY_OPEN);
	answer(taken().id, ANSWER_FAILED, 5);
	assert_true(inquiries_run(q, now_us));
	assert_false(inquiry_is_open(q, ref));
	assert_null(known("a.example"));
	assert_int_equal(ask("a.example", &ref), INQUIRY_KNOWN);
	assert_int_equal(counters.checks_failed, 1);
}

static void nobody_waits_twice_for_silence(void **state)
{
	struct inquiry_ref ref;

	(void)state;
	assert_int_equal(ask("a.example", &ref), INQUIRY_OPEN);
	now_us += PATIENCE_US;
	assert_int_equal(ask("a.example", &ref), INQUIRY_LOST);
	assert_int_equal(counters.checks_asked, 1);
	/* A late answer serves who comes next. */
	answer(taken().id, ANSWER_NONE, 60);
	assert_true(inquiries_run(q, now_us));
	assert_int_equal(ask("a.example", &ref), INQUIRY_KNOWN);
	/* What management has lost is asked again, and the old id means nothing. */
	assert_int_equal(ask("b.example", &ref), INQUIRY_OPEN);
	uint64_t old = taken().id;
	now_us += 31 * S;
	assert_int_equal(ask("b.example", &ref), INQUIRY_OPEN);
	assert_int_not_equal(taken().id, old);
	answer(old, ANSWER_FOUND, 60);
	assert_false(inquiries_run(q, now_us));
	assert_int_equal(counters.checks_stray, 1);
}

static void lies_of_management_are_strays(void **state)
{
	struct inquiry_ref ref;
	struct answer a;

	(void)state;
	assert_int_equal(ask("a.example", &ref), INQUIRY_OPEN);
	uint64_t id = taken().id;
	answer(0, ANSWER_FOUND, 60);
	answer(id ^ 1, ANSWER_FOUND, 60);
	answer(id + 4096, ANSWER_FOUND, 60);
	answer(UINT64_MAX, ANSWER_FOUND, 60);
	answer(id, ANSWER_RESULT_COUNT, 60);
	memset(&a, 0xff, sizeof(a));
	a.id = id;
	assert_true(answer_push(question_rings_answers(&rings, 0), &a));
	assert_false(inquiries_run(q, now_us));
	assert_int_equal(counters.checks_stray, 6);
	assert_true(inquiry_is_open(q, ref));
	answer(id, ANSWER_FOUND, UINT32_MAX);
	answer(id, ANSWER_NONE, 60);
	assert_true(inquiries_run(q, now_us));
	assert_int_equal(counters.checks_stray, 7);
	assert_int_equal(known("a.example")->result, ANSWER_FOUND);
	now_us += 86401 * S;
	assert_null(known("a.example"));
}

static void without_who_answers_nothing_is_asked(void **state)
{
	struct inquiry_ref ref;

	(void)state;
	atomic_store(&question_rings_state(&rings)->serving, 0);
	assert_int_equal(ask("a.example", &ref), INQUIRY_LOST);
	assert_int_equal(counters.checks_unserved, 1);
	assert_int_equal(counters.checks_asked, 0);
}

static void full_ring_loses_the_question_only(void **state)
{
	struct inquiry_ref ref;
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < 2 * QUESTION_RING_RECORDS; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		(void)ask(name, &ref);
	}
	assert_true(counters.checks_full >= QUESTION_RING_RECORDS);
	assert_int_equal(counters.checks_full + counters.checks_asked, 2 * QUESTION_RING_RECORDS);
	assert_int_equal(ask("other.example", &ref), INQUIRY_LOST);
	(void)taken();
	assert_int_equal(ask("other.example", &ref), INQUIRY_OPEN);
}

/* More than there are places: open ones stay, answers make room. */
static void table_is_bounded(void **state)
{
	struct inquiry_ref ref, first;
	char name[32];

	(void)state;
	assert_int_equal(ask("first.example", &first), INQUIRY_OPEN);
	(void)taken();
	for (uint32_t i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		if (ask(name, &ref) != INQUIRY_OPEN)
			continue;
		answer(taken().id, ANSWER_NONE, 60);
		assert_true(inquiries_run(q, now_us));
		assert_int_equal(ask(name, &ref), INQUIRY_KNOWN);
	}
	assert_true(inquiry_is_open(q, first));
	assert_int_equal(counters.checks_full, 0);
}

static void management_is_woken_once_when_it_sleeps(void **state)
{
	struct inquiry_ref ref;
	uint64_t count;

	(void)state;
	assert_int_equal(ask("a.example", &ref), INQUIRY_OPEN);
	inquiries_wake(q);
	assert_true(read(wake_fd, &count, sizeof(count)) < 0);
	atomic_store(&question_rings_state(&rings)->asleep, 1);
	inquiries_wake(q);
	assert_true(read(wake_fd, &count, sizeof(count)) < 0);
	assert_int_equal(ask("b.example", &ref), INQUIRY_OPEN);
	assert_int_equal(ask("c.example", &ref), INQUIRY_OPEN);
	inquiries_wake(q);
	inquiries_wake(q);
	assert_int_equal(read(wake_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(answered_questions_are_not_asked_again, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(failures_are_remembered_and_unknown, setup, teardown),
	    cmocka_unit_test_setup_teardown(nobody_waits_twice_for_silence, setup, teardown),
	    cmocka_unit_test_setup_teardown(lies_of_management_are_strays, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_who_answers_nothing_is_asked, setup, teardown),
	    cmocka_unit_test_setup_teardown(full_ring_loses_the_question_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(table_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(management_is_woken_once_when_it_sleeps, setup,
	                                    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
