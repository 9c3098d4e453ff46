/* spf.h - whether a client may send for a domain (RFC 7208), one DNS lookup after the other.
 *
 * A check neither waits nor asks by itself: it says what it wants to know next and is given the
 * reply. Everything is bounded: lookups (4.6.4), records in hand, the depth of includes; what is
 * beyond a bound is a permerror. Explanations (exp) are read for their syntax and not fetched: what
 * a stranger wrote is shown to nobody.
 */
#ifndef MGMT_SPF_H
#define MGMT_SPF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/question.h"
#include "base/spf_question.h"

#include "mgmt/dns_reply.h"

#define SPF_TERMS_MAX   10 /* that ask the DNS, of all records together */
#define SPF_VOIDS_MAX   2  /* lookups that find nothing */
#define SPF_NAMES_MAX   10 /* of one mx term; of the client */
#define SPF_FRAMES_MAX  (SPF_TERMS_MAX + 1)
#define SPF_TEXT_BYTES  8192 /* of records in hand: of those that include each other */
#define SPF_LOCAL_BYTES 256

/* A record whose terms are gone through. */
struct spf_frame {
	char domain[QUESTION_NAME_BYTES];
	uint32_t text, text_len; /* of its terms, in the check's texts */
	uint32_t term, next;     /* offsets in them: of the term in hand, and behind it */
	enum spf_result qualifier;
	bool redirected; /* it is there for another, and must have a record */
};

enum spf_wait {
	SPF_WAIT_NOTHING,
	SPF_WAIT_RECORD,
	SPF_WAIT_ADDRESS,
	SPF_WAIT_EXISTS,
	SPF_WAIT_MX,
	SPF_WAIT_MX_ADDRESS,
	SPF_WAIT_PTR,
	SPF_WAIT_PTR_ADDRESS
};

struct spf {
	/* What is to be looked up while `wait` is not NOTHING. */
	char name[QUESTION_NAME_BYTES];
	uint16_t type;
	enum spf_wait wait;
	/* Behind the last reply. */
	enum spf_result result;
	uint32_t ttl_s; /* the least of all replies */
	/* The sender's local part or HELO counted; otherwise all senders of the domain are alike.
	 */
	bool is_personal;

	struct addr client;
	struct bytes helo, local, sender_domain;
	struct spf_frame frame[SPF_FRAMES_MAX];
	uint32_t frame_count, term_count, void_count;
	bool counted; /* the term in hand, before its lookups began */
	uint8_t bits4, bits6;
	/* Names to look up the addresses of. */
	char waiting[SPF_NAMES_MAX][QUESTION_NAME_BYTES];
	uint32_t waiting_count, waiting_next;
	/* The client's names that have its address; found once. */
	bool validated_known;
	char validated[SPF_NAMES_MAX][QUESTION_NAME_BYTES];
	uint32_t validated_count;
	char texts[SPF_TEXT_BYTES];
	uint32_t texts_len;
};

/* Begins a check. What the request points to must stay until it is done. */
void spf_begin(struct spf *spf, const struct spf_request *request);
/* While it is so, spf->name is to be looked up for spf->type. */
static inline bool spf_waits(const struct spf *spf)
{
	return spf->wait != SPF_WAIT_NOTHING;
}
/* Ends a check that has taken too long: a temperror. */
void spf_give_up(struct spf *spf);
/* The reply to that lookup. */
void spf_reply(struct spf *spf, const struct dns_reply *reply);

#endif
