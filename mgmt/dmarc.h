/* dmarc.h - what a domain wishes for mail in its name that it has not proved (RFC 7489). */
#ifndef MGMT_DMARC_H
#define MGMT_DMARC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/dmarc_question.h"
#include "base/question.h"

struct dmarc_record {
	enum dmarc_policy policy, subdomains; /* p=, sp= */
	uint32_t spared;                      /* what pct= leaves of a hundred */
	bool strict_dkim, strict_spf;         /* adkim=s, aspf=s */
};

/* Among texts, NUL behind each, the only record there is (6.6.3). `out_any`: whether there is one
 * at all. False: there are several, or it cannot be used. */
bool dmarc_record_choose(struct bytes texts, struct dmarc_record *out_record, bool *out_any);
/* The organizational domain (3.2) of a sound name, by the public suffixes: a slice of it. What is a
 * public suffix itself is its own. */
struct bytes dmarc_organization(struct bytes name);
/* The answer's value. `above`: the record is the organizational domain's, not the author's own. */
uint32_t dmarc_value(const struct dmarc_request *request, const struct dmarc_record *record,
                     bool above);

#endif
