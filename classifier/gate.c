/* gate.c - runs a gate over one segment, four words at a time.
 *
 * All bits of a group of four words stay in one vector register from the first octet to the last,
 * so a group costs two loads and five operations an octet; groups are walked by threes. What was
 * raised is looked at after each block.
 */
#include "classifier/gate.h"

#include "base/check.h"

#define GROUPS_AT_ONCE 3

typedef uint64_t lanes __attribute__((vector_size(32), aligned(8)));

struct rows { /* of a group of words, for each octet */
	const uint64_t *step, *stay;
	lanes begin, final;
};

static inline __attribute__((always_inline)) void take_rows(const struct blob_gate *gate,
                                                            uint32_t group, struct rows *out)
{
	uint32_t words = gate->words;
	const uint64_t *begin_at = gate->table + group;

	out->begin = *(const lanes *)begin_at;
	out->final = *(const lanes *)(begin_at + words);
	out->step = begin_at + 2 * (size_t)words;
	out->stay = out->step + (size_t)256 * words;
}

static inline __attribute__((always_inline)) void walk(const struct rows *rows, size_t row,
                                                       lanes *state, lanes *seen)
{
	*state = (((*state << 1) | rows->begin) & *(const lanes *)(rows->step + row)) |
	         (*state & *(const lanes *)(rows->stay + row));
	*seen |= *state;
}

static inline __attribute__((always_inline)) bool any(const lanes *bits)
{
	return ((*bits)[0] | (*bits)[1] | (*bits)[2] | (*bits)[3]) != 0;
}

struct telling {
	gate_told *told;
	void *user;
};

static __attribute__((noinline)) void tell(const struct telling *to, uint32_t group,
                                           const uint64_t *bits, uint32_t count, uint32_t from,
                                           uint32_t end)
{
	for (uint32_t i = 0; i < count; i++)
		if (bits[i] != 0)
			to->told(to->user, group + i, bits[i], from, end);
}

/* Each step waits for the one before: three groups at once take little longer than one. `count` is
 * a constant where this is called. */
static inline __attribute__((always_inline)) void scan_groups(const struct blob_gate *gate,
                                                              uint32_t group, uint32_t count,
                                                              struct bytes segment,
                                                              const struct telling *to)
{
	lanes state[GROUPS_AT_ONCE] = {{0, 0, 0, 0}};
	struct rows rows[GROUPS_AT_ONCE];

	for (uint32_t k = 0; k < count; k++)
		take_rows(gate, group + k * GATE_LANES, &rows[k]);
	for (size_t at = 0, end; at < segment.len; at = end) {
		lanes seen[GROUPS_AT_ONCE] = {{0, 0, 0, 0}};

		end = segment.len - at > GATE_BLOCK_OCTETS ? at + GATE_BLOCK_OCTETS : segment.len;
		for (size_t i = at; i < end; i++) {
			size_t row = (size_t)segment.data[i] * gate->words;

#pragma GCC unroll 4
			for (uint32_t k = 0; k < count; k++)
				walk(&rows[k], row, &state[k], &seen[k]);
		}

		lanes raised = {0, 0, 0, 0};
		for (uint32_t k = 0; k < count; k++) {
			seen[k] &= rows[k].final;
			raised |= seen[k];
		}
		if (any(&raised))
			tell(to, group, (const uint64_t *)seen, count * GATE_LANES, (uint32_t)at,
			     (uint32_t)end);
	}
}

static inline __attribute__((always_inline)) void
walk_block(const struct blob_gate *gate, const struct rows *rows, struct bytes segment, size_t at,
           size_t end, lanes *state, const struct telling *to, uint32_t group)
{
	lanes seen = {0, 0, 0, 0};

	for (size_t i = at; i < end; i++)
		walk(rows, (size_t)segment.data[i] * gate->words, state, &seen);
	seen &= rows->final;
	if (any(&seen))
		tell(to, group, (const uint64_t *)&seen, GATE_LANES, (uint32_t)at, (uint32_t)end);
}

/* One group over both halves of a long segment at once. What begins in the first half is then
 * followed into the second until nothing is left of it: walks add up. */
static inline __attribute__((always_inline)) void scan_halves(const struct blob_gate *gate,
                                                              uint32_t group, struct bytes segment,
                                                              const struct telling *to)
{
	lanes state[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
	size_t blocks = (segment.len + GATE_BLOCK_OCTETS - 1) / GATE_BLOCK_OCTETS;
	size_t half = (blocks + 1) / 2 * GATE_BLOCK_OCTETS, at = 0;
	struct rows rows;

	take_rows(gate, group, &rows);
	for (; half + at + GATE_BLOCK_OCTETS <= segment.len; at += GATE_BLOCK_OCTETS) {
		lanes seen[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};

		for (size_t i = at; i < at + GATE_BLOCK_OCTETS; i++) {
			walk(&rows, (size_t)segment.data[i] * gate->words, &state[0], &seen[0]);
			walk(&rows, (size_t)segment.data[half + i] * gate->words, &state[1],
			     &seen[1]);
		}
		seen[0] &= rows.final;
		seen[1] &= rows.final;
		if (any(&seen[0]))
			tell(to, group, (const uint64_t *)&seen[0], GATE_LANES, (uint32_t)at,
			     (uint32_t)(at + GATE_BLOCK_OCTETS));
		if (any(&seen[1]))
			tell(to, group, (const uint64_t *)&seen[1], GATE_LANES,
			     (uint32_t)(half + at), (uint32_t)(half + at + GATE_BLOCK_OCTETS));
	}
	walk_block(gate, &rows, segment, half + at, segment.len, &state[1], to, group);
	walk_block(gate, &rows, segment, at, half, &state[0], to, group);

	rows.begin = (lanes){0, 0, 0, 0};
	for (at = half; at < segment.len && any(&state[0]); at += GATE_BLOCK_OCTETS)
		walk_block(gate, &rows, segment, at,
		           segment.len - at > GATE_BLOCK_OCTETS ? at + GATE_BLOCK_OCTETS
		                                                : segment.len,
		           &state[0], to, group);
}

static inline __attribute__((always_inline)) void scan_all(const struct blob_gate *gate,
                                                           struct gate_span span,
                                                           struct bytes segment,
                                                           const struct telling *to)
{
	uint32_t group = span.from;

	for (; group + 3 * GATE_LANES <= span.to; group += 3 * GATE_LANES)
		scan_groups(gate, group, 3, segment, to);
	if (group + 2 * GATE_LANES <= span.to)
		scan_groups(gate, group, 2, segment, to);
	else if (group < span.to && segment.len > 2 * GATE_BLOCK_OCTETS)
		scan_halves(gate, group, segment, to);
	else if (group < span.to)
		scan_groups(gate, group, 1, segment, to);
}

static void scan_plain(const struct blob_gate *gate, struct gate_span span, struct bytes segment,
                       const struct telling *to)
{
	scan_all(gate, span, segment, to);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void scan_avx2(const struct blob_gate *gate,
                                                      struct gate_span span, struct bytes segment,
                                                      const struct telling *to)
{
	scan_all(gate, span, segment, to);
}

/* Two steps of the chain less: logic of three operands. */
__attribute__((target("avx2,avx512f,avx512vl"))) static void
scan_avx512(const struct blob_gate *gate, struct gate_span span, struct bytes segment,
            const struct telling *to)
{
	scan_all(gate, span, segment, to);
}
#endif

void gate_scan(const struct blob_gate *gate, struct gate_span span, struct bytes segment,
               gate_told *told, void *user)
{
	const struct telling to = {told, user};

	ASSERT(span.from % GATE_LANES == 0 && span.to % GATE_LANES == 0 && span.to <= gate->words);
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512vl")) {
		scan_avx512(gate, span, segment, &to);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		scan_avx2(gate, span, segment, &to);
		return;
	}
#endif
	scan_plain(gate, span, segment, &to);
}
