/* port_memory.c - a port with two ends in one process, joined by a link that misbehaves by seed.
 *
 * Each direction holds its frames in a binary heap by time of arrival; frames of equal time keep
 * their order.
 */
#include "dataplane/port_memory.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/random.h"

#define MILLION     1000000u
#define FRAME_BYTES (PKT_DATA_BYTES - PKT_HEADROOM_BYTES)

struct flight {
	uint64_t arrive_us;
	uint64_t order;
	uint16_t len;
	uint16_t slot; /* of its octets; travels through the heap with the rest */
};

static_assert(FRAME_BYTES <= UINT16_MAX, "a frame's length fits");

struct direction {
	struct port_memory_config config;
	struct random random;
	struct flight *heap; /* [0, count): on the way; behind: free slots */
	uint8_t *octets;     /* FRAME_BYTES a slot */
	uint32_t count;
	uint64_t order;
	uint64_t busy_until_us; /* the wire is taken by frames sent before */
	struct port_memory_stats stats;
};

struct port_memory {
	struct port port; /* first: handed out by its address */
	struct direction *out, *in;
	struct pkt_pool *pool;
	struct port_stats stats;
};

static bool arrives_before(const struct flight *a, const struct flight *b)
{
	return a->arrive_us != b->arrive_us ? a->arrive_us < b->arrive_us : a->order < b->order;
}

static void flight_swap(struct flight *a, struct flight *b)
{
	struct flight held = *a;

	*a = *b;
	*b = held;
}

static void heap_rise(struct direction *direction, uint32_t at)
{
	struct flight *heap = direction->heap;

	for (; at > 0 && arrives_before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
		flight_swap(&heap[at], &heap[(at - 1) / 2]);
}

static void heap_remove_first(struct direction *direction)
{
	struct flight *heap = direction->heap;
	uint32_t count = --direction->count, at = 0;

	flight_swap(&heap[0], &heap[count]); /* its slot is now free */
	for (;;) {
		uint32_t least = at, left = 2 * at + 1, right = left + 1;
		if (left < count && arrives_before(&heap[left], &heap[least]))
			least = left;
		if (right < count && arrives_before(&heap[right], &heap[least]))
			least = right;
		if (least == at)
			return;
		flight_swap(&heap[at], &heap[least]);
		at = least;
	}
}

/* What cannot happen costs no draw. */
static bool chance(struct direction *direction, uint32_t ppm)
{
	return ppm > 0 && random_below(&direction->random, MILLION) < ppm;
}

/* When a frame of `bytes` that is sent now will have arrived. */
static uint64_t arrival(struct direction *direction, uint64_t now_us, uint16_t bytes)
{
	const struct port_memory_config *config = &direction->config;
	uint64_t leave_us = now_us;

	if (config->rate_bits_per_s != 0) {
		if (direction->busy_until_us > leave_us)
			leave_us = direction->busy_until_us;
		leave_us += ((uint64_t)bytes * 8 * MILLION + config->rate_bits_per_s - 1) /
		            config->rate_bits_per_s;
		direction->busy_until_us = leave_us;
	}
	leave_us += config->delay_us;
	if (config->jitter_us > 0)
		leave_us += random_below(&direction->random, config->jitter_us + 1);
	if (chance(direction, config->reorder_ppm)) {
		leave_us += config->reorder_us;
		direction->stats.reordered++;
	}
	return leave_us;
}

static void direction_add(struct direction *direction, uint64_t arrive_us, const uint8_t *data,
                          uint16_t len)
{
	if (direction->count == direction->config.queue_pkts_max) {
		direction->stats.overflowed++;
		return;
	}

	struct flight *flight = &direction->heap[direction->count];
	uint8_t *octets = direction->octets + (size_t)flight->slot * FRAME_BYTES;
	flight->arrive_us = arrive_us;
	flight->order = direction->order++;
	flight->len = len;
	memcpy(octets, data, len);
	if (len > 0 && chance(direction, direction->config.corrupt_ppm)) {
		uint32_t bit = random_below(&direction->random, (uint32_t)len * 8);
		octets[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		direction->stats.corrupted++;
	}
	heap_rise(direction, direction->count++);
}

static size_t memory_tx_burst(struct port *port, uint64_t now_us, struct pkt **pkts, size_t count)
{
	struct port_memory *memory = (struct port_memory *)port;
	struct direction *out = memory->out;

	for (size_t i = 0; i < count; i++) {
		struct pkt *pkt = pkts[i];
		uint64_t arrive_us = arrival(out, now_us, pkt->len);
		ASSERT(pkt->len <= FRAME_BYTES);
		memory->stats.tx_pkts++;
		memory->stats.tx_bytes += pkt->len;
		out->stats.sent++;
		if (chance(out, out->config.loss_ppm)) {
			out->stats.lost++;
		} else {
			direction_add(out, arrive_us, pkt->data, pkt->len);
			if (chance(out, out->config.duplicate_ppm)) {
				out->stats.duplicated++;
				direction_add(out, arrive_us, pkt->data, pkt->len);
			}
		}
		pkt_put(pkt);
	}
	return count;
}

static size_t memory_rx_burst(struct port *port, uint64_t now_us, struct pkt **out_pkts, size_t max)
{
	struct port_memory *memory = (struct port_memory *)port;
	struct direction *in = memory->in;
	size_t count = 0;

	while (count < max && in->count > 0 && in->heap[0].arrive_us <= now_us) {
		const struct flight *flight = &in->heap[0];
		struct pkt *pkt = pkt_get(memory->pool);
		if (pkt == NULL) {
			memory->stats
			    .rx_no_buffer++; /* as a card without descriptors: the frame is gone */
		} else {
			memcpy(pkt->data, in->octets + (size_t)flight->slot * FRAME_BYTES,
			       flight->len);
			pkt->len = flight->len;
			pkt->port = port->index;
			memory->stats.rx_pkts++;
			memory->stats.rx_bytes += flight->len;
			out_pkts[count++] = pkt;
		}
		heap_remove_first(in);
	}
	return count;
}

static int memory_sleep_fd(struct port *port)
{
	(void)port;
	return -1;
}

static void memory_stats(struct port *port, struct port_stats *out_stats)
{
	*out_stats = ((struct port_memory *)port)->stats;
}

/* The memory is the arena's. */
static void memory_close(struct port *port)
{
	((struct port_memory *)port)->in->count = 0;
}

static const struct port_ops memory_ops = {
    .rx_burst = memory_rx_burst,
    .tx_burst = memory_tx_burst,
    .sleep_fd = memory_sleep_fd,
    .stats = memory_stats,
    .close = memory_close,
};

static bool config_is_valid(const struct port_memory_config *config)
{
	return config->loss_ppm <= MILLION && config->duplicate_ppm <= MILLION &&
	       config->corrupt_ppm <= MILLION && config->reorder_ppm <= MILLION &&
	       config->jitter_us < UINT32_MAX && config->queue_pkts_max > 0 &&
	       config->queue_pkts_max <= UINT16_MAX;
}

static size_t direction_bytes(const struct port_memory_config *config)
{
	return sizeof(struct direction) +
	       config->queue_pkts_max * (sizeof(struct flight) + FRAME_BYTES) +
	       3 * _Alignof(max_align_t);
}

size_t port_memory_bytes(const struct port_memory_config *a_to_b,
                         const struct port_memory_config *b_to_a)
{
	return direction_bytes(a_to_b) + direction_bytes(b_to_a) + 2 * sizeof(struct port_memory) +
	       _Alignof(max_align_t);
}

static struct direction *direction_new(struct arena *arena, const struct port_memory_config *config)
{
	struct direction *direction = ARENA_TAKE(arena, 1, struct direction);

	if (direction == NULL)
		return NULL;
	direction->config = *config;
	random_seed(&direction->random, config->seed);
	direction->heap = ARENA_TAKE(arena, config->queue_pkts_max, struct flight);
	direction->octets = arena_take(arena, config->queue_pkts_max, FRAME_BYTES, 1);
	if (direction->heap == NULL || direction->octets == NULL)
		return NULL;
	for (uint32_t i = 0; i < config->queue_pkts_max; i++)
		direction->heap[i].slot = (uint16_t)i;
	return direction;
}

static void end_init(struct port_memory *end, uint8_t last_octet, struct direction *out,
                     struct direction *in, struct pkt_pool *pool)
{
	end->port = (struct port){
	    .ops = &memory_ops,
	    .mac = {2, 0, 0, 0, 0, last_octet},
	    .mtu = 1500,
	    .name = "memory",
	};
	end->out = out;
	end->in = in;
	end->pool = pool;
}

enum err port_memory_new(struct arena *arena, const struct port_memory_config *a_to_b,
                         const struct port_memory_config *b_to_a, struct pkt_pool *pool_a,
                         struct pkt_pool *pool_b, struct port **out_a, struct port **out_b)
{
	if (!config_is_valid(a_to_b) || !config_is_valid(b_to_a))
		return ERR_RANGE;
	struct direction *ab = direction_new(arena, a_to_b), *ba = direction_new(arena, b_to_a);
	struct port_memory *ends = ARENA_TAKE(arena, 2, struct port_memory);

	if (ab == NULL || ba == NULL || ends == NULL)
		return ERR_NO_MEMORY;
	end_init(&ends[0], 0xa, ab, ba, pool_a);
	end_init(&ends[1], 0xb, ba, ab, pool_b);
	*out_a = &ends[0].port;
	*out_b = &ends[1].port;
	return OK;
}

uint64_t port_memory_next_us(const struct port *port)
{
	const struct direction *in = ((const struct port_memory *)port)->in;

	return in->count > 0 ? in->heap[0].arrive_us : UINT64_MAX;
}

enum err port_memory_change(struct port *port, const struct port_memory_config *config)
{
	struct direction *out = ((struct port_memory *)port)->out;
	struct port_memory_config changed = *config;

	changed.seed = out->config.seed;
	changed.queue_pkts_max = out->config.queue_pkts_max;
	if (!config_is_valid(&changed))
		return ERR_RANGE;
	out->config = changed;
	return OK;
}

void port_memory_link_stats(const struct port *port, struct port_memory_stats *out_stats)
{
	*out_stats = ((const struct port_memory *)port)->out->stats;
}
