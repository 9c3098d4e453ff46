/* spf_term.c - the terms of an SPF record. Anybody can have written it. */
#include "mgmt/spf_term.h"

#include "mgmt/spf_macro.h"

#define BITS4_MAX 32
#define BITS6_MAX 128

enum takes { TAKES_NOTHING, TAKES_DOMAIN, MAY_TAKE_DOMAIN, TAKES_NETWORK };

static const struct mechanism {
	struct bytes name;
	enum spf_term_kind kind;
	enum takes takes;
	bool has_bits; /* dual-cidr-length */
} mechanisms[] = {
    {{(const uint8_t *)"all", 3}, SPF_TERM_ALL, TAKES_NOTHING, false},
    {{(const uint8_t *)"include", 7}, SPF_TERM_INCLUDE, TAKES_DOMAIN, false},
    {{(const uint8_t *)"a", 1}, SPF_TERM_A, MAY_TAKE_DOMAIN, true},
    {{(const uint8_t *)"mx", 2}, SPF_TERM_MX, MAY_TAKE_DOMAIN, true},
    {{(const uint8_t *)"ptr", 3}, SPF_TERM_PTR, MAY_TAKE_DOMAIN, false},
    {{(const uint8_t *)"ip4", 3}, SPF_TERM_IP4, TAKES_NETWORK, false},
    {{(const uint8_t *)"ip6", 3}, SPF_TERM_IP6, TAKES_NETWORK, false},
    {{(const uint8_t *)"exists", 6}, SPF_TERM_EXISTS, TAKES_DOMAIN, false},
};

static bool is_alpha(uint8_t c)
{
	return bytes_lower(c) >= 'a' && bytes_lower(c) <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool spf_record_begins(struct bytes text, struct bytes *out_terms)
{
	const struct bytes version = BYTES("v=spf1");

	if (!bytes_starts_nocase(text, version) ||
	    (text.len > version.len && text.data[version.len] != ' '))
		return false;
	*out_terms = bytes_slice(text, version.len, SIZE_MAX);
	return true;
}

/* How many octets at the front could be a name of a modifier or mechanism. */
static size_t name_len(struct bytes word)
{
	size_t len = 0;

	if (word.len == 0 || !is_alpha(word.data[0]))
		return 0;
	while (len < word.len &&
	       (is_alpha(word.data[len]) || is_digit(word.data[len]) || word.data[len] == '-' ||
	        word.data[len] == '_' || word.data[len] == '.'))
		len++;
	return len;
}

/* A number without needless zeros. */
static bool take_bits(struct bytes digits, uint8_t max, uint8_t *out_bits)
{
	uint64_t bits;

	if (!bytes_to_u64(digits, max, &bits) || (digits.len > 1 && digits.data[0] == '0'))
		return false;
	*out_bits = (uint8_t)bits;
	return true;
}

/* Cuts digits, with `mark` in front of them, off the end; false when they are no number of bits. */
static bool cut_bits(struct bytes *in_out_text, struct bytes mark, uint8_t max, uint8_t *out_bits)
{
	struct bytes text = *in_out_text;
	size_t at = text.len;

	while (at > 0 && is_digit(text.data[at - 1]))
		at--;
	if (at < mark.len || !bytes_equal(bytes_slice(text, at - mark.len, mark.len), mark))
		return true;
	*in_out_text = bytes_slice(text, 0, at - mark.len);
	return take_bits(bytes_slice(text, at, SIZE_MAX), max, out_bits);
}

/* "/24", "//64", "/24//64" at the end. */
static bool cut_dual_bits(struct bytes *in_out_text, struct spf_term *term)
{
	return cut_bits(in_out_text, BYTES("//"), BITS6_MAX, &term->bits6) &&
	       cut_bits(in_out_text, BYTES("/"), BITS4_MAX, &term->bits4);
}

static bool take_network(struct bytes text, struct spf_term *term)
{
	bool four = term->kind == SPF_TERM_IP4;
	size_t slash = bytes_find(text, '/');
	struct bytes address = bytes_slice(text, 0, slash);

	if (slash < text.len &&
	    !take_bits(bytes_slice(text, slash + 1, SIZE_MAX), four ? BITS4_MAX : BITS6_MAX,
	               four ? &term->bits4 : &term->bits6))
		return false;
	return (bytes_find(address, ':') == address.len) == four &&
	       addr_parse(address, &term->network) == OK;
}

static bool take_mechanism(struct bytes word, struct spf_term *term)
{
	const struct mechanism *its = NULL;
	size_t len = name_len(word);
	struct bytes rest = bytes_slice(word, len, SIZE_MAX);

	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (bytes_equal_nocase(mechanisms[i].name, bytes_slice(word, 0, len)))
			its = &mechanisms[i];
	if (its == NULL)
		return false;
	term->kind = its->kind;
	if (its->has_bits && !cut_dual_bits(&rest, term))
		return false;
	if (rest.len == 0)
		return its->takes == TAKES_NOTHING || its->takes == MAY_TAKE_DOMAIN;
	if (rest.data[0] != ':' || its->takes == TAKES_NOTHING)
		return false;
	rest = bytes_slice(rest, 1, SIZE_MAX);
	if (its->takes == TAKES_NETWORK)
		return take_network(rest, term);
	term->domain = rest;
	return spf_domain_is_sound(rest);
}

static bool take_modifier(struct bytes name, struct bytes value, struct spf_term *term)
{
	if (bytes_equal_nocase(name, BYTES("redirect")))
		term->kind = SPF_TERM_REDIRECT;
	else if (bytes_equal_nocase(name, BYTES("exp")))
		term->kind = SPF_TERM_EXP;
	else
		term->kind = SPF_TERM_OTHER;
	term->domain = value;
	return term->kind == SPF_TERM_OTHER ? spf_macros_are_sound(value)
	                                    : spf_domain_is_sound(value);
}

static bool take_qualifier(uint8_t c, enum spf_result *out_qualifier)
{
	switch (c) {
	case '+':
		*out_qualifier = SPF_PASS;
		return true;
	case '-':
		*out_qualifier = SPF_FAIL;
		return true;
	case '~':
		*out_qualifier = SPF_SOFTFAIL;
		return true;
	case '?':
		*out_qualifier = SPF_NEUTRAL;
		return true;
	default:
		return false;
	}
}

enum spf_term_step spf_term_next(struct bytes *in_out_terms, struct spf_term *out_term)
{
	struct bytes rest = *in_out_terms, word;
	struct spf_term term = {.qualifier = SPF_PASS, .bits4 = BITS4_MAX, .bits6 = BITS6_MAX};
	size_t len;
	bool sound;

	while (rest.len > 0 && rest.data[0] == ' ')
		rest = bytes_slice(rest, 1, SIZE_MAX);
	if (rest.len == 0)
		return SPF_TERM_END;
	len = bytes_find(rest, ' ');
	word = bytes_slice(rest, 0, len);
	*in_out_terms = bytes_slice(rest, len, SIZE_MAX);
	len = name_len(word);
	if (len > 0 && len < word.len && word.data[len] == '=')
		sound = take_modifier(bytes_slice(word, 0, len),
		                      bytes_slice(word, len + 1, SIZE_MAX), &term);
	else if (take_qualifier(word.data[0], &term.qualifier))
		sound = take_mechanism(bytes_slice(word, 1, SIZE_MAX), &term);
	else
		sound = take_mechanism(word, &term);
	if (!sound)
		return SPF_TERM_WRONG;
	*out_term = term;
	return SPF_TERM_TAKEN;
}

bool spf_terms_are_sound(struct bytes terms)
{
	uint32_t redirects = 0, explanations = 0;
	struct spf_term term;
	enum spf_term_step step;

	while ((step = spf_term_next(&terms, &term)) == SPF_TERM_TAKEN) {
		redirects += term.kind == SPF_TERM_REDIRECT;
		explanations += term.kind == SPF_TERM_EXP;
	}
	return step == SPF_TERM_END && redirects <= 1 && explanations <= 1;
}
