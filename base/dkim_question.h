/* dkim_question.h - what a worker asks management about a signature (QUESTION_DKIM), and what the
 * number of the answer means.
 *
 * The worker has hashed the message; management has the key. RFC 6376, 8301, 8463.
 */
#ifndef BASE_DKIM_QUESTION_H
#define BASE_DKIM_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/question.h"

#define DKIM_QUESTION_DIGEST_BYTES 32
#define DKIM_SIGNATURE_BYTES_MAX   512 /* an RSA key of 4096 bits */
#define DKIM_KEY_BITS_MIN          1024u
#define DKIM_KEY_BITS_MAX          4096u

enum dkim_algorithm { DKIM_RSA_SHA256 = 1, DKIM_ED25519_SHA256 = 2 };

struct dkim_question {
	enum dkim_algorithm algorithm;
	struct bytes key_name;  /* "selector._domainkey.domain", lower case */
	struct bytes digest;    /* SHA-256 of the header fields signed */
	struct bytes signature; /* its octets */
};

/* Returns the length of the text; 0: it does not fit, or the name cannot be asked about. */
size_t dkim_question_write(const struct dkim_question *question, uint8_t out_text[QUESTION_BYTES]);
/* Slices point into `text`. False: it was not written by the above. */
bool dkim_question_read(struct bytes text, struct dkim_question *out_question);

/* answer.value, in an answer of ANSWER_FOUND; ANSWER_FAILED: the resolver does not know the key. */
enum dkim_verdict {
	DKIM_VERDICT_PASS = 1,
	DKIM_VERDICT_FAIL,     /* somebody else signed, or something else */
	DKIM_VERDICT_PERMERROR /* no key, a revoked one, or none that may be used for this */
};
#define DKIM_VALUE_VERDICT   UINT32_C(0xFF)
#define DKIM_VALUE_TESTING   UINT32_C(0x100) /* t=y of the key */
#define DKIM_VALUE_STRICT    UINT32_C(0x200) /* t=s: i= and d= must be of one domain */
#define DKIM_VALUE_BITS_FROM 16              /* bits of an RSA key; 0: another kind */

static inline uint32_t dkim_value_bits(uint32_t value)
{
	return value >> DKIM_VALUE_BITS_FROM;
}

#endif
