/* server.c - a receiving SMTP session: push octets in, pull events out.
 *
 * A line goes check, then proceed: command_check() says what it means and changes nothing. While
 * events wait for an answer only a RCPT that would wait as well may proceed; any other line is put
 * back and checked anew when its turn has come, so that replies leave in the order of commands (RFC
 * 2920 3.2).
 */
#include "smtp/server.h"

#include <assert.h>

#include "base/check.h"
#include "smtp/command.h"

enum server_state {
	STATE_IDLE, /* no transaction */
	STATE_OPEN, /* MAIL was given; while it waits it may yet be refused */
	STATE_BODY, /* between 354 and the final dot */
	STATE_AUTH, /* between AUTH and its outcome; no transaction */
	STATE_CLOSED
};

/* What line_store holds when `held` says so: a line that waits for its turn. */
enum held { HELD_NOTHING, HELD_LINE, HELD_TOO_LONG };

static_assert(SMTP_SERVER_WAITING_MAX <= UINT8_MAX, "the number of waiting events fits its field");

void smtp_server_init(struct smtp_server *server, const struct smtp_server_limits *limits,
                      struct smtp_counters *counters)
{
	ASSERT(limits->command_line_bytes_max <= SMTP_COMMAND_LINE_BYTES_MAX);
	*server = (struct smtp_server){.limits = limits, .counters = counters, .state = STATE_IDLE};
}

static void count(struct smtp_server *server, size_t offset)
{
	ASSERT(offset % sizeof(uint64_t) == 0 && offset < sizeof(struct smtp_counters));
	((uint64_t *)(void *)server->counters)[offset / sizeof(uint64_t)]++;
}

static void count_error(struct smtp_server *server)
{
	if (server->error_count < UINT16_MAX)
		server->error_count++;
}

enum smtp_auth smtp_server_auth_state(const struct smtp_server *server)
{
	if (!server->auth_wanted)
		return SMTP_AUTH_NONE;
	if (server->authenticated)
		return SMTP_AUTH_DONE;
	return server->tls == SMTP_TLS_UP || server->auth_clear ? SMTP_AUTH_OFFERED
	                                                        : SMTP_AUTH_TLS_FIRST;
}

bool smtp_server_in_auth(const struct smtp_server *server)
{
	return server->state == STATE_AUTH;
}

static bool emit_close(struct smtp_server *server, enum smtp_reply reply, struct smtp_event *out)
{
	server->state = STATE_CLOSED;
	server->held = HELD_NOTHING;
	server->line = (struct line){0};
	*out = (struct smtp_event){.kind = SMTP_EVENT_CLOSE, .reply = reply};
	return true;
}

static bool errors_exhausted(const struct smtp_server *server)
{
	return server->error_count >= server->limits->errors_max;
}

static bool emit_too_many_errors(struct smtp_server *server, struct smtp_event *out)
{
	server->counters->too_many_errors++;
	return emit_close(server, REPLY_TOO_MANY_ERRORS, out);
}

/* An error of the peer: its reply, or 421 when it was one too many. */
static bool emit_error(struct smtp_server *server, enum smtp_reply reply, struct smtp_event *out)
{
	count_error(server);
	if (errors_exhausted(server))
		return emit_too_many_errors(server, out);
	*out = (struct smtp_event){.kind = SMTP_EVENT_REPLY, .reply = reply};
	return true;
}

static bool auth_failures_exhausted(const struct smtp_server *server)
{
	uint16_t max = server->limits->auth_failures_max;

	return max > 0 && server->auth_failure_count >= max;
}

static bool emit_too_many_failures(struct smtp_server *server, struct smtp_event *out)
{
	server->counters->auth_too_many_failures++;
	return emit_close(server, REPLY_TOO_MANY_ERRORS, out);
}

static bool emit_reply(enum smtp_reply reply, struct smtp_event *out)
{
	*out = (struct smtp_event){.kind = SMTP_EVENT_REPLY, .reply = reply};
	return true;
}

static bool emit_waiting(struct smtp_server *server, enum smtp_event_kind kind, struct bytes text,
                         struct smtp_event *out)
{
	ASSERT(server->waiting == 0 ||
	       (kind == SMTP_EVENT_RCPT && server->waiting_kind == SMTP_EVENT_RCPT));
	ASSERT(server->waiting < SMTP_SERVER_WAITING_MAX);
	server->waiting_kind = (uint8_t)kind;
	server->waiting++;
	*out = (struct smtp_event){.kind = kind, .text = text};
	return true;
}

/* What RSET, EHLO and the end of a message do. */
static void end_transaction(struct smtp_server *server)
{
	if (server->state == STATE_OPEN && server->transaction != NULL)
		transaction_init(server->transaction);
	server->state = STATE_IDLE;
	server->mail_refused = false;
}

static void reset_transaction(struct smtp_server *server)
{
	if (server->state == STATE_OPEN)
		server->counters->transactions_reset++;
	end_transaction(server);
}

static void count_path(struct smtp_server *server, const struct command_plan *plan)
{
	server->counters->space_after_colon += plan->space_after_colon;
	server->counters->source_routes += plan->address.routed;
}

static bool proceed_mail(struct smtp_server *server, const struct command_plan *plan,
                         struct smtp_event *out)
{
	if (COUNT_IF(server->transaction == NULL, server->counters->no_transaction)) {
		server->mail_refused = true;
		return emit_reply(REPLY_NO_STORAGE, out);
	}
	count_path(server, plan);
	transaction_init(server->transaction);
	server->transaction->declared_bytes = plan->declared_bytes;
	server->transaction->eightbit = plan->eightbit;
	if (plan->auth.len > 0) {
		server->transaction->auth_start = (uint16_t)(plan->auth.data -
		                                             plan->parameters.data);
		server->transaction->auth_len = (uint16_t)plan->auth.len;
	}
	bool fits = transaction_set_sender(server->transaction, plan->address.path,
	                                   plan->parameters);
	ASSERT(fits);
	server->state = STATE_OPEN;
	return emit_waiting(server, SMTP_EVENT_MAIL, plan->address.path, out);
}

/* RFC 5321 4.5.3.1.10: beyond the bound 452, and the transaction goes on with those it has. */
static bool has_room_for_recipient(const struct smtp_server *server)
{
	return server->transaction->accepted_count + server->waiting <
	       server->limits->recipients_max;
}

static bool proceed_rcpt(struct smtp_server *server, const struct command_plan *plan,
                         struct smtp_event *out)
{
	bool added = has_room_for_recipient(server) &&
	             transaction_add_recipient(server->transaction, plan->address.path,
	                                       plan->parameters);

	if (COUNT_IF(!added, server->counters->too_many_recipients))
		return emit_reply(REPLY_TOO_MANY_RECIPIENTS, out);
	count_path(server, plan);
	return emit_waiting(server, SMTP_EVENT_RCPT, plan->address.path, out);
}

/* An error that a client which pipelines makes only because we refused what stood before: MAIL, or
 * all its RCPT (RFC 2920 3.1). It is answered and not held against the client. */
static bool is_consequence(const struct smtp_server *server, const struct command_plan *plan)
{
	if (plan->verb == VERB_DATA && server->state == STATE_OPEN)
		return server->transaction->recipient_count > 0;
	return (plan->verb == VERB_RCPT || plan->verb == VERB_DATA) &&
	       plan->reply == REPLY_BAD_SEQUENCE && server->mail_refused;
}

static bool proceed_failure(struct smtp_server *server, const struct command_plan *plan,
                            struct smtp_event *out)
{
	if (is_consequence(server, plan))
		return emit_reply(plan->reply, out);
	if (plan->verb == VERB_MAIL && server->state == STATE_IDLE)
		server->mail_refused = true;
	return emit_error(server, plan->reply, out);
}

static bool proceed_auth(struct smtp_server *server, const struct command_plan *plan,
                         struct smtp_event *out)
{
	server->state = STATE_AUTH;
	server->auth_mechanism = (unsigned)plan->mechanism & 15u;
	return emit_waiting(server, SMTP_EVENT_AUTH, plan->argument, out);
}

static bool emit_auth_cancel(struct smtp_server *server, enum smtp_reply reply,
                             struct smtp_event *out)
{
	emit_waiting(server, SMTP_EVENT_AUTH_CANCEL, bytes_of(NULL, 0), out);
	out->reply = reply;
	return true;
}

/* A line of the exchange: what the client answers to a challenge. */
static bool proceed_response(struct smtp_server *server, struct bytes line, struct smtp_event *out)
{
	if (COUNT_IF(bytes_equal(line, BYTES("*")), server->counters->auth_cancelled))
		return emit_auth_cancel(server, REPLY_AUTH_CANCELLED, out);
	if (COUNT_IF(!auth_is_base64(line), server->counters->auth_malformed))
		return emit_auth_cancel(server, REPLY_AUTH_BAD_RESPONSE, out);
	return emit_waiting(server, SMTP_EVENT_AUTH_RESPONSE, line, out);
}

static bool proceed(struct smtp_server *server, const struct command_plan *plan,
                    struct smtp_event *out)
{
	switch (plan->does) {
	case DOES_HELO:
		server->esmtp_before = server->esmtp;
		server->esmtp = plan->verb == VERB_EHLO;
		return emit_waiting(server, SMTP_EVENT_HELO, plan->argument, out);
	case DOES_MAIL:
		return proceed_mail(server, plan, out);
	case DOES_RCPT:
		return proceed_rcpt(server, plan, out);
	case DOES_DATA:
		return emit_waiting(server, SMTP_EVENT_DATA, bytes_of(NULL, 0), out);
	case DOES_RSET:
		reset_transaction(server);
		*out = (struct smtp_event){.kind = SMTP_EVENT_RSET, .reply = plan->reply};
		return true;
	case DOES_STARTTLS:
		return emit_waiting(server, SMTP_EVENT_STARTTLS, bytes_of(NULL, 0), out);
	case DOES_AUTH:
		return proceed_auth(server, plan, out);
	case DOES_QUIT:
		server->state = STATE_CLOSED;
		*out = (struct smtp_event){.kind = SMTP_EVENT_QUIT, .reply = plan->reply};
		return true;
	case DOES_CLOSE:
		return emit_close(server, plan->reply, out);
	case DOES_FAIL:
		return proceed_failure(server, plan, out);
	case DOES_REPLY:
		return emit_reply(plan->reply, out);
	}
	UNREACHABLE();
}

static void count_command(struct smtp_server *server, const struct command_plan *plan)
{
	size_t verb_counter = SIZE_MAX;

	server->counters->commands++;
	if (plan->verb != VERB_UNKNOWN) {
		verb_counter = command_table[plan->verb].counter;
		count(server, verb_counter);
	}
	/* For a verb that is never offered both are the same one. */
	if (plan->does == DOES_FAIL && plan->counter != verb_counter)
		count(server, plan->counter);
}

/* Whether a line may go on while others wait for their answers: only a RCPT that is to wait behind
 * them. */
static bool may_proceed(const struct smtp_server *server, const struct command_plan *plan)
{
	if (server->waiting == 0)
		return true;
	return plan->does == DOES_RCPT && server->waiting_kind == SMTP_EVENT_RCPT &&
	       server->waiting < SMTP_SERVER_WAITING_MAX && has_room_for_recipient(server) &&
	       server->transaction->recipient_count < SMTP_RECIPIENTS_MAX &&
	       plan->address.path.len + plan->parameters.len <=
	           sizeof(server->transaction->storage) - server->transaction->storage_len;
}

/* Checks and carries out one line. False: it must wait for its turn; nothing has changed. */
static bool execute(struct smtp_server *server, struct bytes line, struct smtp_event *out)
{
	const struct smtp_server_limits *limits = server->limits;

	if (server->state == STATE_AUTH)
		return proceed_response(server, line, out);
	ASSERT(server->state != STATE_OPEN || server->transaction != NULL);
	const struct command_session session = {
	    .greeted = server->greeted,
	    .esmtp = server->esmtp,
	    .in_transaction = server->state == STATE_OPEN,
	    .has_recipients = server->state == STATE_OPEN &&
	                      server->transaction->accepted_count > 0,
	    .size = limits->size,
	    .eightbitmime = limits->eightbitmime,
	    .message_bytes_max = limits->message_bytes_max,
	    .tls = (enum smtp_tls)server->tls,
	    .tls_required = server->tls_required,
	    .auth = smtp_server_auth_state(server),
	    .auth_required = server->auth_required,
	    .auth_mechanisms = limits->auth_mechanisms,
	};
	struct command_plan plan;

	command_check(line, &session, &plan);
	if (!may_proceed(server, &plan))
		return false;
	count_command(server, &plan);
	return proceed(server, &plan, out);
}

static bool too_long(struct smtp_server *server, struct smtp_event *out)
{
	if (COUNT_IF(server->state == STATE_AUTH, server->counters->auth_too_long))
		return emit_auth_cancel(server, REPLY_AUTH_LINE_TOO_LONG, out);
	server->counters->commands++;
	server->counters->line_too_long++;
	return emit_error(server, REPLY_LINE_TOO_LONG, out);
}

/* A line that was complete in the store before its turn. */
static bool next_held(struct smtp_server *server, struct smtp_event *out)
{
	if (server->held == HELD_TOO_LONG) {
		if (server->waiting > 0)
			return false;
		server->held = HELD_NOTHING;
		return too_long(server, out);
	}
	struct bytes line = bytes_of(server->line_store, server->line.len);
	if (!execute(server, line, out))
		return false;
	server->held = HELD_NOTHING;
	server->line = (struct line){0};
	return true;
}

void smtp_server_injected(struct smtp_server *server, struct smtp_event *out_event)
{
	ASSERT(server->waiting == 1 && server->waiting_kind == SMTP_EVENT_STARTTLS);
	server->waiting = 0;
	server->counters->starttls_injected++;
	emit_close(server, REPLY_STARTTLS_INJECTED, out_event);
}

void smtp_server_auth_pipelined(struct smtp_server *server, struct smtp_event *out_event)
{
	ASSERT(server->waiting == 1 && server->state == STATE_AUTH);
	server->waiting = 0;
	server->counters->auth_pipelined++;
	emit_close(server, REPLY_AUTH_PIPELINED, out_event);
}

/* A line has just been completed; `before` is the input as it was. */
static bool next_ready(struct smtp_server *server, struct bytes line, struct bytes before,
                       struct bytes *input, struct smtp_event *out)
{
	if (execute(server, line, out))
		return true;
	if (line.data != server->line_store) {
		*input = before;
		return false;
	}
	server->held = HELD_LINE;
	server->line.len = (uint32_t)line.len;
	return false;
}

static uint32_t line_bytes_max(const struct smtp_server *server)
{
	return server->state == STATE_AUTH ? SMTP_AUTH_LINE_BYTES_MAX
	                                   : server->limits->command_line_bytes_max;
}

static bool next_line(struct smtp_server *server, struct bytes *input, struct smtp_event *out)
{
	struct bytes before = *input, line;

	if (server->held != HELD_NOTHING)
		return next_held(server, out);
	/* Only RCPT may go on beside what waits. */
	if (server->waiting > 0 && server->waiting_kind != SMTP_EVENT_RCPT)
		return false;
	switch (
	    line_next(&server->line, server->line_store, line_bytes_max(server), input, &line)) {
	case LINE_MORE:
		return false;
	case LINE_READY:
		return next_ready(server, line, before, input, out);
	case LINE_TOO_LONG:
		if (server->waiting == 0)
			return too_long(server, out);
		server->held = HELD_TOO_LONG;
		return false;
	case LINE_NO_STORE:
		/* An answer that is due goes first. */
		if (server->waiting > 0)
			return false;
		server->counters->line_no_store++;
		return emit_close(server, REPLY_TRY_LATER, out);
	}
	UNREACHABLE();
}

static void count_body(struct smtp_server *server)
{
	struct smtp_counters *counters = server->counters;

	counters->bodies++;
	counters->body_bytes += server->body.bytes;
	counters->body_bare_cr += server->body.defects.bare_cr;
	counters->body_bare_lf += server->body.defects.bare_lf;
	counters->body_nul += server->body.defects.nul;
	counters->body_line_too_long += server->body.defects.line_too_long;
	counters->body_too_big += server->too_big;
}

static bool next_body(struct smtp_server *server, struct bytes *input, struct smtp_event *out)
{
	struct bytes content = bytes_of(NULL, 0);

	if (server->waiting > 0) /* the end of the body waits for its answer */
		return false;
	while (input->len > 0 && !server->body.ended && content.len == 0)
		data_next(&server->body, input, &content);
	server->too_big = smtp_server_message_bytes(server) > server->limits->message_bytes_max;
	if (content.len > 0) {
		*out = (struct smtp_event){.kind = SMTP_EVENT_BODY, .text = content};
		return true;
	}
	if (!server->body.ended)
		return false;
	count_body(server);
	return emit_waiting(server, SMTP_EVENT_BODY_END, bytes_of(NULL, 0), out);
}

/* CVE-2011-0411: what stands behind STARTTLS in the clear must never be taken for something said
 * inside TLS, so nothing of it is read. */
static bool next_command(struct smtp_server *server, struct bytes *input, struct smtp_event *out)
{
	bool got = next_line(server, input, out);

	if (got && out->kind == SMTP_EVENT_STARTTLS && input->len > 0)
		smtp_server_injected(server, out);
	return got;
}

bool smtp_server_next(struct smtp_server *server, struct bytes *input, struct smtp_event *out_event)
{
	*out_event = (struct smtp_event){.kind = SMTP_EVENT_NONE};
	if (server->state == STATE_CLOSED) {
		*input = bytes_slice(*input, input->len, 0);
		return false;
	}
	/* Refusals count too, and bring no line with them. */
	if (server->waiting == 0 && server->state != STATE_BODY && errors_exhausted(server))
		return emit_too_many_errors(server, out_event);
	if (server->waiting == 0 && auth_failures_exhausted(server))
		return emit_too_many_failures(server, out_event);
	if (server->state == STATE_BODY)
		return next_body(server, input, out_event);
	return next_command(server, input, out_event);
}

static enum smtp_event_kind take_waiting(struct smtp_server *server)
{
	ASSERT(server->waiting > 0);
	server->waiting--;
	return (enum smtp_event_kind)server->waiting_kind;
}

static void begin_body(struct smtp_server *server)
{
	server->state = STATE_BODY;
	server->body = (struct data){0};
	server->too_big = false;
}

static void end_body(struct smtp_server *server)
{
	server->state = STATE_OPEN;
	end_transaction(server);
}

/* RFC 3207 4.2: whatever was said before is forgotten. Errors stay counted. */
static void begin_tls(struct smtp_server *server)
{
	ASSERT(server->state == STATE_IDLE && server->held == HELD_NOTHING);
	server->tls = SMTP_TLS_UP;
	server->greeted = server->esmtp = server->mail_refused = false;
	server->line = (struct line){0};
}

void smtp_server_auth(struct smtp_server *server, enum smtp_auth_outcome outcome)
{
	struct smtp_counters *counters = server->counters;

	ASSERT(server->state == STATE_AUTH);
	ASSERT(server->waiting_kind != SMTP_EVENT_AUTH_CANCEL || outcome == SMTP_AUTH_FAILED);
	take_waiting(server);
	if (outcome == SMTP_AUTH_CHALLENGED) {
		counters->auth_challenges++;
		return;
	}
	server->state = STATE_IDLE;
	server->authenticated = outcome == SMTP_AUTH_SUCCEEDED;
	counters->auth_succeeded += outcome == SMTP_AUTH_SUCCEEDED;
	counters->auth_unavailable += outcome == SMTP_AUTH_UNAVAILABLE;
	if (outcome != SMTP_AUTH_FAILED)
		return;
	counters->auth_failed++;
	count_error(server);
	if (server->auth_failure_count < UINT8_MAX)
		server->auth_failure_count++;
}

void smtp_server_accept(struct smtp_server *server)
{
	struct smtp_counters *counters = server->counters;

	switch (take_waiting(server)) {
	case SMTP_EVENT_HELO:
		reset_transaction(server);
		server->greeted = true;
		return;
	case SMTP_EVENT_MAIL:
		counters->senders_accepted++;
		return;
	case SMTP_EVENT_RCPT:
		counters->recipients_accepted++;
		transaction_accept_recipient(server->transaction,
		                             server->transaction->recipient_count -
		                                 server->waiting - 1u);
		return;
	case SMTP_EVENT_DATA:
		begin_body(server);
		return;
	case SMTP_EVENT_BODY_END:
		counters->bodies_accepted++;
		end_body(server);
		return;
	case SMTP_EVENT_STARTTLS:
		counters->starttls_accepted++;
		begin_tls(server);
		return;
	default:
		UNREACHABLE();
	}
}

static bool body_is_defective(const struct smtp_server *server)
{
	const struct data_defects *d = &server->body.defects;

	return d->bare_cr || d->bare_lf || d->nul || server->too_big;
}

void smtp_server_refuse(struct smtp_server *server)
{
	struct smtp_counters *counters = server->counters;

	if (server->state == STATE_AUTH) {
		smtp_server_auth(server, server->waiting_kind == SMTP_EVENT_AUTH_CANCEL
		                             ? SMTP_AUTH_FAILED
		                             : SMTP_AUTH_UNAVAILABLE);
		return;
	}
	switch (take_waiting(server)) {
	case SMTP_EVENT_HELO: /* RFC 5321 4.1.4: a refused EHLO leaves everything as it was */
		counters->helo_refused++;
		server->esmtp = server->esmtp_before;
		return;
	case SMTP_EVENT_MAIL:
		counters->senders_refused++;
		end_transaction(server);
		server->mail_refused = true;
		return;
	case SMTP_EVENT_RCPT:
		counters->recipients_refused++;
		return;
	case SMTP_EVENT_DATA:
		counters->data_refused++;
		return;
	case SMTP_EVENT_BODY_END:
		counters->bodies_refused++;
		if (body_is_defective(server))
			count_error(server);
		end_body(server);
		return;
	case SMTP_EVENT_STARTTLS:
		counters->starttls_refused++;
		return;
	default:
		UNREACHABLE();
	}
}

uint64_t smtp_server_message_bytes(const struct smtp_server *server)
{
	/* A stuffing dot that is itself withheld is counted when it is given. */
	return server->body.bytes - server->body.stuffed_dots;
}

bool smtp_server_holds_line(const struct smtp_server *server)
{
	return server->line.len > 0 || server->held == HELD_LINE;
}

bool smtp_server_in_transaction(const struct smtp_server *server)
{
	return server->state == STATE_OPEN || server->state == STATE_BODY;
}

bool smtp_server_in_body(const struct smtp_server *server)
{
	return server->state == STATE_BODY;
}

bool smtp_server_greeting(const struct smtp_server *server, struct bytes hostname, struct buf *out)
{
	const struct smtp_server_limits *limits = server->limits;
	struct {
		bool announced;
		const char *text;
	} extensions[] = {
	    {limits->pipelining, "PIPELINING"},
	    {limits->size, "SIZE "},
	    {limits->eightbitmime, "8BITMIME"},
	    {limits->enhanced_status_codes, "ENHANCEDSTATUSCODES"},
	    {server->tls == SMTP_TLS_OFFERED, "STARTTLS"},
	    {smtp_server_auth_state(server) == SMTP_AUTH_OFFERED && limits->auth_mechanisms != 0,
	     "AUTH"},
	};
	size_t start = out->len, last = start;

	buf_put_text(out, "250 ");
	buf_put(out, bytes_slice(hostname, 0, SMTP_DOMAIN_BYTES_MAX));
	for (size_t i = 0; server->esmtp && i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		if (!extensions[i].announced || out->overflow)
			continue;
		out->data[last + 3] = '-'; /* the line before was not the last one */
		buf_put_text(out, "\r\n");
		last = out->len;
		buf_put_text(out, "250 ");
		buf_put_text(out, extensions[i].text);
		if (extensions[i].text[strlen(extensions[i].text) - 1] == ' ')
			buf_put_u64(out, limits->message_bytes_max);
		if (strcmp(extensions[i].text, "AUTH") == 0)
			auth_mechanisms_write(limits->auth_mechanisms, out);
	}
	if (buf_put(out, BYTES("\r\n")))
		return true;
	out->len = start;
	return false;
}
