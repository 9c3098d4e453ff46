/* fuzz_handover.c - frames between workers: each is kept, handed to one other or copied to all, and
 * no octet past its end is read.
 *
 * Input: an octet for the number of workers and who receives, then frames behind their length (two
 * octets, little endian).
 */
#include <stdlib.h>

#include "base/check.h"
#include "dataplane/handover.h"
#include "dataplane/owner.h"

#define FRAMES_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pool_exact {
	struct pkt_pool pool;
	uint32_t out_count;
};

static struct pkt *exact_take(struct pool_exact *exact, size_t bytes)
{
	struct pkt *pkt = calloc(1, sizeof(*pkt));
	uint8_t *buffer = calloc(1, PKT_HEADROOM_BYTES + bytes);

	ASSERT(pkt != NULL && buffer != NULL);
	pkt->buffer = buffer;
	pkt->buffer_bytes = (uint16_t)(PKT_HEADROOM_BYTES + bytes);
	pkt->data = buffer + PKT_HEADROOM_BYTES;
	pkt->pool = &exact->pool;
	exact->out_count++;
	return pkt;
}

static struct pkt *exact_get(struct pkt_pool *pool)
{
	return exact_take((struct pool_exact *)pool, PKT_DATA_BYTES - PKT_HEADROOM_BYTES);
}

static void exact_put(struct pkt_pool *pool, struct pkt *pkt)
{
	((struct pool_exact *)pool)->out_count--;
	free(pkt->buffer);
	free(pkt);
}

static void make_config(struct config *config, uint32_t workers)
{
	static const char text[] = "backends { a { address = 10.0.0.1; port = 25 } "
	                           "b { address = \"2001:db8::1\"; port = 2525 } }\n";
	struct config_error error;

	config_defaults(config);
	ASSERT(config_parse("fuzz", text, sizeof(text) - 1, config, &error));
	config->workers = workers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct pool_exact exact = {.pool = {exact_get, exact_put, 0, 0}};
	struct worker_link links[4];
	struct worker_link *link[4];
	struct arena arena;
	static struct owners owners;
	struct handover_counts counts = {0};
	size_t at = 1, taken = 0, sent = 0;

	if (size < 1)
		return 0;
	make_config(&config, 2 + data[0] % 3);
	uint32_t self = data[0] / 4 % config.workers;
	memset(links, 0, sizeof(links));
	for (int i = 0; i < 4; i++) {
		links[i].wake_fd = -1;
		link[i] = &links[i];
	}
	ASSERT(arena_init(&arena, handover_bytes(config.workers), false) == OK);
	memset(&owners, 0, sizeof(owners));
	owners_init(&owners, &config);
	struct handover *handover = handover_new(&arena, &config, &owners, link);
	ASSERT(handover != NULL);
	for (int i = 0; i < FRAMES_MAX && at + 2 <= size; i++) {
		size_t bytes = (data[at] | (size_t)data[at + 1] << 8) & 0x7ff;
		at += 2;
		bytes = bytes < size - at ? bytes : size - at;
		struct pkt *pkt = exact_take(&exact, bytes > 0 ? bytes : 1);
		memcpy(pkt->data, data + at, bytes);
		pkt->len = (uint16_t)bytes;
		at += bytes;
		sent++;
		if (handover_sort(handover, self, &pkt, 1, &counts) == 1)
			pkt_put(pkt);
	}
	for (uint32_t w = 0; w < config.workers; w++) {
		struct pkt *pkts[8];
		size_t count;
		ASSERT(w != self || !handover_waits(handover, w));
		while ((count = handover_take(handover, w, &exact.pool, pkts, 8)) > 0) {
			taken += count;
			for (size_t i = 0; i < count; i++)
				pkt_put(pkts[i]);
		}
		ASSERT(!handover_waits(handover, w));
	}
	ASSERT(taken <= sent * (config.workers - 1) && exact.out_count == 0);
	arena_free(&arena);
	return 0;
}
