/* command.h - one command line against the verb table: what it is, whether it is allowed, what it
 * would do.
 *
 * command_check() changes nothing: it says what the line means in the session's state, so that the
 * server can look at a line before it is that line's turn. Carrying out is the server's.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "smtp/address.h"
#include "smtp/auth.h"
#include "smtp/reply.h"

enum command_verb {
#define COMMAND(verb, argument, when, does, reply, counter) VERB_##verb,
#include "smtp/commands.def"
	VERB_COUNT,
	VERB_UNKNOWN = VERB_COUNT
};

enum command_argument {
	ARGUMENT_NONE,
	ARGUMENT_TEXT,
	ARGUMENT_WORD,
	ARGUMENT_SOME,
	ARGUMENT_FROM,
	ARGUMENT_TO,
	ARGUMENT_AUTH
};
enum command_when { WHEN_ALWAYS, WHEN_GREETED, WHEN_OUTSIDE, WHEN_IDLE, WHEN_OPEN };

enum command_does {
	DOES_REPLY, /* nothing but its reply */
	DOES_HELO,
	DOES_MAIL,
	DOES_RCPT,
	DOES_DATA,
	DOES_RSET,
	DOES_STARTTLS,
	DOES_AUTH,
	DOES_QUIT,
	DOES_CLOSE,
	DOES_FAIL /* an error of the peer: the reply says which */
};

struct command_info {
	struct bytes verb;
	enum command_argument argument;
	enum command_when when;
	enum command_does does;
	enum smtp_reply reply;
	size_t counter; /* offset of its uint64_t in struct smtp_counters */
};
extern const struct command_info command_table[VERB_COUNT];

/* A session and TLS (RFC 3207). */
enum smtp_tls {
	SMTP_TLS_NONE,    /* not offered */
	SMTP_TLS_OFFERED, /* by STARTTLS */
	SMTP_TLS_UP
};

/* A session and AUTH (RFC 4954). */
enum smtp_auth {
	SMTP_AUTH_NONE,      /* not offered */
	SMTP_AUTH_TLS_FIRST, /* inside TLS only, and it is not up */
	SMTP_AUTH_OFFERED,
	SMTP_AUTH_DONE
};

/* What a check may depend on. */
struct command_session {
	bool greeted, esmtp, in_transaction;
	bool has_recipients; /* one accepted at least */
	bool size, eightbitmime;
	enum smtp_tls tls;
	bool tls_required; /* before anything of a mail */
	enum smtp_auth auth;
	bool auth_required;       /* before anything of a mail */
	uint32_t auth_mechanisms; /* offered; see auth.h */
	uint64_t message_bytes_max;
};

struct command_plan {
	enum command_verb verb;
	enum command_does does;
	enum smtp_reply reply;
	size_t counter; /* DOES_FAIL: offset in struct smtp_counters of the error's counter */
	struct bytes argument;  /* without spaces around it */
	struct address address; /* MAIL and RCPT */
	struct bytes parameters;
	uint64_t declared_bytes;       /* SIZE=, 0 when not given */
	bool eightbit;                 /* BODY=8BITMIME */
	struct bytes auth;             /* AUTH=, a slice of parameters */
	enum auth_mechanism mechanism; /* AUTH; the argument is its response, "" for none */
	bool space_after_colon;
};

/* `line`: without CRLF. Slices of the plan point into it. */
void command_check(struct bytes line, const struct command_session *session,
                   struct command_plan *out_plan);

#endif
