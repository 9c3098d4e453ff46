/* sim_checks.h - management as far as the worker's questions go: answers late, or never, by seed.
 */
#ifndef TESTS_SIM_CHECKS_H
#define TESTS_SIM_CHECKS_H

#include "base/question.h"
#include "base/random.h"

#define SIM_QUESTIONS_MAX 256

struct sim_checks {
	struct question_rings rings;
	struct random random; /* its own: without it a seed plays as it always has */
	uint32_t latest_us;   /* an answer takes so long at most */
	bool dies;            /* now and then, and comes back */
	uint64_t back_us;
	uint32_t count;
	struct {
		uint64_t id, due_us;
	} open[SIM_QUESTIONS_MAX];
};

void sim_checks_make(struct sim_checks *checks, uint64_t seed, uint32_t latest_us, bool dies);
void sim_checks_free(struct sim_checks *checks);
void sim_checks_run(struct sim_checks *checks, uint64_t now_us);

#endif
