/* sim_card.h - a card with a queue for each of two workers: it chooses by ports where it sees them,
 * else by addresses; and what is sent through it may come in fragments.
 */
#ifndef TESTS_SIM_CARD_H
#define TESTS_SIM_CARD_H

#include "base/random.h"
#include "dataplane/port.h"

#define SIM_QUEUES 2

struct sim_card {
	struct port *wire;
	struct pkt_pool *pool;
	struct random random; /* its own: without it a seed plays as it always has */
	uint64_t salt;
	uint32_t fragment_percent; /* of the segments that are worth it */
	uint16_t id;
	uint32_t fragmented;
	struct sim_queue {
		struct port port; /* first */
		struct sim_card *card;
		struct pkt_chain waiting;
	} queue[SIM_QUEUES];
};

/* `wire` is what the card receives from and sends to; frames are of `pool`. */
void sim_card_make(struct sim_card *card, struct port *wire, struct pkt_pool *pool, uint64_t seed,
                   uint32_t fragment_percent);

#endif
