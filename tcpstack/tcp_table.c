/* tcp_table.c - connections by their four-tuple.
 *
 * Buckets of one cache line: ten 16-bit tags beside ten indices, and a link to an overflow bucket.
 * The hash is keyed, so peers cannot choose who collides; a chain is as long as chance makes it.
 */
#include "tcpstack/tcp_internal.h"

#define SLOTS_AIMED 6 /* per bucket when full: 4 % of the buckets then overflow */

static uint32_t primary_count(uint32_t conns_max)
{
	uint32_t count = 1;

	while (count < conns_max / SLOTS_AIMED + 1)
		count *= 2;
	return count;
}

static uint32_t overflow_count(uint32_t conns_max)
{
	return primary_count(conns_max) / 4 + 16;
}

size_t tcp_table_bytes(uint32_t conns_max)
{
	return (primary_count(conns_max) + (size_t)overflow_count(conns_max) + 1) *
	       sizeof(struct tcp_bucket);
}

bool tcp_table_init(struct tcp_table *table, struct arena *arena, uint32_t conns_max)
{
	uint32_t primary = primary_count(conns_max);

	table->mask = primary - 1;
	table->bucket_count = primary + overflow_count(conns_max);
	table->buckets = arena_take(arena, table->bucket_count, sizeof(struct tcp_bucket), 64);
	if (table->buckets == NULL)
		return false;
	table->overflow_free = 0;
	for (uint32_t i = table->bucket_count; i-- > primary;) {
		table->buckets[i].overflow = table->overflow_free;
		table->overflow_free = i;
	}
	return true;
}

static uint16_t tag_of(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);

	return tag != 0 ? tag : 1;
}

static bool bucket_put(struct tcp_bucket *bucket, uint16_t tag, uint32_t index)
{
	for (uint32_t i = 0; i < TCP_BUCKET_SLOTS; i++) {
		if (bucket->tag[i] == 0) {
			bucket->tag[i] = tag;
			bucket->index[i] = index;
			return true;
		}
	}
	return false;
}

bool tcp_table_add(struct tcp_table *table, uint64_t hash, uint32_t index)
{
	struct tcp_bucket *bucket = &table->buckets[hash & table->mask];
	uint16_t tag = tag_of(hash);

	for (; !bucket_put(bucket, tag, index); bucket = &table->buckets[bucket->overflow]) {
		if (bucket->overflow != 0)
			continue;
		if (table->overflow_free == 0)
			return false;
		uint32_t fresh = table->overflow_free;
		table->overflow_free = table->buckets[fresh].overflow;
		table->buckets[fresh].overflow = 0;
		bucket->overflow = fresh;
	}
	return true;
}

static bool bucket_is_empty(const struct tcp_bucket *bucket)
{
	for (uint32_t i = 0; i < TCP_BUCKET_SLOTS; i++) {
		if (bucket->tag[i] != 0)
			return false;
	}
	return true;
}

void tcp_table_remove(struct tcp_table *table, uint64_t hash, uint32_t index)
{
	struct tcp_bucket *before = NULL;
	struct tcp_bucket *bucket = &table->buckets[hash & table->mask];
	uint16_t tag = tag_of(hash);

	for (;;) {
		for (uint32_t i = 0; i < TCP_BUCKET_SLOTS; i++) {
			if (bucket->tag[i] != tag || bucket->index[i] != index)
				continue;
			bucket->tag[i] = 0;
			if (before != NULL && bucket_is_empty(bucket)) {
				uint32_t freed = before->overflow;
				before->overflow = bucket->overflow;
				bucket->overflow = table->overflow_free;
				table->overflow_free = freed;
			}
			return;
		}
		ASSERT(bucket->overflow != 0); /* what is tabled is found */
		before = bucket;
		bucket = &table->buckets[bucket->overflow];
	}
}

void tcp_table_prefetch(const struct tcp_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->buckets[hash & table->mask]);
}

void tcp_prefetch(const struct net *net, const struct tcp_conn *conn)
{
	const uint8_t *hot = (const uint8_t *)conn;
	uint32_t index = (uint32_t)(conn - net->tcp->conns); /* without reading it */
	const uint8_t *cold = (const uint8_t *)&net->tcp->colds[index];

	__builtin_prefetch(hot);
	__builtin_prefetch(hot + 64);
	__builtin_prefetch(cold);
	__builtin_prefetch(cold + 64);
	timer_prefetch(net->tcp->timers, index);
}

/* A tag that is another connection's costs a line fetched in vain; an overflow bucket is rare. */
void tcp_table_prefetch_conn(const struct tcp *tcp, uint64_t hash)
{
	const struct tcp_bucket *bucket = &tcp->table.buckets[hash & tcp->table.mask];
	uint16_t tag = tag_of(hash);

	for (uint32_t i = 0; i < TCP_BUCKET_SLOTS; i++) {
		if (bucket->tag[i] != tag)
			continue;
		tcp_prefetch(tcp->net, &tcp->conns[bucket->index[i]]);
		return;
	}
}

struct tcp_conn *tcp_table_find(const struct tcp *tcp, uint64_t hash, const struct tcp_tuple *tuple)
{
	const struct tcp_table *table = &tcp->table;
	uint32_t at = (uint32_t)(hash & table->mask);
	uint16_t tag = tag_of(hash);

	do {
		const struct tcp_bucket *bucket = &table->buckets[at];

		for (uint32_t i = 0; i < TCP_BUCKET_SLOTS; i++) {
			if (bucket->tag[i] == tag &&
			    memcmp(&tcp->colds[bucket->index[i]].tuple, tuple, sizeof(*tuple)) == 0)
				return &tcp->conns[bucket->index[i]];
		}
		at = bucket->overflow;
	} while (at != 0);
	return NULL;
}
