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

void worker_link_wake(struct worker_link *link)
{
	const uint64_t one = 1;
	bool awake = false;

	/* Exchanged here as by whoever goes to sleep: of two exchanges of one word the second sees
	 * the first, and what was laid before it. */
	if (atomic_compare_exchange_strong(&link->asleep, &awake, false) || link->wake_fd < 0)
		return;
	if (write(link->wake_fd, &one, sizeof(one)) < 0)
		return; /* as above */
}
