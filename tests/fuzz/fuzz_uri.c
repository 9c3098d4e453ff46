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
	uri_begin_html(&list);
	size_t line = bytes_find(text, '\n');
	uri_set_base(&list, bytes_slice(text, 0, line));
	uri_add_from_html(&list, bytes_slice(text, line + 1, SIZE_MAX), FACT_URI_a);
	(void)uri_add_anchor(&list, text);
	uri_add_signer(&list, bytes_slice(text, 0, line));
	uri_list_close(&list);
	ASSERT(list.count <= URIS_MAX);
	for (uint32_t i = 0; i < list.count; i++)
		ASSERT(list.segment[i].len <= URI_BYTES_MAX);
	ASSERT(list.detail_count <= URIS_MAX && list.form_count <= URI_FORMS_MAX);
	for (uint32_t i = 0, next = 0; i < list.detail_count; i++) {
		const struct fact_uri *uri = &list.detail[i];

		ASSERT(uri->form_first == next && uri->types != 0);
		ASSERT(uri_detail_find(&list, uri->raw) == i);
		next += uri->form_count;
		ASSERT(next <= list.form_count);
	}
	for (uint32_t i = 0; i < list.form_count; i++)
		ASSERT(list.form[i] < list.count);
	return 0;
}
