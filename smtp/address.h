/* address.h - reverse-paths, forward-paths and parameters of MAIL and RCPT (RFC 5321 4.1.2).
 *
 * The grammar is that of the RFC, with two reliefs met in the field: `_` in domain labels, and one
 * dot behind a domain. Bounds are those of 4.5.3.1: local part 64, domain 255, path 256.
 */
#ifndef SMTP_ADDRESS_H
#define SMTP_ADDRESS_H

#include <stdbool.h>

#include "base/bytes.h"

enum address_result {
	ADDRESS_OK,
	ADDRESS_BAD,
	ADDRESS_NOT_ASCII, /* would need SMTPUTF8 (RFC 6531) */
};

struct address {
	struct bytes path; /* the mailbox, without angle brackets and source route; empty for <> */
	struct bytes local_part,
	    domain;        /* slices of path; the domain is empty for <> and <postmaster> */
	struct bytes rest; /* what stands behind the '>' */
	bool routed;       /* a source route was stripped */
};

/* "<...>..." with `<>` allowed (MAIL) or `<postmaster>` allowed (RCPT). Slices point into `text`.
 */
enum address_result address_parse_reverse_path(struct bytes text, struct address *out_address);
enum address_result address_parse_forward_path(struct bytes text, struct address *out_address);
/* A domain or an address literal in brackets. */
bool address_domain_is_valid(struct bytes text);

struct address_parameter {
	struct bytes keyword, value;
	bool has_value;
};

enum address_parameter_result { PARAMETER_NONE, PARAMETER_FOUND, PARAMETER_BAD };

/* The next " KEYWORD[=value]" (4.1.1.11); advances *rest. Spaces at the end are no parameter. */
enum address_parameter_result address_parameter_next(struct bytes *rest,
                                                     struct address_parameter *out_parameter);

#endif
