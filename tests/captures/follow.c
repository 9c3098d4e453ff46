/* follow.c - runs one capture through Ethernet, VLAN, IP, fragments and flows, and prints what came
 * out.
 *
 * Lines: "packets N", "counter NAME N" (those that are not 0), "flow N CLIENT SERVER REASON", and
 * for each side "stream N c|s" with what it sent: octets in hexadecimal, gaps as [LENGTH].
 */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tcpstack/flow.h"
#include "tcpstack/fragment.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

struct stream {
	char *text;
	size_t len;
	FILE *out;
};

struct followed {
	uint32_t number;
	struct stream side[2];
};

struct run {
	struct arena arena;
	struct flows *flows;
	struct fragments *fragments;
	struct net_counters net;
	struct flow_counters flow;
	uint64_t dissected[DISSECT_EXTENSIONS_BAD + 1];
	uint64_t packets, cut, tcp_packets, linktype_unknown;
	uint64_t whole_right, whole_wrong; /* checksums of what came in fragments */
	uint64_t now_us;
	uint32_t flow_count;
	bool ignore_checksums;
};

static void stream_open(struct stream *stream)
{
	stream->out = open_memstream(&stream->text, &stream->len);
	ASSERT(stream->out != NULL);
}

static void flow_print(struct flow *flow, struct followed *followed, enum flow_reason reason)
{
	static const char *const reasons[] = {"finished", "reset", "idle", "evicted", "replaced"};
	char text[2][ENDPOINT_TEXT_MAX];

	printf("flow %u %s %s %s\n", followed->number,
	       endpoint_format(flow_endpoint(flow, FLOW_CLIENT), text[0]),
	       endpoint_format(flow_endpoint(flow, FLOW_SERVER), text[1]), reasons[reason]);
	for (int i = 0; i < 2; i++) {
		fclose(followed->side[i].out);
		printf("stream %u %c %s\n", followed->number, "cs"[i], followed -> side[i].text);
		free(followed->side[i].text);
	}
	free(followed);
}

static void pull(struct run *run)
{
	struct flow_event event;

	while (flow_next(run->flows, &event)) {
		void **context = flow_context(event.flow);
		if (*context == NULL) {
			struct followed *fresh = calloc(1, sizeof(*fresh));
			ASSERT(fresh != NULL);
			fresh->number = run->flow_count++;
			stream_open(&fresh->side[0]);
			stream_open(&fresh->side[1]);
			*context = fresh;
		}
		struct followed *followed = *context;
		FILE *out = followed->side[event.side].out;
		if (event.kind == FLOW_DATA)
			for (size_t i = 0; i < event.data.len; i++)
				fprintf(out, "%02x", event.data.data[i]);
		else if (event.kind == FLOW_GAP)
			fprintf(out, "[%u]", event.gap_bytes);
		else if (event.kind == FLOW_CLOSED)
			flow_print(event.flow, followed, event.reason);
	}
}

/* What was put together right still has the checksum its sender gave it. */
static void check_whole(struct run *run, const struct dissect *dissect)
{
	struct bytes data = dissect->transport;
	uint32_t sum = 0;

	if (dissect->protocol == IP_PROTOCOL_UDP) {
		const struct udp_header *udp = (const struct udp_header *)data.data;
		if (data.len < sizeof(*udp) || be16_get(udp->checksum) == 0)
			return;
		data.len = be16_get(udp->bytes) < data.len ? be16_get(udp->bytes) : data.len;
	} else if (dissect->protocol != IP_PROTOCOL_TCP && dissect->protocol != IP_PROTOCOL_ICMP4 &&
	           dissect->protocol != IP_PROTOCOL_ICMP6) {
		return;
	}
	if (dissect->protocol != IP_PROTOCOL_ICMP4)
		sum = checksum_pseudo(&dissect->source, &dissect->destination, dissect->protocol,
		                      (uint32_t)data.len);
	if (checksum_fold(checksum_add(sum, data.data, data.len)) == 0)
		run->whole_right++;
	else
		run->whole_wrong++;
}

/* A packet of IP, in a fragment or whole. */
static void take(struct run *run, struct dissect *dissect)
{
	if (dissect->fragmented) {
		struct fragment fragment = {.packet = dissect->ip,
		                            .at = dissect->fragment_at,
		                            .next_field = dissect->fragment_next_field,
		                            .scope = dissect->scope};
		uint32_t scope = dissect->scope;
		struct bytes whole;
		if (fragment_feed(run->fragments, run->now_us, &fragment, &whole) != FRAGMENT_WHOLE)
			return;
		enum dissect_result result = dissect_ip(whole, dissect);
		run->dissected[result]++;
		if (result != DISSECT_OK || dissect->fragmented)
			return;
		dissect->scope = scope;
		check_whole(run, dissect);
	}
	if (dissect->protocol != IP_PROTOCOL_TCP)
		return;
	run->tcp_packets++;
	flow_feed(run->flows, run->now_us, dissect);
	pull(run);
}

/* Where the frame of a link type other than Ethernet has its IP packet. */
static bool ip_offset(int linktype, size_t *out_offset)
{
	switch (linktype) {
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
	case 101: /* LINKTYPE_RAW */
		*out_offset = 0;
		return true;
	case DLT_NULL:
	case DLT_LOOP:
		*out_offset = 4;
		return true;
	case DLT_LINUX_SLL:
		*out_offset = 16;
		return true;
	case DLT_LINUX_SLL2:
		*out_offset = 20;
		return true;
	default:
		return false;
	}
}

static void feed(struct run *run, int linktype, const struct pcap_pkthdr *header,
                 const uint8_t *octets)
{
	uint64_t at_us = (uint64_t)header->ts.tv_sec * 1000000 + (uint64_t)header->ts.tv_usec;
	struct bytes frame = bytes_of(octets, header->caplen);
	struct dissect dissect;
	enum dissect_result result;
	size_t offset;

	run->packets++;
	run->cut += header->caplen < header->len;
	run->now_us = at_us > run->now_us ? at_us : run->now_us;
	while (flow_expire(run->flows, run->now_us))
		pull(run);
	if (linktype == DLT_EN10MB) {
		result = dissect_frame(frame, &dissect);
	} else if (ip_offset(linktype, &offset)) {
		result = dissect_ip(bytes_slice(frame, offset, frame.len), &dissect);
	} else {
		run->linktype_unknown++;
		return;
	}
	run->dissected[result]++;
	if (result == DISSECT_OK || (result == DISSECT_IP_CHECKSUM_BAD && run->ignore_checksums))
		take(run, &dissect);
}

static void counter_print(const char *name, uint64_t value)
{
	if (value != 0)
		printf("counter %s %" PRIu64 "\n", name, value);
}

static void group_print(const struct counter_group *group, const void *counters)
{
	for (uint32_t i = 0; i < group->count; i++) {
		uint64_t value;
		memcpy(&value, (const uint8_t *)counters + i * sizeof(value), sizeof(value));
		counter_print(group->info[i].name, value);
	}
}

static void report(const struct run *run)
{
	static const char *const names[] = {
	    [DISSECT_OK] = "ip_ok",
	    [DISSECT_NOT_IP] = "not_ip",
	    [DISSECT_SHORT] = "short",
	    [DISSECT_TAGS_TOO_MANY] = "tags_too_many",
	    [DISSECT_IP_MALFORMED] = "ip_malformed",
	    [DISSECT_IP_CHECKSUM_BAD] = "ip_checksum_bad",
	    [DISSECT_EXTENSIONS_BAD] = "extensions_bad",
	};

	printf("packets %" PRIu64 "\n", run->packets);
	for (int i = 0; i <= DISSECT_EXTENSIONS_BAD; i++)
		counter_print(names[i], run->dissected[i]);
	counter_print("tcp_packets", run->tcp_packets);
	counter_print("whole_right", run->whole_right);
	counter_print("whole_wrong", run->whole_wrong);
	counter_print("cut", run->cut);
	counter_print("linktype_unknown", run->linktype_unknown);
	group_print(&net_counter_group, &run->net);
	group_print(&flow_counter_group, &run->flow);
}

static void prepare(struct run *run, bool ignore_checksums)
{
	struct flows_config flows;
	struct fragments_config fragments;

	flows_config_defaults(&flows);
	flows.key = (struct hash_key){{1, 2}};
	flows.pieces_per_side_max = 1024;
	flows.ignore_checksums = run->ignore_checksums = ignore_checksums;
	fragments_config_defaults(&fragments);
	fragments.key = flows.key;
	fragments.datagram_bytes_max = 65535;
	ASSERT(arena_init(&run->arena, flows_bytes(&flows) + fragments_bytes(&fragments), false) ==
	       OK);
	run->flows = flows_new(&run->arena, &flows, &run->flow);
	run->fragments = fragments_new(&run->arena, &fragments, &run->net);
	ASSERT(run->flows != NULL && run->fragments != NULL);
}

int main(int argc, char **argv)
{
	static struct run run;
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const uint8_t *octets;
	bool ignore_checksums = argc == 3 && strcmp(argv[1], "--ignore-checksums") == 0;

	if (argc < 2 || (argc == 3 && !ignore_checksums) || argc > 3) {
		fprintf(stderr, "usage: follow [--ignore-checksums] CAPTURE\n");
		return 2;
	}
	pcap_t *capture = pcap_open_offline(argv[argc - 1], error);
	if (capture == NULL) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	prepare(&run, ignore_checksums);
	while (pcap_next_ex(capture, &header, &octets) == 1)
		feed(&run, pcap_datalink(capture), header, octets);
	pcap_close(capture);
	fragment_expire(run.fragments, UINT64_MAX);
	while (flow_expire(run.flows, UINT64_MAX))
		pull(&run);
	report(&run);
	arena_free(&run.arena);
	return 0;
}
