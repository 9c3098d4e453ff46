/* spf_macro.c - macros of SPF records. Both the record and what goes into it are a stranger's. */
#include "mgmt/spf_macro.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#include "mgmt/dns_reply.h"

#define PARTS_MAX      128 /* of a value that is turned round or cut; RFC 7208, 7.3 has 127 */
#define EXPANDED_BYTES 2048
#define VALUE_BYTES    (2 * QUESTION_NAME_BYTES)

struct macro {
	uint8_t letter; /* small */
	bool escape;    /* was a capital */
	bool reverse;
	uint32_t keep; /* parts on the right; 0: all */
	struct bytes delimiters;
};

/* What a name is made in. What runs over loses its front: names are cut there, too. */
struct expansion {
	char text[EXPANDED_BYTES];
	size_t len;
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_delimiter(uint8_t c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

/* Behind "%{": reads up to the brace. Returns how many octets that is; 0: it cannot be read. */
static size_t take_macro(struct bytes text, struct macro *out_macro)
{
	struct macro macro = {0};
	size_t at = 1, digits, delimiters;

	if (text.len == 0)
		return 0;
	macro.letter = bytes_lower(text.data[0]);
	macro.escape = macro.letter != text.data[0];
	if (macro.letter == '\0' || strchr("slodipvh", macro.letter) == NULL)
		return 0;
	for (digits = at; at < text.len && is_digit(text.data[at]); at++)
		if (macro.keep < PARTS_MAX)
			macro.keep = macro.keep * 10 + (text.data[at] - '0');
	if (at > digits && macro.keep == 0)
		return 0;
	if (at < text.len && bytes_lower(text.data[at]) == 'r') {
		macro.reverse = true;
		at++;
	}
	for (delimiters = at; at < text.len && is_delimiter(text.data[at]);)
		at++;
	macro.delimiters = at > delimiters ? bytes_slice(text, delimiters, at - delimiters)
	                                   : BYTES(".");
	if (at == text.len || text.data[at] != '}')
		return 0;
	*out_macro = macro;
	return at + 1;
}

/* One element at `at`: a literal octet or what begins with '%'. Returns its length, 0 when it
 * cannot be read; out_macro's letter is 0 where it is none of braces. */
static size_t take_element(struct bytes text, size_t at, struct macro *out_macro)
{
	uint8_t c = text.data[at];
	size_t len;

	*out_macro = (struct macro){0};
	if (c != '%')
		return c > 0x20 && c < 0x7f;
	if (at + 1 == text.len)
		return 0;
	c = text.data[at + 1];
	if (c == '%' || c == '_' || c == '-')
		return 2;
	len = c == '{' ? take_macro(bytes_slice(text, at + 2, SIZE_MAX), out_macro) : 0;
	return len > 0 ? len + 2 : 0;
}

/* Offset behind the last macro; SIZE_MAX when the text cannot be read. */
static size_t literal_end(struct bytes text)
{
	struct macro macro;
	size_t end = 0, len;

	for (size_t at = 0; at < text.len; at += len) {
		len = take_element(text, at, &macro);
		if (len == 0)
			return SIZE_MAX;
		if (len > 1)
			end = at + len;
	}
	return end;
}

bool spf_macros_are_sound(struct bytes text)
{
	return literal_end(text) != SIZE_MAX;
}

/* Letters, digits and '-' inside, not digits alone. */
static bool is_top_label(struct bytes label)
{
	bool other = false;

	for (size_t i = 0; i < label.len; i++) {
		uint8_t c = bytes_lower(label.data[i]);

		if (!is_digit(c) && (c < 'a' || c > 'z') && c != '-')
			return false;
		other |= !is_digit(c);
	}
	return other && label.data[0] != '-' && label.data[label.len - 1] != '-';
}

bool spf_domain_is_sound(struct bytes text)
{
	size_t end = literal_end(text);
	struct bytes tail;

	if (end == SIZE_MAX || text.len == 0)
		return false;
	if (end == text.len)
		return true;
	tail = bytes_slice(text, end, SIZE_MAX);
	if (tail.data[tail.len - 1] == '.')
		tail.len--;
	return bytes_find(tail, '.') < tail.len && is_top_label(bytes_behind_last(tail, '.'));
}

bool spf_domain_uses(struct bytes domain_spec, const char *letters)
{
	struct macro macro;
	size_t len;

	for (size_t at = 0; at < domain_spec.len; at += len) {
		len = take_element(domain_spec, at, &macro);
		if (len == 0)
			return false;
		if (macro.letter != 0 && strchr(letters, macro.letter) != NULL)
			return true;
	}
	return false;
}

static void put(struct expansion *out, uint8_t octet)
{
	if (out->len == EXPANDED_BYTES) {
		memmove(out->text, out->text + EXPANDED_BYTES / 2, EXPANDED_BYTES / 2);
		out->len = EXPANDED_BYTES / 2;
	}
	out->text[out->len++] = (char)octet;
}

/* RFC 3986: what is not unreserved as "%xx". */
static void put_escaped(struct expansion *out, uint8_t octet)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t c = bytes_lower(octet);

	if (is_digit(c) || (c >= 'a' && c <= 'z') || (c != '\0' && strchr("-._~", c) != NULL)) {
		put(out, octet);
		return;
	}
	put(out, '%');
	put(out, (uint8_t)hex[octet >> 4]);
	put(out, (uint8_t)hex[octet & 15]);
}

static void put_part(struct expansion *out, struct bytes part, bool escape)
{
	for (size_t i = 0; i < part.len; i++)
		if (escape)
			put_escaped(out, part.data[i]);
		else
			put(out, part.data[i]);
}

/* Splits at the delimiters, turns round, keeps the right ones, and joins with dots. Of more parts
 * than fit those on the left are let go. */
static void put_parts(struct expansion *out, const struct macro *macro, struct bytes value)
{
	struct bytes part[PARTS_MAX];
	uint32_t count = 0, first;
	size_t begin = 0;

	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len &&
		    bytes_find(macro->delimiters, value.data[i]) == macro->delimiters.len)
			continue;
		if (count == PARTS_MAX)
			memmove(part, part + 1, --count * sizeof(part[0]));
		part[count++] = bytes_slice(value, begin, i - begin);
		begin = i + 1;
	}
	first = macro->keep > 0 && macro->keep < count ? count - macro->keep : 0;
	for (uint32_t i = first; i < count; i++) {
		if (i > first)
			put(out, '.');
		/* Turned round before the right ones are kept. */
		put_part(out, part[macro->reverse ? count - 1 - i : i], macro->escape);
	}
}

/* IPv4 as usual; IPv6 as 32 nibbles with dots between. */
static struct bytes address_text(const struct addr *addr, char memory[VALUE_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	if (addr_is_ip4(addr))
		return bytes_text(addr_format(addr, memory));
	for (int i = 0; i < 32; i++) {
		uint8_t octet = addr->octet[i / 2];

		if (i > 0)
			memory[len++] = '.';
		memory[len++] = hex[i % 2 == 0 ? octet >> 4 : octet & 15];
	}
	return bytes_of(memory, len);
}

static struct bytes sender_text(const struct spf_macros *macros, char memory[VALUE_BYTES])
{
	int len = snprintf(memory, VALUE_BYTES, "%.*s@%.*s", (int)macros->local.len,
	                   (const char *)macros->local.data, (int)macros->sender_domain.len,
	                   (const char *)macros->sender_domain.data);

	return bytes_of(memory, len < VALUE_BYTES ? (size_t)len : VALUE_BYTES - 1);
}

static struct bytes value_of(const struct spf_macros *macros, uint8_t letter,
                             char memory[VALUE_BYTES])
{
	switch (letter) {
	case 's':
		return sender_text(macros, memory);
	case 'l':
		return macros->local;
	case 'o':
		return macros->sender_domain;
	case 'd':
		return macros->domain;
	case 'i':
		return address_text(&macros->client, memory);
	case 'p':
		return macros->validated.len > 0 ? macros->validated : BYTES("unknown");
	case 'v':
		return addr_is_ip4(&macros->client) ? BYTES("in-addr") : BYTES("ip6");
	default:
		ASSERT(letter == 'h');
		return macros->helo;
	}
}

static void expand(const struct spf_macros *macros, struct bytes text, struct expansion *out)
{
	char memory[VALUE_BYTES];
	struct macro macro;
	size_t len;

	for (size_t at = 0; at < text.len; at += len) {
		len = take_element(text, at, &macro);
		ASSERT(len > 0);
		if (macro.letter != 0)
			put_parts(out, &macro, value_of(macros, macro.letter, memory));
		else if (len == 1 || text.data[at + 1] == '%')
			put(out, text.data[at]);
		else if (text.data[at + 1] == '_')
			put(out, ' ');
		else
			put_part(out, BYTES("%20"), false);
	}
}

bool spf_domain_expand(const struct spf_macros *macros, struct bytes domain_spec,
                       char out_name[QUESTION_NAME_BYTES])
{
	struct expansion expansion = {.len = 0};
	struct bytes name;

	expand(macros, domain_spec, &expansion);
	name = bytes_of(expansion.text, expansion.len);
	if (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	while (name.len > DNS_NAME_BYTES_MAX) {
		size_t dot = bytes_find(name, '.');

		if (dot == name.len)
			return false;
		name = bytes_slice(name, dot + 1, SIZE_MAX);
	}
	if (!dns_name_is_sound(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		out_name[i] = (char)bytes_lower(name.data[i]);
	out_name[name.len] = '\0';
	return true;
}
