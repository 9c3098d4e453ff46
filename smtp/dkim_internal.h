/* dkim_internal.h - what dkim.c and arc.c share of a message whose signatures are read. */
#ifndef SMTP_DKIM_INTERNAL_H
#define SMTP_DKIM_INTERNAL_H

#include "base/dkim_question.h"
#include "smtp/dkim.h"
#include "smtp/dkim_hash.h"
#include "smtp/dkim_tags.h"

#define DKIM_BUCKETS 64u
#define DKIM_NONE    UINT32_MAX

struct dkim_field {
	struct bytes octets; /* with the end of its last line */
	struct bytes name;
	uint32_t hash;
	uint32_t above; /* the next one further up in its bucket */
};

struct dkim_parsed { /* of a signature, what nobody outside needs */
	uint32_t field;
	struct bytes names, signature_text; /* h=; b= with all white space around it */
	enum dkim_canon header_canon, body_canon;
	enum dkim_algorithm algorithm;
	uint64_t length;
	uint8_t body_hash[DKIM_DIGEST_BYTES];
	uint8_t signature[DKIM_SIGNATURE_BYTES_MAX];
	size_t signature_bytes;
};

/* Fields of a set of ARC, by their instance; those of 0 are not used. */
struct arc_set {
	uint32_t results, message, seal;
};

struct dkim {
	struct dkim_field field[DKIM_FIELDS_MAX];
	uint32_t field_count;
	uint32_t bucket[DKIM_BUCKETS]; /* the lowest field */
	bool fields_left_out;
	struct bytes body;
	bool has_body; /* the header has an end */
	bool crlf;
	/* One more: the message signature of ARC, whose body is hashed with the others'. */
	struct dkim_parsed parsed[FACT_SIGNATURES_MAX + 1];
	struct fact_signature signature[FACT_SIGNATURES_MAX + 1];
	struct arc_set set[FACT_ARC_SETS_MAX + 1];
	struct dkim_parsed seal_parsed;
	struct fact_signature seal[FACT_ARC_SETS_MAX + 1];
};

struct bytes dkim_value(const struct dkim_tags *tags, const char *name);
/* What follows the colon. */
struct bytes dkim_field_value(const struct dkim_field *field);
/* a=, b=, d= and s=; false: one of them is missing or wrong. */
bool dkim_read_signer(const struct dkim_tags *tags, struct dkim_parsed *p,
                      struct fact_signature *s);
/* bh= and c=. */
bool dkim_read_body(const struct dkim_tags *tags, struct dkim_parsed *p);
/* Decimal digits; what is too large is the largest there is. A tag that is missing changes nothing.
 */
bool dkim_read_number(const struct dkim_tags *tags, const char *name, uint64_t *in_out_number);

/* Makes the question about a signature of the fields its h= names. */
void dkim_ask(const struct dkim *d, const struct dkim_parsed *p, struct fact_signature *s);
/* Likewise of those hashed already: its own field comes last. */
void dkim_ask_hashed(const struct dkim *d, const struct dkim_parsed *p,
                     struct dkim_header_hash *hash, struct fact_signature *s);

/* arc.c: finds the sets; the newest message signature becomes the `count`th signature. */
void arc_read(struct dkim *d, uint32_t count, struct fact_arc *out_arc);
/* Once bodies are compared. */
void arc_ask(struct dkim *d, uint32_t count, struct fact_arc *arc);

#endif
