/* dns_reply.h - what a DNS server replied, read from the packet (RFC 1035). */
#ifndef MGMT_DNS_REPLY_H
#define MGMT_DNS_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/question.h"

enum dns_type {
#define RECORD_TYPE(name, word, code) DNS_TYPE_##name = code,
#include "base/record_types.def"
};

#define DNS_CODE_NO_NAME 3          /* nothing of any type has that name */
#define DNS_CODE_NONE    UINT32_MAX /* nobody replied, or what cannot be read */

#define DNS_NAMES_MAX      11 /* one more than anybody follows */
#define DNS_NAME_BYTES_MAX 253
#define DNS_ADDRESSES_MAX  64
#define DNS_TEXT_BYTES     65536 /* more than a packet holds: no text is ever left out */

struct dns_reply {
	enum answer_result result; /* FOUND, NONE or FAILED */
	uint32_t code;             /* as the server said (RFC 1035 4.1.1) */
	uint32_t ttl_s;
	bool timed_out;      /* no server replied in time */
	struct bytes packet; /* all of it, while the reply is told of; empty: there is none */
	uint32_t address_count;
	struct addr address[DNS_ADDRESSES_MAX]; /* of A and AAAA records */
	uint32_t name_count;
	char name[DNS_NAMES_MAX][QUESTION_NAME_BYTES]; /* of NS, MX and PTR records, lower case */
	char authority[QUESTION_NAME_BYTES]; /* of NONE: the server the zone's SOA names, lower
	                                        case; empty: it names none */
	uint32_t text_len;
	char
	    text[DNS_TEXT_BYTES]; /* of TXT records, NUL behind each; not cleared behind the last */
};

/* Reads records of `type` out of a reply, when it is one of addresses, texts or names; those beyond
 * a bound are left out. Aliases are taken for followed: the resolver does that. A reply that cannot
 * be read has failed. */
void dns_reply_parse(struct bytes packet, uint16_t type, struct dns_reply *out_reply);
/* What the resolver can be asked for and may be told of: two labels or more of 1 to 63 octets,
 * blanks and what can be seen but backslashes; 253 octets at most. Names of hosts are fewer. */
bool dns_name_is_sound(struct bytes name);
/* Without records. */
void dns_reply_clear(struct dns_reply *out_reply, enum answer_result result, uint32_t ttl_s);
/* All records of a reply as texts, NUL behind each: a type, a blank, data as SpamAssassin's askdns
 * rules see it, by Net::DNS. The end of the last one may be missing. Of types that nobody asks for
 * there is a '?'. */
struct dns_records {
	uint32_t count, ttl_s;
	uint32_t text_len;
	char text[ANSWER_TEXT_BYTES];
};
void dns_reply_records(struct bytes packet, struct dns_records *out_records);
/* Takes the first text off what is left of all. False: there is none. */
bool dns_reply_next_text(struct bytes *in_out_texts, struct bytes *out_text);

#endif
