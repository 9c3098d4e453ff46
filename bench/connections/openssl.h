/* openssl.h - OpenSSL's headers beside ours, which know an ERR_STATE, too. */
#ifndef BENCH_CONNECTIONS_OPENSSL_H
#define BENCH_CONNECTIONS_OPENSSL_H

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#undef ERR_STATE

#endif
