/* test_net_fragment.c - fragments on their way up: to TCP, to ICMP, and what is refused. */
#include "fake_tcp.h"
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

/* Octets [from, to) of `data` as a fragment of an IPv4 packet. */
static void input4(struct fixture *fixture, uint8_t protocol, const uint8_t *data, size_t from,
                   size_t to, bool more)
{
	struct build frame = {.len = 0};

	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", protocol, to - from);
	struct ip4_header *ip = (struct ip4_header *)(frame.octet + 14);
	ip->fragment = be16_of((uint16_t)(from / 8 | (more ? IP4_MORE_FRAGMENTS : 0)));
	ip->checksum = be16_of(0);
	uint16_t checksum = checksum_fold(checksum_add(0, ip, sizeof(*ip)));
	memcpy(ip->checksum.octet, &checksum, 2);
	build_octets(&frame, data + from, to - from);
	fixture_input(fixture, &frame);
}

static void input6(struct fixture *fixture, const char *destination, uint8_t protocol,
                   const uint8_t *data, size_t from, size_t to, bool more)
{
	struct build frame = {.len = 0};
	struct ip6_fragment header = {.next_header = protocol,
	                              .offset_more = be16_of((uint16_t)(from | more)),
	                              .id = be32_of(77)};

	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", destination, IP_PROTOCOL_FRAGMENT, 255,
	          sizeof(header) + to - from);
	build_octets(&frame, &header, sizeof(header));
	build_octets(&frame, data + from, to - from);
	fixture_input(fixture, &frame);
}

static void echo4_in_fragments_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build message = {.len = 0}, answer;
	uint8_t data[1000];

	fixture_resolve(fixture, true);
	memset(data, 0x33, sizeof(data));
	build_icmp(&message, ICMP4_ECHO, 0, 0x00010002, data, sizeof(data), NULL, NULL);
	input4(fixture, IP_PROTOCOL_ICMP4, message.octet, 600, message.len, false);
	assert_false(fixture_output(fixture, &answer));
	input4(fixture, IP_PROTOCOL_ICMP4, message.octet, 0, 600, true);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + 20 + message.len);
	assert_int_equal(answer.octet[34], ICMP4_ECHO_REPLY);
	assert_memory_equal(answer.octet + 42, data, sizeof(data));
	assert_int_equal(fixture->counters.ip4_fragments, 2);
	assert_int_equal(fixture->counters.fragments_whole, 1);
	assert_int_equal(fixture->counters.icmp_echo_answered, 1);
}

static void echo6_in_fragments_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build message = {.len = 0}, answer;
	uint8_t data[800];

	fixture_resolve(fixture, false);
	memset(data, 0x34, sizeof(data));
	build_icmp(&message, ICMP6_ECHO, 0, 5, data, sizeof(data), "2001:db8::2", "2001:db8::1");
	input6(fixture, "2001:db8::1", IP_PROTOCOL_ICMP6, message.octet, 0, 400, true);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_ICMP6, message.octet, 400, message.len, false);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + 40 + message.len);
	assert_int_equal(answer.octet[54], ICMP6_ECHO_REPLY);
	assert_int_equal(fixture->counters.ip6_fragments, 2);
	assert_int_equal(fixture->counters.fragments_whole, 1);
}

/* The answer would need to be cut, and we never cut. */
static void echo_beyond_the_mtu_is_not_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build message = {.len = 0}, answer;
	uint8_t data[1600];

	fixture_resolve(fixture, true);
	memset(data, 0x35, sizeof(data));
	build_icmp(&message, ICMP4_ECHO, 0, 1, data, sizeof(data), NULL, NULL);
	input4(fixture, IP_PROTOCOL_ICMP4, message.octet, 0, 800, true);
	input4(fixture, IP_PROTOCOL_ICMP4, message.octet, 800, message.len, false);
	assert_int_equal(fixture->counters.fragments_whole, 1);
	assert_int_equal(fixture->counters.icmp_ignored, 1);
	assert_false(fixture_output(fixture, &answer));
}

static void segments_in_fragments_reach_tcp(void **state)
{
	struct fixture *fixture = *state;
	uint8_t segment[1400];

	for (size_t i = 0; i < sizeof(segment); i++)
		segment[i] = (uint8_t)(i * 3);
	input4(fixture, IP_PROTOCOL_TCP, segment, 0, 704, true);
	assert_int_equal(fake_tcp.segment_count, 0);
	input4(fixture, IP_PROTOCOL_TCP, segment, 704, sizeof(segment), false);
	assert_int_equal(fake_tcp.segment_count, 1);
	assert_int_equal(fake_tcp.len, sizeof(segment));
	assert_memory_equal(fake_tcp.data, segment, sizeof(segment));
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, segment, 704, sizeof(segment), false);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, segment, 0, 704, true);
	assert_int_equal(fake_tcp.segment_count, 2);
	assert_memory_equal(fake_tcp.data, segment, sizeof(segment));
	/* Overlapping ones do not, nor what follows them. */
	input4(fixture, IP_PROTOCOL_TCP, segment, 0, 704, true);
	input4(fixture, IP_PROTOCOL_TCP, segment, 696, 1200, true);
	input4(fixture, IP_PROTOCOL_TCP, segment, 704, sizeof(segment), false);
	assert_int_equal(fake_tcp.segment_count, 2);
	assert_int_equal(fixture->counters.fragments_overlapping, 1);
	/* Nor do halves that meet too late. */
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, segment, 0, 704, true);
	fixture_advance(fixture, FRAGMENT_TIMEOUT_MS * 1000);
	assert_int_equal(fixture->counters.fragments_timed_out, 1);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, segment, 704, sizeof(segment), false);
	assert_int_equal(fake_tcp.segment_count, 2);
}

static void assert_problem(struct fixture *fixture, uint8_t code, uint32_t pointer)
{
	struct build answer;

	assert_true(fixture_output(fixture, &answer));
	const struct icmp_header *icmp = (const struct icmp_header *)(answer.octet + 14 + 40);
	assert_int_equal(icmp->type, ICMP6_PARAMETER_PROBLEM);
	assert_int_equal(icmp->code, code);
	assert_int_equal(be32_get(icmp->rest), pointer);
	assert_false(fixture_output(fixture, &answer));
}

static void bad_fragments6_are_answered(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t data[65536];

	fixture_resolve(fixture, false);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, data, 0, 101, true);
	assert_problem(fixture, ICMP6_CODE_FIELD, 4);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, data, 65528, 65536, false);
	assert_problem(fixture, ICMP6_CODE_FIELD, 42);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_TCP, data, 0, 16, true);
	assert_problem(fixture, ICMP6_CODE_CHAIN, 0);
	/* Never to a group. */
	input6(fixture, "ff02::1", IP_PROTOCOL_ICMP6, data, 0, 101, true);
	assert_int_equal(fixture_output_count(fixture), 0);
	assert_int_equal(fixture->counters.ip_broadcast, 1);
}

static void fragment_in_fragments_is_refused(void **state)
{
	struct fixture *fixture = *state;
	uint8_t data[400] = {IP_PROTOCOL_TCP, 0, 0, 8 | 1};

	fixture_resolve(fixture, false);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_FRAGMENT, data, 0, 200, true);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_FRAGMENT, data, 200, 400, false);
	assert_int_equal(fixture->counters.fragments_whole, 1);
	assert_int_equal(fixture->counters.ip6_extensions_bad, 1);
	assert_int_equal(fake_tcp.segment_count, 0);
	assert_int_equal(fixture_output_count(fixture), 0);
}

/* RFC 6980: neither in two fragments nor in a single one. */
static void discovery_in_fragments_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct build message = {.len = 0};
	struct addr us = text_addr("2001:db8::1");
	uint8_t rest[24] = {[16] = ND_OPTION_SOURCE_LINK, [17] = 1, [18] = 2, [23] = 2};

	fixture_resolve(fixture, false);
	memcpy(rest, us.octet, 16);
	build_icmp(&message, ICMP6_NEIGHBOUR_SOLICITATION, 0, 0, rest, 24, "2001:db8::2",
	           "2001:db8::1");
	input6(fixture, "2001:db8::1", IP_PROTOCOL_ICMP6, message.octet, 0, 16, true);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_ICMP6, message.octet, 16, message.len, false);
	assert_int_equal(fixture->counters.nd_malformed, 1);
	input6(fixture, "2001:db8::1", IP_PROTOCOL_ICMP6, message.octet, 0, message.len, false);
	assert_int_equal(fixture->counters.nd_malformed, 2);
	assert_int_equal(fixture->counters.nd_solicitations_answered, 0);
	assert_int_equal(fixture_output_count(fixture), 0);
}

static void empty_pool_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct pkt_chain taken = {.head = NULL};
	uint8_t segment[1400] = {0};
	struct pkt *pkt;

	input4(fixture, IP_PROTOCOL_TCP, segment, 0, 704, true);
	while (fixture->pool->free_count > 1 && (pkt = pkt_get(fixture->pool)) != NULL)
		pkt_chain_push(&taken, pkt);
	input4(fixture, IP_PROTOCOL_TCP, segment, 704, sizeof(segment), false);
	assert_int_equal(fixture->counters.no_buffer, 1);
	assert_int_equal(fake_tcp.segment_count, 0);
	pkt_chain_put_all(&taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(echo4_in_fragments_is_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(echo6_in_fragments_is_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(echo_beyond_the_mtu_is_not_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(segments_in_fragments_reach_tcp, setup, teardown),
	    cmocka_unit_test_setup_teardown(bad_fragments6_are_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(fragment_in_fragments_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(discovery_in_fragments_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(empty_pool_is_counted, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
