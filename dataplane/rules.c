/* rules.c - the rules and lists in force, and how workers move from one set to the next.
 *
 * A part is one opened generation, counted by the sets that hold it. A set is four parts and a
 * view for each worker. Why retiring is safe: a worker pins only what it runs, and names what it
 * runs before it uses it. It then looks again whether that is still what is published: if so, the
 * control thread, which looks at the workers after it has published, sees the name (sequential
 * consistency); if not, the worker goes on to the newer one. Pins are made before the worker names
 * another set, and the control thread loads the name first and the pins after it.
 */
#include "dataplane/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "classifier/memo.h"
#include "smtp/normalise.h"

/* Each set alive holds at most one part of a kind, and one is being opened. */
#define PARTS_MAX (RULES_SETS_MAX * GENERATION_KIND_COUNT + 1)

struct rules_part {
	uint32_t set_count; /* sets that hold it; 0: free */
	struct generation generation;
	struct ruleset *ruleset;
	struct scan_context *context[WORKERS_MAX];
	struct lists *lists;
};

struct rules_set {
	bool used;
	struct rules_part *part[GENERATION_KIND_COUNT]; /* NULL: none */
	struct {
		_Alignas(64) struct rules_view view;
	} worker[WORKERS_MAX];
};

struct rules_slot {
	uint32_t worker_count;
	struct classifier_counters *counters[WORKERS_MAX];
	/* What the shadow's rules do is not counted as the mail's. */
	struct classifier_counters shadow_counters[WORKERS_MAX];
	struct memo *memo[WORKERS_MAX]; /* NULL: none; shadows have none either */
	struct rules_set *current;      /* control thread's copy */
	_Atomic(struct rules_set *) published;
	struct {
		_Alignas(64) _Atomic(struct rules_set *) running; /* NULL: none */
		struct rules_set *set;                            /* worker's copy */
	} worker[WORKERS_MAX];
	struct rules_part part[PARTS_MAX];
	struct rules_set set[RULES_SETS_MAX];
};

static struct rules_set *set_get(struct rules_slot *slot)
{
	for (uint32_t i = 0; i < RULES_SETS_MAX; i++) {
		struct rules_set *set = &slot->set[i];

		if (!set->used) {
			memset(set, 0, sizeof(*set));
			set->used = true;
			return set;
		}
	}
	return NULL;
}

struct rules_slot *rules_slot_new(uint32_t worker_count,
                                  struct classifier_counters *const *counters)
{
	struct rules_slot *slot = NULL;

	ASSERT(worker_count > 0 && worker_count <= WORKERS_MAX);
	if (posix_memalign((void **)&slot, 64, sizeof(*slot)) != 0)
		return NULL;
	memset(slot, 0, sizeof(*slot));
	slot->worker_count = worker_count;
	for (uint32_t w = 0; w < worker_count; w++)
		slot->counters[w] = counters[w];
	slot->current = set_get(slot);
	atomic_store(&slot->published, slot->current);
	for (uint32_t w = 0; w < worker_count; w++) {
		slot->worker[w].set = slot->current;
		atomic_store(&slot->worker[w].running, slot->current);
	}
	return slot;
}

enum err rules_slot_keep_results(struct rules_slot *slot, size_t bytes)
{
	for (uint32_t w = 0; w < slot->worker_count; w++) {
		struct hash_key key;

		random_os(&key, sizeof(key));
		slot->memo[w] = memo_new(bytes, &key);
		if (slot->memo[w] == NULL)
			return ERR_NO_MEMORY;
	}
	return OK;
}

/* Closes everything of the part but, when `keep_fd`, its descriptor. */
static void part_close(struct rules_part *part, bool keep_fd)
{
	for (uint32_t w = 0; w < WORKERS_MAX; w++)
		if (part->context[w] != NULL)
			scan_context_free(part->context[w]);
	if (part->ruleset != NULL)
		ruleset_close(part->ruleset);
	if (part->lists != NULL)
		lists_close(part->lists);
	if (keep_fd)
		part->generation.fd = -1;
	generation_close(&part->generation);
	memset(part, 0, sizeof(*part));
}

static void set_retire(struct rules_set *set)
{
	for (uint32_t kind = 0; kind < GENERATION_KIND_COUNT; kind++) {
		struct rules_part *part = set->part[kind];

		if (part != NULL && --part->set_count == 0)
			part_close(part, false);
	}
	set->used = false;
}

void rules_slot_free(struct rules_slot *slot)
{
	for (uint32_t i = 0; i < RULES_SETS_MAX; i++)
		if (slot->set[i].used)
			set_retire(&slot->set[i]);
	for (uint32_t w = 0; w < slot->worker_count; w++)
		memo_free(slot->memo[w]);
	free(slot);
}

/* The classifier carries header selectors unread; what they are is smtp's to say. */
static bool selectors_fit(const struct ruleset *ruleset)
{
	uint32_t count;
	struct bytes records = ruleset_selectors(ruleset, &count);

	return selectors_are_sound(records, count);
}

/* What the next ruleset has most of its patterns in common with. */
static const struct ruleset *ruleset_in_force(const struct rules_slot *slot)
{
	static const enum generation_kind kinds[] = {GENERATION_RULES, GENERATION_SHADOW};

	for (unsigned i = 0; i < 2; i++) {
		const struct rules_part *part = slot->current->part[kinds[i]];

		if (part != NULL && part->ruleset != NULL)
			return part->ruleset;
	}
	return NULL;
}

static enum err part_open_rules(struct rules_slot *slot, struct rules_part *part, char *reason)
{
	bool shadow = part->generation.kind == GENERATION_SHADOW;
	struct ruleset_opening how = {.like = ruleset_in_force(slot), .verdicts_only = true};
	enum err err = ruleset_open_with(&part->generation, &how, &part->ruleset, reason);

	if (err == OK && !selectors_fit(part->ruleset)) {
		snprintf(reason, RULES_REASON_BYTES, "header selectors are not of this version");
		err = ERR_VERSION;
	}
	for (uint32_t w = 0; err == OK && w < slot->worker_count; w++) {
		part->context[w] = scan_context_new(
		    part->ruleset, shadow ? &slot->shadow_counters[w] : slot->counters[w]);
		if (part->context[w] == NULL) {
			snprintf(reason, RULES_REASON_BYTES, "no memory for a scan context");
			err = ERR_NO_MEMORY;
		} else if (!shadow && slot->memo[w] != NULL) {
			scan_context_set_memo(part->context[w], slot->memo[w]);
		}
	}
	return err;
}

/* A free part that holds the generation `fd`, verified and ready for every worker. */
static enum err part_open(struct rules_slot *slot, int fd, struct rules_part **out_part,
                          char *reason)
{
	struct rules_part *part = slot->part;
	enum err err;

	while (part->set_count > 0)
		part++;
	ASSERT(part < slot->part + PARTS_MAX);
	err = generation_open(&part->generation, fd);
	if (err != OK) {
		snprintf(reason, RULES_REASON_BYTES, "the generation is refused: %s",
		         err_text(err));
		memset(part, 0, sizeof(*part));
		return err;
	}
	if (part->generation.kind == GENERATION_SHADOW && generation_is_empty(&part->generation))
		err = OK;
	else if (part->generation.kind == GENERATION_RULES ||
	         part->generation.kind == GENERATION_SHADOW)
		err = part_open_rules(slot, part, reason);
	else
		err = lists_open(&part->generation, &part->lists, reason);
	if (err != OK) {
		part_close(part, true);
		return err;
	}
	*out_part = part;
	return OK;
}

static void set_views(struct rules_slot *slot, struct rules_set *set)
{
	const struct rules_part *rules = set->part[GENERATION_RULES];
	const struct rules_part *lists = set->part[GENERATION_LISTS];
	const struct rules_part *delta = set->part[GENERATION_DELTA];
	const struct rules_part *shadow = set->part[GENERATION_SHADOW];

	for (uint32_t w = 0; w < slot->worker_count; w++) {
		struct rules_view *view = &set->worker[w].view;

		view->ruleset = rules != NULL ? rules->ruleset : NULL;
		view->context = rules != NULL ? rules->context[w] : NULL;
		view->shadow = shadow != NULL ? shadow->ruleset : NULL;
		view->shadow_context = shadow != NULL ? shadow->context[w] : NULL;
		view->lists = lists != NULL ? lists->lists : NULL;
		view->delta = delta != NULL ? delta->lists : NULL;
		view->rules_number = rules != NULL ? rules->generation.number : 0;
		view->lists_number = lists != NULL ? lists->generation.number : 0;
		view->delta_number = delta != NULL ? delta->generation.number : 0;
		view->shadow_number = shadow != NULL ? shadow->generation.number : 0;
	}
}

enum err rules_publish(struct rules_slot *slot, int fd, enum generation_kind *out_kind,
                       uint64_t *out_number, char *reason)
{
	struct rules_part *part;
	struct rules_set *set;
	enum err err;

	(void)rules_retire(slot);
	reason[0] = '\0';
	set = set_get(slot);
	if (set == NULL) {
		snprintf(reason, RULES_REASON_BYTES,
		         "messages still hold %d earlier generations; try again",
		         RULES_SETS_MAX - 1);
		return ERR_BUSY;
	}
	err = part_open(slot, fd, &part, reason);
	if (err != OK) {
		set->used = false;
		return err;
	}
	*out_kind = part->generation.kind;
	*out_number = part->generation.number;
	memcpy(set->part, slot->current->part, sizeof(set->part));
	set->part[part->generation.kind] = part;
	for (uint32_t kind = 0; kind < GENERATION_KIND_COUNT; kind++)
		if (set->part[kind] != NULL)
			set->part[kind]->set_count++;
	set_views(slot, set);
	slot->current = set;
	atomic_store(&slot->published, set);
	return OK;
}

/* Some worker runs the set or has it pinned. The order of the two loads matters: see the top of the
 * file. */
static bool set_is_needed(const struct rules_slot *slot, const struct rules_set *set)
{
	for (uint32_t w = 0; w < slot->worker_count; w++) {
		if (atomic_load(&slot->worker[w].running) == set)
			return true;
		if (atomic_load_explicit(&set->worker[w].view.pin_count, memory_order_acquire) > 0)
			return true;
	}
	return false;
}

uint32_t rules_retire(struct rules_slot *slot)
{
	uint32_t retired = 0;

	for (uint32_t i = 0; i < RULES_SETS_MAX; i++) {
		struct rules_set *set = &slot->set[i];

		if (!set->used || set == slot->current || set_is_needed(slot, set))
			continue;
		set_retire(set);
		retired++;
	}
	return retired;
}

uint64_t rules_number_running(const struct rules_slot *slot, enum generation_kind kind)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t w = 0; w < slot->worker_count; w++) {
		const struct rules_set *set = atomic_load(&slot->worker[w].running);
		const struct rules_part *part = set != NULL ? set->part[kind]
		                                            : slot->current->part[kind];
		uint64_t number = part != NULL ? part->generation.number : 0;

		lowest = number < lowest ? number : lowest;
	}
	return lowest;
}

bool rules_settled(const struct rules_slot *slot)
{
	for (uint32_t w = 0; w < slot->worker_count; w++) {
		const struct rules_set *set = atomic_load(&slot->worker[w].running);

		if (set != NULL && set != slot->current)
			return false;
	}
	return true;
}

const struct generation *rules_generation(const struct rules_slot *slot, enum generation_kind kind)
{
	const struct rules_part *part = slot->current->part[kind];

	return part != NULL ? &part->generation : NULL;
}

const struct lists *rules_lists(const struct rules_slot *slot, enum generation_kind kind)
{
	const struct rules_part *part = slot->current->part[kind];

	return part != NULL ? part->lists : NULL;
}

uint32_t rules_set_count(const struct rules_slot *slot)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RULES_SETS_MAX; i++)
		count += slot->set[i].used;
	return count;
}

bool rules_refresh(struct rules_slot *slot, uint32_t worker)
{
	struct rules_set *set = atomic_load(&slot->published);

	if (set == slot->worker[worker].set)
		return false;
	do { /* again only when another publication came in between */
		set = atomic_load(&slot->published);
		atomic_store(&slot->worker[worker].running, set);
	} while (atomic_load(&slot->published) != set);
	slot->worker[worker].set = set;
	return true;
}

void rules_leave(struct rules_slot *slot, uint32_t worker)
{
	slot->worker[worker].set = NULL;
	atomic_store(&slot->worker[worker].running, NULL);
}

struct rules_view *rules_current(const struct rules_slot *slot, uint32_t worker)
{
	return (struct rules_view *)&slot->worker[worker].set->worker[worker].view;
}
