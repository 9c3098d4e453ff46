/* server.h - a receiving SMTP session: push octets in, pull events out (RFC 5321, 2920, 1870, 6152, 2034).
 *
 * The loop of every user:
 *
 *     while (smtp_server_next(server, &input, &event) ...)
 *
 * smtp_server_next consumes octets from the front of `input` and returns what they mean. It never replies, never
 * allocates, never reads a clock. What needs no decision (syntax errors, EHLO, NOOP, wrong order) comes
 * as SMTP_EVENT_REPLY with the reply to send; what needs one (MAIL, RCPT, DATA, end of data ...) comes as its own
 * event and waits: the user answers by smtp_server_accept() or smtp_server_refuse(), which change the
 * state, and sends the reply of its choice. Several RCPT may wait at once; they are answered in order.
 *
 * Session and transaction are different structs with different lifetimes: RSET, EHLO and the end of a message
 * end the transaction and nothing else.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "smtp/reply.h"
#include "smtp/smtp_counters.h"
#include "smtp/transaction.h"

enum smtp_event_kind {
	SMTP_EVENT_NONE,  /* wants more input, or waits for an answer */
	SMTP_EVENT_REPLY, /* send event.reply; nothing to decide. EHLO: smtp_server_greeting() writes the lines */
	SMTP_EVENT_HELO,  /* EHLO or HELO; event.text is the name, server->esmtp says which; answer accept/refuse */
	SMTP_EVENT_MAIL,  /* the transaction holds the sender; answer */
	SMTP_EVENT_RCPT,  /* the transaction holds the recipient as its last; answer (may wait, in order) */
	SMTP_EVENT_DATA,  /* answer; accept means 354 was sent */
	SMTP_EVENT_BODY,  /* event.text: raw octets of the message (dot-stuffed, as on the wire); no answer */
	SMTP_EVENT_BODY_END, /* event.text: empty. The final dot has been consumed. Answer ends the transaction */
	SMTP_EVENT_RSET,  /* the transaction has ended; send REPLY_OK. No answer */
	SMTP_EVENT_QUIT,  /* send REPLY_BYE and close. No answer */
	SMTP_EVENT_CLOSE, /* too many errors or hopeless: send event.reply (421) and close. No answer */
};

struct smtp_event {
	enum smtp_event_kind kind;
	enum smtp_reply reply;
	struct bytes text; /* points into the input or into the line store; until the next call */
};

/* What the caller may set at any time. */
struct smtp_server_limits {
	uint32_t command_line_bytes_max;
	uint32_t recipients_max;
	uint32_t errors_max;
	uint64_t message_bytes_max;
	bool pipelining, size, eightbitmime, enhanced_status_codes; /* extensions announced */
};

/* Defects of framing seen in the current body; judged at BODY_END. */
struct smtp_body_defects {
	bool bare_lf, bare_cr, nul, line_too_long;
};

struct smtp_server {
	const struct smtp_server_limits *limits;
	struct smtp_counters *counters;
	struct transaction *transaction; /* attached by the user before MAIL can be accepted; may be NULL */
	uint8_t *line_store;             /* command_line_bytes_max octets, or NULL: see smtp_server_holds_line */
	uint32_t line_len;
	uint16_t error_count;
	uint8_t state;       /* private */
	uint8_t body_state;  /* private: end-of-data automaton */
	uint8_t waiting;     /* event kinds that wait for an answer: RCPTs still unanswered */
	bool esmtp, greeted, discarding;
	struct smtp_body_defects defects;
	uint64_t body_bytes; /* of the current message, content only: without the final ".CRLF" */
	uint32_t body_line_bytes;
};

void smtp_server_init(struct smtp_server *server, const struct smtp_server_limits *limits,
                      struct smtp_counters *counters);
/* Consumes from the front of *input (which is advanced). Call until it returns false: then it wants more input
 * or answers. A line that is not complete is copied to line_store; when there is none and one is needed the
 * event is SMTP_EVENT_CLOSE with REPLY_TRY_LATER. */
bool smtp_server_next(struct smtp_server *server, struct bytes *input, struct smtp_event *out_event);
/* The oldest waiting event was agreed to; its effect happens now. */
void smtp_server_accept(struct smtp_server *server);
/* The oldest waiting event was refused; nothing happens but an error being counted where the peer erred. */
void smtp_server_refuse(struct smtp_server *server);
/* A partial command line lies in line_store: the store must stay attached. */
bool smtp_server_holds_line(const struct smtp_server *server);
bool smtp_server_in_transaction(const struct smtp_server *server); /* between MAIL and its end */
bool smtp_server_in_body(const struct smtp_server *server);
/* Writes the reply to an accepted HELO or EHLO: "250-name ...". */
bool smtp_server_greeting(const struct smtp_server *server, struct bytes hostname, struct buf *out);

#endif
