/* timer.c - a wheel of ten levels of 64 slots; level l holds spans of 64^l ticks.
 *
 * A deadline lies on the level of the highest group of six bits in which its tick differs from the
 * wheel's own tick. So it shares all higher bits with it, its slot on that level lies ahead of the
 * wheel's own, and everything on a level is earlier than everything on the levels above. The
 * earliest slot is thus found by the lowest level's lowest bit, however far away it is: a jump over
 * hours of nothing is one step. A slot of a higher level is dealt out to lower ones when time
 * reaches its start; every handle comes down at most nine times. One of the lowest level is due as
 * a whole. A full slot is dealt out over several calls, during which time stands still; what is set
 * meanwhile and belongs behind those that have not come down yet joins them.
 *
 * Slots are doubly linked rings through sentinel nodes that lie behind the handles' nodes.
 */
#include "base/timer.h"

#include <assert.h>

#include "base/check.h"

#define TICK_US     1000
#define LEVEL_BITS  6
#define LEVEL_SLOTS (1u << LEVEL_BITS)
#define LEVELS      10 /* 60 bits: every tick of a 64-bit count of microseconds */
#define SLOT_DUE    (LEVELS * LEVEL_SLOTS)
#define SLOT_COUNT  (SLOT_DUE + 1)
#define NODE_UNSET  UINT32_MAX
#define DEAL_MAX    1024 /* handles that one call moves down */

static_assert(UINT64_MAX / TICK_US < (uint64_t)1 << (LEVELS * LEVEL_BITS),
              "every tick has a level");

struct node {
	uint32_t next, prev;
	uint64_t deadline_us;
};
static_assert(sizeof(struct node) == 16, "what timer.h promises");

struct timer_wheel {
	uint64_t tick; /* everything up to it has been moved to the due slot */
	uint64_t occupied[LEVELS];
	uint32_t handle_count;
	uint32_t dealt; /* the slot that is being dealt out, SLOT_DUE when there is none */
	uint32_t scout; /* the last node of the due slot that timer_scout() told, or the sentinel */
	uint32_t ahead; /* told and not popped, at least */
	struct node nodes[];
};

struct timer_wheel *timer_wheel_new(struct arena *arena, uint32_t handle_count, uint64_t now_us)
{
	size_t count = (size_t)handle_count + SLOT_COUNT;

	ASSERT(count < NODE_UNSET);
	struct timer_wheel *wheel = arena_take(arena, 1,
	                                       sizeof(*wheel) + count * sizeof(struct node), 64);
	if (wheel == NULL)
		return NULL;

	wheel->tick = now_us / TICK_US;
	wheel->handle_count = handle_count;
	wheel->dealt = SLOT_DUE;
	for (uint32_t i = 0; i < handle_count; i++)
		wheel->nodes[i].next = NODE_UNSET;
	for (uint32_t i = handle_count; i < count; i++)
		wheel->nodes[i].next = wheel->nodes[i].prev = i;
	wheel->scout = handle_count + SLOT_DUE;
	return wheel;
}

static uint32_t sentinel(const struct timer_wheel *wheel, uint32_t slot)
{
	return wheel->handle_count + slot;
}

static bool slot_is_empty(const struct timer_wheel *wheel, uint32_t slot)
{
	uint32_t s = sentinel(wheel, slot);

	return wheel->nodes[s].next == s;
}

static void slot_append(struct timer_wheel *wheel, uint32_t slot, uint32_t handle)
{
	struct node *nodes = wheel->nodes;
	uint32_t s = sentinel(wheel, slot);
	uint32_t last = nodes[s].prev;

	nodes[handle].next = s;
	nodes[handle].prev = last;
	nodes[last].next = handle;
	nodes[s].prev = handle;
	if (slot != SLOT_DUE)
		wheel->occupied[slot / LEVEL_SLOTS] |= (uint64_t)1 << (slot % LEVEL_SLOTS);
}

/* The first whole tick at or after the deadline: never early, less than one tick late. */
static uint64_t tick_of(uint64_t deadline_us)
{
	return deadline_us / TICK_US + (deadline_us % TICK_US != 0);
}

static uint32_t slot_of(const struct timer_wheel *wheel, uint64_t tick)
{
	uint32_t slot = SLOT_DUE;

	if (tick > wheel->tick) {
		uint32_t level = (uint32_t)(63 - __builtin_clzll(tick ^ wheel->tick)) / LEVEL_BITS;
		uint32_t index = (uint32_t)(tick >> (level * LEVEL_BITS)) % LEVEL_SLOTS;
		slot = level * LEVEL_SLOTS + index;
	}
	return slot;
}

static void wheel_insert(struct timer_wheel *wheel, uint32_t handle)
{
	uint64_t tick = tick_of(wheel->nodes[handle].deadline_us);
	uint32_t slot = slot_of(wheel, tick);

	/* One of the same tick may wait in the slot that is being dealt out. */
	if (tick >= wheel->tick && wheel->dealt != SLOT_DUE &&
	    (slot == SLOT_DUE || slot / LEVEL_SLOTS < wheel->dealt / LEVEL_SLOTS))
		slot = wheel->dealt;
	slot_append(wheel, slot, handle);
}

static void wheel_remove(struct timer_wheel *wheel, uint32_t handle)
{
	struct node *nodes = wheel->nodes;
	uint32_t next = nodes[handle].next, prev = nodes[handle].prev;

	nodes[prev].next = next;
	nodes[next].prev = prev;
	nodes[handle].next = NODE_UNSET;
	if (handle == wheel->scout)
		wheel->scout = prev;
	if (next == prev && next >= wheel->handle_count) { /* only the sentinel is left */
		uint32_t slot = next - wheel->handle_count;
		if (slot != SLOT_DUE)
			wheel->occupied[slot / LEVEL_SLOTS] &= ~((uint64_t)1
			                                         << (slot % LEVEL_SLOTS));
	}
}

void timer_set(struct timer_wheel *wheel, uint32_t handle, uint64_t deadline_us)
{
	ASSERT(handle < wheel->handle_count);
	timer_cancel(wheel, handle);
	wheel->nodes[handle].deadline_us = deadline_us;
	wheel_insert(wheel, handle);
}

void timer_cancel(struct timer_wheel *wheel, uint32_t handle)
{
	if (timer_is_set(wheel, handle))
		wheel_remove(wheel, handle);
}

bool timer_is_set(const struct timer_wheel *wheel, uint32_t handle)
{
	ASSERT(handle < wheel->handle_count);
	return wheel->nodes[handle].next != NODE_UNSET;
}

uint64_t timer_deadline_us(const struct timer_wheel *wheel, uint32_t handle)
{
	ASSERT(timer_is_set(wheel, handle));
	return wheel->nodes[handle].deadline_us;
}

/* The earliest occupied slot and the tick at which it starts; false when nothing is set beyond the
 * due. */
static bool earliest_slot(const struct timer_wheel *wheel, uint32_t *out_slot, uint64_t *out_tick)
{
	for (uint32_t level = 0; level < LEVELS; level++) {
		if (wheel->occupied[level] == 0)
			continue;
		uint32_t index = (uint32_t)__builtin_ctzll(wheel->occupied[level]);
		uint32_t shift = level * LEVEL_BITS;
		uint64_t above = wheel->tick >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS);
		*out_slot = level * LEVEL_SLOTS + index;
		*out_tick = above | (uint64_t)index << shift;
		return true;
	}
	return false;
}

static bool is_dealing(const struct timer_wheel *wheel)
{
	return wheel->dealt != SLOT_DUE && !slot_is_empty(wheel, wheel->dealt);
}

/* Deals out anew, in their order and relative to the wheel's tick, up to `*budget` handles of the
 * slot in hand: with the wheel at its start, each goes to a lower level or is due. */
static void deal(struct timer_wheel *wheel, uint32_t *budget)
{
	while (is_dealing(wheel) && *budget > 0) {
		uint32_t handle = wheel->nodes[sentinel(wheel, wheel->dealt)].next;

		wheel_remove(wheel, handle);
		slot_append(wheel, slot_of(wheel, tick_of(wheel->nodes[handle].deadline_us)),
		            handle);
		--*budget;
	}
	if (!is_dealing(wheel))
		wheel->dealt = SLOT_DUE;
}

/* All of a slot of the lowest level are of one tick: when that has come they are due, in their
 * order, and none needs to be touched. Nothing else may be due. */
static void splice_due(struct timer_wheel *wheel, uint32_t slot)
{
	struct node *nodes = wheel->nodes;
	uint32_t s = sentinel(wheel, slot), due = sentinel(wheel, SLOT_DUE);
	uint32_t first = nodes[s].next, last = nodes[s].prev;

	DEBUG_ASSERT(slot < LEVEL_SLOTS && first != s && nodes[due].next == due);
	nodes[due].next = first;
	nodes[due].prev = last;
	nodes[first].prev = nodes[last].next = due;
	nodes[s].next = nodes[s].prev = s;
	wheel->occupied[0] &= ~((uint64_t)1 << slot);
}

bool timer_pop(struct timer_wheel *wheel, uint64_t now_us, uint32_t *out_handle)
{
	uint64_t now_tick = now_us / TICK_US;
	uint32_t budget = DEAL_MAX;
	uint64_t tick;
	uint32_t slot;

	/* At most one round a level before a handle is due or the next slot lies ahead of now. */
	while (slot_is_empty(wheel, SLOT_DUE)) {
		deal(wheel, &budget);
		if (!slot_is_empty(wheel, SLOT_DUE))
			break;
		if (wheel->dealt != SLOT_DUE || wheel->tick >= now_tick)
			return false;
		if (!earliest_slot(wheel, &slot, &tick) || tick > now_tick) {
			wheel->tick = now_tick; /* passes no occupied slot, so all stay where they
			                           belong */
			return false;
		}
		wheel->tick = tick;
		if (slot < LEVEL_SLOTS)
			splice_due(wheel, slot);
		else
			wheel->dealt = slot;
	}

	uint32_t handle = wheel->nodes[sentinel(wheel, SLOT_DUE)].next;
	wheel_remove(wheel, handle);
	wheel->ahead -= wheel->ahead > 0;
	*out_handle = handle;
	return true;
}

bool timer_scout(struct timer_wheel *wheel, uint32_t ahead_max, uint32_t *out_handle)
{
	uint32_t s = sentinel(wheel, SLOT_DUE);
	uint32_t next = wheel->nodes[wheel->scout].next;

	if (wheel->scout == s)
		wheel->ahead = 0;
	if (next == s || wheel->ahead >= ahead_max)
		return false;
	wheel->scout = next;
	wheel->ahead++;
	__builtin_prefetch(&wheel->nodes[wheel->nodes[next].next]);
	*out_handle = next;
	return true;
}

void timer_prefetch(const struct timer_wheel *wheel, uint32_t handle)
{
	__builtin_prefetch(&wheel->nodes[handle]);
}

uint64_t timer_next_us(const struct timer_wheel *wheel)
{
	uint64_t tick = wheel->tick;
	uint32_t slot;

	if (slot_is_empty(wheel, SLOT_DUE) && !is_dealing(wheel) &&
	    !earliest_slot(wheel, &slot, &tick))
		return UINT64_MAX;
	return tick > UINT64_MAX / TICK_US ? UINT64_MAX : tick * TICK_US;
}
