/* dns_packet.h - octets of a DNS packet (RFC 1035), for who reads records out of one. Anybody can
 * have written it. */
#ifndef MGMT_DNS_PACKET_H
#define MGMT_DNS_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define DNS_RECORDS_READ    256 /* of one section */
#define DNS_CLASS_IN        1
#define DNS_NAME_WIRE_BYTES 255
#define DNS_TTL_S_MAX       86400 /* what says more is remembered so long */

struct dns_reading {
	struct bytes packet;
	size_t at;
	bool bad; /* read beyond its end */
};

struct dns_head {
	uint32_t code; /* of the reply */
	uint32_t answers, authorities;
};

struct dns_record {
	uint16_t type, class;
	uint32_t ttl_s;
	size_t data; /* offset */
	uint16_t data_bytes;
};

/* Labels, the length of each before it, without the root's. Empty: the root, or longer than a name
 * may be. */
struct dns_name {
	size_t len;
	uint8_t wire[DNS_NAME_WIRE_BYTES];
};

/* A number of at most 4 octets; 0 behind the end. */
uint32_t dns_take(struct dns_reading *r, uint32_t bytes);
/* Goes behind a name, whose end may be elsewhere in the packet. `out_name`: NULL is possible. */
void dns_take_name(struct dns_reading *r, struct dns_name *out_name);
/* The next label; false: there is none left. */
bool dns_name_next(const struct dns_name *name, size_t *in_out_at, struct bytes *out_label);
/* The next octet of the strings of a TXT record, which are one text and end at `end`. A NUL would
 * end it: another octet stands for it that no text has either. `in_out_left`: 0 at first. False:
 * there is none left. */
bool dns_take_text(struct dns_reading *r, size_t end, uint32_t *in_out_left, uint8_t *out_octet);
/* Goes to the first answer. False: it is no reply to one question or none. */
bool dns_take_head(struct dns_reading *r, struct dns_head *out_head);
/* Goes behind a record. False: it does not fit into the packet. */
bool dns_take_record(struct dns_reading *r, struct dns_record *out_record);

#endif
