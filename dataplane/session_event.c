/* session_event.c - what the SMTP parser says of a client's octets becomes replies and steps of a
 * mail.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

static void event_helo(struct gateway *g, struct session *s, struct bytes name)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX * 2];
	struct buf out = buf_over(memory, sizeof(memory));
	const char *hostname = session_hostname(g, s);

	smtp_server_accept(&s->server);
	if (s->server.auth_wanted && g->limits.auth_mechanisms == 0)
		backends_probe(g);
	if (s->mail != NULL)
		mail_abandon(g, s->mail);
	name = bytes_slice(name, 0, sizeof(s->helo) - 1);
	memcpy(s->helo, name.data, name.len);
	s->helo[name.len] = '\0';
	smtp_server_greeting(&s->server, bytes_text(hostname), &out);
	session_write(g, s, &out);
}

/* The handshake did without, so that its client is told why, and by whom. In the clear nothing has
 * been shown. */
static bool certificate_will_do(struct gateway *g, struct session *s)
{
	enum smtp_reply reply;
	struct tls_info info;

	if (g->tls == NULL || !g->tls->listener[tcp_listener_tag(s->leg.conn)].certificate_for_mail)
		return true;
	leg_describe(g, &s->leg, &info);
	if (info.peer_certificate && info.peer_verified)
		return true;
	if (s->leg.tls == 0)
		reply = REPLY_TLS_REQUIRED;
	else if (info.peer_certificate)
		reply = REPLY_CERTIFICATE_REFUSED;
	else
		reply = REPLY_CERTIFICATE_NEEDED;
	g->counters->tls_policy_certificates++;
	smtp_server_refuse(&s->server);
	report_refused(g, s, reply, report_id(g), info.peer_certificate ? info.verify_text : "");
	session_reply_detail(
	    g, s, reply, info.peer_certificate ? bytes_text(info.verify_text) : bytes_of(NULL, 0));
	return false;
}

static void event_mail(struct gateway *g, struct session *s)
{
	if (s->message_count >= g->config->messages_per_session_max) {
		smtp_server_refuse(&s->server);
		session_reply(g, s, REPLY_TOO_MANY_MESSAGES);
		session_close(g, s);
		return;
	}
	if (login_is_lost(s)) {
		smtp_server_refuse(&s->server);
		session_dismiss(g, s, REPLY_LOGIN_LOST);
		return;
	}
	if (!certificate_will_do(g, s))
		return;
	if (mail_sender_needs_tls(g, s->mail)) {
		g->counters->tls_policy_senders++;
		smtp_server_refuse(&s->server);
		session_reply(g, s, REPLY_TLS_REQUIRED);
		return;
	}
	s->message_count++;
	s->mail->id = report_id(g);
	s->mail->start_us = g->now_us;
	smtp_server_accept(&s->server);
	session_reply(g, s, REPLY_SENDER_OK);
}

static void event_data(struct gateway *g, struct session *s)
{
	struct mail *m = s->mail;

	if (m->transaction.accepted_count == 0) {
		smtp_server_refuse(&s->server);
		session_reply(g, s, REPLY_NO_RECIPIENTS);
		return;
	}
	if (g->held_pkts >= g->held_pkts_max || g->held_bytes >= g->config->hold_bytes_worker_max) {
		g->counters->messages_no_storage++;
		smtp_server_refuse(&s->server);
		session_reply(g, s, REPLY_NO_STORAGE);
		return;
	}
	m->rules = rules_current(g->its.rules, g->its.worker);
	rules_pin(m->rules);
	memset(&m->event, 0, sizeof(m->event));
	m->phase = MAIL_BODY;
	m->data_us = g->now_us;
	smtp_server_accept(&s->server);
	budget_body_begin(g, s);
	session_reply(g, s, REPLY_DATA_GO_AHEAD);
	session_window(g, s);
}

/* A client greeted with 554 may only QUIT (RFC 5321 3.1). */
static void event_refused(struct gateway *g, struct session *s, const struct smtp_event *event)
{
	switch (event->kind) {
	case SMTP_EVENT_QUIT:
		session_reply(g, s, REPLY_BYE);
		session_close(g, s);
		break;
	case SMTP_EVENT_CLOSE:
		session_reply(g, s, event->reply);
		session_close(g, s);
		break;
	case SMTP_EVENT_REPLY:
	case SMTP_EVENT_RSET:
		session_reply(g, s, REPLY_BAD_SEQUENCE);
		break;
	default:
		smtp_server_refuse(&s->server);
		session_reply(g, s, REPLY_BAD_SEQUENCE);
		break;
	}
}

/* Commands that bring no message nearer: those that are only answered, and those that begin anew.
 */
static bool event_is_junk(const struct session *s, const struct smtp_event *event)
{
	switch (event->kind) {
	case SMTP_EVENT_REPLY:
	case SMTP_EVENT_RSET:
	case SMTP_EVENT_HELO:
	case SMTP_EVENT_STARTTLS:
		return true;
	case SMTP_EVENT_DATA:
		return s->mail->transaction.accepted_count == 0;
	default:
		return false;
	}
}

static void event_too_much_junk(struct gateway *g, struct session *s,
                                const struct smtp_event *event)
{
	g->counters->sessions_junk++;
	if (event->kind == SMTP_EVENT_HELO || event->kind == SMTP_EVENT_DATA ||
	    event->kind == SMTP_EVENT_STARTTLS)
		smtp_server_refuse(&s->server);
	session_reply(g, s, REPLY_TOO_MANY_ERRORS);
	session_close(g, s);
}

void session_event(struct gateway *g, struct session *s, const struct smtp_event *event)
{
	if (event_is_junk(s, event) && !budget_junk(g, s)) {
		event_too_much_junk(g, s, event);
		return;
	}
	if (s->state == SESSION_REFUSED) {
		event_refused(g, s, event);
		return;
	}
	switch (event->kind) {
	case SMTP_EVENT_NONE:
	case SMTP_EVENT_BODY:
		break;
	case SMTP_EVENT_REPLY:
		session_reply(g, s, event->reply);
		break;
	case SMTP_EVENT_HELO:
		event_helo(g, s, event->text);
		break;
	case SMTP_EVENT_MAIL:
		event_mail(g, s);
		break;
	case SMTP_EVENT_RCPT:
		mail_advance(g, s->mail);
		break;
	case SMTP_EVENT_DATA:
		event_data(g, s);
		break;
	case SMTP_EVENT_BODY_END:
		mail_body_complete(g, s->mail);
		break;
	case SMTP_EVENT_RSET:
		if (s->mail != NULL)
			mail_abandon(g, s->mail);
		session_reply(g, s, REPLY_OK);
		break;
	case SMTP_EVENT_STARTTLS:
		break;        /* session_starttls, when its line has been consumed */
	case SMTP_EVENT_AUTH: /* goes on in login_go, when its line has been consumed */
		login_begin(g, s, event->text);
		break;
	case SMTP_EVENT_AUTH_RESPONSE:
		login_respond(g, s, event->text);
		break;
	case SMTP_EVENT_AUTH_CANCEL:
		break;
	case SMTP_EVENT_QUIT:
		session_reply(g, s, REPLY_BYE);
		session_close(g, s);
		break;
	case SMTP_EVENT_CLOSE:
		if (s->server.auth_failure_count > 0 && event->reply == REPLY_TOO_MANY_ERRORS)
			report_refused(g, s, event->reply, report_id(g), "failed logins");
		session_dismiss(g, s, event->reply);
		break;
	}
}
