/* relay.c - commit: after the verdict the backend gets DATA, our trace, the held octets and the
 * dot.
 *
 * Everything before the final dot can be undone by closing the backend's connection; after it only
 * the backend knows, and its reply is the client's reply. The client's 250 is never ours.
 */
#include "base/check.h"
#include "base/clock.h"
#include "dataplane/gateway_internal.h"
#include "smtp/data.h"
#include "smtp/trace_header.h"

/* Not more than the smallest send buffer (options.def) takes at once. */
#define TRACE_BYTES     4096
#define TRACE_RULES_MAX 64

void relay_commit(struct gateway *g, struct mail *m)
{
	uint8_t memory[16];
	struct buf out = buf_over(memory, sizeof(memory));
	enum smtp_reply reply;

	if (m->backend == NULL) {
		g->counters->messages_deferred++;
		mail_refuse(g, m, REPLY_BACKEND_DOWN, bytes_of(NULL, 0));
		return;
	}
	if (!results_clean(g, m, &reply)) {
		mail_refuse(g, m, reply, bytes_of(NULL, 0));
		return;
	}
	results_note(g, m);
	report_note_backend(g, m);
	m->phase = MAIL_DATA;
	if (!smtp_client_send_verb(&m->backend->client, SMTP_CLIENT_DATA, &out))
		UNREACHABLE(); /* no reply is due between the last RCPT and DATA */
	backend_write(g, m->backend, &out);
}

static uint32_t trace_rules(const struct mail *m, struct trace_rule rules[TRACE_RULES_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->event.rule_count && count < TRACE_RULES_MAX; i++) {
		const struct event_rule *hit = &m->event.rules[i];
		rules[count++] = (struct trace_rule){
		    bytes_text(ruleset_rule_name(m->rules->ruleset, hit->rule)), hit->score_milli};
	}
	return count;
}

/* All rules; when there is no room for them half as many, the weightiest, and so on. */
static bool write_verdict(const struct mail *m, struct bytes id, struct buf *out)
{
	struct trace_rule rules[TRACE_RULES_MAX];
	struct trace_verdict verdict = {.spam = m->verdict == VERDICT_TAG,
	                                .score_milli = m->event.score_milli,
	                                .required_milli = m->limits.tag_milli,
	                                .rules = rules,
	                                .rule_count = trace_rules(m, rules),
	                                .id = id};

	while (!trace_write_verdict(&verdict, out)) {
		if (verdict.rule_count == 0)
			return false;
		verdict.rule_count /= 2;
		out->overflow = false;
	}
	return true;
}

static bool relay_trace(struct gateway *g, struct mail *m)
{
	uint8_t memory[TRACE_BYTES];
	struct buf out = buf_over(memory, sizeof(memory));
	struct session *s = m->session;
	struct endpoint local, remote;
	char date[32], id_text[EVENT_ID_TEXT_BYTES], client[ADDR_TEXT_MAX];
	struct tls_info tls;
	bool fits;

	leg_describe(g, &s->leg, &tls);
	clock_format_rfc5322(g->wall_us, date);
	event_id_format(m->id, id_text);
	tcp_endpoints(s->leg.conn, &local, &remote);
	addr_format(&remote.addr, client);
	results_write(g, m, &out);
	fits = trace_write_received(
	    &(struct trace_received){.helo = bytes_text(s->helo),
	                             .client_address = bytes_text(client),
	                             .hostname = bytes_text(g->its.hostname),
	                             .esmtp = s->server.esmtp,
	                             .authenticated = s->server.authenticated,
	                             .tls_version = bytes_text(tls.version),
	                             .tls_suite = bytes_text(tls.suite),
	                             .client_certificate = tls.peer_certificate,
	                             .client_verified = tls.peer_verified,
	                             .id = bytes_text(id_text),
	                             .date = bytes_text(date)},
	    &out);
	if (g->config->add_headers)
		fits &= write_verdict(m, bytes_text(id_text), &out);
	ASSERT(fits);
	if (leg_writable(g, &m->backend->leg) < out.len)
		return false;
	leg_write(g, &m->backend->leg, buf_bytes(&out), true);
	return true;
}

/* What of the held octets may go now: all of a complete message; else whole packets, the last
 * octets withheld, since they may turn out to be the final dot. */
static void relay_held(struct gateway *g, struct mail *m)
{
	struct pkt_chain ready = {0};
	size_t held_bytes = m->held.bytes;
	uint32_t held_count = m->held.count;

	if (m->body_complete) {
		leg_write_chain(g, &m->backend->leg, &m->held, false);
	} else {
		size_t room = leg_writable(g, &m->backend->leg);
		while (m->held.head != NULL && m->held.head->len <= room &&
		       m->held.bytes - m->held.head->len >= DATA_TERMINATOR_BYTES) {
			room -= m->held.head->len;
			pkt_chain_push(&ready, pkt_chain_pop(&m->held));
		}
		leg_write_chain(g, &m->backend->leg, &ready, false);
		ASSERT(ready.head == NULL || m->backend->leg.tls != 0);
		pkt_chain_put_back(&m->held, &ready); /* TLS takes more room than its octets */
	}
	g->held_bytes -= held_bytes - m->held.bytes;
	g->held_pkts -= held_count - m->held.count;
}

void relay_send(struct gateway *g, struct mail *m)
{
	ASSERT(m->phase == MAIL_SEND);
	if (!m->trace_written) {
		if (!relay_trace(g, m))
			return;
		m->trace_written = true;
	}
	relay_held(g, m);
	if (m->body_complete && m->held.head == NULL) {
		m->phase = MAIL_DOT;
		m->commit_us = g->now_us;
		m->backend->in_data = false;
		smtp_client_sent_dot(&m->backend->client);
		backend_arm(g, m->backend, g->config->backend_dot_timeout_ms);
		return;
	}
	backend_arm(g, m->backend, g->config->backend_dot_timeout_ms);
	if (m->session != NULL)
		session_window(g, m->session);
}

static void note_backend_reply(struct gateway *g, struct mail *m,
                               const struct smtp_client_event *event)
{
	struct buf out = buf_over(m->event.backend_reply, sizeof(m->event.backend_reply) - 1);
	struct bytes text = bytes_slice(event->text, 0, sizeof(m->event.backend_reply) - 8);

	buf_put_u64(&out, event->code);
	buf_put_octet(&out, ' ');
	buf_put(&out, text);
	m->event.backend_reply[out.len] = '\0';
	m->event.timing.backend_us = gateway_since_us(g, m->commit_us);
}

/* The backend's word on the message, or on DATA when it would not even hear it. */
static void relay_outcome(struct gateway *g, struct mail *m, const struct smtp_client_event *event)
{
	struct backend *b = m->backend;

	note_backend_reply(g, m, event);
	if (event->code / 100 == 2) {
		if (m->verdict == VERDICT_TAG)
			g->counters->messages_tagged++;
		else
			g->counters->messages_accepted++;
	} else {
		g->counters->messages_backend_refused++;
		m->verdict = event->code / 100 == 5 ? VERDICT_REJECT : VERDICT_DEFER;
	}
	bool reset = m->phase == MAIL_DATA;
	m->backend = NULL;
	b->mail = NULL;

	/* The connection serves the next mail before the client can send one. `event->text` lies in
	 * the connection's memory and stays until its next reply. */
	backend_release(g, b, reset);
	mail_answer(g, m, event->code, event->text);
}

void relay_backend_reply(struct gateway *g, struct mail *m, const struct smtp_client_event *event)
{
	if (m->phase == MAIL_DATA && event->command == SMTP_CLIENT_DATA) {
		if (event->code / 100 != 3) {
			relay_outcome(g, m, event);
			return;
		}
		m->backend->in_data = true;
		m->phase = MAIL_SEND;
		relay_send(g, m);
	} else if (m->phase == MAIL_DOT && event->command == SMTP_CLIENT_DOT) {
		relay_outcome(g, m, event);
	}
}
