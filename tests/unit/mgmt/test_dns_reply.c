/* test_dns_reply.c - replies of DNS servers, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/dns_reply.h"

#define HEADER(flags, answers, authorities) \
	"\x12\x34" flags "\0\1\0" answers "\0" authorities "\0\0"
#define OK_FLAGS   "\x81\x80"
#define NO_NAME    "\x81\x83"
#define REFUSED    "\x81\x85"
#define QUESTION_A "\1a\7example\0\0\1\0\1" /* the name begins at octet 12 */
#define NAME       "\xc0\x0c"

static struct dns_reply reply;

/* From a copy of just that size, so that sanitizers see what is read behind it. */
static void parse(const void *data, size_t len, uint16_t type)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	dns_reply_parse(bytes_of(copy, len), type, &reply);
	free(copy);
}

#define PARSE(packet, type) parse(packet, sizeof(packet) - 1, type)

static void addresses_are_read(void **state)
{
	(void)state;
	PARSE(HEADER(OK_FLAGS, "\2", "\0") QUESTION_A NAME "\0\1\0\1\0\0\1\0\0\4\x7f\0\0\2" NAME
	                                                   "\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\4",
	      DNS_TYPE_A);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.address_count, 2);
	assert_int_equal(addr_ip4(&reply.address[0]), 0x7f000002);
	assert_int_equal(addr_ip4(&reply.address[1]), 0x7f000004);
	assert_int_equal(reply.ttl_s, 60);
}

static void texts_are_read(void **state)
{
	(void)state;
	PARSE(HEADER(OK_FLAGS, "\2", "\0") QUESTION_A NAME "\0\x10\0\1\0\0\0\x3c\0\7\2ab\3c\0d" NAME
	                                                   "\0\x10\0\1\0\0\0\x3c\0\2\1x",
	      DNS_TYPE_TXT);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.text_len, 8);
	assert_memory_equal(reply.text,
	                    "abc\x1a"
	                    "d\0x\0",
	                    8);
}

static void names_of_servers_are_read(void **state)
{
	(void)state;
	PARSE(HEADER(OK_FLAGS, "\2", "\0") QUESTION_A NAME "\0\2\0\1\0\0\0\x3c\0\6\3NS1" NAME NAME
	                                                   "\0\2\0\1\0\0\0\x3c\0\3\1/\0",
	      DNS_TYPE_NS);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.name_count, 1);
	assert_string_equal(reply.name[0], "ns1.a.example");
}

static void aliases_are_passed_over(void **state)
{
	(void)state;
	PARSE(HEADER(OK_FLAGS, "\2", "\0") QUESTION_A NAME "\0\5\0\1\0\0\0\1\0\2" NAME
	                                                   "\1b\0\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2",
	      DNS_TYPE_A);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.address_count, 1);
	assert_int_equal(reply.ttl_s, 60);
}

static void absence_is_remembered_as_the_zone_says(void **state)
{
	(void)state;
	PARSE(HEADER(NO_NAME, "\0", "\1") QUESTION_A NAME
	      "\0\6\0\1\0\0\1\0\0\x16\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x1e",
	      DNS_TYPE_A);
	assert_int_equal(reply.result, ANSWER_NONE);
	assert_int_equal(reply.code, 3);
	assert_int_equal(reply.ttl_s, 30);
	assert_string_equal(reply.authority, "");
	PARSE(HEADER(NO_NAME, "\0", "\1") QUESTION_A NAME
	      "\0\6\0\1\0\0\1\0\0\x1a\2NS" NAME "\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x1e",
	      DNS_TYPE_A);
	assert_string_equal(reply.authority, "ns.a.example");
	assert_int_equal(reply.ttl_s, 30);
	/* Its name goes beyond the packet. */
	PARSE(HEADER(NO_NAME, "\0", "\1") QUESTION_A NAME "\0\6\0\1\0\0\1\0\0\4\x3fNS\x1e",
	      DNS_TYPE_A);
	assert_string_equal(reply.authority, "");
	PARSE(HEADER(OK_FLAGS, "\0", "\0") QUESTION_A, DNS_TYPE_A);
	assert_int_equal(reply.result, ANSWER_NONE);
	assert_int_equal(reply.code, 0);
	assert_int_equal(reply.ttl_s, 60);
}

static void refusals_are_failures(void **state)
{
	(void)state;
	PARSE(HEADER(REFUSED, "\0", "\0") QUESTION_A, DNS_TYPE_A);
	assert_int_equal(reply.result, ANSWER_FAILED);
}

static void cut_packets_are_failures(void **state)
{
	static const char whole[] = HEADER(OK_FLAGS, "\1", "\0") QUESTION_A NAME
	    "\0\1\0\1\0\0\1\0\0\4\x7f\0\0\2";

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		parse(whole, len, DNS_TYPE_A);
		assert_int_equal(reply.result, ANSWER_FAILED);
	}
	parse(whole, sizeof(whole) - 1, DNS_TYPE_A);
	assert_int_equal(reply.result, ANSWER_FOUND);
}

static void names_that_go_round_end(void **state)
{
	(void)state;
	PARSE(HEADER(OK_FLAGS, "\1", "\0") QUESTION_A "\xc0\x19\0\1\0\1\0\0\1\0\0\4\x7f\0\0\2",
	      DNS_TYPE_A); /* points at itself; it is not looked behind */
	PARSE(HEADER(OK_FLAGS, "\1", "\0") QUESTION_A NAME "\0\2\0\1\0\0\0\x3c\0\4\1b\xc0\x25",
	      DNS_TYPE_NS);
	assert_int_equal(reply.name_count, 0);
}

static void addresses_of_ip6_are_read(void **state)
{
	struct addr wanted;

	(void)state;
	PARSE(HEADER(OK_FLAGS, "\2", "\0") QUESTION_A NAME
	      "\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7" NAME
	      "\0\x1c\0\1\0\0\0\x3c\0\4\x7f\0\0\2",
	      DNS_TYPE_AAAA);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.address_count, 1);
	assert_int_equal(addr_parse(BYTES("2001:db8::7"), &wanted), OK);
	assert_true(addr_equal(&reply.address[0], &wanted));
}

static void names_of_mail_servers_and_clients_are_read(void **state)
{
	(void)state;
	PARSE(HEADER(OK_FLAGS, "\2", "\0") QUESTION_A NAME
	      "\0\x0f\0\1\0\0\0\x3c\0\x07\0\x0a\2MX" NAME NAME "\0\x0f\0\1\0\0\0\x3c\0\3\0\0\0",
	      DNS_TYPE_MX);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.name_count, 1); /* "." says that there is none (RFC 7505) */
	assert_string_equal(reply.name[0], "mx.a.example");
	PARSE(HEADER(OK_FLAGS, "\1", "\0") QUESTION_A NAME "\0\x0c\0\1\0\0\0\x3c\0\5\2h:" NAME,
	      DNS_TYPE_PTR);
	assert_int_equal(reply.name_count, 1);
	assert_string_equal(reply.name[0], "h:.a.example");
	PARSE(HEADER(OK_FLAGS, "\1", "\0") QUESTION_A NAME "\0\x0c\0\1\0\0\0\x3c\0\5\2h\n" NAME,
	      DNS_TYPE_PTR);
	assert_int_equal(reply.name_count, 0);
}

static void texts_are_taken_one_by_one(void **state)
{
	struct bytes rest, text;

	(void)state;
	PARSE(HEADER(OK_FLAGS, "\3", "\0") QUESTION_A NAME "\0\x10\0\1\0\0\0\x3c\0\4\3a\0b" NAME
	                                                   "\0\x10\0\1\0\0\0\x3c\0\0" NAME
	                                                   "\0\x10\0\1\0\0\0\x3c\0\2\1c",
	      DNS_TYPE_TXT);
	rest = bytes_of(reply.text, reply.text_len);
	assert_true(dns_reply_next_text(&rest, &text));
	assert_true(bytes_equal(text, BYTES("a\x1a"
	                                    "b"))); /* a NUL would end it */
	assert_true(dns_reply_next_text(&rest, &text));
	assert_int_equal(text.len, 0);
	assert_true(dns_reply_next_text(&rest, &text));
	assert_true(bytes_equal(text, BYTES("c")));
	assert_false(dns_reply_next_text(&rest, &text));
}

static void more_than_fits_is_left_out(void **state)
{
	static uint8_t packet[65535];
	const size_t head = sizeof(HEADER(OK_FLAGS, "\0", "\0") QUESTION_A) - 1;
	size_t at = head;

	(void)state;
	memcpy(packet, HEADER(OK_FLAGS, "\x64", "\0") QUESTION_A, at);
	for (int i = 0; i < 100; i++, at += 16)
		memcpy(packet + at, NAME "\0\1\0\1\0\0\1\0\0\4\x7f\0\0\2", 16);
	parse(packet, at, DNS_TYPE_A);
	assert_int_equal(reply.address_count, DNS_ADDRESSES_MAX);
	at = head;
	memcpy(packet, HEADER(OK_FLAGS, "\x1e", "\0") QUESTION_A, at);
	for (int i = 0; i < 30; i++, at += 17)
		memcpy(packet + at, NAME "\0\2\0\1\0\0\1\0\0\5\2ns\xc0\x0c", 17);
	parse(packet, at, DNS_TYPE_NS);
	assert_int_equal(reply.name_count, DNS_NAMES_MAX);
	/* No text of a packet is ever left out. */
	at = head;
	memcpy(packet, HEADER(OK_FLAGS, "\xf0", "\0") QUESTION_A, at);
	for (int i = 0; i < 240; i++, at += 263) {
		memcpy(packet + at, NAME "\0\x10\0\1\0\0\1\0\0\xfb\xfa", 13);
		memset(packet + at + 13, 'a', 250);
	}
	parse(packet, at, DNS_TYPE_TXT);
	assert_int_equal(reply.result, ANSWER_FOUND);
	assert_int_equal(reply.text_len, 240 * 251);
}

static struct dns_records records;

static void records_are(const char *texts, size_t len)
{
	assert_int_equal(records.text_len, len);
	assert_memory_equal(records.text, texts, len);
}

#define RECORDS_ARE(texts) records_are(texts, sizeof(texts))

#define RECORDS(packet) dns_reply_records(bytes_of(packet, sizeof(packet) - 1), &records)
#define RECORD(type)    NAME "\0" type "\0\1\0\0\0\x3c\0"

/* As Net::DNS writes them. */
static void records_are_written_as_texts(void **state)
{
	(void)state;
	RECORDS(HEADER(OK_FLAGS, "\5", "\0") QUESTION_A RECORD("\1") "\4\x7f\0\0\2" RECORD(
	    "\x1c") "\x10\x20\1\xd\xb8\0\0\0\1\0\0\0\0\0\0\0"
	            "\1" RECORD("\xf") "\6\0\x0a\1"
	                               "B" NAME RECORD("\x10") "\6\2ab\2"
	                                                       "cd" RECORD("\x0d") "\2\1"
	                                                                           "x");
	assert_int_equal(records.count, 5);
	assert_int_equal(records.ttl_s, 60);
	RECORDS_ARE("a 127.0.0.2\0aaaa 2001:db8:0:1::1\0mx 10 B.a.example.\0txt abcd\0? ");
	RECORDS(
	    HEADER(OK_FLAGS, "\3", "\0")
	        QUESTION_A RECORD("\x1c") "\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1" RECORD(
	            "\x1c") "\x10\0\1\0\0\0\0\0\2\0\0\0\0\0\0\0\0" RECORD("\5") "\7\4. x\"\0\0");
	RECORDS_ARE("aaaa ::ffff:c000:201\0aaaa 1:0:0:2::\0cname \\.\\032x\\\".");
	RECORDS(HEADER(OK_FLAGS, "\1", "\0") QUESTION_A RECORD(
	    "\6") "\x1a\2ns" NAME "\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5");
	RECORDS_ARE("soa ns.a.example. .\n\t\t\t\t1\t\t;serial\n\t\t\t\t2\t\t;refresh\n"
	            "\t\t\t\t3\t\t;retry\n\t\t\t\t4\t\t;expire\n\t\t\t\t5\t\t;minimum");
}

static void records_that_do_not_fit_are_left_out(void **state)
{
	uint8_t packet[4096];
	size_t len = sizeof(HEADER(OK_FLAGS, "\3", "\0") QUESTION_A) - 1;

	(void)state;
	memset(packet, 0, sizeof(packet));
	memcpy(packet, HEADER(OK_FLAGS, "\3", "\0") QUESTION_A, len);
	for (int i = 0; i < 3; i++) {
		memcpy(packet + len, NAME "\0\x10\0\1\0\0\0\x3c\1\0\xff", 13);
		memset(packet + len + 13, 'a' + i, 255);
		len += 268;
	}
	dns_reply_records(bytes_of(packet, len), &records);
	assert_int_equal(records.count, 2);
	assert_int_equal(records.text_len, ANSWER_TEXT_BYTES);
	assert_int_equal(records.text[ANSWER_TEXT_BYTES - 1], '\0');
	assert_int_equal(records.text[ANSWER_TEXT_BYTES - 2], 'b');
	/* A record that goes beyond the packet, a name beyond its record, an address too short. */
	dns_reply_records(bytes_of(packet, len - 268 - 1), &records);
	assert_int_equal(records.count, 1);
	RECORDS(HEADER(OK_FLAGS, "\2", "\0")
	            QUESTION_A RECORD("\1") "\3\x7f\0\0" RECORD("\5") "\2\x3fx");
	assert_int_equal(records.count, 0);
	assert_int_equal(records.text_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_read),
	    cmocka_unit_test(texts_are_read),
	    cmocka_unit_test(names_of_servers_are_read),
	    cmocka_unit_test(aliases_are_passed_over),
	    cmocka_unit_test(absence_is_remembered_as_the_zone_says),
	    cmocka_unit_test(refusals_are_failures),
	    cmocka_unit_test(cut_packets_are_failures),
	    cmocka_unit_test(names_that_go_round_end),
	    cmocka_unit_test(addresses_of_ip6_are_read),
	    cmocka_unit_test(names_of_mail_servers_and_clients_are_read),
	    cmocka_unit_test(texts_are_taken_one_by_one),
	    cmocka_unit_test(more_than_fits_is_left_out),
	    cmocka_unit_test(records_are_written_as_texts),
	    cmocka_unit_test(records_that_do_not_fit_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
