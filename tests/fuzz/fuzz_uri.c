/* fuzz_uri.c - URIs in text, from attributes, against a base: any octets, bounded output. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "smtp/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	static struct uri_list list;

	if (arena.memory == NULL) {
		ASSERT(arena_init(&arena, uri_list_bytes() + 4096, false) == OK);
		ASSERT(uri_list_init(&list, &arena));
	}
	uri_list_reset(&list);
	struct bytes text = bytes_of(data, size);
	uri_find_in_text(&list, text);
	size_t line = bytes_find(text, '\n');
	uri_set_base(&list, bytes_slice(text, 0, line));
	uri_add_from_html(&list, bytes_slice(text, line + 1, SIZE_MAX), FACT_URI_a);
	(void)uri_add_anchor(&list, text);
	ASSERT(list.count <= URIS_MAX);
	for (uint32_t i = 0; i < list.count; i++)
		ASSERT(list.segment[i].len <= URI_BYTES_MAX);
	return 0;
}
