/* port_pcap.h - a port that reads frames from a capture file and writes what is sent to another. */
#ifndef DATAPLANE_PORT_PCAP_H
#define DATAPLANE_PORT_PCAP_H

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "dataplane/port.h"

/* The port's interface names the files: "IN", "IN:OUT" or ":OUT". Worker 0 reads; writing needs a
 * single worker. Frames keep their order, not their times. Carves from `arena`; `reason` holds
 * PORT_REASON_BYTES. Start and end are the main thread's. */
MUST_CHECK enum err port_pcap_open(struct arena *arena, const struct config *config, uint32_t index,
                                   struct pkt_pool *const *pools, struct port **out_ports,
                                   char *reason);

#endif
