/* test_net_icmp.c - echo, errors for TCP, errors of ours. */
#include "net_fixture.h"

static int setup(void **state)
{
	*state = fixture_new(0);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void echo4_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;
	uint8_t data[56];

	fixture_resolve(fixture, true);
	memset(data, 0xa5, sizeof(data));
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_ICMP4, 64);
	build_icmp(&frame, ICMP4_ECHO, 0, 0x12340001, data, sizeof(data), NULL, NULL);
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, frame.len);
	const struct ip4_header *ip = (const struct ip4_header *)(answer.octet + 14);
	const struct icmp_header *icmp = (const struct icmp_header *)(ip + 1);
	assert_int_equal(be32_get(ip->source), 0xc0000201);
	assert_int_equal(be32_get(ip->destination), 0xc0000202);
	assert_int_equal(icmp->type, ICMP4_ECHO_REPLY);
	assert_int_equal(be32_get(icmp->rest), 0x12340001);
	assert_int_equal(checksum_fold(checksum_add(0, icmp, 64)), 0);
	assert_memory_equal(icmp + 1, data, sizeof(data));
}

static void echo6_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;
	struct addr us = text_addr("2001:db8::1"), peer = text_addr("2001:db8::2");

	fixture_resolve(fixture, false);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", "2001:db8::1", IP_PROTOCOL_ICMP6, 64, 13);
	build_icmp(&frame, ICMP6_ECHO, 0, 0x00070009, "hello", 5, "2001:db8::2", "2001:db8::1");
	build_octets(&frame, "\0\0\0\0", 4); /* link padding is not echoed */
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + 40 + 13);
	const struct ip6_header *ip = (const struct ip6_header *)(answer.octet + 14);
	assert_memory_equal(ip->source, us.octet, 16);
	assert_memory_equal(ip->destination, peer.octet, 16);
	assert_int_equal(answer.octet[14 + 40], ICMP6_ECHO_REPLY);
	uint32_t sum = checksum_pseudo(&us, &peer, IP_PROTOCOL_ICMP6, 13);
	assert_int_equal(checksum_fold(checksum_add(sum, ip + 1, 13)), 0);
}

static void echo_flood_is_limited(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0};

	fixture_resolve(fixture, true);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_ICMP4, 8);
	build_icmp(&frame, ICMP4_ECHO, 0, 1, NULL, 0, NULL, NULL);
	for (int i = 0; i < 500; i++)
		fixture_input(fixture, &frame);
	assert_int_equal(fixture_output_count(fixture), ICMP_ECHO_BURST_MAX);
	assert_int_equal(fixture->counters.icmp_echo_limited, 500 - ICMP_ECHO_BURST_MAX);
	fixture_advance(fixture, 10000); /* 1000 a second: ten more */
	for (int i = 0; i < 50; i++)
		fixture_input(fixture, &frame);
	assert_int_equal(fixture_output_count(fixture), 10);
}

static void udp_is_told_unreachable_within_limits(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;
	uint8_t datagram[600] = {0x00, 0x35, 0x00, 0x35};

	fixture_resolve(fixture, true);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_UDP, sizeof(datagram));
	build_octets(&frame, datagram, sizeof(datagram));
	for (int i = 0; i < 100; i++)
		fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + 576);
	const struct icmp_header *icmp = (const struct icmp_header *)(answer.octet + 34);
	assert_int_equal(icmp->type, ICMP4_UNREACHABLE);
	assert_int_equal(icmp->code, ICMP4_CODE_PORT);
	assert_int_equal(checksum_fold(checksum_add(0, icmp, 556)), 0);
	assert_memory_equal(icmp + 1, frame.octet + 14, 548);
	assert_int_equal(fixture_output_count(fixture), ICMP_ERRORS_BURST_MAX - 1);
	assert_int_equal(fixture->counters.icmp_errors_limited, 100 - ICMP_ERRORS_BURST_MAX);
}

static void udp6_is_told_unreachable(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;
	uint8_t datagram[1400] = {0x00, 0x35, 0x00, 0x35};
	struct addr us = text_addr("2001:db8::1"), peer = text_addr("2001:db8::2");

	fixture_resolve(fixture, false);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", "2001:db8::1", IP_PROTOCOL_UDP, 64, sizeof(datagram));
	build_octets(&frame, datagram, sizeof(datagram));
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + IP6_MTU_MIN);
	const struct icmp_header *icmp = (const struct icmp_header *)(answer.octet + 54);
	assert_int_equal(icmp->type, ICMP6_UNREACHABLE);
	assert_int_equal(icmp->code, ICMP6_CODE_PORT);
	uint32_t sum = checksum_pseudo(&us, &peer, IP_PROTOCOL_ICMP6, 1240);
	assert_int_equal(checksum_fold(checksum_add(sum, icmp, 1240)), 0);
}

static void unknown_protocol_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;

	fixture_resolve(fixture, true);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", 132, 12);
	build_octets(&frame, "sctp, maybe.", 12);
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.octet[34], ICMP4_UNREACHABLE);
	assert_int_equal(answer.octet[35], ICMP4_CODE_PROTOCOL);
	assert_int_equal(fixture->counters.ip4_protocol_unknown, 1);
}

/* An ICMPv4 message with a quoted packet from `source` to `destination` with `protocol`. */
static void input_error4(struct fixture *fixture, uint8_t type, uint8_t code, uint32_t rest,
                         const char *source, const char *destination, uint8_t protocol,
                         size_t quote_bytes)
{
	struct build frame = {.len = 0}, quote = {.len = 0};
	static const uint8_t tcp[8] = {0x00, 0x19, 0x9c, 0x40, 0xde, 0xad, 0xbe, 0xef};

	build_ip4(&quote, source, destination, protocol, 1480);
	build_octets(&quote, tcp, sizeof(tcp));
	if (quote_bytes < quote.len)
		quote.len = quote_bytes;
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "203.0.113.1", "192.0.2.1", IP_PROTOCOL_ICMP4, 8 + quote.len);
	build_icmp(&frame, type, code, rest, quote.octet, quote.len, NULL, NULL);
	fixture_input(fixture, &frame);
	assert_int_equal(fixture_output_count(fixture), 0);
}

static void errors_reach_tcp(void **state)
{
	static const struct {
		uint8_t type, code;
		enum icmp_error error;
	} cases[] = {
	    {3, 0, ICMP_ERROR_NO_NETWORK},   {3, 1, ICMP_ERROR_UNREACHABLE},
	    {3, 2, ICMP_ERROR_NO_PROTOCOL},  {3, 3, ICMP_ERROR_REFUSED},
	    {3, 5, ICMP_ERROR_UNREACHABLE},  {3, 9, ICMP_ERROR_NO_NETWORK},
	    {3, 10, ICMP_ERROR_UNREACHABLE}, {3, 13, ICMP_ERROR_UNREACHABLE},
	    {11, 0, ICMP_ERROR_UNREACHABLE}, {12, 0, ICMP_ERROR_UNREACHABLE},
	};
	struct fixture *fixture = *state;
	struct addr us = text_addr("192.0.2.1"), peer = text_addr("198.51.100.9");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		input_error4(fixture, cases[i].type, cases[i].code, 0, "192.0.2.1", "198.51.100.9",
		             6, 28);
		assert_int_equal(fake_tcp.error_count, i + 1);
		assert_int_equal(fake_tcp.error, cases[i].error);
		assert_int_equal(fake_tcp.mtu, 0);
		assert_int_equal(fake_tcp.quoted_seq, 0xdeadbeef);
		assert_int_equal(fake_tcp.local.port, 25);
		assert_int_equal(fake_tcp.remote.port, 40000);
		assert_true(addr_equal(&fake_tcp.local.addr, &us));
		assert_true(addr_equal(&fake_tcp.remote.addr, &peer));
	}
}

static void too_big_tells_the_mtu(void **state)
{
	struct fixture *fixture = *state;

	input_error4(fixture, 3, 4, 1400, "192.0.2.1", "198.51.100.9", 6, 28);
	assert_int_equal(fake_tcp.error, ICMP_ERROR_TOO_BIG);
	assert_int_equal(fake_tcp.mtu, 1400);
	input_error4(fixture, 3, 4, 0, "192.0.2.1", "198.51.100.9", 6, 28); /* RFC 1191 7.1 */
	assert_int_equal(fake_tcp.mtu, 1492);
}

static void false_quotes_do_not_reach_tcp(void **state)
{
	struct fixture *fixture = *state;

	input_error4(fixture, 3, 3, 0, "198.51.100.8", "198.51.100.9", 6, 28); /* not from us */
	input_error4(fixture, 3, 3, 0, "192.0.2.1", "192.0.2.1", 6, 28);       /* to ourselves */
	input_error4(fixture, 3, 3, 0, "192.0.2.1", "198.51.100.9", 17, 28);   /* not TCP */
	input_error4(fixture, 3, 3, 0, "192.0.2.1", "198.51.100.9", 6, 27);    /* too short */
	input_error4(fixture, 3, 3, 0, "192.0.2.1", "198.51.100.9", 6, 10);
	input_error4(fixture, 3, 3, 0, "192.0.2.1", "198.51.100.9", 6, 0);
	assert_int_equal(fixture->counters.icmp_quote_bad, 6);
	input_error4(fixture, 4, 0, 0, "192.0.2.1", "198.51.100.9", 6,
	             28); /* source quench: RFC 6633 */
	input_error4(fixture, 5, 1, 0, "192.0.2.1", "198.51.100.9", 6, 28); /* redirect */
	input_error4(fixture, 3, 99, 0, "192.0.2.1", "198.51.100.9", 6, 28);
	assert_int_equal(fixture->counters.icmp_ignored, 3);
	assert_int_equal(fake_tcp.error_count, 0);
}

static void errors6_reach_tcp(void **state)
{
	static const struct {
		uint8_t type, code;
		uint32_t rest;
		enum icmp_error error;
		uint32_t mtu;
	} cases[] = {
	    {1, 0, 0, ICMP_ERROR_NO_NETWORK, 0},    {1, 1, 0, ICMP_ERROR_PROHIBITED, 0},
	    {1, 3, 0, ICMP_ERROR_UNREACHABLE, 0},   {1, 4, 0, ICMP_ERROR_REFUSED, 0},
	    {2, 0, 1280, ICMP_ERROR_TOO_BIG, 1280}, {3, 0, 0, ICMP_ERROR_UNREACHABLE, 0},
	    {4, 1, 6, ICMP_ERROR_NO_PROTOCOL, 0},
	};
	static const uint8_t tcp[8] = {0x00, 0x19, 0x9c, 0x40, 0xde, 0xad, 0xbe, 0xef};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build frame = {.len = 0}, quote = {.len = 0};
		build_ip6(&quote, "2001:db8::1", "2001:db8:1::9", IP_PROTOCOL_TCP, 60, 1440);
		build_octets(&quote, tcp, sizeof(tcp));
		build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
		build_ip6(&frame, "2001:db8:2::1", "2001:db8::1", IP_PROTOCOL_ICMP6, 60,
		          8 + quote.len);
		build_icmp(&frame, cases[i].type, cases[i].code, cases[i].rest, quote.octet,
		           quote.len, "2001:db8:2::1", "2001:db8::1");
		fixture_input(fixture, &frame);
		assert_int_equal(fake_tcp.error_count, i + 1);
		assert_int_equal(fake_tcp.error, cases[i].error);
		assert_int_equal(fake_tcp.mtu, cases[i].mtu);
		assert_int_equal(fake_tcp.quoted_seq, 0xdeadbeef);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(echo4_is_answered),
	    CASE(echo6_is_answered),
	    CASE(echo_flood_is_limited),
	    CASE(udp_is_told_unreachable_within_limits),
	    CASE(udp6_is_told_unreachable),
	    CASE(unknown_protocol_is_told),
	    CASE(errors_reach_tcp),
	    CASE(too_big_tells_the_mtu),
	    CASE(false_quotes_do_not_reach_tcp),
	    CASE(errors6_reach_tcp),
	};

	return cmocka_run_group_tests_name("net_icmp", tests, NULL, NULL);
}
