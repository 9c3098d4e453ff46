/* event.c - names of kinds, stages and verdicts, and ids as people read them out. */
#include "base/event.h"

#include <assert.h>

#include "base/check.h"

static_assert(sizeof(struct event) % 8 == 0, "records in a ring stay aligned");
static_assert(sizeof(((struct event){0}).rules) == EVENT_RULES_MAX * sizeof(struct event_rule) &&
                  sizeof(struct event_rule) == 8,
              "no padding between rules");
static_assert(sizeof(struct event_shadow) ==
                      24 + EVENT_SHADOW_RULES_MAX * sizeof(struct event_shadow_rule) &&
                  sizeof(struct event_shadow_rule) == 12,
              "no padding between rules that differ");

static const char *const kind_texts[EVENT_KIND_COUNT] = {
#define EVENT_KIND(name, text, help) [EVENT_##name] = (text),
#define EVENT_STAGE(name, text)
#define EVENT_VERDICT(name, text)
#include "base/events.def"
};

static const char *const stage_texts[EVENT_STAGE_COUNT] = {
#define EVENT_KIND(name, text, help)
#define EVENT_STAGE(name, text) [STAGE_##name] = (text),
#define EVENT_VERDICT(name, text)
#include "base/events.def"
};

static const char *const verdict_texts[VERDICT_COUNT] = {
#define EVENT_KIND(name, text, help)
#define EVENT_STAGE(name, text)
#define EVENT_VERDICT(name, text) [VERDICT_##name] = (text),
#include "base/events.def"
};

const char *event_kind_text(enum event_kind kind)
{
	return (unsigned)kind < EVENT_KIND_COUNT ? kind_texts[kind] : "unknown";
}

const char *event_stage_text(enum event_stage stage)
{
	return (unsigned)stage < EVENT_STAGE_COUNT ? stage_texts[stage] : "unknown";
}

const char *verdict_text(enum verdict verdict)
{
	return (unsigned)verdict < VERDICT_COUNT ? verdict_texts[verdict] : "unknown";
}

/* Crockford's alphabet: no I, L, O, U. Thirteen characters hold 65 bits, so the first is at most F.
 */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
#define ID_CHARACTERS (EVENT_ID_TEXT_BYTES - 1)

void event_id_format(uint64_t id, char out[EVENT_ID_TEXT_BYTES])
{
	for (int i = ID_CHARACTERS - 1; i >= 0; i--) {
		out[i] = alphabet[id % 32];
		id /= 32;
	}
	out[ID_CHARACTERS] = '\0';
}

/* 0..31, or 32 for what is not in the alphabet. People write o for 0, i and l for 1. */
static uint32_t character_value(uint8_t character)
{
	uint32_t value = 0;

	if (character >= 'a' && character <= 'z')
		character = (uint8_t)(character - 'a' + 'A');
	if (character == 'O')
		character = '0';
	if (character == 'I' || character == 'L')
		character = '1';
	while (value < 32 && (uint8_t)alphabet[value] != character)
		value++;
	return value;
}

bool event_id_parse(struct bytes text, uint64_t *out_id)
{
	uint64_t id = 0;

	if (text.len != ID_CHARACTERS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint32_t value = character_value(text.data[i]);
		if (value >= (i == 0 ? 16 : 32))
			return false;
		id = id * 32 + value;
	}
	*out_id = id;
	return true;
}
