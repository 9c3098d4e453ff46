/* steer.c - loads, attaches and feeds the XDP program that shares an interface with the kernel. */
#include "dataplane/xdp/steer.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "base/check.h"
#include "dataplane/xdp/steer_internal.h"
#include "dataplane/xdp/steer_maps.h"
#include "dataplane/xdp/steer_object.h"

#define DRIVER_PROGRAM_NAME "xsk_def_prog" /* libxdp's default, what net_af_xdp attaches */
#define PROGRAM_MAPS_MAX    16
#define CPUS_MAX            1024

static const struct counter_info info[] = {
#define COUNTER(name, help) {#name, help},
#include "dataplane/xdp/steer_counters.def"
};

const struct counter_group steer_counter_group = {"steer", info, sizeof(info) / sizeof(info[0])};

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* libxdp, which the packet driver uses, tries a dispatcher first and alarms about its absence,
 * which is harmless. The driver tells errors itself. */
static int print_nothing(enum libxdp_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* One abstract socket a namespace and interface: it goes with the process, however that ends. */
static bool interface_lock(const char *interface)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "postern/%s", interface);

	return lock >= 0 &&
	       bind(lock, (struct sockaddr *)&addr,
	            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0;
}

/* The program on the interface: its descriptor, its info, how it is attached. -1 when there is
 * none. */
static int program_on(int ifindex, struct bpf_prog_info *out_info, uint32_t *out_flags)
{
	struct bpf_xdp_query_opts query = {.sz = sizeof(struct bpf_xdp_query_opts)};
	uint32_t len = sizeof(*out_info);
	int program;

	if (bpf_xdp_query(ifindex, 0, &query) != 0 || query.prog_id == 0)
		return -1;
	*out_flags = query.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE
	                                                   : XDP_FLAGS_DRV_MODE;
	program = bpf_prog_get_fd_by_id(query.prog_id);
	if (program < 0)
		return -1;
	if (bpf_obj_get_info_by_fd(program, out_info, &len) != 0) {
		close(program);
		return -1;
	}
	return program;
}

enum err steer_prepare(const char *interface, char *reason)
{
	struct bpf_prog_info program_info = {0};
	int ifindex = (int)if_nametoindex(interface), program;
	struct bpf_xdp_attach_opts options = {.sz = sizeof(struct bpf_xdp_attach_opts)};
	uint32_t flags;
	int result;

	(void)libbpf_set_print(print_warnings);
	(void)libxdp_set_print(print_nothing);
	if (ifindex == 0) {
		snprintf(reason, STEER_REASON_BYTES, "there is no interface %s", interface);
		return ERR_NOT_FOUND;
	}
	if (!interface_lock(interface)) {
		snprintf(reason, STEER_REASON_BYTES, "another postern runs on interface %s",
		         interface);
		return ERR_BUSY;
	}
	program = program_on(ifindex, &program_info, &flags);
	if (program < 0)
		return OK;
	if (strcmp(program_info.name, STEER_PROGRAM_NAME) != 0 &&
	    strcmp(program_info.name, DRIVER_PROGRAM_NAME) != 0) {
		snprintf(
		    reason, STEER_REASON_BYTES,
		    "interface %s carries the XDP program '%s' of somebody else; remove it with "
		    "`ip link set %s xdp off` if it is not needed",
		    interface, program_info.name, interface);
		close(program);
		return ERR_BUSY;
	}
	options.old_prog_fd = program;
	result = bpf_xdp_detach(ifindex, flags, &options);
	close(program);
	if (result != 0) {
		snprintf(reason, STEER_REASON_BYTES,
		         "cannot detach the stale XDP program of interface %s: %s", interface,
		         strerror(-result));
		return ERR_SYSTEM;
	}
	return OK;
}

/* The map of sockets among the maps of the driver's program; -1 when there is none. */
static int sockets_map(int program)
{
	uint32_t ids[PROGRAM_MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info program_info = {.nr_map_ids = PROGRAM_MAPS_MAX,
	                                     .map_ids = (uint64_t)(uintptr_t)ids};

	if (bpf_obj_get_info_by_fd(program, &program_info, &len) != 0)
		return -1;
	for (uint32_t i = 0; i < program_info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++) {
		struct bpf_map_info map_info = {0};
		int map = bpf_map_get_fd_by_id(ids[i]);

		len = sizeof(map_info);
		if (map < 0)
			continue;
		if (bpf_obj_get_info_by_fd(map, &map_info, &len) == 0 &&
		    map_info.type == BPF_MAP_TYPE_XSKMAP)
			return map;
		close(map);
	}
	return -1;
}

static enum err object_load(struct steer *steer, int sockets)
{
	struct bpf_object_open_opts options = {.sz = sizeof(struct bpf_object_open_opts),
	                                       .object_name = "postern_steer"};
	struct bpf_program *program;
	struct bpf_map *map;

	steer->object = bpf_object__open_mem(steer_object, sizeof(steer_object), &options);
	if (steer->object == NULL)
		return ERR_SYSTEM;
	map = bpf_object__find_map_by_name(steer->object, "xsks_map");
	if (map == NULL || bpf_map__reuse_fd(map, sockets) != 0 ||
	    bpf_object__load(steer->object) != 0)
		return ERR_SYSTEM;
	program = bpf_object__find_program_by_name(steer->object, STEER_PROGRAM_NAME);
	ASSERT(program != NULL);
	steer->program = bpf_program__fd(program);
	steer->addrs = bpf_object__find_map_fd_by_name(steer->object, "postern_addrs");
	steer->ports = bpf_object__find_map_fd_by_name(steer->object, "postern_ports");
	steer->backs = bpf_object__find_map_fd_by_name(steer->object, "postern_backs");
	steer->deny4 = bpf_object__find_map_fd_by_name(steer->object, "postern_deny4");
	steer->deny6 = bpf_object__find_map_fd_by_name(steer->object, "postern_deny6");
	steer->count = bpf_object__find_map_fd_by_name(steer->object, "postern_count");
	steer->vlan = bpf_object__find_map_fd_by_name(steer->object, "postern_vlan");
	return OK;
}

static bool sockaddr_is(const struct sockaddr *socket_addr, const struct addr *addr)
{
	if (socket_addr == NULL)
		return false;
	if (socket_addr->sa_family == AF_INET && addr_is_ip4(addr))
		return memcmp(&((const struct sockaddr_in *)(const void *)socket_addr)->sin_addr,
		              addr->octet + 12, 4) == 0;
	return socket_addr->sa_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)(const void *)socket_addr)->sin6_addr,
	              addr->octet, 16) == 0;
}

/* Any interface counts: one for a VLAN carries the address of the VLAN. */
static bool kernel_has(const struct addr *addr)
{
	struct ifaddrs *all, *one;

	if (getifaddrs(&all) != 0)
		return false;
	for (one = all; one != NULL && !sockaddr_is(one->ifa_addr, addr); one = one->ifa_next)
		continue;
	freeifaddrs(all);
	return one != NULL;
}

static bool address_add(const struct steer *steer, const struct addr *addr)
{
	uint8_t owner = kernel_has(addr) ? STEER_KERNELS_TOO : STEER_OURS;
	char text[ADDR_TEXT_MAX];

	if (owner == STEER_KERNELS_TOO && !addr_is_link_local(addr)) {
		addr_format(addr, text);
		fprintf(stderr,
		        "postern: warning: address %s is the kernel's, too: it gets no answers of "
		        "neighbours there; give Postern addresses of its own\n",
		        text);
	}
	return bpf_map_update_elem(steer->addrs, addr->octet, &owner, BPF_ANY) == 0;
}

/* The address the stack takes by itself: fe80:: and the MAC address (RFC 4291 appendix A). */
static bool link_local_add(const struct steer *steer, const struct config_port *port)
{
	struct ifreq request = {0};
	struct addr addr = {{0xfe, 0x80, [11] = 0xff, [12] = 0xfe}};
	const uint8_t *mac = (const uint8_t *)request.ifr_hwaddr.sa_data;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool done;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", port->interface);
	done = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &request) == 0;
	if (fd >= 0)
		close(fd);
	if (!done)
		return false;
	memcpy(addr.octet + 8, mac, 3);
	memcpy(addr.octet + 13, mac + 3, 3);
	addr.octet[8] ^= 2;
	return address_add(steer, &addr);
}

/* Queries about multicast groups go to all nodes, hence to the kernel. It answers for our groups,
 * too, and has the card hear them, when a socket of ours is a member: without that, switches that
 * listen to reports stop passing on solicitations for our addresses (RFC 4541). Where the kernel
 * does without IPv6, or under a VLAN, the stack's own report at the start has to do. */
static void groups_join(struct steer *steer, const struct config_port *port)
{
	steer->groups = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (uint32_t i = 0; i < port->address_count && steer->groups >= 0 && port->vlan == 0;
	     i++) {
		const struct addr *addr = &port->address[i].addr;
		struct ipv6_mreq group = {.ipv6mr_interface = (unsigned)steer->ifindex};
		const uint8_t solicited_node[13] = {0xff, 2, [11] = 1, [12] = 0xff};

		if (addr_is_ip4(addr))
			continue;
		memcpy(group.ipv6mr_multiaddr.s6_addr, solicited_node, sizeof(solicited_node));
		memcpy(group.ipv6mr_multiaddr.s6_addr + 13, addr->octet + 13, 3);
		(void)setsockopt(steer->groups, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group,
		                 sizeof(group));
	}
}

/* What is ours, before the program sees its first frame. */
static enum err maps_fill(const struct steer *steer, const struct config *config, uint32_t port)
{
	const struct config_port *p = &config->port[port];
	uint32_t zero = 0;
	uint8_t one = 1;
	bool ip6 = false;

	if (bpf_map_update_elem(steer->vlan, &zero, &p->vlan, BPF_ANY) != 0)
		return ERR_SYSTEM;
	for (uint32_t i = 0; i < p->address_count; i++) {
		ip6 = ip6 || !addr_is_ip4(&p->address[i].addr);
		if (!address_add(steer, &p->address[i].addr))
			return ERR_SYSTEM;
	}
	if (ip6 && !link_local_add(steer, p))
		return ERR_SYSTEM;
	for (uint32_t i = 0; i < config->listener_count; i++) {
		uint16_t listener = __builtin_bswap16(config->listener[i].local.port);

		if (bpf_map_update_elem(steer->ports, &listener, &one, BPF_ANY) != 0)
			return ERR_SYSTEM;
	}
	for (uint32_t i = 0; i < config->backend_count; i++) {
		struct steer_backend key = {
		    .port = __builtin_bswap16(config->backend[i].remote.port)};

		memcpy(key.octet, config->backend[i].remote.addr.octet, sizeof(key.octet));
		if (bpf_map_update_elem(steer->backs, &key, &one, BPF_ANY) != 0)
			return ERR_SYSTEM;
	}
	return OK;
}

/* Loads, fills and swaps the program `old` on the interface for ours. */
static enum err replace(struct steer *steer, const struct config *config, uint32_t port, int old)
{
	struct bpf_xdp_attach_opts options = {.sz = sizeof(struct bpf_xdp_attach_opts),
	                                      .old_prog_fd = old};
	int sockets = sockets_map(old);
	enum err err;

	if (sockets < 0)
		return ERR_NOT_FOUND;
	err = object_load(steer, sockets);
	close(sockets);
	if (err == OK)
		err = maps_fill(steer, config, port);
	if (err == OK && bpf_xdp_attach(steer->ifindex, steer->program,
	                                XDP_FLAGS_REPLACE | steer->attach_flags, &options) != 0)
		err = ERR_SYSTEM;
	if (err != OK && steer->object != NULL)
		bpf_object__close(steer->object);
	return err;
}

enum err steer_attach(struct arena *arena, const struct config *config, uint32_t port,
                      struct steer **out_steer, char *reason)
{
	const char *interface = config->port[port].interface;
	struct steer *steer = ARENA_TAKE(arena, 1, struct steer);
	struct bpf_prog_info program_info = {0};
	int old;
	enum err err;

	if (steer == NULL)
		return ERR_NO_MEMORY;
	steer->deny_networks_max = config->xdp_deny_max;
	steer->ifindex = (int)if_nametoindex(interface);
	old = program_on(steer->ifindex, &program_info, &steer->attach_flags);
	if (old < 0) {
		snprintf(reason, STEER_REASON_BYTES,
		         "the packet driver has attached no XDP program to interface %s",
		         interface);
		return ERR_STATE;
	}
	err = replace(steer, config, port, old);
	close(old);
	if (err != OK) {
		snprintf(reason, STEER_REASON_BYTES,
		         "interface %s: our XDP program cannot be attached: %s", interface,
		         strerror(errno));
		return err;
	}
	groups_join(steer, &config->port[port]);
	*out_steer = steer;
	return OK;
}

void steer_detach(struct steer *steer)
{
	struct bpf_xdp_attach_opts options = {.sz = sizeof(struct bpf_xdp_attach_opts),
	                                      .old_prog_fd = steer->program};

	(void)bpf_xdp_detach(steer->ifindex, steer->attach_flags, &options);
	steer_deny_close(steer);
	if (steer->groups >= 0)
		close(steer->groups);
	bpf_object__close(steer->object);
	steer->object = NULL;
}

void steer_read(const struct steer *steer, struct steer_stats *out_stats)
{
	uint64_t values[CPUS_MAX], sums[STEER_COUNTER_COUNT] = {0};
	int cpus = libbpf_num_possible_cpus();

	static_assert(sizeof(*out_stats) == sizeof(sums), "one field a counter");
	ASSERT(cpus > 0 && cpus <= CPUS_MAX);
	for (uint32_t i = 0; i < STEER_COUNTER_COUNT; i++)
		if (bpf_map_lookup_elem(steer->count, &i, values) == 0)
			for (int c = 0; c < cpus; c++)
				sums[i] += values[c];
	memcpy(out_stats, sums, sizeof(sums));
	steer_deny_read(steer, out_stats);
}
