/* worker_link.c - what other threads may say to a worker, and what it tells them. */
#include "dataplane/worker_link.h"

#include <unistd.h>

void worker_link_order(struct worker_link *link, _Atomic bool *order, bool value)
{
	const uint64_t one = 1;

	atomic_store_explicit(order, value, memory_order_release);
	if (link->wake_fd >= 0 && write(link->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is readable, which is all that matters */
}
