/* client.h - a sending SMTP session towards a backend: commands out, replies in, in step.
 *
 * Every command goes through smtp_client_send_*(), which writes it into `out` and notes that a
 * reply is due. smtp_client_next() consumes octets of the backend and returns one event a complete
 * (multi-line) reply, with the command it answers. Never allocates, replies or reads a clock.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "smtp/auth.h"
#include "smtp/smtp_counters.h"

#define SMTP_CLIENT_PENDING_MAX 32
#define SMTP_CLIENT_REPLY_BYTES 512

enum smtp_client_command {
	SMTP_CLIENT_GREETING, /* the banner */
	SMTP_CLIENT_EHLO,
	SMTP_CLIENT_HELO,
	SMTP_CLIENT_MAIL,
	SMTP_CLIENT_RCPT,
	SMTP_CLIENT_DATA,
	SMTP_CLIENT_DOT, /* the reply to the message */
	SMTP_CLIENT_RSET,
	SMTP_CLIENT_NOOP,
	SMTP_CLIENT_QUIT,
	SMTP_CLIENT_AUTH,     /* or a response of its exchange: 334 asks for one */
	SMTP_CLIENT_STARTTLS, /* 220: what follows is TLS; smtp_client_restart() behind it */
};

enum smtp_client_event_kind {
	SMTP_CLIENT_NONE,  /* wants more input */
	SMTP_CLIENT_REPLY, /* a whole reply to event.command */
	SMTP_CLIENT_BROKEN /* not SMTP, a reply nobody asked for, one that its command cannot have,
	                      one over our bounds, or octets behind the answer to STARTTLS: close.
	                      An unasked 421 (RFC 5321 3.8) has its code and text; else the code
	                      is 0 */
};

struct smtp_client_event {
	enum smtp_client_event_kind kind;
	enum smtp_client_command command;
	uint16_t code;
	struct bytes text; /* one reply line without code and CRLF ("2.0.0 Ok: queued as ...");
	                      several lines are joined by one space; cut to SMTP_CLIENT_REPLY_BYTES.
	                      A challenge is whole and in base64. Until the next call */
};

struct smtp_client {
	struct smtp_counters *counters;
	uint8_t pending[SMTP_CLIENT_PENDING_MAX]; /* commands whose replies are due, oldest first */
	uint8_t pending_head, pending_count;
	bool pipelining, eightbitmime, size_known, enhanced, chunking, smtputf8, dsn, starttls;
	bool broken;       /* BROKEN was returned; nothing follows */
	uint64_t size_max; /* 0: not limited */
	uint16_t reply_code;
	uint16_t reply_lines;
	uint16_t line_len, text_len;
	uint16_t auth_mechanisms; /* that AUTH offers, of those we know; see auth.h */
	uint8_t *wide; /* in place of `line`, SMTP_AUTH_LINE_BYTES_MAX octets: see below */
	uint8_t line[SMTP_REPLY_LINE_BYTES_MAX * 2];
	uint8_t text[SMTP_CLIENT_REPLY_BYTES];
};

/* Waits for the greeting. */
void smtp_client_init(struct smtp_client *client, struct smtp_counters *counters);
/* Consumes from the front of *input. Call until it returns false: then it wants more input. */
bool smtp_client_next(struct smtp_client *client, struct bytes *input,
                      struct smtp_client_event *out_event);
/* TLS has begun behind the answer to STARTTLS: what the backend said before is forgotten (RFC 3207
 * 4.2), no greeting comes, EHLO is next. */
void smtp_client_restart(struct smtp_client *client);
/* Each returns false, having written nothing, when `out` or the pending queue is full, or a text
 * has an octet in it that must not stand in a command line (control characters). After EHLO's 250
 * the extension fields are set. `path` is without brackets; `parameters` as transaction.h has them,
 * empty for none. */
bool smtp_client_send_ehlo(struct smtp_client *client, struct bytes hostname, bool helo,
                           struct buf *out);
bool smtp_client_send_mail(struct smtp_client *client, struct bytes path, struct bytes parameters,
                           struct buf *out);
bool smtp_client_send_rcpt(struct smtp_client *client, struct bytes path, struct bytes parameters,
                           struct buf *out);
bool smtp_client_send_verb(struct smtp_client *client, enum smtp_client_command command,
                           struct buf *out);
/* For an exchange of AUTH: a challenge may have SMTP_AUTH_LINE_BYTES_MAX octets, and is read into
 * `wide`, which is kept until NULL is given. */
void smtp_client_widen(struct smtp_client *client, uint8_t *wide);
/* "AUTH MECHANISM [initial-response]", empty for none; and an answer to a challenge, base64. */
bool smtp_client_send_auth(struct smtp_client *client, enum auth_mechanism mechanism,
                           struct bytes response, struct buf *out);
bool smtp_client_send_response(struct smtp_client *client, struct bytes response, struct buf *out);
/* The final dot has been written by the user: its reply is due. */
void smtp_client_sent_dot(struct smtp_client *client);
/* Replies still due. */
uint32_t smtp_client_pending(const struct smtp_client *client);

#endif
