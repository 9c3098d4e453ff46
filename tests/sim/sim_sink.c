/* sim_sink.c - a simulated backend: what it takes is held against what was sent. */
#include "sim_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "smtp/data.h"

void sim_sink_init(struct sim_sink *sink, struct net *net, struct random *random)
{
	memset(sink, 0, sizeof(*sink));
	sink->net = net;
	sink->random = random;
	sink->limits = (struct smtp_server_limits){
	    .command_line_bytes_max = SMTP_COMMAND_LINE_BYTES_MAX,
	    .recipients_max = 100,
	    .errors_max = 1000,
	    .message_bytes_max = 100 << 20,
	    .pipelining = random_below(random, 4) != 0,
	    .size = true,
	    .eightbitmime = true,
	    .enhanced_status_codes = true};
	sink->session = calloc(SIM_SINKS_MAX, sizeof(sink->session[0]));
	ASSERT(sink->session != NULL);
}

void sim_sink_free(struct sim_sink *sink)
{
	for (uint32_t i = 0; i < SIM_SINKS_MAX; i++)
		free(sink->session[i].content);
	free(sink->session);
}

static bool faulty(struct sim_sink *sink)
{
	return random_below(sink->random, 100) < sink->fault_percent;
}

static void session_end(struct sim_sink_session *s, bool abort)
{
	if (abort)
		sim_end_abort(&s->end);
	else
		sim_end_close(&s->end);
	free(s->content);
	memset(s, 0, sizeof(*s));
}

static void session_write(struct sim_sink_session *s, const struct buf *out)
{
	sim_end_write(&s->end, buf_bytes(out));
}

static void session_reply(struct sim_sink_session *s, enum smtp_reply reply)
{
	uint8_t memory[256];
	struct buf out = buf_over(memory, sizeof(memory));

	reply_write(reply, &out);
	session_write(s, &out);
}

static void session_accept(struct sim_sink *sink, struct tcp_conn *conn)
{
	for (uint32_t i = 0; i < SIM_SINKS_MAX; i++) {
		struct sim_sink_session *s = &sink->session[i];
		if (s->end.conn != NULL)
			continue;
		uint8_t memory[256];
		struct buf out = buf_over(memory, sizeof(memory));
		s->end.conn = conn;
		smtp_server_init(&s->smtp, &sink->limits, &sink->counters);
		s->smtp.tls = sink->tls ? SMTP_TLS_OFFERED : SMTP_TLS_NONE;
		s->smtp.transaction = &s->transaction;
		s->smtp.line_store = s->line;
		tcp_set_user(conn, s);
		reply_write_banner(BYTES("backend.example"), &out);
		session_write(s, &out);
		return;
	}
	tcp_set_user(conn, NULL);
	tcp_abort(conn);
}

static void body_append(struct sim_sink_session *s, struct bytes bytes)
{
	if (s->content_bytes + bytes.len > s->content_room) {
		s->content_room = (s->content_bytes + bytes.len) * 2;
		s->content = realloc(s->content, s->content_room);
		ASSERT(s->content != NULL);
	}
	memcpy(s->content + s->content_bytes, bytes.data, bytes.len);
	s->content_bytes += bytes.len;
}

/* Behind our trace header the message must be what was sent. */
static bool content_intact(const struct sim_message *m, const uint8_t *content, size_t bytes)
{
	static const char first[] = "Authentication-Results: ", last[] = "X-Postern-Id:";

	if (bytes < sizeof(first) || memcmp(content, first, sizeof(first) - 1) != 0)
		return false;
	const uint8_t *at = memmem(content, bytes, last, sizeof(last) - 1);
	if (at == NULL)
		return false;
	const uint8_t *end = memchr(at, '\n', bytes - (size_t)(at - content));
	if (end == NULL)
		return false;
	size_t head = (size_t)(end + 1 - content);
	return bytes - head == m->content_bytes &&
	       sim_content_hash(end + 1, bytes - head) == m->content_hash;
}

static struct sim_message *message_of(struct sim_sink *sink, const struct sim_sink_session *s)
{
	struct bytes path = transaction_path_text(&s->transaction, &s->transaction.sender);
	char text[64] = {0};
	unsigned number;

	memcpy(text, path.data, path.len < sizeof(text) - 1 ? path.len : sizeof(text) - 1);
	if (sscanf(text, "m%u@client.example", &number) != 1 || number >= sink->message_count)
		return NULL;
	return &sink->messages[number];
}

/* False: the connection is gone. */
static bool session_message(struct sim_sink *sink, struct sim_sink_session *s)
{
	struct sim_message *m = message_of(sink, s);
	struct data_unstuffing unstuffing = {0};
	const struct data_defects *d = &s->smtp.body.defects;
	bool lost = faulty(sink), refused = faulty(sink);

	uint8_t *content = malloc(s->content_bytes + 1);
	ASSERT(content != NULL);
	s->content_bytes = data_unstuff(&unstuffing, bytes_of(s->content, s->content_bytes),
	                                content);
	free(s->content);
	s->content = content;
	s->content_room = s->content_bytes;
	if (m == NULL || d->bare_cr || d->bare_lf) {
		sink->errors++;
		session_reply(s, REPLY_BAD_FRAMING);
		smtp_server_refuse(&s->smtp);
		return true;
	}
	if (refused && !lost) {
		session_reply(s, random_below(sink->random, 2) ? REPLY_NO_STORAGE
		                                               : REPLY_CONTENT_REJECTED);
		smtp_server_refuse(&s->smtp);
		return true;
	}
	m->stored_intact = content_intact(m, s->content, s->content_bytes);
	m->stored_count++;
	if (lost) {
		m->outcome_unknown = true;
		session_end(s, true);
		return false;
	}
	session_reply(s, REPLY_MESSAGE_ACCEPTED);
	if (faulty(sink)) {
		s->leaving = true;
		m->outcome_unknown = !sink->lossless;
	}
	smtp_server_accept(&s->smtp);
	return true;
}

/* False: the connection is gone. */
static bool session_starttls(struct sim_sink *sink, struct sim_sink_session *s)
{
	struct tls_peer_options options = {.server = true};
	bool injects = faulty(sink);

	if (faulty(sink)) {
		session_reply(s, REPLY_TLS_UNAVAILABLE);
		smtp_server_refuse(&s->smtp);
		return true;
	}
	s->dies_shaking = faulty(sink);
	options.only_1_2 = random_below(sink->random, 2) == 0;
	options.rsa = random_below(sink->random, 4) == 0;
	session_reply(s, REPLY_STARTTLS_READY);
	/* In the clear, for the gateway to take for what was said inside. */
	if (injects)
		session_reply(s, REPLY_OK);
	smtp_server_accept(&s->smtp);
	sim_end_begin_tls(&s->end, &options);
	sink->tls_begun++;
	return true;
}

/* False: the connection is gone. */
static bool session_event(struct sim_sink *sink, struct sim_sink_session *s,
                          const struct smtp_event *event)
{
	uint8_t memory[512];
	struct buf out = buf_over(memory, sizeof(memory));

	switch (event->kind) {
	case SMTP_EVENT_HELO:
		smtp_server_accept(&s->smtp);
		smtp_server_greeting(&s->smtp, BYTES("backend.example"), &out);
		session_write(s, &out);
		return true;
	case SMTP_EVENT_RCPT:
		if (faulty(sink)) {
			session_reply(s, REPLY_BAD_RECIPIENT);
			smtp_server_refuse(&s->smtp);
			return true;
		}
		smtp_server_accept(&s->smtp);
		session_reply(s, REPLY_RECIPIENT_OK);
		return true;
	case SMTP_EVENT_MAIL:
		smtp_server_accept(&s->smtp);
		session_reply(s, REPLY_SENDER_OK);
		return true;
	case SMTP_EVENT_DATA:
		if (faulty(sink)) {
			session_end(s, true);
			return false;
		}
		s->content_bytes = 0;
		smtp_server_accept(&s->smtp);
		session_reply(s, REPLY_DATA_GO_AHEAD);
		return true;
	case SMTP_EVENT_BODY:
		body_append(s, event->text);
		return true;
	case SMTP_EVENT_BODY_END:
		return session_message(sink, s);
	case SMTP_EVENT_QUIT:
	case SMTP_EVENT_CLOSE:
		session_reply(s, event->reply);
		session_end(s, false);
		return false;
	case SMTP_EVENT_REPLY:
	case SMTP_EVENT_RSET:
		session_reply(s, event->reply);
		return true;
	case SMTP_EVENT_NONE:
		return true;
	case SMTP_EVENT_STARTTLS:
		return session_starttls(sink, s);
	case SMTP_EVENT_AUTH: /* not offered */
	case SMTP_EVENT_AUTH_RESPONSE:
	case SMTP_EVENT_AUTH_CANCEL:
		break;
	}
	UNREACHABLE();
}

static void session_run(struct sim_sink *sink, struct sim_sink_session *s)
{
	for (;;) {
		struct bytes input = sim_end_peek(&s->end);
		size_t available = input.len;
		struct smtp_event event;

		if (available == 0)
			break;
		bool got = smtp_server_next(&s->smtp, &input, &event);
		size_t used = available - input.len;
		bool last = got &&
		            (event.kind == SMTP_EVENT_QUIT || event.kind == SMTP_EVENT_STARTTLS);
		if (last)
			sim_end_consume(&s->end, used);
		if (got && !session_event(sink, s, &event))
			return;
		if (!last)
			sim_end_consume(&s->end, used);
		if (!got && used == 0)
			break;
	}
	if (sim_end_at_end(&s->end))
		session_end(s, sim_end_is_broken(&s->end));
}

void sim_sink_run(struct sim_sink *sink)
{
	struct tcp_conn *conn;
	uint32_t news;

	while ((conn = tcp_next_ready(sink->net, &news)) != NULL) {
		if (news & TCP_ACCEPTED)
			session_accept(sink, conn);
		struct sim_sink_session *s = tcp_user(conn);
		if (s == NULL)
			continue;
		if (news & TCP_FAILED || (s->dies_shaking && sim_end_is_shaking(&s->end)))
			session_end(s, true);
		else
			session_run(sink, s);
	}
	for (uint32_t i = 0; i < SIM_SINKS_MAX; i++)
		if (sink->session[i].end.conn != NULL)
			sim_end_run(&sink->session[i].end);
}

void sim_sink_leave(struct sim_sink *sink)
{
	for (uint32_t i = 0; i < SIM_SINKS_MAX; i++)
		if (sink->session[i].leaving)
			session_end(&sink->session[i], true);
}
