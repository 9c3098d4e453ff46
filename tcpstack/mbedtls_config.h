/* mbedtls_config.h - what of Mbed TLS is built: laid over the library's own defaults.
 *
 * Every part that SMTP has no use for is left out: most of the library's past faults were in such
 * parts. The reasons and measurements are in docs/decisions. */
#ifndef TCPSTACK_MBEDTLS_CONFIG_H
#define TCPSTACK_MBEDTLS_CONFIG_H

#include <time.h>

/* Memory, time and random numbers are ours (tls_engine.c). */
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_MS_TIME_ALT
#define MBEDTLS_PLATFORM_TIME_MACRO tls_unix_time
#define MBEDTLS_PLATFORM_GMTIME_R_ALT
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#undef MBEDTLS_ENTROPY_C
time_t tls_unix_time(time_t *out_time);

/* A record received may have 16384 octets whatever we wish. What we send need not; but a chain of
 * certificates must fit into one message, and the library puts a message into one record. */
#define MBEDTLS_SSL_OUT_CONTENT_LEN 6144

/* Signatures of servers may be made by other threads (tls_helper.h). */
#define MBEDTLS_SSL_ASYNC_PRIVATE

#undef MBEDTLS_SSL_RENEGOTIATION
#undef MBEDTLS_SSL_PROTO_DTLS
#undef MBEDTLS_SSL_DTLS_ANTI_REPLAY
#undef MBEDTLS_SSL_DTLS_HELLO_VERIFY
#undef MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT
#undef MBEDTLS_SSL_DTLS_SRTP
#undef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#undef MBEDTLS_SSL_ENCRYPT_THEN_MAC
#undef MBEDTLS_SSL_CONTEXT_SERIALIZATION
#undef MBEDTLS_SSL_CACHE_C
#undef MBEDTLS_SSL_COOKIE_C
#undef MBEDTLS_SSL_TICKET_C

/* Ephemeral elliptic curves only (RFC 9325 4.2). */
#undef MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_DHE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDH_ECDSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDH_RSA_ENABLED
#undef MBEDTLS_DHM_C
#undef MBEDTLS_ECJPAKE_C

#undef MBEDTLS_DEBUG_C
#undef MBEDTLS_SELF_TEST /* it counts field multiplications in globals that workers would share */
#undef MBEDTLS_FS_IO
#undef MBEDTLS_NET_C
#undef MBEDTLS_TIMING_C
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#undef MBEDTLS_PSA_ITS_FILE_C
#undef MBEDTLS_LMS_C
#undef MBEDTLS_PKCS7_C
#undef MBEDTLS_X509_CREATE_C
#undef MBEDTLS_X509_CSR_PARSE_C
#undef MBEDTLS_X509_CSR_WRITE_C
#undef MBEDTLS_X509_CRT_WRITE_C
#undef MBEDTLS_X509_CRL_PARSE_C
#undef MBEDTLS_CAMELLIA_C
#undef MBEDTLS_ARIA_C
#undef MBEDTLS_RIPEMD160_C
#undef MBEDTLS_NIST_KW_C
#undef MBEDTLS_PADLOCK_C
#undef MBEDTLS_PKCS12_C

#ifdef POSTERN_TLS_ACCEL
/* tls_accel*.c: the elliptic curves through the hooks of a driver that is not linked, AES-GCM by
 * its own type. Deterministic ECDSA would not reach the driver. */
#define MBEDTLS_USE_PSA_CRYPTO
#define MBEDTLS_PSA_P256M_DRIVER_ENABLED
#define MBEDTLS_GCM_ALT
#undef MBEDTLS_ECDSA_DETERMINISTIC
#endif

#endif
