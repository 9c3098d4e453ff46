/* fuzz_fragment.c - fragments in any order and shape: what comes out whole is what was cut.
 *
 * Input: one octet of choices, then fragments. Either six octets each, which cut a pattern, so that
 * the outcome is known; or raw packets behind their length.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "tcpstack/dissect.h"
#include "tcpstack/fragment.h"
#include "tcpstack/wire.h"

#define CHOICE_RAW    1
#define CHOICE_SMALL  2 /* a table of 2 */
#define FEEDS_MAX     256
#define PATTERN_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t pattern_at(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

/* Octets: offset in units (12 bits), more, family; length in 2; id; source and change. */
static size_t build(const uint8_t *op, uint8_t *packet, struct fragment *fragment)
{
	size_t unit = (op[0] | (size_t)op[1] << 8) & 0x1ff, bytes = op[2] | (op[3] & 7u) << 8;
	bool ip6 = (op[1] & 0x80) != 0, more = (op[1] & 0x40) != 0;
	uint8_t change = (op[5] & 0xf0) == 0xf0;
	size_t header_bytes = ip6 ? 48 : 20;

	*fragment = (struct fragment){.at = ip6 ? 40 : 20,
	                              .next_field = offsetof(struct ip6_header, next_header)};
	if (ip6) {
		struct ip6_header ip = {.version_class_flow = be32_of(0x60000000),
		                        .payload_bytes = be16_of((uint16_t)(8 + bytes)),
		                        .next_header = IP_PROTOCOL_FRAGMENT,
		                        .source = {0x20, [15] = op[5] & 7}};
		struct ip6_fragment header = {.next_header = 200,
		                              .offset_more = be16_of((uint16_t)(unit << 3 | more)),
		                              .id = be32_of(op[4])};
		memcpy(packet, &ip, sizeof(ip));
		memcpy(packet + sizeof(ip), &header, sizeof(header));
	} else {
		struct ip4_header ip = {
		    .version_ihl = 0x45,
		    .total_bytes = be16_of((uint16_t)(20 + bytes)),
		    .id = be16_of(op[4]),
		    .fragment = be16_of((uint16_t)(unit | (more ? IP4_MORE_FRAGMENTS : 0))),
		    .protocol = 200,
		    .source = be32_of(1 + (op[5] & 7u))};
		memcpy(packet, &ip, sizeof(ip));
	}
	for (size_t i = 0; i < bytes; i++)
		packet[header_bytes + i] = (uint8_t)(pattern_at(unit * 8 + i) + change);
	return header_bytes + bytes;
}

static void check_whole(struct bytes whole, bool from_pattern, bool changed)
{
	struct dissect dissect;
	enum dissect_result result = dissect_ip(whole, &dissect);

	if (!from_pattern) {
		ASSERT(result == DISSECT_OK || result == DISSECT_EXTENSIONS_BAD ||
		       result == DISSECT_IP_MALFORMED);
		return;
	}
	ASSERT(result == DISSECT_OK && !dissect.fragmented);
	ASSERT(dissect.ip.len == whole.len && dissect.protocol == 200);
	for (size_t i = 0; i < dissect.transport.len && !changed; i++)
		ASSERT(dissect.transport.data[i] == pattern_at(i));
}

static void feed_raw(struct fragments *fragments, uint64_t now_us, const uint8_t *data,
                     size_t bytes)
{
	uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
	struct dissect dissect;
	struct bytes whole;

	ASSERT(exact != NULL);
	memcpy(exact, data, bytes);
	if (dissect_ip(bytes_of(exact, bytes), &dissect) == DISSECT_OK && dissect.fragmented) {
		struct fragment fragment = {.packet = dissect.ip,
		                            .at = dissect.fragment_at,
		                            .next_field = dissect.fragment_next_field};
		if (fragment_feed(fragments, now_us, &fragment, &whole) == FRAGMENT_WHOLE)
			check_whole(whole, false, false);
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t pause_us[8] = {0, 1, 1000, 100000, 500000, 1000000, 2000000, 9999999};
	struct net_counters counters = {0};
	struct fragments_config config;
	struct arena arena;
	struct bytes whole;
	uint64_t now_us = 0;
	bool changed = false;

	if (size < 1)
		return 0;
	fragments_config_defaults(&config);
	config.datagram_bytes_max = PATTERN_BYTES;
	config.datagrams_max = (data[0] & CHOICE_SMALL) != 0 ? 2 : 16;
	config.datagrams_per_source_max = (data[0] & CHOICE_SMALL) != 0 ? 1 : 4;
	ASSERT(arena_init(&arena, fragments_bytes(&config), false) == OK);
	struct fragments *fragments = fragments_new(&arena, &config, &counters);
	ASSERT(fragments != NULL);
	size_t at = 1;
	for (int i = 0; i < FEEDS_MAX; i++) {
		if ((data[0] & CHOICE_RAW) != 0) {
			if (at + 2 > size)
				break;
			size_t bytes = data[at] | (data[at + 1] & 0x1fu) << 8;
			now_us += pause_us[data[at + 1] >> 5];
			at += 2;
			bytes = bytes < size - at ? bytes : size - at;
			feed_raw(fragments, now_us, data + at, bytes);
			at += bytes;
		} else {
			uint8_t packet[48 + 2048];
			struct fragment fragment;
			if (at + 6 > size)
				break;
			size_t bytes = build(data + at, packet, &fragment);
			fragment.packet = bytes_of(packet, bytes);
			now_us += pause_us[data[at + 3] >> 5];
			changed |= (data[at + 5] & 0xf0) == 0xf0;
			if (fragment_feed(fragments, now_us, &fragment, &whole) == FRAGMENT_WHOLE)
				check_whole(whole, true, changed);
			at += 6;
		}
		ASSERT(fragment_datagram_count(fragments) <= config.datagrams_max);
	}
	fragment_expire(fragments, UINT64_MAX);
	ASSERT(fragment_datagram_count(fragments) == 0);
	arena_free(&arena);
	return 0;
}
