/* source_table.h - how many sessions each source and each network holds now.
 *
 * A bounded table with open addressing over keyed hashes: nobody can choose addresses that meet in
 * one place. A source is an IPv4 address or an IPv6 /64, which one host has for itself; its network
 * is the IPv4 /24 or the IPv6 /48 around it.
 */
#ifndef DATAPLANE_SOURCE_TABLE_H
#define DATAPLANE_SOURCE_TABLE_H

#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/hash.h"

#define SOURCE_IP4_BITS         32
#define SOURCE_IP4_NETWORK_BITS 24
#define SOURCE_IP6_BITS         64
#define SOURCE_IP6_NETWORK_BITS 48

struct source_entry {
	struct addr addr; /* of the network: bits behind the prefix are zero */
	uint8_t bits;     /* 0..128 as in struct prefix */
	uint32_t count;   /* 0: the place is free */
};

struct source_table {
	struct source_entry *entries;
	uint32_t mask;
	uint32_t used, used_max;
	struct hash_key key;
};

struct source_counts {
	uint32_t source, network;
};

/* Room for `session_count_max` sessions at once. ERR_NO_MEMORY. */
MUST_CHECK enum err source_table_init(struct source_table *table, struct arena *arena,
                                      uint32_t session_count_max, const struct hash_key *key);
/* Octets source_table_init takes from the arena, at most. */
size_t source_table_bytes(uint32_t session_count_max);
/* One session more of `addr`; at most session_count_max at a time. Returns how many its source and
 * its network have now, this one included. */
struct source_counts source_table_add(struct source_table *table, const struct addr *addr);
/* One session less of `addr`, which has been added. */
void source_table_remove(struct source_table *table, const struct addr *addr);
struct source_counts source_table_count(const struct source_table *table, const struct addr *addr);

#endif
