/* mime.c - the tree of parts of one message. */
#include "smtp/mime.h"

#include "base/check.h"
#include "smtp/decode.h"
#include "smtp/normalise.h"
#include "smtp/octets.h"

#define DEFECT_SET(tree, name) ((tree)->defects |= UINT64_C(1) << DEFECT_BIT_##name)
/* What rules know of; the header of a message inside is not among it, its parts are. */
#define DEFECT_SET_OWN(tree, name) ((tree)->own_defects |= UINT64_C(1) << DEFECT_BIT_##name)

/* A multipart being walked through. */
struct frame {
	struct bytes rest, boundary;
	uint32_t part;
	uint32_t child_count;
	bool inner_same; /* a child declared the same boundary: its closing line is not ours */
	bool opened;
};

/* Levels: each multipart and each message inside takes one of MIME_DEPTH_MAX; a message and its
 * multipart two. */
#define STACK_MAX (MIME_DEPTH_MAX + 2)

struct walk {
	struct mime_tree *tree;
	struct frame frame[STACK_MAX];
	unsigned depth;
};

bool mime_is_type(const struct mime_part *part, const char *type)
{
	return strcmp(part->type, type) == 0;
}

bool mime_type_starts(const struct mime_part *part, const char *prefix)
{
	return strncmp(part->type, prefix, strlen(prefix)) == 0;
}

static bool is_blank(struct bytes line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!header_is_space(line.data[i]))
			return false;
	return true;
}

static struct bytes first_line(struct bytes rest)
{
	size_t end = bytes_find(rest, '\n');

	return bytes_slice(rest, 0, end + (end < rest.len));
}

/* A run of blank lines being written. */
struct blank_run {
	uint32_t count;                        /* so far */
	uint32_t first;                        /* lines kept at its beginning */
	size_t kept_end;                       /* where they end */
	size_t line[MIME_BLANK_LINES_MAX - 1]; /* where the last lines begin, by number */
};

/* A blank line is about to be written at `write`. The very first line of a body does not count. */
static void blank_line(struct blank_run *run, size_t write)
{
	if (run->count == 0)
		run->first = write == 0 ? 2 : 1;
	if (run->count <= run->first)
		run->kept_end = write;
	run->line[run->count++ % (MIME_BLANK_LINES_MAX - 1)] = write;
}

/* The run ended at `write`: of more than MIME_BLANK_LINES_MAX lines those in the middle go. Returns
 * where to write on. */
static size_t blank_end(struct blank_run *run, uint8_t *out, size_t write)
{
	uint32_t count = run->count, first = run->first;

	run->count = 0;
	if (count <= first + MIME_BLANK_LINES_MAX - 1)
		return write;
	size_t last = run->line[count % (MIME_BLANK_LINES_MAX - 1)];
	memmove(out + run->kept_end, out + last, write - last);
	return run->kept_end + (write - last);
}

/* `in` with LF line ends (when it had CRLF) and at most MIME_BLANK_LINES_MAX blank lines in a row,
 * the first and the last ones. `out` holds in.len octets and may be in.data. *out_line_bytes_max:
 * the longest line, its LF included. */
static size_t body_prepare(struct bytes in, bool crlf, uint8_t *out, uint32_t *out_line_bytes_max)
{
	struct blank_run run = {.count = 0};
	size_t write = 0, line_bytes_max = 0;

	for (size_t at = 0; at < in.len;) {
		if (header_is_space(in.data[at]) &&
		    is_blank(first_line(bytes_slice(in, at, SIZE_MAX))))
			blank_line(&run, write);
		else if (run.count > 0)
			write = blank_end(&run, out, write);
		size_t start = write, end = octets_copy_line(in, at, out + write);

		write += end - at;
		at = end;
		if (crlf && write - start >= 2 && out[write - 2] == '\r' && out[write - 1] == '\n')
			out[--write - 1] = '\n';
		if (write - start > line_bytes_max)
			line_bytes_max = write - start;
	}
	write = blank_end(&run, out, write);
	*out_line_bytes_max = (uint32_t)line_bytes_max;
	return write;
}

static uint8_t *scratch_take(struct mime_tree *tree, size_t bytes)
{
	struct sink *scratch = &tree->scratch;

	if (scratch->bytes_max - scratch->len < bytes) {
		DEFECT_SET(tree, SCRATCH_FULL);
		return NULL;
	}
	scratch->len += bytes;
	return scratch->data + scratch->len - bytes;
}

static bool has_long_line(struct bytes b)
{
	while (b.len > MIME_LINE_BYTES_MAX) {
		size_t end = bytes_find(b, '\n');

		if (end + 1 > MIME_LINE_BYTES_MAX)
			return true;
		b = bytes_slice(b, end + 1, SIZE_MAX);
	}
	return false;
}

/* Each line beyond MIME_LINE_BYTES_MAX octets is broken behind as many, once for every multipart
 * around it. */
static struct bytes break_lines(struct mime_tree *tree, struct bytes in, unsigned multipart_depth)
{
	if (multipart_depth == 0 || !has_long_line(in))
		return in;
	uint8_t *out = scratch_take(tree,
	                            in.len + (in.len / MIME_LINE_BYTES_MAX + 1) * multipart_depth);
	size_t write = 0;

	if (out == NULL)
		return in;
	while (in.len > 0) {
		size_t len = bytes_find(in, '\n');

		len += len < in.len;
		struct bytes line = bytes_slice(in, 0, len);
		in = bytes_slice(in, len, SIZE_MAX);
		while (line.len > MIME_LINE_BYTES_MAX) {
			memcpy(out + write, line.data, MIME_LINE_BYTES_MAX);
			write += MIME_LINE_BYTES_MAX;
			memset(out + write, '\n', multipart_depth);
			write += multipart_depth;
			line = bytes_slice(line, MIME_LINE_BYTES_MAX, SIZE_MAX);
		}
		memcpy(out + write, line.data, line.len);
		write += line.len;
	}
	return bytes_of(out, write);
}

bool mime_decode(struct mime_tree *tree, const struct mime_part *part, struct bytes *out_octets)
{
	struct bytes in = part->content;

	*out_octets = bytes_of(NULL, 0);
	if (part->encoding != MIME_BASE64)
		in = break_lines(tree, in, part->multipart_depth);
	if (part->encoding == MIME_IDENTITY) {
		*out_octets = in;
		return true;
	}
	size_t room = part->encoding == MIME_BASE64 ? DECODE_BASE64_BYTES(in.len) : in.len;
	uint8_t *out = scratch_take(tree, room);
	if (out == NULL)
		return false;
	size_t len;
	if (part->encoding == MIME_QUOTED_PRINTABLE) {
		len = decode_quoted_printable(in, out);
	} else {
		len = decode_base64(in, out);
		if (mime_type_starts(part, "text") || mime_type_starts(part, "message"))
			len = decode_crlf_to_lf(out, len);
	}
	tree->scratch.len -= room - len;
	*out_octets = bytes_of(out, len);
	return true;
}

struct bytes mime_part_value(struct mime_tree *tree, const struct mime_part *part, const char *name)
{
	uint32_t index = header_last_of(tree->headers, bytes_text(name), part->first_field,
	                                part->field_count);

	return index == HEADER_NONE ? bytes_of(NULL, 0) : header_decoded(tree->headers, index);
}

/* A file name from Content-Disposition: what follows "name=" up to a quote or semicolon. */
static struct bytes disposition_name(struct bytes value)
{
	for (size_t i = 0; i + 4 < value.len; i++) {
		if (!bytes_starts_nocase(bytes_slice(value, i, 4), BYTES("name")))
			continue;
		size_t at = i + 4;
		if (at < value.len && value.data[at] == '=') {
			at++;
			while (at < value.len && header_is_space(value.data[at]))
				at++;
			at += at < value.len && value.data[at] == '"';
			size_t end = at;
			while (end < value.len && value.data[end] != '"' && value.data[end] != ';')
				end++;
			if (end > at)
				return bytes_slice(value, at, end - at);
		}
	}
	return bytes_of(NULL, 0);
}

static bool name_is_html(struct bytes name)
{
	static const char *const endings[] = {".htm", ".html", ".shtm", ".shtml"};

	for (unsigned i = 0; i < 4; i++) {
		struct bytes ending = bytes_text(endings[i]);

		if (name.len >= ending.len &&
		    bytes_equal_nocase(bytes_slice(name, name.len - ending.len, SIZE_MAX), ending))
			return true;
	}
	return false;
}

/* What the fields of a part say about it. */
static void part_describe(struct mime_tree *tree, struct mime_part *part)
{
	struct content_type type;

	content_type_parse(mime_part_value(tree, part, "content-type"), &type);
	memcpy(part->type, type.type, sizeof(part->type));
	memcpy(part->declared_type, type.type, sizeof(part->declared_type));
	part->boundary = type.boundary;
	part->charset = type.charset;
	part->name = type.name;
	part->type_missing = type.missing;
}

/* A part that is no multipart: what is needed to decode it. */
static void part_make_leaf(struct mime_tree *tree, struct mime_part *part)
{
	struct bytes encoding = mime_part_value(tree, part, "content-transfer-encoding");
	struct bytes name = disposition_name(mime_part_value(tree, part, "content-disposition"));

	if (name.len > 0)
		part->name = name;
	if (!part->type_missing && mime_type_starts(part, "multipart/") && part->boundary.len == 0)
		memcpy(part->type, "text/plain", sizeof("text/plain"));
	part->encoding = bytes_equal_nocase(encoding, BYTES("quoted-printable"))
	                     ? MIME_QUOTED_PRINTABLE
	                 : bytes_equal_nocase(encoding, BYTES("base64")) ? MIME_BASE64
	                                                                 : MIME_IDENTITY;
	part->is_leaf = true;
	part->is_html = mime_is_type(part, "text/html") || name_is_html(part->name);
}

static struct mime_part *part_new(struct mime_tree *tree, uint32_t parent)
{
	if (tree->count == MIME_PARTS_MAX) {
		DEFECT_SET(tree, PARTS_LEFT_OUT);
		return NULL;
	}
	struct mime_part *part = &tree->part[tree->count++];
	*part = (struct mime_part){.parent = parent, .first_field = tree->headers->count};
	return part;
}

/* 0: not a boundary line of `frame`, 1: one between parts, 2: the last. */
static int boundary_kind(const struct frame *frame, struct bytes line)
{
	if (line.len < 2 + frame->boundary.len || line.data[0] != '-' || line.data[1] != '-')
		return 0;
	if (memcmp(line.data + 2, frame->boundary.data, frame->boundary.len) != 0)
		return 0;
	struct bytes tail = bytes_slice(line, 2 + frame->boundary.len, SIZE_MAX);
	if (is_blank(tail))
		return 1;
	if (tail.len >= 2 && tail.data[0] == '-' && tail.data[1] == '-' &&
	    is_blank(bytes_slice(tail, 2, SIZE_MAX)))
		return 2;
	return 0;
}

static void check_part_header(struct mime_tree *tree, struct bytes rest)
{
	size_t colon;
	size_t len = rest.len == 0 ? 0 : header_name_len(first_line(rest), &colon);

	if (rest.len > 0 && (len == 0 || colon != len))
		DEFECT_SET_OWN(tree, PART_NO_HEADER);
}

/* Skips the preamble; without an opening line everything is taken for parts. */
static void frame_open(struct mime_tree *tree, struct frame *frame)
{
	struct bytes rest = frame->rest;

	while (rest.len > 0) {
		struct bytes line = first_line(rest);

		rest = bytes_slice(rest, line.len, SIZE_MAX);
		if (boundary_kind(frame, line) == 1) {
			frame->rest = rest;
			frame->opened = true;
			check_part_header(tree, rest);
			return;
		}
	}
}

/* One field of a part; the blanks behind the colon do not belong to the value. */
static void part_field(struct mime_tree *tree, struct bytes lines)
{
	size_t colon = bytes_find(lines, ':');
	struct bytes value = bytes_slice(lines, colon + 1, SIZE_MAX);

	while (value.len > 0 && header_is_space(value.data[0]))
		value = bytes_slice(value, 1, SIZE_MAX);
	header_add(tree->headers, bytes_slice(lines, 0, colon), value);
}

/* Where the header of a part stands while its lines go by. */
struct part_header {
	const uint8_t *field; /* the field being collected, or NULL */
	bool ended;
};

/* True when `line` belongs to the header (the empty line behind it included). */
static bool part_header_line(struct mime_tree *tree, struct frame *frame, struct mime_part *part,
                             struct part_header *header, struct bytes line)
{
	size_t colon;
	bool begins = header_name_len(line, &colon) > 0;

	if (!begins && header->field != NULL && (line.data[0] == ' ' || line.data[0] == '\t'))
		return true;
	if (header->field != NULL) {
		struct bytes lines = bytes_of(header->field, (size_t)(line.data - header->field));

		part_field(tree, lines);
		part->field_count = tree->headers->count - part->first_field;
		if (!begins && bytes_starts_nocase(lines, BYTES("content-type:"))) {
			struct content_type type;

			content_type_parse(mime_part_value(tree, part, "content-type"), &type);
			if (type.boundary.len > 0 && bytes_equal(type.boundary, frame->boundary))
				frame->inner_same = true;
		}
	}
	header->field = begins ? line.data : NULL;
	if (begins)
		return true;
	header->ended = true;
	if (bytes_equal(line, BYTES("\n")) || bytes_equal(line, BYTES("\r\n")))
		return true;
	DEFECT_SET_OWN(tree, PART_NO_SEPARATOR);
	return false;
}

/* Whether `line` ends a part of `frame`: as boundary_kind, minding an inner multipart of the same
 * boundary. */
static int frame_boundary(struct frame *frame, struct bytes line)
{
	int kind = boundary_kind(frame, line);

	if (kind != 0 && frame->inner_same) {
		if (kind == 2)
			frame->inner_same = false;
		return 0;
	}
	return kind;
}

/* One encoded line of a part; longer ones are broken. */
static void part_line(struct mime_part *part, size_t len)
{
	if (len > MIME_LINE_BYTES_MAX)
		len = MIME_LINE_BYTES_MAX + 1;
	if (len > part->line_bytes_max)
		part->line_bytes_max = (uint32_t)len;
}

/* The next part of `frame`, header and content; NULL when there is none. */
static struct mime_part *frame_next(struct mime_tree *tree, struct frame *frame)
{
	if (frame->rest.len == 0)
		return NULL;
	struct mime_part *part = part_new(tree, frame->part);
	if (part == NULL) {
		frame->rest.len = 0;
		return NULL;
	}
	struct part_header header = {NULL, false};
	const uint8_t *start = NULL, *end = NULL;
	size_t line_len = 0;
	int kind = 0;

	while (end == NULL) {
		struct bytes line = first_line(frame->rest);
		bool last = line.len == frame->rest.len;

		frame->rest = bytes_slice(frame->rest, line.len, SIZE_MAX);
		kind = frame_boundary(frame, line);
		if (kind != 0) {
			end = line.data;
			if (start != NULL && end > start && end[-1] == '\n') {
				end--;
				line_len--;
			}
			part_line(part, line_len);
			break;
		}
		part_line(part, line_len);
		line_len = start != NULL || last ? line.len : 0;
		if (last)
			part_line(part, line_len);
		if (last) {
			if (start == NULL)
				start = line.data;
			end = line.data + line.len;
		} else if (!header.ended) {
			bool taken = part_header_line(tree, frame, part, &header, line);

			if (header.ended)
				start = taken ? line.data + line.len : line.data;
		}
	}
	part->content = start == NULL || start >= end ? bytes_of(end, 0)
	                                              : bytes_of(start, (size_t)(end - start));
	if (kind == 1)
		check_part_header(tree, frame->rest);
	if (kind == 0 && frame->opened)
		DEFECT_SET(tree, NO_END_BOUNDARY);
	if (kind == 2) {
		for (size_t i = 0; i < frame->rest.len; i++)
			if (!header_is_space(frame->rest.data[i]) && frame->rest.data[i] != '.')
				DEFECT_SET_OWN(tree, EPILOGUE);
		frame->rest.len = 0;
	}
	return part;
}

static void walk_push(struct walk *walk, struct mime_part *part)
{
	struct frame *frame = &walk->frame[walk->depth++];

	ASSERT(walk->depth <= STACK_MAX);
	*frame = (struct frame){.rest = part->content,
	                        .boundary = part->boundary,
	                        .part = (uint32_t)(part - walk->tree->part)};
	frame_open(walk->tree, frame);
}

/* A multipart whose first line is neither blank nor begins as a boundary gets a line end in front,
 * so that the line is not taken for a field of a part. */
static bool wants_blank_line(const struct mime_part *part)
{
	struct bytes line = first_line(part->content), boundary = part->boundary;

	if (!mime_type_starts(part, "multipart/") || line.len == part->content.len ||
	    is_blank(line))
		return false;
	return boundary.len == 0 || line.len < 2 + boundary.len || line.data[0] != '-' ||
	       line.data[1] != '-' || memcmp(line.data + 2, boundary.data, boundary.len) != 0;
}

/* The message inside a message/rfc822 part as a part of its own; NULL when there is none. */
static struct mime_part *open_message(struct mime_tree *tree, struct mime_part *outer)
{
	struct bytes inside;
	bool no_separator;

	if (!mime_decode(tree, outer, &inside) || inside.len == 0)
		return NULL;
	struct mime_part *part = part_new(tree, (uint32_t)(outer - tree->part));
	if (part == NULL)
		return NULL;
	outer->is_leaf = false;
	bool crlf = header_lines_are_crlf(inside);
	if (bytes_starts_nocase(inside, BYTES("From ")) && inside.data[0] == 'F')
		inside = bytes_slice(inside, first_line(inside).len, SIZE_MAX);
	size_t body = header_split(tree->headers, inside, crlf, false, &no_separator);
	if (no_separator)
		DEFECT_SET(tree, NO_SEPARATOR);
	part->field_count = tree->headers->count - part->first_field;
	part->multipart_depth = outer->multipart_depth;
	part->depth_left = (uint8_t)(outer->depth_left - 1);
	/* The octets lie in scratch, which is ours to write to: preparing only moves them down. */
	uint8_t *data = tree->scratch.data + (inside.data - tree->scratch.data) + body;
	part->content = bytes_of(data, body_prepare(bytes_slice(inside, body, SIZE_MAX), crlf, data,
	                                            &part->line_bytes_max));
	part_describe(tree, part);
	/* The header in front ends with a line end. */
	if (body > 0 && wants_blank_line(part))
		part->content = bytes_of(data - 1, part->content.len + 1);
	return part;
}

/* Decides what `part` is: a multipart to walk through, a leaf, or a message with a part of its own
 * inside. */
static void part_open(struct walk *walk, struct mime_part *part)
{
	struct mime_tree *tree = walk->tree;

	while (part != NULL) {
		if (mime_type_starts(part, "multipart/") && part->boundary.len > 0) {
			if (part->depth_left > 0) {
				walk_push(walk, part);
				return;
			}
			DEFECT_SET(tree, NESTED_TOO_DEEP);
		}
		part_make_leaf(tree, part);
		if (!mime_is_type(part, "message/rfc822") && !mime_is_type(part, "message/global"))
			return;
		if (part->depth_left == 0) {
			DEFECT_SET(tree, NESTED_TOO_DEEP);
			return;
		}
		part = open_message(tree, part);
	}
}

static void walk_parts(struct walk *walk)
{
	struct mime_tree *tree = walk->tree;

	while (walk->depth > 0) {
		struct frame *frame = &walk->frame[walk->depth - 1];
		struct mime_part *part = frame_next(tree, frame);

		if (part == NULL) {
			walk->depth--;
			continue;
		}
		const struct mime_part *parent = &tree->part[frame->part];
		part_describe(tree, part);
		if (part->type_missing && mime_is_type(parent, "multipart/digest"))
			memcpy(part->type, "message/rfc822", sizeof("message/rfc822"));
		if (part->boundary.len == 0)
			part->boundary = frame->boundary;
		part->multipart_depth = (uint8_t)(parent->multipart_depth + 1);
		part->depth_left = (uint8_t)(parent->depth_left - 1);
		part_open(walk, part);
	}
}

size_t mime_parse(struct mime_tree *tree, struct bytes message)
{
	bool no_separator;
	bool crlf = header_lines_are_crlf(message);

	tree->count = 0;
	tree->defects = tree->own_defects = 0;
	tree->scratch.len = 0;
	size_t body = header_split(tree->headers, message, crlf, true, &no_separator);
	header_end_message(tree->headers);
	struct mime_part *root = part_new(tree, 0);
	if (no_separator)
		DEFECT_SET_OWN(tree, NO_SEPARATOR);
	if (tree->headers->cut)
		DEFECT_SET_OWN(tree, HEADER_CUT);
	root->first_field = 0;
	root->field_count = tree->headers->count;
	root->depth_left = MIME_DEPTH_MAX;
	struct bytes rest = bytes_slice(message, body, SIZE_MAX);
	uint8_t *prepared = scratch_take(tree, rest.len + 1);
	if (prepared == NULL)
		return body;
	/* One octet is kept free in front, for wants_blank_line. */
	size_t len = body_prepare(rest, crlf, prepared + 1, &root->line_bytes_max);
	root->content = bytes_of(prepared + 1, len);
	part_describe(tree, root);
	if (wants_blank_line(root)) {
		prepared[0] = '\n';
		root->content = bytes_of(prepared, len + 1);
	}
	struct walk walk = {.tree = tree};
	part_open(&walk, root);
	walk_parts(&walk);
	tree->defects |= tree->own_defects;
	return body;
}
