/* test_net_front.c - the front door: set-up errors, routes, tags, raw IP, time. */
#include "net_fixture.h"

static enum err add_address(struct fixture *fixture, uint8_t port, const char *text)
{
	struct prefix prefix = text_prefix(text);

	return net_add_address(fixture->net, port, &prefix);
}

static void set_up_refuses_nonsense(void **state)
{
	struct fixture *fixture = fixture_bare(0);
	struct net_interface interface = {.mac = {2, 0, 0, 0, 0, 9}, .port = 0};
	struct addr gateway = text_addr("192.0.2.254"), group = text_addr("224.0.0.1");

	(void)state;
	assert_int_equal(net_add_interface(fixture->net, &interface), ERR_DUPLICATE);
	interface.port = 1;
	interface.vlan = 4095;
	assert_int_equal(net_add_interface(fixture->net, &interface), ERR_RANGE);
	interface.vlan = 0;
	interface.mac[0] = 1;
	assert_int_equal(net_add_interface(fixture->net, &interface), ERR_ADDRESS);
	interface.mac[0] = 2;
	for (uint8_t port = 1; port < PORTS_MAX; port++) {
		interface.port = port;
		assert_int_equal(net_add_interface(fixture->net, &interface), OK);
	}
	interface.port = 99;
	assert_int_equal(net_add_interface(fixture->net, &interface), ERR_FULL);

	assert_int_equal(add_address(fixture, 99, "192.0.2.1/24"), ERR_NOT_FOUND);
	assert_int_equal(add_address(fixture, 0, "0.0.0.0/24"), ERR_ADDRESS);
	assert_int_equal(add_address(fixture, 0, "127.0.0.1/8"), ERR_ADDRESS);
	assert_int_equal(add_address(fixture, 0, "ff02::1/64"), ERR_ADDRESS);
	assert_int_equal(add_address(fixture, 0, "192.0.2.1/24"), OK);
	assert_int_equal(add_address(fixture, 1, "192.0.2.1/24"), ERR_DUPLICATE);
	for (int i = 1; i < PORT_ADDRESSES_MAX; i++) {
		char text[32];
		snprintf(text, sizeof(text), "2001:db8::%d/64", i);
		assert_int_equal(add_address(fixture, 0, text), OK);
	}
	assert_int_equal(add_address(fixture, 0, "10.0.0.1/8"), ERR_FULL);

	assert_int_equal(net_add_gateway(fixture->net, 99, &gateway), ERR_NOT_FOUND);
	assert_int_equal(net_add_gateway(fixture->net, 0, &group), ERR_ADDRESS);
	assert_int_equal(net_add_gateway(fixture->net, 0, &gateway), OK);
	assert_int_equal(net_add_gateway(fixture->net, 0, &gateway), ERR_DUPLICATE);
	fixture_free(fixture);
}

static void small_arena_gives_null(void **state)
{
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
	struct net_config config;
	struct arena arena;

	(void)state;
	fake_tcp_reset();
	net_config_defaults(&config);
	assert_int_equal(arena_init(&arena, 4096, false), OK);
	assert_non_null(arena_take(&arena, arena.bytes_max - arena.used, 1, 1));
	assert_null(net_new(&arena, &config, NULL, &net_counters, &tcp_counters, 0));
	arena_free(&arena);
}

static void sources_follow_routes(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct net_interface second = {.mac = {2, 0, 0, 0, 0, 9}, .port = 3};
	static const struct {
		const char *to, *from;
	} cases[] = {
	    {"192.0.2.77", "192.0.2.1"},    {"198.51.100.1", "192.0.2.1"},
	    {"10.1.2.3", "10.1.2.1"},       {"10.9.9.9", "10.0.0.1"},
	    {"2001:db8::5", "2001:db8::1"}, {"2001:db9::1", "2001:db8::1"},
	};

	(void)state;
	assert_int_equal(net_add_interface(fixture->net, &second), OK);
	assert_int_equal(add_address(fixture, 3, "10.0.0.1/8"), OK);
	assert_int_equal(add_address(fixture, 3, "10.1.2.1/24"), OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr to = text_addr(cases[i].to), from = text_addr(cases[i].from), source;
		assert_int_equal(ip_source(fixture->net, &to, &source), OK);
		assert_true(addr_equal(&source, &from));
	}
	fixture_send(fixture, "10.1.2.1", "10.1.2.9", 20);
	struct pkt *pkt;
	fixture_advance(fixture, 0);
	bool asked = false;
	while (net_output(fixture->net, fixture->now_us, &pkt, 1) == 1) {
		asked |= pkt->port == 3 && pkt->len == 42 && pkt->data[41] == 9;
		pkt_put(pkt);
	}
	assert_true(asked);
	fixture_free(fixture);
}

static void no_route_is_counted(void **state)
{
	struct fixture *fixture = fixture_bare(0);
	struct addr far = text_addr("198.51.100.1"), six = text_addr("2001:db8::1"), source;

	(void)state;
	assert_int_equal(add_address(fixture, 0, "192.0.2.1/24"), OK);
	assert_int_equal(ip_source(fixture->net, &far, &source), ERR_UNREACHABLE);
	assert_int_equal(ip_source(fixture->net, &six, &source), ERR_UNREACHABLE);
	fixture_send(fixture, "192.0.2.1", "198.51.100.1", 20);
	assert_int_equal(fixture->counters.no_route, 1);
	fixture_free(fixture);
}

static void tags_come_and_go(void **state)
{
	struct fixture *fixture = fixture_new(300);
	struct build frame = {.len = 0}, answer;
	static const uint8_t none[6];
	static const uint8_t tag[4] = {0xa1, 0x2c, 0x08, 0x06}; /* priority 5, VLAN 300 */

	(void)state;
	build_eth(&frame, mac_broadcast, peer_mac, ETHERTYPE_VLAN);
	build_octets(&frame, tag, 4);
	build_arp(&frame, ARP_REQUEST, peer_mac, "192.0.2.2", none, "192.0.2.1");
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + 4 + 28);
	assert_memory_equal(answer.octet + 12, "\x81\x00\x01\x2c\x08\x06", 6);

	frame.octet[15] = 0x2d; /* VLAN 301 */
	fixture_input(fixture, &frame);
	frame.len = 0;
	build_eth(&frame, mac_broadcast, peer_mac, ETHERTYPE_ARP); /* untagged */
	build_arp(&frame, ARP_REQUEST, peer_mac, "192.0.2.2", none, "192.0.2.1");
	fixture_input(fixture, &frame);
	assert_int_equal(fixture->counters.vlan_other, 2);
	assert_int_equal(fixture_output_count(fixture), 0);
	fixture_free(fixture);
}

static void priority_tag_is_no_vlan(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct build frame = {.len = 0}, answer;
	static const uint8_t none[6], tag[4] = {0xe0, 0x00, 0x08, 0x06};

	(void)state;
	build_eth(&frame, mac_broadcast, peer_mac, ETHERTYPE_VLAN);
	build_octets(&frame, tag, 4);
	build_arp(&frame, ARP_REQUEST, peer_mac, "192.0.2.2", none, "192.0.2.1");
	fixture_input(fixture, &frame);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 14 + 28);
	fixture_free(fixture);
}

static void frames_of_a_strange_port_are_counted(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct pkt *pkt = pkt_get(fixture->pool);

	(void)state;
	pkt->port = 5;
	pkt->len = 60;
	net_input(fixture->net, fixture->now_us, &pkt, 1);
	assert_int_equal(fixture->counters.port_unknown, 1);
	fixture_free(fixture);
}

static void raw_ip_has_no_ethernet(void **state)
{
	struct fixture *fixture = fixture_bare(0);
	struct build packet = {.len = 0}, answer;

	(void)state;
	net_set_raw_ip(fixture->net);
	assert_int_equal(add_address(fixture, 0, "192.0.2.1/24"), OK);
	assert_int_equal(add_address(fixture, 0, "2001:db8::1/64"), OK);
	assert_int_equal(net_next_deadline_us(fixture->net), UINT64_MAX);
	build_ip4(&packet, "198.51.100.1", "192.0.2.1", IP_PROTOCOL_ICMP4, 12);
	build_icmp(&packet, ICMP4_ECHO, 0, 5, "data", 4, NULL, NULL);
	fixture_input_ip(fixture, &packet);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 32);
	assert_int_equal(answer.octet[0], 0x45);

	packet.len = 0;
	build_ip6(&packet, "2001:db8:5::1", "2001:db8::1", IP_PROTOCOL_ICMP6, 64, 12);
	build_icmp(&packet, ICMP6_ECHO, 0, 5, "data", 4, "2001:db8:5::1", "2001:db8::1");
	fixture_input_ip(fixture, &packet);
	assert_true(fixture_output(fixture, &answer));
	assert_int_equal(answer.len, 52);
	assert_int_equal(answer.octet[40], ICMP6_ECHO_REPLY);

	packet.len = 0;
	fixture_input_ip(fixture, &packet);
	assert_int_equal(fixture->counters.ip4_malformed, 1);
	fixture_free(fixture);
}

/* A packet of ours waits; the answer to the question came to another worker, who shows it to us. */
static void observe(struct fixture *fixture, const struct build *frame, bool discovery,
                    uint32_t leave)
{
	struct pkt *pkt = pkt_get(fixture->pool), before;

	assert_non_null(pkt);
	memcpy(pkt->data, frame->octet, frame->len);
	pkt->len = (uint16_t)frame->len;
	before = *pkt;
	assert_int_equal(net_is_discovery(pkt), discovery);
	net_observe(fixture->net, fixture->now_us, pkt);
	assert_memory_equal(&before, pkt, sizeof(before));
	assert_memory_equal(pkt->data, frame->octet, frame->len);
	pkt_put(pkt);
	assert_int_equal(fixture_output_count(fixture), leave);
}

static void what_others_receive_is_learnt_and_not_answered(void **state)
{
	static const uint8_t none[6];
	struct fixture *fixture = fixture_new(0);
	struct addr target = text_addr("2001:db8::2");
	uint8_t rest[24] = {[16] = ND_OPTION_TARGET_LINK, [17] = 1};
	struct build frame = {.len = 0};

	(void)state;
	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	fixture_send(fixture, "2001:db8::1", "2001:db8::2", 20);
	fixture_output_count(fixture);
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_ARP);
	build_arp(&frame, ARP_REPLY, peer_mac, "192.0.2.2", our_mac, "192.0.2.1");
	observe(fixture, &frame, true, 1);
	frame.len = 0;
	build_eth(&frame, mac_broadcast, peer_mac, ETHERTYPE_ARP);
	build_arp(&frame, ARP_REQUEST, peer_mac, "192.0.2.2", none, "192.0.2.1");
	observe(fixture, &frame, true, 0);

	memcpy(rest, target.octet, 16);
	memcpy(rest + 18, peer_mac, 6);
	frame.len = 0;
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
	build_ip6(&frame, "2001:db8::2", "2001:db8::1", IP_PROTOCOL_ICMP6, 255, 32);
	build_icmp(&frame, ICMP6_NEIGHBOUR_ADVERT, 0, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, rest,
	           24, "2001:db8::2", "2001:db8::1");
	frame.octet[14 + 40 + 2] ^= 1; /* a bad checksum teaches nothing */
	observe(fixture, &frame, true, 0);
	frame.octet[14 + 40 + 2] ^= 1;
	observe(fixture, &frame, true, 1);
	assert_int_equal(fixture->counters.neighbours_resolved, 2);

	frame.len = 0;
	build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP4);
	build_ip4(&frame, "192.0.2.2", "192.0.2.1", IP_PROTOCOL_ICMP4, 12);
	build_icmp(&frame, ICMP4_ECHO, 0, 5, "data", 4, NULL, NULL);
	observe(fixture, &frame, false, 0);
	fixture_free(fixture);
}

/* After a jump of many seconds each deadline has been visited at its own time. */
static void a_jump_visits_each_deadline(void **state)
{
	struct fixture *fixture = fixture_new(0);
	uint64_t start_us = fixture->now_us;

	(void)state;
	fake_tcp.deadline_us = start_us + 1500000;
	fake_tcp.period_us = 1000000;
	fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
	fixture_advance(fixture, 10000000);
	assert_int_equal(fake_tcp.fired_count, 9);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(fake_tcp.fired_us[i], start_us + 1500000 + i * 1000000);
	/* And the questions between them left at theirs. */
	struct pkt *pkt;
	for (uint64_t i = 0; i < NEIGHBOUR_TRIES_MAX; i++) {
		assert_int_equal(net_output(fixture->net, fixture->now_us, &pkt, 1), 1);
		assert_int_equal(pkt->at_us, start_us + i * 1000000);
		pkt_put(pkt);
	}
	fixture_free(fixture);
}

static void timers_do_bounded_work(void **state)
{
	struct fixture *fixture = fixture_new(0);

	(void)state;
	fake_tcp.deadline_us = fixture->now_us + 5000;
	fake_tcp.period_us = 5000;
	net_timers(fixture->net, fixture->now_us + 1000000, 10);
	assert_in_range(fake_tcp.fired_count, 1, 10);
	net_timers(fixture->net, fixture->now_us + 1000000, 1000);
	assert_int_equal(fake_tcp.fired_count, 200);
	fixture_free(fixture);
}

static void output_hands_out_at_most_max(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct pkt *pkts[4];

	(void)state;
	fixture_resolve(fixture, true);
	for (size_t i = 0; i < 6; i++)
		fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20 + i);
	assert_int_equal(net_output(fixture->net, fixture->now_us, pkts, 4), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pkts[i]->len, 14 + 20 + 20 + i);
		pkt_put(pkts[i]);
	}
	assert_int_equal(net_output(fixture->net, fixture->now_us, pkts, 4), 2);
	pkt_put(pkts[0]);
	pkt_put(pkts[1]);
	assert_int_equal(fixture->counters.frames_out, 6);
	assert_int_equal(fixture->counters.bytes_out, 6 * 54 + 15);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(set_up_refuses_nonsense),
	    cmocka_unit_test(small_arena_gives_null),
	    cmocka_unit_test(sources_follow_routes),
	    cmocka_unit_test(no_route_is_counted),
	    cmocka_unit_test(tags_come_and_go),
	    cmocka_unit_test(priority_tag_is_no_vlan),
	    cmocka_unit_test(frames_of_a_strange_port_are_counted),
	    cmocka_unit_test(raw_ip_has_no_ethernet),
	    cmocka_unit_test(what_others_receive_is_learnt_and_not_answered),
	    cmocka_unit_test(a_jump_visits_each_deadline),
	    cmocka_unit_test(timers_do_bounded_work),
	    cmocka_unit_test(output_hands_out_at_most_max),
	};

	return cmocka_run_group_tests_name("net_front", tests, NULL, NULL);
}
