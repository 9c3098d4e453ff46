/* uri_find.c - what mail programs would make clickable in plain text.
 *
 * Text is cut into tokens at the octets no URI goes across. Inside a token a URI may begin at a
 * word boundary or behind an opening delimiter, and is one of: a known scheme or "www."; a mail
 * address; a bare host under a top-level domain that exists.
 */
#include "smtp/header.h"
#include "smtp/octets.h"
#include "smtp/uri_host.h"

#define URI_TEXT_BYTES_MAX  2048
#define MAIL_SIDE_BYTES_MAX 251

enum {
	ENDS_TOKEN = 1,  /* > < " ` } ] { [ | white space, ESC, NBSP octet */
	ENDS_MAIL = 2,   /* besides: , ( ' and what is not ASCII */
	STARTS = 4,      /* a URI may begin behind it */
	STARTS_BARE = 8, /* a bare host may begin behind it */
	WORD = 16,
};

/* What each octet means; built once, at start, from the sets above. */
static const char ends_token[] = "><\"`}]{[|";
static const char starts[] = "><\"'`,{[(|";
static const char starts_bare[] = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}~";

static bool in_set(const char *set, uint8_t c)
{
	return c != 0 && strchr(set, c) != NULL;
}

void uri_classes_fill(uint8_t classes[256])
{
	for (unsigned i = 0; i < 256; i++) {
		uint8_t c = (uint8_t)i;
		bool gap = header_is_space(c) || c == 0x1B || c == 0xA0;
		bool word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		            c == '_';

		classes[i] = (uint8_t)((gap || in_set(ends_token, c) ? ENDS_TOKEN | ENDS_MAIL : 0) |
		                       (c >= 0x80 || in_set(",('", c) ? ENDS_MAIL : 0) |
		                       (gap || in_set(starts, c) ? STARTS : 0) |
		                       (gap || in_set(starts_bare, c) ? STARTS_BARE : 0) |
		                       (word ? WORD : 0));
	}
}

#define PARSED     (UINT32_C(1) << FACT_URI_parsed)
#define SCHEMELESS (PARSED | UINT32_C(1) << FACT_URI_schemeless)
#define UNLINKED   (SCHEMELESS | UINT32_C(1) << FACT_URI_unlinked)

enum found_kind { FOUND_NONE, FOUND_SCHEME, FOUND_MAIL, FOUND_BARE };

/* One token of a text, and what is known about the next '@' in it. */
struct token {
	const struct uri_list *list;
	struct bytes text; /* the whole text */
	size_t start, end;
	size_t at_sign;    /* of the next '@' at or behind the place asked for; `end` when there is
	                      none */
	size_t user_start; /* the first place a user part before it may begin */
	size_t mail_end;   /* where a mail address that reaches over the '@' ends */
};

static bool has_class(const struct token *token, size_t at, unsigned class)
{
	return (token->list->classes[token->text.data[at]] & class) != 0;
}

static bool may_start(const struct token *token, size_t at)
{
	bool word = has_class(token, at, WORD);

	if (at == 0)
		return word;
	if (has_class(token, at - 1, WORD) != word || has_class(token, at - 1, STARTS))
		return true;
	/* A shift back to ASCII: ESC ( and one more octet. */
	return at >= 3 && token->text.data[at - 3] == 0x1B && token->text.data[at - 2] == '(';
}

static size_t known_prefix(struct bytes rest)
{
	static const char *const list[] = {"http://", "https://", "ftp://", "ftp."};
	uint8_t first = rest.len > 0 ? rest.data[0] | 0x20 : 0;

	if (first != 'h' && first != 'f' && first != 'w')
		return 0;
	for (unsigned i = 0; i < 4; i++)
		if (bytes_starts_nocase(rest, bytes_text(list[i])))
			return strlen(list[i]);
	if (!bytes_starts_nocase(rest, BYTES("www")))
		return 0;
	size_t at = 3;
	while (at < 5 && at < rest.len && rest.data[at] >= '0' && rest.data[at] <= '9')
		at++;
	return at < rest.len && rest.data[at] == '.' ? at + 1 : 0;
}

static size_t mail_end_from(const struct token *token, size_t at)
{
	while (at < token->end && !has_class(token, at, ENDS_MAIL))
		at++;
	return at;
}

/* Finds the next '@' at or behind `at` and how far user part and host reach. */
static void find_at_sign(struct token *token, size_t at)
{
	struct bytes rest = bytes_slice(token->text, at, token->end - at);

	token->at_sign = at + bytes_find(rest, '@');
	if (token->at_sign >= token->end) {
		token->at_sign = token->end;
		return;
	}
	size_t user = token->at_sign;
	while (user > at && token->at_sign - user < MAIL_SIDE_BYTES_MAX &&
	       !has_class(token, user - 1, ENDS_MAIL))
		user--;
	token->user_start = user;
	token->mail_end = mail_end_from(token, token->at_sign + 1);
}

/* A mail address at `at`; its end, or 0. */
static size_t mail_at(struct token *token, size_t at)
{
	struct bytes rest = bytes_slice(token->text, at, token->end - at);

	if (bytes_starts_nocase(rest, BYTES("mailto:"))) {
		size_t end = mail_end_from(token, at + 7);

		if (end > at + 7 && end - at - 7 <= URI_TEXT_BYTES_MAX)
			return end;
	}
	if (token->at_sign < at)
		find_at_sign(token, at);
	if (token->at_sign == token->end || at < token->user_start || at == token->at_sign)
		return 0;
	size_t host_len = token->mail_end - token->at_sign - 1;
	return host_len >= 1 && host_len <= MAIL_SIDE_BYTES_MAX ? token->mail_end : 0;
}

static bool is_host_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
	       c == '_' || c == '-';
}

/* A bare host at `at` that reaches, with port and path, to the end of the token. */
static bool bare_at(const struct token *token, size_t at, struct bytes *out_host)
{
	const uint8_t *data = token->text.data;
	size_t end = at;

	if (at > 0 && !has_class(token, at - 1, STARTS_BARE))
		return false;
	if (!is_host_octet(data[at]) || strchr("._-", data[at]) != NULL)
		return false;
	while (end < token->end && is_host_octet(data[end]))
		end++;
	size_t host_end = end - (data[end - 1] == '.');
	*out_host = bytes_slice(token->text, at, host_end - at);
	if (end < token->end && data[end] == ':') {
		size_t port = ++end;

		while (end < token->end && data[end] >= '0' && data[end] <= '9')
			end++;
		if (end == port || end - port > 5)
			return false;
	}
	if (end < token->end && data[end] == '/')
		end = token->end - end - 1 >= 1 && token->end - end - 1 <= URI_TEXT_BYTES_MAX
		          ? token->end
		          : end;
	return end == token->end && out_host->len <= 320 &&
	       uri_has_valid_tld(token->list, *out_host);
}

/* Punctuation at the end, and a closing parenthesis nobody opened, belong to the sentence. */
static struct bytes trim_uri(struct bytes uri)
{
	size_t open = bytes_find(uri, '('), close = bytes_find(uri, ')');

	if (close < open)
		uri.len = close;
	while (uri.len > 0 && in_set("-~!@#^&*()_+=:;'?,.", uri.data[uri.len - 1]))
		uri.len--;
	return uri;
}

/* "scheme:" and up to two slashes, and nothing behind them. */
static bool is_only_scheme(struct bytes uri)
{
	size_t at = bytes_find(uri, ':');

	if (at == 0 || at == uri.len)
		return false;
	for (size_t i = 0; i < at; i++)
		if (!is_host_octet(uri.data[i]) || uri.data[i] == '.' || uri.data[i] == '-')
			return false;
	return uri.len - at <= 3 && (uri.len - at < 2 || uri.data[at + 1] == '/') &&
	       (uri.len - at < 3 || uri.data[at + 2] == '/');
}

static void add_mail(struct uri_list *list, struct bytes uri, uint32_t types)
{
	uint8_t memory[URI_TEXT_BYTES_MAX + 64];
	struct sink out = sink_over(memory, sizeof(memory));
	static const char *const misread[] = {
	    "skype:", "email:", "e-mail:", "mail:", "mailto:", ":"};

	for (unsigned i = 0; i < sizeof(misread) / sizeof(misread[0]); i++) {
		if (bytes_starts_nocase(uri, bytes_text(misread[i]))) {
			uri = bytes_slice(uri, strlen(misread[i]), SIZE_MAX);
			break;
		}
	}
	sink_put(&out, BYTES("mailto:"));
	uri_put_unescaped(uri, &out);
	struct bytes mail = sink_bytes(&out);
	size_t at = bytes_find(mail, '@');
	size_t end = at + 1;
	while (end < mail.len && strchr("?&>", mail.data[end]) == NULL)
		end++;
	if (at >= mail.len)
		return;
	struct bytes host = bytes_slice(mail, at + 1, end - at - 1);
	while (host.len >= 3 && memcmp(host.data + host.len - 3, "%20", 3) == 0)
		host.len -= 3;
	if (uri_has_valid_tld(list, host))
		(void)uri_add(list, mail, types, true);
}

static void add_prefixed(struct uri_list *list, const char *prefix, struct bytes uri,
                         uint32_t types)
{
	uint8_t memory[URI_TEXT_BYTES_MAX + 512];
	struct sink out = sink_over(memory, sizeof(memory));

	sink_put(&out, bytes_text(prefix));
	sink_put(&out, uri);
	(void)uri_add(list, sink_bytes(&out), types, true);
}

/* A dot behind the '@', with something in between. */
static bool has_dot_behind(struct bytes uri, size_t at)
{
	return at + 2 < uri.len &&
	       bytes_find(bytes_slice(uri, at + 2, SIZE_MAX), '.') < uri.len - at - 2;
}

static void add_found(struct uri_list *list, enum found_kind kind, struct bytes uri,
                      struct bytes host)
{
	uri = trim_uri(uri);
	size_t at = bytes_find(uri, '@');

	if (uri.len == 0 || (kind == FOUND_MAIL && at == uri.len) ||
	    (kind == FOUND_BARE && !uri_host_is_name(host)))
		return;
	if (bytes_starts_nocase(uri, BYTES("cid:")) || bytes_starts_nocase(uri, BYTES("mid:")) ||
	    is_only_scheme(uri))
		return;
	if (bytes_starts_nocase(uri, BYTES("http:")) || bytes_starts_nocase(uri, BYTES("https:")) ||
	    bytes_starts_nocase(uri, BYTES("ftp:"))) {
		(void)uri_add(list, uri, PARSED, true);
		return;
	}
	if (bytes_starts_nocase(uri, BYTES("mailto:"))) {
		add_mail(list, uri, PARSED);
		return;
	}
	size_t slash = bytes_find(uri, '/');
	if (bytes_starts_nocase(uri, BYTES("ftp.")))
		add_prefixed(list, "ftp://", uri, SCHEMELESS);
	else if (known_prefix(uri) > 0 || (at < uri.len && slash + 1 < at))
		add_prefixed(list, "http://", uri, SCHEMELESS);
	else if (at < uri.len && has_dot_behind(uri, at))
		add_mail(list, uri, SCHEMELESS);
	else if (at == uri.len && bytes_find(uri, '.') < uri.len)
		add_prefixed(list, "http://", uri, UNLINKED);
}

/* A URI at `at`: what kind, and where it ends. */
static enum found_kind found_at(struct token *token, size_t at, size_t *out_end,
                                struct bytes *out_host)
{
	struct bytes rest = bytes_slice(token->text, at, token->end - at);
	size_t prefix = known_prefix(rest);

	*out_host = bytes_of(NULL, 0);
	*out_end = token->end;
	if (prefix > 0 && rest.len > prefix && rest.len - prefix <= URI_TEXT_BYTES_MAX)
		return FOUND_SCHEME;
	size_t mail_end = mail_at(token, at);
	if (mail_end > 0) {
		*out_end = mail_end;
		return FOUND_MAIL;
	}
	return bare_at(token, at, out_host) ? FOUND_BARE : FOUND_NONE;
}

static void scan_token(struct uri_list *list, struct token *token)
{
	struct bytes host;
	size_t end;

	find_at_sign(token, token->start);
	for (size_t at = token->start; at < token->end;) {
		enum found_kind kind = FOUND_NONE;

		if (may_start(token, at))
			kind = found_at(token, at, &end, &host);
		if (kind == FOUND_NONE) {
			at++;
			continue;
		}
		add_found(list, kind, bytes_slice(token->text, at, end - at), host);
		at = end;
	}
}

static bool token_ends_at(const struct uri_list *list, struct bytes text, size_t at)
{
	return at == text.len || (list->classes[text.data[at]] & ENDS_TOKEN) != 0;
}

void uri_find_in_text(struct uri_list *list, struct bytes text)
{
	static const uint8_t marks[4] = {'@', '/', ':', '.'};
	size_t seen = 0, at; /* tokens in front of `seen` were looked at */

	/* Tokens without such a mark hold no URI; a dot counts only with something behind it. */
	for (size_t from = 0; (at = octets_find_any(text, from, marks)) < text.len;) {
		size_t start = at, end = at + 1;

		from = end;
		if (text.data[at] == '.' && token_ends_at(list, text, end))
			continue;
		while (start > seen && !token_ends_at(list, text, start - 1))
			start--;
		while (!token_ends_at(list, text, end))
			end++;
		struct token token = {.list = list, .text = text, .start = start, .end = end};
		scan_token(list, &token);
		seen = from = end;
	}
}
