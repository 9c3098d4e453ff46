/* fuzz_mime.c - the tree of parts of any octets: parents stand before their children, leaves
 * decode. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "smtp/mime.h"

#define FIELDS_MAX    512
#define SCRATCH_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct charset_set *charsets;

static void close_charsets(void)
{
	charset_set_close(charsets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct header_field fields[FIELDS_MAX];
	static struct mime_part parts[MIME_PARTS_MAX];
	static uint8_t storage[1 << 18], scratch[SCRATCH_BYTES];
	static struct arena arena;

	if (charsets == NULL) {
		ASSERT(arena_init(&arena, charset_set_bytes() + 4096, false) == OK);
		charsets = charset_set_new(&arena);
		ASSERT(charsets != NULL);
		atexit(close_charsets);
	}
	struct header_table headers = {
	    .field = fields, .count_max = FIELDS_MAX, .charsets = charsets};
	struct mime_tree tree = {.part = parts, .headers = &headers};
	headers.storage = sink_over(storage, sizeof(storage));
	tree.scratch = sink_over(scratch, sizeof(scratch));
	header_reset(&headers);
	ASSERT(mime_parse(&tree, bytes_of(data, size)) <= size);
	ASSERT(tree.count >= 1 && tree.count <= MIME_PARTS_MAX);
	for (uint32_t i = 0; i < tree.count; i++) {
		struct bytes octets;

		ASSERT(parts[i].parent < i || i == 0);
		ASSERT(parts[i].first_field + parts[i].field_count <= headers.count);
		if (parts[i].is_leaf && mime_decode(&tree, &parts[i], &octets))
			ASSERT(octets.len <= SCRATCH_BYTES);
	}
	return 0;
}
