/* facts.h - what rules ask about one message beyond its texts: who normalises fills them, who
 * classifies reads them (struct texts points here).
 *
 * Everything is a slice, a number or an index into the arrays of struct facts; nothing is owned,
 * all of it is valid until the next message is normalised. Indices that point nowhere are
 * FACT_NONE. Values are those SpamAssassin 4.0 would have at the same place; ratios are left to who
 * reads them.
 */
#ifndef BASE_FACTS_H
#define BASE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/question.h"

#define FACT_NONE           UINT32_MAX
#define FACT_FIELDS_MAX     4096 /* of all parts together */
#define FACT_PARTS_MAX      1000
#define FACT_RELAYS_MAX     128
#define FACT_DATES_MAX      128
#define FACT_HTML_MAX       16  /* HTML parts */
#define FACT_TAGS_MAX       256 /* different ones in one HTML part */
#define FACT_HTML_TEXTS_MAX 512 /* comments, titles, anchors: of one HTML part, each */

/* One header field of the message or of a part. */
struct fact_field {
	struct bytes name; /* as written */
	struct bytes raw; /* behind the colon, with folds, LF, the last one included; in parts below
	                     the root without the white space behind the colon */
	struct bytes
	    value; /* unfolded, trimmed, words decoded, UTF-8; rules see it with a LF behind */
	uint32_t name_hash; /* fact_name_hash(name) */
};

enum fact_image { FACT_IMAGE_NONE, FACT_IMAGE_GIF, FACT_IMAGE_PNG, FACT_IMAGE_JPEG };

/* One part, in document order; 0 is the message itself. A message inside a message is a part too.
 * Parts whose type is empty are not looked at by rules. */
struct fact_part {
	struct bytes type;          /* as the part is treated, lower case: "text/plain" */
	struct bytes declared_type; /* as its own field says, by the same reading */
	struct bytes charset, name; /* as declared; empty when not */
	struct bytes rendered;      /* text/plain and HTML leaves: what people read, white space not
	                               folded yet, cut as in body; else empty */
	uint32_t parent;            /* the root is its own */
	uint32_t behind; /* index behind its last descendant: parts [i + 1, behind) lie inside */
	uint32_t field_first, field_count;  /* in facts.field */
	uint32_t html;                      /* in facts.html, or FACT_NONE */
	uint32_t raw_bytes;                 /* leaves: encoded octets */
	uint32_t line_bytes_max;            /* leaves: the longest encoded line, its LF included */
	uint32_t image_width, image_height; /* pixels; 0 when not told */
	enum fact_image image; /* leaves typed image/gif, png, jpeg, jpg whose encoding is base64 */
	bool is_leaf, is_html, is_base64; /* by type or file name; Content-Transfer-Encoding */
};

/* What the walk over all parts found (check_for_mime and its kin). */
struct fact_mime {
	uint32_t html_count, text_count; /* parts declared text/html, other text/... */
	uint32_t base64_count, attachment_count;
	uint32_t quoted_printable_count;     /* parts; */
	uint32_t qp_bytes, qp_escaped_count; /* encoded octets, and escapes that were not needed */
	uint32_t ascii_illegal_count;        /* lines of US-ASCII text that are none */
	uint32_t unicode_escapes,
	    plain_bytes; /* "&#x20AC;" in unencoded plain text; its other octets */
	uint32_t last_text_bytes, last_html_bytes; /* encoded, in a multipart/alternative */
	bool has_last_text, has_last_html;
	bool qp_long_line, base64_encoded_text, bad_iso_charset, multipart_alternative;
	bool missing_boundary, parts_left_out;
};

/* check_msg_parse_flags, and what was cut. */
struct fact_flags {
	bool truncated_header;
	bool missing_head_body_separator;
	bool missing_mime_head_body_separator;
	bool missing_mime_headers;
	bool mime_epilogue_exists;
	bool uri_truncated;
};

/* A tag that occurred in an HTML part. Ends of tags that were never open count too. */
struct fact_tag {
	struct bytes name; /* lower case; "!doctype" is one */
	uint32_t open_count;
};

enum fact_uri_type { /* what referred to a URI: bits */
#define URI_TYPE(name) FACT_URI_##name,
#include "base/uri_types.def"
	             FACT_URI_TYPE_COUNT
};

/* A URI as it stood in the message; a host or mail address of a text has its scheme in front. The
 * domain of a signature is one, too, "domainkeys:" in front: it has no forms. */
struct fact_uri {
	struct bytes raw;
	uint32_t types;      /* 1 << enum fact_uri_type; "parsed" also where only an anchor's text
	                        is known */
	uint16_t form_first; /* in facts.uri_form: itself, cleaned, and its canonical forms */
	uint16_t form_count;
};

/* The text inside one <a> (an image is "<img>\n"), and its href, trimmed and decoded, not resolved.
 */
struct fact_anchor {
	struct bytes href, text;
	uint32_t uri;     /* in facts.uri, or FACT_NONE */
	bool is_repeated; /* an anchor above has the same href */
};

/* One HTML part. A ratio whose divisor is 0 does not exist for SpamAssassin: no range holds it. */
struct fact_html {
	uint32_t part;                       /* in facts.part */
	uint32_t length;                     /* characters of the HTML */
	uint32_t source_bytes;               /* octets of it, decoded, not transcoded */
	uint32_t html_length, non_space_len; /* characters of the rendered text */
	uint32_t tag_count,
	    element_count; /* bad_tag_ratio: (tags - elements) / tags, if elements */
	uint32_t tags_seen, elements_seen; /* different ones: non_element_ratio, if elements_seen */
	uint32_t closed_extra;             /* closed_extra_ratio: by tag_count */
	uint32_t obfuscation;              /* tags that split a word: by tag_count, if > 0 */
	uint32_t backhair_count;
	uint32_t min_size, max_size; /* of fonts; the usual one is 3 */
	uint64_t image_area;         /* of <img> with width and height */
	uint32_t tags;               /* entries of tag[] */
	struct fact_tag tag[FACT_TAGS_MAX];
	uint32_t comment_count, title_count, anchor_count, script_count;
	struct bytes comment[FACT_HTML_TEXTS_MAX]; /* with "<!--" and "-->" */
	struct bytes title[FACT_HTML_TEXTS_MAX];
	struct bytes script[FACT_HTML_TEXTS_MAX];
	struct fact_anchor anchor[FACT_HTML_TEXTS_MAX];
	bool embeds, form_action_mailto, font_face_bad, font_low_contrast, font_invalid_color;
	bool iframe_uri; /* an iframe named a URI */
	bool left_out;   /* one of the arrays was too short */
};

/* A hop, newest first, as X-Spam-Relays-* tells it. */
struct fact_relay {
	struct bytes ip, rdns, helo, by, ident, envelope_from, id, auth;
	struct addr addr;
	bool is_trusted, is_internal, is_private, has_envelope_from;
	bool no_reverse_dns; /* it was looked up, and there was none */
};

enum fact_signature_state {
	SIGNATURE_ASK,     /* all is well but for what its key says */
	SIGNATURE_INVALID, /* nobody can use it: syntax, an algorithm, its time (RFC 6376 6.1.1) */
	SIGNATURE_BODY,    /* the body is another one than was signed */
	SIGNATURE_UNKNOWN  /* nobody knows: the message was cut, or a bound was reached */
};

/* A DKIM-Signature field that is one by its form. Names are in lower case. */
struct fact_signature {
	enum fact_signature_state state;
	bool identity_below; /* i= is of a subdomain of d=, which its key may forbid */
	uint16_t question_bytes, domain_bytes, selector_bytes, identity_bytes;
	char domain[QUESTION_NAME_BYTES]; /* d=; empty: there is none */
	char selector[QUESTION_NAME_BYTES];
	char identity[QUESTION_NAME_BYTES]; /* the domain of i=, or d= */
	uint8_t question[QUESTION_BYTES];   /* of QUESTION_DKIM; with SIGNATURE_ASK only */
};

#define FACT_SIGNATURES_MAX 8

enum fact_arc_state {
	ARC_NONE,    /* no set */
	ARC_ASK,     /* whole; it holds when all its signatures do */
	ARC_INVALID, /* broken, or somebody in it found it so */
	ARC_UNKNOWN  /* cut, or longer than is looked at */
};

#define FACT_ARC_SETS_MAX 10 /* of the 50 RFC 8617 allows */

struct fact_arc {
	enum fact_arc_state state;
	uint32_t fields; /* signatures and seals that are there */
	uint32_t set_count, count;
	const struct fact_signature *signature[FACT_ARC_SETS_MAX + 1];
};

static inline struct bytes fact_signature_domain(const struct fact_signature *signature)
{
	return bytes_of(signature->domain, signature->domain_bytes);
}

static inline struct bytes fact_signature_identity(const struct fact_signature *signature)
{
	return bytes_of(signature->identity, signature->identity_bytes);
}

enum part_digest { PART_MD5, PART_SHA1, PART_SHA256, PART_DIGEST_KINDS };

#define PART_DIGEST_BYTES 32 /* of the longest */
#define PART_DIGESTS_MAX  64 /* leaves that have one */

/* Digests of what is in leaves, made when they are asked for, and kept with the facts. */
struct part_digests {
	void *context;
	/* `part`: in facts.part. False: it is no leaf, or one of too many, or there was no room. */
	bool (*find)(void *context, uint32_t part, enum part_digest kind,
	             uint8_t out_digest[PART_DIGEST_BYTES], uint32_t *out_part_bytes);
};

struct facts {
	uint32_t field_count, part_count, html_count, relay_count, uri_count;
	const struct fact_field *field; /* the message's own fields are those of part 0 */
	const struct fact_part *part;
	const struct fact_html *html;
	const struct fact_relay *relay; /* trusted ones first */
	const struct fact_uri *uri;     /* different ones */
	const uint16_t *uri_form;       /* segments of TEXT_URI */
	uint32_t relays_trusted, relays_untrusted, relays_unparseable;
	struct bytes envelope_from; /* EnvelopeFrom */
	bool has_envelope_from;
	bool has_date;  /* (Resent-)Date could be read */
	int64_t date_s; /* since 1970, UTC */
	uint32_t received_date_count;
	const int64_t *received_date_s; /* of Received fields in order, fetchmail's left out */
	int64_t date_diff_s; /* Date minus the closest Received date; 0 when one is missing */
	uint32_t body_bytes; /* of the pristine body */
	struct fact_mime mime;
	struct fact_flags flags;
	struct part_digests digests; /* find NULL: nobody makes any */
	bool is_cut;                 /* the message went on: its last leaf is not whole */
	/* Looked for only when somebody asks the network; else there are none. */
	bool signatures_known;
	uint32_t signature_count;
	uint32_t
	    signature_fields; /* of DKIM and DomainKeys, also those without a place in the array */
	const struct fact_signature *signature;
	struct fact_arc arc; /* likewise */
};

/* As rules write it: "a", "parsed". */
const char *fact_uri_type_text(enum fact_uri_type type);

/* The same for names that differ in case alone. Rules carry hashes of the names they ask for:
 * RULESET_BLOB_VERSION goes with it. */
static inline uint32_t fact_name_hash(struct bytes name)
{
	const uint64_t case_bits = UINT64_C(0x2020202020202020);
	const uint64_t mix = UINT64_C(0x9E3779B97F4A7C15);
	uint64_t hash = name.len * mix, last;

	for (size_t at = 0; at + 8 < name.len; at += 8) {
		hash = (hash ^ (bytes_load_eight(name.data + at) | case_bits)) * mix;
		hash ^= hash >> 32;
	}
	last = name.len < 8 ? bytes_load_few(name.data, name.len)
	                    : bytes_load_eight(name.data + name.len - 8);
	hash = (hash ^ (last | case_bits)) * mix;
	return (uint32_t)(hash >> 32);
}

/* The first field of a part with this name at or behind `from` (an index in facts.field), or
 * FACT_NONE. Start with part->field_first. */
uint32_t facts_field(const struct facts *facts, const struct fact_part *part, struct bytes name,
                     uint32_t from);
/* The last one, which is what MIME headers are read by. */
uint32_t facts_last_field(const struct facts *facts, const struct fact_part *part,
                          struct bytes name);
/* The tag of this name (lower case) in an HTML part, or NULL when it never occurred. */
const struct fact_tag *facts_tag(const struct fact_html *html, struct bytes name);

#endif
