/* tcp_script.h - one stack faces a scripted peer: segments with relative numbers go in, expected
 * ones come out.
 *
 * Sequence numbers are relative, as in packet traces: 0 is the SYN, 1 the first octet. Flags are
 * letters: S F R P,
 * E C of ECN and '.' for ACK. Time moves only by script_advance().
 */
#ifndef TESTS_TCP_SCRIPT_H
#define TESTS_TCP_SCRIPT_H

#include "tcp_fixture.h"

#define SCRIPT_OUT_MAX 4096

struct script_packet {
	uint64_t at_us;
	uint8_t flags, tos;
	uint32_t seq, ack; /* absolute */
	uint16_t window;
	uint32_t len;
	uint8_t options[40];
	size_t options_bytes;
	uint8_t payload[1600];
};

struct script {
	struct host host;
	uint64_t now_us;
	struct endpoint local, peer;
	uint32_t peer_isn, our_isn;
	bool have_isn;
	uint8_t options[40]; /* put on every injected segment */
	size_t options_bytes;
	uint8_t tos; /* of every injected packet */
	/* Takes what is injected instead of the host. */
	void (*input)(struct script *script, const uint8_t *packet, size_t bytes);
	bool hold; /* what is answered stays where it is until script_collect() */
	struct script_packet out[SCRIPT_OUT_MAX];
	size_t out_head, out_count;
	struct script_packet last; /* what the last expect() saw */
};

void script_start(struct script *script, const struct net_config *config);
/* Aborts what is left, and checks that nothing leaked. */
void script_end(struct script *script);
void script_collect(struct script *script);
void script_advance(struct script *script, uint64_t us);
void script_inject(struct script *script, const char *flags, uint32_t seq, uint32_t ack,
                   uint16_t window, const void *payload, size_t len);
/* `len` octets of 'x'. */
void script_inject_len(struct script *script, const char *flags, uint32_t seq, uint32_t ack,
                       uint16_t window, size_t len);
void script_options(struct script *script, const void *options, size_t bytes);
void script_timestamps(struct script *script, uint32_t ts_val, uint32_t ts_ecr);
/* The next segment that left must be this. A reset without ACK must have ack 0 on the wire. */
void script_expect_at(struct script *script, const char *flags, uint32_t seq, uint32_t ack,
                      size_t len, int line);
#define expect(script, flags, seq, ack, len) \
	script_expect_at((script), (flags), (seq), (ack), (len), __LINE__)
void script_expect_nothing_at(struct script *script, int line);
#define expect_nothing(script) script_expect_nothing_at((script), __LINE__)
/* News of the one connection; NULL when there is none. */
struct tcp_conn *script_news(struct script *script, uint32_t *out_news);
/* SYN, SYN-ACK, ACK with these options on our peer's SYN; returns the accepted connection. */
struct tcp_conn *script_accept(struct script *script, uint16_t window);
struct tcp_conn *script_connect(struct script *script, uint16_t window);
void script_icmp(struct script *script, uint8_t type, uint8_t code, uint16_t mtu,
                 uint32_t quoted_seq);

#endif
