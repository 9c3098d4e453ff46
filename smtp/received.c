/* received.c - one Received field in pieces. */
#include "smtp/received.h"

#include "base/check.h"
#include "smtp/decode.h"
#include "smtp/header.h"
#include "smtp/received_auth.h"
#include "smtp/received_match.h"

enum group {
	GROUP_ANY,
	GROUP_SMTPSVC,
	GROUP_EXCHANGE,
	GROUP_XMAIL,
	GROUP_ECELERITY,
	GROUP_EXIM,
	GROUP_POSTFIX,
	GROUP_SCALIX,
	GROUP_DOMINO,
	GROUP_WEBMAIL,  /* lines that may be of web mail, by a word in them */
	GROUP_SENDMAIL, /* all lines but those of qmail-ldap */
	GROUP_CAPITALS,
	GROUP_INSIDE
};

enum outcome { OUTCOME_RELAY, OUTCOME_SKIPPED, OUTCOME_FETCHED, OUTCOME_SCANNED };

enum form_flag {
	FORM_LOOKED_UP = 1, /* what was looked up is written, if there is a name */
	FORM_IDENT = 2,     /* "ident@" may stand in front of it */
	FORM_DOTTED = 4,    /* it holds a dot, or it is none */
	FORM_NO_ID = 8,     /* what looks like an id is a version */
	FORM_WORDS = 16,    /* "helo=x ident=y" among the words */
	FORM_QMAIL = 32,    /* "unknown" is no name; what follows must be qmail's */
	FORM_NO_BY = 64,
	FORM_VERIFIED = 128, /* "unverified" is no name */
	FORM_LOOSE = 256,    /* no pattern: pieces found anywhere in the line */
	FORM_WEBMAIL = 512,  /* no pattern: an address, and not far behind it who was asked */
};

struct form {
	enum group group;
	const char *needs;
	enum outcome outcome;
	unsigned flags;
	const char *pattern;
};

static const struct form forms[] = {
#define FORM(group, needs, outcome, flags, pattern) \
	{GROUP_##group, needs, OUTCOME_##outcome, flags, pattern},
#include "smtp/received_forms.def"
};

/* What stands behind the blank behind the first word where a form may fit; SHAPE_ANY: that does not
 * tell. */
#define SHAPE_ANY 1
#define IS_WORD(element) \
	((element) == 'h' || (element) == 'r' || (element) == 'd' || (element) == 'w')
#define SHAPE(text) \
	((text)[0] == '%' && IS_WORD((text)[1]) && (text)[2] == ' ' && (text)[3] != '%' \
	     ? (uint8_t)(text)[3] \
	     : SHAPE_ANY)

static const uint8_t shapes[] = {
#define FORM(group, needs, outcome, flags, pattern) SHAPE(pattern "\0\0\0"),
#include "smtp/received_forms.def"
};

#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

/* What most forms are told apart by, closely packed: the group, and how the pattern begins. */
struct form_head {
	uint8_t group;
	char pattern[6];
};

#define HEAD(group, text) \
	{ \
		group, \
		{ \
			(text)[0], (text)[1], (text)[2], (text)[3], (text)[4], (text)[5] \
		} \
	}

static const struct form_head heads[] = {
#define FORM(group, needs, outcome, flags, pattern) HEAD(GROUP_##group, pattern "\0\0\0\0\0"),
#include "smtp/received_forms.def"
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool received_address(struct bytes text, struct bytes *out_text, struct addr *out_addr)
{
	if (bytes_starts_nocase(text, BYTES("IPv6:")))
		text = bytes_slice(text, 5, SIZE_MAX);
	text = bytes_slice(text, 0, bytes_find(text, '%'));
	if (text.len < 2 || text.len >= ADDR_TEXT_MAX || addr_parse(text, out_addr) != OK)
		return false;
	/* IPv4 inside IPv6 is written as IPv4. */
	if (addr_is_ip4(out_addr) && bytes_find(text, ':') < text.len)
		while (bytes_find(text, ':') < text.len)
			text = bytes_slice(text, bytes_find(text, ':') + 1, SIZE_MAX);
	*out_text = text;
	return true;
}

static bool is_helo_octet(uint8_t c)
{
	return is_alnum(c) || c == '.' || c == '-' || strchr("^+_&:=?!@%*$\\/", c) != NULL;
}

/* The run of octets a HELO may have behind a mark that stands alone; data NULL when there is
 * none. */
static struct bytes helo_behind(struct bytes line, const char *mark)
{
	for (size_t at = 0; (at = received_find(line, at, mark)) < line.len; at++) {
		size_t start = at + strlen(mark), end = start;

		if (at > 0 && (is_alnum(line.data[at - 1]) || line.data[at - 1] == '_'))
			continue;
		while (end < line.len && line.data[end] != 0 && is_helo_octet(line.data[end]))
			end++;
		if (end > start)
			return bytes_slice(line, start, end - start);
	}
	return bytes_of(NULL, 0);
}

static struct bytes read_helo(struct bytes line, uint32_t marks)
{
	struct bytes helo = bytes_of(NULL, 0);

	if ((marks & RECEIVED_MARK(IN_HELO_IS)) != 0)
		helo = helo_behind(line, "helo=");
	if (helo.len > 0 || (marks & RECEIVED_MARK(IN_HELO)) == 0)
		return helo;
	struct bytes one = helo_behind(line, "HELO "), other = helo_behind(line, "EHLO ");
	return one.len > 0 && (other.len == 0 || one.data < other.data) ? one : other;
}

/* " id <x>": at least three octets. */
static struct bytes read_id(struct bytes line)
{
	for (size_t at = 0; (at = received_find(line, at, " id ")) < line.len; at++) {
		struct bytes rest = bytes_slice(line, at + 4, SIZE_MAX);

		if (rest.len > 0 && rest.data[0] == '<')
			rest = bytes_slice(rest, 1, SIZE_MAX);
		size_t end = octets_find_any(rest, 0, (const uint8_t *)" <>;");
		end = bytes_find(bytes_slice(rest, 0, end), '\0');
		if (end >= 3)
			return bytes_slice(rest, 0, end);
	}
	return bytes_of(NULL, 0);
}

static struct bytes read_by(struct bytes line)
{
	size_t at = received_find(line, 0, " by ");
	struct bytes rest = bytes_slice(line, at + 4, SIZE_MAX);

	return at == line.len ? bytes_of(NULL, 0) : bytes_slice(rest, 0, bytes_find(rest, ' '));
}

/* What the line says wherever it says it. */
static void read_anywhere(struct bytes line, uint32_t marks, struct sink *storage,
                          struct received *received)
{
	received->id = (marks & RECEIVED_MARK(ID)) != 0 ? read_id(line) : bytes_of(NULL, 0);
	received->helo = read_helo(line, marks);
	received->by = read_by(line);
	received->auth = received_auth(line, marks, received->by.data != NULL, storage);
}

/* Digits and ':' in the form of a time of day. */
static bool is_clock(struct bytes word)
{
	size_t colons = 0;

	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] != ':' && !is_digit(word.data[i]))
			return false;
		colons += word.data[i] == ':';
	}
	return (colons == 1 || colons == 2) && is_digit(word.data[0]) &&
	       is_digit(word.data[word.len - 1]);
}

static bool is_number(struct bytes word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!is_digit(word.data[i]))
			return false;
	return word.len > 0;
}

static bool is_one_of(struct bytes word, const char *names, size_t step)
{
	if (word.len != step)
		return false;
	for (size_t i = 0; names[i] != '\0'; i += step)
		if (memcmp(word.data, names + i, step) == 0)
			return true;
	return false;
}

/* The last word of `line` in front of *end; moves *end in front of it. */
static struct bytes last_word(struct bytes line, size_t *end)
{
	size_t stop = *end, start = stop;

	while (start > 0 && line.data[start - 1] != ' ' && line.data[start - 1] != ';')
		start--;
	*end = start > 0 ? start - 1 : 0;
	return bytes_slice(line, start, stop - start);
}

/* Without "; Mon, 1 Jan 2026 10:00:00 +0000" at the end. */
static struct bytes without_date(struct bytes line)
{
	size_t end = line.len;
	struct bytes zone = last_word(line, &end), clock = last_word(line, &end);
	struct bytes year = last_word(line, &end), month = last_word(line, &end);
	struct bytes day = last_word(line, &end);

	if (zone.len == 0 || clock.len == 0 || !is_clock(clock) || !is_number(year) ||
	    !is_one_of(month, "JanFebMarAprMayJunJulAugSepOctNovDec", 3) || !is_number(day) ||
	    end == 0)
		return line;
	size_t before = end;
	if (line.data[end] == ' ' &&
	    is_one_of(last_word(line, &before), "Mon,Tue,Wed,Thu,Fri,Sat,Sun,", 4) && before > 0)
		end = before;
	while (end > 0 && (line.data[end - 1] == ' ' || line.data[end - 1] == ';'))
		end--;
	return bytes_slice(line, 0, end);
}

/* " with (Microsoft SMTP Server|mapi id) " and a version of four numbers. */
static bool is_exchange(struct bytes line)
{
	static const char *const marks[] = {" with Microsoft SMTP Server ", " with mapi id "};

	for (unsigned i = 0; i < 2; i++) {
		size_t at = received_find(line, 0, marks[i]), dots = 0;
		struct bytes rest = bytes_slice(line, at + strlen(marks[i]), SIZE_MAX);

		if (at == line.len)
			continue;
		if (rest.len > 0 && rest.data[0] == '(')
			rest = bytes_slice(rest, bytes_find(rest, ')') + 2, SIZE_MAX);
		size_t end = 0;
		for (; end < rest.len && (is_digit(rest.data[end]) || rest.data[end] == '.'); end++)
			dots += rest.data[end] == '.';
		if (end > 0 && dots == 3 && (end == rest.len || rest.data[end] == ' '))
			return true;
	}
	return false;
}

/* The program that wrote the line, as far as it has forms of its own. */
static enum group group_of(struct bytes line, uint32_t marks)
{
	if ((marks & RECEIVED_MARK(SMTPSVC)) != 0)
		return GROUP_SMTPSVC;
	if ((marks & (RECEIVED_MARK(MS_SMTP) | RECEIVED_MARK(MAPI))) != 0 && is_exchange(line))
		return GROUP_EXCHANGE;
	if ((marks & RECEIVED_MARK(XMAIL)) != 0)
		return GROUP_XMAIL;
	if ((marks & RECEIVED_MARK(ECELERITY)) != 0)
		return GROUP_ECELERITY;
	if ((marks & RECEIVED_MARK(EXIM)) != 0)
		return GROUP_EXIM;
	if ((marks & RECEIVED_MARK(POSTFIX)) != 0)
		return GROUP_POSTFIX;
	if ((marks & RECEIVED_MARK(SCALIX)) != 0)
		return GROUP_SCALIX;
	return (marks & RECEIVED_MARK(DOMINO)) != 0 ? GROUP_DOMINO : GROUP_ANY;
}

/* Whether what follows "by x" is how qmail goes on: comments, "with SMTP" and no id. */
static bool is_qmail_tail(struct bytes tail)
{
	for (size_t at = 0; (at = received_find(tail, at, " with ")) < tail.len; at++) {
		if (at > 0 &&
		    (tail.data[at - 1] != ')' || tail.data[0] != ' ' || tail.data[1] != '('))
			continue;
		for (size_t i = at + 5; i + 5 <= tail.len; i++) {
			struct bytes word = bytes_slice(tail, i, 5);

			if ((bytes_equal(word, BYTES(" SMTP")) ||
			     bytes_equal(word, BYTES(" QMQP"))) &&
			    !bytes_equal(bytes_slice(tail, i + 5, 4), BYTES(" id ")))
				return true;
		}
	}
	return false;
}

/* "helo=x" and "ident=y" in a comment. */
static void take_words(struct bytes words, struct received *received)
{
	static const char *const marks[] = {"helo=", "ident="};

	for (unsigned i = 0; i < 2; i++) {
		size_t at = received_find(words, 0, marks[i]);
		struct bytes rest = bytes_slice(words, at + strlen(marks[i]), SIZE_MAX);
		struct bytes word = bytes_slice(rest, 0, bytes_find(rest, ' '));

		if (at == words.len)
			continue;
		if (i == 0 && word.len > 0)
			received->helo = word;
		else if (i == 1)
			received->ident = word;
	}
}

/* "IDENT:x@name", "x@name". */
static void take_ident(struct received *received)
{
	size_t at = bytes_find(received->rdns, '@');

	if (at == received->rdns.len)
		return;
	struct bytes ident = bytes_slice(received->rdns, 0, at);
	bool marked = ident.len >= 6 && memcmp(ident.data, "IDENT:", 6) == 0;
	received->ident = marked ? bytes_slice(ident, 6, SIZE_MAX) : ident;
	received->rdns = bytes_slice(received->rdns, at + 1, SIZE_MAX);
}

static struct bytes given(struct bytes captured, struct bytes otherwise)
{
	return captured.data != NULL ? captured : otherwise;
}

/* The word between `before` and a blank; `after` must follow it; empty when there is none. */
static struct bytes word_between(struct bytes line, const char *before, const char *after)
{
	struct bytes tail = bytes_text(after);

	for (size_t at = 0; (at = received_find(line, at, before)) < line.len; at++) {
		struct bytes rest = bytes_slice(line, at + strlen(before), SIZE_MAX);
		size_t end = bytes_find(rest, ' ');
		struct bytes word = bytes_slice(rest, 0, end);

		if (end < rest.len && word.len > tail.len &&
		    bytes_equal(bytes_slice(word, word.len - tail.len, SIZE_MAX), tail))
			return bytes_slice(word, 0, word.len - tail.len);
	}
	return bytes_of(NULL, 0);
}

/* Exim lines in no known order: what is found stays known when no address is. */
static bool take_loose(struct bytes line, struct received *received)
{
	struct received_captures captures;
	size_t end = bytes_find(line, ' ');
	struct bytes helo = word_between(line, " (", ")"), by = word_between(line, "by ", "");

	if (end > 0 && end < line.len)
		received->rdns = bytes_slice(line, 0, end);
	received->helo = helo.len > 0 ? helo : received->helo;
	received->by = by.len > 0 ? by : received->by;
	if (by.len == 0 || !received_match("%g [%p] ", line, &captures))
		return false;
	received->ip = captures.ip;
	return true;
}

#define WEBMAIL_OCTETS_MIN 10u /* between the address and "by" */
#define WEBMAIL_OCTETS_MAX 80u

/* "1.2.3.4 (SquirrelMail authenticated user x) by y with HTTP". */
static bool take_webmail(struct bytes line, struct received *received)
{
	for (size_t at = 0; at < line.len; at++) {
		size_t len = received_address_len(line, at), end = at + len;

		if (len == 0 || (end < line.len && strchr(".-", line.data[end]) != NULL))
			continue;
		for (size_t gap = WEBMAIL_OCTETS_MAX; gap >= WEBMAIL_OCTETS_MIN; gap--) {
			struct received_captures captures;
			struct bytes rest = bytes_slice(line, end + gap, SIZE_MAX);

			if (!received_match("by %b with HTTP", rest, &captures))
				continue;
			received->ip = bytes_slice(line, at, len);
			received->by = captures.by;
			return true;
		}
	}
	return false;
}

/* Whether a form that fitted is one, and what it says. */
static bool form_take(const struct form *form, struct bytes line,
                      const struct received_captures *captures, struct received *received)
{
	unsigned flags = form->flags;

	if ((flags & FORM_LOOSE) != 0)
		return take_loose(line, received);
	if ((flags & FORM_WEBMAIL) != 0)
		return take_webmail(line, received);
	if ((flags & FORM_DOTTED) != 0 && bytes_find(captures->rdns, '.') == captures->rdns.len)
		return false;
	if ((flags & FORM_QMAIL) != 0 && !is_qmail_tail(bytes_slice(line, captures->end, SIZE_MAX)))
		return false;
	received->helo = given(captures->helo, received->helo);
	received->rdns = given(captures->rdns, received->rdns);
	received->by = given(captures->by, received->by);
	received->ident = given(captures->ident, received->ident);
	received->id = given(captures->id, received->id);
	received->ip = captures->ip;
	if ((flags & FORM_WORDS) != 0)
		take_words(captures->words, received);
	if ((flags & FORM_IDENT) != 0)
		take_ident(received);
	if ((flags & FORM_NO_ID) != 0)
		received->id = bytes_of(NULL, 0);
	if ((flags & FORM_NO_BY) != 0)
		received->by = bytes_of(NULL, 0);
	bool unknown = bytes_equal(received->rdns, BYTES("unknown"));
	received->was_looked_up = (flags & FORM_LOOKED_UP) != 0 ||
	                          ((flags & FORM_QMAIL) != 0 && !unknown);
	if ((flags & FORM_VERIFIED) != 0 && bytes_equal(received->rdns, BYTES("unverified")))
		received->rdns = bytes_of(NULL, 0);
	return true;
}

/* Of XMail: the id may be short, and "from <x>" is the envelope sender. */
static void take_xmail(struct bytes line, struct received *received)
{
	size_t id = received_find(line, 0, " id <"), from = received_find(line, 0, " from <");
	struct bytes rest = bytes_slice(line, id + 5, SIZE_MAX);

	if (id < line.len)
		received->id = bytes_slice(rest, 0, bytes_find(rest, '>'));
	rest = bytes_slice(line, from + 7, SIZE_MAX);
	if (from < line.len) {
		received->envelope_from = bytes_slice(rest, 0, bytes_find(rest, '>'));
		received->has_envelope_from = true;
	}
}

/* Whether an element of a pattern may begin with `octet`. */
static inline bool may_begin(char element, uint8_t octet)
{
	switch (element) {
	case 'c':
	case 'z':
		return octet == '[' || octet == ':' || octet == 'I' || octet == 'i' ||
		       decode_hex_digit(octet) >= 0;
	case 'a':
	case 'A':
	case 'p':
		return octet == ':' || octet == 'I' || octet == 'i' || decode_hex_digit(octet) >= 0;
	case 'E':
		return octet == 'H' || octet == 'E';
	case 'L':
		return octet == 'l' || octet == ':' || is_digit(octet);
	default:
		return true;
	}
}

/* Whether what begins at `pattern` may stand at `at`, by its first octet. */
static inline bool is_at(struct bytes line, size_t at, const char *pattern)
{
	if (pattern[0] == '\0')
		return true;
	if (pattern[0] == '%')
		return at == line.len || may_begin(pattern[1], line.data[at]);
	return at < line.len && line.data[at] == (uint8_t)pattern[0];
}

/* Whether a pattern that begins so may fit by the octets around the first word, which ends at
 * `word`: most do not, and are not looked at further. */
static bool may_fit(const char pattern[6], struct bytes line, size_t word)
{
	if (pattern[0] != '%')
		return is_at(line, 0, pattern) &&
		       (pattern[0] == '\0' || is_at(line, 1, pattern + 1));
	bool is_word = pattern[1] == 'h' || pattern[1] == 'r' || pattern[1] == 'd' ||
	               pattern[1] == 'w';
	if (!is_word || pattern[2] != ' ')
		return is_at(line, 0, pattern);
	return word > 0 && is_at(line, word, pattern + 2) && is_at(line, word + 1, pattern + 3) &&
	       (pattern[3] == '%' || is_at(line, word + 2, pattern + 4));
}

/* Groups whose forms are tried, a bit each. */
static uint32_t groups_tried(struct bytes line, uint32_t marks, enum group group, bool capitals)
{
	uint32_t groups = UINT32_C(1) << group;
	struct received_captures captures;

	if (capitals)
		return groups;
	groups |= UINT32_C(1) << GROUP_ANY;
	if ((marks & (RECEIVED_MARK(AUTHENTICATED) | RECEIVED_MARK(WEBMAIL_UI))) != 0)
		groups |= UINT32_C(1) << GROUP_WEBMAIL;
	if ((marks & RECEIVED_MARK(QMAIL)) == 0 ||
	    !received_match("%g by %w (qmail-%w) with ", line, &captures))
		groups |= UINT32_C(1) << GROUP_SENDMAIL;
	return groups;
}

/* The first form that fits; false when none does. */
static bool forms_try(struct bytes line, uint32_t marks, enum group group, bool capitals,
                      struct received *received, enum outcome *out_outcome)
{
	uint32_t groups = groups_tried(line, marks, group, capitals);
	struct received_captures captures;
	size_t word = bytes_find(line, ' ');
	uint8_t behind = word + 1 < line.len ? line.data[word + 1] : SHAPE_ANY;
	const uint8_t set[4] = {behind, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY};

	for (size_t i = 0; (i = octets_find_any(bytes_of(shapes, FORM_COUNT), i, set)) < FORM_COUNT;
	     i++) {
		const struct form *form = &forms[i];

		if ((groups >> heads[i].group & 1) == 0 || !may_fit(heads[i].pattern, line, word) ||
		    (form->needs[0] != '\0' && !received_has(line, form->needs)) ||
		    !received_match(form->pattern, line, &captures) ||
		    (form->outcome == OUTCOME_RELAY && !form_take(form, line, &captures, received)))
			continue;
		if (form->group == GROUP_XMAIL)
			take_xmail(line, received);
		*out_outcome = form->outcome;
		return true;
	}
	return false;
}

/* Any address in brackets. */
static bool find_bracketed(struct bytes line, struct received *received)
{
	for (size_t at = 0; (at += bytes_find(bytes_slice(line, at, SIZE_MAX), '[')) < line.len;
	     at++) {
		size_t len = received_address_len(line, at + 1);

		if (len > 0 && at + 1 + len < line.len && line.data[at + 1 + len] == ']') {
			received->ip = bytes_slice(line, at + 1, len);
			return true;
		}
	}
	return false;
}

static enum received_result finish(struct received *received)
{
	while (received->rdns.len > 0 && received->rdns.data[received->rdns.len - 1] == '.')
		received->rdns.len--;
	if (bytes_equal_nocase(received->rdns, BYTES("unknown")) ||
	    (received->rdns.len > 0 && received->rdns.data[0] == '['))
		received->rdns = bytes_of(NULL, 0);
	if (received->by.len > 0 && received->by.data[received->by.len - 1] == ';')
		received->by.len--;
	received_address(received->ip, &received->ip, &received->addr);
	return RECEIVED_RELAY;
}

/* Lines that tell of a step without hosts, before anything is read. */
static bool is_bare(struct bytes line, uint32_t marks)
{
	struct received_captures captures;

	if ((marks & RECEIVED_MARK(LOCAL_FOR)) != 0 && received_has(line, " with local for"))
		return true;
	/* "from x by y;": nothing in it but names. */
	struct bytes rest = bytes_slice(line, 5, SIZE_MAX);
	size_t word = bytes_find(rest, ' ');
	struct bytes by = bytes_slice(rest, word, SIZE_MAX);
	if (!bytes_starts_nocase(by, BYTES(" by ")))
		return false;
	by = bytes_slice(by, 4, SIZE_MAX);
	size_t end = 0;
	while (end < by.len && by.data[end] != ' ' && by.data[end] != ';')
		end++;
	bool ends = end > 0 && (end < by.len && (by.data[end] == ';' ||
	                                         (end + 1 < by.len && by.data[end + 1] == ';')));
	return ends && word > 0 && !received_match("[%a]%$", bytes_slice(rest, 0, word), &captures);
}

/* The first word, when nothing better is known. */
static struct bytes guess_helo(struct bytes line)
{
	size_t end = bytes_find(line, ' ');

	return end < line.len ? bytes_slice(line, 0, end) : bytes_of(NULL, 0);
}

enum received_result received_parse(struct bytes line, struct sink *storage,
                                    struct received *out_received)
{
	static const enum received_result results[] = {RECEIVED_RELAY, RECEIVED_SKIPPED,
	                                               RECEIVED_FETCHED, RECEIVED_SCANNED};
	struct received *received = out_received;
	enum outcome outcome;

	*received = (struct received){.ip = {NULL, 0}};
	line = bytes_trim(line);
	while (line.len > 0 && line.data[line.len - 1] == ';') {
		line.len--;
		line.len -= line.len > 0 && line.data[line.len - 1] == ' ';
	}
	bool inside = line.len > 0 && line.data[0] == '(';
	if (!bytes_starts_nocase(bytes_slice(line, inside, SIZE_MAX), BYTES("from ")))
		return RECEIVED_SKIPPED;
	struct bytes dated = line;
	line = without_date(line);
	uint32_t marks = received_marks(line);
	if (!inside && is_bare(dated, marks))
		return RECEIVED_SKIPPED;
	size_t glued = (marks & RECEIVED_MARK(GLUED_BY)) != 0 ? received_find(line, 0, ")by ")
	                                                      : line.len;
	if (glued < line.len) {
		size_t start = storage->len;

		sink_put(storage, bytes_slice(line, 0, glued + 1));
		sink_octet(storage, ' ');
		sink_put(storage, bytes_slice(line, glued + 1, SIZE_MAX));
		/* A storage that is full may have cut even "from ". */
		if (storage->len - start < 5u + inside)
			return RECEIVED_UNPARSEABLE;
		line = bytes_of(storage->data + start, storage->len - start);
		marks = received_marks(line);
	}
	read_anywhere(line, marks, storage, received);
	struct bytes rest = bytes_slice(line, 5 + inside, SIZE_MAX);
	const uint8_t *word = line.data + inside;
	bool capitals = !inside && memcmp(word, "FROM", 4) == 0;
	bool lower = memcmp(word, "from", 4) == 0;
	if (lower && !inside) {
		received->envelope_from = received_envelope_from(rest);
		received->has_envelope_from = received->envelope_from.data != NULL;
	}
	enum group group = inside     ? GROUP_INSIDE
	                   : capitals ? GROUP_CAPITALS
	                              : group_of(rest, marks);
	if ((lower || capitals) &&
	    forms_try(rest, marks, group, inside || capitals, received, &outcome))
		return outcome == OUTCOME_RELAY ? finish(received) : results[outcome];
	if (lower && !inside && received->helo.len == 0)
		received->helo = guess_helo(rest);
	if (!find_bracketed(line, received) || received->by.len == 0)
		return RECEIVED_UNPARSEABLE;
	return finish(received);
}
