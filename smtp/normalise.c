/* normalise.c - one message in, the texts the classifier takes out. */
#include "smtp/normalise.h"

#include "base/check.h"
#include "smtp/charset.h"
#include "smtp/decode.h"
#include "smtp/dkim.h"
#include "smtp/facts_build.h"
#include "smtp/header.h"
#include "smtp/html_render.h"
#include "smtp/mime.h"
#include "smtp/octets.h"
#include "smtp/relays.h"
#include "smtp/selector.h"
#include "smtp/text_build.h"
#include "smtp/uri.h"

#define FIELDS_MAX           FACT_FIELDS_MAX
#define BODY_PART_CHARACTERS 50000
#define RAWBODY_PART_BYTES   500000
#define FIXED_BYTES_MIN      ((size_t)64 * 1024)
#define ATTRIBUTE_BYTES_MAX  ((size_t)16 * 1024)
#define TITLE_BYTES_MAX      ((size_t)16 * 1024)

struct kept_digest { /* of a leaf of the message in hand */
	uint32_t part, part_bytes;
	bool is_known[PART_DIGEST_KINDS];
	uint8_t octet[PART_DIGEST_KINDS][PART_DIGEST_BYTES];
};

struct normaliser {
	size_t message_bytes_max;
	struct mime_counters *counters;
	struct charset_set *charsets;
	struct header_table headers;
	struct mime_tree tree;
	struct sink rendered; /* text parts, rendered, before white space is folded */
	struct text_build body, rawbody, header;
	struct uri_list uris;
	struct relays relays;
	struct html_render render;
	struct sink scratch;
	struct facts_build facts;
	struct dkim *dkim;
	uint32_t digest_count;
	struct kept_digest digest[PART_DIGESTS_MAX];
	struct fact_html html_unkept; /* of HTML parts beyond FACT_HTML_MAX */
	struct segment full;
	uint64_t defects;
};

static const char *const defect_texts[] = {
#define DEFECT(name, text, help) text,
#include "smtp/defects.def"
};

const char *message_defect_text(enum message_defect defect)
{
	ASSERT((unsigned)defect < DEFECT_COUNT);
	return defect_texts[defect];
}

/* Every size a normaliser is made of, from the one that is chosen. */
struct sizes {
	size_t scratch, storage, rendered, body, rawbody, header, work, strings;
	uint32_t body_segments, rawbody_segments;
};

static struct sizes sizes_for(size_t message_bytes_max)
{
	size_t n = message_bytes_max > FIXED_BYTES_MIN ? message_bytes_max : FIXED_BYTES_MIN;

	return (struct sizes){
	    /* The prepared body, what is decoded from it, and the HTML of one part as UTF-8. */
	    .scratch = 6 * n,
	    .storage = 4 * n,
	    .rendered = 2 * n + 4 * BODY_PART_CHARACTERS,
	    .body = 2 * n,
	    .rawbody = n + n / 8,
	    .header = 4 * n,
	    .strings = n + n / 2,
	    /* What address_walk_open() asks for. */
	    .work = 4 * HEADER_VALUE_BYTES_MAX + 3,
	    .body_segments = (uint32_t)(n / 8 + 1024),
	    .rawbody_segments = (uint32_t)(n / TEXT_PIECE_BYTES + MIME_PARTS_MAX + 1),
	};
}

size_t normaliser_bytes(size_t message_bytes_max)
{
	struct sizes s = sizes_for(message_bytes_max);

	return sizeof(struct normaliser) + charset_set_bytes() + uri_list_bytes() +
	       FIELDS_MAX * sizeof(struct header_field) +
	       MIME_PARTS_MAX * sizeof(struct mime_part) + s.scratch + s.storage + s.rendered +
	       s.work + ATTRIBUTE_BYTES_MAX + TITLE_BYTES_MAX + s.strings + RELAYS_TEXT_BYTES +
	       facts_build_bytes() + dkim_bytes() + text_build_bytes(s.body, s.body_segments) +
	       text_build_bytes(s.rawbody, s.rawbody_segments) +
	       text_build_bytes(s.header, SELECTORS_MAX) + 4096;
}

/* True when `sink` got its memory. */
static bool sink_take(struct arena *arena, size_t bytes, struct sink *out_sink)
{
	*out_sink = sink_over(arena_take(arena, bytes, 1, 64), bytes);
	return out_sink->data != NULL;
}

struct normaliser *normaliser_new(struct arena *arena, size_t message_bytes_max,
                                  struct mime_counters *counters)
{
	struct sizes s = sizes_for(message_bytes_max);
	struct normaliser *n = ARENA_TAKE(arena, 1, struct normaliser);

	if (n == NULL)
		return NULL;
	n->message_bytes_max = message_bytes_max;
	n->counters = counters;
	n->headers.field = ARENA_TAKE(arena, FIELDS_MAX, struct header_field);
	n->headers.count_max = FIELDS_MAX;
	n->tree.part = ARENA_TAKE(arena, MIME_PARTS_MAX, struct mime_part);
	n->tree.headers = &n->headers;
	if (n->headers.field == NULL || n->tree.part == NULL ||
	    !sink_take(arena, s.storage, &n->headers.storage) ||
	    !sink_take(arena, s.scratch, &n->tree.scratch) ||
	    !sink_take(arena, s.rendered, &n->rendered) || !sink_take(arena, s.work, &n->scratch) ||
	    !sink_take(arena, RELAYS_TEXT_BYTES, &n->relays.data) ||
	    !sink_take(arena, ATTRIBUTE_BYTES_MAX, &n->render.scratch) ||
	    !sink_take(arena, TITLE_BYTES_MAX, &n->render.facts.titles) ||
	    !sink_take(arena, s.strings, &n->render.facts.strings) ||
	    !facts_build_init(&n->facts, arena) ||
	    !text_build_init(&n->body, arena, s.body, s.body_segments) ||
	    !text_build_init(&n->rawbody, arena, s.rawbody, s.rawbody_segments) ||
	    !text_build_init(&n->header, arena, s.header, SELECTORS_MAX) ||
	    !uri_list_init(&n->uris, arena))
		return NULL;
	n->dkim = dkim_new(arena);
	if (n->dkim == NULL)
		return NULL;
	/* The converters come last: nothing is left open when memory is out. */
	n->charsets = charset_set_new(arena);
	n->headers.charsets = n->charsets;
	return n->charsets == NULL ? NULL : n;
}

void normaliser_count(struct normaliser *n, struct mime_counters *counters)
{
	n->counters = counters;
}

void normaliser_close(struct normaliser *normaliser)
{
	charset_set_close(normaliser->charsets);
}

static void set_defect(struct normaliser *n, enum message_defect defect)
{
	n->defects |= UINT64_C(1) << defect;
}

/* One HTML leaf: transcoded in scratch, where its facts point to, and rendered. Returns true when
 * the text holds characters rather than octets. */
static bool render_html(struct normaliser *n, uint32_t index, struct bytes octets)
{
	struct sink *scratch = &n->tree.scratch;
	struct fact_html *facts = facts_build_html(&n->facts, index);
	size_t start = scratch->len;
	bool was_full = scratch->full;

	scratch->full = false;
	bool decoded = charset_to_utf8(n->charsets, octets, n->tree.part[index].charset, false,
	                               scratch);
	if (scratch->full)
		set_defect(n, DEFECT_BIT_SCRATCH_FULL);
	scratch->full = was_full;
	size_t len = scratch->len - start;
	uint32_t length = decoded ? octets_characters(bytes_of(scratch->data + start, len))
	                          : (uint32_t)len;
	len = html_prepare(scratch->data + start, len);
	scratch->len = start + len;
	n->render.text = &n->rendered;
	n->render.uris = &n->uris;
	if (facts == NULL) {
		set_defect(n, DEFECT_BIT_FACTS_CUT);
		facts = &n->html_unkept;
	}
	html_render(&n->render, bytes_of(scratch->data + start, len), facts);
	facts->part = index;
	facts->length = length;
	facts->source_bytes = (uint32_t)octets.len;
	return decoded || n->render.wide;
}

/* One leaf into the rendered text. */
static bool render_part(struct normaliser *n, uint32_t index, struct bytes octets)
{
	const struct mime_part *part = &n->tree.part[index];
	size_t start = n->rendered.len;
	bool wide;

	if (part->is_html && octets.len > 0)
		wide = render_html(n, index, octets);
	else
		wide = charset_to_utf8(n->charsets, octets, part->charset, false, &n->rendered);
	struct bytes text = bytes_of(n->rendered.data + start, n->rendered.len - start);
	text.len = text_cut_offset(text, BODY_PART_CHARACTERS, wide, false);
	n->rendered.len = start + text.len;
	n->facts.part[index].rendered = text;
	return wide;
}

static void put_rawbody(struct normaliser *n, const struct mime_part *part, struct bytes octets)
{
	if (!part->is_html && !mime_type_starts(part, "text") && !mime_type_starts(part, "message"))
		return;
	if (mime_is_type(part, "text/calendar"))
		return;
	size_t len = text_cut_offset(octets, RAWBODY_PART_BYTES, false, true);
	text_build_paragraphs(&n->rawbody, bytes_slice(octets, 0, len));
}

/* All leaves in document order: rendered text and rawbody. Returns whether the rendered text is
 * characters. */
static bool take_leaves(struct normaliser *n)
{
	bool wide = false;

	for (uint32_t i = 0; i < n->tree.count; i++) {
		const struct mime_part *part = &n->tree.part[i];
		struct bytes octets;

		if (!part->is_leaf || part->type[0] == '\0')
			continue;
		if (n->rendered.len > 0)
			sink_octet(&n->rendered, '\n');
		bool is_text = part->is_html || mime_type_starts(part, "text") ||
		               mime_type_starts(part, "message");
		if (!is_text)
			continue;
		size_t scratch_start = n->tree.scratch.len;
		if (!mime_decode(&n->tree, part, &octets))
			continue;
		put_rawbody(n, part, octets);
		if (part->is_html || mime_is_type(part, "text/plain"))
			wide |= render_part(n, i, octets);
		/* What facts of HTML point to stays. */
		if (!part->is_html)
			n->tree.scratch.len = scratch_start;
	}
	return wide;
}

/* A multipart without any part has no body, and so no Subject in it. */
static bool has_leaf(const struct mime_tree *tree)
{
	for (uint32_t i = 0; i < tree->count; i++)
		if (tree->part[i].is_leaf && tree->part[i].type[0] != '\0')
			return true;
	return false;
}

static void build_body(struct normaliser *n, bool wide)
{
	if (!has_leaf(&n->tree))
		return;
	struct bytes name = BYTES("subject");
	uint32_t index = header_last_of(&n->headers, name, 0, n->headers.message_count);

	if (index != HEADER_NONE)
		sink_put(&n->body.data, header_decoded(&n->headers, index));
	sink_octet(&n->body.data, '\n');
	text_fold(sink_bytes(&n->rendered), wide, &n->body.data);
	text_build_lines(&n->body, 0);
}

static bool is_word_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* "d=domain" of a signature, wherever it stands. */
static void add_signers(struct normaliser *n, struct bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		size_t at = i + 1;

		if (value.data[i] != 'd' || (i > 0 && is_word_octet(value.data[i - 1])))
			continue;
		while (at < value.len && header_is_space(value.data[at]))
			at++;
		if (at == value.len || value.data[at] != '=')
			continue;
		struct bytes rest = bytes_slice(value, at + 1, SIZE_MAX);
		uri_add_signer(&n->uris, bytes_slice(rest, 0, bytes_find(rest, ';')));
	}
}

static void build_signers(struct normaliser *n)
{
	static const char *const names[] = {"domainkey-signature", "dkim-signature"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bytes name = bytes_text(names[i]);

		for (uint32_t k = header_first(&n->headers, name, header_hash(name));
		     k != HEADER_NONE; k = header_next(&n->headers, name, k))
			add_signers(n, header_decoded(&n->headers, k));
	}
}

static void build_uris(struct normaliser *n)
{
	struct text body = text_build_text(&n->body);

	for (uint32_t i = 0; i < body.segment_count; i++)
		uri_find_in_text(&n->uris, text_segment(&body, i));
	build_signers(n);
	uri_list_close(&n->uris);
}

static void build_header(struct normaliser *n, struct bytes pristine,
                         const struct selector *selectors, uint32_t selector_count)
{
	struct selector_source source = {.headers = &n->headers,
	                                 .pristine_header = pristine,
	                                 .relays = &n->relays,
	                                 .uris = &n->uris,
	                                 .scratch = n->scratch};

	for (uint32_t i = 0; i < selector_count; i++)
		selector_put(&selectors[i], &source, &n->header);
}

static void reset(struct normaliser *n)
{
	header_reset(&n->headers);
	n->tree.scratch.full = false;
	n->rendered.len = 0;
	n->rendered.full = false;
	n->render.facts.strings.len = n->render.facts.titles.len = 0;
	n->render.facts.strings.full = n->render.facts.titles.full = false;
	text_build_reset(&n->body);
	text_build_reset(&n->rawbody);
	text_build_reset(&n->header);
	uri_list_reset(&n->uris);
	n->defects = 0;
	n->digest_count = 0;
}

/* What reached a bound while the texts were made. */
static void collect_defects(struct normaliser *n)
{
	const struct text_build *builds[] = {&n->body, &n->rawbody, &n->header};

	n->defects |= n->tree.defects;
	if (n->headers.left_out)
		set_defect(n, DEFECT_BIT_FIELDS_LEFT_OUT);
	if (n->headers.cut || n->headers.storage.full)
		set_defect(n, DEFECT_BIT_HEADER_CUT);
	if (n->rendered.full)
		set_defect(n, DEFECT_BIT_TEXT_CUT);
	for (unsigned i = 0; i < 3; i++) {
		if (builds[i]->data.full)
			set_defect(n, DEFECT_BIT_TEXT_CUT);
		if (builds[i]->segments_cut)
			set_defect(n, DEFECT_BIT_SEGMENTS_CUT);
	}
	if (n->render.facts.strings.full || n->render.facts.titles.full)
		set_defect(n, DEFECT_BIT_FACTS_CUT);
	for (uint32_t i = 0; i < n->facts.facts.html_count; i++)
		if (n->facts.html[i].left_out)
			set_defect(n, DEFECT_BIT_FACTS_CUT);
	if (n->uris.cut)
		set_defect(n, DEFECT_BIT_URI_CUT);
	if (n->uris.left_out)
		set_defect(n, DEFECT_BIT_URIS_LEFT_OUT);
}

static bool has(const struct normaliser *n, enum message_defect defect)
{
	return (n->defects >> defect & 1) != 0;
}

static void count(struct normaliser *n, size_t octets)
{
	struct mime_counters *c = n->counters;

	c->messages++;
	c->octets += octets;
	c->parts += n->tree.count;
	c->defective += n->defects != 0;
	c->cut += has(n, DEFECT_BIT_CUT);
	c->header_cut += has(n, DEFECT_BIT_HEADER_CUT);
	c->fields_left_out += has(n, DEFECT_BIT_FIELDS_LEFT_OUT);
	c->parts_left_out += has(n, DEFECT_BIT_PARTS_LEFT_OUT);
	c->nested_too_deep += has(n, DEFECT_BIT_NESTED_TOO_DEEP);
	c->scratch_full += has(n, DEFECT_BIT_SCRATCH_FULL);
	c->text_cut += has(n, DEFECT_BIT_TEXT_CUT);
	c->segments_cut += has(n, DEFECT_BIT_SEGMENTS_CUT);
	c->facts_cut += has(n, DEFECT_BIT_FACTS_CUT);
	c->uris_left_out += has(n, DEFECT_BIT_URIS_LEFT_OUT);
}

/* "From someone ..." of a mailbox file does not belong to the message. */
static struct bytes without_mbox_line(struct bytes message)
{
	size_t at = 4;

	if (message.len < 6 || memcmp(message.data, "From", 4) != 0 ||
	    !header_is_space(message.data[4]))
		return message;
	while (at < message.len && header_is_space(message.data[at]))
		at++;
	if (at < message.len && message.data[at] == ':')
		return message;
	return bytes_slice(message, bytes_find(message, '\n') + 1, SIZE_MAX);
}

static uint32_t received_count(const struct header_table *headers)
{
	struct bytes name = BYTES("received");
	uint32_t received = 0;

	for (uint32_t i = header_first(headers, name, header_hash(name)); i != HEADER_NONE;
	     i = header_next(headers, name, i))
		received++;
	return received;
}

static void build_signatures(struct normaliser *n, struct bytes message,
                             const struct message_facts *facts)
{
	struct facts *out = &n->facts.facts;
	struct dkim_signatures signatures = {0};

	out->signatures_known = facts->signatures_at_s > 0;
	if (out->signatures_known)
		signatures = dkim_read(n->dkim, message, facts->is_cut || has(n, DEFECT_BIT_CUT),
		                       facts->signatures_at_s);
	out->signature = signatures.signature;
	out->signature_count = signatures.count;
	out->signature_fields = signatures.fields;
	out->arc = signatures.arc;
	n->counters->signatures += signatures.count;
	n->counters->signatures_left_out += signatures.left_out;
}

/* The place of a leaf; NULL: there are too many. */
static struct kept_digest *digests_of(struct normaliser *n, uint32_t part)
{
	uint32_t i = 0;

	while (i < n->digest_count && n->digest[i].part != part)
		i++;
	if (i == PART_DIGESTS_MAX)
		return NULL;
	if (i == n->digest_count)
		n->digest[n->digest_count++] = (struct kept_digest){.part = part};
	return &n->digest[i];
}

static bool find_digest(void *context, uint32_t part, enum part_digest kind,
                        uint8_t out_digest[PART_DIGEST_BYTES], uint32_t *out_part_bytes)
{
	struct normaliser *n = context;
	struct kept_digest *kept;

	if (part >= n->tree.count || !n->tree.part[part].is_leaf)
		return false;
	kept = digests_of(n, part);
	if (kept == NULL)
		return false;
	if (!kept->is_known[kind])
		kept->is_known[kind] = mime_digest(&n->tree, &n->tree.part[part], kind,
		                                   kept->octet[kind], &kept->part_bytes);
	if (!kept->is_known[kind])
		return false;
	memcpy(out_digest, kept->octet[kind], PART_DIGEST_BYTES);
	*out_part_bytes = kept->part_bytes;
	return true;
}

static void build_facts(struct normaliser *n, struct bytes message, size_t body, bool is_cut)
{
	facts_build_close(&n->facts, &n->tree, &n->relays);
	n->facts.facts.digests = (struct part_digests){n, find_digest};
	n->facts.facts.is_cut = is_cut;
	n->facts.facts.body_bytes = (uint32_t)(message.len - body);
	n->facts.facts.flags.uri_truncated = n->uris.cut;
	n->facts.facts.uri = n->uris.detail;
	n->facts.facts.uri_count = n->uris.detail_count;
	n->facts.facts.uri_form = n->uris.form;
}

void normalise(struct normaliser *n, struct bytes message, const struct message_facts *facts,
               const struct selector *selectors, uint32_t selector_count, struct normalised *out)
{
	ASSERT(selector_count <= SELECTORS_MAX);
	reset(n);
	n->uris.redirects = facts->redirects;
	if (message.len > n->message_bytes_max) {
		message.len = n->message_bytes_max;
		set_defect(n, DEFECT_BIT_CUT);
	}
	message = without_mbox_line(message);
	if (message.len == 0)
		message = BYTES("\n");
	if (bytes_find(message, '\0') < message.len)
		set_defect(n, DEFECT_BIT_NUL);
	size_t body = mime_parse(&n->tree, message);
	relays_parse(&n->relays, &n->headers, facts);
	facts_build_open(&n->facts, &n->tree);
	build_body(n, take_leaves(n));
	build_uris(n);
	build_header(n, bytes_slice(message, 0, body), selectors, selector_count);
	build_facts(n, message, body, facts->is_cut || has(n, DEFECT_BIT_CUT));
	build_signatures(n, message, facts);
	collect_defects(n);
	count(n, message.len);

	n->full = (struct segment){0, (uint32_t)message.len};
	*out = (struct normalised){
	    .defects = n->defects,
	    .part_count = n->tree.count,
	    .received_count = received_count(&n->headers),
	};
	out->texts.kind[TEXT_BODY] = text_build_text(&n->body);
	out->texts.kind[TEXT_RAWBODY] = text_build_text(&n->rawbody);
	out->texts.kind[TEXT_URI] = (struct text){n->uris.data.data, (uint32_t)n->uris.data.len,
	                                          n->uris.count, n->uris.segment};
	out->texts.kind[TEXT_FULL] = (struct text){message.data, (uint32_t)message.len, 1,
	                                           &n->full};
	out->texts.kind[TEXT_HEADER] = text_build_text(&n->header);
	out->texts.facts = &n->facts.facts;
}

bool normaliser_part_digest(struct normaliser *normaliser, uint32_t part,
                            uint8_t out[PART_DIGEST_BYTES])
{
	uint32_t part_bytes;

	return find_digest(normaliser, part, PART_SHA256, out, &part_bytes);
}
