/* compare.c - hits with triggers against hits of every rule on every segment, and judgements that
 * leave subtests out against those of all rules. */
#include "bench/classifier/bench_classifier.h"

#include <inttypes.h>
#include <stdio.h>

#define SHOWN_MAX 50
#define BUDGET_NS UINT64_C(600000000000)

static uint64_t no_time(void)
{
	return 0;
}

/* Rules that hit differently often, of one message. */
static uint32_t differences(const struct bench_engine *triggered, const struct bench_engine *brute,
                            const char *name, uint32_t shown)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ruleset_rule_count(triggered->ruleset); i++) {
		const struct rule_state *a = &triggered->context->state[i];
		const struct rule_state *b = &brute->context->state[i];

		/* What PCRE2 gives up on everywhere may be known by what triggers it. */
		bool unsettled = b->not_run && a->count >= b->count;
		if (unsettled || (a->count == b->count && a->not_run == b->not_run))
			continue;
		if (shown + count++ < SHOWN_MAX)
			fprintf(stderr, "%s: %s %" PRIu32 "%s, by brute force %" PRIu32 "%s\n",
			        name, ruleset_rule_name(triggered->ruleset, i), a->count,
			        a->not_run ? " and not run" : "", b->count,
			        b->not_run ? " and not run" : "");
	}
	return count;
}

static bool is_same(const struct judgement *a, const struct judgement *b)
{
	return a->score_milli == b->score_milli && a->hit_count == b->hit_count &&
	       memcmp(a->hit, b->hit, a->hit_count * sizeof(a->hit[0])) == 0;
}

bool bench_compare(struct bench_engine *engine, const struct bench_options *options,
                   const struct bench_messages *messages)
{
	struct bench_options plain = *options, verdicts = *options;

	plain.memo_bytes = 0;
	verdicts.brute = false;
	struct bench_engine *brute = bench_engine_new(&plain, true);
	struct bench_engine *quick = brute != NULL ? bench_engine_new(&verdicts, false) : NULL;
	struct normalised normalised;
	struct judgement judgement, verdict, wanted;
	uint64_t hits = 0;
	uint32_t wrong = 0;

	if (quick == NULL) {
		bench_engine_free(brute);
		return false;
	}
	for (uint32_t i = 0; i < messages->count; i++) {
		bench_normalise(engine, messages->message[i].content, &normalised);
		classifier_judge(engine->context, &normalised.texts, BUDGET_NS, no_time,
		                 &judgement);
		classifier_judge(brute->context, &normalised.texts, BUDGET_NS, no_time, &wanted);
		classifier_judge(quick->context, &normalised.texts, BUDGET_NS, no_time, &verdict);
		wrong += differences(engine, brute, messages->message[i].name, wrong);
		wrong += !is_same(&judgement, &wanted);
		wrong += !is_same(&verdict, &judgement);
		hits += judgement.hit_count + judgement.hits_left_out;
	}
	printf("{\"case\": \"compare\", \"messages\": %" PRIu32 ", \"hits\": %" PRIu64
	       ", \"differences\": %" PRIu32 "}\n",
	       messages->count, hits, wrong);
	bench_engine_free(quick);
	bench_engine_free(brute);
	return wrong == 0;
}

static void print_rule(const struct bench_engine *engine, uint32_t rule)
{
	const struct rule_state *state = &engine->context->state[rule];
	double value;
	bool known = classifier_rule_value(engine->context, rule, &value);

	if (known && value == 0 && state->count == 0 && !state->not_run)
		return;
	printf(" %s=%g", ruleset_rule_name(engine->ruleset, rule), value);
	if (state->count != value && state->count != 0)
		printf("/%" PRIu32, state->count);
	if (!known || state->not_run)
		printf("?");
}

void bench_print_hits(struct bench_engine *engine, const struct bench_messages *messages)
{
	struct normalised normalised;
	struct judgement judgement;

	for (uint32_t i = 0; i < messages->count; i++) {
		bench_normalise(engine, messages->message[i].content, &normalised);
		classifier_judge(engine->context, &normalised.texts, BUDGET_NS, no_time,
		                 &judgement);
		printf("%s %" PRId32, messages->message[i].name, judgement.score_milli);
		for (uint32_t rule = 0; rule < ruleset_rule_count(engine->ruleset); rule++)
			print_rule(engine, rule);
		putchar('\n');
	}
}
