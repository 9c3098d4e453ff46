/* backend.c - connections to backends: opened when needed, kept for the next mail, given up when
 * silent.
 *
 * A target is one configured backend. Its idle connections are used last in, first out, so that
 * those in excess age and are closed. A target that cannot be reached is left alone for a while
 * that doubles up to half a minute; mails go to another one, and are answered 451 when there is
 * none. Towards a target that is to be spoken to inside TLS nothing of a mail is said before its
 * certificate is the right one; where TLS is only an opportunity (RFC 7435) and fails, the next
 * connections are in the clear for a while.
 *
 * A connection on which a login was tried belongs to that login's session and to nobody else after
 * it: it is closed with the session. A target may be for mail of clients without a login, for
 * logins, or for both.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define DOWN_MIN_US    1000000u
#define DOWN_MAX_SHIFT 5
#define COMMAND_BYTES  512
#define CLEAR_US       600000000u

static uint32_t backend_handle(const struct gateway *g, const struct backend *b)
{
	return g->config->sessions_max + pool_index(&g->backends, b);
}

void backend_arm(struct gateway *g, struct backend *b, uint32_t timeout_ms)
{
	timer_set(g->timers, backend_handle(g, b), g->now_us + (uint64_t)timeout_ms * 1000);
}

static void target_failed(struct gateway *g, struct backend_target *target)
{
	uint32_t shift = target->failures < DOWN_MAX_SHIFT ? target->failures : DOWN_MAX_SHIFT;

	target->failures++;
	target->down_until_us = g->now_us + ((uint64_t)DOWN_MIN_US << shift);
}

static bool backend_connect(struct gateway *g, uint32_t target)
{
	const struct config_backend *its = &g->config->backend[target];
	struct endpoint local = {its->source, 0};
	struct backend *b = pool_get(&g->backends);
	struct tcp_conn *conn;

	if (b == NULL)
		return false;
	g->counters->backend_connects++;
	if (tcp_connect(g->its.net, g->now_us, addr_is_unspecified(&its->source) ? NULL : &local,
	                &its->remote, &conn) != OK) {
		g->counters->backend_connect_failed++;
		target_failed(g, &g->target[target]);
		pool_put(&g->backends, b);
		return false;
	}
	memset(b, 0, sizeof(*b));
	b->leg = (struct leg){.kind = LEG_BACKEND, .conn = conn};
	b->state = BACKEND_CONNECTING;
	b->target = target;
	smtp_client_init(&b->client, g->its.smtp_counters);
	tcp_set_user(conn, b);
	g->target[target].connection_count++;
	g->target[target].connecting_count++;
	backend_arm(g, b, g->config->backend_connect_timeout_ms);
	return true;
}

static bool target_usable(const struct gateway *g, uint32_t target)
{
	return g->target[target].down_until_us <= g->now_us;
}

static void idle_push(struct gateway *g, struct backend *b)
{
	struct backend **first = &g->target[b->target].idle;

	b->pooled = true;
	b->idle_next = *first;
	b->idle_before = NULL;
	if (*first != NULL)
		(*first)->idle_before = b;
	*first = b;
}

/* Without a walk: thousands that served a rush come to the end of their time together. */
static void idle_remove(struct gateway *g, struct backend *b)
{
	if (b->idle_before != NULL)
		b->idle_before->idle_next = b->idle_next;
	else
		g->target[b->target].idle = b->idle_next;
	if (b->idle_next != NULL)
		b->idle_next->idle_before = b->idle_before;
	b->idle_next = b->idle_before = NULL;
}

/* What a connection is wanted for. */
enum purpose { FOR_MAIL, FOR_LOGIN };

static bool target_serves(const struct gateway *g, uint32_t target, enum purpose purpose)
{
	const struct backend_target *its = &g->target[target];

	return purpose == FOR_MAIL ? its->takes_mail : its->takes_logins;
}

static struct backend *idle_take(struct gateway *g, enum purpose purpose, uint32_t mechanisms)
{
	for (uint32_t i = 0; i < g->config->backend_count; i++) {
		uint32_t at = (g->target_next + i) % g->config->backend_count;
		struct backend *b = g->target[at].idle;

		if (b == NULL || !target_serves(g, at, purpose) ||
		    (purpose == FOR_LOGIN && (g->target[at].auth_mechanisms & mechanisms) == 0))
			continue;
		idle_remove(g, b);
		g->target_next = at + 1;
		return b;
	}
	return NULL;
}

/* Opens a connection for one that waits. False: no target can be asked. */
static bool connect_somewhere(struct gateway *g, enum purpose purpose, uint32_t mechanisms)
{
	bool hope = false;

	for (uint32_t i = 0; i < g->config->backend_count; i++) {
		uint32_t at = (g->target_next + i) % g->config->backend_count;
		const struct backend_target *target = &g->target[at];

		if (!target_usable(g, at) || !target_serves(g, at, purpose) ||
		    (purpose == FOR_LOGIN && target->known &&
		     (target->auth_mechanisms & mechanisms) == 0))
			continue;
		if (target->connection_count >= g->config->backend[at].connections_max) {
			hope = true; /* one will come free */
			continue;
		}
		if (backend_connect(g, at)) {
			g->target_next = at + 1;
			return true;
		}
	}
	return hope;
}

static uint32_t connecting_count(const struct gateway *g, enum purpose purpose)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < g->config->backend_count; i++)
		if (target_serves(g, i, purpose))
			count += g->target[i].connecting_count;
	return count;
}

bool backends_exhausted(const struct gateway *g)
{
	return g->wait_head != NULL && connecting_count(g, FOR_MAIL) == 0;
}

static void lease_to(struct gateway *g, struct backend *b, struct mail *m)
{
	b->state = BACKEND_LEASED;
	b->mail = m;
	b->message_count++;
	m->backend = b;
	timer_cancel(g->timers, backend_handle(g, b));
}

static void wait_append(struct gateway *g, struct mail *m)
{
	m->wait_backend = true;
	m->queue_next = NULL;
	m->queue_before = g->wait_tail;
	if (g->wait_tail != NULL)
		g->wait_tail->queue_next = m;
	else
		g->wait_head = m;
	g->wait_tail = m;
}

static struct mail *wait_take(struct gateway *g)
{
	struct mail *m = g->wait_head;

	if (m != NULL)
		backend_forget_waiting(g, m);
	return m;
}

/* Without a walk: thousands that waited in vain come to the end of their time together. */
void backend_forget_waiting(struct gateway *g, struct mail *m)
{
	if (!m->wait_backend)
		return;
	m->wait_backend = false;
	if (m->queue_before != NULL)
		m->queue_before->queue_next = m->queue_next;
	else
		g->wait_head = m->queue_next;
	if (m->queue_next != NULL)
		m->queue_next->queue_before = m->queue_before;
	else
		g->wait_tail = m->queue_before;
	m->queue_next = m->queue_before = NULL;
}

/* The connection of the session's login, and no other. */
static bool lease_bound(struct gateway *g, struct mail *m)
{
	struct backend *b = login_backend(m->session);

	if (b == NULL) {
		mail_no_backend(g, m);
		return false;
	}
	if (b->state == BACKEND_BOUND) {
		lease_to(g, b, m);
		return true;
	}
	m->wait_backend = true; /* not in the queue: backend_ready() looks for it */
	return false;
}

bool backend_lease(struct gateway *g, struct mail *m)
{
	struct backend *b;

	if (m->session->login != NULL)
		return lease_bound(g, m);
	b = idle_take(g, FOR_MAIL, 0);
	if (b != NULL) {
		lease_to(g, b, m);
		return true;
	}
	g->counters->backend_waits++;
	wait_append(g, m);
	if (!connect_somewhere(g, FOR_MAIL, 0) && connecting_count(g, FOR_MAIL) == 0)
		mail_no_backend(g, m);
	return false;
}

static void backend_bind(struct gateway *g, struct backend *b, struct login *login)
{
	timer_cancel(g->timers, backend_handle(g, b));
	b->login = login;
	b->dedicated = true;
	login_take(g, login, b);
}

bool backend_seek(struct gateway *g, struct login *login)
{
	uint32_t mechanisms = AUTH_BIT(login_mechanism(login));
	struct backend *b = idle_take(g, FOR_LOGIN, mechanisms);

	if (b != NULL) {
		backend_bind(g, b, login);
		return true;
	}
	g->counters->logins_waited++;
	return connect_somewhere(g, FOR_LOGIN, mechanisms) || connecting_count(g, FOR_LOGIN) > 0;
}

/* A connection has come to its end on our side of things; whoever had it is told by the caller. */
static void backend_free(struct gateway *g, struct backend *b)
{
	struct backend_target *target = &g->target[b->target];

	if (b->state == BACKEND_IDLE)
		idle_remove(g, b);
	if (b->state < BACKEND_IDLE)
		target->connecting_count--;
	target->connection_count--;
	timer_cancel(g->timers, backend_handle(g, b));
	leg_tls_end(g, &b->leg);
	pool_put(&g->backends, b);
}

/* Those that still wait get another connection, or their answer. */
static void serve_logins(struct gateway *g)
{
	for (uint32_t work = 0; g->login_head != NULL && work < g->logins.count; work++) {
		uint32_t mechanisms = AUTH_BIT(login_mechanism(g->login_head));

		if (connecting_count(g, FOR_LOGIN) > 0 ||
		    connect_somewhere(g, FOR_LOGIN, mechanisms))
			return;
		login_no_backend(g, login_session(g->login_head));
	}
}

static void serve_waiting(struct gateway *g)
{
	uint32_t work = g->config->transactions_max;

	serve_logins(g);
	while (g->wait_head != NULL && work-- > 0) {
		struct backend *b = idle_take(g, FOR_MAIL, 0);
		if (b != NULL) {
			struct mail *m = wait_take(g);
			lease_to(g, b, m);
			mail_advance(g, m);
			continue;
		}
		if (connecting_count(g, FOR_MAIL) > 0 || connect_somewhere(g, FOR_MAIL, 0))
			return;
		mail_no_backend(g, g->wait_head);
	}
}

static enum tls_backend_mode tls_mode(const struct gateway *g, const struct backend *b)
{
	return g->tls != NULL ? g->tls->backend[b->target].mode : TLS_BACKEND_OFF;
}

/* The end of TLS is said where it has been a good one. */
static void backend_hang_up(struct gateway *g, struct backend *b)
{
	struct tcp_conn *conn = b->leg.conn;

	if (b->leg.tls == 0 || b->state != BACKEND_QUIT) {
		tcp_abort(conn);
		return;
	}
	leg_shutdown(g, &b->leg);
	leg_tls_end(g, &b->leg);
	tcp_close(conn);
}

static void backend_gone(struct gateway *g, struct backend *b)
{
	struct mail *m = b->mail;
	struct login *login = b->login;
	bool stale = b->state == BACKEND_LEASED && b->message_count > 1 && !b->dedicated;
	bool stale_login = b->state == BACKEND_AUTH && b->pooled;

	if (b->state < BACKEND_IDLE) {
		g->counters->backend_connect_failed++;
		if (b->state == BACKEND_HANDSHAKE && b->offered)
			g->counters->backend_tls_stale++; /* the next one makes a full handshake */
		else if (b->state == BACKEND_HANDSHAKE &&
		         tls_mode(g, b) == TLS_BACKEND_OPPORTUNISTIC)
			g->target[b->target].clear_until_us = g->now_us + CLEAR_US;
		else
			target_failed(g, &g->target[b->target]);
	}
	backend_hang_up(g, b);
	backend_free(g, b);
	if (login != NULL)
		login_backend_lost(g, login, stale_login);
	if (m != NULL) {
		m->backend = NULL;
		mail_backend_lost(g, m, stale);
	}
	serve_waiting(g);
}

void backend_abort(struct gateway *g, struct backend *b)
{
	ASSERT(b->mail == NULL);
	g->counters->backend_aborted++;
	tcp_abort(b->leg.conn);
	backend_free(g, b);
	serve_waiting(g);
}

static void backend_verb(struct gateway *g, struct backend *b, enum smtp_client_command verb)
{
	uint8_t memory[16];
	struct buf out = buf_over(memory, sizeof(memory));

	if (smtp_client_send_verb(&b->client, verb, &out))
		backend_write(g, b, &out);
}

static void backend_quit(struct gateway *g, struct backend *b)
{
	b->state = BACKEND_QUIT;
	backend_verb(g, b, SMTP_CLIENT_QUIT);
}

void backend_unbind(struct gateway *g, struct backend *b)
{
	uint8_t memory[16];
	struct buf out = buf_over(memory, sizeof(memory));

	b->login = NULL;
	switch (b->state) {
	case BACKEND_AUTH: /* its last reply comes, or not in time: then it is closed */
		b->state = BACKEND_QUIT;
		if (smtp_client_pending(&b->client) == 0 &&
		    smtp_client_send_response(&b->client, BYTES("*"), &out))
			backend_write(g, b, &out);
		return;
	case BACKEND_BOUND:
		backend_quit(g, b);
		return;
	default: /* a mail is on it, or RSET */
		return;
	}
}

/* It has nothing under way: its session's next mail, if that waits. */
static void backend_bound(struct gateway *g, struct backend *b)
{
	struct mail *m;

	if (b->login == NULL) {
		backend_quit(g, b);
		return;
	}
	b->state = BACKEND_BOUND;
	m = login_session(b->login)->mail;
	if (m == NULL || !m->wait_backend)
		return;
	m->wait_backend = false;
	lease_to(g, b, m);
	mail_advance(g, m);
}

static void backend_ready(struct gateway *g, struct backend *b)
{
	struct backend_target *target = &g->target[b->target];

	if (b->dedicated) {
		backend_bound(g, b);
		return;
	}
	if (b->state < BACKEND_IDLE)
		target->connecting_count--;
	target->failures = 0;
	b->state = BACKEND_RESET; /* neither idle nor leased yet */
	if (b->message_count >= g->config->backend_messages_max) {
		backend_quit(g, b);
		serve_waiting(g);
		return;
	}
	struct login *login = target->takes_logins ? login_next(g, target->auth_mechanisms) : NULL;
	if (login != NULL) {
		backend_bind(g, b, login);
		return;
	}
	struct mail *m = target->takes_mail ? wait_take(g) : NULL;
	if (m != NULL) {
		lease_to(g, b, m);
		mail_advance(g, m);
		return;
	}
	b->state = BACKEND_IDLE;
	idle_push(g, b);
	backend_arm(g, b, g->config->backend_idle_timeout_ms);
}

void backend_release(struct gateway *g, struct backend *b, bool reset)
{
	ASSERT(b->mail == NULL && b->state == BACKEND_LEASED);
	if (b->failed) {
		b->state = BACKEND_QUIT; /* nobody's any more; its reader closes it */
		return;
	}
	if (!reset && smtp_client_pending(&b->client) == 0) {
		backend_ready(g, b);
		return;
	}
	b->state = BACKEND_RESET;
	backend_verb(g, b, SMTP_CLIENT_RSET);
}

bool backend_write(struct gateway *g, struct backend *b, const struct buf *commands)
{
	backend_arm(g, b, g->config->backend_reply_timeout_ms);
	return leg_write(g, &b->leg, buf_bytes(commands), false) == commands->len;
}

void backends_offer(struct gateway *g)
{
	uint32_t allowed = auth_mechanisms_of(bytes_text(g->config->auth_mechanisms));
	uint64_t size_max = g->config->message_bytes_max;
	bool eightbitmime = true;
	uint32_t mechanisms = 0;

	for (uint32_t i = 0; i < g->config->backend_count; i++) {
		if (!g->target[i].known)
			continue;
		eightbitmime = eightbitmime && g->target[i].eightbitmime;
		if (g->target[i].takes_logins)
			mechanisms |= g->target[i].auth_mechanisms & allowed;
		if (g->target[i].size_max > 0 && g->target[i].size_max < size_max)
			size_max = g->target[i].size_max;
	}
	g->limits.eightbitmime = eightbitmime;
	g->limits.message_bytes_max = size_max;
	g->limits.auth_mechanisms = (uint16_t)mechanisms;
}

static void learn_extensions(struct gateway *g, const struct backend *b)
{
	struct backend_target *target = &g->target[b->target];

	target->known = true;
	target->eightbitmime = b->client.eightbitmime;
	target->size_max = b->client.size_max;
	target->auth_mechanisms = b->client.auth_mechanisms;
	backends_offer(g);
}

static void send_ehlo(struct gateway *g, struct backend *b, bool helo)
{
	uint8_t memory[COMMAND_BYTES];
	struct buf out = buf_over(memory, sizeof(memory));

	b->state = BACKEND_EHLO;
	if (smtp_client_send_ehlo(&b->client, bytes_text(g->its.hostname), helo, &out))
		backend_write(g, b, &out);
}

/* EHLO has been answered in the clear, or STARTTLS refused. False: the connection is of no use. */
static bool clear_will_do(struct gateway *g, struct backend *b)
{
	enum tls_backend_mode mode = tls_mode(g, b);

	if (mode == TLS_BACKEND_OFF)
		return true;
	if (mode == TLS_BACKEND_OPPORTUNISTIC) {
		g->counters->backend_tls_clear++;
		return true;
	}
	g->counters->backend_tls_not_offered++;
	return false;
}

static bool wants_tls(const struct gateway *g, const struct backend *b)
{
	return tls_mode(g, b) != TLS_BACKEND_OFF && b->leg.tls == 0 && b->client.starttls &&
	       g->tls->backend[b->target].config != NULL &&
	       (tls_mode(g, b) != TLS_BACKEND_OPPORTUNISTIC ||
	        g->target[b->target].clear_until_us <= g->now_us);
}

/* A session binds its client to its version: a server that speaks another one by now refuses, and
 * is asked again without. A ticket is used once (RFC 8446 C.4), and not under another set-up than
 * that which judged its server; a pin is compared with a certificate, which a resumed session does
 * not show. */
static void session_resume(struct gateway *g, struct backend *b, struct leg_tls *tl)
{
	struct backend_target *target = &g->target[b->target];
	struct bytes session = bytes_of(target->session, target->session_bytes);

	if (session.len > 0 && target->session_setup == g->tls) {
		b->offered = tls_session_resume(tl->tls, session) == OK;
		g->counters->backend_tls_stale += !b->offered; /* a full handshake, then */
	}
	memset(target->session, 0, session.len);
	target->session_bytes = 0;
}

static void session_save(struct gateway *g, struct backend *b)
{
	struct backend_target *target = &g->target[b->target];

	if (b->leg.tls == 0 || g->tls->backend[b->target].pinned)
		return;
	target->session_setup = g->tls;
	target->session_bytes = leg_tls_save(g, &b->leg, target->session, sizeof(target->session));
}

/* The answer to EHLO has come. False: the connection is of no use. */
static bool backend_greeted(struct gateway *g, struct backend *b)
{
	if (wants_tls(g, b)) {
		b->state = BACKEND_STARTTLS;
		backend_verb(g, b, SMTP_CLIENT_STARTTLS);
		return true;
	}
	if (b->leg.tls == 0 && !clear_will_do(g, b))
		return false;
	session_save(g, b); /* its ticket came before the answer */
	learn_extensions(g, b);
	backend_ready(g, b);
	return true;
}

/* A handshake begins, on what has said nothing yet or has just agreed to it. False: as above. */
static bool begin_tls(struct gateway *g, struct backend *b)
{
	const struct tls_setup_backend *its = &g->tls->backend[b->target];
	struct leg_tls *tl = leg_tls_open(g, its->config, bytes_text(its->name));

	if (COUNT_IF(tl == NULL, g->counters->backend_tls_failed))
		return false;
	session_resume(g, b, tl);
	b->state = BACKEND_HANDSHAKE;
	leg_tls_begin(g, &b->leg, tl);
	backend_arm(g, b, g->config->tls_handshake_timeout_ms);
	return true;
}

/* The answer to STARTTLS has come and nothing may lie behind it. False: as above. */
static bool backend_starttls(struct gateway *g, struct backend *b,
                             const struct smtp_client_event *event)
{
	if (event->code / 100 != 2) {
		if (!clear_will_do(g, b))
			return false;
		learn_extensions(g, b);
		backend_ready(g, b);
		return true;
	}
	if (COUNT_IF(tcp_readable(b->leg.conn) > 0, g->counters->tls_injected))
		return false;
	return begin_tls(g, b);
}

static bool pin_fits(const struct gateway *g, const struct backend *b, const struct tls_info *info)
{
	const struct tls_setup_backend *its = &g->tls->backend[b->target];

	return !its->pinned || (info->peer_certificate &&
	                        memcmp(info->peer_sha256, its->pin, sizeof(its->pin)) == 0);
}

void backend_tls_news(struct gateway *g, struct backend *b, enum leg_tls_news news)
{
	struct tls_info info;

	leg_describe(g, &b->leg, &info);
	if (news != LEG_TLS_BEGUN || !pin_fits(g, b, &info)) {
		g->counters->tls_injected += news == LEG_TLS_INJECTED;
		g->counters->backend_tls_failed++;
		backend_gone(g, b);
		return;
	}
	g->counters->backend_tls++;
	g->counters->backend_tls_resumed += info.resumed;
	if (tls_mode(g, b) == TLS_BACKEND_IMPLICIT) { /* its greeting comes, or has come */
		b->state = BACKEND_GREETING;
		backend_arm(g, b, g->config->backend_connect_timeout_ms);
		tcp_mark_ready(b->leg.conn);
		return;
	}
	smtp_client_restart(&b->client);
	send_ehlo(g, b, false);
}

/* False: the connection is gone. */
static bool backend_reply(struct gateway *g, struct backend *b,
                          const struct smtp_client_event *event)
{
	struct mail *m = b->mail;

	if (smtp_client_pending(&b->client) == 0)
		timer_cancel(g->timers, backend_handle(g, b));
	switch (b->state) {
	case BACKEND_GREETING:
		if (event->code != 220)
			break;
		send_ehlo(g, b, false);
		return true;
	case BACKEND_EHLO:
		if (event->code == 250 && backend_greeted(g, b))
			return true;
		if (event->command != SMTP_CLIENT_EHLO || event->code / 100 != 5)
			break;
		send_ehlo(g, b, true);
		return true;
	case BACKEND_STARTTLS:
		if (!backend_starttls(g, b, event))
			break;
		return true;
	case BACKEND_LEASED:
		if (event->code == 421 && m->phase != MAIL_DOT && m->phase != MAIL_DATA)
			break;
		if (m->phase == MAIL_DATA || m->phase == MAIL_DOT)
			relay_backend_reply(g, m, event);
		else
			mail_backend_reply(g, m, event);
		return true;
	case BACKEND_AUTH:
		login_backend_reply(g, b->login, event);
		return true;
	case BACKEND_RESET:
		if (event->command != SMTP_CLIENT_RSET)
			return true; /* late replies of a transaction that was given up */
		if (event->code != 250)
			break;
		backend_ready(g, b);
		return true;
	case BACKEND_QUIT:
		break;
	case BACKEND_CONNECTING:
	case BACKEND_HANDSHAKE:
	case BACKEND_IDLE:
	case BACKEND_BOUND:
		break;
	}
	backend_gone(g, b);
	return false;
}

/* False: the connection is gone. */
static bool backend_read(struct gateway *g, struct backend *b)
{
	struct smtp_client_event event;

	for (;;) {
		struct bytes input = leg_peek(g, &b->leg);
		size_t available = input.len;

		if (available == 0)
			break;
		bool got = smtp_client_next(&b->client, &input, &event);
		size_t used = available - input.len;
		leg_consume(g, &b->leg, used);
		if (!got && used == 0)
			break;
		if (!got)
			continue;
		if (event.kind == SMTP_CLIENT_BROKEN) {
			g->counters->backend_broken++;
			backend_gone(g, b);
			return false;
		}
		if (!backend_reply(g, b, &event))
			return false;
	}
	if (!leg_at_end(g, &b->leg))
		return true;
	backend_gone(g, b);
	return false;
}

void backend_news(struct gateway *g, struct backend *b, uint32_t news)
{
	if (news & TCP_FAILED) {
		/* A backend's word on a message counts, also with a reset right behind it: a client
		 * that is told otherwise sends the message again. */
		b->failed = true;
		if (b->mail == NULL || b->mail->phase != MAIL_DOT || backend_read(g, b))
			backend_gone(g, b);
		return;
	}
	if ((news & TCP_CONNECTED) && b->state == BACKEND_CONNECTING) {
		b->state = BACKEND_GREETING;
		if (tls_mode(g, b) == TLS_BACKEND_IMPLICIT && !begin_tls(g, b)) {
			backend_gone(g, b);
			return;
		}
	}
	if ((news & TCP_ACKED) && b->mail != NULL && b->mail->phase == MAIL_SEND)
		relay_send(g, b->mail);
	if ((news & (TCP_READABLE | TCP_FIN)) != 0 || b->leg.tls != 0)
		(void)backend_read(g, b);
}

void backend_timeout(struct gateway *g, struct backend *b)
{
	if (b->state == BACKEND_IDLE) {
		idle_remove(g, b);
		backend_quit(g, b);
		return;
	}
	if (b->state != BACKEND_QUIT)
		g->counters->backend_timed_out++;
	backend_gone(g, b);
}

void backends_probe(struct gateway *g)
{
	for (uint32_t i = 0; i < g->config->backend_count; i++)
		if (g->target[i].takes_logins && g->target[i].connection_count == 0 &&
		    target_usable(g, i))
			(void)backend_connect(g, i);
}

/* One connection each at start: what the backends offer is known before the first client asks. */
void backends_start(struct gateway *g)
{
	for (uint32_t i = 0; i < g->config->backend_count; i++) {
		enum auth_backend_mode auth = config_auth_backend_mode(&g->config->backend[i]);

		g->target[i].takes_mail = auth != AUTH_BACKEND_ONLY;
		g->target[i].takes_logins = auth != AUTH_BACKEND_OFF;
		(void)backend_connect(g, i);
	}
}
