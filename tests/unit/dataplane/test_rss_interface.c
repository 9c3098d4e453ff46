/* test_rss_interface.c - what is made of a kernel driver's answers about its hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "dataplane/rss.h"

#define TABLE 6

static struct driver {
	bool answers;
	uint8_t function;
	uint32_t table_count, key_bytes;
	uint64_t fields4, fields6;
} driver;

/* The real one takes its third argument so, too. */
int __wrap_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	struct ifreq *ifreq = argument;
	struct ethtool_rxfh *hash = (void *)ifreq->ifr_data;
	struct ethtool_rxnfc *fields = (void *)ifreq->ifr_data;

	(void)fd;
	assert_int_equal(request, SIOCETHTOOL);
	assert_string_equal(ifreq->ifr_name, "card0");
	if (!driver.answers)
		return -1;
	if (hash->cmd == ETHTOOL_GRXFH) {
		fields->data = fields->flow_type == TCP_V4_FLOW ? driver.fields4 : driver.fields6;
		return 0;
	}
	assert_int_equal(hash->cmd, ETHTOOL_GRSSH);
	hash->hfunc = driver.function;
	if (hash->indir_size == 0) {
		hash->indir_size = driver.table_count;
		hash->key_size = driver.key_bytes;
		return 0;
	}
	assert_int_equal(hash->indir_size, driver.table_count);
	for (uint32_t i = 0; i < driver.table_count; i++)
		hash->rss_config[i] = i % 3;
	for (uint32_t i = 0; i < driver.key_bytes; i++)
		((uint8_t *)(hash->rss_config + driver.table_count))[i] = (uint8_t)(i * 37 + 1);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	driver = (struct driver){true,
	                         1,
	                         TABLE,
	                         40,
	                         RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3,
	                         RXH_IP_SRC | RXH_IP_DST};
	return 0;
}

static void key_and_table_are_taken(void **state)
{
	static struct rss got, wanted;
	struct endpoint source = {addr_from_ip4(0x0a000063), 25},
	                ours = {addr_from_ip4(0x0a000001), 40000};
	struct addr six = {{0x20, 1}};
	uint8_t key[40];

	(void)state;
	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 37 + 1);
	rss_init(&wanted, key, sizeof(key), true, false);
	assert_int_equal(rss_of_interface("card0", &got), OK);
	assert_int_equal(got.table_count, TABLE);
	assert_true(rss_knows(&got, &source.addr));
	assert_false(rss_knows(&got, &six)); /* hashed without its ports */
	for (ours.port = 40000; ours.port < 40100; ours.port++) {
		assert_int_equal(rss_hash(&got, &source, &ours), rss_hash(&wanted, &source, &ours));
		assert_int_equal(rss_queue(&got, &source, &ours),
		                 rss_hash(&wanted, &source, &ours) % TABLE % 3);
	}
}

static void what_cannot_be_computed_is_not_known(void **state)
{
	static struct rss rss;

	(void)state;
	driver.function = 2; /* exclusive or */
	assert_int_equal(rss_of_interface("card0", &rss), ERR_NOT_FOUND);
	driver.function = 1;
	driver.table_count = RSS_TABLE_MAX + 1;
	assert_int_equal(rss_of_interface("card0", &rss), ERR_NOT_FOUND);
	driver.table_count = 0;
	assert_int_equal(rss_of_interface("card0", &rss), ERR_NOT_FOUND);
	driver.table_count = TABLE;
	driver.key_bytes = RSS_KEY_BYTES_MAX + 1;
	assert_int_equal(rss_of_interface("card0", &rss), ERR_NOT_FOUND);
	driver.answers = false;
	assert_int_equal(rss_of_interface("card0", &rss), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(key_and_table_are_taken, setup),
	    cmocka_unit_test_setup(what_cannot_be_computed_is_not_known, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
