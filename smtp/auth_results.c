/* auth_results.c - the Authentication-Results field we put above a message. */
#include "smtp/auth_results.h"

#include "base/check.h"
#include "base/limits.h"

#define COLUMNS_MAX 78 /* RFC 5322 2.1.1 */
/* A property with each octet of its value escaped, and a comment. */
#define PIECE_BYTES_MAX (2 * AUTH_RESULTS_VALUE_BYTES_MAX + 128)

static_assert(PIECE_BYTES_MAX < 998, "a piece fits into a line of RFC 5322 2.1.1");
static_assert(SMTP_PATH_BYTES_MAX <= AUTH_RESULTS_VALUE_BYTES_MAX, "any path is a value");

static bool is_printable(uint8_t octet)
{
	return octet >= ' ' && octet <= '~';
}

/* Octets of a dot-atom with at most one '@' (a value, or a mailbox, RFC 8601 2.2) that are no
 * tspecials of RFC 2045 5.1 either, so that both kinds of reader agree. */
static bool is_bare(struct bytes value)
{
	uint32_t at_count = 0;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t octet = value.data[i];
		bool plain = (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
		             (octet >= '0' && octet <= '9') ||
		             (octet != '\0' && strchr("._-+", octet) != NULL);

		at_count += octet == '@';
		if (!plain && octet != '@')
			return false;
	}
	return at_count == 0 ||
	       (at_count == 1 && value.data[0] != '@' && value.data[value.len - 1] != '@');
}

static void put_value(struct bytes value, struct buf *out)
{
	if (is_bare(value)) {
		buf_put(out, value);
		return;
	}
	buf_put_octet(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		uint8_t octet = value.data[i];

		if (octet == '"' || octet == '\\')
			buf_put_octet(out, '\\');
		buf_put_octet(out, is_printable(octet) ? octet : '?');
	}
	buf_put_octet(out, '"');
}

/* Nothing in it ends the comment or begins another. */
static void put_comment(struct bytes comment, struct buf *out)
{
	comment = bytes_slice(comment, 0, AUTH_RESULTS_COMMENT_BYTES_MAX);
	buf_put_octet(out, '(');
	for (size_t i = 0; i < comment.len; i++) {
		uint8_t octet = comment.data[i];
		bool plain = is_printable(octet) && octet != '(' && octet != ')' && octet != '\\';

		buf_put_octet(out, plain ? octet : '?');
	}
	buf_put_octet(out, ')');
}

/* One word of a row behind a space, or on the next line; `line` is where the current one began. */
static void put_piece(struct bytes piece, size_t *line, struct buf *out)
{
	if (out->len - *line + 1 + piece.len + 1 > COLUMNS_MAX) {
		buf_put_text(out, "\r\n\t");
		*line = out->len - 1;
	} else {
		buf_put_octet(out, ' ');
	}
	buf_put(out, piece);
}

static void put_row(const struct auth_results_row *row, size_t *line, struct buf *out)
{
	uint8_t memory[PIECE_BYTES_MAX];
	struct buf piece = buf_over(memory, sizeof(memory));

	buf_put_text(out, ";\r\n\t");
	*line = out->len - 1;
	buf_put_text(out, row->method);
	buf_put_octet(out, '=');
	buf_put_text(out, row->result);
	if (row->comment.len > 0) {
		put_comment(row->comment, &piece);
		put_piece(buf_bytes(&piece), line, out);
	}
	for (uint32_t i = 0; i < AUTH_RESULTS_PROPERTIES_MAX && row->property[i].name != NULL;
	     i++) {
		struct bytes value = row->property[i].value;

		if (value.len == 0 || value.len > AUTH_RESULTS_VALUE_BYTES_MAX)
			continue;
		buf_clear(&piece);
		buf_put_text(&piece, row->property[i].name);
		buf_put_octet(&piece, '=');
		put_value(value, &piece);
		ASSERT(!piece.overflow); /* names are ours */
		put_piece(buf_bytes(&piece), line, out);
	}
}

bool auth_results_write(struct bytes authserv_id, const struct auth_results_row *rows,
                        uint32_t row_count, struct buf *out)
{
	size_t start = out->len, line = start;

	ASSERT(authserv_id.len > 0);
	ASSERT(row_count <= AUTH_RESULTS_ROWS_MAX);
	buf_put_text(out, "Authentication-Results: ");
	put_value(authserv_id, out);
	if (row_count == 0)
		buf_put_text(out, "; none");
	for (uint32_t i = 0; i < row_count; i++)
		put_row(&rows[i], &line, out);
	buf_put_text(out, "\r\n");
	if (!out->overflow)
		return true;
	out->len = start;
	return false;
}
