/* peer.h - one bulk transfer between two programs, so that endpoints of different make are measured
 * alike: what is asked for, the octets, the report.
 */
#ifndef TESTS_INTEGRATION_PEER_H
#define TESTS_INTEGRATION_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct peer_job {
	const char *device;     /* stack_peer: the interface to sit on */
	struct prefix address;  /* of ours */
	struct endpoint remote; /* to connect to */
	uint16_t port;          /* to listen on when there is nothing to connect to */
	bool connects, sends, has_address;
	uint16_t mss, mtu;            /* 0: the default */
	uint32_t window_bytes;        /* of both buffers; 0: the default */
	char congestion[16];          /* kernel_peer: "" is the default */
	uint32_t bytes, bytes_done;   /* to send or to expect */
	uint8_t *data;                /* `bytes` octets: what is sent, or room for what comes */
	uint64_t started_us, last_us; /* established; last octet received, or all acknowledged */
	uint64_t seed;
	uint32_t retransmits;
};

/* Ends the program when the words make no sense. The octets to send are made here, so that making
 * them is not measured; and the alarm is set that ends a transfer that hangs. */
void peer_parse(int argc, char **argv, struct peer_job *job);
/* One line on standard output. True when as many octets were moved as were asked for. */
bool peer_report(const struct peer_job *job);
void peer_die(const char *what);

#endif
