/* config.c - walks the items of a file, fills the struct by the tables, checks what spans several
 * options.
 *
 * Everything is read into a copy; the caller's struct changes only when all of it is right. A
 * section may be given in several pieces; an option or a name may not be given twice.
 */
#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/config_internal.h"
#include "base/ucl.h"

#define FILE_BYTES_MAX (1u << 20)

struct reading {
	const char *name;
	struct ucl ucl;
	struct config *config;
	struct config_error *error;
	uint32_t option_line[OPTION_COUNT]; /* 0: not given */
	uint32_t object_line[OBJECT_KIND_COUNT][OBJECTS_MAX];
};
static_assert(PORTS_MAX <= OBJECTS_MAX && LISTENERS_MAX <= OBJECTS_MAX &&
                  BACKENDS_MAX <= OBJECTS_MAX && CERTIFICATES_MAX <= OBJECTS_MAX &&
                  CONFIG_SCORED_LISTS_MAX <= OBJECTS_MAX,
              "a line for each object");

__attribute__((format(printf, 3, 4))) static bool fail(struct reading *r, uint32_t line,
                                                       const char *format, ...)
{
	struct buf text = buf_over(r->error->text, sizeof(r->error->text));
	va_list arguments;

	/* The name may be any path; the explanation must fit behind it. */
	(void)buf_printf(&text, "%.200s:%u: ", r->name, line);
	va_start(arguments, format);
	vsnprintf(r->error->text + text.len, sizeof(r->error->text) - text.len, format, arguments);
	va_end(arguments);
	return false;
}

static bool fail_syntax(struct reading *r, const struct ucl_item *item)
{
	return fail(r, item->line, "%.*s", (int)item->text.len, (const char *)item->text.data);
}

/* For messages: printable and short. */
#define SHOWN_BYTES 64
static const char *shown(struct bytes text, char out[SHOWN_BYTES])
{
	size_t len = text.len < SHOWN_BYTES - 1 ? text.len : SHOWN_BYTES - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = (char)(text.data[i] >= ' ' && text.data[i] < 0x7f ? text.data[i] : '?');
	out[len] = '\0';
	return out;
}

/* Resolves escapes into a NUL-terminated text. Control characters have no place in any option:
 * texts go into replies, headers and logs. */
static bool read_text(struct reading *r, const struct ucl_item *item, const char *what,
                      config_text out_text)
{
	config_text text;
	struct buf buf = buf_over(text, sizeof(text) - 1);

	if (item->kind != UCL_VALUE)
		return fail(r, item->line, "%s is no text; write \"text\"", what);
	if (!ucl_item_text(item, &buf))
		return fail(r, item->line,
		            "%s is longer than %d octets or has an escape that JSON does not have",
		            what, CONFIG_TEXT_BYTES - 1);
	for (size_t i = 0; i < buf.len; i++)
		if ((uint8_t)text[i] < ' ' || text[i] == 0x7f)
			return fail(r, item->line, "%s holds a control character; remove it", what);
	text[buf.len] = '\0';
	memcpy(out_text, text, buf.len + 1);
	return true;
}

static bool read_hostname(struct reading *r, const struct ucl_item *item, const char *what,
                          config_text out)
{
	if (!read_text(r, item, what, out))
		return false;
	/* Letters, digits, hyphens, dots; or an address literal (RFC 5321 4.1.3). */
	size_t legal = strspn(
	    out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]");
	if (out[legal] != '\0')
		return fail(r, item->line, "%s is not a host name; use letters, digits, - and .",
		            what);
	return true;
}

static bool read_texts(struct reading *r, const struct ucl_item *item, const char *what,
                       struct config_texts *out_texts)
{
	struct ucl_item element = *item;

	out_texts->count = 0;
	if (item->kind == UCL_VALUE) { /* one text is a list of one */
		out_texts->count = 1;
		return read_text(r, item, what, out_texts->text[0]);
	}
	if (item->kind != UCL_ARRAY)
		return fail(r, item->line, "%s needs a list of texts; write [\"a\", \"b\"]", what);
	while ((element = ucl_next(&r->ucl)).kind != UCL_CLOSE) {
		if (element.kind == UCL_ERROR)
			return fail_syntax(r, &element);
		if (out_texts->count == PATHS_MAX)
			return fail(r, element.line, "%s has too many texts; give at most %d", what,
			            PATHS_MAX);
		if (!read_text(r, &element, what, out_texts->text[out_texts->count++]))
			return false;
	}
	return true;
}

static bool read_word(struct reading *r, const struct ucl_item *item, const char *what,
                      struct buf *words)
{
	config_text word;

	if (!read_text(r, item, what, word))
		return false;
	if (*word == '\0' || strchr(word, ' ') != NULL)
		return fail(r, item->line, "%s has \"%s\"; give words without blanks", what, word);
	if ((words->len > 0 && !buf_put_octet(words, ' ')) || !buf_put_text(words, word))
		return fail(r, item->line, "%s is longer than %d octets in all; shorten it", what,
		            CONFIG_TEXT_BYTES - 1);
	return true;
}

static bool read_words(struct reading *r, const struct ucl_item *item, const char *what,
                       config_text out_words)
{
	struct buf words = buf_over(out_words, CONFIG_TEXT_BYTES - 1);
	struct ucl_item element = *item;

	if (item->kind != UCL_ARRAY) { /* one word is a list of one */
		if (!read_word(r, item, what, &words))
			return false;
	} else {
		while ((element = ucl_next(&r->ucl)).kind != UCL_CLOSE) {
			if (element.kind == UCL_ERROR)
				return fail_syntax(r, &element);
			if (!read_word(r, &element, what, &words))
				return false;
		}
	}
	out_words[words.len] = '\0';
	return true;
}

static bool read_number(struct reading *r, const struct ucl_item *item, const char *what,
                        enum option_type type, int64_t min, int64_t max, int64_t *out_value)
{
	char text[SHOWN_BYTES], low[VALUE_TEXT_BYTES], high[VALUE_TEXT_BYTES];

	if (item->kind != UCL_VALUE || !value_parse(type, item->text, out_value))
		return fail(r, item->line, "%s is \"%s\"; write %s", what, shown(item->text, text),
		            value_form(type));
	if (*out_value < min || *out_value > max)
		return fail(r, item->line, "%s is %s; give %s to %s", what, shown(item->text, text),
		            value_format(type, min, low), value_format(type, max, high));
	return true;
}

static bool read_addr(struct reading *r, const struct ucl_item *item, const char *what,
                      enum field_kind kind, struct addr *out_addr)
{
	char text[SHOWN_BYTES];
	struct addr addr;

	if (item->kind != UCL_VALUE || addr_parse(item->text, &addr) != OK)
		return fail(r, item->line, "%s is \"%s\"; write an IP address such as 192.0.2.25",
		            what, shown(item->text, text));
	if (kind == FIELD_ADDR4 && !addr_is_ip4(&addr))
		return fail(r, item->line, "%s is not an IPv4 address; give one", what);
	if (kind == FIELD_ADDR6 && addr_is_ip4(&addr))
		return fail(r, item->line, "%s is not an IPv6 address; give one", what);
	*out_addr = addr;
	return true;
}

static bool read_prefix(struct reading *r, const struct ucl_item *item, const char *what,
                        struct config_port *port)
{
	char text[SHOWN_BYTES];
	struct prefix prefix;

	if (item->kind != UCL_VALUE || prefix_parse(item->text, true, &prefix) != OK ||
	    addr_is_unspecified(&prefix.addr) || (addr_is_ip4(&prefix.addr) && prefix.bits < 96) ||
	    bytes_find(item->text, '/') == item->text.len)
		return fail(r, item->line,
		            "%s has \"%s\"; write an address and the length of its network, such "
		            "as 192.0.2.25/24",
		            what, shown(item->text, text));
	if (port->address_count == PORT_ADDRESSES_MAX)
		return fail(r, item->line, "%s has too many addresses; give at most %d", what,
		            PORT_ADDRESSES_MAX);
	for (uint32_t i = 0; i < port->address_count; i++)
		if (addr_equal(&port->address[i].addr, &prefix.addr))
			return fail(r, item->line, "%s has %s twice; remove one", what,
			            shown(item->text, text));
	port->address[port->address_count++] = prefix;
	return true;
}

static bool read_prefixes(struct reading *r, const struct ucl_item *item, const char *what,
                          struct config_port *port)
{
	struct ucl_item element = *item;

	if (item->kind == UCL_VALUE)
		return read_prefix(r, item, what, port);
	if (item->kind != UCL_ARRAY)
		return fail(r, item->line, "%s needs a list; write [\"192.0.2.25/24\"]", what);
	while ((element = ucl_next(&r->ucl)).kind != UCL_CLOSE) {
		if (element.kind == UCL_ERROR)
			return fail_syntax(r, &element);
		if (!read_prefix(r, &element, what, port))
			return false;
	}
	return true;
}

static bool read_field(struct reading *r, const struct ucl_item *item, const char *what,
                       const struct field *field, void *object)
{
	void *place = (uint8_t *)object + field->offset;
	int64_t value = 0;

	switch (field->kind) {
	case FIELD_TEXT:
		return read_text(r, item, what, place);
	case FIELD_HOSTNAME:
		return read_hostname(r, item, what, place);
	case FIELD_ADDR:
	case FIELD_ADDR4:
	case FIELD_ADDR6:
		return read_addr(r, item, what, field->kind, place);
	case FIELD_PREFIXES:
		return read_prefixes(r, item, what, object);
	case FIELD_WORDS:
		return read_words(r, item, what, place);
	case FIELD_U32:
	case FIELD_PORT:
	case FIELD_POINTS:
		break;
	}
	if (!read_number(r, item, what,
	                 field->kind == FIELD_POINTS ? OPTION_TYPE_points : OPTION_TYPE_u32,
	                 field->min, field->max, &value))
		return false;
	if (field->kind == FIELD_POINTS)
		*(int32_t *)place = (int32_t)value;
	else if (field->kind == FIELD_U32)
		*(uint32_t *)place = (uint32_t)value;
	else
		*(uint16_t *)place = (uint16_t)value;
	return true;
}

static bool fail_field(struct reading *r, const struct ucl_item *item, enum object_kind kind,
                       const char *object)
{
	struct nearest nearest = nearest_to(item->key);
	char text[SHOWN_BYTES], hint[HINT_BYTES];

	for (uint32_t i = 0; i < field_count; i++)
		if (field_table[i].object == kind)
			nearest_consider(&nearest, field_table[i].key);
	return fail(r, item->line, "unknown key \"%s\" in %s.%.64s; %s", shown(item->key, text),
	            object_table[kind].section, object, nearest_hint(&nearest, hint));
}

static const struct field *field_find(enum object_kind kind, struct bytes key)
{
	for (uint32_t i = 0; i < field_count; i++)
		if (field_table[i].object == kind &&
		    bytes_equal(key, bytes_text(field_table[i].key)))
			return &field_table[i];
	return NULL;
}

/* The members of one object, up to its closing brace. */
static bool read_fields(struct reading *r, enum object_kind kind, uint32_t line, char *object)
{
	const char *section = object_table[kind].section;
	struct ucl_item item;
	uint64_t given = 0;
	char what[CONFIG_ERROR_BYTES / 2];

	while ((item = ucl_next(&r->ucl)).kind != UCL_CLOSE) {
		if (item.kind == UCL_ERROR)
			return fail_syntax(r, &item);
		const struct field *field = field_find(kind, item.key);
		if (field == NULL)
			return fail_field(r, &item, kind, object);
		snprintf(what, sizeof(what), "%s.%.64s.%s", section, object, field->key);
		uint64_t bit = (uint64_t)1 << (field - field_table);
		if ((given & bit) != 0)
			return fail(r, item.line, "%s is given twice; remove one", what);
		given |= bit;
		if (!read_field(r, &item, what, field, object))
			return false;
	}
	for (uint32_t i = 0; i < field_count; i++)
		if (field_table[i].object == kind && field_table[i].need &&
		    (given & (uint64_t)1 << i) == 0)
			return fail(r, line, "%s.%.64s has no %s; add one", section, object,
			            field_table[i].key);
	return true;
}

static bool read_name(struct reading *r, enum object_kind kind, const struct ucl_item *item,
                      char *object)
{
	const char *section = object_table[kind].section;
	char text[SHOWN_BYTES];

	/* Names go into metrics and command lines. */
	memcpy(object, item->key.data, item->key.len < CONFIG_TEXT_BYTES ? item->key.len : 0);
	size_t legal = strspn(object,
	                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
	if (item->key.len == 0 || item->key.len > object_table[kind].name_bytes_max ||
	    legal != item->key.len)
		return fail(r, item->line,
		            "\"%s\" cannot name one of %s; use 1 to %u letters, digits, _, . and -",
		            shown(item->key, text), section, object_table[kind].name_bytes_max);
	for (uint32_t i = 0; i < *object_count(r->config, kind); i++)
		if (strcmp(object_at(r->config, kind, i), object) == 0)
			return fail(r, item->line,
			            "%s.%s is given twice, first in line %u; rename one", section,
			            object, r->object_line[kind][i]);
	return true;
}

static bool read_objects(struct reading *r, enum object_kind kind)
{
	const char *section = object_table[kind].section;
	uint32_t *count = object_count(r->config, kind);
	struct ucl_item item;
	char text[SHOWN_BYTES];

	while ((item = ucl_next(&r->ucl)).kind != UCL_CLOSE) {
		if (item.kind == UCL_ERROR)
			return fail_syntax(r, &item);
		if (item.kind != UCL_OBJECT)
			return fail(r, item.line, "%s holds named objects; write %s { %s { … } }",
			            section, section, shown(item.key, text));
		if (*count == object_table[kind].count_max)
			return fail(r, item.line, "too many %s; give at most %u", section,
			            object_table[kind].count_max);
		char *object = object_at(r->config, kind, *count);
		object_defaults(kind, object);
		if (!read_name(r, kind, &item, object) || !read_fields(r, kind, item.line, object))
			return false;
		r->object_line[kind][(*count)++] = item.line;
	}
	return true;
}

static const struct option *option_find(struct bytes section, struct bytes key)
{
	for (uint32_t i = 0; i < OPTION_COUNT; i++)
		if (bytes_equal(section, bytes_text(option_table[i].section)) &&
		    bytes_equal(key, bytes_text(option_table[i].key)))
			return &option_table[i];
	return NULL;
}

static bool read_option(struct reading *r, const struct ucl_item *item, const struct option *option)
{
	char what[CONFIG_ERROR_BYTES / 2];
	void *place = (uint8_t *)r->config + option->offset;
	uint32_t *line = &r->option_line[option - option_table];
	int64_t value = 0;

	snprintf(what, sizeof(what), "%s.%s", option->section, option->key);
	if (*line != 0)
		return fail(r, item->line, "%s is given twice, first in line %u; remove one", what,
		            *line);
	*line = item->line;
	if (option == &option_table[OPTION_hostname] || option == &option_table[OPTION_authserv_id])
		return read_hostname(r, item, what, place);
	if (option->type == OPTION_TYPE_text)
		return read_text(r, item, what, place);
	if (option->type == OPTION_TYPE_texts)
		return read_texts(r, item, what, place);
	if (!read_number(r, item, what, option->type, option->min, option->max, &value))
		return false;
	option_store(r->config, option, value);
	return true;
}

static bool fail_option(struct reading *r, const struct ucl_item *item, struct bytes section)
{
	struct nearest nearest = nearest_to(item->key);
	char key[SHOWN_BYTES], name[SHOWN_BYTES], hint[HINT_BYTES];

	for (uint32_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = &option_table[i];
		if (bytes_equal(item->key, bytes_text(option->key)))
			return fail(r, item->line, "unknown option %s.%s; it belongs to section %s",
			            shown(section, name), option->key, option->section);
		if (bytes_equal(section, bytes_text(option->section)))
			nearest_consider(&nearest, option->key);
	}
	return fail(r, item->line, "unknown option %s.%s; %s", shown(section, name),
	            shown(item->key, key), nearest_hint(&nearest, hint));
}

static bool read_options(struct reading *r, struct bytes section)
{
	struct ucl_item item;

	while ((item = ucl_next(&r->ucl)).kind != UCL_CLOSE) {
		if (item.kind == UCL_ERROR)
			return fail_syntax(r, &item);
		const struct option *option = option_find(section, item.key);
		if (option == NULL)
			return fail_option(r, &item, section);
		if (!read_option(r, &item, option))
			return false;
	}
	return true;
}

static bool fail_section(struct reading *r, const struct ucl_item *item)
{
	struct nearest nearest = nearest_to(item->key);
	char text[SHOWN_BYTES], hint[HINT_BYTES];

	for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		nearest_consider(&nearest, object_table[kind].section);
	for (uint32_t i = 0; i < OPTION_COUNT; i++)
		nearest_consider(&nearest, option_table[i].section);
	return fail(r, item->line, "unknown section \"%s\"; %s", shown(item->key, text),
	            nearest_hint(&nearest, hint));
}

static bool read_section(struct reading *r, const struct ucl_item *item)
{
	char text[SHOWN_BYTES];

	if (item->kind != UCL_OBJECT)
		return fail(r, item->line,
		            "\"%s\" stands outside of a section; write SECTION { %s … }",
		            shown(item->key, text), text);
	for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		if (bytes_equal(item->key, bytes_text(object_table[kind].section)))
			return read_objects(r, kind);
	for (uint32_t i = 0; i < OPTION_COUNT; i++)
		if (bytes_equal(item->key, bytes_text(option_table[i].section)))
			return read_options(r, item->key);
	return fail_section(r, item);
}

/* The line of the one of two that is given last: that is where to look. */
static uint32_t later_line(const struct reading *r, uint32_t a, uint32_t b)
{
	return r->option_line[a] > r->option_line[b] ? r->option_line[a] : r->option_line[b];
}

/* Pairs of which the first must not exceed the second. */
static bool check_order(struct reading *r)
{
	static const uint32_t pairs[][2] = {
	    {OPTION_score_tag, OPTION_score_reject},
	    {OPTION_hold_bytes_max, OPTION_message_bytes_max},
	    {OPTION_hold_bytes_max, OPTION_hold_bytes_worker_max},
	    {OPTION_tcp_rto_min_ms, OPTION_tcp_rto_initial_ms},
	    {OPTION_tcp_rto_initial_ms, OPTION_tcp_rto_max_ms},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct option *low = &option_table[pairs[i][0]],
		                    *high = &option_table[pairs[i][1]];
		int64_t low_value = option_load(r->config, low),
		        high_value = option_load(r->config, high);
		char low_text[VALUE_TEXT_BYTES], high_text[VALUE_TEXT_BYTES];
		if (low_value > high_value)
			return fail(r, later_line(r, pairs[i][0], pairs[i][1]),
			            "%s.%s (%s) is above %s.%s (%s); lower it or raise the other",
			            low->section, low->key,
			            value_format(low->type, low_value, low_text), high->section,
			            high->key, value_format(high->type, high_value, high_text));
	}
	return true;
}

static const struct driver *driver_find(const char *name)
{
	for (uint32_t i = 0; i < driver_count; i++)
		if (strcmp(driver_table[i].name, name) == 0)
			return &driver_table[i];
	return NULL;
}

static bool fail_driver(struct reading *r, const struct config_port *port, uint32_t line)
{
	struct nearest nearest = nearest_to(bytes_text(port->driver));
	char hint[HINT_BYTES];

	for (uint32_t i = 0; i < driver_count; i++)
		nearest_consider(&nearest, driver_table[i].name);
	return fail(r, line, "ports.%s has an unknown driver \"%.64s\"; %s", port->name,
	            port->driver, nearest_hint(&nearest, hint));
}

static bool check_port(struct reading *r, struct config_port *port, uint32_t line)
{
	bool has_vdev = port->vdev[0] != '\0';

	if (has_vdev && port->driver[0] == '\0')
		memcpy(port->driver, "vdev", sizeof("vdev"));
	if (port->driver[0] == '\0')
		return fail(r, line, "ports.%s has no driver; add one, such as driver = af_xdp",
		            port->name);

	const struct driver *driver = driver_find(port->driver);
	if (driver == NULL)
		return fail_driver(r, port, line);
	if (has_vdev != (strcmp(port->driver, "vdev") == 0))
		return fail(
		    r, line,
		    "ports.%s: driver vdev and the vdev line need each other; give both or none",
		    port->name);
	if (driver->needs_interface && port->interface[0] == '\0')
		return fail(r, line, "ports.%s has no interface; add the %s", port->name,
		            driver->help);
	return true;
}

static bool fail_list_kind(struct reading *r, const struct config_scored_list *list, uint32_t line)
{
	struct nearest nearest = nearest_to(bytes_text(list->kind));
	char hint[HINT_BYTES];

#define LIST_KEY(name, word, base, source, help) nearest_consider(&nearest, word);
#include "base/list_keys.def"
	return fail(r, line, "scored_lists.%s has an unknown kind \"%.64s\"; %s", list->name,
	            list->kind, nearest_hint(&nearest, hint));
}

static bool check_scored_list(struct reading *r, const struct config_scored_list *list,
                              uint32_t line)
{
	enum { FILE_SOURCE, DATABASE_SOURCE };
	bool known = false, has_database = list->database[0] != '\0' || list->values[0] != '\0';
	bool wants_database = false;

#define LIST_KEY(name, word, base, source, help) \
	if (strcmp(list->kind, word) == 0) { \
		known = true; \
		wants_database = source##_SOURCE == DATABASE_SOURCE; \
	}
#include "base/list_keys.def"
	if (!known)
		return fail_list_kind(r, list, line);
	if (strcspn(list->name, ".-") != strlen(list->name) ||
	    (list->name[0] >= '0' && list->name[0] <= '9'))
		return fail(r, line,
		            "scored_lists.%s cannot name a rule; use letters, digits and _, a "
		            "letter first",
		            list->name);
	if (wants_database && (list->database[0] == '\0' || list->values[0] == '\0'))
		return fail(r, line, "scored_lists.%s needs a database and values; add them",
		            list->name);
	if (wants_database && list->file[0] != '\0')
		return fail(r, line,
		            "scored_lists.%s has a file; lists of a %s have a database and values",
		            list->name, list->kind);
	if (!wants_database && has_database)
		return fail(r, line,
		            "scored_lists.%s has a database or values; only lists of a country "
		            "or asn do",
		            list->name);
	return true;
}

/* "NAME=1.5": a rule and its points. */
static bool check_score(struct bytes word)
{
	size_t equals = bytes_find(word, '=');
	int64_t points;

	return equals > 0 && equals < word.len &&
	       value_parse(OPTION_TYPE_points, bytes_slice(word, equals + 1, word.len), &points) &&
	       points >= -100000 && points <= 1000000;
}

static bool check_domain(struct reading *r, const struct config_domain *domain, uint32_t line)
{
	const struct config *config = r->config;
	struct bytes left = bytes_text(domain->scores);
	int32_t tag = domain->score_tag == CONFIG_POINTS_UNSET ? config->score_tag
	                                                       : domain->score_tag;
	int32_t reject = domain->score_reject == CONFIG_POINTS_UNSET ? config->score_reject
	                                                             : domain->score_reject;

	if (tag > reject)
		return fail(r, line,
		            "domains.%.200s: score_tag is above score_reject; lower it or raise "
		            "the other",
		            domain->name);
	while (left.len > 0) {
		struct bytes word = bytes_slice(left, 0, bytes_find(left, ' '));
		char text[SHOWN_BYTES];

		if (!check_score(word))
			return fail(r, line,
			            "domains.%.200s: scores has \"%s\"; write RULE=POINTS, such "
			            "as FREEMAIL_FROM=0",
			            domain->name, shown(word, text));
		left = bytes_slice(left, word.len + 1, left.len);
	}
	return true;
}

static bool check_objects(struct reading *r)
{
	struct config *config = r->config;

	for (uint32_t i = 0; i < config->scored_list_count; i++)
		if (!check_scored_list(r, &config->scored_list[i],
		                       r->object_line[OBJECT_scored_lists][i]))
			return false;
	for (uint32_t i = 0; i < config->domain_count; i++)
		if (!check_domain(r, &config->domain[i], r->object_line[OBJECT_domains][i]))
			return false;

	for (uint32_t i = 0; i < config->port_count; i++)
		if (!check_port(r, &config->port[i], r->object_line[OBJECT_ports][i]))
			return false;
	for (uint32_t i = 0; i < config->listener_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (config->listener[i].local.port == config->listener[j].local.port &&
			    addr_equal(&config->listener[i].local.addr,
			               &config->listener[j].local.addr))
				return fail(
				    r, r->object_line[OBJECT_listeners][i],
				    "listeners.%s has the address and port of %s; change one",
				    config->listener[i].name, config->listener[j].name);
	return true;
}

static bool check_tls(struct reading *r)
{
	char reason[TLS_REASON_BYTES];
	enum object_kind kind;
	uint32_t index;

	if (config_tls_check(r->config, reason, &kind, &index) &&
	    config_auth_check(r->config, reason, &kind, &index))
		return true;
	return fail(r,
	            kind == OBJECT_KIND_COUNT ? r->option_line[index] : r->object_line[kind][index],
	            "%s", reason);
}

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	for (uint32_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = &option_table[i];
		if (option->type == OPTION_TYPE_text)
			memcpy((uint8_t *)config + option->offset, option->text,
			       strlen(option->text));
		else if (option->type != OPTION_TYPE_texts)
			option_store(config, option, option->value);
	}
}

bool config_parse(const char *name, const char *text, size_t len, struct config *out_config,
                  struct config_error *out_error)
{
	struct config config;
	struct reading reading = {.name = name, .config = &config, .error = out_error};
	struct ucl_item item;

	config_defaults(&config);
	ucl_init(&reading.ucl, bytes_of(text, len));
	while ((item = ucl_next(&reading.ucl)).kind != UCL_END) {
		if (item.kind == UCL_ERROR)
			return fail_syntax(&reading, &item);
		if (!read_section(&reading, &item))
			return false;
	}
	if (!check_order(&reading) || !check_objects(&reading) || !check_tls(&reading))
		return false;
	*out_config = config;
	return true;
}

/* Up to FILE_BYTES_MAX octets of a file; -1 with errno set. */
static ssize_t read_file(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = 0, got;

	if (fd < 0)
		return -1;
	do {
		got = read(fd, text + len, FILE_BYTES_MAX - (size_t)len);
		if (got > 0)
			len += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	int reason = errno;
	close(fd);
	errno = reason;
	return got < 0 ? -1 : len;
}

bool config_load(const char *path, struct config *out_config, struct config_error *out_error)
{
	struct reading reading = {.name = path, .error = out_error};
	struct arena arena;
	bool loaded = false;

	if (arena_init(&arena, FILE_BYTES_MAX, false) != OK)
		return fail(&reading, 1, "out of memory; free some");
	ssize_t len = read_file(path, (char *)arena.memory);
	if (len < 0)
		fail(&reading, 1, "cannot be read: %s; check the path and its permissions",
		     strerror(errno));
	else if (len == FILE_BYTES_MAX)
		fail(&reading, 1, "larger than %u octets; make it smaller", FILE_BYTES_MAX);
	else
		loaded = config_parse(path, (const char *)arena.memory, (size_t)len, out_config,
		                      out_error);
	arena_free(&arena);
	return loaded;
}
