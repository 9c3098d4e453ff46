/* test_relay_trust.c - networks as rule files write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/relay_trust.h"

static struct relay_networks set;

static bool holds(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(bytes_text(text), &addr), OK);
	return relay_networks_contain(&set, &addr);
}

static void networks_are_read(void **state)
{
	static const struct {
		const char *text, *inside, *outside;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
	    {"192.0.2.", "192.0.2.255", "192.0.3.0"},
	    {"10.1", "10.1.9.9", "10.2.0.0"},
	    {"10/8", "10.255.0.1", "11.0.0.0"},
	    {"198.51.100.77/28", "198.51.100.64", "198.51.100.80"},
	    {"[2001:db8::]/32", "2001:db8:ffff::1", "2001:db9::"},
	    {"fe80::1%eth0", "fe80::1", "fe80::2"},
	    {"::/0", "2001:db8::1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set.count = 0;
		assert_int_equal(relay_networks_add(&set, bytes_text(cases[i].text)), OK);
		assert_true(holds(cases[i].inside));
		if (cases[i].outside != NULL)
			assert_false(holds(cases[i].outside));
	}
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const bad[] = {"",           "!",      "mail.example", "256.1.1.1",
	                                  "1.2.3.4.5",  "10/33",  "10/",          "2001:db8::/129",
	                                  "10.0.0.0-9", "1..2.3", "1.2.3.4.",     "[10.0.0.1",
	                                  ".",          "10/8/8"};

	(void)state;
	set.count = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(relay_networks_add(&set, bytes_text(bad[i])), ERR_ADDRESS);
	assert_int_equal(set.count, 0);
	for (uint32_t i = 0; i < RELAY_NETWORKS_MAX; i++)
		assert_int_equal(relay_networks_add(&set, BYTES("10.0.0.1")), OK);
	assert_int_equal(relay_networks_add(&set, BYTES("10.0.0.1")), ERR_FULL);
}

static void the_first_that_fits_decides(void **state)
{
	(void)state;
	set.count = 0;
	assert_false(holds("10.0.0.1"));
	assert_int_equal(relay_networks_add(&set, BYTES("!10.0.0.5")), OK);
	assert_int_equal(relay_networks_add(&set, BYTES("10.0.0.0/24")), OK);
	assert_int_equal(relay_networks_add(&set, BYTES("!10.0.0.6")), OK);
	assert_false(holds("10.0.0.5"));
	assert_true(holds("10.0.0.6"));
	assert_false(holds("10.0.1.6"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(networks_are_read),
	    cmocka_unit_test(what_is_no_network_is_refused),
	    cmocka_unit_test(the_first_that_fits_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
