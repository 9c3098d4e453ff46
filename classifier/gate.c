/* gate.c - runs a gate over one segment, four words at a time.
 *
 * All bits of a group of four words stay in one vector register from the first octet to the last,
 * so a group costs two loads and five operations an octet; groups are walked one after the other.
 */
#include "classifier/gate.h"

#include "base/check.h"

typedef uint64_t lanes __attribute__((vector_size(32), aligned(8)));

#define LANES 4u

static inline __attribute__((always_inline)) void
scan_group(const struct blob_gate *gate, uint32_t group, struct bytes segment, uint64_t *out_seen)
{
	uint32_t words = gate->words;
	const uint64_t *begin_at = gate->table + group, *final_at = begin_at + words;
	const uint64_t *step_at = final_at + words, *stay_at = step_at + (size_t)256 * words;
	lanes begin = *(const lanes *)begin_at, final = *(const lanes *)final_at;
	lanes state = {0, 0, 0, 0}, seen = {0, 0, 0, 0};

	for (size_t i = 0; i < segment.len; i++) {
		size_t row = (size_t)segment.data[i] * words;
		lanes step = *(const lanes *)(step_at + row),
		      stay = *(const lanes *)(stay_at + row);

		state = (((state << 1) | begin) & step) | (state & stay);
		seen |= state;
	}
	*(lanes *)(out_seen + group) = seen & final;
}

static void scan_plain(const struct blob_gate *gate, struct bytes segment, uint64_t *out_seen)
{
	for (uint32_t group = 0; group < gate->words; group += LANES)
		scan_group(gate, group, segment, out_seen);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void scan_avx2(const struct blob_gate *gate,
                                                      struct bytes segment, uint64_t *out_seen)
{
	for (uint32_t group = 0; group < gate->words; group += LANES)
		scan_group(gate, group, segment, out_seen);
}
#endif

void gate_scan(const struct blob_gate *gate, struct bytes segment, uint64_t *out_seen)
{
	ASSERT(gate->words % LANES == 0);
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2")) {
		scan_avx2(gate, segment, out_seen);
		return;
	}
#endif
	scan_plain(gate, segment, out_seen);
}
