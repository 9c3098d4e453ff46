/* test_fragment.c - datagrams from fragments: any order, copies, every form of overlap, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "tcpstack/fragment.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

#define SECOND_US UINT64_C(1000000)

struct bench {
	struct arena arena;
	struct fragments *fragments;
	struct net_counters counters;
	uint64_t now_us;
	uint8_t data[65536];
	struct bytes whole;
};

/* What varies from fragment to fragment. */
struct cut {
	uint32_t from, to;
	bool more;
	uint32_t id;
	uint32_t source; /* last octet of the address */
	uint8_t protocol;
	uint8_t ecn;
	uint8_t change; /* added to each octet of data */
	uint32_t scope;
};

static struct bench *bench_new(uint32_t datagrams, uint32_t per_source, uint32_t bytes)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct fragments_config config;

	assert_non_null(bench);
	fragments_config_defaults(&config);
	config.key = (struct hash_key){{1, 2}};
	config.datagrams_max = datagrams;
	config.datagrams_per_source_max = per_source;
	config.datagram_bytes_max = bytes;
	assert_int_equal(arena_init(&bench->arena, fragments_bytes(&config), false), OK);
	bench->fragments = fragments_new(&bench->arena, &config, &bench->counters);
	assert_non_null(bench->fragments);
	for (size_t i = 0; i < sizeof(bench->data); i++)
		bench->data[i] = (uint8_t)(i * 7 + i / 256);
	return bench;
}

static void bench_free(struct bench *bench)
{
	arena_free(&bench->arena);
	free(bench);
}

static void put_data(struct bench *bench, uint8_t *to, const struct cut *cut)
{
	for (uint32_t i = cut->from; i < cut->to; i++)
		*to++ = (uint8_t)(bench->data[i] + cut->change);
}

static enum fragment_result feed4(struct bench *bench, struct cut cut)
{
	static uint8_t packet[65536 + 128];
	size_t bytes = cut.to - cut.from;
	struct ip4_header ip = {
	    .version_ihl = 0x46, /* four octets of options */
	    .tos = cut.ecn,
	    .total_bytes = be16_of((uint16_t)(24 + bytes)),
	    .id = be16_of((uint16_t)cut.id),
	    .fragment = be16_of((uint16_t)(cut.from / 8 | (cut.more ? IP4_MORE_FRAGMENTS : 0))),
	    .ttl = 60,
	    .protocol = cut.protocol != 0 ? cut.protocol : 200,
	    .source = be32_of(0xc0000200 + cut.source),
	    .destination = be32_of(0xc0000301),
	};

	memcpy(packet, &ip, sizeof(ip));
	memset(packet + 20, 1, 4);
	put_data(bench, packet + 24, &cut);
	struct fragment fragment = {
	    .packet = bytes_of(packet, 24 + bytes), .at = 24, .scope = cut.scope};
	return fragment_feed(bench->fragments, bench->now_us, &fragment, &bench->whole);
}

static enum fragment_result feed6(struct bench *bench, struct cut cut)
{
	static uint8_t packet[65536 + 128];
	size_t bytes = cut.to - cut.from;
	struct ip6_header ip = {
	    .version_class_flow = be32_of(0x60000000u | (uint32_t)cut.ecn << 20),
	    .payload_bytes = be16_of((uint16_t)(16 + bytes)),
	    .next_header = IP_PROTOCOL_DESTINATION,
	    .hop_limit = 60,
	    .source = {0x20, 1, [15] = (uint8_t)cut.source},
	    .destination = {0x20, 1, [15] = 99},
	};
	const struct ip6_extension extension = {IP_PROTOCOL_FRAGMENT, 0, {1, 4}};
	struct ip6_fragment header = {
	    .next_header = cut.protocol != 0 ? cut.protocol : 200,
	    .offset_more = be16_of((uint16_t)(cut.from | cut.more)),
	    .id = be32_of(cut.id),
	};

	memcpy(packet, &ip, sizeof(ip));
	memcpy(packet + 40, &extension, 8);
	memcpy(packet + 48, &header, 8);
	put_data(bench, packet + 56, &cut);
	struct fragment fragment = {
	    .packet = bytes_of(packet, 56 + bytes), .at = 48, .next_field = 40, .scope = cut.scope};
	return fragment_feed(bench->fragments, bench->now_us, &fragment, &bench->whole);
}

static void assert_whole4(const struct bench *bench, uint32_t bytes)
{
	const struct ip4_header *ip = (const struct ip4_header *)bench->whole.data;

	assert_int_equal(bench->whole.len, 24 + bytes);
	assert_int_equal(be16_get(ip->total_bytes), 24 + bytes);
	assert_int_equal(be16_get(ip->fragment), 0);
	assert_int_equal(checksum_fold(checksum_add(0, ip, 24)), 0);
	assert_memory_equal(bench->whole.data + 24, bench->data, bytes);
}

static void assert_whole6(const struct bench *bench, uint32_t bytes)
{
	const struct ip6_header *ip = (const struct ip6_header *)bench->whole.data;

	assert_int_equal(bench->whole.len, 48 + bytes);
	assert_int_equal(be16_get(ip->payload_bytes), 8 + bytes);
	assert_int_equal(ip->next_header, IP_PROTOCOL_DESTINATION);
	assert_int_equal(bench->whole.data[40], 200);
	assert_memory_equal(bench->whole.data + 48, bench->data, bytes);
}

static void test_any_order(void **state)
{
	struct random random;

	(void)state;
	random_seed(&random, 1);
	for (uint32_t round = 0; round < 2000; round++) {
		struct bench *bench = bench_new(4, 4, FRAGMENT_DATAGRAM_BYTES_MAX);
		uint32_t bytes = 9 + random_below(&random, 1500), count = 0;
		struct cut cuts[FRAGMENTS_PER_DATAGRAM_MAX];
		for (uint32_t at = 0; at < bytes; count++) {
			uint32_t to = at + 8 * (8 + random_below(&random, 20));
			to = to < bytes ? to : bytes;
			cuts[count] = (struct cut){
			    .from = at, .to = to, .more = to < bytes, .id = 7};
			at = to;
		}
		for (uint32_t i = count; i-- > 1;) {
			uint32_t other = random_below(&random, i + 1);
			struct cut swap = cuts[i];
			cuts[i] = cuts[other];
			cuts[other] = swap;
		}
		for (uint32_t i = 0; i < count; i++) {
			enum fragment_result want = i + 1 < count ? FRAGMENT_HELD : FRAGMENT_WHOLE;
			bool ip6 = round % 2 != 0;
			if (i + 1 < count && random_below(&random, 3) == 0)
				assert_int_equal(ip6 ? feed6(bench, cuts[i])
				                     : feed4(bench, cuts[i]),
				                 FRAGMENT_HELD);
			assert_int_equal(ip6 ? feed6(bench, cuts[i]) : feed4(bench, cuts[i]), want);
		}
		if (round % 2 != 0)
			assert_whole6(bench, bytes);
		else
			assert_whole4(bench, bytes);
		assert_int_equal(fragment_datagram_count(bench->fragments), 0);
		bench_free(bench);
	}
}

static void test_copies_are_ignored(void **state)
{
	struct bench *bench = bench_new(4, 4, 1500);
	struct cut first = {.from = 0, .to = 80, .more = true}, last = {.from = 80, .to = 155};

	(void)state;
	assert_int_equal(feed4(bench, first), FRAGMENT_HELD);
	assert_int_equal(feed4(bench, first), FRAGMENT_HELD);
	assert_int_equal(bench->counters.fragments_copies, 1);
	assert_int_equal(feed4(bench, last), FRAGMENT_WHOLE);
	assert_whole4(bench, 155);
	assert_int_equal(bench->counters.fragments_overlapping, 0);
	/* A late copy begins a datagram that never ends. */
	assert_int_equal(feed4(bench, last), FRAGMENT_HELD);
	assert_int_equal(feed4(bench, last), FRAGMENT_HELD);
	bench->now_us += FRAGMENT_TIMEOUT_MS * 1000;
	fragment_expire(bench->fragments, bench->now_us);
	assert_int_equal(bench->counters.fragments_timed_out, 1);
	bench_free(bench);
}

/* What is held: [0, 48), [80, 128), and in half of the cases the last one, [128, 155). */
static const struct overlap {
	const char *name;
	struct cut cut;
	bool last_held;
} overlaps[] = {
    {"same place, other octets", {.from = 0, .to = 48, .more = true, .change = 1}, false},
    {"begins inside, ends behind", {.from = 40, .to = 56, .more = true}, false},
    {"begins before, ends inside", {.from = 72, .to = 88, .more = true}, false},
    {"inside, begins with it", {.from = 80, .to = 96, .more = true}, false},
    {"inside, ends with it", {.from = 112, .to = 128, .more = true}, false},
    {"inside, touches no edge", {.from = 88, .to = 96, .more = true}, false},
    {"around one", {.from = 72, .to = 136, .more = true}, false},
    {"around one, from its beginning", {.from = 80, .to = 136, .more = true}, false},
    {"around two", {.from = 0, .to = 128, .more = true}, false},
    {"over both edges of a hole", {.from = 40, .to = 88, .more = true}, false},
    {"a copy that claims to be the last", {.from = 80, .to = 128, .more = false}, false},
    {"an end before what is held", {.from = 48, .to = 56, .more = false}, false},
    {"a second end, later", {.from = 128, .to = 160, .more = false}, true},
    {"a second end, sooner", {.from = 128, .to = 149, .more = false}, true},
    {"a second end in a hole", {.from = 48, .to = 56, .more = false}, true},
    {"behind the end", {.from = 160, .to = 168, .more = true}, true},
    {"beyond the end", {.from = 128, .to = 160, .more = true}, true},
    {"the last one, other octets", {.from = 128, .to = 155, .more = false, .change = 1}, true},
};

static void test_every_overlap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]) * 2; i++) {
		const struct overlap *overlap = &overlaps[i / 2];
		enum fragment_result (*feed)(struct bench *, struct cut) = i % 2 ? feed6 : feed4;
		struct bench *bench = bench_new(4, 4, 1500);
		assert_int_equal(feed(bench, (struct cut){.from = 0, .to = 48, .more = true}),
		                 FRAGMENT_HELD);
		assert_int_equal(feed(bench, (struct cut){.from = 80, .to = 128, .more = true}),
		                 FRAGMENT_HELD);
		if (overlap->last_held)
			assert_int_equal(
			    feed(bench, (struct cut){.from = 128, .to = 155, .more = false}),
			    FRAGMENT_HELD);
		if (feed(bench, overlap->cut) != FRAGMENT_REFUSED)
			fail_msg("%s", overlap->name);
		assert_int_equal(bench->counters.fragments_overlapping, 1);
		/* What would have completed it comes too late, RFC 5722 4. */
		assert_int_equal(feed(bench, (struct cut){.from = 48, .to = 80, .more = true}),
		                 FRAGMENT_REFUSED);
		assert_int_equal(feed(bench, (struct cut){.from = 128, .to = 155, .more = false}),
		                 FRAGMENT_REFUSED);
		assert_int_equal(bench->counters.fragments_after_refusal, 2);
		/* Another one is not held guilty, and in time neither is this. */
		assert_int_equal(
		    feed(bench, (struct cut){.from = 0, .to = 48, .more = true, .id = 1}),
		    FRAGMENT_HELD);
		assert_int_equal(
		    feed(bench, (struct cut){.from = 48, .to = 155, .more = false, .id = 1}),
		    FRAGMENT_WHOLE);
		bench->now_us += FRAGMENT_TIMEOUT_MS * 1000;
		assert_int_equal(feed(bench, (struct cut){.from = 0, .to = 48, .more = true}),
		                 FRAGMENT_HELD);
		assert_int_equal(feed(bench, (struct cut){.from = 48, .to = 155, .more = false}),
		                 FRAGMENT_WHOLE);
		assert_int_equal(bench->counters.fragments_timed_out, 0);
		bench_free(bench);
	}
}

static void test_timeout(void **state)
{
	struct bench *bench = bench_new(4, 4, 1500);

	(void)state;
	assert_int_equal(feed4(bench, (struct cut){.from = 0, .to = 48, .more = true}),
	                 FRAGMENT_HELD);
	bench->now_us += FRAGMENT_TIMEOUT_MS * 1000 - 1;
	assert_int_equal(feed4(bench, (struct cut){.from = 96, .to = 104, .more = false}),
	                 FRAGMENT_HELD);
	fragment_expire(bench->fragments, bench->now_us);
	assert_int_equal(fragment_datagram_count(bench->fragments), 1);
	bench->now_us += 1; /* counts from the first, and a later one does not put it off */
	assert_int_equal(feed4(bench, (struct cut){.from = 48, .to = 96, .more = true}),
	                 FRAGMENT_HELD);
	assert_int_equal(bench->counters.fragments_timed_out, 1);
	assert_int_equal(fragment_datagram_count(bench->fragments), 1);
	assert_int_equal(feed4(bench, (struct cut){.from = 0, .to = 48, .more = true}),
	                 FRAGMENT_HELD);
	assert_int_equal(feed4(bench, (struct cut){.from = 96, .to = 104, .more = false}),
	                 FRAGMENT_WHOLE);
	bench_free(bench);
}

static void test_malformed(void **state)
{
	struct bench *bench = bench_new(4, 4, 65535);

	(void)state;
	for (int i = 0; i < 2; i++) {
		enum fragment_result (*feed)(struct bench *, struct cut) = i ? feed6 : feed4;
		assert_int_equal(feed(bench, (struct cut){.from = 0, .to = 47, .more = true}),
		                 FRAGMENT_BAD_LENGTH);
		assert_int_equal(feed(bench, (struct cut){.from = 8, .to = 8, .more = true}),
		                 FRAGMENT_BAD_LENGTH);
		assert_int_equal(feed(bench, (struct cut){.from = 8, .to = 8, .more = false}),
		                 FRAGMENT_BAD_LENGTH);
		assert_int_equal(
		    feed(bench, (struct cut){.from = 65528, .to = 65536, .more = false}),
		    FRAGMENT_BAD_OFFSET);
	}
	assert_int_equal(bench->counters.fragments_malformed, 8);
	assert_int_equal(fragment_datagram_count(bench->fragments), 0);
	/* Each part is legal, but with the header the sum is beyond 65535. */
	assert_int_equal(feed4(bench, (struct cut){.from = 0, .to = 65400, .more = true}),
	                 FRAGMENT_HELD);
	assert_int_equal(feed4(bench, (struct cut){.from = 65400, .to = 65535, .more = false}),
	                 FRAGMENT_REFUSED);
	assert_int_equal(bench->counters.fragments_too_big, 1);
	bench_free(bench);
}

static void test_sizes(void **state)
{
	struct bench *bench = bench_new(4, 4, 1792);

	(void)state;
	assert_int_equal(feed4(bench, (struct cut){.from = 0, .to = 1480, .more = true}),
	                 FRAGMENT_HELD);
	assert_int_equal(feed4(bench, (struct cut){.from = 1480, .to = 1792, .more = false}),
	                 FRAGMENT_WHOLE);
	assert_whole4(bench, 1792);
	assert_int_equal(feed6(bench, (struct cut){.from = 0, .to = 1480, .more = true}),
	                 FRAGMENT_HELD);
	assert_int_equal(feed6(bench, (struct cut){.from = 1480, .to = 1793, .more = false}),
	                 FRAGMENT_REFUSED);
	assert_int_equal(feed6(bench, (struct cut){.from = 1480, .to = 1496, .more = false}),
	                 FRAGMENT_REFUSED);
	assert_int_equal(bench->counters.fragments_too_big, 1);
	bench_free(bench);
	bench = bench_new(1, 1, 65535);
	for (uint32_t at = 0; at < 64000; at += 1600)
		assert_int_equal(
		    feed4(bench, (struct cut){.from = at, .to = at + 1600, .more = at < 62400}),
		    at < 62400 ? FRAGMENT_HELD : FRAGMENT_WHOLE);
	assert_whole4(bench, 64000);
	bench_free(bench);
}

static void test_tiny(void **state)
{
	static const struct {
		uint8_t protocol;
		uint32_t bytes; /* of the first fragment */
		enum fragment_result want;
	} cases[] = {
	    {IP_PROTOCOL_TCP, 16, FRAGMENT_BAD_CHAIN}, {IP_PROTOCOL_TCP, 24, FRAGMENT_HELD},
	    {IP_PROTOCOL_UDP, 8, FRAGMENT_HELD},       {IP_PROTOCOL_ICMP4, 8, FRAGMENT_HELD},
	    {IP_PROTOCOL_ICMP6, 8, FRAGMENT_HELD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *bench = bench_new(4, 4, 1500);
		struct cut cut = {
		    .to = cases[i].bytes, .more = true, .protocol = cases[i].protocol};
		assert_int_equal(feed4(bench, cut), cases[i].want);
		assert_int_equal(feed6(bench, cut), cases[i].want);
		assert_int_equal(bench->counters.fragments_tiny,
		                 cases[i].want == FRAGMENT_HELD ? 0 : 2);
		bench_free(bench);
	}
	/* Headers that go on in the next fragment (RFC 7112): the data is 0 7 14 ..., so that the
	 * first octets are a destination header of (7 + 1) * 8 octets in front of protocol 0. */
	struct bench *bench = bench_new(4, 4, 1500);
	assert_int_equal(feed6(bench, (struct cut){.from = 0,
	                                           .to = 48,
	                                           .more = true,
	                                           .protocol = IP_PROTOCOL_DESTINATION}),
	                 FRAGMENT_BAD_CHAIN);
	/* Too many of them. */
	for (uint32_t i = 0; i <= FRAGMENTS_PER_DATAGRAM_MAX; i++)
		assert_int_equal(
		    feed4(bench, (struct cut){.from = i * 8, .to = i * 8 + 8, .more = true}),
		    i < FRAGMENTS_PER_DATAGRAM_MAX ? FRAGMENT_HELD : FRAGMENT_REFUSED);
	assert_int_equal(bench->counters.fragments_tiny, 2);
	bench_free(bench);
}

static void test_identity(void **state)
{
	struct bench *bench = bench_new(16, 16, 1500);
	const struct cut others[] = {
	    {.from = 80, .to = 155, .more = false, .id = 1},
	    {.from = 80, .to = 155, .more = false, .source = 1},
	    {.from = 80, .to = 155, .more = false, .scope = 1},
	    {.from = 80, .to = 155, .more = false, .protocol = 201},
	};

	(void)state;
	assert_int_equal(feed4(bench, (struct cut){.from = 0, .to = 80, .more = true}),
	                 FRAGMENT_HELD);
	assert_int_equal(feed6(bench, (struct cut){.from = 0, .to = 80, .more = true}),
	                 FRAGMENT_HELD);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(feed4(bench, others[i]), FRAGMENT_HELD);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(feed6(bench, others[i]), FRAGMENT_HELD);
	/* The protocol is no part of it in IPv6; that of the first fragment counts. */
	assert_int_equal(feed6(bench, others[3]), FRAGMENT_WHOLE);
	assert_whole6(bench, 155);
	bench_free(bench);
}

static void test_congestion_marks(void **state)
{
	static const struct {
		uint8_t first, last;
		int want; /* -1: dropped */
	} cases[] = {{2, 3, 3}, {3, 2, 3}, {1, 3, 3}, {0, 3, -1}, {3, 0, -1}, {2, 2, 2}, {0, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *bench = bench_new(4, 4, 1500);
		struct cut first = {.from = 0, .to = 80, .more = true, .ecn = cases[i].first};
		struct cut last = {.from = 80, .to = 155, .more = false, .ecn = cases[i].last};
		enum fragment_result want = cases[i].want < 0 ? FRAGMENT_REFUSED : FRAGMENT_WHOLE;
		assert_int_equal(feed4(bench, first), FRAGMENT_HELD);
		assert_int_equal(feed4(bench, last), want);
		if (cases[i].want >= 0)
			assert_int_equal(bench->whole.data[1], cases[i].want);
		assert_int_equal(feed6(bench, first), FRAGMENT_HELD);
		assert_int_equal(feed6(bench, last), want);
		if (cases[i].want >= 0)
			assert_int_equal(bench->whole.data[1] >> 4, cases[i].want);
		bench_free(bench);
	}
}

static void test_flood_of_one_source(void **state)
{
	struct bench *bench = bench_new(64, 8, 1500);

	(void)state;
	assert_int_equal(feed4(bench, (struct cut){.from = 0, .to = 80, .more = true, .source = 2}),
	                 FRAGMENT_HELD);
	for (uint32_t id = 0; id < 10000; id++)
		assert_int_equal(
		    feed4(bench,
		          (struct cut){.from = 0, .to = 80, .more = true, .id = id, .source = 1}),
		    FRAGMENT_HELD);
	assert_int_equal(fragment_datagram_count(bench->fragments), 9);
	assert_int_equal(bench->counters.fragments_source_full, 10000 - 8);
	assert_int_equal(
	    feed4(bench, (struct cut){.from = 80, .to = 155, .more = false, .source = 2}),
	    FRAGMENT_WHOLE);
	/* Its latest are still there. */
	assert_int_equal(
	    feed4(bench,
	          (struct cut){.from = 80, .to = 155, .more = false, .id = 9999, .source = 1}),
	    FRAGMENT_WHOLE);
	bench_free(bench);
}

static void test_flood_of_many_sources(void **state)
{
	struct bench *bench = bench_new(64, 8, 1500);

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(
		    feed6(bench,
		          (struct cut){
		              .from = 8, .to = 80, .more = true, .id = i, .source = i % 250}),
		    FRAGMENT_HELD);
		assert_true(fragment_datagram_count(bench->fragments) <= 64);
	}
	assert_int_equal(bench->counters.fragments_full, 10000 - 64);
	/* Who sends the fragments one behind the other gets through all the same. */
	assert_int_equal(
	    feed6(bench, (struct cut){.from = 0, .to = 80, .more = true, .id = 1, .source = 251}),
	    FRAGMENT_HELD);
	assert_int_equal(
	    feed6(bench,
	          (struct cut){.from = 80, .to = 155, .more = false, .id = 1, .source = 251}),
	    FRAGMENT_WHOLE);
	bench->now_us += 3 * SECOND_US;
	fragment_expire(bench->fragments, bench->now_us);
	assert_int_equal(fragment_datagram_count(bench->fragments), 0);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_any_order),
	    cmocka_unit_test(test_copies_are_ignored),
	    cmocka_unit_test(test_every_overlap),
	    cmocka_unit_test(test_timeout),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_tiny),
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_congestion_marks),
	    cmocka_unit_test(test_flood_of_one_source),
	    cmocka_unit_test(test_flood_of_many_sources),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
