/* test_rss.c - the hash against the vectors that card makers verify theirs by, and that connections
 * opened by it get their replies where they were opened.
 *
 * The card here is a program of a few lines: the hash bit by bit as it is defined, and a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/owner.h"
#include "tcpstack/tcp.h"

#define WORKERS 5
#define TABLE   128

/* The key of the verification suite for receive side scaling. */
static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static struct endpoint endpoint(const char *text, uint16_t port)
{
	struct endpoint out = {.port = port};

	assert_int_equal(addr_parse(bytes_text(text), &out.addr), OK);
	return out;
}

static void hashes_as_the_vectors_say(void **state)
{
	static const struct {
		const char *source, *destination;
		uint16_t from, to;
		uint32_t hash;
	} vector[] = {
	    {"66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178},
	    {"199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea},
	    {"24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a},
	    {"38.27.205.30", "209.142.163.6", 48228, 2217, 0xafc7327f},
	    {"153.39.163.191", "202.188.127.2", 44251, 1303, 0x10e828a2},
	    {"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d},
	    {"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf},
	    {"3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
	     0x02d1feef},
	};
	static struct rss rss;

	(void)state;
	rss_init(&rss, key, sizeof(key), true, true);
	for (size_t i = 0; i < sizeof(vector) / sizeof(vector[0]); i++) {
		struct endpoint source = endpoint(vector[i].source, vector[i].from);
		struct endpoint destination = endpoint(vector[i].destination, vector[i].to);

		assert_int_equal(rss_hash(&rss, &source, &destination), vector[i].hash);
	}
}

static void a_short_key_leaves_ip6_out(void **state)
{
	static struct rss rss;
	struct endpoint four = endpoint("192.0.2.1", 25), six = endpoint("2001:db8::1", 25);

	(void)state;
	rss_init(&rss, key, 39, true, true);
	assert_false(rss_knows(&rss, &four.addr)); /* no table */
	rss.table_count = 1;
	assert_true(rss_knows(&rss, &four.addr));
	assert_false(rss_knows(&rss, &six.addr));
}

/* The definition: for each bit of the input that is set, the 32 bits of the key from there on. */
static uint32_t card_hash(const uint8_t *input, uint32_t bytes)
{
	uint64_t window = (uint64_t)key[0] << 32 | (uint64_t)key[1] << 24 | key[2] << 16 |
	                  key[3] << 8 | key[4];
	uint32_t hash = 0;

	for (uint32_t i = 0; i < bytes; i++) {
		for (uint32_t bit = 0; bit < 8; bit++) {
			if ((input[i] & 0x80u >> bit) != 0)
				hash ^= (uint32_t)(window >> 8);
			window <<= 1;
			if (bit == 7)
				window |= i + 5 < sizeof(key) ? key[i + 5] : 0;
		}
		window &= UINT64_C(0xffffffffff);
	}
	return hash;
}

static uint32_t card_queue(const struct endpoint *remote, const struct endpoint *local)
{
	bool ip4 = addr_is_ip4(&remote->addr);
	uint32_t bytes = ip4 ? 4 : 16, skip = 16 - bytes;
	uint8_t input[36];

	memcpy(input, remote->addr.octet + skip, bytes);
	memcpy(input + bytes, local->addr.octet + skip, bytes);
	input[2 * bytes] = (uint8_t)(remote->port >> 8);
	input[2 * bytes + 1] = (uint8_t)remote->port;
	input[2 * bytes + 2] = (uint8_t)(local->port >> 8);
	input[2 * bytes + 3] = (uint8_t)local->port;
	return card_hash(input, 2 * bytes + 4) % TABLE % 7; /* seven queues for five workers */
}

static struct config config;
static struct owners owners;

static void learn(void)
{
	static struct rss rss;

	memset(&config, 0, sizeof(config));
	memset(&owners, 0, sizeof(owners));
	config.workers = WORKERS;
	config.port_count = 1;
	config.port[0].address_count = 2;
	config.port[0].address[0] = (struct prefix){endpoint("10.0.0.1", 0).addr, 120};
	config.port[0].address[1] = (struct prefix){endpoint("2001:db8::1", 0).addr, 64};
	owners_init(&owners, &config);
	rss_init(&rss, key, sizeof(key), true, true);
	rss.table_count = TABLE;
	for (uint32_t i = 0; i < TABLE; i++)
		rss.table[i] = (uint16_t)(i % 7);
	assert_true(owners_learn(&owners, 0, &rss));
}

struct opener {
	struct net *net;
	uint32_t worker;
	uint32_t tried;
};

static bool suits(void *context, const struct endpoint *local, const struct endpoint *remote)
{
	struct opener *opener = context;

	opener->tried++;
	return owner_of(&owners, remote, local) == opener->worker;
}

/* Opens connections and looks where the card would put the replies. */
static void open_many(struct arena *arena, uint32_t worker, const char *backend, const char *ours)
{
	struct opener opener = {.worker = worker};
	struct net_counters net_counters = {0};
	struct tcp_counters tcp_counters = {0};
	struct net_interface interface = {.mac = {2, 0, 0, 0, 0, 1}};
	struct prefix prefix = {endpoint(ours, 0).addr, 0};
	struct endpoint remote = endpoint(backend, 25);
	struct net_config net_config;

	net_config_defaults(&net_config);
	net_config.connections_max = 256;
	net_config.port_suits = suits;
	net_config.port_context = &opener;
	opener.net = net_new(arena, &net_config, pkt_pool_memory(arena, 64), &net_counters,
	                     &tcp_counters, 0);
	assert_non_null(opener.net);
	prefix.bits = addr_is_ip4(&prefix.addr) ? 120 : 64;
	assert_int_equal(net_add_interface(opener.net, &interface), OK);
	assert_int_equal(net_add_address(opener.net, 0, &prefix), OK);
	for (int i = 0; i < 200; i++) {
		struct tcp_conn *conn;
		struct endpoint local, other;

		assert_int_equal(tcp_connect(opener.net, 0, NULL, &remote, &conn), OK);
		tcp_endpoints(conn, &local, &other);
		assert_int_equal(card_queue(&remote, &local) % WORKERS, worker);
	}
	assert_in_range(opener.tried, 200, 200 * WORKERS * 3); /* and is found soon */
}

static void replies_arrive_where_they_were_asked_for(void **state)
{
	struct arena arena;

	(void)state;
	learn();
	assert_int_equal(arena_init(&arena, (size_t)256 << 20, false), OK);
	for (uint32_t w = 0; w < WORKERS; w++) {
		open_many(&arena, w, "10.0.0.99", "10.0.0.1");
		open_many(&arena, w, "2001:db8::99", "2001:db8::1");
	}
	arena_free(&arena);
}

static void what_is_not_known_goes_by_port_number(void **state)
{
	struct endpoint remote = endpoint("10.0.0.99", 25), local = endpoint("10.0.0.2", 0);

	(void)state;
	learn();
	assert_false(owner_is_computed(&owners, &remote.addr, &local.addr));
	for (uint16_t port = 40000; port < 40020; port++) {
		local.port = port;
		assert_int_equal(owner_of(&owners, &remote, &local), port % WORKERS);
	}
	local = endpoint("10.0.0.1", 0);
	assert_true(owner_is_computed(&owners, &remote.addr, &local.addr));
}

static void a_table_without_a_worker_is_not_used(void **state)
{
	static struct rss rss;
	struct endpoint remote = endpoint("10.0.0.99", 25), local = endpoint("10.0.0.1", 40001);

	(void)state;
	learn();
	memset(&owners.rss, 0, sizeof(owners.rss));
	rss_init(&rss, key, sizeof(key), true, true);
	rss.table_count = TABLE; /* all to queue 0 */
	assert_false(owners_learn(&owners, 0, &rss));
	assert_int_equal(owner_of(&owners, &remote, &local), 40001 % WORKERS);
}

static void says_what_is_in_force(void **state)
{
	char text[200], small[16];

	(void)state;
	learn();
	strcpy(config.port[0].name, "p");
	owners_describe(&owners, text, sizeof(text));
	assert_string_equal(text, "p: computed from the card's hash (IPv4, IPv6, 128 entries)");
	owners_describe(&owners, small, sizeof(small));
	assert_string_equal(small, "p: computed fro");
	memset(&owners.rss, 0, sizeof(owners.rss));
	owners_describe(&owners, text, sizeof(text));
	assert_string_equal(text, "p: handed over in software");
	config.workers = 1;
	owners_describe(&owners, text, sizeof(text));
	assert_string_equal(text, "p: one worker");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hashes_as_the_vectors_say),
	    cmocka_unit_test(a_short_key_leaves_ip6_out),
	    cmocka_unit_test(replies_arrive_where_they_were_asked_for),
	    cmocka_unit_test(what_is_not_known_goes_by_port_number),
	    cmocka_unit_test(a_table_without_a_worker_is_not_used),
	    cmocka_unit_test(says_what_is_in_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
