/* fragment.h - IP datagrams put together again from fragments, IPv4 and IPv6, within fixed memory.
 *
 * RFC 791 3.2, RFC 815 (holes), RFC 8200 4.5. A datagram whose fragments overlap is dropped whole,
 * with those fragments of it that are still to come (RFC 5722; for IPv4 by the same reasoning);
 * only exact copies of a fragment are forgiven (RFC 8200 4.5). Headers must not be spread over
 * fragments (RFC 1858, 7112, 8900). Nobody is told of a timeout: whoever floods us with halves
 * gets no echo.
 *
 * Bounds: datagrams under way, of them of one source, octets of each, fragments of each. Beyond
 * them the oldest goes, since the fragments of one datagram follow each other closely.
 */
#ifndef TCPSTACK_FRAGMENT_H
#define TCPSTACK_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "tcpstack/net_counters.h"

struct fragments;

struct fragments_config {
	struct hash_key key; /* secret: the table is found by it */
	uint32_t datagrams_max;
	uint32_t datagrams_per_source_max;
	uint32_t datagram_bytes_max; /* behind the header; at most 65535 */
	uint64_t timeout_us;         /* from the first fragment that arrives */
};

/* The bounds of base/limits.h; the key is the caller's to fill in. */
void fragments_config_defaults(struct fragments_config *config);
/* Octets fragments_new takes from the arena, at most. */
size_t fragments_bytes(const struct fragments_config *config);
/* Everything is carved here. The counters (fragments_*) stay the caller's. NULL: arena too small.
 */
struct fragments *fragments_new(struct arena *arena, const struct fragments_config *config,
                                struct net_counters *counters);

/* One fragment. The packet begins at its IP header, is cut to the length that header gives, and its
 * headers up to `at` are checked. */
struct fragment {
	struct bytes packet;
	size_t at;         /* IPv4: length of the header; IPv6: where the Fragment header is */
	size_t next_field; /* IPv6: where the octet is that announces the Fragment header */
	uint32_t scope;    /* fragments of different scopes (interface, VLAN) never meet */
};

enum fragment_result {
	FRAGMENT_HELD,       /* or an exact copy of one that is */
	FRAGMENT_WHOLE,      /* the datagram is complete */
	FRAGMENT_REFUSED,    /* it and its datagram are dropped, and counted */
	FRAGMENT_BAD_LENGTH, /* dropped: not the last, and no multiple of 8 octets, or empty */
	FRAGMENT_BAD_OFFSET, /* dropped: it would end beyond 65535 octets */
	FRAGMENT_BAD_CHAIN   /* dropped with its datagram: the first, without all headers */
};

/* Takes a copy of what it needs. With FRAGMENT_WHOLE, *out_datagram is the packet as it was before
 * it was cut: one IP header, lengths and checksum right, no trace of fragments; valid until the
 * next call. Times must not go back. */
enum fragment_result fragment_feed(struct fragments *fragments, uint64_t now_us,
                                   const struct fragment *fragment, struct bytes *out_datagram);
/* Forgets what timed out; fragment_feed does so itself. */
void fragment_expire(struct fragments *fragments, uint64_t now_us);
/* Datagrams under way, refused ones that are remembered included. */
uint32_t fragment_datagram_count(const struct fragments *fragments);

#endif
