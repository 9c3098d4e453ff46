/* sim_client.c - simulated senders: in step or pipelining, in big writes or octet by octet, some
 * vanishing. */
#include "sim_client.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static void client_connect(struct sim_clients *all, struct sim_client *c, uint64_t now_us)
{
	memset(c, 0, sizeof(*c));
	smtp_client_init(&c->smtp, &c->smtp_counters);
	c->pipelines = random_below(all->random, 2) == 0;
	c->dribbles = random_below(all->random, 4) == 0;
	if (tcp_connect(all->net, now_us, NULL, &all->gateway, &c->conn) != OK) {
		c->conn = NULL;
		return;
	}
	tcp_set_user(c->conn, c);
}

static void client_write(struct sim_client *c, const struct buf *out)
{
	ASSERT(!out->overflow);
	size_t taken = tcp_write(c->conn, buf_bytes(out), false);
	ASSERT(taken == out->len);
}

/* Sends what may go before the next reply: everything when it pipelines, else one command. */
static void client_envelope(struct sim_client *c)
{
	uint8_t memory[2048];
	char path[64];
	struct buf out = buf_over(memory, sizeof(memory));
	const struct sim_message *m = c->message;

	snprintf(path, sizeof(path), "m%u@client.example", m->number);
	smtp_client_send_mail(&c->smtp, bytes_text(path), bytes_of(NULL, 0), &out);
	for (uint32_t i = 0; i < m->recipient_count; i++) {
		snprintf(path, sizeof(path), "r%u.%u@backend.example", m->number, i);
		smtp_client_send_rcpt(&c->smtp, bytes_text(path), bytes_of(NULL, 0), &out);
	}
	if (c->pipelines)
		smtp_client_send_verb(&c->smtp, SMTP_CLIENT_DATA, &out);
	client_write(c, &out);
}

static void client_verb(struct sim_client *c, enum smtp_client_command verb)
{
	uint8_t memory[64];
	struct buf out = buf_over(memory, sizeof(memory));

	smtp_client_send_verb(&c->smtp, verb, &out);
	client_write(c, &out);
}

static void client_next_message(struct sim_clients *all, struct sim_client *c)
{
	c->message = NULL;
	c->in_body = false;
	if (all->message_next == all->message_count || random_below(all->random, 6) == 0) {
		c->quits = true;
		client_verb(c, SMTP_CLIENT_QUIT);
		return;
	}
	c->message = &all->messages[all->message_next++];
	c->message->fate = SIM_UNKNOWN;
	c->wire_sent = 0;
	c->recipients_answered = c->recipients_accepted = 0;
	c->give_up_at = UINT32_MAX;
	if (all->vanishing && random_below(all->random, 8) == 0)
		c->give_up_at = random_below(all->random, (uint32_t)c->message->wire_bytes + 1);
	client_envelope(c);
}

static void client_told(struct sim_client *c, uint16_t code)
{
	c->message->code = code;
	c->message->fate = code / 100 == 2   ? SIM_TOLD_250
	                   : code / 100 == 4 ? SIM_TOLD_4XX
	                                     : SIM_TOLD_5XX;
}

static void client_ehlo(struct sim_client *c)
{
	uint8_t memory[128];
	struct buf out = buf_over(memory, sizeof(memory));

	smtp_client_send_ehlo(&c->smtp, BYTES("client.example"), false, &out);
	client_write(c, &out);
}

static void client_rcpt_reply(struct sim_client *c, uint16_t code)
{
	c->recipients_answered++;
	if (code / 100 == 2)
		c->recipients_accepted++;
	if (c->recipients_answered < c->message->recipient_count || c->pipelines)
		return;
	if (c->recipients_accepted > 0) {
		client_verb(c, SMTP_CLIENT_DATA);
		return;
	}
	client_told(c, code);
	client_verb(c, SMTP_CLIENT_RSET);
}

static void client_reply(struct sim_clients *all, struct sim_client *c,
                         const struct smtp_client_event *event)
{
	switch (event->command) {
	case SMTP_CLIENT_GREETING:
		if (event->code == 220)
			client_ehlo(c);
		break;
	case SMTP_CLIENT_EHLO:
	case SMTP_CLIENT_RSET:
		client_next_message(all, c);
		break;
	case SMTP_CLIENT_RCPT:
		client_rcpt_reply(c, event->code);
		break;
	case SMTP_CLIENT_DATA:
		if (event->code == 354) {
			c->in_body = true;
			break;
		}
		/* The envelope stands until it is taken back. */
		client_told(c, event->code);
		client_verb(c, SMTP_CLIENT_RSET);
		break;
	case SMTP_CLIENT_DOT:
		client_told(c, event->code);
		client_next_message(all, c);
		break;
	default:
		break;
	}
}

static void client_gone(struct sim_client *c)
{
	tcp_abort(c->conn);
	memset(c, 0, sizeof(*c));
}

static void client_body(struct sim_clients *all, struct sim_client *c)
{
	const struct sim_message *m = c->message;
	size_t room = tcp_writable(c->conn);
	size_t left = m->wire_bytes - c->wire_sent;

	if (c->dribbles && room > 8)
		room = 1 + random_below(all->random, 8);
	if (left > room)
		left = room;
	if (c->wire_sent + left > c->give_up_at)
		left = c->give_up_at > c->wire_sent ? c->give_up_at - c->wire_sent : 0;
	c->wire_sent += tcp_write(c->conn, bytes_of(m->wire + c->wire_sent, left), false);
	if (c->wire_sent >= c->give_up_at) {
		client_gone(c);
		return;
	}
	if (c->wire_sent == m->wire_bytes) {
		c->in_body = false;
		smtp_client_sent_dot(&c->smtp);
	}
}

static void client_read(struct sim_clients *all, struct sim_client *c)
{
	struct smtp_client_event event;

	for (;;) {
		struct bytes input = tcp_peek(c->conn, 0);
		size_t available = input.len;

		if (available == 0)
			break;
		bool got = smtp_client_next(&c->smtp, &input, &event);
		tcp_consume(c->conn, available - input.len);
		if (!got && input.len == available)
			break;
		if (got && event.kind == SMTP_CLIENT_BROKEN) {
			/* 421 comes unasked; anything else would be a fault of the gateway's. */
			client_gone(c);
			return;
		}
		if (got)
			client_reply(all, c, &event);
	}
	if (tcp_at_end(c->conn)) {
		tcp_close(c->conn);
		memset(c, 0, sizeof(*c));
	}
}

void sim_clients_run(struct sim_clients *all, uint64_t now_us)
{
	struct tcp_conn *conn;
	uint32_t news;

	while ((conn = tcp_next_ready(all->net, &news)) != NULL) {
		struct sim_client *c = tcp_user(conn);
		if (news & TCP_FAILED)
			client_gone(c);
		else
			client_read(all, c);
	}
	for (uint32_t i = 0; i < all->client_count; i++) {
		struct sim_client *c = &all->client[i];
		if (c->conn == NULL && all->message_next < all->message_count &&
		    random_below(all->random, 4) == 0)
			client_connect(all, c, now_us);
		else if (c->conn != NULL && c->in_body)
			client_body(all, c);
	}
}

bool sim_clients_done(const struct sim_clients *all)
{
	for (uint32_t i = 0; i < all->client_count; i++)
		if (all->client[i].conn != NULL)
			return false;
	return all->message_next == all->message_count;
}
