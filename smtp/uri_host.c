/* uri_host.c - the host inside a URI, and whether it can be one. */
#include "smtp/uri_host.h"

#include "base/addr.h"
#include "smtp/decode.h"

#define HOST_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

static bool is_label_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static bool is_label(struct bytes label, bool underscore_allowed)
{
	if (label.len < 1 || label.len > LABEL_BYTES_MAX)
		return false;
	if (!is_label_octet(label.data[0]) || !is_label_octet(label.data[label.len - 1]))
		return false;
	for (size_t i = 0; i < label.len; i++) {
		uint8_t c = label.data[i];

		if ((!is_label_octet(c) && c != '-') || (c == '_' && !underscore_allowed))
			return false;
	}
	return true;
}

bool uri_host_is_name(struct bytes host)
{
	unsigned label_count = 0;

	while (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len > HOST_BYTES_MAX)
		return false;
	for (size_t end = host.len;;) {
		size_t start = end;

		while (start > 0 && host.data[start - 1] != '.')
			start--;
		if (!is_label(bytes_slice(host, start, end - start), label_count >= 2))
			return false;
		label_count++;
		if (start == 0)
			return label_count > 1;
		end = start - 1;
	}
}

bool uri_host_is_ip4(struct bytes host)
{
	struct addr addr;

	return host.len >= 7 && host.len <= 15 && addr_parse(host, &addr) == OK &&
	       addr_is_ip4(&addr);
}

/* A percent sign that hides a printable octet: the decoded form is looked at instead. */
static bool has_hidden_octet(struct bytes host)
{
	for (size_t i = 0; i + 2 < host.len; i++) {
		if (host.data[i] != '%')
			continue;
		int high = decode_hex_digit(host.data[i + 1]),
		    low = decode_hex_digit(host.data[i + 2]);

		if (high >= 2 && high <= 7 && low >= 0 && !(high == 2 && low == 0) &&
		    !(high == 7 && low == 15))
			return true;
	}
	return false;
}

static size_t find_last(struct bytes b, uint8_t octet)
{
	for (size_t i = b.len; i > 0; i--)
		if (b.data[i - 1] == octet)
			return i - 1;
	return b.len;
}

/* What follows "mailto:": the part behind the only '@'. */
static struct bytes mail_host(struct bytes rest)
{
	rest = bytes_slice(rest, 0, bytes_find(rest, '?'));
	size_t at = bytes_find(rest, '@');

	if (find_last(rest, '@') != at)
		return bytes_of(NULL, 0);
	return bytes_slice(rest, at + 1, SIZE_MAX);
}

static struct bytes web_host(struct bytes uri)
{
	size_t letters = 0;

	while (letters < uri.len && (uri.data[letters] | 0x20) >= 'a' &&
	       (uri.data[letters] | 0x20) <= 'z')
		letters++;
	if (letters > 0 && letters < uri.len && uri.data[letters] == ':') {
		uri = bytes_slice(uri, letters + 1, SIZE_MAX);
		for (unsigned i = 0; i < 2 && uri.len > 0 && uri.data[0] == '/'; i++)
			uri = bytes_slice(uri, 1, SIZE_MAX);
	}
	size_t end = 0;
	while (end < uri.len && uri.data[end] != '/' && uri.data[end] != '?' &&
	       uri.data[end] != '#')
		end++;
	struct bytes host = bytes_slice(uri, 0, end);
	size_t at = find_last(host, '@');
	if (at < host.len)
		host = bytes_slice(host, at + 1, SIZE_MAX);
	size_t colon = find_last(host, ':');
	size_t digits = colon + 1;
	while (digits < host.len && host.data[digits] >= '0' && host.data[digits] <= '9')
		digits++;
	return digits >= host.len ? bytes_slice(host, 0, colon) : host;
}

bool uri_has_valid_host(struct uri_list *list, struct bytes uri)
{
	static const char *const not_hosts[] = {"javascript:", "cid:", "file:"};
	struct bytes host, ascii;

	for (unsigned i = 0; i < 3; i++)
		if (bytes_starts_nocase(uri, bytes_text(not_hosts[i])))
			return false;
	if (bytes_starts_nocase(uri, BYTES("mailto:")))
		host = mail_host(bytes_slice(uri, 7, SIZE_MAX));
	else
		host = web_host(uri);
	if (host.len == 0 || has_hidden_octet(host))
		return false;
	if (uri_host_to_ascii(list, host, &ascii))
		host = ascii;
	return uri_host_is_ip4(host) || (uri_host_is_name(host) && uri_has_valid_tld(list, host));
}
