/* test_net_malformed.c - a table of frames that are wrong in one way each: which counter, and what
 * comes back. */
#include "net_fixture.h"

enum base { ARP, ICMP4, TCP4, ICMP6, TCP6, SOLICIT };

/* What is done to the base frame before it arrives. */
struct wrong {
	const char *name;
	enum base base;
	uint16_t at; /* where `octets` go, from the Ethernet header */
	uint8_t count;
	uint8_t octets[16];
	uint16_t len;      /* of the frame, when not 0 */
	bool ip4_checksum; /* is made right again */
	bool icmp_checksum;
	size_t counter;
	uint32_t answers;
};

#define C(name) offsetof(struct net_counters, name)
#define PUT(...) \
	sizeof((uint8_t[]){__VA_ARGS__}), \
	{ \
		__VA_ARGS__ \
	}
#define NOTHING \
	0, 0, \
	{ \
		0 \
	}
#define IP         14 /* offsets of headers */
#define ICMP6_AT   54
#define ARP_SENDER 22 /* MAC and address */

static const struct wrong table[] = {
    {"unharmed ARP request", ARP, NOTHING, 0, false, false, C(arp_requests_answered), 1},
    {"unharmed echo, IPv4", ICMP4, NOTHING, 0, false, false, C(icmp_echo_answered), 1},
    {"unharmed echo, IPv6", ICMP6, NOTHING, 0, false, false, C(icmp_echo_answered), 1},
    {"unharmed solicitation", SOLICIT, NOTHING, 0, false, false, C(nd_solicitations_answered), 1},

    {"one octet", TCP4, NOTHING, 1, false, false, C(eth_short), 0},
    {"Ethernet header cut", TCP4, NOTHING, 13, false, false, C(eth_short), 0},
    {"tag cut", TCP4, 12, PUT(0x81, 0x00), 17, false, false, C(eth_short), 0},
    {"tagged", TCP4, 12, PUT(0x81, 0x00, 0x00, 0x05, 0x08, 0x00), 0, false, false, C(vlan_other),
     0},
    {"to another MAC", TCP4, 0, PUT(2, 0, 0, 0, 0, 9), 0, false, false, C(eth_not_ours), 0},
    {"from our own MAC", TCP4, 6, PUT(2, 0, 0, 0, 0, 1), 0, false, false, C(eth_own), 0},
    {"from a group MAC", TCP4, 6, PUT(3, 0, 0, 0, 0, 2), 0, false, false, C(eth_source_bad), 0},
    {"from the null MAC", TCP4, 6, PUT(0, 0, 0, 0, 0, 0), 0, false, false, C(eth_source_bad), 0},
    {"an 802.3 length", TCP4, 12, PUT(0x00, 0x40), 0, false, false, C(eth_type_unknown), 0},
    {"LLDP", TCP4, 12, PUT(0x88, 0xcc), 0, false, false, C(eth_type_unknown), 0},

    {"ARP cut", ARP, NOTHING, 41, false, false, C(arp_malformed), 0},
    {"ARP hardware", ARP, 14, PUT(0, 6), 0, false, false, C(arp_malformed), 0},
    {"ARP protocol", ARP, 16, PUT(0x86, 0xdd), 0, false, false, C(arp_malformed), 0},
    {"ARP hardware length", ARP, 18, PUT(8), 0, false, false, C(arp_malformed), 0},
    {"ARP protocol length", ARP, 19, PUT(16), 0, false, false, C(arp_malformed), 0},
    {"ARP operation 0", ARP, 20, PUT(0, 0), 0, false, false, C(arp_malformed), 0},
    {"ARP operation 3", ARP, 20, PUT(0, 3), 0, false, false, C(arp_malformed), 0},
    {"ARP from broadcast", ARP, ARP_SENDER, PUT(255, 255, 255, 255, 255, 255), 0, false, false,
     C(arp_malformed), 0},
    {"ARP with our address", ARP, ARP_SENDER + 6, PUT(192, 0, 2, 1), 0, false, false,
     C(address_conflicts), 1},
    {"ARP probe", ARP, ARP_SENDER + 6, PUT(0, 0, 0, 0), 0, false, false, C(arp_requests_answered),
     1},

    {"IPv4 cut", TCP4, NOTHING, IP + 19, false, false, C(ip4_malformed), 0},
    {"IPv4 empty", TCP4, NOTHING, IP, false, false, C(ip4_malformed), 0},
    {"IPv4 version 5", TCP4, IP, PUT(0x55), 0, true, false, C(ip4_malformed), 0},
    {"IPv4 header of 16", TCP4, IP, PUT(0x44), 0, false, false, C(ip4_malformed), 0},
    {"IPv4 header beyond total", TCP4, IP, PUT(0x4f), 0, false, false, C(ip4_malformed), 0},
    {"IPv4 total below header", TCP4, IP + 2, PUT(0, 19), 0, true, false, C(ip4_malformed), 0},
    {"IPv4 total beyond frame", TCP4, IP + 2, PUT(0, 41), 0, true, false, C(ip4_malformed), 0},
    {"IPv4 checksum", TCP4, IP + 10, PUT(0xde, 0xad), 0, false, false, C(ip4_checksum_bad), 0},
    {"IPv4 more fragments", TCP4, IP + 6, PUT(0x20, 0), 0, true, false, C(ip4_fragments), 0},
    {"IPv4 last fragment", TCP4, IP + 6, PUT(0x00, 0x08), 0, true, false, C(ip4_fragments), 0},
    {"IPv4 from loopback", TCP4, IP + 12, PUT(127, 0, 0, 1), 0, true, false, C(ip4_source_bad), 0},
    {"IPv4 from 0.0.0.0", TCP4, IP + 12, PUT(0, 0, 0, 0), 0, true, false, C(ip4_source_bad), 0},
    {"IPv4 from a group", TCP4, IP + 12, PUT(224, 0, 0, 5), 0, true, false, C(ip4_source_bad), 0},
    {"IPv4 from broadcast", TCP4, IP + 12, PUT(255, 255, 255, 255), 0, true, false,
     C(ip4_source_bad), 0},
    {"IPv4 from our broadcast", TCP4, IP + 12, PUT(192, 0, 2, 255), 0, true, false,
     C(ip4_source_bad), 0},
    {"IPv4 from us", TCP4, IP + 12, PUT(192, 0, 2, 1), 0, true, false, C(ip4_source_bad), 0},
    {"IPv4 to another", TCP4, IP + 16, PUT(192, 0, 2, 77), 0, true, false, C(ip_not_ours), 0},
    {"IPv4 to a group", TCP4, IP + 16, PUT(224, 0, 0, 1), 0, true, false, C(ip_broadcast), 0},
    {"IPv4 in an Ethernet broadcast", TCP4, 0, PUT(255, 255, 255, 255, 255, 255), 0, false, false,
     C(ip_broadcast), 0},
    {"TTL 0 is no reason (RFC 1122 3.2.1.7)", ICMP4, IP + 8, PUT(0), 0, true, false,
     C(icmp_echo_answered), 1},

    {"ICMP cut", ICMP4, IP + 2, PUT(0, 27), 0, true, false, C(icmp_malformed), 0},
    {"ICMP checksum", ICMP4, IP + 24, PUT(1), 0, false, false, C(icmp_checksum_bad), 0},
    {"ICMP echo reply", ICMP4, IP + 20, PUT(0), 0, false, true, C(icmp_ignored), 0},
    {"ICMP timestamp", ICMP4, IP + 20, PUT(13), 0, false, true, C(icmp_ignored), 0},
    {"ICMP echo code 1", ICMP4, IP + 21, PUT(1), 0, false, true, C(icmp_ignored), 0},

    {"IPv6 cut", TCP6, NOTHING, IP + 39, false, false, C(ip6_malformed), 0},
    {"IPv6 version 4", TCP6, IP, PUT(0x45), 0, false, false, C(ip6_malformed), 0},
    {"IPv6 beyond frame", TCP6, IP + 4, PUT(0, 21), 0, false, false, C(ip6_malformed), 0},
    {"IPv6 from a group", TCP6, IP + 8, PUT(0xff), 0, false, false, C(ip6_source_bad), 0},
    {"IPv6 from a mapped address", TCP6, IP + 8,
     PUT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9), 0, false, false,
     C(ip6_source_bad), 0},
    {"IPv6 from loopback", TCP6, IP + 8, PUT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), 0,
     false, false, C(ip6_source_bad), 0},
    {"IPv6 TCP from nobody", TCP6, IP + 8, PUT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0,
     false, false, C(ip6_source_bad), 0},
    {"IPv6 to a mapped address", TCP6, IP + 24,
     PUT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1), 0, false, false,
     C(ip6_source_bad), 0},
    {"IPv6 to another", TCP6, IP + 39, PUT(0x99), 0, false, false, C(ip_not_ours), 0},
    {"IPv6 TCP to all nodes", TCP6, IP + 24, PUT(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
     0, false, false, C(ip_broadcast), 0},
    {"IPv6 to a strange group", TCP6, IP + 24,
     PUT(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9), 0, false, false, C(ip_broadcast), 0},
    {"IPv6 fragment of 12 octets, not the last", TCP6, IP + 6, PUT(44), 0, false, false,
     C(fragments_malformed), 1},
    {"IPv6 routing, segments left", TCP6, IP + 6, PUT(43), 0, false, false, C(ip6_extensions_bad),
     0},
    {"IPv6 no next header", TCP6, IP + 6, PUT(59), 0, false, false, C(ip6_protocol_unknown), 0},
    {"IPv6 unknown next header", TCP6, IP + 6, PUT(253), 0, false, false, C(ip6_protocol_unknown),
     1},
    {"ICMPv6 checksum", ICMP6, ICMP6_AT + 4, PUT(1), 0, false, false, C(icmp_checksum_bad), 0},
    {"ICMPv6 cut", ICMP6, IP + 4, PUT(0, 7), 0, false, false, C(icmp_malformed), 0},
    {"ICMPv6 echo to all nodes", ICMP6, IP + 24,
     PUT(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), 0, false, true, C(icmp_ignored), 0},

    {"solicitation, hop limit 254", SOLICIT, IP + 7, PUT(254), 0, false, false, C(nd_malformed), 0},
    {"solicitation, code 1", SOLICIT, ICMP6_AT + 1, PUT(1), 0, false, true, C(nd_malformed), 0},
    {"solicitation for a group", SOLICIT, ICMP6_AT + 8, PUT(0xff), 0, false, true, C(nd_malformed),
     0},
    {"solicitation, option of length 0", SOLICIT, ICMP6_AT + 25, PUT(0), 0, false, true,
     C(nd_malformed), 0},
    {"solicitation, option beyond end", SOLICIT, ICMP6_AT + 25, PUT(2), 0, false, true,
     C(nd_malformed), 0},
    {"solicitation, group MAC", SOLICIT, ICMP6_AT + 26, PUT(1), 0, false, true, C(nd_malformed), 0},
    {"solicitation from nobody with an option", SOLICIT, IP + 8,
     PUT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, false, true, C(nd_malformed), 0},
    {"solicitation for another", SOLICIT, ICMP6_AT + 23, PUT(0x55), 0, false, true, C(nd_not_ours),
     0},
    {"router advertisement", SOLICIT, ICMP6_AT, PUT(134), 0, false, true, C(nd_ignored), 0},
    {"redirect", SOLICIT, ICMP6_AT, PUT(137), 0, false, true, C(nd_ignored), 0},
};

static void build_base(struct build *frame, enum base base)
{
	static const uint8_t none[6], ones[20] = {[0] = 1, [3] = 1, [12] = 0x50};
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
	struct addr target = text_addr("2001:db8::1");
	uint8_t rest[24] = {[16] = ND_OPTION_SOURCE_LINK, [17] = 1};

	memcpy(rest, target.octet, 16);
	memcpy(rest + 18, peer_mac, 6);
	switch (base) {
	case ARP:
		build_eth(frame, mac_broadcast, peer_mac, ETHERTYPE_ARP);
		build_arp(frame, ARP_REQUEST, peer_mac, "192.0.2.2", none, "192.0.2.1");
		return;
	case ICMP4:
		build_eth(frame, our_mac, peer_mac, ETHERTYPE_IP4);
		build_ip4(frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_ICMP4, 20);
		build_icmp(frame, ICMP4_ECHO, 0, 1, ones, 12, NULL, NULL);
		return;
	case TCP4:
		build_eth(frame, our_mac, peer_mac, ETHERTYPE_IP4);
		build_ip4(frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_TCP, 20);
		build_octets(frame, ones, 20);
		return;
	case ICMP6:
		build_eth(frame, our_mac, peer_mac, ETHERTYPE_IP6);
		build_ip6(frame, "2001:db8::2", "2001:db8::1", IP_PROTOCOL_ICMP6, 64, 20);
		build_icmp(frame, ICMP6_ECHO, 0, 1, ones, 12, "2001:db8::2", "2001:db8::1");
		return;
	case TCP6:
		build_eth(frame, our_mac, peer_mac, ETHERTYPE_IP6);
		build_ip6(frame, "2001:db8::2", "2001:db8::1", IP_PROTOCOL_TCP, 64, 20);
		build_octets(frame, ones, 20);
		return;
	case SOLICIT:
		build_eth(frame, group_mac, peer_mac, ETHERTYPE_IP6);
		build_ip6(frame, "2001:db8::2", "ff02::1:ff00:1", IP_PROTOCOL_ICMP6, 255, 32);
		build_icmp(frame, ICMP6_NEIGHBOUR_SOLICITATION, 0, 0, rest, 24, "2001:db8::2",
		           "ff02::1:ff00:1");
		return;
	}
}

static void right_checksums(struct build *frame, const struct wrong *wrong)
{
	struct ip4_header *ip4 = (struct ip4_header *)(frame->octet + IP);
	struct ip6_header *ip6 = (struct ip6_header *)(frame->octet + IP);
	bool six = wrong->base == ICMP6 || wrong->base == SOLICIT;
	size_t at = six ? ICMP6_AT : IP + 20;
	struct addr source = addr_of_ip6(ip6->source), destination = addr_of_ip6(ip6->destination);
	uint16_t checksum;

	if (wrong->ip4_checksum) {
		ip4->checksum = be16_of(0);
		checksum = checksum_fold(checksum_add(0, ip4, 20));
		memcpy(ip4->checksum.octet, &checksum, 2);
	}
	if (wrong->icmp_checksum) {
		struct icmp_header *icmp = (struct icmp_header *)(frame->octet + at);
		size_t bytes = frame->len - at;
		uint32_t sum = six ? checksum_pseudo(&source, &destination, 58, (uint32_t)bytes)
		                   : 0;
		icmp->checksum = be16_of(0);
		checksum = checksum_fold(checksum_add(sum, icmp, bytes));
		memcpy(icmp->checksum.octet, &checksum, 2);
	}
}

static void check_row(struct fixture *fixture, const struct wrong *wrong)
{
	struct build frame = {.len = 0};

	build_base(&frame, wrong->base);
	memcpy(frame.octet + wrong->at, wrong->octets, wrong->count);
	if (wrong->len != 0)
		frame.len = wrong->len;
	right_checksums(&frame, wrong);
	memset(&fixture->counters, 0, sizeof(fixture->counters));
	fake_tcp.segment_count = 0;
	fixture_input(fixture, &frame);
	uint64_t counted = *(uint64_t *)((uint8_t *)&fixture->counters + wrong->counter);
	uint32_t answers = fixture_output_count(fixture);
	if (counted != 1 || answers != wrong->answers || fake_tcp.segment_count != 0)
		fail_msg("%s: counted %lu, %u answers, %u segments", wrong->name,
		         (unsigned long)counted, answers, fake_tcp.segment_count);
}

static void each_is_counted_and_answered_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fixture *fixture = fixture_new(0);
		fixture_resolve(fixture, true);
		struct build drop;
		memset(&fixture->counters, 0, sizeof(fixture->counters));
		fixture_resolve(fixture, false);
		while (fixture_output(fixture, &drop))
			;
		check_row(fixture, &table[i]);
		fixture_free(fixture);
	}
}

/* Every base frame cut at every length: no crash, no leak, nothing reaches TCP but the whole. */
static void every_cut_is_survived(void **state)
{
	struct fixture *fixture = fixture_new(0);

	(void)state;
	for (enum base base = ARP; base <= SOLICIT; base++) {
		struct build frame = {.len = 0};
		build_base(&frame, base);
		size_t whole = frame.len;
		for (frame.len = 0; frame.len < whole; frame.len++) {
			fixture_input(fixture, &frame);
			fixture_output_count(fixture);
		}
		assert_int_equal(fake_tcp.segment_count, 0);
	}
	fixture_free(fixture);
}

static void segments_go_up_without_padding(void **state)
{
	struct fixture *fixture = fixture_new(0);

	(void)state;
	for (enum base base = TCP4; base <= TCP6; base += TCP6 - TCP4) {
		struct build frame = {.len = 0};
		build_base(&frame, base);
		build_octets(&frame, "padding", 7);
		fixture_input(fixture, &frame);
		assert_int_equal(fake_tcp.len, 20);
		assert_int_equal(fake_tcp.data[12], 0x50);
		assert_int_equal(fake_tcp.ip.ttl, 64);
	}
	assert_int_equal(fake_tcp.segment_count, 2);
	fixture_free(fixture);
}

static void ip4_options_are_skipped(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct build frame = {.len = 0};
	struct ip4_header *ip = (struct ip4_header *)(frame.octet + IP);
	uint8_t payload[24] = {1, 1, 1, 0, 0x77};
	uint16_t checksum;

	(void)state;
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_TCP, sizeof(payload));
	build_octets(&frame, payload, sizeof(payload));
	ip->version_ihl = 0x46;
	ip->checksum = be16_of(0);
	checksum = checksum_fold(checksum_add(0, ip, 24));
	memcpy(ip->checksum.octet, &checksum, 2);
	fixture_input(fixture, &frame);
	assert_int_equal(fake_tcp.segment_count, 1);
	assert_int_equal(fake_tcp.len, 20);
	assert_int_equal(fake_tcp.data[0], 0x77);
	assert_int_equal(fixture->counters.ip4_options, 1);
	fixture_free(fixture);
}

/* `count` headers of 8 octets of kind `kind` in front of a TCP header. */
static void input_extensions(struct fixture *fixture, uint8_t kind, int count,
                             const uint8_t body[6])
{
	struct build frame = {.len = 0};
	static const uint8_t tcp[20] = {[0] = 0x77};

	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", "2001:db8::1", count > 0 ? kind : IP_PROTOCOL_TCP, 64,
	          (size_t)count * 8 + sizeof(tcp));
	for (int i = 0; i < count; i++) {
		uint8_t head[2] = {i + 1 < count ? kind : IP_PROTOCOL_TCP, 0};
		build_octets(&frame, head, 2);
		build_octets(&frame, body, 6);
	}
	build_octets(&frame, tcp, sizeof(tcp));
	fixture_input(fixture, &frame);
}

static void ip6_extension_headers_are_walked(void **state)
{
	static const uint8_t pad[6] = {1, 4}, skip[6] = {0x1e, 4}, discard[6] = {0x5e, 4},
	                     tell[6] = {0x9e, 4};
	static const uint8_t overrun[6] = {1, 5}, no_segments[6] = {2, 0}, atomic[6] = {0, 0};
	struct fixture *fixture = fixture_new(0);

	(void)state;
	fixture_resolve(fixture, false);
	input_extensions(fixture, IP_PROTOCOL_DESTINATION, IP6_EXTENSIONS_MAX, pad);
	input_extensions(fixture, IP_PROTOCOL_DESTINATION, 1, skip);
	input_extensions(fixture, IP_PROTOCOL_HOP_BY_HOP, 1, pad);
	input_extensions(fixture, IP_PROTOCOL_ROUTING, 1, no_segments);
	input_extensions(fixture, IP_PROTOCOL_FRAGMENT, 1, atomic); /* RFC 6946 */
	assert_int_equal(fake_tcp.segment_count, 5);
	assert_int_equal(fake_tcp.len, 20);
	assert_int_equal(fake_tcp.data[0], 0x77);

	input_extensions(fixture, IP_PROTOCOL_DESTINATION, IP6_EXTENSIONS_MAX + 1, pad);
	input_extensions(fixture, IP_PROTOCOL_DESTINATION, 1, discard);
	input_extensions(fixture, IP_PROTOCOL_DESTINATION, 1, overrun);
	assert_int_equal(fixture_output_count(fixture), 0);
	input_extensions(fixture, IP_PROTOCOL_DESTINATION, 1, tell);
	input_extensions(fixture, IP_PROTOCOL_HOP_BY_HOP, 2, pad);
	assert_int_equal(fixture_output_count(fixture), 2);
	assert_int_equal(fixture->counters.ip6_extensions_bad, 5);
	assert_int_equal(fake_tcp.segment_count, 5);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_counted_and_answered_right),
	    cmocka_unit_test(every_cut_is_survived),
	    cmocka_unit_test(segments_go_up_without_padding),
	    cmocka_unit_test(ip4_options_are_skipped),
	    cmocka_unit_test(ip6_extension_headers_are_walked),
	};

	return cmocka_run_group_tests_name("net_malformed", tests, NULL, NULL);
}
