/* test_port_dpdk.c - what DPDK's devices say of themselves; without root and huge pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/eal.h"
#include "dataplane/port_dpdk.h"

#define WORKERS 2

static struct config config;
static struct arena arena;
static struct pkt_pool *pools[WORKERS];

/* The EAL starts once a process: all ports of all cases are there from the start. */
static int setup(void **state)
{
	char reason[PORT_REASON_BYTES];

	(void)state;
	config_defaults(&config);
	config.workers = WORKERS;
	config.hugepages = false;
	config.packets = 1024;
	config.port_count = 2;
	strcpy(config.port[0].name, "null");
	strcpy(config.port[0].vdev, "net_null0");
	strcpy(config.port[1].name, "ring");
	strcpy(config.port[1].driver, "ring");
	for (int i = 0; i < 2; i++) {
		config.port[i].mtu = 1500;
		config.port[i].queues = WORKERS;
	}
	if (arena_init(&arena, (size_t)4 << 20, false) != OK || eal_start(&config, reason) != OK)
		return 1;
	for (uint32_t w = 0; w < WORKERS; w++) {
		pools[w] = eal_pool_new(&config, w);
		if (pools[w] == NULL)
			return 1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	eal_stop();
	arena_free(&arena);
	return 0;
}

static void table_and_key_of_a_device_are_read(void **state)
{
	static struct rss rss;
	struct port *ports[WORKERS];
	char reason[PORT_REASON_BYTES];

	(void)state;
	assert_int_equal(port_dpdk_open(&arena, &config, 0, pools, ports, reason), OK);
	assert_int_equal(port_dpdk_rss(ports[0], &rss), OK);
	assert_int_equal(rss.table_count, 128);
	for (uint32_t i = 0; i < rss.table_count; i++)
		assert_true(rss.table[i] < WORKERS);
}

static void a_ring_carries_frames_and_has_an_address(void **state)
{
	static const uint8_t none[6];
	static struct rss rss;
	struct port *ports[WORKERS];
	struct pkt *pkt, *got[4];
	char reason[PORT_REASON_BYTES];

	(void)state;
	assert_int_equal(port_dpdk_open(&arena, &config, 1, pools, ports, reason), OK);
	assert_int_equal(port_dpdk_rss(ports[0], &rss), ERR_NOT_FOUND);
	assert_int_not_equal(memcmp(ports[0]->mac, none, 6), 0);
	assert_int_equal(ports[0]->mac[0] & 3, 2); /* locally administered, of one */
	assert_memory_equal(ports[0]->mac, ports[1]->mac, 6);
	uint32_t before = pools[0]->free_count;

	pkt = pkt_get(pools[0]);
	assert_non_null(pkt);
	memset(pkt->data, 7, 100);
	pkt->len = 100;
	assert_int_equal(ports[0]->ops->tx_burst(ports[0], 0, &pkt, 1), 1);
	assert_int_equal(ports[0]->ops->rx_burst(ports[0], 0, got, 4), 1);
	assert_int_equal(got[0]->len, 100);
	assert_int_equal(got[0]->data[99], 7);
	assert_int_equal(pools[0]->free_count, before - 1);
	pkt_put(got[0]);
	assert_int_equal(pools[0]->free_count, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_and_key_of_a_device_are_read),
	    cmocka_unit_test(a_ring_carries_frames_and_has_an_address),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
