/* sim_checks.c - management as far as the worker's questions go. */
#include "sim_checks.h"

#include <string.h>

#include "base/check.h"

#define SILENT_PERCENT 20
#define DIES_IN        20000 /* turns, on average */
#define AWAY_US        5000000

void sim_checks_make(struct sim_checks *checks, uint64_t seed, uint32_t latest_us, bool dies)
{
	memset(checks, 0, sizeof(*checks));
	enum err err = question_rings_create(&checks->rings, 1);

	ASSERT(err == OK);
	random_seed(&checks->random, ~seed);
	checks->latest_us = latest_us;
	checks->dies = dies;
	atomic_store(&question_rings_state(&checks->rings)->serving, 1);
}

void sim_checks_free(struct sim_checks *checks)
{
	question_rings_close(&checks->rings);
}

/* What it had in hand is lost with it; what lies in the ring is not. */
static bool is_away(struct sim_checks *checks, uint64_t now_us)
{
	struct question_state *state = question_rings_state(&checks->rings);

	if (checks->dies && checks->back_us == 0 && random_below(&checks->random, DIES_IN) == 0) {
		checks->back_us = now_us + AWAY_US;
		checks->count = 0;
		atomic_store(&state->serving, 0);
	}
	if (checks->back_us > now_us)
		return true;
	checks->back_us = 0;
	atomic_store(&state->serving, 1);
	return false;
}

static void take_questions(struct sim_checks *checks, uint64_t now_us)
{
	struct question question;

	while (checks->count < SIM_QUESTIONS_MAX &&
	       question_pop(question_rings_questions(&checks->rings, 0), &question)) {
		ASSERT(question_is_sound(&question));
		if (random_below(&checks->random, 100) < SILENT_PERCENT)
			continue;
		checks->open[checks->count].id = question.id;
		checks->open[checks->count++].due_us = now_us + random_below(&checks->random,
		                                                             checks->latest_us);
	}
}

void sim_checks_run(struct sim_checks *checks, uint64_t now_us)
{
	if (is_away(checks, now_us))
		return;
	take_questions(checks, now_us);
	for (uint32_t i = 0; i < checks->count;) {
		struct answer answer = {.id = checks->open[i].id, .ttl_s = 1};

		if (checks->open[i].due_us > now_us) {
			i++;
			continue;
		}
		answer.result = (uint16_t)random_below(&checks->random, ANSWER_RESULT_COUNT);
		ASSERT(answer_push(question_rings_answers(&checks->rings, 0), &answer));
		checks->open[i] = checks->open[--checks->count];
	}
}
