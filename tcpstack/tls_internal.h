/* tls_internal.h - what the files of TLS share; the only header of ours that shows Mbed TLS. */
#ifndef TCPSTACK_TLS_INTERNAL_H
#define TCPSTACK_TLS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "base/pool.h"
#include "tcpstack/tls.h"
#include "tcpstack/tls_helper.h"
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
	struct tls_helpers *helpers; /* NULL: none */
	uint32_t helpers_engine;
	uint64_t job_number;                           /* of the last job */
	uint32_t jobs_out[TLS_HELPERS_MAX];            /* with each helper, not answered */
	struct tls_signing *asking_head, *asking_tail; /* for room in a ring */
	int ticket_suite; /* of the session in the ticket opened last; 0: none was */
};

/* What is to be signed, and by whom. */
struct tls_job {
	uint64_t number; /* never used again by its engine */
	struct tls_config *config;
	struct tls_certificate *certificate;
	uint32_t connection; /* in the engine's pool */
	uint8_t type;        /* mbedtls_pk_type_t */
	uint8_t digest;      /* mbedtls_md_type_t */
	uint8_t hash_len;
	uint8_t hash[MBEDTLS_MD_MAX_SIZE];
};

enum tls_signing_state { TLS_SIGNING_ASKING, TLS_SIGNING_AWAY, TLS_SIGNING_DONE };

/* Of a connection whose signature a helper makes; in its engine's memory. */
struct tls_signing {
	struct tls_job job;
	struct tls_signing *next, *before; /* of those that ask */
	enum tls_signing_state state;
	size_t signature_len; /* 0: the helper could not */
	uint8_t signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
};

struct tls_certificate {
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
	struct tls_memory *memory; /* the configuration's, that the key is in */
	void *accel;               /* the key as tls_accel.c has it, or NULL */
	bool slow;                 /* helpers sign with it, if there are any */
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
	const char *alpn[2]; /* NULL-terminated, for the library */
	tls_key_log_fn *key_log;
	void *key_log_context;
	pthread_mutex_t signing; /* taken by helpers only: keys change when they sign */
	_Atomic uint32_t users;  /* connections, and jobs with helpers */
};

struct tls {
	mbedtls_ssl_context ssl;
	struct tls_engine *engine;
	struct tls_config *config;
	void *user;
	struct tls_signing *signing; /* NULL: no helper is asked */
	uint8_t signings_failed;     /* ways of signing that its helper could not do */
	struct bytes input;          /* fed, not taken yet */
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
/* What the library, and what accelerates it, need once a thread; from the memory that was entered.
 * `keys`: that the thread will hold at once. */
bool tls_thread_open(size_t keys);
void tls_thread_close(void);
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

/* ---- tls_helper.c ---- */

/* Does a helper sign with this key of the connection's? */
bool tls_helper_wanted(const struct tls *tls, mbedtls_pk_context *key);
/* Asks one; false: no memory. */
bool tls_helper_ask(struct tls *tls, mbedtls_pk_type_t type, mbedtls_pk_context *key,
                    mbedtls_md_type_t digest, struct bytes hash);
/* The signature was used, or nobody wants it any more. */
void tls_helper_forget(struct tls *tls);
/* Waits for the answers that are still to come; no connection is left. */
void tls_helper_settle(struct tls_engine *engine);

/* ---- tls_sign.c ---- */

/* The certificate that a key is a member of. */
struct tls_certificate *tls_certificate_of(mbedtls_pk_context *key);
/* A job, here and now: octets of the signature, 0 when it cannot be made. */
size_t tls_sign_job(const struct tls_job *job, uint8_t *out, size_t bytes_max);
/* A server of TLS 1.2 lets helpers sign. */
void tls_sign_let_helpers(mbedtls_ssl_config *config);

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
int tls_write_certificate_verify(mbedtls_ssl_context *ssl);
psa_status_t tls_agree(const psa_key_attributes_t *attributes, const uint8_t *key, size_t key_len,
                       psa_algorithm_t algorithm, const uint8_t *peer, size_t peer_len,
                       uint8_t *secret, size_t secret_bytes, size_t *out_len);

#endif
