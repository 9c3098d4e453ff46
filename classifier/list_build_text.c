/* list_build_text.c - entries as people write them: addresses, networks, ranges, domains, texts;
 * one a line of a file.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "classifier/list_build_internal.h"

#define LINE_BYTES_MAX 1024

enum key_base { ADDRESS, DOMAIN, TEXT, DIGEST };

static const enum key_base base_of[LIST_KEY_COUNT] = {
#define LIST_KEY(name, word, base, source, help) base,
#include "base/list_keys.def"
};

static const char *const wrong[] = {
    [ADDRESS] = "no address, no network without host bits and no range",
    [DOMAIN] = "no domain",
    [TEXT] = "too long",
    [DIGEST] = "no SHA-256 of 64 hexadecimal digits",
};

/* Addresses as one 128-bit number, so that ranges can be counted through. */
__extension__ typedef unsigned __int128 wide;

static wide wide_of(const struct addr *addr)
{
	wide value = 0;

	for (int i = 0; i < 16; i++)
		value = value << 8 | addr->octet[i];
	return value;
}

static struct addr addr_of(wide value)
{
	struct addr addr;

	for (int i = 15; i >= 0; i--, value >>= 8)
		addr.octet[i] = (uint8_t)value;
	return addr;
}

/* Cuts a range into the fewest prefixes: at each step the largest that begins here and does not
 * pass the end. At most 254 steps. */
static enum err add_range(const struct list_target *target, const struct addr *first,
                          const struct addr *last)
{
	wide from = wide_of(first), to = wide_of(last);

	while (true) {
		uint32_t host_bits = 0;

		while (host_bits < 128) {
			wide more = ((wide)2 << host_bits) - 1;

			if (host_bits == 127)
				more = ~(wide)0;
			if ((from & more) != 0 || to - from < more)
				break;
			host_bits++;
		}

		struct prefix prefix = {addr_of(from), (uint8_t)(128 - host_bits)};
		enum err err = list_tables_add(target->tables, &prefix, target->value);
		if (err != OK || host_bits == 128)
			return err;
		wide end = from + (((wide)1 << host_bits) - 1);
		if (end >= to)
			return OK;
		from = end + 1;
	}
}

/* "a - b" with or without blanks; an address has no dash. */
static enum err add_addresses(const struct list_target *target, struct bytes text)
{
	size_t dash = bytes_find(text, '-');
	struct prefix prefix;
	struct addr first, last;

	if (dash == text.len) {
		if (prefix_parse(text, false, &prefix) != OK)
			return ERR_ADDRESS;
		return list_tables_add(target->tables, &prefix, target->value);
	}
	if (addr_parse(bytes_trim(bytes_slice(text, 0, dash)), &first) != OK ||
	    addr_parse(bytes_trim(bytes_slice(text, dash + 1, text.len)), &last) != OK ||
	    addr_is_ip4(&first) != addr_is_ip4(&last) || wide_of(&first) > wide_of(&last))
		return ERR_RANGE;
	return add_range(target, &first, &last);
}

/* ".example.org", "example.org." and "EXAMPLE.ORG" are one domain. */
static enum err add_text(struct list_builder *b, const struct list_target *target,
                         struct bytes text, bool domain)
{
	uint8_t lower[LIST_TEXT_BYTES_MAX];

	if (domain && text.len > 0 && text.data[0] == '.')
		text = bytes_slice(text, 1, text.len);
	if (domain && text.len > 0 && text.data[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > sizeof(lower))
		return ERR_RANGE;
	for (size_t i = 0; i < text.len; i++) {
		if (domain && isspace(text.data[i]))
			return ERR_RANGE;
		lower[i] = bytes_lower(text.data[i]);
	}
	return list_tables_add_text(
	    target->tables, lists_text_key(target->kind, lower, text.len, b->salt), target->value);
}

static bool is_digest(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isxdigit(text.data[i]))
			return false;
	return text.len == 64;
}

enum err list_target_add(struct list_builder *b, const struct list_target *target,
                         struct bytes text)
{
	enum key_base base = base_of[target->kind];

	if (base == ADDRESS)
		return add_addresses(target, text);
	if (base == DIGEST && !is_digest(text))
		return ERR_RANGE;
	/* A whole URI would never match: its host is what is looked up. */
	if (target->kind == LIST_KEY_URI && bytes_find(text, '/') < text.len)
		return ERR_RANGE;
	return add_text(b, target, text, base == DOMAIN);
}

static struct bytes clean_line(const char *line, size_t len)
{
	struct bytes text = bytes_of(line, len);

	text = bytes_slice(text, 0, bytes_find(text, '#'));
	text = bytes_slice(text, 0, bytes_find(text, ';'));
	while (text.len > 0 && isspace(text.data[text.len - 1]))
		text.len--;
	return bytes_trim(text);
}

/* Cuts " until WHEN" off the end. False when WHEN is no time. */
static bool cut_until(struct bytes *text, uint64_t *out_until_us)
{
	static const char word[] = " until ";
	const size_t word_bytes = sizeof(word) - 1;
	size_t at = text->len;

	*out_until_us = 0;
	while (at > 0 && !isspace(text->data[at - 1]))
		at--;
	if (at < word_bytes || memcmp(text->data + at - word_bytes, word, word_bytes) != 0)
		return true;
	struct bytes when = bytes_slice(*text, at, text->len);
	*text = bytes_trim(bytes_slice(*text, 0, at - word_bytes));
	return clock_parse_rfc3339(when, out_until_us);
}

static enum err take_line(struct list_builder *b, const struct list_target *target,
                          struct bytes text, const char *place, char *reason)
{
	uint64_t until_us;
	struct bytes key = text;
	enum err err;

	if (!cut_until(&key, &until_us)) {
		snprintf(reason, LIST_REASON_BYTES,
		         "%s: \"until\" wants a time: 2026-12-31 or 2026-12-31T18:00:00Z", place);
		return ERR_SYNTAX;
	}
	if (until_us != 0 && until_us <= b->wall_us)
		return OK;
	err = list_target_add(b, target, key);
	if (err == ERR_ADDRESS || err == ERR_RANGE) {
		snprintf(reason, LIST_REASON_BYTES, "%s: \"%.*s\" is %s", place,
		         (int)(key.len < 80 ? key.len : 80), (const char *)key.data,
		         wrong[base_of[target->kind]]);
		return ERR_SYNTAX;
	}
	if (err == OK && until_us != 0 && (b->next_expiry_us == 0 || until_us < b->next_expiry_us))
		b->next_expiry_us = until_us;
	return err;
}

/* One line without its end; false at the end of the file. Of a longer line LINE_BYTES_MAX octets.
 * A NUL is an octet like others: it must hide neither what follows it nor how long the line is. */
static bool read_line(FILE *file, char line[LINE_BYTES_MAX], size_t *out_len)
{
	size_t len = 0;
	int octet;

	while ((octet = getc_unlocked(file)) != EOF && octet != '\n')
		if (len < LINE_BYTES_MAX)
			line[len++] = (char)octet;
	*out_len = len;
	return octet != EOF || len > 0;
}

static enum err load_lines(struct list_builder *b, const struct list_target *target, FILE *file,
                           const char *path, char *reason)
{
	char line[LINE_BYTES_MAX], place[LIST_REASON_BYTES / 2 + 64];
	uint64_t number = 0;
	size_t len;

	while (read_line(file, line, &len)) {
		snprintf(place, sizeof(place), "%.250s:%llu", path, (unsigned long long)++number);
		if (len > LINE_BYTES_MAX - 2) {
			snprintf(reason, LIST_REASON_BYTES, "%s: the line is longer than %d octets",
			         place, LINE_BYTES_MAX - 2);
			return ERR_SYNTAX;
		}
		struct bytes text = clean_line(line, len);
		enum err err = text.len > 0 ? take_line(b, target, text, place, reason) : OK;
		if (err != OK)
			return err;
	}
	if (ferror(file) != 0) {
		snprintf(reason, LIST_REASON_BYTES, "%.300s: %s", path, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

static enum err load_file(struct list_builder *b, const struct list_target *target,
                          const char *path, char *reason)
{
	struct list_tables_mark mark;
	uint64_t next_expiry_us = b->next_expiry_us;
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		snprintf(reason, LIST_REASON_BYTES, "%.300s: %s", path, strerror(errno));
		return ERR_IO;
	}
	list_tables_mark(target->tables, &mark);
	enum err err = load_lines(b, target, file, path, reason);
	fclose(file);
	if (err != OK) {
		list_tables_roll_back(target->tables, &mark);
		b->next_expiry_us = next_expiry_us;
	}
	return err;
}

/* What list_target_…() answered, and then the file. */
static enum err load_into(struct list_builder *b, enum err err, const struct list_target *target,
                          const char *path, char *reason)
{
	reason[0] = '\0';
	if (err == OK)
		err = load_file(b, target, path, reason);
	if (err != OK && reason[0] == '\0')
		snprintf(reason, LIST_REASON_BYTES, "%.300s: %s", path, err_text(err));
	return err;
}

enum err list_builder_load(struct list_builder *builder, const char *list, enum list_action action,
                           const char *path, char *reason)
{
	struct list_target target;
	enum err err = list_target_policed(builder, list, action, &target);

	return load_into(builder, err, &target, path, reason);
}

enum err list_builder_score_load(struct list_builder *builder, const char *list, enum list_key kind,
                                 const char *path, char *reason)
{
	struct list_target target;
	enum err err = list_target_scored(builder, list, kind, &target);

	return load_into(builder, err, &target, path, reason);
}
