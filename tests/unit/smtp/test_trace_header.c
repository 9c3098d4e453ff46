/* test_trace_header.c - fields of ours, whatever the client said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/trace_header.h"

static uint8_t memory[65536];

/* Every line ends with CRLF, is a field or folded, and keeps its bounds. */
static void assert_well_formed(struct bytes text, size_t columns_max)
{
	size_t column = 0;

	assert_true(text.len > 2 && text.data[0] != '\t');
	for (size_t i = 0; i < text.len; i++) {
		uint8_t octet = text.data[i];
		if (octet == '\r') {
			assert_true(i + 1 < text.len && text.data[i + 1] == '\n');
			assert_true(column > 0 && column <= columns_max);
			column = 0;
			i++;
			continue;
		}
		assert_true(octet == '\t' ? column == 0 : octet >= ' ' && octet <= '~');
		column++;
	}
	assert_int_equal(column, 0);
}

static void assert_text(const struct buf *out, const char *expected)
{
	assert_int_equal(out->len, strlen(expected));
	assert_memory_equal(out->data, expected, out->len);
}

static void test_received(void **state)
{
	struct buf out = buf_over(memory, sizeof(memory));
	const struct trace_received received = {.helo = BYTES("client.example"),
	                                        .client_address = BYTES("192.0.2.1"),
	                                        .hostname = BYTES("mx.example"),
	                                        .id = BYTES("0A1b"),
	                                        .date = BYTES("Sat, 21 Nov 2026 22:33:44 +0000"),
	                                        .esmtp = true};

	(void)state;
	assert_true(trace_write_received(&received, &out));
	assert_text(&out, "Received: from client.example\r\n\t([192.0.2.1])\r\n\tby mx.example\r\n"
	                  "\twith ESMTP id 0A1b;\r\n\tSat, 21 Nov 2026 22:33:44 +0000\r\n");
	assert_well_formed(buf_bytes(&out), 78);
}

/* RFC 3848: the word says TLS and AUTH; the comment says what was agreed. */
static void test_received_inside_tls(void **state)
{
	static const struct {
		bool esmtp, authenticated;
		const char *with;
	} cases[] = {
	    {true, false, "\r\n\twith ESMTPS (TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tid 1;"},
	    {true, true, "\r\n\twith ESMTPSA (TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tid 1;"},
	    {false, false, "\r\n\twith SMTP (TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tid 1;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = buf_over(memory, sizeof(memory) - 1);
		const struct trace_received received = {
		    .helo = BYTES("client.example"),
		    .client_address = BYTES("192.0.2.1"),
		    .hostname = BYTES("mx.example"),
		    .id = BYTES("1"),
		    .date = BYTES("Sat, 21 Nov 2026 22:33:44 +0000"),
		    .esmtp = cases[i].esmtp,
		    .authenticated = cases[i].authenticated,
		    .tls_version = BYTES("TLSv1.3"),
		    .tls_suite = BYTES("TLS_AES_128_GCM_SHA256")};

		assert_true(trace_write_received(&received, &out));
		memory[out.len] = '\0';
		assert_non_null(strstr((const char *)memory, cases[i].with));
		assert_well_formed(buf_bytes(&out), 78);
	}
}

static void test_received_of_a_client_with_a_certificate(void **state)
{
	(void)state;
	for (int verified = 0; verified <= 1; verified++) {
		struct buf out = buf_over(memory, sizeof(memory));
		const struct trace_received received = {
		    .helo = BYTES("client.example"),
		    .client_address = BYTES("192.0.2.1"),
		    .hostname = BYTES("mx.example"),
		    .id = BYTES("1"),
		    .date = BYTES("Sat, 21 Nov 2026 22:33:44 +0000"),
		    .esmtp = true,
		    .authenticated = true,
		    .tls_version = BYTES("TLSv1.2"),
		    .tls_suite = BYTES("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
		    .client_certificate = true,
		    .client_verified = verified != 0};

		assert_true(trace_write_received(&received, &out));
		memory[out.len] = '\0';
		assert_non_null(strstr((const char *)memory,
		                       verified
		                           ? "_SHA384,\r\n\tclient certificate verified)\r\n"
		                           : "_SHA384,\r\n\tclient certificate not verified)"));
		assert_well_formed(buf_bytes(&out), 78);
	}
}

static void test_received_from_hostile_client(void **state)
{
	struct buf out = buf_over(memory, sizeof(memory));
	const struct trace_received received = {
	    .helo = BYTES("x\r\nX-Spam-Flag: NO\r\n\r\n) (a\0b\x80; \"\\<>@"),
	    .client_address = BYTES("2001:db8::1"),
	    .hostname = BYTES("mx.example"),
	    .id = BYTES("1"),
	    .date = BYTES("Sat, 21 Nov 2026 22:33:44 +0000")};

	(void)state;
	assert_true(trace_write_received(&received, &out));
	assert_well_formed(buf_bytes(&out), 998);
	assert_text(
	    &out,
	    "Received: from x??X-Spam-Flag:?NO???????a?b????????\r\n\t([IPv6:2001:db8::1])\r\n"
	    "\tby mx.example\r\n\twith SMTP id 1;\r\n\tSat, 21 Nov 2026 22:33:44 +0000\r\n");
}

static void test_verdict(void **state)
{
	struct buf out = buf_over(memory, sizeof(memory));
	const struct trace_rule rules[] = {{BYTES("RULE_A"), 1000}, {BYTES("RULE_B"), -50}};
	struct trace_verdict verdict = {.spam = true,
	                                .score_milli = 12345,
	                                .required_milli = 5000,
	                                .rules = rules,
	                                .rule_count = 2,
	                                .id = BYTES("1-2-3")};

	(void)state;
	assert_true(trace_write_verdict(&verdict, &out));
	assert_text(&out,
	            "X-Spam-Flag: YES\r\nX-Spam-Score: 12.345\r\n"
	            "X-Spam-Status: Yes, score=12.345 required=5.000\r\n\ttests=RULE_A,RULE_B\r\n"
	            "X-Postern-Id: 1-2-3\r\n");
	buf_clear(&out);
	verdict = (struct trace_verdict){
	    .score_milli = -7, .required_milli = INT32_MIN, .id = BYTES("1")};
	assert_true(trace_write_verdict(&verdict, &out));
	assert_text(&out,
	            "X-Spam-Flag: NO\r\nX-Spam-Score: -0.007\r\n"
	            "X-Spam-Status: No, score=-0.007 required=-2147483.648\r\n\ttests=none\r\n"
	            "X-Postern-Id: 1\r\n");
}

static void test_many_rules_fold_at_78(void **state)
{
	static struct trace_rule rules[300];
	static char names[300][80];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	for (int i = 0; i < 300; i++) {
		int len = snprintf(names[i], sizeof(names[i]), "RULE_%0*d", i % 70 + 1, i);
		rules[i].name = bytes_of(names[i], (size_t)len);
	}
	for (uint32_t count = 0; count <= 300; count++) {
		const struct trace_verdict verdict = {
		    .rules = rules, .rule_count = count, .id = BYTES("1")};
		buf_clear(&out);
		assert_true(trace_write_verdict(&verdict, &out));
		assert_well_formed(buf_bytes(&out), 78);
	}
}

static void test_absurd_names_stay_in_998(void **state)
{
	static uint8_t name[5000];
	struct buf out = buf_over(memory, sizeof(memory));

	(void)state;
	memset(name, '\n', sizeof(name));
	const struct trace_rule rule = {bytes_of(name, sizeof(name)), 0};
	const struct trace_verdict verdict = {.rules = &rule, .rule_count = 1, .id = rule.name};
	const struct trace_received received = {.helo = rule.name,
	                                        .client_address = rule.name,
	                                        .hostname = rule.name,
	                                        .id = rule.name,
	                                        .date = BYTES("now"),
	                                        .esmtp = true,
	                                        .tls_version = rule.name,
	                                        .tls_suite = rule.name};
	assert_true(trace_write_verdict(&verdict, &out));
	assert_true(trace_write_received(&received, &out));
	assert_well_formed(buf_bytes(&out), 998);
}

static void test_what_does_not_fit_leaves_nothing(void **state)
{
	const struct trace_verdict verdict = {.id = BYTES("1")};

	(void)state;
	for (size_t bytes_max = 0; bytes_max < 100; bytes_max++) {
		struct buf out = buf_over(memory, bytes_max);
		assert_false(trace_write_verdict(&verdict, &out));
		assert_int_equal(out.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_received),
	    cmocka_unit_test(test_received_inside_tls),
	    cmocka_unit_test(test_received_of_a_client_with_a_certificate),
	    cmocka_unit_test(test_received_from_hostile_client),
	    cmocka_unit_test(test_verdict),
	    cmocka_unit_test(test_many_rules_fold_at_78),
	    cmocka_unit_test(test_absurd_names_stay_in_998),
	    cmocka_unit_test(test_what_does_not_fit_leaves_nothing),
	};

	return cmocka_run_group_tests_name("trace_header", tests, NULL, NULL);
}
