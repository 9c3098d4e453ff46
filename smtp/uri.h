/* uri.h - URIs of a message: found in text, taken from HTML, in canonical forms. */
#ifndef SMTP_URI_H
#define SMTP_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
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

/* The distinct URIs of one message. */
struct uri_list {
	struct sink data;
	struct segment *segment; /* URIS_MAX */
	uint32_t count;
	uint32_t *slot; /* open addressing over segments; URI_SLOTS entries of stamp and index */
	uint32_t stamp; /* of this message's slots; others are free */
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
	bool *expanded;                  /* URIS_MAX: all forms of this one are kept as well */
};

size_t uri_list_bytes(void);
/* Opens the built-in public suffix list; false when memory is out. */
bool uri_list_init(struct uri_list *list, struct arena *arena);
void uri_list_reset(struct uri_list *list);

/* URIs of one segment of body text. */
void uri_find_in_text(struct uri_list *list, struct bytes text);
/* A URI from an HTML attribute, decoded; relative ones are resolved against list->base. */
void uri_add_from_html(struct uri_list *list, struct bytes uri);
/* The href of an anchor: besides that, it counts as it stands. */
void uri_add_anchor(struct uri_list *list, struct bytes uri);
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

/* Keeps `uri` as it stands unless it is there already. */
void uri_keep(struct uri_list *list, struct bytes uri);

/* Whether all forms of `uri` were kept, too; notes that they were. */
bool uri_is_expanded(const struct uri_list *list, struct bytes uri);
void uri_set_expanded(struct uri_list *list, struct bytes uri);

/* Adds `uri` and its canonical forms. With `need_domain` only when one of them has a valid domain.
 */
void uri_add(struct uri_list *list, struct bytes uri, bool need_domain);

#endif
