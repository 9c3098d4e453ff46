/* auth.h - what AUTH says (RFC 4954): mechanisms, responses in base64, and who somebody claims to
 * be. */
#ifndef SMTP_AUTH_H
#define SMTP_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum auth_mechanism {
#define AUTH_MECHANISM(name, text, reference) AUTH_##name,
#include "smtp/auth_mechanisms.def"
	AUTH_MECHANISM_COUNT
};

/* A set of mechanisms: one bit each. */
#define AUTH_BIT(mechanism) (1u << (mechanism))

const char *auth_mechanism_text(enum auth_mechanism mechanism);
/* False: it is none of ours. */
bool auth_mechanism_find(struct bytes name, enum auth_mechanism *out_mechanism);
/* Those of ours among `words`, which spaces separate. */
uint32_t auth_mechanisms_of(struct bytes words);
/* " PLAIN LOGIN" for a set. */
void auth_mechanisms_write(uint32_t mechanisms, struct buf *out);

/* Base64 with its padding (RFC 4648 4), possibly empty: what a challenge or a response must be (RFC
 * 4954 4). */
bool auth_is_base64(struct bytes text);
/* The value of MAIL's AUTH= (RFC 4954 5): xtext (RFC 3461 4). */
bool auth_is_xtext(struct bytes text);
/* Who a client says it is, where its mechanism says so: of PLAIN the authentication identity, of
 * LOGIN the first response, of CRAM-MD5 what stands before the digest, of SCRAM the user name, of
 * XOAUTH2 the user, of OAUTHBEARER the authorization identity, which may be missing. It is true
 * when the server takes the login. `response` is in base64, the `index`th of the exchange, the
 * initial one among them. Octets outside printable ASCII become '?'. False: it is not said here, or
 * `out` has no room. */
bool auth_user(enum auth_mechanism mechanism, uint32_t index, struct bytes response,
               struct buf *out);

#endif
