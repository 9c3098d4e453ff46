/* uri_canon.c - the canonical forms of a URI: added beside it, never instead of it.
 *
 * Mail programs open what no standard allows, and senders of spam know that: each step undoes one
 * such liberty.
 */
#include "smtp/decode.h"
#include "smtp/header.h"
#include "smtp/octets.h"
#include "smtp/uri_host.h"

#define REDIRECTS_MAX       16 /* targets looked into behind one URI */
#define REDIRECT_OCTETS_MIN 4  /* "/" and a name with a dot in it: less leads nowhere */

struct canon {
	struct uri_list *list;
	bool checking; /* first pass: only find out whether a form has a valid host */
	bool found_valid;
};

/* "scheme://user@host:port/path" in pieces. */
struct web_uri {
	struct bytes proto, auth, host, port,
	    rest; /* rest begins with the port's colon, if there is one */
};

static void emit(struct canon *canon, struct bytes uri)
{
	if (canon->checking)
		canon->found_valid = canon->found_valid || uri_has_valid_host(canon->list, uri);
	else
		uri_detail_form(canon->list, uri_keep(canon->list, uri));
}

static void emit_joined(struct canon *canon, struct bytes proto, struct bytes host,
                        struct bytes rest)
{
	struct sink out = sink_over(canon->list->joined, URI_WORK_BYTES);

	sink_put(&out, proto);
	sink_put(&out, host);
	sink_put(&out, rest);
	emit(canon, sink_bytes(&out));
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* An escape at `i`; its value or -1. */
static int percent_value(struct bytes in, size_t i)
{
	if (in.data[i] != '%' || i + 2 >= in.len)
		return -1;
	int high = decode_hex_digit(in.data[i + 1]), low = decode_hex_digit(in.data[i + 2]);

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool has_escape(struct bytes in)
{
	for (size_t i = bytes_find(in, '%'); i < in.len; i++)
		if (percent_value(in, i) >= 0)
			return true;
	return false;
}

/* Escapes of printable octets are undone; other ones stay; raw octets that need one get it. */
void uri_put_unescaped(struct bytes in, struct sink *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		int value = percent_value(in, i);

		if (value > 0x20 && value < 0x7F) {
			sink_octet(out, (uint8_t)value);
			i += 2;
		} else if (value >= 0) {
			sink_put(out, bytes_slice(in, i, 3));
			i += 2;
		} else if (c <= 0x20 || c >= 0x7F || c == '"' || c == '%' || c == '<' || c == '>') {
			sink_octet(out, '%');
			sink_octet(out, (uint8_t)digits[c >> 4]);
			sink_octet(out, (uint8_t)digits[c & 15]);
		} else {
			sink_octet(out, c);
		}
	}
}

/* "&#46;" of a printable character, or of a dot of another script; returns its length and the
 * octet. */
static size_t reference_read(struct bytes in, uint8_t *out_octet)
{
	uint32_t value = 0;
	size_t at = 2, digits = 0;

	if (in.len < 5 || in.data[0] != '&' || in.data[1] != '#')
		return 0;
	bool hex = (in.data[2] | 0x20) == 'x';
	for (at += hex; at < in.len && digits < 12; at++, digits++) {
		int digit = decode_hex_digit(in.data[at]);

		if (digit < 0 || (!hex && digit > 9) || value > 0xFFFFFF)
			break;
		value = value * (hex ? 16 : 10) + (uint32_t)digit;
	}
	if (digits == 0 || at == in.len || in.data[at] != ';')
		return 0;
	if (value == 0x3002 || value == 0xFF0E || value == 0xFF61)
		value = '.';
	*out_octet = (uint8_t)value;
	return value > 0x20 && value < 0x7F ? at + 1 : 0;
}

static void put_without_references(struct bytes in, struct sink *out)
{
	uint8_t octet;

	while (in.len > 0) {
		size_t plain = bytes_find(in, '&');

		sink_put(out, bytes_slice(in, 0, plain));
		in = bytes_slice(in, plain, SIZE_MAX);
		if (in.len == 0)
			break;
		size_t len = reference_read(in, &octet);
		sink_octet(out, len > 0 ? octet : '&');
		in = bytes_slice(in, len > 0 ? len : 1, SIZE_MAX);
	}
}

/* The length of "http:" or "https:" with up to two slashes, 0 when `uri` begins otherwise. */
static size_t web_scheme(struct bytes uri, size_t *out_colon)
{
	size_t at = bytes_starts_nocase(uri, BYTES("https:"))  ? 6
	            : bytes_starts_nocase(uri, BYTES("http:")) ? 5
	                                                       : 0;

	*out_colon = at;
	for (unsigned i = 0; at > 0 && i < 2 && at < uri.len && uri.data[at] == '/'; i++)
		at++;
	return at;
}

static bool has_scheme(struct bytes uri)
{
	size_t at = 0;

	while (at < uri.len &&
	       (is_alnum(uri.data[at]) || uri.data[at] == '-' || uri.data[at] == '_'))
		at++;
	return at > 0 && at < uri.len && uri.data[at] == ':';
}

/* Whether a URI of the web has nothing that repair() would change; `host`: where its host begins.
 */
static bool is_in_repair(struct bytes uri, size_t host)
{
	if (octets_find_any(uri, 0, (const uint8_t *)"\\%&&") < uri.len)
		return false;
	size_t end = octets_find_any(uri, host, (const uint8_t *)"/?##");
	return end == host || end == uri.len || uri.data[end] == '/';
}

/* Slashes the right way round and two of them, escapes undone, a scheme, a slash behind the host,
 * references decoded. */
static struct bytes repair(struct uri_list *list, struct bytes uri)
{
	struct sink one = sink_over(list->work[0], URI_WORK_BYTES),
	            two = sink_over(list->work[1], URI_WORK_BYTES);
	size_t colon, scheme = web_scheme(uri, &colon);

	if (scheme > 0 && scheme == colon + 2 && is_in_repair(uri, scheme)) {
		sink_put(&one, uri);
		return sink_bytes(&one);
	}
	sink_put(&one, bytes_slice(uri, 0, colon));
	if (scheme > 0) {
		/* Backslashes were slashes when the scheme was looked for. */
		while (scheme < uri.len && scheme < colon + 2 &&
		       (uri.data[scheme] == '/' || uri.data[scheme] == '\\'))
			scheme++;
		sink_put(&one, BYTES("//"));
	}
	sink_put(&one, bytes_slice(uri, scheme, SIZE_MAX));
	struct bytes text = sink_bytes(&one);
	for (size_t i = bytes_find(text, '\\'); i < one.len; i++)
		if (one.data[i] == '\\')
			one.data[i] = '/';
	bool escaped = has_escape(text);
	if (escaped) {
		uri_put_unescaped(text, &two);
		text = sink_bytes(&two);
	}
	struct sink three = escaped ? sink_over(list->work[0], URI_WORK_BYTES) : two;
	if (!has_scheme(text))
		sink_put(&three, text.len > 4 && memcmp(text.data, "ftp.", 4) == 0
		                     ? BYTES("ftp://")
		                     : BYTES("http://"));
	size_t prefix = three.len;
	sink_put(&three, text);
	text = sink_bytes(&three);
	scheme = prefix == 7 ? 7 : web_scheme(text, &colon);
	size_t end = scheme;
	while (scheme > 0 && end < text.len && text.data[end] != '/' && text.data[end] != '?' &&
	       text.data[end] != '#')
		end++;
	if (end > scheme && end < text.len && text.data[end] != '/' &&
	    three.len < three.bytes_max) {
		memmove(three.data + end + 1, three.data + end, three.len - end);
		three.data[end] = '/';
		three.len++;
		text = sink_bytes(&three);
	}
	struct sink four = sink_over(three.data == list->work[0] ? list->work[1] : list->work[0],
	                             URI_WORK_BYTES);
	put_without_references(text, &four);
	return sink_bytes(&four);
}

static bool web_split(struct bytes uri, struct web_uri *out)
{
	size_t colon, at = web_scheme(uri, &colon);

	if (at == 0 || at != colon + 2)
		return false;
	out->proto = bytes_slice(uri, 0, at);
	size_t end = octets_find_any(uri, at, (const uint8_t *)"@/?#");
	bool has_auth = end + 1 < uri.len && uri.data[end] == '@' &&
	                strchr("/?#:", uri.data[end + 1]) == NULL;
	out->auth = bytes_slice(uri, at, has_auth ? end + 1 - at : 0);
	at += out->auth.len;
	end = octets_find_any(uri, at, (const uint8_t *)"/?#:");
	out->host = bytes_slice(uri, at, end - at);
	out->rest = bytes_slice(uri, end, SIZE_MAX);
	size_t digits = 1;
	while (out->rest.len > 0 && out->rest.data[0] == ':' && digits < out->rest.len &&
	       is_digit(out->rest.data[digits]))
		digits++;
	out->port = bytes_slice(out->rest, 1, digits - 1);
	return out->host.len > 0;
}

/* Whether ":80" or ":443" says nothing; then what follows it. */
static bool has_plain_port(const struct web_uri *web, struct bytes *out_rest)
{
	bool plain = bytes_equal(web->proto, BYTES("http://"));

	if (!bytes_equal(web->port, plain ? BYTES("80") : BYTES("443")))
		return false;
	*out_rest = bytes_slice(web->rest, 1 + web->port.len, SIZE_MAX);
	return out_rest->len == 0 || !(is_alnum(out_rest->data[0]) || out_rest->data[0] == '_');
}

/* The host by its name in the DNS, which it has from then on, in `memory`. */
static void emit_ascii_host(struct canon *canon, struct web_uri *web,
                            uint8_t memory[URI_IDN_BYTES_MAX])
{
	struct bytes rest, ascii;

	if (!uri_host_to_ascii(canon->list, web->host, &ascii))
		return;
	memcpy(memory, ascii.data, ascii.len);
	ascii.data = memory;
	emit_joined(canon, web->proto, ascii, web->rest);
	if (has_plain_port(web, &rest) && rest.len > 0)
		emit_joined(canon, web->proto, ascii, rest);
	web->host = ascii;
}

/* The number in one piece of a written address: hexadecimal, octal or decimal, as text. */
static void put_octet_text(struct bytes piece, struct sink *out)
{
	bool hex = piece.len > 2 && piece.data[0] == '0' && (piece.data[1] | 0x20) == 'x';
	uint64_t value = 0;

	if (hex) {
		for (size_t i = 2; i < piece.len; i++)
			value = (value << 4 | (uint64_t)decode_hex_digit(piece.data[i])) &
			        0xFFFFFFFF;
	} else {
		size_t zeros = 0;

		while (zeros < piece.len && piece.data[zeros] == '0')
			zeros++;
		struct bytes digits = bytes_slice(piece, zeros, SIZE_MAX);
		bool octal = zeros > 0 && digits.len > 0 &&
		             digits.len <= (digits.data[0] <= '3'   ? 3u
		                            : digits.data[0] <= '7' ? 2u
		                                                    : 0u);
		for (size_t i = 0; i < digits.len; i++)
			octal = octal && digits.data[i] <= '7';
		if (!octal) {
			sink_put(out, digits);
			return;
		}
		for (size_t i = 0; i < digits.len; i++)
			value = value * 8 + digits.data[i] - '0';
	}
	char text[24];
	size_t at = sizeof(text);
	while (value > 0) {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	}
	sink_put(out, bytes_of(text + at, sizeof(text) - at));
}

static bool is_number_piece(struct bytes piece)
{
	bool hex = piece.len > 2 && piece.data[0] == '0' && (piece.data[1] | 0x20) == 'x';

	for (size_t i = hex ? 2 : 0; i < piece.len; i++)
		if (hex ? decode_hex_digit(piece.data[i]) < 0 : !is_digit(piece.data[i]))
			return false;
	return piece.len > 0;
}

/* Of more than eight hexadecimal digits the last eight count when they were written so, the first
 * eight of a decimal number. */
static void emit_ulong(struct canon *canon, const struct web_uri *web, struct bytes number)
{
	uint8_t memory[16];
	struct sink host = sink_over(memory, sizeof(memory));
	bool hex = number.len > 2 && (number.data[1] | 0x20) == 'x';
	uint64_t value = 0;

	for (size_t i = hex ? 2 : 0; i < number.len; i++) {
		unsigned digit = (unsigned)decode_hex_digit(number.data[i]);

		if (hex)
			value = (value << 4 | digit) & 0xFFFFFFFF;
		else
			value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
	}
	while (value > 0xFFFFFFFF)
		value >>= 4;
	for (int shift = 24; shift >= 0; shift -= 8) {
		unsigned octet = (unsigned)(value >> shift) & 0xFF;

		if (octet >= 100)
			sink_octet(&host, (uint8_t)('0' + octet / 100));
		if (octet >= 10)
			sink_octet(&host, (uint8_t)('0' + octet / 10 % 10));
		sink_octet(&host, (uint8_t)('0' + octet % 10));
		if (shift > 0)
			sink_octet(&host, '.');
	}
	emit_joined(canon, web->proto, sink_bytes(&host), web->rest);
}

/* A host written as numbers; true when it was one. */
static bool emit_address(struct canon *canon, const struct web_uri *web, struct bytes host)
{
	uint8_t memory[512];
	struct sink out = sink_over(memory, sizeof(memory));
	struct bytes rest = host;
	unsigned pieces = 0;

	if (is_number_piece(host)) {
		emit_ulong(canon, web, host);
		return true;
	}
	while (rest.len > 0 && pieces < 5) {
		size_t dot = bytes_find(rest, '.');
		struct bytes piece = bytes_slice(rest, 0, dot);

		if (!is_number_piece(piece))
			return false;
		if (pieces++ > 0)
			sink_octet(&out, '.');
		put_octet_text(piece, &out);
		rest = bytes_slice(rest, dot + 1, SIZE_MAX);
	}
	if (pieces != 4 || host.data[host.len - 1] == '.')
		return false;
	emit_joined(canon, web->proto, sink_bytes(&out), web->rest);
	return true;
}

/* "http://word" is opened as "http://www.word.com". */
static void emit_one_word(struct canon *canon, const struct web_uri *web)
{
	struct bytes word = web->host;

	if (!bytes_equal(web->proto, BYTES("http://")) || web->auth.len > 0 ||
	    (web->port.len > 0 && !bytes_equal(web->port, BYTES("80"))) ||
	    bytes_equal_nocase(word, BYTES("localhost")) || uri_has_valid_tld(canon->list, word))
		return;
	if (bytes_starts_nocase(word, BYTES("www.")))
		word = bytes_slice(word, 4, SIZE_MAX);
	if (word.len == 0 || bytes_find(word, '.') < word.len)
		return;
	uint8_t memory[300];
	struct sink host = sink_over(memory, sizeof(memory));
	sink_put(&host, BYTES("www."));
	for (size_t i = 0; i < word.len; i++)
		sink_octet(&host, word.data[i] >= 'A' && word.data[i] <= 'Z' ? word.data[i] | 0x20
		                                                             : word.data[i]);
	sink_put(&host, BYTES(".com"));
	if (!host.full)
		emit_joined(canon, web->proto, sink_bytes(&host), web->rest);
}

/* A URI inside `rest`, up to '&' or '#': where a redirector leads. */
static struct bytes redirect_target(struct bytes rest)
{
	size_t colon;

	if (bytes_find(rest, ':') == rest.len)
		return bytes_of(NULL, 0);
	for (size_t i = 0; i + 5 < rest.len; i++) {
		if ((rest.data[i] | 0x20) != 'h')
			continue;
		struct bytes inner = bytes_slice(rest, i, SIZE_MAX);
		size_t end = web_scheme(inner, &colon);

		if (end == 0)
			continue;
		size_t scheme = end;
		while (end < inner.len && inner.data[end] != '&' && inner.data[end] != '#')
			end++;
		inner = bytes_slice(inner, 0, end);
		if (end > scheme)
			return bytes_find(inner, '.') < inner.len ? inner : bytes_of(NULL, 0);
	}
	return bytes_of(NULL, 0);
}

/* Where the URI leads on: by the patterns of the rules, else to any URI inside it. The patterns see
 * no user part. */
static struct bytes leads_to(struct canon *canon, const struct web_uri *web, struct bytes host)
{
	const struct redirects *redirects = &canon->list->redirects;
	struct sink out = sink_over(canon->list->joined, URI_WORK_BYTES);
	struct bytes target;

	if (redirects->find != NULL && web->rest.len > REDIRECT_OCTETS_MIN) {
		sink_put(&out, web->proto);
		sink_put(&out, host);
		sink_put(&out, web->rest);
		if (redirects->find(redirects->context, sink_bytes(&out), &target))
			return target;
	}
	return redirect_target(web->rest);
}

static struct bytes emit_web_forms(struct canon *canon, struct bytes uri)
{
	struct web_uri web;
	struct bytes rest;

	if (!web_split(uri, &web))
		return bytes_of(NULL, 0);
	if (has_plain_port(&web, &rest))
		emit_joined(canon, web.proto, web.host, rest);
	uint8_t ascii[URI_IDN_BYTES_MAX], memory[1024];
	emit_ascii_host(canon, &web, ascii);
	struct sink host = sink_over(memory, sizeof(memory));
	for (size_t i = 0; i < web.host.len; i++)
		if (web.host.data[i] > 0x20)
			sink_octet(&host, web.host.data[i]);
	if (host.len != web.host.len && !host.full)
		emit_joined(canon, web.proto, sink_bytes(&host), web.rest);
	struct bytes name = sink_bytes(&host);
	size_t at = bytes_find(name, '@');
	if (at > 0 && at + 1 <= name.len && at < name.len) {
		name = bytes_slice(name, at + 1, SIZE_MAX);
		emit_joined(canon, web.proto, name, web.rest);
	}
	size_t len = name.len;
	while (len > 0 && !is_alnum(name.data[len - 1]))
		len--;
	if (len < name.len) {
		name.len = len;
		emit_joined(canon, web.proto, name, web.rest);
	}
	if (!emit_address(canon, &web, name))
		emit_one_word(canon, &web);
	return leads_to(canon, &web, sink_bytes(&host));
}

/* A mail address without parameters and obfuscation. */
static void emit_mail_forms(struct canon *canon, struct bytes uri)
{
	size_t at = bytes_find(uri, '@');
	size_t question = at + bytes_find(bytes_slice(uri, at, SIZE_MAX), '?');
	size_t ampersand = at + bytes_find(bytes_slice(uri, at, SIZE_MAX), '&');

	if (at > 0 && question < uri.len && question > at + 1)
		emit(canon, bytes_slice(uri, 0, question));
	if (at > 0 && ampersand < uri.len && ampersand < question && ampersand > at + 1)
		emit(canon, bytes_slice(uri, 0, ampersand));
	struct bytes mail = bytes_starts_nocase(uri, BYTES("mailto:"))
	                        ? bytes_slice(uri, 7, SIZE_MAX)
	                        : uri;
	bool spaced = false;
	for (size_t i = 0; i + 2 < uri.len; i++)
		spaced |= memcmp(uri.data + i, "%20", 3) == 0;
	while (mail.len >= 3 && memcmp(mail.data, "%20", 3) == 0)
		mail = bytes_slice(mail, 3, SIZE_MAX);
	at = bytes_find(mail, '@');
	size_t end = at + 1;
	while (end < mail.len && mail.data[end] != '?' && mail.data[end] != '&' &&
	       mail.data[end] != '%')
		end++;
	if (spaced && at > 0 && at < mail.len && end > at + 1)
		emit_joined(canon, BYTES("mailto:"), bytes_slice(mail, 0, end), BYTES(""));
	size_t open = bytes_find(uri, '<');
	struct bytes inside = bytes_slice(uri, open + 1, SIZE_MAX);
	size_t close = bytes_find(inside, '>');
	at = bytes_find(inside, '@');
	if (open < uri.len && bytes_find(bytes_slice(uri, 0, open), '?') == open && at > 0 &&
	    close < inside.len && at + 1 < close)
		emit_joined(canon, BYTES("mailto:"), bytes_slice(inside, 0, close), BYTES(""));
}

static bool is_mail(struct bytes uri)
{
	if (bytes_starts_nocase(uri, BYTES("mailto:")))
		return true;
	size_t at = octets_find_any(uri, 0, (const uint8_t *)"@:::");
	return at < uri.len && uri.data[at] == '@';
}

/* Without line ends inside and white space at the ends. */
static struct bytes clean(struct bytes uri, uint8_t *memory)
{
	size_t len = 0;

	if (uri.len > URI_BYTES_MAX)
		uri.len = URI_BYTES_MAX;
	if (octets_find_any(uri, 0, (const uint8_t *)"\r\n\n\n") == uri.len) {
		struct bytes trimmed = header_trim(uri);

		if (trimmed.len > 0)
			memcpy(memory, trimmed.data, trimmed.len);
		return bytes_of(memory, trimmed.len);
	}
	for (size_t i = 0; i < uri.len; i++)
		if (uri.data[i] != '\n' && uri.data[i] != '\r')
			memory[len++] = uri.data[i];
	return header_trim(bytes_of(memory, len));
}

static void canonicalise(struct canon *canon, struct bytes uri)
{
	struct uri_list *list = canon->list;

	for (unsigned i = 0; i < REDIRECTS_MAX && (uri.len > 0 || i == 0); i++) {
		/* The memory is another one than `uri` may lie in: repaired forms are in work. */
		struct bytes cleaned = clean(uri, list->cleaned);

		emit(canon, cleaned);
		if (canon->found_valid)
			return;
		if (cleaned.len <= 1 || strchr("#?&", cleaned.data[0]) != NULL ||
		    (cleaned.data[0] == '/' && cleaned.data[1] != '/'))
			return;
		if (is_mail(cleaned)) {
			emit_mail_forms(canon, cleaned);
			return;
		}
		struct bytes repaired = repair(list, cleaned);
		if (!bytes_equal(repaired, cleaned))
			emit(canon, repaired);
		uri = emit_web_forms(canon, repaired);
	}
}

bool uri_leads_to_host(struct uri_list *list, struct bytes uri)
{
	struct canon canon = {.list = list, .checking = true};

	canonicalise(&canon, uri);
	return canon.found_valid;
}

void uri_put_forms(struct uri_list *list, struct bytes uri)
{
	struct canon canon = {.list = list};

	canonicalise(&canon, uri);
}
