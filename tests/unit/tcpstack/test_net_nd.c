/* test_net_nd.c - neighbour discovery. */
#include "net_fixture.h"

static const struct addr all_nodes = {{0xff, 0x02, [15] = 1}};

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

/* What leaves must be a well-formed discovery message: returns it. */
static const struct nd_header *nd_in(const struct build *frame, uint8_t type)
{
	const struct ip6_header *ip = (const struct ip6_header *)(frame->octet + 14);
	const struct nd_header *nd = (const struct nd_header *)(ip + 1);
	struct addr source = addr_of_ip6(ip->source), destination = addr_of_ip6(ip->destination);
	uint16_t bytes = be16_get(ip->payload_bytes);

	assert_int_equal(frame->len, 14 + 40 + bytes);
	assert_int_equal(ip->hop_limit, 255);
	assert_int_equal(nd->type, type);
	uint32_t sum = checksum_pseudo(&source, &destination, IP_PROTOCOL_ICMP6, bytes);
	assert_int_equal(checksum_fold(checksum_add(sum, nd, bytes)), 0);
	if (destination.octet[0] == 0xff) {
		assert_int_equal(frame->octet[0], 0x33);
		assert_int_equal(frame->octet[1], 0x33);
		assert_memory_equal(frame->octet + 2, destination.octet + 12, 4);
	}
	return nd;
}

static void input_advert(struct fixture *fixture, uint32_t flags, const uint8_t *mac,
                         const char *destination)
{
	struct build frame = {.len = 0};
	struct addr target = text_addr("2001:db8::2");
	uint8_t rest[24] = {[16] = ND_OPTION_TARGET_LINK, [17] = 1};

	memcpy(rest, target.octet, 16);
	if (mac != NULL)
		memcpy(rest + 18, mac, 6);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", destination, IP_PROTOCOL_ICMP6, 255,
	          mac != NULL ? 32 : 24);
	build_icmp(&frame, ICMP6_NEIGHBOUR_ADVERT, 0, flags, rest, mac != NULL ? 24 : 16,
	           "2001:db8::2", destination);
	fixture_input(fixture, &frame);
}

static void solicitation_is_answered_to_the_asker(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;
	struct addr us = text_addr("2001:db8::1"), peer = text_addr("2001:db8::2");
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};

	/* Without an option: to where the frame came from. */
	build_eth(&frame, group_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", "ff02::1:ff00:1", IP_PROTOCOL_ICMP6, 255, 24);
	build_icmp(&frame, ICMP6_NEIGHBOUR_SOLICITATION, 0, 0, us.octet, 16, "2001:db8::2",
	           "ff02::1:ff00:1");
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	const struct nd_header *nd = nd_in(&answer, ICMP6_NEIGHBOUR_ADVERT);
	const struct nd_link_option *option = (const struct nd_link_option *)(nd + 1);
	assert_memory_equal(answer.octet, peer_mac, 6);
	assert_memory_equal(answer.octet + 14 + 8, us.octet, 16);
	assert_memory_equal(answer.octet + 14 + 24, peer.octet, 16);
	assert_int_equal(be32_get(nd->flags), ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE);
	assert_memory_equal(nd->target, us.octet, 16);
	assert_int_equal(option->type, ND_OPTION_TARGET_LINK);
	assert_memory_equal(option->mac, our_mac, 6);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_FREE].count, NEIGHBOURS_MAX);
}

static void probe_for_our_address_is_defended(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0}, answer;
	struct addr us = text_addr("2001:db8::1");
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};

	build_eth(&frame, group_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "::", "ff02::1:ff00:1", IP_PROTOCOL_ICMP6, 255, 24);
	build_icmp(&frame, ICMP6_NEIGHBOUR_SOLICITATION, 0, 0, us.octet, 16,
	           "::", "ff02::1:ff00:1");
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	const struct nd_header *nd = nd_in(&answer, ICMP6_NEIGHBOUR_ADVERT);
	assert_int_equal(be32_get(nd->flags), ND_FLAG_OVERRIDE);
	assert_memory_equal(answer.octet + 14 + 24, all_nodes.octet, 16);
	assert_int_equal(fixture->counters.address_conflicts, 1);
}

static void packet_waits_for_the_advertisement(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;
	struct addr group = text_addr("ff02::1:ff00:2"), target = text_addr("2001:db8::2");

	fixture_send(fixture, "2001:db8::1", "2001:db8::2", 50);
	assert_true(fixture_output(fixture, &frame));
	const struct nd_header *nd = nd_in(&frame, ICMP6_NEIGHBOUR_SOLICITATION);
	assert_memory_equal(nd->target, target.octet, 16);
	assert_memory_equal(frame.octet + 14 + 24, group.octet, 16);
	assert_memory_equal((const uint8_t *)(nd + 1) + 2, our_mac, 6);
	assert_false(fixture_output(fixture, &frame));

	input_advert(fixture, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, other_mac, "2001:db8::1");
	assert_true(fixture_output(fixture, &frame));
	assert_memory_equal(frame.octet, other_mac, 6);
	assert_int_equal(frame.len, 14 + 40 + 50);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_REACHABLE].count, 1);
}

static void advertisement_without_override_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	fixture_resolve(fixture, false);
	input_advert(fixture, ND_FLAG_SOLICITED, other_mac, "2001:db8::1");
	assert_int_equal(fixture->counters.neighbours_changed, 0);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_STALE].count,
	                 1); /* but doubt */
	fixture_send(fixture, "2001:db8::1", "2001:db8::2", 50);
	assert_true(fixture_output(fixture, &frame)); /* a probe to the old place */
	nd_in(&frame, ICMP6_NEIGHBOUR_SOLICITATION);
	assert_memory_equal(frame.octet, peer_mac, 6);
	input_advert(fixture, ND_FLAG_SOLICITED, NULL,
	             "2001:db8::1"); /* an answer without the option */
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_REACHABLE].count, 1);
}

static void override_moves_the_neighbour(void **state)
{
	struct fixture *fixture = *state;

	fixture_resolve(fixture, false);
	input_advert(fixture, ND_FLAG_OVERRIDE, other_mac, "ff02::1");
	assert_int_equal(fixture->counters.neighbours_changed, 1);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_STALE].count, 1);
}

static void unasked_advertisements_teach_nothing(void **state)
{
	struct fixture *fixture = *state;

	input_advert(fixture, ND_FLAG_OVERRIDE, other_mac, "ff02::1");
	input_advert(fixture, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, other_mac, "2001:db8::1");
	assert_int_equal(fixture->counters.neighbour_unsolicited, 2);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_FREE].count, NEIGHBOURS_MAX);
	input_advert(fixture, ND_FLAG_SOLICITED, other_mac, "ff02::1"); /* RFC 4861 7.1.2 */
	assert_int_equal(fixture->counters.nd_malformed, 1);
}

static void start_is_announced(void **state)
{
	struct fixture *fixture = fixture_bare(0);
	struct prefix ip6 = text_prefix("2001:db8::1/64");
	struct addr link_local = text_addr("fe80::ff:fe00:1"), nobody = {0};
	struct build frame;

	(void)state;
	assert_int_equal(net_add_address(fixture->net, 0, &ip6), OK);
	assert_true(ip_is_ours(fixture->net, &link_local));
	fixture_advance(fixture, 0);
	/* Two groups in one report, behind a router alert; then a probe for each address. */
	assert_true(fixture_output(fixture, &frame));
	assert_int_equal(fixture->counters.mld_reports_out, 1);
	const struct ip6_header *ip = (const struct ip6_header *)(frame.octet + 14);
	struct addr source = addr_of_ip6(ip->source), routers = text_addr("ff02::16");
	assert_true(addr_equal(&source, &link_local));
	assert_int_equal(ip->hop_limit, 1);
	assert_int_equal(be16_get(ip->payload_bytes), 8 + 8 + 2 * 20);
	uint32_t sum = checksum_pseudo(&source, &routers, IP_PROTOCOL_ICMP6, 48);
	assert_int_equal(checksum_fold(checksum_add(sum, frame.octet + 14 + 48, 48)), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(fixture_output(fixture, &frame));
		nd_in(&frame, ICMP6_NEIGHBOUR_SOLICITATION);
		assert_memory_equal(frame.octet + 14 + 8, nobody.octet, 16);
		assert_int_equal(frame.len, 14 + 40 + 24);
	}
	assert_false(fixture_output(fixture, &frame));
	fixture_advance(fixture, 2000000);
	for (int i = 0; i < 2; i++) {
		assert_true(fixture_output(fixture, &frame));
		nd_in(&frame, ICMP6_NEIGHBOUR_ADVERT);
		assert_memory_equal(frame.octet + 14 + 24, all_nodes.octet, 16);
	}
	assert_int_equal(net_next_deadline_us(fixture->net), UINT64_MAX);
	fixture_free(fixture);
}

static void listener_query_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build frame = {.len = 0};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t rest[20] = {0};

	build_eth(&frame, all_nodes_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "fe80::2", "ff02::1", IP_PROTOCOL_ICMP6, 1, 28);
	build_icmp(&frame, ICMP6_LISTENER_QUERY, 0, 0, rest, 20, "fe80::2", "ff02::1");
	fixture_input(fixture, &frame);
	assert_int_equal(fixture->counters.mld_reports_out, 1);
	assert_int_equal(fixture_output_count(fixture), 1);
}

static void link_local_peer_is_reached_from_link_local(void **state)
{
	struct fixture *fixture = *state;
	struct addr peer = text_addr("fe80::2"), link_local = text_addr("fe80::ff:fe00:1"), source;

	assert_int_equal(ip_source(fixture->net, &peer, &source), OK);
	assert_true(addr_equal(&source, &link_local));
}

/* The kernel, which may share the interface and with it the link-local address, would take the
 * answer. */
static void link_local_neighbour_is_asked_for_from_another_address(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	fixture_send(fixture, "fe80::ff:fe00:1", "fe80::2", 50);
	assert_true(fixture_output(fixture, &frame));
	nd_in(&frame, ICMP6_NEIGHBOUR_SOLICITATION);
	struct addr source = addr_of_ip6(((const struct ip6_header *)(frame.octet + 14))->source);
	struct addr ours = text_addr("2001:db8::1");
	assert_true(addr_equal(&source, &ours));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(solicitation_is_answered_to_the_asker),
	    CASE(probe_for_our_address_is_defended),
	    CASE(packet_waits_for_the_advertisement),
	    CASE(advertisement_without_override_changes_nothing),
	    CASE(override_moves_the_neighbour),
	    CASE(unasked_advertisements_teach_nothing),
	    cmocka_unit_test(start_is_announced),
	    CASE(listener_query_is_answered),
	    CASE(link_local_peer_is_reached_from_link_local),
	    CASE(link_local_neighbour_is_asked_for_from_another_address),
	};

	return cmocka_run_group_tests_name("net_nd", tests, NULL, NULL);
}
