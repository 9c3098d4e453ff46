/* mime_digest.c - what is in a part, as a number to know it again by. */
#include <assert.h>
#include <nettle/sha2.h>

#include "smtp/mime.h"

static_assert(MIME_DIGEST_BYTES == SHA256_DIGEST_SIZE, "SHA-256");

bool mime_digest(struct mime_tree *tree, const struct mime_part *part,
                 uint8_t out[MIME_DIGEST_BYTES])
{
	size_t scratch_len = tree->scratch.len;
	struct sha256_ctx sha256;
	struct bytes octets;

	if (!part->is_leaf || !mime_decode(tree, part, &octets))
		return false;
	sha256_init(&sha256);
	sha256_update(&sha256, octets.len, octets.data);
	sha256_digest(&sha256, SHA256_DIGEST_SIZE, out);
	tree->scratch.len = scratch_len;
	return true;
}
