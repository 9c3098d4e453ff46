/* uri.c - the distinct URIs of one message. */
#include "smtp/uri.h"

#include <libpsl.h>

#include "smtp/header.h"

#define URI_SLOTS          (2 * URIS_MAX)
#define URI_DATA_BYTES     ((size_t)512 * 1024)
#define URI_BASE_BYTES_MAX 1024
#define URI_TLD_BYTES_MAX  64

size_t uri_list_bytes(void)
{
	return URI_DATA_BYTES + URIS_MAX * sizeof(struct segment) + URI_SLOTS * sizeof(uint32_t) +
	       URI_BASE_BYTES_MAX + 256;
}

bool uri_list_init(struct uri_list *list, struct arena *arena)
{
	uint8_t *data = arena_take(arena, URI_DATA_BYTES, 1, 64);

	*list = (struct uri_list){.data = sink_over(data, URI_DATA_BYTES)};
	list->segment = ARENA_TAKE(arena, URIS_MAX, struct segment);
	list->slot = ARENA_TAKE(arena, URI_SLOTS, uint32_t);
	list->base_memory = arena_take(arena, URI_BASE_BYTES_MAX, 1, 1);
	/* The list built into the library: looking up in it allocates nothing. */
	list->suffixes = psl_builtin();
	return data != NULL && list->segment != NULL && list->slot != NULL &&
	       list->base_memory != NULL;
}

void uri_list_reset(struct uri_list *list)
{
	if (list->count > 0)
		memset(list->slot, 0, URI_SLOTS * sizeof(uint32_t));
	list->count = 0;
	list->data.len = 0;
	list->data.full = false;
	list->base = bytes_of(NULL, 0);
	list->cut = list->left_out = false;
}

static uint32_t hash_of(struct bytes b)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < b.len; i++)
		hash = (hash ^ b.data[i]) * 16777619u;
	return hash;
}

void uri_keep(struct uri_list *list, struct bytes uri)
{
	if (uri.len > URI_BYTES_MAX) {
		uri.len = URI_BYTES_MAX;
		list->cut = true;
	}
	uint32_t at = hash_of(uri) % URI_SLOTS;
	for (; list->slot[at] != 0; at = (at + 1) % URI_SLOTS) {
		const struct segment *s = &list->segment[list->slot[at] - 1];

		if (bytes_equal(uri, bytes_of(list->data.data + s->start, s->len)))
			return;
	}
	if (list->count == URIS_MAX || list->data.bytes_max - list->data.len < uri.len) {
		list->left_out = true;
		return;
	}
	list->segment[list->count] = (struct segment){(uint32_t)list->data.len, (uint32_t)uri.len};
	list->slot[at] = ++list->count;
	sink_put(&list->data, uri);
}

bool uri_has_valid_tld(const struct uri_list *list, struct bytes host)
{
	char tld[URI_TLD_BYTES_MAX];
	size_t start = host.len;

	while (start > 0 && host.data[start - 1] != '.')
		start--;
	size_t len = host.len - start;
	if (start == 0 || len < 2 || len >= sizeof(tld))
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = host.data[start + i];

		if (c >= 0x80 || header_is_space(c))
			return false;
		tld[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	tld[len] = '\0';
	if (list->suffixes == NULL)
		return true;
	return psl_is_public_suffix2(list->suffixes, tld, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) !=
	       0;
}

struct bytes uri_registered_domain(const struct uri_list *list, struct bytes host)
{
	char name[256];

	if (host.len >= sizeof(name) || list->suffixes == NULL)
		return host;
	for (size_t i = 0; i < host.len; i++)
		name[i] = (char)(host.data[i] >= 'A' && host.data[i] <= 'Z' ? host.data[i] | 0x20
		                                                            : host.data[i]);
	name[host.len] = '\0';
	const char *domain = psl_registrable_domain(list->suffixes, name);
	return domain == NULL ? host : bytes_slice(host, (size_t)(domain - name), SIZE_MAX);
}

void uri_set_base(struct uri_list *list, struct bytes uri)
{
	if (!bytes_starts_nocase(uri, BYTES("http:")) &&
	    !bytes_starts_nocase(uri, BYTES("https:")) && !bytes_starts_nocase(uri, BYTES("ftp:")))
		return;
	if (uri.len > URI_BASE_BYTES_MAX - 1) {
		list->cut = true;
		return;
	}
	memcpy(list->base_memory, uri.data, uri.len);
	list->base = bytes_of(list->base_memory, uri.len);
}

void uri_add_from_html(struct uri_list *list, struct bytes uri)
{
	uri = header_trim(uri);
	if (uri.len > 0)
		uri_add(list, uri, false);
}

void uri_add(struct uri_list *list, struct bytes uri, bool need_domain)
{
	(void)need_domain;
	uri_keep(list, uri);
}

void uri_find_in_text(struct uri_list *list, struct bytes text)
{
	(void)list;
	(void)text;
}
