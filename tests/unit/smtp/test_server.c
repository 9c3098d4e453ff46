/* test_server.c - what transcripts cannot show: waiting answers, memory that comes and goes, every
 * cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp_drive.h"

static struct smtp_server_limits limits = {512, 100, 20, 100000, true, true, true, true, 0, 0};
static struct smtp_counters counters;
static struct transaction transaction;
static uint8_t line_store[512];

static struct smtp_server started(void)
{
	struct smtp_server server;

	memset(&counters, 0, sizeof(counters));
	smtp_server_init(&server, &limits, &counters);
	server.transaction = &transaction;
	server.line_store = line_store;
	return server;
}

static void expect(struct smtp_server *server, struct bytes *input, enum smtp_event_kind kind)
{
	struct smtp_event event;

	assert_int_equal(smtp_server_next(server, input, &event), kind != SMTP_EVENT_NONE);
	assert_int_equal(event.kind, kind);
}

static void expect_accepted(struct smtp_server *server, struct bytes *input,
                            enum smtp_event_kind kind)
{
	expect(server, input, kind);
	smtp_server_accept(server);
}

static struct smtp_server in_transaction(void)
{
	struct smtp_server server = started();
	struct bytes input = BYTES("EHLO c\r\nMAIL FROM:<a@b.c>\r\n");

	expect_accepted(&server, &input, SMTP_EVENT_HELO);
	assert_false(smtp_server_in_transaction(&server));
	expect_accepted(&server, &input, SMTP_EVENT_MAIL);
	assert_true(smtp_server_in_transaction(&server));
	return server;
}

static void test_every_cut_of_a_session(void **state)
{
	static const struct {
		const char *text;
	} sessions[] = {
	    {"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nRCPT "
	     "TO:<refuse@e.f>\r\nDATA\r\n\r\n..a\r\n.\r\n"
	     "RSET\r\nNOOP\nNOOP\r\nQUIT\r\n"},
	    {"HELO c\r\nMAIL FROM:<refuse@b.c>\r\nRCPT "
	     "TO:<d@e.f>\r\nDATA\r\nFOO\r\n\r\n\r\r\nQUIT\r\n"},
	};
	static struct drive whole, cut;

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct bytes input = bytes_text(sessions[s].text);
		drive_init(&whole);
		drive_feed(&whole, input);
		assert_true(whole.wants_close);
		for (size_t i = 0; i <= input.len; i++) {
			for (size_t j = i; j <= input.len; j++) {
				drive_init(&cut);
				cut.late = (i + j) % 2;
				drive_feed(&cut, bytes_slice(input, 0, i));
				drive_feed(&cut, bytes_slice(input, i, j - i));
				drive_feed(&cut, bytes_slice(input, j, input.len));
				assert_int_equal(cut.events, whole.events);
				assert_true(bytes_equal(buf_bytes(&cut.replies),
				                        buf_bytes(&whole.replies)));
				assert_true(bytes_equal(buf_bytes(&cut.content),
				                        buf_bytes(&whole.content)));
				assert_memory_equal(&cut.counters, &whole.counters,
				                    sizeof(whole.counters));
			}
		}
	}
}

static void test_recipients_wait_together_and_are_answered_in_order(void **state)
{
	struct smtp_server server = in_transaction();
	struct bytes input = BYTES(
	    "RCPT TO:<1@b.c>\r\nRCPT TO:<2@b.c>\r\nRCPT TO:<3@b.c>\r\nDATA\r\n");

	(void)state;
	expect(&server, &input, SMTP_EVENT_RCPT);
	expect(&server, &input, SMTP_EVENT_RCPT);
	expect(&server, &input, SMTP_EVENT_RCPT);
	expect(&server, &input, SMTP_EVENT_NONE); /* DATA waits for all of them */
	assert_int_equal(input.len, 6);
	smtp_server_accept(&server);
	smtp_server_refuse(&server);
	expect(&server, &input, SMTP_EVENT_NONE);
	smtp_server_accept(&server);
	assert_int_equal(transaction.accepted_count, 2);
	assert_true(transaction.recipient[0].accepted && !transaction.recipient[1].accepted);
	assert_true(transaction.recipient[2].accepted);
	expect(&server, &input, SMTP_EVENT_DATA);
}

static void test_an_error_behind_waiting_recipients_waits(void **state)
{
	struct smtp_server server = in_transaction();
	struct bytes input = BYTES("RCPT TO:<1@b.c>\r\nRCPT TO:bad\r\n");

	(void)state;
	expect(&server, &input, SMTP_EVENT_RCPT);
	expect(&server, &input, SMTP_EVENT_NONE);
	assert_int_equal(counters.commands, 3);
	smtp_server_accept(&server);
	expect(&server, &input, SMTP_EVENT_REPLY);
	assert_int_equal(counters.syntax_recipient, 1);
}

static void test_a_held_line_survives_in_the_store(void **state)
{
	struct smtp_server server = in_transaction();
	struct bytes input = BYTES("RCPT TO:<1@b.c>\r\nNO"), rest = BYTES("OP\r\nQUIT\r\n");

	(void)state;
	expect(&server, &input, SMTP_EVENT_RCPT);
	assert_false(smtp_server_holds_line(&server));
	expect(&server, &input, SMTP_EVENT_NONE);
	assert_true(smtp_server_holds_line(&server));
	expect(&server, &rest, SMTP_EVENT_NONE);
	assert_int_equal(rest.len, 6);
	assert_true(smtp_server_holds_line(&server));
	smtp_server_accept(&server);
	expect(&server, &rest, SMTP_EVENT_REPLY);
	assert_false(smtp_server_holds_line(&server));
	expect(&server, &rest, SMTP_EVENT_QUIT);
}

static void test_at_most_32_recipients_wait(void **state)
{
	struct smtp_server server = in_transaction();

	(void)state;
	for (int i = 0; i < SMTP_SERVER_WAITING_MAX; i++) {
		struct bytes input = BYTES("RCPT TO:<1@b.c>\r\n");
		expect(&server, &input, SMTP_EVENT_RCPT);
	}
	struct bytes input = BYTES("RCPT TO:<1@b.c>\r\n");
	expect(&server, &input, SMTP_EVENT_NONE);
	smtp_server_accept(&server);
	expect(&server, &input, SMTP_EVENT_RCPT);
	assert_int_equal(server.waiting, SMTP_SERVER_WAITING_MAX);
}

static void test_no_line_store(void **state)
{
	struct smtp_server server = started();
	struct bytes whole = BYTES("NOOP\r\nNOOP\r\n"), part = BYTES("NOO");
	struct smtp_event event;

	(void)state;
	server.line_store = NULL;
	expect(&server, &whole, SMTP_EVENT_REPLY);
	expect(&server, &whole, SMTP_EVENT_REPLY);
	expect(&server, &whole, SMTP_EVENT_NONE);
	assert_true(smtp_server_next(&server, &part, &event));
	assert_int_equal(event.kind, SMTP_EVENT_CLOSE);
	assert_int_equal(event.reply, REPLY_TRY_LATER);
	assert_int_equal(counters.line_no_store, 1);
}

static void test_no_transaction(void **state)
{
	struct smtp_server server = started();
	struct bytes input = BYTES("EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n");
	struct smtp_event event;

	(void)state;
	server.transaction = NULL;
	expect_accepted(&server, &input, SMTP_EVENT_HELO);
	assert_true(smtp_server_next(&server, &input, &event));
	assert_int_equal(event.kind, SMTP_EVENT_REPLY);
	assert_int_equal(event.reply, REPLY_NO_STORAGE);
	expect(&server, &input, SMTP_EVENT_REPLY);
	expect(&server, &input, SMTP_EVENT_REPLY);
	/* The client could not know: nothing of that counts against it. */
	assert_int_equal(server.error_count, 0);
}

static void test_storage_of_the_envelope_is_bounded(void **state)
{
	struct smtp_server server = in_transaction();
	uint8_t line[512];
	struct smtp_event event = {0};
	uint32_t accepted = 0;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "RCPT TO:<", 9);
	line[9 + 60] = '@';
	for (size_t at = 9 + 61 + 40; at < 9 + 240; at += 41)
		line[at] = '.';
	memcpy(line + 9 + 250, ">\r\n", 3);
	limits.recipients_max = SMTP_RECIPIENTS_MAX;
	for (; accepted < SMTP_RECIPIENTS_MAX; accepted++) {
		struct bytes input = bytes_of(line, 9 + 253);
		assert_true(smtp_server_next(&server, &input, &event));
		if (event.kind != SMTP_EVENT_RCPT)
			break;
		smtp_server_accept(&server);
	}
	limits.recipients_max = 100;
	assert_int_equal(event.kind, SMTP_EVENT_REPLY);
	assert_int_equal(event.reply, REPLY_TOO_MANY_RECIPIENTS);
	assert_true(accepted >= 100);
	assert_int_equal(transaction.recipient_count, accepted);
}

static void test_refused_bodies_count_only_when_the_peer_erred(void **state)
{
	static const struct {
		struct bytes body;
		uint16_t errors;
	} cases[] = {{{(const uint8_t *)"a\r\n.\r\n", 6}, 0},
	             {{(const uint8_t *)"a\nb\r\n.\r\n", 8}, 1}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct smtp_server server = in_transaction();
		struct bytes input = BYTES("RCPT TO:<1@b.c>\r\nDATA\r\n"), body = cases[i].body;
		expect_accepted(&server, &input, SMTP_EVENT_RCPT);
		expect_accepted(&server, &input, SMTP_EVENT_DATA);
		assert_true(smtp_server_in_body(&server));
		expect(&server, &body, SMTP_EVENT_BODY);
		expect(&server, &body, SMTP_EVENT_BODY_END);
		smtp_server_refuse(&server);
		assert_int_equal(server.error_count, cases[i].errors);
		assert_false(smtp_server_in_transaction(&server));
	}
}

static void test_nothing_is_read_before_354(void **state)
{
	struct smtp_server server = in_transaction();
	struct bytes input = BYTES("RCPT TO:<1@b.c>\r\nDATA\r\nearly\r\n.\r\n");

	(void)state;
	expect_accepted(&server, &input, SMTP_EVENT_RCPT);
	expect(&server, &input, SMTP_EVENT_DATA);
	expect(&server, &input, SMTP_EVENT_NONE);
	assert_int_equal(input.len, 10);
	smtp_server_accept(&server);
	expect(&server, &input, SMTP_EVENT_BODY);
	expect(&server, &input, SMTP_EVENT_BODY_END);
	expect(&server, &input, SMTP_EVENT_NONE);
}

static void test_after_close_all_is_swallowed(void **state)
{
	struct smtp_server server = started();
	struct bytes input = BYTES("CONNECT x:25 HTTP/1.1\r\nMAIL FROM:<a@b.c>\r\n");

	(void)state;
	expect(&server, &input, SMTP_EVENT_CLOSE);
	assert_int_equal(counters.verb_not_smtp, 1);
	expect(&server, &input, SMTP_EVENT_NONE);
	assert_int_equal(input.len, 0);
}

static void test_greeting_that_does_not_fit(void **state)
{
	struct smtp_server server = started();
	uint8_t memory[256];

	(void)state;
	server.esmtp = true;
	for (size_t bytes_max = 0; bytes_max < 80; bytes_max++) {
		struct buf out = buf_over(memory, bytes_max);
		bool written = smtp_server_greeting(&server, BYTES("mx.example"), &out);
		assert_int_equal(written, out.len > 0);
		assert_int_equal(written, !out.overflow);
	}
}

static struct smtp_server offering_tls(void)
{
	struct smtp_server server = started();

	server.tls = SMTP_TLS_OFFERED;
	return server;
}

static bool greeting_offers_tls(const struct smtp_server *server)
{
	char memory[512];
	struct buf out = buf_over(memory, sizeof(memory) - 1);

	assert_true(smtp_server_greeting(server, BYTES("mx.example"), &out));
	memory[out.len] = '\0';
	return strstr(memory, "250 STARTTLS\r\n") != NULL;
}

/* RFC 3207 4.2: as after connect, whatever was said before, wherever it was cut. */
static void test_tls_begins_anew_at_every_cut(void **state)
{
	static const char before[] = "EHLO old.example\r\nRSET\r\nSTARTTLS\r\n";
	const size_t len = sizeof(before) - 1;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct smtp_server server = offering_tls();
		struct bytes first = bytes_of(before, cut);
		struct bytes rest = bytes_of(before + cut, len - cut);
		struct bytes inside = BYTES(
		    "MAIL FROM:<a@b.c>\r\nSTARTTLS\r\nEHLO new.example\r\n");
		struct smtp_event event;
		bool up = false;

		for (int piece = 0; piece < 2; piece++)
			while (smtp_server_next(&server, piece == 0 ? &first : &rest, &event)) {
				if (event.kind == SMTP_EVENT_HELO)
					assert_true(greeting_offers_tls(&server));
				if (event.kind == SMTP_EVENT_STARTTLS)
					up = true;
				if (event.kind != SMTP_EVENT_RSET)
					smtp_server_accept(&server);
			}
		assert_true(up);
		assert_int_equal(server.tls, SMTP_TLS_UP);
		assert_false(smtp_server_holds_line(&server));

		assert_true(smtp_server_next(&server, &inside, &event));
		assert_int_equal(event.reply, REPLY_BAD_SEQUENCE); /* MAIL: EHLO is forgotten */
		assert_true(smtp_server_next(&server, &inside, &event));
		assert_int_equal(event.reply, REPLY_BAD_SEQUENCE); /* STARTTLS again */
		expect_accepted(&server, &inside, SMTP_EVENT_HELO);
		assert_false(greeting_offers_tls(&server));
		assert_int_equal(counters.starttls_accepted, 1);
		assert_int_equal(counters.starttls_injected, 0);
	}
}

/* CVE-2011-0411. */
static void test_nothing_behind_starttls_is_read(void **state)
{
	static const char *const injected[] = {"RSET\r\n", "EHLO x\r\nMAIL FROM:<a@b>\r\n", "\n",
	                                       "\x16"};

	(void)state;
	for (size_t i = 0; i < sizeof(injected) / sizeof(injected[0]); i++) {
		struct smtp_server server = offering_tls();
		char text[128];
		struct smtp_event event;

		snprintf(text, sizeof(text), "EHLO c\r\nSTARTTLS\r\n%s", injected[i]);
		struct bytes input = bytes_text(text);
		expect_accepted(&server, &input, SMTP_EVENT_HELO);
		assert_true(smtp_server_next(&server, &input, &event));
		assert_int_equal(event.kind, SMTP_EVENT_CLOSE);
		assert_int_equal(event.reply, REPLY_STARTTLS_INJECTED);
		assert_int_equal(server.tls, SMTP_TLS_OFFERED);
		assert_int_equal(counters.starttls_injected, 1);
		uint64_t commands = counters.commands;
		expect(&server, &input, SMTP_EVENT_NONE);
		assert_int_equal(counters.commands, commands);
	}
}

static void test_octets_the_user_found_behind_starttls(void **state)
{
	struct smtp_server server = offering_tls();
	struct bytes input = BYTES("STARTTLS\r\n");
	struct smtp_event event;

	(void)state;
	expect(&server, &input, SMTP_EVENT_STARTTLS);
	smtp_server_injected(&server, &event);
	assert_int_equal(event.kind, SMTP_EVENT_CLOSE);
	assert_int_equal(event.reply, REPLY_STARTTLS_INJECTED);
	assert_int_equal(counters.starttls_injected, 1);
	input = BYTES("NOOP\r\n");
	expect(&server, &input, SMTP_EVENT_NONE);
}

static void test_tls_required_is_content_inside_tls(void **state)
{
	struct smtp_server server = offering_tls();
	struct bytes input = BYTES("EHLO c\r\nMAIL FROM:<a@b.c>\r\nSTARTTLS\r\n");
	struct smtp_event event;

	(void)state;
	server.tls_required = true;
	expect_accepted(&server, &input, SMTP_EVENT_HELO);
	assert_true(smtp_server_next(&server, &input, &event));
	assert_int_equal(event.reply, REPLY_TLS_REQUIRED);
	expect_accepted(&server, &input, SMTP_EVENT_STARTTLS);
	input = BYTES("EHLO c\r\nMAIL FROM:<a@b.c>\r\n");
	expect_accepted(&server, &input, SMTP_EVENT_HELO);
	expect_accepted(&server, &input, SMTP_EVENT_MAIL);
	assert_int_equal(counters.tls_required, 1);
}

static void test_octets_behind_auth_end_the_session(void **state)
{
	struct smtp_server_limits its = limits;
	struct smtp_event event;

	(void)state;
	its.auth_mechanisms = AUTH_BIT(AUTH_LOGIN);
	for (int responses = 0; responses < 2; responses++) {
		struct smtp_server server = started();
		struct bytes input = BYTES("EHLO c\r\nAUTH LOGIN\r\n");

		server.limits = &its;
		server.auth_wanted = server.auth_clear = true;
		expect_accepted(&server, &input, SMTP_EVENT_HELO);
		expect(&server, &input, SMTP_EVENT_AUTH);
		assert_int_equal(server.auth_mechanism, AUTH_LOGIN);
		assert_true(smtp_server_in_auth(&server));
		if (responses) {
			smtp_server_auth(&server, SMTP_AUTH_CHALLENGED);
			input = BYTES("\r\n");
			expect(&server, &input, SMTP_EVENT_AUTH_RESPONSE);
		}
		/* Nothing is read before the answer, whatever it is. */
		input = BYTES("QUIT\r\n");
		expect(&server, &input, SMTP_EVENT_NONE);
		assert_int_equal(input.len, 6);
		smtp_server_auth_pipelined(&server, &event);
		assert_int_equal(event.kind, SMTP_EVENT_CLOSE);
		assert_int_equal(event.reply, REPLY_AUTH_PIPELINED);
		assert_int_equal(counters.auth_pipelined, 1);
		expect(&server, &input, SMTP_EVENT_NONE);
		assert_int_equal(input.len, 0);
	}
}

static void test_a_refusal_of_auth_is_nobodys_fault(void **state)
{
	struct smtp_server_limits its = limits;
	struct smtp_server server = started();
	struct bytes input = BYTES("EHLO c\r\nAUTH LOGIN\r\n");

	(void)state;
	its.auth_mechanisms = AUTH_BIT(AUTH_LOGIN);
	its.auth_failures_max = 1;
	server.limits = &its;
	server.tls = SMTP_TLS_UP;
	server.auth_wanted = true;
	expect_accepted(&server, &input, SMTP_EVENT_HELO);
	expect(&server, &input, SMTP_EVENT_AUTH);
	smtp_server_refuse(&server);
	assert_int_equal(server.error_count, 0);
	assert_int_equal(server.auth_failure_count, 0);
	assert_int_equal(smtp_server_auth_state(&server), SMTP_AUTH_OFFERED);
	input = BYTES("AUTH LOGIN\r\n");
	expect(&server, &input, SMTP_EVENT_AUTH);
	smtp_server_auth(&server, SMTP_AUTH_SUCCEEDED);
	assert_int_equal(smtp_server_auth_state(&server), SMTP_AUTH_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_cut_of_a_session),
	    cmocka_unit_test(test_recipients_wait_together_and_are_answered_in_order),
	    cmocka_unit_test(test_an_error_behind_waiting_recipients_waits),
	    cmocka_unit_test(test_a_held_line_survives_in_the_store),
	    cmocka_unit_test(test_at_most_32_recipients_wait),
	    cmocka_unit_test(test_no_line_store),
	    cmocka_unit_test(test_no_transaction),
	    cmocka_unit_test(test_storage_of_the_envelope_is_bounded),
	    cmocka_unit_test(test_refused_bodies_count_only_when_the_peer_erred),
	    cmocka_unit_test(test_nothing_is_read_before_354),
	    cmocka_unit_test(test_after_close_all_is_swallowed),
	    cmocka_unit_test(test_greeting_that_does_not_fit),
	    cmocka_unit_test(test_tls_begins_anew_at_every_cut),
	    cmocka_unit_test(test_nothing_behind_starttls_is_read),
	    cmocka_unit_test(test_octets_the_user_found_behind_starttls),
	    cmocka_unit_test(test_tls_required_is_content_inside_tls),
	    cmocka_unit_test(test_octets_behind_auth_end_the_session),
	    cmocka_unit_test(test_a_refusal_of_auth_is_nobodys_fault),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
