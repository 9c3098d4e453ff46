/* sim_card.c - a card with a queue for each of two workers. */
#include "sim_card.h"

#include <string.h>

#include "base/limits.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

#define ETH_BYTES      14
#define IP_BYTES       20
#define WORTH_BYTES    200 /* of IP: nobody cuts a SYN */
#define MORE_FRAGMENTS 0x20
#define PROTOCOL_TCP   6

static uint16_t get16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static void put16(uint8_t *data, size_t value)
{
	data[0] = (uint8_t)(value >> 8);
	data[1] = (uint8_t)value;
}

static bool is_tcp(const struct pkt *pkt)
{
	const uint8_t *ip = pkt->data + ETH_BYTES;

	return pkt->len >= ETH_BYTES + IP_BYTES + 20 && get16(pkt->data + 12) == ETHERTYPE_IP4 &&
	       ip[0] == 0x45 && ip[9] == PROTOCOL_TCP && get16(ip + 2) <= pkt->len - ETH_BYTES;
}

/* The header of a fragment that holds `bytes` from `offset` on. */
static void set_header(uint8_t *ip, uint16_t id, size_t offset, size_t bytes, bool more)
{
	uint16_t sum;

	put16(ip + 2, IP_BYTES + bytes);
	put16(ip + 4, id);
	put16(ip + 6, offset / 8);
	ip[6] |= more ? MORE_FRAGMENTS : 0;
	put16(ip + 10, 0);
	sum = checksum_fold(checksum_add(0, ip, IP_BYTES));
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Cuts `pkt` in two; NULL when no packet is free, and it is whole. */
static struct pkt *cut(struct sim_card *card, struct pkt *pkt)
{
	uint8_t *ip = pkt->data + ETH_BYTES;
	size_t bytes = get16(ip + 2) - (size_t)IP_BYTES;
	size_t first = 8 * (1 + random_below(&card->random, (uint32_t)(bytes - 1) / 8));
	struct pkt *rest = pkt_get(card->pool);

	if (rest == NULL)
		return NULL;
	card->id++;
	card->fragmented++;
	memcpy(rest->data, pkt->data, ETH_BYTES + IP_BYTES);
	memcpy(rest->data + ETH_BYTES + IP_BYTES, ip + IP_BYTES + first, bytes - first);
	rest->len = (uint16_t)(ETH_BYTES + IP_BYTES + bytes - first);
	rest->port = pkt->port;
	set_header(rest->data + ETH_BYTES, card->id, first, bytes - first, false);
	pkt->len = (uint16_t)(ETH_BYTES + IP_BYTES + first);
	set_header(ip, card->id, 0, first, true);
	return rest;
}

static void arrive(struct sim_card *card, struct pkt *pkt)
{
	const uint8_t *tcp = pkt->data + ETH_BYTES + IP_BYTES;
	uint32_t by_addresses = (uint32_t)card->salt % SIM_QUEUES;
	struct pkt *rest = NULL;

	if (!is_tcp(pkt)) {
		pkt_chain_push(&card->queue[0].waiting, pkt);
		return;
	}
	if (get16(pkt->data + ETH_BYTES + 2) >= WORTH_BYTES &&
	    random_below(&card->random, 100) < card->fragment_percent)
		rest = cut(card, pkt);
	if (rest == NULL) {
		uint64_t ports = get16(tcp) + ((uint64_t)get16(tcp + 2) << 16) + card->salt;

		ports *= 0x9e3779b97f4a7c15;
		pkt_chain_push(&card->queue[(ports >> 60) % SIM_QUEUES].waiting, pkt);
		return;
	}
	bool turned = random_below(&card->random, 4) == 0;
	pkt_chain_push(&card->queue[by_addresses].waiting, turned ? rest : pkt);
	pkt_chain_push(&card->queue[by_addresses].waiting, turned ? pkt : rest);
}

static size_t queue_rx(struct port *port, uint64_t now_us, struct pkt **out_pkts, size_t max)
{
	struct sim_queue *queue = (struct sim_queue *)port;
	struct sim_card *card = queue->card;
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count = card->wire->ops->rx_burst(card->wire, now_us, pkts, BURST_PKTS_MAX);

	for (size_t i = 0; i < count; i++)
		arrive(card, pkts[i]);
	for (count = 0; count < max && queue->waiting.count > 0; count++)
		out_pkts[count] = pkt_chain_pop(&queue->waiting);
	return count;
}

static size_t queue_tx(struct port *port, uint64_t now_us, struct pkt **pkts, size_t count)
{
	struct port *wire = ((struct sim_queue *)port)->card->wire;

	return wire->ops->tx_burst(wire, now_us, pkts, count);
}

static int queue_sleep_fd(struct port *port)
{
	(void)port;
	return -1;
}

static void queue_stats(struct port *port, struct port_stats *out_stats)
{
	struct port *wire = ((struct sim_queue *)port)->card->wire;

	wire->ops->stats(wire, out_stats);
}

static void queue_close(struct port *port)
{
	(void)port;
}

void sim_card_make(struct sim_card *card, struct port *wire, struct pkt_pool *pool, uint64_t seed,
                   uint32_t fragment_percent)
{
	static const struct port_ops ops = {.rx_burst = queue_rx,
	                                    .tx_burst = queue_tx,
	                                    .sleep_fd = queue_sleep_fd,
	                                    .stats = queue_stats,
	                                    .close = queue_close};

	memset(card, 0, sizeof(*card));
	card->wire = wire;
	card->pool = pool;
	random_seed(&card->random, seed);
	card->salt = random_u64(&card->random);
	card->fragment_percent = fragment_percent;
	for (uint32_t i = 0; i < SIM_QUEUES; i++) {
		card->queue[i].port = *wire;
		card->queue[i].port.ops = &ops;
		card->queue[i].card = card;
	}
}
