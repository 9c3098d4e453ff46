/* resolver.h - asks DNS servers, by c-ares, from the daemon's own loop. */
#ifndef MGMT_RESOLVER_H
#define MGMT_RESOLVER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#include "mgmt/dns_reply.h"

#define RESOLVER_FDS_MAX 32

struct resolver;

typedef void resolver_done(void *context, void *lookup, const struct dns_reply *reply);

/* `server`: "ADDRESS" or "ADDRESS:PORT", empty: as /etc/resolv.conf says. One lookup takes at most
 * `timeout_ms`. NULL, with a reason (256 octets), when that cannot be. */
struct resolver *resolver_new(const char *server, uint32_t timeout_ms, resolver_done *done,
                              void *context, char *reason);
void resolver_free(struct resolver *resolver);
/* Calls `done` once, perhaps before it returns. When a server fails the next one is asked; `once`:
 * what it said is told. */
void resolver_ask(struct resolver *resolver, const char *name, uint16_t type, bool once,
                  void *lookup);
/* What to wait for: fills at most RESOLVER_FDS_MAX, returns how many. */
uint32_t resolver_poll_fds(struct resolver *resolver, struct pollfd *out_fds);
/* How long at most, in ms. */
int resolver_wait_ms(struct resolver *resolver, int most_ms);
/* Reads replies, gives up what has taken too long. */
void resolver_run(struct resolver *resolver);

#endif
