/* dns_reply.h - what a DNS server replied, read from the packet (RFC 1035). */
#ifndef MGMT_DNS_REPLY_H
#define MGMT_DNS_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/question.h"

#define DNS_TYPE_A     1
#define DNS_TYPE_NS    2
#define DNS_TYPE_SOA   6
#define DNS_TYPE_TXT   16
#define DNS_NAMES_MAX  4
#define DNS_TEXT_BYTES 2048

struct dns_reply {
	enum answer_result result; /* FOUND, NONE or FAILED */
	uint32_t code;             /* as the server said (RFC 1035 4.1.1); of FOUND and NONE */
	uint32_t ttl_s;
	uint32_t address_count;
	uint32_t address[ANSWER_ADDRESSES_MAX]; /* host order */
	uint32_t text_len;
	char text[DNS_TEXT_BYTES]; /* records, NUL behind each; what does not fit is left out */
	uint32_t name_count;
	char name[DNS_NAMES_MAX][QUESTION_NAME_BYTES]; /* of NS records, lower case */
};

/* Reads records of `type` (A, NS or TXT) out of a reply. Aliases are taken for followed: the
 * resolver does that. A reply that cannot be read has failed. */
void dns_reply_parse(struct bytes packet, uint16_t type, struct dns_reply *out_reply);

#endif
