/* load_session.c - one session of postern-load: connect, greet, deliver messages, quit. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/load/load.h"

static const struct bytes end_of_nothing = {(const uint8_t *)".\r\n", 3};

static void watch(struct load *load, struct load_session *s, bool out, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0),
	                            .data.ptr = s};

	s->watching_out = out;
	if (epoll_ctl(load->epoll, operation, s->fd, &event) < 0)
		perror("postern-load: epoll_ctl");
}

static void note_latency(struct load *load, struct load_session *s, enum load_stage stage,
                         uint64_t now_us)
{
	histogram_add(&load->latency[stage], now_us - s->stage_us);
}

static void keep_reply(struct load_session *s, enum load_stage stage, uint16_t code,
                       struct bytes text)
{
	size_t len = text.len < sizeof(s->reply) - 1 ? text.len : sizeof(s->reply) - 1;

	s->stage = (uint8_t)stage;
	s->code = code;
	if (len > 0)
		memcpy(s->reply, text.data, len);
	s->reply[len] = '\0';
}

static void finish_message(struct load *load, struct load_session *s, uint64_t now_us)
{
	if (!s->busy)
		return;
	s->busy = false;
	load->done++;
	load->end_us = now_us;
	switch (s->code / 100) {
	case 2:
		load->totals.accepted++;
		load->totals.bytes += s->file->canonical_bytes;
		histogram_add(&load->latency[LOAD_TOTAL], now_us - s->begun_us);
		break;
	case 4:
		load->totals.deferred++;
		break;
	case 5:
		load->totals.rejected++;
		break;
	default:
		load->totals.failed++;
	}
	load_log_message(load, s, now_us);
}

/* Closes; a message that was under way ends as `keep_reply` has it. A next one begins on a new
 * connection. */
static void end_connection(struct load *load, struct load_session *s, uint64_t now_us)
{
	finish_message(load, s, now_us);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->state = SESSION_OFF;
	load->active_count--;
	/* Not begun from here: a server that refuses each connection would make this a recursion.
	 */
	load->idle_count++;
}

static enum load_stage current_stage(const struct load_session *s)
{
	switch (s->state) {
	case SESSION_CONNECTING:
		return LOAD_CONNECT;
	case SESSION_BANNER:
		return LOAD_BANNER;
	case SESSION_HELO:
	case SESSION_READY:
		return LOAD_HELO;
	case SESSION_ENVELOPE:
		return s->mail_answered ? LOAD_RCPT : LOAD_MAIL;
	case SESSION_DATA:
		return LOAD_DATA;
	default:
		return LOAD_DOT;
	}
}

static void fail(struct load *load, struct load_session *s, const char *why, uint64_t now_us)
{
	if (s->busy) {
		load->totals.protocol_errors++;
		keep_reply(s, current_stage(s), 0, bytes_text(why));
	}
	end_connection(load, s, now_us);
}

static void quit(struct load_session *s)
{
	s->state = SESSION_QUIT;
	smtp_client_send_verb(&s->client, SMTP_CLIENT_QUIT, &s->out);
}

/* Expands %n and %i. */
static struct bytes expand(const char *template, uint64_t n, uint32_t i, struct buf *out)
{
	for (const char *c = template; *c != '\0'; c++) {
		if (c[0] == '%' && c[1] == 'n')
			buf_printf(out, "%06llu", (unsigned long long)n);
		else if (c[0] == '%' && c[1] == 'i')
			buf_printf(out, "%u", i);
		else {
			buf_put_octet(out, (uint8_t)*c);
			continue;
		}
		c++;
	}
	return buf_bytes(out);
}

static bool send_mail(struct load *load, struct load_session *s)
{
	char path[512], parameters[64];
	struct buf path_out = buf_over(path, sizeof(path)),
	           parameters_out = buf_over(parameters, sizeof(parameters));

	if (s->client.size_known)
		buf_printf(&parameters_out, "SIZE=%zu", s->file->canonical_bytes);
	return smtp_client_send_mail(&s->client, expand(load->options.from, s->n, 0, &path_out),
	                             buf_bytes(&parameters_out), &s->out);
}

static bool send_rcpt(struct load *load, struct load_session *s)
{
	char path[512];
	struct buf out = buf_over(path, sizeof(path));

	return smtp_client_send_rcpt(&s->client,
	                             expand(load->options.to, s->n, s->rcpt_sent + 1, &out),
	                             bytes_of(NULL, 0), &s->out);
}

/* Room for the longest command. */
static bool has_room(const struct load_session *s)
{
	return s->out.bytes_max - s->out.len > 1024 &&
	       smtp_client_pending(&s->client) < SMTP_CLIENT_PENDING_MAX;
}

/* Sends as much of the envelope as may be sent now. */
static void send_envelope(struct load *load, struct load_session *s)
{
	bool group = load->options.pipelining && s->client.pipelining;

	while (!s->data_sent && has_room(s)) {
		if (!group && smtp_client_pending(&s->client) > 0)
			return;
		/* Without pipelining nothing follows what makes it useless. */
		bool useless = !group &&
		               ((s->mail_answered && !s->mail_accepted) ||
		                (s->rcpt_answered == load->options.rcpts && s->rcpt_accepted == 0));
		if (useless)
			return;
		if (!group || s->rcpt_sent == 0)
			s->stage_us = clock_now_us();
		if (!s->mail_sent)
			s->mail_sent = send_mail(load, s);
		else if (s->rcpt_sent < load->options.rcpts)
			s->rcpt_sent += send_rcpt(load, s);
		else
			s->data_sent = smtp_client_send_verb(&s->client, SMTP_CLIENT_DATA, &s->out);
	}
}

static void begin_envelope(struct load *load, struct load_session *s, uint64_t now_us)
{
	s->state = SESSION_ENVELOPE;
	s->on_connection++;
	s->mail_sent = s->mail_answered = s->mail_accepted = s->data_sent = s->dot_sent = false;
	s->rcpt_sent = s->rcpt_answered = s->rcpt_accepted = 0;
	s->body_sent = 0;
	s->begun_us = now_us;
	send_envelope(load, s);
}

/* Between messages. */
static void next_message(struct load *load, struct load_session *s, uint64_t now_us)
{
	s->state = SESSION_READY;
	if (s->busy || (s->on_connection < load->options.messages_per_session &&
	                load_take_message(load, s, now_us)))
		begin_envelope(load, s, now_us);
	else if (s->on_connection >= load->options.messages_per_session ||
	         load_is_over(load, now_us))
		quit(s);
	else
		load->idle_count++;
}

/* The message has its answer; `clean`: the server has no transaction of ours open. */
static void message_answered(struct load *load, struct load_session *s, bool clean, uint64_t now_us)
{
	finish_message(load, s, now_us);
	if (clean) {
		next_message(load, s, now_us);
		return;
	}
	s->state = SESSION_RESET;
	smtp_client_send_verb(&s->client, SMTP_CLIENT_RSET, &s->out);
}

static void send_hello(struct load *load, struct load_session *s, bool helo)
{
	s->state = SESSION_HELO;
	s->helo_tried = helo;
	s->stage_us = clock_now_us();
	smtp_client_send_ehlo(&s->client, bytes_text(load->options.helo), helo, &s->out);
}

static void take_greeting(struct load *load, struct load_session *s,
                          const struct smtp_client_event *event, uint64_t now_us)
{
	bool banner = event->command == SMTP_CLIENT_GREETING;

	note_latency(load, s, banner ? LOAD_BANNER : LOAD_HELO, now_us);
	if (event->code / 100 == 2 && banner)
		send_hello(load, s, false);
	else if (event->code / 100 == 2)
		next_message(load, s, now_us);
	else if (event->code / 100 == 5 && event->command == SMTP_CLIENT_EHLO)
		send_hello(load, s, true);
	else {
		keep_reply(s, banner ? LOAD_BANNER : LOAD_HELO, event->code, event->text);
		finish_message(load, s, now_us);
		quit(s);
	}
}

/* All replies to MAIL and RCPT are in and none of them lets the message go on. */
static bool envelope_failed(const struct load *load, const struct load_session *s)
{
	return (s->mail_answered && !s->mail_accepted) ||
	       (s->rcpt_answered == load->options.rcpts && s->rcpt_accepted == 0);
}

static void take_envelope_reply(struct load *load, struct load_session *s,
                                const struct smtp_client_event *event, uint64_t now_us)
{
	bool mail = event->command == SMTP_CLIENT_MAIL, accepted = event->code / 100 == 2;

	note_latency(load, s, mail ? LOAD_MAIL : LOAD_RCPT, now_us);
	s->rcpt_answered += !mail;
	s->rcpt_accepted += !mail && accepted;
	if (mail) {
		s->mail_answered = true;
		s->mail_accepted = accepted;
	}
	/* A refused MAIL makes RCPT fail as well: its own reply is the reason. */
	if (!accepted && (mail || s->mail_accepted))
		keep_reply(s, mail ? LOAD_MAIL : LOAD_RCPT, event->code, event->text);
	send_envelope(load, s);
	if (envelope_failed(load, s) && smtp_client_pending(&s->client) == 0)
		message_answered(load, s, false, now_us);
	else if (s->data_sent && s->rcpt_answered == load->options.rcpts)
		s->state = SESSION_DATA;
}

static void take_data_reply(struct load *load, struct load_session *s,
                            const struct smtp_client_event *event, uint64_t now_us)
{
	note_latency(load, s, LOAD_DATA, now_us);
	if (event->code == 354) {
		s->state = SESSION_BODY; /* after a failed envelope only the end is sent (RFC
		                            2920 3.1) */
		return;
	}
	if (!envelope_failed(load, s))
		keep_reply(s, LOAD_DATA, event->code, event->text);
	message_answered(load, s, false, now_us);
}

static void take_dot_reply(struct load *load, struct load_session *s,
                           const struct smtp_client_event *event, uint64_t now_us)
{
	note_latency(load, s, LOAD_DOT, now_us);
	if (!envelope_failed(load, s))
		keep_reply(s, LOAD_DOT, event->code, event->text);
	message_answered(load, s, true, now_us);
}

/* False when the connection has ended. */
static bool take_reply(struct load *load, struct load_session *s,
                       const struct smtp_client_event *event, uint64_t now_us)
{
	if (event->code == 421) { /* the server closes, whatever was asked (RFC 5321 3.8) */
		if (s->busy)
			keep_reply(s, current_stage(s), event->code, event->text);
		end_connection(load, s, now_us);
		return false;
	}
	switch (event->command) {
	case SMTP_CLIENT_GREETING:
	case SMTP_CLIENT_EHLO:
	case SMTP_CLIENT_HELO:
		take_greeting(load, s, event, now_us);
		return true;
	case SMTP_CLIENT_MAIL:
	case SMTP_CLIENT_RCPT:
		take_envelope_reply(load, s, event, now_us);
		return true;
	case SMTP_CLIENT_DATA:
		take_data_reply(load, s, event, now_us);
		return true;
	case SMTP_CLIENT_DOT:
		take_dot_reply(load, s, event, now_us);
		return true;
	case SMTP_CLIENT_RSET:
		next_message(load, s, now_us);
		return true;
	default:
		end_connection(load, s, now_us);
		return false;
	}
}

static bool take_broken(struct load *load, struct load_session *s,
                        const struct smtp_client_event *event, uint64_t now_us)
{
	if (event->code == 421 && s->busy)
		keep_reply(s, current_stage(s), 421, event->text);
	if (event->code == 421) {
		end_connection(load, s, now_us);
		return false;
	}
	load->totals.protocol_errors += !s->busy; /* fail() counts for a message */
	fail(load, s, "not an SMTP reply", now_us);
	return false;
}

/* What is to be sent after `out`. */
static struct bytes body_left(const struct load *load, const struct load_session *s)
{
	struct bytes wire = bytes_of(s->file->wire, s->file->wire_bytes);

	return bytes_slice(envelope_failed(load, s) ? end_of_nothing : wire, s->body_sent,
	                   SIZE_MAX);
}

/* Sends up to all of `text`; -1 when the connection is gone. */
static ssize_t send_some(struct load_session *s, struct bytes text)
{
	ssize_t sent;

	do
		sent = send(s->fd, text.data, text.len, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -1;
	return sent;
}

/* A failure is not judged here: what the server said before it closed may still be there to be
 * read. */
static void flush(struct load *load, struct load_session *s, uint64_t now_us)
{
	bool blocked = false;

	while (!blocked && s->out_sent < s->out.len) {
		ssize_t sent = send_some(s, bytes_slice(buf_bytes(&s->out), s->out_sent, SIZE_MAX));
		if (sent < 0)
			return;
		s->out_sent += (size_t)sent;
		blocked = sent == 0;
	}
	if (!blocked) {
		buf_clear(&s->out);
		s->out_sent = 0;
	}
	while (!blocked && s->state == SESSION_BODY && !s->dot_sent) {
		struct bytes left = body_left(load, s);
		ssize_t sent = send_some(s, left);
		if (sent < 0)
			return;
		s->body_sent += (size_t)sent;
		s->progress_us = sent > 0 ? now_us : s->progress_us;
		blocked = sent == 0;
		if ((size_t)sent == left.len) {
			s->dot_sent = true;
			s->stage_us = clock_now_us();
			smtp_client_sent_dot(&s->client);
		}
	}
	if (blocked != s->watching_out)
		watch(load, s, blocked, EPOLL_CTL_MOD);
}

static bool receive(struct load *load, struct load_session *s, uint64_t now_us)
{
	uint8_t memory[4096];
	struct smtp_client_event event;
	ssize_t got = recv(s->fd, memory, sizeof(memory), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got <= 0) {
		fail(load, s, got == 0 ? "connection closed" : strerror(errno), now_us);
		return false;
	}
	s->progress_us = now_us;
	struct bytes input = bytes_of(memory, (size_t)got);
	while (smtp_client_next(&s->client, &input, &event)) {
		bool goes_on = event.kind == SMTP_CLIENT_REPLY
		                   ? take_reply(load, s, &event, now_us)
		                   : take_broken(load, s, &event, now_us);
		if (!goes_on)
			return false;
	}
	return true;
}

static bool connected(struct load *load, struct load_session *s, uint64_t now_us)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
		fail(load, s, strerror(error), now_us);
		return false;
	}
	note_latency(load, s, LOAD_CONNECT, now_us);
	s->stage_us = now_us;
	s->state = SESSION_BANNER;
	watch(load, s, false, EPOLL_CTL_MOD);
	return true;
}

void load_session_begin(struct load *load, struct load_session *session, uint64_t now_us)
{
	const struct load_options *o = &load->options;
	const struct socket_address *source = NULL;

	ASSERT(session->busy);
	load->idle_count--;
	if (session->state == SESSION_READY) {
		begin_envelope(load, session, now_us);
		session->progress_us = now_us;
		flush(load, session, now_us);
		return;
	}
	load->active_count++;
	if (o->source_count > 0)
		source = &o->source[load->next_source++ % o->source_count];
	session->state = SESSION_CONNECTING;
	session->on_connection = 0;
	session->begun_us = session->stage_us = session->progress_us = now_us;
	session->out = buf_over(session->out_memory, sizeof(session->out_memory));
	session->out_sent = 0;
	smtp_client_init(&session->client, &load->counters);
	session->fd = socket_connect(&o->connect[load->next_target++ % o->connect_count], source);
	if (session->fd < 0) {
		fail(load, session, strerror(errno), now_us);
		return;
	}
	load->totals.connections++;
	watch(load, session, true, EPOLL_CTL_ADD);
}

void load_session_quit(struct load *load, struct load_session *session, uint64_t now_us)
{
	load->idle_count--;
	quit(session);
	session->progress_us = now_us;
	flush(load, session, now_us);
}

void load_session_ready(struct load *load, struct load_session *session, uint32_t events,
                        uint64_t now_us)
{
	bool was_idle = session->state == SESSION_READY && !session->busy;

	if (session->state == SESSION_CONNECTING && !connected(load, session, now_us))
		return;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		load->idle_count -= was_idle; /* a server that closes an idle session:
		                                 end_connection counts it again */
		if (!receive(load, session, now_us))
			return;
		load->idle_count += was_idle;
	}
	flush(load, session, now_us);
}

void load_session_check_timeout(struct load *load, struct load_session *session, uint64_t now_us)
{
	bool waits = session->state != SESSION_OFF &&
	             (session->state != SESSION_READY || session->busy);

	if (waits && now_us > session->progress_us + load->options.timeout_ms * 1000)
		fail(load, session, "timeout", now_us);
}
