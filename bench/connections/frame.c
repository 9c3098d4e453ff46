/* frame.c - one TCP segment over IPv4 and Ethernet, written and read. */
#include "bench/connections/frame.h"

#include <string.h>

#include "tcpstack/wire.h"

#define TIMESTAMP_BYTES   12
#define SYN_OPTIONS_BYTES 20
#define CLIENT_MSS        1460
#define CLIENT_WINDOW     29200

struct segment_headers {
	struct eth_header eth;
	struct ip4_header ip;
	struct tcp_header tcp;
};
static_assert(sizeof(struct segment_headers) == 54, "packed by nature");

/* RFC 1071, plainly: the clients' time is not measured. */
static uint32_t sum_add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *octet = data;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)octet[i] << 8 | octet[i + 1];
	return bytes % 2 == 0 ? sum : sum + ((uint32_t)octet[bytes - 1] << 8);
}

static struct be16 sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return be16_of((uint16_t) ~(sum + (sum >> 16)));
}

static size_t put_options(uint8_t *to, const struct frame_segment *segment)
{
	static const uint8_t syn[SYN_OPTIONS_BYTES] = {
	    2, 4, CLIENT_MSS >> 8, CLIENT_MSS & 0xff, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3,
	    3, 7};
	static const uint8_t later[TIMESTAMP_BYTES] = {1, 1, 8, 10};
	bool is_syn = (segment->flags & TCP_FLAG_SYN) != 0;
	size_t bytes = is_syn ? sizeof(syn) : sizeof(later), stamps_at = is_syn ? 8 : 4;
	struct be32 val = be32_of(segment->ts_val), ecr = be32_of(segment->ts_ecr);

	memcpy(to, is_syn ? syn : later, bytes);
	memcpy(to + stamps_at, &val, 4);
	memcpy(to + stamps_at + 4, &ecr, 4);
	return bytes;
}

void frame_write(struct pkt *pkt, const struct frame_link *link,
                 const struct frame_segment *segment)
{
	struct segment_headers *h = (struct segment_headers *)pkt->data;
	uint8_t *options = pkt->data + sizeof(*h);
	size_t options_bytes = put_options(options, segment);
	size_t tcp_bytes = sizeof(h->tcp) + options_bytes + segment->payload_bytes;
	struct be32 source = be32_of(segment->client.ip), destination = be32_of(FRAME_SERVER_IP);

	if (segment->payload_bytes > 0)
		memcpy(options + options_bytes, segment->payload, segment->payload_bytes);
	memcpy(h->eth.destination, link->server_mac, MAC_BYTES);
	memcpy(h->eth.source, link->client_mac, MAC_BYTES);
	h->eth.type = be16_of(ETHERTYPE_IP4);
	h->ip = (struct ip4_header){.version_ihl = 0x45,
	                            .total_bytes = be16_of((uint16_t)(sizeof(h->ip) + tcp_bytes)),
	                            .fragment = be16_of(IP4_DONT_FRAGMENT),
	                            .ttl = 64,
	                            .protocol = IP_PROTOCOL_TCP,
	                            .source = source,
	                            .destination = destination};
	h->ip.checksum = sum_fold(sum_add(0, &h->ip, sizeof(h->ip)));
	h->tcp = (struct tcp_header){.source = be16_of(segment->client.port),
	                             .destination = be16_of(segment->server_port),
	                             .seq = be32_of(segment->seq),
	                             .ack = be32_of(segment->ack),
	                             .offset = (uint8_t)((sizeof(h->tcp) + options_bytes) / 4 << 4),
	                             .flags = segment->flags,
	                             .window = be16_of(CLIENT_WINDOW)};
	uint32_t sum = sum_add(IP_PROTOCOL_TCP + (uint32_t)tcp_bytes, &h->ip.source, 8);
	h->tcp.checksum = sum_fold(sum_add(sum, &h->tcp, tcp_bytes));
	pkt->len = (uint16_t)(sizeof(h->eth) + sizeof(h->ip) + tcp_bytes);
}

static void read_timestamps(const uint8_t *options, size_t bytes, struct frame_segment *out)
{
	size_t at = 0;

	while (at + 1 < bytes && options[at] != 0) {
		if (options[at] == 1) {
			at++;
			continue;
		}
		if (options[at] == 8 && at + 10 <= bytes) {
			struct be32 val, ecr;

			memcpy(&val, options + at + 2, 4);
			memcpy(&ecr, options + at + 6, 4);
			out->ts_val = be32_get(val);
			out->ts_ecr = be32_get(ecr);
			return;
		}
		if (options[at + 1] < 2)
			return;
		at += options[at + 1];
	}
}

bool frame_read(const struct pkt *pkt, struct frame_segment *out_segment)
{
	const struct segment_headers *h = (const struct segment_headers *)pkt->data;

	if (pkt->len < sizeof(*h) || be16_get(h->eth.type) != ETHERTYPE_IP4 ||
	    h->ip.protocol != IP_PROTOCOL_TCP)
		return false;

	size_t headers = sizeof(h->eth) + sizeof(h->ip) + (size_t)(h->tcp.offset >> 4) * 4;
	size_t bytes = sizeof(h->eth) + be16_get(h->ip.total_bytes);
	if (headers > bytes || bytes > pkt->len)
		return false;
	*out_segment = (struct frame_segment){
	    .client = {be32_get(h->ip.destination), be16_get(h->tcp.destination)},
	    .server_port = be16_get(h->tcp.source),
	    .seq = be32_get(h->tcp.seq),
	    .ack = be32_get(h->tcp.ack),
	    .flags = h->tcp.flags,
	    .payload_bytes = (uint16_t)(bytes - headers),
	    .payload = pkt->data + headers,
	};
	read_timestamps(pkt->data + sizeof(*h), headers - sizeof(*h), out_segment);
	return true;
}

bool frame_answer_arp(struct pkt *pkt, const struct frame_link *link)
{
	struct eth_header *eth = (struct eth_header *)pkt->data;
	struct arp_header *arp = (struct arp_header *)(eth + 1);

	if (pkt->len < sizeof(*eth) + sizeof(*arp) || be16_get(eth->type) != ETHERTYPE_ARP ||
	    be16_get(arp->operation) != ARP_REQUEST || be32_get(arp->target_ip) != FRAME_ROUTER_IP)
		return false;
	memcpy(eth->destination, eth->source, MAC_BYTES);
	memcpy(eth->source, link->client_mac, MAC_BYTES);
	arp->operation = be16_of(ARP_REPLY);
	memcpy(arp->target_mac, arp->sender_mac, MAC_BYTES);
	arp->target_ip = arp->sender_ip;
	memcpy(arp->sender_mac, link->client_mac, MAC_BYTES);
	arp->sender_ip = be32_of(FRAME_ROUTER_IP);
	return true;
}
