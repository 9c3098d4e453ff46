/* smtp_drive.c - drives a server session like a gateway would and writes down all that happens. */
#include "smtp_drive.h"

#include <string.h>

#include "base/check.h"

void drive_init(struct drive *drive)
{
	memset(drive, 0, offsetof(struct drive, pending));
	drive->pending_len = 0;
	drive->limits = (struct smtp_server_limits){.command_line_bytes_max = 512,
	                                            .recipients_max = 100,
	                                            .errors_max = 20,
	                                            .message_bytes_max = 100000,
	                                            .pipelining = true,
	                                            .size = true,
	                                            .eightbitmime = true,
	                                            .enhanced_status_codes = true};
	smtp_server_init(&drive->server, &drive->limits, &drive->counters);
	drive->server.transaction = &drive->transaction;
	drive->server.line_store = drive->line_store;
	drive->replies = buf_over(drive->replies_memory, sizeof(drive->replies_memory));
	drive->content = buf_over(drive->content_memory, sizeof(drive->content_memory));
}

static bool is_refused(struct bytes text, struct bytes prefix)
{
	return bytes_starts_nocase(text, prefix);
}

static void refuse(struct drive *drive, uint16_t code, const char *text)
{
	reply_write_relayed(code, bytes_text(text), &drive->replies);
	smtp_server_refuse(&drive->server);
}

static void accept_with(struct drive *drive, enum smtp_reply reply)
{
	reply_write(reply, &drive->replies);
	smtp_server_accept(&drive->server);
}

static void answer_body(struct drive *drive)
{
	const struct data_defects *d = &drive->server.body.defects;

	buf_printf(&drive->content, "-- %llu octets, %llu of the message%s%s%s%s%s\n",
	           (unsigned long long)drive->server.body.bytes,
	           (unsigned long long)smtp_server_message_bytes(&drive->server),
	           d->bare_lf ? ", bare LF" : "", d->bare_cr ? ", bare CR" : "",
	           d->nul ? ", NUL" : "", d->line_too_long ? ", long line" : "",
	           drive->server.too_big ? ", too big" : "");
	ASSERT(drive->server.body.bytes == drive->content_bytes);
	drive->content_bytes = 0;
	if (drive->server.too_big) {
		reply_write(REPLY_TOO_BIG, &drive->replies);
		smtp_server_refuse(&drive->server);
	} else if (d->bare_lf || d->bare_cr || d->nul) {
		reply_write(REPLY_BAD_FRAMING, &drive->replies);
		smtp_server_refuse(&drive->server);
	} else {
		accept_with(drive, REPLY_MESSAGE_ACCEPTED);
	}
}

static void answer_auth(struct drive *drive, struct bytes text)
{
	if (text.len == 0 || is_refused(text, BYTES("bW9y"))) {
		buf_put_text(&drive->replies, "334 \r\n");
		smtp_server_auth(&drive->server, SMTP_AUTH_CHALLENGED);
	} else if (is_refused(text, BYTES("cmVm"))) {
		reply_write_relayed(535, BYTES("5.7.8 No"), &drive->replies);
		smtp_server_auth(&drive->server, SMTP_AUTH_FAILED);
	} else if (is_refused(text, BYTES("bGF0"))) {
		reply_write(REPLY_AUTH_UNAVAILABLE, &drive->replies);
		smtp_server_auth(&drive->server, SMTP_AUTH_UNAVAILABLE);
	} else {
		reply_write(REPLY_AUTH_OK, &drive->replies);
		smtp_server_auth(&drive->server, SMTP_AUTH_SUCCEEDED);
	}
}

static void answer(struct drive *drive)
{
	uint32_t slot = drive->waiting_head;
	struct bytes text = bytes_of(drive->waiting_text[slot], drive->waiting_len[slot]);

	drive->waiting_head = (slot + 1) % SMTP_SERVER_WAITING_MAX;
	drive->waiting_count--;
	switch (drive->waiting_kind[slot]) {
	case SMTP_EVENT_HELO:
		if (is_refused(text, BYTES("refuse"))) {
			refuse(drive, 550, "5.7.1 Not you");
			return;
		}
		smtp_server_greeting(&drive->server, BYTES("mx.example"), &drive->replies);
		smtp_server_accept(&drive->server);
		return;
	case SMTP_EVENT_MAIL:
		if (is_refused(text, BYTES("refuse")))
			refuse(drive, 451, "4.7.1 Later");
		else
			accept_with(drive, REPLY_SENDER_OK);
		return;
	case SMTP_EVENT_RCPT:
		if (is_refused(text, BYTES("refuse")))
			refuse(drive, 550, "5.1.1 No such user");
		else
			accept_with(drive, REPLY_RECIPIENT_OK);
		return;
	case SMTP_EVENT_DATA:
		if (is_refused(
		        transaction_path_text(&drive->transaction, &drive->transaction.sender),
		        BYTES("nodata")))
			refuse(drive, 451, "4.3.0 Not now");
		else
			accept_with(drive, REPLY_DATA_GO_AHEAD);
		return;
	case SMTP_EVENT_BODY_END:
		answer_body(drive);
		return;
	case SMTP_EVENT_STARTTLS:
		reply_write(REPLY_TLS_UNAVAILABLE, &drive->replies);
		smtp_server_refuse(&drive->server);
		return;
	case SMTP_EVENT_AUTH:
	case SMTP_EVENT_AUTH_RESPONSE:
		answer_auth(drive, text);
		return;
	case SMTP_EVENT_AUTH_CANCEL:
		reply_write(drive->waiting_reply[slot], &drive->replies);
		smtp_server_auth(&drive->server, SMTP_AUTH_FAILED);
		return;
	default:
		UNREACHABLE();
	}
}

static void keep_waiting(struct drive *drive, const struct smtp_event *event)
{
	uint32_t slot = (drive->waiting_head + drive->waiting_count) % SMTP_SERVER_WAITING_MAX;

	ASSERT(drive->waiting_count < SMTP_SERVER_WAITING_MAX);
	struct bytes text = event->text;

	if (event->kind == SMTP_EVENT_AUTH_RESPONSE) { /* its beginning decides */
		ASSERT(text.len <= SMTP_AUTH_LINE_BYTES_MAX - 2);
		text = bytes_slice(text, 0, 16);
	}
	ASSERT(text.len <= sizeof(drive->waiting_text[slot]));
	if (text.len > 0)
		memcpy(drive->waiting_text[slot], text.data, text.len);
	drive->waiting_len[slot] = text.len;
	drive->waiting_kind[slot] = event->kind;
	drive->waiting_reply[slot] = event->reply;
	drive->waiting_count++;
	if (drive->waiting_count > drive->waiting_max)
		drive->waiting_max = drive->waiting_count;
	if (!drive->late)
		answer(drive);
}

static void take_event(struct drive *drive, const struct smtp_event *event)
{
	drive->events += event->kind != SMTP_EVENT_BODY;
	switch (event->kind) {
	case SMTP_EVENT_BODY:
		ASSERT(event->text.len > 0);
		drive->content_bytes += event->text.len;
		buf_put(&drive->content, event->text);
		return;
	case SMTP_EVENT_REPLY:
	case SMTP_EVENT_RSET:
		ASSERT(drive->waiting_count == 0);
		reply_write(event->reply, &drive->replies);
		return;
	case SMTP_EVENT_QUIT:
	case SMTP_EVENT_CLOSE:
		ASSERT(drive->waiting_count == 0);
		reply_write(event->reply, &drive->replies);
		buf_put_text(&drive->replies, "(closed)\r\n");
		drive->wants_close = true;
		return;
	case SMTP_EVENT_NONE:
		UNREACHABLE();
	default:
		keep_waiting(drive, event);
	}
}

void drive_feed(struct drive *drive, struct bytes input)
{
	struct smtp_event event;

	ASSERT(input.len <= sizeof(drive->pending) - drive->pending_len);
	if (input.len > 0)
		memcpy(drive->pending + drive->pending_len, input.data, input.len);
	drive->pending_len += input.len;
	drive->input_total += input.len;

	struct bytes left = bytes_of(drive->pending, drive->pending_len);
	for (;;) {
		if (smtp_server_next(&drive->server, &left, &event)) {
			take_event(drive, &event);
			continue;
		}
		if (drive->waiting_count == 0)
			break;
		answer(drive);
	}
	ASSERT(left.len == 0); /* with nothing waiting there is no reason to leave input */
	drive->pending_len = 0;
}

void drive_feed_pieces(struct drive *drive, struct bytes input, size_t piece)
{
	size_t step = piece > 0 ? piece : input.len;

	if (input.len == 0)
		drive_feed(drive, input);
	for (size_t at = 0; at < input.len; at += step)
		drive_feed(drive, bytes_slice(input, at, step));
}
