/* fake_tcp.h - stands in for TCP in tests of the layers below it: remembers what it was given. */
#ifndef TESTS_FAKE_TCP_H
#define TESTS_FAKE_TCP_H

#include "base/limits.h"
#include "tcpstack/net_internal.h"

struct fake_tcp {
	uint32_t segment_count; /* given to tcp_input */
	struct ip_info ip;      /* of the last one */
	uint16_t len;
	uint8_t data[PKT_DATA_BYTES];
	uint32_t error_count;
	enum icmp_error error;
	struct endpoint local, remote;
	uint32_t quoted_seq, mtu;
	uint64_t deadline_us; /* what tcp_next_deadline_us says */
	uint64_t fired_us[64];
	uint32_t fired_count;
	uint64_t period_us; /* the deadline moves on by this when fired; 0: never again */
};

extern struct fake_tcp fake_tcp;

void fake_tcp_reset(void);

#endif
