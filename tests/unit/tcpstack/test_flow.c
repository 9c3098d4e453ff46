/* test_flow.c - what comes out of flows of others, written as text and compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/random.h"
#include "tcpstack/flow.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

#define C FLOW_CLIENT
#define S FLOW_SERVER

struct bench {
	struct arena arena;
	struct flows *flows;
	struct flow_counters counters;
	struct flows_config config;
	uint64_t now_us;
	struct buf log;
	uint8_t log_memory[1 << 17];
	uint16_t client_port;
	uint16_t window;
	uint8_t shift; /* option in SYNs, when not 0 */
	bool ip6, spoil_checksum;
};

static struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	flows_config_defaults(&bench->config);
	bench->config.key = (struct hash_key){{1, 2}};
	bench->config.flows_max = 8;
	bench->config.pieces_max = 16;
	bench->config.pieces_per_side_max = 8;
	bench->client_port = 40000;
	bench->window = 8192;
	return bench;
}

static struct bench *bench_start(struct bench *bench)
{
	assert_int_equal(arena_init(&bench->arena, flows_bytes(&bench->config), false), OK);
	bench->flows = flows_new(&bench->arena, &bench->config, &bench->counters);
	assert_non_null(bench->flows);
	bench->log = buf_over(bench->log_memory, sizeof(bench->log_memory));
	return bench;
}

static void bench_free(struct bench *bench)
{
	arena_free(&bench->arena);
	free(bench);
}

static void put_text(struct bench *bench, const char *text)
{
	buf_put(&bench->log, bytes_text(text));
}

static void pull(struct bench *bench)
{
	static const char *const reasons[] = {[FLOW_FINISHED] = "finished",
	                                      [FLOW_WAS_RESET] = "reset",
	                                      [FLOW_IDLE] = "idle",
	                                      [FLOW_EVICTED] = "evicted",
	                                      [FLOW_REPLACED] = "replaced"};
	struct flow_event event;

	while (flow_next(bench->flows, &event)) {
		const char *side = event.side == C ? "c" : "s";
		char text[64];
		switch (event.kind) {
		case FLOW_OPENED:
			put_text(bench, event.picked_up ? "pick " : "open ");
			break;
		case FLOW_SYN:
			snprintf(text, sizeof(text), "%s:syn ", side);
			put_text(bench, text);
			break;
		case FLOW_DATA:
			assert_true(event.data.len > 0);
			put_text(bench, side);
			put_text(bench, "'");
			buf_put(&bench->log, event.data);
			put_text(bench, "' ");
			break;
		case FLOW_GAP:
			snprintf(text, sizeof(text), "%s:gap%u ", side, event.gap_bytes);
			put_text(bench, text);
			break;
		case FLOW_FIN:
			snprintf(text, sizeof(text), "%s:fin ", side);
			put_text(bench, text);
			break;
		case FLOW_RESET:
			snprintf(text, sizeof(text), "%s:rst ", side);
			put_text(bench, text);
			break;
		case FLOW_CLOSED:
			snprintf(text, sizeof(text), "%s. ", reasons[event.reason]);
			put_text(bench, text);
			break;
		}
	}
}

static uint8_t flags_of(const char *text)
{
	uint8_t flags = 0;

	for (; *text != '\0'; text++)
		flags |= *text == 'S'   ? TCP_FLAG_SYN
		         : *text == 'A' ? TCP_FLAG_ACK
		         : *text == 'F' ? TCP_FLAG_FIN
		         : *text == 'R' ? TCP_FLAG_RST
		         : *text == 'U' ? TCP_FLAG_URG
		                        : 0;
	return flags;
}

static size_t put_ip(const struct bench *bench, enum flow_side from, uint8_t *packet, size_t bytes)
{
	if (!bench->ip6) {
		struct ip4_header ip = {
		    .version_ihl = 0x45,
		    .total_bytes = be16_of((uint16_t)(20 + bytes)),
		    .ttl = 64,
		    .protocol = IP_PROTOCOL_TCP,
		    .source = be32_of(from == C ? 0xc0000201 : 0xc6336401),
		    .destination = be32_of(from == C ? 0xc6336401 : 0xc0000201)};
		uint16_t sum = checksum_fold(checksum_add(0, &ip, sizeof(ip)));
		memcpy(ip.checksum.octet, &sum, 2);
		memcpy(packet, &ip, sizeof(ip));
		return sizeof(ip);
	}
	struct ip6_header ip = {.version_class_flow = be32_of(0x60000000),
	                        .payload_bytes = be16_of((uint16_t)(8 + bytes)),
	                        .next_header = IP_PROTOCOL_DESTINATION,
	                        .hop_limit = 64};
	const struct ip6_extension extension = {IP_PROTOCOL_TCP, 0, {1, 4}};
	ip.source[0] = ip.destination[0] = 0x20;
	ip.source[15] = from == C ? 1 : 2;
	ip.destination[15] = from == C ? 2 : 1;
	memcpy(packet, &ip, sizeof(ip));
	memcpy(packet + sizeof(ip), &extension, sizeof(extension));
	return sizeof(ip) + sizeof(extension);
}

static void send_bytes(struct bench *bench, enum flow_side from, const char *flags, uint32_t seq,
                       uint32_t ack, struct bytes data)
{
	static uint8_t packet[65535];
	bool options = (flags_of(flags) & TCP_FLAG_SYN) != 0 && bench->shift != 0;
	size_t header_bytes = options ? 24 : 20;
	size_t at = put_ip(bench, from, packet, header_bytes + data.len);
	struct tcp_header tcp = {
	    .source = be16_of(from == C ? bench->client_port : 25),
	    .destination = be16_of(from == C ? 25 : bench->client_port),
	    .seq = be32_of(seq),
	    .ack = be32_of(ack),
	    .offset = (uint8_t)(header_bytes / 4 << 4),
	    .flags = flags_of(flags),
	    .window = be16_of(bench->window),
	};
	struct dissect dissect;

	memcpy(packet + at, &tcp, sizeof(tcp));
	if (options)
		memcpy(packet + at + 20, (uint8_t[]){3, 3, bench->shift, 0}, 4);
	if (data.len > 0)
		memcpy(packet + at + header_bytes, data.data, data.len);
	assert_int_equal(dissect_ip(bytes_of(packet, at + header_bytes + data.len), &dissect),
	                 DISSECT_OK);
	uint32_t sum = checksum_pseudo(&dissect.source, &dissect.destination, IP_PROTOCOL_TCP,
	                               (uint32_t)dissect.transport.len);
	uint16_t checksum = checksum_fold(checksum_add(sum, packet + at, header_bytes + data.len));
	checksum = (uint16_t)(checksum + bench->spoil_checksum);
	memcpy(packet + at + offsetof(struct tcp_header, checksum), &checksum, 2);
	flow_feed(bench->flows, bench->now_us, &dissect);
	pull(bench);
}

static void send(struct bench *bench, enum flow_side from, const char *flags, uint32_t seq,
                 uint32_t ack, const char *data)
{
	send_bytes(bench, from, flags, seq, ack, bytes_text(data));
}

#define CLIENT_ISN 1000u
#define SERVER_ISN 5000u

static void handshake(struct bench *bench)
{
	send(bench, C, "S", CLIENT_ISN, 0, "");
	send(bench, S, "SA", SERVER_ISN, CLIENT_ISN + 1, "");
	send(bench, C, "A", CLIENT_ISN + 1, SERVER_ISN + 1, "");
	assert_true(bytes_equal(buf_bytes(&bench->log), BYTES("open c:syn s:syn ")));
	bench->log.len = 0;
}

/* And begins anew. */
static void expect_at(struct bench *bench, const char *text, int line)
{
	struct bytes got = buf_bytes(&bench->log);

	if (!bytes_equal(got, bytes_text(text)))
		fail_msg("line %d: wanted \"%s\", got \"%.*s\"", line, text, (int)got.len,
		         (const char *)got.data);
	bench->log.len = 0;
}

#define EXPECT(bench, text) expect_at(bench, text, __LINE__)

static int setup(void **state)
{
	struct bench *bench = bench_start(bench_new());

	*state = bench;
	return 0;
}

static int setup_roomy(void **state)
{
	struct bench *bench = bench_new();

	bench->config.pieces_max = bench->config.pieces_per_side_max = 64;
	*state = bench_start(bench);
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	bench->now_us = UINT64_MAX;
	while (flow_expire(bench->flows, UINT64_MAX))
		pull(bench);
	assert_int_equal(flow_count(bench->flows), 0);
	assert_int_equal(flow_pieces_used(bench->flows), 0);
	bench_free(bench);
	return 0;
}

static void test_dialogue(void **state)
{
	struct bench *bench = *state;

	for (int ip6 = 0; ip6 < 2; ip6++) {
		bench->ip6 = ip6;
		handshake(bench);
		send(bench, S, "A", 5001, 1001, "220 hi\r\n");
		send(bench, C, "A", 1001, 5009, "QUIT\r\n");
		EXPECT(bench, "s'220 hi\r\n' c'QUIT\r\n' ");
		send(bench, S, "FA", 5009, 1007, "221\r\n");
		send(bench, C, "FA", 1007, 5015, "");
		EXPECT(bench, "s'221\r\n' s:fin c:fin finished. ");
		send(bench, S, "A", 5015, 1008, "");
		EXPECT(bench, "");
		assert_int_equal(bench->counters.after_close, ip6 + 1);
	}
	assert_int_equal(bench->counters.finished, 2);
	assert_int_equal(bench->counters.gaps + bench->counters.retransmitted, 0);
}

static void test_out_of_order(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "A", 1004, 5001, "def");
	send(bench, C, "FA", 1010, 5001, "");
	send(bench, C, "A", 1007, 5001, "ghi");
	EXPECT(bench, "");
	send(bench, C, "A", 1001, 5001, "abc");
	EXPECT(bench, "c'abc' c'defghi' c:fin ");
	assert_int_equal(bench->counters.out_of_order, 3);
	assert_int_equal(bench->counters.retransmitted, 0);
}

static void test_every_order(void **state)
{
	struct bench *bench = *state;
	static const char text[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct random random;

	random_seed(&random, 3);
	for (int round = 0; round < 3000; round++) {
		uint32_t isn = (uint32_t)random_u64(&random); /* wraps now and then */
		if (round % 2 == 0)
			isn = UINT32_MAX - random_below(&random, 26);
		bench->client_port = (uint16_t)(1024 + round);
		send(bench, C, "S", isn, 0, "");
		send(bench, S, "SA", 1, isn + 1, "");
		bench->log.len = 0;
		/* Random pieces, overlapping, until all is out. */
		char got[64];
		size_t got_len = 0;
		for (int i = 0; i < 400 && got_len < 26; i++) {
			uint32_t from = random_below(&random, 26);
			uint32_t len = 1 + random_below(&random, 26 - from);
			len = len < 7 ? len : 7;
			send_bytes(bench, C, "A", isn + 1 + from, 2, bytes_of(text + from, len));
			for (size_t at = 0; at < bench->log.len; at++)
				if (bench->log.data[at] >= 'A' && bench->log.data[at] <= 'Z')
					got[got_len++] = (char)bench->log.data[at];
			bench->log.len = 0;
		}
		assert_int_equal(got_len, 26);
		assert_memory_equal(got, text, 26);
		send(bench, C, "RA", isn + 27, 2, "");
		EXPECT(bench, "c:rst reset. ");
	}
	assert_int_equal(bench->counters.conflicting, 0);
	assert_int_equal(bench->counters.gaps, 0);
}

static void test_first_octets_win(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "A", 1001, 5001, "GOOD");
	send(bench, C, "A", 1001, 5001, "EVIL!!");
	EXPECT(bench, "c'GOOD' c'!!' ");
	assert_int_equal(bench->counters.conflicting, 1);
	/* Also while they wait, on either side and around. */
	send(bench, C, "A", 1009, 5001, "cd");
	send(bench, C, "A", 1008, 5001, "bXXe");
	send(bench, C, "A", 1010, 5001, "Yef");
	assert_int_equal(bench->counters.conflicting, 3);
	send(bench, C, "A", 1007, 5001, "a");
	EXPECT(bench, "c'a' c'b' c'cdef' ");
	/* The same octets are no conflict. */
	send(bench, C, "A", 1007, 5001, "abcdef");
	EXPECT(bench, "");
	assert_int_equal(bench->counters.conflicting, 3);
	assert_int_equal(bench->counters.retransmitted, 4);
}

static void test_forgotten_octets_are_not_compared(void **state)
{
	struct bench *bench = *state;
	static uint8_t data[FLOW_PIECE_BYTES];

	bench->window = 60000;
	handshake(bench);
	for (uint32_t i = 0; i < 7; i++)
		send_bytes(bench, C, "A", 1001 + i * FLOW_PIECE_BYTES, 5001,
		           bytes_of(data, sizeof(data)));
	send(bench, C, "A", 1001, 5001, "old");
	assert_int_equal(bench->counters.unchecked, 1);
	assert_int_equal(bench->counters.conflicting, 0);
	send(bench, C, "A", 1001 + 6 * FLOW_PIECE_BYTES, 5001, "new");
	assert_int_equal(bench->counters.conflicting, 1);
	assert_true(flow_pieces_used(bench->flows) <= 5);
}

static void test_gap_when_acknowledged(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "A", 1001, 5001, "VERY");
	send(bench, C, "A", 1009, 5001, "DATA");
	EXPECT(bench, "c'VERY' ");
	send(bench, S, "A", 5001, 1013, "");
	EXPECT(bench, ""); /* it may still come: captures reorder */
	send(bench, C, "A", 1013, 5001, "!");
	EXPECT(bench, "c:gap4 c'DATA!' ");
	assert_int_equal(bench->counters.gap_octets, 4);
	/* Acknowledged first, seen later: no gap. */
	send(bench, S, "A", 5001, 1020, "");
	send(bench, C, "A", 1014, 5001, "abc");
	send(bench, C, "A", 1017, 5001, "def");
	EXPECT(bench, "c'abc' c'def' ");
}

static void test_gap_at_the_end(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "A", 1005, 5001, "tail");
	send(bench, S, "RA", 5001, 1009, "");
	EXPECT(bench, "c:gap4 c'tail' s:rst reset. ");
	bench->client_port++;
	handshake(bench);
	send(bench, C, "A", 1005, 5001, "tail");
	bench->now_us += bench->config.idle_timeout_us;
	while (flow_expire(bench->flows, bench->now_us))
		pull(bench);
	EXPECT(bench, "c:gap4 c'tail' idle. ");
}

static void test_gap_when_too_much_waits(void **state)
{
	struct bench *bench = *state;
	static uint8_t data[FLOW_PIECE_BYTES];

	bench->window = 60000;
	handshake(bench);
	for (uint32_t i = 0; i < 8; i++)
		send_bytes(bench, C, "A", 1002 + i * FLOW_PIECE_BYTES, 5001,
		           bytes_of(data, sizeof(data)));
	assert_int_equal(bench->log.len, 0);
	assert_int_equal(flow_pieces_used(bench->flows), 8);
	send(bench, C, "A", 1002 + 8 * FLOW_PIECE_BYTES, 5001, "lost");
	assert_int_equal(bench->counters.pieces_full, 1);
	assert_int_equal(bench->counters.gap_octets, 1 + 4);
	assert_memory_equal(bench->log.data, "c:gap1 c'", 9);
	bench->log.len = 0;
	send(bench, C, "A", 1006 + 8 * FLOW_PIECE_BYTES, 5001, "on");
	EXPECT(bench, "c'on' ");
}

/* With every piece taken by others, what is in order passes all the same. */
static void test_no_piece_free(void **state)
{
	struct bench *bench = *state;
	static uint8_t data[FLOW_PIECE_BYTES];

	bench->window = 60000;
	for (int flow = 0; flow < 2; flow++) {
		handshake(bench);
		for (uint32_t i = 0; i < 8; i++)
			send_bytes(bench, C, "A", 1002 + i * FLOW_PIECE_BYTES, 5001,
			           bytes_of(data, sizeof(data)));
		bench->client_port++;
	}
	handshake(bench);
	send(bench, C, "A", 1001, 5001, "HELO a\r\n");
	send(bench, C, "A", 1001, 5001, "HELO a\r\nMAIL");
	EXPECT(bench, "c'HELO a\r\n' c'MAIL' ");
	send(bench, C, "A", 1020, 5001, "behind a hole");
	EXPECT(bench, "c:gap20 ");
	assert_int_equal(bench->counters.pieces_full, 1);
}

static void test_picked_up(void **state)
{
	struct bench *bench = *state;

	send(bench, S, "A", 7000, 3000, "250 ok\r\n");
	send(bench, C, "A", 3000, 7008, "DATA\r\n");
	EXPECT(bench, "pick s'250 ok\r\n' c'DATA\r\n' ");
	assert_int_equal(bench->counters.picked_up, 1);
	send(bench, C, "FA", 3006, 7008, "");
	send(bench, S, "FA", 7008, 3007, "");
	EXPECT(bench, "c:fin s:fin finished. ");
}

static void test_one_side_only(void **state)
{
	struct bench *bench = *state;

	send(bench, C, "S", 1000, 0, "");
	send(bench, C, "A", 1001, 5001, "");
	send(bench, C, "A", 1001, 5001, "EHLO\r\n");
	EXPECT(bench, "open c:syn c'EHLO\r\n' ");
	send(bench, C, "A", 1007, 5101, "QUIT\r\n");
	send(bench, C, "FA", 1013, 5101, "");
	EXPECT(bench, "c'QUIT\r\n' c:fin ");
	while (flow_expire(bench->flows, UINT64_MAX))
		pull(bench);
	EXPECT(bench, "s:gap100 idle. ");
}

static void test_window(void **state)
{
	struct bench *bench = *state;

	bench->window = 100;
	handshake(bench);
	send(bench, C, "A", 1200, 5001, "outside");
	send(bench, C, "A", 900000, 5001, "far outside");
	send(bench, S, "A", 5001 - 2000000000u, 1001, "far behind");
	assert_int_equal(bench->counters.out_of_window, 3);
	/* Octets that the receiver cuts off. */
	uint8_t data[150];
	memset(data, 'x', sizeof(data));
	send_bytes(bench, C, "A", 1001, 5001, bytes_of(data, sizeof(data)));
	assert_int_equal(bench->log.len, 4 + 101);
	assert_int_equal(bench->counters.out_of_window, 4);
	bench->log.len = 0;
	bench->window = 1000;
	send(bench, S, "A", 5001, 1101, "");
	send(bench, C, "A", 1101, 5001, "!now");
	EXPECT(bench, "c'now' ");
}

static void test_window_scale(void **state)
{
	struct bench *bench = *state;

	bench->shift = 7;
	bench->window = 1000;
	handshake(bench);
	send(bench, S, "A", 5001, 1001, "");
	send(bench, C, "A", 1001 + 127999, 5001, "in");
	assert_int_equal(bench->counters.out_of_window, 0);
	send(bench, C, "A", 1001 + 128002, 5001, "out");
	assert_int_equal(bench->counters.out_of_window, 1);
}

static void test_checksum(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	bench->spoil_checksum = true;
	send(bench, C, "A", 1001, 5001, "EVIL");
	assert_int_equal(bench->counters.checksum_bad, 1);
	bench->spoil_checksum = false;
	send(bench, C, "A", 1001, 5001, "GOOD");
	EXPECT(bench, "c'GOOD' ");
	assert_int_equal(bench->counters.conflicting, 0);
}

static void test_keep_alive(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "A", 1001, 5001, "NOOP");
	send(bench, S, "A", 5001, 1005, "");
	send(bench, C, "A", 1004, 5001, "");
	send(bench, C, "A", 1004, 5001, "\1");
	EXPECT(bench, "c'NOOP' ");
	assert_int_equal(bench->counters.keep_alives, 2);
	assert_int_equal(bench->counters.retransmitted, 0);
}

static void test_reset(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "R", 1500, 0, "");
	send(bench, S, "R", 5002, 0, "");
	EXPECT(bench, "");
	assert_int_equal(bench->counters.resets_bad, 2);
	send(bench, C, "A", 1001, 5001, "on");
	send(bench, C, "R", 1003, 0, "no data");
	EXPECT(bench, "c'on' c:rst reset. ");
	assert_int_equal(bench->counters.reset_data, 1);
	/* Refused: the answer to a SYN must acknowledge it. */
	bench->client_port++;
	send(bench, C, "S", 1000, 0, "");
	send(bench, S, "RA", 0, 999, "");
	EXPECT(bench, "open c:syn ");
	send(bench, S, "RA", 0, 1001, "");
	EXPECT(bench, "s:rst reset. ");
	/* Of nobody. */
	bench->client_port++;
	send(bench, C, "R", 1003, 0, "");
	assert_int_equal(bench->counters.no_flow, 1);
}

static void test_syn_data(void **state)
{
	struct bench *bench = *state;

	send(bench, C, "S", 1000, 0, "early");
	EXPECT(bench, "open c:syn ");
	send(bench, S, "SA", 5000, 1006, "");
	EXPECT(bench, "c'early' s:syn ");
	bench->client_port++;
	send(bench, C, "S", 1000, 0, "early");
	send(bench, S, "SA", 5000, 1001, "");
	send(bench, C, "A", 1001, 5001, "later");
	EXPECT(bench, "open c:syn s:syn c'later' ");
	assert_int_equal(bench->counters.syn_data_refused, 1);
	assert_int_equal(bench->counters.conflicting, 0);
	bench->client_port++;
	send(bench, C, "S", 1000, 0, "only");
	send(bench, C, "A", 1005, 5001, " one");
	EXPECT(bench, "open c:syn c'only one' ");
}

static void test_syn_conflict(void **state)
{
	struct bench *bench = *state;

	/* The SYN that is answered counts. */
	send(bench, C, "S", 1000, 0, "");
	send(bench, C, "S", 9000, 0, "");
	send(bench, S, "SA", 5000, 9001, "");
	send(bench, C, "A", 9001, 5001, "yes");
	EXPECT(bench, "open c:syn s:syn c'yes' ");
	assert_int_equal(bench->counters.syn_conflicting, 1);
	/* One in the middle changes nothing, */
	send(bench, C, "S", 20000, 0, "");
	send(bench, C, "A", 9004, 5001, "!");
	EXPECT(bench, "c'!' ");
	/* unless it is answered. */
	send(bench, C, "S", 30000, 0, "");
	send(bench, S, "SA", 70000, 30001, "");
	send(bench, C, "A", 30001, 70001, "again");
	EXPECT(bench, "replaced. pick s:syn c'again' ");
	/* After the end a SYN begins anew at once. */
	send(bench, C, "R", 30006, 0, "");
	send(bench, C, "S", 90000, 0, "");
	EXPECT(bench, "c:rst reset. open c:syn ");
}

static void test_split_handshake(void **state)
{
	struct bench *bench = *state;

	send(bench, C, "S", 1000, 0, "");
	send(bench, S, "A", 4000, 1001, "");
	bench->log.len = 0;
	bench->client_port++;
	send(bench, C, "S", 1000, 0, "");
	send(bench, S, "S", 5000, 0, "");
	send(bench, C, "SA", 1000, 5001, "");
	send(bench, S, "A", 5001, 1001, "hello");
	send(bench, C, "A", 1001, 5006, "hi");
	EXPECT(bench, "open c:syn s:syn s'hello' c'hi' ");
}

static void test_behind_fin(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "FA", 1001, 5001, "end");
	send(bench, C, "A", 1004, 5001, "more");
	send(bench, C, "FA", 1001, 5001, "endless");
	EXPECT(bench, "c'end' c:fin ");
	assert_int_equal(bench->counters.beyond_fin, 2);
}

static void test_acks_from_outside(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	send(bench, C, "A", 1001, 5001, "abc");
	/* Neither the sequence number nor what is acknowledged fits: no gap comes of it. */
	send(bench, S, "A", 5901, 1001 + 20000, "");
	assert_int_equal(bench->counters.acks_bad, 1);
	send(bench, C, "A", 1004, 5001, "def");
	EXPECT(bench, "c'abc' c'def' ");
}

static void test_syn_flood(void **state)
{
	struct bench *bench = *state;

	handshake(bench);
	for (uint16_t i = 1; i < 1000; i++) {
		bench->client_port = (uint16_t)(40000 + i);
		send(bench, C, "S", i, 0, "");
		assert_true(flow_count(bench->flows) <= 8);
	}
	assert_int_equal(bench->counters.evicted, 1000 - 8);
	bench->log.len = 0;
	bench->client_port = 40000;
	send(bench, C, "A", 1001, 5001, "here"); /* the one that was answered is still there */
	EXPECT(bench, "c'here' ");
	/* Established ones push each other out, the longest silent first, and lose nothing. */
	for (uint16_t i = 0; i < 8; i++) {
		bench->client_port = (uint16_t)(50000 + i);
		bench->log.len = 0;
		send(bench, C, "S", 1000, 0, "");
		send(bench, S, "SA", 5000, 1001, "");
		send(bench, C, "A", 1002, 5001, "x");
	}
	EXPECT(bench, "evicted. open c:syn s:syn ");
	bench->client_port = 60000;
	send(bench, C, "S", 1000, 0, "");
	EXPECT(bench, "c:gap1 c'x' evicted. open c:syn ");
}

static void test_timeouts(void **state)
{
	struct bench *bench = *state;

	send(bench, C, "S", 1000, 0, "");
	bench->now_us = bench->config.opening_timeout_us - 1;
	assert_false(flow_expire(bench->flows, bench->now_us));
	assert_true(flow_expire(bench->flows, ++bench->now_us));
	pull(bench);
	EXPECT(bench, "open c:syn idle. ");
	handshake(bench);
	send(bench, C, "R", 1001, 0, "");
	EXPECT(bench, "c:rst reset. ");
	bench->now_us += bench->config.closed_timeout_us;
	assert_false(flow_expire(bench->flows, bench->now_us)); /* nothing more to tell */
	assert_int_equal(flow_count(bench->flows), 0);
	assert_int_equal(bench->counters.idle, 1);
}

static void test_large_segments(void **state)
{
	struct bench *bench = *state;
	static uint8_t data[20000];
	size_t octets = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)('a' + i % 26);
	bench->window = 65535;
	handshake(bench);
	/* More than a side may hold, at once and in order. */
	send_bytes(bench, C, "A", 1001, 5001, bytes_of(data, sizeof(data)));
	for (size_t i = 0; i < bench->log.len; i++)
		octets += bench->log.data[i] == (uint8_t)'z';
	assert_int_equal(bench->counters.octets + bench->counters.gap_octets, sizeof(data));
	assert_int_equal(bench->counters.gap_octets, 0);
	assert_int_equal(octets, sizeof(data) / 26);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_dialogue),
	    CASE(test_out_of_order),
	    cmocka_unit_test_setup_teardown(test_every_order, setup_roomy, teardown),
	    CASE(test_first_octets_win),
	    CASE(test_forgotten_octets_are_not_compared),
	    CASE(test_gap_when_acknowledged),
	    CASE(test_gap_at_the_end),
	    CASE(test_gap_when_too_much_waits),
	    CASE(test_no_piece_free),
	    CASE(test_picked_up),
	    CASE(test_one_side_only),
	    CASE(test_window),
	    CASE(test_window_scale),
	    CASE(test_checksum),
	    CASE(test_keep_alive),
	    CASE(test_reset),
	    CASE(test_syn_data),
	    CASE(test_syn_conflict),
	    CASE(test_split_handshake),
	    CASE(test_behind_fin),
	    CASE(test_acks_from_outside),
	    CASE(test_syn_flood),
	    CASE(test_timeouts),
	    CASE(test_large_segments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
