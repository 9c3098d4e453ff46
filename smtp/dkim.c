/* dkim.c - DKIM signatures of a message: read, and compared with it as far as that goes without
 * their keys.
 *
 * The header is split anew: prepared fields are cut and lack some, and a signature is about octets.
 * A LF alone ends a line of the header here, too: else a field could hide from a signature, which
 * who reads the message sees.
 */
#include "smtp/dkim_internal.h"

#include <assert.h>
#include <stdio.h>

#include "base/check.h"
#include "smtp/header.h"

static_assert(DKIM_DIGEST_BYTES == DKIM_QUESTION_DIGEST_BYTES, "SHA-256");

size_t dkim_bytes(void)
{
	return sizeof(struct dkim) + 64;
}

struct dkim *dkim_new(struct arena *arena)
{
	return ARENA_TAKE(arena, 1, struct dkim);
}

/* The header */

static void add_field(struct dkim *d, struct bytes octets)
{
	struct bytes line = bytes_slice(octets, 0, bytes_find(octets, '\n'));
	struct bytes name = bytes_slice(line, 0, bytes_find(line, ':'));
	struct dkim_field *field;

	if (name.len == line.len)
		return; /* no field at all: nobody can sign it */
	if (d->field_count == DKIM_FIELDS_MAX) {
		d->fields_left_out = true;
		return;
	}
	while (name.len > 0 && dkim_is_blank(name.data[name.len - 1]))
		name.len--;
	field = &d->field[d->field_count];
	*field = (struct dkim_field){octets, name, fact_name_hash(name), DKIM_NONE};
	field->above = d->bucket[field->hash % DKIM_BUCKETS];
	d->bucket[field->hash % DKIM_BUCKETS] = d->field_count++;
}

static void split(struct dkim *d, struct bytes message)
{
	size_t start = 0, at = 0;

	d->field_count = 0;
	d->fields_left_out = false;
	d->has_body = false;
	d->body = bytes_of(NULL, 0);
	memset(d->bucket, 0xFF, sizeof(d->bucket));
	while (at < message.len) {
		struct bytes rest = bytes_slice(message, at, SIZE_MAX);
		size_t end = bytes_find(rest, '\n') + 1;
		bool empty = rest.data[0] == '\n' ||
		             (rest.data[0] == '\r' && rest.len > 1 && rest.data[1] == '\n');

		if (rest.data[0] != ' ' && rest.data[0] != '\t') {
			if (at > start)
				add_field(d, bytes_slice(message, start, at - start));
			start = at;
		}
		if (empty) {
			d->has_body = true;
			d->body = bytes_slice(rest, end, SIZE_MAX);
			return;
		}
		at += end < rest.len ? end : rest.len;
	}
	if (at > start)
		add_field(d, bytes_slice(message, start, SIZE_MAX));
}

/* What a field says */

static bool put_lower(struct bytes text, char out[QUESTION_NAME_BYTES], uint16_t *out_bytes)
{
	if (text.len == 0 || text.len >= QUESTION_NAME_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++)
		out[i] = (char)bytes_lower(text.data[i]);
	*out_bytes = (uint16_t)text.len;
	return true;
}

struct bytes dkim_value(const struct dkim_tags *tags, const char *name)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, name);

	return tag != NULL ? tag->value : bytes_of(NULL, 0);
}

/* "simple", "relaxed/simple" and their like; the body's is simple unless it is named. */
static bool read_canon(const struct dkim_tags *tags, struct dkim_parsed *p)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, "c");
	struct bytes header, body = BYTES("simple");

	p->header_canon = p->body_canon = DKIM_SIMPLE;
	if (tag == NULL)
		return true;
	header = bytes_slice(tag->value, 0, bytes_find(tag->value, '/'));
	if (header.len < tag->value.len)
		body = bytes_slice(tag->value, header.len + 1, SIZE_MAX);
	if (bytes_equal(header, BYTES("relaxed")))
		p->header_canon = DKIM_RELAXED;
	else if (!bytes_equal(header, BYTES("simple")))
		return false;
	if (bytes_equal(body, BYTES("relaxed")))
		p->body_canon = DKIM_RELAXED;
	return p->body_canon == DKIM_RELAXED || bytes_equal(body, BYTES("simple"));
}

/* RFC 8301 3.1: rsa-sha1 is not to be verified. */
static bool read_algorithm(const struct dkim_tags *tags, struct dkim_parsed *p)
{
	struct bytes name = dkim_value(tags, "a");

	p->algorithm = DKIM_RSA_SHA256;
	if (bytes_equal(name, BYTES("ed25519-sha256")))
		p->algorithm = DKIM_ED25519_SHA256;
	return p->algorithm == DKIM_ED25519_SHA256 || bytes_equal(name, BYTES("rsa-sha256"));
}

bool dkim_read_number(const struct dkim_tags *tags, const char *name, uint64_t *in_out_number)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, name);

	if (tag == NULL)
		return true;
	for (size_t i = 0; i < tag->value.len; i++)
		if (tag->value.data[i] < '0' || tag->value.data[i] > '9')
			return false;
	if (!bytes_to_u64(tag->value, DKIM_WHOLE - 1, in_out_number))
		*in_out_number = DKIM_WHOLE - 1;
	return tag->value.len > 0;
}

static bool read_times(const struct dkim_tags *tags, int64_t now_s)
{
	uint64_t signed_s = 0, expires_s = DKIM_WHOLE;

	return dkim_read_number(tags, "t", &signed_s) && dkim_read_number(tags, "x", &expires_s) &&
	       expires_s > signed_s && (now_s < 0 || (uint64_t)now_s <= expires_s);
}

static bool names_query(const struct dkim_tags *tags)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, "q");
	struct bytes rest, item;

	if (tag == NULL)
		return true;
	rest = tag->value;
	while (dkim_next_item(&rest, &item))
		if (bytes_equal_nocase(item, BYTES("dns/txt")))
			return true;
	return false;
}

/* RFC 6376 5.4: From is always signed. */
static bool read_names(const struct dkim_tags *tags, struct dkim_parsed *p)
{
	struct bytes rest, item;
	uint32_t count = 0;
	bool from = false;

	p->names = rest = dkim_value(tags, "h");
	while (dkim_next_item(&rest, &item)) {
		from |= bytes_equal_nocase(item, BYTES("from"));
		if (item.len == 0 || ++count > DKIM_NAMES_MAX)
			return false;
	}
	return from;
}

/* i= is of d= or of a subdomain. */
static bool read_identity(const struct dkim_tags *tags, struct fact_signature *s)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, "i");
	struct bytes domain = fact_signature_domain(s), identity = domain, end;

	if (tag != NULL) {
		if (bytes_find(tag->value, '@') == tag->value.len)
			return false;
		identity = bytes_behind_last(tag->value, '@');
	}
	if (identity.len < domain.len || !put_lower(identity, s->identity, &s->identity_bytes))
		return false;
	identity = fact_signature_identity(s);
	end = bytes_slice(identity, identity.len - domain.len, SIZE_MAX);
	s->identity_below = identity.len > domain.len;
	return bytes_equal(end, domain) &&
	       (!s->identity_below || identity.data[identity.len - domain.len - 1] == '.');
}

static bool read_bits(const struct dkim_tags *tags, struct dkim_parsed *p)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, "b");

	if (tag == NULL)
		return false;
	p->signature_text = tag->raw;
	p->signature_bytes = dkim_base64(tag->value, p->signature, DKIM_SIGNATURE_BYTES_MAX);
	return p->signature_bytes != DKIM_BASE64_WRONG && p->signature_bytes > 0;
}

bool dkim_read_signer(const struct dkim_tags *tags, struct dkim_parsed *p, struct fact_signature *s)
{
	bool named = put_lower(dkim_value(tags, "d"), s->domain, &s->domain_bytes);

	named &= put_lower(dkim_value(tags, "s"), s->selector, &s->selector_bytes);
	return named && read_algorithm(tags, p) && read_bits(tags, p);
}

bool dkim_read_body(const struct dkim_tags *tags, struct dkim_parsed *p)
{
	return read_canon(tags, p) && dkim_base64(dkim_value(tags, "bh"), p->body_hash,
	                                          DKIM_DIGEST_BYTES) == DKIM_DIGEST_BYTES;
}

/* The signer first: rules ask by domains also of signatures that are wrong otherwise. */
static bool read_signature(const struct dkim_tags *tags, int64_t now_s, struct dkim_parsed *p,
                           struct fact_signature *s)
{
	bool fine = dkim_read_signer(tags, p, s);

	p->length = DKIM_WHOLE;
	return s->domain_bytes > 0 && read_identity(tags, s) && fine &&
	       bytes_equal(dkim_value(tags, "v"), BYTES("1")) && dkim_read_body(tags, p) &&
	       read_names(tags, p) && dkim_read_number(tags, "l", &p->length) &&
	       read_times(tags, now_s) && names_query(tags);
}

/* What the message says */

/* Compares the body with what the signatures of one canonicalisation say of it. */
static void compare_bodies(struct dkim *d, uint32_t count, enum dkim_canon canon, bool cut)
{
	struct dkim_body_digest digest[FACT_SIGNATURES_MAX + 1];
	uint32_t of[FACT_SIGNATURES_MAX + 1], digests = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = digests;

		if (d->signature[i].state != SIGNATURE_ASK || d->parsed[i].body_canon != canon)
			continue;
		for (; at > 0 && digest[at - 1].length > d->parsed[i].length; at--) {
			digest[at] = digest[at - 1];
			of[at] = of[at - 1];
		}
		digest[at].length = d->parsed[i].length;
		of[at] = i;
		digests++;
	}
	if (digests == 0)
		return;
	dkim_hash_body(d->body, d->crlf, cut, canon, digest, digests);
	for (uint32_t k = 0; k < digests; k++) {
		struct fact_signature *s = &d->signature[of[k]];

		if (!digest[k].known)
			s->state = cut ? SIGNATURE_UNKNOWN : SIGNATURE_BODY;
		else if (memcmp(digest[k].digest, d->parsed[of[k]].body_hash, DKIM_DIGEST_BYTES) !=
		         0)
			s->state = SIGNATURE_BODY;
	}
}

/* The lowest field of this name above `below` (DKIM_NONE: of all) other than `own`. */
static uint32_t next_field(const struct dkim *d, struct bytes name, uint32_t hash, uint32_t below,
                           uint32_t own)
{
	uint32_t at = below == DKIM_NONE ? d->bucket[hash % DKIM_BUCKETS] : d->field[below].above;

	while (at != DKIM_NONE && (at == own || d->field[at].hash != hash ||
	                           !bytes_equal_nocase(d->field[at].name, name)))
		at = d->field[at].above;
	return at;
}

/* RFC 6376 5.4.2: of a name that comes several times the fields from below; a name without a field
 * left stands for none. False: there is more than is hashed. */
static bool hash_fields(const struct dkim *d, const struct dkim_parsed *p,
                        struct dkim_header_hash *hash)
{
	struct {
		struct bytes name;
		uint32_t hash, found; /* DKIM_NONE: no more of that name */
	} seen[DKIM_NAMES_MAX];
	struct bytes rest = p->names, name;
	uint32_t count = 0;

	while (dkim_next_item(&rest, &name)) {
		uint32_t before = count, below = DKIM_NONE, found = DKIM_NONE;
		uint32_t name_hash = fact_name_hash(name);

		while (before > 0 && (seen[before - 1].hash != name_hash ||
		                      !bytes_equal_nocase(seen[before - 1].name, name)))
			before--;
		if (before > 0)
			below = seen[before - 1].found;
		if (before == 0 || below != DKIM_NONE)
			found = next_field(d, name, name_hash, below, p->field);
		if (found != DKIM_NONE)
			dkim_header_field(hash, d->field[found].octets, d->field[found].name.len);
		if (hash->bytes > DKIM_HEADER_BYTES_MAX)
			return false;
		seen[count].name = name;
		seen[count].hash = name_hash;
		seen[count++].found = found;
	}
	return true;
}

void dkim_ask_hashed(const struct dkim *d, const struct dkim_parsed *p,
                     struct dkim_header_hash *hash, struct fact_signature *s)
{
	char name[2 * QUESTION_NAME_BYTES + sizeof("._domainkey.")];
	const struct dkim_field *own = &d->field[p->field];
	uint8_t digest[DKIM_DIGEST_BYTES];
	int len = snprintf(name, sizeof(name), "%.*s._domainkey.%.*s", s->selector_bytes,
	                   s->selector, s->domain_bytes, s->domain);

	dkim_header_last(hash, own->octets, own->name.len, p->signature_text);
	dkim_header_end(hash, digest);

	struct dkim_question question = {.algorithm = p->algorithm,
	                                 .key_name = bytes_of(name, (size_t)len),
	                                 .digest = bytes_of(digest, sizeof(digest)),
	                                 .signature = bytes_of(p->signature, p->signature_bytes)};
	s->question_bytes = (uint16_t)dkim_question_write(&question, s->question);
	if (s->question_bytes == 0)
		s->state = SIGNATURE_INVALID;
}

void dkim_ask(const struct dkim *d, const struct dkim_parsed *p, struct fact_signature *s)
{
	struct dkim_header_hash hash;

	dkim_header_begin(&hash, p->header_canon);
	if (hash_fields(d, p, &hash))
		dkim_ask_hashed(d, p, &hash, s);
	else
		s->state = SIGNATURE_UNKNOWN;
}

static void add_signature(struct dkim *d, uint32_t field, const struct dkim_tags *tags,
                          enum dkim_tags_result result, int64_t now_s, struct dkim_signatures *out)
{
	struct dkim_parsed *p = &d->parsed[out->count];
	struct fact_signature *s = &d->signature[out->count];

	if (out->count == FACT_SIGNATURES_MAX) {
		out->left_out++;
		return;
	}
	out->count++;
	p->field = field;
	s->domain_bytes = s->selector_bytes = s->identity_bytes = s->question_bytes = 0;
	s->identity_below = false;
	s->state = read_signature(tags, now_s, p, s) && result == DKIM_TAGS_OK ? SIGNATURE_ASK
	                                                                       : SIGNATURE_INVALID;
}

struct bytes dkim_field_value(const struct dkim_field *field)
{
	return bytes_slice(field->octets, bytes_find(field->octets, ':') + 1, SIZE_MAX);
}

static void find_signatures(struct dkim *dkim, int64_t now_s, struct dkim_signatures *out)
{
	struct dkim_tags tags;

	for (uint32_t i = 0; i < dkim->field_count; i++) {
		const struct dkim_field *field = &dkim->field[i];
		bool is_dkim = bytes_equal_nocase(field->name, BYTES("dkim-signature"));
		enum dkim_tags_result result;

		if (!is_dkim && !bytes_equal_nocase(field->name, BYTES("domainkey-signature")))
			continue;
		result = dkim_tags_parse(dkim_field_value(field), &tags);
		out->fields += result != DKIM_TAGS_NONE;
		if (is_dkim && result != DKIM_TAGS_NONE)
			add_signature(dkim, i, &tags, result, now_s, out);
	}
}

struct dkim_signatures dkim_read(struct dkim *dkim, struct bytes message, bool cut, int64_t now_s)
{
	struct dkim_signatures out = {.signature = dkim->signature};
	uint32_t count;

	dkim->crlf = header_lines_are_crlf(message);
	split(dkim, message);
	find_signatures(dkim, now_s, &out);
	arc_read(dkim, out.count, &out.arc);
	count = out.count + (out.arc.state == ARC_ASK);
	for (uint32_t i = 0; i < count; i++)
		if (dkim->signature[i].state == SIGNATURE_ASK &&
		    (dkim->fields_left_out || (cut && !dkim->has_body)))
			dkim->signature[i].state = SIGNATURE_UNKNOWN;
	compare_bodies(dkim, count, DKIM_SIMPLE, cut);
	compare_bodies(dkim, count, DKIM_RELAXED, cut);
	for (uint32_t i = 0; i < out.count; i++)
		if (dkim->signature[i].state == SIGNATURE_ASK)
			dkim_ask(dkim, &dkim->parsed[i], &dkim->signature[i]);
	arc_ask(dkim, out.count, &out.arc);
	return out;
}
