/* eal.h - DPDK's environment: its start from our configuration, packet pools over mbufs, threads.
 *
 * Only the postern program links this; nothing else of the dataplane knows DPDK.
 */
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/err.h"
#include "dataplane/port.h"

#define EAL_PORT_QUEUES_MAX 64

/* Starts the EAL with one vdev a queue for the ports of `config` that are not PCI devices. Without
 * enough free huge pages (or with the option off) it starts on ordinary pages and says so on
 * stderr. Once a process. On error `reason` (PORT_REASON_BYTES) says what to do. */
MUST_CHECK enum err eal_start(const struct config *config, char *reason);
void eal_stop(void);
/* The memory lies on huge pages. */
bool eal_is_huge(void);

/* The pool of worker `worker`: config->packets frames for the core, and beside them what the rings
 * of its ports hold. NULL when memory is out. Freed by eal_stop. */
struct pkt_pool *eal_pool_new(const struct config *config, uint32_t worker);

/* A thread that will use pools and ports says so first, and when it ends. */
MUST_CHECK enum err eal_thread_begin(void);
void eal_thread_end(void);

/* "net_af_xdp3" for queue 1 of port 1 ...: the name of the DPDK device behind `queue` of port
 * `port`. PMDs that have queues of their own have one device for all. */
void eal_device_name(const struct config *config, uint32_t port, uint32_t queue, char out[64]);
/* Devices of one queue each are needed for that driver (veth under AF_XDP refuses more). */
bool eal_one_queue_devices(const struct config_port *port);
/* The MTU of a Linux interface; 0 when it does not say. */
uint32_t eal_interface_mtu(const char *interface);
/* The longest frame that the driver's and our buffers hold. */
uint32_t eal_frame_bytes_max(const struct config_port *port);
/* How many are opened: the configured ones, at least one a worker, and under AF_XDP all the
 * interface has. */
uint32_t eal_port_queues(const struct config *config, uint32_t port);

#endif
