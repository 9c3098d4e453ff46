/* fuzz_answer.c - what workers read of management's shared memory: rings in any state, answers in
 * any octets. What a worker believes afterwards is sound, and what it was not told it does not
 * know.
 *
 * The input: steps of one octet each, with what follows it: ask, answer (a whole record, or one to
 * an open question), change a word of the rings, let time pass.
 */
#include <string.h>

#include "base/check.h"
#include "dataplane/inquiry.h"

#define NAMES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
	struct question_rings rings;
	struct inquiries *inquiries;
	struct gateway_counters counters;
	struct inquiry_ref ref[NAMES];
	bool told[NAMES]; /* some answer had its id */
	uint64_t now_us;
};

static struct bytes name_of(uint32_t index, char memory[16])
{
	memcpy(memory, "n0.example", 11);
	memory[1] = (char)('0' + index);
	return bytes_of(memory, 10);
}

static void open_play(struct play *play, struct arena *arena)
{
	struct inquiry_config config;

	memset(play, 0, sizeof(*play));
	play->now_us = 1000000;
	ASSERT(question_rings_create(&play->rings, 1) == OK);
	atomic_store(&question_rings_state(&play->rings)->serving, 1);
	config = (struct inquiry_config){.questions = question_rings_questions(&play->rings, 0),
	                                 .answers = question_rings_answers(&play->rings, 0),
	                                 .state = question_rings_state(&play->rings),
	                                 .wake_fd = -1,
	                                 .counters = &play->counters,
	                                 .secret = {{3, 4}}};
	ASSERT(arena_init(arena, inquiries_bytes(), false) == OK);
	play->inquiries = inquiries_new(arena, &config);
	ASSERT(play->inquiries != NULL);
}

static void check_known(struct play *play)
{
	char memory[16];

	for (uint32_t i = 0; i < NAMES; i++) {
		const struct answer *answer = inquiry_answer(play->inquiries, QUESTION_ADDRESS,
		                                             name_of(i, memory), play->now_us);

		if (answer == NULL)
			continue;
		ASSERT(play->told[i]);
		ASSERT(answer_is_sound(answer) && answer->result <= ANSWER_NONE);
	}
}

static void ask(struct play *play, uint32_t index)
{
	char memory[16];
	enum inquiry_result result = inquiry_ask(play->inquiries, QUESTION_ADDRESS,
	                                         name_of(index, memory), play->now_us, 1000000,
	                                         &play->ref[index]);

	ASSERT(result != INQUIRY_OPEN || inquiry_is_open(play->inquiries, play->ref[index]));
}

/* `its_id`: that of a question, whatever else the octets say. */
static void answer(struct play *play, const uint8_t *data, size_t size, int its_id)
{
	struct answer record;

	memset(&record, 0, sizeof(record));
	memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
	if (its_id >= 0)
		record.id = play->ref[its_id].id;
	for (uint32_t i = 0; i < NAMES; i++)
		play->told[i] |= play->ref[i].id == record.id;
	(void)answer_push(question_rings_answers(&play->rings, 0), &record);
}

/* Answers may come out of the rings that were never put in: of any id. */
static void damage(struct play *play, const uint8_t *data, size_t size)
{
	uint8_t *rings = (uint8_t *)question_rings_questions(&play->rings, 0);
	size_t room = play->rings.bytes - (size_t)(rings - play->rings.memory);
	uint32_t offset = 0;

	if (size < 5)
		return;
	memcpy(&offset, data, 4);
	rings[offset % room] ^= data[4];
	memset(play->told, 1, sizeof(play->told));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play;
	struct arena arena;
	size_t at = 0;

	open_play(&play, &arena);
	while (at < size) {
		uint8_t step = data[at++];
		uint32_t index = step >> 2 & (NAMES - 1);
		size_t left = size - at;

		switch (step & 3) {
		case 0:
			ask(&play, index);
			break;
		case 1:
			answer(&play, data + at, left, (step & 0x80) != 0 ? (int)index : -1);
			at += left < 24 ? left : 24;
			(void)inquiries_run(play.inquiries, play.now_us);
			break;
		case 2:
			damage(&play, data + at, left);
			at += left < 5 ? left : 5;
			(void)inquiries_run(play.inquiries, play.now_us);
			break;
		default:
			play.now_us += (uint64_t)1 << (step >> 2 & 31);
			break;
		}
		check_known(&play);
	}
	question_rings_close(&play.rings);
	arena_free(&arena);
	return 0;
}
