/* address.c - reverse-paths, forward-paths and parameters of MAIL and RCPT. */
#include "smtp/address.h"

#include "base/addr.h"
#include "base/limits.h"

#define LABEL_BYTES_MAX 63

static bool is_alpha(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
}

static bool is_digit(uint8_t octet)
{
	return octet >= '0' && octet <= '9';
}

/* RFC 5322 3.2.3. */
static bool is_atext(uint8_t octet)
{
	return is_alpha(octet) || is_digit(octet) ||
	       (octet != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", octet) != NULL);
}

static uint8_t octet_at(struct bytes text, size_t at)
{
	return at < text.len ? text.data[at] : '\0';
}

/* Each of these returns the octets of `text` that the element takes from `at` on, 0 when there is
 * none. */

static size_t dot_string(struct bytes text, size_t at)
{
	size_t end = at;

	while (is_atext(octet_at(text, end)) ||
	       (octet_at(text, end) == '.' && end > at && text.data[end - 1] != '.'))
		end++;
	return end > at && text.data[end - 1] == '.' ? 0 : end - at;
}

static size_t quoted_string(struct bytes text, size_t at)
{
	size_t end = at + 1;

	if (octet_at(text, at) != '"')
		return 0;
	while (octet_at(text, end) != '"') {
		if (octet_at(text, end) == '\\')
			end++;
		if (octet_at(text, end) < ' ' || octet_at(text, end) > '~')
			return 0;
		end++;
	}
	return end + 1 - at;
}

/* Labels of letters, digits, '-' and '_', none beginning or ending with '-'. */
static size_t domain_name(struct bytes text, size_t at)
{
	size_t end = at, label = at;

	for (;; end++) {
		uint8_t octet = octet_at(text, end);
		if (is_alpha(octet) || is_digit(octet) || octet == '_' ||
		    (octet == '-' && end > label))
			continue;
		if (end - label > LABEL_BYTES_MAX)
			return 0;
		if (end == label)
			break;
		if (text.data[end - 1] == '-')
			return 0;
		if (octet != '.')
			break;
		label = end + 1;
	}
	/* An empty last label is the dot behind the domain. */
	return end > at && end - at <= SMTP_DOMAIN_BYTES_MAX ? end - at : 0;
}

static bool literal_is_valid(struct bytes content)
{
	static const struct bytes ip6 = {(const uint8_t *)"IPv6:", 5};
	struct addr addr;
	size_t colon = bytes_find(content, ':');

	if (bytes_starts_nocase(content, ip6))
		return addr_parse(bytes_slice(content, ip6.len, content.len), &addr) == OK &&
		       bytes_find(bytes_slice(content, ip6.len, content.len), ':') <
		           content.len - ip6.len;
	if (colon == content.len)
		return addr_parse(content, &addr) == OK;
	/* General-address-literal: a tag of letters, digits and '-', not ending with '-'. */
	for (size_t i = 0; i < colon; i++) {
		if (!is_alpha(content.data[i]) && !is_digit(content.data[i]) &&
		    content.data[i] != '-')
			return false;
	}
	return colon > 0 && content.data[colon - 1] != '-' && colon + 1 < content.len;
}

static size_t address_literal(struct bytes text, size_t at)
{
	size_t end = at + 1;

	if (octet_at(text, at) != '[')
		return 0;
	while (octet_at(text, end) != ']') {
		uint8_t octet = octet_at(text, end);
		if (octet < 33 || octet > 126 || octet == '[' || octet == '\\')
			return 0;
		end++;
	}
	size_t bytes = end + 1 - at;
	bool valid = literal_is_valid(bytes_slice(text, at + 1, bytes - 2));
	return valid && bytes <= SMTP_DOMAIN_BYTES_MAX ? bytes : 0;
}

static size_t domain(struct bytes text, size_t at)
{
	return octet_at(text, at) == '[' ? address_literal(text, at) : domain_name(text, at);
}

bool address_domain_is_valid(struct bytes text)
{
	return text.len > 0 && domain(text, 0) == text.len;
}

/* "@one,@two:" in front of the mailbox: accepted and ignored (RFC 5321 3.6.1 and appendix C). */
static size_t source_route(struct bytes text, size_t at)
{
	size_t end = at;

	for (;;) {
		size_t bytes = octet_at(text, end) == '@' ? domain(text, end + 1) : 0;
		if (bytes == 0)
			return 0;
		end += 1 + bytes;
		if (octet_at(text, end) == ':')
			return end + 1 - at;
		if (octet_at(text, end) != ',')
			return 0;
		end++;
	}
}

static enum address_result failure(struct bytes text)
{
	bool quoted = false;

	/* Only an octet inside the brackets makes it an address that SMTPUTF8 could have allowed.
	 */
	for (size_t i = 0; i < text.len && (quoted || text.data[i] != '>'); i++) {
		if (text.data[i] > 127)
			return ADDRESS_NOT_ASCII;
		if (text.data[i] == '"')
			quoted = !quoted;
	}
	return ADDRESS_BAD;
}

enum path_kind { REVERSE_PATH, FORWARD_PATH };

static enum address_result parse_path(struct bytes text, enum path_kind kind, struct address *out)
{
	size_t at = 1;
	struct address a = {0};

	if (octet_at(text, 0) != '<')
		return ADDRESS_BAD;
	size_t route = source_route(text, at);
	at += route;
	a.routed = route > 0;
	size_t start = at;
	size_t local = octet_at(text, at) == '"' ? quoted_string(text, at) : dot_string(text, at);
	a.local_part = bytes_slice(text, at, local);
	at += local;
	if (local > 0 && octet_at(text, at) == '@') {
		size_t bytes = domain(text, at + 1);
		if (bytes == 0)
			return failure(text);
		a.domain = bytes_slice(text, at + 1, bytes);
		at += 1 + bytes;
	}
	a.path = bytes_slice(text, start, at - start);
	if (octet_at(text, at) != '>')
		return failure(text);
	a.rest = bytes_slice(text, at + 1, text.len);
	if (a.domain.len == 0) {
		bool bare = kind == REVERSE_PATH ? a.path.len == 0
		                                 : bytes_equal_nocase(a.path, BYTES("postmaster"));
		if (!bare || a.routed)
			return ADDRESS_BAD;
	}
	/* The path's bound counts its two brackets. */
	if (a.local_part.len > SMTP_LOCAL_PART_BYTES_MAX || a.path.len + 2 > SMTP_PATH_BYTES_MAX)
		return ADDRESS_BAD;
	*out = a;
	return ADDRESS_OK;
}

enum address_result address_parse_reverse_path(struct bytes text, struct address *out_address)
{
	return parse_path(text, REVERSE_PATH, out_address);
}

enum address_result address_parse_forward_path(struct bytes text, struct address *out_address)
{
	return parse_path(text, FORWARD_PATH, out_address);
}

static size_t keyword_bytes(struct bytes text)
{
	size_t end = 0;

	while (is_alpha(octet_at(text, end)) || is_digit(octet_at(text, end)) ||
	       (end > 0 && octet_at(text, end) == '-'))
		end++;
	return end;
}

/* esmtp-value: printable, no '=' and no space. */
static size_t value_bytes(struct bytes text)
{
	size_t end = 0;

	while (octet_at(text, end) > ' ' && octet_at(text, end) <= '~' &&
	       octet_at(text, end) != '=')
		end++;
	return end;
}

/* Spaces part a parameter from what stands before it. A tab is forgiven at the end of a line only
 * (RFC 5321 section 4.1.1): what is taken here goes on to a backend as it stands. */
static bool starts_with_spaces(struct bytes text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (octet_at(text, i) != ' ')
			return false;
	return count > 0;
}

enum address_parameter_result address_parameter_next(struct bytes *rest,
                                                     struct address_parameter *out_parameter)
{
	struct address_parameter p = {0};
	struct bytes text = bytes_trim(*rest);

	if (text.len == 0)
		return PARAMETER_NONE;
	if (!starts_with_spaces(*rest, (size_t)(text.data - rest->data)))
		return PARAMETER_BAD;
	p.keyword = bytes_slice(text, 0, keyword_bytes(text));
	text = bytes_slice(text, p.keyword.len, text.len);
	if (p.keyword.len == 0)
		return PARAMETER_BAD;
	if (octet_at(text, 0) == '=') {
		p.has_value = true;
		p.value = bytes_slice(text, 1, value_bytes(bytes_slice(text, 1, text.len)));
		text = bytes_slice(text, 1 + p.value.len, text.len);
		if (p.value.len == 0)
			return PARAMETER_BAD;
	}
	if (text.len > 0 && octet_at(text, 0) != ' ')
		return PARAMETER_BAD;
	*rest = text;
	*out_parameter = p;
	return PARAMETER_FOUND;
}
