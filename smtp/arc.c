/* arc.c - chains of ARC (RFC 8617): whether they are whole, and what has to be asked about their
 * signatures.
 *
 * A chain holds when every seal does and the newest message signature (5.2); older ones are not
 * looked at. All questions are made at once, so that nothing waits twice.
 */
#include "smtp/dkim_internal.h"

#include "base/check.h"

#define SETS_ALLOWED 50 /* 4.2.1 */

/* A decimal number from 1 on; 0: none. */
static uint32_t instance_of(struct bytes text)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
	return text.len > 0 && bytes_to_u64(text, SETS_ALLOWED, &number) ? (uint32_t)number : 0;
}

/* 4.1.1: "i=N;" comes first. */
static uint32_t results_instance(struct bytes value)
{
	struct dkim_tags tags;
	size_t end = bytes_find(value, ';');

	if (end == value.len || dkim_tags_parse(bytes_slice(value, 0, end), &tags) != DKIM_TAGS_OK)
		return 0;
	return instance_of(dkim_value(&tags, "i"));
}

static void note(struct fact_arc *arc, uint32_t instance, uint32_t *place, uint32_t field)
{
	if (*place != DKIM_NONE)
		arc->state = ARC_INVALID;
	*place = field;
	if (instance > arc->set_count)
		arc->set_count = instance;
}

/* One field of a set. */
static void take_field(struct dkim *d, uint32_t index, struct fact_arc *arc)
{
	const struct dkim_field *field = &d->field[index];
	bool results = bytes_equal_nocase(field->name, BYTES("arc-authentication-results"));
	bool message = bytes_equal_nocase(field->name, BYTES("arc-message-signature"));
	uint32_t instance = 0;
	struct dkim_tags tags;

	if (!results && !message && !bytes_equal_nocase(field->name, BYTES("arc-seal")))
		return;
	if (results)
		instance = results_instance(dkim_field_value(field));
	else if (dkim_tags_parse(dkim_field_value(field), &tags) == DKIM_TAGS_OK)
		instance = instance_of(dkim_value(&tags, "i"));
	arc->fields += !results;
	if (instance == 0)
		arc->state = ARC_INVALID;
	else if (instance > FACT_ARC_SETS_MAX)
		arc->set_count = instance;
	else if (results)
		note(arc, instance, &d->set[instance].results, index);
	else if (message)
		note(arc, instance, &d->set[instance].message, index);
	else
		note(arc, instance, &d->set[instance].seal, index);
}

/* 5.1.1: h= names no seal. */
static bool names_are_fine(const struct dkim_tags *tags)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, "h");
	struct bytes rest, item;
	uint32_t count = 0;

	if (tag == NULL)
		return false;
	rest = tag->value;
	while (dkim_next_item(&rest, &item))
		if (++count > DKIM_NAMES_MAX || bytes_equal_nocase(item, BYTES("arc-seal")))
			return false;
	return true;
}

static bool read_time(const struct dkim_tags *tags)
{
	uint64_t signed_s;

	return dkim_read_number(tags, "t", &signed_s);
}

static void begin(struct dkim_parsed *p, uint32_t field, struct fact_signature *s)
{
	p->field = field;
	p->length = DKIM_WHOLE;
	s->state = SIGNATURE_INVALID;
	s->identity_below = false;
	s->domain_bytes = s->selector_bytes = s->identity_bytes = s->question_bytes = 0;
}

static bool read_message_signature(struct dkim *d, uint32_t field, struct dkim_parsed *p,
                                   struct fact_signature *s)
{
	struct dkim_tags tags;

	begin(p, field, s);
	if (dkim_tags_parse(dkim_field_value(&d->field[field]), &tags) != DKIM_TAGS_OK ||
	    !dkim_read_signer(&tags, p, s) || !dkim_read_body(&tags, p) || !names_are_fine(&tags) ||
	    !dkim_read_number(&tags, "l", &p->length) || !read_time(&tags))
		return false;
	if (dkim_tags_find(&tags, "c") == NULL) /* as all implementations do */
		p->header_canon = p->body_canon = DKIM_RELAXED;
	p->names = dkim_value(&tags, "h");
	s->state = SIGNATURE_ASK;
	return true;
}

/* 5.1.2: the first seal says that there was no chain, all others that it held. */
static bool read_seal(const struct dkim *d, uint32_t instance, struct dkim_parsed *p,
                      struct fact_signature *s)
{
	const struct bytes wanted = instance == 1 ? BYTES("none") : BYTES("pass");
	uint32_t field = d->set[instance].seal;
	struct dkim_tags tags;

	begin(p, field, s);
	p->header_canon = DKIM_RELAXED;
	if (dkim_tags_parse(dkim_field_value(&d->field[field]), &tags) != DKIM_TAGS_OK ||
	    !dkim_read_signer(&tags, p, s) || !read_time(&tags) ||
	    dkim_tags_find(&tags, "h") != NULL || !bytes_equal(dkim_value(&tags, "cv"), wanted))
		return false;
	s->state = SIGNATURE_ASK;
	return true;
}

static bool sets_are_whole(const struct dkim *d, const struct fact_arc *arc)
{
	for (uint32_t i = 1; i <= arc->set_count; i++)
		if (d->set[i].results == DKIM_NONE || d->set[i].message == DKIM_NONE ||
		    d->set[i].seal == DKIM_NONE)
			return false;
	return true;
}

void arc_read(struct dkim *d, uint32_t count, struct fact_arc *out_arc)
{
	memset(out_arc, 0, sizeof(*out_arc));
	memset(d->set, 0xFF, sizeof(d->set));
	for (uint32_t i = 0; i < d->field_count; i++)
		take_field(d, i, out_arc);
	if (out_arc->set_count == 0 || out_arc->state == ARC_INVALID)
		return;
	if (out_arc->set_count > FACT_ARC_SETS_MAX) {
		out_arc->state = ARC_UNKNOWN;
		return;
	}
	out_arc->state = sets_are_whole(d, out_arc) &&
	                         read_message_signature(d, d->set[out_arc->set_count].message,
	                                                &d->parsed[count], &d->signature[count])
	                     ? ARC_ASK
	                     : ARC_INVALID;
}

/* 5.1.1: all sets up to the seal's own, its own field last and without its b=. */
static void ask_seal(struct dkim *d, uint32_t instance, struct fact_signature *s)
{
	struct dkim_header_hash hash;

	if (!read_seal(d, instance, &d->seal_parsed, s))
		return;
	dkim_header_begin(&hash, DKIM_RELAXED);
	for (uint32_t i = 1; i <= instance; i++) {
		const uint32_t fields[] = {d->set[i].results, d->set[i].message, d->set[i].seal};

		for (uint32_t k = 0; k < (i < instance ? 3 : 2); k++)
			dkim_header_field(&hash, d->field[fields[k]].octets,
			                  d->field[fields[k]].name.len);
	}
	if (hash.bytes > DKIM_HEADER_BYTES_MAX)
		s->state = SIGNATURE_UNKNOWN;
	else
		dkim_ask_hashed(d, &d->seal_parsed, &hash, s);
}

void arc_ask(struct dkim *d, uint32_t count, struct fact_arc *arc)
{
	if (arc->state != ARC_ASK)
		return;
	if (d->signature[count].state == SIGNATURE_ASK)
		dkim_ask(d, &d->parsed[count], &d->signature[count]);
	arc->signature[arc->count++] = &d->signature[count];
	for (uint32_t i = 1; i <= arc->set_count; i++) {
		ask_seal(d, i, &d->seal[i]);
		arc->signature[arc->count++] = &d->seal[i];
	}
	for (uint32_t i = 0; i < arc->count; i++) {
		enum fact_signature_state state = arc->signature[i]->state;

		if (state == SIGNATURE_INVALID || state == SIGNATURE_BODY)
			arc->state = ARC_INVALID;
		else if (state == SIGNATURE_UNKNOWN && arc->state == ARC_ASK)
			arc->state = ARC_UNKNOWN;
	}
}
