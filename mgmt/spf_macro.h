/* spf_macro.h - macros of SPF records (RFC 7208, 7): whether they can be read, and the names they
 * make. */
#ifndef MGMT_SPF_MACRO_H
#define MGMT_SPF_MACRO_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/question.h"

/* What the letters stand for. */
struct spf_macros {
	struct addr client;
	struct bytes local, sender_domain, helo;
	struct bytes domain;    /* of the record in hand */
	struct bytes validated; /* the client's name; empty: it has none */
};

/* A macro-string, without the letters that only explanations may use. */
bool spf_macros_are_sound(struct bytes text);
/* A domain-spec: a macro-string that ends as a name does (7.1). */
bool spf_domain_is_sound(struct bytes text);
/* Whether one of these letters, small ones, is a macro in it. */
bool spf_domain_uses(struct bytes domain_spec, const char *letters);
/* The name a sound domain-spec stands for: lower case, no dot at its end, labels taken off its
 * front until it is short enough (7.3). False: it is none that can be asked for. */
bool spf_domain_expand(const struct spf_macros *macros, struct bytes domain_spec,
                       char out_name[QUESTION_NAME_BYTES]);

#endif
