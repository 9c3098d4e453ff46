/* sha256.h - SHA-256 in the words that name a message: what was sent and what arrived can be
 * compared by them.
 */
#ifndef BENCH_COMMON_SHA256_H
#define BENCH_COMMON_SHA256_H

#include "base/bytes.h"

#define SHA256_HEX_BYTES 65

/* 64 lower case hexadecimal digits and a NUL. */
void sha256_hex(struct bytes data, char out_hex[SHA256_HEX_BYTES]);

#endif
