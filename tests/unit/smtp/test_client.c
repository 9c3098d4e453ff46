/* test_client.c - replies in, commands out, in step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/client.h"
#include "smtp/reply.h"
#include "smtp/server.h"

static struct smtp_counters counters;

static struct smtp_client started(void)
{
	struct smtp_client client;
	struct smtp_client_event event;
	struct bytes input = BYTES("220 backend ESMTP\r\n");

	smtp_client_init(&client, &counters);
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(event.command, SMTP_CLIENT_GREETING);
	assert_int_equal(event.code, 220);
	return client;
}

static void test_commands_on_the_wire(void **state)
{
	struct smtp_client client = started();
	uint8_t memory[512];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_true(smtp_client_send_ehlo(&client, BYTES("gw.example"), false, &out));
	assert_true(smtp_client_send_mail(&client, BYTES(""), BYTES("SIZE=1"), &out));
	assert_true(smtp_client_send_rcpt(&client, BYTES("a@b"), BYTES(""), &out));
	assert_true(smtp_client_send_verb(&client, SMTP_CLIENT_DATA, &out));
	smtp_client_sent_dot(&client);
	assert_true(smtp_client_send_verb(&client, SMTP_CLIENT_QUIT, &out));
	static const char expected
	    [] = "EHLO gw.example\r\nMAIL FROM:<> SIZE=1\r\nRCPT TO:<a@b>\r\nDATA\r\nQUIT\r\n";
	assert_int_equal(out.len, sizeof(expected) - 1);
	assert_memory_equal(out.data, expected, out.len);
	assert_int_equal(smtp_client_pending(&client), 6);
}

static void test_a_line_end_cannot_be_sent_inside_a_command(void **state)
{
	struct smtp_client client = started();
	uint8_t memory[512];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_false(smtp_client_send_mail(&client, BYTES("a\r\nDATA"), BYTES(""), &out));
	assert_false(smtp_client_send_rcpt(&client, BYTES("a@b"), BYTES("X=\nY"), &out));
	assert_int_equal(out.len, 0);
	assert_int_equal(smtp_client_pending(&client), 0);
}

/* Else a backend that is out of step would have a message told taken that it never got. */
static void test_a_reply_that_its_command_cannot_have_ends_the_session(void **state)
{
	const struct {
		enum smtp_client_command command;
		struct bytes reply;
		enum smtp_client_event_kind kind;
	} cases[] = {
	    {SMTP_CLIENT_DATA, BYTES("250 2.0.0 Ok\r\n"), SMTP_CLIENT_BROKEN},
	    {SMTP_CLIENT_DATA, BYTES("354 go\r\n"), SMTP_CLIENT_REPLY},
	    {SMTP_CLIENT_DATA, BYTES("350 go\r\n"), SMTP_CLIENT_REPLY},
	    {SMTP_CLIENT_DATA, BYTES("451 4.3.0 later\r\n"), SMTP_CLIENT_REPLY},
	    {SMTP_CLIENT_DOT, BYTES("354 more\r\n"), SMTP_CLIENT_BROKEN},
	    {SMTP_CLIENT_RSET, BYTES("354 go\r\n"), SMTP_CLIENT_BROKEN},
	    {SMTP_CLIENT_NOOP, BYTES("554 5.0.0 no\r\n"), SMTP_CLIENT_REPLY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_client client = started();
		struct smtp_client_event event;
		struct bytes input = cases[i].reply;
		uint8_t memory[64];
		struct buf out = buf_over(memory, sizeof(memory));

		if (cases[i].command == SMTP_CLIENT_DOT)
			smtp_client_sent_dot(&client);
		else
			assert_true(smtp_client_send_verb(&client, cases[i].command, &out));
		assert_true(smtp_client_next(&client, &input, &event));
		assert_int_equal(event.kind, cases[i].kind);
	}
}

static void test_bounds_leave_nothing_behind(void **state)
{
	struct smtp_client client = started();
	uint8_t memory[4096];
	struct buf out = buf_over(memory, 10), large = buf_over(memory, sizeof(memory));

	(void)state;
	assert_false(smtp_client_send_rcpt(&client, BYTES("a@b.example"), BYTES(""), &out));
	assert_int_equal(out.len, 0);
	for (int i = 0; i < SMTP_CLIENT_PENDING_MAX; i++)
		assert_true(smtp_client_send_verb(&client, SMTP_CLIENT_NOOP, &large));
	size_t len = large.len;
	assert_false(smtp_client_send_verb(&client, SMTP_CLIENT_NOOP, &large));
	assert_int_equal(large.len, len);
}

/* Reads all of `input` in pieces; the outcome as text. */
static void read_in_pieces(struct smtp_client *client, struct bytes input, size_t piece,
                           struct buf *log)
{
	struct smtp_client_event event;

	for (size_t at = 0; at < input.len; at += piece) {
		struct bytes part = bytes_slice(input, at, piece);
		while (smtp_client_next(client, &part, &event))
			buf_printf(log, "%d %d %u %.*s\n", event.kind, event.command, event.code,
			           (int)event.text.len, (const char *)event.text.data);
		assert_int_equal(part.len, 0);
	}
}

static void test_replies_do_not_depend_on_the_cut(void **state)
{
	const struct bytes input = BYTES(
	    "250-backend greets\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250-8bitmime\r\n250-DSN\r\n"
	    "250-CHUNKING\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n250 2.1.0 Ok\r\n"
	    "550-5.1.1 one\r\n550 5.1.1 two\r\n354\r\n250 2.0.0 queued as 1\r\n221 bye\r\n");
	static const char expected
	    [] = "1 1 250 backend greets SIZE 1000 PIPELINING 8bitmime DSN CHUNKING SMTPUTF8 "
	         "ENHANCEDSTATUSCODES\n1 3 250 2.1.0 Ok\n1 4 550 5.1.1 one 5.1.1 two\n1 5 354 \n"
	         "1 6 250 2.0.0 queued as 1\n1 9 221 bye\n";

	(void)state;
	for (size_t piece = 1; piece <= input.len; piece++) {
		uint8_t memory[512], log_memory[2048];
		struct buf out = buf_over(memory, sizeof(memory)),
		           log = buf_over(log_memory, sizeof(log_memory));
		struct smtp_client client = started();
		smtp_client_send_ehlo(&client, BYTES("gw"), false, &out);
		smtp_client_send_mail(&client, BYTES("a@b"), BYTES(""), &out);
		smtp_client_send_rcpt(&client, BYTES("a@b"), BYTES(""), &out);
		smtp_client_send_verb(&client, SMTP_CLIENT_DATA, &out);
		smtp_client_sent_dot(&client);
		smtp_client_send_verb(&client, SMTP_CLIENT_QUIT, &out);
		read_in_pieces(&client, input, piece, &log);
		assert_int_equal(log.len, sizeof(expected) - 1);
		assert_memory_equal(log.data, expected, log.len);
		assert_true(client.pipelining && client.eightbitmime && client.size_known &&
		            client.dsn);
		assert_true(client.chunking && client.smtputf8 && client.enhanced);
		assert_int_equal(client.size_max, 1000);
		assert_int_equal(smtp_client_pending(&client), 0);
	}
}

static void assert_broken(struct bytes input, uint16_t code)
{
	struct smtp_client client = started();
	uint8_t memory[64];
	struct buf out = buf_over(memory, sizeof(memory));
	struct smtp_client_event event;

	if (code == 0)
		smtp_client_send_verb(&client, SMTP_CLIENT_NOOP, &out);
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(event.kind, SMTP_CLIENT_BROKEN);
	assert_int_equal(event.code, code == 1 ? 0 : code);
	assert_false(smtp_client_next(&client, &input, &event));
	assert_int_equal(input.len, 0);
}

static void test_what_is_not_smtp_breaks(void **state)
{
	static uint8_t longest[2048];
	static char many[SMTP_REPLY_LINES_MAX * 8 + 64];

	(void)state;
	assert_broken(BYTES("hello\r\n"), 0);
	assert_broken(BYTES("25\r\n"), 0);
	assert_broken(BYTES("650 x\r\n"), 0);
	assert_broken(BYTES("150 x\r\n"), 0);
	assert_broken(BYTES("2500 x\r\n"), 0);
	assert_broken(BYTES("250 x\n250 y\r\n"), 0);
	assert_broken(BYTES("250 x\rNOOP\r\n"), 0);
	assert_broken(BYTES("\r\n"), 0);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "250 ", 4);
	assert_broken(bytes_of(longest, sizeof(longest)), 0);
	for (size_t i = 0; i <= SMTP_REPLY_LINES_MAX; i++)
		memcpy(many + i * 6, "250-\r\n", 6);
	assert_broken(bytes_of(many, (SMTP_REPLY_LINES_MAX + 1) * 6), 0);
	assert_broken(BYTES("250 nobody asked\r\n"), 1);
	assert_broken(BYTES("421 4.3.2 going down\r\n"), 421);
}

static void test_long_text_is_cut_to_its_bound(void **state)
{
	struct smtp_client client = started();
	uint8_t memory[64], line[900];
	struct buf out = buf_over(memory, sizeof(memory));
	struct smtp_client_event event;

	(void)state;
	smtp_client_send_verb(&client, SMTP_CLIENT_NOOP, &out);
	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	struct bytes input = bytes_of(line, sizeof(line));
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(event.kind, SMTP_CLIENT_REPLY);
	assert_int_equal(event.text.len, SMTP_CLIENT_REPLY_BYTES);
}

static void test_every_reply_of_ours_parses(void **state)
{
	(void)state;
	for (uint32_t r = 0; r < REPLY_COUNT; r++) {
		struct smtp_client client = started();
		uint8_t memory[1200];
		struct buf out = buf_over(memory, sizeof(memory));
		struct smtp_client_event event;
		static uint8_t detail[700];

		enum smtp_client_command command = reply_table[r].code / 100 == 3
		                                       ? SMTP_CLIENT_DATA
		                                       : SMTP_CLIENT_NOOP;
		smtp_client_send_verb(&client, command, &out);
		smtp_client_send_verb(&client, command, &out);
		buf_clear(&out);
		for (size_t i = 0; i < sizeof(detail); i++)
			detail[i] = (uint8_t)i;
		assert_true(reply_write((enum smtp_reply)r, &out));
		assert_true(
		    reply_write_detail((enum smtp_reply)r, bytes_of(detail, sizeof(detail)), &out));
		struct bytes input = buf_bytes(&out);
		for (int i = 0; i < 2; i++) {
			assert_true(smtp_client_next(&client, &input, &event));
			assert_int_equal(event.kind, SMTP_CLIENT_REPLY);
			assert_int_equal(event.code, reply_table[r].code);
		}
		assert_int_equal(input.len, 0);
	}
}

static void test_our_ehlo_reply_parses(void **state)
{
	const struct smtp_server_limits limits = {512,  100,  10,   12345, true,
	                                          true, true, true, 0,     0};
	struct smtp_server server;
	struct smtp_client client = started();
	uint8_t memory[512];
	struct buf out = buf_over(memory, sizeof(memory));
	struct smtp_client_event event;

	(void)state;
	smtp_server_init(&server, &limits, &counters);
	server.esmtp = true;
	smtp_client_send_ehlo(&client, BYTES("gw"), false, &out);
	buf_clear(&out);
	assert_true(smtp_server_greeting(&server, BYTES("mx.example"), &out));
	struct bytes input = buf_bytes(&out);
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(event.code, 250);
	assert_true(client.pipelining && client.size_known && client.eightbitmime &&
	            client.enhanced);
	assert_false(client.chunking || client.smtputf8 || client.dsn);
	assert_int_equal(client.size_max, 12345);
}

/* The backend's half of CVE-2011-0411: replies in the clear must not be taken for replies inside.
 */
static void test_nothing_behind_the_answer_to_starttls_is_believed(void **state)
{
	static const struct {
		struct bytes reply;
		enum smtp_client_event_kind kind;
		bool restarts;
	} cases[] = {
	    {{(const uint8_t *)"220 go\r\n", 8}, SMTP_CLIENT_REPLY, true},
	    {{(const uint8_t *)"220-go\r\n220 on\r\n", 16}, SMTP_CLIENT_REPLY, true},
	    {{(const uint8_t *)"454 4.7.0 later\r\n250 x\r\n", 24}, SMTP_CLIENT_REPLY, false},
	    {{(const uint8_t *)"220 go\r\n250-evil\r\n", 18}, SMTP_CLIENT_BROKEN, false},
	    {{(const uint8_t *)"220 go\r\n\x16", 9}, SMTP_CLIENT_BROKEN, false},
	    {{(const uint8_t *)"354 go\r\n", 8}, SMTP_CLIENT_BROKEN, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_client client = started();
		uint8_t memory[512];
		struct buf out = buf_over(memory, sizeof(memory));
		struct smtp_client_event event;
		struct bytes input = BYTES("250-b\r\n250-STARTTLS\r\n250 PIPELINING\r\n");

		assert_true(smtp_client_send_ehlo(&client, BYTES("gw.example"), false, &out));
		assert_true(smtp_client_next(&client, &input, &event));
		assert_true(client.starttls && client.pipelining);
		assert_true(smtp_client_send_verb(&client, SMTP_CLIENT_STARTTLS, &out));
		input = cases[i].reply;
		assert_true(smtp_client_next(&client, &input, &event));
		assert_int_equal(event.kind, cases[i].kind);
		if (!cases[i].restarts)
			continue;
		smtp_client_restart(&client);
		assert_false(client.starttls || client.pipelining);
		assert_int_equal(smtp_client_pending(&client), 0);
		assert_true(smtp_client_send_ehlo(&client, BYTES("gw.example"), false, &out));
	}
}

static struct smtp_client in_exchange(uint8_t *wide)
{
	struct smtp_client client = started();
	uint8_t memory[512];
	struct buf out = buf_over(memory, sizeof(memory));

	smtp_client_widen(&client, wide);
	assert_true(smtp_client_send_auth(&client, AUTH_PLAIN, BYTES("AGEAYg=="), &out));
	assert_int_equal(out.len, strlen("AUTH PLAIN AGEAYg==\r\n"));
	assert_memory_equal(out.data, "AUTH PLAIN AGEAYg==\r\n", out.len);
	return client;
}

static void test_a_challenge_may_be_long_and_is_whole(void **state)
{
	static uint8_t wide[SMTP_AUTH_LINE_BYTES_MAX], reply[SMTP_AUTH_LINE_BYTES_MAX + 8];
	struct smtp_client_event event;
	uint8_t memory[64];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	for (size_t over = 0; over <= 4; over += 4) {
		size_t len = 4 + 12280 + over;
		memset(reply, 'A', sizeof(reply));
		memcpy(reply, "334 ", 4);
		memcpy(reply + len, "\r\n", 2);
		for (size_t piece = 1; piece <= sizeof(reply); piece = piece * 7 + 1) {
			struct smtp_client client = in_exchange(wide);
			bool got = false;

			for (size_t at = 0; at < len + 2 && !got; at += piece) {
				struct bytes input = bytes_slice(bytes_of(reply, len + 2), at,
				                                 piece);
				got = smtp_client_next(&client, &input, &event);
			}
			assert_true(got);
			if (over > 0) {
				assert_int_equal(event.kind, SMTP_CLIENT_BROKEN);
				continue;
			}
			assert_int_equal(event.kind, SMTP_CLIENT_REPLY);
			assert_int_equal(event.command, SMTP_CLIENT_AUTH);
			assert_int_equal(event.code, 334);
			assert_int_equal(event.text.len, 12280);
			out.len = 0;
			assert_true(smtp_client_send_response(&client, BYTES("eA=="), &out));
			assert_memory_equal(out.data, "eA==\r\n", 6);
			struct bytes input = BYTES("235-2.7.0 a\r\n235 2.7.0 b\r\n");
			assert_true(smtp_client_next(&client, &input, &event));
			assert_int_equal(event.code, 235);
			smtp_client_widen(&client, NULL);
			assert_false(client.broken);
		}
	}
}

static void test_what_is_no_answer_to_auth_breaks(void **state)
{
	static const struct {
		const char *reply;
		bool broken;
	} rows[] = {
	    {"334 \r\n", false},
	    {"334\r\n", false},
	    {"334 eA==\r\n", false},
	    {"235 ok\r\n", false},
	    {"535 no\r\n", false},
	    {"454 later\r\n", false},
	    {"501-a\r\n501 b\r\n", false},
	    {"334 name?\r\n", true},
	    {"334-eA==\r\n334 eA==\r\n", true},
	    {"250 ok\r\n", true},
	    {"354 go\r\n", true},
	    {"334 eA=\r\n", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static uint8_t wide[SMTP_AUTH_LINE_BYTES_MAX];
		struct smtp_client client = in_exchange(wide);
		struct smtp_client_event event;
		struct bytes input = bytes_text(rows[i].reply);

		assert_true(smtp_client_next(&client, &input, &event));
		assert_int_equal(event.kind,
		                 rows[i].broken ? SMTP_CLIENT_BROKEN : SMTP_CLIENT_REPLY);
	}
}

static void test_a_challenge_nobody_waits_for_breaks(void **state)
{
	struct smtp_client client = started();
	struct smtp_client_event event;
	struct bytes input = BYTES("334 eA==\r\n");

	(void)state;
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(event.kind, SMTP_CLIENT_BROKEN);
}

static void test_half_a_line_goes_with_the_room_for_it(void **state)
{
	static uint8_t wide[SMTP_AUTH_LINE_BYTES_MAX];
	struct smtp_client client = started();
	struct smtp_client_event event;
	struct bytes input = BYTES("235 o");
	uint8_t memory[64];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	assert_false(smtp_client_next(&client, &input, &event));
	smtp_client_widen(&client, wide);
	assert_true(smtp_client_send_auth(&client, AUTH_LOGIN, BYTES(""), &out));
	assert_int_equal(out.len, strlen("AUTH LOGIN\r\n"));
	input = BYTES("k\r\n2");
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(event.code, 235);
	assert_true(bytes_equal(event.text, BYTES("ok")));
	assert_false(smtp_client_next(&client, &input, &event));
	smtp_client_widen(&client, NULL);
	assert_true(client.broken);
}

static void test_mechanisms_of_a_backend(void **state)
{
	struct smtp_client client = started();
	struct smtp_client_event event;
	uint8_t memory[64];
	struct buf out = buf_over(memory, sizeof(memory));
	struct bytes input = BYTES(
	    "250-b\r\n250-AUTH GSSAPI LOGIN plain EXTERNAL\r\n250 AUTHX X\r\n");

	(void)state;
	assert_true(smtp_client_send_ehlo(&client, BYTES("g"), false, &out));
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(client.auth_mechanisms, AUTH_BIT(AUTH_PLAIN) | AUTH_BIT(AUTH_LOGIN));
	assert_true(smtp_client_send_ehlo(&client, BYTES("g"), false, &out));
	input = BYTES("250 b\r\n");
	assert_true(smtp_client_next(&client, &input, &event));
	assert_int_equal(client.auth_mechanisms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_commands_on_the_wire),
	    cmocka_unit_test(test_a_line_end_cannot_be_sent_inside_a_command),
	    cmocka_unit_test(test_a_reply_that_its_command_cannot_have_ends_the_session),
	    cmocka_unit_test(test_bounds_leave_nothing_behind),
	    cmocka_unit_test(test_replies_do_not_depend_on_the_cut),
	    cmocka_unit_test(test_what_is_not_smtp_breaks),
	    cmocka_unit_test(test_long_text_is_cut_to_its_bound),
	    cmocka_unit_test(test_every_reply_of_ours_parses),
	    cmocka_unit_test(test_our_ehlo_reply_parses),
	    cmocka_unit_test(test_nothing_behind_the_answer_to_starttls_is_believed),
	    cmocka_unit_test(test_a_challenge_may_be_long_and_is_whole),
	    cmocka_unit_test(test_what_is_no_answer_to_auth_breaks),
	    cmocka_unit_test(test_a_challenge_nobody_waits_for_breaks),
	    cmocka_unit_test(test_half_a_line_goes_with_the_room_for_it),
	    cmocka_unit_test(test_mechanisms_of_a_backend),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
