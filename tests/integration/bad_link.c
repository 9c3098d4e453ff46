/* bad_link.c - joins two Ethernet interfaces by a link that loses, delays and reorders frames by
 * seed.
 *
 * usage: bad_link INTERFACE INTERFACE LOSS_PPM DELAY_US JITTER_US REORDER_PPM SEED
 *
 * Frames wait in one heap a direction until they are due; jitter alone already reorders, a
 * reordered frame goes at once. Runs until it is told to end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

#define FRAME_BYTES_MAX 2048
#define FRAMES_MAX      16384
#define ROUND_FRAMES    256

struct frame {
	uint64_t due_us, order;
	uint16_t len;
	uint8_t data[FRAME_BYTES_MAX];
};

struct side {
	int socket;
	struct frame **heap; /* frames on their way OUT of this side, earliest first */
	uint32_t count;
	uint64_t received, lost, overflowed, sent;
};

struct link {
	struct random random;
	uint32_t loss_ppm, delay_us, jitter_us, reorder_ppm;
	uint64_t order;
	struct side side[2];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_interface(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	int buffer_bytes = 16 << 20;
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	if (fd < 0)
		die("socket");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(name);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
	struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex,
	                                  .mr_type = PACKET_MR_PROMISC};
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) !=
	    0)
		die("promiscuous");
	return fd;
}

static bool before(const struct frame *a, const struct frame *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_push(struct side *side, struct frame *frame)
{
	uint32_t at = side->count++;

	while (at > 0 && before(frame, side->heap[(at - 1) / 2])) {
		side->heap[at] = side->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	side->heap[at] = frame;
}

static struct frame *heap_pop(struct side *side)
{
	struct frame *first = side->heap[0], *last = side->heap[--side->count];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= side->count)
			break;
		if (child + 1 < side->count && before(side->heap[child + 1], side->heap[child]))
			child++;
		if (!before(side->heap[child], last))
			break;
		side->heap[at] = side->heap[child];
		at = child;
	}
	side->heap[at] = last;
	return first;
}

static bool chance(struct link *link, uint32_t ppm)
{
	return random_below(&link->random, 1000000) < ppm;
}

/* What has come in at one side waits to go out at the other. */
static void take_in(struct link *link, struct side *from, struct side *to, uint64_t now_us)
{
	static uint8_t data[65536];
	struct sockaddr_ll source;

	for (int i = 0; i < ROUND_FRAMES; i++) {
		socklen_t source_bytes = sizeof(source);
		ssize_t len = recvfrom(from->socket, data, sizeof(data), 0,
		                       (struct sockaddr *)&source, &source_bytes);

		if (len < 0)
			return;
		if (source.sll_pkttype == PACKET_OUTGOING)
			continue;
		from->received++;
		if (len > FRAME_BYTES_MAX || to->count == FRAMES_MAX) {
			from->overflowed++;
			continue;
		}
		if (chance(link, link->loss_ppm)) {
			from->lost++;
			continue;
		}
		struct frame *frame = malloc(sizeof(*frame));
		if (frame == NULL)
			die("malloc");
		uint32_t wait_us = link->delay_us;
		if (link->jitter_us > 0)
			wait_us += random_below(&link->random, link->jitter_us);
		frame->due_us = chance(link, link->reorder_ppm) ? now_us : now_us + wait_us;
		frame->order = link->order++;
		frame->len = (uint16_t)len;
		memcpy(frame->data, data, (size_t)len);
		heap_push(to, frame);
	}
}

static void send_due(struct side *side, uint64_t now_us)
{
	while (side->count > 0 && side->heap[0]->due_us <= now_us) {
		struct frame *frame = heap_pop(side);

		if (send(side->socket, frame->data, frame->len, 0) == frame->len)
			side->sent++;
		free(frame);
	}
}

/* Until the next frame is due; a millisecond at most is slept past it. */
static int wait_ms(const struct link *link, uint64_t now_us)
{
	uint64_t due_us = now_us + 100000;

	for (int i = 0; i < 2; i++)
		if (link->side[i].count > 0 && link->side[i].heap[0]->due_us < due_us)
			due_us = link->side[i].heap[0]->due_us;
	return due_us <= now_us ? 0 : (int)((due_us - now_us + 999) / 1000);
}

int main(int argc, char **argv)
{
	static struct link link;

	if (argc != 8) {
		fputs("usage: bad_link INTERFACE INTERFACE LOSS_PPM DELAY_US JITTER_US REORDER_PPM "
		      "SEED\n",
		      stderr);
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	link.loss_ppm = (uint32_t)strtoul(argv[3], NULL, 10);
	link.delay_us = (uint32_t)strtoul(argv[4], NULL, 10);
	link.jitter_us = (uint32_t)strtoul(argv[5], NULL, 10);
	link.reorder_ppm = (uint32_t)strtoul(argv[6], NULL, 10);
	random_seed(&link.random, strtoull(argv[7], NULL, 10));
	for (int i = 0; i < 2; i++) {
		link.side[i].socket = open_interface(argv[1 + i]);
		link.side[i].heap = calloc(FRAMES_MAX, sizeof(link.side[i].heap[0]));
		if (link.side[i].heap == NULL)
			die("calloc");
	}
	while (!stopped) {
		struct pollfd fds[2] = {{link.side[0].socket, POLLIN, 0},
		                        {link.side[1].socket, POLLIN, 0}};
		uint64_t now_us = clock_now_us();

		if (poll(fds, 2, wait_ms(&link, now_us)) < 0 && errno != EINTR)
			die("poll");
		now_us = clock_now_us();
		for (int i = 0; i < 2; i++)
			take_in(&link, &link.side[i], &link.side[1 - i], now_us);
		for (int i = 0; i < 2; i++)
			send_due(&link.side[i], now_us);
	}
	for (int i = 0; i < 2; i++)
		printf("%s: received %llu, lost %llu, overflowed %llu, sent %llu\n", argv[1 + i],
		       (unsigned long long)link.side[i].received,
		       (unsigned long long)link.side[i].lost,
		       (unsigned long long)link.side[i].overflowed,
		       (unsigned long long)link.side[i].sent);
	return 0;
}
