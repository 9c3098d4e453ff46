/* packet.h - segments of scripts: raw IP packets from a few words, and back. */
#ifndef TESTS_PACKET_PACKET_H
#define TESTS_PACKET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_BYTES_MAX   65536
#define PACKET_OPTIONS_MAX 40

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define FLAG_URG 0x20
#define FLAG_ECE 0x40
#define FLAG_CWR 0x80

struct segment {
	uint16_t local_port, peer_port;
	uint32_t seq, ack; /* absolute */
	uint16_t window, urgent;
	uint8_t flags;
	uint8_t ecn;   /* of the IP header */
	bool bad_sum;  /* the checksum is off by one */
	bool extended; /* IP options or an extension header that say nothing lie in between */
	uint8_t options[PACKET_OPTIONS_MAX];
	size_t options_bytes;
	uint32_t len;
	const uint8_t *payload;
};

/* Who we are and who the peer is: 192.0.2.1 and 198.51.100.2, or 2001:db8::1 and 2001:db8:5::2. */
#define PACKET_LOCAL4 "192.0.2.1"
#define PACKET_PEER4  "198.51.100.2"
#define PACKET_LOCAL6 "2001:db8::1"
#define PACKET_PEER6  "2001:db8:5::2"

/* From the peer to us; returns the packet's octets. */
size_t packet_build(uint8_t *to, bool ip6, const struct segment *segment);
/* An ICMP error from a router, which quotes a segment of ours with that sequence number. */
size_t packet_build_icmp(uint8_t *to, bool ip6, uint8_t type, uint8_t code, uint32_t mtu,
                         const struct segment *quoted);
/* From us to the peer. NULL when all is well, else what is wrong with the packet. The payload stays
 * in `packet`. */
const char *packet_parse(const uint8_t *packet, size_t bytes, bool ip6,
                         struct segment *out_segment);

#endif
