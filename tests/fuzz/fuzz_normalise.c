/* fuzz_normalise.c - a whole message of any octets: texts come out, segments lie inside them. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "smtp/normalise.h"

#define MESSAGE_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct normaliser *normaliser;

static void close_normaliser(void)
{
	normaliser_close(normaliser);
}

static void check(const struct normalised *normalised)
{
	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++) {
		const struct text *text = &normalised->texts.kind[kind];

		for (uint32_t i = 0; i < text->segment_count; i++) {
			const struct segment *s = &text->segments[i];

			ASSERT(s->start == SEGMENT_ABSENT ||
			       (s->start <= text->bytes && s->len <= text->bytes - s->start));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"Subject",      "ALL",
	                                    "ALL:raw",      "From:addr",
	                                    "From:name",    "ToCc:addr:host",
	                                    "Received:ip",  "X-Spam-Relays-External",
	                                    "EnvelopeFrom", "To:domain"};
	static struct selector selectors[10];
	static struct arena arena;
	static struct mime_counters counters;
	struct message_facts facts = {.in_session = false};
	struct normalised normalised;

	if (normaliser == NULL) {
		ASSERT(arena_init(&arena, normaliser_bytes(MESSAGE_BYTES_MAX), false) == OK);
		normaliser = normaliser_new(&arena, MESSAGE_BYTES_MAX, &counters);
		ASSERT(normaliser != NULL);
		atexit(close_normaliser);
		for (int i = 0; i < 10; i++)
			ASSERT(selector_parse(bytes_text(names[i]), &selectors[i]));
	}
	normalise(normaliser, bytes_of(data, size), &facts, selectors, 10, &normalised);
	ASSERT(normalised.texts.kind[TEXT_HEADER].segment_count == 10);
	check(&normalised);
	return 0;
}
