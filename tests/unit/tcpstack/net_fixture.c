/* net_fixture.c - one struct net with a fake TCP above it, and frames made by hand. */
#include "net_fixture.h"

#include <stdlib.h>

const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};
const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 3};

struct addr text_addr(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(bytes_text(text), &addr), OK);
	return addr;
}

struct prefix text_prefix(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(bytes_text(text), true, &prefix), OK);
	return prefix;
}

struct fixture *fixture_bare(uint16_t vlan)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct net_interface interface = {.vlan = vlan, .port = 0};
	struct net_config config;

	assert_non_null(fixture);
	fake_tcp_reset();
	net_config_defaults(&config);
	config.seed = 1;
	config.secret = (struct hash_key){{2, 3}};
	memcpy(interface.mac, our_mac, 6);
	fixture->vlan = vlan;
	fixture->now_us = 1000000;
	assert_int_equal(
	    arena_init(&fixture->arena,
	               net_bytes(&config) + (FIXTURE_PKTS + 1) * (PKT_DATA_BYTES + 128), false),
	    OK);
	fixture->pool = pkt_pool_memory(&fixture->arena, FIXTURE_PKTS);
	assert_non_null(fixture->pool);
	fixture->net = net_new(&fixture->arena, &config, fixture->pool, &fixture->counters,
	                       &fixture->tcp_counters, fixture->now_us);
	assert_non_null(fixture->net);
	assert_int_equal(net_add_interface(fixture->net, &interface), OK);
	return fixture;
}

struct fixture *fixture_new(uint16_t vlan)
{
	struct fixture *fixture = fixture_bare(vlan);
	struct prefix ip4 = text_prefix("192.0.2.1/24"), ip6 = text_prefix("2001:db8::1/64");
	struct addr gateway4 = text_addr("192.0.2.254"), gateway6 = text_addr("2001:db8::fe");

	assert_int_equal(net_add_address(fixture->net, 0, &ip4), OK);
	assert_int_equal(net_add_address(fixture->net, 0, &ip6), OK);
	assert_int_equal(net_add_gateway(fixture->net, 0, &gateway4), OK);
	assert_int_equal(net_add_gateway(fixture->net, 0, &gateway6), OK);
	fixture_advance(fixture, 0);
	fixture_advance(fixture, 3000000);
	fixture_output_count(fixture);
	assert_int_equal(net_next_deadline_us(fixture->net), UINT64_MAX);
	memset(&fixture->counters, 0, sizeof(fixture->counters));
	return fixture;
}

void fixture_free(struct fixture *fixture)
{
	fixture_output_count(fixture);
	assert_int_equal(fixture->pool->free_count + fixture->net->link->neighbours.waiting_count,
	                 FIXTURE_PKTS);
	arena_free(&fixture->arena);
	free(fixture);
}

void build_octets(struct build *build, const void *data, size_t bytes)
{
	assert_true(build->len + bytes <= sizeof(build->octet));
	if (bytes > 0)
		memcpy(build->octet + build->len, data, bytes);
	build->len += bytes;
}

void build_eth(struct build *build, const uint8_t *destination, const uint8_t *source,
               uint16_t type)
{
	struct eth_header eth = {.type = be16_of(type)};

	memcpy(eth.destination, destination, 6);
	memcpy(eth.source, source, 6);
	build_octets(build, &eth, sizeof(eth));
}

void build_arp(struct build *build, uint16_t operation, const uint8_t *sender_mac,
               const char *sender, const uint8_t *target_mac, const char *target)
{
	struct addr sender_addr = text_addr(sender), target_addr = text_addr(target);
	struct arp_header arp = {
	    .hardware = be16_of(1),
	    .protocol = be16_of(ETHERTYPE_IP4),
	    .hardware_bytes = 6,
	    .protocol_bytes = 4,
	    .operation = be16_of(operation),
	    .sender_ip = addr_to_ip4(&sender_addr),
	    .target_ip = addr_to_ip4(&target_addr),
	};

	memcpy(arp.sender_mac, sender_mac, 6);
	memcpy(arp.target_mac, target_mac, 6);
	build_octets(build, &arp, sizeof(arp));
}

static void put16(struct be16 *at, uint16_t network)
{
	memcpy(at->octet, &network, 2);
}

void build_ip4(struct build *build, const char *source, const char *destination, uint8_t protocol,
               size_t payload_bytes)
{
	struct addr from = text_addr(source), to = text_addr(destination);
	struct ip4_header ip = {
	    .version_ihl = 0x45,
	    .total_bytes = be16_of((uint16_t)(20 + payload_bytes)),
	    .ttl = 64,
	    .protocol = protocol,
	    .source = addr_to_ip4(&from),
	    .destination = addr_to_ip4(&to),
	};

	put16(&ip.checksum, checksum_fold(checksum_add(0, &ip, sizeof(ip))));
	build_octets(build, &ip, sizeof(ip));
}

void build_ip6(struct build *build, const char *source, const char *destination,
               uint8_t next_header, uint8_t hop_limit, size_t payload_bytes)
{
	struct addr from = text_addr(source), to = text_addr(destination);
	struct ip6_header ip = {
	    .version_class_flow = be32_of(0x60000000),
	    .payload_bytes = be16_of((uint16_t)payload_bytes),
	    .next_header = next_header,
	    .hop_limit = hop_limit,
	};

	memcpy(ip.source, from.octet, 16);
	memcpy(ip.destination, to.octet, 16);
	build_octets(build, &ip, sizeof(ip));
}

void build_icmp(struct build *build, uint8_t type, uint8_t code, uint32_t rest, const void *data,
                size_t bytes, const char *source, const char *destination)
{
	struct icmp_header *icmp = (struct icmp_header *)(build->octet + build->len);
	struct icmp_header header = {.type = type, .code = code, .rest = be32_of(rest)};
	uint32_t sum = 0;

	build_octets(build, &header, sizeof(header));
	build_octets(build, data, bytes);
	if (source != NULL) {
		struct addr from = text_addr(source), to = text_addr(destination);
		sum = checksum_pseudo(&from, &to, IP_PROTOCOL_ICMP6,
		                      (uint32_t)(sizeof(header) + bytes));
	}
	put16(&icmp->checksum, checksum_fold(checksum_add(sum, icmp, sizeof(header) + bytes)));
}

static struct pkt *fixture_pkt(struct fixture *fixture, const struct build *build)
{
	struct pkt *pkt = pkt_get(fixture->pool);

	assert_non_null(pkt);
	memcpy(pkt->data, build->octet, build->len);
	pkt->len = (uint16_t)build->len;
	return pkt;
}

void fixture_input(struct fixture *fixture, const struct build *build)
{
	struct pkt *pkt = fixture_pkt(fixture, build);

	net_input(fixture->net, fixture->now_us, &pkt, 1);
}

void fixture_input_ip(struct fixture *fixture, const struct build *build)
{
	net_input_ip(fixture->net, fixture->now_us, fixture_pkt(fixture, build));
}

bool fixture_output(struct fixture *fixture, struct build *out)
{
	struct pkt *pkt;

	if (net_output(fixture->net, fixture->now_us, &pkt, 1) == 0)
		return false;
	memcpy(out->octet, pkt->data, pkt->len);
	out->len = pkt->len;
	pkt_put(pkt);
	return true;
}

uint32_t fixture_output_count(struct fixture *fixture)
{
	struct build frame;
	uint32_t count = 0;

	while (fixture_output(fixture, &frame))
		count++;
	return count;
}

void fixture_advance(struct fixture *fixture, uint64_t by_us)
{
	fixture->now_us += by_us;
	net_timers(fixture->net, fixture->now_us, 100000);
}

void fixture_send(struct fixture *fixture, const char *source, const char *destination,
                  size_t bytes)
{
	struct pkt *pkt = pkt_get(fixture->pool);
	struct addr from = text_addr(source), to = text_addr(destination);

	assert_non_null(pkt);
	memset(pkt->data, 0x5a, bytes);
	pkt->len = (uint16_t)bytes;
	ip_output(fixture->net, pkt, &from, &to, IP_PROTOCOL_TCP, 0);
}

void fixture_resolve(struct fixture *fixture, bool ip4)
{
	struct build frame = {.len = 0};

	if (ip4) {
		fixture_send(fixture, "192.0.2.1", "192.0.2.2", 20);
		build_eth(&frame, our_mac, peer_mac, ETHERTYPE_ARP);
		build_arp(&frame, ARP_REPLY, peer_mac, "192.0.2.2", our_mac, "192.0.2.1");
	} else {
		uint8_t rest[24] = {[16] = ND_OPTION_TARGET_LINK, [17] = 1};
		struct addr target = text_addr("2001:db8::2");
		fixture_send(fixture, "2001:db8::1", "2001:db8::2", 20);
		memcpy(rest, target.octet, 16);
		memcpy(rest + 18, peer_mac, 6);
		build_eth(&frame, our_mac, peer_mac, ETHERTYPE_IP6);
		build_ip6(&frame, "2001:db8::2", "2001:db8::1", IP_PROTOCOL_ICMP6, 255, 32);
		build_icmp(&frame, ICMP6_NEIGHBOUR_ADVERT, 0, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE,
		           rest, 24, "2001:db8::2", "2001:db8::1");
	}
	fixture_input(fixture, &frame);
	assert_int_equal(fixture->counters.neighbours_resolved, 1);
	assert_int_equal(fixture_output_count(fixture), 2);
	memset(&fixture->counters, 0, sizeof(fixture->counters));
}
