/* rule_gate.h - a window of octet classes that every match of a pattern passes through; write side
 * only.
 *
 * For obfuscated words, which have no literal: "v[i1!|]+\W{0,3}[a@4]..." becomes classes in order,
 * each maybe with a class of octets on which its position may stay. The run time's gate
 * (ruleset_blob.h) walks all windows at once, one bit a position.
 */
#ifndef CLASSIFIER_RULE_GATE_H
#define CLASSIFIER_RULE_GATE_H

#include "base/texts.h"
#include "classifier/rule_regex.h"

#define GATE_POSITIONS_MAX 64 /* one window lies in one word */
#define GATE_WINDOWS_MAX   48

struct gate_position {
	struct octets step; /* enters the position */
	struct octets stay; /* keeps it, once entered */
};

struct gate_window {
	uint32_t count;
	struct gate_position position[GATE_POSITIONS_MAX];
	double rate; /* expected share of octets at which the last position is entered */
};

/* How many octets a match holds up to the one that enters a window's last position, that one
 * included: at least, at most (BEFORE_ENDLESS: nobody knows). */
struct gate_reach {
	uint16_t min, max;
};

/* Every match passes through one of the windows, within its reach. */
struct gate_windows {
	uint32_t count; /* 0: none are selective enough */
	const struct gate_window *window[GATE_WINDOWS_MAX];
	struct gate_reach reach[GATE_WINDOWS_MAX];
	double rate; /* of all together */
};

/* The windows are memory of `pool`. */
void rule_gate(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
               struct gate_windows *out_windows);

/* Positions of all windows: what they cost to walk. */
uint32_t rule_gate_positions(const struct gate_windows *windows);

#endif
