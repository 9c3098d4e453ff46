/* mime.h - the tree of parts of one message (RFC 2045, 2046), read the way SpamAssassin 4.0 reads
 * broken ones.
 *
 * Parts are slices of the prepared body; only what is encoded, or has lines beyond
 * MIME_LINE_BYTES_MAX inside a multipart, is copied to scratch. No recursion: open multiparts stand
 * on a stack of fixed depth.
 */
#ifndef SMTP_MIME_H
#define SMTP_MIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/facts.h"
#include "smtp/header.h"
#include "smtp/sink.h"

#define MIME_PARTS_MAX       1000
#define MIME_DEPTH_MAX       20
#define MIME_LINE_BYTES_MAX  2048
#define MIME_TYPE_BYTES_MAX  48
#define MIME_BLANK_LINES_MAX 20

enum mime_encoding { MIME_IDENTITY, MIME_QUOTED_PRINTABLE, MIME_BASE64 };

struct mime_part {
	char type[MIME_TYPE_BYTES_MAX];          /* lower case, "text/plain"; NUL-terminated */
	char declared_type[MIME_TYPE_BYTES_MAX]; /* as its field alone says */
	uint32_t parent;                         /* index; the root is its own */
	uint32_t first_field, field_count;
	struct bytes charset, boundary, name; /* empty when not given */
	struct bytes content;                 /* leaves: the encoded octets */
	uint32_t line_bytes_max; /* leaves: the longest encoded line, line end included */
	enum mime_encoding encoding;
	uint8_t multipart_depth; /* multiparts around it */
	uint8_t depth_left;      /* levels that may still be opened below */
	bool type_missing;
	bool is_leaf;
	bool is_html; /* by type or by file name */
};

struct mime_tree {
	struct mime_part *part; /* MIME_PARTS_MAX, in document order */
	uint32_t count;
	uint64_t defects;     /* 1 << enum message_defect */
	uint64_t own_defects; /* those not of a message inside the message */
	struct header_table *headers;
	struct sink scratch; /* prepared and decoded octets; parts point into it */
};

/* Splits `message` (without mbox line) into header and parts; fills `tree->part`, `count`,
 * `defects` and the header table, which the caller has reset. Returns the offset of the body. */
size_t mime_parse(struct mime_tree *tree, struct bytes message);

/* The octets of a leaf, decoded into scratch (or as they stand). False when there is no room. */
bool mime_decode(struct mime_tree *tree, const struct mime_part *part, struct bytes *out_octets);

/* A digest of a leaf's decoded octets, and how many those are; scratch is as before. False for
 * other parts, and when there is no room to decode. */
bool mime_digest(struct mime_tree *tree, const struct mime_part *part, enum part_digest kind,
                 uint8_t out_digest[PART_DIGEST_BYTES], uint32_t *out_part_bytes);

/* The decoded value of a part's field, the last one of that name; empty when there is none. */
struct bytes mime_part_value(struct mime_tree *tree, const struct mime_part *part,
                             const char *name);

/* The type of a leaf as rules see it. */
bool mime_is_type(const struct mime_part *part, const char *type);
bool mime_type_starts(const struct mime_part *part, const char *prefix);

/* A Content-Type value in pieces (RFC 2045 5.1, leniently). `type` gets MIME_TYPE_BYTES_MAX octets,
 * NUL-terminated. */
struct content_type {
	char type[MIME_TYPE_BYTES_MAX];
	struct bytes boundary, charset, name;
	bool missing;
};

void content_type_parse(struct bytes value, struct content_type *out_type);

#endif
