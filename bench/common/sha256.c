/* sha256.c - SHA-256 by Nettle, as text. */
#include "bench/common/sha256.h"

#include <assert.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>

static_assert(SHA256_HEX_BYTES == BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE) + 1, "and a NUL");

void sha256_hex(struct bytes data, char out_hex[SHA256_HEX_BYTES])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, data.len, data.data);
	sha256_digest(&sha, sizeof(digest), digest);
	base16_encode_update(out_hex, sizeof(digest), digest);
	out_hex[SHA256_HEX_BYTES - 1] = '\0';
}
