/* tls_internal.h - what the files of TLS share; the only header of ours that shows Mbed TLS. */
#ifndef TCPSTACK_TLS_INTERNAL_H
#define TCPSTACK_TLS_INTERNAL_H

#include <stdatomic.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "base/pool.h"
#include "tcpstack/tls.h"
#include "tcpstack/tls_memory.h"

#define TLS_SUITES_MAX 16
#define TLS_GROUPS_MAX 8

struct tls_engine {
	struct tls_memory memory;
	struct pool connections;
	struct tls_counters *counters;
	mbedtls_ctr_drbg_context generator;
	void (*random)(void *context, uint8_t *out, size_t bytes);
	void *random_context;
	uint64_t unix_ms;
	int ticket_suite; /* of the session in the ticket that was opened last; 0: none was */
};

struct tls_certificate {
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
	struct tls_memory *memory; /* the configuration's, that the key is in */
	void *accel;               /* the key as tls_accel.c has it, or NULL */
};

/* Its memory holds all of it, itself included. Nothing here changes after tls_config_new but
 * `users` and what RSA keeps inside a key to blind with. */
struct tls_config {
	struct arena arena;
	struct tls_memory memory;
	enum tls_role role;
	mbedtls_ssl_config ssl;
	mbedtls_x509_crt roots;
	struct tls_certificate certificates[TLS_IDENTITIES_MAX];
	uint32_t certificate_count;
	int suites[TLS_SUITES_MAX + 1];
	uint16_t groups[TLS_GROUPS_MAX + 1];
	struct tls_ticket_key ticket_keys[TLS_TICKET_KEYS_MAX];
	uint32_t ticket_key_count;
	uint32_t ticket_lifetime_s;
	tls_key_log_fn *key_log;
	void *key_log_context;
	_Atomic uint32_t users;
};

struct tls {
	mbedtls_ssl_context ssl;
	struct tls_engine *engine;
	struct tls_config *config;
	struct bytes input; /* fed, not taken yet */
	size_t taken_bytes;
	bool ended;   /* a FIN comes behind the input */
	bool met_end; /* and the library has seen it */
	bool told;    /* TLS_HANDSHAKE has been returned */
	bool closing; /* close_notify has been made */
	bool named;   /* a client's: the certificate is compared with a name */
	bool retried; /* HelloRetryRequest */
	bool resumed;
	bool final; /* `last` is returned for ever */
	uint16_t group;
	struct tls_event last;
	struct bytes wire; /* what tls_output returns */
	size_t credit;     /* of it, what has gone */
	char server_name[TLS_NAME_BYTES_MAX + 1];
};

/* ---- tls_engine.c: what the library asks the outside for ---- */

/* The memory that the library takes from, in this thread, until tls_leave with what this returned.
 */
struct tls_memory *tls_enter(struct tls_memory *memory);
void tls_leave(struct tls_memory *before);
struct tls_memory *tls_memory_here(void);
/* What the library needs once a process. */
void tls_library_open(void);
/* The engine of this thread, or NULL. */
struct tls_engine *tls_engine_here(void);
/* From this thread's engine, without one from the operating system. */
int tls_random(void *context, unsigned char *out, size_t bytes);

/* ---- tls_config.c ---- */

/* The library asks which certificates to show, the client's name being known. */
int tls_choose_certificate(mbedtls_ssl_context *ssl);

/* ---- tls_ticket.c ---- */

int tls_ticket_write(void *context, const mbedtls_ssl_session *session, unsigned char *start,
                     const unsigned char *end, size_t *out_len, uint32_t *out_lifetime);
int tls_ticket_parse(void *context, mbedtls_ssl_session *session, unsigned char *ticket,
                     size_t len);

/* ---- tls_describe.c ---- */

/* The library tells of each secret it makes. */
void tls_log_keys(void *context, mbedtls_ssl_key_export_type type, const unsigned char *secret,
                  size_t secret_len, const unsigned char client_random[32],
                  const unsigned char server_random[32], mbedtls_tls_prf_types prf);
/* Notes what the library forgets when the handshake ends. */
void tls_note_handshake(struct tls *tls);

/* ---- the seams of the library (subprojects/packagefiles/mbedtls/meson.build), tls_sign.c ---- */

int tls_sign(mbedtls_pk_context *key, mbedtls_md_type_t digest, const unsigned char *hash,
             size_t hash_len, unsigned char *signature, size_t signature_bytes, size_t *out_len,
             int (*random)(void *, unsigned char *, size_t), void *random_context);
int tls_sign_restartable(mbedtls_pk_context *key, mbedtls_md_type_t digest,
                         const unsigned char *hash, size_t hash_len, unsigned char *signature,
                         size_t signature_bytes, size_t *out_len,
                         int (*random)(void *, unsigned char *, size_t), void *random_context,
                         mbedtls_pk_restart_ctx *restart);
int tls_sign_ext(mbedtls_pk_type_t type, mbedtls_pk_context *key, mbedtls_md_type_t digest,
                 const unsigned char *hash, size_t hash_len, unsigned char *signature,
                 size_t signature_bytes, size_t *out_len,
                 int (*random)(void *, unsigned char *, size_t), void *random_context);
psa_status_t tls_agree(const psa_key_attributes_t *attributes, const uint8_t *key, size_t key_len,
                       psa_algorithm_t algorithm, const uint8_t *peer, size_t peer_len,
                       uint8_t *secret, size_t secret_bytes, size_t *out_len);

#endif
