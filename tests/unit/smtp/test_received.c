/* test_received.c - Received fields as mail programs write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/addr.h"
#include "smtp/received.h"
#include "smtp/received_match.h"

static uint8_t memory[1024];
static struct sink storage;

static int set_up(void **state)
{
	(void)state;
	storage = sink_over(memory, sizeof(memory));
	return 0;
}

static void relay_is(const char *line, const char *ip, const char *rdns, const char *helo,
                     const char *by)
{
	struct received received;

	assert_int_equal(received_parse(bytes_text(line), &storage, &received), RECEIVED_RELAY);
	assert_true(bytes_equal(received.ip, bytes_text(ip)));
	assert_true(bytes_equal(received.rdns, bytes_text(rdns)));
	assert_true(bytes_equal(received.helo, bytes_text(helo)));
	assert_true(bytes_equal(received.by, bytes_text(by)));
}

static void test_common_forms(void **state)
{
	(void)state;
	relay_is("from helo.example (rdns.example [192.0.2.1]) by mx.example (Postfix) with ESMTP "
	         "id 4ABC; "
	         "Mon, 1 Jan 2024 00:00:00 +0000",
	         "192.0.2.1", "rdns.example", "helo.example", "mx.example");
	relay_is(
	    "from helo.example (unknown [192.0.2.1]) by mx.example (Postfix) with ESMTP id 4ABC",
	    "192.0.2.1", "", "helo.example", "mx.example");
	relay_is("from rdns.example ([192.0.2.1] helo=helo.example) by mx.example with esmtp (Exim "
	         "4.96) id 1xYz",
	         "192.0.2.1", "rdns.example", "helo.example", "mx.example");
	relay_is("from [192.0.2.1] (helo=helo.example) by mx.example with smtp (Exim 4.96) id 1xYz",
	         "192.0.2.1", "", "helo.example", "mx.example");
	relay_is("from unknown (HELO helo.example) (192.0.2.1) by mx.example with SMTP; 1 Jan 2024 "
	         "00:00:00 -0000",
	         "192.0.2.1", "", "helo.example", "mx.example");
	relay_is("from rdns.example (192.0.2.1) by mx.example with SMTP; 1 Jan 2024 00:00:00 -0000",
	         "192.0.2.1", "rdns.example", "rdns.example", "mx.example");
	relay_is("from helo.example ([IPv6:2001:db8::1]) by mx.example (8.15.2/8.15.2) with ESMTP "
	         "id x1234",
	         "2001:db8::1", "", "helo.example", "mx.example");
}

static void test_lines_in_no_known_order(void **state)
{
	(void)state;
	relay_is("from 192.0.2.1 ([192.0.2.1]) by mx.example with QMQP", "192.0.2.1", "192.0.2.1",
	         "192.0.2.1", "mx.example");
	relay_is("from first.example [192.0.2.1] (helo=it.example) (x) by mx.example with smtp "
	         "(Exim 3.35)",
	         "192.0.2.1", "first.example", "helo=it.example", "mx.example");
	relay_is(
	    "from a.example (b.example [192.0.2.1]) by mx.example (qmail-ldap-1.03) with ESMTP "
	    "id abc",
	    "192.0.2.1", "b.example", "a.example", "mx.example");
	relay_is("from p.example ([192.0.2.9]) (proxying for 192.0.2.1) (SquirrelMail "
	         "authenticated user somebody@somewhere.example) by mx.example with HTTP",
	         "192.0.2.1", "", "", "mx.example");
	relay_is("from a.example ([fe80::1%22]) by mx.example with mapi id "
	         "14.2.318.4",
	         "fe80::1", "", "a.example", "mx.example");
}

static void test_skipped(void **state)
{
	struct received received;

	(void)state;
	assert_int_equal(received_parse(BYTES("by mx.example with SMTP"), &storage, &received),
	                 RECEIVED_SKIPPED);
	assert_int_equal(received_parse(BYTES("from root by mx.example with local (Exim 4.96)"),
	                                &storage, &received),
	                 RECEIVED_SKIPPED);
	assert_int_equal(
	    received_parse(BYTES("(qmail 1 invoked by uid 2); 1 Jan 2024 00:00:00 -0000"), &storage,
	                   &received),
	    RECEIVED_SKIPPED);
	assert_int_equal(received_parse(BYTES(""), &storage, &received), RECEIVED_SKIPPED);
	/* An octet is not written with a zero in front. */
	assert_int_equal(
	    received_parse(BYTES("from [192.0.02.1] by mx.example with SMTP"), &storage, &received),
	    RECEIVED_SKIPPED);
}

static void test_auth_and_envelope(void **state)
{
	struct received received;

	(void)state;
	assert_int_equal(
	    received_parse(
	        BYTES("from a.example (b.example [192.0.2.1]) by c.example (Postfix) with ESMTPSA "
	              "id 1abc (envelope-from <x@y.example>)"),
	        &storage, &received),
	    RECEIVED_RELAY);
	assert_true(bytes_equal(received.auth, BYTES("ESMTPSA")));
	assert_true(received.has_envelope_from);
	assert_true(bytes_equal(received.envelope_from, BYTES("x@y.example")));
	assert_true(bytes_equal(received.id, BYTES("1abc")));
}

static void test_forms_of_one_program_each(void **state)
{
	(void)state;
	relay_is("from h.example ([192.0.2.7] unverified) by e.example with Microsoft "
	         "SMTPSVC(6.0.3790.0); Mon, 1 Jan 2024 00:00:00 +0000",
	         "192.0.2.7", "", "h.example", "e.example");
	relay_is("from A1.example (2001:db8::5) by B2.example (2001:db8::6%7) with Microsoft SMTP "
	         "Server (version=TLS1_2, cipher=X) id 15.1.2.3; Mon, 1 Jan 2024 00:00:00 +0000",
	         "2001:db8::5", "A1.example", "A1.example", "B2.example");
	relay_is("from A1.example ([fe80::1%3]) by B2.example ([fe80::2]) with mapi id 15.01.2.3",
	         "fe80::1", "", "A1.example", "B2.example");
	relay_is(
	    "from h.example (192.0.2.7:4711) by x.example with [XMail 1.20 ESMTP Server] id <S7>"
	    " for <a@b.example> from <c@d.example>",
	    "192.0.2.7", "", "h.example", "x.example");
	relay_is(
	    "from ([192.0.2.7:4711] helo=h.example) by e.example (ecelerity 2.1) with ESMTP id 1",
	    "192.0.2.7", "", "h.example", "e.example");
	relay_is("from h.example (r.example[192.0.2.7]) by p.example (Postfix) with SMTP id 4",
	         "192.0.2.7", "r.example", "h.example", "p.example");
	relay_is("from h.example (IDENT:who@r.example [192.0.2.7] (may be forged)) by s.example "
	         "(8.11.6/8.11.6) with ESMTP id g1",
	         "192.0.2.7", "r.example", "h.example", "s.example");
	relay_is("from r.example (HELO h.example) (who@192.0.2.7) by q.example with SMTP",
	         "192.0.2.7", "r.example", "h.example", "q.example");
	relay_is("from r.example (EHLO h) [192.0.2.7] by mail.gmx.net (mp010) with SMTP",
	         "192.0.2.7", "r.example", "h", "mail.gmx.net");
	relay_is("from r.example(192.0.2.7) by s.example via smap (V1.3) id xma1", "192.0.2.7",
	         "r.example", "", "s.example");
	relay_is("from [192.0.2.7] (account who HELO h.example) by c.example (CommuniGate Pro SMTP "
	         "5) with ESMTP id 7",
	         "192.0.2.7", "", "h.example", "c.example");
	relay_is(
	    "FROM h.example (r.example [192.0.2.7]) BY s.example ID 434B508E.174A6 ; 11 Oct 2005 "
	    "01:41:34 -0400",
	    "192.0.2.7", "r.example", "h.example", "s.example");
	relay_is("(from h.example [192.0.2.7]) by n.example (NAVGW 2.5) with SMTP id M2",
	         "192.0.2.7", "", "h.example", "n.example");
	relay_is("from somewhere odd [192.0.2.7] indeed by z.example", "192.0.2.7", "", "somewhere",
	         "z.example");
}

static enum received_result result_of(const char *line)
{
	struct received received;

	return received_parse(bytes_text(line), &storage, &received);
}

static void test_steps_that_are_no_hand_over(void **state)
{
	(void)state;
	assert_int_equal(result_of("from a.example by b.example; Mon, 1 Jan 2024 00:00:00 +0000"),
	                 RECEIVED_SKIPPED);
	assert_int_equal(result_of("from a.example by b.example with SMTP"), RECEIVED_SKIPPED);
	assert_int_equal(result_of("from who@a.example by b.example (out 34) id 7"),
	                 RECEIVED_SKIPPED);
	assert_int_equal(
	    result_of("from p.example [192.0.2.1] (x) by localhost with POP3 (fetchmail-6)"),
	    RECEIVED_FETCHED);
	assert_int_equal(result_of("from 192.0.2.1 by a (envelope-from <x@y.example>, uid 5) with "
	                           "qmail-scanner-1.24"),
	                 RECEIVED_SCANNED);
	assert_int_equal(result_of("from a.example something else"), RECEIVED_UNPARSEABLE);
	assert_int_equal(result_of("from"), RECEIVED_SKIPPED);
	assert_int_equal(result_of("from ;"), RECEIVED_SKIPPED);
}

static void auth_is(const char *line, const char *wanted)
{
	struct received received;

	assert_int_equal(received_parse(bytes_text(line), &storage, &received), RECEIVED_RELAY);
	assert_true(bytes_equal(received.auth, bytes_text(wanted)));
}

static void test_ways_to_authenticate(void **state)
{
	(void)state;
	auth_is("from a (b [192.0.2.1]) by c (Postfix) with ESMTPS id 1", "");
	auth_is("from a (b [192.0.2.1]) (Authenticated sender: who) by c (Postfix) with ESMTP id 1",
	        "Postfix");
	auth_is("from a (b [192.0.2.1]) (Authenticated sender: who) by c (Mailer) with ESMTP id 1",
	        "Postfix (Mailer)");
	auth_is("from a (b [192.0.2.1]) (authenticated bits=0) by c (8.12/8.12) with ESMTP id 1",
	        "Sendmail");
	auth_is(
	    "from a ([192.0.2.1]) by mx.google.com with ESMTPS id x1sm234567abc.12.2020.01.02.03.04"
	    ".05 (version=TLS1_2 cipher=AES bits=128/128)",
	    "GMail - transport=TLS1_2 cipher=AES bits=128/128");
	auth_is("from a (EHLO h) [192.0.2.1] by mail.gmx.com (mp1) with ESMTP",
	        "GMX (ESMTP / mail.gmx.com)");
	auth_is("from a ([192.0.2.1]) (AUTH: LOGIN who) by c with esmtp (Courier)", "LOGIN");
	auth_is("from [192.0.2.1] by c (via HTTP)", "HTTP");
}

static void test_a_line_made_to_be_slow_ends(void **state)
{
	static char line[8000] = "from ";

	(void)state;
	for (size_t i = 5; i + 8 < sizeof(line); i += 7)
		memcpy(line + i, "(a[b) @", 7);
	assert_int_equal(result_of(line), RECEIVED_UNPARSEABLE);
}

static void test_a_full_storage_is_not_read_beyond(void **state)
{
	static const char line[] = "from a (b [192.0.2.1])by c with SMTP id 1";
	uint8_t few[3];
	struct sink none = sink_over(NULL, 0), some = sink_over(few, sizeof(few));
	struct received received;

	(void)state;
	assert_int_equal(received_parse(BYTES(line), &storage, &received), RECEIVED_RELAY);
	assert_int_equal(received_parse(BYTES(line), &none, &received), RECEIVED_UNPARSEABLE);
	assert_int_equal(received_parse(BYTES(line), &some, &received), RECEIVED_UNPARSEABLE);
	assert_true(none.full && some.full);
}

static void test_addresses_are_of_bounded_length(void **state)
{
	static uint8_t dots[128 * 1024];
	const char *longest = "0000:0000:0000:0000:0000:ffff:192.168.100.200";
	const char *too_long = "0000:0000:0000:0000:0000:ffff:192.168.100.2000";

	(void)state;
	assert_int_equal(strlen(longest), ADDR_TEXT_MAX - 1);
	assert_int_equal(received_address_len(bytes_text(longest), 0), strlen(longest));
	assert_int_equal(received_address_len(bytes_text(too_long), 0), 0);
	memset(dots, '.', sizeof(dots));
	clock_t start = clock();
	for (size_t at = 0; at < sizeof(dots); at++)
		assert_false(received_address_len(bytes_of(dots, sizeof(dots)), at) > 0);
	assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_common_forms),
	    cmocka_unit_test(test_lines_in_no_known_order),
	    cmocka_unit_test(test_skipped),
	    cmocka_unit_test(test_auth_and_envelope),
	    cmocka_unit_test(test_forms_of_one_program_each),
	    cmocka_unit_test(test_steps_that_are_no_hand_over),
	    cmocka_unit_test(test_ways_to_authenticate),
	    cmocka_unit_test(test_a_line_made_to_be_slow_ends),
	    cmocka_unit_test(test_addresses_are_of_bounded_length),
	    cmocka_unit_test(test_a_full_storage_is_not_read_beyond),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
