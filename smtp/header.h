/* header.h - the fields of a message or of a part: found in place, looked up by name, decoded on
 * demand.
 *
 * Fields are slices of the message; nothing is copied until somebody asks for a value that was
 * folded or encoded. RFC 5322 2.2, with the tolerance SpamAssassin 4.0 has for what is not a field.
 */
#ifndef SMTP_HEADER_H
#define SMTP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/charset.h"
#include "smtp/sink.h"

#define HEADER_NAME_BYTES_MAX  256
#define HEADER_VALUE_BYTES_MAX 8192
#define HEADER_ALL_BYTES_MAX   65536
#define HEADER_NONE            UINT32_MAX

struct header_field {
	struct bytes name;    /* as written, without blanks at its end */
	struct bytes raw;     /* from behind the colon to the last line end, folds included */
	struct bytes decoded; /* valid once `is_decoded` */
	uint32_t name_hash;   /* header_hash(name) */
	uint32_t
	    next; /* the next field of this message with the same hash bucket, or HEADER_NONE */
	bool is_decoded;
	bool keeps_cr; /* its lines end in LF alone: a CR is text */
};

#define HEADER_BUCKETS 128

struct header_table {
	struct header_field *field; /* all parts' fields in document order */
	uint32_t count, count_max;
	uint32_t message_count; /* the first of them belong to the message itself */
	uint32_t bucket_first[HEADER_BUCKETS],
	    bucket_last[HEADER_BUCKETS]; /* message fields by name hash */
	struct sink storage;             /* decoded values */
	struct charset_set *charsets;
	bool left_out; /* a field found no room */
	bool cut;      /* a name or value was longer than the maximum */
};

/* Whether lines end in CRLF: the first or the last line does. */
bool header_lines_are_crlf(struct bytes message);

/* Finds the header of `message` and adds its fields, the first X-Spam-* ones excepted when
 * `skip_own`. Returns the offset of the body. `out_no_separator`: there was no empty line in
 * between. */
size_t header_split(struct header_table *table, struct bytes message, bool crlf, bool skip_own,
                    bool *out_no_separator);

/* Adds one field; `raw` is the value with its folds. */
void header_add(struct header_table *table, struct bytes name, struct bytes raw);
/* Empties the table for the next message. */
void header_reset(struct header_table *table);
/* Ends the message's own fields: what is added from now on belongs to parts. */
void header_end_message(struct header_table *table);

/* fact_name_hash() */
uint32_t header_hash(struct bytes name);
/* The first message field of this name, and the next one after `index`; HEADER_NONE at the end.
 * `hash` is header_hash(name). */
uint32_t header_first(const struct header_table *table, struct bytes name, uint32_t hash);
uint32_t header_next(const struct header_table *table, struct bytes name, uint32_t index);
/* False when there is no message field of this name for sure: most names that are asked for. */
static inline bool header_may_have(const struct header_table *table, uint32_t hash)
{
	return table->bucket_first[hash % HEADER_BUCKETS] != HEADER_NONE;
}
/* The last field of this name among `count` ones from `first`. */
uint32_t header_last_of(const struct header_table *table, struct bytes name, uint32_t first,
                        uint32_t count);

/* The value unfolded, trimmed, word-decoded (RFC 2047) and as UTF-8; kept until the table is reset.
 */
struct bytes header_decoded(struct header_table *table, uint32_t index);
/* Appends the value as it stands, with LF line ends. */
void header_put_raw(const struct header_field *field, struct sink *out);
/* As header_decoded, for any text that is not structured: appended to `out`, nothing kept. */
void header_decode_value(struct header_table *table, struct bytes text, struct sink *out);
/* Appends `text` with its encoded words decoded (RFC 2047 6.2: white space between two words goes).
 */
void header_decode_words(struct header_table *table, struct bytes text, struct sink *out);

/* True for an octet a field name may have (RFC 5322 2.2). */
static inline bool header_is_name_octet(uint8_t octet)
{
	return octet > 0x20 && octet < 0x7F && octet != ':';
}

/* The length of a field's name when `line` begins one ("Name:" or "Name :"), else 0; blanks in
 * front of the colon are counted in *out_colon, its offset. */
size_t header_name_len(struct bytes line, size_t *out_colon);

static inline bool header_is_space(uint8_t octet)
{
	return octet == ' ' || (octet >= '\t' && octet <= '\r');
}

/* Without white space at both ends (also line ends, unlike bytes_trim). */
struct bytes header_trim(struct bytes b);

#endif
