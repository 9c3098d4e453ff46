/* tls_peer.h - OpenSSL as the peer of our TLS, for simulated clients and backends: octets in,
 * octets out, nothing but memory. The certificates are those of tls_certificates.h.
 *
 * All random numbers of libcrypto come from a seed while it is open, also those that an accelerated
 * engine of ours asks it for, so that what happens depends on the seed alone. One thread only. */
#ifndef TLS_PEER_H
#define TLS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define TLS_PEER_NAME "mx.postern.test" /* what servers of either side show a certificate for */
/* The time of day at which the certificates are good: the beginning of virtual time. */
#define TLS_PEER_EPOCH_US UINT64_C(1800000000000000)

struct tls_peer;

struct tls_peer_options {
	bool server;
	bool only_1_2;
	bool rsa;    /* a server's certificate; a client's wish for the server's */
	bool resume; /* a client's: the last session there was, when there is one */
};

enum tls_peer_state {
	TLS_PEER_SHAKING, /* hands */
	TLS_PEER_UP,
	TLS_PEER_ENDED, /* close_notify came */
	TLS_PEER_BROKEN /* something it cannot accept came */
};

/* False: this build has no OpenSSL, and nothing else here may be called. */
bool tls_peer_open(uint64_t seed);
void tls_peer_close(void);
/* The gateway's certificates and keys, and their root, as the files ec.pem, ec.key, rsa.pem,
 * rsa.key and root.pem of a new folder. */
#define TLS_PEER_FOLDER_BYTES 32
void tls_peer_files(char out_folder[TLS_PEER_FOLDER_BYTES]);
void tls_peer_files_remove(const char *folder);
/* Virtual time, for the age of tickets. */
void tls_peer_set_time(uint64_t now_us);

struct tls_peer *tls_peer_new(const struct tls_peer_options *options);
void tls_peer_free(struct tls_peer *peer);

/* Octets of the wire that came; all are taken. */
void tls_peer_feed(struct tls_peer *peer, struct bytes octets);
/* Octets for the wire, until the next call; `sent` of those returned last have gone. */
struct bytes tls_peer_output(struct tls_peer *peer, size_t sent);

enum tls_peer_state tls_peer_state(const struct tls_peer *peer);
bool tls_peer_resumed(const struct tls_peer *peer);
/* Plaintext that came and was not consumed. */
struct bytes tls_peer_peek(const struct tls_peer *peer);
void tls_peer_consume(struct tls_peer *peer, size_t bytes);
/* Takes all; only when the state is UP. */
void tls_peer_write(struct tls_peer *peer, struct bytes octets);
/* Says close_notify. */
void tls_peer_shutdown(struct tls_peer *peer);

#endif
