/* facts_build.c - the facts of one message put together. */
#include "smtp/facts_build.h"

#include <assert.h>

#include "base/check.h"
#include "smtp/date.h"
#include "smtp/mime_facts.h"
#include "smtp/normalise.h"
#include "smtp/octets.h"

static_assert(FACT_PARTS_MAX >= MIME_PARTS_MAX, "every part has its facts");
static_assert(FACT_RELAYS_MAX >= RELAYS_MAX, "every relay has its facts");

size_t facts_build_bytes(void)
{
	return FACT_FIELDS_MAX * sizeof(struct fact_field) +
	       FACT_PARTS_MAX * sizeof(struct fact_part) +
	       FACT_HTML_MAX * sizeof(struct fact_html) + 256;
}

bool facts_build_init(struct facts_build *build, struct arena *arena)
{
	build->field = ARENA_TAKE(arena, FACT_FIELDS_MAX, struct fact_field);
	build->part = ARENA_TAKE(arena, FACT_PARTS_MAX, struct fact_part);
	build->html = ARENA_TAKE(arena, FACT_HTML_MAX, struct fact_html);
	return build->field != NULL && build->part != NULL && build->html != NULL;
}

void facts_build_open(struct facts_build *build, struct mime_tree *tree)
{
	build->facts = (struct facts){
	    .part_count = tree->count,
	    .field = build->field,
	    .part = build->part,
	    .html = build->html,
	    .received_date_s = build->received_date_s,
	};
	mime_facts_collect(tree, build->part, &build->facts.mime);
}

struct fact_html *facts_build_html(struct facts_build *build, uint32_t part)
{
	struct facts *facts = &build->facts;

	if (facts->html_count == FACT_HTML_MAX)
		return NULL;
	build->part[part].html = facts->html_count;
	return &build->html[facts->html_count++];
}

/* The raw value with LF line ends, in the table's storage when it has others. */
static struct bytes raw_with_lf(struct header_table *headers, const struct header_field *field)
{
	size_t start = headers->storage.len, len = field->raw.len;
	bool crlf = len >= 2 && field->raw.data[len - 2] == '\r';

	if (!crlf && bytes_find(field->raw, '\r') == len)
		return field->raw;
	header_put_raw(field, &headers->storage);
	return bytes_of(headers->storage.data + start, headers->storage.len - start);
}

static void take_fields(struct facts_build *build, struct header_table *headers)
{
	uint32_t count = headers->count < FACT_FIELDS_MAX ? headers->count : FACT_FIELDS_MAX;

	for (uint32_t i = 0; i < count; i++) {
		struct bytes value = header_decoded(headers, i);
		const struct header_field *field = &headers->field[i];

		build->field[i] = (struct fact_field){field->name, raw_with_lf(headers, field),
		                                      value, field->name_hash};
	}
	build->facts.field_count = count;
}

static bool contains(struct bytes in, struct bytes what)
{
	return octets_has_nocase(in, what);
}

/* Written by a program that handed the mail over on its own host, as fetchmail has it do. */
static bool is_local(struct bytes value)
{
	return contains(value, BYTES("from localhost ")) ||
	       (contains(value, BYTES("from ")) && contains(value, BYTES("127.0.0.1"))) ||
	       (contains(value, BYTES("qmail ")) && contains(value, BYTES(" invoked by uid ")));
}

static bool is_fetchmail(struct bytes value)
{
	return contains(value, BYTES("by localhost with ")) &&
	       contains(value, BYTES(" (fetchmail-"));
}

/* How many of the newest Received fields tell of a mail fetcher. */
static uint32_t fetched_count(struct header_table *headers, struct bytes name)
{
	uint32_t index = header_first(headers, name, header_hash(name)), local = 0;

	if (index != HEADER_NONE && is_local(header_decoded(headers, index))) {
		local = 1;
		index = header_next(headers, name, index);
	}
	return index != HEADER_NONE && is_fetchmail(header_decoded(headers, index)) ? local + 1 : 0;
}

static void take_received_dates(struct facts_build *build, struct header_table *headers)
{
	struct facts *facts = &build->facts;
	struct bytes name = BYTES("received");
	uint32_t skip = fetched_count(headers, name);

	for (uint32_t i = header_first(headers, name, header_hash(name));
	     i != HEADER_NONE && facts->received_date_count < FACT_DATES_MAX;
	     i = header_next(headers, name, i)) {
		struct bytes date = date_in_received(header_decoded(headers, i));
		int64_t *out = &build->received_date_s[facts->received_date_count];

		if (skip > 0)
			skip--;
		else if (date.len > 0 && date_parse(date, out))
			facts->received_date_count++;
	}
}

static bool take_date(struct facts *facts, struct header_table *headers, struct bytes name)
{
	for (uint32_t i = header_first(headers, name, header_hash(name)); i != HEADER_NONE;
	     i = header_next(headers, name, i))
		if (date_parse(header_decoded(headers, i), &facts->date_s))
			return true;
	return false;
}

static void take_dates(struct facts_build *build, struct header_table *headers)
{
	struct facts *facts = &build->facts;

	facts->has_date = take_date(facts, headers, BYTES("resent-date")) ||
	                  take_date(facts, headers, BYTES("date"));
	take_received_dates(build, headers);
	uint32_t count = facts->received_date_count;
	if (!facts->has_date || count == 0)
		return;
	/* The oldest one may be the sender's own copy of Date. */
	if (count > 1 && build->received_date_s[count - 1] == facts->date_s)
		count--;
	for (uint32_t i = 0; i < count; i++) {
		int64_t difference_s = facts->date_s - build->received_date_s[i];
		int64_t distance_s = difference_s < 0 ? -difference_s : difference_s;
		int64_t nearest_s = facts->date_diff_s < 0 ? -facts->date_diff_s
		                                           : facts->date_diff_s;

		if (i == 0 || distance_s < nearest_s)
			facts->date_diff_s = difference_s;
	}
}

static bool has(uint64_t defects, enum message_defect defect)
{
	return (defects >> defect & 1) != 0;
}

void facts_build_close(struct facts_build *build, struct mime_tree *tree,
                       const struct relays *relays)
{
	struct facts *facts = &build->facts;
	uint64_t own = tree->own_defects;

	take_fields(build, tree->headers);
	take_dates(build, tree->headers);
	facts->relay = relays->relay;
	facts->relay_count = relays->relay_count;
	facts->relays_trusted = relays->count[RELAYS_TRUSTED];
	facts->relays_untrusted = relays->count[RELAYS_UNTRUSTED];
	facts->relays_unparseable = relays->unparsed_count;
	facts->envelope_from = relays->envelope_from;
	facts->has_envelope_from = relays->has_envelope_from;
	facts->flags = (struct fact_flags){
	    .truncated_header = has(own, DEFECT_BIT_HEADER_CUT),
	    .missing_head_body_separator = has(own, DEFECT_BIT_NO_SEPARATOR),
	    .missing_mime_head_body_separator = has(own, DEFECT_BIT_PART_NO_SEPARATOR),
	    .missing_mime_headers = has(own, DEFECT_BIT_PART_NO_HEADER),
	    .mime_epilogue_exists = has(own, DEFECT_BIT_EPILOGUE),
	};
}
