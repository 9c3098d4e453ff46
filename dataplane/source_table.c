/* source_table.c - how many sessions each source and each network holds now. */
#include "dataplane/source_table.h"

#include <assert.h>

#include "base/check.h"

static_assert(SOURCE_IP4_NETWORK_BITS < SOURCE_IP4_BITS, "a network is wider than a source");
static_assert(SOURCE_IP6_NETWORK_BITS < SOURCE_IP6_BITS, "a network is wider than a source");

/* Two entries a session, and twice as many places as entries: runs stay short, and a search always
 * meets a free place. */
static uint32_t places(uint32_t session_count_max)
{
	uint32_t count = 4;

	while (count < session_count_max * 4ull)
		count *= 2;
	return count;
}

size_t source_table_bytes(uint32_t session_count_max)
{
	return places(session_count_max) * sizeof(struct source_entry) + 64;
}

enum err source_table_init(struct source_table *table, struct arena *arena,
                           uint32_t session_count_max, const struct hash_key *key)
{
	ASSERT(session_count_max > 0 && session_count_max <= UINT32_MAX / 8);

	uint32_t count = places(session_count_max);
	struct source_entry *entries = arena_take(arena, count, sizeof(*entries), 64);

	if (entries == NULL)
		return ERR_NO_MEMORY;
	*table = (struct source_table){
	    .entries = entries,
	    .mask = count - 1,
	    .used_max = session_count_max * 2,
	    .key = *key,
	};
	return OK;
}

static struct prefix prefix_of(const struct addr *addr, unsigned ip4_bits, unsigned ip6_bits)
{
	unsigned bits = addr_is_ip4(addr) ? 96 + ip4_bits : ip6_bits;
	struct prefix prefix = {.bits = (uint8_t)bits};

	static_assert(SOURCE_IP4_BITS % 8 == 0 && SOURCE_IP4_NETWORK_BITS % 8 == 0 &&
	                  SOURCE_IP6_BITS % 8 == 0 && SOURCE_IP6_NETWORK_BITS % 8 == 0,
	              "prefixes end between octets");
	memcpy(prefix.addr.octet, addr->octet, bits / 8);
	return prefix;
}

static struct prefix source_of(const struct addr *addr)
{
	return prefix_of(addr, SOURCE_IP4_BITS, SOURCE_IP6_BITS);
}

static struct prefix network_of(const struct addr *addr)
{
	return prefix_of(addr, SOURCE_IP4_NETWORK_BITS, SOURCE_IP6_NETWORK_BITS);
}

static uint32_t home(const struct source_table *table, const struct addr *addr, uint8_t bits)
{
	uint8_t input[sizeof(addr->octet) + 1];

	memcpy(input, addr->octet, sizeof(addr->octet));
	input[sizeof(addr->octet)] = bits;
	return (uint32_t)hash64(&table->key, input, sizeof(input)) & table->mask;
}

/* Its place, or the free one where it would be. */
static struct source_entry *find(const struct source_table *table, const struct prefix *prefix)
{
	uint32_t at = home(table, &prefix->addr, prefix->bits);

	for (uint32_t step = 0; step <= table->mask; step++) {
		struct source_entry *entry = &table->entries[(at + step) & table->mask];

		if (entry->count == 0)
			return entry;
		if (entry->bits == prefix->bits && addr_equal(&entry->addr, &prefix->addr))
			return entry;
	}
	UNREACHABLE(); /* at most half of the places are used */
}

static uint32_t add(struct source_table *table, const struct prefix *prefix)
{
	struct source_entry *entry = find(table, prefix);

	if (entry->count == 0) {
		ASSERT(table->used < table->used_max);
		table->used++;
		entry->addr = prefix->addr;
		entry->bits = prefix->bits;
	}
	return ++entry->count;
}

/* Frees place `hole`: those of the run behind it that may stand there move up, so that no search
 * ends too early and no tombstones pile up. */
static void close_gap(struct source_table *table, uint32_t hole)
{
	uint32_t at = hole;

	table->entries[hole].count = 0;
	for (;;) {
		at = (at + 1) & table->mask;
		const struct source_entry *entry = &table->entries[at];
		if (entry->count == 0)
			return;
		uint32_t from_home = (at - home(table, &entry->addr, entry->bits)) & table->mask;
		if (from_home < ((at - hole) & table->mask))
			continue;
		table->entries[hole] = *entry;
		table->entries[at].count = 0;
		hole = at;
	}
}

static void take(struct source_table *table, const struct prefix *prefix)
{
	struct source_entry *entry = find(table, prefix);

	ASSERT(entry->count > 0);
	if (--entry->count > 0)
		return;
	ASSERT(table->used > 0);
	table->used--;
	close_gap(table, (uint32_t)(entry - table->entries));
}

struct source_counts source_table_add(struct source_table *table, const struct addr *addr)
{
	struct prefix source = source_of(addr), network = network_of(addr);
	struct source_counts counts;

	counts.source = add(table, &source);
	counts.network = add(table, &network);
	return counts;
}

void source_table_remove(struct source_table *table, const struct addr *addr)
{
	struct prefix source = source_of(addr), network = network_of(addr);

	take(table, &source);
	take(table, &network);
}

struct source_counts source_table_count(const struct source_table *table, const struct addr *addr)
{
	struct prefix source = source_of(addr), network = network_of(addr);

	return (struct source_counts){find(table, &source)->count, find(table, &network)->count};
}
