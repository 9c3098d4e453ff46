/* gate.c - runs a gate over one segment, four words at a time.
 *
 * All bits of a group of four words stay in one vector register from the first octet to the last,
 * so a group costs two loads and five operations an octet; groups are walked by twos.
 */
#include "classifier/gate.h"

#include "base/check.h"

typedef uint64_t lanes __attribute__((vector_size(32), aligned(8)));

#define LANES 4u

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

/* Each step waits for the one before: two groups at once take little longer than one. */
static inline __attribute__((always_inline)) void scan_groups(const struct blob_gate *gate,
                                                              uint32_t group, bool two,
                                                              struct bytes segment,
                                                              uint64_t *out_seen)
{
	lanes state[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}}, seen[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
	struct rows rows[2];

	take_rows(gate, group, &rows[0]);
	take_rows(gate, two ? group + LANES : group, &rows[1]);
	for (size_t i = 0; i < segment.len; i++) {
		size_t row = (size_t)segment.data[i] * gate->words;

		walk(&rows[0], row, &state[0], &seen[0]);
		if (two)
			walk(&rows[1], row, &state[1], &seen[1]);
	}
	*(lanes *)(out_seen + group) = seen[0] & rows[0].final;
	if (two)
		*(lanes *)(out_seen + group + LANES) = seen[1] & rows[1].final;
}

static inline __attribute__((always_inline)) void scan_all(const struct blob_gate *gate,
                                                           struct bytes segment, uint64_t *out_seen)
{
	uint32_t group = 0;

	for (; group + 2 * LANES <= gate->words; group += 2 * LANES)
		scan_groups(gate, group, true, segment, out_seen);
	if (group < gate->words)
		scan_groups(gate, group, false, segment, out_seen);
}

static void scan_plain(const struct blob_gate *gate, struct bytes segment, uint64_t *out_seen)
{
	scan_all(gate, segment, out_seen);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void scan_avx2(const struct blob_gate *gate,
                                                      struct bytes segment, uint64_t *out_seen)
{
	scan_all(gate, segment, out_seen);
}

/* Two steps of the chain less: logic of three operands. */
__attribute__((target("avx2,avx512f,avx512vl"))) static void
scan_avx512(const struct blob_gate *gate, struct bytes segment, uint64_t *out_seen)
{
	scan_all(gate, segment, out_seen);
}
#endif

void gate_scan(const struct blob_gate *gate, struct bytes segment, uint64_t *out_seen)
{
	ASSERT(gate->words % LANES == 0);
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512vl")) {
		scan_avx512(gate, segment, out_seen);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		scan_avx2(gate, segment, out_seen);
		return;
	}
#endif
	scan_plain(gate, segment, out_seen);
}
