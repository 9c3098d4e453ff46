/* clients.c - very many SMTP clients without a stack. */
#include "bench/connections/clients.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/limits.h"
#include "tcpstack/wire.h"

#define SHORT_NET  0x0d000000u /* 13.0.0.0/8 */
#define IDLE_NET   0x0c000000u /* 12.0.0.0/8 */
#define NET_MASK   0xff000000u
#define PORT_FIRST 1024

static const char ehlo[] = "EHLO mail.client.example\r\n";
static const char quit[] = "QUIT\r\n";
static const char noop[] = "NOOP\r\n";

/* A million short clients have a million addresses; idle ones are 65536 hosts with several
 * connections each. */
static struct frame_peer short_peer(uint64_t number)
{
	return (struct frame_peer){SHORT_NET | (uint32_t)(number & 0xfffff),
	                           (uint16_t)(PORT_FIRST + (number >> 20) % 60000)};
}

static struct frame_peer idle_peer(uint32_t index)
{
	return (struct frame_peer){IDLE_NET | (index & 0xffff),
	                           (uint16_t)(PORT_FIRST + (index >> 16))};
}

static uint32_t idle_index(const struct frame_peer *peer)
{
	return (peer->ip & 0xffff) | (uint32_t)(peer->port - PORT_FIRST) << 16;
}

static uint32_t timestamp(uint64_t now_us)
{
	return (uint32_t)(now_us / 1000) + 1;
}

static void send_frame(struct clients *clients, uint64_t now_us, struct pkt *pkt,
                       const struct frame_segment *segment)
{
	frame_write(pkt, &clients->link, segment);
	if (clients->port->ops->tx_burst(clients->port, now_us, &pkt, 1) != 1)
		pkt_put(pkt);
}

void clients_send(struct clients *clients, uint64_t now_us, struct frame_segment *segment)
{
	struct pkt *pkt = pkt_get(clients->pool);

	if (pkt == NULL) {
		clients->no_packet++;
		return;
	}
	segment->ts_val = timestamp(now_us);
	send_frame(clients, now_us, pkt, segment);
}

static void send_syn(struct clients *clients, uint64_t now_us, struct frame_peer peer,
                     uint16_t server_port)
{
	struct frame_segment syn = {.client = peer,
	                            .server_port = server_port,
	                            .seq = peer.ip * 2654435761u + peer.port * 40503u,
	                            .flags = TCP_FLAG_SYN};

	clients_send(clients, now_us, &syn);
}

void clients_knock(struct clients *clients, uint64_t now_us)
{
	send_syn(clients, now_us, short_peer(0), FRAME_CLOSED_PORT);
}

void clients_open_short(struct clients *clients, uint64_t now_us)
{
	send_syn(clients, now_us, short_peer(clients->short_opened++), FRAME_SMTP_PORT);
}

void clients_open_idle(struct clients *clients, uint64_t now_us)
{
	ASSERT(clients->idle_opened < clients->idle_max);
	send_syn(clients, now_us, idle_peer((uint32_t)clients->idle_opened++), FRAME_SMTP_PORT);
}

void clients_noop(struct clients *clients, uint64_t now_us, uint32_t index)
{
	struct idle_client *idle = &clients->idle[index];
	struct frame_segment segment = {.client = idle_peer(index),
	                                .server_port = FRAME_SMTP_PORT,
	                                .seq = idle->seq,
	                                .ack = idle->ack,
	                                .flags = TCP_FLAG_ACK | TCP_FLAG_PSH,
	                                .payload = (const uint8_t *)noop,
	                                .payload_bytes = sizeof(noop) - 1};

	idle->seq += sizeof(noop) - 1;
	clients->noops_sent++;
	clients_send(clients, now_us, &segment);
}

static bool starts(const struct frame_segment *in, const char *text)
{
	size_t len = strlen(text);

	return in->payload_bytes >= len && memcmp(in->payload, text, len) == 0;
}

static void say(struct frame_segment *out, const char *text)
{
	out->payload = (const uint8_t *)text;
	out->payload_bytes = (uint16_t)strlen(text);
	out->flags |= TCP_FLAG_PSH;
}

static void answer_short(struct clients *clients, const struct frame_segment *in,
                         struct frame_segment *out)
{
	if (starts(in, "220 "))
		say(out, quit);
	if (in->flags & TCP_FLAG_FIN) {
		out->flags |= TCP_FLAG_FIN;
		clients->short_closed++;
	}
}

static void answer_idle(struct clients *clients, const struct frame_segment *in,
                        struct frame_segment *out)
{
	struct idle_client *idle = &clients->idle[idle_index(&in->client)];

	if (starts(in, "220 "))
		say(out, ehlo);
	else if (starts(in, "250-"))
		clients->idle_greeted++;
	else if (starts(in, "250 "))
		clients->noops_answered++;
	if (in->flags & TCP_FLAG_FIN) {
		out->flags |= TCP_FLAG_FIN;
		clients->timeouts++;
	}
	idle->seq = out->seq + out->payload_bytes;
	idle->ack = out->ack;
}

/* Turns the frame that came into the one that answers it; false: it needs no answer. */
static bool answer(struct clients *clients, uint64_t now_us, struct pkt *pkt)
{
	struct frame_segment in, out;

	if (frame_answer_arp(pkt, &clients->link)) {
		if (clients->port->ops->tx_burst(clients->port, now_us, &pkt, 1) != 1)
			pkt_put(pkt);
		return true;
	}
	if (!frame_read(pkt, &in))
		return false; /* announcements */
	if (in.flags & TCP_FLAG_RST) {
		if (in.server_port == FRAME_CLOSED_PORT)
			clients->refused++;
		else
			clients->resets++;
		return false;
	}
	uint32_t net = in.client.ip & NET_MASK;
	if (net == CLIENTS_TLS_NET && clients->tls_answer != NULL) {
		clients->tls_answer(clients->tls_context, now_us, &in);
		return false;
	}
	bool syn = (in.flags & TCP_FLAG_SYN) != 0, fin = (in.flags & TCP_FLAG_FIN) != 0;
	if (in.payload_bytes == 0 && !syn && !fin)
		return false;
	out = (struct frame_segment){.client = in.client,
	                             .server_port = in.server_port,
	                             .seq = in.ack,
	                             .ack = in.seq + in.payload_bytes + syn + fin,
	                             .ts_val = timestamp(now_us),
	                             .ts_ecr = in.ts_val,
	                             .flags = TCP_FLAG_ACK};
	if (net == SHORT_NET)
		answer_short(clients, &in, &out);
	else if (net == IDLE_NET && idle_index(&in.client) < clients->idle_max)
		answer_idle(clients, &in, &out);
	else
		clients->strange++;
	send_frame(clients, now_us, pkt, &out);
	return true;
}

uint64_t clients_answer(struct clients *clients, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	uint64_t total = 0;
	size_t count;

	while ((count = clients->port->ops->rx_burst(clients->port, now_us, pkts, BURST_PKTS_MAX)) >
	       0) {
		for (size_t i = 0; i < count; i++)
			if (!answer(clients, now_us, pkts[i]))
				pkt_put(pkts[i]);
		total += count;
	}
	return total;
}
