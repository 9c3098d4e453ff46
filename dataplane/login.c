/* login.c - AUTH relayed: a client logs in at a backend, on a connection of its own.
 *
 * We own no passwords. What the client says in the exchange (RFC 4954) goes to the backend line by
 * line, what the backend says comes back, and its last word is the client's answer. The connection
 * on which AUTH was said stays with this session, for all its mails, until the session ends; it is
 * never given to anybody else, whether the login succeeded or not.
 *
 * A login waits for a connection (its command is kept), then the backend is asked, then it is the
 * client's turn after each challenge, and then it is up or gone. Memory that has held a response is
 * wiped when the exchange is over; the octets a client sent are wiped where they lie as soon as
 * they have been read (session.c).
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define COMMAND_BYTES      64
#define SOURCE_BUCKETS     1024
#define SOURCES_OF_BUCKET  4
#define EXCHANGES_MAX      256 /* logins that are under way at once */
#define CHALLENGE_OVERHEAD 6   /* "334 " and CRLF */

enum login_state {
	LOGIN_WAITS, /* for a connection */
	LOGIN_ASKS,  /* the backend has the word */
	LOGIN_TURN,  /* the client has it */
	LOGIN_UP,
	LOGIN_LOST /* the connection is gone */
};

/* Both directions: what the client sends, and a line of the backend's. */
struct login_exchange {
	uint8_t line[SMTP_AUTH_LINE_BYTES_MAX];
	uint8_t wide[SMTP_AUTH_LINE_BYTES_MAX];
};

struct login {
	struct session *session;
	struct backend *backend;         /* whose it is alone; NULL before and when lost */
	struct login_exchange *exchange; /* NULL when it is over */
	struct login *queue_next;        /* of those that wait */
	uint8_t state;                   /* enum login_state */
	uint8_t mechanism;               /* enum auth_mechanism */
	bool retried, challenged;
	uint16_t kept_bytes;     /* in exchange->line: the initial response, until it is answered */
	uint32_t response_count; /* that the client has given, the initial one among them */
	char user[64];           /* who it says it is, when that is wanted; "" else */
};

/* Failures of one source. Places are found by a keyed hash; the oldest of a bucket goes. */
struct login_source {
	uint64_t key; /* 0: free */
	uint32_t since_ms;
	uint32_t count;
};

static uint32_t exchanges_max(const struct config *config)
{
	return config->auth_sessions_max < EXCHANGES_MAX ? config->auth_sessions_max
	                                                 : EXCHANGES_MAX;
}

size_t logins_bytes(const struct config *config)
{
	if (!config_auth_wanted(config))
		return 0;
	return (size_t)config->auth_sessions_max * (sizeof(struct login) + 64) +
	       (size_t)exchanges_max(config) * (sizeof(struct login_exchange) + 64) +
	       sizeof(struct login_source) * SOURCE_BUCKETS * SOURCES_OF_BUCKET + 256;
}

enum err logins_open(struct gateway *g, struct arena *arena)
{
	enum err err;

	if (!config_auth_wanted(g->config))
		return OK;
	err = pool_init(&g->logins, arena, g->config->auth_sessions_max, sizeof(struct login), 64);
	if (err == OK)
		err = pool_init(&g->exchanges, arena, exchanges_max(g->config),
		                sizeof(struct login_exchange), 64);
	if (err != OK)
		return err;
	g->login_sources = ARENA_TAKE(arena, SOURCE_BUCKETS * SOURCES_OF_BUCKET,
	                              struct login_source);
	if (g->login_sources == NULL)
		return ERR_NO_MEMORY;
	memset(g->login_sources, 0,
	       sizeof(struct login_source) * SOURCE_BUCKETS * SOURCES_OF_BUCKET);
	return OK;
}

/* ---- failures of sources ---- */

static uint64_t source_key(const struct gateway *g, const struct session *s)
{
	struct endpoint local, remote;
	uint64_t key;

	tcp_endpoints(s->leg.conn, &local, &remote);
	key = hash64(&g->its.secret, remote.addr.octet,
	             addr_is_ip4(&remote.addr) ? sizeof(remote.addr.octet) : 8);
	return key != 0 ? key : 1;
}

static bool is_old(const struct gateway *g, const struct login_source *source)
{
	return source->key == 0 ||
	       gateway_now_ms(g) - source->since_ms >= g->config->auth_failures_period_ms;
}

/* Its place; with `make` one that is free, old or the oldest becomes it. */
static struct login_source *source_find(struct gateway *g, uint64_t key, bool make)
{
	struct login_source *bucket = &g->login_sources[key % SOURCE_BUCKETS * SOURCES_OF_BUCKET];
	struct login_source *oldest = bucket;

	for (uint32_t i = 0; i < SOURCES_OF_BUCKET; i++) {
		if (bucket[i].key == key && !is_old(g, &bucket[i]))
			return &bucket[i];
		if (is_old(g, oldest))
			continue;
		if (is_old(g, &bucket[i]) || (int32_t)(bucket[i].since_ms - oldest->since_ms) < 0)
			oldest = &bucket[i];
	}
	if (!make)
		return NULL;
	*oldest = (struct login_source){.key = key, .since_ms = gateway_now_ms(g)};
	return oldest;
}

static bool source_exhausted(struct gateway *g, const struct session *s)
{
	uint32_t max = g->config->auth_failures_per_source_max;
	const struct login_source *source = source_find(g, source_key(g, s), false);

	return max > 0 && source != NULL && source->count >= max;
}

static void source_failed(struct gateway *g, const struct session *s)
{
	struct login_source *source = source_find(g, source_key(g, s), true);

	if (source->count < UINT32_MAX)
		source->count++;
}

/* ---- the exchange ---- */

uint8_t *login_line_store(const struct session *s)
{
	return s->login != NULL && s->login->exchange != NULL ? s->login->exchange->line : NULL;
}

bool login_waits(const struct session *s)
{
	return s->login != NULL && s->login->state == LOGIN_WAITS;
}

bool login_is_asked(const struct session *s)
{
	return s->login != NULL && s->login->state == LOGIN_TURN;
}

bool login_is_lost(const struct session *s)
{
	return s->login != NULL && s->login->state == LOGIN_LOST;
}

struct backend *login_backend(const struct session *s)
{
	return s->login->backend;
}

struct session *login_session(const struct login *login)
{
	return login->session;
}

enum auth_mechanism login_mechanism(const struct login *login)
{
	return (enum auth_mechanism)login->mechanism;
}

const char *login_user(const struct login *login)
{
	return login->user;
}

static void end_exchange(struct gateway *g, struct login *login)
{
	struct session *s = login->session;

	if (login->exchange == NULL)
		return;
	if (s->server.line_store == login->exchange->line) {
		s->server.line_store = NULL;
		s->server.line = (struct line){0};
	}
	if (login->backend != NULL)
		smtp_client_widen(&login->backend->client, NULL);
	explicit_bzero(login->exchange, sizeof(*login->exchange));
	pool_put(&g->exchanges, login->exchange);
	login->exchange = NULL;
}

static void queue_leave(struct gateway *g, struct login *login)
{
	struct login *before = NULL;

	for (struct login *at = g->login_head; at != NULL; before = at, at = at->queue_next) {
		if (at != login)
			continue;
		if (before != NULL)
			before->queue_next = at->queue_next;
		else
			g->login_head = at->queue_next;
		if (g->login_tail == at)
			g->login_tail = before;
		return;
	}
}

void login_end(struct gateway *g, struct session *s)
{
	struct login *login = s->login;
	struct backend *b;

	if (login == NULL)
		return;
	if (login->state == LOGIN_WAITS)
		queue_leave(g, login);
	b = login->backend;
	end_exchange(g, login);
	s->login = NULL;
	explicit_bzero(login->user, sizeof(login->user));
	pool_put(&g->logins, login);
	if (b != NULL)
		backend_unbind(g, b);
}

static void note_user(struct gateway *g, struct login *login, struct bytes response)
{
	struct buf out = buf_over(login->user, sizeof(login->user) - 1);

	if (login->response_count == UINT32_MAX)
		return;
	if ((g->config->auth_user_in_events || g->config->auth_user_in_results) &&
	    auth_user((enum auth_mechanism)login->mechanism, login->response_count, response, &out))
		login->user[out.len] = '\0';
	login->response_count++;
}

void login_begin(struct gateway *g, struct session *s, struct bytes response)
{
	struct login *login;

	login_end(g, s); /* of one that has failed: none is left */
	if (COUNT_IF(source_exhausted(g, s), g->counters->logins_refused_source))
		return;
	login = pool_get(&g->logins);
	if (COUNT_IF(login == NULL, g->counters->logins_refused_full))
		return;
	*login = (struct login){.session = s,
	                        .exchange = pool_get(&g->exchanges),
	                        .state = LOGIN_LOST,
	                        .mechanism = s->server.auth_mechanism};
	if (COUNT_IF(login->exchange == NULL, g->counters->logins_refused_full)) {
		pool_put(&g->logins, login);
		return;
	}
	ASSERT(response.len <= sizeof(login->exchange->line));
	if (response.len > 0) {
		memcpy(login->exchange->line, response.data, response.len);
		note_user(g, login, response);
	}
	login->kept_bytes = (uint16_t)response.len;
	s->login = login;
}

/* AUTH is said. False: it must not be on this connection, or could not. */
static bool say_auth(struct gateway *g, struct login *login)
{
	uint8_t memory[SMTP_COMMAND_LINE_BYTES_MAX + COMMAND_BYTES];
	struct buf out = buf_over(memory, sizeof(memory));
	struct backend *b = login->backend;
	bool private = b->leg.tls != 0 || config_auth_told_in_clear(&g->config->backend[b->target]);

	b->state = BACKEND_BOUND;
	if (COUNT_IF(!private, g->counters->logins_in_clear))
		return false;
	bool sent = smtp_client_send_auth(&b->client, login_mechanism(login),
	                                  bytes_of(login->exchange->line, login->kept_bytes),
	                                  &out) &&
	            backend_write(g, b, &out);
	explicit_bzero(memory, sizeof(memory));
	if (sent)
		b->state = BACKEND_AUTH;
	return sent;
}

static bool say_response(struct gateway *g, struct backend *b, struct bytes response)
{
	uint8_t memory[SMTP_AUTH_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));

	bool sent = smtp_client_send_response(&b->client, response, &out) &&
	            backend_write(g, b, &out);
	explicit_bzero(memory, out.len);
	return sent;
}

void login_respond(struct gateway *g, struct session *s, struct bytes response)
{
	struct login *login = s->login;

	if (login->state != LOGIN_TURN)
		return; /* lost: login_go() says so */
	note_user(g, login, response);
	login->state = say_response(g, login->backend, response) ? LOGIN_ASKS : LOGIN_LOST;
}

/* An answer leaves. False: octets came before it, and the session is closed over that. Nothing the
 * client could not know of may be taken for a command, nor a password for one. */
static bool may_answer(struct gateway *g, struct session *s)
{
	struct smtp_event event;

	if (leg_peek(g, &s->leg).len == 0)
		return true;
	smtp_server_auth_pipelined(&s->server, &event);
	report_refused(g, s, event.reply, report_id(g), "");
	session_dismiss(g, s, event.reply);
	return false;
}

static void unavailable(struct gateway *g, struct session *s)
{
	if (!may_answer(g, s))
		return;
	session_reply(g, s, REPLY_AUTH_UNAVAILABLE);
	smtp_server_auth(&s->server, SMTP_AUTH_UNAVAILABLE);
	login_end(g, s);
}

void login_no_backend(struct gateway *g, struct session *s)
{
	g->counters->logins_no_backend++;
	unavailable(g, s);
	session_step(g, s);
}

static void queue_append(struct gateway *g, struct login *login)
{
	login->state = LOGIN_WAITS;
	login->queue_next = NULL;
	if (g->login_tail != NULL)
		g->login_tail->queue_next = login;
	else
		g->login_head = login;
	g->login_tail = login;
}

struct login *login_next(struct gateway *g, uint32_t mechanisms)
{
	struct login *login = g->login_head;

	while (login != NULL && (mechanisms & AUTH_BIT(login->mechanism)) == 0)
		login = login->queue_next;
	return login;
}

static void seek(struct gateway *g, struct login *login)
{
	queue_append(g, login);
	if (!backend_seek(g, login) && login->state == LOGIN_WAITS) {
		g->counters->logins_no_backend++;
		unavailable(g, login->session);
	}
}

void login_go(struct gateway *g, struct session *s, enum smtp_event_kind kind,
              enum smtp_reply reply)
{
	if (kind == SMTP_EVENT_AUTH_CANCEL) {
		if (!may_answer(g, s))
			return;
		session_reply(g, s, reply);
		smtp_server_auth(&s->server, SMTP_AUTH_FAILED);
		source_failed(g, s);
		login_end(g, s);
	} else if (s->login == NULL || kind == SMTP_EVENT_AUTH_RESPONSE) {
		if (s->login == NULL || s->login->state == LOGIN_LOST)
			unavailable(g, s);
	} else {
		seek(g, s->login);
	}
}

/* The login gets a connection: its command is said. */
void login_take(struct gateway *g, struct login *login, struct backend *b)
{
	queue_leave(g, login);
	login->backend = b;
	login->state = LOGIN_ASKS;
	smtp_client_widen(&b->client, login->exchange->wide);
	if (say_auth(g, login))
		return;
	unavailable(g, login->session);
	session_step(g, login->session);
}

static void relay_challenge(struct gateway *g, struct login *login, struct bytes challenge)
{
	uint8_t memory[SMTP_AUTH_LINE_BYTES_MAX + CHALLENGE_OVERHEAD];
	struct buf out = buf_over(memory, sizeof(memory));
	struct session *s = login->session;

	explicit_bzero(login->exchange->line, login->kept_bytes);
	login->kept_bytes = 0;
	login->challenged = true;
	buf_put_text(&out, "334 ");
	buf_put(&out, challenge);
	buf_put_text(&out, "\r\n");
	login->state = LOGIN_TURN;
	smtp_server_auth(&s->server, SMTP_AUTH_CHALLENGED);
	budget_arm(g, s);
	session_write(g, s, &out);
}

static void relay_success(struct gateway *g, struct login *login, struct bytes text)
{
	struct session *s = login->session;

	session_reply_backend(g, s, 235, text);
	if (s->login != login)
		return; /* nobody read it */
	smtp_server_auth(&s->server, SMTP_AUTH_SUCCEEDED);
	login->state = LOGIN_UP;
	end_exchange(g, login);
}

/* What the backend says of its own state, or of what stands between it and us, is no verdict on the
 * client. */
static bool is_verdict(uint16_t code)
{
	return code / 100 == 5 && code != 502 && code != 503 && code != 530 && code != 538;
}

static void relay_failure(struct gateway *g, struct login *login,
                          const struct smtp_client_event *event)
{
	struct session *s = login->session;
	bool verdict = is_verdict(event->code);

	if (verdict || (event->code / 100 == 4 && event->code != 421))
		session_reply_backend(g, s, event->code, event->text);
	else
		session_reply(g, s, REPLY_AUTH_UNAVAILABLE);
	if (s->login != login)
		return;
	smtp_server_auth(&s->server, verdict ? SMTP_AUTH_FAILED : SMTP_AUTH_UNAVAILABLE);
	if (verdict)
		source_failed(g, s);
	login_end(g, s);
}

void login_backend_reply(struct gateway *g, struct login *login,
                         const struct smtp_client_event *event)
{
	struct session *s = login->session;

	ASSERT(event->command == SMTP_CLIENT_AUTH && login->state == LOGIN_ASKS);
	if (event->code != 334)
		login->backend->state = BACKEND_BOUND; /* the exchange is over */
	if (!may_answer(g, s))
		return;
	if (event->code == 334)
		relay_challenge(g, login, event->text);
	else if (event->code == 235)
		relay_success(g, login, event->text);
	else
		relay_failure(g, login, event);
	session_step(g, s);
}

void login_backend_lost(struct gateway *g, struct login *login, bool stale)
{
	struct session *s = login->session;
	enum login_state state = (enum login_state)login->state;

	login->backend = NULL; /* it is freed already */
	login->state = LOGIN_LOST;
	if (state == LOGIN_UP) {
		g->counters->logins_lost++;
		return;
	}
	if (state != LOGIN_ASKS)
		return; /* it is told when it has answered the challenge */
	if (stale && !login->retried && !login->challenged) {
		g->counters->logins_retried++;
		login->retried = true;
		seek(g, login);
	} else {
		g->counters->logins_backend_lost++;
		unavailable(g, s);
	}
	session_step(g, s);
}
