/* rss.h - the queue a network card gives a segment to: the Toeplitz hash over addresses and ports,
 * and the table from hashes to queues (receive side scaling).
 *
 * With the key and the table a card really has, the queue of a reply is known before the first
 * packet is sent. Plain arithmetic: how they are read is the ports' business.
 */
#ifndef DATAPLANE_RSS_H
#define DATAPLANE_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define RSS_KEY_BYTES_MAX 128
#define RSS_TABLE_MAX     4096
#define RSS_NIBBLES       72 /* two IPv6 addresses and two ports */

struct rss {
	bool ip4, ip6; /* TCP over it is hashed with the ports */
	uint32_t table_count;
	uint16_t table[RSS_TABLE_MAX];
	uint32_t part[RSS_NIBBLES][16]; /* what each four bits add to the hash */
};

/* Of a card that hashes what `ip4`, `ip6` say with `key`; the table stays empty. A key too short
 * for a family's input leaves that family out. */
void rss_init(struct rss *rss, const uint8_t *key, uint32_t key_bytes, bool ip4, bool ip6);
/* The hash of a segment from `source` to `destination`, as the card computes it. */
uint32_t rss_hash(const struct rss *rss, const struct endpoint *source,
                  const struct endpoint *destination);
/* The card hashes TCP between such addresses with its ports, and its table is known. */
bool rss_knows(const struct rss *rss, const struct addr *addr);
/* Only when rss_knows. */
uint32_t rss_queue(const struct rss *rss, const struct endpoint *source,
                   const struct endpoint *destination);

/* What the kernel's driver of a Linux interface says. ERR_NOT_FOUND: nothing, or another hash. */
MUST_CHECK enum err rss_of_interface(const char *interface, struct rss *out_rss);

#endif
