/* server.h - a receiving SMTP session: push octets in, pull events out (RFC 5321, 2920, 1870, 6152,
 * 2034, 4954).
 *
 * The loop of every user:
 *
 *     while (smtp_server_next(server, &input, &event) ...)
 *
 * smtp_server_next consumes octets from the front of `input` and returns what they mean. It never
 * replies, never allocates, never reads a clock. What needs no decision (syntax errors, EHLO, NOOP,
 * wrong order) comes as SMTP_EVENT_REPLY with the reply to send; what needs one (MAIL, RCPT, DATA,
 * end of data ...) comes as its own event and waits: the user answers by smtp_server_accept() or
 * smtp_server_refuse(), which change the state, and sends the reply of its choice. Several RCPT may
 * wait at once; they are answered in order. AUTH and the responses of its exchange are answered by
 * smtp_server_auth(): a challenge makes the next line a response.
 *
 * Session and transaction are different structs with different lifetimes: RSET, EHLO and the end of
 * a message end the transaction and nothing else.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "smtp/command.h"
#include "smtp/data.h"
#include "smtp/line.h"
#include "smtp/reply.h"
#include "smtp/smtp_counters.h"
#include "smtp/transaction.h"

#define SMTP_SERVER_WAITING_MAX 32 /* RCPTs without an answer */

enum smtp_event_kind {
	SMTP_EVENT_NONE,  /* wants more input, or waits for an answer */
	SMTP_EVENT_REPLY, /* send event.reply; nothing to decide. EHLO: smtp_server_greeting()
	                     writes the lines */
	SMTP_EVENT_HELO,  /* EHLO or HELO; event.text is the name, server->esmtp says which; answer
	                     accept/refuse */
	SMTP_EVENT_MAIL,  /* the transaction holds the sender; answer */
	SMTP_EVENT_RCPT,  /* the transaction holds the recipient as its last; answer (may wait, in
	                     order) */
	SMTP_EVENT_DATA,  /* answer; accept means 354 was sent */
	SMTP_EVENT_BODY,  /* event.text: raw octets of the message (dot-stuffed, as on the wire); no
	                     answer. A dot  that may be the final one comes late, not in place: in
	                     the  stream the texts  of one message are contiguous all the same, and
	                     ".CRLF"  follows them */
	SMTP_EVENT_BODY_END, /* event.text: empty. The final dot has been consumed; server->body
	                        and too_big say what was wrong. Answer ends the
	                        transaction */
	SMTP_EVENT_RSET,     /* the transaction has ended; send REPLY_OK. No answer */
	SMTP_EVENT_STARTTLS, /* answer; accept means 220 was sent: everything behind is TLS, and the
	                        session is as after connect. Nothing stood behind the line in
	                        the input; what the user has and did not show is the user's to
	                        look at (smtp_server_injected) */
	SMTP_EVENT_AUTH,     /* server->auth_mechanism; event.text: the initial response as given
	                        (base64, "=" for one without octets), empty for none. Answer by
	                        smtp_server_auth */
	SMTP_EVENT_AUTH_RESPONSE, /* event.text: base64, possibly empty. Answer as above */
	SMTP_EVENT_AUTH_CANCEL,   /* the client cancels, or its response is none: send event.reply
	                             and answer SMTP_AUTH_FAILED */
	SMTP_EVENT_QUIT,          /* send REPLY_BYE and close. No answer */
	SMTP_EVENT_CLOSE, /* too many errors or hopeless: send event.reply (421, 554) and close. No
	                     answer */
};

struct smtp_event {
	enum smtp_event_kind kind;
	enum smtp_reply reply;
	struct bytes
	    text; /* points into the input, the line store or static memory; until the next call */
};

/* What has become of AUTH, or of a response. */
enum smtp_auth_outcome {
	SMTP_AUTH_CHALLENGED, /* 334 was sent: the next line is the client's response */
	SMTP_AUTH_SUCCEEDED,  /* 235 was sent */
	SMTP_AUTH_FAILED,     /* the exchange is over, and that is the client's fault */
	SMTP_AUTH_UNAVAILABLE /* it is over, and not by the client's fault */
};

/* What the caller may set at any time. */
struct smtp_server_limits {
	uint32_t command_line_bytes_max;
	uint32_t recipients_max;
	uint32_t errors_max;
	uint64_t message_bytes_max;
	bool pipelining, size, eightbitmime, enhanced_status_codes; /* extensions announced */
	uint16_t auth_mechanisms;   /* that AUTH offers; see auth.h */
	uint16_t auth_failures_max; /* of one session, then it is closed; 0: as many as errors */
};

struct smtp_server {
	const struct smtp_server_limits *limits;
	struct smtp_counters *counters;
	struct transaction
	    *transaction;    /* attached by the user before MAIL can be accepted; may be NULL */
	uint8_t *line_store; /* command_line_bytes_max octets, or NULL: see smtp_server_holds_line;
	                        in an exchange of AUTH SMTP_AUTH_LINE_BYTES_MAX octets */
	struct line line;    /* private */
	uint16_t error_count;
	uint8_t waiting_kind; /* private: enum smtp_event_kind of what waits */
	uint8_t waiting;      /* events that wait for an answer; more than one only of RCPT */
	uint8_t auth_failure_count;
	uint8_t state : 3; /* private */
	uint8_t held : 2;  /* private: a line was read that must wait for them */
	uint8_t tls : 2;   /* enum smtp_tls; set by the user at first */
	/* Of the last EHLO or HELO; while one waits, `esmtp` is the new one's. */
	bool esmtp : 1, greeted : 1;
	bool esmtp_before : 1; /* private */
	bool mail_refused : 1; /* private: the last MAIL was, so RCPT and DATA behind it are no
	                          errors */
	bool tls_required : 1; /* the user's: 530 to all that belongs to a mail before TLS is up */
	bool too_big : 1;      /* the current body exceeds message_bytes_max: 552 */
	/* The user's: AUTH is offered; outside TLS, too; 530 to all that belongs to a mail before
	 * it has succeeded. */
	bool auth_wanted : 1, auth_clear : 1, auth_required : 1;
	bool authenticated : 1;
	uint8_t auth_mechanism : 4; /* enum auth_mechanism: of the last AUTH */
	struct data body; /* of the current message: its defects of framing, judged at BODY_END, and
	                     its bytes: octets of all BODY events, without the final ".CRLF" */
};

void smtp_server_init(struct smtp_server *server, const struct smtp_server_limits *limits,
                      struct smtp_counters *counters);
/* Consumes from the front of *input (which is advanced). Call until it returns false: then it wants
 * more input or answers. A line that is not complete is copied to line_store; when there is none
 * and one is needed the event is SMTP_EVENT_CLOSE with REPLY_TRY_LATER. */
bool smtp_server_next(struct smtp_server *server, struct bytes *input,
                      struct smtp_event *out_event);
/* The oldest waiting event was agreed to; its effect happens now. With several RCPT waiting it is
 * recipient [recipient_count - waiting] of the transaction. */
void smtp_server_accept(struct smtp_server *server);
/* The oldest waiting event was refused; nothing happens but an error being counted where the peer
 * erred. A refused recipient stays in the transaction, not accepted. */
void smtp_server_refuse(struct smtp_server *server);
/* Instead of an answer to STARTTLS: octets were found behind its line. The event to act on is a
 * CLOSE. */
void smtp_server_injected(struct smtp_server *server, struct smtp_event *out_event);
/* Answers an AUTH, AUTH_RESPONSE or AUTH_CANCEL event. */
void smtp_server_auth(struct smtp_server *server, enum smtp_auth_outcome outcome);
/* Octets came behind AUTH, or behind a response, before what is being answered now: AUTH is the
 * last command of its group (RFC 4954 4, RFC 2920 3.1), and what stands behind it may be a
 * password. In place of smtp_server_auth; the event to act on is a CLOSE. */
void smtp_server_auth_pipelined(struct smtp_server *server, struct smtp_event *out_event);
/* What of AUTH is offered now. */
enum smtp_auth smtp_server_auth_state(const struct smtp_server *server);
/* Between AUTH and its outcome: the next line is a response, or its answer is due. */
bool smtp_server_in_auth(const struct smtp_server *server);
/* Octets of the current message as RFC 1870 counts them: body.bytes without stuffing dots. */
uint64_t smtp_server_message_bytes(const struct smtp_server *server);
/* A partial command line lies in line_store: the store must stay attached. */
bool smtp_server_holds_line(const struct smtp_server *server);
bool smtp_server_in_transaction(const struct smtp_server *server); /* between MAIL and its end */
bool smtp_server_in_body(const struct smtp_server *server);
/* Writes the reply to an accepted HELO or EHLO: "250-name ...". */
bool smtp_server_greeting(const struct smtp_server *server, struct bytes hostname, struct buf *out);

#endif
