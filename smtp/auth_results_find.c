/* auth_results_find.c - Authentication-Results fields that speak in our name, found in a message.
 *
 * Two automata, one over lines and one over the value of such a field. Most lines are passed over
 * by a search for their end as soon as an octet of their name does not fit.
 */
#include "smtp/auth_results_find.h"

#include <assert.h>

#include "base/check.h"

#define DEPTH_MAX 64 /* of comments: no reader follows deeper ones */

static const char field_name[] = "authentication-results";
#define FIELD_NAME_BYTES (sizeof(field_name) - 1)

enum line_state {
	LINE_BEGINS,  /* before its first octet */
	LINE_STUFFED, /* behind a dot that unstuffing removes */
	LINE_CR,      /* behind a CR that began the line */
	LINE_NAME,    /* within what may be the field's name */
	LINE_COLON,   /* behind its name, before the colon */
	LINE_VALUE,   /* of such a field */
	LINE_OTHER    /* nothing of it matters but its end */
};

enum value_state {
	VALUE_BEFORE, /* the name of the server */
	VALUE_NAME,
	VALUE_STRING,
	VALUE_STRING_ESCAPE,
	VALUE_COMMENT,
	VALUE_COMMENT_ESCAPE,
	VALUE_KNOWN /* the name has been read */
};

enum verdict { VERDICT_NONE, VERDICT_OPEN, VERDICT_OTHER, VERDICT_OURS, VERDICT_MALFORMED };

static_assert(FIELD_NAME_BYTES < UINT8_MAX, "name_len counts it");
static_assert(SMTP_DOMAIN_BYTES_MAX < UINT16_MAX, "id_len counts it");

void auth_results_find_init(struct auth_results_find *find, const struct bytes *ids,
                            uint32_t id_count)
{
	*find = (struct auth_results_find){.ids = ids, .id_count = id_count};
}

static bool is_blank(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

/* ---- the value ---- */

static void judge_name(struct auth_results_find *find)
{
	struct bytes id = bytes_of(find->id, find->id_len);

	find->value_state = VALUE_KNOWN;
	find->verdict = VERDICT_OTHER;
	for (uint32_t i = 0; i < find->id_count; i++)
		if (bytes_equal_nocase(id, find->ids[i]))
			find->verdict = VERDICT_OURS;
}

/* A name that does not fit is none of ours, whose names fit. */
static void add_octet(struct auth_results_find *find, uint8_t octet)
{
	if (find->id_len < sizeof(find->id))
		find->id[find->id_len++] = octet;
}

static void begin_comment(struct auth_results_find *find)
{
	find->resume_state = find->value_state;
	find->value_state = VALUE_COMMENT;
	find->depth = 1;
}

static void comment_octet(struct auth_results_find *find, uint8_t octet)
{
	if (octet == '\\') {
		find->value_state = VALUE_COMMENT_ESCAPE;
	} else if (octet == '(' && find->depth == DEPTH_MAX) {
		find->value_state = VALUE_KNOWN;
		find->verdict = VERDICT_MALFORMED;
	} else if (octet == '(') {
		find->depth++;
	} else if (octet == ')' && --find->depth == 0) {
		find->value_state = find->resume_state;
	}
}

static void name_octet(struct auth_results_find *find, uint8_t octet)
{
	bool begun = find->value_state == VALUE_NAME;

	if (octet == '(') { /* within a name, too: there are readers that drop comments first */
		begin_comment(find);
	} else if (octet == ';' && !begun) {
		find->value_state = VALUE_KNOWN;
		find->verdict = VERDICT_MALFORMED;
	} else if (octet == ';' || (begun && (is_blank(octet) || octet == '\r' || octet == '\n'))) {
		judge_name(find);
	} else if (octet == '"') {
		find->value_state = VALUE_STRING;
	} else if (!is_blank(octet) && octet != '\r' && octet != '\n') {
		find->value_state = VALUE_NAME;
		add_octet(find, octet);
	}
}

static void string_octet(struct auth_results_find *find, uint8_t octet)
{
	if (octet == '\\')
		find->value_state = VALUE_STRING_ESCAPE;
	else if (octet == '"')
		find->value_state = VALUE_NAME;
	else if (octet != '\r' && octet != '\n') /* RFC 5322 2.2.3: a fold is its blank */
		add_octet(find, octet);
}

static void value_octet(struct auth_results_find *find, uint8_t octet)
{
	switch ((enum value_state)find->value_state) {
	case VALUE_BEFORE:
	case VALUE_NAME:
		name_octet(find, octet);
		break;
	case VALUE_STRING:
		string_octet(find, octet);
		break;
	case VALUE_STRING_ESCAPE:
		add_octet(find, octet);
		find->value_state = VALUE_STRING;
		break;
	case VALUE_COMMENT:
		comment_octet(find, octet);
		break;
	case VALUE_COMMENT_ESCAPE:
		find->value_state = VALUE_COMMENT;
		break;
	case VALUE_KNOWN:
		break;
	}
}

/* ---- lines ---- */

/* The field before the current line is over. True: it is one, told once. */
static bool field_over(struct auth_results_find *find, uint64_t end,
                       struct auth_results_field *out_field)
{
	enum verdict verdict = (enum verdict)find->verdict;

	if (verdict == VERDICT_OPEN && find->value_state == VALUE_NAME) {
		judge_name(find);
		verdict = (enum verdict)find->verdict;
	} else if (verdict == VERDICT_OPEN) {
		verdict = VERDICT_MALFORMED;
	}
	find->verdict = VERDICT_NONE;
	if (verdict != VERDICT_OURS && verdict != VERDICT_MALFORMED)
		return false;
	*out_field = (struct auth_results_field){find->field_start, end,
	                                         verdict == VERDICT_MALFORMED};
	return true;
}

static void begin_value(struct auth_results_find *find)
{
	find->field_start = find->line_start;
	find->line_state = LINE_VALUE;
	find->value_state = VALUE_BEFORE;
	find->verdict = VERDICT_OPEN;
	find->id_len = 0;
}

/* The first octet of a line that no blank begins, once the field before it is over. */
static void begin_line(struct auth_results_find *find, uint8_t octet)
{
	if (octet == '\r') {
		find->line_state = LINE_CR;
	} else if (bytes_lower(octet) == (uint8_t)field_name[0]) {
		find->line_state = LINE_NAME;
		find->name_len = 1;
	} else {
		find->line_state = LINE_OTHER;
	}
}

static void name_of_line(struct auth_results_find *find, uint8_t octet)
{
	if (find->name_len < FIELD_NAME_BYTES &&
	    bytes_lower(octet) == (uint8_t)field_name[find->name_len])
		find->name_len++;
	else if (find->name_len == FIELD_NAME_BYTES && octet == ':')
		begin_value(find);
	else if (find->name_len == FIELD_NAME_BYTES && is_blank(octet))
		find->line_state = LINE_COLON;
	else
		find->line_state = LINE_OTHER;
}

static void octet_of_line(struct auth_results_find *find, uint8_t octet)
{
	switch ((enum line_state)find->line_state) {
	case LINE_CR:
		find->ended = octet == '\n';
		find->line_state = LINE_OTHER;
		break;
	case LINE_NAME:
		name_of_line(find, octet);
		break;
	case LINE_COLON:
		if (octet == ':')
			begin_value(find);
		else if (!is_blank(octet))
			find->line_state = LINE_OTHER;
		break;
	case LINE_VALUE:
		value_octet(find, octet);
		if (find->value_state == VALUE_KNOWN)
			find->line_state = LINE_OTHER;
		break;
	case LINE_BEGINS:
	case LINE_STUFFED:
	case LINE_OTHER:
		break;
	}
	if (octet == '\n') {
		find->line_state = LINE_BEGINS;
		find->line_start = find->at;
	}
}

static bool at_line_start(const struct auth_results_find *find)
{
	return find->line_state == LINE_BEGINS || find->line_state == LINE_STUFFED;
}

/* The octet is the line's first, but for a dot that was put before it. True: it ends a field, and
 * has not been used. */
static bool first_octet(struct auth_results_find *find, uint8_t octet,
                        struct auth_results_field *out_field)
{
	if (octet == '.' && find->line_state == LINE_BEGINS) {
		find->line_state = LINE_STUFFED;
		return false;
	}
	if (octet == '\n') { /* is refused with its message; ends nothing here */
		find->line_state = LINE_BEGINS;
		find->line_start = find->at + 1;
		return false;
	}
	if (is_blank(octet)) { /* the line before goes on */
		find->line_state = find->verdict == VERDICT_OPEN ? LINE_VALUE : LINE_OTHER;
		if (find->verdict == VERDICT_OPEN)
			value_octet(find, octet);
		return false;
	}
	if (field_over(find, find->line_start, out_field))
		return true;
	begin_line(find, octet);
	return false;
}

bool auth_results_find_next(struct auth_results_find *find, struct bytes *input,
                            struct auth_results_field *out_field)
{
	const uint8_t *data = input->data;
	size_t i = 0;
	bool found = false;

	while (i < input->len && !find->ended) {
		if (at_line_start(find)) {
			found = first_octet(find, data[i], out_field);
			if (found)
				break;
			i++;
			find->at++;
			continue;
		}
		if (find->line_state == LINE_OTHER) {
			size_t skip = bytes_find(bytes_of(data + i, input->len - i), '\n');

			i += skip;
			find->at += skip;
			if (i == input->len)
				break;
		}
		find->at++;
		octet_of_line(find, data[i++]);
	}
	*input = bytes_slice(*input, i, input->len);
	return found;
}

bool auth_results_find_end(struct auth_results_find *find, struct auth_results_field *out_field)
{
	if (find->ended)
		return false;
	find->ended = true;
	return field_over(find, at_line_start(find) ? find->line_start : find->at, out_field);
}
