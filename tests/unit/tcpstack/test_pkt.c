/* test_pkt.c - packets packed: no octet lost or moved out of order, no room left but in the last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/limits.h"
#include "tcpstack/pkt.h"

#define PKTS 64

struct fixture {
	struct arena arena;
	struct pkt_pool *pool;
	uint8_t sent;
};

static void open_pool(struct fixture *f)
{
	*f = (struct fixture){.sent = 0};
	assert_int_equal(
	    arena_init(&f->arena, PKTS * (PKT_DATA_BYTES + sizeof(struct pkt) + 64) + 4096, false),
	    OK);
	f->pool = pkt_pool_memory(&f->arena, PKTS);
	assert_non_null(f->pool);
}

/* A segment of `bytes` octets as it was received: headers in front of it. */
static struct pkt *segment(struct fixture *f, size_t bytes)
{
	struct pkt *pkt = pkt_get(f->pool);

	assert_non_null(pkt);
	pkt->data += 66;
	pkt->len = (uint16_t)bytes;
	for (size_t i = 0; i < bytes; i++)
		pkt->data[i] = f->sent++;
	return pkt;
}

static void check(struct fixture *f, struct pkt_chain *chain, size_t bytes)
{
	uint32_t left = chain->count;
	size_t seen = 0;
	uint8_t next = 0;
	struct pkt *pkt;

	assert_int_equal(chain->bytes, bytes);
	assert_int_equal(f->pool->pkt_count - f->pool->free_count, chain->count);
	while ((pkt = pkt_chain_pop(chain)) != NULL) {
		for (size_t i = 0; i < pkt->len; i++)
			assert_int_equal(pkt->data[i], next++);
		seen += pkt->len;
		if (--left > 0)
			assert_int_equal(pkt_tailroom(pkt), 0);
		pkt_put(pkt);
	}
	assert_int_equal(seen, bytes);
	assert_int_equal(f->pool->free_count, PKTS);
	arena_free(&f->arena);
}

static void segments_fill_buffers(void **state)
{
	struct pkt_chain chain = {0};
	struct fixture f;

	(void)state;
	open_pool(&f);
	for (int i = 0; i < 50; i++)
		pkt_chain_pack(&chain, segment(&f, 1448));
	assert_int_equal(chain.count, (50 * 1448 + PKT_DATA_BYTES - 1) / PKT_DATA_BYTES);
	check(&f, &chain, 50 * 1448);
}

static void sizes_of_all_kinds_keep_their_order(void **state)
{
	static const uint16_t sizes[] = {0,    1, 1854, 1,  536, 0,  7,    1448,
	                                 1220, 3, 1448, 64, 9,   31, 1854, 1854};
	struct pkt_chain chain = {0};
	struct fixture f;
	size_t bytes = 0;

	(void)state;
	open_pool(&f);
	for (unsigned i = 0; i < 4 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint16_t size = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];

		pkt_chain_pack(&chain, segment(&f, size));
		bytes += size;
	}
	check(&f, &chain, bytes);
}

/* What was already sent from the front is not filled again. */
static void packs_behind_a_popped_front(void **state)
{
	struct pkt_chain chain = {0};
	struct fixture f;

	(void)state;
	open_pool(&f);
	for (int i = 0; i < 3; i++) {
		pkt_chain_pack(&chain, segment(&f, 1448));
		pkt_chain_pack(&chain, segment(&f, 1448));
		struct pkt *front = pkt_chain_pop(&chain);
		assert_int_equal(front->len + chain.bytes, (i + 1) * 2896 - i * PKT_DATA_BYTES);
		pkt_put(front);
		if (i < 2)
			assert_int_equal(front->len, PKT_DATA_BYTES);
	}
	assert_int_equal(chain.bytes, 3 * 2896 - 3 * PKT_DATA_BYTES);
	pkt_chain_put_all(&chain);
	assert_int_equal(f.pool->free_count, PKTS);
	arena_free(&f.arena);
}

/* Every cut of a chain of small and large packets, against the same cut of an array. */
static void any_range_is_cut(void **state)
{
	static const uint16_t sizes[] = {3, 1, 5, 2, 7, 1};
	const size_t all = 19;

	(void)state;
	for (size_t from = 0; from <= all; from++) {
		for (size_t bytes = 0; bytes <= all - from; bytes++) {
			struct pkt_chain chain = {0};
			struct fixture f;
			struct pkt *pkt;
			uint8_t next = 0;

			open_pool(&f);
			for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
				pkt_chain_push(&chain, segment(&f, sizes[i]));
			pkt_chain_cut(&chain, from, bytes);
			assert_int_equal(chain.bytes, all - bytes);
			assert_int_equal(f.pool->pkt_count - f.pool->free_count, chain.count);
			assert_true((chain.head == NULL) == (bytes == all));
			if (chain.tail != NULL)
				assert_null(chain.tail->next);
			while ((pkt = pkt_chain_pop(&chain)) != NULL) {
				assert_true(pkt->len > 0);
				for (size_t i = 0; i < pkt->len; i++, next++)
					assert_int_equal(pkt->data[i],
					                 next < from ? next : next + bytes);
				pkt_put(pkt);
			}
			assert_int_equal(next, all - bytes);
			assert_null(chain.tail);
			assert_int_equal(f.pool->free_count, PKTS);
			arena_free(&f.arena);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(segments_fill_buffers),
	    cmocka_unit_test(sizes_of_all_kinds_keep_their_order),
	    cmocka_unit_test(packs_behind_a_popped_front),
	    cmocka_unit_test(any_range_is_cut),
	};

	return cmocka_run_group_tests_name("pkt", tests, NULL, NULL);
}
