/* mutation.c - kinds of damage, each one small: several are done to a message, one after the other.
 */
#include "mutation.h"

#include <string.h>

#include "base/check.h"

/* A place in [0, bound]. */
static size_t place(struct mutation *m, size_t bound)
{
	return random_below(&m->random, (uint32_t)bound + 1);
}

/* The beginning of the line that holds `at`. */
static size_t line_start(const struct mutation *m, size_t at)
{
	while (at > 0 && m->data[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the line that holds `at`. */
static size_t line_end(const struct mutation *m, size_t at)
{
	size_t rest = bytes_find(bytes_of(m->data + at, m->bytes - at), '\n');

	return at + rest < m->bytes ? at + rest + 1 : m->bytes;
}

static size_t random_line(struct mutation *m)
{
	return line_start(m, place(m, m->bytes));
}

static void erase(struct mutation *m, size_t at, size_t bytes)
{
	ASSERT(at + bytes <= m->bytes);
	memmove(m->data + at, m->data + at + bytes, m->bytes - at - bytes);
	m->bytes -= bytes;
}

static void insert(struct mutation *m, size_t at, struct bytes text)
{
	size_t room = m->bytes_max - m->bytes, bytes = text.len < room ? text.len : room;

	if (bytes == 0)
		return;
	memmove(m->data + at + bytes, m->data + at, m->bytes - at);
	memcpy(m->data + at, text.data, bytes);
	m->bytes += bytes;
}

/* From a chance place on, the next place where `text` stands; m->bytes when there is none. */
static size_t find(struct mutation *m, const char *text)
{
	size_t from = place(m, m->bytes), len = strlen(text);

	for (int pass = 0; pass < 2; pass++, from = 0) {
		const uint8_t *found = memmem(m->data + from, m->bytes - from, text, len);
		if (found != NULL)
			return (size_t)(found - m->data);
	}
	return m->bytes;
}

static void flip_bits(struct mutation *m)
{
	for (uint32_t i = random_below(&m->random, 8); m->bytes > 0; i--) {
		m->data[place(m, m->bytes - 1)] ^= (uint8_t)(1u << random_below(&m->random, 8));
		if (i == 0)
			break;
	}
}

static void odd_octets(struct mutation *m)
{
	static const uint8_t odd[] = {0,   '\r', '\n', '\t', ' ',  '=',  '<',  '>',  '"', '\\',
	                              ';', 0x1b, 0x7f, 0x80, 0xa0, 0xc2, 0xe2, 0xf4, 0xff};
	size_t at = place(m, m->bytes);

	for (uint32_t count = 1 + random_below(&m->random, 4); count > 0; count--)
		insert(m, at, bytes_of(&odd[random_below(&m->random, sizeof(odd))], 1));
}

static void repeat_octet(struct mutation *m)
{
	uint8_t run[2000];
	size_t at = place(m, m->bytes);

	memset(run, at < m->bytes ? m->data[at] : 'a', sizeof(run));
	insert(m, at, bytes_of(run, 1 + random_below(&m->random, sizeof(run))));
}

static void delete_range(struct mutation *m)
{
	size_t at = place(m, m->bytes), left = m->bytes - at;

	erase(m, at, place(m, left < 64 ? left : 64));
}

static void delete_lines(struct mutation *m)
{
	size_t at = random_line(m), end = at;

	for (uint32_t i = random_below(&m->random, 4); end < m->bytes; i--) {
		end = line_end(m, end);
		if (i == 0)
			break;
	}
	erase(m, at, end - at);
}

/* A run of lines stands once more elsewhere: fields twice, boundaries twice. */
static void repeat_lines(struct mutation *m)
{
	uint8_t copy[4096];
	size_t from = random_line(m), end = line_end(m, from);

	if (random_below(&m->random, 2) == 0)
		end = line_end(m, end);
	size_t bytes = end - from < sizeof(copy) ? end - from : sizeof(copy);
	memcpy(copy, m->data + from, bytes);
	size_t at = random_line(m);
	for (uint32_t count = 1 + random_below(&m->random, 6); count > 0; count--)
		insert(m, at, bytes_of(copy, bytes));
}

static void splice(struct mutation *m)
{
	size_t from = place(m, m->other.len), left = m->other.len - from;
	size_t bytes = place(m, left < 8192 ? left : 8192);
	size_t at = random_below(&m->random, 2) == 0 ? random_line(m) : place(m, m->bytes);

	insert(m, at, bytes_slice(m->other, from, bytes));
}

static void cut_short(struct mutation *m)
{
	m->bytes = place(m, m->bytes);
}

/* The parameter loses or gains octets, or a line that begins like a boundary does. */
static void damage_boundary(struct mutation *m)
{
	bool parameter = random_below(&m->random, 2) == 0;
	size_t at = find(m, parameter ? "boundary=" : "\n--");

	if (at == m->bytes)
		return;
	at += parameter ? 9 : 1;
	size_t left = line_end(m, at) - at;
	switch (random_below(&m->random, 5)) {
	case 0:
		erase(m, at, place(m, left));
		break;
	case 1:
		insert(m, at + place(m, left), BYTES("\""));
		break;
	case 2:
		insert(m, at, BYTES("--"));
		break;
	case 3:
		insert(m, line_end(m, at) > 2 ? line_end(m, at) - 2 : at, BYTES("--"));
		break;
	default:
		insert(m, at, BYTES(" "));
		break;
	}
}

/* A line of base64 or quoted-printable ends early, in the middle, or with other octets. */
static void damage_encoded(struct mutation *m)
{
	static const char *const ends[] = {"=", "==", "=\r\n", "=3", "=ZZ", "====", "_", "=?="};
	size_t at = random_line(m), end = line_end(m, at);

	for (int tries = 0; tries < 20 && end - at < 60; tries++) {
		at = random_line(m);
		end = line_end(m, at);
	}
	at += place(m, end - at);
	if (random_below(&m->random, 2) == 0)
		erase(m, at, line_end(m, at) - at);
	insert(m, at, bytes_text(ends[random_below(&m->random, 8)]));
}

static void other_value(struct mutation *m)
{
	static const char *const keys[] = {"charset=",
	                                   "Content-Transfer-Encoding: ",
	                                   "Content-Type: ",
	                                   "filename=",
	                                   "=?",
	                                   "Content-Disposition: ",
	                                   "href=",
	                                   "Received: ",
	                                   "<",
	                                   "&"};
	static const char *const values[] = {"utf-16",
	                                     "iso-2022-jp",
	                                     "base64",
	                                     "quoted-printable",
	                                     "text/html",
	                                     "utf-7",
	                                     "message/rfc822",
	                                     "x'%00'y",
	                                     "multipart/mixed",
	                                     "\"",
	                                     "us-ascii?q?=",
	                                     "http://[::1]/%",
	                                     "!--",
	                                     "#x110000;",
	                                     "style=\"display:none\""};
	const char *key = keys[random_below(&m->random, 10)];
	size_t at = find(m, key);

	if (at == m->bytes)
		return;
	at += strlen(key);
	size_t left = line_end(m, at) - at;
	if (random_below(&m->random, 2) == 0)
		erase(m, at, place(m, left < 40 ? left : 40));
	insert(m, at, bytes_text(values[random_below(&m->random, 15)]));
}

/* The whole becomes a part of a new multipart or message, up to a few hundred levels deep. */
static void nest(struct mutation *m)
{
	static const char *const heads[] = {
	    "Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n",
	    "Content-Type: message/rfc822\r\n\r\n",
	    "Content-Type: multipart/alternative; boundary=\"q\"\r\n\r\npreamble\r\n--q\r\n",
	    "Content-Type: multipart/digest; boundary=q\r\n\r\n--q\r\n\r\n"};
	uint32_t levels = random_below(&m->random, 8) == 0 ? random_below(&m->random, 300)
	                                                   : random_below(&m->random, 6);

	for (uint32_t i = 0; i <= levels; i++)
		insert(m, 0, bytes_text(heads[random_below(&m->random, 4)]));
	if (random_below(&m->random, 2) == 0)
		insert(m, m->bytes, BYTES("\r\n--q--\r\n"));
}

static void other_line_ends(struct mutation *m)
{
	bool all = random_below(&m->random, 2) == 0;

	for (size_t i = 0; i + 1 < m->bytes; i++)
		if (m->data[i] == '\r' && m->data[i + 1] == '\n' &&
		    (all || random_below(&m->random, 4) == 0))
			m->data[i] = all ? ' ' : '\n';
}

void mutation_step(struct mutation *mutation)
{
	static void (*const kinds[])(struct mutation *) = {
	    flip_bits,   odd_octets, repeat_octet,    delete_range,    delete_lines,   repeat_lines,
	    splice,      cut_short,  damage_boundary, damage_boundary, damage_encoded, other_value,
	    other_value, nest,       other_line_ends};

	kinds[random_below(&mutation->random, sizeof(kinds) / sizeof(kinds[0]))](mutation);
}
