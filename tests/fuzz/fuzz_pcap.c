/* fuzz_pcap.c - any octets as a capture file: it is refused, or frames come out that fit. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "dataplane/port_pcap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	char reason[PORT_REASON_BYTES];
	struct pkt *pkts[BURST_PKTS_MAX];
	struct arena arena;
	struct port *port;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	ASSERT(fd >= 0);
	ASSERT(write(fd, data, size) == (ssize_t)size);
	config_defaults(&config);
	config.port_count = 1;
	config.port[0].mtu = 1500;
	snprintf(config.port[0].name, sizeof(config.port[0].name), "fuzz");
	snprintf(config.port[0].interface, sizeof(config.port[0].interface), "/proc/self/fd/%d",
	         fd);
	ASSERT(arena_init(&arena, 1 << 20, false) == OK);
	struct pkt_pool *pool = pkt_pool_memory(&arena, 2 * BURST_PKTS_MAX);
	ASSERT(pool != NULL);
	enum err err = port_pcap_open(&arena, &config, 0, &pool, &port, reason);
	for (int burst = 0; err == OK && burst < 16; burst++) {
		size_t count = port->ops->rx_burst(port, 0, pkts, BURST_PKTS_MAX);
		for (size_t i = 0; i < count; i++) {
			ASSERT(pkts[i]->len <= PKT_DATA_BYTES - PKT_HEADROOM_BYTES);
			pkt_put(pkts[i]);
		}
	}
	if (err == OK)
		port->ops->close(port);
	ASSERT(pool->free_count == pool->pkt_count);
	close(fd);
	arena_free(&arena);
	return 0;
}
