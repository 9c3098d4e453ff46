/* measure_stages.c - time per message, by stage and by rule. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "bench/classifier/bench_classifier.h"
#include "bench/common/json_out.h"

#define BUDGET_NS UINT64_C(600000000000)

struct sample { /* of one message, its fastest round; nanoseconds but for the profile */
	uint64_t total, prepare, judge;
	uint64_t profiled;
	struct scan_profile profile;
};

struct rule_cost {
	uint64_t time; /* of the fastest round */
	uint32_t confirms, hits, rule;
};

struct measuring {
	struct bench_engine *engine;
	const struct bench_messages *messages;
	struct sample *sample;
	struct scan_profile profile;
	struct rule_cost *cost;
	double ns_per_tick;
	struct classifier_counters counters; /* of one round */
};

#if defined(__x86_64__)
static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#else
static uint64_t ticks(void)
{
	return clock_thread_cpu_ns();
}
#endif

static uint64_t wall_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double calibrate(void)
{
	uint64_t ns = wall_ns(), tick = ticks(), now;

	do {
		now = wall_ns();
	} while (now - ns < 50000000);
	return (double)(now - ns) / (double)(ticks() - tick);
}

static uint64_t no_time(void)
{
	return 0;
}

static void run_plain(struct measuring *m, uint32_t index)
{
	struct sample *sample = &m->sample[index];
	struct normalised normalised;
	struct judgement judgement;

	uint64_t start = ticks();
	bench_normalise(m->engine, m->messages->message[index].content, &normalised);
	uint64_t prepared = ticks();
	classifier_judge(m->engine->context, &normalised.texts, BUDGET_NS, no_time, &judgement);
	uint64_t end = ticks();
	if (sample->total != 0 && end - start >= sample->total)
		return;
	sample->total = end - start;
	sample->prepare = prepared - start;
	sample->judge = end - prepared;
}

static void run_profiled(struct measuring *m, uint32_t index)
{
	struct sample *sample = &m->sample[index];
	struct normalised normalised;
	struct judgement judgement;

	memset(m->profile.stage, 0, sizeof(m->profile.stage));
	m->profile.evals = 0;
	bench_normalise(m->engine, m->messages->message[index].content, &normalised);
	m->engine->context->profile = &m->profile;
	uint64_t start = ticks();
	classifier_judge(m->engine->context, &normalised.texts, BUDGET_NS, no_time, &judgement);
	uint64_t took = ticks() - start;
	m->engine->context->profile = NULL;
	if (sample->profiled != 0 && took >= sample->profiled)
		return;
	sample->profiled = took;
	sample->profile = m->profile;
}

static bool allocate(struct measuring *m)
{
	uint32_t rules = ruleset_rule_count(m->engine->ruleset) + 1;

	m->sample = calloc(m->messages->count, sizeof(*m->sample));
	m->cost = calloc(rules, sizeof(*m->cost));
	m->profile.rule = calloc(rules, sizeof(*m->profile.rule));
	return m->sample != NULL && m->cost != NULL && m->profile.rule != NULL;
}

static void take_rule_costs(struct measuring *m, bool first)
{
	uint32_t rules = ruleset_rule_count(m->engine->ruleset);

	for (uint32_t i = 0; i < rules; i++) {
		uint64_t time = m->profile.rule[i].time;

		if (first || time < m->cost[i].time)
			m->cost[i] = (struct rule_cost){time, m->profile.rule[i].confirms,
			                                m->profile.rule[i].hits, i};
	}
	memset(m->profile.rule, 0, rules * sizeof(*m->profile.rule));
}

/* A reader that is new finds nothing of those before it. */
static void forget_texts(struct bench_engine *engine)
{
	if (engine->memo != NULL)
		scan_context_set_memo(engine->context, engine->memo);
}

static void run_rounds(struct measuring *m, uint32_t rounds)
{
	m->profile.now = ticks;
	for (uint32_t round = 0; round < rounds; round++) {
		memset(&m->engine->counters, 0, sizeof(m->engine->counters));
		forget_texts(m->engine);
		for (uint32_t i = 0; i < m->messages->count; i++)
			run_plain(m, i);
		m->counters = m->engine->counters;
		forget_texts(m->engine);
		for (uint32_t i = 0; i < m->messages->count; i++)
			run_profiled(m, i);
		take_rule_costs(m, round == 0);
	}
}

static void print(const char *name, const char *metric, const char *unit, double value)
{
	printf("{\"case\": \"%s\", \"metric\": \"%s\", \"unit\": \"%s\", \"value\": %.3f}\n", name,
	       metric, unit, value);
}

static void print_stages(const struct measuring *m)
{
	static const char *const kind_name[TEXT_KIND_COUNT] = {"body", "rawbody", "uri", "full",
	                                                       "header"};
	static const char *const stage_name[STAGE_COUNT] = {
	    "", "literal", "gate", "residual", "triggered", "deferred", "memo"};
	double per = m->ns_per_tick / 1000 / m->messages->count, all = 0, literal = 0;
	uint64_t profiled = 0, evals = 0;

	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++)
		for (int stage = STAGE_LITERAL; stage < STAGE_COUNT; stage++) {
			uint64_t scan = 0, confirm = 0;
			char metric[64];

			for (uint32_t i = 0; i < m->messages->count; i++) {
				scan += m->sample[i].profile.stage[kind][stage].scan;
				confirm += m->sample[i].profile.stage[kind][stage].confirm;
			}
			snprintf(metric, sizeof(metric), "%s_scan", stage_name[stage]);
			print(kind_name[kind], metric, "us", (double)scan * per);
			snprintf(metric, sizeof(metric), "%s_confirm", stage_name[stage]);
			print(kind_name[kind], metric, "us", (double)confirm * per);
			all += (double)(scan + confirm) * per;
			literal += stage == STAGE_LITERAL ? (double)scan * per : 0;
		}
	for (uint32_t i = 0; i < m->messages->count; i++) {
		profiled += m->sample[i].profiled;
		evals += m->sample[i].profile.evals;
	}
	print("all", "literal_scan", "us", literal);
	print("all", "evals", "us", (double)evals * per);
	print("all", "score", "us", (double)(profiled - evals) * per - all);
	print("all", "profiled", "us", (double)profiled * per);
}

static int costlier(const void *left, const void *right)
{
	const struct rule_cost *a = left, *b = right;

	return a->time < b->time ? 1 : a->time > b->time ? -1 : 0;
}

static const char *placement(const struct measuring *m, uint32_t rule)
{
	const struct ruleset *r = m->engine->ruleset;

	for (uint32_t k = 0; k < GROUP_COUNT; k++) {
		const struct ruleset_group *group = &r->group[k];

		for (uint32_t i = 0; i < group->residual_count; i++)
			if (group->residual[i] == rule)
				return "residual";
		for (uint32_t i = 0; i < group->gate_rule_count; i++)
			if (group->gate_rules[i].rule == rule)
				return "gate";
	}
	return r->rule[rule].kind == BLOB_RULE_EVAL ? "eval" : "literal";
}

static void print_rule(const struct measuring *m, const struct rule_cost *cost, double per)
{
	const struct ruleset *r = m->engine->ruleset;

	printf("{\"case\": \"rule %s\", \"metric\": \"confirm\", \"unit\": \"us\", "
	       "\"value\": %.3f, \"confirms\": %.2f, \"hits\": %.3f, \"text\": %d, "
	       "\"placed\": \"%s\", \"pattern\": ",
	       ruleset_rule_name(r, cost->rule), (double)cost->time * per,
	       (double)cost->confirms / m->messages->count, (double)cost->hits / m->messages->count,
	       r->rule[cost->rule].text_kind, placement(m, cost->rule));
	json_out_string(stdout, bytes_of(r->texts + r->rule[cost->rule].pattern,
	                                 r->rule[cost->rule].pattern_bytes));
	puts("}");
}

static void print_rules(struct measuring *m, uint32_t top)
{
	uint32_t rules = ruleset_rule_count(m->engine->ruleset);
	double per = m->ns_per_tick / 1000 / m->messages->count;

	qsort(m->cost, rules, sizeof(*m->cost), costlier);
	for (uint32_t i = 0; i < top && i < rules && m->cost[i].time > 0; i++)
		print_rule(m, &m->cost[i], per);
}

static void print_totals(const struct measuring *m)
{
	uint64_t total = 0, prepare = 0, judge = 0;
	double count = m->messages->count;

	for (uint32_t i = 0; i < m->messages->count; i++) {
		total += m->sample[i].total;
		prepare += m->sample[i].prepare;
		judge += m->sample[i].judge;
	}
	print("all", "messages", "messages", count);
	print("all", "message_bytes", "octets", (double)m->messages->bytes / count);
	print("all", "text_bytes", "octets", (double)m->counters.text_bytes / count);
	print("all", "literal_hits", "hits", (double)m->counters.literal_hits / count);
	print("all", "gate_hits", "hits", (double)m->counters.gate_hits / count);
	print("all", "confirms", "confirms", (double)m->counters.confirms / count);
	print("all", "confirm_hits", "confirms", (double)m->counters.confirm_hits / count);
	if (m->engine->memo != NULL) {
		print("all", "memo_hits", "texts", (double)m->counters.memo_hits / count);
		print("all", "memo_misses", "texts", (double)m->counters.memo_misses / count);
		print("all", "memo_evictions", "texts", (double)m->counters.memo_evictions / count);
		print("all", "memo_too_large", "texts", (double)m->counters.memo_too_large / count);
	}
	print("all", "compile", "us", (double)m->engine->compile_us);
	print("all", "open", "us", (double)m->engine->open_us);
	print("all", "open_like", "us", (double)m->engine->reopen_us);
	print("all", "prepare", "us", (double)prepare * m->ns_per_tick / 1000 / count);
	print("all", "judge", "us", (double)judge * m->ns_per_tick / 1000 / count);
	print("all", "total", "us", (double)total * m->ns_per_tick / 1000 / count);
	print("all", "wire", "MB/s",
	      (double)m->messages->bytes / ((double)total * m->ns_per_tick) * 1000);
}

static uint64_t page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_minflt;
}

/* A round for each line, so that programs which are measured beside take turns with this one. */
static void run_turns(struct measuring *m)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		uint64_t faults = page_faults(), start_ns = clock_thread_cpu_ns();

		memset(&m->engine->counters, 0, sizeof(m->engine->counters));
		forget_texts(m->engine);
		for (uint32_t i = 0; i < m->messages->count; i++)
			run_plain(m, i);
		uint64_t took_ns = clock_thread_cpu_ns() - start_ns;
		m->counters = m->engine->counters;
		printf(
		    "{\"case\": \"round\", \"metric\": \"cpu\", \"unit\": \"us\", \"value\": %.3f, "
		    "\"faults\": %" PRIu64 "}\n",
		    (double)took_ns / 1000 / m->messages->count, page_faults() - faults);
		fflush(stdout);
	}
}

bool bench_measure(struct bench_engine *engine, const struct bench_options *options,
                   const struct bench_messages *messages)
{
	struct measuring m = {.engine = engine, .messages = messages};
	bool good = allocate(&m);

	if (good) {
		m.ns_per_tick = calibrate();
		if (options->turns)
			run_turns(&m);
		else
			run_rounds(&m, options->rounds);
		print_totals(&m);
		if (!options->turns) {
			print_stages(&m);
			print_rules(&m, options->top);
		}
	}
	free(m.sample);
	free(m.cost);
	free(m.profile.rule);
	return good;
}
