/* test_received.c - Received fields as mail programs write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/received.h"

static void relay_is(const char *line, const char *ip, const char *rdns, const char *helo,
                     const char *by)
{
	struct received received;

	assert_int_equal(received_parse(bytes_text(line), &received), RECEIVED_RELAY);
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

static void test_skipped(void **state)
{
	struct received received;

	(void)state;
	assert_int_equal(received_parse(BYTES("by mx.example with SMTP"), &received),
	                 RECEIVED_SKIPPED);
	assert_int_equal(
	    received_parse(BYTES("from root by mx.example with local (Exim 4.96)"), &received),
	    RECEIVED_SKIPPED);
	assert_int_equal(
	    received_parse(BYTES("(qmail 1 invoked by uid 2); 1 Jan 2024 00:00:00 -0000"),
	                   &received),
	    RECEIVED_SKIPPED);
	assert_int_equal(received_parse(BYTES(""), &received), RECEIVED_SKIPPED);
}

static void test_auth_and_envelope(void **state)
{
	struct received received;

	(void)state;
	assert_int_equal(
	    received_parse(
	        BYTES("from a.example (b.example [192.0.2.1]) by c.example (Postfix) with ESMTPSA "
	              "id 1abc (envelope-from <x@y.example>)"),
	        &received),
	    RECEIVED_RELAY);
	assert_true(bytes_equal(received.auth, BYTES("ESMTPSA")));
	assert_true(received.has_envelope_from);
	assert_true(bytes_equal(received.envelope_from, BYTES("x@y.example")));
	assert_true(bytes_equal(received.id, BYTES("1abc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_common_forms),
	    cmocka_unit_test(test_skipped),
	    cmocka_unit_test(test_auth_and_envelope),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
