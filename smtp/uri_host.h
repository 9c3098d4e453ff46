/* uri_host.h - the host inside a URI, and whether it can be one. */
#ifndef SMTP_URI_HOST_H
#define SMTP_URI_HOST_H

#include <stdbool.h>

#include "base/bytes.h"
#include "smtp/uri.h"

/* A name of at least two labels (RFC 1123 2.1; underscores from the third level on). */
bool uri_host_is_name(struct bytes host);
/* Four decimal octets. */
bool uri_host_is_ip4(struct bytes host);
/* Whether `uri` names a host under a top-level domain that exists, or an address. */
bool uri_has_valid_host(struct uri_list *list, struct bytes uri);

/* uri_idn.c: what the DNS calls a host that is not plain ASCII, in the list's memory until it is
 * asked about another one. False when the host stays as it is. */
bool uri_host_to_ascii(struct uri_list *list, struct bytes host, struct bytes *out_ascii);

#endif
