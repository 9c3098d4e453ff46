/* test_gate.c - a gate tells of every octet that raises a bit, and of no block in which none does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "classifier/gate.h"

#define WORDS_MAX  20u
#define OCTETS_MAX 1100u
#define LETTERS    5u

static uint32_t random_state = 20261122;

static uint32_t chance(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

/* Windows of two to nine positions over a few letters, which stay on some of them. */
static void make_gate(struct blob_gate *gate, uint32_t words)
{
	uint64_t *begin = gate->table, *final = begin + words, *step = final + words;
	uint64_t *stay = step + 256 * (size_t)words;

	memset(gate->table, 0, (size_t)words * (2 + 512) * sizeof(uint64_t));
	gate->words = words;
	for (uint32_t word = 0; word < words; word++)
		for (uint32_t bit = 0, len; bit + 9 < 64; bit += len) {
			len = 2 + chance(8);
			begin[word] |= (uint64_t)1 << bit;
			final[word] |= (uint64_t)1 << (bit + len - 1);
			for (uint32_t c = 'a'; c < 'a' + LETTERS; c++)
				for (uint32_t k = bit; k < bit + len; k++) {
					step[c * words + word] |= (uint64_t)(chance(3) == 0) << k;
					if (k < bit + len - 1)
						stay[c * words + word] |= (uint64_t)(chance(2))
						                          << k;
				}
		}
}

static bool raised[WORDS_MAX][64][OCTETS_MAX]; /* by word, bit and octet; taken back when told */

static uint32_t walk(const struct blob_gate *gate, struct gate_span span, struct bytes text)
{
	uint32_t words = gate->words, count = 0;
	const uint64_t *begin = gate->table, *final = begin + words, *step = final + words;
	const uint64_t *stay = step + 256 * (size_t)words;

	for (uint32_t word = span.from; word < span.to; word++) {
		uint64_t state = 0;

		for (size_t i = 0; i < text.len; i++) {
			size_t row = text.data[i] * (size_t)words + word;

			state = ((state << 1 | begin[word]) & step[row]) | (state & stay[row]);
			for (uint32_t bit = 0; bit < 64; bit++) {
				raised[word][bit][i] = (state & final[word]) >> bit & 1;
				count += raised[word][bit][i];
			}
		}
	}
	return count;
}

struct told {
	uint32_t octets, empty;
	struct gate_span span;
};

static void on_told(void *user, uint32_t word, uint64_t bits, uint32_t from, uint32_t to)
{
	struct told *told = user;

	assert_true(bits != 0 && from < to && to <= OCTETS_MAX);
	assert_true(word >= told->span.from && word < told->span.to);
	for (uint64_t left = bits; left != 0; left &= left - 1) {
		bool *its = raised[word][__builtin_ctzll(left)];
		uint32_t before = told->octets;

		for (uint32_t i = from; i < to; i++) {
			told->octets += its[i];
			its[i] = false;
		}
		told->empty += told->octets == before;
	}
}

static void tells_what_is_raised(void **state)
{
	static const uint32_t words[] = {4, 8, 12, 20};
	static uint8_t text[OCTETS_MAX];
	struct blob_gate *gate = malloc(sizeof(*gate) + WORDS_MAX * 514 * sizeof(uint64_t));
	uint32_t all = 0;

	(void)state;
	assert_non_null(gate);
	for (uint32_t turn = 0; turn < 200; turn++) {
		struct told told = {0};
		uint32_t len = turn < 20 ? turn : chance(OCTETS_MAX + 1);
		uint32_t rare = 1 + chance(20);

		make_gate(gate, words[turn % 4]);
		for (uint32_t i = 0; i < len; i++)
			text[i] = (uint8_t)(chance(rare) == 0 ? 'a' + chance(LETTERS)
			                                      : 'a' + turn % LETTERS);
		/* Of every second turn some words only: of the others nobody tells. */
		uint32_t groups = gate->words / GATE_LANES, first = turn / 4 % 2 * chance(groups);
		struct gate_span span = {first * GATE_LANES, gate->words};
		if (turn / 4 % 2 != 0)
			span.to = (first + 1 + chance(groups - first)) * GATE_LANES;
		uint32_t count = walk(gate, span, bytes_of(text, len));
		told.span = span;
		gate_scan(gate, span, bytes_of(text, len), on_told, &told);
		assert_int_equal(told.octets, count);
		all += count;
		/* Halves may tell of a bit twice; of one that was not raised, nobody. */
		if (len <= 2 * GATE_BLOCK_OCTETS)
			assert_int_equal(told.empty, 0);
	}
	assert_true(all > 10000);
	free(gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_what_is_raised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
