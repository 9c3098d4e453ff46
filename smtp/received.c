/* received.c - one Received field in pieces. */
#include "smtp/received.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The offset of `what` in `in` at or behind `from`, letters compared without case; in.len when it
 * is not there. */
static size_t find_text(struct bytes in, size_t from, const char *what)
{
	struct bytes wanted = bytes_text(what);
	uint8_t lower = wanted.data[0] | 0x20;

	for (size_t i = from; i + wanted.len <= in.len; i++)
		if ((in.data[i] | 0x20) == lower &&
		    bytes_starts_nocase(bytes_slice(in, i, SIZE_MAX), wanted))
			return i;
	return in.len;
}

static bool has_text(struct bytes in, const char *what)
{
	return find_text(in, 0, what) < in.len;
}

/* What follows `what`, up to a blank. Empty when `what` is not there. */
static struct bytes word_behind(struct bytes in, const char *what)
{
	size_t at = find_text(in, 0, what);

	if (at == in.len)
		return bytes_of(NULL, 0);
	struct bytes rest = bytes_slice(in, at + strlen(what), SIZE_MAX);
	return bytes_slice(rest, 0, bytes_find(rest, ' '));
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

/* An address at the start of `in`, brackets and a port around it allowed. */
static bool address_word(struct bytes in, struct received *received)
{
	if (in.len > 0 && in.data[0] == '[')
		in = bytes_slice(in, 1, SIZE_MAX);
	size_t end = 0;
	while (end < in.len && strchr("]) ,", in.data[end]) == NULL)
		end++;
	struct bytes word = bytes_slice(in, 0, end);
	if (received_address(word, &received->ip, &received->addr))
		return true;
	size_t port = word.len;
	while (port > 0 && is_digit(word.data[port - 1]))
		port--;
	return port > 1 && port < word.len &&
	       (word.data[port - 1] == ':' || word.data[port - 1] == '.') &&
	       received_address(bytes_slice(word, 0, port - 1), &received->ip, &received->addr);
}

/* The address in brackets somewhere in `in`. */
static bool bracketed_address(struct bytes in, struct received *received, size_t *out_at)
{
	for (size_t at = 0; at < in.len; at++) {
		at += bytes_find(bytes_slice(in, at, SIZE_MAX), '[');
		if (at < in.len && address_word(bytes_slice(in, at, SIZE_MAX), received)) {
			*out_at = at;
			return true;
		}
	}
	return false;
}

/* "helo=x", "(HELO x)", "(EHLO x)": x; data NULL when there is none. */
static struct bytes read_helo(struct bytes in)
{
	static const char *const marks[] = {"helo=", "(HELO ", "(EHLO ", "(LHLO "};

	for (unsigned i = 0; i < 4; i++) {
		size_t at = find_text(in, 0, marks[i]);

		if (at == in.len)
			continue;
		struct bytes rest = bytes_slice(in, at + strlen(marks[i]), SIZE_MAX);
		size_t end = 0;
		while (end < rest.len && strchr(") (", rest.data[end]) == NULL)
			end++;
		return bytes_of(rest.data, end);
	}
	return bytes_of(NULL, 0);
}

/* How the client proved who it was, as a word for rules; empty when it did not. */
static struct bytes read_auth(struct bytes line)
{
	static const char *const protocols[] = {
	    "ESMTPA",    "ESMTPSA",    "LMTPA", "LMTPSA", "UTF8SMTPA", "UTF8SMTPSA",
	    "UTF8LMTPA", "UTF8LMTPSA", "ASMTP", "HTTP",   "HTTPS",     "HTTPU"};
	struct bytes with = word_behind(line, " with ");

	with = bytes_slice(with, 0, bytes_find(with, ';'));
	for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (bytes_equal_nocase(with, bytes_text(protocols[i])) && has_text(line, " by "))
			return with;
	if (has_text(line, ") (Authenticated sender: "))
		return BYTES("Postfix");
	if (has_text(line, "(authenticated"))
		return BYTES("Sendmail");
	if (has_text(line, "CommuniGate Pro ") && has_text(line, " (account "))
		return BYTES("Communigate");
	if (has_text(line, " with Microsoft Exchange Server HTTP-DAV"))
		return BYTES("HTTP-DAV");
	return bytes_of(NULL, 0);
}

static void read_envelope_from(struct bytes line, struct received *received)
{
	static const char *const marks[] = {
	    "envelope-from ",   "envelope-from=", "envelope-sender ",
	    "envelope-sender=", "return-path: ",  "return-path "};

	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct bytes word = word_behind(line, marks[i]);

		if (word.len == 0)
			continue;
		while (word.len > 0 && word.data[0] == '<')
			word = bytes_slice(word, 1, SIZE_MAX);
		while (word.len > 0 && strchr(">);,", word.data[word.len - 1]) != NULL)
			word.len--;
		received->envelope_from = word;
		received->has_envelope_from = true;
		return;
	}
}

/* " id <x>": at least three octets. */
static struct bytes read_id(struct bytes line)
{
	for (size_t at = 0; (at = find_text(line, at, " id ")) < line.len; at++) {
		struct bytes rest = bytes_slice(line, at + 4, SIZE_MAX);
		size_t end = 0;

		if (rest.len > 0 && rest.data[0] == '<')
			rest = bytes_slice(rest, 1, SIZE_MAX);
		while (end < rest.len && strchr(" <>;", rest.data[end]) == NULL)
			end++;
		if (end >= 3)
			return bytes_slice(rest, 0, end);
	}
	return bytes_of(NULL, 0);
}

/* "name", "ident@name", "IDENT:x@name" in front of the address of a comment. */
static void take_looked_up(struct bytes name, struct received *received)
{
	size_t at = bytes_find(name, '@');

	while (name.len > 0 && name.data[name.len - 1] == ' ')
		name.len--;
	if (at < name.len) {
		struct bytes ident = bytes_slice(name, 0, at);

		if (bytes_starts_nocase(ident, BYTES("IDENT:")))
			ident = bytes_slice(ident, 6, SIZE_MAX);
		received->ident = ident;
		name = bytes_slice(name, at + 1, SIZE_MAX);
	}
	received->rdns = name;
}

/* qmail and its kin: "by X with SMTP" without an id behind it. */
static bool is_qmail(struct bytes behind_by)
{
	size_t with = find_text(behind_by, 0, " with ");
	size_t smtp = find_text(behind_by, with, "SMTP");

	if (smtp == behind_by.len)
		smtp = find_text(behind_by, with, "QMQP");
	return smtp < behind_by.len &&
	       !bytes_starts_nocase(bytes_slice(behind_by, smtp + 4, SIZE_MAX), BYTES(" id "));
}

/* Exchange of the kind that looks nothing up: a version number stands where others have an id. */
static bool is_exchange(struct bytes tail)
{
	static const char *const marks[] = {" with Microsoft SMTP Server ", " with mapi id "};

	for (unsigned i = 0; i < 2; i++) {
		size_t at = find_text(tail, 0, marks[i]);
		struct bytes rest = bytes_slice(tail, at + strlen(marks[i]), SIZE_MAX);

		if (at == tail.len)
			continue;
		if (rest.len > 0 && rest.data[0] == '(')
			rest = bytes_slice(rest, bytes_find(rest, ')') + 2, SIZE_MAX);
		if (rest.len > 0 && is_digit(rest.data[0]))
			return true;
	}
	return false;
}

/* What stands between "from" and "by": first a word, then comments. `tail` begins with " by ". */
struct shape {
	struct bytes from, tail;
	struct bytes word, rest;
	struct bytes helo; /* said in a comment; data NULL when not */
	bool is_exim;
	struct received *received;
};

/* The octets behind the next "(" at or behind the first ")" of `in`. */
static struct bytes second_comment(struct bytes in)
{
	struct bytes behind = bytes_slice(in, bytes_find(in, ')') + 1, SIZE_MAX);
	size_t open = 0;

	while (open < behind.len && behind.data[open] != '(' && behind.data[open] != '[')
		open++;
	return bytes_slice(behind, open + 1, SIZE_MAX);
}

/* "ident=x" of a comment. */
static struct bytes read_ident(struct bytes in)
{
	struct bytes ident = word_behind(in, "ident=");

	while (ident.len > 0 && ident.data[ident.len - 1] == ')')
		ident.len--;
	return ident;
}

/* No word: "([ip])", "(ip)", "(name [ip])", "([ip]:port helo=x)". */
static bool take_without_word(const struct shape *shape)
{
	struct received *received = shape->received;
	struct bytes inside = bytes_slice(shape->from, 1, SIZE_MAX);
	size_t blank = bytes_find(inside, ' '), at;

	received->helo = shape->helo;
	if (address_word(inside, received)) {
		struct received second = *received;

		if (shape->helo.data == NULL && blank < inside.len && inside.data[0] != '[' &&
		    address_word(bytes_slice(inside, blank + 1, SIZE_MAX), &second))
			received->helo = bytes_slice(inside, 0, blank);
		return true;
	}
	if (shape->helo.data == NULL)
		received->helo = bytes_slice(inside, 0, blank);
	return bracketed_address(shape->from, received, &at);
}

/* "[ip] (helo=x)", "ip (HELO x)", "ip by"; false when the word is no address, or only what the
 * client called itself. */
static bool take_address_first(const struct shape *shape)
{
	struct received only = *shape->received, inner = only;
	struct received *received = shape->received;
	size_t at;

	if (!address_word(shape->word, &only) ||
	    (shape->rest.len > 0 && shape->helo.data == NULL && shape->word.data[0] != '['))
		return false;
	if (shape->helo.data == NULL && !shape->is_exim &&
	    bracketed_address(shape->rest, &inner, &at))
		return false;
	received->helo = shape->helo;
	if (address_word(second_comment(shape->rest), received)) {
		received->rdns = shape->word;
		return true;
	}
	received->ip = only.ip;
	received->addr = only.addr;
	received->ident = read_ident(shape->from);
	return true;
}

/* "rdns (HELO x) (ident@ip)", or "[ip]" at the end. */
static bool take_helo_comment(const struct shape *shape)
{
	struct received *received = shape->received;
	struct bytes inside = second_comment(shape->rest);
	size_t sign = bytes_find(inside, '@');

	if (sign < bytes_find(inside, ')')) {
		received->ident = bytes_slice(inside, 0, sign);
		inside = bytes_slice(inside, sign + 1, SIZE_MAX);
	}
	received->rdns = shape->word;
	received->helo = shape->helo;
	return address_word(inside, received);
}

/* "word (ident@ip)": the word is both names, but for Exchange, which looks nothing up. */
static bool take_bare_address(const struct shape *shape, struct bytes inside)
{
	struct received *received = shape->received;
	size_t sign = bytes_find(inside, '@');
	bool has_ident = sign < bytes_find(inside, ')');
	struct bytes bare = has_ident ? bytes_slice(inside, sign + 1, SIZE_MAX) : inside;

	if (bare.len == 0 || bare.data[0] == '[' || bytes_find(bare, ')') > bytes_find(bare, ' ') ||
	    !address_word(bare, received))
		return false;
	received->helo = shape->word;
	if (!is_exchange(shape->tail) &&
	    (is_qmail(shape->tail) || has_text(shape->tail, " with ") ||
	     has_text(shape->tail, " (")))
		received->rdns = shape->word;
	if (has_ident)
		received->ident = bytes_slice(inside, 0, sign);
	return true;
}

/* "word (name [ip])": what the client said, what was looked up. */
static bool take_name_and_address(const struct shape *shape, struct bytes inside)
{
	struct received *received = shape->received;
	size_t at;

	if (!bracketed_address(inside, received, &at))
		return false;
	received->helo = shape->word;
	size_t close = at + bytes_find(bytes_slice(inside, at, SIZE_MAX), ']');
	struct bytes behind = bytes_slice(bytes_trim(shape->tail), 3, SIZE_MAX);
	behind = bytes_slice(behind, bytes_find(behind, ' '), SIZE_MAX);
	/* A remark behind the address is only known from one mail program, which writes its version
	 * behind "by". */
	if ((close + 1 < inside.len && inside.data[close + 1] == ')') ||
	    bytes_starts_nocase(behind, BYTES(" (")))
		take_looked_up(bytes_slice(inside, 0, at), received);
	if (bytes_starts_nocase(received->rdns, BYTES("<unknown")) ||
	    bytes_equal_nocase(received->rdns, BYTES("softdnserr")) ||
	    bytes_equal_nocase(received->rdns, BYTES("unverified")))
		received->rdns = bytes_of(NULL, 0);
	return true;
}

/* "word ([ip] helo=x ident=y)": Exim puts the looked-up name first, others what the client said. */
static bool take_address_comment(const struct shape *shape, struct bytes inside)
{
	struct received *received = shape->received;

	if (!address_word(inside, received))
		return false;
	received->helo = shape->helo.data != NULL ? shape->helo : shape->word;
	if (shape->is_exim || shape->helo.data != NULL || has_text(shape->from, "] verified)"))
		received->rdns = shape->word;
	received->ident = read_ident(inside);
	return true;
}

static bool take_from(struct bytes from, struct bytes tail, struct received *received)
{
	size_t end = bytes_find(from, ' ');
	struct shape shape = {
	    .from = from,
	    .tail = tail,
	    .word = bytes_slice(from, 0, end),
	    .rest = bytes_slice(from, end + 1, SIZE_MAX),
	    .helo = read_helo(from),
	    .is_exim = has_text(tail, "Exim"),
	    .received = received,
	};
	struct bytes rest = shape.rest;

	if (shape.word.len > 0 && shape.word.data[0] == '(')
		return take_without_word(&shape);
	if (take_address_first(&shape))
		return true;
	if (bytes_starts_nocase(rest, BYTES("(HELO ")) ||
	    bytes_starts_nocase(rest, BYTES("(EHLO ")) ||
	    bytes_starts_nocase(rest, BYTES("(LHLO ")))
		return take_helo_comment(&shape);
	if (rest.len > 0 && rest.data[0] == '[') {
		received->helo = shape.word;
		if (shape.is_exim)
			received->rdns = shape.word;
		return address_word(rest, received);
	}
	struct bytes inside = bytes_slice(rest, bytes_find(rest, '(') + 1, SIZE_MAX);
	while (inside.len > 0 && inside.data[0] == ' ')
		inside = bytes_slice(inside, 1, SIZE_MAX);
	if (inside.len > 0 && inside.data[0] == '[' && take_address_comment(&shape, inside))
		return true;
	return take_bare_address(&shape, inside) || take_name_and_address(&shape, inside);
}

static struct bytes without_date(struct bytes line)
{
	while (line.len > 0 && (line.data[line.len - 1] == ';' || line.data[line.len - 1] == ' '))
		line.len--;
	size_t semicolon = line.len;
	while (semicolon > 0 && line.data[semicolon - 1] != ';')
		semicolon--;
	if (semicolon == 0)
		return line;
	struct bytes date = bytes_trim(bytes_slice(line, semicolon, SIZE_MAX));
	size_t colons = 0;
	for (size_t i = 0; i < date.len; i++)
		colons += date.data[i] == ':';
	return colons == 2 && date.len < 60 ? bytes_trim(bytes_slice(line, 0, semicolon - 1))
	                                    : line;
}

static bool is_local_step(struct bytes line)
{
	static const char *const marks[] = {" with local ",
	                                    " with local-",
	                                    " with POP3",
	                                    " with IMAP",
	                                    "mail pickup service by ",
	                                    " with BSMTP",
	                                    " with qmail-scanner"};

	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (has_text(line, marks[i]))
			return true;
	return false;
}

enum received_result received_parse(struct bytes line, struct received *out_received)
{
	struct received *received = out_received;

	*received = (struct received){0};
	line = bytes_trim(line);
	bool bracket = bytes_starts_nocase(line, BYTES("(from "));
	if (!bracket && !bytes_starts_nocase(line, BYTES("from ")))
		return RECEIVED_SKIPPED;
	bool dated = bytes_find(line, ';') < line.len;
	line = without_date(line);
	line = bytes_slice(line, bracket ? 6 : 5, SIZE_MAX);
	if (is_local_step(line))
		return RECEIVED_SKIPPED;
	if (bytes_starts_nocase(line, BYTES("X-Originating-IP: ")))
		return address_word(bytes_slice(line, 18, SIZE_MAX), received)
		           ? RECEIVED_RELAY
		           : RECEIVED_UNPARSEABLE;
	size_t by = find_text(line, 0, " by ");
	if (by == line.len)
		by = find_text(line, 0, ")by ") + (find_text(line, 0, ")by ") < line.len);
	struct bytes from = bytes_slice(line, 0, by), tail = bytes_slice(line, by, SIZE_MAX);
	received->by = bytes_slice(bytes_trim(tail), 3, SIZE_MAX);
	received->by = bytes_slice(received->by, 0, bytes_find(received->by, ' '));
	while (received->by.len > 0 && received->by.data[received->by.len - 1] == ';')
		received->by.len--;
	received->id = read_id(line);
	read_envelope_from(line, received);
	struct bytes whole = line;
	received->auth = read_auth(whole);
	bool found = from.len > 0 && take_from(from, tail, received);
	if (!found && bytes_find(from, ' ') == from.len)
		return dated || tail.len > 0 ? RECEIVED_SKIPPED : RECEIVED_UNPARSEABLE;
	if (!found || received->by.len == 0)
		return RECEIVED_UNPARSEABLE;
	if (is_exchange(tail))
		received->id = bytes_of(NULL, 0);
	while (received->rdns.len > 0 && received->rdns.data[received->rdns.len - 1] == '.')
		received->rdns.len--;
	if (bytes_equal_nocase(received->rdns, BYTES("unknown")) ||
	    (received->rdns.len > 0 && received->rdns.data[0] == '['))
		received->rdns = bytes_of(NULL, 0);
	return RECEIVED_RELAY;
}
