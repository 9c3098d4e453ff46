/* dissect.h - a frame of others, as seen on a wire or in a capture, taken apart down to the
 * transport header.
 *
 * Nothing is refused for being addressed to somebody else; what is malformed is named. A pure
 * function of its input; slices point into it.
 */
#ifndef TCPSTACK_DISSECT_H
#define TCPSTACK_DISSECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"

enum dissect_result {
	DISSECT_OK,
	DISSECT_NOT_IP,          /* another EtherType */
	DISSECT_SHORT,           /* cut within Ethernet, its tags or the fixed IP header */
	DISSECT_TAGS_TOO_MANY,   /* more than DISSECT_TAGS_MAX VLAN tags */
	DISSECT_IP_MALFORMED,    /* version or lengths contradict each other or the frame */
	DISSECT_IP_CHECKSUM_BAD, /* IPv4 header; all else is as with DISSECT_OK */
	DISSECT_EXTENSIONS_BAD   /* IPv6: cut, too many, hop-by-hop not first, segments left */
};

#define DISSECT_TAGS_MAX 2 /* IEEE 802.1ad: QinQ */

struct dissect {
	struct bytes ip; /* the packet, without link padding */
	struct bytes
	    transport; /* behind the last IP header; a fragment's: what is behind its own */
	struct addr source, destination;
	uint32_t scope; /* 12 bits of each VLAN tag, the outer one high; 0 without */
	uint8_t protocol;
	uint8_t tag_count;
	uint8_t extension_count; /* IPv6 */
	bool fragmented;         /* a piece of a datagram: for fragment_feed, with: */
	size_t fragment_at, fragment_next_field;
};

/* An Ethernet frame, with IEEE 802.1Q, 802.1ad and old QinQ tags. */
enum dissect_result dissect_frame(struct bytes frame, struct dissect *out_dissect);
/* From the IP header on; the scope is the caller's to set. */
enum dissect_result dissect_ip(struct bytes packet, struct dissect *out_dissect);

#endif
