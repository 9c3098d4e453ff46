/* ring_port.c - frames copied into a ring by one thread and out of it by another. */
#include "ring_port.h"

#include <string.h>

#include "base/check.h"

struct frame {
	uint16_t len;
	uint8_t octets[RING_FRAME_BYTES];
};

static size_t rx_burst(struct port *port, uint64_t now_us, struct pkt **out_pkts, size_t max)
{
	struct ring_port *its = (struct ring_port *)port;
	struct frame frame;
	size_t count = 0;

	(void)now_us;
	while (count < max && ring_pop(its->in, &frame)) {
		struct pkt *pkt = pkt_get(its->pool);

		if (pkt == NULL) {
			its->stats.rx_no_buffer++;
			continue;
		}
		memcpy(pkt->data, frame.octets, frame.len);
		pkt->len = frame.len;
		pkt->port = port->index;
		out_pkts[count++] = pkt;
		its->stats.rx_pkts++;
		its->stats.rx_bytes += frame.len;
	}
	return count;
}

static size_t tx_burst(struct port *port, uint64_t now_us, struct pkt **pkts, size_t count)
{
	struct ring_port *its = (struct ring_port *)port;
	struct frame frame;

	(void)now_us;
	for (size_t i = 0; i < count; i++) {
		ASSERT(pkts[i]->len <= sizeof(frame.octets));
		frame.len = pkts[i]->len;
		memcpy(frame.octets, pkts[i]->data, frame.len);
		its->stats.tx_failed += !ring_push(its->out, &frame);
		its->stats.tx_pkts++;
		its->stats.tx_bytes += frame.len;
		pkt_put(pkts[i]);
	}
	return count;
}

static int sleep_fd(struct port *port)
{
	(void)port;
	return -1;
}

static void stats(struct port *port, struct port_stats *out_stats)
{
	*out_stats = ((struct ring_port *)port)->stats;
}

static void close_nothing(struct port *port)
{
	(void)port;
}

static const struct port_ops ops = {rx_burst, tx_burst, sleep_fd, stats, close_nothing};

static struct ring *new_ring(struct arena *arena)
{
	void *memory = arena_take(arena, 1, ring_bytes(sizeof(struct frame), RING_FRAMES), 64);

	ASSERT(memory != NULL);
	return ring_init(memory, sizeof(struct frame), RING_FRAMES);
}

static void fill(struct ring_port *its, struct pkt_pool *pool, uint8_t mac, struct ring *in,
                 struct ring *out)
{
	*its = (struct ring_port){
	    .port = {.ops = &ops, .mac = {2, 0, 0, 0, 0, mac}, .mtu = 1500, .name = "ring"},
	    .pool = pool,
	    .in = in,
	    .out = out,
	};
}

void ring_ports_make(struct arena *arena, struct ring_port *a, struct pkt_pool *pool_a,
                     uint8_t mac_a, struct ring_port *b, struct pkt_pool *pool_b, uint8_t mac_b)
{
	struct ring *there = new_ring(arena), *back = new_ring(arena);

	fill(a, pool_a, mac_a, back, there);
	fill(b, pool_b, mac_b, there, back);
}
