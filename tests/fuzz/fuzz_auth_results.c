/* fuzz_auth_results.c - fields that speak in our name, found in any octets cut anywhere, against
 * the plain definition; and a field of ours around anything others said, which must be found.
 *
 * Input: an octet of choices, one of the size of pieces, then a message; or texts, each behind its
 * length.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "smtp/auth_results.h"
#include "smtp/auth_results_find.h"
#include "tests/fuzz/field_lines.h"

#define FIELDS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bytes ids[] = {{(const uint8_t *)"mx.example", 10},
                                   {(const uint8_t *)"[192.0.2.1]", 11}};

struct found {
	struct auth_results_field item[FIELDS_MAX];
	uint32_t count;
};

static void add(struct found *found, uint64_t start, uint64_t end, bool malformed)
{
	if (found->count < FIELDS_MAX)
		found->item[found->count++] = (struct auth_results_field){start, end, malformed};
}

static void find_in_pieces(struct bytes message, size_t piece, struct found *out)
{
	struct auth_results_find find;
	struct auth_results_field field;

	out->count = 0;
	auth_results_find_init(&find, ids, 2);
	for (size_t at = 0; at < message.len && !find.ended; at += piece) {
		struct bytes input = bytes_slice(message, at, piece);

		while (auth_results_find_next(&find, &input, &field))
			add(out, field.start, field.end, field.malformed);
		ASSERT(input.len == 0 || find.ended);
	}
	if (auth_results_find_end(&find, &field))
		add(out, field.start, field.end, field.malformed);
}

/* ---- the plain definition ---- */

static bool is_blank(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

/* Behind the comment that begins at `at`; 0: it has no end, or nests too deeply. */
static size_t behind_comment(struct bytes value, size_t at)
{
	for (uint32_t depth = 0; at < value.len; at++) {
		if (value.data[at] == '\\') {
			at++;
		} else if (value.data[at] == '(') {
			if (++depth > 64)
				return 0;
		} else if (value.data[at] == ')' && --depth == 0) {
			return at + 1;
		}
	}
	return 0;
}

enum claim { CLAIMS_OTHER, CLAIMS_OURS, CLAIMS_NOTHING };

/* `value` unfolded: line ends are gone, but one that ends a name. */
static enum claim claim_of(struct bytes value)
{
	uint8_t *name = malloc(value.len + 1);
	size_t len = 0, at = 0;
	bool begun = false, over = false, broken = false;

	ASSERT(name != NULL);
	while (at < value.len && !over && !broken) {
		uint8_t octet = value.data[at];

		if (octet == '(') {
			at = behind_comment(value, at);
			broken = at == 0;
			continue;
		}
		at++;
		if (octet == '"') {
			for (; at < value.len && value.data[at] != '"'; at++) {
				at += value.data[at] == '\\';
				if (at < value.len && value.data[at] != '\r' &&
				    value.data[at] != '\n')
					name[len++] = value.data[at];
				else if (at < value.len && value.data[at - 1] == '\\')
					name[len++] = value.data[at];
			}
			broken = at >= value.len;
			at++;
			begun = true;
		} else if (octet == ';') {
			over = begun;
			broken = !begun;
		} else if (is_blank(octet) || octet == '\r' || octet == '\n') {
			over = begun;
		} else {
			name[len++] = octet;
			begun = true;
		}
	}
	broken |= !begun;
	bool ours = bytes_equal_nocase(bytes_of(name, len), ids[0]) ||
	            bytes_equal_nocase(bytes_of(name, len), ids[1]);
	free(name);
	return broken ? CLAIMS_NOTHING : ours ? CLAIMS_OURS : CLAIMS_OTHER;
}

/* The line at `at`, without a stuffed dot; *out_next is the one behind it. */
static struct bytes line_at(struct bytes message, size_t at, size_t *out_next)
{
	struct bytes rest = bytes_slice(message, at, message.len);
	struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n') + 1);

	*out_next = at + line.len;
	return line.len > 0 && line.data[0] == '.' ? bytes_slice(line, 1, line.len) : line;
}

static bool is_results_field(struct bytes line, size_t *out_value)
{
	static const struct bytes name = {(const uint8_t *)"Authentication-Results", 22};
	size_t at = name.len;

	if (!bytes_starts_nocase(line, name))
		return false;
	while (at < line.len && is_blank(line.data[at]))
		at++;
	*out_value = at + 1;
	return at < line.len && line.data[at] == ':';
}

static void find_plainly(struct bytes message, struct found *out)
{
	uint8_t *value = malloc(message.len + 1);
	size_t at = 0, next;

	ASSERT(value != NULL);
	out->count = 0;
	while (at < message.len) {
		struct bytes line = line_at(message, at, &next);
		size_t start = at, from, len;

		if (bytes_equal(line, BYTES("\r\n")))
			break;
		at = next;
		if (line.len == 0 || !is_results_field(line, &from))
			continue;
		len = line.len - from;
		memcpy(value, line.data + from, len);
		while (at < message.len) {
			line = line_at(message, at, &next);
			/* A line of LF alone, or a dot at the end, decides nothing. */
			if (line.len > 0 && !is_blank(line.data[0]) && line.data[0] != '\n')
				break;
			if (line.len == 0 && at + 1 == message.len)
				break;
			if (is_blank(line.len > 0 ? line.data[0] : ' ')) {
				memcpy(value + len, line.data, line.len);
				len += line.len;
			}
			at = next;
		}
		enum claim claim = claim_of(bytes_of(value, len));
		if (claim != CLAIMS_OTHER)
			add(out, start, at, claim == CLAIMS_NOTHING);
	}
	free(value);
}

/* ---- a field of ours ---- */

static struct bytes take(struct bytes *rest)
{
	if (rest->len == 0)
		return bytes_of(NULL, 0);
	struct bytes text = bytes_slice(*rest, 1, rest->data[0]);
	*rest = bytes_slice(*rest, 1 + text.len, rest->len);
	return text;
}

/* All lines but the first go on with it. */
static void check_one_field(struct bytes text)
{
	check_field_lines(text);
	for (size_t i = 1; i < text.len; i++)
		ASSERT(text.data[i - 1] != '\n' || text.data[i] == '\t');
}

static void write_and_find(struct bytes texts, bool small)
{
	static uint8_t memory[16384];
	static struct found found;
	struct auth_results_row rows[AUTH_RESULTS_ROWS_MAX];
	struct buf out = buf_over(memory, small && texts.len > 0 ? texts.data[0] * 4u : 16384);
	uint32_t count = 0;

	while (texts.len > 0 && count < AUTH_RESULTS_ROWS_MAX) {
		struct bytes comment = take(&texts), value = take(&texts), other = take(&texts);

		rows[count++] = (struct auth_results_row){
		    "spf", "pass", comment, {{"smtp.mailfrom", value}, {"smtp.helo", other}}};
	}
	for (uint32_t i = 0; i < 2; i++) {
		buf_clear(&out);
		out.overflow = false;
		if (!auth_results_write(ids[i], rows, count, &out)) {
			ASSERT(small && out.len == 0);
			continue;
		}
		check_one_field(buf_bytes(&out));
		find_in_pieces(buf_bytes(&out), 7, &found);
		ASSERT(found.count == 1 && !found.item[0].malformed);
		ASSERT(found.item[0].start == 0 && found.item[0].end == out.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found found, plain;

	if (size < 2)
		return 0;
	struct bytes rest = bytes_of(data + 2, size - 2);

	if ((data[0] & 1) != 0) {
		write_and_find(rest, (data[0] & 2) != 0);
		return 0;
	}
	find_in_pieces(rest, data[1] + 1u, &found);
	find_plainly(rest, &plain);
	ASSERT(found.count == plain.count);
	for (uint32_t i = 0; i < found.count; i++) {
		ASSERT(found.item[i].start == plain.item[i].start);
		ASSERT(found.item[i].end == plain.item[i].end);
		ASSERT(found.item[i].malformed == plain.item[i].malformed);
	}
	return 0;
}
