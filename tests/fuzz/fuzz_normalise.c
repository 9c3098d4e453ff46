/* fuzz_normalise.c - a whole message of any octets: texts come out, segments lie inside them. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/facts.h"
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

/* Adds up what a slice points to, so that a sanitizer sees one that points nowhere. */
static void read_all(struct bytes b)
{
	static volatile uint32_t sum;

	for (size_t i = 0; i < b.len; i++)
		sum = sum + b.data[i];
}

static void check_html(const struct fact_html *html)
{
	ASSERT(html->tags <= FACT_TAGS_MAX && html->anchor_count <= FACT_HTML_TEXTS_MAX);
	ASSERT(html->element_count <= html->tag_count && html->elements_seen <= html->tags_seen);
	ASSERT(html->non_space_len <= html->html_length && html->min_size <= html->max_size);
	for (uint32_t i = 0; i < html->tags; i++)
		read_all(html->tag[i].name);
	for (uint32_t i = 0; i < html->comment_count; i++)
		read_all(html->comment[i]);
	for (uint32_t i = 0; i < html->title_count; i++)
		read_all(html->title[i]);
	for (uint32_t i = 0; i < html->script_count; i++)
		read_all(html->script[i]);
	for (uint32_t i = 0; i < html->anchor_count; i++) {
		read_all(html->anchor[i].href);
		read_all(html->anchor[i].text);
	}
}

static void check_facts(const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->part_count; i++) {
		const struct fact_part *part = &facts->part[i];

		ASSERT(part->parent <= i && part->behind > i && part->behind <= facts->part_count);
		ASSERT(part->field_first + part->field_count <= facts->field_count);
		ASSERT(part->html == FACT_NONE || facts->html[part->html].part == i);
		read_all(part->type);
		read_all(part->name);
		read_all(part->charset);
		read_all(part->rendered);
	}
	for (uint32_t i = 0; i < facts->field_count; i++) {
		read_all(facts->field[i].raw);
		read_all(facts->field[i].value);
	}
	for (uint32_t i = 0; i < facts->relay_count; i++)
		read_all(facts->relay[i].rdns);
	for (uint32_t i = 0; i < facts->html_count; i++)
		check_html(&facts->html[i]);
	ASSERT(facts->relay_count == facts->relays_trusted + facts->relays_untrusted);
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
	check_facts(normalised.texts.facts);
	return 0;
}
