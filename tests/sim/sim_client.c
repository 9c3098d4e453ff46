/* sim_client.c - simulated senders: in step or pipelining, in big writes or octet by octet, some
 * vanishing. */
#include "sim_client.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static void choose_way(struct sim_clients *all, struct sim_client *c)
{
	uint32_t drawn = random_below(all->random, 10);

	c->way = drawn == 0 ? SIM_CLEAR : drawn < 6 ? SIM_STARTTLS : SIM_IMPLICIT;
	c->tls.only_1_2 = random_below(all->random, 2) == 0;
	c->tls.rsa = random_below(all->random, 4) == 0;
	c->tls.resume = random_below(all->random, 2) == 0;
	c->gives_up_shaking = all->vanishing && random_below(all->random, 12) == 0;
}

static void begin_tls(struct sim_clients *all, struct sim_client *c)
{
	sim_end_begin_tls(&c->end, &c->tls);
	all->tls_begun++;
}

static void client_connect(struct sim_clients *all, struct sim_client *c, uint64_t now_us)
{
	memset(c, 0, sizeof(*c));
	smtp_client_init(&c->smtp, &c->smtp_counters);
	c->pipelines = random_below(all->random, 2) == 0;
	c->dribbles = random_below(all->random, 4) == 0;
	if (all->tls)
		choose_way(all, c);
	const struct endpoint *gateway = c->way == SIM_IMPLICIT ? &all->gateway_tls : &all->gateway;
	if (tcp_connect(all->net, now_us, NULL, gateway, &c->end.conn) != OK) {
		c->end.conn = NULL;
		return;
	}
	tcp_set_user(c->end.conn, c);
	if (c->way == SIM_IMPLICIT)
		begin_tls(all, c);
}

static void client_write(struct sim_client *c, const struct buf *out)
{
	ASSERT(!out->overflow);
	size_t taken = sim_end_write(&c->end, buf_bytes(out));
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
		if (c->way == SIM_STARTTLS && c->end.tls == NULL && c->smtp.starttls)
			client_verb(c, SMTP_CLIENT_STARTTLS);
		else
			client_next_message(all, c);
		break;
	case SMTP_CLIENT_STARTTLS:
		/* 454 leaves the session as it is. */
		if (event->code != 220) {
			client_next_message(all, c);
			break;
		}
		begin_tls(all, c);
		smtp_client_restart(&c->smtp);
		break;
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
	sim_end_abort(&c->end);
	memset(c, 0, sizeof(*c));
}

static void client_body(struct sim_clients *all, struct sim_client *c)
{
	const struct sim_message *m = c->message;
	size_t room = sim_end_writable(&c->end);
	size_t left = m->wire_bytes - c->wire_sent;

	if (c->dribbles && room > 8)
		room = 1 + random_below(all->random, 8);
	if (left > room)
		left = room;
	if (c->wire_sent + left > c->give_up_at)
		left = c->give_up_at > c->wire_sent ? c->give_up_at - c->wire_sent : 0;
	c->wire_sent += sim_end_write(&c->end, bytes_of(m->wire + c->wire_sent, left));
	if (c->wire_sent >= c->give_up_at) {
		client_gone(c);
		return;
	}
	if (c->wire_sent == m->wire_bytes) {
		c->in_body = false;
		smtp_client_sent_dot(&c->smtp);
	}
}

/* Inside TLS: what there is to do before anything can be read. */
static void client_shake(struct sim_clients *all, struct sim_client *c)
{
	bool shook = sim_end_is_shaking(&c->end);

	sim_end_run(&c->end);
	if (shook && !sim_end_is_shaking(&c->end) && !sim_end_is_broken(&c->end)) {
		all->tls_resumed += tls_peer_resumed(c->end.tls);
		if (c->way == SIM_STARTTLS)
			client_ehlo(c);
	}
}

static void client_read(struct sim_clients *all, struct sim_client *c)
{
	struct smtp_client_event event;

	if (c->end.tls != NULL)
		client_shake(all, c);
	for (;;) {
		struct bytes input = sim_end_peek(&c->end);
		size_t available = input.len;

		if (available == 0)
			break;
		bool got = smtp_client_next(&c->smtp, &input, &event);
		sim_end_consume(&c->end, available - input.len);
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
	if (sim_end_at_end(&c->end)) {
		sim_end_close(&c->end);
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
		else if (c->gives_up_shaking && sim_end_is_shaking(&c->end))
			client_gone(c);
		else
			client_read(all, c);
	}
	for (uint32_t i = 0; i < all->client_count; i++) {
		struct sim_client *c = &all->client[i];
		if (c->end.conn == NULL && all->message_next < all->message_count &&
		    random_below(all->random, 4) == 0)
			client_connect(all, c, now_us);
		else if (c->end.conn != NULL && c->in_body)
			client_body(all, c);
		if (c->end.conn != NULL)
			sim_end_run(&c->end);
	}
}

bool sim_clients_done(const struct sim_clients *all)
{
	for (uint32_t i = 0; i < all->client_count; i++)
		if (all->client[i].end.conn != NULL)
			return false;
	return all->message_next == all->message_count;
}
