/* bad_link.c - joins two Ethernet interfaces by a link that loses, delays, reorders, doubles and
 * damages frames by seed, at a rate and with a queue.
 *
 * usage: bad_link INTERFACE INTERFACE LOSS_PPM DELAY_US JITTER_US REORDER_PPM SEED
 * [OPTION=NUMBER...] duplicate_ppm=N  the frame goes twice corrupt_ppm=N    one bit behind the
 * Ethernet header flips hold_us=N        a reordered frame is held back by so much instead of going
 * at once rate=N           bits per second and direction; 0: endless queue_bytes=N    what may wait
 * for the rate; beyond it frames are dropped at the tail
 *
 * Each direction has chances of its own, and only TCP takes them: who has to ask for a neighbour's
 * address first has the same luck as who knows it. A frame that is not lost first takes its turn on
 * the rate, then waits for its delay in a heap; jitter alone already reorders. Runs until it is
 * told to end, then prints what became of the frames.
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

#define FRAME_BYTES_MAX 16384
#define FRAMES_MAX      16384
#define ROUND_FRAMES    256
#define NAP_NS          200000 /* the shortest sleep: frames due within it go together */

struct frame {
	uint64_t due_us, order;
	uint16_t len;
	uint8_t data[];
};

struct side {
	int socket;
	struct random random; /* of the frames that come in here */
	struct frame **heap;  /* frames on their way OUT of this side, earliest first */
	uint32_t count;
	uint64_t free_ns; /* when the line out of here has sent what waits for it */
	uint64_t received, lost, overflowed, doubled, damaged, reordered, sent;
};

struct link {
	uint32_t loss_ppm, delay_us, jitter_us, reorder_ppm, duplicate_ppm, corrupt_ppm, hold_us;
	uint64_t rate_bits_per_s, queue_bytes;
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
	int buffer_bytes = 16 << 20, one = 1;
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	if (fd < 0)
		die("socket");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(name);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0)
		die("ignore outgoing");
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

static bool chance(struct side *from, uint32_t ppm)
{
	return random_below(&from->random, 1000000) < ppm;
}

/* When the line has sent `len` octets more; 0: they find no room in the queue. */
static uint64_t take_line(const struct link *link, struct side *to, size_t len, uint64_t now_us)
{
	uint64_t now_ns = now_us * 1000;

	if (link->rate_bits_per_s == 0)
		return now_us;
	if (to->free_ns < now_ns)
		to->free_ns = now_ns;
	if ((to->free_ns - now_ns) / 8 * link->rate_bits_per_s / 1000000000 + len >
	    link->queue_bytes)
		return 0;
	to->free_ns += (uint64_t)len * 8 * 1000000000 / link->rate_bits_per_s;
	return to->free_ns / 1000;
}

static bool is_tcp(const uint8_t *data, size_t len)
{
	if (len < ETH_HLEN + 20)
		return false;
	if (data[12] == 0x08 && data[13] == 0x00)
		return data[ETH_HLEN + 9] == IPPROTO_TCP;
	return data[12] == 0x86 && data[13] == 0xdd && data[ETH_HLEN + 6] == IPPROTO_TCP;
}

static void carry(struct link *link, struct side *from, struct side *to, const uint8_t *data,
                  size_t len, bool lucky, uint64_t now_us)
{
	uint64_t sent_us = take_line(link, to, len, now_us);

	if (sent_us == 0 || to->count == FRAMES_MAX) {
		from->overflowed++;
		return;
	}
	struct frame *frame = malloc(sizeof(*frame) + len);
	if (frame == NULL)
		die("malloc");
	frame->due_us = sent_us + link->delay_us;
	if (link->jitter_us > 0 && !lucky)
		frame->due_us += random_below(&from->random, link->jitter_us);
	if (!lucky && chance(from, link->reorder_ppm)) {
		from->reordered++;
		frame->due_us = link->hold_us > 0 ? frame->due_us + link->hold_us : sent_us;
	}
	frame->order = link->order++;
	frame->len = (uint16_t)len;
	memcpy(frame->data, data, len);
	if (!lucky && chance(from, link->corrupt_ppm)) {
		uint32_t bit = random_below(&from->random, (uint32_t)(len - ETH_HLEN) * 8);
		frame->data[ETH_HLEN + bit / 8] ^= (uint8_t)(1 << bit % 8);
		from->damaged++;
	}
	heap_push(to, frame);
}

/* What has come in at one side waits to go out at the other. */
static void take_in(struct link *link, struct side *from, struct side *to, uint64_t now_us)
{
	static uint8_t data[FRAME_BYTES_MAX];

	for (int i = 0; i < ROUND_FRAMES; i++) {
		ssize_t len = recv(from->socket, data, sizeof(data), MSG_TRUNC);

		if (len < 0)
			return;
		from->received++;
		if ((size_t)len > sizeof(data)) {
			from->overflowed++;
			continue;
		}
		bool lucky = !is_tcp(data, (size_t)len);
		if (!lucky && chance(from, link->loss_ppm)) {
			from->lost++;
			continue;
		}
		carry(link, from, to, data, (size_t)len, lucky, now_us);
		if (!lucky && chance(from, link->duplicate_ppm)) {
			from->doubled++;
			carry(link, from, to, data, (size_t)len, lucky, now_us);
		}
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

/* Until the next frame is due. */
static struct timespec wait_time(const struct link *link, uint64_t now_us)
{
	uint64_t due_us = now_us + 100000;

	for (int i = 0; i < 2; i++)
		if (link->side[i].count > 0 && link->side[i].heap[0]->due_us < due_us)
			due_us = link->side[i].heap[0]->due_us;
	if (due_us <= now_us)
		return (struct timespec){0};
	long wait_ns = (long)(due_us - now_us) * 1000;
	return (struct timespec){.tv_nsec = wait_ns < NAP_NS ? NAP_NS : wait_ns};
}

static void turn(struct link *link)
{
	struct pollfd fds[2] = {{link->side[0].socket, POLLIN, 0},
	                        {link->side[1].socket, POLLIN, 0}};
	struct timespec wait = wait_time(link, clock_now_us());

	if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
		die("poll");
	uint64_t now_us = clock_now_us();
	for (int i = 0; i < 2; i++)
		if (fds[i].revents != 0)
			take_in(link, &link->side[i], &link->side[1 - i], now_us);
	for (int i = 0; i < 2; i++)
		send_due(&link->side[i], now_us);
}

static bool parse_option(struct link *link, const char *text)
{
	const char *equals = strchr(text, '=');
	char *end;
	uint64_t value;

	if (equals == NULL)
		return false;
	value = strtoull(equals + 1, &end, 10);
	if (end == equals + 1 || *end != '\0')
		return false;
	size_t name_bytes = (size_t)(equals - text) + 1;
	if (strncmp(text, "duplicate_ppm=", name_bytes) == 0)
		link->duplicate_ppm = (uint32_t)value;
	else if (strncmp(text, "corrupt_ppm=", name_bytes) == 0)
		link->corrupt_ppm = (uint32_t)value;
	else if (strncmp(text, "hold_us=", name_bytes) == 0)
		link->hold_us = (uint32_t)value;
	else if (strncmp(text, "rate=", name_bytes) == 0)
		link->rate_bits_per_s = value;
	else if (strncmp(text, "queue_bytes=", name_bytes) == 0)
		link->queue_bytes = value;
	else
		return false;
	return true;
}

static bool parse(struct link *link, int argc, char **argv)
{
	link->queue_bytes = 262144;
	if (argc < 8)
		return false;
	link->loss_ppm = (uint32_t)strtoul(argv[3], NULL, 10);
	link->delay_us = (uint32_t)strtoul(argv[4], NULL, 10);
	link->jitter_us = (uint32_t)strtoul(argv[5], NULL, 10);
	link->reorder_ppm = (uint32_t)strtoul(argv[6], NULL, 10);
	for (int i = 0; i < 2; i++)
		random_seed(&link->side[i].random, strtoull(argv[7], NULL, 10) * 2 + (uint64_t)i);
	for (int i = 8; i < argc; i++)
		if (!parse_option(link, argv[i]))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct link link;

	if (!parse(&link, argc, argv)) {
		fputs("usage: bad_link INTERFACE INTERFACE LOSS_PPM DELAY_US JITTER_US REORDER_PPM "
		      "SEED [OPTION=NUMBER...]\n",
		      stderr);
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	for (int i = 0; i < 2; i++) {
		link.side[i].socket = open_interface(argv[1 + i]);
		link.side[i].heap = calloc(FRAMES_MAX, sizeof(link.side[i].heap[0]));
		if (link.side[i].heap == NULL)
			die("calloc");
	}
	puts("ready");
	fflush(stdout);
	while (!stopped)
		turn(&link);
	for (int i = 0; i < 2; i++) {
		const struct side *side = &link.side[i];
		printf("%s: received %llu, lost %llu, overflowed %llu, doubled %llu, damaged %llu, "
		       "reordered %llu, sent %llu\n",
		       argv[1 + i], (unsigned long long)side->received,
		       (unsigned long long)side->lost, (unsigned long long)side->overflowed,
		       (unsigned long long)side->doubled, (unsigned long long)side->damaged,
		       (unsigned long long)side->reordered, (unsigned long long)side->sent);
	}
	return 0;
}
