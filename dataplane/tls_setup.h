/* tls_setup.h - what TLS is to be on each listener and towards each backend, made from the
 * configuration off the hot path, and how workers move from one set-up to the next.
 *
 * Every worker has a set-up of its own, since a struct tls_config belongs to one thread. A new one
 * is made completely before any worker sees it; sessions go on under the one they began with, and
 * an old one is freed when its worker has moved on and no connection uses it. Keys live in this
 * process's own memory, are never logged, and what was read from files is wiped.
 */
#ifndef DATAPLANE_TLS_SETUP_H
#define DATAPLANE_TLS_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/err.h"
#include "tcpstack/tls.h"

struct tls_setup_listener {
	enum tls_listener_mode mode;
	struct tls_config *config; /* NULL with a mode that wants one: it could not be made */
	bool certificate_for_mail; /* MAIL is for clients that have shown one we trust */
};

struct tls_setup_backend {
	enum tls_backend_mode mode;
	struct tls_config *config;
	bool pinned;
	uint8_t pin[TLS_PIN_BYTES];
	char name[TLS_NAME_BYTES_MAX + 1];
};

struct tls_setup {
	struct tls_setup_listener listener[LISTENERS_MAX];
	struct tls_setup_backend backend[BACKENDS_MAX];
	struct config_texts required_senders, required_recipients;
	struct tls_setup *next; /* the slot's: among those that end */
	uint32_t worker;
};

/* Is mail of (or for) `domain` only taken inside TLS? */
bool tls_setup_requires(const struct config_texts *domains, struct bytes domain);

struct tls_slot;

/* NULL: out of memory. */
struct tls_slot *tls_slot_new(uint32_t worker_count);
/* Reads the files `config` names and gives every worker a set-up made from them. Any thread but a
 * worker; several may call. When something is wrong `reason` says what of it first, and with
 * `keeps` nothing has changed; without, listeners whose certificates cannot be had offer TLS and
 * answer 454, and backends that need what cannot be had are not reached. */
MUST_CHECK enum err tls_slot_load(struct tls_slot *slot, const struct config *config, bool keeps,
                                  uint64_t unix_ms, char *reason, size_t reason_bytes);
/* Now and then, any thread but a worker: rotates the key of tickets, which reads the files anew,
 * and frees what has been left. False: the files could not be read, and `reason` says why; it is
 * tried again. */
bool tls_slot_turn(struct tls_slot *slot, uint64_t unix_ms, char *reason, size_t reason_bytes);
/* By the worker: its set-up from now on; NULL: none has been loaded. */
const struct tls_setup *tls_slot_current(struct tls_slot *slot, uint32_t worker);
/* When no worker runs. */
void tls_slot_free(struct tls_slot *slot);

#endif
