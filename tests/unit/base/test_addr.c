/* test_addr.c - addresses, networks and endpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static void addresses_are_read_and_written_back(void **state)
{
	static const char *const texts[] = {
	    "192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::1", "fe80::1:2:3:4"};
	char out[ADDR_TEXT_MAX];
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(addr_parse(bytes_text(texts[i]), &addr), OK);
		assert_string_equal(addr_format(&addr, out), texts[i]);
	}
}

static void both_notations_of_an_ip4_address_are_the_same(void **state)
{
	struct addr a, b, c = addr_from_ip4(0xc0000201);

	(void)state;
	assert_int_equal(addr_parse(BYTES("192.0.2.1"), &a), OK);
	assert_int_equal(addr_parse(BYTES("::ffff:192.0.2.1"), &b), OK);
	assert_true(addr_equal(&a, &b) && addr_equal(&a, &c));
	assert_true(addr_is_ip4(&b));
	assert_int_equal(addr_ip4(&b), 0xc0000201);
}

static void unspecified_addresses_are_known(void **state)
{
	struct addr addr;

	(void)state;
	assert_int_equal(addr_parse(BYTES("::"), &addr), OK);
	assert_true(addr_is_unspecified(&addr));
	assert_int_equal(addr_parse(BYTES("0.0.0.0"), &addr), OK);
	assert_true(addr_is_unspecified(&addr));
	assert_int_equal(addr_parse(BYTES("::1"), &addr), OK);
	assert_false(addr_is_unspecified(&addr));
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {"",
	                                    "1.2.3",
	                                    "1.2.3.4.5",
	                                    "1.2.3.256",
	                                    "01.2.3.4",
	                                    "1.2.3.4 ",
	                                    " 1.2.3.4",
	                                    "0x1.2.3.4",
	                                    "1::2::3",
	                                    "::g",
	                                    "fe80::1%eth0",
	                                    "[::1]",
	                                    "mx.example",
	                                    "1111:2222:3333:4444:5555:6666:7777:8888:9999"};
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(addr_parse(bytes_text(texts[i]), &addr), ERR_ADDRESS);
	assert_int_equal(addr_parse(BYTES("1.2.3.4\0"), &addr), ERR_ADDRESS);
}

static void networks_are_read_strictly(void **state)
{
	struct prefix prefix;

	(void)state;
	assert_int_equal(prefix_parse(BYTES("192.0.2.0/24"), false, &prefix), OK);
	assert_int_equal(prefix.bits, 120);
	assert_int_equal(prefix_parse(BYTES("0.0.0.0/0"), false, &prefix), OK);
	assert_int_equal(prefix.bits, 96);
	assert_int_equal(prefix_parse(BYTES("2001:db8::/32"), false, &prefix), OK);
	assert_int_equal(prefix.bits, 32);
	assert_int_equal(prefix_parse(BYTES("192.0.2.1"), false, &prefix), OK);
	assert_int_equal(prefix.bits, 128);
	assert_int_equal(prefix_parse(BYTES("192.0.2.1/24"), true, &prefix), OK);
	assert_int_equal(prefix_parse(BYTES("192.0.2.1/24"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("2001:db8::1/127"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("192.0.2.0/33"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("2001:db8::/129"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("192.0.2.0/024"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("192.0.2.0/"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("/24"), false, &prefix), ERR_ADDRESS);
	assert_int_equal(prefix_parse(BYTES("192.0.2.0/24/24"), false, &prefix), ERR_ADDRESS);
}

static bool contains(const char *network, const char *text)
{
	struct prefix prefix;
	struct addr addr;

	assert_int_equal(prefix_parse(bytes_text(network), false, &prefix), OK);
	assert_int_equal(addr_parse(bytes_text(text), &addr), OK);
	return prefix_contains(&prefix, &addr);
}

static void a_network_contains_what_shares_its_bits(void **state)
{
	(void)state;
	assert_true(contains("192.0.2.0/24", "192.0.2.255"));
	assert_false(contains("192.0.2.0/24", "192.0.3.0"));
	assert_true(contains("192.0.2.128/25", "192.0.2.128"));
	assert_false(contains("192.0.2.128/25", "192.0.2.127"));
	assert_true(contains("192.0.2.1", "192.0.2.1"));
	assert_false(contains("192.0.2.1", "192.0.2.0"));
	assert_true(contains("0.0.0.0/0", "203.0.113.9"));
	assert_false(contains("0.0.0.0/0", "2001:db8::1"));
	assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(contains("::/0", "2001:db8::1"));
}

static void endpoints_have_brackets_around_ip6_addresses(void **state)
{
	struct endpoint endpoint = {.addr = addr_from_ip4(0xc0000201), .port = 25};
	char out[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_string_equal(endpoint_format(&endpoint, out), "192.0.2.1:25");
	assert_int_equal(addr_parse(BYTES("2001:db8::1"), &endpoint.addr), OK);
	endpoint.port = 65535;
	assert_string_equal(endpoint_format(&endpoint, out), "[2001:db8::1]:65535");
	memset(endpoint.addr.octet, 0xff, 16);
	assert_string_equal(endpoint_format(&endpoint, out),
	                    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_read_and_written_back),
	    cmocka_unit_test(both_notations_of_an_ip4_address_are_the_same),
	    cmocka_unit_test(unspecified_addresses_are_known),
	    cmocka_unit_test(what_is_no_address_is_refused),
	    cmocka_unit_test(networks_are_read_strictly),
	    cmocka_unit_test(a_network_contains_what_shares_its_bits),
	    cmocka_unit_test(endpoints_have_brackets_around_ip6_addresses),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
