/* uri.h - URIs of a message: found in text, taken from HTML, in canonical forms. */
#ifndef SMTP_URI_H
#define SMTP_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/facts.h"
#include "base/redirects.h"
#include "base/texts.h"
#include "smtp/sink.h"

#define URI_BYTES_MAX  8192
#define URIS_MAX       2048
#define URI_WORK_BYTES (3 * URI_BYTES_MAX + 64) /* escaping makes three octets of one */

#define URI_TLD_BYTES_MAX 64

/* An answer of the public suffix list, which looks up slowly. */
struct uri_suffix {
	char name[URI_TLD_BYTES_MAX];
	uint8_t len; /* 0: none is kept here */
	bool is_suffix;
};

#define URI_FORMS_MAX     (4 * URIS_MAX)
#define URI_RAW_BYTES     ((size_t)16 * 1024)
#define URI_IDN_BYTES_MAX 512 /* of a host that is converted */
#define URI_IDN_MAX       256 /* hosts of one message that are */

struct uri_note {            /* beside a struct fact_uri, while they are gathered */
	uint32_t html_types; /* of the HTML part seen last */
	uint32_t html_part;
	bool has_anchor;           /* in it */
	bool is_checked, is_valid; /* whether one of its forms has a valid host, once asked */
};

/* The distinct URIs of one message. */
struct uri_list {
	struct sink data;
	struct segment *segment; /* URIS_MAX */
	uint32_t count;
	uint32_t
	    *slot; /* open addressing over segments; URI_SLOTS entries, 0 = free, else index + 1 */
	uint16_t *slot_at; /* by segment: its slot */
	uint8_t *base_memory;
	struct bytes base; /* of <base href>, empty when there is none */
	bool cut;          /* a URI was longer than URI_BYTES_MAX */
	bool left_out;     /* no room for one */
	uint8_t *work[2], *joined, *cleaned,
	    *resolved;                   /* forms under construction, URI_WORK_BYTES each */
	uint8_t classes[256];            /* of octets, for uri_find_in_text */
	const void *suffixes;            /* the public suffix list; TLDs are looked up there */
	struct uri_suffix *known_suffix; /* what it said of names asked for lately */
	struct redirects redirects;      /* of the rules; find NULL: none */
	struct fact_uri *detail;         /* URIS_MAX: URIs as they stood; their forms are kept */
	struct uri_note *note;           /* by detail */
	uint16_t *detail_slot;           /* as `slot`, over details */
	uint16_t *detail_slot_at;        /* by detail: its slot */
	uint16_t *form;                  /* URI_FORMS_MAX: what details refer to */
	struct sink raw;                 /* URIs that are none of their own forms */
	uint32_t detail_count, form_count;
	uint32_t html_part;
	uint8_t idn_host[URI_IDN_BYTES_MAX]; /* converted last, and what became of it */
	uint8_t idn_ascii[URI_IDN_BYTES_MAX];
	uint32_t idn_host_len, idn_ascii_len, idn_count;
};

size_t uri_list_bytes(void);
/* Opens the built-in public suffix list; false when memory is out. */
bool uri_list_init(struct uri_list *list, struct arena *arena);
void uri_list_reset(struct uri_list *list);

/* URIs of one segment of body text. */
void uri_find_in_text(struct uri_list *list, struct bytes text);
/* An HTML part begins: it has a base of its own. */
void uri_begin_html(struct uri_list *list);
/* A URI from an HTML attribute, decoded; relative ones are resolved against list->base. */
void uri_add_from_html(struct uri_list *list, struct bytes uri, enum fact_uri_type type);
/* The href of an anchor: besides that, it counts as it stands. Its index in list->detail, or
 * FACT_NONE. */
uint32_t uri_add_anchor(struct uri_list *list, struct bytes uri);
/* The domain that signed the message. */
void uri_add_signer(struct uri_list *list, struct bytes domain);
/* No more URIs come: what was left open in details is settled. */
void uri_list_close(struct uri_list *list);
/* Without white space and NBSP (as UTF-8) at both ends. */
struct bytes uri_trim(struct bytes uri);
/* <base href>: kept (a copy, in the list's memory) when absolute. */
void uri_set_base(struct uri_list *list, struct bytes uri);

/* Whether the last label of `host` is a top-level domain that exists (ICANN section of the list).
 */
bool uri_has_valid_tld(const struct uri_list *list, struct bytes host);
/* The registrable part of a host name by the public suffix list; the host itself when there is
 * none. */
struct bytes uri_registered_domain(const struct uri_list *list, struct bytes host);

/* Fills the octet classes uri_find_in_text works with. */
void uri_classes_fill(uint8_t classes[256]);
/* Appends `text` resolved against `base` (may be empty). */
void uri_resolve(struct bytes base, struct bytes text, struct sink *out);
/* Appends `in` with escapes of printable octets undone and raw octets that need one escaped. */
void uri_put_unescaped(struct bytes in, struct sink *out);

/* Keeps `uri` as it stands unless it is there already; its index, or FACT_NONE when there is no
 * room. */
uint32_t uri_keep(struct uri_list *list, struct bytes uri);

/* The detail of a URI that was added before, or FACT_NONE. */
uint32_t uri_detail_find(const struct uri_list *list, struct bytes uri);
/* Notes that the detail to come has this form. */
void uri_detail_form(struct uri_list *list, uint32_t form);
/* Makes a detail of `uri` with the forms noted since the last one; FACT_NONE when there is no room.
 */
uint32_t uri_detail_make(struct uri_list *list, struct bytes uri);

/* uri_canon.c: whether `uri` or one of its canonical forms has a valid host; and keeps them all. */
bool uri_leads_to_host(struct uri_list *list, struct bytes uri);
void uri_put_forms(struct uri_list *list, struct bytes uri);

/* Adds `uri` and its canonical forms, as referred to by `types` (bits; none: only an anchor's text
 * is known), all of HTML or, with `from_text`, all of text: then only when one of the forms has a
 * valid domain. Its index in list->detail, or FACT_NONE. */
uint32_t uri_add(struct uri_list *list, struct bytes uri, uint32_t types, bool from_text);

#endif
