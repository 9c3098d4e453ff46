/* spf_term.h - the terms of an SPF record (RFC 7208, 4.6.1 and 12), read one at a time. */
#ifndef MGMT_SPF_TERM_H
#define MGMT_SPF_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/spf_question.h"

enum spf_term_kind {
	SPF_TERM_ALL,
	SPF_TERM_INCLUDE,
	SPF_TERM_A,
	SPF_TERM_MX,
	SPF_TERM_PTR,
	SPF_TERM_IP4,
	SPF_TERM_IP6,
	SPF_TERM_EXISTS,
	SPF_TERM_REDIRECT,
	SPF_TERM_EXP,
	SPF_TERM_OTHER /* a modifier nobody has defined: passed over */
};

struct spf_term {
	enum spf_term_kind kind;
	enum spf_result qualifier; /* what a match means */
	struct bytes domain;       /* a domain-spec, macros and all; empty: the domain in hand */
	struct addr network;       /* of ip4 and ip6 */
	uint8_t bits4, bits6;      /* of the network, or of the addresses found */
};

enum spf_term_step { SPF_TERM_TAKEN, SPF_TERM_END, SPF_TERM_WRONG };

/* Whether a text record is one of SPF: "v=spf1", then a blank or nothing (4.5). Its terms are what
 * follows. */
bool spf_record_begins(struct bytes text, struct bytes *out_terms);
/* Takes the next term off the front of `terms`; the term's slices point into it. */
enum spf_term_step spf_term_next(struct bytes *in_out_terms, struct spf_term *out_term);
/* All terms can be read, and none of redirect and exp is there twice (4.6, 6). */
bool spf_terms_are_sound(struct bytes terms);

#endif
