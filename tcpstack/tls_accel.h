/* tls_accel.h - private to TLS: the arithmetic done by faster libraries, where the build has them.
 *
 * A build without acceleration has tls_accel_none.c, and all of Mbed TLS's own arithmetic. */
#ifndef TCPSTACK_TLS_ACCEL_H
#define TCPSTACK_TLS_ACCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

extern const char tls_accel_name[];

/* Once a process, before other calls. */
void tls_accel_open_process(void);
/* Once a thread, the engine's memory being entered. */
bool tls_accel_open_thread(void);
void tls_accel_close_thread(void);

/* A private RSA key kept ready for signing; NULL when it is none, or when there is no acceleration.
 * DER: RFC 8017 A.1.2. Its memory is the operating system's. */
void *tls_accel_key_new(struct bytes rsa_private_der);
void tls_accel_key_free(void *key);

enum tls_accel_padding { TLS_ACCEL_PKCS1, TLS_ACCEL_PSS };

/* Signs a digest of `digest_len` octets (20, 32, 48 or 64: SHA-1 or SHA-2); PSS with a salt of that
 * length (RFC 8446 4.2.3). The signature is checked before it leaves. False: not done. */
bool tls_accel_sign_rsa(void *key, enum tls_accel_padding padding, const uint8_t *digest,
                        size_t digest_len, uint8_t *signature, size_t signature_bytes,
                        size_t *out_len);

enum tls_accel_result { TLS_ACCEL_DONE, TLS_ACCEL_REFUSED, TLS_ACCEL_UNABLE };

/* RFC 7748 5, 6.1: 32 octets each. Refused: the peer's value has small order. */
enum tls_accel_result tls_accel_x25519(const uint8_t secret[32], const uint8_t peer[32],
                                       uint8_t out_shared[32]);

#endif
