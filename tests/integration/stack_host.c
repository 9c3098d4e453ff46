/* stack_host.c - our stack's frames through an AF_PACKET socket. */
#include "tests/integration/stack_host.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

void stack_host_die(const char *what)
{
	perror(what);
	exit(1);
}

void stack_host_need(enum err err, const char *what)
{
	if (err != OK) {
		fprintf(stderr, "%s: %s\n", what, err_text(err));
		exit(1);
	}
}

int stack_host_socket(const char *device, uint8_t out_mac[6])
{
	struct ifreq request = {0};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	int one = 1, bytes = 16 << 20;

	if (fd < 0)
		stack_host_die("AF_PACKET");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		stack_host_die(device);
	memcpy(out_mac, request.ifr_hwaddr.sa_data, 6);
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
	                              .sll_protocol = __builtin_bswap16(ETH_P_ALL),
	                              .sll_ifindex = (int)if_nametoindex(device)};
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		stack_host_die("AF_PACKET set-up");
	return fd;
}

struct pkt *stack_host_receive(int socket, struct pkt_pool *pool)
{
	struct pkt *pkt = pkt_get(pool);

	stack_host_need(pkt != NULL ? OK : ERR_POOL_EMPTY, "packets");
	for (;;) {
		ssize_t bytes = recv(socket, pkt->data, pkt_tailroom(pkt), MSG_TRUNC);
		if (bytes >= 0 && (size_t)bytes <= pkt_tailroom(pkt)) {
			pkt->len = (uint16_t)bytes;
			pkt->port = 0;
			return pkt;
		}
		if (bytes < 0)
			break;
		fprintf(stderr, "a frame of %zd octets: offloads are on\n", bytes);
	}
	if (errno != EAGAIN && errno != ENETDOWN)
		stack_host_die("recv");
	pkt_put(pkt);
	return NULL;
}

void stack_host_send(int socket, struct pkt *pkt)
{
	if (send(socket, pkt->data, pkt->len, 0) < 0 && errno != ENOBUFS && errno != EAGAIN &&
	    errno != EMSGSIZE)
		stack_host_die("send");
	pkt_put(pkt);
}

void stack_host_print(FILE *file, const struct counter_group *group, const void *counters)
{
	const uint64_t *value = counters;

	for (uint32_t i = 0; i < group->count; i++)
		if (value[i] != 0)
			fprintf(file, "%s_%s %llu\n", group->name, group->info[i].name,
			        (unsigned long long)value[i]);
}
