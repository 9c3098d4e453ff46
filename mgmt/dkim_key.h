/* dkim_key.h - the key of a domain that signs mail: its record in the DNS (RFC 6376 3.6.1, RFC
 * 8463), and whether it made a signature.
 */
#ifndef MGMT_DKIM_KEY_H
#define MGMT_DKIM_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/dkim_question.h"

enum dkim_key_kind {
	DKIM_KEY_NONE, /* no record, a revoked key, or none that may be used for mail */
	DKIM_KEY_RSA,
	DKIM_KEY_ED25519
};

struct dkim_key {
	enum dkim_key_kind kind;
	bool testing, strict; /* t=y, t=s */
	uint32_t bits;        /* of an RSA key */
	uint32_t exponent;
	uint8_t
	    octets[DKIM_KEY_BITS_MAX / 8]; /* the modulus, its first octets first; 32: Ed25519's */
};

/* Of the records of a name, NUL behind each, the first that is a key; else there is none. RFC 8301
 * 3.2: RSA keys below 1024 bits are none. */
void dkim_key_read(struct bytes records, struct dkim_key *out_key);
/* The number of the answer, see base/dkim_question.h. */
uint32_t dkim_key_verify(const struct dkim_key *key, const struct dkim_question *question);

/* Of the records at QUESTION_PRACTICES_PREFIX, NUL behind each: 'A' (the domain signs all mail),
 * 'D' (and what it did not sign may be discarded) or 'U' (it does not say). */
char dkim_practice_read(struct bytes records);

#endif
