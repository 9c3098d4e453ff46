/* large.c - packets larger than a buffer: the segments a sender (or its card) would have made of
 * them.
 *
 * No link of ours carries them, but scripts inject them, since a kernel's receive offload would
 * hand them up. All pieces arrive at one time, so that they are answered as one burst is.
 */
#include <errno.h>

#include "conformance_internal.h"
#include "tcpstack/net_internal.h"

#define PIECE_BYTES 1400
#define FLAG_FIN    0x01
#define FLAG_SYN    0x02
#define FLAG_PSH    0x08
#define PROTOCOL    6

struct large {
	const uint8_t *packet;
	size_t ip_bytes, tcp_bytes; /* headers */
	size_t payload_bytes;
	struct addr source, destination;
};

static void put16(uint8_t *to, size_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static bool is_ip6(const struct large *large)
{
	return large->packet[0] >> 4 == 6;
}

/* TCP without extension headers, whole and with a good checksum; anything else was no segment. */
static bool parse(const uint8_t *packet, size_t bytes, struct large *out_large)
{
	struct large large = {.packet = packet};
	uint32_t sum;

	if (packet[0] >> 4 == 4 && packet[9] == PROTOCOL) {
		large.ip_bytes = (size_t)(packet[0] & 15) * 4;
		large.source = addr_from_ip4(get32(packet + 12));
		large.destination = addr_from_ip4(get32(packet + 16));
	} else if (packet[0] >> 4 == 6 && packet[6] == PROTOCOL) {
		large.ip_bytes = 40;
		memcpy(large.source.octet, packet + 8, 16);
		memcpy(large.destination.octet, packet + 24, 16);
	} else {
		return false;
	}
	large.tcp_bytes = (size_t)(packet[large.ip_bytes + 12] >> 4) * 4;
	if (large.ip_bytes < 20 || large.tcp_bytes < 20)
		return false;
	large.payload_bytes = bytes - large.ip_bytes - large.tcp_bytes;
	sum = checksum_pseudo(&large.source, &large.destination, PROTOCOL,
	                      (uint32_t)(bytes - large.ip_bytes));
	if (checksum_fold(checksum_add(sum, packet + large.ip_bytes, bytes - large.ip_bytes)) != 0)
		return false;
	*out_large = large;
	return true;
}

static void put_checksum(uint8_t *to, uint32_t sum, const uint8_t *from, size_t bytes)
{
	uint16_t checksum;

	put16(to, 0);
	checksum = checksum_fold(checksum_add(sum, from, bytes));
	memcpy(to, &checksum, sizeof(checksum));
}

static void fill_piece(const struct large *large, size_t at, size_t bytes, struct pkt *pkt)
{
	size_t headers = large->ip_bytes + large->tcp_bytes;
	uint8_t *ip = pkt->data, *tcp = pkt->data + large->ip_bytes;
	uint32_t seq = get32(large->packet + large->ip_bytes + 4) + (uint32_t)at;
	bool syn = (large->packet[large->ip_bytes + 13] & FLAG_SYN) != 0;

	memcpy(ip, large->packet, headers);
	memcpy(ip + headers, large->packet + headers + at, bytes);
	pkt->len = (uint16_t)(headers + bytes);
	if (at > 0) {
		seq += syn;
		tcp[13] &= (uint8_t)~FLAG_SYN;
	}
	if (at + bytes < large->payload_bytes)
		tcp[13] &= (uint8_t) ~(FLAG_FIN | FLAG_PSH);
	put16(tcp + 4, seq >> 16);
	put16(tcp + 6, seq & 0xffff);
	put_checksum(tcp + 16,
	             checksum_pseudo(&large->source, &large->destination, PROTOCOL,
	                             (uint32_t)(large->tcp_bytes + bytes)),
	             tcp, large->tcp_bytes + bytes);
	if (is_ip6(large)) {
		put16(ip + 4, large->tcp_bytes + bytes);
	} else {
		put16(ip + 2, pkt->len);
		put_checksum(ip + 10, 0, ip, large->ip_bytes);
	}
}

int world_input_large(const void *packet, size_t bytes)
{
	struct large large;

	if (bytes > 65575 || !parse(packet, bytes, &large))
		return -EMSGSIZE;
	for (size_t at = 0; at < large.payload_bytes; at += PIECE_BYTES) {
		size_t left = large.payload_bytes - at;
		struct pkt *pkt = pkt_get(world.pool);

		if (pkt == NULL)
			return -ENOBUFS;
		fill_piece(&large, at, left < PIECE_BYTES ? left : PIECE_BYTES, pkt);
		pkt->flags = at > 0 ? PKT_PIECE : 0;
		net_input_ip(world.net, world.now_us, pkt);
	}
	return 0;
}
