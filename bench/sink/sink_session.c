/* sink_session.c - one connection's dialogue: every event is answered at once, late, badly or not
 * at all. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "bench/sink/sink.h"

static bool happens(struct sink *sink, double probability)
{
	if (probability >= 1.0)
		return true;
	return probability > 0.0 &&
	       random_below(&sink->random, 1000000) < (uint32_t)(probability * 1000000.0);
}

static enum sink_stage stage_of(enum smtp_event_kind kind)
{
	switch (kind) {
	case SMTP_EVENT_HELO:
		return STAGE_HELO;
	case SMTP_EVENT_MAIL:
		return STAGE_MAIL;
	case SMTP_EVENT_RCPT:
		return STAGE_RCPT;
	case SMTP_EVENT_DATA:
		return STAGE_DATA;
	case SMTP_EVENT_BODY_END:
		return STAGE_DOT;
	default:
		return STAGE_CONNECT;
	}
}

static void put_reply(struct sink_conn *conn, uint16_t code, const char *text)
{
	reply_write_relayed(code, bytes_text(text), &conn->out);
}

static void end_body(struct sink *sink, struct sink_conn *conn)
{
	const struct data_defects *d = &conn->server.body.defects;
	char text[64];

	sink->totals.defective += d->bare_cr || d->bare_lf || d->nul;
	if (conn->server.too_big) {
		reply_write(REPLY_TOO_BIG, &conn->out);
		smtp_server_refuse(&conn->server);
		return;
	}
	uint64_t n = sink->totals.messages + 1;
	if (!sink_store_end(sink, conn, n)) {
		sink->totals.write_errors++;
		reply_write(REPLY_NO_STORAGE, &conn->out);
		smtp_server_refuse(&conn->server);
		return;
	}
	sink->totals.messages = n;
	sink->totals.message_bytes += conn->body_bytes;
	sink->totals.recipients += conn->transaction->accepted_count;
	snprintf(text, sizeof(text), "2.0.0 Ok: queued as %llu", (unsigned long long)n);
	put_reply(conn, 250, text);
	smtp_server_accept(&conn->server);
}

static void accept_event(struct sink *sink, struct sink_conn *conn, enum smtp_event_kind kind)
{
	switch (kind) {
	case SMTP_EVENT_HELO:
		smtp_server_greeting(&conn->server, bytes_text(sink->options.hostname), &conn->out);
		break;
	case SMTP_EVENT_MAIL:
		reply_write(REPLY_SENDER_OK, &conn->out);
		break;
	case SMTP_EVENT_RCPT:
		reply_write(REPLY_RECIPIENT_OK, &conn->out);
		break;
	case SMTP_EVENT_DATA:
		sink_store_begin(conn);
		reply_write(REPLY_DATA_GO_AHEAD, &conn->out);
		break;
	default:
		end_body(sink, conn);
		return;
	}
	smtp_server_accept(&conn->server);
}

static void greet(struct sink *sink, struct sink_conn *conn)
{
	buf_put_text(&conn->out, "220 ");
	buf_put_text(&conn->out, sink->options.hostname);
	buf_put_text(&conn->out, " ESMTP postern-sink\r\n");
}

/* Answers what happened at `stage`; `kind` is SMTP_EVENT_NONE for a new connection. */
static bool answer(struct sink *sink, struct sink_conn *conn, enum sink_stage stage,
                   enum smtp_event_kind kind)
{
	const struct sink_fault *fault = &sink->options.fault[stage];

	if (COUNT_IF(happens(sink, fault->disconnect_probability), sink->totals.disconnects))
		return false;
	if (COUNT_IF(fault->code != 0 && happens(sink, fault->code_probability),
	             sink->totals.faults)) {
		put_reply(conn, fault->code, "Fault as ordered");
		if (kind == SMTP_EVENT_NONE)
			conn->closing = true;
		else
			smtp_server_refuse(&conn->server);
		conn->closing |= fault->code == 421;
		return true;
	}
	if (kind == SMTP_EVENT_NONE)
		greet(sink, conn);
	else
		accept_event(sink, conn, kind);
	return true;
}

/* Answers now or notes that it is to be done later. */
static bool answer_in_time(struct sink *sink, struct sink_conn *conn, enum smtp_event_kind kind,
                           uint64_t now_us)
{
	enum sink_stage stage = stage_of(kind);
	uint32_t delay_ms = sink->options.fault[stage].delay_ms;

	if (delay_ms == 0)
		return answer(sink, conn, stage, kind);
	conn->paused = true;
	conn->paused_stage = stage;
	conn->paused_kind = kind;
	conn->resume_us = now_us + (uint64_t)delay_ms * 1000;
	if (sink->paused_count++ == 0 || conn->resume_us < sink->resume_us)
		sink->resume_us = conn->resume_us;
	return true;
}

static bool take_event(struct sink *sink, struct sink_conn *conn, const struct smtp_event *event,
                       uint64_t now_us)
{
	switch (event->kind) {
	case SMTP_EVENT_BODY:
		return conn->server.too_big || sink_store_add(conn, event->text);
	case SMTP_EVENT_REPLY:
	case SMTP_EVENT_RSET:
		reply_write(event->reply, &conn->out);
		return true;
	case SMTP_EVENT_QUIT:
	case SMTP_EVENT_CLOSE:
		reply_write(event->reply, &conn->out);
		conn->closing = true;
		return true;
	case SMTP_EVENT_NONE:
		return true;
	default:
		return answer_in_time(sink, conn, event->kind, now_us);
	}
}

static bool keep_left(struct sink_conn *conn, struct bytes left)
{
	uint8_t *kept = NULL;

	if (left.len > 0) {
		kept = malloc(left.len);
		if (kept == NULL)
			return false;
		memcpy(kept, left.data, left.len);
	}
	free(conn->left);
	conn->left = kept;
	conn->left_bytes = left.len;
	return true;
}

/* Room for the longest answer to one event: what EHLO gets. */
#define ANSWER_BYTES_MAX 1024

bool sink_session_input(struct sink *sink, struct sink_conn *conn, struct bytes input,
                        uint64_t now_us)
{
	struct smtp_event event;
	struct bytes left = input;

	for (;;) {
		if (conn->paused || conn->closing ||
		    conn->out.bytes_max - conn->out.len < ANSWER_BYTES_MAX)
			return keep_left(conn, left);
		if (!smtp_server_next(&conn->server, &left, &event))
			return keep_left(conn, left);
		if (!take_event(sink, conn, &event, now_us))
			return false;
	}
}

bool sink_session_start(struct sink *sink, struct sink_conn *conn, uint64_t now_us)
{
	smtp_server_init(&conn->server, &sink->options.limits, &sink->counters);
	conn->server.line_store = conn->line_store;
	conn->server.transaction = conn->transaction;
	conn->out = buf_over(conn->out_memory, sizeof(conn->out_memory));
	return answer_in_time(sink, conn, SMTP_EVENT_NONE, now_us);
}

bool sink_session_resume(struct sink *sink, struct sink_conn *conn, uint64_t now_us)
{
	uint8_t *left = conn->left;
	size_t left_bytes = conn->left_bytes;

	if (conn->paused) {
		conn->paused = false;
		sink->paused_count--;
		if (!answer(sink, conn, conn->paused_stage, conn->paused_kind))
			return false;
	}
	conn->left = NULL;
	conn->left_bytes = 0;
	bool goes_on = sink_session_input(sink, conn, bytes_of(left, left_bytes), now_us);
	free(left);
	return goes_on;
}
