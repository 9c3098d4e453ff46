/* timer.h - hierarchical timer wheel over numbered handles; ticks of 1 ms.
 *
 * A handle is a small number that the user gives meaning to (a connection's index). Each has at
 * most one deadline. Nothing is called back: timer_pop() hands out what is due, in the order of the
 * deadlines' ticks. Setting, cancelling and popping are O(1) amortised, also over long stretches
 * without deadlines. A handle costs 16 octets. A deadline is due at the first whole tick at or
 * after it: never early, less than 1 ms late.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct timer_wheel;

/* NULL when the arena is too small. `now_us` is the start of time for the wheel. */
struct timer_wheel *timer_wheel_new(struct arena *arena, uint32_t handle_count, uint64_t now_us);
/* Arms or moves; a deadline in the past is due at once. */
void timer_set(struct timer_wheel *wheel, uint32_t handle, uint64_t deadline_us);
void timer_cancel(struct timer_wheel *wheel, uint32_t handle);
bool timer_is_set(const struct timer_wheel *wheel, uint32_t handle);
/* The deadline given to timer_set; only while it is set. */
uint64_t timer_deadline_us(const struct timer_wheel *wheel, uint32_t handle);
/* Takes one handle whose deadline's tick is at or before `now_us`; it is then no longer set. False
 * when none is, or a thousand have been moved on the way there and none of them was it: then
 * timer_next_us() is still not later than now, and the next call goes on. Handles of the same tick
 * come in the order they were set. */
bool timer_pop(struct timer_wheel *wheel, uint64_t now_us, uint32_t *out_handle);
/* For fetching ahead what handles stand for: each call tells one more of those that timer_pop() has
 * found due already, in its order, and fetches what the next call needs. False when there is none,
 * or `ahead_max` told ones have not been popped. One that is cancelled after it was told may make
 * the lead shorter. */
bool timer_scout(struct timer_wheel *wheel, uint32_t ahead_max, uint32_t *out_handle);
/* Fetches what setting or cancelling `handle` touches first. */
void timer_prefetch(const struct timer_wheel *wheel, uint32_t handle);
/* When to pop next: a time not later than the tick of the earliest deadline, UINT64_MAX when
 * nothing is set. Popping then gives a handle or, at the latest when all that wait together have
 * been moved, takes this time on. */
uint64_t timer_next_us(const struct timer_wheel *wheel);

#endif
