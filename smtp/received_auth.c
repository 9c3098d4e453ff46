/* received_auth.c - what one Received line says beside who handed over to whom. */
#include "smtp/received_auth.h"

#include <assert.h>

#include "smtp/header.h"
#include "smtp/octets.h"
#include "smtp/received_match.h"

struct word {
	const char *text;
	size_t len;
};

#define HEAD(a, b, c) ((uint32_t)(uint8_t)(a) << 16 | (uint32_t)(uint8_t)(b) << 8 | (uint8_t)(c))

static const struct word words[] = {
#define MARK(name, text) {text, sizeof(text) - 1},
#define PAIR(name, text)
#include "smtp/received_marks.def"
};

/* The first three octets of each word as a number: most words of lines are told apart by them. */
static const uint32_t heads[] = {
#define MARK(name, text) HEAD(text[0], text[1], text[2]),
#define PAIR(name, text)
#include "smtp/received_marks.def"
};

static const char pairs[][2] = {
#define MARK(name, text)
#define PAIR(name, text) {text[0], text[1]},
#include "smtp/received_marks.def"
};

#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

static_assert(RECEIVED_MARK_COUNT <= 32, "one bit each");
static_assert(sizeof(pairs) == sizeof(char[4][2]), "as many as octets_pairs() looks for");

/* First letters of the marks, a bit each from '@' on. */
static inline uint64_t mark_letters(void)
{
	return 0
#define MARK(name, text) | UINT64_C(1) << (text[0] - '@')
#define PAIR(name, text)
#include "smtp/received_marks.def"
	    ;
}

/* Their second and third octets, a bit each by their last five bits. */
static inline uint32_t mark_seconds(void)
{
	return 0
#define MARK(name, text) | UINT32_C(1) << (text[1] & 31)
#define PAIR(name, text)
#include "smtp/received_marks.def"
	    ;
}

static inline uint32_t mark_thirds(void)
{
	return 0
#define MARK(name, text) | UINT32_C(1) << (text[2] & 31)
#define PAIR(name, text)
#include "smtp/received_marks.def"
	    ;
}

static inline uint32_t word_marks(struct bytes rest)
{
	uint32_t found = 0;

	if (rest.len < 3)
		return 0;
	uint8_t first = rest.data[0], second = rest.data[1], third = rest.data[2];
	if (first <= '@' || first >= 0x7F || (mark_letters() >> (first - '@') & 1) == 0 ||
	    (mark_seconds() >> (second & 31) & mark_thirds() >> (third & 31) & 1) == 0)
		return 0;
	uint32_t head = HEAD(first, second, third);
	for (unsigned i = 0; i < WORD_COUNT; i++)
		if (heads[i] == head && rest.len >= words[i].len &&
		    memcmp(rest.data, words[i].text, words[i].len) == 0)
			found |= UINT32_C(1) << i;
	return found;
}

uint32_t received_marks(struct bytes line)
{
	static const uint8_t parts[4] = {' ', '(', '[', ' '};
	uint32_t found = octets_pairs(line, pairs) << WORD_COUNT;

	if (line.len > 0)
		found |= word_marks(line);
	for (size_t from = 0; from < line.len; from += 64) {
		uint64_t mask = octets_mask(line, from, parts);

		for (; mask != 0; mask &= mask - 1) {
			size_t at = from + (size_t)__builtin_ctzll(mask) + 1;

			if (at < line.len)
				found |= word_marks(bytes_slice(line, at, SIZE_MAX));
		}
	}
	return found;
}

static size_t find_nocase(struct bytes in, size_t from, const char *text)
{
	return octets_find_text(in, from < in.len ? from : in.len, bytes_text(text), true);
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* Up to a blank, semicolon or the end. */
static struct bytes token(struct bytes line, size_t at)
{
	size_t end = at;

	while (end < line.len && line.data[end] != ' ' && line.data[end] != ';')
		end++;

	return bytes_slice(line, at, end - at);
}

/* RFC 3848 and its kin, and web mail. */
static struct bytes protocol(struct bytes line, bool has_by)
{
	static const char *const names[] = {"ESMTPA",    "ESMTPSA",    "LMTPA",     "LMTPSA",
	                                    "UTF8SMTPA", "UTF8SMTPSA", "UTF8LMTPA", "UTF8LMTPSA",
	                                    "ASMTP",     "HTTP",       "HTTPS",     "HTTPU"};
	size_t at = 0;

	if (!has_by)
		return bytes_of(NULL, 0);
	while ((at = find_nocase(line, at, " with ")) < line.len) {
		struct bytes word = token(line, at += 6);

		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (bytes_equal_nocase(word, bytes_text(names[i])))
				return word;
		at--;
	}
	return bytes_of(NULL, 0);
}

/* Whether `id` is of the form its servers give to authenticated clients: "x1sm2345678abc.1.2020.".
 */
static bool is_gmail_id(struct bytes id)
{
	size_t mark = received_find(id, 0, "sm"), at = mark + 2, digits = at;

	if (mark == 0 || mark > 4)
		return false;
	while (at < id.len && id.data[at] >= '0' && id.data[at] <= '9')
		at++;
	struct bytes rest = bytes_slice(id, at + 3, SIZE_MAX);
	return at - digits >= 2 && at - digits <= 9 && rest.len > 0 && rest.data[0] == '.';
}

static struct bytes gmail(struct bytes line, struct sink *storage)
{
	static const char mark[] = " by mx.google.com with ESMTPS id ";
	size_t at = received_find(line, 0, mark), version = received_find(line, 0, "(version=");
	size_t start = storage->len;

	if (at == line.len || version == line.len ||
	    !is_gmail_id(token(line, at + sizeof(mark) - 1)))
		return bytes_of(NULL, 0);
	struct bytes rest = bytes_slice(line, version + 9, SIZE_MAX);
	size_t blank = bytes_find(rest, ' '), cipher = blank + sizeof(" cipher=") - 1;
	struct bytes behind = bytes_slice(rest, blank, SIZE_MAX);
	if (received_find(behind, 0, " cipher=") != 0)
		return bytes_of(NULL, 0);
	behind = bytes_slice(rest, cipher, SIZE_MAX);
	sink_put(storage, BYTES("GMail - transport="));
	sink_put(storage, bytes_slice(rest, 0, blank));
	sink_put(storage, BYTES(" cipher="));
	sink_put(storage, bytes_slice(behind, 0, bytes_find(behind, ')')));
	return bytes_of(storage->data + start, storage->len - start);
}

/* "]) (AUTH: LOGIN user) by". */
static struct bytes courier(struct bytes line)
{
	static const char *const names[] = {"LOGIN", "PLAIN", "DIGEST-MD5", "CRAM-MD5"};
	size_t at = received_find(line, 0, " (AUTH: ");

	if (at < 2 || at == line.len ||
	    !((line.data[at - 1] == ')' && line.data[at - 2] == ']') ||
	      (line.data[at - 1] == ']' && line.data[at - 2] == ')')))
		return bytes_of(NULL, 0);
	struct bytes word = token(line, at + 8);
	for (unsigned i = 0; i < 4; i++)
		if (bytes_equal(word, bytes_text(names[i])) &&
		    received_find(line, at, ") by ") < line.len)
			return word;
	return bytes_of(NULL, 0);
}

/* Behind an address in brackets: "(... authenticated ...) ... by". */
static bool is_sendmail(struct bytes line)
{
	static const char *const ends[] = {"]) ", ")] ", "] ("};
	size_t best = line.len;

	if (!received_has(line, "authenticated"))
		return false;
	for (unsigned i = 0; i < 3; i++) {
		size_t at = received_find(line, 0, ends[i]);

		if (i == 2 && at < line.len)
			at = received_find(line, at, ")) ");
		best = at < best ? at : best;
	}
	size_t open = received_find(line, best + 2, "(");
	size_t word = received_find(line, open, "authenticated");
	return received_find(line, received_find(line, word, ")"), " by") < line.len;
}

static struct bytes gmx(struct bytes line, struct sink *storage)
{
	static const char *const forms[] = {"from %W (%E %H) [%a] by mail.gmx.net (%n) with %T",
	                                    "from %W (%E %H) [%a] by mail.gmx.com (%n) with %T"};
	struct received_captures captures;
	size_t start = storage->len;

	if (!received_has(line, " by mail.gmx."))
		return bytes_of(NULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		if (!received_match(forms[i], line, &captures))
			continue;
		bool extended = captures.end > 5 && line.data[captures.end - 5] == 'E';

		sink_put(storage, extended ? BYTES("GMX (ESMTP / ") : BYTES("GMX (SMTP / "));
		sink_put(storage, i == 0 ? BYTES("mail.gmx.net)") : BYTES("mail.gmx.com)"));
		return bytes_of(storage->data + start, storage->len - start);
	}
	return bytes_of(NULL, 0);
}

/* ") (Authenticated sender: x) by host (Postfix) with ". */
static struct bytes postfix(struct bytes line, struct sink *storage)
{
	size_t at = received_find(line, 0, ") (Authenticated sender: ");
	size_t by = received_find(line, at, ") by ");
	size_t open = received_find(line, by, " ("), close = received_find(line, open, ") with ");
	size_t start = storage->len;

	if (close == line.len)
		return bytes_of(NULL, 0);
	struct bytes name = bytes_slice(line, open + 2, close - open - 2);
	if (bytes_find(name, ')') < name.len)
		return bytes_of(NULL, 0);
	if (bytes_equal(name, BYTES("Postfix")))
		return name;
	sink_put(storage, BYTES("Postfix ("));
	sink_put(storage, name);
	sink_octet(storage, ')');
	return bytes_of(storage->data + start, storage->len - start);
}

static bool is_communigate(struct bytes line)
{
	size_t at = received_find(line, 0, "CommuniGate Pro ");
	struct bytes rest = bytes_slice(line, at + 16, SIZE_MAX);

	return received_has(line, " (account ") && (bytes_starts_nocase(rest, BYTES("HTTP")) ||
	                                            bytes_starts_nocase(rest, BYTES("SMTP")) ||
	                                            bytes_starts_nocase(rest, BYTES("XIMSS")) ||
	                                            bytes_starts_nocase(rest, BYTES("IMAP")));
}

/* "(via HTTP)", "(via HTTPS)". */
static struct bytes via_http(struct bytes line, bool has_by)
{
	size_t at = find_nocase(line, 0, " (via HTTP"), end;

	if (at == line.len || !has_by)
		return bytes_of(NULL, 0);
	end = at + 10;
	end += end < line.len && line.data[end] != ')';
	bool closed = end < line.len && line.data[end] == ')' &&
	              (end + 1 == line.len || line.data[end + 1] == ' ' ||
	               line.data[end + 1] == ';');
	return closed ? bytes_slice(line, at + 6, end - at - 6) : bytes_of(NULL, 0);
}

struct bytes received_auth(struct bytes line, uint32_t marks, bool has_by, struct sink *storage)
{
	struct bytes auth = protocol(line, has_by);

	if (auth.len > 0)
		return auth;
	if ((marks & RECEIVED_MARK(GOOGLE)) != 0 && (auth = gmail(line, storage)).len > 0)
		return auth;
	if ((marks & RECEIVED_MARK(AUTH)) != 0 && (auth = courier(line)).len > 0)
		return auth;
	if ((marks & RECEIVED_MARK(IN_AUTHENTICATED)) != 0 && is_sendmail(line))
		return BYTES("Sendmail");
	if ((marks & RECEIVED_MARK(GMX)) != 0 && (auth = gmx(line, storage)).len > 0)
		return auth;
	if ((marks & RECEIVED_MARK(AUTHENTICATED)) != 0) {
		size_t critical = received_find(line, 0, ") (authenticated as ");

		if (critical < line.len && received_find(line, 0, ") by ") < critical &&
		    received_find(line, critical, ") id ") < line.len)
			return BYTES("CriticalPath");
	}
	if ((marks & RECEIVED_MARK(AUTH_SENDER)) != 0 && (auth = postfix(line, storage)).len > 0)
		return auth;
	if ((marks & RECEIVED_MARK(COMMUNIGATE)) != 0 && (marks & RECEIVED_MARK(ACCOUNT)) != 0 &&
	    is_communigate(line))
		return BYTES("Communigate");
	if ((marks & RECEIVED_MARK(HTTP_DAV)) != 0 &&
	    received_has(line, " with Microsoft Exchange Server HTTP-DAV"))
		return BYTES("HTTP-DAV");
	return (marks & RECEIVED_MARK(VIA)) != 0 ? via_http(line, has_by) : bytes_of(NULL, 0);
}

/* The length of the mark of an envelope sender around the dash at `dash`, or 0; *out_at: where it
 * begins. */
static size_t envelope_mark(struct bytes line, size_t dash, size_t *out_at)
{
	static const char *const names[] = {
	    "envelope-from ",   "envelope-from=", "envelope-sender ",
	    "envelope-sender=", "return-path: ",  "return-path "};
	uint8_t before = dash > 0 ? line.data[dash - 1] | 0x20 : 0;

	if (before != 'e' && before != 'n')
		return 0;
	size_t back = before == 'e' ? sizeof("envelope") - 1 : sizeof("return") - 1;
	if (dash < back)
		return 0;
	*out_at = dash - back;
	struct bytes rest = bytes_slice(line, *out_at, SIZE_MAX);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bytes_starts_nocase(rest, bytes_text(names[i])))
			return strlen(names[i]);
	return 0;
}

struct bytes received_envelope_from(struct bytes line)
{
	size_t at;

	for (size_t dash = 0; dash < line.len; dash++) {
		dash += bytes_find(bytes_slice(line, dash, SIZE_MAX), '-');
		size_t mark = dash < line.len ? envelope_mark(line, dash, &at) : 0;

		if (mark == 0)
			continue;
		size_t start = at + mark, end = start;
		while (end < line.len && line.data[end] != ' ')
			end++;
		/* Up to the last change between letters and others. */
		for (; end > start; end--)
			if (is_word(line.data[end - 1]) !=
			    (end < line.len && is_word(line.data[end])))
				break;
		if (end == start)
			continue;
		while (start < end && line.data[start] == '<')
			start++;
		while (end > start && line.data[end - 1] == '>')
			end--;
		return bytes_of(line.data + start, end - start);
	}
	return bytes_of(NULL, 0);
}
