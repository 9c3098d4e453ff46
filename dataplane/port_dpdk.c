/* port_dpdk.c - ports on any DPDK device, and packets that are mbufs.
 *
 * struct pkt lies in the mbuf's private area, right behind struct rte_mbuf: going from one to the
 * other is an addition, and no octet of a frame is ever copied. While a frame is the core's, struct
 * pkt tells the truth about data and length; data_off and data_len of the mbuf are set when it goes
 * to the device.
 *
 * What the device refuses stays in a bounded queue in the order of sending. AF_XDP has no receive
 * interrupt in DPDK; its socket's own descriptor polls, and is found as the one that
 * rte_eth_rx_queue_setup() opened.
 */
#include "dataplane/port_dpdk.h"

#include <dirent.h>
#include <linux/if_xdp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/random.h"
#include "dataplane/eal.h"

#define TX_QUEUE_PKTS       1024 /* a power of two */
#define RX_RESERVE_PKTS     64 /* the core cannot take the last ones: acknowledgements must get in */
#define QUEUES_PER_PORT_MAX EAL_PORT_QUEUES_MAX
#define DESCRIPTORS         2048 /* some milliseconds of a flood, which others may have the core for */
#define KEY_BYTES_USUAL     40 /* of a device that does not tell its key's length */
#define FDS_MAX             4096
#define LINK_BYTES_MAX      18  /* Ethernet and one VLAN tag */
#define MTU_MIN             576 /* RFC 791: what every host takes */

static_assert((TX_QUEUE_PKTS & (TX_QUEUE_PKTS - 1)) == 0, "indices wrap by masking");
static_assert(sizeof(struct pkt) <= 64, "the private area is one cache line");
static_assert(PKT_HEADROOM_BYTES == RTE_PKTMBUF_HEADROOM,
              "devices receive behind the same headroom");

struct dpdk_pool {
	struct pkt_pool base;
	struct rte_mempool *mempool;
};

struct dpdk_queue {
	uint16_t device, queue;
	int fd; /* polls readable, -1: none */
};

struct port_dpdk {
	struct port base;
	struct dpdk_pool *pool;
	uint32_t queue_count, queue_next; /* who is asked first, in turn */
	struct dpdk_queue queue[QUEUES_PER_PORT_MAX];
	int sleep_fd;
	bool one_queue_devices;
	struct port_stats stats;
	uint32_t tx_head;
	struct rte_mbuf *tx[TX_QUEUE_PKTS];
};

static inline struct pkt *pkt_of(struct rte_mbuf *mbuf)
{
	return (struct pkt *)(mbuf + 1);
}

static inline struct rte_mbuf *mbuf_of(struct pkt *pkt)
{
	return (struct rte_mbuf *)pkt - 1;
}

static struct pkt *pool_get_pkt(struct pkt_pool *base)
{
	struct dpdk_pool *pool = (struct dpdk_pool *)base;
	struct rte_mbuf *mbuf;
	struct pkt *pkt;

	if (base->free_count <= RX_RESERVE_PKTS)
		return NULL;
	mbuf = rte_pktmbuf_alloc(pool->mempool);
	if (mbuf == NULL)
		return NULL;
	base->free_count--;
	pkt = pkt_of(mbuf);
	pkt->next = NULL;
	pkt->data = pkt->buffer + PKT_HEADROOM_BYTES;
	pkt->len = 0;
	pkt->port = 0;
	pkt->flags = 0;
	return pkt;
}

static void pool_put_pkt(struct pkt_pool *base, struct pkt *pkt)
{
	rte_pktmbuf_free(mbuf_of(pkt));
	base->free_count++;
	DEBUG_ASSERT(base->free_count <= base->pkt_count);
}

static void pkt_init(struct rte_mempool *mempool, void *context, void *object, unsigned index)
{
	struct rte_mbuf *mbuf = object;
	struct pkt *pkt = pkt_of(mbuf);

	(void)mempool;
	(void)index;
	memset(pkt, 0, sizeof(*pkt));
	pkt->pool = context;
	pkt->buffer = mbuf->buf_addr;
	pkt->buffer_bytes = mbuf->buf_len;
}

struct pkt_pool *port_dpdk_pool_new(uint32_t worker, uint32_t pkt_count, uint32_t ring_count,
                                    uint32_t cache_count)
{
	static struct dpdk_pool pools[WORKERS_MAX];
	struct dpdk_pool *pool = &pools[worker];
	char name[32];

	ASSERT(worker < WORKERS_MAX && pool->mempool == NULL);
	ASSERT(pkt_count > RX_RESERVE_PKTS);
	snprintf(name, sizeof(name), "worker%u", worker);
	pool->mempool = rte_pktmbuf_pool_create(name, pkt_count + ring_count, cache_count, 64,
	                                        PKT_DATA_BYTES, (int)rte_socket_id());
	if (pool->mempool == NULL)
		return NULL;
	pool->base = (struct pkt_pool){.get = pool_get_pkt,
	                               .put = pool_put_pkt,
	                               .pkt_count = pkt_count,
	                               .free_count = pkt_count};
	rte_mempool_obj_iter(pool->mempool, pkt_init, &pool->base);
	return &pool->base;
}

/* Frames that are now the core's; returns how many. A frame that fills more than one buffer is no
 * packet of ours: it is longer than any MTU we announce. */
static size_t rx_take(struct port_dpdk *port, struct rte_mbuf **mbufs, size_t count,
                      struct pkt **out_pkts)
{
	size_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = mbufs[i];
		struct pkt *pkt = pkt_of(mbuf);

		if (COUNT_IF(mbuf->nb_segs != 1 || mbuf->pkt_len != mbuf->data_len,
		             port->stats.rx_oversized)) {
			rte_pktmbuf_free(mbuf);
			continue;
		}
		pkt->next = NULL;
		pkt->data = rte_pktmbuf_mtod(mbuf, uint8_t *);
		pkt->len = mbuf->data_len;
		pkt->port = port->base.index;
		pkt->flags = 0;
		port->stats.rx_bytes += mbuf->data_len;
		__builtin_prefetch(pkt->data);
		out_pkts[taken++] = pkt;
	}
	port->pool->base.free_count -= (uint32_t)taken;
	port->stats.rx_pkts += taken;
	return taken;
}

static size_t dpdk_rx_burst(struct port *base, uint64_t now_us, struct pkt **out_pkts, size_t max)
{
	struct port_dpdk *port = (struct port_dpdk *)base;
	struct rte_mbuf *mbufs[BURST_PKTS_MAX];
	size_t count = 0;

	(void)now_us;
	if (max > BURST_PKTS_MAX)
		max = BURST_PKTS_MAX;
	if (COUNT_IF(port->pool->base.free_count < max, port->stats.rx_no_buffer))
		return 0;
	for (uint32_t i = 0; i < port->queue_count && count < max; i++) {
		struct dpdk_queue *queue = &port->queue[port->queue_next];

		count += rte_eth_rx_burst(queue->device, queue->queue, mbufs + count,
		                          (uint16_t)(max - count));
		if (++port->queue_next == port->queue_count)
			port->queue_next = 0;
	}
	return rx_take(port, mbufs, count, out_pkts);
}

/* Hands to the device what waits, in order, until it takes no more. */
static void tx_push(struct port_dpdk *port)
{
	while (port->base.tx_queued > 0) {
		uint32_t run = TX_QUEUE_PKTS - port->tx_head;
		uint16_t taken;

		if (run > port->base.tx_queued)
			run = port->base.tx_queued;
		taken = rte_eth_tx_burst(port->queue[0].device, port->queue[0].queue,
		                         &port->tx[port->tx_head], (uint16_t)run);
		port->tx_head = (port->tx_head + taken) & (TX_QUEUE_PKTS - 1);
		port->base.tx_queued -= taken;
		port->pool->base.free_count += taken;
		port->stats.tx_pkts += taken;
		if (taken < run)
			return;
	}
}

static size_t dpdk_tx_burst(struct port *base, uint64_t now_us, struct pkt **pkts, size_t count)
{
	struct port_dpdk *port = (struct port_dpdk *)base;
	size_t taken = 0;

	(void)now_us;
	if (base->tx_queued + count > TX_QUEUE_PKTS)
		tx_push(port);
	for (; taken < count && base->tx_queued < TX_QUEUE_PKTS; taken++) {
		struct pkt *pkt = pkts[taken];
		struct rte_mbuf *mbuf = mbuf_of(pkt);

		mbuf->data_off = (uint16_t)(pkt->data - pkt->buffer);
		mbuf->data_len = pkt->len;
		mbuf->pkt_len = pkt->len;
		port->stats.tx_bytes += pkt->len;
		port->tx[(port->tx_head + base->tx_queued) & (TX_QUEUE_PKTS - 1)] = mbuf;
		base->tx_queued++;
	}
	tx_push(port);
	return taken;
}

static int dpdk_sleep_fd(struct port *base)
{
	return ((struct port_dpdk *)base)->sleep_fd;
}

/* What an AF_XDP socket dropped because its ring was full, which the driver does not count. 0 for
 * other devices. */
static uint64_t xdp_ring_full(int fd)
{
	struct xdp_statistics stats = {0};
	socklen_t bytes = sizeof(stats);

	if (fd < 0 || getsockopt(fd, SOL_XDP, XDP_STATISTICS, &stats, &bytes) != 0)
		return 0;
	return stats.rx_ring_full;
}

static void dpdk_stats(struct port *base, struct port_stats *out_stats)
{
	struct port_dpdk *port = (struct port_dpdk *)base;

	*out_stats = port->stats;
	for (uint32_t i = 0; i < port->queue_count; i++) {
		struct rte_eth_stats stats;

		/* Devices shared with other workers count for all: theirs are worker 0's to tell.
		 */
		if (port->queue[i].queue != 0 ||
		    rte_eth_stats_get(port->queue[i].device, &stats) != 0)
			continue;
		out_stats->rx_missed += stats.imissed + xdp_ring_full(port->queue[i].fd);
		out_stats->rx_no_buffer += stats.rx_nombuf;
		out_stats->tx_failed += stats.oerrors;
	}
}

static void dpdk_close(struct port *base)
{
	struct port_dpdk *port = (struct port_dpdk *)base;

	for (uint32_t i = 0; i < port->queue_count; i++)
		if (port->queue[i].queue == 0) {
			(void)rte_eth_dev_stop(port->queue[i].device);
			(void)rte_eth_dev_close(port->queue[i].device);
		}
}

static const struct port_ops dpdk_ops = {
    .rx_burst = dpdk_rx_burst,
    .tx_burst = dpdk_tx_burst,
    .sleep_fd = dpdk_sleep_fd,
    .stats = dpdk_stats,
    .close = dpdk_close,
};

/* A descriptor that becomes readable when frames arrive: an AF_XDP socket, or the queue of a tap.
 */
static bool is_sleepable(int fd)
{
	char link[64], target[64];
	int domain;
	socklen_t len = sizeof(domain);
	ssize_t n;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0)
		return domain == AF_XDP;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, "/dev/net/tun") == 0;
}

/* Marks the sleepable descriptors there are now. */
static void fds_mark(bool marks[FDS_MAX])
{
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/fd");

	memset(marks, 0, FDS_MAX * sizeof(marks[0]));
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		unsigned long fd = strtoul(entry->d_name, NULL, 10);

		if (fd > 0 && fd < FDS_MAX)
			marks[fd] = is_sleepable((int)fd);
	}
	closedir(dir);
}

/* Sets up one receive queue; its descriptor is the sleepable one that was not there before, or -1.
 */
static int rx_queue_setup(uint16_t device, uint16_t queue, uint16_t descriptors,
                          struct dpdk_pool *pool, int *out_fd)
{
	static bool before[FDS_MAX], after[FDS_MAX]; /* the main thread's, at start */
	int result;

	*out_fd = -1;
	fds_mark(before);
	result = rte_eth_rx_queue_setup(device, queue, descriptors,
	                                (unsigned)rte_eth_dev_socket_id(device), NULL,
	                                pool->mempool);
	fds_mark(after);
	for (int fd = 0; fd < FDS_MAX && result == 0; fd++)
		if (after[fd] && !before[fd])
			*out_fd = fd;
	return result;
}

/* Several queues poll as one. */
static int sleep_fd_make(const struct port_dpdk *port)
{
	int epoll;

	for (uint32_t i = 0; i < port->queue_count; i++)
		if (port->queue[i].fd < 0)
			return -1;
	if (port->queue_count == 1)
		return port->queue[0].fd;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; epoll >= 0 && i < port->queue_count; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, port->queue[i].fd, &event) != 0) {
			close(epoll);
			return -1;
		}
	}
	return epoll;
}

/* What all queues of one opening share. */
struct opening {
	const struct config *config;
	uint32_t index;
	struct pkt_pool *const *pools;
	struct port **ports;
	char *reason;
};

static enum err open_failed(const struct opening *opening, const char *device, const char *what,
                            int result)
{
	snprintf(opening->reason, PORT_REASON_BYTES, "port %s: device %.40s: %s: %s",
	         opening->config->port[opening->index].name, device, what, strerror(-result));
	return ERR_SYSTEM;
}

static int device_configure(uint16_t device, uint16_t queues, uint16_t *out_descriptors)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	uint8_t key[RSS_KEY_BYTES_MAX];
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int result = rte_eth_dev_info_get(device, &info);

	if (result != 0)
		return result;
	if (queues > 1 && info.flow_type_rss_offloads != 0) {
		struct rte_eth_rss_conf *rss = &conf.rx_adv_conf.rss_conf;

		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		rss->rss_hf = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP);
		/* A key that nobody knows: who does could send all to one queue. */
		if (info.hash_key_size > 0 && info.hash_key_size <= sizeof(key)) {
			random_os(key, sizeof(key));
			rss->rss_key = key;
			rss->rss_key_len = info.hash_key_size;
		}
	}
	result = rte_eth_dev_configure(device, queues, queues, &conf);
	if (result != 0 && conf.rx_adv_conf.rss_conf.rss_key != NULL) { /* some keep their own */
		conf.rx_adv_conf.rss_conf.rss_key = NULL;
		result = rte_eth_dev_configure(device, queues, queues, &conf);
	}
	if (result == 0)
		result = rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx, &tx);
	*out_descriptors = rx < tx ? rx : tx;
	return result;
}

/* The device's queues go to the workers in turn, starting with worker `queue_first`. */
static enum err device_queues(const struct opening *opening, const char *name, uint16_t device,
                              uint32_t queue_first, uint16_t queues)
{
	uint16_t descriptors;
	int result = device_configure(device, queues, &descriptors);

	if (result != 0)
		return open_failed(opening, name, "cannot be configured", result);
	for (uint16_t q = 0; q < queues; q++) {
		uint32_t worker = (queue_first + q) % opening->config->workers;
		struct port_dpdk *port = (struct port_dpdk *)opening->ports[worker];
		struct dpdk_queue *queue = &port->queue[port->queue_count];

		if (port->queue_count == QUEUES_PER_PORT_MAX)
			return open_failed(opening, name, "too many queues for one worker", -E2BIG);
		*queue = (struct dpdk_queue){.device = device, .queue = q};
		result = rx_queue_setup(device, q, descriptors, port->pool, &queue->fd);
		if (result == 0)
			result = rte_eth_tx_queue_setup(
			    device, q, descriptors, (unsigned)rte_eth_dev_socket_id(device), NULL);
		if (result != 0)
			return open_failed(
			    opening, name,
			    "queue cannot be set up (another program on the interface?)", result);
		port->queue_count++;
	}
	return OK;
}

/* Multicast is needed for IPv6 neighbours; a device that cannot filter is opened wide. */
static void device_hear_multicast(uint16_t device, const struct config_port *port)
{
	bool wanted = false;

	for (uint32_t i = 0; i < port->address_count; i++)
		wanted = wanted || !addr_is_ip4(&port->address[i].addr);
	if (wanted && rte_eth_allmulticast_enable(device) != 0)
		(void)rte_eth_promiscuous_enable(device);
}

/* A device without an address, such as a ring, gets one. A tap's is that of the kernel's end, with
 * which we are to speak: ours is its neighbour, locally administered. */
static void device_mac(const struct config_port *port, uint8_t mac[RTE_ETHER_ADDR_LEN])
{
	static const uint8_t none[RTE_ETHER_ADDR_LEN];

	if (memcmp(mac, none, sizeof(none)) == 0) {
		random_os(mac, RTE_ETHER_ADDR_LEN);
		mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
	} else if (strcmp(port->driver, "tap") == 0 ||
	           strncmp(port->vdev, "net_tap", strlen("net_tap")) == 0) {
		mac[0] |= 2;
		mac[5] ^= 1;
	}
}

/* The MTU of an interface shared with the kernel is the kernel's to set, and not known to the
 * driver. Of another device it is raised where the configuration wants more. What we announce never
 * exceeds the device's, nor what its buffers hold. */
static enum err device_mtu(const struct opening *opening, const char *name, uint16_t device)
{
	const struct config_port *port = &opening->config->port[opening->index];
	bool shared = port->vdev[0] == '\0' && eal_one_queue_devices(port);
	uint32_t frame_bytes_max = eal_frame_bytes_max(port), mtu = 0;
	uint16_t device_mtu;

	if (shared)
		mtu = eal_interface_mtu(port->interface);
	else if (rte_eth_dev_get_mtu(device, &device_mtu) == 0)
		mtu = device_mtu;
	if (!shared && mtu < port->mtu && rte_eth_dev_set_mtu(device, (uint16_t)port->mtu) == 0)
		mtu = port->mtu;
	if (mtu == 0 || mtu > port->mtu)
		mtu = port->mtu;
	if (mtu > frame_bytes_max - LINK_BYTES_MAX)
		mtu = frame_bytes_max - LINK_BYTES_MAX;
	if (mtu < MTU_MIN)
		return open_failed(opening, name, "its MTU is less than 576", -ERANGE);
	if (mtu != port->mtu && opening->ports[0]->mtu != mtu)
		fprintf(stderr, "postern: warning: port %s: MTU %u instead of %u\n", port->name,
		        mtu, port->mtu);
	for (uint32_t w = 0; w < opening->config->workers; w++)
		opening->ports[w]->mtu = (uint16_t)mtu;
	return OK;
}

static enum err device_open(const struct opening *opening, uint32_t queue_first, uint16_t queues)
{
	const struct config_port *port = &opening->config->port[opening->index];
	struct rte_ether_addr mac;
	uint16_t device;
	char name[64];
	int result;
	enum err err;

	eal_device_name(opening->config, opening->index, queue_first, name);
	result = rte_eth_dev_get_port_by_name(name, &device);
	if (result != 0)
		return open_failed(opening, name, "not there", result);
	err = device_queues(opening, name, device, queue_first, queues);
	if (err != OK)
		return err;
	err = device_mtu(opening, name, device);
	if (err != OK)
		return err;
	result = rte_eth_dev_start(device);
	if (result != 0)
		return open_failed(opening, name, "does not start", result);
	device_hear_multicast(device, port);
	result = rte_eth_macaddr_get(device, &mac);
	if (result != 0)
		return open_failed(opening, name, "has no address", result);
	device_mac(port, mac.addr_bytes);
	for (uint32_t w = 0; w < opening->config->workers; w++)
		memcpy(opening->ports[w]->mac, mac.addr_bytes, sizeof(mac.addr_bytes));
	return OK;
}

static bool ports_new(struct arena *arena, const struct opening *opening)
{
	const struct config_port *config = &opening->config->port[opening->index];

	for (uint32_t w = 0; w < opening->config->workers; w++) {
		struct port_dpdk *port = arena_take(arena, 1, sizeof(struct port_dpdk), 64);

		if (port == NULL)
			return false;
		port->base.ops = &dpdk_ops;
		port->base.index = (uint8_t)opening->index;
		port->base.mtu = (uint16_t)config->mtu;
		port->base.name = config->name;
		port->pool = (struct dpdk_pool *)opening->pools[w];
		port->one_queue_devices = config->vdev[0] == '\0' && eal_one_queue_devices(config);
		opening->ports[w] = &port->base;
	}
	return true;
}

enum err port_dpdk_open(struct arena *arena, const struct config *config, uint32_t index,
                        struct pkt_pool *const *pools, struct port **out_ports, char *reason)
{
	struct opening opening = {config, index, pools, out_ports, reason};
	uint32_t queues = eal_port_queues(config, index);
	enum err err = OK;

	ASSERT(index < config->port_count);
	if (!ports_new(arena, &opening)) {
		snprintf(reason, PORT_REASON_BYTES, "port %s: out of memory",
		         config->port[index].name);
		return ERR_NO_MEMORY;
	}
	if (((struct port_dpdk *)out_ports[0])->one_queue_devices) {
		for (uint32_t q = 0; q < queues && err == OK; q++)
			err = device_open(&opening, q, 1);
	} else {
		err = device_open(&opening, 0, (uint16_t)queues);
	}
	if (err != OK)
		return err;
	for (uint32_t w = 0; w < config->workers; w++) {
		struct port_dpdk *port = (struct port_dpdk *)out_ports[w];

		port->sleep_fd = sleep_fd_make(port);
	}
	return OK;
}

/* The table from hashes to queues, in groups as the driver wants them. */
static bool read_table(uint16_t device, uint16_t count, struct rss *out_rss)
{
	struct rte_eth_rss_reta_entry64 groups[RSS_TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	if (count == 0 || count > RSS_TABLE_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
		                                            << i % RTE_ETH_RETA_GROUP_SIZE;
	if (rte_eth_dev_rss_reta_query(device, groups, count) != 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		out_rss->table[i] = groups[i / RTE_ETH_RETA_GROUP_SIZE]
		                        .reta[i % RTE_ETH_RETA_GROUP_SIZE];
	out_rss->table_count = count;
	return true;
}

enum err port_dpdk_rss(const struct port *base, struct rss *out_rss)
{
	const uint16_t device = ((const struct port_dpdk *)base)->queue[0].device;
	struct rte_eth_dev_info info;
	uint8_t key[RSS_KEY_BYTES_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};

	if (rte_eth_dev_info_get(device, &info) != 0 || info.nb_rx_queues < 2)
		return ERR_NOT_FOUND;
	conf.rss_key_len = info.hash_key_size > 0 ? info.hash_key_size : KEY_BYTES_USUAL;
	if (conf.rss_key_len > sizeof(key) || rte_eth_dev_rss_hash_conf_get(device, &conf) != 0)
		return ERR_NOT_FOUND;
	rss_init(out_rss, key, conf.rss_key_len, (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0,
	         (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV6_TCP) != 0);
	return read_table(device, info.reta_size, out_rss) ? OK : ERR_NOT_FOUND;
}
