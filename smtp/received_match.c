/* received_match.c - fits one Received line to a pattern. */
#include "smtp/received_match.h"

#include "base/check.h"
#include "smtp/decode.h"

#define CHOICES_MAX 12 /* elements of one pattern that may end in several places */
#define STEPS_MAX   4096

/* An element whose end can be chosen; `at` is where it ends now. */
struct choice {
	const char *element;
	size_t start, at, last; /* last: where it may end at most, or at least */
	bool grows;
};

struct matcher {
	struct bytes line;
	struct received_captures *captures;
	struct choice choice[CHOICES_MAX];
	unsigned choice_count, steps;
	const char *pattern;
	size_t at;
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* Four decimal octets at `at`, without zeros in front: their length, or 0. */
static size_t ip4_len(struct bytes line, size_t at)
{
	size_t start = at;

	for (unsigned part = 0; part < 4; part++) {
		unsigned value = 0, digits = 0;

		if (part > 0 && (at == line.len || line.data[at++] != '.'))
			return 0;
		if (at + 1 < line.len && line.data[at] == '0' && is_digit(line.data[at + 1]))
			return 0;
		for (; at < line.len && is_digit(line.data[at]) && digits < 4; at++, digits++)
			value = value * 10 + line.data[at] - '0';
		if (digits == 0 || value > 255 || digits > 3)
			return 0;
	}
	return at < line.len && is_word(line.data[at]) ? 0 : at - start;
}

size_t received_address_len(struct bytes line, size_t at)
{
	size_t prefix = bytes_starts_nocase(bytes_slice(line, at, SIZE_MAX), BYTES("IPv6:")) ? 5
	                                                                                     : 0;
	size_t end = at + prefix;
	struct addr addr;

	if (at > 0 && (is_word(line.data[at - 1]) || line.data[at - 1] == ':'))
		return 0;
	size_t ip4 = prefix == 0 ? ip4_len(line, at) : 0;
	if (ip4 > 0)
		return ip4;
	/* No longer than what is refused for its length. */
	while (end < line.len && end - at - prefix < ADDR_TEXT_MAX &&
	       (decode_hex_digit(line.data[end]) >= 0 || line.data[end] == ':' ||
	        line.data[end] == '.'))
		end++;
	struct bytes text = bytes_slice(line, at + prefix, end - at - prefix);
	if (text.len < 2 || text.len >= ADDR_TEXT_MAX || bytes_find(text, ':') == text.len ||
	    addr_parse(text, &addr) != OK)
		return 0;
	return end - at;
}

static void capture(struct received_captures *captures, char element, struct bytes text)
{
	switch (element) {
	case 'h':
	case 'H':
	case 'q':
	case 'N':
		captures->helo = text;
		break;
	case 'r':
	case 'R':
		captures->rdns = text;
		break;
	case 'd':
		captures->helo = captures->rdns = text;
		break;
	case 'b':
	case 'B':
		captures->by = text;
		break;
	case 'i':
	case 'I':
		captures->ident = text;
		break;
	case 's':
	case 'S':
		captures->words = text;
		break;
	default:
		break;
	}
}

/* Whether a choice may end where it does: the next literal must stand there. */
static bool choice_fits(const struct matcher *m, const struct choice *choice)
{
	char next = choice->element[2];

	if (choice->element[1] == 'B')
		return choice->at > choice->start && is_word(m->line.data[choice->at - 1]);
	return next == '\0' || next == '%' ||
	       (choice->at < m->line.len && m->line.data[choice->at] == (uint8_t)next);
}

/* Moves a choice to the next place where it may fit by the literal behind it, at most to `last`;
 * returns how many places that is away. */
static size_t choice_move(const struct matcher *m, struct choice *choice)
{
	char next = choice->element[2];
	size_t from = choice->at;
	const uint8_t *data = m->line.data, *found;

	if (choice->element[1] == 'B' || next == '\0' || next == '%') {
		choice->at = choice->grows ? from + 1 : from - 1;
		return 1;
	}
	if (choice->grows) {
		found = memchr(data + from + 1, next, m->line.len - from - 1);
		choice->at = found == NULL ? choice->last : (size_t)(found - data);
		return choice->at - from;
	}
	found = memrchr(data + choice->last, next, from - choice->last);
	choice->at = found == NULL ? choice->last : (size_t)(found - data);
	return from - choice->at;
}

/* Lets the newest choice end elsewhere and goes on behind it; drops choices that are used up. */
static bool choose_again(struct matcher *m)
{
	while (m->choice_count > 0) {
		struct choice *choice = &m->choice[m->choice_count - 1];

		while (choice->at != choice->last) {
			m->steps += (unsigned)choice_move(m, choice);
			if (m->steps > STEPS_MAX)
				return false;
			if (!choice_fits(m, choice))
				continue;
			capture(m->captures, choice->element[1],
			        bytes_slice(m->line, choice->start, choice->at - choice->start));
			m->pattern = choice->element + 2;
			m->at = choice->at;
			return true;
		}
		m->choice_count--;
	}
	return false;
}

/* An element that ends between `low` and `high`; false when nowhere. */
static bool choose(struct matcher *m, size_t low, size_t high, bool grows)
{
	if (low > high || m->choice_count == CHOICES_MAX)
		return false;
	struct choice *choice = &m->choice[m->choice_count++];
	*choice = (struct choice){m->pattern, m->at, grows ? low : high, grows ? high : low, grows};
	if (!choice_fits(m, choice))
		return choose_again(m);
	capture(m->captures, choice->element[1], bytes_slice(m->line, m->at, choice->at - m->at));
	m->pattern += 2;
	m->at = choice->at;
	return true;
}

/* An element with one end only. */
static bool take(struct matcher *m, size_t end, bool fits)
{
	if (!fits)
		return false;
	capture(m->captures, m->pattern[1], bytes_slice(m->line, m->at, end - m->at));
	m->pattern += 2;
	m->at = end;
	return true;
}

static bool take_word(struct matcher *m, size_t min)
{
	size_t end = m->at + bytes_find(bytes_slice(m->line, m->at, SIZE_MAX), ' ');
	char next = m->pattern[2];

	if (next == ' ' || (next == '\0' && m->pattern[1] != 'B') ||
	    (next == '%' && m->pattern[3] == '$'))
		return take(m, end, end - m->at >= min);
	return choose(m, m->at + min, end, false);
}

/* A run without the octets of `stop`. */
static bool take_run(struct matcher *m, const char *stop, size_t min)
{
	size_t end = m->at;

	while (end < m->line.len && strchr(stop, m->line.data[end]) == NULL)
		end++;
	return take(m, end, end - m->at >= min);
}

static bool take_address(struct matcher *m, char kind)
{
	bool bracket = (kind == 'c' || kind == 'z') && m->at < m->line.len &&
	               m->line.data[m->at] == '[';
	size_t start = m->at + bracket, len = received_address_len(m->line, start);
	size_t end = start + len;

	if (len == 0)
		return false;
	if (kind != 'A')
		m->captures->ip = bytes_slice(m->line, start, len);
	if (kind == 'z' && end < m->line.len && m->line.data[end] == '%')
		while (end < m->line.len &&
		       (is_word(m->line.data[end]) || strchr("%.~-", m->line.data[end]) != NULL))
			end++;
	if (bracket)
		end += end < m->line.len && m->line.data[end] == ']';
	if (kind == 'p' && end + 1 < m->line.len &&
	    (m->line.data[end] == '.' || m->line.data[end] == ':') &&
	    is_digit(m->line.data[end + 1]))
		for (end++; end < m->line.len && is_digit(m->line.data[end]);)
			end++;
	m->pattern += 2;
	m->at = end;
	return true;
}

/* One of several literal texts; the longest stands first. */
static bool take_one(struct matcher *m, const char *const *texts, unsigned count)
{
	struct bytes rest = bytes_slice(m->line, m->at, SIZE_MAX);

	for (unsigned i = 0; i < count; i++) {
		struct bytes text = bytes_text(texts[i]);

		if (rest.len >= text.len && memcmp(rest.data, text.data, text.len) == 0)
			return take(m, m->at + text.len, true);
	}
	return false;
}

static bool take_this_host(struct matcher *m)
{
	static const char *const names[] = {"localhost.localdomain", "localhost", "::1"};
	size_t ip4 = ip4_len(m->line, m->at);

	if (ip4 > 0)
		return take(m, m->at + ip4, memcmp(m->line.data + m->at, "127.", 4) == 0);
	return take_one(m, names, 3);
}

/* "<x>" or "x". */
static bool take_id(struct matcher *m)
{
	bool angle = m->at < m->line.len && m->line.data[m->at] == '<';
	size_t start = m->at + angle, end = start;

	while (end < m->line.len && m->line.data[end] != ' ' && m->line.data[end] != '>')
		end++;
	m->captures->id = bytes_slice(m->line, start, end - start);
	end += angle && end < m->line.len && m->line.data[end] == '>';
	return take(m, end, end > start);
}

static bool take_envelope_comment(struct matcher *m)
{
	struct bytes rest = bytes_slice(m->line, m->at, SIZE_MAX),
	             start = BYTES(" (envelope-sender <");

	if (rest.len < start.len || memcmp(rest.data, start.data, start.len) != 0)
		return take(m, m->at, true);
	size_t end = m->at + bytes_find(rest, ')');
	return take(m, end + 1, end < m->line.len && m->line.data[end - 1] == '>');
}

static bool take_element(struct matcher *m)
{
	static const char *const greetings[] = {"HELO", "EHLO"};
	static const char *const protocols[] = {"ESMTP", "SMTP"};
	char element = m->pattern[1];

	switch (element) {
	case 'h':
	case 'r':
	case 'b':
	case 'i':
	case 'd':
	case 'w':
	case 'B':
		return take_word(m, 1);
	case 'H':
	case 'R':
	case 'I':
	case 'W':
		return take_word(m, 0);
	case 'a':
	case 'A':
	case 'c':
	case 'z':
	case 'p':
		return take_address(m, element);
	case 'g':
	case 's':
	case 'G':
		return choose(m, m->at, m->line.len, element != 'G');
	case 'n':
	case 'S':
		return take_run(m, ")", 1);
	case 'N':
	case 'k':
		return take_run(m, ")", 0);
	case 'q':
		return take_run(m, " ()", 0);
	case 'm': {
		size_t end = m->at;

		while (end < m->line.len && is_digit(m->line.data[end]))
			end++;
		return take(m, end, end > m->at);
	}
	case 'y':
		return take_id(m);
	case 'E':
		return take_one(m, greetings, 2);
	case 'T':
		return take_one(m, protocols, 2);
	case 'L':
		return take_this_host(m);
	case 'e':
		return take_envelope_comment(m);
	case '$':
		return take(m, m->at, m->at == m->line.len);
	default:
		UNREACHABLE();
	}
}

bool received_match(const char *pattern, struct bytes line, struct received_captures *out_captures)
{
	/* The choices need no clearing: their count is zero. */
	struct matcher m;

	m.line = line;
	m.captures = out_captures;
	m.choice_count = m.steps = 0;
	m.pattern = pattern;
	m.at = 0;
	*out_captures = (struct received_captures){.end = 0};
	while (*m.pattern != '\0') {
		bool fits;

		if (*m.pattern == '%') {
			fits = take_element(&m);
		} else {
			fits = m.at < line.len && line.data[m.at] == (uint8_t)*m.pattern;
			m.at += fits;
			m.pattern += fits;
		}
		if ((!fits && !choose_again(&m)) || ++m.steps > STEPS_MAX)
			return false;
	}
	out_captures->end = m.at;
	return true;
}
