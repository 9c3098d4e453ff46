/* packet.c - packets from segments and back, written from the RFCs and sharing nothing with what is
 * under test: RFC 791, 8200, 9293 3.1, 792, 4443, 1071. */
#include "packet.h"

#include <arpa/inet.h>
#include <string.h>

#define PROTOCOL_ICMP4 1
#define PROTOCOL_TCP   6
#define PROTOCOL_ICMP6 58

static void put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
	put16(to, value >> 16);
	put16(to + 2, value & 0xffff);
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static uint32_t get32(const uint8_t *from)
{
	return (uint32_t)get16(from) << 16 | get16(from + 2);
}

static uint32_t sum_octets(uint32_t sum, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	return sum;
}

static uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t ip_header_bytes(bool ip6)
{
	return ip6 ? 40 : 20;
}

static void put_address(uint8_t *to, bool ip6, bool peer)
{
	if (ip6)
		inet_pton(AF_INET6, peer ? PACKET_PEER6 : PACKET_LOCAL6, to);
	else
		inet_pton(AF_INET, peer ? PACKET_PEER4 : PACKET_LOCAL4, to);
}

/* Four octets that say nothing, in front of what is there. */
static size_t put_ip4_options(uint8_t *to, size_t bytes)
{
	memmove(to + 24, to + 20, bytes - 20);
	memset(to + 20, 1, 4);
	to[0] = 0x46;
	put16(to + 2, (uint32_t)(bytes + 4));
	put16(to + 10, 0);
	put16(to + 10, sum_end(sum_octets(0, to, 24)));
	return bytes + 4;
}

/* Hop-by-hop options: padding. */
static size_t put_ip6_extension(uint8_t *to, size_t bytes)
{
	memmove(to + 48, to + 40, bytes - 40);
	memset(to + 40, 0, 8);
	to[40] = to[6];
	to[42] = 1;
	to[43] = 4;
	to[6] = 0;
	put16(to + 4, (uint32_t)(bytes - 40 + 8));
	return bytes + 8;
}

static void put_ip(uint8_t *to, bool ip6, bool from_peer, uint8_t protocol, size_t payload_bytes)
{
	memset(to, 0, ip_header_bytes(ip6));
	if (ip6) {
		to[0] = 0x60;
		put16(to + 4, (uint32_t)payload_bytes);
		to[6] = protocol;
		to[7] = 64;
		put_address(to + 8, true, from_peer);
		put_address(to + 24, true, !from_peer);
		return;
	}
	to[0] = 0x45;
	put16(to + 2, (uint32_t)(20 + payload_bytes));
	to[8] = 64;
	to[9] = protocol;
	put_address(to + 12, false, from_peer);
	put_address(to + 16, false, !from_peer);
	put16(to + 10, sum_end(sum_octets(0, to, 20)));
}

static uint32_t pseudo_sum(const uint8_t *ip, bool ip6, uint8_t protocol, size_t bytes)
{
	uint32_t sum = ip6 ? sum_octets(0, ip + 8, 32) : sum_octets(0, ip + 12, 8);

	return sum + protocol + (uint32_t)bytes;
}

static size_t put_tcp(uint8_t *to, const struct segment *segment, bool from_peer)
{
	size_t header = 20 + segment->options_bytes;

	memset(to, 0, 20);
	put16(to, from_peer ? segment->peer_port : segment->local_port);
	put16(to + 2, from_peer ? segment->local_port : segment->peer_port);
	put32(to + 4, segment->seq);
	put32(to + 8, segment->ack);
	to[12] = (uint8_t)(header / 4 << 4);
	to[13] = segment->flags;
	put16(to + 14, segment->window);
	put16(to + 18, segment->urgent);
	memcpy(to + 20, segment->options, segment->options_bytes);
	if (segment->len > 0)
		memcpy(to + header, segment->payload, segment->len);
	return header + segment->len;
}

size_t packet_build(uint8_t *to, bool ip6, const struct segment *segment)
{
	size_t at = ip_header_bytes(ip6);
	size_t bytes = put_tcp(to + at, segment, true);

	uint32_t sum;

	put_ip(to, ip6, true, PROTOCOL_TCP, bytes);
	sum = sum_octets(pseudo_sum(to, ip6, PROTOCOL_TCP, bytes), to + at, bytes);
	put16(to + at + 16, sum_end(sum) ^ (uint32_t)segment->bad_sum);
	if (ip6) {
		to[1] = (uint8_t)(segment->ecn << 4);
	} else {
		to[1] = segment->ecn;
		put16(to + 10, 0);
		put16(to + 10, sum_end(sum_octets(0, to, 20)));
	}
	bytes += at;
	if (segment->extended)
		bytes = ip6 ? put_ip6_extension(to, bytes) : put_ip4_options(to, bytes);
	return bytes;
}

size_t packet_build_icmp(uint8_t *to, bool ip6, uint8_t type, uint8_t code, uint32_t mtu,
                         const struct segment *quoted)
{
	size_t at = ip_header_bytes(ip6);
	uint8_t *icmp = to + at;
	size_t bytes;

	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	put32(icmp + 4, mtu);
	/* The quote claims to have been a full packet, of which this much is shown. */
	bytes = put_tcp(icmp + 8 + at, quoted, false);
	put_ip(icmp + 8, ip6, false, PROTOCOL_TCP, 1480);
	bytes += 8 + at;
	put_ip(to, ip6, true, ip6 ? PROTOCOL_ICMP6 : PROTOCOL_ICMP4, bytes);
	put16(icmp + 2, sum_end(sum_octets(ip6 ? pseudo_sum(to, ip6, PROTOCOL_ICMP6, bytes) : 0,
	                                   icmp, bytes)));
	return at + bytes;
}

static const char *check_ip(const uint8_t *packet, size_t bytes, bool ip6)
{
	uint8_t expected[40];

	if (bytes < ip_header_bytes(ip6) + 20 || packet[0] >> 4 != (ip6 ? 6 : 4))
		return "not a packet of that family";
	put_ip(expected, ip6, false, PROTOCOL_TCP, bytes - ip_header_bytes(ip6));
	if (ip6) {
		if (get16(packet + 4) != bytes - 40 || packet[6] != PROTOCOL_TCP)
			return "length or next header is wrong";
		return memcmp(packet + 8, expected + 8, 32) == 0 ? NULL : "addresses are wrong";
	}
	if (packet[0] != 0x45 || get16(packet + 2) != bytes || packet[9] != PROTOCOL_TCP)
		return "length or protocol is wrong";
	if (sum_end(sum_octets(0, packet, 20)) != 0)
		return "the IP checksum is wrong";
	if (get16(packet + 6) != 0x4000)
		return "DF is not set, or it is a fragment";
	return memcmp(packet + 12, expected + 12, 8) == 0 ? NULL : "addresses are wrong";
}

const char *packet_parse(const uint8_t *packet, size_t bytes, bool ip6, struct segment *out_segment)
{
	const char *wrong = check_ip(packet, bytes, ip6);
	size_t at = ip_header_bytes(ip6);
	const uint8_t *tcp = packet + at;
	size_t header;

	if (wrong != NULL)
		return wrong;
	bytes -= at;
	header = (size_t)(tcp[12] >> 4) * 4;
	if (header < 20 || header > bytes)
		return "the data offset is wrong";
	if (sum_end(sum_octets(pseudo_sum(packet, ip6, PROTOCOL_TCP, bytes), tcp, bytes)) != 0)
		return "the TCP checksum is wrong";
	*out_segment = (struct segment){.local_port = get16(tcp),
	                                .peer_port = get16(tcp + 2),
	                                .seq = get32(tcp + 4),
	                                .ack = get32(tcp + 8),
	                                .flags = tcp[13],
	                                .ecn = (ip6 ? packet[1] >> 4 : packet[1]) & 3,
	                                .window = get16(tcp + 14),
	                                .urgent = get16(tcp + 18),
	                                .options_bytes = header - 20,
	                                .len = (uint32_t)(bytes - header),
	                                .payload = tcp + header};
	memcpy(out_segment->options, tcp + 20, header - 20);
	return NULL;
}
