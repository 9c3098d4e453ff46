/* tcp_seen.c - SYNs that got no state, remembered so that the peer's second try is known.
 *
 * A flood's senders make up addresses and never try again; a client sends its SYN again after a
 * second. A tag of 32 bits of keyed hash with the ISN in it stands in a line of sixteen, the newest
 * first, so a tag is remembered while about as many SYNs come as the table has tags. Nothing is
 * ever looked for outside one line, and nothing is freed.
 */
#include "tcpstack/tcp_internal.h"

static uint32_t bucket_count(uint32_t count)
{
	uint32_t buckets = 1;

	while (buckets * TCP_SEEN_TAGS < count)
		buckets *= 2;
	return buckets;
}

size_t seen_bytes(uint32_t count)
{
	return count != 0 ? bucket_count(count) * sizeof(struct tcp_seen_bucket) + 64 : 0;
}

bool seen_init(struct tcp *tcp, struct arena *arena, uint32_t count)
{
	if (count == 0)
		return true;
	tcp->seen.mask = bucket_count(count) - 1;
	tcp->seen.buckets = arena_take(arena, tcp->seen.mask + 1, sizeof(struct tcp_seen_bucket),
	                               64);
	return tcp->seen.buckets != NULL;
}

bool seen_note(struct tcp *tcp, const struct tcp_segment *syn)
{
	struct tcp_seen_bucket *bucket;
	uint32_t tag = ((uint32_t)(syn->hash >> 32) ^ syn->seq) | 1u;
	bool seen = false;

	if (tcp->seen.buckets == NULL)
		return false;
	bucket = &tcp->seen.buckets[syn->hash & tcp->seen.mask];
	for (uint32_t i = 0; i < TCP_SEEN_TAGS; i++)
		seen |= bucket->tag[i] == tag;
	if (seen)
		return true;
	memmove(&bucket->tag[1], &bucket->tag[0], sizeof(bucket->tag) - sizeof(bucket->tag[0]));
	bucket->tag[0] = tag;
	return false;
}
