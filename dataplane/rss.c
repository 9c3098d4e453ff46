/* rss.c - the Toeplitz hash, four bits at a time, and the table behind it. */
#include "dataplane/rss.h"

#include <string.h>

#include "base/check.h"

#define IP4_INPUT_BYTES 12
#define IP6_INPUT_BYTES 36

/* The 32 bits of the key that begin at bit `at`; zeros behind its end. */
static uint32_t key_window(const uint8_t *key, uint32_t key_bytes, uint32_t at)
{
	uint32_t window = 0;

	for (uint32_t bit = at; bit < at + 32; bit++) {
		uint32_t octet = bit / 8 < key_bytes ? key[bit / 8] : 0;

		window = window << 1 | (octet >> (7 - bit % 8) & 1);
	}
	return window;
}

void rss_init(struct rss *rss, const uint8_t *key, uint32_t key_bytes, bool ip4, bool ip6)
{
	memset(rss, 0, sizeof(*rss));
	rss->ip4 = ip4 && key_bytes >= IP4_INPUT_BYTES + 4;
	rss->ip6 = ip6 && key_bytes >= IP6_INPUT_BYTES + 4;
	for (uint32_t nibble = 0; nibble < RSS_NIBBLES; nibble++)
		for (uint32_t value = 1; value < 16; value++)
			for (uint32_t bit = 0; bit < 4; bit++)
				if ((value & 8u >> bit) != 0)
					rss->part[nibble][value] ^= key_window(key, key_bytes,
					                                       nibble * 4 + bit);
}

/* The hash is linear: each four bits add their part. `at` is the first octet's place in the input.
 */
static uint32_t hash_octets(const struct rss *rss, uint32_t at, const uint8_t *octets,
                            uint32_t count)
{
	uint32_t hash = 0;

	DEBUG_ASSERT((at + count) * 2 <= RSS_NIBBLES);
	for (uint32_t i = 0; i < count; i++)
		hash ^= rss->part[(at + i) * 2][octets[i] >> 4] ^
		        rss->part[(at + i) * 2 + 1][octets[i] & 15];
	return hash;
}

uint32_t rss_hash(const struct rss *rss, const struct endpoint *source,
                  const struct endpoint *destination)
{
	const uint8_t ports[4] = {(uint8_t)(source->port >> 8), (uint8_t)source->port,
	                          (uint8_t)(destination->port >> 8), (uint8_t)destination->port};

	if (addr_is_ip4(&source->addr))
		return hash_octets(rss, 0, source->addr.octet + 12, 4) ^
		       hash_octets(rss, 4, destination->addr.octet + 12, 4) ^
		       hash_octets(rss, 8, ports, 4);
	return hash_octets(rss, 0, source->addr.octet, 16) ^
	       hash_octets(rss, 16, destination->addr.octet, 16) ^ hash_octets(rss, 32, ports, 4);
}

bool rss_knows(const struct rss *rss, const struct addr *addr)
{
	return rss->table_count > 0 && (addr_is_ip4(addr) ? rss->ip4 : rss->ip6);
}

uint32_t rss_queue(const struct rss *rss, const struct endpoint *source,
                   const struct endpoint *destination)
{
	DEBUG_ASSERT(rss_knows(rss, &source->addr));
	return rss->table[rss_hash(rss, source, destination) % rss->table_count];
}
