/* asker.h - answers the questions of the dataplane's workers: from what is remembered, or from the
 * DNS.
 *
 * Everything is bounded: questions in hand, lookups in flight, who waits for one. What is beyond a
 * bound is answered at once, by a failure. A question of several workers is asked once.
 */
#ifndef MGMT_ASKER_H
#define MGMT_ASKER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/question.h"

#include "mgmt/resolver.h"

#define ASKER_FDS_MAX (RESOLVER_FDS_MAX + 1)

#define ASKER_ENTRIES     8192u /* questions in hand or remembered */
#define ASKER_WAYS        8u
#define ASKER_WAITERS     16384u
#define ASKER_LOOKUPS_MAX 2048u
#define ASKER_CHECKS_MAX  256u /* by SPF, at a time */

struct asker_lookup;
struct asker_check;
struct asker_entry;
struct asker_waiter;

struct asker_counts {
#define COUNTER(name, help) uint64_t name;
#include "mgmt/asker_counters.def"
};

struct asker {
	struct resolver *resolver; /* NULL: nothing is answered */
	struct question_rings rings;
	int wake_fd; /* -1: none */
	bool attached;
	uint64_t now_us;
	struct hash_key secret;
	struct asker_entry *entry;
	struct asker_waiter *waiter;
	struct asker_lookup *lookup;
	struct asker_check *check;
	uint32_t waiter_free, lookup_free, check_free; /* 1 + index; 0: none */
	uint32_t lookups_open;
	struct asker_counts counts;
};

/* `server`, `timeout_ms`: as resolver_new() takes them. False, with a reason (256 octets), when the
 * resolver cannot be used or memory is out. */
bool asker_open(struct asker *asker, const char *server, uint32_t timeout_ms, char *reason);
void asker_close(struct asker *asker);
/* From the dataplane: takes the descriptor over. */
void asker_attach(struct asker *asker, int fd, bool wake);
void asker_detach(struct asker *asker);
/* Takes questions and replies. */
void asker_run(struct asker *asker, uint64_t now_us);
/* Before the loop waits, at most `most_ms`: what to wait for, and how long; it must be told when it
 * is over. */
uint32_t asker_sleep(struct asker *asker, struct pollfd *out_fds, int most_ms, int *out_wait_ms);
void asker_awake(struct asker *asker);

#endif
