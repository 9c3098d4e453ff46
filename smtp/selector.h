/* selector.h - what a header rule looks at, taken from a parsed message. */
#ifndef SMTP_SELECTOR_H
#define SMTP_SELECTOR_H

#include "smtp/header.h"
#include "smtp/normalise.h"
#include "smtp/relays.h"
#include "smtp/text_build.h"
#include "smtp/uri.h"

enum selector_modifier {
	SELECTOR_RAW = 1,
	SELECTOR_ADDR = 2,
	SELECTOR_NAME = 4,
	SELECTOR_HOST = 8,
	SELECTOR_DOMAIN = 16,
	SELECTOR_IP = 32,
	SELECTOR_REVIP = 64,
	SELECTOR_FIRST = 128,
	SELECTOR_LAST = 256,
};

enum selector_special {
	SELECTOR_PLAIN,
	SELECTOR_ALL,
	SELECTOR_ALL_TRUSTED,
	SELECTOR_ALL_UNTRUSTED,
	SELECTOR_ALL_INTERNAL,
	SELECTOR_ALL_EXTERNAL,
	SELECTOR_ENVELOPE_FROM,
	SELECTOR_RELAYS_TRUSTED,
	SELECTOR_RELAYS_UNTRUSTED,
	SELECTOR_RELAYS_INTERNAL,
	SELECTOR_RELAYS_EXTERNAL,
	SELECTOR_TO_CC,
	SELECTOR_MESSAGE_ID,
	SELECTOR_SPECIAL_COUNT
};

/* What selectors are answered from. */
struct selector_source {
	struct header_table *headers;
	struct bytes pristine_header; /* as on the wire, the empty line included */
	const struct relays *relays;
	const struct uri_list *uris; /* for domains */
	struct sink scratch;         /* address names */
	struct bytes all; /* the fields as ALL has them, once it was asked for; in the output */
	size_t trusted_all_bytes; /* of `all`: what the trusted fields take */
};

/* Appends one segment to `out`: the value, or an absent one. */
void selector_put(const struct selector *selector, struct selector_source *source,
                  struct text_build *out);

#endif
