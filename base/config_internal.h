/* config_internal.h - the option tables as data, and values as text; private to config*.c. */
#ifndef BASE_CONFIG_INTERNAL_H
#define BASE_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/config.h"

enum option_type {
	OPTION_TYPE_u32,
	OPTION_TYPE_size,
	OPTION_TYPE_ms,
	OPTION_TYPE_points,
	OPTION_TYPE_bool,
	OPTION_TYPE_text,
	OPTION_TYPE_texts,
};

struct option {
	const char *section, *key, *help;
	const char *text; /* default of texts */
	enum option_type type;
	bool reload;
	int64_t value, min, max; /* default and range of numbers */
	size_t offset;           /* in struct config */
};

enum {
#define OPTION(section, key, type, def, min, max, unit, reload, help) OPTION_##key,
#define OPTION_TEXT(section, key, def, reload, help)                  OPTION_##key,
#define OPTION_TEXTS(section, key, reload, help)                      OPTION_##key,
#include "base/options.def"
	OPTION_COUNT
};

extern const struct option option_table[OPTION_COUNT];

enum object_kind {
	OBJECT_ports,
	OBJECT_listeners,
	OBJECT_backends,
	OBJECT_certificates,
	OBJECT_scored_lists,
	OBJECT_domains,
	OBJECT_KIND_COUNT
};

#define OBJECTS_MAX DOMAINS_MAX /* of any kind */

enum field_kind {
	FIELD_TEXT,
	FIELD_WORDS,
	FIELD_HOSTNAME,
	FIELD_U32,
	FIELD_PORT,
	FIELD_POINTS,
	FIELD_ADDR,
	FIELD_ADDR4,
	FIELD_ADDR6,
	FIELD_PREFIXES,
};

struct field {
	const char *key, *help;
	enum object_kind object;
	enum field_kind kind;
	int64_t value, min, max;
	bool need;
	size_t offset; /* in the object */
};

#define FIELD_COUNT_MAX 64 /* a bit each in a uint64_t */
extern const struct field field_table[];
extern const uint32_t field_count;

struct object {
	const char *section, *help;
	size_t bytes, offset,
	    count_offset; /* of one; of the array and of its count in struct config */
	uint32_t count_max;
	uint32_t name_bytes_max;
};

extern const struct object object_table[OBJECT_KIND_COUNT];

struct driver {
	const char *name, *help;
	bool needs_interface;
};

extern const struct driver driver_table[];
extern const uint32_t driver_count;

/* The index-th object of a kind; `index` may be the count, when there is room. */
void *object_at(const struct config *config, enum object_kind kind, uint32_t index);
uint32_t *object_count(const struct config *config, enum object_kind kind);
void object_defaults(enum object_kind kind, void *object);

/* Does TLS make sense as far as it can be told without reading files? False: `out_reason` says what
 * is wrong, and *out_kind and *out_index of which object; or *out_kind is OBJECT_KIND_COUNT and
 * *out_index an option's. */
#define TLS_REASON_BYTES 192
bool config_tls_check(const struct config *config, char out_reason[TLS_REASON_BYTES],
                      enum object_kind *out_kind, uint32_t *out_index);
/* The same of AUTH; always of an object. */
bool config_auth_check(const struct config *config, char out_reason[TLS_REASON_BYTES],
                       enum object_kind *out_kind, uint32_t *out_index);
/* Index of `text`, or `count`. */
uint32_t config_word_index(const char *const *words, uint32_t count, const char *text);

/* The candidate most like a name that is not known: what was probably meant. */
struct nearest {
	struct bytes wanted;
	const char *name; /* NULL while nothing is near enough */
	uint32_t distance;
};

struct nearest nearest_to(struct bytes wanted);
void nearest_consider(struct nearest *nearest, const char *candidate);
/* What to do about the unknown name: "did you mean workers?", or a general hint. Returns `out`. */
#define HINT_BYTES 128
char *nearest_hint(const struct nearest *nearest, char out[HINT_BYTES]);

#define VALUE_TEXT_BYTES 32

int64_t option_load(const struct config *config, const struct option *option);
void option_store(struct config *config, const struct option *option, int64_t value);
/* False when the text does not have the form of the type; ranges are the caller's. */
bool value_parse(enum option_type type, struct bytes text, int64_t *out_value);
/* As it would be written in the file. Returns `out`. */
char *value_format(enum option_type type, int64_t value, char out[VALUE_TEXT_BYTES]);
/* "a time such as 300s, 5min or 20ms" */
const char *value_form(enum option_type type);

#endif
