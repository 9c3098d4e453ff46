/* tcp_fixture.c - hosts, link and virtual time for TCP's tests. */
#include "tcp_fixture.h"

#include "base/limits.h"

struct net_config test_config(uint64_t seed)
{
	struct net_config config;

	net_config_defaults(&config);
	config.seed = seed;
	config.secret = (struct hash_key){{seed * 0x9e3779b97f4a7c15u, ~seed}};
	config.connections_max = 64;
	config.syn_cache_count = 16;
	config.time_wait_count = 16;
	return config;
}

void host_init(struct host *host, uint8_t last, bool ip6, const struct net_config *config,
               uint32_t pkt_count, uint64_t now_us)
{
	struct prefix prefix = {.bits = 120};

	memset(host, 0, sizeof(*host));
	host->addr = addr_from_ip4(0xc0000200u | last);
	if (ip6) {
		memset(&host->addr, 0, sizeof(host->addr));
		memcpy(host->addr.octet, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
		host->addr.octet[15] = last;
	}
	assert_int_equal(
	    arena_init(&host->arena,
	               net_bytes(config) +
	                   (size_t)pkt_count * (PKT_DATA_BYTES + sizeof(struct pkt) + 64) +
	                   (1 << 16),
	               false),
	    OK);
	host->pool = pkt_pool_memory(&host->arena, pkt_count);
	assert_non_null(host->pool);
	host->net = net_new(&host->arena, config, host->pool, &host->net_counters, &host->counters,
	                    now_us);
	assert_non_null(host->net);
	net_set_raw_ip(host->net);
	prefix.addr = host->addr;
	assert_int_equal(net_add_address(host->net, 0, &prefix), OK);
}

void host_free(struct host *host)
{
	arena_free(&host->arena);
}

void host_check_clean(struct host *host)
{
	assert_int_equal(net_connection_count(host->net), 0);
	assert_int_equal(host->pool->free_count, host->pool->pkt_count);
}

void link_init(struct link_sim *link, uint64_t seed, bool ip6, const struct net_config *a,
               const struct net_config *b, uint32_t pkt_count)
{
	memset(link, 0, sizeof(*link));
	random_seed(&link->random, seed);
	link->now_us = 1000000 + seed * 1234567;
	host_init(&link->host[0], 1, ip6, a, pkt_count, link->now_us);
	host_init(&link->host[1], 2, ip6, b, pkt_count, link->now_us);
}

void link_free(struct link_sim *link)
{
	for (size_t i = 0; i < link->flight_count; i++)
		free(link->flights[i]);
	host_free(&link->host[0]);
	host_free(&link->host[1]);
}

static bool chance(struct link_sim *link, uint32_t permille)
{
	return random_below(&link->random, 1000) < permille;
}

/* Other bits in one 16-bit word: what the Internet checksum always finds (RFC 1071). */
static void corrupt(struct link_sim *link, struct flight *flight)
{
	size_t at = random_below(&link->random, (uint32_t)flight->len / 2) * 2;
	uint32_t bits = 1 + random_below(&link->random, 3);

	for (uint32_t i = 0; i < bits; i++) {
		uint32_t bit = random_below(&link->random, 16);

		flight->data[at + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	link->corrupt_count++;
}

static void fly(struct link_sim *link, int from, const struct pkt *pkt)
{
	struct flight *flight = malloc(sizeof(*flight));
	uint64_t delay = link->impairment.delay_us;

	assert_non_null(flight);
	assert_true(link->flight_count < FLIGHTS_MAX);
	if (chance(link, link->impairment.reorder_permille))
		delay += random_below(&link->random, link->impairment.jitter_us + 1);
	flight->at_us = link->now_us + delay;
	flight->order = link->order++;
	flight->to = 1 - from;
	flight->len = pkt->len;
	memcpy(flight->data, pkt->data, pkt->len);
	if (link->impairment.corrupt_permille > 0 &&
	    chance(link, link->impairment.corrupt_permille))
		corrupt(link, flight);
	link->flights[link->flight_count++] = flight;
}

static void collect_from(struct link_sim *link, int from)
{
	struct pkt *pkts[32];
	size_t count;

	do {
		count = net_output(link->host[from].net, link->now_us, pkts, 32);
		for (size_t i = 0; i < count; i++) {
			bool lost = chance(link, link->impairment.loss_permille);

			if (link->lose != NULL)
				lost = link->lose(link->lose_context, from, pkts[i]->data,
				                  pkts[i]->len);
			if (!lost)
				fly(link, from, pkts[i]);
			if (!lost && chance(link, link->impairment.duplicate_permille))
				fly(link, from, pkts[i]);
			pkt_put(pkts[i]);
		}
	} while (count == 32);
}

void link_collect(struct link_sim *link)
{
	collect_from(link, 0);
	collect_from(link, 1);
}

static size_t next_flight(const struct link_sim *link)
{
	size_t best = 0;

	for (size_t i = 1; i < link->flight_count; i++) {
		const struct flight *a = link->flights[i], *b = link->flights[best];
		if (a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order))
			best = i;
	}
	return best;
}

static void land(struct link_sim *link, size_t index)
{
	struct flight *flight = link->flights[index];
	struct host *host = &link->host[flight->to];
	struct pkt *pkt = pkt_get(host->pool);

	if (pkt != NULL) {
		memcpy(pkt->data, flight->data, flight->len);
		pkt->len = (uint16_t)flight->len;
		net_input_ip(host->net, link->now_us, pkt);
	}
	free(flight);
	link->flights[index] = link->flights[--link->flight_count];
}

bool link_step(struct link_sim *link, uint64_t until_us)
{
	uint64_t next = UINT64_MAX;
	size_t index = 0;
	bool landing;

	link_collect(link);
	if (link->flight_count > 0) {
		index = next_flight(link);
		next = link->flights[index]->at_us;
	}
	landing = next != UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		uint64_t deadline = net_next_deadline_us(link->host[i].net);
		if (deadline < next) {
			next = deadline;
			landing = false;
		}
	}
	if (next > until_us) {
		if (until_us > link->now_us)
			link->now_us = until_us;
		return false;
	}
	if (next > link->now_us)
		link->now_us = next;
	if (landing)
		land(link, index);
	else
		for (int i = 0; i < 2; i++)
			net_timers(link->host[i].net, link->now_us, 1000);
	return true;
}

const uint8_t *tcp_header_of(const uint8_t *packet)
{
	return packet + (packet[0] >> 4 == 6 ? 40 : (packet[0] & 15) * 4);
}

uint8_t tcp_flags_of(const uint8_t *packet)
{
	return tcp_header_of(packet)[13];
}

uint32_t tcp_payload_of(const uint8_t *packet, size_t bytes)
{
	const uint8_t *header = tcp_header_of(packet);

	return (uint32_t)(bytes - (size_t)(header - packet) - (size_t)(header[12] >> 4) * 4);
}
