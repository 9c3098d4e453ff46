/* tcp_segment.c - the header in front of a payload, and segments that belong to no connection. */
#include "tcpstack/tcp_internal.h"

struct tcp_header {
	uint8_t source_port[2], destination_port[2];
	uint8_t seq[4], ack[4];
	uint8_t offset, flags;
	uint8_t window[2], checksum[2], urgent[2];
};
static_assert(sizeof(struct tcp_header) == TCP_HEADER_BYTES, "RFC 9293 3.1");

/* Ethernet with a VLAN tag, IPv6, TCP with all options. */
#define HEADERS_BYTES_MAX (18 + 40 + TCP_HEADER_BYTES + TCP_OPTIONS_BYTES_MAX)
static_assert(HEADERS_BYTES_MAX <= PKT_HEADROOM_BYTES, "headers go into the headroom");

static void put_u16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put_u32(uint8_t *to, uint32_t value)
{
	put_u16(to, (uint16_t)(value >> 16));
	put_u16(to + 2, (uint16_t)value);
}

struct pkt *segment_new(struct net *net)
{
	struct pkt *pkt = pkt_get(net->pool);

	if (COUNT_IF(pkt == NULL, net->tcp_counters->output_no_packet))
		return NULL;
	pkt->len = 0;
	pkt->next = NULL;
	ASSERT(pkt_headroom(pkt) >= HEADERS_BYTES_MAX);
	return pkt;
}

void segment_send(struct net *net, struct pkt *pkt, const struct tcp_tuple *tuple,
                  const struct tcp_header_fields *fields, const uint8_t *options,
                  size_t options_bytes, uint32_t payload_sum)
{
	size_t header_bytes = TCP_HEADER_BYTES + options_bytes;
	struct tcp_header header = {.offset = (uint8_t)(header_bytes / 4 << 4),
	                            .flags = fields->flags};
	uint16_t checksum;
	uint32_t sum;

	ASSERT(options_bytes <= TCP_OPTIONS_BYTES_MAX && options_bytes % 4 == 0);
	put_u16(header.source_port, tuple->local.port);
	put_u16(header.destination_port, tuple->remote.port);
	put_u32(header.seq, fields->seq);
	put_u32(header.ack, fields->ack);
	put_u16(header.window, fields->window);

	pkt->data -= header_bytes;
	pkt->len = (uint16_t)(pkt->len + header_bytes);
	memcpy(pkt->data, &header, sizeof(header));
	if (options_bytes > 0)
		memcpy(pkt->data + sizeof(header), options, options_bytes);

	sum = checksum_pseudo(&tuple->local.addr, &tuple->remote.addr, 6, pkt->len);
	sum = checksum_add(sum, pkt->data, header_bytes);
	/* Folded first, so that adding cannot overflow. */
	sum = (sum & 0xffff) + (sum >> 16);
	payload_sum = (payload_sum & 0xffff) + (payload_sum >> 16);
	checksum = checksum_fold(sum + payload_sum);
	memcpy(pkt->data + offsetof(struct tcp_header, checksum), &checksum, sizeof(checksum));

	net->tcp_counters->segments_out++;
	if (fields->flags & TCP_FLAG_RST)
		net->tcp_counters->resets_out++;
	ip_output(net, pkt, &tuple->local.addr, &tuple->remote.addr, 6, fields->ecn);
}

void segment_reset(struct net *net, const struct tcp_segment *segment)
{
	struct tcp_header_fields fields = {.flags = TCP_FLAG_RST};
	struct pkt *pkt;

	if (segment->flags & TCP_FLAG_RST)
		return;
	if (segment->flags & TCP_FLAG_ACK) {
		fields.seq = segment->ack;
	} else {
		fields.ack = segment->seq + segment_span(segment);
		fields.flags |= TCP_FLAG_ACK;
	}
	pkt = segment_new(net);
	if (pkt != NULL)
		segment_send(net, pkt, &segment->tuple, &fields, NULL, 0, 0);
}

void segment_reset_stranger(struct net *net, const struct tcp_segment *segment)
{
	if (!COUNT_IF(net->behind, net->tcp_counters->strangers_unanswered))
		segment_reset(net, segment);
}

void segment_ack(struct net *net, const struct tcp_tuple *tuple,
                 const struct tcp_header_fields *fields, bool timestamps, uint32_t ts_recent)
{
	uint8_t options[TCP_OPTIONS_BYTES_MAX];
	size_t bytes = 0;
	struct pkt *pkt = segment_new(net);

	if (pkt == NULL)
		return;
	if (timestamps) {
		uint32_t ts_val = tcp_now_ms(net->tcp) + tcp_timestamp_offset(net, tuple);
		bytes = tcp_options_put(options, true, ts_val, ts_recent, NULL, 0);
	}
	segment_send(net, pkt, tuple, fields, options, bytes, 0);
}
