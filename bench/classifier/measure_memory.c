/* measure_memory.c - what messages of several sizes take of memory.
 *
 * A worker judges one message at a time, so what judging needs is a scratch of the worker's, the
 * same however many messages are under way. A message under way holds the packets its octets came
 * in and one record. Of the scratch the pages are counted that a message touches in a normaliser
 * that was never used: pages that were not are not resident.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "bench/classifier/bench_classifier.h"
#include "dataplane/gateway.h"
#include "tcpstack/pkt.h"

#define BUDGET_NS      UINT64_C(600000000000)
#define SAMPLES        5u
#define SEGMENT_OCTETS 1448u /* of a frame of 1500 with timestamps */
#define HEADER_OCTETS  66u   /* in front of it */

static const uint32_t sizes[] = {1000, 4000, 10600, 16000, 75000, 250000, 500000};

static uint64_t no_time(void)
{
	return 0;
}

static size_t resident(const struct arena *arena)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = arena->bytes_max / page, count = 0;
	unsigned char *in_core = malloc(pages);

	if (in_core != NULL && mincore(arena->memory, arena->bytes_max, in_core) == 0)
		for (size_t i = 0; i < pages; i++)
			count += in_core[i] & 1;
	free(in_core);
	return count * page;
}

/* Octets of the scratch that this message touches; 0 when memory is out. */
static size_t touched(struct bench_engine *engine, const struct bench_options *options,
                      struct bytes message)
{
	struct normaliser *before = engine->normaliser;
	struct normalised normalised;
	struct judgement judgement;
	struct arena arena;
	size_t octets = 0;

	if (arena_init(&arena, normaliser_bytes(options->message_bytes_max) + 4096, false) != OK)
		return 0;
	(void)madvise(arena.memory, arena.bytes_max, MADV_NOHUGEPAGE);
	engine->normaliser = normaliser_new(&arena, options->message_bytes_max,
	                                    &engine->mime_counters);
	if (engine->normaliser != NULL) {
		size_t unused = resident(&arena);

		bench_normalise(engine, message, &normalised);
		classifier_judge(engine->context, &normalised.texts, BUDGET_NS, no_time,
		                 &judgement);
		octets = resident(&arena) - unused;
		normaliser_close(engine->normaliser);
	}
	engine->normaliser = before;
	arena_free(&arena);
	return octets;
}

/* Octets of the packets that hold a message of that size, made as the gateway makes them from full
 * frames; 0 when memory is out. */
static size_t held_in_packets(size_t octets)
{
	uint32_t frames = (uint32_t)((octets + SEGMENT_OCTETS - 1) / SEGMENT_OCTETS);
	struct pkt_chain held = {0};
	struct arena arena;

	if (arena_init(&arena,
	               (size_t)(frames + 1) * (PKT_DATA_BYTES + sizeof(struct pkt) + 64) + 4096,
	               false) != OK)
		return 0;
	struct pkt_pool *pool = pkt_pool_memory(&arena, frames + 1);
	for (size_t left = octets; pool != NULL && left > 0;) {
		struct pkt *pkt = pkt_get(pool);

		pkt->data += HEADER_OCTETS;
		pkt->len = (uint16_t)(left < SEGMENT_OCTETS ? left : SEGMENT_OCTETS);
		memset(pkt->data, 0, pkt->len);
		left -= pkt->len;
		pkt_chain_pack(&held, pkt);
	}
	arena_free(&arena);
	return held.count * (PKT_DATA_BYTES + sizeof(struct pkt));
}

static uint64_t distance(const struct bench_messages *messages, uint32_t index, uint32_t size)
{
	uint64_t len = messages->message[index].content.len;

	return len > size ? len - size : size - len;
}

/* The messages nearest to a size. */
static uint32_t nearest(const struct bench_messages *messages, uint32_t size,
                        uint32_t out_index[SAMPLES])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < messages->count; i++) {
		uint32_t at = count < SAMPLES ? count++ : SAMPLES;

		while (at > 0 &&
		       distance(messages, i, size) < distance(messages, out_index[at - 1], size)) {
			if (at < SAMPLES)
				out_index[at] = out_index[at - 1];
			at--;
		}
		if (at < SAMPLES)
			out_index[at] = i;
	}
	return count;
}

static void print(uint32_t size, const char *metric, const char *unit, double value)
{
	printf("{\"case\": \"memory-%" PRIu32 "\", \"metric\": \"%s\", \"unit\": \"%s\", "
	       "\"value\": %.3f}\n",
	       size, metric, unit, value);
}

static void measure_size(struct bench_engine *engine, const struct bench_options *options,
                         const struct bench_messages *messages, uint32_t size)
{
	uint32_t index[SAMPLES], count = nearest(messages, size, index);
	double octets = 0, scratch = 0, held = 0;
	size_t reserved, record = gateway_message_bytes(&reserved);

	for (uint32_t i = 0; i < count; i++) {
		struct bytes content = messages->message[index[i]].content;

		octets += (double)content.len;
		scratch += (double)(touched(engine, options, content) + content.len);
		held += (double)(held_in_packets(content.len) + record);
	}
	print(size, "message_bytes", "octets", octets / count);
	print(size, "held", "octets", held / count);
	print(size, "held_by_size", "", held / octets);
	print(size, "scratch", "octets", scratch / count);
	print(size, "scratch_by_size", "", scratch / octets);
}

bool bench_measure_memory(struct bench_engine *engine, const struct bench_options *options,
                          const struct bench_messages *messages)
{
	size_t reserved, record = gateway_message_bytes(&reserved);

	printf("{\"case\": \"memory\", \"metric\": \"scratch_reserved\", \"unit\": \"octets\", "
	       "\"value\": %zu}\n",
	       normaliser_bytes(options->message_bytes_max) + options->message_bytes_max);
	printf("{\"case\": \"memory\", \"metric\": \"message_record\", \"unit\": \"octets\", "
	       "\"value\": %zu, \"reserved\": %zu}\n",
	       record, reserved);
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure_size(engine, options, messages, sizes[i]);
	return true;
}
