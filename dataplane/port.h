/* port.h - a port in six verbs, three implementations: dpdk, pcap, memory.
 *
 * Every worker has its own queue of each port. Frames are struct pkt of the worker's pool; tx takes
 * ownership of what it accepts.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tcpstack/pkt.h"

struct port;

struct port_stats {
	uint64_t rx_pkts, rx_bytes, rx_missed, rx_no_buffer;
	uint64_t tx_pkts, tx_bytes, tx_failed;
};

struct port_ops {
	/* Up to `max` frames that have arrived. */
	size_t (*rx_burst)(struct port *port, uint64_t now_us, struct pkt **out_pkts, size_t max);
	/* Takes the first n frames and returns n; the rest stay the caller's. */
	size_t (*tx_burst)(struct port *port, uint64_t now_us, struct pkt **pkts, size_t count);
	/* A descriptor that polls readable when frames arrive, or -1: the worker sleeps on all its ports'. */
	int (*sleep_fd)(struct port *port);
	void (*stats)(struct port *port, struct port_stats *out_stats);
	void (*close)(struct port *port);
};

/* One worker's queue of one port; implementations embed it. */
struct port {
	const struct port_ops *ops;
	uint8_t index; /* what pkt->port says */
	uint8_t mac[6];
	uint16_t mtu;
	const char *name;
};

#endif
