/* frame.h - one TCP segment over IPv4 and Ethernet, written and read: all a client without a stack
 * needs. */
#ifndef BENCH_CONNECTIONS_FRAME_H
#define BENCH_CONNECTIONS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "tcpstack/pkt.h"

#define FRAME_SERVER_IP   0x0a190002u /* 10.25.0.2: the gateway */
#define FRAME_ROUTER_IP   0x0a190001u /* 10.25.0.1: all clients are behind it */
#define FRAME_SMTP_PORT   25
#define FRAME_SMTPS_PORT  465
#define FRAME_CLOSED_PORT 26

/* Who a client is: nothing else is kept of most. */
struct frame_peer {
	uint32_t ip; /* host order */
	uint16_t port;
};

struct frame_segment {
	struct frame_peer client;
	uint16_t server_port;
	uint32_t seq, ack;
	uint32_t ts_val, ts_ecr;
	uint8_t flags;
	uint16_t payload_bytes;
	const uint8_t *payload;
};

/* MACs of both ends of the link. */
struct frame_link {
	uint8_t client_mac[6], server_mac[6];
};

/* Writes the segment a client sends, from the packet's data on. A SYN brings the options Linux's
 * would: MSS, SACK, timestamps, window scale; every other segment timestamps. */
void frame_write(struct pkt *pkt, const struct frame_link *link,
                 const struct frame_segment *segment);
/* Reads a segment of the server's; false when it is none. The payload points into the packet. */
bool frame_read(const struct pkt *pkt, struct frame_segment *out_segment);
/* Turns an ARP request for the router into its answer; false when it is none. */
bool frame_answer_arp(struct pkt *pkt, const struct frame_link *link);

#endif
