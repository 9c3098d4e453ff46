/* fuzz_flow.c - segments of a few flows in any order: events follow their grammar, and octets come
 * out where they belong.
 *
 * Input: one octet of choices, then segments: flags; side, flow and time; offsets of sequence and
 * acknowledgement number from the side's start (two octets each); length. Octets are a function of
 * the sequence number, unless a choice spoils some. Or raw frames behind their length.
 */
#include <stdlib.h>

#include "base/check.h"
#include "tcpstack/flow.h"
#include "tcpstack/flow_internal.h"
#include "tcpstack/net_internal.h"

#define CHOICE_RAW   1
#define CHOICE_SPOIL 2 /* octets of segments with URG are others */
#define CHOICE_WRAP  4 /* sequence numbers pass 2^32 */
#define FEEDS_MAX    300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t octet_at(uint32_t seq)
{
	return (uint8_t)(seq * 167 + (seq >> 8));
}

static void pull(struct flows *flows, bool check_octets)
{
	struct flow_event event;
	int count = 0;

	while (flow_next(flows, &event)) {
		void **context = flow_context(event.flow);
		uintptr_t seen = (uintptr_t)*context; /* bits: kinds told */
		struct side *side = &event.flow->side[event.side];
		uintptr_t fin = (uintptr_t)256 << event.side;
		ASSERT(++count < 4096);
		ASSERT((event.kind == FLOW_OPENED) == (seen == 0));
		ASSERT((seen & 1u << FLOW_CLOSED) == 0);
		if (event.kind == FLOW_DATA) {
			uint32_t seq = side->next - (uint32_t)event.data.len;
			ASSERT(event.data.len > 0 && (seen & fin) == 0);
			for (size_t i = 0; i < event.data.len && check_octets; i++)
				ASSERT(event.data.data[i] == octet_at(seq + (uint32_t)i));
		}
		if (event.kind == FLOW_GAP)
			ASSERT(event.gap_bytes > 0 && event.gap_bytes <= WINDOW_MAX * 2 &&
			       (seen & fin) == 0);
		if (event.kind == FLOW_FIN) {
			ASSERT((seen & fin) == 0);
			seen |= fin;
		}
		seen |= (uintptr_t)1 << event.kind;
		*context = (void *)seen;
	}
}

/* Seven octets to a segment in an IPv4 packet. */
static size_t build(const uint8_t *op, uint8_t choices, uint8_t *packet)
{
	bool server = (op[1] & 1) != 0;
	uint32_t base = (choices & CHOICE_WRAP) != 0 ? UINT32_MAX - 3000 : 100000;
	uint32_t seq = base + server * 7 + (op[2] | (uint32_t)op[3] << 8);
	uint32_t ack = base + !server * 7 + (op[4] | (uint32_t)op[5] << 8);
	size_t bytes = (op[6] & 0x80) != 0 ? (op[6] & 0x7fu) * 32 : op[6];
	uint16_t port = (uint16_t)(50000 + (op[1] >> 1 & 3));
	struct ip4_header ip = {.version_ihl = 0x45,
	                        .total_bytes = be16_of((uint16_t)(40 + bytes)),
	                        .protocol = IP_PROTOCOL_TCP,
	                        .source = be32_of(server ? 2 : 1),
	                        .destination = be32_of(server ? 1 : 2)};
	struct tcp_header tcp = {.source = be16_of(server ? 25 : port),
	                         .destination = be16_of(server ? port : 25),
	                         .seq = be32_of(seq),
	                         .ack = be32_of(ack),
	                         .offset = 0x50,
	                         .flags = op[0] & 0x3f,
	                         .window = be16_of((uint16_t)(op[0] & 0x80 ? 65535 : 500))};
	uint16_t sum = checksum_fold(checksum_add(0, &ip, sizeof(ip)));
	bool spoilt = (choices & CHOICE_SPOIL) != 0 && (op[0] & TCP_FLAG_URG) != 0;

	memcpy(ip.checksum.octet, &sum, 2);
	memcpy(packet, &ip, sizeof(ip));
	memcpy(packet + 20, &tcp, sizeof(tcp));
	seq += (op[0] & TCP_FLAG_SYN) != 0;
	for (size_t i = 0; i < bytes; i++)
		packet[40 + i] = (uint8_t)(octet_at(seq + (uint32_t)i) + spoilt);
	return 40 + bytes;
}

static void feed_frame(struct flows *flows, uint64_t now_us, struct bytes frame)
{
	uint8_t *exact = malloc(frame.len > 0 ? frame.len : 1);
	struct dissect dissect;

	ASSERT(exact != NULL);
	memcpy(exact, frame.data, frame.len);
	if (dissect_frame(bytes_of(exact, frame.len), &dissect) == DISSECT_OK &&
	    dissect.protocol == IP_PROTOCOL_TCP && !dissect.fragmented) {
		flow_feed(flows, now_us, &dissect);
		pull(flows, false);
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t pause_us[8] = {0, 1, 1000, 1000000, 9000000, 11000000, 21000000, 0};
	struct flow_counters counters = {0};
	struct flows_config config;
	struct arena arena;
	uint64_t now_us = 0;

	if (size < 1)
		return 0;
	bool raw = (data[0] & CHOICE_RAW) != 0, spoil = (data[0] & CHOICE_SPOIL) != 0;
	flows_config_defaults(&config);
	config.flows_max = 3;
	config.pieces_max = 12;
	config.pieces_per_side_max = 6;
	config.ignore_checksums = true;
	ASSERT(arena_init(&arena, flows_bytes(&config), false) == OK);
	struct flows *flows = flows_new(&arena, &config, &counters);
	ASSERT(flows != NULL);
	size_t at = 1;
	for (int i = 0; i < FEEDS_MAX && at + 7 <= size; i++) {
		uint8_t packet[40 + 128 * 32];
		now_us += pause_us[data[at + 1] >> 5];
		while (flow_expire(flows, now_us))
			pull(flows, !raw && !spoil);
		if (raw) {
			size_t bytes = data[at] | (data[at + 1] & 7u) << 8;
			at += 2;
			bytes = bytes < size - at ? bytes : size - at;
			feed_frame(flows, now_us, bytes_of(data + at, bytes));
			at += bytes;
		} else {
			size_t bytes = build(data + at, data[0], packet);
			struct dissect dissect;
			ASSERT(dissect_ip(bytes_of(packet, bytes), &dissect) == DISSECT_OK);
			flow_feed(flows, now_us, &dissect);
			pull(flows, !spoil);
			at += 7;
		}
		ASSERT(flow_count(flows) <= config.flows_max);
	}
	while (flow_expire(flows, UINT64_MAX))
		pull(flows, !raw && !spoil);
	ASSERT(flow_count(flows) == 0 && flow_pieces_used(flows) == 0);
	arena_free(&arena);
	return 0;
}
