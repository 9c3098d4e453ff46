/* worker_link.h - what other threads may say to a worker, and what it tells them. */
#ifndef DATAPLANE_WORKER_LINK_H
#define DATAPLANE_WORKER_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Orders to a worker and what it reports. After an order its wake_fd is written to. */
struct worker_link {
	_Atomic bool stop;              /* order: worker_run returns */
	_Atomic bool drain;             /* order: no new sessions; back to false: resume */
	_Atomic bool reload;            /* order: numbers of the configuration have changed */
	_Atomic bool drained;           /* report: draining, and no session left */
	_Atomic uint32_t session_count; /* report */
	_Atomic bool asleep;            /* report: waits on wake_fd */
	int wake_fd; /* eventfd; -1: the worker never sleeps on it (virtual time) */
};

/* Sets an order and wakes the worker. */
void worker_link_order(struct worker_link *link, _Atomic bool *order, bool value);

/* Wakes the worker if it sleeps, after something was laid where it will look. */
void worker_link_wake(struct worker_link *link);

#endif
