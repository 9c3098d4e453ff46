/* dkim_hash.h - SHA-256 of canonical bodies and header fields (RFC 6376 3.4), over the octets of
 * the message as they lie.
 *
 * Lines end in LF, with a CR in front or not: what is hashed ends them in CRLF. In a message whose
 * lines end in CRLF a single LF in the body is an octet like others.
 */
#ifndef SMTP_DKIM_HASH_H
#define SMTP_DKIM_HASH_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define DKIM_DIGEST_BYTES SHA256_DIGEST_SIZE
#define DKIM_WHOLE        UINT64_MAX

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

/* A digest of the first `length` octets of a canonical body, or of DKIM_WHOLE. */
struct dkim_body_digest {
	uint64_t length;
	bool known; /* false: the body is shorter, or what there is of it */
	uint8_t digest[DKIM_DIGEST_BYTES];
};

/* Fills all digests in one walk over the body; they ascend by length. `cut`: more of the body
 * follows that nobody has. */
void dkim_hash_body(struct bytes body, bool crlf, bool cut, enum dkim_canon canon,
                    struct dkim_body_digest *in_out_digests, uint32_t count);

struct dkim_header_hash {
	struct sha256_ctx sha256;
	enum dkim_canon canon;
	uint64_t bytes; /* hashed so far */
	uint32_t held;
	uint8_t buf[256];
};

void dkim_header_begin(struct dkim_header_hash *hash, enum dkim_canon canon);
/* One field: all its octets with the end of its last line, and how many of them the name has. */
void dkim_header_field(struct dkim_header_hash *hash, struct bytes field, size_t name_len);
/* The last one, without an end of its last line, and without the octets of it in `left_out`. */
void dkim_header_last(struct dkim_header_hash *hash, struct bytes field, size_t name_len,
                      struct bytes left_out);
void dkim_header_end(struct dkim_header_hash *hash, uint8_t out_digest[DKIM_DIGEST_BYTES]);

#endif
