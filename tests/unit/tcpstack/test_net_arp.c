/* test_net_arp.c - ARP and the neighbour table behind it. */
#include "net_fixture.h"

static const uint8_t none[6];

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

static const struct arp_header *arp_in(const struct build *frame)
{
	assert_int_equal(frame->len, 14 + 28);
	assert_int_equal(be16_get(((const struct eth_header *)frame->octet)->type), ETHERTYPE_ARP);
	return (const struct arp_header *)(frame->octet + 14);
}

static void input_arp(struct fixture *fixture, uint16_t operation, const uint8_t *mac,
                      const char *sender, const char *target)
{
	struct build frame = {.len = 0};

	build_eth(&frame, operation == ARP_REQUEST ? mac_broadcast : our_mac, mac, ETHERTYPE_ARP);
	build_arp(&frame, operation, mac, sender, operation == ARP_REQUEST ? none : our_mac,
	          target);
	fixture_input(fixture, &frame);
}

static void request_for_us_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	input_arp(fixture, ARP_REQUEST, peer_mac, "192.0.2.2", "192.0.2.1");
	assert_true(fixture_output(fixture, &frame));
	const struct arp_header *arp = arp_in(&frame);
	assert_memory_equal(frame.octet, peer_mac, 6);
	assert_memory_equal(frame.octet + 6, our_mac, 6);
	assert_int_equal(be16_get(arp->operation), ARP_REPLY);
	assert_memory_equal(arp->sender_mac, our_mac, 6);
	assert_int_equal(be32_get(arp->sender_ip), 0xc0000201);
	assert_memory_equal(arp->target_mac, peer_mac, 6);
	assert_int_equal(be32_get(arp->target_ip), 0xc0000202);
	assert_int_equal(fixture->counters.arp_requests_answered, 1);
}

static void request_for_another_is_not(void **state)
{
	struct fixture *fixture = *state;

	input_arp(fixture, ARP_REQUEST, peer_mac, "192.0.2.2", "192.0.2.3");
	assert_int_equal(fixture_output_count(fixture), 0);
	assert_int_equal(fixture->counters.arp_not_ours, 1);
}

static void packets_wait_and_leave_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 30);
	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 40);
	assert_true(fixture_output(fixture, &frame));
	assert_memory_equal(frame.octet, mac_broadcast, 6);
	assert_int_equal(be16_get(arp_in(&frame)->operation), ARP_REQUEST);
	assert_int_equal(be32_get(arp_in(&frame)->target_ip), 0xc0000202);
	assert_int_equal(be32_get(arp_in(&frame)->sender_ip), 0xc0000201);
	assert_false(fixture_output(fixture, &frame));

	input_arp(fixture, ARP_REPLY, peer_mac, "192.0.2.2", "192.0.2.1");
	assert_true(fixture_output(fixture, &frame));
	assert_memory_equal(frame.octet, peer_mac, 6);
	assert_int_equal(frame.len, 14 + 20 + 30);
	assert_true(fixture_output(fixture, &frame));
	assert_int_equal(frame.len, 14 + 20 + 40);
	const struct ip4_header *ip = (const struct ip4_header *)(frame.octet + 14);
	assert_int_equal(checksum_fold(checksum_add(0, ip, 20)), 0);
	assert_int_equal(be16_get(ip->total_bytes), 60);
	assert_int_equal(be16_get(ip->fragment), IP4_DONT_FRAGMENT);
	assert_false(fixture_output(fixture, &frame));
}

static void off_link_goes_to_the_gateway(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	fixture_send(fixture, "192.0.2.1", "198.51.100.7", 30);
	assert_true(fixture_output(fixture, &frame));
	assert_int_equal(be32_get(arp_in(&frame)->target_ip), 0xc00002fe);
	input_arp(fixture, ARP_REPLY, other_mac, "192.0.2.254", "192.0.2.1");
	assert_true(fixture_output(fixture, &frame));
	assert_memory_equal(frame.octet, other_mac, 6);
	assert_int_equal(be32_get(((struct ip4_header *)(frame.octet + 14))->destination),
	                 0xc6336407);
}

static void silence_is_asked_thrice_and_given_up(void **state)
{
	struct fixture *fixture = *state;

	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 30);
	assert_int_equal(fixture_output_count(fixture), 1);
	fixture_advance(fixture, 999000);
	assert_int_equal(fixture_output_count(fixture), 0);
	fixture_advance(fixture, 1000);
	assert_int_equal(fixture_output_count(fixture), 1);
	fixture_advance(fixture, 10000000);
	assert_int_equal(fixture_output_count(fixture), 1);
	assert_int_equal(fixture->counters.neighbours_failed, 1);
	assert_int_equal(fixture->counters.neighbour_queue_drops, 1);
	assert_int_equal(net_next_deadline_us(fixture->net), UINT64_MAX);
}

static void waiting_queue_keeps_the_newest(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	for (size_t i = 0; i < NEIGHBOUR_WAITING_PKTS_MAX + 3; i++)
		fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20 + i);
	assert_int_equal(fixture->counters.neighbour_queue_drops, 3);
	assert_int_equal(fixture_output_count(fixture), 1);
	input_arp(fixture, ARP_REPLY, peer_mac, "192.0.2.2", "192.0.2.1");
	for (size_t i = 3; i < NEIGHBOUR_WAITING_PKTS_MAX + 3; i++) {
		assert_true(fixture_output(fixture, &frame));
		assert_int_equal(frame.len, 14 + 20 + 20 + i);
	}
	assert_false(fixture_output(fixture, &frame));
}

static void unasked_replies_teach_nothing(void **state)
{
	struct fixture *fixture = *state;
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 2; i < 250; i++) {
		struct addr addr = addr_from_ip4(0xc0000200 + i);
		input_arp(fixture, ARP_REPLY, peer_mac, addr_format(&addr, text), "192.0.2.1");
		input_arp(fixture, ARP_REQUEST, peer_mac, addr_format(&addr, text), "192.0.2.1");
	}
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_FREE].count, NEIGHBOURS_MAX);
	assert_int_equal(fixture->counters.neighbour_unsolicited, 2 * 248);
}

static void reachable_grows_stale_and_is_probed(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	fixture_resolve(fixture, true);
	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	assert_int_equal(fixture_output_count(fixture), 1);
	fixture_advance(fixture, 31000000);
	assert_int_equal(fixture_output_count(fixture), 0);

	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	assert_true(fixture_output(fixture, &frame)); /* the probe, to the neighbour alone */
	assert_int_equal(be16_get(arp_in(&frame)->operation), ARP_REQUEST);
	assert_memory_equal(frame.octet, peer_mac, 6);
	assert_true(fixture_output(fixture, &frame)); /* the packet does not wait */
	assert_int_equal(frame.len, 14 + 20 + 20);

	input_arp(fixture, ARP_REPLY, peer_mac, "192.0.2.2", "192.0.2.1");
	fixture_advance(fixture, 5000000);
	assert_int_equal(fixture_output_count(fixture), 0);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_REACHABLE].count, 1);
}

static void unanswered_probe_forgets(void **state)
{
	struct fixture *fixture = *state;

	fixture_resolve(fixture, true);
	fixture_advance(fixture, 31000000);
	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	fixture_advance(fixture, 10000000);
	assert_int_equal(fixture_output_count(fixture), 1 + NEIGHBOUR_TRIES_MAX);
	assert_int_equal(fixture->counters.neighbours_failed, 1);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_FREE].count, NEIGHBOURS_MAX);
}

static void unused_entry_is_forgotten(void **state)
{
	struct fixture *fixture = *state;

	fixture_resolve(fixture, true);
	fixture_advance(fixture, 1300000000);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_FREE].count, NEIGHBOURS_MAX);
	assert_int_equal(net_next_deadline_us(fixture->net), UINT64_MAX);
}

static void gratuitous_request_moves_a_known_neighbour(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	fixture_resolve(fixture, true);
	input_arp(fixture, ARP_REQUEST, other_mac, "192.0.2.2", "192.0.2.2");
	assert_int_equal(fixture->counters.neighbours_changed, 1);
	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	assert_true(fixture_output(fixture, &frame)); /* no longer sure: probed at the new place */
	assert_memory_equal(frame.octet, other_mac, 6);
	assert_true(fixture_output(fixture, &frame));
	assert_memory_equal(frame.octet, other_mac, 6);
}

static void unresolved_neighbours_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct prefix wide = text_prefix("10.0.0.1/8");
	char text[ADDR_TEXT_MAX];

	assert_int_equal(net_add_address(fixture->net, 0, &wide), OK);
	for (uint32_t i = 0; i < 1000; i++) {
		struct addr addr = addr_from_ip4(0x0a000100 + i);
		fixture_send(fixture, "10.0.0.1", addr_format(&addr, text), 20);
		fixture_output_count(fixture);
	}
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_UNRESOLVED].count,
	                 NEIGHBOURS_UNRESOLVED_MAX);
	assert_int_equal(fixture->counters.neighbours_full, 1000 - NEIGHBOURS_UNRESOLVED_MAX);
	assert_int_equal(fixture->net->link->neighbours.waiting_count, NEIGHBOURS_WAITING_PKTS_MAX);
	/* The gateway is resolved all the same. */
	fixture_send(fixture, "192.0.2.1", "198.51.100.1", 20);
	assert_int_equal(fixture_output_count(fixture), 1);
	fixture_advance(fixture, 5000000);
	assert_int_equal(fixture->net->link->neighbours.list[NEIGHBOUR_FREE].count, NEIGHBOURS_MAX);
	assert_int_equal(fixture->net->link->neighbours.waiting_count, 0);
}

static void full_table_evicts_the_oldest_but_no_gateway(void **state)
{
	struct fixture *fixture = *state;
	struct prefix wide = text_prefix("10.0.0.1/8");
	struct neighbours *neighbours = &fixture->net->link->neighbours;
	char text[ADDR_TEXT_MAX];

	assert_int_equal(net_add_address(fixture->net, 0, &wide), OK);
	fixture_send(fixture, "192.0.2.1", "198.51.100.1", 20);
	input_arp(fixture, ARP_REPLY, other_mac, "192.0.2.254", "192.0.2.1");
	for (uint32_t i = 0; i < NEIGHBOURS_MAX + 10; i++) {
		struct addr addr = addr_from_ip4(0x0a000100 + i);
		fixture_send(fixture, "10.0.0.1", addr_format(&addr, text), 20);
		input_arp(fixture, ARP_REPLY, peer_mac, text, "10.0.0.1");
		fixture_output_count(fixture);
	}
	assert_int_equal(neighbours->list[NEIGHBOUR_REACHABLE].count, NEIGHBOURS_MAX);
	assert_int_equal(fixture->counters.neighbours_evicted, 11);
	assert_int_equal(fixture->counters.neighbours_resolved, NEIGHBOURS_MAX + 11);
	fixture_send(fixture, "192.0.2.1", "198.51.100.1", 20);
	assert_int_equal(fixture_output_count(fixture), 1); /* no question first */
}

static void conflict_is_defended_once_in_a_while(void **state)
{
	struct fixture *fixture = *state;
	struct build frame;

	for (int i = 0; i < 20; i++)
		input_arp(fixture, ARP_REPLY, peer_mac, "192.0.2.1", "192.0.2.1");
	assert_int_equal(fixture->counters.address_conflicts, 20);
	assert_true(fixture_output(fixture, &frame));
	assert_int_equal(be32_get(arp_in(&frame)->sender_ip), 0xc0000201);
	assert_int_equal(be32_get(arp_in(&frame)->target_ip), 0xc0000201);
	assert_false(fixture_output(fixture, &frame));
}

static void addresses_are_announced_twice(void **state)
{
	struct fixture *fixture = fixture_bare(0);
	struct prefix ip4 = text_prefix("192.0.2.1/24");
	struct build frame;

	(void)state;
	assert_int_equal(net_add_address(fixture->net, 0, &ip4), OK);
	for (int i = 0; i < 2; i++) {
		fixture_advance(fixture, i == 0 ? 0 : 2000000);
		assert_true(fixture_output(fixture, &frame));
		assert_memory_equal(frame.octet, mac_broadcast, 6);
		assert_int_equal(be16_get(arp_in(&frame)->operation), ARP_REQUEST);
		assert_int_equal(be32_get(arp_in(&frame)->sender_ip), 0xc0000201);
		assert_int_equal(be32_get(arp_in(&frame)->target_ip), 0xc0000201);
		assert_false(fixture_output(fixture, &frame));
	}
	fixture_advance(fixture, 100000000);
	assert_int_equal(fixture_output_count(fixture), 0);
	fixture_free(fixture);
}

static void empty_pool_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct pkt_chain held = {0};
	struct pkt *pkt;

	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	fixture_output_count(fixture);
	while ((pkt = pkt_get(fixture->pool)) != NULL)
		pkt_chain_push(&held, pkt);
	fixture_advance(fixture, 1000000);
	assert_int_equal(fixture->counters.no_buffer, 1);
	pkt_chain_put_all(&held);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(request_for_us_is_answered),
	    CASE(request_for_another_is_not),
	    CASE(packets_wait_and_leave_in_order),
	    CASE(off_link_goes_to_the_gateway),
	    CASE(silence_is_asked_thrice_and_given_up),
	    CASE(waiting_queue_keeps_the_newest),
	    CASE(unasked_replies_teach_nothing),
	    CASE(reachable_grows_stale_and_is_probed),
	    CASE(unanswered_probe_forgets),
	    CASE(unused_entry_is_forgotten),
	    CASE(gratuitous_request_moves_a_known_neighbour),
	    CASE(unresolved_neighbours_are_bounded),
	    CASE(full_table_evicts_the_oldest_but_no_gateway),
	    CASE(conflict_is_defended_once_in_a_while),
	    cmocka_unit_test(addresses_are_announced_twice),
	    CASE(empty_pool_is_counted),
	};

	return cmocka_run_group_tests_name("net_arp", tests, NULL, NULL);
}
