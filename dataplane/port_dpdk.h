/* port_dpdk.h - ports on any DPDK device, and packets that are mbufs. */
#ifndef DATAPLANE_PORT_DPDK_H
#define DATAPLANE_PORT_DPDK_H

#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "dataplane/port.h"
#include "dataplane/rss.h"

/* What the rings of one queue may hold: fill and receive ring, transmit and completion ring. */
#define PORT_DPDK_RING_PKTS 8192

/* A pool of `pkt_count` frames for the core plus `ring_count` that devices hold. Used by one
 * worker. NULL when memory is out. */
struct pkt_pool *port_dpdk_pool_new(uint32_t worker, uint32_t pkt_count, uint32_t ring_count,
                                    uint32_t cache_count);

/* Opens port `index` of the configuration with all its queues and shares them out to the workers:
 * out_ports[w] is worker w's, receiving into pools[w]. Carves from `arena`. On error `reason`
 * (PORT_REASON_BYTES) says what to do. Ports are never closed and opened again in one process:
 * net_af_xdp's close drops its UMEM twice. */
MUST_CHECK enum err port_dpdk_open(struct arena *arena, const struct config *config, uint32_t index,
                                   struct pkt_pool *const *pools, struct port **out_ports,
                                   char *reason);
/* By which hash and table the device of an open port gives frames to its queues. ERR_NOT_FOUND when
 * it has one queue or does not say. */
MUST_CHECK enum err port_dpdk_rss(const struct port *port, struct rss *out_rss);

#endif
