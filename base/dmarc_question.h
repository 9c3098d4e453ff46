/* dmarc_question.h - what is asked by QUESTION_DMARC, and what the answer's value means (RFC 7489).
 *
 * The worker names the author's domain and every domain that may have been proved, without knowing
 * yet which of them is; management tells what the author's domain wishes, and which of the others
 * are aligned with it.
 */
#ifndef BASE_DMARC_QUESTION_H
#define BASE_DMARC_QUESTION_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define DMARC_SENDER      0 /* the envelope's domain; proved by SPF */
#define DMARC_HELO        1 /* likewise */
#define DMARC_SIGNER      2 /* from here on: domains of signatures; proved by DKIM */
#define DMARC_SIGNERS_MAX 8
#define DMARC_DOMAINS_MAX (DMARC_SIGNER + DMARC_SIGNERS_MAX)

enum dmarc_policy {
#define DMARC_POLICY(name, text, meaning) DMARC_##name,
#include "base/dmarc_policies.def"
	DMARC_POLICY_COUNT
};

struct dmarc_request {
	struct bytes author;
	struct bytes domain[DMARC_DOMAINS_MAX]; /* empty: there is none */
};

/* answer.value */
#define DMARC_VALUE_POLICY  UINT32_C(0xff)
#define DMARC_VALUE_ALIGNED 8 /* bits from here on, one a domain */

#define DMARC_VALUE_SPARED 24 /* 7 bits: the percentage of mail that is treated more mildly */

static_assert(DMARC_VALUE_ALIGNED + DMARC_DOMAINS_MAX <= DMARC_VALUE_SPARED,
              "the bits of the domains end below the percentage");

static inline uint32_t dmarc_value_spared(uint32_t value)
{
	return value >> DMARC_VALUE_SPARED & 127;
}

/* The next policy below in severity (RFC 7489, 6.6.4). */
static inline enum dmarc_policy dmarc_milder(enum dmarc_policy policy)
{
	return policy == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_NONE;
}

static inline bool dmarc_value_aligned(uint32_t value, uint32_t domain)
{
	return (value >> DMARC_VALUE_ALIGNED >> domain & 1) != 0;
}

/* In small letters; domains that are none, or do not fit, are left out. Returns its octets; 0: the
 * author's is none. */
size_t dmarc_request_write(const struct dmarc_request *request, char *out_text, size_t text_bytes);
/* The slices point into `text`. False: it is none. */
bool dmarc_request_read(struct bytes text, struct dmarc_request *out_request);

#endif
