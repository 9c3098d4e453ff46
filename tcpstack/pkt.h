/* pkt.h - our view of one frame, and the pool frames come from.
 *
 * A packet is one buffer: headroom, then `len` octets at `data`. One owner at a time; passing a
 * packet to a function that "takes" it passes the duty to put it back. The pool is the memory hook
 * of the core: the DPDK port backs it with mbufs, the memory port with an arena, and the core
 * cannot tell.
 */
#ifndef TCPSTACK_PKT_H
#define TCPSTACK_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pkt_pool;

/* Input: not the first of the pieces of one segment that a port had to cut: they are answered as
 * one.
 */
#define PKT_PIECE 1
#define PKT_WHOLE 2 /* Input: an IP packet put together here from fragments */
#define PKT_HANDED \
	4 /* Input: the same, put together by another net that does not know whose it is */
#define PKT_START_BYTES 32 /* 64 of them cover a buffer */

struct pkt {
	struct pkt *next;      /* chain; owner's */
	uint8_t *data;         /* first octet of what is left of the frame */
	uint8_t *buffer;       /* start of the buffer; never changes */
	uint16_t buffer_bytes; /* of the buffer; never changes */
	uint16_t len;
	uint8_t port;   /* the port it came in by, or leaves by */
	uint8_t flags;  /* PKT_PIECE, PKT_WHOLE, PKT_HANDED */
	uint16_t ip_at; /* input, PKT_WHOLE: where in the buffer the IP packet begins */
	uint32_t seq;   /* TCP: sequence number of data[0], once the headers are off */
	uint32_t acked; /* TCP: how many octets of ours its sender had acknowledged */
	union {
		uint64_t at_us;  /* output: when it left */
		uint64_t starts; /* TCP's send queue: a bit for each PKT_START_BYTES of the buffer
		                    that a segment began in */
	};
	struct pkt_pool *pool;
};

/* Function pointers because a port decides where frames live; nothing else of the core is virtual.
 */
struct pkt_pool {
	struct pkt *(*get)(
	    struct pkt_pool *pool); /* NULL when empty; data points behind the headroom */
	void (*put)(struct pkt_pool *pool, struct pkt *pkt);
	uint32_t pkt_count;  /* in all */
	uint32_t free_count; /* kept by get and put, for memory pressure */
};

static inline struct pkt *pkt_get(struct pkt_pool *pool)
{
	return pool->get(pool);
}

static inline void pkt_put(struct pkt *pkt)
{
	pkt->pool->put(pkt->pool, pkt);
}

static inline size_t pkt_headroom(const struct pkt *pkt)
{
	return (size_t)(pkt->data - pkt->buffer);
}

static inline size_t pkt_tailroom(const struct pkt *pkt)
{
	return pkt->buffer_bytes - pkt_headroom(pkt) - pkt->len;
}

/* A chain owns its packets. */
struct pkt_chain {
	struct pkt *head, *tail;
	size_t bytes; /* sum of len */
	uint32_t count;
};

static inline void pkt_chain_push(struct pkt_chain *chain, struct pkt *pkt)
{
	pkt->next = NULL;
	if (chain->tail != NULL)
		chain->tail->next = pkt;
	else
		chain->head = pkt;
	chain->tail = pkt;
	chain->bytes += pkt->len;
	chain->count++;
}

static inline struct pkt *pkt_chain_pop(struct pkt_chain *chain)
{
	struct pkt *pkt = chain->head;

	if (pkt == NULL)
		return NULL;
	chain->head = pkt->next;
	if (chain->head == NULL)
		chain->tail = NULL;
	chain->bytes -= pkt->len;
	chain->count--;
	pkt->next = NULL;
	return pkt;
}

/* Moves what is left of `front` before the chain it came from. */
static inline void pkt_chain_put_back(struct pkt_chain *chain, struct pkt_chain *front)
{
	if (front->head == NULL)
		return;
	front->tail->next = chain->head;
	if (chain->tail == NULL)
		chain->tail = front->tail;
	chain->head = front->head;
	chain->bytes += front->bytes;
	chain->count += front->count;
	*front = (struct pkt_chain){0};
}

static inline void pkt_chain_put_all(struct pkt_chain *chain)
{
	struct pkt *pkt;

	while ((pkt = pkt_chain_pop(chain)) != NULL)
		pkt_put(pkt);
}

/* Appends the octets of `pkt`, which is taken, so that no buffer of the chain but the last has room
 * left at its end: what is to be kept for long takes the memory of its octets, whatever the size of
 * the segments it came in. Each octet is copied at most once. */
void pkt_chain_pack(struct pkt_chain *chain, struct pkt *pkt);

/* Takes `bytes` octets out of the chain, from the octet `from` on; all of them must be there. Whole
 * packets are put back; of the others the shorter side of one moves, and no more than that. */
void pkt_chain_cut(struct pkt_chain *chain, size_t from, size_t bytes);

/* A pool over an arena: the memory port, tests, fuzzers. `pkt_count` frames of PKT_DATA_BYTES. */
struct arena;
struct pkt_pool *pkt_pool_memory(struct arena *arena, uint32_t pkt_count);

#endif
