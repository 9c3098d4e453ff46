/* mime_digest.c - what is in a part, as a number to know it again by. */
#include <assert.h>
#include <nettle/md5.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "smtp/mime.h"

static_assert(PART_DIGEST_BYTES == SHA256_DIGEST_SIZE, "SHA-256 is the longest");

bool mime_digest(struct mime_tree *tree, const struct mime_part *part, enum part_digest kind,
                 uint8_t out_digest[PART_DIGEST_BYTES], uint32_t *out_part_bytes)
{
	static const struct nettle_hash *const hashes[PART_DIGEST_KINDS] = {
	    [PART_MD5] = &nettle_md5, [PART_SHA1] = &nettle_sha1, [PART_SHA256] = &nettle_sha256};
	const struct nettle_hash *hash = hashes[kind];
	size_t scratch_len = tree->scratch.len;
	struct bytes octets;
	union {
		struct md5_ctx md5;
		struct sha1_ctx sha1;
		struct sha256_ctx sha256;
	} state;

	if (!part->is_leaf || !mime_decode(tree, part, &octets))
		return false;
	hash->init(&state);
	hash->update(&state, octets.len, octets.data);
	hash->digest(&state, hash->digest_size, out_digest);
	*out_part_bytes = (uint32_t)octets.len;
	tree->scratch.len = scratch_len;
	return true;
}
