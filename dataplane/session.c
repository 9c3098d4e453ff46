/* session.c - the client's side of a session: how it begins, is read, and ends.
 *
 * session_step() is the loop: peek, parse, decide, consume. It stops when the parser wants more
 * octets, waits for an answer that is the backend's to give, or when the client does not read our
 * replies. Whoever answers later calls it again.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define STEP_EVENTS_MAX    512
#define REPLY_ROOM_BYTES   2048 /* no command is read unless its reply is sure to fit */
#define COMMAND_WINDOW     16384
#define BODY_WINDOW_MIN    4096
#define STREAM_BACKLOG_MAX (256u << 10)
#define REPLY_BACKLOG_MAX  4096 /* replies a client has not acknowledged: no command is read */

enum ending { ENDING_CLOSE, ENDING_ABORT, ENDING_ABORT_SAYING };

static void line_give_back(struct gateway *g, struct session *s)
{
	if (s->server.auth_wanted) /* a password may have lain there */
		explicit_bzero(s->server.line_store, g->limits.command_line_bytes_max);
	pool_put(&g->lines, s->server.line_store);
	s->server.line_store = NULL;
}

/* Gives the connection and the session back; `words` are for ENDING_ABORT_SAYING. */
static void session_free(struct gateway *g, struct session *s, enum ending ending,
                         struct bytes words)
{
	struct endpoint local, remote;

	if (g->sources_counted) {
		tcp_endpoints(s->leg.conn, &local, &remote);
		source_table_remove(&g->sources, &remote.addr);
	}
	bool tls = s->leg.tls != 0;

	if (tls && ending == ENDING_CLOSE)
		leg_shutdown(g, &s->leg);
	leg_tls_end(g, &s->leg);
	if (ending == ENDING_CLOSE)
		tcp_close(s->leg.conn);
	else if (ending == ENDING_ABORT || tls) /* words in the clear are not for inside TLS */
		tcp_abort(s->leg.conn);
	else
		tcp_abort_saying(s->leg.conn, words);
	login_end(g, s);
	if (s->server.line_store != NULL)
		line_give_back(g, s);
	timer_cancel(g->timers, pool_index(&g->sessions, s));
	pool_put(&g->sessions, s);
}

/* The client has gone: whatever it had under way is abandoned. */
static void session_gone(struct gateway *g, struct session *s)
{
	if (s->mail != NULL)
		mail_abandon(g, s->mail);
	session_free(g, s, ENDING_ABORT, bytes_of(NULL, 0));
}

void session_evict(struct gateway *g, struct session *s, bool hard)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));

	ASSERT(!s->stepping);
	if (s->state == SESSION_CLOSING) {
		session_gone(g, s);
		return;
	}
	if (s->mail != NULL)
		mail_abandon(g, s->mail);
	reply_write(REPLY_TRY_LATER, &out);
	/* When slots or packets are nearly gone, nothing may wait for the client: it is told why in
	 * a segment that is not kept, and the reset comes behind it. */
	if (!hard)
		leg_write(g, &s->leg, buf_bytes(&out), false);
	session_free(g, s, hard ? ENDING_ABORT_SAYING : ENDING_CLOSE, buf_bytes(&out));
}

/* After the last reply: FIN behind it, and what still comes is thrown away until the peer's FIN, so
 * that no reset overtakes the reply (RFC 2525 2.17). */
void session_close(struct gateway *g, struct session *s)
{
	if (s->state == SESSION_CLOSING)
		return;
	if (s->mail != NULL)
		mail_abandon(g, s->mail);
	login_end(g, s);
	s->state = SESSION_CLOSING;
	leg_shutdown(g, &s->leg);
	s->touched_ms = gateway_now_ms(g);
	budget_arm(g, s);
}

void session_write(struct gateway *g, struct session *s, const struct buf *out)
{
	ASSERT(!out->overflow);
	if (s->state == SESSION_CLOSING)
		return;
	if (leg_write(g, &s->leg, buf_bytes(out), false) == out->len)
		return;
	/* The client sends commands and reads no replies: nothing we say reaches it any more. */
	g->counters->sessions_slow_reader++;
	session_close(g, s);
}

void session_dismiss(struct gateway *g, struct session *s, enum smtp_reply reply)
{
	session_reply(g, s, reply);
	session_close(g, s);
}

void session_reply(struct gateway *g, struct session *s, enum smtp_reply reply)
{
	session_reply_detail(g, s, reply, bytes_of(NULL, 0));
}

void session_reply_detail(struct gateway *g, struct session *s, enum smtp_reply reply,
                          struct bytes detail)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));

	if (detail.len > 0)
		reply_write_detail(reply, detail, &out);
	else
		reply_write(reply, &out);
	session_write(g, s, &out);
}

void session_reply_backend(struct gateway *g, struct session *s, uint16_t code, struct bytes text)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));

	/* 421 closes the backend's channel, not ours. */
	reply_write_relayed(code == 421 ? 451 : code, text, &out);
	session_write(g, s, &out);
}

static enum tls_listener_mode listener_tls(const struct gateway *g, const struct tcp_conn *conn)
{
	return g->tls != NULL ? g->tls->listener[tcp_listener_tag(conn)].mode : TLS_LISTENER_OFF;
}

/* NULL, and counted: not now. */
static struct leg_tls *session_tls_open(struct gateway *g, const struct session *s)
{
	struct tls_config *config = g->tls != NULL
	                                ? g->tls->listener[tcp_listener_tag(s->leg.conn)].config
	                                : NULL;

	if (COUNT_IF(config == NULL || g->tls_engine == NULL, g->counters->tls_refused_none) ||
	    !leg_tls_admitted(g))
		return NULL;
	struct leg_tls *tl = leg_tls_open(g, config, bytes_of(NULL, 0));
	g->counters->tls_refused_full += tl == NULL;
	return tl;
}

const char *session_hostname(const struct gateway *g, const struct session *s)
{
	const char *name = g->config->listener[tcp_listener_tag(s->leg.conn)].hostname;

	return name[0] != '\0' ? name : g->its.hostname;
}

static void session_greet(struct gateway *g, struct session *s)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));
	const struct rules_view *view = rules_current(g->its.rules, g->its.worker);
	struct endpoint local, remote;
	struct list_match match;

	tcp_endpoints(s->leg.conn, &local, &remote);
	match = lists_find(view->delta, view->lists, &remote.addr);
	if (match.action == LIST_DENY) {
		char detail[128], id_text[EVENT_ID_TEXT_BYTES];
		uint64_t id = report_id(g);
		struct buf text = buf_over(detail, sizeof(detail) - 1);

		event_id_format(id, id_text);
		buf_put_text(&text, match.list);
		buf_put_text(&text, ", id ");
		buf_put_text(&text, id_text);
		g->counters->sessions_listed++;
		s->state = SESSION_REFUSED;
		session_reply_detail(g, s, REPLY_LISTED, buf_bytes(&text));
		report_refused(g, s, REPLY_LISTED, id, match.list);
		return;
	}
	reply_write_banner(bytes_text(session_hostname(g, s)), &out);
	s->banner_bytes = out.len & 0xfffu;
	session_write(g, s, &out);
}

/* No session for this client: it is told so and forgotten. Who expects TLS would not understand. */
static void accept_refuse(struct gateway *g, struct tcp_conn *conn, enum smtp_reply reply)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));

	if (shed_is_hard(g) || listener_tls(g, conn) == TLS_LISTENER_IMPLICIT) {
		tcp_abort(conn);
		return;
	}
	reply_write(reply, &out);
	tcp_write(conn, buf_bytes(&out), false);
	tcp_close(conn);
}

/* Are there too many of its kind already? */
static bool accept_crowded(struct gateway *g, const struct endpoint *remote)
{
	const struct config *config = g->config;
	uint32_t source_max = config->sessions_per_source_max;
	uint32_t network_max = config->sessions_per_network_max;
	struct source_counts counts;

	if (!g->sources_counted)
		return false;
	counts = source_table_count(&g->sources, &remote->addr);
	return COUNT_IF(source_max > 0 && counts.source >= source_max,
	                g->counters->sessions_source_full) ||
	       COUNT_IF(network_max > 0 && counts.network >= network_max,
	                g->counters->sessions_network_full);
}

static struct session *session_get(struct gateway *g)
{
	struct session *s = pool_get(&g->sessions);

	if (s == NULL && shed_for_session(g))
		s = pool_get(&g->sessions);
	return s;
}

static void session_offer_auth(const struct gateway *g, struct session *s)
{
	const struct config_listener *listener = &g->config
	                                              ->listener[tcp_listener_tag(s->leg.conn)];
	enum auth_listener_mode mode = config_auth_listener_mode(listener);

	s->server.auth_wanted = mode != AUTH_LISTENER_OFF && g->login_sources != NULL;
	s->server.auth_required = mode == AUTH_LISTENER_REQUIRED;
	s->server.auth_clear = config_auth_in_clear(listener);
}

/* A greeting, or a handshake before it. False: TLS cannot be had. */
static bool session_begin(struct gateway *g, struct session *s)
{
	enum tls_listener_mode mode = listener_tls(g, s->leg.conn);
	struct leg_tls *tl;

	if (mode != TLS_LISTENER_IMPLICIT) {
		s->server.tls = mode == TLS_LISTENER_OFF ? SMTP_TLS_NONE : SMTP_TLS_OFFERED;
		s->server.tls_required = mode == TLS_LISTENER_REQUIRED;
		session_greet(g, s);
		return true;
	}
	tl = session_tls_open(g, s);
	if (tl == NULL)
		return false;
	g->counters->sessions_tls_implicit++;
	s->server.tls = SMTP_TLS_UP;
	s->heard = true;
	leg_tls_begin(g, &s->leg, tl);
	return true;
}

bool session_accept(struct gateway *g, struct tcp_conn *conn)
{
	struct endpoint local, remote;
	struct session *s;

	tcp_set_user(conn, NULL);
	tcp_endpoints(conn, &local, &remote);
	if (COUNT_IF(g->draining, g->counters->sessions_refused_drain)) {
		accept_refuse(g, conn, REPLY_TRY_LATER);
		return false;
	}
	if (accept_crowded(g, &remote)) {
		accept_refuse(g, conn, REPLY_TOO_MANY_SESSIONS);
		return false;
	}
	s = session_get(g);
	if (COUNT_IF(s == NULL, g->counters->sessions_refused_full)) {
		accept_refuse(g, conn, REPLY_TRY_LATER);
		return false;
	}

	memset(s, 0, sizeof(*s));
	s->leg = (struct leg){.kind = LEG_CLIENT, .conn = conn};
	tcp_set_user(conn, s);
	if (g->sources_counted)
		source_table_add(&g->sources, &remote.addr);
	tcp_window_limit(conn, COMMAND_WINDOW);
	smtp_server_init(&s->server, &g->limits, g->its.smtp_counters);
	session_offer_auth(g, s);
	g->counters->sessions++;
	budget_renew(g, s);
	if (!session_begin(g, s)) {
		session_free(g, s, ENDING_ABORT, bytes_of(NULL, 0));
		return false;
	}
	budget_arm(g, s);
	return true;
}

void session_window(struct gateway *g, struct session *s)
{
	const struct mail *m = s->mail;
	size_t room = COMMAND_WINDOW;

	if (m != NULL && smtp_server_in_body(&s->server)) {
		size_t bound = m->streaming ? STREAM_BACKLOG_MAX : g->config->hold_bytes_max;

		room = bound > m->held.bytes ? bound - m->held.bytes : 0;
		if (m->phase == MAIL_DISCARD)
			room = BODY_WINDOW_MIN * 4;
		else if (room < BODY_WINDOW_MIN)
			room = m->streaming ? 0 : BODY_WINDOW_MIN;
		budget_body_shut(g, s, room == 0);
	}
	tcp_window_limit(s->leg.conn, room);
}

void session_mail_done(struct gateway *g, struct session *s)
{
	s->mail = NULL;
	s->server.transaction = NULL;
	session_window(g, s);
	budget_renew(g, s);
	if (g->draining)
		session_drain(g, s);
	else
		budget_arm(g, s);
	session_step(g, s);
}

void session_drain(struct gateway *g, struct session *s)
{
	if (s->state == SESSION_CLOSING || (s->mail != NULL && s->mail->body_complete))
		return;
	session_reply(g, s, REPLY_TRY_LATER);
	session_close(g, s);
}

static void event_injected(struct gateway *g, struct session *s)
{
	g->counters->tls_injected++;
	report_refused(g, s, REPLY_STARTTLS_INJECTED, report_id(g), "");
}

/* The line of STARTTLS has been consumed: nothing may lie behind it, in any packet. */
static void session_starttls(struct gateway *g, struct session *s)
{
	struct smtp_event event;

	if (tcp_readable(s->leg.conn) > 0) {
		smtp_server_injected(&s->server, &event);
		event_injected(g, s);
		session_reply(g, s, event.reply);
		session_close(g, s);
		return;
	}
	struct leg_tls *tl = session_tls_open(g, s);
	if (tl == NULL) {
		smtp_server_refuse(&s->server);
		session_reply(g, s, REPLY_TLS_UNAVAILABLE);
		return;
	}
	session_reply(g, s, REPLY_STARTTLS_READY);
	smtp_server_accept(&s->server);
	if (s->state == SESSION_CLOSING) { /* the reply did not go out */
		leg_tls_drop(g, tl);
		return;
	}
	s->helo[0] = '\0';
	leg_tls_begin(g, &s->leg, tl);
	budget_arm(g, s);
}

static void session_tls_up(struct gateway *g, struct session *s)
{
	g->counters->sessions_tls++;
	budget_renew(g, s);
	if (s->banner_bytes == 0)
		session_greet(g, s);
	budget_arm(g, s);
	session_step(g, s);
}

void session_tls_news(struct gateway *g, struct session *s, enum leg_tls_news news)
{
	switch (news) {
	case LEG_TLS_BEGUN:
		session_tls_up(g, s);
		return;
	case LEG_TLS_INJECTED: /* the 220 has been said; whoever waits for TLS understands no more
	                        */
		g->its.smtp_counters->starttls_injected++;
		event_injected(g, s);
		session_gone(g, s);
		return;
	case LEG_TLS_BROKEN:
		g->counters->tls_broken++;
		session_close(g, s);
		session_step(g, s);
		return;
	}
}

/* The parser may need a place for a partial line and one for an envelope; both are lent for a step
 * and taken back when they were not needed, so that an idle session holds neither. */
static void session_lend(struct gateway *g, struct session *s)
{
	uint8_t *line = login_line_store(s);

	if (line != NULL) {
		if (s->server.line_store != NULL && s->server.line_store != line)
			line_give_back(g, s);
		s->server.line_store = line;
		return;
	}
	if (s->server.line_store == NULL)
		s->server.line_store = pool_get(&g->lines);
	if (s->server.line_store == NULL && shed_for_line(g))
		s->server.line_store = pool_get(&g->lines);
	if (s->mail == NULL && s->server.greeted) {
		s->mail = mail_begin(g, s);
		if (s->mail == NULL && shed_for_transaction(g))
			s->mail = mail_begin(g, s);
		s->server.transaction = s->mail != NULL ? &s->mail->transaction : NULL;
	}
}

static void session_take_back(struct gateway *g, struct session *s)
{
	if (s->server.line_store != NULL && !smtp_server_holds_line(&s->server)) {
		if (s->server.line_store == login_line_store(s))
			s->server.line_store = NULL;
		else
			line_give_back(g, s);
	}
	if (s->mail != NULL && s->mail->id == 0) {
		mail_end(g, s->mail);
		s->mail = NULL;
		s->server.transaction = NULL;
	}
}

static bool is_of_auth(const struct smtp_event *event)
{
	return event->kind == SMTP_EVENT_AUTH || event->kind == SMTP_EVENT_AUTH_RESPONSE ||
	       event->kind == SMTP_EVENT_AUTH_CANCEL;
}

/* Octets of commands go. Where passwords may be among them nothing is left of them: packets and
 * records are ours, and nobody reads them again. */
static void session_consume(struct gateway *g, struct session *s, struct bytes octets)
{
	if (s->server.auth_wanted && octets.len > 0)
		explicit_bzero((void *)(uintptr_t)octets.data, octets.len);
	leg_consume(g, &s->leg, octets.len);
}

/* One event's worth of input; false when there is nothing (more) to do now. */
static bool session_read(struct gateway *g, struct session *s)
{
	struct tcp_conn *conn = s->leg.conn;

	/* An end without close_notify would take the answer's way out with it. */
	if (s->leg.tls != 0 && s->mail != NULL && s->mail->body_complete)
		return false;
	struct bytes input = s->state == SESSION_CLOSING ? tcp_peek(conn, 0) : leg_peek(g, &s->leg);
	const uint8_t *octets = input.data;
	size_t available = input.len;
	struct smtp_event event = {.kind = SMTP_EVENT_NONE};

	if (available == 0)
		return false;
	if (s->state == SESSION_CLOSING) {
		tcp_consume(conn, available);
		return true;
	}

	bool in_body = smtp_server_in_body(&s->server);
	if (leg_writable(g, &s->leg) < REPLY_ROOM_BYTES ||
	    (!in_body && tcp_unacked(conn) > REPLY_BACKLOG_MAX))
		return false;
	if (!in_body)
		session_lend(g, s);
	bool got = smtp_server_next(&s->server, &input, &event);
	size_t used = available - input.len;

	if (got && event.kind != SMTP_EVENT_BODY)
		s->progress = true;
	if (in_body) {
		budget_body(g, s, used);
		mail_hold(g, s->mail, used);
		if (got)
			session_event(g, s, &event);
	} else {
		if (got)
			session_event(g, s, &event);
		session_consume(g, s, bytes_of(octets, used));
		if (event.kind == SMTP_EVENT_STARTTLS && s->state == SESSION_OPEN)
			session_starttls(g, s);
		else if (is_of_auth(&event) && s->state == SESSION_OPEN)
			login_go(g, s, event.kind, event.reply);
	}
	return used > 0 || got;
}

/* Exact, unlike any timer: did whoever sent the first octets have our greeting then? */
static void session_check_early(struct gateway *g, struct session *s)
{
	if (s->heard || tcp_readable(s->leg.conn) == 0)
		return;
	s->heard = true;
	if (s->state != SESSION_OPEN || !g->config->early_talkers_refused ||
	    tcp_peek_acked(s->leg.conn) >= s->banner_bytes)
		return;
	g->counters->sessions_early++;
	report_refused(g, s, REPLY_EARLY_TALKER, report_id(g), "");
	session_reply(g, s, REPLY_EARLY_TALKER);
	session_close(g, s);
}

/* The client has half-closed. That is no abort while an answer is still due to it. */
static bool session_is_over(struct gateway *g, struct session *s)
{
	const struct mail *m = s->mail;

	if (s->state == SESSION_CLOSING ? !tcp_at_end(s->leg.conn) : !leg_at_end(g, &s->leg))
		return false;
	if (leg_has_failed(g, &s->leg))
		return true;
	if (m == NULL || s->state != SESSION_OPEN)
		return true;
	if (m->body_complete)
		return false;
	return s->server.waiting == 0;
}

bool session_step(struct gateway *g, struct session *s)
{
	if (s->stepping)
		return true;
	s->stepping = true;
	session_check_early(g, s);

	uint32_t count = 0;
	while (count < STEP_EVENTS_MAX && session_read(g, s))
		count++;
	session_take_back(g, s);
	if (count == STEP_EVENTS_MAX)
		tcp_mark_ready(s->leg.conn);
	s->stepping = false;
	if (s->progress)
		s->touched_ms = gateway_now_ms(g);
	if (s->progress || s->server.waiting > 0 || smtp_server_in_body(&s->server))
		budget_arm(g, s);
	s->progress = false;
	if (!session_is_over(g, s))
		return true;

	if (s->mail != NULL) {
		g->counters->tls_truncated += leg_is_truncated(g, &s->leg);
		mail_abandon(g, s->mail);
	}
	session_free(g, s, ENDING_CLOSE, bytes_of(NULL, 0));
	return false;
}

void session_news(struct gateway *g, struct session *s, uint32_t news)
{
	if (news & TCP_FAILED) {
		g->counters->sessions_reset++;
		session_gone(g, s);
		return;
	}
	session_step(g, s);
}

void session_timeout(struct gateway *g, struct session *s)
{
	if (!budget_is_due(g, s))
		return;
	if (s->state == SESSION_CLOSING ||
	    COUNT_IF(leg_is_shaking(g, &s->leg), g->counters->tls_timed_out)) {
		session_gone(g, s);
		return;
	}
	if (s->mail != NULL && s->mail->wait_backend) {
		/* Armed first: the answer may be the end of the session. */
		backend_forget_waiting(g, s->mail);
		budget_arm(g, s);
		mail_no_backend(g, s->mail);
		return;
	}
	if (login_waits(s)) {
		budget_arm(g, s);
		login_no_backend(g, s);
		return;
	}
	if (!budget_is_over(g, s)) {
		budget_arm(g, s);
		return;
	}
	session_reply(g, s, REPLY_TIMEOUT);
	session_close(g, s);
}
