/* tls_accel.h - private to TLS: the arithmetic done by faster libraries, where the build has them.
 *
 * A build without acceleration has tls_accel_none.c, and all of Mbed TLS's own arithmetic. With it:
 *  - tls_accel.c: signatures with our long-lived keys, and X25519, by libcrypto;
 *  - tls_accel_p256.c: P-256 for exchanges and for signatures of peers, by libcrypto, through the
 *    hooks that the library has for a driver;
 *  - tls_accel_gcm.c: AES-GCM by libipsec-mb. */
#ifndef TCPSTACK_TLS_ACCEL_H
#define TCPSTACK_TLS_ACCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

extern const char tls_accel_name[];

/* Once a process, before other calls; a part that fails answers that it is unable. */
void tls_accel_open_process(void);
bool tls_accel_open_gcm(void);
/* Once a thread that makes connections. False: no memory. */
bool tls_accel_open_thread(void);
bool tls_accel_open_p256(void);
void tls_accel_close_thread(void);
void tls_accel_close_p256(void);

/* A private key kept ready for signing: RSA (RFC 8017 A.1.2) or ECDSA on P-256 (RFC 5915), DER.
 * NULL when it is another, or when there is no acceleration. Its memory is the operating system's.
 */
void *tls_accel_key_new(bool rsa, struct bytes der);
void tls_accel_key_free(void *key);

enum tls_accel_scheme { TLS_ACCEL_ECDSA, TLS_ACCEL_PKCS1, TLS_ACCEL_PSS };

/* Signs a digest of 32, 48 or 64 octets of SHA-2; PSS with a salt of that length (RFC 8446 4.2.3),
 * ECDSA in DER (RFC 3279 2.2.3). False: not done. */
bool tls_accel_sign(void *key, enum tls_accel_scheme scheme, struct bytes digest,
                    uint8_t *signature, size_t signature_bytes, size_t *out_len);

enum tls_accel_result { TLS_ACCEL_DONE, TLS_ACCEL_REFUSED, TLS_ACCEL_UNABLE };

/* RFC 7748 5, 6.1: 32 octets each. Refused: the peer's value has small order. */
enum tls_accel_result tls_accel_x25519(const uint8_t secret[32], const uint8_t peer[32],
                                       uint8_t out_shared[32]);
/* The public value to a secret. */
enum tls_accel_result tls_accel_x25519_public(const uint8_t secret[32], uint8_t out_public[32]);

#endif
