/* tls_helper.c - the rings between engines and helpers, and what waits at either end. */
#include "tcpstack/tls_helper.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <mbedtls/platform_util.h>

#include "base/check.h"
#include "base/ring.h"
#include "tcpstack/tls_accel.h"
#include "tcpstack/tls_internal.h"

/* Of a helper: PSA's key store, and scratch for one signature at a time. That is little, but its
 * numbers are of any size, and a size without a slab is one that cannot be had: with fewer slabs
 * one signature in some four hundred on P-521 failed. */
#define HELPER_MEMORY_BYTES (TLS_CLASSES * TLS_SLAB_BYTES)
#define SETTLE_NS           50000

struct answer {
	uint64_t number; /* the job's */
	struct tls_config *config;
	uint32_t connection;
	uint32_t signature_len;
	uint8_t signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
};

/* Between one engine and one helper. As many jobs are out as each ring has room for, at most. */
struct lane {
	struct ring *jobs, *answers;
};

struct tls_helpers {
	struct tls_helpers_options options;
	struct tls_memory memory[TLS_HELPERS_MAX];
	struct lane lanes[]; /* by engine, then by helper */
};

static struct lane *lane_of(const struct tls_helpers *helpers, uint32_t engine, uint32_t helper)
{
	ASSERT(engine < helpers->options.engine_count);
	ASSERT(helper < helpers->options.helper_count);
	return (struct lane *)(uintptr_t)&helpers
	    ->lanes[engine * helpers->options.helper_count + helper];
}

static size_t lane_bytes(void)
{
	return ring_bytes(sizeof(struct tls_job), TLS_HELPER_JOBS) +
	       ring_bytes(sizeof(struct answer), TLS_HELPER_JOBS) + 2 * _Alignof(struct ring);
}

size_t tls_helpers_bytes(const struct tls_helpers_options *options)
{
	return sizeof(struct tls_helpers) + 64 +
	       (size_t)options->engine_count * options->helper_count *
	           (sizeof(struct lane) + lane_bytes()) +
	       options->helper_count * (HELPER_MEMORY_BYTES + 2 * TLS_SLAB_BYTES);
}

static struct ring *carve_ring(struct arena *arena, size_t record_bytes)
{
	void *memory = arena_take(arena, 1, ring_bytes((uint32_t)record_bytes, TLS_HELPER_JOBS),
	                          _Alignof(struct ring));

	return memory == NULL ? NULL : ring_init(memory, (uint32_t)record_bytes, TLS_HELPER_JOBS);
}

struct tls_helpers *tls_helpers_new(struct arena *arena, const struct tls_helpers_options *options)
{
	uint32_t lane_count = options->engine_count * options->helper_count;

	ASSERT(options->helper_count > 0 && options->helper_count <= TLS_HELPERS_MAX);
	ASSERT(options->engine_count > 0);
	tls_library_open();
	struct tls_helpers *helpers = arena_take(
	    arena, 1, sizeof(*helpers) + lane_count * sizeof(struct lane), 64);
	if (helpers == NULL)
		return NULL;
	helpers->options = *options;
	for (uint32_t i = 0; i < lane_count; i++) {
		helpers->lanes[i].jobs = carve_ring(arena, sizeof(struct tls_job));
		helpers->lanes[i].answers = carve_ring(arena, sizeof(struct answer));
		if (helpers->lanes[i].jobs == NULL || helpers->lanes[i].answers == NULL)
			return NULL;
	}
	for (uint32_t i = 0; i < options->helper_count; i++)
		if (tls_memory_init(&helpers->memory[i], arena, HELPER_MEMORY_BYTES) != OK)
			return NULL;
	return helpers;
}

static bool has_records(const struct ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_acquire) !=
	       atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

/* ---- a helper's side ---- */

bool tls_helper_enter(struct tls_helpers *helpers, uint32_t helper)
{
	struct tls_memory *before = tls_enter(&helpers->memory[helper]);
	bool entered = tls_thread_open(1);

	tls_leave(before);
	return entered;
}

void tls_helper_leave(struct tls_helpers *helpers, uint32_t helper)
{
	struct tls_memory *before = tls_enter(&helpers->memory[helper]);

	tls_thread_close();
	tls_leave(before);
	ASSERT(helpers->memory[helper].used == 0);
}

bool tls_helper_waits(const struct tls_helpers *helpers, uint32_t helper)
{
	for (uint32_t engine = 0; engine < helpers->options.engine_count; engine++)
		if (has_records(lane_of(helpers, engine, helper)->jobs))
			return true;
	return false;
}

static bool serve_one(struct tls_helpers *helpers, uint32_t engine, uint32_t helper)
{
	struct lane *lane = lane_of(helpers, engine, helper);
	struct tls_job job;
	struct answer answer;

	if (!ring_pop(lane->jobs, &job))
		return false;
	memset(&answer, 0, sizeof(answer));
	answer.number = job.number;
	answer.config = job.config;
	answer.connection = job.connection;
	struct tls_memory *before = tls_enter(&helpers->memory[helper]);
	answer.signature_len = (uint32_t)tls_sign_job(&job, answer.signature,
	                                              sizeof(answer.signature));
	tls_leave(before);
	bool pushed = ring_push(lane->answers, &answer);
	ASSERT(pushed); /* no more jobs are out than it holds */
	if (helpers->options.call_engine != NULL)
		helpers->options.call_engine(helpers->options.context, engine);
	return true;
}

uint32_t tls_helper_serve(struct tls_helpers *helpers, uint32_t helper)
{
	uint32_t served = 0;

	for (uint32_t engine = 0; engine < helpers->options.engine_count; engine++)
		served += serve_one(helpers, engine, helper);
	return served;
}

/* ---- an engine's side ---- */

bool tls_helper_wanted(const struct tls *tls, mbedtls_pk_context *key)
{
	return tls->engine->helpers != NULL && tls_certificate_of(key)->slow;
}

/* Leaves those that ask. */
static void stop_asking(struct tls_engine *engine, struct tls_signing *signing)
{
	if (signing->before != NULL)
		signing->before->next = signing->next;
	else
		engine->asking_head = signing->next;
	if (signing->next != NULL)
		signing->next->before = signing->before;
	else
		engine->asking_tail = signing->before;
}

/* To the helper that has least to do for us; false when all have as much as they may. */
static bool send_job(struct tls_engine *engine, struct tls_signing *signing)
{
	const struct tls_helpers_options *options = &engine->helpers->options;
	uint32_t helper = 0;

	for (uint32_t i = 1; i < options->helper_count; i++)
		if (engine->jobs_out[i] < engine->jobs_out[helper])
			helper = i;
	if (engine->jobs_out[helper] == TLS_HELPER_JOBS)
		return false;
	struct lane *lane = lane_of(engine->helpers, engine->helpers_engine, helper);
	bool pushed = ring_push(lane->jobs, &signing->job);
	ASSERT(pushed); /* it holds as many as may be out */
	engine->jobs_out[helper]++;
	atomic_fetch_add_explicit(&signing->job.config->users, 1, memory_order_relaxed);
	signing->state = TLS_SIGNING_AWAY;
	engine->counters->signatures_away++;
	if (options->call_helper != NULL)
		options->call_helper(options->context, helper);
	return true;
}

bool tls_helper_ask(struct tls *tls, mbedtls_pk_type_t type, mbedtls_pk_context *key,
                    mbedtls_md_type_t digest, struct bytes hash)
{
	struct tls_engine *engine = tls->engine;
	struct tls_signing *signing = tls_memory_take(&engine->memory, sizeof(*signing));

	ASSERT(tls->signing == NULL);
	ASSERT(hash.len <= sizeof(signing->job.hash));
	if (signing == NULL)
		return false;
	signing->job.number = ++engine->job_number;
	signing->job.connection = pool_index(&engine->connections, tls);
	signing->job.config = tls->config;
	signing->job.certificate = tls_certificate_of(key);
	signing->job.type = (uint8_t)type;
	signing->job.digest = (uint8_t)digest;
	signing->job.hash_len = (uint8_t)hash.len;
	memcpy(signing->job.hash, hash.data, hash.len);
	tls->signing = signing;
	/* Nobody overtakes those that ask already. */
	if (engine->asking_head == NULL && send_job(engine, signing))
		return true;
	engine->counters->signatures_queued++;
	signing->before = engine->asking_tail;
	if (engine->asking_tail != NULL)
		engine->asking_tail->next = signing;
	else
		engine->asking_head = signing;
	engine->asking_tail = signing;
	return true;
}

void tls_helper_forget(struct tls *tls)
{
	struct tls_signing *signing = tls->signing;

	if (signing == NULL)
		return;
	if (signing->state == TLS_SIGNING_ASKING)
		stop_asking(tls->engine, signing);
	mbedtls_platform_zeroize(signing, sizeof(*signing));
	tls_memory_give(signing);
	tls->signing = NULL;
}

/* Whom the answer is for; NULL: nobody any more. */
static struct tls *asker_of(struct tls_engine *engine, const struct answer *answer)
{
	if (!pool_is_out(&engine->connections, answer->connection))
		return NULL;
	struct tls *tls = pool_at(&engine->connections, answer->connection);
	bool his = tls->signing != NULL && tls->signing->job.number == answer->number;

	ASSERT(!his || tls->signing->state == TLS_SIGNING_AWAY);
	return his ? tls : NULL;
}

static bool take_answer(struct tls_engine *engine, uint32_t helper, struct tls **out_tls)
{
	struct lane *lane = lane_of(engine->helpers, engine->helpers_engine, helper);
	struct answer answer;

	if (!ring_pop(lane->answers, &answer))
		return false;
	ASSERT(engine->jobs_out[helper] > 0);
	engine->jobs_out[helper]--;
	*out_tls = asker_of(engine, &answer);
	if (*out_tls != NULL) {
		struct tls_signing *signing = (*out_tls)->signing;
		signing->state = TLS_SIGNING_DONE;
		signing->signature_len = answer.signature_len;
		memcpy(signing->signature, answer.signature, answer.signature_len);
	} else {
		engine->counters->signatures_late++;
	}
	/* As in tls_free: what the helper read of it comes before whoever frees it. */
	atomic_fetch_sub_explicit(&answer.config->users, 1, memory_order_release);
	while (engine->asking_head != NULL) {
		struct tls_signing *first = engine->asking_head;
		if (!send_job(engine, first))
			break;
		stop_asking(engine, first);
	}
	return true;
}

struct tls *tls_engine_answered(struct tls_engine *engine)
{
	struct tls *tls = NULL;

	if (engine->helpers == NULL)
		return NULL;
	for (uint32_t helper = 0; helper < engine->helpers->options.helper_count; helper++)
		for (uint32_t i = 0; i < TLS_HELPER_JOBS && take_answer(engine, helper, &tls); i++)
			if (tls != NULL)
				return tls;
	return NULL;
}

bool tls_engine_waits(const struct tls_engine *engine)
{
	if (engine->helpers == NULL)
		return false;
	for (uint32_t helper = 0; helper < engine->helpers->options.helper_count; helper++)
		if (has_records(lane_of(engine->helpers, engine->helpers_engine, helper)->answers))
			return true;
	return false;
}

void tls_helper_settle(struct tls_engine *engine)
{
	const struct timespec pause = {.tv_nsec = SETTLE_NS};

	if (engine->helpers == NULL)
		return;
	ASSERT(engine->asking_head == NULL);
	for (uint32_t helper = 0; helper < engine->helpers->options.helper_count; helper++)
		while (engine->jobs_out[helper] > 0)
			if (tls_engine_answered(engine) == NULL)
				(void)nanosleep(&pause, NULL);
}
