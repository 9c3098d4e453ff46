/* rss_interface.c - key, table and hashed fields of a Linux interface, asked of its driver by
 * ethtool's ioctl. */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/rss.h"

#define HASH_TOEPLITZ 1 /* ETH_RSS_HASH_TOP, which the kernel keeps to itself */
#define WITH_PORTS    (RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* The kernel's head with room for the most that may lie behind it. */
union hash_request {
	struct ethtool_rxfh head;
	uint8_t room[sizeof(struct ethtool_rxfh) + RSS_TABLE_MAX * sizeof(uint32_t) +
	             RSS_KEY_BYTES_MAX];
};

static bool ask(int fd, const char *interface, void *request)
{
	struct ifreq ifreq = {.ifr_data = request};

	snprintf(ifreq.ifr_name, sizeof(ifreq.ifr_name), "%.15s", interface);
	return ioctl(fd, SIOCETHTOOL, &ifreq) == 0;
}

static bool hashes_ports(int fd, const char *interface, uint32_t flow)
{
	struct ethtool_rxnfc request = {.cmd = ETHTOOL_GRXFH, .flow_type = flow};

	return ask(fd, interface, &request) && request.data == WITH_PORTS;
}

static enum err read_all(int fd, const char *interface, struct rss *out_rss)
{
	static union hash_request request; /* the main thread's, at start */
	uint32_t indices, key_bytes;
	const uint32_t *table = request.head.rss_config;

	memset(&request, 0, sizeof(request));
	request.head.cmd = ETHTOOL_GRSSH;
	if (!ask(fd, interface, &request)) /* the sizes */
		return ERR_NOT_FOUND;
	indices = request.head.indir_size;
	key_bytes = request.head.key_size;
	if (indices == 0 || indices > RSS_TABLE_MAX || key_bytes == 0 ||
	    key_bytes > RSS_KEY_BYTES_MAX)
		return ERR_NOT_FOUND;
	if (!ask(fd, interface, &request) || request.head.hfunc != HASH_TOEPLITZ)
		return ERR_NOT_FOUND;
	rss_init(out_rss, (const uint8_t *)(table + indices), key_bytes,
	         hashes_ports(fd, interface, TCP_V4_FLOW),
	         hashes_ports(fd, interface, TCP_V6_FLOW));
	for (uint32_t i = 0; i < indices; i++)
		out_rss->table[i] = (uint16_t)table[i];
	out_rss->table_count = indices;
	return OK;
}

enum err rss_of_interface(const char *interface, struct rss *out_rss)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	enum err err;

	if (fd < 0)
		return ERR_NOT_FOUND;
	err = read_all(fd, interface, out_rss);
	close(fd);
	return err;
}
