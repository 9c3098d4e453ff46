/* tls_clients.h - very many SMTP clients inside TLS, by OpenSSL, without a stack: each takes what
 * its frames bring, says EHLO, and stays.
 *
 * The link keeps all frames and their order, so the sequence numbers of both sides are all that is
 * kept of TCP. */
#ifndef BENCH_CONNECTIONS_TLS_CLIENTS_H
#define BENCH_CONNECTIONS_TLS_CLIENTS_H

#include "bench/connections/clients.h"

struct tls_clients;

/* `version` is OpenSSL's number of the only one they speak. */
struct tls_clients *tls_clients_new(struct clients *clients, uint32_t count, int version);
void tls_clients_free(struct tls_clients *all);
/* Each sends one frame, or a record in one. */
void tls_clients_open(struct tls_clients *all, uint64_t now_us);
void tls_clients_noop(struct tls_clients *all, uint64_t now_us, uint32_t index);

/* What has happened so far. */
struct tls_clients_seen {
	uint32_t opened, greeted, noops_answered;
	uint32_t closed; /* told 421 and ended by close_notify and FIN, in this order */
	uint32_t broken;
};
const struct tls_clients_seen *tls_clients_seen(const struct tls_clients *all);

#endif
