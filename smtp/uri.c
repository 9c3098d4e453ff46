/* uri.c - the distinct URIs of one message. */
#include "smtp/uri.h"

#include <libpsl.h>

#include "smtp/header.h"
#include "smtp/octets.h"
#include "smtp/uri_host.h"

#define URI_SLOTS            (2 * URIS_MAX)
#define URI_PROBES_MAX       128 /* URIs that do not find a slot in so many are left out */
#define URI_DATA_BYTES       ((size_t)512 * 1024)
#define URI_BASE_BYTES_MAX   1024
#define URI_SUFFIXES_KNOWN   256
#define URI_SIGNER_BYTES_MAX 512

size_t uri_list_bytes(void)
{
	return URI_DATA_BYTES + URIS_MAX * sizeof(struct segment) + URI_SLOTS * sizeof(uint32_t) +
	       URI_BASE_BYTES_MAX + 5 * URI_WORK_BYTES + URI_RAW_BYTES +
	       URIS_MAX * (sizeof(struct fact_uri) + sizeof(struct uri_note)) +
	       (URI_SLOTS + URI_FORMS_MAX + 2 * URIS_MAX) * sizeof(uint16_t) +
	       URI_SUFFIXES_KNOWN * sizeof(struct uri_suffix) + 512;
}

bool uri_list_init(struct uri_list *list, struct arena *arena)
{
	uint8_t *data = arena_take(arena, URI_DATA_BYTES, 1, 64);

	*list = (struct uri_list){.data = sink_over(data, URI_DATA_BYTES)};
	list->segment = ARENA_TAKE(arena, URIS_MAX, struct segment);
	list->slot = ARENA_TAKE(arena, URI_SLOTS, uint32_t);
	list->detail = ARENA_TAKE(arena, URIS_MAX, struct fact_uri);
	list->note = ARENA_TAKE(arena, URIS_MAX, struct uri_note);
	list->detail_slot = ARENA_TAKE(arena, URI_SLOTS, uint16_t);
	list->slot_at = ARENA_TAKE(arena, URIS_MAX, uint16_t);
	list->detail_slot_at = ARENA_TAKE(arena, URIS_MAX, uint16_t);
	list->form = ARENA_TAKE(arena, URI_FORMS_MAX, uint16_t);
	list->raw = sink_over(arena_take(arena, URI_RAW_BYTES, 1, 1), URI_RAW_BYTES);
	list->known_suffix = ARENA_TAKE(arena, URI_SUFFIXES_KNOWN, struct uri_suffix);
	list->work[0] = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->work[1] = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->joined = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->resolved = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->cleaned = arena_take(arena, URI_WORK_BYTES, 1, 1);
	list->base_memory = arena_take(arena, URI_BASE_BYTES_MAX, 1, 1);
	uri_classes_fill(list->classes);
	/* The list built into the library: looking up in it allocates nothing. */
	list->suffixes = psl_builtin();
	return data != NULL && list->segment != NULL && list->slot != NULL &&
	       list->detail != NULL && list->note != NULL && list->detail_slot != NULL &&
	       list->slot_at != NULL && list->detail_slot_at != NULL && list->form != NULL &&
	       list->raw.data != NULL && list->known_suffix != NULL && list->base_memory != NULL &&
	       list->work[0] != NULL && list->work[1] != NULL && list->joined != NULL &&
	       list->cleaned != NULL && list->resolved != NULL;
}

/* Only what the last message took: most have few URIs, and the tables fill a cache. */
void uri_list_reset(struct uri_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		list->slot[list->slot_at[i]] = 0;
	for (uint32_t i = 0; i < list->detail_count; i++)
		list->detail_slot[list->detail_slot_at[i]] = 0;
	list->count = list->detail_count = list->form_count = list->html_part = 0;
	list->idn_count = 0;
	list->raw.len = 0;
	list->data.len = 0;
	list->data.full = false;
	list->base = bytes_of(NULL, 0);
	list->cut = list->left_out = false;
}

/* The slot `uri` stands in, or the free one it would take; URI_SLOTS: there is none near. */
static uint32_t slot_of(const struct uri_list *list, struct bytes uri)
{
	uint32_t at = octets_hash(uri) % URI_SLOTS;

	for (uint32_t probe = 0; probe < URI_PROBES_MAX; probe++, at = (at + 1) % URI_SLOTS) {
		if (list->slot[at] == 0)
			return at;
		const struct segment *s = &list->segment[list->slot[at] - 1];
		if (bytes_equal(uri, bytes_of(list->data.data + s->start, s->len)))
			return at;
	}
	return URI_SLOTS;
}

/* The same for the detail of `uri`. */
static uint32_t detail_slot_of(const struct uri_list *list, struct bytes uri)
{
	uint32_t at = octets_hash(uri) % URI_SLOTS;

	for (uint32_t probe = 0; probe < URI_PROBES_MAX; probe++, at = (at + 1) % URI_SLOTS)
		if (list->detail_slot[at] == 0 ||
		    bytes_equal(uri, list->detail[list->detail_slot[at] - 1].raw))
			return at;
	return URI_SLOTS;
}

uint32_t uri_detail_find(const struct uri_list *list, struct bytes uri)
{
	uint32_t at = list->detail_count == 0 ? URI_SLOTS : detail_slot_of(list, uri);
	uint32_t found = at == URI_SLOTS ? 0 : list->detail_slot[at];

	return found != 0 ? found - 1 : FACT_NONE;
}

void uri_detail_form(struct uri_list *list, uint32_t form)
{
	if (form == FACT_NONE || list->form_count == URI_FORMS_MAX)
		list->left_out = true;
	else
		list->form[list->form_count++] = (uint16_t)form;
}

static struct bytes kept(const struct uri_list *list, uint32_t index)
{
	return bytes_of(list->data.data + list->segment[index].start, list->segment[index].len);
}

/* `uri` in memory that stays: where it is kept as its own form, nearly always. False when there is
 * no room. */
static bool settle_raw(struct uri_list *list, uint32_t form_first, struct bytes *in_out_uri)
{
	size_t start = list->raw.len;

	if (form_first < list->form_count &&
	    bytes_equal(kept(list, list->form[form_first]), *in_out_uri)) {
		*in_out_uri = kept(list, list->form[form_first]);
		return true;
	}
	if (list->raw.bytes_max - start < in_out_uri->len)
		return false;
	sink_put(&list->raw, *in_out_uri);
	*in_out_uri = bytes_of(list->raw.data + start, in_out_uri->len);
	return true;
}

uint32_t uri_detail_make(struct uri_list *list, struct bytes uri)
{
	uint32_t index = list->detail_count, first = 0, slot = detail_slot_of(list, uri);

	if (index > 0)
		first = (uint32_t)list->detail[index - 1].form_first +
		        list->detail[index - 1].form_count;
	if (index == URIS_MAX || slot == URI_SLOTS || !settle_raw(list, first, &uri)) {
		list->left_out = true;
		list->form_count = first;
		return FACT_NONE;
	}
	list->detail[index] = (struct fact_uri){
	    .raw = uri,
	    .form_first = (uint16_t)first,
	    .form_count = (uint16_t)(list->form_count - first),
	};
	list->note[index] = (struct uri_note){0};
	list->detail_slot_at[index] = (uint16_t)slot;
	list->detail_slot[slot] = (uint16_t)++list->detail_count;
	return index;
}

uint32_t uri_keep(struct uri_list *list, struct bytes uri)
{
	if (uri.len > URI_BYTES_MAX) {
		uri.len = URI_BYTES_MAX;
		list->cut = true;
	}
	uint32_t at = slot_of(list, uri);
	if (at < URI_SLOTS && list->slot[at] != 0)
		return list->slot[at] - 1;
	if (list->count == URIS_MAX || at == URI_SLOTS ||
	    list->data.bytes_max - list->data.len < uri.len) {
		list->left_out = true;
		return FACT_NONE;
	}
	list->segment[list->count] = (struct segment){(uint32_t)list->data.len, (uint32_t)uri.len};
	list->slot_at[list->count] = (uint16_t)at;
	list->slot[at] = ++list->count;
	sink_put(&list->data, uri);
	return list->count - 1;
}

/* Whether `name`, lower case and shorter than URI_TLD_BYTES_MAX, is a suffix; the NUL stands
 * behind it. */
static bool is_suffix(const struct uri_list *list, const char *name, size_t len)
{
	struct uri_suffix
	    *known = &list->known_suffix[octets_hash(bytes_of(name, len)) % URI_SUFFIXES_KNOWN];

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

void uri_begin_html(struct uri_list *list)
{
	list->html_part++;
	list->base = bytes_of(NULL, 0);
}

void uri_add_from_html(struct uri_list *list, struct bytes uri, enum fact_uri_type type)
{
	static const char *const opaque[] = {"data:", "mailto:", "file:", "cid:", "tel:"};
	struct sink resolved = sink_over(list->resolved, URI_WORK_BYTES);
	uint32_t types = UINT32_C(1) << type;

	uri = uri_trim(uri);
	if (uri.len > URI_BYTES_MAX) {
		uri.len = URI_BYTES_MAX;
		list->cut = true;
	}
	if (uri.len == 0)
		return;
	for (unsigned i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++) {
		if (bytes_starts_nocase(uri, bytes_text(opaque[i]))) {
			(void)uri_add(list, uri, types, false);
			return;
		}
	}
	uri_resolve(list->base, uri, &resolved);
	if (resolved.len > 0)
		(void)uri_add(list, sink_bytes(&resolved), types, false);
}

uint32_t uri_add_anchor(struct uri_list *list, struct bytes uri)
{
	return uri_add(list, uri_trim(uri), 0, false);
}

void uri_add_signer(struct uri_list *list, struct bytes domain)
{
	uint8_t memory[URI_SIGNER_BYTES_MAX];
	struct sink uri = sink_over(memory, sizeof(memory));

	sink_put(&uri, BYTES("domainkeys:"));
	for (size_t i = 0; i < domain.len; i++)
		if (!header_is_space(domain.data[i]))
			sink_octet(&uri, domain.data[i]);
	if (uri.full || !uri_has_valid_host(list, sink_bytes(&uri)))
		return;
	uint32_t detail = uri_detail_find(list, sink_bytes(&uri));
	if (detail == FACT_NONE)
		detail = uri_detail_make(list, sink_bytes(&uri));
	if (detail != FACT_NONE)
		list->detail[detail].types |= UINT32_C(1) << FACT_URI_domainkeys |
		                              UINT32_C(1) << FACT_URI_nocanon |
		                              UINT32_C(1) << FACT_URI_noclean;
}

/* Of a URI of which a part told an anchor's text and nothing else, SpamAssassin says that it was
 * read in the text. */
static void settle_part(struct uri_list *list, uint32_t detail)
{
	struct uri_note *note = &list->note[detail];

	if (note->has_anchor && note->html_types == 0)
		list->detail[detail].types |= UINT32_C(1) << FACT_URI_parsed;
	note->has_anchor = false;
	note->html_types = 0;
}

void uri_list_close(struct uri_list *list)
{
	for (uint32_t i = 0; i < list->detail_count; i++)
		settle_part(list, i);
}

static void note_types(struct uri_list *list, uint32_t detail, uint32_t types, bool from_text)
{
	struct uri_note *note = &list->note[detail];

	list->detail[detail].types |= types;
	if (from_text)
		return;
	if (note->html_part != list->html_part)
		settle_part(list, detail);
	note->html_part = list->html_part;
	note->html_types |= types;
	note->has_anchor = note->has_anchor || types == 0;
}

uint32_t uri_add(struct uri_list *list, struct bytes uri, uint32_t types, bool from_text)
{
	if (uri.len > URI_BYTES_MAX) {
		uri.len = URI_BYTES_MAX;
		list->cut = true;
	}
	uint32_t detail = uri_detail_find(list, uri);
	bool is_known = detail != FACT_NONE;

	if (from_text && !(is_known && list->note[detail].is_checked)) {
		bool is_valid = uri_leads_to_host(list, uri);

		if (is_known) {
			list->note[detail].is_checked = true;
			list->note[detail].is_valid = is_valid;
		}
		if (!is_valid)
			return FACT_NONE;
	} else if (from_text && !list->note[detail].is_valid) {
		return FACT_NONE;
	}
	if (!is_known) {
		uri_put_forms(list, uri);
		detail = uri_detail_make(list, uri);
	}
	if (detail != FACT_NONE)
		note_types(list, detail, types, from_text);
	return detail;
}
