/* dkim_hash.c - SHA-256 of canonical bodies and header fields.
 *
 * What is canonical as it stands is hashed in place, in runs as long as they get: most bodies are a
 * few of them. A digest of a part of the body is that of a copy of the state when its length is
 * reached, so that any number of signatures costs one walk a canonicalisation.
 */
#include "smtp/dkim_hash.h"

#include "base/check.h"
#include "smtp/octets.h"

static bool is_wsp(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

/* Bodies */

struct body_hash {
	struct sha256_ctx sha256;
	uint64_t bytes;
	struct dkim_body_digest *digest;
	uint32_t count, next;
};

static void fill_digest(struct body_hash *h)
{
	struct sha256_ctx copy = h->sha256;

	sha256_digest(&copy, DKIM_DIGEST_BYTES, h->digest[h->next].digest);
	h->digest[h->next++].known = true;
}

static void put(struct body_hash *h, struct bytes octets)
{
	while (h->next < h->count && h->digest[h->next].length - h->bytes <= octets.len) {
		size_t take = (size_t)(h->digest[h->next].length - h->bytes);

		sha256_update(&h->sha256, take, octets.data);
		h->bytes += take;
		octets = bytes_slice(octets, take, SIZE_MAX);
		fill_digest(h);
	}
	if (h->next < h->count)
		sha256_update(&h->sha256, octets.len, octets.data);
	h->bytes += octets.len;
}

/* The octets of the end of a line that ends at `end`, or 0. */
static size_t line_end_len(struct bytes body, size_t end, bool crlf)
{
	if (end == 0 || body.data[end - 1] != '\n')
		return 0;
	if (end >= 2 && body.data[end - 2] == '\r')
		return 2;
	return crlf ? 0 : 1;
}

/* Where the last line with something in it ends, without its end. */
static size_t content_end(struct bytes body, bool crlf, enum dkim_canon canon)
{
	size_t end = body.len;

	for (;;) {
		size_t len = line_end_len(body, end, crlf);

		if (len == 0 && canon == DKIM_RELAXED && end > 0 && is_wsp(body.data[end - 1]))
			len = 1;
		if (len == 0)
			return end;
		end -= len;
	}
}

static void put_lines(struct body_hash *h, struct bytes body)
{
	while (body.len > 0 && h->next < h->count) {
		size_t end = bytes_find(body, '\n');
		size_t text = end < body.len && end > 0 && body.data[end - 1] == '\r' ? end - 1
		                                                                      : end;

		put(h, bytes_slice(body, 0, text));
		if (end < body.len)
			put(h, BYTES("\r\n"));
		body = bytes_slice(body, end + 1, SIZE_MAX);
	}
}

/* The length of the end of a line at `at`, or 0. */
static size_t line_end_at(struct bytes body, size_t at, bool crlf)
{
	if (at < body.len && body.data[at] == '\n')
		return crlf ? 0 : 1;
	return at + 1 < body.len && body.data[at] == '\r' && body.data[at + 1] == '\n' ? 2 : 0;
}

/* White space before the end of a line goes, other white space is one blank; a LF gets its CR. A
 * single blank between words stands inside a run. */
static void put_relaxed(struct body_hash *h, struct bytes body, bool crlf)
{
	size_t run = 0, at = 0;

	while (at < body.len && h->next < h->count) {
		size_t end;

		at = octets_words_end(body, at, true);
		if (at == body.len)
			break;
		if (body.data[at] == '\n' && !crlf) {
			put(h, bytes_slice(body, run, at - run));
			put(h, BYTES("\r\n"));
			run = ++at;
			continue;
		}
		if (!is_wsp(body.data[at])) {
			at += line_end_at(body, at, crlf) == 2 ? 2 : 1;
			continue;
		}
		for (end = at; end < body.len && is_wsp(body.data[end]); end++)
			;
		put(h, bytes_slice(body, run, at - run));
		if (line_end_at(body, end, crlf) == 0)
			put(h, BYTES(" "));
		run = at = end;
	}
	put(h, bytes_slice(body, run, SIZE_MAX));
}

void dkim_hash_body(struct bytes body, bool crlf, bool cut, enum dkim_canon canon,
                    struct dkim_body_digest *in_out_digests, uint32_t count)
{
	struct body_hash h = {.digest = in_out_digests, .count = count};
	struct bytes content;

	for (uint32_t i = 0; i < count; i++) {
		in_out_digests[i].known = false;
		ASSERT(i == 0 || in_out_digests[i - 1].length <= in_out_digests[i].length);
	}
	sha256_init(&h.sha256);
	put(&h, bytes_of(body.data, 0));
	/* What is cut off inside the end of a line looks like an octet of it. */
	if (cut && body.len > 0 && body.data[body.len - 1] == '\r')
		body.len--;
	content = bytes_slice(body, 0, content_end(body, crlf, canon));
	if (canon == DKIM_RELAXED)
		put_relaxed(&h, content, crlf);
	else if (crlf)
		put(&h, content);
	else
		put_lines(&h, content);
	if (cut)
		return;
	if (content.len > 0 || canon == DKIM_SIMPLE)
		put(&h, BYTES("\r\n"));
	while (h.next < count && h.digest[h.next].length != DKIM_WHOLE)
		h.next++; /* longer than the body */
	while (h.next < count)
		fill_digest(&h);
}

/* Header fields */

static void flush(struct dkim_header_hash *h)
{
	sha256_update(&h->sha256, h->held, h->buf);
	h->held = 0;
}

static void put_octet(struct dkim_header_hash *h, uint8_t octet)
{
	if (h->held == sizeof(h->buf))
		flush(h);
	h->buf[h->held++] = octet;
	h->bytes++;
}

void dkim_header_begin(struct dkim_header_hash *hash, enum dkim_canon canon)
{
	sha256_init(&hash->sha256);
	hash->canon = canon;
	hash->bytes = 0;
	hash->held = 0;
}

/* Octets of a field that count, in order: those of `left_out`, a part of it, do not. */
static bool is_left_out(const uint8_t *octet, struct bytes left_out)
{
	return octet >= left_out.data && octet < left_out.data + left_out.len;
}

static bool begins_line_end(struct bytes field, size_t at)
{
	return field.data[at] == '\n' ||
	       (field.data[at] == '\r' && at + 1 < field.len && field.data[at + 1] == '\n');
}

static void put_simple(struct dkim_header_hash *h, struct bytes field, struct bytes left_out)
{
	for (size_t i = 0; i < field.len; i++) {
		if (left_out.len > 0 && is_left_out(field.data + i, left_out))
			continue;
		if (field.data[i] == '\n' && (i == 0 || field.data[i - 1] != '\r'))
			put_octet(h, '\r');
		put_octet(h, field.data[i]);
	}
}

static void put_relaxed_field(struct dkim_header_hash *h, struct bytes field, size_t name_len,
                              struct bytes left_out)
{
	bool blank = false, begun = false;
	size_t i = 0;

	for (; i < name_len; i++)
		put_octet(h, bytes_lower(field.data[i]));
	while (i < field.len && field.data[i] != ':')
		i++;
	put_octet(h, ':');
	for (i++; i < field.len; i++) {
		uint8_t octet = field.data[i];

		if ((left_out.len > 0 && is_left_out(field.data + i, left_out)) ||
		    begins_line_end(field, i))
			continue;
		if (is_wsp(octet)) {
			blank = begun;
			continue;
		}
		if (blank)
			put_octet(h, ' ');
		blank = false;
		begun = true;
		put_octet(h, octet);
	}
}

/* The field without the end of its last line. */
static struct bytes without_end(struct bytes field)
{
	if (field.len > 0 && field.data[field.len - 1] == '\n')
		field.len -= field.len >= 2 && field.data[field.len - 2] == '\r' ? 2 : 1;
	return field;
}

void dkim_header_last(struct dkim_header_hash *hash, struct bytes field, size_t name_len,
                      struct bytes left_out)
{
	field = without_end(field);
	if (hash->canon == DKIM_RELAXED)
		put_relaxed_field(hash, field, name_len, left_out);
	else
		put_simple(hash, field, left_out);
}

void dkim_header_field(struct dkim_header_hash *hash, struct bytes field, size_t name_len)
{
	dkim_header_last(hash, field, name_len, bytes_of(NULL, 0));
	put_octet(hash, '\r');
	put_octet(hash, '\n');
}

void dkim_header_end(struct dkim_header_hash *hash, uint8_t out_digest[DKIM_DIGEST_BYTES])
{
	flush(hash);
	sha256_digest(&hash->sha256, DKIM_DIGEST_BYTES, out_digest);
}
