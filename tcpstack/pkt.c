/* pkt.c - packets packed and cut, and a pool of them over an arena. */
#include "tcpstack/pkt.h"

#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/limits.h"

void pkt_chain_pack(struct pkt_chain *chain, struct pkt *pkt)
{
	struct pkt *tail = chain->tail;
	size_t room = tail != NULL ? pkt_tailroom(tail) : 0;
	size_t fit = pkt->len < room ? pkt->len : room;

	if (fit > 0) {
		memcpy(tail->data + tail->len, pkt->data, fit);
		tail->len = (uint16_t)(tail->len + fit);
		chain->bytes += fit;
		pkt->data += fit;
		pkt->len = (uint16_t)(pkt->len - fit);
	}
	if (pkt->len == 0) {
		pkt_put(pkt);
		return;
	}
	/* Nothing is put in front of it any more: the room there is used behind. */
	memmove(pkt->buffer, pkt->data, pkt->len);
	pkt->data = pkt->buffer;
	pkt_chain_push(chain, pkt);
}

static void cut_octets(struct pkt *pkt, size_t from, size_t bytes)
{
	size_t behind = pkt->len - from - bytes;

	if (from < behind) {
		memmove(pkt->data + bytes, pkt->data, from);
		pkt->data += bytes;
	} else {
		memmove(pkt->data + from, pkt->data + from + bytes, behind);
	}
	pkt->len = (uint16_t)(pkt->len - bytes);
}

void pkt_chain_cut(struct pkt_chain *chain, size_t from, size_t bytes)
{
	struct pkt *before = NULL, *pkt = chain->head;

	ASSERT(from <= chain->bytes && bytes <= chain->bytes - from);
	while (bytes > 0) {
		struct pkt *next = pkt->next;
		size_t here = from < pkt->len ? pkt->len - from : 0;
		size_t take = here < bytes ? here : bytes;

		if (take > 0 && take == pkt->len) {
			*(before != NULL ? &before->next : &chain->head) = next;
			chain->tail = next != NULL ? chain->tail : before;
			chain->count--;
			pkt_put(pkt);
		} else {
			from -= here > 0 ? from : pkt->len;
			if (take > 0)
				cut_octets(pkt, pkt->len - here, take);
			before = pkt;
		}
		chain->bytes -= take;
		bytes -= take;
		pkt = next;
	}
}

struct pool_memory {
	struct pkt_pool pool; /* first: handed out by its address */
	struct pkt *free;
};

static struct pkt *memory_get(struct pkt_pool *pool)
{
	struct pool_memory *memory = (struct pool_memory *)pool;
	struct pkt *pkt = memory->free;

	if (pkt == NULL)
		return NULL;
	memory->free = pkt->next;
	pool->free_count--;
	pkt->next = NULL;
	pkt->data = pkt->buffer + PKT_HEADROOM_BYTES;
	pkt->len = 0;
	pkt->port = 0;
	pkt->flags = 0;
	pkt->seq = 0;
	pkt->acked = 0;
	pkt->at_us = 0;
	return pkt;
}

static void memory_put(struct pkt_pool *pool, struct pkt *pkt)
{
	struct pool_memory *memory = (struct pool_memory *)pool;

	ASSERT(pkt->pool == pool);
	ASSERT(pool->free_count < pool->pkt_count);
	pkt->next = memory->free;
	memory->free = pkt;
	pool->free_count++;
}

struct pkt_pool *pkt_pool_memory(struct arena *arena, uint32_t pkt_count)
{
	struct pool_memory *memory = ARENA_TAKE(arena, 1, struct pool_memory);
	struct pkt *pkts = ARENA_TAKE(arena, pkt_count, struct pkt);
	uint8_t *buffers = arena_take(arena, pkt_count, PKT_DATA_BYTES, 64);

	if (memory == NULL || pkts == NULL || buffers == NULL)
		return NULL;
	memory->pool = (struct pkt_pool){
	    .get = memory_get, .put = memory_put, .pkt_count = pkt_count, .free_count = pkt_count};
	for (uint32_t i = pkt_count; i-- > 0;) {
		pkts[i].buffer = buffers + (size_t)i * PKT_DATA_BYTES;
		pkts[i].buffer_bytes = PKT_DATA_BYTES;
		pkts[i].pool = &memory->pool;
		pkts[i].next = memory->free;
		memory->free = &pkts[i];
	}
	return &memory->pool;
}
