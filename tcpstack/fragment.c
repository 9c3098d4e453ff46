/* fragment.c - IP datagrams put together again from fragments, IPv4 and IPv6, within fixed memory.
 *
 * A datagram under way has a slot: room for all its octets, and two bits for each unit of 8 octets:
 * is it there, and does a fragment begin with it. Since all time out after the same while, the list
 * in order of arrival is also the list in order of deadlines.
 */
#include "tcpstack/fragment.h"

#include "base/check.h"
#include "base/limits.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

#define UNIT_BYTES       8     /* RFC 791: offsets count these */
#define IP_BYTES_MAX     65535 /* RFC 791, RFC 8200 4.5 */
#define HEADER_BYTES_MAX 128   /* what is in front of the first fragment's octets */
#define LENGTH_UNKNOWN   UINT32_MAX
#define SLOT_NONE        UINT32_MAX
#define ECN_MASK         3
#define ECN_CE           3

/* What tells datagrams apart: RFC 791 for IPv4; RFC 8200 4.5 for IPv6, where protocol is 0. */
struct identity {
	struct addr source, destination;
	uint32_t id;
	uint32_t scope;
	uint32_t protocol;
};
static_assert(sizeof(struct identity) == 44, "hashed and compared as octets: no padding");

struct datagram {
	struct identity identity;
	uint32_t hash_next;
	uint32_t previous, next; /* in order of arrival */
	uint64_t deadline_us;
	uint64_t hash;
	uint32_t data_bytes; /* LENGTH_UNKNOWN until the last fragment is there */
	uint32_t units_held;
	uint32_t units_end; /* behind the highest unit held */
	uint16_t fragment_count;
	uint16_t header_bytes;
	uint16_t next_field;
	uint8_t protocol; /* of the first fragment; IPv6 */
	uint8_t ecn_seen; /* one bit for each code point */
	bool has_first;
	bool dead; /* refused: only remembered, so that the rest of it is refused, too */
};

struct fragments {
	struct fragments_config config;
	struct net_counters *counters;
	struct datagram *slots;
	uint32_t *buckets;
	uint8_t *buffers; /* of each slot: header, then data */
	uint64_t *held;   /* of each slot: bits by unit */
	uint64_t *starts;
	size_t buffer_bytes;
	uint32_t words; /* of one slot's bits */
	uint32_t bucket_mask;
	uint32_t free_head; /* by `next` */
	uint32_t oldest, newest;
	uint32_t count;
};

/* A fragment as its headers describe it. */
struct part {
	struct identity identity;
	struct bytes data;
	size_t header_bytes; /* of the packet, without a Fragment header */
	uint32_t unit;       /* where it belongs */
	uint32_t unit_count;
	uint8_t protocol;
	uint8_t ecn;
	bool ip6;
	bool more;
};

void fragments_config_defaults(struct fragments_config *config)
{
	*config = (struct fragments_config){
	    .datagrams_max = FRAGMENT_DATAGRAMS_MAX,
	    .datagrams_per_source_max = FRAGMENT_DATAGRAMS_PER_SOURCE_MAX,
	    .datagram_bytes_max = FRAGMENT_DATAGRAM_BYTES_MAX,
	    .timeout_us = FRAGMENT_TIMEOUT_MS * 1000,
	};
}

static uint32_t words_of(const struct fragments_config *config)
{
	return (config->datagram_bytes_max / UNIT_BYTES + 1 + 63) / 64;
}

static size_t buffer_bytes_of(const struct fragments_config *config)
{
	return HEADER_BYTES_MAX + (size_t)config->datagram_bytes_max;
}

static uint32_t bucket_count_of(const struct fragments_config *config)
{
	uint32_t count = 1;

	while (count < config->datagrams_max)
		count *= 2;
	return count;
}

size_t fragments_bytes(const struct fragments_config *config)
{
	size_t slot = sizeof(struct datagram) + buffer_bytes_of(config) +
	              2 * (size_t)words_of(config) * sizeof(uint64_t);

	return sizeof(struct fragments) + config->datagrams_max * slot +
	       bucket_count_of(config) * sizeof(uint32_t) + 6 * 64;
}

struct fragments *fragments_new(struct arena *arena, const struct fragments_config *config,
                                struct net_counters *counters)
{
	struct fragments *fragments = ARENA_TAKE(arena, 1, struct fragments);
	size_t words = (size_t)words_of(config) * config->datagrams_max;

	ASSERT(config->datagrams_max > 0 && config->datagrams_per_source_max > 0);
	ASSERT(config->datagram_bytes_max > 0 && config->datagram_bytes_max <= IP_BYTES_MAX);
	if (fragments == NULL)
		return NULL;
	*fragments = (struct fragments){
	    .config = *config,
	    .counters = counters,
	    .slots = ARENA_TAKE(arena, config->datagrams_max, struct datagram),
	    .buckets = ARENA_TAKE(arena, bucket_count_of(config), uint32_t),
	    .buffers = arena_take(arena, config->datagrams_max, buffer_bytes_of(config), 64),
	    .held = ARENA_TAKE(arena, words, uint64_t),
	    .starts = ARENA_TAKE(arena, words, uint64_t),
	    .buffer_bytes = buffer_bytes_of(config),
	    .words = words_of(config),
	    .bucket_mask = bucket_count_of(config) - 1,
	    .oldest = SLOT_NONE,
	    .newest = SLOT_NONE,
	};
	if (fragments->slots == NULL || fragments->buckets == NULL || fragments->buffers == NULL ||
	    fragments->held == NULL || fragments->starts == NULL)
		return NULL;
	for (uint32_t i = 0; i <= fragments->bucket_mask; i++)
		fragments->buckets[i] = SLOT_NONE;
	for (uint32_t i = 0; i < config->datagrams_max; i++)
		fragments->slots[i].next = i + 1 < config->datagrams_max ? i + 1 : SLOT_NONE;
	return fragments;
}

static uint64_t *held_of(const struct fragments *fragments, const struct datagram *datagram)
{
	return fragments->held + (size_t)(datagram - fragments->slots) * fragments->words;
}

static uint64_t *starts_of(const struct fragments *fragments, const struct datagram *datagram)
{
	return fragments->starts + (size_t)(datagram - fragments->slots) * fragments->words;
}

static uint8_t *data_of(const struct fragments *fragments, const struct datagram *datagram)
{
	size_t slot = (size_t)(datagram - fragments->slots);

	return fragments->buffers + slot * fragments->buffer_bytes + HEADER_BYTES_MAX;
}

static bool bit_get(const uint64_t *bits, uint32_t bit)
{
	return (bits[bit / 64] >> bit % 64 & 1) != 0;
}

static void bit_set(uint64_t *bits, uint32_t bit)
{
	bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void datagram_remove(struct fragments *fragments, struct datagram *datagram)
{
	uint32_t index = (uint32_t)(datagram - fragments->slots);
	uint32_t *link = &fragments->buckets[datagram->hash & fragments->bucket_mask];

	while (*link != index)
		link = &fragments->slots[*link].hash_next;
	*link = datagram->hash_next;
	if (datagram->previous != SLOT_NONE)
		fragments->slots[datagram->previous].next = datagram->next;
	else
		fragments->oldest = datagram->next;
	if (datagram->next != SLOT_NONE)
		fragments->slots[datagram->next].previous = datagram->previous;
	else
		fragments->newest = datagram->previous;
	datagram->next = fragments->free_head;
	fragments->free_head = index;
	fragments->count--;
}

void fragment_expire(struct fragments *fragments, uint64_t now_us)
{
	while (fragments->oldest != SLOT_NONE) {
		struct datagram *oldest = &fragments->slots[fragments->oldest];
		if (oldest->deadline_us > now_us)
			return;
		if (!oldest->dead)
			fragments->counters->fragments_timed_out++;
		datagram_remove(fragments, oldest);
	}
}

uint32_t fragment_datagram_count(const struct fragments *fragments)
{
	return fragments->count;
}

/* A source at its bound loses its own oldest; at the bound of all the oldest of all goes. */
static void make_room(struct fragments *fragments, const struct addr *source)
{
	struct datagram *own = NULL;
	uint32_t own_count = 0;

	for (uint32_t i = fragments->oldest; i != SLOT_NONE; i = fragments->slots[i].next)
		if (addr_equal(&fragments->slots[i].identity.source, source)) {
			own = own != NULL ? own : &fragments->slots[i];
			own_count++;
		}
	if (COUNT_IF(own_count >= fragments->config.datagrams_per_source_max,
	             fragments->counters->fragments_source_full))
		datagram_remove(fragments, own);
	else if (COUNT_IF(fragments->count == fragments->config.datagrams_max,
	                  fragments->counters->fragments_full))
		datagram_remove(fragments, &fragments->slots[fragments->oldest]);
}

static struct datagram *datagram_add(struct fragments *fragments, uint64_t now_us, uint64_t hash,
                                     const struct identity *identity)
{
	make_room(fragments, &identity->source);
	ASSERT(fragments->free_head != SLOT_NONE);
	uint32_t index = fragments->free_head;
	struct datagram *datagram = &fragments->slots[index];
	uint32_t *bucket = &fragments->buckets[hash & fragments->bucket_mask];
	fragments->free_head = datagram->next;
	*datagram = (struct datagram){
	    .identity = *identity,
	    .hash_next = *bucket,
	    .previous = fragments->newest,
	    .next = SLOT_NONE,
	    .deadline_us = now_us + fragments->config.timeout_us,
	    .hash = hash,
	    .data_bytes = LENGTH_UNKNOWN,
	};
	*bucket = index;
	if (fragments->newest != SLOT_NONE)
		fragments->slots[fragments->newest].next = index;
	else
		fragments->oldest = index;
	fragments->newest = index;
	fragments->count++;
	memset(held_of(fragments, datagram), 0, fragments->words * sizeof(uint64_t));
	memset(starts_of(fragments, datagram), 0, fragments->words * sizeof(uint64_t));
	return datagram;
}

static struct datagram *datagram_find_or_add(struct fragments *fragments, uint64_t now_us,
                                             const struct identity *identity)
{
	uint64_t hash = hash64(&fragments->config.key, identity, sizeof(*identity));
	uint32_t index = fragments->buckets[hash & fragments->bucket_mask];

	for (; index != SLOT_NONE; index = fragments->slots[index].hash_next) {
		struct datagram *datagram = &fragments->slots[index];
		if (datagram->hash == hash &&
		    memcmp(&datagram->identity, identity, sizeof(*identity)) == 0)
			return datagram;
	}
	return datagram_add(fragments, now_us, hash, identity);
}

static struct part part_of(const struct fragment *fragment)
{
	const uint8_t *packet = fragment->packet.data;
	struct part part = {.ip6 = packet[0] >> 4 == 6, .header_bytes = fragment->at};
	size_t data_at = fragment->at;

	if (part.ip6) {
		const struct ip6_header *ip = (const struct ip6_header *)packet;
		const struct ip6_fragment *header = (const struct ip6_fragment *)(packet +
		                                                                  fragment->at);
		uint16_t word = be16_get(header->offset_more);
		part.unit = word >> 3;
		part.more = (word & 1) != 0;
		part.protocol = header->next_header;
		part.ecn = (uint8_t)(be32_get(ip->version_class_flow) >> 20 & ECN_MASK);
		part.identity = (struct identity){addr_of_ip6(ip->source),
		                                  addr_of_ip6(ip->destination),
		                                  be32_get(header->id), fragment->scope, 0};
		data_at += sizeof(*header);
	} else {
		const struct ip4_header *ip = (const struct ip4_header *)packet;
		uint16_t word = be16_get(ip->fragment);
		part.unit = word & IP4_OFFSET_MASK;
		part.more = (word & IP4_MORE_FRAGMENTS) != 0;
		part.protocol = ip->protocol;
		part.ecn = ip->tos & ECN_MASK;
		part.identity = (struct identity){addr_of_ip4(ip->source),
		                                  addr_of_ip4(ip->destination), be16_get(ip->id),
		                                  fragment->scope, ip->protocol};
	}
	ASSERT(fragment->packet.len >= data_at);
	part.data = bytes_of(packet + data_at, fragment->packet.len - data_at);
	part.unit_count = (uint32_t)((part.data.len + UNIT_BYTES - 1) / UNIT_BYTES);
	return part;
}

/* Does the first fragment hold every header up to the transport's own fixed part? (RFC 1858 3,
 * RFC 7112 5) */
static bool holds_headers(const struct part *part)
{
	struct bytes rest = part->data;
	uint8_t protocol = part->protocol;

	for (int count = 0; part->ip6 && count <= IP6_EXTENSIONS_MAX; count++) {
		if (protocol != IP_PROTOCOL_HOP_BY_HOP && protocol != IP_PROTOCOL_ROUTING &&
		    protocol != IP_PROTOCOL_DESTINATION && protocol != IP_PROTOCOL_FRAGMENT)
			break;
		if (rest.len < sizeof(struct ip6_extension))
			return false;
		const struct ip6_extension *header = (const struct ip6_extension *)rest.data;
		size_t bytes = sizeof(*header);
		if (protocol != IP_PROTOCOL_FRAGMENT)
			bytes += (size_t)header->length * 8;
		if (rest.len < bytes)
			return false;
		protocol = header->next_header;
		rest = bytes_slice(rest, bytes, rest.len);
	}
	switch (protocol) {
	case IP_PROTOCOL_TCP:
		return rest.len >= sizeof(struct tcp_header);
	case IP_PROTOCOL_UDP:
		return rest.len >= sizeof(struct udp_header);
	case IP_PROTOCOL_ICMP4:
	case IP_PROTOCOL_ICMP6:
		return rest.len >= sizeof(struct icmp_header);
	default:
		return true;
	}
}

/* Is it, octet for octet and end for end, a fragment that is held? */
static bool is_copy(const struct fragments *fragments, const struct datagram *datagram,
                    const struct part *part)
{
	const uint64_t *held = held_of(fragments, datagram);
	const uint64_t *starts = starts_of(fragments, datagram);
	uint32_t end = part->unit + part->unit_count;

	if (!bit_get(starts, part->unit))
		return false;
	for (uint32_t unit = part->unit; unit < end; unit++)
		if (!bit_get(held, unit) || (unit > part->unit && bit_get(starts, unit)))
			return false;
	if (end < datagram->units_end && bit_get(held, end) && !bit_get(starts, end))
		return false; /* the one held goes on */
	size_t from = (size_t)part->unit * UNIT_BYTES;
	bool is_last = datagram->data_bytes == from + part->data.len;
	if (is_last == part->more)
		return false;
	return memcmp(data_of(fragments, datagram) + from, part->data.data, part->data.len) == 0;
}

static bool is_overlap(const struct fragments *fragments, const struct datagram *datagram,
                       const struct part *part)
{
	const uint64_t *held = held_of(fragments, datagram);
	size_t end = (size_t)part->unit * UNIT_BYTES + part->data.len;

	/* The end of the datagram must be one, and nothing may lie behind it. */
	if (datagram->data_bytes != LENGTH_UNKNOWN && (end > datagram->data_bytes || !part->more))
		return true;
	if (!part->more && part->unit + part->unit_count < datagram->units_end)
		return true;
	for (uint32_t unit = part->unit; unit < part->unit + part->unit_count; unit++)
		if (bit_get(held, unit))
			return true;
	return false;
}

static enum fragment_result refuse(struct datagram *datagram, enum fragment_result result)
{
	datagram->dead = true;
	return result;
}

static void datagram_store(struct fragments *fragments, struct datagram *datagram,
                           const struct fragment *fragment, const struct part *part)
{
	uint8_t *data = data_of(fragments, datagram);
	uint32_t end = part->unit + part->unit_count;

	memcpy(data + (size_t)part->unit * UNIT_BYTES, part->data.data, part->data.len);
	bit_set(starts_of(fragments, datagram), part->unit);
	for (uint32_t unit = part->unit; unit < end; unit++)
		bit_set(held_of(fragments, datagram), unit);
	datagram->units_held += part->unit_count;
	if (end > datagram->units_end)
		datagram->units_end = end;
	if (!part->more)
		datagram->data_bytes = part->unit * UNIT_BYTES + (uint32_t)part->data.len;
	datagram->ecn_seen |= (uint8_t)(1u << part->ecn);
	datagram->fragment_count++;
	if (part->unit == 0) {
		memcpy(data - part->header_bytes, fragment->packet.data, part->header_bytes);
		datagram->header_bytes = (uint16_t)part->header_bytes;
		datagram->next_field = (uint16_t)fragment->next_field;
		datagram->protocol = part->protocol;
		datagram->has_first = true;
	}
}

/* The header of the first fragment becomes the header of all (RFC 791 3.2, RFC 8200 4.5), with the
 * congestion mark of any (RFC 3168 5.3). */
static void header_restore(const struct datagram *datagram, uint8_t *packet)
{
	bool marked = (datagram->ecn_seen & 1u << ECN_CE) != 0;

	if (packet[0] >> 4 == 6) {
		struct ip6_header *ip = (struct ip6_header *)packet;
		uint32_t word = be32_get(ip->version_class_flow);
		ip->version_class_flow = be32_of(marked ? word | ECN_CE << 20 : word);
		ip->payload_bytes = be16_of(
		    (uint16_t)(datagram->header_bytes - sizeof(*ip) + datagram->data_bytes));
		packet[datagram->next_field] = datagram->protocol;
		return;
	}
	struct ip4_header *ip = (struct ip4_header *)packet;
	ip->tos |= marked ? ECN_CE : 0;
	ip->total_bytes = be16_of((uint16_t)(datagram->header_bytes + datagram->data_bytes));
	ip->fragment = be16_of(be16_get(ip->fragment) & IP4_DONT_FRAGMENT);
	ip->checksum = be16_of(0);
	uint16_t checksum = checksum_fold(checksum_add(0, ip, datagram->header_bytes));
	memcpy(ip->checksum.octet, &checksum, sizeof(checksum));
}

static bool is_complete(const struct datagram *datagram)
{
	return datagram->has_first && datagram->data_bytes != LENGTH_UNKNOWN &&
	       datagram->units_held == (datagram->data_bytes + UNIT_BYTES - 1) / UNIT_BYTES;
}

static enum fragment_result finish(struct fragments *fragments, struct datagram *datagram,
                                   struct bytes *out_datagram)
{
	uint8_t *packet = data_of(fragments, datagram) - datagram->header_bytes;
	size_t bytes = (size_t)datagram->header_bytes + datagram->data_bytes;
	size_t counted = bytes - (packet[0] >> 4 == 6 ? sizeof(struct ip6_header) : 0);
	uint8_t mixed = 1u | 1u << ECN_CE; /* RFC 3168 5.3: such a datagram is dropped */

	if (COUNT_IF(counted > IP_BYTES_MAX, fragments->counters->fragments_too_big) ||
	    COUNT_IF((datagram->ecn_seen & mixed) == mixed,
	             fragments->counters->fragments_malformed))
		return refuse(datagram, FRAGMENT_REFUSED);
	header_restore(datagram, packet);
	datagram_remove(fragments, datagram); /* its buffer lives on until the slot is used again */
	fragments->counters->fragments_whole++;
	*out_datagram = bytes_of(packet, bytes);
	return FRAGMENT_WHOLE;
}

enum fragment_result fragment_feed(struct fragments *fragments, uint64_t now_us,
                                   const struct fragment *fragment, struct bytes *out_datagram)
{
	struct net_counters *counters = fragments->counters;
	struct part part = part_of(fragment);
	size_t end = (size_t)part.unit * UNIT_BYTES + part.data.len;

	fragment_expire(fragments, now_us);
	if (COUNT_IF(part.data.len == 0 || (part.more && part.data.len % UNIT_BYTES != 0) ||
	                 part.header_bytes > HEADER_BYTES_MAX,
	             counters->fragments_malformed))
		return FRAGMENT_BAD_LENGTH;
	if (COUNT_IF(end > IP_BYTES_MAX, counters->fragments_malformed))
		return FRAGMENT_BAD_OFFSET;
	struct datagram *datagram = datagram_find_or_add(fragments, now_us, &part.identity);
	if (COUNT_IF(datagram->dead, counters->fragments_after_refusal))
		return FRAGMENT_REFUSED;
	if (COUNT_IF(end > fragments->config.datagram_bytes_max, counters->fragments_too_big))
		return refuse(datagram, FRAGMENT_REFUSED);
	if (COUNT_IF(is_copy(fragments, datagram, &part), counters->fragments_copies))
		return FRAGMENT_HELD;
	if (COUNT_IF(is_overlap(fragments, datagram, &part), counters->fragments_overlapping))
		return refuse(datagram, FRAGMENT_REFUSED);
	if (COUNT_IF(part.unit == 0 && part.more && !holds_headers(&part),
	             counters->fragments_tiny))
		return refuse(datagram, FRAGMENT_BAD_CHAIN);
	if (COUNT_IF(datagram->fragment_count == FRAGMENTS_PER_DATAGRAM_MAX,
	             counters->fragments_tiny))
		return refuse(datagram, FRAGMENT_REFUSED);
	datagram_store(fragments, datagram, fragment, &part);
	return is_complete(datagram) ? finish(fragments, datagram, out_datagram) : FRAGMENT_HELD;
}
