/* rule_regex.c - a pattern as a tree, for finding what every match must contain. */
#include "classifier/rule_regex.h"

#include <ctype.h>

#define DEPTH_MAX  250
#define REPEAT_MAX 65535u

struct frame {
	uint32_t first, last;                        /* of the sequence being read */
	uint32_t choice_first, choice_last;          /* finished alternatives */
	bool caseless, dot_all, extended, multiline; /* to restore */
	bool assertion;
};

struct reader {
	struct rule_pool *pool;
	struct regex *regex;
	struct bytes text;
	size_t at;
	struct frame stack[DEPTH_MAX];
	uint32_t depth; /* of the innermost frame */
	bool caseless, dot_all, extended, multiline;
	bool failed;
};

uint32_t octets_count(const struct octets *set)
{
	uint32_t count = 0;

	for (int i = 0; i < 4; i++)
		count += (uint32_t)__builtin_popcountll(set->bit[i]);
	return count;
}

uint8_t octet_other_case(uint8_t octet)
{
	uint8_t low = octet & 0xdf;

	if ((low >= 'A' && low <= 'Z') || (low >= 0xc0 && low <= 0xde && low != 0xd7))
		return octet ^ 0x20;
	return octet;
}

static void add_range(struct octets *set, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		octets_add(set, (uint8_t)c);
}

static void invert(struct octets *set)
{
	for (int i = 0; i < 4; i++)
		set->bit[i] = ~set->bit[i];
}

static void add_set(struct octets *set, const struct octets *more)
{
	for (int i = 0; i < 4; i++)
		set->bit[i] |= more->bit[i];
}

static void add_both_cases(struct octets *set)
{
	struct octets before = *set;

	for (unsigned c = 0; c < 256; c++)
		if (octets_has(&before, (uint8_t)c))
			octets_add(set, octet_other_case((uint8_t)c));
}

static uint32_t new_node(struct reader *r, enum regex_kind kind)
{
	struct regex *regex = r->regex;

	if (regex->count == REGEX_NODES_MAX) {
		r->failed = true;
		return 0;
	}
	regex->node = rule_pool_grow(r->pool, regex->node, regex->count, &regex->room,
	                             sizeof(*regex->node));
	regex->node[regex->count] = (struct regex_node){.kind = kind};
	return regex->count++;
}

static void append(struct reader *r, uint32_t node)
{
	struct frame *frame = &r->stack[r->depth];

	if (frame->first == 0)
		frame->first = node + 1;
	else
		r->regex->node[frame->last - 1].next = node + 1;
	frame->last = node + 1;
}

static void append_octets(struct reader *r, struct octets set)
{
	if (r->caseless)
		add_both_cases(&set);

	uint32_t node = new_node(r, REGEX_OCTET);
	if (!r->failed) {
		r->regex->node[node].set = set;
		append(r, node);
	}
}

static void append_octet(struct reader *r, uint8_t octet)
{
	struct octets set = {{0}};

	octets_add(&set, octet);
	append_octets(r, set);
}

static void append_kind(struct reader *r, enum regex_kind kind)
{
	uint32_t node = new_node(r, kind);

	if (!r->failed)
		append(r, node);
}

static void append_start(struct reader *r, enum regex_start start)
{
	uint32_t node = new_node(r, REGEX_EMPTY);

	if (r->failed)
		return;
	r->regex->node[node].start = start;
	append(r, node);
}

static void append_anything(struct reader *r)
{
	r->regex->plain = false;
	append_kind(r, REGEX_ANYTHING);
}

/* Ends the sequence being read; it becomes one alternative of its frame. */
static void close_sequence(struct reader *r)
{
	struct frame *frame = &r->stack[r->depth];
	uint32_t node = new_node(r, REGEX_SEQUENCE);

	if (r->failed)
		return;
	r->regex->node[node].child = frame->first;
	if (frame->choice_first == 0)
		frame->choice_first = node + 1;
	else
		r->regex->node[frame->choice_last - 1].next = node + 1;
	frame->choice_last = node + 1;
	frame->first = frame->last = 0;
}

static void open_group(struct reader *r, bool assertion)
{
	if (r->depth + 1 == DEPTH_MAX) {
		r->failed = true;
		return;
	}
	r->stack[++r->depth] = (struct frame){.caseless = r->caseless,
	                                      .dot_all = r->dot_all,
	                                      .extended = r->extended,
	                                      .multiline = r->multiline,
	                                      .assertion = assertion};
}

static uint32_t close_choice(struct reader *r)
{
	close_sequence(r);

	uint32_t node = new_node(r, REGEX_CHOICE);
	if (!r->failed)
		r->regex->node[node].child = r->stack[r->depth].choice_first;
	return node;
}

static void close_group(struct reader *r)
{
	if (r->depth == 0) {
		r->failed = true;
		return;
	}

	uint32_t node = close_choice(r);
	const struct frame *frame = &r->stack[r->depth--];
	r->caseless = frame->caseless;
	r->dot_all = frame->dot_all;
	r->extended = frame->extended;
	r->multiline = frame->multiline;
	if (r->failed)
		return;
	if (frame->assertion)
		append_kind(r, REGEX_EMPTY);
	else
		append(r, node);
}

static uint8_t peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->text.len ? r->text.data[r->at + ahead] : 0;
}

static bool skip_past(struct reader *r, uint8_t octet)
{
	while (r->at < r->text.len)
		if (r->text.data[r->at++] == octet)
			return true;
	r->failed = true;
	return false;
}

/* Flags after "(?" up to ")" or ":"; the latter opens a group with them. */
static void read_flags(struct reader *r)
{
	bool caseless = r->caseless, dot_all = r->dot_all, extended = r->extended;
	bool multiline = r->multiline, on = true;

	for (; r->at < r->text.len; r->at++) {
		uint8_t c = r->text.data[r->at];

		if (c == '^')
			caseless = dot_all = extended = multiline = false;
		else if (c == '-')
			on = false;
		else if (c == 'i')
			caseless = on;
		else if (c == 's')
			dot_all = on;
		else if (c == 'x')
			extended = on;
		else if (c == 'm')
			multiline = on;
		else if (c != 'n')
			break;
	}

	uint8_t end = peek(r, 0);
	r->at++;
	if (end == ':')
		open_group(r, false);
	else if (end != ')')
		r->failed = true;
	r->caseless = caseless;
	r->dot_all = dot_all;
	r->extended = extended;
	r->multiline = multiline;
	r->regex->caseless |= caseless;
}

/* After "(?". */
static void read_special_group(struct reader *r)
{
	uint8_t c = peek(r, 0), d = peek(r, 1);

	if (c == '#') {
		skip_past(r, ')');
	} else if (c == '=' || c == '!') {
		r->at++;
		open_group(r, true);
	} else if (c == '<' && (d == '=' || d == '!')) {
		r->at += 2;
		open_group(r, true);
	} else if (c == '>') {
		r->at++;
		r->regex->plain = false;
		open_group(r, false);
	} else if (c == '<' || c == '\'' || (c == 'P' && d == '<')) {
		r->at += c == 'P' ? 2 : 1;
		if (skip_past(r, c == '\'' ? '\'' : '>'))
			open_group(r, false);
	} else if (islower(c) || c == '^' || c == '-' || c == ':') {
		read_flags(r);
	} else {
		r->failed = true; /* conditions, recursion, branch reset */
	}
}

static void class_word(struct octets *set)
{
	add_range(set, '0', '9');
	add_range(set, 'A', 'Z');
	add_range(set, 'a', 'z');
	octets_add(set, '_');
}

/* Sets named by one letter, in lower case positive, in upper case their complement. */
static bool class_letter(uint8_t letter, struct octets *out_set)
{
	struct octets set = {{0}};

	switch (letter | 0x20) {
	case 'd':
		add_range(&set, '0', '9');
		break;
	case 'w':
		class_word(&set);
		break;
	case 's':
		add_range(&set, '\t', '\r');
		octets_add(&set, ' ');
		break;
	case 'h':
		octets_add(&set, '\t');
		octets_add(&set, ' ');
		octets_add(&set, 0xa0);
		break;
	case 'v':
		add_range(&set, '\n', '\r');
		octets_add(&set, 0x85);
		break;
	default:
		return false;
	}
	if (letter < 'a')
		invert(&set);
	*out_set = set;
	return true;
}

static uint8_t read_hex(struct reader *r)
{
	bool braces = peek(r, 0) == '{';
	unsigned value = 0;

	r->at += braces;
	for (int digits = 0; isxdigit(peek(r, 0)) && (braces || digits < 2); digits++) {
		uint8_t c = r->text.data[r->at++];

		value = value * 16 + (unsigned)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
		if (value > 255) {
			r->failed = true;
			return 0;
		}
	}
	if (braces && peek(r, 0) != '}')
		r->failed = true;
	r->at += braces;
	return (uint8_t)value;
}

static uint8_t read_octal(struct reader *r, unsigned value)
{
	for (int digits = 0; digits < 2 && peek(r, 0) >= '0' && peek(r, 0) <= '7'; digits++)
		value = value * 8 + r->text.data[r->at++] - '0';
	return (uint8_t)value;
}

/* An escape that stands for one octet; false when it is something else. `c` follows the backslash.
 */
static bool escaped_octet(struct reader *r, uint8_t c, uint8_t *out_octet)
{
	static const char from[] = "tnrfea", to[] = "\t\n\r\f\033\a";
	const char *found;

	if (c == 'x')
		*out_octet = read_hex(r);
	else if (c == '0')
		*out_octet = read_octal(r, 0);
	else if (c != 0 && (found = strchr(from, c)) != NULL)
		*out_octet = (uint8_t)to[found - from];
	else if (c == 'c' && r->at < r->text.len)
		*out_octet = (uint8_t)(toupper(r->text.data[r->at++]) ^ 0x40);
	else if (!isalnum(c))
		*out_octet = c;
	else
		return false;
	return true;
}

static void read_backreference(struct reader *r, uint8_t c)
{
	if (isdigit(c)) {
		while (isdigit(peek(r, 0)))
			r->at++;
	} else if (peek(r, 0) == '{') {
		skip_past(r, '}');
	} else if (peek(r, 0) == '<' && c == 'k') {
		skip_past(r, '>');
	} else if (c == 'g' && (isdigit(peek(r, 0)) || peek(r, 0) == '-')) {
		r->at++;
		while (isdigit(peek(r, 0)))
			r->at++;
	} else {
		r->failed = true;
	}
	append_anything(r);
}

static void read_escape(struct reader *r)
{
	struct octets set = {{0}};
	uint8_t octet = 0;

	if (r->at == r->text.len) {
		r->failed = true;
		return;
	}

	uint8_t c = r->text.data[r->at++];
	if (class_letter(c, &set)) {
		append_octets(r, set);
	} else if (escaped_octet(r, c, &octet)) {
		append_octet(r, octet);
	} else if (c == 'N' && peek(r, 0) != '{') {
		octets_add(&set, '\n');
		invert(&set);
		append_octets(r, set);
	} else if (strchr("bBAzZG", c) != NULL) {
		append_start(r, c == 'A' ? START_TEXT : START_ANYWHERE);
	} else if (isdigit(c) || c == 'k' || c == 'g') {
		read_backreference(r, c);
	} else if (c == 'R') {
		append_anything(r);
	} else {
		r->failed = true; /* \K moves the match, \Q quotes, \p is Unicode's, ... */
	}
}

static bool posix_class(struct reader *r, struct octets *set)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {{"alpha", isalpha}, {"digit", isdigit},   {"alnum", isalnum},
	               {"upper", isupper}, {"lower", islower},   {"space", isspace},
	               {"blank", isblank}, {"punct", ispunct},   {"print", isprint},
	               {"graph", isgraph}, {"xdigit", isxdigit}, {"cntrl", iscntrl}};
	struct bytes rest = bytes_slice(r->text, r->at, r->text.len);
	size_t end = bytes_find(rest, ':');
	bool negated = rest.len > 0 && rest.data[0] == '^';
	struct bytes name = bytes_slice(rest, negated, end - negated);

	if (end + 1 >= rest.len || rest.data[end + 1] != ']')
		return false;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (!bytes_equal(name, bytes_text(classes[i].name)))
			continue;
		/* Upper and lower mean both when case does not count. */
		bool letters = r->caseless &&
		               (classes[i].is == isupper || classes[i].is == islower);
		for (int c = 0; c < 256; c++)
			if ((c < 128 && (letters ? isalpha(c) : classes[i].is(c)) != 0) != negated)
				octets_add(set, (uint8_t)c);
		r->at += end + 2;
		return true;
	}
	if (bytes_equal(name, BYTES("word")) && !negated) {
		class_word(set);
		r->at += end + 2;
		return true;
	}
	r->failed = true;
	return true;
}

/* One member of a class: an octet, which may begin a range, or a whole set (then false). */
static bool class_member(struct reader *r, struct octets *set, uint8_t *out_octet)
{
	struct octets letter;
	uint8_t c = r->text.data[r->at++];

	if (c == '[' && peek(r, 0) == ':') {
		r->at++;
		if (posix_class(r, set))
			return false;
		r->at--;
	}
	*out_octet = c;
	if (c != '\\' || r->at == r->text.len)
		return true;
	c = r->text.data[r->at++];
	if (class_letter(c, &letter)) {
		add_set(set, &letter);
		return false;
	}
	if (c == 'b') {
		*out_octet = '\b';
	} else if (c >= '1' && c <= '7') {
		*out_octet = read_octal(r, (unsigned)c - '0');
	} else if (!escaped_octet(r, c, out_octet)) {
		r->failed = true;
	}
	return true;
}

static void read_class(struct reader *r)
{
	struct octets set = {{0}};
	bool negated = peek(r, 0) == '^';
	bool first = true;

	r->at += negated;
	for (; !r->failed; first = false) {
		uint8_t from, to;

		if (r->at >= r->text.len) {
			r->failed = true;
			return;
		}
		if (r->text.data[r->at] == ']' && !first)
			break;
		if (!class_member(r, &set, &from))
			continue;
		if (peek(r, 0) != '-' || peek(r, 1) == ']' || r->at + 1 >= r->text.len) {
			octets_add(&set, from);
			continue;
		}
		r->at++;
		octets_add(&set, from);
		if (!class_member(r, &set, &to))
			octets_add(&set, '-'); /* [a-\d]: the dash is a member */
		else if (to < from)
			r->failed = true;
		else
			add_range(&set, from, to);
	}
	r->at++;
	if (r->caseless)
		add_both_cases(&set);
	if (negated)
		invert(&set);

	uint32_t node = new_node(r, REGEX_OCTET);
	if (!r->failed) {
		r->regex->node[node].set = set;
		append(r, node);
	}
}

static bool read_count(struct reader *r, uint32_t *out_count)
{
	uint32_t value = 0;

	if (!isdigit(peek(r, 0)))
		return false;
	while (isdigit(peek(r, 0)) && value <= REPEAT_MAX)
		value = value * 10 + (uint32_t)(r->text.data[r->at++] - '0');
	*out_count = value;
	return true;
}

/* "{n}", "{n,}", "{n,m}" after the brace; false, and nothing read, when it is plain text. */
static bool read_braces(struct reader *r, uint32_t *out_min, uint32_t *out_max)
{
	size_t before = r->at;

	if (read_count(r, out_min)) {
		*out_max = *out_min;
		if (peek(r, 0) == ',') {
			r->at++;
			if (!read_count(r, out_max))
				*out_max = REGEX_ENDLESS;
		}
		if (peek(r, 0) == '}') {
			r->at++;
			return true;
		}
	}
	r->at = before;
	return false;
}

/* Wraps the last node of the sequence. The wrapped one moves to a new place, its parent takes the
 * old one. */
static void repeat_last(struct reader *r, uint32_t min, uint32_t max)
{
	struct frame *frame = &r->stack[r->depth];
	uint32_t copy;

	if (peek(r, 0) == '+')
		r->regex->plain = false;
	if (peek(r, 0) == '?' || peek(r, 0) == '+')
		r->at++;
	if (frame->last == 0) {
		r->failed = true;
		return;
	}
	copy = new_node(r, REGEX_REPEAT);
	if (r->failed)
		return;

	/* The parent must come after its child: the new node is the parent, and takes the child's
	 * place in the list, which is its end. */
	struct regex_node *parent = &r->regex->node[copy];
	parent->min = min;
	parent->max = max;
	parent->child = frame->last;
	if (frame->first == frame->last) {
		frame->first = copy + 1;
	} else {
		uint32_t before = frame->first;

		while (r->regex->node[before - 1].next != frame->last)
			before = r->regex->node[before - 1].next;
		r->regex->node[before - 1].next = copy + 1;
	}
	frame->last = copy + 1;
}

static void skip_extended(struct reader *r, uint8_t c)
{
	if (c != '#')
		return;
	while (r->at < r->text.len && r->text.data[r->at++] != '\n')
		;
}

static void read_one(struct reader *r)
{
	uint8_t c = r->text.data[r->at++];
	uint32_t min, max;
	struct octets dot = {{~0ull, ~0ull, ~0ull, ~0ull}};

	if (r->extended && (c == '#' || (c >= '\t' && c <= '\r') || c == ' ')) {
		skip_extended(r, c);
	} else if (c == '(') {
		if (peek(r, 0) == '*') {
			r->failed = true; /* verbs */
		} else if (peek(r, 0) == '?') {
			r->at++;
			read_special_group(r);
		} else {
			open_group(r, false);
		}
	} else if (c == ')') {
		close_group(r);
	} else if (c == '|') {
		close_sequence(r);
	} else if (c == '*' || c == '+' || c == '?') {
		repeat_last(r, c == '+', c == '?' ? 1 : REGEX_ENDLESS);
	} else if (c == '{' && read_braces(r, &min, &max)) {
		repeat_last(r, min, max);
	} else if (c == '[') {
		read_class(r);
	} else if (c == '\\') {
		read_escape(r);
	} else if (c == '.') {
		if (!r->dot_all)
			dot.bit[0] &= ~((uint64_t)1 << '\n');
		append_octets(r, dot);
	} else if (c == '^') {
		append_start(r, r->multiline ? START_LINE : START_TEXT);
	} else if (c == '$') {
		append_start(r, START_ANYWHERE);
	} else {
		append_octet(r, c);
	}
}

enum err regex_parse(struct rule_pool *pool, struct bytes pattern, struct regex *out_regex)
{
	struct reader *r = rule_pool_take(pool, sizeof(*r));

	memset(out_regex, 0, sizeof(*out_regex));
	out_regex->plain = true;
	r->pool = pool;
	r->regex = out_regex;
	r->text = pattern;
	while (r->at < r->text.len && !r->failed)
		read_one(r);
	if (r->failed || r->depth > 0)
		return ERR_UNSUPPORTED;
	out_regex->root = close_choice(r);
	return r->failed ? ERR_UNSUPPORTED : OK;
}

/* A sequence begins where the first of its parts does that is not a mere assertion. */
static enum regex_start start_of_sequence(const struct regex *regex, const enum regex_start *start,
                                          uint32_t child)
{
	for (; child != 0; child = regex->node[child - 1].next)
		if (start[child - 1] != START_ANYWHERE ||
		    regex->node[child - 1].kind != REGEX_EMPTY)
			return start[child - 1];
	return START_ANYWHERE;
}

static enum regex_start start_of_choice(const struct regex *regex, const enum regex_start *start,
                                        uint32_t child)
{
	enum regex_start weakest = START_TEXT;

	for (; child != 0; child = regex->node[child - 1].next)
		if (start[child - 1] < weakest)
			weakest = start[child - 1];
	return weakest;
}

enum regex_start regex_start(struct rule_pool *pool, const struct regex *regex)
{
	enum regex_start *start = rule_pool_take(pool, regex->count * sizeof(*start));

	for (uint32_t i = 0; i < regex->count; i++) {
		const struct regex_node *node = &regex->node[i];

		start[i] = START_ANYWHERE;
		if (node->kind == REGEX_EMPTY)
			start[i] = node->start;
		else if (node->kind == REGEX_SEQUENCE)
			start[i] = start_of_sequence(regex, start, node->child);
		else if (node->kind == REGEX_CHOICE)
			start[i] = start_of_choice(regex, start, node->child);
		else if (node->kind == REGEX_REPEAT && node->min > 0)
			start[i] = start[node->child - 1];
	}
	return start[regex->root];
}
