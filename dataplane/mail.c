/* mail.c - a transaction on its way: envelope put to the backend, body held, answer given.
 *
 * Recipients are answered in the order they came. Of transaction.recipient[], the first
 * rcpt_answered have been answered to the client, those up to rcpt_sent are with the backend, the
 * rest are still to be put to it.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define COMMANDS_BYTES 4096 /* commands put to a backend in one go */

struct mail *mail_begin(struct gateway *g, struct session *s)
{
	struct mail *m = pool_get(&g->mails);

	if (m == NULL)
		return NULL;
	memset(m, 0, offsetof(struct mail, verdict));
	m->session = s;
	transaction_init(&m->transaction);
	return m;
}

void mail_end(struct gateway *g, struct mail *m)
{
	ASSERT(m->backend == NULL);
	ASSERT(!m->wait_backend);
	mail_drop_held(g, m);
	shadow_mail_ended(g, m);
	if (m->rules != NULL)
		rules_unpin(m->rules);
	if (m->session != NULL) {
		m->session->mail = NULL;
		m->session->server.transaction = NULL;
	}
	pool_put(&g->mails, m);
}

void mail_drop_held(struct gateway *g, struct mail *m)
{
	g->held_bytes -= m->held.bytes;
	g->held_pkts -= m->held.count;
	pkt_chain_put_all(&m->held);
}

/* The oldest unanswered recipient gets its answer. */
static void recipient_answer(struct gateway *g, struct mail *m, uint16_t code, struct bytes text)
{
	struct session *s = m->session;

	m->rcpt_answered++;
	if (code / 100 == 2) {
		g->counters->recipients_accepted++;
		smtp_server_accept(&s->server);
		await_client(g, m);
	} else {
		g->counters->recipients_refused++;
		smtp_server_refuse(&s->server);
	}
	session_reply_backend(g, s, code, text);
}

static void recipients_answer_all(struct gateway *g, struct mail *m, uint16_t code,
                                  struct bytes text)
{
	const struct session *s = m->session;

	/* An answer that the client does not read ends its session, and the mail with it. */
	while (s->mail == m && m->rcpt_answered < m->transaction.recipient_count)
		recipient_answer(g, m, code, text);
	if (s->mail == m)
		m->rcpt_sent = m->rcpt_answered;
}

static void reply_text(enum smtp_reply reply, struct buf *out)
{
	const struct reply_info *info = &reply_table[reply];

	buf_put_text(out, info->enhanced);
	buf_put_octet(out, ' ');
	buf_put_text(out, info->text);
}

static void recipients_answer_reply(struct gateway *g, struct mail *m, enum smtp_reply reply)
{
	char memory[128];
	struct buf text = buf_over(memory, sizeof(memory));

	reply_text(reply, &text);
	recipients_answer_all(g, m, reply_table[reply].code, buf_bytes(&text));
}

/* The next one to be put to the backend is answered by us. */
static void recipient_turn_away(struct gateway *g, struct mail *m, enum smtp_reply reply)
{
	char memory[128];
	struct buf text = buf_over(memory, sizeof(memory));

	if (reply == REPLY_TLS_REQUIRED)
		g->counters->tls_policy_recipients++;
	else
		g->counters->recipients_other_policy++;
	reply_text(reply, &text);
	m->rcpt_sent++;
	recipient_answer(g, m, reply_table[reply].code, buf_bytes(&text));
}

static struct bytes domain_of(const struct mail *m, const struct transaction_path *path)
{
	return bytes_behind_last(transaction_path_text(&m->transaction, path), '@');
}

bool mail_sender_needs_tls(const struct gateway *g, const struct mail *m)
{
	return g->tls != NULL && m->session->leg.tls == 0 &&
	       tls_setup_requires(&g->tls->required_senders, domain_of(m, &m->transaction.sender));
}

static bool recipient_needs_tls(const struct gateway *g, const struct mail *m, uint32_t index)
{
	return g->tls != NULL && m->session->leg.tls == 0 &&
	       tls_setup_requires(&g->tls->required_recipients,
	                          domain_of(m, &m->transaction.recipient[index]));
}

/* What of the client's MAIL parameters the backend can take. */
static struct bytes mail_parameters(const struct mail *m, struct buf *out)
{
	const struct smtp_client *client = &m->backend->client;

	if (m->transaction.eightbit && client->eightbitmime)
		buf_put_text(out, "BODY=8BITMIME");
	if (m->transaction.declared_bytes > 0 && client->size_known) {
		if (out->len > 0)
			buf_put_octet(out, ' ');
		buf_put_text(out, "SIZE=");
		buf_put_u64(out, m->transaction.declared_bytes);
	}
	return buf_bytes(out);
}

static bool may_send(const struct smtp_client *client)
{
	return client->pipelining || smtp_client_pending(client) == 0;
}

static uint32_t recipient_policy(const struct ruleset *ruleset, const struct mail *m,
                                 uint32_t index)
{
	const struct transaction *t = &m->transaction;

	if (ruleset == NULL)
		return POLICY_COMMON;
	return ruleset_policy_of(
	    ruleset, bytes_behind_last(transaction_path_text(t, &t->recipient[index]), '@'));
}

uint32_t mail_policy(const struct mail *m, const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < m->transaction.recipient_count; i++)
		if (m->transaction.recipient[i].accepted)
			return recipient_policy(ruleset, m, i);
	return POLICY_COMMON;
}

enum recipient_turn {
	RECIPIENT_GOES,
	RECIPIENT_WAITS,   /* until those before it are answered */
	RECIPIENT_PUT_OFF, /* a message is judged once, and this one would judge it otherwise */
	RECIPIENT_NEEDS_TLS,
};

static enum recipient_turn recipient_turn(const struct gateway *g, struct mail *m)
{
	const struct rules_view *view = rules_current(g->its.rules, g->its.worker);
	uint32_t policy = recipient_policy(view->ruleset, m, m->rcpt_sent);

	if (recipient_needs_tls(g, m, m->rcpt_sent))
		return m->rcpt_answered < m->rcpt_sent ? RECIPIENT_WAITS : RECIPIENT_NEEDS_TLS;
	if (m->policy_known && policy != m->policy) {
		if (m->rcpt_answered < m->rcpt_sent)
			return RECIPIENT_WAITS;
		if (m->transaction.accepted_count > 0)
			return RECIPIENT_PUT_OFF;
	}
	m->policy = policy;
	m->policy_known = true;
	return RECIPIENT_GOES;
}

static void envelope_send(struct gateway *g, struct mail *m)
{
	uint8_t memory[COMMANDS_BYTES], parameter_memory[64];
	struct buf out = buf_over(memory, sizeof(memory));
	struct buf parameters = buf_over(parameter_memory, sizeof(parameter_memory));
	struct smtp_client *client = &m->backend->client;
	const struct transaction *t = &m->transaction;

	if (!m->mail_sent && may_send(client) &&
	    smtp_client_send_mail(client, transaction_path_text(t, &t->sender),
	                          mail_parameters(m, &parameters), &out))
		m->mail_sent = true;
	while (m->mail_sent && m->rcpt_sent < t->recipient_count && may_send(client) &&
	       recipient_turn(g, m) == RECIPIENT_GOES &&
	       smtp_client_send_rcpt(client, transaction_path_text(t, &t->recipient[m->rcpt_sent]),
	                             bytes_of(NULL, 0), &out))
		m->rcpt_sent++;
	if (out.len > 0)
		backend_write(g, m->backend, &out);
}

void mail_advance(struct gateway *g, struct mail *m)
{
	const struct session *s = m->session;

	if (m->phase != MAIL_ENVELOPE || m->rcpt_answered == m->transaction.recipient_count)
		return;
	if (m->mail_refused) {
		if (m->rcpt_answered == m->rcpt_sent)
			recipients_answer_all(g, m, m->mail_code, bytes_text(m->mail_text));
		return;
	}
	if (m->backend_dead) {
		recipients_answer_reply(g, m, REPLY_BACKEND_DOWN);
		return;
	}
	if (m->backend == NULL && (m->wait_backend || !backend_lease(g, m)))
		return;
	envelope_send(g, m);
	while (m->mail_sent && m->rcpt_sent < m->transaction.recipient_count) {
		enum recipient_turn turn = recipient_turn(g, m);

		if (turn != RECIPIENT_PUT_OFF && turn != RECIPIENT_NEEDS_TLS)
			return;
		recipient_turn_away(
		    g, m, turn == RECIPIENT_PUT_OFF ? REPLY_OTHER_POLICY : REPLY_TLS_REQUIRED);
		if (s->mail != m)
			return;
		envelope_send(g, m);
	}
}

void mail_backend_reply(struct gateway *g, struct mail *m, const struct smtp_client_event *event)
{
	struct session *s = m->session;

	if (event->command == SMTP_CLIENT_MAIL) {
		if (event->code / 100 != 2) {
			struct buf text = buf_over(m->mail_text, sizeof(m->mail_text) - 1);

			m->mail_refused = true;
			m->mail_code = event->code;
			buf_put(&text, bytes_slice(event->text, 0, sizeof(m->mail_text) - 1));
			m->mail_text[text.len] = '\0';
		}
	} else if (event->command == SMTP_CLIENT_RCPT && m->rcpt_answered < m->rcpt_sent) {
		if (m->mail_refused)
			recipient_answer(g, m, m->mail_code, bytes_text(m->mail_text));
		else
			recipient_answer(g, m, event->code, event->text);
		if (s->mail != m)
			return; /* the client does not read: the session ended under our reply */
	}
	mail_advance(g, m);
	session_step(g, s);
}

void mail_no_backend(struct gateway *g, struct mail *m)
{
	struct session *s = m->session;

	g->counters->backend_none++;
	backend_forget_waiting(g, m);
	m->mail_sent = false;
	recipients_answer_reply(g, m, REPLY_BACKEND_DOWN);
	session_step(g, s);
}

void mail_backend_lost(struct gateway *g, struct mail *m, bool stale)
{
	struct session *s = m->session;

	switch (m->phase) {
	case MAIL_ENVELOPE:
		if (stale && m->rcpt_answered == 0 && !m->retried) {
			g->counters->backend_retried++;
			m->retried = true;
			m->mail_sent = false;
			m->mail_refused = false;
			m->rcpt_sent = 0;
			m->policy_known = false;
			mail_advance(g, m);
			return;
		}
		g->counters->backend_lost++;
		m->backend_dead = true;
		recipients_answer_reply(g, m, REPLY_BACKEND_DOWN);
		session_step(g, s);
		return;
	case MAIL_BODY:
	case MAIL_JUDGE:
	case MAIL_DISCARD:
		g->counters->backend_lost++;
		m->backend_dead = true;
		return;
	case MAIL_DATA:
	case MAIL_SEND:
		g->counters->backend_lost++;
		mail_refuse(g, m, REPLY_BACKEND_LOST, bytes_of(NULL, 0));
		return;
	case MAIL_DOT:
		g->counters->backend_lost_after_dot++;
		mail_refuse(g, m, REPLY_BACKEND_LOST, bytes_of(NULL, 0));
		return;
	}
}

/* Gets rid of the backend in the way its state asks for: nothing, RSET, or closing inside DATA. */
static void mail_leave_backend(struct gateway *g, struct mail *m)
{
	struct backend *b = m->backend;

	if (m->wait_backend)
		backend_forget_waiting(g, m);
	if (b == NULL)
		return;
	m->backend = NULL;
	b->mail = NULL;
	if (m->phase == MAIL_DATA || b->in_data)
		backend_abort(g, b);
	else
		backend_release(g, b, m->mail_sent);
}

void mail_abandon(struct gateway *g, struct mail *m)
{
	if (m->phase == MAIL_DOT) {
		/* The backend may take it any moment: its word is awaited and recorded. */
		m->session->mail = NULL;
		m->session->server.transaction = NULL;
		m->session = NULL;
		return;
	}
	if (m->phase != MAIL_ENVELOPE && m->phase != MAIL_DISCARD) {
		g->counters->messages_aborted++;
		report_mail(g, m, EVENT_ABORTED, STAGE_DATA);
	}
	judge_forget(g, m);
	mail_leave_backend(g, m);
	mail_end(g, m);
}

static void mail_out_of_storage(struct gateway *g, struct mail *m)
{
	g->counters->messages_no_storage++;
	mail_refuse(g, m, REPLY_NO_STORAGE, bytes_of(NULL, 0));
}

static void mail_too_big(struct gateway *g, struct mail *m)
{
	g->counters->messages_too_big++;
	mail_refuse(g, m, REPLY_TOO_BIG, bytes_of(NULL, 0));
}

/* The first octets decide; the rest streams behind the verdict, the final dot withheld. */
static void mail_stream(struct gateway *g, struct mail *m)
{
	g->counters->messages_streamed++;
	m->streaming = true;
	m->phase = MAIL_JUDGE;
	judge_queue(g, m);
}

/* Moves octets from the connection to the held chain, whose packets are filled: what a message
 * holds while it is under way is its size, neither that of the segments it came in nor a packet for
 * each octet of a client that sends octet by octet. Returns how many. */
static size_t hold(struct gateway *g, struct mail *m, size_t bytes)
{
	struct leg *leg = &m->session->leg;
	struct pkt *tail = m->held.tail, *pkt;
	size_t taken = bytes, held_bytes = m->held.bytes;
	uint32_t held_count = m->held.count;
	struct pkt_chain fresh = {0};

	if (tail != NULL && pkt_tailroom(tail) >= bytes) {
		memcpy(tail->data + tail->len, leg_peek(g, leg).data, bytes);
		tail->len = (uint16_t)(tail->len + bytes);
		m->held.bytes += bytes;
		leg_consume(g, leg, bytes);
	} else if (leg->tls != 0) {
		taken = leg_take(g, leg, bytes, &m->held);
	} else {
		taken = leg_take(g, leg, bytes, &fresh);
		while ((pkt = pkt_chain_pop(&fresh)) != NULL)
			pkt_chain_pack(&m->held, pkt);
	}
	g->held_bytes += m->held.bytes - held_bytes;
	g->held_pkts += m->held.count - held_count;
	return taken;
}

void mail_hold(struct gateway *g, struct mail *m, size_t bytes)
{
	struct leg *leg = &m->session->leg;

	g->counters->message_bytes += bytes;
	if (m->phase == MAIL_DISCARD) {
		leg_consume(g, leg, bytes);
		return;
	}
	size_t taken = hold(g, m, bytes);
	if (taken < bytes) {
		leg_consume(g, leg, bytes - taken);
		mail_out_of_storage(g, m);
	} else if (g->held_pkts > g->held_pkts_max) {
		mail_out_of_storage(g, m);
	} else if (m->session->server.too_big) {
		mail_too_big(g, m);
	} else if (m->phase == MAIL_BODY && m->held.bytes > g->config->hold_bytes_max) {
		mail_stream(g, m);
	} else if (m->phase == MAIL_SEND) {
		relay_send(g, m);
	}
	if (m->session != NULL)
		session_window(g, m->session);
}

/* Ends a mail whose answer has been written: the session reads commands again. */
static void mail_finish(struct gateway *g, struct mail *m)
{
	struct session *s = m->session;

	if (s != NULL && s->state == SESSION_OPEN)
		smtp_server_accept(&s->server);
	mail_end(g, m);
	if (s != NULL)
		session_mail_done(g, s);
}

void mail_body_complete(struct gateway *g, struct mail *m)
{
	struct session *s = m->session;
	const struct data_defects *defects = &s->server.body.defects;

	m->body_complete = true;
	m->dot_us = g->now_us;
	m->body_bytes = s->server.body.bytes;
	g->counters->messages++;
	if (m->phase == MAIL_DISCARD) {
		if (leg_write(g, &s->leg, bytes_text(m->discard_text), false) !=
		    strlen(m->discard_text))
			g->counters->sessions_slow_reader++;
		mail_finish(g, m);
	} else if (defects->bare_lf || defects->bare_cr || defects->nul) {
		g->counters->messages_framing++;
		mail_refuse(g, m, REPLY_BAD_FRAMING, bytes_of(NULL, 0));
	} else if (m->phase == MAIL_BODY) {
		m->phase = MAIL_JUDGE;
		judge_queue(g, m);
	} else if (m->phase == MAIL_SEND) {
		relay_send(g, m);
	}
}

static void mail_note_reply(struct mail *m, const char *line)
{
	size_t len = strcspn(line, "\r\n");

	if (len > sizeof(m->event.reply) - 1)
		len = sizeof(m->event.reply) - 1;
	memcpy(m->event.reply, line, len);
	m->event.reply[len] = '\0';
}

/* `line` is the whole reply, CRLF included. */
static void mail_conclude(struct gateway *g, struct mail *m, const char *line, uint16_t code)
{
	mail_note_reply(m, line);
	m->event.reply_code = code;
	report_mail(g, m, EVENT_VERDICT, STAGE_END);
	if (m->session == NULL) {
		mail_finish(g, m);
		return;
	}
	if (!m->body_complete) {
		m->phase = MAIL_DISCARD;
		size_t len = strlen(line);
		memcpy(m->discard_text, line, len + 1);
		mail_drop_held(g, m);
		session_window(g, m->session);
		return;
	}
	if (leg_write(g, &m->session->leg, bytes_text(line), false) != strlen(line))
		g->counters->sessions_slow_reader++;
	mail_finish(g, m);
}

void mail_refuse(struct gateway *g, struct mail *m, enum smtp_reply reply, struct bytes detail)
{
	char line[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(line, sizeof(line) - 1);

	if (detail.len > 0)
		reply_write_detail(reply, detail, &out);
	else
		reply_write(reply, &out);
	line[out.len] = '\0';
	judge_forget(g, m);
	mail_leave_backend(g, m);
	m->verdict = reply_table[reply].code / 100 == 5 ? VERDICT_REJECT : VERDICT_DEFER;
	mail_conclude(g, m, line, reply_table[reply].code);
}

void mail_answer(struct gateway *g, struct mail *m, uint16_t code, struct bytes text)
{
	char line[SMTP_REPLY_LINE_BYTES_MAX + 1];
	struct buf out = buf_over(line, sizeof(line) - 1);

	/* 421 closes the backend's channel, not ours. */
	reply_write_relayed(code == 421 ? 451 : code, text, &out);
	line[out.len] = '\0';
	mail_conclude(g, m, line, code);
}
