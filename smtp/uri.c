/* uri.c - the distinct URIs of one message. */
#include "smtp/uri.h"

#include <assert.h>

#include <libpsl.h>

#include "smtp/header.h"

#define URI_SLOTS          (2 * URIS_MAX)
#define URI_DATA_BYTES     ((size_t)512 * 1024)
#define URI_BASE_BYTES_MAX 1024
#define URI_SUFFIXES_KNOWN 256
/* A slot holds a URI's index below this, and above it which message it is of. */
#define SLOT_STAMP ((uint32_t)URIS_MAX)
static_assert((URIS_MAX & (URIS_MAX - 1)) == 0, "indices are the bits below the stamp");

size_t uri_list_bytes(void)
{
	return URI_DATA_BYTES + URIS_MAX * sizeof(struct segment) + URI_SLOTS * sizeof(uint32_t) +
	       URI_BASE_BYTES_MAX + 5 * URI_WORK_BYTES + URIS_MAX * sizeof(bool) +
	       URI_SUFFIXES_KNOWN * sizeof(struct uri_suffix) + 512;
}

bool uri_list_init(struct uri_list *list, struct arena *arena)
{
	uint8_t *data = arena_take(arena, URI_DATA_BYTES, 1, 64);

	*list = (struct uri_list){.data = sink_over(data, URI_DATA_BYTES)};
	list->segment = ARENA_TAKE(arena, URIS_MAX, struct segment);
	list->slot = ARENA_TAKE(arena, URI_SLOTS, uint32_t);
	list->expanded = ARENA_TAKE(arena, URIS_MAX, bool);
	list->known_suffix = ARENA_TAKE(arena, URI_SUFFIXES_KNOWN, struct uri_suffix);
	list->work[0] = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->work[1] = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->joined = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->resolved = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->cleaned = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->base_memory = arena_take(arena, URI_BASE_BYTES_MAX, 1, 1);
	list->stamp = SLOT_STAMP;
	uri_classes_fill(list->classes);
	/* The list built into the library: looking up in it allocates nothing. */
	list->suffixes = psl_builtin();
	return data != NULL && list->segment != NULL && list->slot != NULL &&
	       list->expanded != NULL && list->known_suffix != NULL && list->base_memory != NULL &&
	       list->work[0] != NULL && list->work[1] != NULL && list->joined != NULL &&
	       list->cleaned != NULL && list->resolved != NULL;
}

void uri_list_reset(struct uri_list *list)
{
	if (list->count > 0 && (list->stamp += SLOT_STAMP) == 0) {
		memset(list->slot, 0, URI_SLOTS * sizeof(uint32_t));
		list->stamp = SLOT_STAMP;
	}
	list->count = 0;
	list->data.len = 0;
	list->data.full = false;
	list->base = bytes_of(NULL, 0);
	list->cut = list->left_out = false;
}

/* FNV-1a's steps, eight octets at a time. */
static uint32_t hash_of(struct bytes b)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ b.len, word = 0;
	size_t at = 0;

	for (; b.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, b.data + at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 32;
	}
	word = 0;
	if (at < b.len)
		memcpy(&word, b.data + at, b.len - at);
	hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(hash >> 32);
}

static bool is_taken(const struct uri_list *list, uint32_t slot)
{
	return (list->slot[slot] & ~(SLOT_STAMP - 1)) == list->stamp;
}

static uint32_t index_of(const struct uri_list *list, uint32_t slot)
{
	return list->slot[slot] & (SLOT_STAMP - 1);
}

/* The slot `uri` stands in, or the free one it would take. */
static uint32_t slot_of(const struct uri_list *list, struct bytes uri)
{
	uint32_t at = hash_of(uri) % URI_SLOTS;

	for (; is_taken(list, at); at = (at + 1) % URI_SLOTS) {
		const struct segment *s = &list->segment[index_of(list, at)];

		if (bytes_equal(uri, bytes_of(list->data.data + s->start, s->len)))
			break;
	}
	return at;
}

bool uri_is_expanded(const struct uri_list *list, struct bytes uri)
{
	uint32_t slot = slot_of(list, uri);

	return is_taken(list, slot) && list->expanded[index_of(list, slot)];
}

void uri_set_expanded(struct uri_list *list, struct bytes uri)
{
	uint32_t slot = slot_of(list, uri);

	if (is_taken(list, slot))
		list->expanded[index_of(list, slot)] = true;
}

void uri_keep(struct uri_list *list, struct bytes uri)
{
	if (uri.len > URI_BYTES_MAX) {
		uri.len = URI_BYTES_MAX;
		list->cut = true;
	}
	uint32_t at = slot_of(list, uri);
	if (is_taken(list, at))
		return;
	if (list->count == URIS_MAX || list->data.bytes_max - list->data.len < uri.len) {
		list->left_out = true;
		return;
	}
	list->segment[list->count] = (struct segment){(uint32_t)list->data.len, (uint32_t)uri.len};
	list->expanded[list->count] = false;
	list->slot[at] = list->stamp | list->count++;
	sink_put(&list->data, uri);
}

/* Whether `name`, lower case and shorter than URI_TLD_BYTES_MAX, is a suffix; the NUL stands
 * behind it. */
static bool is_suffix(const struct uri_list *list, const char *name, size_t len)
{
	struct uri_suffix
	    *known = &list->known_suffix[hash_of(bytes_of(name, len)) % URI_SUFFIXES_KNOWN];

	if (known->len != len || memcmp(known->name, name, len) != 0) {
		known->is_suffix = psl_is_public_suffix2(list->suffixes, name,
		                                         PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) !=
		                   0;
		known->len = (uint8_t)len;
		memcpy(known->name, name, len);
	}
	return known->is_suffix;
}

/* Whether the last two labels are a suffix, as under "za", which is none itself. */
static bool is_second_level(const struct uri_list *list, struct bytes host, size_t tld_start)
{
	char name[URI_TLD_BYTES_MAX];
	size_t start = tld_start - 1;

	while (start > 0 && host.data[start - 1] != '.')
		start--;
	size_t len = host.len - start;
	if (len >= sizeof(name) || start + 1 >= tld_start)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = host.data[start + i];

		name[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	name[len] = '\0';
	return is_suffix(list, name, len);
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
	return is_suffix(list, tld, len) || is_second_level(list, host, start);
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

/* A file name at the end of `uri` ("/page.html"): the offset it begins at, or the length. */
static size_t file_name(struct bytes uri)
{
	size_t slash = uri.len;

	while (slash > 0 && uri.data[slash - 1] != '/')
		slash--;
	struct bytes name = bytes_slice(uri, slash, SIZE_MAX);
	size_t dot = bytes_find(name, '.');
	size_t host = bytes_find(uri, '/');

	while (host + 1 < uri.len && uri.data[host + 1] == '/')
		host++;
	if (slash <= host + 1 || dot == 0 || dot + 3 > name.len || name.len - dot - 1 > 4)
		return uri.len;
	return slash;
}

void uri_set_base(struct uri_list *list, struct bytes uri)
{
	uri = header_trim(uri);
	if (!bytes_starts_nocase(uri, BYTES("http:")) &&
	    !bytes_starts_nocase(uri, BYTES("https:")) && !bytes_starts_nocase(uri, BYTES("ftp:")))
		return;
	if (uri.len > URI_BASE_BYTES_MAX - 1) {
		list->cut = true;
		return;
	}
	size_t len = file_name(uri);
	memcpy(list->base_memory, uri.data, len);
	if (list->base_memory[len - 1] != '/')
		list->base_memory[len++] = '/';
	list->base = bytes_of(list->base_memory, len);
}

struct bytes uri_trim(struct bytes uri)
{
	for (;;) {
		uri = header_trim(uri);
		if (uri.len >= 2 && uri.data[0] == 0xC2 && uri.data[1] == 0xA0)
			uri = bytes_slice(uri, 2, SIZE_MAX);
		else if (uri.len >= 2 && uri.data[uri.len - 2] == 0xC2 &&
		         uri.data[uri.len - 1] == 0xA0)
			uri.len -= 2;
		else
			return uri;
	}
}

void uri_add_from_html(struct uri_list *list, struct bytes uri)
{
	static const char *const opaque[] = {"data:", "mailto:", "file:", "cid:", "tel:"};
	struct sink resolved = sink_over(list->resolved, URI_WORK_BYTES);

	uri = uri_trim(uri);
	if (uri.len > URI_BYTES_MAX) {
		uri.len = URI_BYTES_MAX;
		list->cut = true;
	}
	if (uri.len == 0)
		return;
	for (unsigned i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++) {
		if (bytes_starts_nocase(uri, bytes_text(opaque[i]))) {
			uri_add(list, uri, false);
			return;
		}
	}
	uri_resolve(list->base, uri, &resolved);
	if (resolved.len > 0)
		uri_add(list, sink_bytes(&resolved), false);
}

void uri_add_anchor(struct uri_list *list, struct bytes uri)
{
	uri_add(list, uri_trim(uri), false);
}
