/* gateway.h - the story of a message on one worker: sessions of clients, connections to backends,
 * verdicts.
 *
 * A gateway belongs to one worker. It owns no packets but those of messages it holds, sends no
 * frame and reads no clock: connections come from tcpstack's ready list, time is an argument,
 * events leave through a ring.
 */
#ifndef DATAPLANE_GATEWAY_H
#define DATAPLANE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/hash.h"
#include "base/question.h"
#include "base/ring.h"
#include "classifier/classifier_counters.h"
#include "dataplane/gateway_counters.h"
#include "dataplane/rules.h"
#include "smtp/mime_counters.h"
#include "smtp/smtp_counters.h"
#include "tcpstack/net.h"
#include "tcpstack/tls_counters.h"

struct gateway;
struct tls_helpers;
struct tls_slot;

struct gateway_config {
	const struct config *config;
	struct net *net;
	struct pkt_pool *pool;
	struct rules_slot *rules;
	struct ring *events;  /* struct event; NULL: nobody listens */
	uint32_t event_count; /* that `events` holds; management can write there */
	const struct question_rings *questions; /* NULL: nothing is asked of the network */
	int questions_wake_fd;                  /* management's; -1: none */
	struct gateway_counters *counters;
	struct smtp_counters *smtp_counters;
	struct mime_counters *mime_counters;
	struct tls_counters *tls_counters;
	struct tls_slot *tls;            /* NULL: no TLS */
	struct tls_helpers *tls_helpers; /* NULL: slow signatures are made in the turn */
	uint32_t worker;
	const char *hostname;
	struct hash_key secret;       /* of message ids */
	uint64_t (*cpu_now_ns)(void); /* clock of the rules' budget */
};

/* Octets gateway_new takes from the arena, at most. */
size_t gateway_bytes(const struct config *config);
/* Octets of the record that a message to one recipient uses, beside its own octets, which stay in
 * the packets they came in, and the text of its envelope; and how many are reserved for it. */
size_t gateway_message_bytes(size_t *out_reserved);
/* Carves everything and listens on the configured listeners. NULL when the arena is too small or a
 * listener cannot be had. Keeps every pointer in `config`. */
struct gateway *gateway_new(struct arena *arena, const struct gateway_config *config,
                            uint64_t now_us);
/* By the thread of the turns, after the last one: gives back what belongs to that thread. */
void gateway_leave(struct gateway *gateway);
/* Gives back what is not of the arena (charset converters). Nothing may be called after it. */
void gateway_close(struct gateway *gateway);
/* One turn: bounded work on connections with news, timers and messages that wait for their verdict.
 */
void gateway_run(struct gateway *gateway, uint64_t now_us, uint64_t wall_us);
/* UINT64_MAX: nothing to wait for. A time in the past: work is left over. */
uint64_t gateway_next_deadline_us(const struct gateway *gateway);
/* New clients get 421; transactions past the dot are finished. */
void gateway_drain(struct gateway *gateway);
void gateway_resume(struct gateway *gateway);
/* Numbers of the configuration have changed in place. What memory was carved for stays as it was.
 */
void gateway_reload(struct gateway *gateway);
/* No session is left. */
bool gateway_idle(const struct gateway *gateway);
uint32_t gateway_session_count(const struct gateway *gateway);
/* Has a helper thread something for it? To be asked between saying that one sleeps and sleeping. */
bool gateway_is_called(const struct gateway *gateway);
/* Connections inside TLS now, and the octets of TLS memory they take. */
uint32_t gateway_tls_use(const struct gateway *gateway, size_t *out_bytes);
/* What becomes of a SYN from `addr`, before any state. A pure look-up, for struct net_config. */
enum net_welcome gateway_welcome(const struct gateway *gateway, const struct addr *addr);

#endif
