/* sha256.h - SHA-256 (FIPS 180-4), so that what was sent and what arrived can be compared by name.
 */
#ifndef BENCH_COMMON_SHA256_H
#define BENCH_COMMON_SHA256_H

#include <stdint.h>

#include "base/bytes.h"

struct sha256 {
	uint32_t state[8];
	uint64_t bytes;
	uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, struct bytes data);
/* 64 lower case hexadecimal digits and a NUL. */
void sha256_end(struct sha256 *sha, char out_hex[65]);

#endif
