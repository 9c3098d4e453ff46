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

#define PORT_REASON_BYTES 256 /* of the text that says why a port could not be opened */

/* Since the port was opened. */
struct port_stats {
	uint64_t rx_pkts, rx_bytes, rx_missed, rx_no_buffer, rx_oversized;
	uint64_t tx_pkts, tx_bytes, tx_failed;
};

struct port_ops {
	/* Up to `max` frames that have arrived. */
	size_t (*rx_burst)(struct port *port, uint64_t now_us, struct pkt **out_pkts, size_t max);
	/* Takes the first n frames and returns n; the rest stay the caller's. What the device
	 * cannot take yet waits in the port (port->tx_queued) until the next call; with `count` 0
	 * the call only pushes that. */
	size_t (*tx_burst)(struct port *port, uint64_t now_us, struct pkt **pkts, size_t count);
	/* A descriptor that polls readable when frames arrive, or -1 when there is none: then the
	 * worker that sleeps looks often. */
	int (*sleep_fd)(struct port *port);
	void (*stats)(struct port *port, struct port_stats *out_stats);
	void (*close)(struct port *port);
};

/* One worker's queue of one port; implementations embed it. */
struct port {
	const struct port_ops *ops;
	uint8_t index; /* what pkt->port says */
	uint8_t mac[6];
	uint16_t mtu;       /* of IP: the configured one, or less where the device takes no more */
	uint32_t tx_queued; /* frames accepted that the device has not taken yet */
	const char *name;
};

#endif
