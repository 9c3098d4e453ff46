/* test_question.c - rings of questions and answers, and another side that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dmarc_question.h"
#include "base/question.h"
#include "base/spf_question.h"

static struct question_rings dataplane, management;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(question_rings_create(&dataplane, 2), OK);
	assert_int_equal(question_rings_open(&management, dup(dataplane.fd)), OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	question_rings_close(&management);
	question_rings_close(&dataplane);
	return 0;
}

static struct question question(uint64_t id, enum question_kind kind, const char *name)
{
	struct question q;

	question_write(&q, id, kind, bytes_text(name));
	return q;
}

static void questions_and_answers_cross(void **state)
{
	struct question asked = question(7, QUESTION_ADDRESS, "a.example"), got;
	struct answer given = {.id = 7, .result = ANSWER_FOUND, .address_count = 1}, taken;

	(void)state;
	assert_int_equal(management.worker_count, 2);
	assert_true(question_push(question_rings_questions(&dataplane, 1), &asked));
	assert_false(question_pop(question_rings_questions(&management, 0), &got));
	assert_true(question_pop(question_rings_questions(&management, 1), &got));
	assert_memory_equal(&got, &asked, sizeof(got));
	assert_true(answer_push(question_rings_answers(&management, 1), &given));
	assert_true(answer_pop(question_rings_answers(&dataplane, 1), &taken));
	assert_memory_equal(&taken, &given, sizeof(taken));
	assert_false(answer_pop(question_rings_answers(&dataplane, 1), &taken));
}

static void full_ring_refuses(void **state)
{
	struct question q = question(1, QUESTION_ADDRESS, "a.example");
	struct ring *ring = question_rings_questions(&dataplane, 0);

	(void)state;
	for (uint32_t i = 0; i < QUESTION_RING_RECORDS; i++)
		assert_true(question_push(ring, &q));
	assert_false(question_push(ring, &q));
	assert_true(question_pop(question_rings_questions(&management, 0), &q));
	assert_true(question_push(ring, &q));
}

/* Sanitizers would see an access outside. */
static void shapes_in_memory_are_not_believed(void **state)
{
	struct question q = question(1, QUESTION_ADDRESS, "a.example");
	struct ring *theirs = question_rings_questions(&management, 1);
	struct ring *ours = question_rings_questions(&dataplane, 1);
	struct answer answer;

	(void)state;
	theirs->record_bytes = UINT32_MAX;
	theirs->record_count = 1u << 31;
	for (uint32_t i = 0; i < QUESTION_RING_RECORDS; i++)
		assert_true(question_push(ours, &q));
	assert_false(question_push(ours, &q));
	atomic_store(&theirs->tail, UINT64_MAX);
	assert_false(question_push(ours, &q));
	theirs = question_rings_answers(&management, 1);
	atomic_store(&theirs->head, UINT64_MAX / 2);
	assert_false(answer_pop(question_rings_answers(&dataplane, 1), &answer));
	atomic_store(&theirs->head, atomic_load(&theirs->tail) + QUESTION_RING_RECORDS);
	for (uint32_t i = 0; i < QUESTION_RING_RECORDS; i++)
		assert_true(answer_pop(question_rings_answers(&dataplane, 1), &answer));
	assert_false(answer_pop(question_rings_answers(&dataplane, 1), &answer));
}

static void only_memory_of_the_right_shape_is_opened(void **state)
{
	struct question_rings other;
	uint32_t workers = 64, version = 99;
	int fd = memfd_create("other", MFD_ALLOW_SEALING);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(question_rings_open(&other, fd), ERR_SEALS);
	close(fd);
	assert_int_equal(pwrite(dataplane.fd, &workers, sizeof(workers), 24), sizeof(workers));
	assert_int_equal(question_rings_open(&other, dataplane.fd), ERR_TRUNCATED);
	workers = 0;
	assert_int_equal(pwrite(dataplane.fd, &workers, sizeof(workers), 24), sizeof(workers));
	assert_int_equal(question_rings_open(&other, dataplane.fd), ERR_RANGE);
	workers = 2;
	assert_int_equal(pwrite(dataplane.fd, &workers, sizeof(workers), 24), sizeof(workers));
	assert_int_equal(pwrite(dataplane.fd, &version, sizeof(version), 8), sizeof(version));
	assert_int_equal(question_rings_open(&other, dataplane.fd), ERR_VERSION);
}

static void names_are_those_of_the_dns(void **state)
{
	static const char *const good[] = {"a.b", "2.0.0.127.zen.example", "_x-1.example"};
	static const char *const bad[] = {"",      "a",   ".a.b",          "a..b", "a.b.",
	                                  "a b.c", "A.b", "caf\xc3\xa9.b", "a/b.c"};
	char label[80];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(question_name_is_sound(bytes_text(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(question_name_is_sound(bytes_text(bad[i])));
	memset(label, 'a', sizeof(label));
	memcpy(label + 63, ".b", 3);
	assert_true(question_name_is_sound(bytes_text(label)));
	memset(label, 'a', sizeof(label));
	memcpy(label + 64, ".b", 3);
	assert_false(question_name_is_sound(bytes_text(label)));
}

static void unsound_records_are_known(void **state)
{
	struct question q = question(1, QUESTION_HOST, "a.example list.example");
	struct answer answer = {.result = ANSWER_FOUND};

	(void)state;
	assert_true(question_is_sound(&q));
	q = question(1, QUESTION_HOST, "a.example");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_HOST, "a.example b.example c.example");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_RECORDS, "soa a.example");
	assert_true(question_is_sound(&q));
	q = question(1, QUESTION_RECORDS, "SOA a.example");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_RECORDS, "a");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_SERVER_NAMES, "a.example b.example txt");
	assert_true(question_is_sound(&q));
	q = question(1, QUESTION_SERVER_NAMES, "a.example b.example txt x");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_PRIMARY, "a.example b.example ");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_KIND_COUNT, "a.example");
	assert_false(question_is_sound(&q));
	q = question(1, QUESTION_ADDRESS, "a.example");
	q.text_len = QUESTION_BYTES;
	assert_false(question_is_sound(&q));
	assert_true(answer_is_sound(&answer));
	answer.address_count = ANSWER_ADDRESSES_MAX + 1;
	assert_false(answer_is_sound(&answer));
	answer = (struct answer){.result = ANSWER_RESULT_COUNT};
	assert_false(answer_is_sound(&answer));
	answer = (struct answer){.text_len = ANSWER_TEXT_BYTES + 1};
	assert_false(answer_is_sound(&answer));
	answer = (struct answer){.text_len = 2, .text = "ab"};
	assert_false(answer_is_sound(&answer));
}

static void spf_is_asked_by_client_helo_and_sender(void **state)
{
	struct spf_request request = {.client = addr_from_ip4(0xc0000201),
	                              .helo = BYTES("Helo.Example"),
	                              .sender = BYTES("Bob Smith@a.example")};
	char text[64];
	size_t len = spf_request_write(&request, text, sizeof(text));

	(void)state;
	assert_int_equal(len, 0); /* an address may take 46 octets */
	char room[128];
	len = spf_request_write(&request, room, sizeof(room));
	assert_true(
	    bytes_equal(bytes_of(room, len), BYTES("192.0.2.1 helo.example bob smith@a.example")));
	assert_true(spf_request_read(bytes_of(room, len), &request));
	assert_true(bytes_equal(request.helo, BYTES("helo.example")));
	assert_true(bytes_equal(request.sender, BYTES("bob smith@a.example")));
	request.helo = BYTES("not a name");
	len = spf_request_write(&request, room, sizeof(room));
	assert_true(spf_request_read(bytes_of(room, len), &request));
	assert_int_equal(request.helo.len, 0);
	request.sender = BYTES("");
	assert_int_equal(spf_request_write(&request, room, sizeof(room)), 0);
	assert_false(spf_request_read(BYTES("192.0.2.1  "), &request));
	assert_false(spf_request_read(BYTES("192.0.2.1 a.example"), &request));
	assert_false(spf_request_read(BYTES("a.example b.example c"), &request));
}

static void dmarc_is_asked_by_author_and_domains(void **state)
{
	struct dmarc_request request = {.author = BYTES("Shop.Example.com."),
	                                .domain = {{NULL, 0}}};
	char text[QUESTION_BYTES], name[QUESTION_NAME_BYTES];
	size_t len;

	(void)state;
	request.domain[DMARC_SENDER] = BYTES("Bounce.example.com");
	request.domain[DMARC_HELO] = BYTES("[192.0.2.1]");
	request.domain[DMARC_SIGNER + 1] = BYTES("esp.example");
	len = dmarc_request_write(&request, text, sizeof(text));
	assert_true(
	    bytes_equal(bytes_of(text, len), BYTES("shop.example.com bounce.example.com - - "
	                                           "esp.example - - - - - -")));
	assert_true(dmarc_request_read(bytes_of(text, len), &request));
	assert_true(bytes_equal(request.author, BYTES("shop.example.com")));
	assert_true(bytes_equal(request.domain[DMARC_SENDER], BYTES("bounce.example.com")));
	assert_int_equal(request.domain[DMARC_HELO].len, 0);
	assert_true(bytes_equal(request.domain[DMARC_SIGNER + 1], BYTES("esp.example")));
	assert_false(dmarc_request_read(bytes_of(text, len - 2), &request));
	assert_false(
	    dmarc_request_read(BYTES("a.example - - - - - - - - - - b.example"), &request));
	request = (struct dmarc_request){.author = BYTES("localhost")};
	assert_int_equal(dmarc_request_write(&request, text, sizeof(text)), 0);
	/* Those that do not fit are left out. */
	memset(name, 'a', sizeof(name));
	for (size_t i = 60; i < 240; i += 60)
		name[i] = '.';
	request.author = bytes_of(name, 240);
	for (int i = 0; i < DMARC_DOMAINS_MAX; i++)
		request.domain[i] = bytes_of(name, 240);
	len = dmarc_request_write(&request, text, sizeof(text));
	assert_true(len > 0 && len <= sizeof(text));
	assert_true(dmarc_request_read(bytes_of(text, len), &request));
	assert_int_equal(request.domain[2].len, 240);
	assert_int_equal(request.domain[9].len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(questions_and_answers_cross, setup, teardown),
	    cmocka_unit_test_setup_teardown(full_ring_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(shapes_in_memory_are_not_believed, setup, teardown),
	    cmocka_unit_test_setup_teardown(only_memory_of_the_right_shape_is_opened, setup,
	                                    teardown),
	    cmocka_unit_test(names_are_those_of_the_dns),
	    cmocka_unit_test(unsound_records_are_known),
	    cmocka_unit_test(spf_is_asked_by_client_helo_and_sender),
	    cmocka_unit_test(dmarc_is_asked_by_author_and_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
