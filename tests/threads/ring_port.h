/* ring_port.h - a port with its two ends in two threads: frames go by rings (base/ring.h). */
#ifndef THREADS_RING_PORT_H
#define THREADS_RING_PORT_H

#include "base/arena.h"
#include "base/ring.h"
#include "dataplane/port.h"

#define RING_FRAME_BYTES 1600
#define RING_FRAMES      1024

struct ring_port {
	struct port port;
	struct pkt_pool *pool; /* of what arrives here */
	struct ring *in, *out;
	struct port_stats stats;
};

/* Both ends; each is used by one thread. `mac` is the last octet of each end's address. */
void ring_ports_make(struct arena *arena, struct ring_port *a, struct pkt_pool *pool_a,
                     uint8_t mac_a, struct ring_port *b, struct pkt_pool *pool_b, uint8_t mac_b);

#endif
