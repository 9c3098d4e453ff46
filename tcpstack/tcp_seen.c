/* tcp_seen.c - what was seen lately and left no state: SYNs, and the sources of connections.
 *
 * A flood's senders make up addresses and never try again; a client sends its SYN again after a
 * second, and often it has been here before. A tag of 32 bits of keyed hash (with the ISN in a
 * SYN's) stands in a line of sixteen, the newest first, so one is remembered while about as many
 * others come as the table has tags. Nothing is ever looked for outside one line, and nothing is
 * freed.
 */
#include "tcpstack/tcp_internal.h"

#define KNOWN_COUNT 16384 /* sources */

static uint32_t bucket_count(uint32_t count)
{
	uint32_t buckets = 1;

	while (buckets * TCP_SEEN_TAGS < count)
		buckets *= 2;
	return buckets;
}

size_t seen_bytes(uint32_t syn_count)
{
	size_t buckets = bucket_count(syn_count) + bucket_count(KNOWN_COUNT);

	return syn_count != 0 ? buckets * sizeof(struct tcp_seen_bucket) + 128 : 0;
}

static bool table_init(struct tcp_seen *table, struct arena *arena, uint32_t count)
{
	table->mask = bucket_count(count) - 1;
	table->buckets = arena_take(arena, table->mask + 1, sizeof(struct tcp_seen_bucket), 64);
	return table->buckets != NULL;
}

bool seen_init(struct tcp *tcp, struct arena *arena, uint32_t syn_count)
{
	return syn_count == 0 || (table_init(&tcp->seen, arena, syn_count) &&
	                          table_init(&tcp->known, arena, KNOWN_COUNT));
}

static bool has_tag(const struct tcp_seen_bucket *bucket, uint32_t tag)
{
	bool found = false;

	for (uint32_t i = 0; i < TCP_SEEN_TAGS; i++)
		found |= bucket->tag[i] == tag;
	return found;
}

static void put_tag(struct tcp_seen_bucket *bucket, uint32_t tag)
{
	memmove(&bucket->tag[1], &bucket->tag[0], sizeof(bucket->tag) - sizeof(bucket->tag[0]));
	bucket->tag[0] = tag;
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1u; /* 0 is none */
}

bool seen_note(struct tcp *tcp, const struct tcp_segment *syn)
{
	uint32_t tag = tag_of(syn->hash ^ (uint64_t)syn->seq << 32);
	struct tcp_seen_bucket *bucket;

	if (tcp->seen.buckets == NULL)
		return false;
	bucket = &tcp->seen.buckets[syn->hash & tcp->seen.mask];
	if (has_tag(bucket, tag))
		return true;
	put_tag(bucket, tag);
	return false;
}

static uint64_t source_hash(const struct tcp *tcp, const struct addr *source)
{
	return hash64(&tcp->net->config.secret, source, sizeof(*source));
}

bool source_is_known(const struct tcp *tcp, const struct addr *source)
{
	uint64_t hash = source_hash(tcp, source);

	return tcp->known.buckets != NULL &&
	       has_tag(&tcp->known.buckets[hash & tcp->known.mask], tag_of(hash));
}

void source_note(struct tcp *tcp, const struct addr *source)
{
	uint64_t hash = source_hash(tcp, source);
	struct tcp_seen_bucket *bucket;

	if (tcp->known.buckets == NULL)
		return;
	bucket = &tcp->known.buckets[hash & tcp->known.mask];
	if (!has_tag(bucket, tag_of(hash)))
		put_tag(bucket, tag_of(hash));
}
