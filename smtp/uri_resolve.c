/* uri_resolve.c - a URI of an HTML attribute against the base of its document (RFC 3986 5.2). */
#include "smtp/header.h"
#include "smtp/octets.h"
#include "smtp/uri.h"

/* RFC 3986 appendix B. data NULL: not there. */
struct pieces {
	struct bytes scheme, authority, path, query, fragment;
};

/* Up to one of the four octets of `set`. */
static size_t span_until(struct bytes in, size_t from, const char *set)
{
	return octets_find_any(in, from, (const uint8_t *)set);
}

static void split(struct bytes uri, struct pieces *out)
{
	size_t end = span_until(uri, 0, ":/?#");

	*out = (struct pieces){0};
	if (end > 0 && end < uri.len && uri.data[end] == ':') {
		out->scheme = bytes_slice(uri, 0, end);
		uri = bytes_slice(uri, end + 1, SIZE_MAX);
	}
	if (uri.len >= 2 && uri.data[0] == '/' && uri.data[1] == '/') {
		end = span_until(uri, 2, "/?##");
		out->authority = bytes_slice(uri, 2, end - 2);
		uri = bytes_slice(uri, end, SIZE_MAX);
	}
	end = span_until(uri, 0, "?###");
	out->path = bytes_slice(uri, 0, end);
	if (end < uri.len && uri.data[end] == '?') {
		size_t hash = span_until(uri, end + 1, "####");

		out->query = bytes_slice(uri, end + 1, hash - end - 1);
		end = hash;
	}
	if (end < uri.len)
		out->fragment = bytes_slice(uri, end + 1, SIZE_MAX);
}

/* RFC 3986 5.2.4, into `out` behind what is there. */
static void put_without_dots(struct bytes path, struct sink *out)
{
	size_t start = out->len;

	if (path.len >= 2 && path.data[0] == '.' && path.data[1] == '/')
		path = bytes_slice(path, 1, SIZE_MAX);
	else if (path.len >= 3 && memcmp(path.data, "../", 3) == 0)
		path = bytes_slice(path, 2, SIZE_MAX);
	while (path.len > 0) {
		size_t end = span_until(path, path.data[0] == '/', "////");
		struct bytes segment = bytes_slice(path, 0, end);

		if (bytes_equal(segment, BYTES("/.")) || bytes_equal(segment, BYTES("/.."))) {
			while (segment.len == 3 && out->len > start && out->data[--out->len] != '/')
				;
			path = bytes_slice(path, end, SIZE_MAX);
			if (path.len == 0)
				sink_octet(out, '/');
			continue;
		}
		sink_put(out, segment);
		path = bytes_slice(path, end, SIZE_MAX);
	}
}

/* A base path up to its last slash; a base URI itself is kept without its file name. */
static struct bytes folder(struct bytes path)
{
	while (path.len > 0 && path.data[path.len - 1] != '/')
		path.len--;
	return path;
}

static void put_path(const struct pieces *base, const struct pieces *uri, struct sink *out)
{
	uint8_t memory[URI_BYTES_MAX];
	struct sink merged = sink_over(memory, sizeof(memory));

	if (uri->scheme.data == NULL && uri->authority.data == NULL && uri->path.len > 0 &&
	    uri->path.data[0] != '/') {
		if (base->authority.data != NULL && base->path.len == 0)
			sink_octet(&merged, '/');
		else
			sink_put(&merged, folder(base->path));
		sink_put(&merged, uri->path);
		put_without_dots(sink_bytes(&merged), out);
		return;
	}
	if (uri->scheme.data == NULL && uri->authority.data == NULL && uri->path.len == 0)
		sink_put(out, base->path);
	else
		put_without_dots(uri->path, out);
}

/* "www.", "ftp2.": whether the authority begins with such a label. */
static bool has_first_label(struct bytes authority, struct bytes label)
{
	size_t at = label.len;

	while (at < authority.len && authority.data[at] >= '0' && authority.data[at] <= '9')
		at++;
	return bytes_starts_nocase(authority, label) && at < authority.len &&
	       authority.data[at] == '.';
}

static void put_scheme(struct bytes scheme, struct bytes authority, struct sink *out)
{
	if (scheme.len > 0) {
		sink_put(out, scheme);
		sink_octet(out, ':');
	} else if (authority.data != NULL) {
		if (has_first_label(authority, BYTES("www")))
			sink_put(out, BYTES("http:"));
		else if (has_first_label(authority, BYTES("ftp")))
			sink_put(out, BYTES("ftp:"));
	}
	if (authority.data != NULL) {
		sink_put(out, BYTES("//"));
		sink_put(out, authority);
	}
}

void uri_resolve(struct bytes base_text, struct bytes text, struct sink *out)
{
	struct pieces base, uri;

	split(text, &uri);
	/* Most name all there is, and have no dots to take out. */
	if (uri.scheme.data != NULL && uri.authority.data != NULL &&
	    octets_find_text(uri.path, 0, BYTES("/."), false) == uri.path.len) {
		sink_put(out, text);
		return;
	}
	split(base_text, &base);
	/* Of the same scheme: read as if it had none. */
	if (uri.scheme.data != NULL && base.scheme.data != NULL &&
	    bytes_equal(uri.scheme, base.scheme))
		uri.scheme = bytes_of(NULL, 0);
	bool absolute = uri.scheme.data != NULL;
	bool own_authority = absolute || uri.authority.data != NULL;
	put_scheme(absolute ? uri.scheme : base.scheme,
	           own_authority ? uri.authority : base.authority, out);
	put_path(&base, &uri, out);
	struct bytes query = own_authority || uri.path.len > 0 || uri.query.data != NULL
	                         ? uri.query
	                         : base.query;
	if (query.data != NULL) {
		sink_octet(out, '?');
		sink_put(out, query);
	}
	if (uri.fragment.data != NULL) {
		sink_octet(out, '#');
		sink_put(out, uri.fragment);
	}
}
