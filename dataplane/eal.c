/* eal.c - DPDK's environment: its start from our configuration, packet pools over mbufs, threads.
 *
 * Virtual addresses as IO addresses always: with physical ones net_af_xdp registers an UMEM that
 * does not cover the pool. One vdev per queue under AF_XDP: a veth refuses more than one. The EAL
 * pins the thread that starts it; its affinity is put back, since our workers are threads of our
 * own.
 */
#include "dataplane/eal.h"

#include <assert.h>
#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/check.h"
#include "dataplane/port_dpdk.h"

#define EAL_ARGS_MAX        (16 + PORTS_MAX * EAL_PORT_QUEUES_MAX)
#define EAL_ARG_BYTES       512
#define MBUF_BYTES_ESTIMATE 2560 /* mbuf, struct pkt, data room, mempool's header and spread */
#define EAL_OWN_BYTES       (64u << 20)
#define POOL_CACHE_MBUFS    256
/* Of a packet socket's ring: a frame behind its head must fit in a packet buffer, the kernel puts
 * it behind 66 octets, and the driver takes frames to lie one behind the other, so that whole ones
 * must fill a block of whole pages. */
#define PACKET_FRAME_BYTES  1920
#define PACKET_BLOCK_BYTES  61440
#define PACKET_HEADER_BYTES 66

static_assert(PACKET_BLOCK_BYTES % PACKET_FRAME_BYTES == 0 && PACKET_BLOCK_BYTES % 4096 == 0,
              "see above");
static_assert(PACKET_FRAME_BYTES <= PKT_DATA_BYTES - PKT_HEADROOM_BYTES, "see above");

struct eal_args {
	uint32_t count;
	char *argv[EAL_ARGS_MAX];
	char text[EAL_ARGS_MAX][EAL_ARG_BYTES];
};

static bool is_huge;

static void args_add(struct eal_args *args, const char *text)
{
	ASSERT(args->count < EAL_ARGS_MAX - 1);
	snprintf(args->text[args->count], EAL_ARG_BYTES, "%s", text);
	args->argv[args->count] = args->text[args->count];
	args->count++;
}

/* Number in the file at `path`, 0 when there is none. */
static uint64_t file_number(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static uint64_t huge_bytes_free(void)
{
	static const char folder[] = "/sys/kernel/mm/hugepages";
	uint64_t bytes = 0;
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		unsigned long kib;
		char path[512];

		if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, entry->d_name);
		bytes += file_number(path) * kib * 1024;
	}
	closedir(dir);
	return bytes;
}

/* Frames the pool of one worker has beyond what the core may hold: what its ports' rings and caches
 * keep. */
static uint32_t ring_pkts(const struct config *config)
{
	uint32_t queues = 0;

	for (uint32_t i = 0; i < config->port_count; i++)
		queues += (eal_port_queues(config, i) + config->workers - 1) / config->workers;
	return queues * PORT_DPDK_RING_PKTS + 2 * POOL_CACHE_MBUFS;
}

static uint64_t bytes_wanted(const struct config *config)
{
	uint64_t pkts = (uint64_t)config->packets + ring_pkts(config);

	return config->workers * pkts * MBUF_BYTES_ESTIMATE + EAL_OWN_BYTES;
}

/* Receive queues of a Linux interface; 0 when it does not say. */
static uint32_t interface_queues(const char *interface)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (void *)&channels};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t queues = 0;

	if (fd < 0)
		return 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", interface);
	if (ioctl(fd, SIOCETHTOOL, &request) == 0)
		queues = channels.rx_count + channels.combined_count;
	close(fd);
	return queues;
}

uint32_t eal_interface_mtu(const char *interface)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int mtu = 0;

	if (fd < 0)
		return 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", interface);
	if (ioctl(fd, SIOCGIFMTU, &request) == 0)
		mtu = request.ifr_mtu;
	close(fd);
	return mtu > 0 ? (uint32_t)mtu : 0;
}

uint32_t eal_frame_bytes_max(const struct config_port *port)
{
	const uint32_t buffer = PKT_DATA_BYTES - PKT_HEADROOM_BYTES;

	if (port->vdev[0] == '\0' && strcmp(port->driver, "af_packet") == 0)
		return PACKET_FRAME_BYTES - PACKET_HEADER_BYTES;
	return buffer;
}

/* An AF_XDP socket takes the frames of its queue only, so every queue the interface has needs one:
 * which queue a flow takes is not ours to choose. */
uint32_t eal_port_queues(const struct config *config, uint32_t port)
{
	const struct config_port *p = &config->port[port];
	uint32_t queues = p->queues > config->workers ? p->queues : config->workers;

	if (p->vdev[0] == '\0' && strcmp(p->driver, "af_xdp") == 0) {
		uint32_t there = interface_queues(p->interface);

		queues = there > queues ? there : queues;
	}
	return queues;
}

bool eal_one_queue_devices(const struct config_port *port)
{
	return strcmp(port->driver, "af_xdp") == 0 || strcmp(port->driver, "af_packet") == 0;
}

void eal_device_name(const struct config *config, uint32_t port, uint32_t queue, char out[64])
{
	const struct config_port *p = &config->port[port];

	if (p->vdev[0] != '\0')
		snprintf(out, 64, "%.*s", (int)strcspn(p->vdev, ","), p->vdev);
	else if (strcmp(p->driver, "pci") == 0)
		snprintf(out, 64, "%.60s", p->interface);
	else if (eal_one_queue_devices(p))
		snprintf(out, 64, "net_%.16s%u", p->driver, port * EAL_PORT_QUEUES_MAX + queue);
	else
		snprintf(out, 64, "net_%.16s%u", p->driver, port);
}

static void args_add_vdev(struct eal_args *args, const struct config *config, uint32_t port,
                          uint32_t queue)
{
	const struct config_port *p = &config->port[port];
	char name[64], line[EAL_ARG_BYTES];

	eal_device_name(config, port, queue, name);
	if (p->vdev[0] != '\0')
		snprintf(line, sizeof(line), "--vdev=%s", p->vdev);
	else if (strcmp(p->driver, "af_xdp") == 0)
		snprintf(line, sizeof(line),
		         "--vdev=%s,iface=%s,start_queue=%u,queue_count=1,busy_budget=0", name,
		         p->interface, queue);
	else if (strcmp(p->driver, "af_packet") == 0)
		snprintf(line, sizeof(line),
		         "--vdev=%s,iface=%s,framesz=%d,blocksz=%d,framecnt=4096,qdisc_bypass=1",
		         name, p->interface, PACKET_FRAME_BYTES, PACKET_BLOCK_BYTES);
	else if (strcmp(p->driver, "tap") == 0)
		snprintf(line, sizeof(line), "--vdev=%s,iface=%s", name, p->interface);
	else if (strcmp(p->driver, "memif") == 0)
		snprintf(line, sizeof(line), "--vdev=%s,role=client,socket=%s,socket-abstract=no",
		         name, p->interface);
	else
		snprintf(line, sizeof(line), "--vdev=%s", name);
	args_add(args, line);
}

/* Returns whether any port is a PCI device. */
static bool args_add_ports(struct eal_args *args, const struct config *config)
{
	bool pci = false;

	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *p = &config->port[i];
		bool many = p->vdev[0] == '\0' && eal_one_queue_devices(p);

		if (strcmp(p->driver, "pcap") == 0 && p->vdev[0] == '\0')
			continue;
		if (strcmp(p->driver, "pci") == 0 && p->vdev[0] == '\0') {
			pci = true;
			args_add(args, "-a");
			args_add(args, p->interface);
			continue;
		}
		for (uint32_t q = 0; q < (many ? eal_port_queues(config, i) : 1); q++)
			args_add_vdev(args, config, i, q);
	}
	return pci;
}

static void args_build(struct eal_args *args, const struct config *config, bool huge, int core)
{
	char text[EAL_ARG_BYTES];

	args_add(args, "postern");
	snprintf(text, sizeof(text), "--lcores=0@%d", core);
	args_add(args, text);
	args_add(args, "--log-level=4"); /* errors and worse */
	args_add(args, "--no-telemetry");
	if (huge) {
		args_add(args, "--in-memory");
		args_add(args, "--iova-mode=va");
	} else { /* DPDK refuses --in-memory together with --no-huge */
		args_add(args, "--no-huge");
		args_add(args, "--no-shconf");
		args_add(args, "-m");
		snprintf(text, sizeof(text), "%llu",
		         (unsigned long long)(bytes_wanted(config) >> 20) + 1);
		args_add(args, text);
	}
	if (!args_add_ports(args, config))
		args_add(args, "--no-pci");
	args->argv[args->count] = NULL;
}

static int core_first(const cpu_set_t *allowed)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, allowed))
			return i;
	return 0;
}

/* "0000:3b:00.0", with or without the domain. */
static bool is_pci_address(const char *text)
{
	unsigned domain, bus, device, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) == 4 &&
	    text[end] == '\0')
		return true;
	return sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) == 3 &&
	       text[end] == '\0';
}

/* What the EAL would only say by "not there". */
static enum err pci_check(const struct config_port *port, char *reason)
{
	const char *domain = strchr(port->interface, ':') != strrchr(port->interface, ':')
	                         ? ""
	                         : "0000:";
	char path[128], target[128];
	const char *driver;
	ssize_t len;

	if (!is_pci_address(port->interface)) {
		snprintf(
		    reason, PORT_REASON_BYTES,
		    "port %.32s: \"%.40s\" is no PCI address; it looks like 0000:3b:00.0 (lspci "
		    "-D lists them)",
		    port->name, port->interface);
		return ERR_ADDRESS;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%.16s", domain, port->interface);
	if (access(path, F_OK) != 0) {
		snprintf(reason, PORT_REASON_BYTES, "port %.32s: there is no PCI device %.16s",
		         port->name, port->interface);
		return ERR_NOT_FOUND;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%.16s/driver", domain,
	         port->interface);
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	driver = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : "none";
	if (strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "uio_pci_generic") == 0 ||
	    strcmp(driver, "igb_uio") == 0 || strcmp(driver, "mlx5_core") == 0 ||
	    strcmp(driver, "mlx4_core") == 0)
		return OK;
	snprintf(reason, PORT_REASON_BYTES,
	         "port %.32s: PCI device %.16s is bound to the driver %.32s; bind it with "
	         "`dpdk-devbind.py -b vfio-pci %.16s`",
	         port->name, port->interface, driver, port->interface);
	return ERR_BUSY;
}

static enum err ports_check(const struct config *config, char *reason)
{
	for (uint32_t i = 0; i < config->port_count; i++) {
		const struct config_port *port = &config->port[i];

		if (eal_port_queues(config, i) > EAL_PORT_QUEUES_MAX) {
			snprintf(
			    reason, PORT_REASON_BYTES,
			    "port %.32s: interface %.32s has more than %d queues, and each needs a "
			    "socket; `ethtool -L %.32s combined %u` gives it one a worker",
			    port->name, port->interface, EAL_PORT_QUEUES_MAX, port->interface,
			    config->workers);
			return ERR_RANGE;
		}
		if (port->vdev[0] == '\0' && strcmp(port->driver, "pci") == 0) {
			enum err err = pci_check(port, reason);

			if (err != OK)
				return err;
		}
	}
	return OK;
}

static bool choose_huge(const struct config *config)
{
	uint64_t want = bytes_wanted(config), have = huge_bytes_free();

	if (!config->hugepages)
		return false;
	if (have >= want)
		return true;
	fprintf(
	    stderr,
	    "postern: warning: %llu MiB of huge pages are free, %llu MiB are needed; going on with "
	    "ordinary pages, which is slower (sysctl vm.nr_hugepages=%llu would do)\n",
	    (unsigned long long)have >> 20, (unsigned long long)want >> 20,
	    (unsigned long long)(want >> 21) + 64);
	return false;
}

enum err eal_start(const struct config *config, char *reason)
{
	static struct eal_args args; /* the EAL keeps pointers into it */
	cpu_set_t affinity;
	int result;

	ASSERT(args.count == 0);
	enum err err = ports_check(config, reason);

	if (err != OK)
		return err;
	if (sched_getaffinity(0, sizeof(affinity), &affinity) != 0) {
		snprintf(reason, PORT_REASON_BYTES, "cannot read the CPU affinity");
		return ERR_SYSTEM;
	}
	is_huge = choose_huge(config);
	args_build(&args, config, is_huge, core_first(&affinity));
	result = rte_eal_init((int)args.count, args.argv);
	(void)sched_setaffinity(0, sizeof(affinity), &affinity);
	if (result < 0) {
		snprintf(reason, PORT_REASON_BYTES,
		         "DPDK does not start (%s); its own messages above say why. Are the "
		         "interfaces there, "
		         "and are you root?",
		         rte_strerror(rte_errno));
		return ERR_SYSTEM;
	}
	return OK;
}

void eal_stop(void)
{
	(void)rte_eal_cleanup();
}

bool eal_is_huge(void)
{
	return is_huge;
}

struct pkt_pool *eal_pool_new(const struct config *config, uint32_t worker)
{
	return port_dpdk_pool_new(worker, config->packets, ring_pkts(config), POOL_CACHE_MBUFS);
}

enum err eal_thread_begin(void)
{
	return rte_thread_register() == 0 ? OK : ERR_SYSTEM;
}

void eal_thread_end(void)
{
	rte_thread_unregister();
}
